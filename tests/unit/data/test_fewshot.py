"""Few-shot blocks: found where they are shared, left alone where they are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.data.fewshot import shared_prefixes, strip_few_shot, unwrap_list
from pointsman.data.outcomes import Outcomes
from pointsman.data.tables import read_columns

BLOCK = "".join(f"Example {i}: what is {i} + {i}?\nAnswer: {2 * i}\n\n" for i in range(12))
QUESTIONS = [
    f"The {animal} is how old?\nAnswer:" for animal in ("cat", "cow", "dog", "eel", "emu", "fly", "fox", "gnu")
]


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@given(st.lists(st.text("ab", max_size=6), max_size=9), st.integers(2, 5))
def test_the_longest_prefix_shared_with_enough_others_by_brute_force(prompts, together):
    found = shared_prefixes(prompts, together)
    for i, prompt in enumerate(prompts):
        overlaps = sorted((common(prompt, other) for j, other in enumerate(prompts) if j != i), reverse=True)
        expected = overlaps[together - 2] if len(prompts) >= together else 0
        assert found[i] == expected


def test_a_block_goes_and_the_shared_first_words_of_the_question_stay():
    assert strip_few_shot([BLOCK + q for q in QUESTIONS]) == tuple(QUESTIONS)


def test_a_prompt_that_comes_often_is_no_block():
    """LLMFAO asks 13 questions some 700 times each."""
    asked = ["Given these facts:\n\n" + "A fact. " * 40 + f"\n\nWhat of the {animal}?" for animal in ("cat", "gnu")]
    assert strip_few_shot(asked * 20) == tuple(asked * 20)
    assert strip_few_shot([BLOCK + q for q in QUESTIONS] * 20) == tuple(QUESTIONS * 20)


def test_each_group_has_its_own_block_and_one_without_is_left_alone():
    other = BLOCK.replace("+", "minus")
    prompts = [BLOCK + q for q in QUESTIONS] + [other + q for q in QUESTIONS] + QUESTIONS
    groups = ["plus"] * 8 + ["minus"] * 8 + ["bare"] * 8
    assert strip_few_shot(prompts, groups) == tuple(QUESTIONS * 3)
    assert strip_few_shot(prompts) == tuple(QUESTIONS * 3)


def test_what_few_share_is_content():
    passage = "A long passage on which four questions are asked. " * 8 + "\n\n"
    prompts = [passage + q for q in QUESTIONS[:4]] + [f"{i} {q}" for i, q in enumerate(QUESTIONS * 10)]
    assert strip_few_shot(prompts) == tuple(prompts)
    assert strip_few_shot(QUESTIONS[:3]) == tuple(QUESTIONS[:3])
    assert strip_few_shot([]) == ()


def test_a_prompt_that_is_all_block_stays_whole():
    assert strip_few_shot([BLOCK] * 6) == (BLOCK,) * 6


def test_printed_lists_are_unwrapped_and_nothing_else_is_run():
    assert unwrap_list("['a\\nb', \"c'd\"]") == "a\nb\n\nc'd"
    for other in ("[1, 2]", "['a', 2]", "['a' + 'b']", "['a'", "['a', __import__('os')]", "plain", ""):
        assert unwrap_list(other) == other


@pytest.mark.data
def test_routerbenchs_blocks_are_found(data_dir):
    """What is left is the last question, as the file's own `query` column has it, for all but a handful of prompts."""
    pytest.importorskip("pyarrow")
    path = data_dir / "routerbench_slice" / "routerbench_0shot_slice.parquet"
    table, query = Outcomes.read(path, task_column="eval_name"), read_columns(path)["query"]
    stripped = strip_few_shot(table.prompts, table.tasks)
    same = np.array([a.strip() == b.strip() for a, b in zip(stripped, query, strict=True)])
    for task in set(table.tasks):
        mine = np.array([name == task for name in table.tasks])
        assert same[mine].mean() > 0.99
    assert len({text[:800] for text in table.prompts}) < 900
    assert len({text[:800] for text in stripped}) > 3000

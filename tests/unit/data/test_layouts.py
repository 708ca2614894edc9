"""Every layout of outcomes by one way in."""

from __future__ import annotations

import json

import pytest

from pointsman.data.layouts import LAYOUTS, column_map, load_outcomes
from pointsman.data.merge import hashes, read_data
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.data.routellm import STRONG, WEAK, read_routellm
from pointsman.errors import ConfigurationError, DataError
from tests.support.frames import FRAMES


def test_ones_own_columns_by_a_map(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "question,subject,asked,big,small,big_usd\nWhy?,maths,2024-01-01,1,0,0.1\n,maths,,1,1,1\nHow?,art,2024-01-02,True,0.5,\n"
    )
    names = column_map(["prompt=question", "task=subject", "score|big=big", "score|small=small", "cost|big=big_usd"])
    loaded = load_outcomes(path, columns=names)
    table = loaded.outcomes
    assert table.prompts == ("Why?", "How?")
    assert table.tasks == ("maths", "art")
    assert table.score("small").tolist() == [0, 0.5]
    assert table.costs is not None
    assert table.costs[0, 0] == 0.1
    assert loaded.column("asked") == ["2024-01-01", "2024-01-02"]
    assert loaded.column("task") == ("maths", "art")
    assert loaded.name == "mine"


def test_the_wide_layout_as_jsonl(tmp_path):
    rows = [
        {"prompt": "a", "score|m": 1, "score|n": 0, "task": "x"},
        {"prompt": "b", "score|m": 0.5, "score|n": None, "task": "y"},
    ]
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert load_outcomes(tmp_path / "o.jsonl").outcomes.models == ("m", "n")


def test_the_wide_layout_as_parquet(tmp_path):
    parquet, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(pa.table({"prompt": ["a"], "score|m": [1.0], "score|n": [0.0]}), tmp_path / "o.parquet")
    assert load_outcomes(tmp_path / "o.parquet").outcomes.models == ("m", "n")


def test_battles_are_shares_of_wins(tmp_path):
    rows = [{"prompt": "why", "model_a": "m", "model_b": "n", "winner": won} for won in ("a", "tie")]
    rows.append({"prompt": "how", "model_a": "n", "model_b": "m", "winner": "a"})
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = load_outcomes(tmp_path / "b.jsonl").outcomes
    assert table.prompts == ("why", "how")
    assert table.score("m").tolist() == [0.75, 0]


def test_routerbenchs_pickle(tmp_path):
    (tmp_path / "rb.pkl").write_bytes(FRAMES["pandas 2, protocol 4"])
    loaded = load_outcomes(tmp_path / "rb.pkl")
    assert loaded.outcomes.models == ("gpt", "own")
    assert loaded.outcomes.tasks == ("arc", "arc", "mbpp", "arc")
    assert loaded.column("eval_name") == ["arc", "arc", "mbpp", "arc"]


def routellm(root):
    for name in ("mmlu/responses", "gsm8k", "mt_bench"):
        (root / name).mkdir(parents=True)
    header = f"prompt,{WEAK},{STRONG}"
    (root / "mmlu/responses/mmlu_law.csv").write_text(f"{header}\nIs it?,True,True\nWas it?,False,True\n")
    (root / "mmlu/responses/mmlu_art.csv").write_text(f"{header}\nWho?,False,False\n")
    (root / "mmlu/contaminated_prompts.jsonl").write_text('{"eval_prompt": "Who?"}\n')
    (root / "gsm8k/gsm8k_responses.csv").write_text(f"{header}\n2+2?,False,True\n3+3?,True,True\n")
    (root / "gsm8k/contaminated_prompts.jsonl").write_text('{"eval_prompt": "4+4?"}\n')
    questions = [{"question_id": n, "category": "maths", "turns": [f"turn {n}", "more"]} for n in (81, 82)]
    marks = [
        {"question_id": n, "model": model, "turn": turn, "score": score}
        for n, model, turn, score in [
            (81, STRONG, 1, 10),
            (81, STRONG, 2, 8),
            (81, WEAK, 1, 7),
            (81, WEAK, 2, -1),
            (82, STRONG, 1, 9),
        ]
    ]
    for name, rows in (
        ("question", questions),
        ("judgements", marks),
        ("contaminated_prompts", [{"eval_prompt": "no"}]),
    ):
        (root / f"mt_bench/{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("inside", ["", "routellm/evals", "evals", "routellm"])
def test_routellms_folder_wherever_it_begins(tmp_path, inside):
    routellm(tmp_path / inside)
    mmlu = load_outcomes(tmp_path, layout="routellm-mmlu").outcomes
    assert mmlu.models == (STRONG, WEAK)
    assert (mmlu.prompts, mmlu.tasks) == (("Is it?", "Was it?"), ("law", "law"))
    assert mmlu.scores.tolist() == [[1, 1], [1, 0]]
    assert len(read_routellm(tmp_path, "mmlu", decontaminate=False)) == 3
    assert load_outcomes(tmp_path, layout="routellm-gsm8k").outcomes.score(WEAK).tolist() == [0, 1]
    bench = load_outcomes(tmp_path, layout="routellm-mt-bench").outcomes
    assert bench.prompts == ("turn 81", "turn 82")
    assert bench.scores[0].tolist() == pytest.approx([0.9, 0.7])
    assert bench.scores[1, 0] == 0.9
    assert bench.scores[1, 1] != bench.scores[1, 1]  # nobody judged it


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        (lambda f: load_outcomes(f / "absent.csv"), DataError, "does not exist"),
        (lambda f: load_outcomes(f / "empty.csv"), DataError, "no rows"),
        (lambda f: load_outcomes(f / "a.csv"), DataError, r"no column 'score\|<model>'"),
        (lambda f: load_outcomes(f / "a.csv", columns={"prompt": "q"}), DataError, "no column 'q'; it has prompt, x"),
        (lambda f: load_outcomes(f / "a.csv", layout="routellm-mmlu"), ConfigurationError, "leave the layout out"),
        (lambda f: load_outcomes(f / "a.csv", layout="mmlu"), ConfigurationError, "there are routellm-mmlu"),
        (lambda f: load_outcomes(f), DataError, "not in RouteLLM's layout"),
        (lambda f: load_outcomes(f / "r"), ConfigurationError, "say which: routellm-mmlu"),
        (lambda f: load_outcomes(f / "half", layout="routellm-mmlu"), DataError, "pointsman data fetch routellm"),
        (lambda f: load_outcomes(f / "a.txt"), DataError, "cannot read a .txt file"),
        (lambda f: load_outcomes(f / "os.pkl"), DataError, "asks for os.system"),
        (lambda f: column_map(["prompt"]), ConfigurationError, "write WIDE=YOURS"),
        (lambda f: column_map(["score=x"]), ConfigurationError, r"score\|MODEL"),
        (lambda f: load_outcomes(f / "r", layout="routellm-gsm8k").column("time"), DataError, "no column 'time'"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path, wrong, kind, text):
    (tmp_path / "empty.csv").write_text("prompt,score|m\n")
    (tmp_path / "a.csv").write_text("prompt,x\nwhy,1\n")
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "os.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (tmp_path / "half" / "gsm8k").mkdir(parents=True)
    routellm(tmp_path / "r")
    with pytest.raises(kind, match=text) as refused:
        wrong(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        ("contaminated_prompts", {"x": 1}, "contaminated_prompts.jsonl: no column 'eval_prompt'"),
        ("question", {"question_id": 81, "category": "maths", "turns": None}, "question.jsonl: row 0, column 'turns'"),
        ("question", {"question_id": 81, "category": "maths", "turns": []}, "question.jsonl: row 0, column 'turns'"),
        ("judgements", {"question_id": 81, "model": STRONG, "score": "good"}, "'good' is not a number"),
    ],
)
def test_what_routellms_files_lack_is_named(tmp_path, file, content, text):
    routellm(tmp_path)
    (tmp_path / f"mt_bench/{file}.jsonl").write_text(json.dumps(content))
    with pytest.raises(DataError, match=text):
        load_outcomes(tmp_path, layout="routellm-mt-bench")


def test_training_reads_every_layout_that_evaluation_reads(tmp_path):
    routellm(tmp_path / "r")
    assert len(read_data([tmp_path / "r"], layout="routellm-mmlu")) == 2
    (tmp_path / "rb.pkl").write_bytes(FRAMES["pandas 2, protocol 4"])
    assert isinstance(read_data([tmp_path / "rb.pkl"]), Outcomes)
    votes = tmp_path / "votes.csv"
    votes.write_text("prompt,prompt_text,left,right,winner\n8,Why?,m,n,left\n8,Why?,n,m,tie\n")
    with pytest.raises(DataError, match="no column 'model_a', 'model_b'"):
        read_data([votes])
    named = column_map(["prompt=prompt_text", "model_a=left", "model_b=right"])
    battles = read_data([votes], columns=named)
    assert isinstance(battles, Battles)
    assert (battles.prompts, battles.labels.tolist()) == (("Why?", "Why?"), [1, 0.5])
    assert load_outcomes(votes, columns=named).outcomes.score("m").tolist() == [0.75]
    (tmp_path / "o.csv").write_text("question,ok\nWhy?,1\n")
    outcomes = read_data([tmp_path / "o.csv"], columns={"prompt": "question", "score|m": "ok"})
    assert isinstance(outcomes, Outcomes)
    assert outcomes.models == ("m",)


def test_a_folder_is_hashed_file_by_file(tmp_path):
    routellm(tmp_path / "r")
    found = hashes([tmp_path / "r", tmp_path / "r/gsm8k/gsm8k_responses.csv"])
    assert [each["file"] for each in found].count("gsm8k_responses.csv") == 2
    assert len({each["sha256"] for each in found}) == len(found) - 1


@pytest.mark.data
def test_the_layouts_of_the_data_at_hand(data_dir):
    for layout, rows in zip(LAYOUTS, (14_037, 1_307, 72), strict=True):
        assert len(load_outcomes(data_dir / "routellm", layout=layout).outcomes) == rows

"""Copies of a benchmark are found by cosine, and the similarity score is its formula."""

import numpy as np
import pytest

from pointsman.data.convert import as_battles
from pointsman.errors import DataError
from pointsman.training.decontaminate import contaminated, decontaminate, similarity_score
from tests.support.battles import Lookup
from tests.support.outcomes import table


def at(degrees):
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]


EMBEDDER = Lookup(
    {"b0": at(0), "b90": at(90), "same": at(0), "near": at(18), "far": at(18.5), "off": at(-60), "zero": [0, 0]}
)


def test_from_cosine_095_on_a_prompt_is_a_copy():
    """cos 18.0 degrees = 0.9511, cos 18.5 = 0.9483."""
    found = contaminated(["same", "near", "far", "off", "zero"], ["b0"], EMBEDDER)
    assert found.tolist() == [True, True, False, False, False]
    assert contaminated(["far"], ["b0"], EMBEDDER, threshold=0.94).all()


def test_the_same_letters_are_a_copy_even_without_a_vector():
    assert contaminated(["zero"], ["zero", "b0"], EMBEDDER).all()


def test_a_question_with_other_options_is_the_same_question():
    four = "Find the degree of the extension.\n(A) 0\n(B) 4"
    ten = "Find the degree  of the extension:\nA. 0\nB. 4\nC. 2\nD. 6"
    prompts = [ten, ten.replace("degree", "order"), "?!"]
    embedder = Lookup({prompt: [0, 1] for prompt in prompts} | {four: [1, 0], "...": [1, 0]})
    assert contaminated(prompts, [four, "..."], embedder).tolist() == [True, False, False]


@pytest.mark.parametrize("convert", [lambda x: x, as_battles])
def test_data_loses_the_rows_of_each_benchmark(convert):
    data = convert(table(["same", "far", "off"], ["x", "y"], [[1, 0], [0, 1], [1, 1]]))
    clean, dropped = decontaminate(data, {"zero degrees": ["b0"], "ninety": ["b90"]}, EMBEDDER)
    assert type(clean) is type(data)
    assert clean.prompts == ("far", "off")
    assert dropped == {"zero degrees": 1, "ninety": 0}


def test_the_similarity_score_is_the_mean_of_the_largest_cosines():
    found = similarity_score(["b0", "b90"], ["near", "off"], EMBEDDER)
    assert found == pytest.approx((np.cos(np.radians(18)) + np.cos(np.radians(72))) / 2, abs=1e-4)


def test_nothing_to_compare_with_or_nothing_left_is_an_error():
    for call in (
        lambda: contaminated(["same"], [], EMBEDDER),
        lambda: similarity_score([], ["same"], EMBEDDER),
        lambda: decontaminate(table(["same"], ["x", "y"], [[1, 0]]), {"b": ["b0"]}, EMBEDDER),
    ):
        with pytest.raises(DataError):
            call()

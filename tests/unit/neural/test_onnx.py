"""Exported networks say what the torch ones say, and need no torch to be served."""

import subprocess
import sys

import numpy as np
import pytest

from pointsman import Scorer
from pointsman.embedders.onnx import OnnxNetwork
from pointsman.errors import ArtifactCorruptError, ConfigurationError
from pointsman.scorers.bert import BertScorer
from pointsman.scorers.onnx import OnnxScorer
from tests.unit.neural import tiny

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
PAIR = ("big", "small")
TEXTS = [*tiny.prompts(60, seed=3)[0], "", "unseen words", "prove " * 200]


@pytest.fixture(scope="module", params=[3, 1])
def exported(request, tmp_path_factory):
    folder = tiny.bert_folder(tmp_path_factory.mktemp("bert"), request.param, spread=0.4)
    form = "three_way" if request.param == 3 else "sigmoid"
    scorer = BertScorer.from_checkpoint(folder, PAIR, form=form, device="cpu").with_reference(TEXTS)
    return scorer, OnnxScorer.from_bert(scorer)


def test_it_equals_torch(exported):
    scorer, served = exported
    assert isinstance(served, Scorer)
    assert np.abs(served.strong_wins(TEXTS) - scorer.strong_wins(TEXTS)).max() < 1e-4
    assert served.strong_wins(TEXTS).std() > 0.02
    assert np.array_equal(served.reference, scorer.reference)
    assert served.quality([]).shape == (0, 2)


def test_a_row_does_not_depend_on_the_rows_beside_it(exported):
    _, served = exported
    alone = [served.strong_wins([text])[0] for text in TEXTS]
    assert np.array_equal(served.strong_wins(TEXTS), alone)


def test_int8_is_close_and_small(exported):
    scorer, served = exported
    small = OnnxScorer.from_bert(scorer, quantize=True)
    assert len(small.network.model) < 0.8 * len(served.network.model)
    difference = np.abs(small.strong_wins(TEXTS) - scorer.strong_wins(TEXTS))
    assert 0 < difference.max() < 0.15
    assert np.corrcoef(small.strong_wins(TEXTS), scorer.strong_wins(TEXTS))[0, 1] > 0.9


def test_saved_and_loaded_it_is_the_same_and_torch_is_not_needed(exported, tmp_path):
    _, served = exported
    served.save(tmp_path / "saved")
    rates = served.strong_wins(TEXTS)
    for found in (OnnxScorer.load(tmp_path / "saved"), OnnxScorer.from_state(served.to_state())):
        assert np.array_equal(found.strong_wins(TEXTS), rates)
        assert found.settings() == served.settings()
    code = (
        "import sys; from pointsman.scorers.onnx import OnnxScorer; "
        "print(OnnxScorer.load(sys.argv[1]).strong_wins(sys.argv[2:]).tolist()); "
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules)"
    )
    out = subprocess.run(  # noqa: S603  # this interpreter, with the code above
        [sys.executable, "-c", code, str(tmp_path / "saved"), *TEXTS[:3]], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == str(rates[:3].tolist())


def test_damage_is_named(exported, tmp_path):
    _, served = exported
    network = served.network
    with pytest.raises(ArtifactCorruptError, match="onnxruntime cannot open"):
        OnnxNetwork(network.model[:1000], network.tokenizer, 64).run(["a"])
    with pytest.raises(ArtifactCorruptError, match="not a tokenizer"):
        OnnxNetwork(network.model, "{}", 64).run(["a"])
    other = "sigmoid" if served.form == "three_way" else "three_way"
    served.write(tmp_path)
    with pytest.raises(ConfigurationError, match="labels"):
        OnnxScorer.open(tmp_path, served.settings() | {"form": other}, served.reference)

"""The fine-tuned routers under the one call that trains every router, and in a saved one."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from pointsman import Pool, Router, Threshold
from pointsman.artifacts import read_artifact
from pointsman.cli import main
from pointsman.errors import ConfigurationError
from pointsman.training import train
from tests.unit.neural import tiny

PAIR = {"strong": "big", "weak": "small"}
TEXTS = [*tiny.prompts(10, seed=3)[0], ""]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    root = tmp_path_factory.mktemp("bases")
    return {"bert": tiny.bert_folder(root / "bert"), "causal_llm": tiny.causal_folder(root / "causal")}


@pytest.mark.parametrize("name", ["bert", "causal_llm"])
def test_a_router_around_it_comes_back_the_same(bases, tmp_path, name):
    scorer = train(name, tiny.battles(60), base=bases[name], steps=3, **PAIR)
    router = Router(Pool.pair("big", "small"), scorer, Threshold(0.5))
    router.save(tmp_path / "router")
    loaded = Router.load(tmp_path / "router")
    before, after = router.decide_batch(TEXTS), loaded.decide_batch(TEXTS)
    assert [d.win_rate for d in before] == [d.win_rate for d in after]
    assert before[0].win_rate is not None


@pytest.mark.parametrize("name", ["bert", "causal_llm"])
def test_the_seed_decides(bases, name):
    first, again, other = (
        train(name, tiny.battles(60), base=bases[name], steps=3, seed=seed, **PAIR).win_rate(TEXTS, "big", "small")
        for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("name", ["bert", "causal_llm"])
def test_the_command_trains_it_for_the_pair_of_the_data(bases, tmp_path, capsys, name):
    battles, out = tiny.battles(60), tmp_path / "r"
    battles.write(tmp_path / "b.jsonl")
    given = ["--data", str(tmp_path / "b.jsonl"), "--out", str(out), "--option", f"base={bases[name]}"]
    asked = ["train", "--router", name, *given, "--option", "steps=3", "--strong", "big", "--weak", "small"]
    assert main(asked) == 0
    assert "validation" in capsys.readouterr().err
    assert Router.load(out).decide("hello").win_rate is not None
    losses = read_artifact(out, "router").manifest.training["losses"]
    assert losses["validation"].keys() == {"0", "3"}
    assert losses["best_step"] in (0, 3)


def test_options_that_it_does_not_take_are_named(bases):
    with pytest.raises(ConfigurationError, match="bert takes no speed"):
        train("bert", tiny.battles(60), base=bases["bert"], speed=9, **PAIR)

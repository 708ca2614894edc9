"""`pointsman evaluate` for the fine-tuned routers: trained in folds on what the command was given."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from pointsman.cli import main
from tests.unit.neural import tiny


@pytest.mark.parametrize(("name", "folder"), [("bert", tiny.bert_folder), ("causal_llm", tiny.causal_folder)])
def test_it_runs_for_fine_tuned_routers(tmp_path, capsys, name, folder):
    texts, hard = tiny.prompts(60)
    lines = [
        f"{text} {row},{1},{int(not is_hard)}" for row, (text, is_hard) in enumerate(zip(texts, hard, strict=True))
    ]
    (tmp_path / "d.csv").write_text("\n".join(["prompt,score|big,score|small", *lines]))
    base = folder(tmp_path / "base")
    options = ["--option", f"base={base}", "--option", "steps=2", "--folds", "2", "--resamples", "20", "--json"]
    assert main(["evaluate", "--router", name, "--data", str(tmp_path / "d.csv"), *options]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"][0]["rows"]
    assert rows[-1]["name"] == name
    assert rows[-1]["figures"]["apgr"]["value"] is not None

"""`pointsman replace`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pointsman import Always, Outcomes, PromptLength, Router, Threshold
from pointsman.cli import main
from tests.support.core import pair

EASY, HARD = "hello {}", "prove that two is even and why, " * 12 + "{}"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A router in use that always takes the weak model, one that takes the strong one where it is hard, and ratings."""
    Router(pair(), PromptLength(), Always("weak")).save(tmp_path / "old")
    Router(pair(), PromptLength(), Threshold(0.5)).save(tmp_path / "new")
    rows = 120
    hard = np.arange(rows) % 2 == 1
    Outcomes(
        prompts=tuple((HARD if h else EASY).format(i) for i, h in enumerate(hard)),
        models=("strong", "weak"),
        scores=np.column_stack([np.ones(rows), ~hard]).astype(float),
        prompt_ids=tuple(map(str, range(rows))),
        tasks=("",) * rows,
        costs=np.tile([0.002, 0.0001], (rows, 1)),
    ).write(tmp_path / "held.csv")
    return tmp_path


def replace(folders: Path, *more: str, old: str = "old", new: str = "new") -> int:
    given = {"--old": old, "--new": new, "--data": "held.csv"}
    return main(["replace", *(part for key, name in given.items() for part in (key, str(folders / name))), *more])


def test_a_better_router_takes_the_place(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replace(folders) == 0
    assert Router.load(folders / "old").policy == Threshold(0.5)
    kept = json.loads((folders / "old" / "manifest.json").read_text(encoding="utf-8"))["training"]
    assert kept["compared"]["known"] == 60
    assert [file["file"] for file in kept["compared"]["data"]] == ["held.csv"], "what it was compared on is on record"
    told = capsys.readouterr().out
    assert "120 prompts; the routers differ on 60, both answers rated on 60" in told
    assert "holds it now" in told


def test_a_worse_one_does_not_and_the_exit_code_says_so(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in (folders / "new").iterdir()}
    assert replace(folders, "--json", old="new", new="old") == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["better"], told["replaced"]) == (False, False)
    assert told["worth_usd"]["high"] < 0
    assert {path.name: path.read_bytes() for path in (folders / "new").iterdir()} == before


def test_a_dry_run_only_compares(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replace(folders, "--dry-run") == 0
    assert isinstance(Router.load(folders / "old").policy, Always)
    assert capsys.readouterr().out.endswith("new is better\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ({"new": "nowhere"}, 2, "nowhere"),
        ({"old": "held.csv"}, 2, "holds other things than a router"),
    ],
)
def test_bad_usage(
    folders: Path, capsys: pytest.CaptureFixture[str], arguments: dict[str, str], code: int, says: str
) -> None:
    assert replace(folders, **arguments) == code
    assert says in capsys.readouterr().err


def test_what_the_new_router_learned_from_is_no_test_of_it(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held, made = str(folders / "held.csv"), str(folders / "made")
    data = ["--data", held, "--strong", "strong", "--weak", "weak"]
    assert main(["train", "--router", "knn", *data, "--out", made]) == 0
    assert main(["replace", "--old", str(folders / "old"), "--new", made, "--data", held]) == 2
    assert "was made from held.csv" in capsys.readouterr().err


def test_a_file_that_is_not_there(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(folders / name) for name in ("old", "new", "nowhere.csv")]
    assert main(["replace", "--old", paths[0], "--new", paths[1], "--data", paths[2]]) == 2
    assert "nowhere.csv does not exist" in capsys.readouterr().err


def test_a_worth_that_is_none(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replace(folders, "--worth", "0") == 2
    assert "give both one pool, and a worth" in capsys.readouterr().err

"""`pointsman calibrate`."""

import json

import pytest

from pointsman import Router
from pointsman.cli import main
from pointsman.data.outcomes import Outcomes
from pointsman.scorers.calibrated import Calibrated
from tests.support.outcomes import synthetic, table

PAIR = ["--strong", "gpt-4o", "--weak", "gpt-4o-mini"]


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"why is {i} even\n\nprove that {'two ' * (i % 30)}" for i in range(150)))
    return str(path)


@pytest.fixture
def outcomes(tmp_path):
    data = synthetic(800)
    path = tmp_path / "mine.csv"
    table(data.prompts, ["gpt-4o", "gpt-4o-mini"], data.scores[:, :2]).write(path)
    assert len(Outcomes.read(path)) == 800
    return str(path)


def told(capsys, *args):
    assert main(["calibrate", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_share_of_a_file_of_prompts(tmp_path, capsys, prompts):
    out = str(tmp_path / "r")
    facts = told(capsys, "--prompts", prompts, "--share", "0.3", "--out", out, *PAIR)
    assert facts["rows"] == 300
    assert facts["strong_share"]["value"] == pytest.approx(0.3, abs=0.01)
    assert facts["usd_per_1000"]["low"] < facts["usd_per_1000"]["value"] < facts["usd_per_1000"]["high"]
    assert facts["rows_to_halve"] > 900
    assert facts["certificate"] is None
    assert len(facts["files"][0]["sha256"]) == 64
    loaded = Router.load(out)
    assert loaded.version == facts["version"]
    assert loaded.calibration.as_dict()["strong_share"] == facts["strong_share"]
    # the router that was saved routes by it
    assert main(["route", "--file", prompts, "--router", out, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(line["candidate"] == "strong" for line in lines) / 300 == pytest.approx(0.3, abs=0.01)


def test_a_budget_without_saving(capsys, prompts):
    assert main(["calibrate", "--prompts", prompts, "--budget", "1.50", *PAIR]) == 0
    said = capsys.readouterr().out
    assert "asked for: at most $1.5 for 1,000 calls" in said
    assert "would halve the interval" in said
    assert "USD" in said
    assert "saved" not in said
    dearer = told(capsys, "--prompts", prompts, "--budget", "1.50", "--reply-tokens", "20", *PAIR)
    assert dearer["strong_share"]["value"] == 1.0


def test_prices_that_no_table_knows_are_given_on_the_command_line(tmp_path, capsys, prompts):
    own, out = ["--prompts", prompts, "--budget", "1.50", "--strong", "mine-1", "--weak", "mine-2"], tmp_path / "r"
    assert main(["calibrate", *own]) == 2
    said = (
        "none is known for mine-1, mine-2; add --price mine-1=IN/OUT mine-2=IN/OUT, USD per million tokens in and out"
    )
    assert said in capsys.readouterr().err
    facts = told(capsys, *own, "--price", "strong=2.5/10", "mine-2=0.15/0.6", "--out", str(out))
    assert facts["usd_per_1000"]["value"] <= 1.5
    assert facts["prices"] == [[2.5, 10.0], [0.15, 0.6]]
    assert [candidate.output_price for candidate in Router.load(out).pool] == [10.0, 0.6]


def test_a_guarantee_and_its_certificate(tmp_path, capsys, outcomes):
    out = str(tmp_path / "r")
    args = ["--data", outcomes, "--eps", "0.1", "--delta", "0.2", "--out", out, *PAIR]
    facts = told(capsys, *args)
    assert (facts["certificate"]["eps"], facts["certificate"]["delta"]) == (0.1, 0.2)
    assert Router.load(out).certificate.data == facts["certificate"]["data"]
    assert main(["calibrate", *args]) == 0
    said = capsys.readouterr().out
    assert "certificate: net loss <= 0.1 with probability 0.8: Threshold(" in said
    assert f"saved to {out}" in said


def test_nothing_that_qualifies_is_said(capsys, outcomes):
    assert main(["calibrate", "--data", outcomes, "--eps", "0.0001", "--loss", "worse", *PAIR]) == 0
    assert "nothing qualifies, so every call goes to the strong model" in capsys.readouterr().out


def test_win_rates_that_mean_what_they_say(tmp_path, capsys, outcomes):
    out = str(tmp_path / "r")
    assert main(["calibrate", "--data", outcomes, "--win-rates", "--out", out, *PAIR]) == 0
    assert "expected calibration error: " in capsys.readouterr().out
    assert isinstance(Router.load(out).scorer, Calibrated)
    facts = told(capsys, "--data", outcomes, "--win-rates", *PAIR)
    assert facts["ece"] <= 0.05
    assert facts["rows"] == 800


def test_labels_that_the_router_was_fitted_to_are_refused(tmp_path, capsys, outcomes):
    adapted, rated, certified = (str(tmp_path / name) for name in ("adapted", "rated", "certified"))
    assert main(["adapt", "--data", outcomes, "--out", adapted, *PAIR]) == 0
    assert main(["calibrate", "--router", adapted, "--data", outcomes, "--eps", "0.1"]) == 2
    assert "was fitted to mine.csv, so these labels flatter it" in capsys.readouterr().err
    # what a router was fitted to is remembered through its calibrations, and a rule is no fit
    assert main(["calibrate", "--data", outcomes, "--win-rates", "--out", rated, *PAIR]) == 0
    assert main(["calibrate", "--router", rated, "--data", outcomes, "--eps", "0.1"]) == 2
    assert main(["calibrate", "--data", outcomes, "--eps", "0.1", "--out", certified, *PAIR]) == 0
    assert main(["calibrate", "--router", certified, "--data", outcomes, "--eps", "0.2"]) == 0
    assert main(["calibrate", "--router", adapted, "--data", outcomes, "--share", "0.3", "--out", certified]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--share", "0.3"], "one of the arguments --prompts --data is required"),
        (["--prompts", "x"], "one of the arguments --share --budget --eps --win-rates is required"),
        (["--prompts", "x", "--share", "0.3", "--budget", "1"], "not allowed with"),
        (["--prompts", "x", "--eps", "0.02"], "--eps needs labels; give outcomes with --data"),
        (["--prompts", "x", "--win-rates"], "--win-rates needs labels"),
        (["--prompts", "PROMPTS", "--share", "1.5"], "give a share of calls in [0, 1]"),
        (["--prompts", "PROMPTS", "--budget", "0.000001"], "raise the budget"),
        (["--prompts", "PROMPTS", "--budget", "1", "--price", "mine=1"], "write MODEL=IN/OUT"),
        (["--prompts", "PROMPTS", "--budget", "1", "--price", "=1/2"], "name one of them"),
        (["--prompts", "PROMPTS", "--budget", "1", "--price", "strong=1/-2"], "output_price is -2.0"),
        (["--prompts", "PROMPTS", "--budget", "1", "--price", "mine=1/2"], "the models are"),
        (["--data", "OUTCOMES", "--eps", "2"], "between 0 and 1"),
        (["--prompts", "PROMPTS", "--share", "0.3", "--out", "PROMPTS"], "holds other things than a router"),
    ],
)
def test_bad_usage_ends_in_one_line_and_code_2(capsys, prompts, outcomes, args, said):
    args = [{"PROMPTS": prompts, "OUTCOMES": outcomes}.get(arg, arg) for arg in args]
    try:
        code = main(["calibrate", *args, *PAIR])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("why\n" * 5, "few.txt", "5 prompts are too few"),
        ("question\nwhy\n", "wrong.csv", "no column 'prompt'"),
        (None, "absent.txt", "cannot be read"),
    ],
)
def test_bad_data_ends_in_one_line(tmp_path, capsys, content, name, said):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert main(["calibrate", "--prompts", str(path), "--share", "0.3", *PAIR]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1

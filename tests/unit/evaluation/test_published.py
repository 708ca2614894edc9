"""The rows that need no router come out as published, from RouteLLM's own files and RouterBench's own rows."""

import time

import pytest

from pointsman import PromptLength, evaluate
from pointsman.data.routellm import STRONG, WEAK, read_routellm

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("name", "prompts", "strong", "weak", "oracle", "spread"),
    [
        ("mmlu", 14_037, 0.80587, 0.68091, (1.2685, 1.2853, 0.0625, 0.1000), 0.018),
        ("gsm8k", 1_307, 0.85769, 0.63734, (1.1146, 1.1208, 0.1102, 0.1763), 0.042),
        ("mt_bench", 72, 0.92118, 0.82813, (0.9543, 0.9639, 0.0818, 0.1708), 0.13),
    ],
)
def test_random_and_oracle_on_routellms_benchmarks(data_dir, name, prompts, strong, weak, oracle, spread):
    """RouteLLM's tables have random at .50, .50, .80 with the spread of one ranking."""
    outcomes = read_routellm(data_dir / "routellm", name)
    report = evaluate(PromptLength(), outcomes, strong=STRONG, weak=WEAK, resamples=300)
    table = report.table("pair")
    assert report.prompts == prompts
    assert table.models[STRONG]["quality"].value == pytest.approx(strong, abs=5e-6)
    assert table.models[WEAK]["quality"].value == pytest.approx(weak, abs=5e-6)
    found = table.row("oracle").figures
    figures = ("apgr", "apgr_exact", "cpt50", "cpt80")
    assert [round(found[each].value, 4) for each in figures] == pytest.approx(oracle, abs=1.1e-4)
    random = table.row("random").figures
    assert [random[each].value for each in ("apgr", "cpt50", "cpt80")] == [0.5, 0.5, 0.8]
    assert (random["apgr"].high - random["apgr"].low) / 2 == pytest.approx(spread, rel=0.15)


def test_contaminated_prompts_are_dropped_unless_asked_for(data_dir):
    sizes = {
        name: [len(read_routellm(data_dir / "routellm", name, decontaminate=each)) for each in (True, False)]
        for name in ("mmlu", "gsm8k", "mt_bench")
    }
    assert sizes == {"mmlu": [14_037, 14_042], "gsm8k": [1_307, 1_319], "mt_bench": [72, 80]}


def test_all_of_mmlu_with_a_thousand_resamples_takes_seconds(data_dir):
    """The limit is 20 s on the clock of two cores; here of processor time, to which a busy machine adds little."""
    outcomes = read_routellm(data_dir / "routellm", "mmlu")
    before = time.process_time()
    evaluate(PromptLength(), outcomes, strong=STRONG, weak=WEAK, resamples=1000)
    assert time.process_time() - before < 20

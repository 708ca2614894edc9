"""Whether what calibration promises is so, on real outcomes.

    python benchmarks/guarantees.py holds        # a bounded loss: how often it is not, over 500 draws of the labels
    python benchmarks/guarantees.py shift        # the same rules on prompts of another kind, where nothing is promised
    python benchmarks/guarantees.py win-rates    # calibration error on prompts that the curve has not seen
    python benchmarks/guarantees.py drift        # how soon a change is noticed, and how often there was none
    python benchmarks/guarantees.py sliding      # the share of strong calls over traffic that changes halfway
    python benchmarks/guarantees.py overhead     # what watching and sliding add to a decision

Add --json for one line of JSON. A table of outcomes stands for all prompts: labels are drawn from it with replacement,
and a rule's true loss is its mean loss over the table. That the shipped router was trained on some of these prompts
(RouteLLM's MMLU and GSM8K) changes none of the promises, which hold for any scorer; BBH and the RouterBench slice were
never trained on. The data folder is POINTSMAN_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman import (
    Candidate,
    Outcomes,
    Pool,
    PromptLength,
    QualityMargin,
    Router,
    Threshold,
    calibrate,
    load_router,
    train,
)
from pointsman.calibration import calibrate_win_rates
from pointsman.calibration.certify import labels_of, qualities, select
from pointsman.calibration.grids import grid_of
from pointsman.calibration.prompts import Scored
from pointsman.calibration.testing import Loss, shortfall
from pointsman.data.sources import data_folder
from pointsman.evaluation.metrics import ece
from pointsman.live import DriftWarning, SlidingRouter, WatchedRouter
from pointsman.query import Query

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]

EPSILONS, DELTA, DRAWS = (0.01, 0.02, 0.05), 0.1, 500
GPT4, MIXTRAL = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"


@dataclass(frozen=True)
class Bench:
    """A router, and a table of outcomes of its models."""

    name: str
    router: Router
    table: Outcomes

    def losses(self, loss: Loss, policies: Sequence[Any] | None = None) -> tuple[list[Any], Floats, Floats]:
        """Policies (default: those of its grid that differ here), losses float64[n, t], strong shares float64[t]."""
        table, scores = labels_of(self.router.pool, self.table)
        scored = Scored.of(self.router, [Query(text) for text in table.prompts], reply_tokens=264)
        row = grid_of(self.router) if policies is None else list(policies)
        column = self.router.pool.position(baseline_of(self.router))
        lost = shortfall(scores[:, [column]], qualities(scored, row, scores), loss)
        shares = np.array([(scored.columns(policy) == column).mean() for policy in row])
        if policies is not None:
            return row, lost, shares
        differ = np.concatenate([[True], (lost[:, 1:] != lost[:, :-1]).any(axis=0)])  # the others test the same again
        return [policy for policy, keep in zip(row, differ, strict=True) if keep], lost[:, differ], shares[differ]


def baseline_of(router: Router) -> str:
    """Name of the candidate that the loss is against."""
    if router.pool.baseline is None:
        raise SystemExit("the pool has no baseline")
    return router.pool.baseline.name


def routellm(folder: Path, task: str) -> Outcomes:
    """RouteLLM's MMLU or GSM8K."""
    table = Outcomes.read(folder / "routellm/routellm_mmlu_gsm8k.parquet", task_column="task")
    return table.select(np.array([each == task for each in table.tasks]))


def benches(folder: Path) -> list[Bench]:
    """Three pairs and a pool of eleven."""
    mmlu = routellm(folder, "mmlu")
    bbh = Outcomes.read(folder / "open_llm_lb_v2_carrot/bbh_5761x19_realigned.parquet")
    slice_ = Outcomes.read(next((folder / "routerbench_slice").glob("*.parquet")))
    pair = Pool.pair(
        Candidate("strong", model="Qwen/Qwen2.5-72B-Instruct"), Candidate("weak", model="google/gemma-2-9b-it")
    )
    duel = Pool.pair(Candidate("strong", model=GPT4), Candidate("weak", model="mistralai/mixtral-8x7b-chat"))
    return [
        Bench("MMLU, GPT-4 and Mixtral", load_router("default", Pool.pair(GPT4, MIXTRAL)), mmlu),
        Bench("MMLU, the same, by length", Router(Pool.pair(GPT4, MIXTRAL), PromptLength(), Threshold(0.5)), mmlu),
        Bench("BBH, Qwen2.5-72B and gemma-2-9b", load_router("default", pair), bbh),
        Bench("RouterBench slice, GPT-4 and Mixtral", load_router("default", duel), slice_),
        Bench("RouterBench slice, eleven models by kNN", *eleven(slice_)),
    ]


def eleven(table: Outcomes) -> tuple[Router, Outcomes]:
    """A kNN router fitted to half of the slice, all models at their mean price of an answer; and the other half."""
    spent = np.nanmean(table.costs, axis=0) if table.costs is not None else np.ones(len(table.models))
    candidates = [
        Candidate(model, input_price=0.0, output_price=float(usd) / 264 * 1e6)
        for model, usd in zip(table.models, spent, strict=True)
    ]
    order = np.random.default_rng(0).permutation(len(table))
    fit, rest = table.select(order[: len(order) // 2]), table.select(order[len(order) // 2 :])
    return Router(Pool(candidates), train("knn", fit, k=40), QualityMargin(0.0)), rest


def holds(folder: Path, seed: int) -> Rows:
    """Violations over draws of n labels, for each table, eps and loss."""
    found: Rows = []
    for bench in benches(folder):
        tested: tuple[tuple[Loss, int], ...] = (("net", 500), ("net", 2000), ("worse", 2000))
        for loss, n in tested:
            policies, lost, shares = bench.losses(loss)
            for eps in EPSILONS:
                result = violations(policies, lost, lost, shares, eps, loss, n, seed)
                found.append({"table": bench.name, "loss": loss, "labels": n, "eps": eps, **result})
    return found


def violations(
    policies: Sequence[Any], lost: Floats, true: Floats, shares: Floats, eps: float, loss: Loss, n: int, seed: int
) -> dict[str, Any]:
    """How often the rule that n labels choose loses more than eps, and what it spares."""
    rng, truth = np.random.default_rng(seed), true.mean(axis=0)
    wrong, strong, none = 0, 0.0, 0
    for _ in range(DRAWS):
        proof = select(policies, lost[rng.integers(0, len(lost), n)], eps, DELTA, loss)
        if proof.policy is None:
            none, strong = none + 1, strong + 1.0
            continue
        at = proof.passed - 1
        wrong, strong = wrong + bool(truth[at] > eps), strong + shares[at]
    limit = DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / DRAWS)
    return {"violations": wrong / DRAWS, "allowed": limit, "strong_share": strong / DRAWS, "none": none / DRAWS}


def shift(folder: Path, seed: int) -> Rows:
    """Rules from MMLU's labels on other prompts: three times as many that only GPT-4 answers, and GSM8K."""
    mmlu, gsm8k = benches(folder)[0], routellm(folder, "gsm8k")
    policies, lost, shares = mmlu.losses("net")
    only_strong = labels_of(mmlu.router.pool, mmlu.table)[1] @ [1.0, -1.0] > 0
    planted = np.concatenate([lost, np.repeat(lost[only_strong], 2, axis=0)])
    _, math, _ = Bench("", mmlu.router, gsm8k).losses("net", policies)
    found: Rows = []
    for name, true in (("as calibrated", lost), ("planted", planted), ("GSM8K", math)):
        for eps in EPSILONS:
            found.append(
                {"served": name, "eps": eps, **violations(policies, lost, true, shares, eps, "net", 2000, seed)}
            )
    return found


def win_rates(folder: Path, seed: int) -> Rows:
    """Expected calibration error on the half of a table that the curve has not seen."""
    found: Rows = []
    for bench in benches(folder)[:4]:
        table, _ = labels_of(bench.router.pool, bench.table)
        order = np.random.default_rng(seed).permutation(len(table))
        fit, rest = table.select(order[: len(order) // 2]), table.select(order[len(order) // 2 :])
        started = time.perf_counter()
        ready = calibrate_win_rates(bench.router, fit)
        seconds = time.perf_counter() - started
        strong, weak = labels_of(bench.router.pool, rest)[1].T
        before, after = (
            float(ece([d.win_rate for d in router.decide_batch(rest.prompts)], strong, weak))
            for router in (bench.router, ready.router)
        )
        facts = {"labels": len(fit), "unseen": len(rest), "curve": ready.method, "seconds": seconds}
        found.append({"table": bench.name, **facts, "ece_before": before, "ece": after})
    return found


def traffic(folder: Path) -> tuple[Router, Outcomes, Outcomes]:
    """The shipped router for RouteLLM's pair, MMLU, and GSM8K."""
    return load_router("default", Pool.pair(GPT4, MIXTRAL)), routellm(folder, "mmlu"), routellm(folder, "gsm8k")


def drift(folder: Path, seed: int) -> Rows:
    """Calls until GSM8K after MMLU is noticed, and alarms over MMLU alone, for two sizes of calibration."""
    router, mmlu, gsm8k = traffic(folder)
    found: Rows = []
    for rows in (200, 1000):
        for limit in (10_000.0, 1_000_000.0):
            delays, alarms, calls = [], 0, 0
            for run in range(20):
                rng = np.random.default_rng([seed, run])
                order = rng.permutation(len(mmlu))
                ready = router.with_calibration(calibrate(router, [mmlu.prompts[i] for i in order[:rows]], share=0.3))
                same = [mmlu.prompts[i] for i in order[rows : rows + 5000]]
                other = [gsm8k.prompts[i] for i in rng.permutation(len(gsm8k))]
                quiet = watched(ready, same, limit)
                alarms, calls = alarms + (quiet.drift is not None), calls + quiet.calls
                loud = watched(ready, same[:1000] + other, limit)
                delays.append(np.inf if loud.drift is None else loud.drift.calls - 1000)
            spans = {"median_delay": float(np.median(delays)), "longest_delay": float(max(delays))}
            found.append({"prompts": rows, "limit": limit, **spans, "alarms": alarms, "quiet_calls": calls})
    return found


def watched(router: Router, texts: list[str], limit: float) -> WatchedRouter:
    """A watch over these texts."""
    watch = WatchedRouter(router, calls_per_false_alarm=limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DriftWarning)
        watch.decide_batch(texts)
    return watch


def sliding(folder: Path, seed: int) -> Rows:
    """The worst share over any 500 and any 1,000 calls, MMLU first and then GSM8K."""
    router, mmlu, gsm8k = traffic(folder)
    rng = np.random.default_rng(seed)
    first, second = ([t.prompts[i] for i in rng.permutation(len(t))] for t in (mmlu, gsm8k))
    known, first, second = first[-1000:], first[:1300], second[:1300]
    found: Rows = []
    for share in (0.1, 0.3, 0.5, 0.8):
        ready = router.with_calibration(calibrate(router, known, share=share))
        for name, each in (("fixed threshold", ready), ("sliding", SlidingRouter(ready, share))):
            strong = [decision.candidate == GPT4 for decision in map(each.decide, first + second)]
            total = np.cumsum([0, *strong])
            worst = {f"worst_{n}": float(np.abs((total[n:] - total[:-n]) / n - share).max()) for n in (500, 1000)}
            halves = {"mmlu": float(np.mean(strong[:1300])), "gsm8k": float(np.mean(strong[1300:]))}
            found.append({"router": name, "share": share, **halves, **worst})
    return found


def overhead(folder: Path, seed: int) -> Rows:
    """Microseconds for a decision, plain, watched and sliding: medians over the same prompts, in turns."""
    router, mmlu, _ = traffic(folder)
    ready = router.with_calibration(calibrate(router, mmlu.prompts[::10], share=0.3))
    routers = {"plain": ready, "watched": WatchedRouter(ready), "sliding": SlidingRouter(ready, 0.3)}
    rng = np.random.default_rng(seed)
    texts = [mmlu.prompts[i] for i in rng.permutation(len(mmlu))[:1500]]
    times: dict[str, list[float]] = {name: [] for name in routers}
    for text in texts:
        for name in rng.permutation(list(routers)).tolist():
            started = time.perf_counter()
            routers[name].decide(text)
            times[name].append((time.perf_counter() - started) * 1e6)
    return [{"router": name, "median_us": float(np.median(each))} for name, each in times.items()]


COMMANDS: dict[str, Callable[[Path, int], Rows]] = {
    "holds": holds,
    "shift": shift,
    "win-rates": win_rates,
    "drift": drift,
    "sliding": sliding,
    "overhead": overhead,
}


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Whether what calibration promises is so, on real outcomes.")
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    started = time.perf_counter()
    rows = COMMANDS[args.what](data_folder(), args.seed)
    sys.stderr.write(f"{time.perf_counter() - started:.0f} s\n")
    if args.json:
        print(json.dumps(rows))
        return 0
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        cells = (f"{value:.3f}" if isinstance(value, float) else f"{value}" for value in row.values())
        print("| " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

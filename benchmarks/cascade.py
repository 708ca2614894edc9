"""How good must a judge be? Cascades of two models on real scores and costs, by the judge's error rate.

    python benchmarks/cascade.py

RouterBench's rows, every prompt that both models answered; the cheap model answers first. Nothing is fitted. Intervals
are 95% bootstrap percentiles over prompts. The data folder is POINTSMAN_DATA, else ../shared/data.
"""

from __future__ import annotations

import numpy as np

from pointsman.data.outcomes import Outcomes
from pointsman.data.sources import data_folder
from pointsman.evaluation.bootstrap import Resamples
from pointsman.evaluation.cascade import simulate_cascade

FILE = "routerbench_slice/routerbench_0shot_slice.parquet"
SETS = ("arc-challenge", "mbpp", "winogrande")
WEAK, STRONG = "mistralai/mixtral-8x7b-chat", "gpt-4-1106-preview"
ERRORS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)


def told(values: np.ndarray) -> str:
    """The figure of the sample, and its interval."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    every = Outcomes.read(data_folder() / FILE, task_column="eval_name")
    columns = [every.models.index(WEAK), every.models.index(STRONG)]
    print(
        f"{WEAK}, then {STRONG}\n\n| set | judge errs | escalated | quality | gap recovered | cost of always strong |"
    )
    print("|---|---|---|---|---|---|")
    for name in SETS:
        scores, costs = every.scores[:, columns], every.costs[:, columns]
        rows = np.array([task == name for task in every.tasks]) & ~np.isnan(scores + costs).any(axis=1)
        scores, costs = scores[rows], costs[rows]
        draws = Resamples.draw(len(scores))
        weak, strong = draws.means(scores).T
        for rate in ERRORS:
            found = simulate_cascade(scores, costs, error_rate=rate, budgets=[np.inf], order=[0, 1], good=1.0)
            calls, quality, spent = (draws.means(each.T)[:, 0] for each in (found.calls, found.quality, found.cost))
            figures = (calls - 1, quality, (quality - weak) / (strong - weak), spent / draws.means(costs)[:, 1])
            print(f"| {name} ({len(scores)}) | {rate:g} | {' | '.join(map(told, figures))} |")


if __name__ == "__main__":
    main()

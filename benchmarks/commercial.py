"""MT-Bench: the least share of GPT-4 calls at which routers reach the scores that commercial ones were measured at.

    python benchmarks/commercial.py

The scores are those of RouteLLM's benchmarks/README.md. All 80 questions, since the commercial routers answered all of
them; shares by RouteLLM's eleven points, with 95% bootstrap intervals over questions. The data folder is
POINTSMAN_DATA, else ../shared/data.
"""

from __future__ import annotations

import sys

from pointsman import Pool, PromptLength, load_router
from pointsman.data.routellm import STRONG, WEAK, read_routellm
from pointsman.data.sources import data_folder
from pointsman.evaluation.bootstrap import Resamples, figure
from pointsman.evaluation.curves import ROUTELLM_BINS, call_curves, crossings
from pointsman.evaluation.predictions import predict

MEASURED = {"Unify, 45.625% of calls to GPT-4 Turbo": 8.757862, "Martian, about 50% assumed": 8.3125}


def main() -> None:
    """Print a line for each router and score."""
    outcomes = read_routellm(data_folder() / "routellm", "mt_bench", decontaminate=False)
    pool, draws = Pool.pair(STRONG, WEAK), Resamples.draw(len(outcomes))
    strong, weak = outcomes.scores.T
    sys.stdout.write(
        f"{len(outcomes)} questions; always {STRONG} {10 * strong.mean():.3f}, always {WEAK} {10 * weak.mean():.3f}\n"
    )
    for name, router in {
        "default (trained on MT-Bench)": load_router("default", pool),
        "length": PromptLength(),
    }.items():
        rates = predict(router, outcomes.prompts, pool).win_rate
        if rates is None:
            continue
        shares, gains = call_curves(rates[0], strong - weak, draws.counts, bins=ROUTELLM_BINS)
        quality = gains + draws.means(weak[:, None])
        for what, score in MEASURED.items():
            found = figure(crossings(shares, quality, score / 10))
            sys.stdout.write(f"{name}: {found.value:.1%} [{found.low:.1%}, {found.high:.1%}] reach {score} ({what})\n")


if __name__ == "__main__":
    main()

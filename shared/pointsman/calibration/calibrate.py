"""One call for every calibration: a router, the user's prompts, and what they want of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np

from pointsman.calibrated import Calibration, Certificate, always_strong, line_of
from pointsman.calibration.certify import check_request, labels_of, prove, why_none
from pointsman.calibration.grids import grid_of
from pointsman.calibration.intervals import rows_to_halve
from pointsman.calibration.prompts import MOST_KEPT, Scored, fingerprint, picture, queries_of
from pointsman.calibration.shares import budget_policy, cost_of, share_of, share_policy
from pointsman.calibration.testing import Loss
from pointsman.data.outcomes import Outcomes
from pointsman.errors import ConfigurationError, DataError
from pointsman.policies import Policy, Threshold
from pointsman.query import Query
from pointsman.router import REPLY_TOKENS, Router
from pointsman.scorers.sharing import embedder_of

__all__ = ["calibrate"]


def calibrate(
    router: Router,
    prompts: Sequence[Query | str] | Outcomes,
    *,
    share: float | None = None,
    budget: float | None = None,
    eps: float | None = None,
    delta: float = 0.1,
    loss: Loss = "net",
    policies: Sequence[Policy] | None = None,
    reply_tokens: int = REPLY_TOKENS,
) -> Calibration:
    """The rule that does on the user's own prompts what they ask for; `router.with_calibration` puts it to use.

    Exactly one of share, budget and eps. The first two need no labels; eps needs outcomes, and prompts that the router
    was not fitted to: it gives the cheapest policy that passes, with a certificate, or always the strong model.

    Args:
        router: as it will decide; it stays as it is.
        prompts: what its traffic looks like, or outcomes.
        share: of calls to the strong model, in [0, 1].
        budget: USD per 1,000 calls.
        eps: bound on the expected loss of quality against always calling the strong model.
        delta: probability that the bound may fail to hold.
        loss: "net" sets better answers off against worse ones, "worse" does not, see `Certificate`.
        policies: tested for eps, from the safest to the cheapest, fixed without a look at the labels. Default:
            thresholds for a pair; a `QualityMargin` for a pool without one, or where the router's rule weighs cost.
        reply_tokens: length of an answer, for costs.

    Raises:
        ConfigurationError: what is asked for makes no sense, or a price that it needs is not known.
        DataError: too few prompts, one without words, or labels that are missing.
    """
    wishes = {"share": share, "budget": budget, "eps": eps}
    given = [name for name, wish in wishes.items() if wish is not None]
    if len(given) != 1:
        msg = f"there is {' and '.join(given) or 'no rule'}; give one of share, budget and eps, each a rule of its own"
        raise ConfigurationError(msg)
    if reply_tokens < 0:
        msg = f"reply_tokens is {reply_tokens}; give the length of an answer, 0 or more"
        raise ConfigurationError(msg)
    if eps is not None:
        return _certified(router, prompts, eps, delta, loss, policies, reply_tokens)
    scored = Scored.of(router, queries_of(prompts), reply_tokens=reply_tokens)
    if share is not None:
        return _calibration(scored, share_policy(scored, share), f"a strong share of {share:g}")
    policy = budget_policy(scored, float(budget or 0.0))
    return _calibration(scored, policy, f"at most ${budget:g} for 1,000 calls")


def _certified(
    router: Router,
    outcomes: Sequence[Query | str] | Outcomes,
    eps: float,
    delta: float,
    loss: Loss,
    policies: Sequence[Policy] | None,
    reply_tokens: int,
) -> Calibration:
    check_request(eps, delta, loss)
    if not isinstance(outcomes, Outcomes):
        msg = "a bound on the loss needs labels; give outcomes, with a column score|<model> for each model"
        raise DataError(msg)
    labelled, scores = labels_of(router.pool, outcomes)
    scored = Scored.of(router, queries_of(labelled), reply_tokens=reply_tokens)
    proof = prove(scored, grid_of(router) if policies is None else policies, scores, eps, delta, loss)
    asked = f"{loss} loss of at most {eps:g} with probability {1 - delta:g}"
    if proof.policy is None:
        why = why_none(proof, len(labelled), eps, delta, loss)
        reason = f"nothing qualifies, so every call goes to the strong model: {why}"
        return _calibration(scored, always_strong(router.pool), asked, reason)
    found = _calibration(scored, proof.policy, asked)
    certificate = Certificate(
        eps=eps,
        delta=delta,
        loss=loss,
        rows=len(labelled),
        data=fingerprint(scored.queries, scores),
        date=datetime.now(timezone.utc).date().isoformat(),
        policy=str(proof.policy),
        threshold=proof.policy.alpha if isinstance(proof.policy, Threshold) else None,
        method=proof.method,
        p_value=proof.p_value,
        loss_seen=proof.loss,
        strong_share=float("nan") if found.strong_share is None else found.strong_share.value,
    )
    return replace(found, certificate=certificate)


def _calibration(scored: Scored, policy: Policy, asked: str, reason: str = "") -> Calibration:
    """The record of a rule on these prompts."""
    share, cost, rows = share_of(scored, policy), cost_of(scored, policy), len(scored.queries)
    models, prices = line_of(scored.pool)
    said = "" if share is None else f"; {share.value:.1%} of {rows:,} prompts go to the strong model"
    scores = scored.scores
    if rows > MOST_KEPT:
        scores = np.random.default_rng(0).choice(scores, MOST_KEPT, replace=False)
    return Calibration(
        policy=policy,
        asked=asked,
        reason=reason or f"{policy}{said}",
        models=models,
        prices=prices,
        rows=rows,
        scores=np.sort(scores),
        strong_share=share,
        usd_per_1000=None if np.isnan(cost.value) else cost,
        rows_to_halve=None if share is None or share.low == share.high else rows_to_halve(share.value, rows),
        vectors=picture(embedder_of(scored.router.scorer), [query.text for query in scored.queries]),
    )

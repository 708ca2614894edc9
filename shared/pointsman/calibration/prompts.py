"""The user's prompts, scored once by the router that is to be calibrated on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pointsman.calibrated import VectorSample
from pointsman.data.outcomes import Outcomes
from pointsman.embedders.base import Embedder
from pointsman.errors import DataError
from pointsman.policies import Policy, bind_policy
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.router import Router

__all__ = ["FEWEST", "Scored", "fingerprint", "picture", "queries_of"]

Floats = NDArray[np.float64]

FEWEST = 20
"""Fewer prompts than this say nothing on a share or a loss."""
AXES = 4
"""Directions in which prompt vectors are compared: those in which the calibration prompts differ most."""
LEAST_SCALE = 1e-3
"""A component of the vectors that hardly varies is not blown up."""
MOST_KEPT = 10_000
"""Prompts whose scores travel with a router; of more, a draw."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What the router says of each prompt.

    Attributes:
        router: who says so.
        queries: n prompts.
        quality: float64[n, m].
        cost: what a policy weighs, USD, float64[n, m].
        spent: what a call is taken to cost, float64[n, m]; NaN where not known.
        win_rate: float64[n]; None for a pool without a pair.
    """

    router: Router
    queries: list[Query]
    quality: Floats
    cost: Floats
    spent: Floats
    win_rate: Floats | None

    @classmethod
    def of(cls, router: Router, queries: list[Query], *, reply_tokens: int) -> Scored:
        """Predictions of a router for prompts with words."""
        quality, cost, win_rate = router.predict(queries)
        spent = router.expected_cost(queries, reply_tokens=reply_tokens)
        return cls(router, queries, quality, cost, spent, win_rate)

    @property
    def pool(self) -> Pool:
        """The router's."""
        return self.router.pool

    def columns(self, policy: Policy) -> NDArray[np.intp]:
        """The candidate that a policy chooses for each prompt, intp[n]."""
        chosen = bind_policy(policy, self.pool).choose(self.quality, self.cost, self.win_rate)
        return np.asarray(chosen, dtype=np.intp)

    @property
    def scores(self) -> Floats:
        """The number by which traffic is compared: the win rate, else the mean predicted quality, float64[n]."""
        return self.quality.mean(axis=1) if self.win_rate is None else self.win_rate


def queries_of(prompts: Sequence[Query | str] | Outcomes) -> list[Query]:
    """The prompts as queries.

    Raises:
        DataError: there are too few, one has no words, or it is a single text.
    """
    if isinstance(prompts, str):
        msg = "prompts is a single text; give a list of them"
        raise DataError(msg)
    queries = [Query.of(prompt) for prompt in (prompts.prompts if isinstance(prompts, Outcomes) else prompts)]
    if len(queries) < FEWEST:
        msg = f"{len(queries)} prompts are too few to calibrate on; give {FEWEST} or more, some hundreds to be of use"
        raise DataError(msg)
    empty = [row for row, query in enumerate(queries) if not query.scorable]
    if empty:
        msg = (
            f"prompt {empty[0]} has no words (and {len(empty) - 1} more); leave such prompts out, no score routes them"
        )
        raise DataError(msg)
    return queries


def picture(embedder: Embedder | None, texts: Sequence[str]) -> VectorSample | None:
    """What the prompts' vectors look like; None without an embedder or with too few prompts to tell.

    Every second prompt gives the centre, the scale and the axes (principal components), the others the features.
    """
    if embedder is None or len(texts) < 2 * FEWEST:
        return None
    vectors = embedder.encode(texts)
    shaping, kept = vectors[::2].astype(np.float64), vectors[1::2][: MOST_KEPT // 2]
    centre, scale = shaping.mean(axis=0), np.maximum(shaping.std(axis=0), LEAST_SCALE)
    _, _, axes = np.linalg.svd((shaping - centre) / scale, full_matrices=False)
    shape = [array.astype(np.float32) for array in (centre, scale, axes[:AXES])]
    empty = VectorSample(shape[0], shape[1], shape[2], np.zeros((0, 0)))
    return replace(empty, features=empty(kept))


def fingerprint(queries: Sequence[Query], scores: Floats | None = None) -> str:
    """sha256 of the prompts in their order, and of their scores."""
    digest = hashlib.sha256()
    for query in queries:
        digest.update(len(query.text).to_bytes(8, "big") + query.text.encode())
    if scores is not None:
        digest.update(np.ascontiguousarray(scores, dtype="<f8").tobytes())
    return digest.hexdigest()

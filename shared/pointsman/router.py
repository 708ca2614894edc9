"""Query in, decision out: embed, score, gate, choose; nothing else."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pointsman.artifacts import is_shipped, read_artifact, read_shipped, write_artifact
from pointsman.binding import bind, over
from pointsman.calibrated import CalibrationWarning, line_of
from pointsman.costs.tokens import estimate_tokens
from pointsman.costs.usage import Usage
from pointsman.decision import Decision
from pointsman.errors import (
    ConfigurationError,
    NoCandidateError,
    PolicyError,
    UnknownPriceError,
)
from pointsman.gates import DEFAULT_GATES, Gate
from pointsman.policies import Always, Policy, Threshold, Utility, bind_policy
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.scorers.base import Scorer
from pointsman.storage import pack_router, unpack_router

if TYPE_CHECKING:
    from pointsman.calibrated import Calibration, Certificate
    from pointsman.data.outcomes import Outcomes
    from pointsman.embedders.base import Embedder

__all__ = ["Router", "load_router"]

Floats = NDArray[np.float64]

REPLY_TOKENS = 264
"""Length of an answer for estimated costs: the mean of GPT-4's in RouteLLM (arXiv 2406.18665, appendix D)."""
DEFAULT_STRONG_SHARE = 0.5
"""Share of the reference prompts that the shipped router's own threshold sends to the strong model."""
DEFAULT_WILLINGNESS_TO_PAY = 0.01
"""USD per answer, for pools that name no pair."""
_ids = random.Random()  # noqa: S311  # seeded by the system; ids must differ, and need not be hard to guess
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


class Router:
    """Predicts what each candidate would make of a query, and picks one.

    A router is immutable and holds no state between calls: share it among threads, tasks and models.

    Args:
        pool: the models to choose from.
        scorer: predicts quality and win rates. Its columns are matched to the pool's models by name, family, price
            rank or role, see `pointsman.matching`.
        policy: turns predictions and costs into a choice.
        embedder: vectors for a scorer that takes them; its own if not given.
        gates: rule out candidates that cannot serve a query.
        name, version: how decisions name this router.
        calibration: what `pointsman.calibrate` found on the user's prompts.

    Raises:
        ConfigurationError: the policy cannot work with the pool, a price that it needs is not known, or the scorer does
            not know the pool's models.
    """

    def __init__(
        self,
        pool: Pool,
        scorer: Scorer,
        policy: Policy,
        *,
        embedder: Embedder | None = None,
        gates: Sequence[Gate] = DEFAULT_GATES,
        name: str = "custom",
        version: str = "",
        calibration: Calibration | None = None,
    ) -> None:
        self.pool = pool
        self.scorer = scorer if embedder is None else over(scorer, embedder)
        self.policy = _fit(policy, pool)
        self.gates = tuple(gates)
        self.name = name
        self.version = version
        self.calibration = calibration
        self._bound = bind(pool, self.scorer)

    # -- deciding

    def decide(self, query: Query | str, *, excluded: Mapping[str, str] | None = None) -> Decision:
        """The decision for one query.

        Args:
            query: what is asked.
            excluded: candidate -> why it had better not be chosen now, for one that is cooling down, say. Unlike a
                gate it is passed over where nobody else can serve the query, and by `Always`.

        Raises:
            QueryError: the query is not one.
            NoCandidateError: no candidate can serve it.
            ScorerError: the scorer returned something else than scores.
        """
        return self.decide_batch([query], excluded=excluded)[0]

    async def adecide(self, query: Query | str, *, excluded: Mapping[str, str] | None = None) -> Decision:
        """`decide` from a coroutine: in place for the numpy scorers, which take less time than a thread's hand-over."""
        return (await self.adecide_batch([query], excluded=excluded))[0]

    def decide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """One decision per query, all scored in one pass; arguments and errors as for `decide`."""
        started = time.perf_counter()
        asked = [Query.of(query) for query in queries]
        if not asked:
            return []
        gated = [self._gate(query, excluded) for query in asked]
        spent = [self._estimate(query, REPLY_TOKENS) for query in asked]
        scored = [query.scorable for query in asked]
        quality, win_rate = self._score(asked, scored)
        chosen = self._choose(quality, np.array(spent, dtype=np.float64), win_rate, gated, scored)
        latency = (time.perf_counter() - started) * 1e3 / len(asked)
        picks, qualities = chosen.tolist(), quality.tolist()
        rates = [None] * len(asked) if win_rate is None else win_rate.tolist()
        return [
            self._record(query, gated[row], picks[row], spent[row], qualities[row], rates[row], latency)
            for row, query in enumerate(asked)
        ]

    def predict(self, queries: Sequence[Query]) -> tuple[Floats, Floats, Floats | None]:
        """What the policy chooses by: quality and cost in USD float64[n, m], and for a pair win rates float64[n].

        Quality and win rate are NaN for queries without words, cost where no price is known. Errors as for `decide`.
        """
        quality, win_rate = self._score(queries, [query.scorable for query in queries])
        return quality, self.expected_cost(queries), win_rate

    def expected_cost(self, queries: Sequence[Query], *, reply_tokens: int = REPLY_TOKENS) -> Floats:
        """USD for a call of each candidate with an answer of so many tokens, float64[n, m]; NaN for unknown prices."""
        rows = [self._estimate(query, reply_tokens) for query in queries]
        return np.array(rows, dtype=np.float64)  # where a None becomes NaN

    async def adecide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """`decide_batch` from a coroutine; a scorer that is not marked `instant` runs in a worker thread."""
        if self.instant:
            return self.decide_batch(queries, excluded=excluded)
        import asyncio  # a third of the package's import time, and here its loop is running already

        return await asyncio.to_thread(self.decide_batch, queries, excluded=excluded)

    def instead(self, decision: Decision, failed: Mapping[str, str]) -> Decision | None:
        """Whom to ask after the chosen candidate failed: the policy's choice by the same scores among the others.

        Nothing is scored, so this takes no time on an event loop. It is the same call, so the decision keeps its id.

        Args:
            decision: of this router, whose candidate failed.
            failed: candidate -> why it is out of the question for this call; those that were gated stay so.

        Returns:
            The decision, its `fallback_from` set; None where nobody is left.
        """
        gated = decision.gated | dict(failed)
        if gated.keys() >= set(self.pool.names):
            return None
        quality = np.array([[decision.quality.get(name, np.nan) for name in self.pool.names]])
        spent = [decision.estimated_cost_usd.get(name) for name in self.pool.names]
        cost = np.array([[np.nan if usd is None else usd for usd in spent]])
        rate = None if self._bound.pair is None else np.array([np.nan if (r := decision.win_rate) is None else r])
        scored = self.pool.names[0] in decision.quality
        chosen = self.pool.candidates[int(self._choose(quality, cost, rate, [gated], [scored])[0])]
        return replace(
            decision,
            candidate=chosen.name,
            model=chosen.model,
            reason=f"{decision.candidate} failed: {failed.get(decision.candidate, 'no reason given')}",
            gated=gated,
            sticky=False,
            fallback_from=decision.candidate,
        )

    @property
    def instant(self) -> bool:
        """Whether deciding takes less time than handing it to a thread."""
        return bool(getattr(self.scorer, "instant", False))

    @property
    def features(self) -> tuple[str, ...]:
        """The numbers of `Query.features` that the scorer reads; empty for the router that ships."""
        return () if self._bound.reader is None else self._bound.reader.features

    # -- other routers from this one

    def with_policy(self, policy: Policy) -> Router:
        """The same router with another policy; cheap enough for a single call.

        Raises:
            ConfigurationError: the policy cannot work with the pool.
        """
        other = copy(self)
        other.policy = _fit(policy, self.pool)
        return other

    def with_pool(self, pool: Pool, policy: Policy | None = None) -> Router:
        """The same router over other models; its policy too, unless another is given."""
        return Router(
            pool,
            self.scorer,
            policy or self.policy,
            gates=self.gates,
            name=self.name,
            version=self.version,
            calibration=self.calibration,
        )

    def with_calibration(self, calibration: Calibration) -> Router:
        """The same router with the rule that `pointsman.calibrate` found, its prompts and its certificate.

        Raises:
            ConfigurationError: it was found for other models.
        """
        if not calibration.fits(self.pool):
            msg = f"the calibration is of {', '.join(calibration.models)}, not of {self.pool}; calibrate this router"
            raise ConfigurationError(msg)
        other = self.with_policy(calibration.policy)
        other.calibration = calibration
        return other

    @property
    def certificate(self) -> Certificate | None:
        """What is guaranteed of this router; None where nothing is, or models or policy are no longer those tested."""
        found = self.calibration
        return found.certificate if found is not None and found.covers(self.pool, self.policy) else None

    def adapt(self, outcomes: Outcomes, *, seed: int = 0) -> Router:
        """The user's own router from this one and some of their labelled prompts, in seconds on a CPU.

        Validation on these labels decides how far its scores move, down to not at all. `pointsman adapt` says how far.

        Args:
            outcomes: 50 to 2,000 prompts with scores of the pool's models, see `pointsman.data.outcomes.Outcomes.read`.
            seed: of the validation folds.

        Raises:
            DataError: fewer than 20 prompts, labels that are all alike, or no column of a candidate.
        """
        from pointsman.training.adapt import adapt_router  # nothing that serves a call imports training

        return adapt_router(self, outcomes, seed=seed).router

    def threshold_for_share(self, strong_share: float) -> float:
        """The threshold at which this share of the calibration prompts goes to the strong model.

        Without a calibration for these models, of the scorer's reference prompts. The quantile of RouteLLM's
        calibration: alpha = quantile(win rates, 1 - share).

        Args:
            strong_share: in [0, 1].

        Raises:
            PolicyError: the share is out of range, the pool names no pair, or the scorer carries no reference prompts.
        """
        if not 0 <= strong_share <= 1:
            msg = f"strong_share is {strong_share}; give a share of calls in [0, 1]"
            raise PolicyError(msg)
        return float(np.clip(np.quantile(self.reference_win_rates(), 1 - strong_share), 0.0, 1.0))

    def reference_win_rates(self) -> Floats:
        """Win rates of the calibration prompts, else of the scorer's reference prompts, float64[r].

        Raises:
            PolicyError: the pool names no pair, or there are no such prompts.
        """
        found = self.calibration
        calibrated = found is not None and self.pool.strong is not None and found.fits(self.pool)
        return found.scores if found is not None and calibrated else self._bound.reference_win_rates()

    # -- on disk

    def save(self, folder: str | Path, *, training: Mapping[str, Any] | None = None) -> str:
        """Write the router: safetensors and JSON, no pickle; its version. Gates are not saved.

        Args:
            folder: new, empty, or that of a saved router, which is replaced.
            training: what it was made from, as JSON values for people to read: data and their hashes
                (`pointsman.data.merge.hashes`), licences, seed, metrics.

        Raises:
            ArtifactError: a part cannot be stored, or the folder holds other things.
            ConfigurationError: it is the current folder.
        """
        settings, files = pack_router(self.pool, self.scorer, self.policy, self.calibration)
        written = write_artifact(folder, files, kind="router", name=self.name, settings=settings, training=training)
        return written.manifest.version

    @classmethod
    def load(cls, folder: str | Path, *, embedder: Embedder | None = None) -> Router:
        """A saved router, or one that ships with the package.

        Args:
            folder: where `save` wrote it. A bare name ("default") is that of a shipped router, unless only a folder has
                it; for a folder in the current one that has the same name, write "./default".
            embedder: the one that it was trained on, where that is LangChain's, LlamaIndex's or your own: no artifact
                holds those.

        Raises:
            ArtifactError: it is not there, damaged, or of another schema; or it wants an embedder, and not this one.
        """
        artifact = read_artifact(folder, "router") if _is_path(folder) else read_shipped(str(folder), "router")
        pool, scorer, policy, calibration = unpack_router(artifact, embedder)
        name, version = artifact.manifest.name, artifact.manifest.version
        return cls(pool, scorer, policy, name=name, version=version, calibration=calibration)

    # -- the steps of a decision

    def _gate(self, query: Query, excluded: Mapping[str, str] | None) -> dict[str, str]:
        """Candidate -> why it cannot serve the query, or had better not."""
        gated: dict[str, str] = {}
        for candidate in self.pool.candidates:
            for gate in self.gates:
                if (why := gate(query, candidate)) is not None:
                    gated[candidate.name] = why
                    break
        if len(gated) == len(self.pool):
            raise NoCandidateError(gated)
        if not excluded or isinstance(self.policy, Always):
            return gated
        closed = {name: why for name, why in excluded.items() if name in self.pool.names} | gated
        return gated if len(closed) == len(self.pool) else closed

    def _estimate(self, query: Query, reply_tokens: int) -> list[float | None]:
        tokens = query.prompt_tokens if query.prompt_tokens is not None else estimate_tokens(query.text)
        usage = Usage(tokens, reply_tokens, estimated=True)
        return [candidate.price.cost(usage) for candidate in self.pool.candidates]

    def _score(self, queries: Sequence[Query], scored: Sequence[bool]) -> tuple[Floats, Floats | None]:
        """Quality [n, m] and win rates [n]; NaN for queries without words."""
        if all(scored) and self._bound.reader is None:  # nearly always
            return self._bound.score([query.text for query in queries])
        rows = [row for row, words in enumerate(scored) if words]
        quality = np.full((len(queries), len(self.pool)), np.nan)
        win_rate = None if self._bound.pair is None else np.full(len(queries), np.nan)
        if rows:
            features = [queries[row].features for row in rows] if self.features else None
            quality[rows], found = self._bound.score([queries[row].text for row in rows], features)
            if win_rate is not None and found is not None:
                win_rate[rows] = found
        return quality, win_rate

    def _choose(
        self,
        quality: Floats,
        cost: Floats,
        win_rate: Floats | None,
        gated: Sequence[Mapping[str, str]],
        scored: Sequence[bool],
    ) -> NDArray[np.intp]:
        """The policy's choice where there were words to score, else the safe one; never a gated candidate."""
        all_scored = isinstance(self.policy, Always) or all(scored)
        if all_scored and not any(gated):  # nearly always
            return np.asarray(self.policy.choose(quality, cost, win_rate), dtype=np.intp)
        rows = np.full(len(quality), True) if all_scored else np.array(scored)
        open_ = np.array([[name not in shut for name in self.pool.names] for shut in gated])
        chosen = np.full(len(quality), self._safe, dtype=np.intp)
        usable_quality, usable_cost = np.where(open_, quality, -np.inf), np.where(open_, cost, np.inf)
        if rows.any():
            rates = None if win_rate is None else win_rate[rows]
            chosen[rows] = self.policy.choose(usable_quality[rows], usable_cost[rows], rates)
        for row in np.flatnonzero(~open_[np.arange(len(chosen)), chosen]):
            chosen[row] = np.nan_to_num(usable_quality[row], nan=0.0, neginf=-1.0).argmax()
        return chosen

    @property
    def _safe(self) -> int:
        """Where a query without words goes: to the strong candidate, else the dearest, else the first."""
        baseline = self.pool.baseline
        return 0 if baseline is None else self.pool.position(baseline.name)

    def _record(
        self,
        query: Query,
        gated: dict[str, str],
        column: int,
        cost: Sequence[float | None],
        quality: Sequence[float],
        win_rate: float | None,
        latency: float,
    ) -> Decision:
        candidate, names = self.pool.candidates[column], self.pool.names
        scored = query.scorable
        rate = win_rate if scored else None
        scores = dict(zip(names, quality, strict=True)) if scored else {}
        return Decision(
            id=f"{_ids.getrandbits(128):032x}",
            candidate=candidate.name,
            model=candidate.model,
            win_rate=rate,
            quality=scores,
            threshold=self.policy.alpha if isinstance(self.policy, Threshold) else None,
            policy=str(self.policy),
            reason=self._explain(column, scores, rate, gated),
            gated=gated,
            matched=self._bound.matched,
            source=query.source,
            stage=query.stage,
            estimated_cost_usd=dict(zip(names, cost, strict=True)),
            latency_ms=latency,
            forced=isinstance(self.policy, Always),
            router=self.name,
            router_version=self.version,
        )

    def _explain(self, column: int, scores: dict[str, float], rate: float | None, gated: dict[str, str]) -> str:
        name = self.pool.names[column]
        if not scores and not isinstance(self.policy, Always):
            why = "no words to score, so the safe choice"
        elif (explain := getattr(self.policy, "explain", None)) is not None:
            why = explain(column, scores.get(name, 0.0), rate)
        else:
            why = f"chosen by {self.policy}"
        if not gated:
            return why
        shut = "; ".join(f"{other} cannot serve this call: {reason}" for other, reason in gated.items())
        return f"{why} ({shut})"

    def __repr__(self) -> str:
        return f"Router({self.pool}, {type(self.scorer).__name__}, {self.policy}, name={self.name!r})"


def load_router(
    name: str = "default", pool: Pool | None = None, *, policy: Policy | None = None, embedder: Embedder | None = None
) -> Router:
    """A router that ships with the package, over your models.

    Args:
        name: "default", or a folder that `Router.save` wrote.
        pool: your models; the router's own pair if not given.
        policy: how to choose. Default: the rule that the router was calibrated to, if for these models; else for a
            pair, the threshold at which half of the reference prompts go to the strong model; for a pool without one,
            `Utility` at a cent per answer.
        embedder: of a folder's router that was trained on vectors of your own, see `Router.load`.

    Raises:
        ArtifactError: there is no such router, or it is damaged.
        ConfigurationError: the policy cannot work with the pool.
    """
    router = Router.load(name, embedder=embedder) if _is_path(name) else _load_shipped(name)
    if pool is None:
        return router if policy is None else router.with_policy(policy)
    if policy is not None:
        return router.with_pool(pool, policy)
    found = router.calibration
    if found is not None and found.fits(pool):
        return router.with_pool(pool)
    if found is not None:
        known, given = ", ".join(found.models), ", ".join(line_of(pool)[0])
        msg = f"{name} was calibrated for {known}, and these are {given}: its rule does not count; calibrate anew"
        warnings.warn(msg, CalibrationWarning, stacklevel=2)
    if pool.strong is None:
        return router.with_pool(pool, Utility(DEFAULT_WILLINGNESS_TO_PAY))
    share = router.with_pool(pool, Threshold(0.5))
    return share.with_policy(Threshold(share.threshold_for_share(DEFAULT_STRONG_SHARE)))


@lru_cache(maxsize=16)
def _load_shipped(name: str) -> Router:
    """What comes with the package does not change, so a process reads it once."""
    return Router.load(name)


def _is_path(folder: str | Path) -> bool:
    """Whether a folder is meant, and not a shipped router's name."""
    return isinstance(folder, Path) or Path(folder).name != folder or (not is_shipped(folder) and Path(folder).exists())


def _fit(policy: Policy, pool: Pool) -> Policy:
    """The policy for this pool, or an error that says why it cannot be one."""
    unknown = [c.name for c in pool if c.price.blended is None] if getattr(policy, "weighs_cost", False) else []
    if unknown:
        msg = (
            f"this policy weighs cost, and no price is known for {', '.join(unknown)}; "
            "give input_price and output_price (USD per million tokens), 0 for a model of your own that costs nothing"
        )
        raise UnknownPriceError(msg)
    return bind_policy(policy, pool)

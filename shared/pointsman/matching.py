"""Which trained model stands for a candidate: itself, a relative, or one of its price rank.

A router is trained on the models of its data; users route to others, often newer. A candidate that was never trained on
is scored as the trained model most like it, and the decision says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.data.names import canonical, family
from pointsman.pool import Candidate, Pool

__all__ = ["KnownModel", "Match", "match_pool"]

How = Literal["known", "family", "price", "role"]

RELIABLE_ROWS = 500
"""A stand-in must have been seen on this many prompts, or its own vector is mostly noise."""
WEAKEST, STRONGEST = 0.35, 0.95
"""Skill quantiles at which stand-ins are taken for the cheapest and the dearest candidate."""
GAP = 0.15
"""How much better in skill a strong stand-in is than the weak model it is set against, where only one is known."""

# Generations and spellings newer than the training data -> the family whose place they have taken.
_SUCCESSORS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^o[34]-mini", "o1-mini"),
        (r"^o[3-9]", "o1"),
        (r"^gpt-(4\.1|[5-9]).*(mini|nano)", "gpt-4o-mini"),
        (r"^gpt-(4\.[15]|[5-9])", "gpt-4o"),
        (r"^llama-?[34]\S*-(1|2|3)b", "gemma-2b"),
        (r"^llama-?[34]\S*-8b|^llama-?3(\.[01])?$", "llama-8b"),
        (r"^llama-?[34]\S*-70b|^llama-3\.3$", "llama-70b"),
        (r"^llama-?4|^llama-?3\S*-405b", "llama-405b"),
        (r"^mixtral", "mixtral"),
        (r"^mistral-(small|nemo|medium)", "mistral-nemo"),
        (r"^mistral$", "mistral-7b"),
        (r"^qwen\S*-(0\.5|0\.6|1\.5|1\.7|3|4)b", "qwen-3b"),
        (r"^qwen\S*-[789]b", "qwen-7b"),
        (r"^qwen\S*-(14|30|32)b", "qwen-32b"),
        (r"^qwen(\S*-(72|110|235)b|-?(max|plus))", "qwen-72b"),
        (r"^gemma\S*-(1|2|4)b", "gemma-2b"),
        (r"^gemma\S*-(9|12)b", "gemma-9b"),
        (r"^phi", "phi-mini"),
    )
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What a trained scorer knows of one of its models.

    Attributes:
        name: canonical name.
        aliases: other spellings of it.
        family: its line of models ("claude-sonnet"), across versions.
        skill: mean predicted quality over the reference prompts, in [0, 1].
        rows: prompts with a known outcome of this model in the training data.
    """

    name: str
    aliases: tuple[str, ...] = ()
    family: str | None = None
    skill: float = 0.5
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """The trained model that stands for a candidate, and how it was found."""

    model: str
    how: How

    def __str__(self) -> str:
        return f"{self.how}: {self.model}"


def match_pool(pool: Pool, known: Sequence[KnownModel]) -> tuple[Match, ...]:
    """One match per candidate, in the pool's order.

    A candidate is looked up by name, then by family, then by its price rank within the pool, and where prices are not
    known by its role. Strong and weak never share a stand-in: two that would (or whose stand-ins say that the weak one
    is the better) are told apart by price or role, as far as they are not known themselves.

    Args:
        pool: the candidates.
        known: the scorer's models; at least one.
    """
    matches = [_by_name(c, known) or _by_family(c, known) or _by_rank(c, pool, known) for c in pool]
    if pool.strong is not None and pool.weak is not None:
        _tell_apart(matches, pool, known)
    return tuple(matches)


def _by_name(candidate: Candidate, known: Sequence[KnownModel]) -> Match | None:
    name = canonical(candidate.model)
    for model in known:
        if name == canonical(model.name) or name in (canonical(alias) for alias in model.aliases):
            return Match(model.name, "known")
    return None


def _by_family(candidate: Candidate, known: Sequence[KnownModel]) -> Match | None:
    """The member of the candidate's family that is spelled most like it, and among equals the best one."""
    spelled = canonical(candidate.model.replace(":", "-"))
    line = family(spelled) or next((name for pattern, name in _SUCCESSORS if pattern.search(spelled)), None)
    members = [model for model in known if line is not None and model.family == line]
    if not members:
        return None
    like = max(_reliable(members), key=lambda model: (_shared_start(model.name, spelled), model.skill, model.name))
    return Match(like.name, "family")


def _shared_start(a: str, b: str) -> int:
    """Characters that two names have in common from the left."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))  # noqa: B905  # to the shorter


def _by_rank(candidate: Candidate, pool: Pool, known: Sequence[KnownModel]) -> Match:
    """The trained model whose skill has the rank that the candidate's price has in the pool."""
    prices = {c.name: c.price.blended for c in pool}
    ordered = sorted(price for price in prices.values() if price is not None)
    own = prices[candidate.name]
    if own is not None and len(ordered) > 1 and ordered[0] < ordered[-1]:
        below = sum(price < own for price in ordered)
        return Match(_at_quantile(known, below / (len(ordered) - 1)), "price")
    rank = {pool.strong: 1.0, pool.weak: 0.0}.get(candidate.name, 0.5)
    return Match(_at_quantile(known, rank), "role")


def _tell_apart(matches: list[Match], pool: Pool, known: Sequence[KnownModel]) -> None:
    """Give strong and weak stand-ins of the right order, as far as they are not models known by name."""
    s, w = pool.names.index(str(pool.strong)), pool.names.index(str(pool.weak))
    skill = {model.name: model.skill for model in known}
    if skill[matches[s].model] > skill[matches[w].model]:
        return
    if matches[s].how != "known" and matches[w].how != "known":
        how: How = "price" if _dearer(pool, s, w) else "role"
        matches[s], matches[w] = Match(_at_quantile(known, 1.0), how), Match(_at_quantile(known, 0.0), how)
    elif matches[s].how != "known":
        matches[s] = Match(_nearest(known, skill[matches[w].model] + GAP), "role")
    elif matches[w].how != "known":
        matches[w] = Match(_nearest(known, skill[matches[s].model] - GAP), "role")


def _dearer(pool: Pool, s: int, w: int) -> bool:
    strong, weak = pool.candidates[s].price.blended, pool.candidates[w].price.blended
    return strong is not None and weak is not None and strong > weak


def _at_quantile(known: Sequence[KnownModel], rank: float) -> str:
    """The reliable model at a rank in [0, 1] between the weakest and the strongest stand-in."""
    models = sorted(_reliable(known), key=lambda model: (model.skill, model.name))
    return models[round((WEAKEST + (STRONGEST - WEAKEST) * rank) * (len(models) - 1))].name


def _nearest(known: Sequence[KnownModel], skill: float) -> str:
    return min(_reliable(known), key=lambda model: (abs(model.skill - skill), model.name)).name


def _reliable(known: Sequence[KnownModel]) -> Sequence[KnownModel]:
    return [model for model in known if model.rows >= RELIABLE_ROWS] or known

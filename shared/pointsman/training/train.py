"""One call for every router: a name, data, and out comes a scorer."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.scorers import PromptLength, RandomScorer, Scorer
from pointsman.training.checks import check_battles, check_outcomes
from pointsman.training.embedding import default_embedder
from pointsman.training.ensemble import fit_ensemble
from pointsman.training.knn import fit_knn
from pointsman.training.mf import fit_mf
from pointsman.training.mlp import fit_mlp
from pointsman.training.neural import fit_bert, fit_causal_llm
from pointsman.training.svm import fit_svm
from pointsman.training.sw_ranking import fit_sw_ranking

__all__ = ["TRAINERS", "WITHOUT_VECTORS", "train", "unmet_options"]

Data = Outcomes | Battles


def train(name: str, data: Data, *, seed: int = 0, embedder: Embedder | None = None, **options: Any) -> Scorer:
    """Fit a router.

    Args:
        name: one of `TRAINERS`.
        data: outcomes or battles; each is turned into the other where a router wants it.
        seed: the same seed and data give the same router.
        embedder: prompt vectors; the shipped static ones beside the surface features if not given.
        options: of that router, see its `fit_<name>`.

    Raises:
        DataError: nothing can be learned from the data.
        ConfigurationError: there is no router of that name, no such option, or one is missing that it needs.
        MissingExtraError: it is fitted by a package that is not installed.
    """
    fit = TRAINERS.get(name)
    if fit is None:
        msg = f"there is no router {name!r} to train; there are {', '.join(sorted(TRAINERS))}"
        raise ConfigurationError(msg)
    known = signature(fit).parameters.keys() - {"data", "embedder", "seed"}
    if not options.keys() <= known:
        msg = (
            f"{name} takes no {', '.join(options.keys() - known)}; it takes {', '.join(sorted(known)) or 'no options'}"
        )
        raise ConfigurationError(msg)
    if unmet := unmet_options(name, options):
        msg = f"{name} cannot be trained without {', '.join(unmet)}; see fit_{name} for what to give"
        raise ConfigurationError(msg)
    if embedder is None and name not in WITHOUT_VECTORS:
        embedder = default_embedder(_prompts(data))
    return fit(data, embedder, seed=seed, **options)


def _prompts(data: Data) -> tuple[str, ...]:
    """The prompts to be read; data with nothing to learn are refused before any is."""
    if isinstance(data, Battles):
        return tuple(dict.fromkeys(check_battles(data).prompts))
    return check_outcomes(data).prompts


def unmet_options(name: str, options: Container[str]) -> list[str]:
    """The options that a router cannot be trained without, and that are not among those given."""
    keywords = (each for each in signature(TRAINERS[name]).parameters.values() if each.kind is each.KEYWORD_ONLY)
    return [each.name for each in keywords if each.default is each.empty and each.name not in options]


def _fit_random(data: Data, embedder: Embedder | None, *, seed: int = 0) -> RandomScorer:
    del embedder
    return RandomScorer(check_outcomes(data).models, seed)


def _fit_prompt_length(data: Data, embedder: Embedder | None, *, seed: int = 0, slope: float = 1.0) -> PromptLength:
    """The median length, and the models from the best to the worst."""
    del embedder, seed
    outcomes = check_outcomes(data)
    ranked = np.argsort(-np.nanmean(outcomes.scores, axis=0), kind="stable")
    return PromptLength.fit(outcomes.prompts, models=[outcomes.models[i] for i in ranked], slope=slope)


def _fit_ensemble(
    data: Data,
    embedder: Embedder,
    *,
    seed: int = 0,
    members: Sequence[str] = ("prompt_length", "svm", "knn"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    folds: int = 5,
    pairs: Sequence[tuple[str, str]] | None = None,
    models: Sequence[str] | None = None,
) -> Scorer:
    """`fit_ensemble` over routers by name; `options` are theirs, by name.

    Where `models` says which to predict, a member whose own options say so too sees the other models' answers.
    """
    if isinstance(members, str):
        msg = f"members is {members!r}; give several names, such as ('knn', 'svm')"
        raise ConfigurationError(msg)
    fits = {name: partial(_fit_member, name, (options or {}).get(name, {}), models) for name in members}
    return fit_ensemble(data, embedder, fits=fits, seed=seed, folds=folds, pairs=pairs, models=models)


def _fit_member(
    name: str,
    options: Mapping[str, Any],
    models: Sequence[str] | None,
    data: Outcomes,
    embedder: Embedder,
    *,
    seed: int,
) -> Scorer:
    """As `train`; length takes part without models, since what it calls quality is only their rank."""
    seen = data if models is None or "models" in options else data.of(models)
    scorer = train(name, seen, seed=seed, embedder=embedder, **options)
    return scorer.select(()) if isinstance(scorer, PromptLength) else scorer


TRAINERS: dict[str, Callable[..., Scorer]] = {
    "bert": fit_bert,
    "causal_llm": fit_causal_llm,
    "mf": fit_mf,
    "random": _fit_random,
    "prompt_length": _fit_prompt_length,
    "sw_ranking": fit_sw_ranking,
    "knn": fit_knn,
    "mlp": fit_mlp,
    "svm": fit_svm,
    "ensemble": _fit_ensemble,
}
"""Router -> function (data, embedder, *, seed, **options); a router of your own may be added."""

WITHOUT_VECTORS = {"random", "prompt_length", "bert", "causal_llm"}
"""Routers that read no vectors, and so need no embedder."""

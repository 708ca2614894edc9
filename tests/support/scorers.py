"""One small scorer of each classical kind, made by hand, so that no test of serving needs scikit-learn."""

from __future__ import annotations

import numpy as np

from pointsman.scorers import KNN, MLP, SVM, Ensemble, KernelSVM, PromptLength, SWRanking
from pointsman.scorers.index import PromptIndex
from pointsman.training.kernel import fit_kernel
from pointsman.training.knn import fit_knn
from pointsman.training.sw_ranking import fit_sw_ranking
from tests.support.core import tiny_embedder, tiny_mf
from tests.support.outcomes import MODELS, synthetic


def knn(**options) -> KNN:
    return fit_knn(synthetic(80, missing=0.2), tiny_embedder(), k=5, **options)


def svm(seed: int = 0) -> SVM:
    rng, embedder = np.random.default_rng(seed), tiny_embedder()
    weights, intercepts = rng.normal(size=(3, embedder.dim)), rng.uniform(size=3)
    reference = rng.uniform(size=(40, 3))
    return SVM(MODELS, embedder, *(array.astype(np.float32) for array in (weights, intercepts, reference)))


def kernel_svm(**options) -> KernelSVM:
    return fit_kernel(synthetic(80, missing=0.1), tiny_embedder(), **options)


def mlp(seed: int = 0) -> MLP:
    rng, embedder = np.random.default_rng(seed), tiny_embedder()
    shapes = ((embedder.dim, 5), (5, 4), (4, 1))
    weights = tuple(rng.normal(scale=0.3, size=(3, *shape)).astype(np.float32) for shape in shapes)
    biases = tuple(rng.uniform(0.3, 0.6, size=(3, shape[1])).astype(np.float32) for shape in shapes)
    return MLP(MODELS, embedder, weights, biases, rng.uniform(size=(40, 3)).astype(np.float32))


def sw_ranking(**options) -> SWRanking:
    return fit_sw_ranking(synthetic(80), tiny_embedder(), **options)


def ensemble() -> Ensemble:
    mixed = Ensemble.of(PromptLength(), knn(), svm(), tiny_mf(MODELS))
    reference = np.random.default_rng(0).uniform(size=(40, 1)).astype(np.float32)
    return Ensemble(mixed.models, mixed.members, mixed.win_pool, mixed.quality_pool, (("strong", "weak"),), reference)


KINDS = {"knn": knn, "svm": svm, "kernel_svm": kernel_svm, "mlp": mlp, "sw_ranking": sw_ranking, "ensemble": ensemble}


def index(vectors, bits: int = 16) -> PromptIndex:
    return PromptIndex.of(np.asarray(vectors, dtype=np.float32), bits=bits)

"""Kernel ridge regression on every row, by Cholesky's factor: a cube of the rows once, and no eigenvectors."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reals", "inverse_of_lower", "ridge_exactly"]

Reals = TypeVar("Reals", NDArray[np.float32], NDArray[np.float64])

LEAF = 256


def ridge_exactly(kernel: Reals, target: NDArray[np.float64], ridge: float) -> tuple[Reals, Reals]:
    """Weights (K + ridge I)^-1 y, and what a fit without the row says of it.

    The second is y_i - w_i / [(K + ridge I)^-1]_ii (Rasmussen & Williams 2006, eq. 5.12).

    Args:
        kernel: K, positive semidefinite, float[n, n]; its precision is that of the sums. It is left as it was.
        target: y, float64[n, k].
        ridge: above 0; in float32 not below .01 or so times the mean of K's diagonal.

    Returns:
        Weights and predictions, float[n, k] each.
    """
    factor = kernel.copy()
    factor[np.diag_indices_from(factor)] += factor.dtype.type(ridge)
    factor = np.linalg.cholesky(factor).astype(factor.dtype, copy=False)
    back = inverse_of_lower(factor)
    y = target.astype(kernel.dtype)
    weights = back.T @ (back @ y)
    return weights, y - weights / np.einsum("ij,ij->j", back, back)[:, None]


def inverse_of_lower(factor: Reals) -> Reals:
    """Inverse of a lower triangular matrix float[n, n], by halves: numpy has none that uses the shape."""
    n = len(factor)
    if n <= LEAF:
        return np.tril(np.linalg.inv(factor))
    half, out = n // 2, np.zeros_like(factor)
    out[:half, :half] = first = inverse_of_lower(factor[:half, :half])
    out[half:, half:] = second = inverse_of_lower(factor[half:, half:])
    out[half:, :half] = -second @ (factor[half:, :half] @ first)
    return out

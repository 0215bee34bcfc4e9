"""Weights of forecasters, none negative and together 1, with the least squared error."""

from __future__ import annotations

import numpy as np

# How strongly weights of a block of steps and of a target are drawn to those of all, by the number of
# horizons of origins.
_POOLING = 0.5

# Fewest horizons of origins that are reckoned with.
_FEWEST_HORIZONS = 0.25


def reckoned_horizons(horizons: float) -> float:
    """How many horizons of origins are reckoned with, of so many that there are."""
    return max(horizons, _FEWEST_HORIZONS)


def pooling(horizons: float) -> float:
    """How strongly weights of a part are drawn to those of all, with so many horizons of origins."""
    return _POOLING / reckoned_horizons(horizons)


def simplex_weights(
    products: np.ndarray, drawn_to: np.ndarray | None = None, strength: float = 0.0
) -> np.ndarray:
    """Weights ``w``, none negative and together 1, that minimise ``w' P w + c |w - w0|^2``.

    Weights that sum to 1 make it ``|A w|^2``. The least squares problem ``|A u|^2 + (1'u - 1)^2``, with
    no ``u`` negative (Lawson and Hanson 1974, "Solving Least Squares Problems", chapter 23), has the
    same solution but for its length.

    Args:
        products: ``P``, ``(k, n, n)``.
        drawn_to: ``w0``, ``(k, n)``; None for none.
        strength: ``c``, in units of the smallest diagonal of each ``P``.

    Returns:
        ``(k, n)``.
    """
    from scipy.optimize import nnls

    k, n, _ = products.shape
    # Forecasters that are the same have a singular matrix; a trace of equality tells them apart.
    strength = max(strength, 1e-9)
    centre = np.full((k, n), 1 / n) if drawn_to is None else drawn_to
    found = np.empty((k, n))
    wanted = np.append(np.zeros(2 * n), 1.0)
    for number, product in enumerate(products):
        eigenvalues, vectors = np.linalg.eigh(product / max(product.diagonal().min(), 1e-12))
        rows = np.vstack([
            np.sqrt(np.maximum(eigenvalues, 0))[:, None] * vectors.T,
            np.sqrt(strength) * (np.eye(n) - centre[number][:, None]),
            np.ones(n),
        ])  # fmt: skip
        solution, _ = nnls(rows, wanted)
        found[number] = solution / solution.sum()
    return found

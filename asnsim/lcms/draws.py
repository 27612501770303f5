"""Random draws of the bench, from one seed tree; an ideal bench draws nothing and gets every centre exactly."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["Draws"]


class Draws:
    """Random numbers of one task.

    Every vial and injection has its own child of the batch's seed, so what one draws does not depend on how many came before it.

    Parameters
    ----------
    seed : int or None
        Seed of the batch; None for the ideal bench.
    *task : int
        Place in the seed tree.
    """

    def __init__(self, seed: int | None, *task: int):
        self._rng = None if seed is None else np.random.default_rng(np.random.SeedSequence(seed, spawn_key=task))

    @property
    def ideal(self) -> bool:
        """Whether nothing is drawn."""
        return self._rng is None

    def normal(self, sd: float, shape: tuple[int, ...] = ()) -> np.ndarray | float:
        """Return normal draws around 0."""
        if self._rng is None or sd == 0.0:
            return np.zeros(shape) if shape else 0.0
        return sd * self._rng.standard_normal(shape if shape else None)

    def lognormal(self, cv: float, shape: tuple[int, ...] = ()) -> np.ndarray | float:
        """Return lognormal factors of mean 1 and the given coefficient of variation."""
        if self._rng is None or cv == 0.0:
            return np.ones(shape) if shape else 1.0
        s = math.sqrt(math.log1p(cv * cv))
        return np.exp(s * self._rng.standard_normal(shape if shape else None) - 0.5 * s * s)

    def uniform(self) -> float:
        """Return one draw on [0, 1)."""
        return 0.0 if self._rng is None else float(self._rng.random())

    def counts(self, mean: np.ndarray, factor: float) -> np.ndarray:
        """Return ion counts of the given means and variance factor*mean; the means themselves on the ideal bench.

        A Poisson count whose mean is gamma distributed (shape mean/(factor - 1), scale factor - 1) has mean ``mean`` and variance
        ``factor*mean``: a negative binomial.

        Parameters
        ----------
        mean : ndarray, shape (n,)
            Expected counts per point.
        factor : float
            Variance over mean, >= 1.
        """
        if self._rng is None:
            return mean
        if factor > 1.0:
            mean = self._rng.gamma(np.maximum(mean, 1e-12) / (factor - 1.0), factor - 1.0)
        return self._rng.poisson(mean).astype(float)

    def permutation(self, n: int) -> np.ndarray:
        """Return a random order of n items; the given order on the ideal bench."""
        return np.arange(n) if self._rng is None else self._rng.permutation(n)

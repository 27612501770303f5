"""Measurements of which only an upper limit is known: what they add to a least-squares problem.

Method M3 [1]_: a value below the limit of quantification enters the likelihood with the probability of lying there,
``Phi((limit - prediction)/sd)``. Its residual is the root of minus twice the logarithm of that, so that the sum of squares is the
same likelihood. Where errors are shared, mean and sd are those given the quantified results; several censored values count as
independent of each other beyond that. Method M1 leaves censored values out.

References
----------
.. [1] Beal 2001, Ways to fit a PK model with some data below the quantification limit, J Pharmacokinet Pharmacodyn 28, 481-504.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

__all__ = ["Whitening"]

_SMALL = 1e-150  # of a residual, where its slope is taken as zero


class Whitening:
    """Turns differences between prediction and data into independent residuals.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Of the errors of all data.
    censored : ndarray of bool, shape (n,)
        Whose measured value is an upper limit.
    """

    def __init__(self, covariance: np.ndarray, censored: np.ndarray):
        self.known, self.limits = np.flatnonzero(~censored), np.flatnonzero(censored)
        self._root = np.linalg.inv(np.linalg.cholesky(covariance[np.ix_(self.known, self.known)]))
        between = self._root @ covariance[np.ix_(self.known, self.limits)]
        self._weights = between.T @ self._root  # of the known errors, in the mean of the censored ones
        own = covariance[self.limits, self.limits] - np.sum(between**2, axis=0)
        self._sd = np.sqrt(np.maximum(own, 1e-12 * covariance[self.limits, self.limits]))

    def __call__(self, difference: np.ndarray, slopes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Return residuals (n,) of differences prediction - measured (n,), and their derivatives, given those (n, n_p)."""
        residual = np.empty(len(difference))
        residual[self.known] = self._root @ difference[self.known]
        z = (self._weights @ difference[self.known] - difference[self.limits]) / self._sd
        logarithm = log_ndtr(z)
        residual[self.limits] = np.sqrt(np.maximum(-2.0 * logarithm, 0.0))
        if slopes is None:
            return residual, None
        jacobian = np.empty_like(slopes)
        jacobian[self.known] = self._root @ slopes[self.known]
        by_z = (self._weights @ slopes[self.known] - slopes[self.limits]) / self._sd[:, None]
        density = np.exp(-0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - logarithm)
        size = residual[self.limits]
        steep = np.where(size > _SMALL, -density / np.maximum(size, _SMALL), 0.0)
        jacobian[self.limits] = steep[:, None] * by_z
        return residual, jacobian

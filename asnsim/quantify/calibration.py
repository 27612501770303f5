"""Calibration lines: weighted least squares for the values, a two-component variance by REML for the intervals.

Weights 1/x^2 give good values but wrong intervals, because real noise is counting at the bottom and proportional at the top.
The variance s_a^2 + (s_m b x)^2 (Rocke & Lorenzato 1995) is estimated by REML from calibrators and QCs, and the line's
covariance follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from asnsim.errors import DataError

__all__ = ["Line", "fit_line", "fit_two_component", "reml"]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A calibration line, response = intercept + slope x.

    Parameters
    ----------
    intercept, slope : float
        Response at 0 and per umol/L.
    covariance : ndarray, shape (2, 2)
        Of (intercept, slope).
    sigma : float
        Residual standard deviation at unit weight.
    additive, proportional : float
        s_a (response) and s_m (relative) of the two-component variance; nan if not estimated.
    df : float
        Degrees of freedom of the residual standard deviation.
    component_covariance : ndarray, shape (2, 2), optional
        Of the estimates of (s_a^2, s_m^2).
    """

    intercept: float
    slope: float
    covariance: np.ndarray
    sigma: float
    additive: float = math.nan
    proportional: float = math.nan
    df: float = math.inf
    component_covariance: np.ndarray | None = None

    def variance(self, x: float | np.ndarray) -> float | np.ndarray:
        """Variance of one new response at concentration x by the two-component model."""
        return self.additive**2 + (self.proportional * self.slope * np.maximum(x, 0.0)) ** 2

    def df_at(self, x: float) -> float:
        """Degrees of freedom of `variance` at concentration x: 2 V^2/var(V), the rule of Satterthwaite.

        Near the LLOQ only the lowest calibrators tell the variance, so there are fewer than the number of calibrators suggests.
        """
        if self.component_covariance is None:
            return self.df
        g = np.array([1.0, (self.slope * max(x, 0.0)) ** 2])
        spread = float(g @ self.component_covariance @ g)
        return max(2.0 * float(self.variance(x)) ** 2 / spread, 1.0) if spread > 0.0 else self.df

    def inverse(self, response: float, variance: float) -> tuple[float, float]:
        """Back-calculate a concentration and its standard uncertainty.

        Parameters
        ----------
        response : float
            Mean response of the unknown.
        variance : float
            Its variance.

        Returns
        -------
        x, u : float

        Notes
        -----
        u^2 = (variance + g' C g)/b^2 with g = (1, x): the closed form of Massart et al. 1997, Handbook of Chemometrics A, 8.2,
        written with the covariance C of the line.
        """
        x = (response - self.intercept) / self.slope
        g = np.array([1.0, x])
        return x, math.sqrt(variance + float(g @ self.covariance @ g)) / abs(self.slope)

    def gradient(self, x: float) -> np.ndarray:
        """Derivative of a back-calculated x with respect to (intercept, slope), shape (2,)."""
        return np.array([-1.0, -x]) / self.slope


def _solve(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    design = np.column_stack((np.ones_like(x), x))
    root = np.sqrt(w)
    q, r = np.linalg.qr(design * root[:, None])  # QR of the weighted design: the normal equations would square its condition
    beta = np.linalg.solve(r, q.T @ (root * y))
    r_inverse = np.linalg.inv(r)
    return beta, r_inverse @ r_inverse.T, design


def fit_line(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> Line:
    """Fit a straight line by weighted least squares.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Concentrations and responses.
    weights : ndarray, shape (n,), optional
        Inverse relative variances; default 1.

    Raises
    ------
    DataError
        If there are fewer than three points or two levels.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.size < 3 or np.unique(x).size < 2:
        raise DataError(f"a calibration line needs at least 3 points at 2 levels, got {x.size} points at {np.unique(x).size}")
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float)
    beta, unscaled, design = _solve(x, y, w)
    sigma = math.sqrt(float(w @ (y - design @ beta) ** 2) / (x.size - 2))
    return Line(float(beta[0]), float(beta[1]), sigma**2 * unscaled, sigma, df=x.size - 2)


def reml(x: np.ndarray, y: np.ndarray, slope: float) -> tuple[float, float]:
    """Estimate the two-component variance s_a^2 + (s_m b x)^2 by restricted maximum likelihood.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Concentrations and responses.
    slope : float
        b, fixed.

    Returns
    -------
    additive, proportional : float
        s_a in units of y, s_m relative.

    References
    ----------
    Rocke & Lorenzato 1995, Technometrics 37, 176; Patterson & Thompson 1971, Biometrika 58, 545 (REML).
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    design = np.column_stack((np.ones_like(x), x))
    scale = abs(slope) * x[x > 0].min()  # the response at the lowest level: keeps both parameters near relative size

    def minus_two_log_likelihood(log_parameters: np.ndarray) -> float:
        s_a, s_m = np.exp(np.clip(log_parameters, -16.0, 4.0))
        weights = 1.0 / ((s_a * scale) ** 2 + (s_m * slope * x) ** 2)
        information = (design * weights[:, None]).T @ design
        residual = y - design @ np.linalg.solve(information, design.T @ (weights * y))
        return float(-np.log(weights).sum() + np.linalg.slogdet(information)[1] + weights @ residual**2)

    starts = [(-3.0, -3.5), (-1.5, -4.5), (-6.0, -3.0)]
    best = min(
        (
            minimize(minus_two_log_likelihood, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-5})
            for start in starts
        ),
        key=lambda result: result.fun,
    )
    s_a, s_m = np.exp(np.clip(best.x, -16.0, 4.0))
    return float(s_a * scale), float(s_m)


def component_covariance(x: np.ndarray, slope: float, additive: float, proportional: float) -> np.ndarray:
    """Return the covariance of the REML estimates of (s_a^2, s_m^2), shape (2, 2), from the expected information.

    I_ij = tr(P V_i P V_j)/2 with V_i the derivative of the variance and P the projection that takes the line out.
    """
    design = np.column_stack((np.ones_like(x), x))
    parts = np.column_stack((np.ones_like(x), (slope * x) ** 2))
    weights = 1.0 / (parts @ np.array([additive**2, proportional**2]))
    weighted = design * weights[:, None]
    projection = np.diag(weights) - weighted @ np.linalg.solve(design.T @ weighted, weighted.T)
    information = 0.5 * np.einsum("ki,kl,lj->ij", parts, projection**2, parts)
    return np.linalg.pinv(information)


def fit_two_component(x: np.ndarray, y: np.ndarray, weighting: str, extra_x: np.ndarray, extra_y: np.ndarray) -> Line:
    """Fit a calibration line with the given weights; estimate its covariance with a two-component variance.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Calibrators: concentration > 0 and response.
    weighting : {'1', '1/x', '1/x^2'}
        Weights of the point estimate.
    extra_x, extra_y : ndarray, shape (m,)
        QCs: they inform the variance, never the line, so that their back-calculation stays an honest check.

    Raises
    ------
    DataError
        If there are too few calibrators.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    weights = x ** -{"1": 0.0, "1/x": 1.0, "1/x^2": 2.0}[weighting]
    line = fit_line(x, y, weights)
    all_x, all_y = np.concatenate((x, extra_x)), np.concatenate((y, extra_y))
    misfit = np.abs(all_y - line.intercept - line.slope * all_x) / np.abs(line.slope * all_x)
    s_a, s_m, spread = 0.0, 0.0, None
    if misfit.max() > 1e-9:  # else noise-free: nothing to estimate
        s_a, s_m = reml(all_x, all_y, line.slope)
        spread = component_covariance(all_x, line.slope, s_a, s_m)
    _, unscaled, design = _solve(x, y, weights)
    middle = (design * weights[:, None]).T @ ((s_a**2 + (s_m * line.slope * x) ** 2)[:, None] * design * weights[:, None])
    covariance = unscaled @ middle @ unscaled
    return Line(line.intercept, line.slope, covariance, line.sigma, s_a, s_m, all_x.size - 2, spread)

"""Calibration curves: weighted least squares for the values, a two-component variance by REML for the intervals.

Weights 1/x^2 give good values but wrong intervals, because real noise is counting at the bottom and proportional at the top.
The variance s_a^2 + (s_m b x)^2 (Rocke & Lorenzato 1995) is estimated by REML from calibrators and QCs, and the curve's
covariance follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq, minimize

from asnsim.errors import DataError

__all__ = ["WEIGHTS", "Line", "choose_curve", "fit_line", "fit_two_component", "reml"]

#: Weighting -> power of x.
WEIGHTS = {"1": 0.0, "1/x": 1.0, "1/x^2": 2.0}
_FARTHEST = 60.0  # standard uncertainties that an interval is looked for


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A calibration curve, response = intercept + slope x + curvature x^2; a straight line where the curvature is 0.

    Parameters
    ----------
    intercept, slope : float
        Response at 0 and per umol/L.
    covariance : ndarray, shape (2, 2) or (3, 3)
        Of (intercept, slope) or (intercept, slope, curvature).
    sigma : float
        Residual standard deviation at unit weight.
    additive, proportional : float
        s_a (response) and s_m (relative) of the two-component variance; nan if not estimated.
    df : float
        Degrees of freedom of the residual standard deviation.
    component_covariance : ndarray, shape (2, 2), optional
        Of the estimates of (s_a^2, s_m^2).
    curvature : float
        Per (umol/L)^2.
    weighting : str
        Weights it was fitted with; empty if published.
    """

    intercept: float
    slope: float
    covariance: np.ndarray
    sigma: float
    additive: float = math.nan
    proportional: float = math.nan
    df: float = math.inf
    component_covariance: np.ndarray | None = None
    curvature: float = 0.0
    weighting: str = ""

    @property
    def order(self) -> int:
        """1 for a line, 2 for a quadratic."""
        return len(self.covariance) - 1

    def response(self, x: float | np.ndarray) -> float | np.ndarray:
        """Return the expected response at concentration x."""
        return self.intercept + (self.slope + self.curvature * x) * x

    def slope_at(self, x: float | np.ndarray) -> float | np.ndarray:
        """Return the derivative of the response at concentration x."""
        return self.slope + 2.0 * self.curvature * x

    def back(self, response: float) -> float:
        """Return the concentration that gives a response; nan beyond the top of a curve that bends down."""
        rise = response - self.intercept
        inside = self.slope**2 + 4.0 * self.curvature * rise
        return 2.0 * rise / (self.slope + math.sqrt(inside)) if inside >= 0.0 else math.nan

    def variance(self, x: float | np.ndarray) -> float | np.ndarray:
        """Variance of one new response at concentration x by the two-component model."""
        above = np.maximum(x, 0.0)
        return self.additive**2 + (self.proportional * (self.response(above) - self.intercept)) ** 2

    def df_at(self, x: float) -> float:
        """Degrees of freedom of `variance` at concentration x: 2 V^2/var(V), the rule of Satterthwaite.

        Near the LLOQ only the lowest calibrators tell the variance, so there are fewer than the number of calibrators suggests.
        """
        if self.component_covariance is None:
            return self.df
        g = np.array([1.0, (self.response(max(x, 0.0)) - self.intercept) ** 2])
        spread = float(g @ self.component_covariance @ g)
        return max(2.0 * float(self.variance(x)) ** 2 / spread, 1.0) if spread > 0.0 else self.df

    def uncertainty(self, x: float) -> float:
        """Return the variance of the curve itself at concentration x: g' C g with g = (1, x, x^2)."""
        g = x ** np.arange(self.order + 1)
        return float(g @ self.covariance @ g)

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
        u^2 = (variance + g' C g)/f'(x)^2 with g = (1, x): the closed form of Massart et al. 1997, Handbook of Chemometrics A,
        8.2, written with the covariance C of the curve.
        """
        x = self.back(response)
        return x, math.sqrt(variance + self.uncertainty(x)) / abs(self.slope_at(x))

    def gradient(self, x: float) -> np.ndarray:
        """Derivative of a back-calculated x with respect to (intercept, slope[, curvature]), shape (2,) or (3,)."""
        return -(x ** np.arange(self.order + 1)) / self.slope_at(x)

    def interval(self, response: float, variance: Callable[[float], float], quantile: float) -> tuple[float, float]:
        """Return all concentrations that a response does not contradict.

        Parameters
        ----------
        response : float
            Response of the unknown.
        variance : callable
            Variance of one response at concentration x.
        quantile : float
            Of the normal or Student's distribution: 1.96 for 95 %.

        Returns
        -------
        lower, upper : float
            Infinite where a curve is too uncertain to say.

        Notes
        -----
        Those x with (y - f(x))^2 <= q^2 (V(x) + g' C g): Fieller's interval (1954, J. R. Stat. Soc. B 16, 175), with the variance
        that belongs to each x instead of one for all. Near the LLOQ it is not symmetric.
        """

        def misfit(x: float) -> float:
            return (response - self.response(x)) ** 2 - quantile**2 * (variance(x) + self.uncertainty(x))

        x, u = self.inverse(response, variance(self.back(response)))
        if not u > 0.0:
            return x, x
        return tuple(_edge(misfit, x, sign * quantile * u) for sign in (-1.0, 1.0))


def _edge(misfit: Callable[[float], float], x: float, step: float) -> float:
    """Where a misfit that is negative at x changes sign, going in steps that grow."""
    inner, outer, width = x, x + step, step
    while misfit(outer) < 0.0:
        if abs(outer - x) > _FARTHEST * abs(step):
            return math.copysign(math.inf, step)
        width *= 1.5
        inner, outer = outer, outer + width
    return brentq(misfit, inner, outer, xtol=1e-9 * abs(step), rtol=1e-10)


def _design(x: np.ndarray, order: int) -> np.ndarray:
    return np.vander(x, order + 1, increasing=True)


def _solve(x: np.ndarray, y: np.ndarray, w: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    design, root, size = _design(x, order), np.sqrt(w), np.abs(x).max() ** np.arange(order + 1)
    q, r = np.linalg.qr(design / size * root[:, None])  # the normal equations would square its condition
    beta = np.linalg.solve(r, q.T @ (root * y)) / size
    r_inverse = np.linalg.inv(r) / size[:, None]
    return beta, r_inverse @ r_inverse.T, design


def fit_line(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, order: int = 1) -> Line:
    """Fit a line or a quadratic by weighted least squares.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Concentrations and responses.
    weights : ndarray, shape (n,), optional
        Inverse relative variances; default 1.
    order : {1, 2}
        Line or quadratic.

    Raises
    ------
    DataError
        If there are fewer than order + 2 points or order + 1 levels.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    what, levels = ("line", "quadratic")[order - 1], np.unique(x).size
    if x.size < order + 2 or levels < order + 1:
        raise DataError(
            f"a calibration {what} needs at least {order + 2} points at {order + 1} levels, got {x.size} points at {levels}"
        )
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float)
    beta, unscaled, design = _solve(x, y, w, order)
    df = x.size - order - 1
    sigma = math.sqrt(float(w @ (y - design @ beta) ** 2) / df)
    return Line(*map(float, beta[:2]), sigma**2 * unscaled, sigma, df=df, curvature=float(beta[2]) if order == 2 else 0.0)


def reml(x: np.ndarray, y: np.ndarray, signal: np.ndarray, order: int = 1) -> tuple[float, float]:
    """Estimate the two-component variance s_a^2 + (s_m signal)^2 by restricted maximum likelihood.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Concentrations, above 0, and responses.
    signal : ndarray, shape (n,)
        Expected response above that of a blank, fixed.
    order : {1, 2}
        Of the curve that is taken out.

    Returns
    -------
    additive, proportional : float
        s_a in units of y, s_m relative.

    References
    ----------
    Rocke & Lorenzato 1995, Technometrics 37, 176; Patterson & Thompson 1971, Biometrika 58, 545 (REML).
    """
    x, y, signal = (np.asarray(values, dtype=float) for values in (x, y, signal))
    design = _design(x / x.max(), order)
    scale = np.abs(signal).min()  # the response at the lowest level: keeps both parameters near relative size

    def minus_two_log_likelihood(log_parameters: np.ndarray) -> float:
        s_a, s_m = np.exp(np.clip(log_parameters, -16.0, 4.0))
        weights = 1.0 / ((s_a * scale) ** 2 + (s_m * signal) ** 2)
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


def component_covariance(
    x: np.ndarray, signal: np.ndarray, additive: float, proportional: float, order: int = 1
) -> np.ndarray:
    """Return the covariance of the REML estimates of (s_a^2, s_m^2), shape (2, 2), from the expected information.

    I_ij = tr(P V_i P V_j)/2 with V_i the derivative of the variance and P the projection that takes the curve out.
    """
    design = _design(x / x.max(), order)
    parts = np.column_stack((np.ones_like(x), signal**2))
    weights = 1.0 / (parts @ np.array([additive**2, proportional**2]))
    weighted = design * weights[:, None]
    projection = np.diag(weights) - weighted @ np.linalg.solve(design.T @ weighted, weighted.T)
    information = 0.5 * np.einsum("ki,kl,lj->ij", parts, projection**2, parts)
    return np.linalg.pinv(information)


def fit_two_component(
    x: np.ndarray, y: np.ndarray, weighting: str, extra_x: np.ndarray, extra_y: np.ndarray, order: int = 1
) -> Line:
    """Fit a calibration curve with the given weights; estimate its covariance with a two-component variance.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Calibrators: concentration > 0 and response.
    weighting : {'1', '1/x', '1/x^2'}
        Weights of the point estimate.
    extra_x, extra_y : ndarray, shape (m,)
        QCs: they inform the variance, never the curve, so that their back-calculation stays an honest check.
    order : {1, 2}
        Line or quadratic.

    Raises
    ------
    DataError
        If there are too few calibrators, or the curve does not rise from its lowest to its highest calibrator.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    weights = x ** -WEIGHTS[weighting]
    line = fit_line(x, y, weights, order)
    if not min(line.slope_at(x.min()), line.slope_at(x.max())) > 0.0:
        raise DataError("the calibration curve does not rise with concentration; look at calibrators and internal standard")
    all_x, all_y = np.concatenate((x, extra_x)), np.concatenate((y, extra_y))
    signal = line.response(all_x) - line.intercept
    s_a, s_m, spread = 0.0, 0.0, None
    if np.max(np.abs(all_y - line.response(all_x)) / np.abs(signal)) > 1e-9:  # else noise-free: nothing to estimate
        s_a, s_m = reml(all_x, all_y, signal, order)
        spread = component_covariance(all_x, signal, s_a, s_m, order)
    _, unscaled, design = _solve(x, y, weights, order)
    noise = s_a**2 + (s_m * signal[: x.size]) ** 2
    weighted = design * weights[:, None]
    covariance = unscaled @ (weighted.T @ (noise[:, None] * weighted)) @ unscaled
    return replace(
        line, covariance=covariance, additive=s_a, proportional=s_m, df=all_x.size - order - 1,
        component_covariance=spread, weighting=weighting,
    )  # fmt: skip


def choose_curve(
    x: np.ndarray, y: np.ndarray, extra_x: np.ndarray, extra_y: np.ndarray, weightings: tuple[str, ...], orders: tuple[int, ...]
) -> Line:
    """Fit every candidate and keep the one with the smallest error at the LLOQ and at the QCs; never by r^2.

    Parameters
    ----------
    x, y, extra_x, extra_y : ndarray
        As of `fit_two_component`.
    weightings, orders : tuple
        Candidates, the preferred first: another must be better by a tenth to take its place.

    Raises
    ------
    DataError
        If no candidate can be fitted.
    """
    best, least, reason = None, math.inf, None
    for order in orders:
        for weighting in weightings:
            try:
                line = fit_two_component(x, y, weighting, extra_x, extra_y, order)
            except DataError as error:
                reason = reason or error
                continue
            error = _error(line, x, y, extra_x, extra_y)
            if best is None or error < 0.9 * least:
                best, least = line, error
    if best is None:
        raise reason
    return best


def _error(line: Line, x: np.ndarray, y: np.ndarray, extra_x: np.ndarray, extra_y: np.ndarray) -> float:
    """Root mean square over levels, LLOQ and QCs, of the relative error."""
    lowest = x <= x.min() * 1.000001
    points = [*zip(x[lowest], y[lowest], strict=True), *zip(extra_x, extra_y, strict=True)]
    levels: dict[float, list[float]] = {}
    for nominal, response in points:
        found = line.back(response)
        levels.setdefault(float(nominal), []).append(1.0 if math.isnan(found) else (found / nominal - 1.0) ** 2)
    return math.sqrt(np.mean([np.mean(errors) for errors in levels.values()]))

"""The priors of PEtab 2.0, truncated by the bounds, and those of version 1, which are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from asnsim.errors import DataError

__all__ = ["PRIORS", "Prior", "make_prior"]

#: Parameters that each distribution takes.
PRIORS = {
    "cauchy": ("loc", "scale"),
    "chisquare": ("dof",),
    "exponential": ("scale",),
    "gamma": ("shape", "scale"),
    "laplace": ("loc", "scale"),
    "log-laplace": ("loc", "scale"),
    "log-normal": ("loc", "scale"),
    "log-uniform": ("lower", "upper"),
    "normal": ("loc", "scale"),
    "rayleigh": ("scale",),
    "uniform": ("lower", "upper"),
}
_POSITIVE = ("scale", "dof", "shape")
_FIRST = {"logNormal": "log-normal", "logLaplace": "log-laplace"}
_SCALED = "parameterScale"
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Density of one parameter.

    Parameters
    ----------
    name : str
        Distribution.
    on_scale : bool
        Whether it is the density of the scaled parameter (version 1 only) rather than of the linear one.
    inner : distribution of scipy.stats
    logarithm : bool
        Whether `inner` is that of the logarithm.
    slope : callable
        d(log density)/d(value), of the inner variable.
    low, high : float
        Truncation, of the inner variable.
    mass : float
        Logarithm of what lies between.
    """

    name: str
    on_scale: bool
    inner: object
    logarithm: bool
    slope: Callable[[float], float]
    low: float
    high: float
    mass: float

    def log_density(self, linear: float, scaled: float) -> float:
        """Return the logarithm of the density; -inf outside its support."""
        value = scaled if self.on_scale else linear
        if self.logarithm and value <= 0:
            return -math.inf
        inner = math.log(value) if self.logarithm else value
        slack = _ROUNDING * max(abs(inner), 1.0)  # a bound that went through a logarithm and back still counts as inside
        if not self.low - slack <= inner <= self.high + slack:
            return -math.inf
        inner = min(max(inner, self.low), self.high)
        return float(self.inner.logpdf(inner)) - self.mass - (inner if self.logarithm else 0.0)

    def derivative(self, linear: float, scaled: float, linear_by_scaled: float) -> float:
        """Return its derivative by the scaled parameter."""
        if self.on_scale:
            return self.slope(scaled)
        if self.logarithm:
            return (self.slope(math.log(linear)) - 1.0) / linear * linear_by_scaled
        return self.slope(linear) * linear_by_scaled


def _inner(name: str, a: float, b: float) -> tuple[object, Callable[[float], float]]:
    """Distribution and slope of its log density."""
    table = {
        "cauchy": (lambda: stats.cauchy(a, b), lambda x: -2.0 * (x - a) / (b * b + (x - a) ** 2)),
        "chisquare": (lambda: stats.chi2(a), lambda x: (a / 2.0 - 1.0) / x - 0.5),
        "exponential": (lambda: stats.expon(0.0, a), lambda x: -1.0 / a),
        "gamma": (lambda: stats.gamma(a, 0.0, b), lambda x: (a - 1.0) / x - 1.0 / b),
        "laplace": (lambda: stats.laplace(a, b), lambda x: -math.copysign(1.0, x - a) / b if x != a else 0.0),
        "normal": (lambda: stats.norm(a, b), lambda x: -(x - a) / (b * b)),
        "rayleigh": (lambda: stats.rayleigh(0.0, a), lambda x: 1.0 / x - x / (a * a)),
        "uniform": (lambda: stats.uniform(a, b - a), lambda x: 0.0),
    }
    make, slope = table[name]
    return make(), slope


def make_prior(name: str, numbers: tuple[float, ...], low: float, high: float, version: int, where: str) -> Prior:
    """Return the prior of a row.

    Parameters
    ----------
    name : str
        As the table names it.
    numbers : tuple of float
        Its parameters.
    low, high : float
        Bounds of the parameter, on linear scale; in version 2 they truncate.
    version : {1, 2}
    where : str
        File and row, for messages.

    Raises
    ------
    DataError
        If the distribution is unknown, its parameters are wrong, or nothing of it lies within the bounds.
    """
    on_scale = version == 1 and name.startswith(_SCALED)
    plain = name.removeprefix(_SCALED).lower() if on_scale else _FIRST.get(name, name) if version == 1 else name
    if plain not in PRIORS:
        raise DataError(f"{where}: the prior '{name}' is not known; there are {', '.join(PRIORS)}")
    fields = PRIORS[plain]
    if len(numbers) != len(fields):
        raise DataError(f"{where}: the prior '{name}' takes {len(fields)} parameters ({', '.join(fields)}), not {len(numbers)}")
    for field, number in zip(fields, numbers, strict=True):
        if not math.isfinite(number) or (field in _POSITIVE and number <= 0):
            raise DataError(f"{where}: the {field} of the prior '{name}' cannot be {number:g}")
    if fields == ("lower", "upper") and not numbers[0] < numbers[1]:
        words = f"goes from {numbers[0]:g} to {numbers[1]:g}; the lower must be below the upper"
        raise DataError(f"{where}: the prior '{name}' {words}")
    logarithm = plain.startswith("log-")
    if plain == "log-uniform":
        if numbers[0] <= 0:
            raise DataError(f"{where}: a log-uniform prior cannot begin at {numbers[0]:g}; it must be positive")
        numbers = tuple(math.log(number) for number in numbers)
    inner, slope = _inner(plain.removeprefix("log-"), numbers[0], numbers[1] if len(numbers) > 1 else 0.0)
    if version == 1:
        low, high = -math.inf, math.inf
    elif logarithm:
        low = math.log(low) if low > 0 else -math.inf
        high = math.log(high)
    inside = inner.cdf(high) - inner.cdf(low)
    if not inside > 0:
        raise DataError(f"{where}: nothing of the prior '{name}' lies within the bounds")
    low, high = (max(low, inner.support()[0]), min(high, inner.support()[1]))
    return Prior(name, on_scale, inner, logarithm, slope, float(low), float(high), float(np.log(inside)))

"""Profiles of two parameters at once: how well each pair of values can still be made to fit, and the region that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from asnsim.errors import FitError, suggest
from asnsim.fit.optimise import Evaluator, FitResult
from asnsim.fit.problem import FitProblem
from asnsim.fit.profile import refitted

__all__ = ["Surface", "profile_surface"]

_WIDE = 3.2  # standard deviations that the grid spans on either side
_FARTHEST = 5.0  # that a logarithm may move from one point to the next


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The profile of a pair of parameters.

    Parameters
    ----------
    names, units : tuple of (str, str)
    x, y : ndarray, shape (n,)
        Values of the first and the second parameter.
    delta : ndarray, shape (n, n)
        By x, then y: twice the loss of log likelihood against the best fit, everything else fitted again; infinite where the
        model cannot be simulated.
    best : tuple of (float, float)
        The estimates.
    covariance : ndarray, shape (2, 2)
        Of their logarithms, by the quadratic approximation at the best fit.
    threshold : float
        Of delta, at the edge of the joint confidence region.
    """

    names: tuple[str, str]
    units: tuple[str, str]
    x: np.ndarray
    y: np.ndarray
    delta: np.ndarray
    best: tuple[float, float]
    covariance: np.ndarray
    threshold: float

    @property
    def is_closed(self) -> bool:
        """Whether the confidence region lies inside of the grid, apart from where the model cannot be simulated."""
        edge = np.concatenate([self.delta[0], self.delta[-1], self.delta[:, 0], self.delta[:, -1]])
        return bool(np.all(edge > self.threshold))


def profile_surface(
    problem: FitProblem,
    result: FitResult,
    first: str,
    second: str,
    points: int = 15,
    confidence: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> Surface:
    """Profile two parameters of a fit on a grid, from its middle outwards.

    Parameters
    ----------
    problem : FitProblem
        What was fitted.
    result : FitResult
        Its answer.
    first, second : str
        Free parameters.
    points : int
        Of the grid in each direction; made odd, so that the estimate is one.
    confidence : float
        Of the joint region, by the chi-squared distribution of two degrees of freedom.
    progress : callable, optional
        Called with (done, total).

    Raises
    ------
    FitError
        If a name was not fitted or both are the same, there are fewer than 3 points, or the confidence is not between 0 and 1.
    """
    for name in (first, second):
        if name not in problem.free:
            raise FitError(f"'{name}' was not fitted{suggest(name, problem.free)}; there are {', '.join(problem.free)}")
    if first == second:
        raise FitError(f"a surface needs two parameters, not '{first}' twice")
    if points < 3:
        raise FitError(f"a surface needs at least 3 points in each direction, not {points}")
    if not 0.0 < confidence < 1.0:
        raise FitError(f"confidence {confidence} is not between 0 and 1; write 0.95")
    pair, half = [problem.free.index(first), problem.free.index(second)], points // 2
    low, high, best = np.log(problem.lower), np.log(problem.upper), np.log(result.x)
    axes = [_axis(best[k], result.sd_log[k], low[k], high[k], half) for k in pair]
    rest = np.array([j for j in range(len(problem.free)) if j not in pair], dtype=int)
    evaluate, size = Evaluator(problem), 2 * half + 1
    delta, found = np.full((size, size), np.inf), {}
    order = sorted(np.ndindex(size, size), key=lambda at: (max(abs(at[0] - half), abs(at[1] - half)), at))
    for done, (i, j) in enumerate(order):
        inner = i - np.sign(i - half), j - np.sign(j - half)  # the neighbour towards the middle
        guess = _followed(evaluate, found.get(inner, best), pair, rest, np.array([axes[0][i], axes[1][j]]))
        point, cost = refitted(evaluate, np.clip(guess, low, high), rest, low, high)
        delta[i, j] = cost - result.cost
        if np.isfinite(cost):
            found[i, j] = point
        if progress:
            progress(done + 1, size * size)
    return Surface(
        (first, second), (result.units[pair[0]], result.units[pair[1]]), np.exp(axes[0]), np.exp(axes[1]), delta,
        (float(result.x[pair[0]]), float(result.x[pair[1]])), result.covariance[np.ix_(pair, pair)],
        float(chi2.ppf(confidence, 2)),
    )  # fmt: skip


def _followed(evaluate: Evaluator, here: np.ndarray, pair: list[int], rest: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A point with the wanted pair, the rest moved along the valley of the quadratic model."""
    there, move = here.copy(), wanted - here[pair]
    there[pair] = wanted
    if rest.size and np.any(move):
        jacobian = evaluate(here)[1]
        step = -np.linalg.lstsq(jacobian[:, rest], jacobian[:, pair] @ move, rcond=1e-10)[0]
        there[rest] = here[rest] + np.clip(step, -_FARTHEST, _FARTHEST)
    return there


def _axis(best: float, sd: float, low: float, high: float, half: int) -> np.ndarray:
    """Logarithms of the values of one parameter: the estimate in the middle, within the bounds."""
    reach = _WIDE * sd if np.isfinite(sd) and sd > 0 else np.inf
    down, up = max(low, best - reach), min(high, best + reach)
    return np.concatenate([np.linspace(down, best, half + 1), np.linspace(best, up, half + 1)[1:]])

"""Profile likelihood: how far a parameter can move while the others make up for it, and what that says of it.

Along a profile one parameter is held and the rest is fitted again (Raue 2009, Bioinformatics 25, 1923). Each step is predicted
along the valley by the Gauss-Newton Hessian and corrected by least squares; its length follows how fast the fit gets worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from scipy.stats import chi2

from asnsim.errors import FitError, suggest
from asnsim.fit.optimise import FAILED, Evaluator, FitResult
from asnsim.fit.problem import FitProblem

__all__ = ["Profile", "profile"]

_WANTED, _MOST = 0.35, 1.2  # growth of delta in one step
_FLAT = 0.05  # delta at the end of a side that the data do not feel
_TIE = 0.3  # of the profiled parameter's own movement (log), above which another moves along
_SMALLEST = 1e-5  # step of log(x)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A profile of one parameter.

    Parameters
    ----------
    name, unit : str
        Parameter.
    free : tuple of str
        All fitted parameters.
    x : ndarray, shape (n,)
        Its values, rising.
    delta : ndarray, shape (n,)
        Cost over that of the best fit: minus twice the logarithm of the profile likelihood ratio.
    path : ndarray, shape (n, n_p)
        All parameters along it.
    threshold : float
        Of delta, from the chi-squared distribution with one degree of freedom.
    lower, upper : float
        Ends of the interval; 0 and inf where delta stays below the threshold.
    verdict : str
        ``identifiable``, or why not, in a sentence.
    better : bool
        Whether the profile found a better fit than the one it began at: fit again from there.
    """

    name: str
    unit: str
    free: tuple[str, ...]
    x: np.ndarray
    delta: np.ndarray
    path: np.ndarray
    threshold: float
    lower: float
    upper: float
    verdict: str
    better: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Points of one direction, outwards, the crossing (log, nan if none), and why it ended."""

    points: list[np.ndarray]
    deltas: list[float]
    crossing: float
    end: str


def profile(
    problem: FitProblem,
    result: FitResult,
    names: Sequence[str] = (),
    confidence: float = 0.95,
    max_steps: int = 60,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Profile, ...]:
    """Profile the parameters of a fit.

    Parameters
    ----------
    problem : FitProblem
        What was fitted.
    result : FitResult
        Its answer.
    names : sequence of str
        Parameters; by default all.
    confidence : float
        Of the intervals.
    max_steps : int
        In each direction.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    tuple of Profile
        In the order of `names`.

    Raises
    ------
    FitError
        If a name was not fitted, or the confidence is not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise FitError(f"confidence {confidence} is not between 0 and 1; write 0.95")
    for name in names:
        if name not in problem.free:
            raise FitError(f"'{name}' was not fitted{suggest(name, problem.free)}; there are {', '.join(problem.free)}")
    wanted, threshold, out = tuple(names) or problem.free, float(chi2.ppf(confidence, 1)), []
    for name in wanted:
        k = problem.free.index(name)
        sides = [_Walk(problem, result, k, sign, threshold).walk(max_steps) for sign in (-1, 1)]
        out.append(_joined(problem, result, k, sides, threshold))
        if progress:
            progress(len(out), len(wanted))
    return tuple(out)


class _Walk:
    """One direction of one profile."""

    def __init__(self, problem: FitProblem, result: FitResult, k: int, sign: int, threshold: float):
        self.evaluate, self.k, self.sign, self.threshold = Evaluator(problem), k, sign, threshold
        self.low, self.high = np.log(problem.lower), np.log(problem.upper)
        self.rest = np.array([j for j in range(len(problem.free)) if j != k], dtype=int)
        self.best, self.cost = np.log(result.x), result.cost
        sd = result.sd_log[k]
        self.step = float(np.clip(0.5 * sd if np.isfinite(sd) else 0.1, 1e-3, 0.5))

    def walk(self, most: int) -> _Side:
        """Go outwards until the threshold is crossed, a bound is met, or no step can be made."""
        side = _Side([], [], np.nan, "steps")
        here, delta = self.best, 0.0
        bound = self.high[self.k] if self.sign > 0 else self.low[self.k]
        for _ in range(most):
            left = self.sign * (bound - here[self.k])
            if left < 2.0 * _SMALLEST:
                return _Side(side.points, side.deltas, np.nan, "bound")
            found = self._advance(here, delta, min(self.step, left))
            if found is None:
                return _Side(side.points, side.deltas, np.nan, "cannot be simulated")
            there, reached = found
            side.points.append(there)
            side.deltas.append(reached)
            if reached >= self.threshold:
                return _Side(side.points, side.deltas, self._crossing(here, delta, there, reached), "crossed")
            grown = max(reached - delta, 1e-12)
            self.step = float(np.clip(abs(there[self.k] - here[self.k]) * np.clip(_WANTED / grown, 0.5, 2.0), _SMALLEST, 1.0))
            here, delta = there, reached
        return side

    def _advance(self, here: np.ndarray, delta: float, step: float) -> tuple[np.ndarray, float] | None:
        """One step that makes the fit worse by not too much; None if none can be simulated."""
        slope = self._valley(here)
        while step > _SMALLEST:
            guess = here + self.sign * step * slope
            there, reached = self._corrected(np.clip(guess, self.low, self.high))
            if np.isfinite(reached) and (reached - delta <= _MOST or step < 1e-3):
                return there, reached
            step /= 2.5
        return None

    def _valley(self, here: np.ndarray) -> np.ndarray:
        """How all parameters move per unit of the profiled one, shape (n_p,): along the valley of the quadratic model."""
        slope = np.zeros(len(here))
        slope[self.k] = 1.0
        if self.rest.size:
            jacobian = self.evaluate(here)[1]
            slope[self.rest] = -np.linalg.lstsq(jacobian[:, self.rest], jacobian[:, self.k], rcond=1e-10)[0]
        return np.clip(slope, -20.0, 20.0)

    def _corrected(self, guess: np.ndarray) -> tuple[np.ndarray, float]:
        """The rest fitted again; the point and its delta, infinite if it cannot be simulated."""
        point, cost = refitted(self.evaluate, guess, self.rest, self.low, self.high)
        return point, cost - self.cost

    def _crossing(self, inner: np.ndarray, below: float, outer: np.ndarray, above: float) -> float:
        """Log of the value at the threshold: delta is nearly a parabola, so its root is nearly a line; two refinements."""
        for _ in range(2):
            roots = np.sqrt(np.maximum([below, above, self.threshold], 0.0))
            share = float((roots[2] - roots[0]) / max(roots[1] - roots[0], 1e-12))
            point, reached = self._corrected(inner + share * (outer - inner))
            if not np.isfinite(reached) or abs(reached - self.threshold) < 1e-3:
                return float(point[self.k])
            if reached < self.threshold:
                inner, below = point, reached
            else:
                outer, above = point, reached
        roots = np.sqrt(np.maximum([below, above, self.threshold], 0.0))
        return float(inner[self.k] + (roots[2] - roots[0]) / max(roots[1] - roots[0], 1e-12) * (outer[self.k] - inner[self.k]))


def refitted(
    evaluate: Evaluator, guess: np.ndarray, rest: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fit some parameters again while the others stay.

    Parameters
    ----------
    evaluate : Evaluator
    guess : ndarray, shape (n_p,)
        Logarithms of all parameters.
    rest : ndarray of int
        Which may move.
    low, high : ndarray, shape (n_p,)
        Bounds, as logarithms.

    Returns
    -------
    ndarray, shape (n_p,)
        The point.
    float
        Sum of squared residuals there; infinite if the guess cannot be simulated.
    """
    residual = evaluate(guess)[0]
    if residual[0] == FAILED:
        return guess, np.inf
    if not rest.size:
        return guess, float(residual @ residual)

    def full(values: np.ndarray) -> np.ndarray:
        point = guess.copy()
        point[rest] = values
        return point

    margin = 1e-10 * (high - low)[rest]
    answer = scipy.optimize.least_squares(
        lambda values: evaluate(full(values))[0],
        np.clip(guess[rest], low[rest] + margin, high[rest] - margin),
        jac=lambda values: evaluate(full(values))[1][:, rest],
        bounds=(low[rest], high[rest]), xtol=1e-6, ftol=1e-7, gtol=1e-6, max_nfev=25,
    )  # fmt: skip
    return full(answer.x), 2.0 * float(answer.cost)


def _joined(problem: FitProblem, result: FitResult, k: int, sides: list[_Side], threshold: float) -> Profile:
    down, up = sides
    path = np.array([*down.points[::-1], np.log(result.x), *up.points])
    delta = np.array([*down.deltas[::-1], 0.0, *up.deltas])
    better = bool(delta.min() < -1e-3 * max(result.cost, 1.0))
    verdict = _verdict(problem, k, sides, path, delta)
    if better:
        verdict += "; a better fit was found on the way: fit again from there"
    ends = [np.exp(side.crossing) if side.end == "crossed" else limit for side, limit in zip(sides, (0.0, np.inf), strict=True)]
    return Profile(
        problem.free[k], result.units[k], problem.free, np.exp(path[:, k]), delta, np.exp(path), threshold, *map(float, ends),
        verdict, better,
    )  # fmt: skip


def _verdict(problem: FitProblem, k: int, sides: list[_Side], path: np.ndarray, delta: np.ndarray) -> str:
    if all(side.end == "crossed" for side in sides):
        return "identifiable"
    moved = np.ptp(path, axis=0)
    partners = [f for j, f in enumerate(problem.free) if j != k and moved[k] > 0 and moved[j] > _TIE * moved[k]]
    along = f", while {', '.join(partners)} {'moves' if len(partners) == 1 else 'move'} along" if partners else ""
    span = f"from {np.exp(path[:, k].min()):.3g} to {np.exp(path[:, k].max()):.3g}"
    if moved[k] > 0.2 and np.abs(delta).max() < _FLAT:
        return f"structurally not identifiable: the fit is the same {span}{along}"
    parts, estimate = [], np.exp(path[len(sides[0].points), k])
    for side, word in zip(sides, ("downwards", "upwards"), strict=True):
        if side.end == "crossed":
            continue
        last, value = (side.deltas[-1], np.exp(side.points[-1][k])) if side.points else (0.0, estimate)
        why = {
            "bound": f"at its bound {value:.3g} the fit is only {last:.2g} worse",
            "steps": f"at {value:.3g}, where the steps ran out, the fit is {last:.2g} worse",
            "cannot be simulated": f"beyond {value:.3g} the model cannot be simulated, the fit there is {last:.2g} worse",
        }[side.end]
        parts.append(f"{word}: {why}")
    return f"practically not identifiable {'; '.join(parts)}{along}"

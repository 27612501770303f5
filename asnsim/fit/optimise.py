"""Multi-start trust-region least squares and what its answer is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
from scipy.stats import qmc

from asnsim.errors import FitError, IntegrationError
from asnsim.fit.problem import FitProblem
from asnsim.tables import write_table

__all__ = ["FAILED", "Evaluator", "FitResult", "Start", "fit"]

#: A residual that no accepted step can have: what a failed simulation is worth.
FAILED = 1e6
#: Log-scale sd above which the data do not tell a parameter: a factor of 2.7 either way at one sigma.
_LOOSE = 1.0
#: Share of a prior's width above which an estimate is the prior's rather than the data's.
_HELD = 0.7


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the optimiser: where it began, where it ended, at what cost, and why it stopped."""

    x0: np.ndarray
    x: np.ndarray
    cost: float
    nfev: int
    success: bool
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """Answer of a fit.

    Parameters
    ----------
    free : tuple of str
        Names.
    x, lower, upper : ndarray, shape (n_p,)
        Estimates and 95 % intervals, canonical units.
    sd_log : ndarray, shape (n_p,)
        Standard deviations of log(x).
    covariance : ndarray, shape (n_p, n_p)
        Of log(x): inverse of the Gauss-Newton Hessian of data and priors.
    cost : float
        Sum of squared whitened residuals, priors included.
    n : int
        Number of data.
    verdicts : tuple of str
        One plain sentence per parameter.
    starts : tuple of Start
        All starts, best first.
    residuals : pandas.DataFrame
        experiment, time, observable, value, sd, predicted, weighted residual.
    """

    free: tuple[str, ...]
    x: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    sd_log: np.ndarray
    covariance: np.ndarray
    cost: float
    n: int
    verdicts: tuple[str, ...]
    starts: tuple[Start, ...]
    residuals: pd.DataFrame
    units: tuple[str, ...]

    @property
    def success(self) -> bool:
        """Whether the best start converged."""
        return self.starts[0].success

    @property
    def message(self) -> str:
        """Why the best start ended."""
        return self.starts[0].message

    @property
    def nfev(self) -> int:
        """Evaluations over all starts."""
        return sum(start.nfev for start in self.starts)

    def table(self) -> pd.DataFrame:
        """Return one row per parameter: estimate, interval, unit, verdict."""
        return pd.DataFrame(
            {
                "parameter": self.free,
                "estimate": self.x,
                "lower": self.lower,
                "upper": self.upper,
                "unit": self.units,
                "verdict": self.verdicts,
            }
        )

    def values(self) -> dict[str, float]:
        """Return the estimates by name, as `Network.with_parameters` takes them."""
        return dict(zip(self.free, map(float, self.x), strict=True))

    def to_csv(self, path):
        """Write `table` as CSV."""
        frame = self.table()
        return write_table(path, list(frame.columns), frame.to_numpy().tolist())

    def __str__(self) -> str:
        head = f"cost {self.cost:.4g} for {self.n} data and {len(self.free)} parameters; {self.message}"
        return head + "\n" + self.table().to_string(index=False, float_format=lambda value: f"{value:.4g}")


def fit(
    problem: FitProblem,
    starts: int = 10,
    seed: int = 1,
    max_nfev: int = 100,
    spread: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> FitResult:
    """Fit by multi-start trust-region reflective least squares with gradients from forward sensitivities.

    Parameters
    ----------
    problem : FitProblem
        What to fit.
    starts : int
        Number of starts. The first is the model's own numbers, the others a Latin hypercube over the bounds, shrunk
        towards these by `spread`.
    seed : int
        Of the hypercube; the same seed gives the same answer.
    max_nfev : int
        Evaluations per start at most.
    spread : float
        Fraction, 0-1, of the way from the nominal values to the bounds that starts may lie.
    progress : callable, optional
        Called with (done, total) after each start.

    Returns
    -------
    FitResult

    Raises
    ------
    FitError
        If no start gave a finite cost.
    """
    if starts < 1:
        raise FitError(f"a fit needs at least one start, not {starts}")
    log_low, log_high = np.log(problem.lower), np.log(problem.upper)
    nominal = np.clip(np.log(problem.nominal), log_low, log_high)
    points = [nominal]
    if starts > 1:
        cube = qmc.LatinHypercube(len(problem.free), rng=np.random.default_rng(seed)).random(starts - 1)
        points += list(nominal + spread * (log_low + cube * (log_high - log_low) - nominal))
    done = []
    for k, point in enumerate(points):
        done.append(_one_start(problem, point, log_low, log_high, max_nfev))
        if progress:
            progress(k + 1, starts)
    done.sort(key=lambda start: start.cost)
    if not np.isfinite(done[0].cost):
        raise FitError(f"no start of the fit gave a finite cost; the first ended with: {done[0].message}")
    return _judge(problem, tuple(done), log_low, log_high)


class Evaluator:
    """Residuals and Jacobian of one point from one simulation; the optimiser asks for them separately."""

    def __init__(self, problem: FitProblem):
        self.problem, self.point, self.answer, self.failure = problem, None, None, ""

    def __call__(self, log_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.point is None or not np.array_equal(log_p, self.point):
            self.point = log_p.copy()
            try:
                self.answer = self.problem.residuals(log_p)
                if not all(np.all(np.isfinite(part)) for part in self.answer):
                    raise IntegrationError("a prediction or its sensitivity is not finite", float("nan"))
            except IntegrationError as error:
                self.failure = str(error)
                rows = self.problem.n + len(self.problem.priors)
                self.answer = np.full(rows, FAILED), np.zeros((rows, log_p.size))
        return self.answer


def _one_start(problem: FitProblem, point, log_low, log_high, max_nfev: int) -> Start:
    evaluate = Evaluator(problem)
    margin = 1e-9 * (log_high - log_low)
    inside = np.clip(point, log_low + margin, log_high - margin)
    if evaluate(inside)[0][0] == FAILED:
        return Start(np.exp(point), np.exp(point), np.inf, 1, False, f"the first simulation failed: {evaluate.failure}")
    answer = scipy.optimize.least_squares(
        lambda p: evaluate(p)[0],
        inside,
        jac=lambda p: evaluate(p)[1],
        bounds=(log_low, log_high),
        method="trf",
        x_scale=1.0,
        xtol=1e-8,
        ftol=1e-8,
        gtol=1e-8,
        max_nfev=max_nfev,
    )
    return Start(
        np.exp(point), np.exp(answer.x), 2 * float(answer.cost), int(answer.nfev), answer.status > 0, answer.message.strip()
    )


def _judge(problem: FitProblem, starts: tuple[Start, ...], log_low, log_high) -> FitResult:
    """Covariance, intervals and verdicts at the best point."""
    best = np.log(starts[0].x)
    residual, jacobian = problem.residuals(best)
    data_rows = jacobian[: problem.n]
    covariance = np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-14, hermitian=True)
    influence = np.linalg.norm(data_rows, axis=0)
    sd = np.sqrt(np.maximum(np.diag(covariance), 0))
    null = _null_members(jacobian, problem.free)
    unfelt = np.linalg.norm(jacobian, axis=0) < 1e-8
    sd = np.where(unfelt | np.array([name in null for name in problem.free]), np.inf, sd)
    span = log_high - log_low
    verdicts = []
    for k, name in enumerate(problem.free):
        if influence[k] < 1e-8:
            verdicts.append("structurally not identifiable: the data do not depend on it")
        elif best[k] - log_low[k] < 1e-4 * span[k]:
            verdicts.append("at its lower bound")
        elif log_high[k] - best[k] < 1e-4 * span[k]:
            verdicts.append("at its upper bound")
        elif name in null:
            verdicts.append(f"not identifiable: only a combination with {', '.join(o for o in null if o != name) or 'others'} is")
        elif name in problem.priors and sd[k] > _HELD * problem.priors[name]:
            verdicts.append(
                f"held by its prior: the data narrow it only to {sd[k] / problem.priors[name]:.0%} of the prior's width"
            )
        elif sd[k] > _LOOSE:
            known = f"known to a factor of {np.exp(1.96 * sd[k]):.2g}" if sd[k] < 10 else "the data hardly feel it"
            verdicts.append(f"practically not identifiable: {known}")
        else:
            verdicts.append("identifiable")
    with np.errstate(over="ignore"):
        lower, upper = np.exp(best - 1.959964 * sd), np.exp(best + 1.959964 * sd)
    table = problem.data.table
    frame = table[["experiment", "time", "observable", "value", "sd"]].copy()
    frame["value"], frame["sd"] = problem.measured, frame["sd"] * problem.measured / np.where(frame["value"], frame["value"], 1.0)
    frame["predicted"] = problem.predict(starts[0].x).values
    frame["residual"] = residual[: problem.n]
    x, cost, units = starts[0].x, starts[0].cost, problem.units
    return FitResult(problem.free, x, lower, upper, sd, covariance, cost, problem.n, tuple(verdicts), starts, frame, units)


def _null_members(jacobian: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that take part in a direction the residuals do not feel: a singular value under 1e-8 of the largest."""
    scale = np.linalg.norm(jacobian, axis=0)
    felt = scale > 1e-8
    if not felt.any():
        return names
    _, singular, directions = np.linalg.svd(jacobian[:, felt] / scale[felt], full_matrices=True)
    singular = np.concatenate([singular, np.zeros(directions.shape[0] - singular.size)])
    members = np.any(np.abs(directions[singular < 1e-8 * singular[0]]) > 0.1, axis=0)
    inside = dict(zip(np.flatnonzero(felt), members, strict=True))
    return tuple(name for k, name in enumerate(names) if inside.get(k, False))

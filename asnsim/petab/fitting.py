"""Multi-start fits of a PEtab problem: trust-region steps of fides on exact gradients and the expected information.

Starts are points of a Latin hypercube over the bounds, each judged by a process that shares nothing with the others, so that the
number of workers changes no bit. Every start that has ended is a line of the history file at once; a fit that was cut off goes on
from there.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import math
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import qmc

from asnsim.errors import AsnsimError, DataError, FitError, MissingExtraError
from asnsim.petab.objective import Objective
from asnsim.petab.problem import PetabProblem
from asnsim.petab.reading import read_problem
from asnsim.solvers import NDF

__all__ = ["PetabFit", "PetabStart", "fit_problem"]

_TRIES = 50  # points tried for a start before it counts as one that cannot be integrated
_PER_GRADIENT = 50  # likelihoods of an evolution for each gradient that is allowed
_NEAR = 0.05  # of the objective, between starts that count as having found the same


@dataclass(frozen=True, slots=True)
class PetabStart:
    """One start and its end.

    Parameters
    ----------
    index : int
    objective : float
        Minus log posterior (log likelihood where there are no priors); infinite where nothing could be integrated.
    p : tuple of float
        Estimated parameters on their scales.
    nfev : int
        Gradients taken.
    seconds : float
    message : str
        Why it ended.
    """

    index: int
    objective: float
    p: tuple[float, ...]
    nfev: int
    seconds: float
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class PetabFit:
    """What a multi-start fit found.

    Parameters
    ----------
    problem : PetabProblem
    starts : tuple of PetabStart
        Best first.
    """

    problem: PetabProblem
    starts: tuple[PetabStart, ...]

    @property
    def best(self) -> PetabStart:
        """The best start."""
        return self.starts[0]

    @property
    def agreeing(self) -> int:
        """How many starts ended within 0.05 of the best objective."""
        return sum(start.objective <= self.best.objective + _NEAR for start in self.starts)

    def reached(self, objective: float) -> int:
        """How many starts ended at least as well as an objective, within 0.05."""
        return sum(start.objective <= objective + _NEAR for start in self.starts)

    def values(self) -> dict[str, float]:
        """Return the estimates on linear scale."""
        names = self.problem.estimated
        scales = (self.problem.parameters[name].scale for name in names)
        back = {"lin": float, "log": math.exp, "log10": lambda v: 10.0**v}
        return {name: back[scale](v) for name, scale, v in zip(names, scales, self.best.p, strict=True)}

    def table(self) -> pd.DataFrame:
        """Return one row per start, best first: index, objective, nfev, seconds, message and the parameters on their scales."""
        rows = [(s.index, s.objective, s.nfev, s.seconds, s.message, *s.p) for s in self.starts]
        return pd.DataFrame(rows, columns=["start", "objective", "nfev", "seconds", "message", *self.problem.estimated])


def fit_problem(
    path: str | Path,
    starts: int = 20,
    seed: int = 1,
    workers: int = 1,
    max_nfev: int = 1000,
    optimiser: str = "fides",
    history: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PetabFit:
    """Fit a problem from several starts.

    Parameters
    ----------
    path : str or Path
        Its YAML file.
    starts : int
        How many.
    seed : int
        Of the hypercube; the same seed gives the same numbers at any number of workers.
    workers : int
        Processes.
    max_nfev : int
        Gradients per start at most.
    optimiser : {'fides', 'cma'}
        Trust-region steps from each start; or before these an evolution of fifty times as many likelihoods as `max_nfev`
        at most (CMA-ES over the whole box), which finds valleys that gradients from far away do not lead to.
    history : str or Path, optional
        File of ended starts, one JSON object per line; starts that it holds already are not made again.
    progress : callable, optional
        Called with (done, total) after each start.

    Returns
    -------
    PetabFit

    Raises
    ------
    FitError
        If no start could be integrated, or the history belongs to another fit.
    MissingExtraError
        If fides is not installed.
    """
    _library("fides")
    if optimiser not in ("fides", "cma"):
        raise FitError(f"the optimiser is '{optimiser}'; there are fides and cma")
    if optimiser == "cma":
        _library("cma")
    if starts < 1 or workers < 1:
        raise FitError(f"a fit needs at least one start and one worker, not {starts} and {workers}")
    if history and (Path(history).is_dir() or not Path(history).absolute().parent.is_dir()):
        raise FitError(f"the history '{history}' cannot be written there; give a file in a folder that exists")
    problem = read_problem(path)
    if not problem.estimated:
        raise FitError(f"{path}: no parameter is to be estimated")
    points = start_points(problem, starts, seed)
    label = _label(problem, points, max_nfev, optimiser)
    done = {start.index: start for start in _read_history(history, label)} if history else {}
    left = [(k, points[k]) for k in range(starts) if k not in done]
    for start in _run(path, left, (seed, max_nfev, optimiser), workers):
        done[start.index] = start
        if history:
            _append(Path(history), label, start)
        if progress:
            progress(len(done), starts)
    ordered = tuple(sorted((done[k] for k in range(starts)), key=lambda s: (s.objective, s.index)))
    if not math.isfinite(ordered[0].objective):
        raise FitError(f"{path}: no start could be integrated; the first ended with: {ordered[0].message}")
    return PetabFit(problem, ordered)


def start_points(problem: PetabProblem, starts: int, seed: int) -> np.ndarray:
    """Return a Latin hypercube over the bounds, on the parameters' scales, (starts, n_p).

    Raises
    ------
    DataError
        If a bound is infinite.
    """
    low, high = problem.bounds()
    for name, a, b in zip(problem.estimated, low, high, strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            words = f"parameter '{name}' is bounded by {a:g} and {b:g} on its scale"
            raise DataError(f"{words}; a fit from many starts needs finite bounds")
    cube = qmc.LatinHypercube(len(low), rng=np.random.default_rng(seed)).random(starts)
    return low + cube * (high - low)


def _library(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(name, "inference") from None


def _run(path, left, settings, workers) -> Iterator[PetabStart]:
    jobs = [(k, point, *settings) for k, point in left]
    if workers == 1 or len(jobs) < 2:
        objective = Objective(read_problem(path), NDF(rtol=1e-8))
        yield from (_one_start(objective, *job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin_worker, (str(path),)) as pool:
        futures = [pool.submit(_in_worker, job) for job in jobs]
        for future in futures:
            yield future.result()


_worker: dict[str, Objective] = {}


def _begin_worker(path: str) -> None:
    _worker["objective"] = Objective(read_problem(path), NDF(rtol=1e-8))


def _in_worker(job) -> PetabStart:
    return _one_start(_worker["objective"], *job)


class _Counter:
    """The objective as fides asks for it: value, gradient and expected information, infinite where the model fails."""

    def __init__(self, objective: Objective):
        self.objective, self.nfev, self.reason = objective, 0, ""

    def __call__(self, p: np.ndarray):
        self.nfev += 1
        n = len(p)
        try:
            value, gradient, information = self.objective.posterior(p)
        except AsnsimError as error:
            self.reason = str(error)
            return math.inf, np.full(n, np.nan), np.full((n, n), np.nan)
        if not (math.isfinite(value) and np.all(np.isfinite(gradient))):
            self.reason = "the likelihood is not finite"
            return math.inf, np.full(n, np.nan), np.full((n, n), np.nan)
        return -value, -gradient, information


def _one_start(objective: Objective, index: int, point: np.ndarray, seed: int, max_nfev: int, optimiser: str) -> PetabStart:
    """Search from a point, or, where the model fails there, from the next random one."""
    begin, fun = time.perf_counter(), _Counter(objective)
    low, high = objective.problem.bounds()
    rng = np.random.default_rng([seed, index])
    for _ in range(_TRIES):
        if math.isfinite(fun(point)[0]):
            break
        point = low + rng.random(len(low)) * (high - low)
    else:
        words = f"no point of {_TRIES} could be integrated: {fun.reason}"
        return PetabStart(index, math.inf, tuple(map(float, point)), fun.nfev, time.perf_counter() - begin, words)
    if optimiser == "cma":
        point = _evolve(fun, point, low, high, _PER_GRADIENT * max_nfev, int(rng.integers(1, 2**31)))
    value, p, message = _search(fun, point, low, high, max_nfev)
    return PetabStart(index, float(value), tuple(map(float, p)), fun.nfev, time.perf_counter() - begin, message)


def _evolve(fun: _Counter, point, low, high, most: int, seed: int) -> np.ndarray:
    """The best point of CMA-ES over the box, begun at a point."""

    def value(share: np.ndarray) -> float:
        try:
            return -fun.objective.log_posterior(low + share * (high - low))
        except AsnsimError:
            return math.inf

    options = {"bounds": [0.0, 1.0], "maxfevals": most, "seed": seed, "verbose": -9, "tolfun": 1e-6}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best, _ = _library("cma").fmin2(value, (point - low) / (high - low), 0.25, options)
    return low + np.clip(best, 0.0, 1.0) * (high - low)


def _search(fun: _Counter, point, low, high, max_nfev: int):
    fides = _library("fides")
    options = {fides.Options.MAXITER: max_nfev, fides.Options.FATOL: 1e-8, fides.Options.FRTOL: 0.0, fides.Options.GATOL: 1e-6}
    span = 1e-9 * (high - low)  # a start lies inside
    update = fides.HybridFixed()  # the expected information, then BFGS once that no longer helps: found most optima of all tried
    optimizer = fides.Optimizer(fun, high, low, verbose=logging.CRITICAL, options=options, hessian_update=update)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of trial steps that overflow
            value, p, _, _ = optimizer.minimize(np.clip(point, low + span, high - span))
    except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
        return math.inf, point, f"the optimiser failed: {error}"
    return value, p, _REASONS.get(optimizer.exitflag.name, optimizer.exitflag.name)


_REASONS = {
    "FTOL": "converged: the objective no longer changes",
    "XTOL": "converged: the parameters no longer change",
    "GTOL": "converged: the gradient is zero",
    "MAXITER": "used up its steps",
    "DELTA_TOO_SMALL": "the trust region became too small",
    "NOT_FINITE": "the objective became infinite",
    "EXCEEDED_BOUNDARY": "left the bounds",
}


# ---- history -----------------------------------------------------------------------------------------------------------------
def _label(problem: PetabProblem, points: np.ndarray, max_nfev: int, optimiser: str) -> str:
    text = repr((problem.name, problem.estimated, points.tobytes(), max_nfev, optimiser))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_history(path: str | Path, label: str) -> Iterable[PetabStart]:
    path = Path(path)
    if not path.exists():
        return []
    found = []
    for k, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that was being written when the fit was cut off
        if not isinstance(row, dict) or row.pop("fit", None) != label:
            words = "give another file, or the same problem, seed and starts"
            raise FitError(f"{path}, line {k + 1}: belongs to another fit; {words}")
        row["p"] = tuple(row["p"])
        found.append(PetabStart(**row))
    return found


def _append(path: Path, label: str, start: PetabStart) -> None:
    with path.open("a+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # after a line that was cut off
                file.write(b"\n")
        file.write((json.dumps({"fit": label, **asdict(start)}) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())

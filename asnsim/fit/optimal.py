"""Which samples to take: designs that shrink the uncertainty of chosen parameters most.

What a sample tells is Fisher's information on the logarithms of the free parameters, from forward sensitivities at the numbers
of the model or over draws of them. See Atkinson, Donev & Tobias (2007), Optimum Experimental Designs, with SAS; the search is in
`asnsim.fit.exchange`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from asnsim.equations import build_equations
from asnsim.errors import FitError, IntegrationError, ModelError, suggest
from asnsim.fit.exchange import Parts, Search
from asnsim.fit.problem import Experiment, FitProblem
from asnsim.measurements import Measurements
from asnsim.solvers import NDF
from asnsim.tables import write_table

__all__ = ["CRITERIA", "SEQUENCE", "Candidate", "Design", "candidates_at", "choose_samples", "information"]

CRITERIA = ("D", "A", "c")
#: Columns of a laboratory's ``sequence.csv``.
SEQUENCE = (
    "sample_name", "sample_type", "original_filename", "inj_number", "dilution_factor", "level", "experiment", "matrix", "time_h",
    "replicate", "cell_count", "cell_volume_pL", "protein_mg", "dna_ug", "recovery",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A sample that could be taken.

    Parameters
    ----------
    experiment : Experiment
        Model, regimen and perturbation, tracer or not. Experiments of one design are told apart by name.
    time : float
        h.
    observables : tuple of str
        What is measured in it, named as data would be.
    replicates : int
        How many such samples can be taken at most; their errors are independent but for `shared`.
    relative, absolute : float or mapping of str to float
        Error of one sample: standard deviation ``sqrt((relative * y)**2 + absolute**2)`` at the value y; absolute in the model's
        unit. A mapping says it by observable, with 0 for those it leaves out.
    shared : float or mapping of str to float
        Relative error that all samples of one batch have in common, by observable: calibration.
    batch : str
        Samples of equal batch share `shared`, whatever their experiment.

    Raises
    ------
    FitError
        If a number is impossible or an observable has no error of its own.
    """

    experiment: Experiment
    time: float
    observables: tuple[str, ...]
    replicates: int = 1
    relative: float | Mapping[str, float] = 0.0
    absolute: float | Mapping[str, float] = 0.0
    shared: float | Mapping[str, float] = 0.0
    batch: str = ""

    def __post_init__(self):
        names = (self.observables,) if isinstance(self.observables, str) else tuple(self.observables)
        object.__setattr__(self, "observables", names)
        what = f"the candidate of experiment '{self.experiment.name}' at {self.time:g} h"
        if not np.isfinite(self.time):
            raise FitError(f"{what} has no finite time; give hours")
        if not names or len(set(names)) < len(names):
            raise FitError(f"{what} must measure at least one observable, each named once")
        if self.replicates < 1 or int(self.replicates) != self.replicates:
            raise FitError(f"{what} allows {self.replicates:g} replicates; give a whole number, 1 or more")
        for kind in ("relative", "absolute", "shared"):
            given = getattr(self, kind)
            for name in given if isinstance(given, Mapping) else ():
                if name not in names:
                    raise FitError(f"{what} has a {kind} error of '{name}', which it does not measure{suggest(name, names)}")
            for name in names:
                if not 0 <= self.error(kind, name) < np.inf:
                    raise FitError(f"{what} has the {kind} error {self.error(kind, name):g} of '{name}'; give 0 or more")
        for name in names:
            if not self.error("relative", name) + self.error("absolute", name) > 0:
                raise FitError(f"{what} measures '{name}' without an error of its own; give relative or absolute")

    def error(self, kind: str, observable: str) -> float:
        """Return the 'relative', 'absolute' or 'shared' error of an observable."""
        given = getattr(self, kind)
        return float(given.get(observable, 0.0) if isinstance(given, Mapping) else given)


def candidates_at(experiment: Experiment, times: Sequence[float], observables: Sequence[str], **options) -> list[Candidate]:
    """Return one `Candidate` per time; `options` are its replicates, relative, absolute, shared and batch.

    Raises
    ------
    FitError
        See `Candidate`.
    """
    return [Candidate(experiment, float(time), observables, **options) for time in times]


def _problem(candidates: Sequence[Candidate], free: Sequence[str], priors: Mapping | None, solver: NDF | None) -> FitProblem:
    """The fit of all candidates, which knows how to predict them; its data are made up and never read."""
    if not candidates:
        raise FitError("there is no candidate to choose from")
    experiments = list(dict.fromkeys(one.experiment for one in candidates))
    for one in candidates:
        known = build_equations(one.experiment.model).observables
        for name in one.observables:
            quantity = one.experiment.observable(name).quantity
            if quantity not in known:
                raise FitError(
                    f"the candidate of experiment '{one.experiment.name}' at {one.time:g} h measures '{name}', which model "
                    f"'{one.experiment.model.name}' does not compute{suggest(quantity, known)}"
                )
    rows = [(one.experiment.name, one.time, name, 1.0, 1.0) for one in candidates for name in one.observables]
    frame = pd.DataFrame(rows, columns=["experiment", "time", "observable", "value", "sd"])
    free = (free,) if isinstance(free, str) else free
    try:
        return FitProblem(experiments, Measurements.from_frame(frame), free, None, priors, solver)
    except ModelError as error:  # a free name that a model lacks
        raise FitError(str(error)) from None


def _parts(candidates: Sequence[Candidate], problem: FitProblem, points: np.ndarray) -> Parts:
    """What every candidate adds at every parameter set, shape (n_d, p): one simulation per set and experiment."""
    rows = [(k, name) for k, one in enumerate(candidates) for name in one.observables]
    errors = np.array([[candidates[k].error(kind, name) for kind in ("relative", "absolute", "shared")] for k, name in rows])
    keys = [(candidates[k].batch, name) for k, name in rows]
    groups = {key: place for place, key in enumerate(dict.fromkeys(key for key, e in zip(keys, errors, strict=True) if e[2] > 0))}
    n, p = len(candidates), len(problem.free)
    own, cross = np.zeros((len(points), n, p, p)), np.zeros((len(points), n, len(groups), p))
    common = np.zeros((len(points), n, len(groups)))
    for d, point in enumerate(points):
        try:
            found = problem.predict(point, gradient=True)
        except IntegrationError as error:
            raise FitError(f"parameter set {d + 1} of {len(points)} cannot be simulated: {error}") from None
        variance = (errors[:, 0] * found.values) ** 2 + errors[:, 1] ** 2
        for (k, name), value, slope, v, error, key in zip(
            rows, found.values, found.gradient, variance, errors, keys, strict=True
        ):
            if not v > 0:
                where = f"experiment '{candidates[k].experiment.name}' is 0 at {candidates[k].time:g} h"
                raise FitError(f"'{name}' of {where}; a relative error alone is none there, give an absolute one")
            own[d, k] += np.outer(slope, slope) / v
            if key in groups:
                cross[d, k, groups[key]] = slope * error[2] * value / v
                common[d, k, groups[key]] = (error[2] * value) ** 2 / v
    prior = np.diag([problem.priors.get(name, np.inf) ** -2.0 for name in problem.free])
    return Parts(own, cross, common, prior, np.ones(p))


def information(
    candidates: Sequence[Candidate],
    free: Sequence[str],
    counts: Sequence[int] | None = None,
    *,
    priors: Mapping[str, float] | None = None,
    p: Sequence[float] | None = None,
    solver: NDF | None = None,
) -> np.ndarray:
    """Return Fisher's information on the logarithms of the free parameters, shape (n_p, n_p).

    It is that of least squares with known errors, ``J' C^-1 J``: what the size of the scatter itself tells is not counted.

    Parameters
    ----------
    candidates : sequence of Candidate
        Samples, which may stand there repeatedly.
    free : sequence of str
        Positive constants or initial values.
    counts : sequence of int, shape (n_candidates,), optional
        How many of each; by default one.
    priors : mapping of str to float, optional
        Log-scale standard deviations of what is known before.
    p : sequence of float, shape (n_p,), optional
        Values of the free parameters, canonical units; by default the models' own.
    solver : NDF, optional
        Tolerances; ``NDF(rtol=1e-7)`` by default.

    Raises
    ------
    FitError
        If a name is unknown, a count negative, or an error of a sample 0.
    """
    problem = _problem(candidates, free, priors, solver)
    numbers = np.ones(len(candidates)) if counts is None else np.asarray(counts, dtype=float)
    if numbers.shape != (len(candidates),) or np.any(numbers < 0) or not np.all(numbers == np.floor(numbers)):
        raise FitError(f"counts must be {len(candidates)} whole numbers, one per candidate and none negative")
    points = _points(problem, None if p is None else [p])
    return _parts(candidates, problem, points).information(numbers)[0]


def _points(problem: FitProblem, draws: Sequence | None) -> np.ndarray:
    """Checked parameter sets, shape (n_d, n_p)."""
    if draws is None:
        return problem.nominal[None]
    points = np.asarray(draws, dtype=float)
    if points.ndim != 2 or points.shape[1] != len(problem.free) or not len(points):
        raise FitError(f"draws must have the shape (n, {len(problem.free)}), one column per free parameter, not {points.shape}")
    bad = np.argwhere(~((points > 0) & np.isfinite(points)))
    if bad.size:
        d, k = bad[0]
        raise FitError(f"draw {d + 1} of '{problem.free[k]}' is {points[d, k]:g}; draws are positive values, not logarithms")
    return points


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Samples to take.

    Parameters
    ----------
    candidates : tuple of Candidate
        All that there were.
    counts : ndarray of int, shape (n_candidates,)
        How many of each are taken.
    free : tuple of str
        Parameters.
    criterion : {'D', 'A', 'c'}
        What was to be made good.
    target : ndarray, shape (n_p,)
        Gradient by the logarithms of what is asked, for c.
    value : float
        Of the criterion, expected over the draws: log of the determinant of the information (D), trace of the covariance of the
        logarithms (A), variance of the target (c).
    uncertainty : float
        The same as one standard deviation of a logarithm: geometric mean over the information's axes (D), root mean square over
        the parameters (A), of the target (c).
    covariance : ndarray, shape (n_p, n_p)
        Expected of the logarithms of the parameters, the mean over draws; infinite variance of one that stays unknown.
    efficiency : float
        Information over that of equally spaced samples for the same cost: 2 says that they would have to be twice as many.
        Infinite if they leave the answer open.
    gains : ndarray, shape (n_candidates,)
        What leaving all samples of a candidate out would cost: of log det (D) or of the log of the variance (A, c); 0 where none
        is taken, infinite where the answer would be open.
    curve : pandas.DataFrame
        cost, chosen, equal: `uncertainty` against cost (the number of samples, if they cost the same), built up sample by sample
        and equally spaced; infinite where the answer is open. The last row is this design.
    ends : tuple of float
        `uncertainty` that each start of the search ended with, the greedy and the equally spaced one first.
    """

    candidates: tuple[Candidate, ...]
    counts: np.ndarray
    free: tuple[str, ...]
    criterion: str
    target: np.ndarray
    value: float
    uncertainty: float
    covariance: np.ndarray
    efficiency: float
    gains: np.ndarray
    curve: pd.DataFrame
    ends: tuple[float, ...]

    @property
    def sd_log(self) -> np.ndarray:
        """Expected standard deviations of the logarithms of the parameters, shape (n_p,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def chosen(self) -> tuple[tuple[Candidate, int], ...]:
        """What is taken and how often, by experiment and time."""
        names = list(dict.fromkeys(one.experiment.name for one in self.candidates))
        taken = [(one, int(n)) for one, n in zip(self.candidates, self.counts, strict=True) if n]
        return tuple(sorted(taken, key=lambda pair: (names.index(pair[0].experiment.name), pair[0].time)))

    def table(self) -> pd.DataFrame:
        """Return one row per sample to take: experiment, time (h), observables, replicates, gain (see `gains`)."""
        gains = dict(zip(map(id, self.candidates), self.gains, strict=True))
        rows = [(one.experiment.name, one.time, ", ".join(one.observables), n, gains[id(one)]) for one, n in self.chosen]
        return pd.DataFrame(rows, columns=["experiment", "time", "observables", "replicates", "gain"])

    def orders(self) -> pd.DataFrame:
        """Return the plan as ``asnsim measure`` takes it, --times and --replicates: experiment, times, replicates.

        A call of the laboratory takes one number of replicates, of all matrices; hence one row per experiment and number.
        """
        vials, lots = {}, {}
        for one, n in self.chosen:
            each = vials.setdefault((one.experiment.name, one.time), {})
            each.update({name: each.get(name, 0) + n for name in one.observables})
        for (name, time), each in vials.items():
            lots.setdefault((name, max(each.values())), []).append(f"{time!r}")
        rows = [(name, ", ".join(texts) + " h", n) for (name, n), texts in lots.items()]
        return pd.DataFrame(rows, columns=["experiment", "times", "replicates"])

    def to_sequence(self, path: str | Path, protocol: str = "hilic_mrm") -> Path:
        """Write the vials to take as a laboratory's ``sequence.csv``, in the order they are taken.

        It holds the unknowns alone, named and dated as ``asnsim measure --design`` does; calibrators, QCs and the order of
        injection are the laboratory's.

        Parameters
        ----------
        path : str or Path
            A name that ends in .csv.
        protocol : str
            Method, for dilution and recovery.

        Raises
        ------
        FitError
            If the laboratory does not measure an observable, or the name of an experiment cannot stand in that of a vial.
        """
        from asnsim.lcms.extraction import lysis
        from asnsim.lcms.protocol import MATRICES, Protocol

        if Path(path).suffix.lower() != ".csv":
            raise FitError(f"{path}: a sequence is written as .csv; give a name that ends so")
        method = Protocol.load(protocol)
        pools = {f"{a.id}_{suffix}": matrix for a in method.analytes for matrix, suffix in MATRICES.items()}
        dilution, recovery = method.method["preparation"]["dilution"], lysis(method).recovery
        places, taken, rows = {}, {}, []
        for one, n in self.chosen:
            name = one.experiment.name
            if not re.fullmatch(r"\w[\w.+-]*", name):
                raise FitError(f"experiment '{name}' gives its name to vials; use letters, digits and _ . + -")
            times = places.setdefault(name, {})
            place = times.setdefault(one.time, len(times) + 1)
            quantities = [one.experiment.observable(observable).quantity for observable in one.observables]
            for quantity in quantities:
                if quantity not in pools or pools[quantity] not in dilution:
                    raise FitError(f"method '{method.name}' does not measure '{quantity}'{suggest(quantity, pools)}")
            for matrix in dict.fromkeys(pools[quantity] for quantity in quantities):
                for _ in range(n):
                    key = (name, place, matrix)
                    taken[key] = taken.get(key, 0) + 1
                    vial = f"{name}_t{place}_{matrix}_{taken[key]}"
                    known = {"sample_name": vial, "sample_type": "Unknown", "inj_number": len(rows) + 1}
                    known |= {"original_filename": f"{len(rows) + 1:04d}_{vial}.mzML", "dilution_factor": float(dilution[matrix])}
                    known |= {"experiment": name, "matrix": matrix, "time_h": one.time, "replicate": taken[key]}
                    known |= {"recovery": recovery if matrix == "cells" else 1.0}
                    rows.append([known.get(column, "") for column in SEQUENCE])
        return write_table(path, SEQUENCE, rows)

    def __str__(self) -> str:
        head = f"{int(self.counts.sum())} samples, {self.criterion}-optimal for {', '.join(self.free)}: sd of logarithms "
        head += f"{self.uncertainty:.3g}, {self.efficiency:.3g} times the information of equal spacing"
        return head + "\n" + self.table().to_string(index=False, float_format=lambda value: f"{value:.4g}")


def choose_samples(
    candidates: Sequence[Candidate],
    free: Sequence[str],
    n: int | float,
    criterion: str = "D",
    target: str | Mapping[str, float] | None = None,
    priors: Mapping[str, float] | None = None,
    draws: Sequence | np.ndarray | None = None,
    seed: int = 1,
    cost: Sequence[float] | None = None,
    *,
    starts: int = 5,
    solver: NDF | None = None,
) -> Design:
    """Choose the samples that shrink the uncertainty of parameters most.

    Parameters
    ----------
    candidates : sequence of Candidate
        What could be taken.
    free : sequence of str
        Positive constants or initial values that will be fitted.
    n : int or float
        Number of samples; with `cost`, what they may cost together.
    criterion : {'D', 'A', 'c'}
        The volume of the joint confidence region, the sum of the variances of the logarithms, or the variance of `target`.
    target : str or mapping of str to float
        For c: a parameter, or the gradient of what is asked by the logarithms: ``{'Vmax': 1, 'Km': -1}`` for a ratio.
    priors : mapping of str to float, optional
        Log-scale standard deviations of what is known before.
    draws : ndarray, shape (n_draws, n_p), optional
        Values of the free parameters, such as of a posterior; the criterion is expected over them. By default the models' own.
    seed : int
        Of the random starts; the same seed gives the same design.
    cost : sequence of float, shape (n_candidates,), optional
        Of one sample of each.
    starts : int
        Searches: greedy, from equal spacing, the others from random designs. The best is kept.
    solver : NDF, optional
        Tolerances; ``NDF(rtol=1e-7)`` by default.

    Returns
    -------
    Design
        A local optimum: no exchange of one sample makes it better.

    Raises
    ------
    FitError
        If a request is impossible, or the samples cannot tell the parameters; it names what stays open.
    """
    problem = _problem(candidates, free, priors, solver)
    limits = np.array([float(one.replicates) for one in candidates])
    costs = _costs(candidates, n, cost, starts)
    weights = _target(problem.free, criterion, target)
    parts = _parts(candidates, problem, _points(problem, draws)).scaled(limits)
    names = list(dict.fromkeys(one.experiment.name for one in candidates))
    homes = np.array([names.index(one.experiment.name) for one in candidates])
    times = np.array([one.time for one in candidates])
    search = Search(parts, criterion, weights, limits, costs, float(n), homes, times)
    _check_told(search, limits, problem.free, "all candidates together")
    path, rng = search.filled(np.zeros(len(limits))), np.random.default_rng(seed)
    begins = [path[-1], search.spaced(search.budget), *(search.random(rng) for _ in range(starts - 2))][:starts]
    ends = [search.exchanged(begin) for begin in begins]
    best = ends[0]
    for end in ends[1:]:
        if end[1] > best[1] + 1e-9:  # of equals the first
            best = end
    size = int(best[0].sum())
    _check_told(search, best[0], problem.free, "1 sample" if size == 1 else f"{size} samples")
    return _design(tuple(candidates), search, best[0], path, problem.free, [end[1] for end in ends])


def _costs(candidates: Sequence[Candidate], n: float, cost: Sequence[float] | None, starts: int) -> np.ndarray:
    """Checked costs, shape (n_candidates,)."""
    if starts < 1 or int(starts) != starts:
        raise FitError(f"a search needs at least one start, not {starts:g}")
    most = sum(one.replicates for one in candidates)
    if cost is None:
        if n < 1 or int(n) != n or n > most:
            raise FitError(f"{n:g} samples cannot be chosen from candidates that allow {most}; give a whole number, 1 to {most}")
        return np.ones(len(candidates))
    costs = np.asarray(cost, dtype=float)
    if costs.shape != (len(candidates),) or not np.all((costs > 0) & np.isfinite(costs)):
        raise FitError(f"cost must be {len(candidates)} positive numbers, one per candidate")
    if not costs.min() <= n < np.inf:
        raise FitError(f"a budget of {n:g} buys no sample; the cheapest costs {costs.min():g}")
    return costs


def _target(free: tuple[str, ...], criterion: str, target: str | Mapping[str, float] | None) -> np.ndarray:
    """Weights of the logarithms, shape (n_p,)."""
    if criterion not in CRITERIA:
        raise FitError(f"'{criterion}' is not a criterion; choose one of {', '.join(CRITERIA)}")
    if criterion != "c":
        if target is not None:
            raise FitError(f"a target is for criterion c, not {criterion}")
        return np.zeros(len(free))
    weights = {target: 1.0} if isinstance(target, str) else dict(target or {})
    for name in weights:
        if name not in free:
            raise FitError(f"the target names '{name}', which is not free{suggest(name, free)}")
    out = np.array([float(weights.get(name, 0.0)) for name in free])
    if not np.isfinite(out).all() or not out.any():
        raise FitError("criterion c needs a target: a free parameter, or weights of some that are not all 0")
    return out


def _check_told(search: Search, counts: np.ndarray, free: tuple[str, ...], what: str) -> None:
    """Refuse a design that leaves the answer open, and name the direction."""
    every = search.parts.information(counts)
    for d, one in enumerate(every):
        directions, needed = search.unfelt(one)
        if needed:
            sizes = directions[0] / np.abs(directions[0]).max()
            terms = [f"{size:+.2g} log({name})" for size, name in zip(sizes, free, strict=True) if abs(size) > 0.01]
            where = f" at draw {d + 1}" if len(every) > 1 else ""
            raise FitError(
                f"{what} cannot tell what is asked{where}: nothing is known of {' '.join(terms).lstrip('+')}; take more samples, "
                "give priors, or free fewer parameters"
            )


def _design(
    candidates: tuple[Candidate, ...], search: Search, counts: np.ndarray, path: list[np.ndarray], free: tuple[str, ...], ends
) -> Design:
    """The answer, with what each sample gains and how the criterion falls on the way."""
    worth, rows = search.exact(counts), []
    gains = np.zeros(len(counts))
    for k in np.flatnonzero(counts):
        gains[k] = worth - search.exact(np.where(np.arange(len(counts)) == k, 0.0, counts))
    for step in [*path[1:-1], counts]:
        spent = float(search.costs @ step)
        rows.append((spent, *(search.uncertainty(search.exact(one)) for one in (step, search.spaced(spent)))))
    uncertainty, equal = (search.uncertainty(search.exact(one)) for one in (counts, search.spaced(search.budget)))
    counts = counts.astype(int)
    counts.setflags(write=False)
    return Design(
        candidates, counts, free, search.criterion, search.target, worth if search.criterion == "D" else float(np.exp(-worth)),
        uncertainty, search.covariance(counts), (equal / uncertainty) ** 2, gains,
        pd.DataFrame(rows, columns=["cost", "chosen", "equal"]), tuple(map(search.uncertainty, ends)),
    )  # fmt: skip

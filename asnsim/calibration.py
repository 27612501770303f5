"""Calibration: the assumed and weakly known numbers fitted to the `calibrate` observations, with priors, stage by stage.

The fit runs the very protocols that `asnsim validate` runs, so there is one way to simulate an observation. Gauss-Newton on the
logarithms of the numbers (Levenberg-Marquardt within bounds), derivatives by central differences of runs at rtol 1e-7.
Observations marked `holdout` are never read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares

from asnsim.errors import AsnsimError, DataError
from asnsim.protocols import PROTOCOLS
from asnsim.protocols.bench import Load, uptake
from asnsim.protocols.culture import double_knock_out, fed
from asnsim.tables import Row, models_folder, read_tsv
from asnsim.units import unit

__all__ = ["Calibration", "Observation", "Prior", "Target", "calibrate", "read_calibration", "read_observations", "read_priors"]

_PENALTY = 10.0  # standard deviations a read-out counts for where a run fails
_HINGE = 0.2  # share of a bound beyond it that counts as one standard deviation
_SEED = 11
_STEP = 0.01  # of the logarithm, for central differences
#: Pools, growth and anchors of 143B that the fit needs beside the observations; rows of ``models/culture_data.tsv``.
_CULTURE_KINDS = ("pools", "growth", "anchor", "uptake")


@dataclass(frozen=True, slots=True)
class Target:
    """One read-out of an observation and the interval it must lie in.

    Parameters
    ----------
    readout : str
        Name its protocol gives it.
    reported : str
        As published: a number, a range or a sign in words.
    low, high : float
        Interval of agreement; may be infinite.
    unit : str
        Unit of both.
    sd_log : float
        Width of its logarithm for the fit; NaN where it is not fitted.
    """

    readout: str
    reported: str
    low: float
    high: float
    unit: str
    sd_log: float

    def agrees(self, value: float) -> bool:
        """Whether a simulated value lies in the interval, ends included."""
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True, slots=True)
class Observation:
    """A published observation.

    Parameters
    ----------
    id : str
        Number in the literature table, such as ``'V07'``.
    use : {'calibrate', 'holdout', 'input'}
        Whether it may be fitted, is only predicted, or checks an input.
    system, observable, time, source, source_id, tolerance, note : str
        What was observed, where it is published, and the tolerance in words.
    targets : tuple of Target
        All must agree.
    """

    id: str
    use: str
    system: str
    observable: str
    time: str
    source: str
    source_id: str
    tolerance: str
    note: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Prior:
    """A number the calibration moves: log-normal around `centre` with `sd_log`, within bounds; canonical units."""

    stage: str
    name: str
    centre: float
    sd_log: float
    lower: float
    upper: float
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Result of a calibration.

    Parameters
    ----------
    names : tuple of str
        Fitted numbers.
    values : ndarray, shape (n,)
        In canonical units.
    covariance : ndarray, shape (n, n)
        Of their logarithms, priors included.
    cost : float
        Half the sum of squares, priors included.
    """

    names: tuple[str, ...]
    values: np.ndarray
    covariance: np.ndarray
    cost: float

    @property
    def sd_log(self) -> np.ndarray:
        """Standard deviations of the logarithms, shape (n,)."""
        return np.sqrt(np.diag(self.covariance))

    def correlations(self) -> list[tuple[float, str, str]]:
        """Return all pairs with their correlation, strongest first."""
        scaled = self.covariance / np.outer(self.sd_log, self.sd_log)
        rows, columns = np.triu_indices(len(self.names), 1)
        pairs = [(float(scaled[i, j]), self.names[i], self.names[j]) for i, j in zip(rows, columns, strict=True)]
        return sorted(pairs, key=lambda pair: -abs(pair[0]))

    def sloppy(self, priors: Mapping[str, Prior], count: int = 5) -> list[tuple[float, list[tuple[str, float]]]]:
        """Return the combinations the data say least about.

        Eigenvectors of the covariance in units of the priors: an eigenvalue near 1 is a direction only the prior holds.
        """
        widths = np.array([priors[name].sd_log for name in self.names])
        eigenvalues, vectors = np.linalg.eigh(self.covariance / np.outer(widths, widths))
        found = []
        for k in np.argsort(-eigenvalues)[:count]:
            parts = sorted(zip(self.names, vectors[:, k], strict=True), key=lambda part: -abs(part[1]))[:4]
            found.append((float(np.sqrt(eigenvalues[k])), [(name, float(weight)) for name, weight in parts]))
        return found

    def draws(self, n: int, seed: int, priors: Mapping[str, Prior]) -> list[dict[str, float]]:
        """Return sets of numbers from the log-normal approximation, cut at the bounds."""
        root = np.linalg.cholesky(self.covariance + 1e-12 * np.eye(len(self.names)))
        normal = np.random.default_rng(seed).normal(size=(n, len(self.names)))
        lower, upper = (np.array([getattr(priors[name], end) for name in self.names]) for end in ("lower", "upper"))
        sets = np.clip(self.values * np.exp(normal @ root.T), lower, upper)
        return [dict(zip(self.names, map(float, row), strict=True)) for row in sets]


@lru_cache(maxsize=1)
def read_observations() -> tuple[Observation, ...]:
    """Read ``models/observations.tsv``, one entry per observation.

    Raises
    ------
    DataError
        If a use is unknown, an interval is empty, or a held-out observation carries a width for the fit.
    """
    found: dict[str, Observation] = {}
    columns = ("id", "use", "readout", "reported", "low", "high", "unit", "sd_log", "system", "observable", "time", "source")
    for row in read_tsv(models_folder() / "observations.tsv", required=columns):
        if row["use"] not in ("calibrate", "holdout", "input"):
            raise DataError(f"{row.where}: use '{row['use']}' is not calibrate, holdout or input")
        low, high = row.number("low", -np.inf), row.number("high", np.inf)
        if low > high:
            raise DataError(f"{row.where}: the interval {low:g} to {high:g} is empty; low must not exceed high")
        sd = row.number("sd_log", np.nan)
        if np.isfinite(sd) and row["use"] != "calibrate":
            raise DataError(f"{row.where}: {row['id']} is '{row['use']}' and must not be fitted; leave sd_log empty")
        target = Target(row["readout"], row["reported"], low, high, row["unit"], sd)
        words = [row[name] for name in ("system", "observable", "time", "source", "source_id", "tolerance", "note")]
        known = found.get(row["id"])
        targets = (*known.targets, target) if known else (target,)
        found[row["id"]] = Observation(row["id"], row["use"], *(words if not known else _words(known)), targets)
    return tuple(found.values())


def _words(known: Observation) -> tuple[str, ...]:
    return (
        known.system, known.observable, known.time, known.source, known.source_id, known.tolerance, known.note
    )  # fmt: skip


@lru_cache(maxsize=1)
def read_priors() -> dict[str, Prior]:
    """Read ``models/priors.tsv`` in its order, converted to canonical units."""
    found = {}
    for row in read_tsv(models_folder() / "priors.tsv", required=("stage", "name", "centre", "unit", "sd_log", "source")):
        scale = unit(row["unit"]).factor
        centre, lower, upper = (row.number(column) * scale for column in ("centre", "lower", "upper"))
        if not 0 < lower <= centre <= upper or not row.number("sd_log") > 0:
            raise DataError(f"{row.where}: '{row['name']}' needs 0 < lower <= centre <= upper and a positive sd_log")
        found[row["name"]] = Prior(row["stage"], row["name"], centre, row.number("sd_log"), lower, upper, row["source"])
    return found


def read_calibration() -> Calibration:
    """Read the last calibration from ``models/calibration.tsv``: values and the covariance of their logarithms."""
    rows = read_tsv(models_folder() / "calibration.tsv", required=("name", "value"))
    names = tuple(row["name"] for row in rows)
    covariance = np.array([[row.number(name) for name in names] for row in rows])
    return Calibration(names, np.array([row.number("value") for row in rows]), covariance, np.nan)


def _culture(load: Load) -> list[float]:
    """Residuals of pools, growth, uptake and anchors of 143B."""
    runs, residuals = {}, []
    for row in _culture_rows():
        name, observable = row["protocol"], row["observable"]
        if name not in runs:
            runs[name] = double_knock_out(load) if name == "knock_out" else fed(load, {"dmem": 0.0, "dmem_asn": 1000.0}[name])
        time = row.number("time")
        kind, _, aa = observable.partition("_")
        value = uptake(runs[name], aa, time, "before") if kind == "uptake" else runs[name].at(time)[observable]
        residuals.append(np.log(max(value, 1e-12) / row.number("value")) / row.number("sd_log"))
    return residuals


@lru_cache(maxsize=1)
def _culture_rows() -> tuple[Row, ...]:
    return tuple(row for row in read_tsv(models_folder() / "culture_data.tsv") if row["row"] in _CULTURE_KINDS)


def _residuals_of(observation: Observation, load: Load) -> list[float]:
    """Log distance from what was reported, and what lies outside the tolerance counts more."""
    try:
        read = PROTOCOLS[observation.id](load)
    except AsnsimError:
        return [_PENALTY] * (2 * len(observation.targets))
    residuals = []
    for target in observation.targets:
        value = read[target.readout]
        fitted = np.isfinite(target.sd_log)
        reported = float(target.reported) if fitted and _is_number(target.reported) else target.low
        residuals.append(np.log(max(value, 1e-9) / reported) / target.sd_log if fitted else 0.0)
        residuals.append(_outside(value, target))
    return [float(np.clip(r, -_PENALTY, _PENALTY)) for r in residuals]


def _outside(value: float, target: Target) -> float:
    if value > target.high:
        return (value - target.high) / (_HINGE * max(abs(target.high), 0.05))
    if value < target.low:
        return (value - target.low) / (_HINGE * max(abs(target.low), 0.05))
    return 0.0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Objective:
    """Residuals of some observations over the logarithms of some numbers, priors appended."""

    def __init__(self, priors: Sequence[Prior], fixed: Mapping[str, float], rows: Sequence[str], culture: bool):
        self.priors, self.fixed, self.culture = list(priors), dict(fixed), culture
        self.observations = [o for o in read_observations() if o.id in rows]

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Numbers at a point; z counts standard deviations of the priors from their centres."""
        own = {p.name: p.centre * float(np.exp(p.sd_log * x)) for p, x in zip(self.priors, z, strict=True)}
        return self.fixed | own

    def __call__(self, z: np.ndarray) -> np.ndarray:
        load = Load(self.values(z))
        found: list[float] = []
        if self.culture:
            try:
                found += _culture(load)
            except AsnsimError:
                found += [_PENALTY] * len(_culture_rows())
        for observation in self.observations:
            found += _residuals_of(observation, load)
        return np.concatenate([found, z])

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """Central differences, shape (n_residuals, n)."""
        columns = []
        for k, prior in enumerate(self.priors):
            step = np.zeros_like(z)
            step[k] = _STEP / prior.sd_log
            columns.append((self(z + step) - self(z - step)) / (2 * step[k]))
        return np.column_stack(columns)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        ends = np.array([[np.log(end / p.centre) / p.sd_log for end in (p.lower, p.upper)] for p in self.priors])
        return ends[:, 0] - 1e-9, ends[:, 1] + 1e-9


#: Stages in the order of the fit: which observations each one sees, and whether pools of 143B count.
STAGES: dict[str, tuple[tuple[str, ...], bool]] = {
    "pools": (("V07", "V10", "V11", "V14"), True),
    "response": (("V15", "V17", "V22"), False),
    "mtorc1": (("V49",), True),
    "fate": (("V24",), False),
    "body": (("V35",), False),
}
_APART = ("body",)  # shares no number with the others and is not fitted again with them


def calibrate(starts: int = 3, rounds: int = 30, step: Callable[[str], None] | None = None) -> Calibration:
    """Fit every number of ``models/priors.tsv``: stage by stage, then all together; the best of several starts.

    Parameters
    ----------
    starts : int
        The first is the centres of the priors, the others lie around them (half the width of the priors, fixed seed).
    rounds : int
        Most evaluations of the Jacobian in the last, joint fit; a stage gets a third.
    step : callable, optional
        Told in words what begins and how it stands.

    Returns
    -------
    Calibration
    """
    say = step or (lambda words: None)
    found = []
    for k in range(max(starts, 1)):
        found.append(_from_one_start(k, rounds, lambda words, k=k: say(f"start {k + 1}, {words}")))
        say(f"start {k + 1}: cost {found[-1].cost:.4g}")
    return min(found, key=lambda one: one.cost)


def _from_one_start(k: int, rounds: int, say: Callable[[str], None]) -> Calibration:
    priors = list(read_priors().values())
    away = np.random.default_rng([_SEED, k]).normal(size=len(priors)) * (0.5 if k else 0.0)
    values = {
        p.name: float(np.clip(p.centre * np.exp(p.sd_log * x), p.lower, p.upper)) for p, x in zip(priors, away, strict=True)
    }
    for stage, (rows, culture) in STAGES.items():
        chosen = [p for p in priors if p.stage == stage]
        objective = _Objective(chosen, values, rows, culture)
        values |= objective.values(_solve(objective, values, max(rounds // 3, 3), lambda words, s=stage: say(f"{s}: {words}")).x)
    together = [stage for stage in STAGES if stage not in _APART]
    everything = tuple(dict.fromkeys(row for stage in together for row in STAGES[stage][0]))
    found = _settled([p for p in priors if p.stage in together], values, everything, True, rounds, lambda w: say(f"all: {w}"))
    for stage in _APART:
        own = [p for p in priors if p.stage == stage]
        found = _joined(found, _settled(own, values, STAGES[stage][0], False, rounds, lambda w, s=stage: say(f"{s}: {w}")))
    return found


def _settled(priors: Sequence[Prior], values, rows: Sequence[str], culture: bool, rounds: int, say) -> Calibration:
    """Fit some numbers to some rows and take the curvature there."""
    objective = _Objective(priors, {}, rows, culture)
    answer = _solve(objective, values, rounds, say)
    final = objective.values(answer.x)
    jacobian = objective.jacobian(answer.x)
    widths = np.array([p.sd_log for p in priors])
    covariance = np.linalg.inv(jacobian.T @ jacobian) * np.outer(widths, widths)
    names = tuple(p.name for p in priors)
    return Calibration(names, np.array([final[name] for name in names]), covariance, float(answer.cost))


def _joined(one: Calibration, other: Calibration) -> Calibration:
    """Two calibrations that share no data as one, with no correlation between them."""
    n, m = len(one.names), len(other.names)
    covariance = np.zeros((n + m, n + m))
    covariance[:n, :n], covariance[n:, n:] = one.covariance, other.covariance
    return Calibration(one.names + other.names, np.append(one.values, other.values), covariance, one.cost + other.cost)


def _solve(objective: _Objective, values: Mapping[str, float], rounds: int, say: Callable[[str], None]):
    lower, upper = objective.bounds()
    z0 = np.array([np.log(values[p.name] / p.centre) / p.sd_log for p in objective.priors])
    z0 = np.clip(z0, lower + 1e-6, upper - 1e-6)
    say(f"{len(z0)} numbers, cost {0.5 * float(np.sum(objective(z0) ** 2)):.3g}")
    answer = least_squares(
        objective, z0, objective.jacobian, bounds=(lower, upper), method="trf", x_scale=1.0, max_nfev=rounds, ftol=1e-5, xtol=1e-5
    )
    say(f"cost {answer.cost:.3g} after {answer.nfev} steps")
    return answer

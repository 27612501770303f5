"""What is to be fitted: experiments, data, free parameters, and the residuals with their derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from asnsim.checks import derived_dimensions
from asnsim.delivery import END
from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.errors import FitError, suggest
from asnsim.fit.censoring import Whitening
from asnsim.measurements import Measurements
from asnsim.network import Network
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.trajectory import Trajectory
from asnsim.units import DIMENSIONLESS, dimension_text, unit

__all__ = ["Experiment", "FitProblem", "Observable", "Prediction"]


@dataclass(frozen=True, slots=True)
class Observable:
    """How a measured quantity is read from a model.

    Parameters
    ----------
    quantity : str
        A state, rule or flux of the model.
    scale : {'linear', 'log'}
        Whether residuals are differences or log-ratios; 'log' takes the sd as relative to the value.
    relative_to : float, optional
        A time, h, by whose value (just before it) the quantity is divided: fold changes.
    """

    quantity: str
    scale: str = "linear"
    relative_to: float | None = None

    def __post_init__(self):
        if self.scale not in ("linear", "log"):
            raise FitError(f"the scale of observable '{self.quantity}' must be 'linear' or 'log', not '{self.scale}'")


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """One experiment: a model with its numbers, what was done to it, and how it was observed.

    Parameters
    ----------
    name : str
        As in the column `experiment` of the data.
    model : Network
        Numbers that are not free hold as they stand here.
    regimen : Regimen, optional
        Doses and changes of condition; a preculture belongs here (see `asnsim.preculture`).
    observables : mapping of str to Observable, optional
        Reading of measured names that are not simply quantities of the model on a linear scale.
    fixed : tuple of str
        Free parameters that keep this model's own value here.
    """

    name: str
    model: Network
    regimen: Regimen = field(default_factory=Regimen)
    observables: Mapping[str, Observable] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()

    def observable(self, name: str) -> Observable:
        """Return the observable of a measured name."""
        return self.observables.get(name, Observable(name))


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted values of all data, shape (n,), and derivatives by the logarithms of the free parameters, (n, p) or None."""

    values: np.ndarray
    gradient: np.ndarray | None


class FitProblem:
    """A least-squares problem on the logarithms of positive parameters.

    Parameters
    ----------
    experiments : sequence of Experiment
        Their names must cover the data's.
    data : Measurements
        Values with the covariance of their errors.
    free : sequence of str
        Constants or initial values to estimate; positive.
    bounds : mapping of str to (float, float), optional
        By default those of the parameter tables where positive and finite, else a hundredfold either way.
    priors : mapping of str to float, optional
        Log-scale standard deviations of log-normal priors around the model's value; none by default.
    solver : NDF, optional
        Tolerances of the simulations.
    censoring : {'M3', 'M1'}
        What becomes of censored data, whose value is an upper limit: each counts by its probability
        (`asnsim.fit.censoring`), or is left out.

    Raises
    ------
    FitError
        If all data are censored, a name is unknown, an experiment has no data or data no experiment, or a free value is not
        positive.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        data: Measurements,
        free: Sequence[str],
        bounds: Mapping[str, tuple[float, float]] | None = None,
        priors: Mapping[str, float] | None = None,
        solver: NDF | None = None,
        censoring: str = "M3",
    ):
        data = _uncensored(data, censoring)
        self.experiments, self.data, self.free = tuple(experiments), data, tuple(free)
        self.solver = solver or NDF(rtol=1e-7)
        self._check()
        self.nominal = np.array([self._value(name) for name in self.free])
        for what, named in (("a prior", priors or {}), ("a bound", bounds or {})):
            for name in named:
                if name not in self.free:
                    raise FitError(f"there is {what} for '{name}', which is not free{suggest(name, self.free)}")
        self.lower, self.upper = self._bounds(bounds or {})
        self.priors = MappingProxyType({name: float(width) for name, width in (priors or {}).items()})
        for name, width in self.priors.items():
            if not 0 < width < np.inf:
                raise FitError(f"the prior of '{name}' has the width {width:g}; give a positive log-scale standard deviation")
        table = data.table
        #: What turns the data into canonical units, shape (n,).
        self.factors = self._conversion()
        self._rows = {e.name: np.flatnonzero((table["experiment"] == e.name).to_numpy()) for e in self.experiments}
        self._whiten, self._logs, self._whitening = self._noise()

    def _check(self) -> None:
        if not self.free:
            raise FitError("a fit needs at least one free parameter; name them in free=[...]")
        if len(set(self.free)) < len(self.free):
            raise FitError("a free parameter is named twice; name each once")
        if not len(self.data):
            raise FitError("there are no measurements to fit")
        names = [experiment.name for experiment in self.experiments]
        if len(set(names)) < len(names):
            raise FitError("two experiments have the same name; give each its own")
        for name in dict.fromkeys(self.data.table["experiment"]):
            if name not in names:
                raise FitError(f"the data belong to experiment '{name}', which the problem lacks{suggest(str(name), names)}")
        for experiment in self.experiments:
            rows = self.data.table[self.data.table["experiment"] == experiment.name]
            if rows.empty:
                raise FitError(f"experiment '{experiment.name}' has no data; add rows or leave it out")
            system = build_equations(experiment.model)
            for measured in dict.fromkeys(rows["observable"]):
                quantity = experiment.observable(measured).quantity
                if quantity not in system.observables:
                    raise FitError(
                        f"the data of experiment '{experiment.name}' hold '{measured}', which model '{experiment.model.name}' "
                        f"does not compute{suggest(quantity, system.observables)}"
                    )
            for name in experiment.fixed:
                if name not in self.free:
                    raise FitError(f"experiment '{experiment.name}' fixes '{name}', which is not free{suggest(name, self.free)}")
            for name in self.free:
                if name not in experiment.fixed:
                    experiment.model.check_name(name)

    def _value(self, name: str) -> float:
        homes = [e for e in self.experiments if name not in e.fixed]
        if not homes:
            raise FitError(f"'{name}' is free but fixed in every experiment; free it somewhere")
        value = homes[0].model.value(name)
        if not value > 0:
            raise FitError(f"'{name}' is {value:g}; only positive parameters can be fitted, because the fit works on logarithms")
        return value

    def _bounds(self, given: Mapping[str, tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = [], []
        for name, value in zip(self.free, self.nominal, strict=True):
            row = next(e.model.parameters[name] for e in self.experiments if name not in e.fixed)
            low = row.lower if 0 < row.lower < value else value / 100
            high = row.upper if value < row.upper < np.inf else value * 100
            low, high = given.get(name, (low, high))
            if not 0 < low < high:
                raise FitError(f"the bounds of '{name}' are {low:g} to {high:g}; the lower must be positive and below the upper")
            lower.append(low)
            upper.append(high)
        return np.array(lower), np.array(upper)

    def _conversion(self) -> np.ndarray:
        """Factors (n,) that turn the data into canonical units; an empty unit is the model's own."""
        homes = {experiment.name: experiment for experiment in self.experiments}
        factors = np.ones(self.n)
        for row, record in enumerate(self.data.table.itertuples()):
            if not record.unit:
                continue
            experiment = homes[record.experiment]
            observable = experiment.observable(record.observable)
            model = experiment.model
            wanted = derived_dimensions(model).get(observable.quantity) or DIMENSIONLESS
            if observable.quantity in model.parameters:
                wanted = model.parameters[observable.quantity].dimension
            if observable.relative_to is not None:
                wanted = DIMENSIONLESS
            given = unit(record.unit)
            if given.dimension != wanted:
                raise FitError(
                    f"measurement {row + 1}: '{record.observable}' is given in {record.unit}, but model '{model.name}' "
                    f"computes it in {dimension_text(wanted)}; convert it first"
                )
            factors[row] = given.factor
        return factors

    def _noise(self) -> tuple[np.ndarray, np.ndarray, Whitening]:
        """Whitening matrix (n, n) of the errors, on the log scale where an observable asks for it, those rows, and residuals."""
        table = self.data.table
        homes = {experiment.name: experiment for experiment in self.experiments}
        logs = np.array(
            [homes[e].observable(o).scale == "log" for e, o in zip(table["experiment"], table["observable"], strict=True)]
        )
        values = self.measured
        if np.any(values[logs] <= 0):
            row = int(np.flatnonzero(logs & (values <= 0))[0])
            raise FitError(f"measurement {row + 1} is {values[row]:g}, which has no logarithm; use the linear scale for it")
        scale = np.where(logs, 1 / np.where(logs, values, 1.0), 1.0) * self.factors
        covariance = self.data.covariance * np.outer(scale, scale)
        whitening = Whitening(covariance, table["censored"].to_numpy(bool))
        return np.linalg.inv(np.linalg.cholesky(covariance)), logs, whitening

    @property
    def n(self) -> int:
        """Number of data."""
        return len(self.data)

    @property
    def measured(self) -> np.ndarray:
        """The measured values in canonical units, shape (n,)."""
        return self.data.table["value"].to_numpy(float) * self.factors

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the free parameters."""
        return tuple(next(e.model.parameters[n].unit for e in self.experiments if n in e.model.parameters) for n in self.free)

    def with_errors(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return predictions, shape (m, n), as they might be measured: with the joint error of the data, in canonical units."""
        # the whitening matrix is the inverse of the Cholesky factor that turns independent noise into joint errors
        errors = np.linalg.solve(self._whiten, rng.normal(size=values.shape).T).T
        return np.where(self._logs, values * np.exp(np.where(self._logs, errors, 0.0)), values + errors)

    def run(self, experiment: Experiment, p: np.ndarray, gradient: bool = False) -> Trajectory:
        """Simulate one experiment at parameter values p, shape (n_p,)."""
        table = self.data.table.iloc[self._rows[experiment.name]]
        own = {name: value for name, value in zip(self.free, p, strict=True) if name not in experiment.fixed}
        references = [
            o.relative_to for o in map(experiment.observable, dict.fromkeys(table["observable"])) if o.relative_to is not None
        ]
        times = np.unique([*table["time"].to_numpy(float), *references])
        actions = [a.time for a in experiment.regimen.actions(experiment.model) if a.order != END]
        start = min([0.0, *actions, *times])
        return simulate(
            experiment.model.with_parameters(own),
            experiment.regimen,
            until=max([float(times[-1]), *actions]),
            start=start,
            times=times,
            theta=tuple(own) if gradient else (),
            solver=self.solver,
        )

    def predict(self, p: np.ndarray, gradient: bool = False) -> Prediction:
        """Predict all data, with derivatives by log(p) where asked."""
        values = np.empty(self.n)
        slopes = np.zeros((self.n, len(self.free))) if gradient else None
        for experiment in self.experiments:
            run = self.run(experiment, p, gradient)
            for row in self._rows[experiment.name]:
                record = self.data.table.iloc[row]
                value, slope = _read(run, experiment.observable(record["observable"]), float(record["time"]))
                values[row] = value
                if gradient:
                    for k, name in enumerate(run.theta):
                        slopes[row, self.free.index(name)] = slope[k] * p[self.free.index(name)]
        return Prediction(values, slopes)

    def residuals(self, log_p: np.ndarray, gradient: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
        """Return whitened residuals, priors appended, and their derivatives by log(p).

        Raises
        ------
        IntegrationError
            If a simulation fails at these parameters.
        """
        p = np.exp(log_p)
        prediction = self.predict(p, gradient)
        measured = self.measured
        safe = np.maximum(prediction.values, 1e-300)
        difference = np.where(self._logs, np.log(safe / np.where(self._logs, measured, 1.0)), prediction.values - measured)
        slopes = prediction.gradient / np.where(self._logs, safe, 1.0)[:, None] if gradient else None
        residual, jacobian = self._whitening(difference, slopes)
        widths = np.array([self.priors.get(name, np.inf) for name in self.free])
        has_prior = np.isfinite(widths)
        if has_prior.any():
            residual = np.concatenate([residual, ((log_p - np.log(self.nominal)) / widths)[has_prior]])
            if gradient:
                jacobian = np.vstack([jacobian, np.diag(1 / widths)[has_prior]])
        return residual, jacobian


def _uncensored(data: Measurements, censoring: str) -> Measurements:
    """The data that a fit takes."""
    if censoring not in ("M1", "M3"):
        raise FitError(f"the censoring is '{censoring}'; there are M3 (by probability) and M1 (left out)")
    censored = data.table["censored"].to_numpy(bool)
    if censored.size and censored.all():
        raise FitError("all measurements are censored; a fit needs some that are not")
    return data.select(~censored) if censoring == "M1" and censored.any() else data


def _read(run: Trajectory, observable: Observable, time: float) -> tuple[float, np.ndarray]:
    """Value of an observable at a stored time and its derivative by the run's theta, shape (n_theta,)."""
    value, slope = _quantity(run, observable.quantity, time, "after")
    if observable.relative_to is None:
        return value, slope
    base, base_slope = _quantity(run, observable.quantity, observable.relative_to, "before")
    return value / base, slope / base - value / base**2 * base_slope


def _quantity(run: Trajectory, name: str, time: float, side: str) -> tuple[float, np.ndarray]:
    rows = np.flatnonzero(run.t == time)
    row = int(rows[0] if side == "before" else rows[-1])
    slope = run.sensitivity(name)[row] if run.theta else np.zeros(0)
    return float(run[name][row]), slope

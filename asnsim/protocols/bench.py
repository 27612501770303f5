"""What several protocols share: seeding, preculture, and how uptake and growth are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from asnsim.culture import preculture, seeded
from asnsim.dosing import Regimen
from asnsim.errors import ModelError
from asnsim.fit import Experiment
from asnsim.library import load_model, read_parameters, read_recipe
from asnsim.network import Network, Parameter
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.trajectory import Trajectory

__all__ = ["Load", "cultured", "crossing", "fold", "followed", "growth", "shipped", "solved", "uptake"]

_TABLES = ("body", "base", "experiments")
_SOLVER = NDF(rtol=1e-7)


@lru_cache(maxsize=1)
def shipped() -> dict[str, Parameter]:
    """Return the numbers a protocol can be run with others of: those of the recipes, and strengths of treatments."""
    return {name: parameter for table in _TABLES for name, (_, parameter) in read_parameters(table).items()}


class Load:
    """Loads models whose numbers are those under test.

    A number under test replaces the shipped one; where an overlay (a line, a medium, a product) says another, that one stands.

    Parameters
    ----------
    values : mapping of str to float, optional
        Constants of the recipes or of ``models/parameters/experiments.tsv``, in canonical units.
    """

    def __init__(self, values: Mapping[str, float] | None = None):
        self.values = dict(values or {})
        self.used: set[str] = set()
        self._shipped = {name: parameter.value for name, parameter in shipped().items()}

    def __call__(self, recipe: str, *overlays: str, without: Iterable[str] = ()) -> Network:
        """Return a recipe with overlays and the numbers under test."""
        model, plan = load_model(recipe, *overlays, without=without), read_recipe(recipe)
        endings = ("", *(f"_{population.name}" for population in plan.populations), *(("_m0",) if plan.labelled else ()))
        changed = {}
        for name, value in self.values.items():
            for key in (name + ending for ending in endings):
                if key in model.parameters and model.parameters[key].value == self._shipped.get(name):
                    changed[key] = value
                    self.used.add(name)
        return model.with_parameters(changed)

    def number(self, name: str) -> float:
        """Return the strength of a treatment."""
        self.used.add(name)
        return self.values.get(name, self._shipped[name])


def cultured(
    model: Network,
    until: float,
    cells_per_ml: float = 1e5,
    *,
    before: Mapping[str, float] | None = None,
    changes: Sequence[tuple[float, Mapping[str, float]]] = (),
    doses: Regimen | None = None,
    times: Sequence[float] | None = None,
    medium_ml: float = 2.0,
) -> Trajectory:
    """Run cells that were precultured 400 h in the model's own medium, seeded at time 0 and treated from there.

    Parameters
    ----------
    model : Network
        Its initial concentrations outside are the fresh medium.
    until : float
        End, h.
    cells_per_ml : float
        Seeding.
    before : mapping, optional
        Concentrations outside during the preculture where they differ.
    changes : sequence of (time, values)
        Treatments: constants or states set anew.
    doses : Regimen, optional
        Drugs.
    times : sequence of float, optional
        Output times, h.
    medium_ml : float
        Volume of medium, mL.
    """
    model = seeded(model, cells_per_ml, medium_ml)
    regimen = preculture(model, medium=before)
    for time, values in changes:
        regimen = regimen.change(time, dict(values))
    if doses is not None:
        regimen = regimen + doses
    return simulate(model, regimen, until, start=-400.0, times=[0.0, until] if times is None else times, solver=_SOLVER)


def followed(experiment: Experiment, times: Sequence[float]) -> Trajectory:
    """Run an experiment of `asnsim.studies` from its preculture to the last time."""
    return simulate(experiment.model, experiment.regimen, max(times), start=-400.0, times=times, solver=_SOLVER)


def growth(run: Trajectory, start: float, end: float) -> float:
    """Return the mean growth rate of cell number between two output times, 1/h; negative when they die."""
    cells = [run.at(t)["cytosol"] for t in (start, end)]
    return float(np.log(cells[1] / cells[0]) / (end - start))


def uptake(run: Trajectory, aa: str, time: float, side: str = "after") -> float:
    """Return the net flux of an amino acid from medium into cells, umol/h per L of cell water."""
    values = run.at(time, side)
    total = 0.0
    for reaction in run.model.reactions:
        net = reaction.stoichiometry
        if f"{aa}_e" in net and f"{aa}_c" in net:
            total += net[f"{aa}_c"] * values[reaction.id]
    return total / values["cytosol"]


def fold(run: Trajectory, name: str, time: float, against: Trajectory) -> float:
    """Return a quantity in one run over the same in another."""
    return run.at(time)[name] / against.at(time)[name]


def solved(function: Callable[[float], float], low: float, high: float, what: str) -> float:
    """Return the root of a function between two ends, to a thousandth.

    Raises
    ------
    ModelError
        If there is none: the treatment `what` cannot do what the protocol asks, with these numbers.
    """
    ends = function(low), function(high)
    if not ends[0] * ends[1] <= 0:
        raise ModelError(f"with these numbers {what}")
    return float(brentq(function, low, high, xtol=1e-3))


def crossing(x: Sequence[float], y: Sequence[float], level: float) -> float:
    """Return where y first reaches a level going up, interpolated between logarithms of x; infinite if it never does."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    above = np.flatnonzero(y >= level)
    if not above.size:
        return float("inf")
    k = int(above[0])
    if k == 0:
        return float(x[0])
    share = (level - y[k - 1]) / (y[k] - y[k - 1])
    low, high = max(x[k - 1], 0.1 * x[k]), x[k]
    return float(np.exp(np.log(low) + share * (np.log(high) - np.log(low))))

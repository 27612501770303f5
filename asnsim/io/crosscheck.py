"""Crosscheck: the printed page as SBML in libRoadRunner against our own engine, state by state.

Nothing of ours is shared below the page: libAntimony parses it, libSBML holds it, libRoadRunner compiles it and CVODE
integrates amounts where we integrate concentrations. Somogyi et al. 2015, Bioinformatics 31, 3315-3321 describe libRoadRunner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asnsim.delivery import BOLUS, SET, STEADY, SWITCH, Action
from asnsim.dosing import Regimen
from asnsim.errors import AsnsimError, IntegrationError, ModelError
from asnsim.io.sbml import sbml_text
from asnsim.network import Module, Network, Parameter, Reaction, symbol
from asnsim.running import absolute_tolerances
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.tables import write_table
from asnsim.units import parse_time

__all__ = ["FLOOR", "CrossCheck", "crosscheck", "default_horizon", "default_regimen"]

#: A deviation is relative to max(|x|, FLOOR * max over time of |x|): a state that falls a millionfold counts as gone.
FLOOR = 1e-6
#: libRoadRunner runs this much tighter than we do, so that the deviation shows our error and not CVODE's.
TIGHTER = 1e-2
_HORIZONS = {"teaching": 168.0, "dosing": 672.0, "body_pk": 672.0, "patient": 672.0}


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Largest relative deviation of every state between libRoadRunner and asnsim.

    Parameters
    ----------
    model : str
        Name of the model.
    until, rtol : float
        End, h, and relative tolerance of our solver; libRoadRunner's is a hundred times smaller.
    states, units : tuple of str
        State names and their units.
    deviation : ndarray, shape (n_x,)
        ``max over t of |x - x_roadrunner| / max(|x_roadrunner|, floor)``; the floor is `FLOOR` times the largest value of
        that state or, if larger, of what counts as nothing in its unit (1e-3 umol/L, 1e-2 U/L).
    time : ndarray, shape (n_x,)
        Where it occurs, h.
    largest : ndarray, shape (n_x,)
        Largest value of each state.
    points : int
        Compared times, doses counted before and after.
    """

    model: str
    until: float
    rtol: float
    states: tuple[str, ...]
    units: tuple[str, ...]
    deviation: np.ndarray
    time: np.ndarray
    largest: np.ndarray
    points: int

    @property
    def overall(self) -> float:
        """Largest deviation of all states."""
        return float(self.deviation.max())

    @property
    def worst(self) -> str:
        """State with the largest deviation."""
        return self.states[int(self.deviation.argmax())]

    def table(self):
        """Return a DataFrame, worst state first: state, unit, largest, deviation, time_h."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                "state": self.states,
                "unit": self.units,
                "largest": self.largest,
                "deviation": self.deviation,
                "time_h": self.time,
            }
        )
        return frame.sort_values("deviation", ascending=False, kind="stable", ignore_index=True)

    def to_csv(self, path: str | Path) -> Path:
        """Write `table` as CSV."""
        frame = self.table()
        return write_table(path, list(frame.columns), frame.to_numpy(dtype=object).tolist())

    def __str__(self) -> str:
        at = float(self.time[int(self.deviation.argmax())])
        return (
            f"{self.model}: largest relative deviation {self.overall:.2e} ({self.worst} at {at:.4g} h) from libRoadRunner, over "
            f"{len(self.states)} states and {self.points} times until {self.until:g} h at rtol {self.rtol:g}"
        )


def default_horizon(model: Network) -> float:
    """Return a sensible length of a crosscheck, h."""
    return _HORIZONS.get(model.name, 48.0)


def default_regimen(model: Network, until: float) -> Regimen:
    """Return one bolus that puts the model to the test: pegaspargase at 24 h, or 1000 U/L of asparaginase at half time."""
    if "peg_1" in model.states:
        return Regimen.single("2500 U/m^2", into="peg_1", time=min(24.0, until / 2))
    if "asnase_e" in model.states and "asnase_e" in model.species:
        compartment = model.species["asnase_e"].compartment
        if compartment in model.parameters:
            return Regimen.single(1000.0 * model.value(compartment), into="asnase_e", time=until / 2)
    return Regimen()


def crosscheck(
    model: Network,
    regimen: Regimen | None = None,
    until: float | str | None = None,
    rtol: float = 1e-8,
    times: Sequence[float] | None = None,
) -> CrossCheck:
    """Run a model here and, as SBML, in libRoadRunner with CVODE, and compare every state.

    Doses, infusions and changes of condition are carried out on both sides: libRoadRunner integrates to the time of each, its
    state is set, and it goes on; an infusion becomes a reaction of order zero whose constant is switched.

    Parameters
    ----------
    model : Network
        What to check.
    regimen : Regimen, optional
        By default `default_regimen`; ``Regimen()`` for none.
    until : float or str, optional
        End; by default `default_horizon`.
    rtol : float
        Our relative tolerance.
    times : sequence of float, optional
        Times to compare, h; by default 401 evenly spaced ones.

    Returns
    -------
    CrossCheck

    Raises
    ------
    AsnsimError
        If tellurium cannot be imported.
    IntegrationError
        If one side cannot reach the end.
    """
    end = default_horizon(model) if until is None else parse_time(until, "the end")
    regimen = default_regimen(model, end) if regimen is None else regimen
    run = simulate(model, regimen, end, times=times, solver=NDF(rtol=rtol))
    actions = regimen.actions(model)
    reference = _Reference(model, actions, max(rtol * TIGHTER, 1e-13))
    theirs = np.empty_like(run.x)
    for action in (a for a in actions if a.time == run.t[0]):
        reference.apply(action)
    for number in range(int(run.segment[-1]) + 1):
        rows = np.flatnonzero(run.segment == number)
        theirs[rows] = reference.advance(run.t[rows])
        for action in (a for a in actions if a.time == run.t[rows[-1]] > run.t[0]):
            reference.apply(action)
    largest = np.abs(theirs).max(axis=0)
    floor = FLOOR * np.maximum(largest, absolute_tolerances(model, 1.0))
    deviation = np.abs(run.x - theirs) / np.maximum(np.abs(theirs), floor)
    return CrossCheck(
        model.name,
        end,
        rtol,
        model.states,
        tuple(run.unit(name) for name in model.states),
        deviation.max(axis=0),
        run.t[deviation.argmax(axis=0)],
        largest,
        run.t.size,
    )


def _tellurium():
    try:
        import tellurium
    except ImportError as error:
        raise AsnsimError(
            f"the crosscheck runs libRoadRunner through tellurium, which cannot be imported ({error}); "
            "install it with: pip install tellurium six"
        ) from None
    return tellurium


def _input_name(state: str) -> str:
    return f"input_of_{state}"


def _with_inputs(model: Network, names: Sequence[str]) -> Network:
    """Return the model with an inflow of order zero, at first nothing, into each named state."""
    if not names:
        return model
    modules = []
    for module in model.modules:
        rates = {k: v + symbol(_input_name(k)) if k in names else v for k, v in module.rates.items()}
        modules.append(replace(module, rates=rates))
    flows = [Reaction(f"infusion_of_{name}", f"=> {name}", symbol(_input_name(name))) for name in names if name in model.species]
    parameters = dict(model.parameters)
    for name in names:
        parameters[_input_name(name)] = Parameter(_input_name(name), 0.0, "", (), status="assumed")
    return replace(model, modules=(*modules, Module("infusions", tuple(flows))), parameters=parameters)


class _Reference:
    """The model in libRoadRunner."""

    def __init__(self, model: Network, actions: Sequence[Action], rtol: float):
        if {STEADY, SWITCH} & {action.order for action in actions}:
            raise ModelError("steady states of doses and states switched off are not in libRoadRunner; leave them out to compare")
        infused = sorted({action.name for action in actions if action.order not in (SET, BOLUS)})
        self.model = model
        self.engine = _tellurium().loadSBMLModel(sbml_text(_with_inputs(model, infused)))
        self.columns = ["time", *(self._key(name) for name in model.states)]
        self.engine.setIntegrator("cvode")
        integrator = self.engine.integrator
        integrator.setValue("stiff", True)
        integrator.setValue("maximum_num_steps", 200_000)
        integrator.setValue("relative_tolerance", rtol)
        # CVODE's own guess after a dose can be too small to move the clock, about which it complains on stderr
        integrator.setValue("initial_time_step", 1e-9)
        for name, atol in zip(model.states, absolute_tolerances(model, rtol), strict=True):
            size = self.engine[model.species[name].compartment] if name in model.species else 1.0  # it integrates amounts
            try:
                integrator.setIndividualTolerance(name, float(atol * size))
            except RuntimeError:
                raise ModelError(
                    f"'{name}' is a state of model '{model.name}' but a boundary species of its page; write it with or without $"
                ) from None

    def _key(self, name: str) -> str:
        """``[asn_c]`` is a concentration in libRoadRunner, ``asn_c`` an amount."""
        return f"[{name}]" if name in self.model.species else name

    def advance(self, times: np.ndarray) -> np.ndarray:
        """Integrate over `times`, which begins now; return states, shape (n_t, n_x)."""
        if times.size < 2:
            return np.array([[self.engine[key] for key in self.columns[1:]]])
        try:
            table = self.engine.simulate(times=[float(t) for t in times], selections=self.columns)
        except RuntimeError as error:
            text = re.sub(r"\s+", " ", str(error))
            raise IntegrationError(f"libRoadRunner cannot integrate model '{self.model.name}': {text}", float(times[0])) from None
        table = np.asarray(table, dtype=float)
        if table.shape[0] != times.size or not np.allclose(table[:, 0], times, rtol=1e-12, atol=1e-9):
            raise IntegrationError(f"libRoadRunner left out times of model '{self.model.name}'", float(times[0]))
        return table[:, 1:]

    def apply(self, action: Action) -> None:
        """Carry out one action; concentrations stay what they are while a compartment is set to another size."""
        if action.order == BOLUS:
            size = self.engine[self.model.species[action.name].compartment] if action.name in self.model.species else 1.0
            self._set(self._key(action.name), self.engine[self._key(action.name)] + action.value / size)
        elif action.order == SET:
            kept = {self._key(name): self.engine[self._key(name)] for name in self.model.species}
            self._set(self._key(action.name), action.value)
            for key, value in kept.items():
                if key != self._key(action.name):
                    self._set(key, value)
        else:
            name = _input_name(action.name)
            self._set(name, self.engine[name] + action.value)

    def _set(self, key: str, value: float) -> None:
        self.engine[key] = float(value)

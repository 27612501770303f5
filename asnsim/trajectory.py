"""Simulated time courses with names and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asnsim.checks import derived_dimensions
from asnsim.derivatives import derivatives
from asnsim.equations import ODESystem
from asnsim.errors import ModelError, suggest
from asnsim.network import Network
from asnsim.tables import write_table
from asnsim.units import DIMENSIONLESS, dimension_text, parse_time

__all__ = ["Trajectory"]


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """States over time; at a dose or change of condition the time stands twice, before and after.

    Parameters
    ----------
    model : Network
        What was simulated.
    t : ndarray, shape (n_t,)
        Time, h.
    x : ndarray, shape (n_t, n_x)
        States.
    s : ndarray, shape (n_t, n_x, n_theta), or None
        Sensitivities dx/dtheta.
    constants : ndarray, shape (n_segments, n_c)
        Constants and inputs that held in each segment; an input is NaN where its state was switched off.
    segment : ndarray of int, shape (n_t,)
        The segment each row belongs to.
    theta : tuple of str
        Parameters of `s`.
    live : ndarray of bool, shape (n_segments, n_theta)
        Whether each parameter still acts in each segment; a change of condition that sets it ends that.
    stats : mapping
        Solver counts summed over segments.
    manifest : mapping
        Versions, model key, tolerances: what is needed to make it again.
    system : ODESystem
        The equations.
    """

    model: Network
    t: np.ndarray
    x: np.ndarray
    s: np.ndarray | None
    constants: np.ndarray
    segment: np.ndarray
    theta: tuple[str, ...]
    live: np.ndarray
    stats: Mapping[str, float]
    manifest: Mapping[str, object]
    system: ODESystem = field(repr=False)
    _advance: Callable = field(repr=False)

    def __post_init__(self):
        for array in (self.t, self.x, self.s, self.constants, self.segment):
            if array is not None:
                array.flags.writeable = False

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that can be asked for: states, rules, fluxes, constants."""
        return tuple(self.system.observables)

    def has(self, name: str) -> bool:
        """Return whether the model knows a state, rule, flux or constant of that name."""
        return name in self.system.observables

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a state, rule or flux over time, shape (n_t,), in canonical units."""
        states = self.system.states
        if name in states:
            return self.x[:, states.index(name)]
        node = self.system.observable(name)
        values = self.system.graph.evaluate([node], self.t, self.x.T, self.constants[self.segment].T)[0]
        return np.broadcast_to(values, self.t.shape).copy()

    def sensitivity(self, name: str) -> np.ndarray:
        """Return d(name)/d(theta) of a state, rule or flux over time, shape (n_t, n_theta).

        Raises
        ------
        ModelError
            If the run has no sensitivities or the model does not compute `name`.
        """
        if self.s is None:
            raise ModelError("this run has no sensitivities; simulate with theta=(...)")
        if name in self.system.states:
            return self.s[:, self.system.states.index(name), :]
        graph, node = self.system.graph, self.system.observable(name)
        held = {j: self.theta.index(c) for j, c in enumerate(self.system.constants) if c in self.theta}
        slopes = derivatives(graph, [node])
        values = graph.evaluate(list(slopes.values()), self.t, self.x.T, self.constants[self.segment].T)
        total = np.zeros((self.t.size, len(self.theta)))
        for (_, kind, j), value in zip(slopes, values, strict=True):
            value = np.broadcast_to(value, self.t.shape)
            if kind == "x":
                total += value[:, None] * self.s[:, j, :]
            elif j in held:
                total[:, held[j]] += value * self.live[self.segment, held[j]]
        return total

    def unit(self, name: str) -> str:
        """Return the unit of a state, constant, rule or flux; empty for a pure number."""
        parameter = self.model.parameters.get(name)
        if parameter:
            return "" if parameter.unit in ("1", "-") else parameter.unit
        dimension = derived_dimensions(self.model).get(name, DIMENSIONLESS)
        return "" if dimension == DIMENSIONLESS else dimension_text(dimension)

    def _row(self, t: float, side: str) -> int | None:
        rows = np.flatnonzero(np.abs(self.t - t) <= 1e-13 * max(abs(t), 1.0))
        if rows.size == 0:
            return None
        return int(rows[0] if side == "before" else rows[-1])

    def state_at(self, time: float | str, side: str = "after") -> tuple[np.ndarray, np.ndarray]:
        """Return states (n_x,) and constants (n_c,) at any time of the run; integrated anew between stored rows.

        Raises
        ------
        ModelError
            If the time lies outside the run or `side` is neither 'before' nor 'after'.
        """
        t = parse_time(time)
        if side not in ("before", "after"):
            raise ModelError(f"side must be 'before' or 'after', not '{side}'")
        if not self.t[0] <= t <= self.t[-1]:
            raise ModelError(f"the run goes from {self.t[0]:g} to {self.t[-1]:g} h; {t:g} h lies outside")
        row = self._row(t, side)
        if row is not None:
            return self.x[row], self.constants[self.segment[row]]
        row = int(np.searchsorted(self.t, t, side="right")) - 1
        c = self.constants[self.segment[row]]
        return self._advance(self.x[row], c, self.t[row], t), c

    def end_state(self) -> dict[str, float]:
        """Return the states at the end by name, as `Network.with_parameters` takes them; solver dust below zero becomes 0."""
        dust = 1e-6 * np.abs(self.x).max(axis=0) + 1e-12
        end = np.where((self.x[-1] < 0) & (self.x[-1] > -dust), 0.0, self.x[-1])
        return dict(zip(self.system.states, map(float, end), strict=True))

    def _named(self, t: float, x: np.ndarray, c: np.ndarray) -> dict[str, float]:
        values = self.system.graph.evaluate(list(self.system.observables.values()), t, x, c)
        return {name: float(value) for name, value in zip(self.system.observables, values, strict=True)}

    def at(self, time: float | str, side: str = "after") -> dict[str, float]:
        """Return every state, rule, flux and constant at one time, by name, in canonical units.

        Parameters
        ----------
        time : float or str
            h, or text such as ``'14 d'``.
        side : {'after', 'before'}
            Which limit at a dose or change of condition.
        """
        x, c = self.state_at(time, side)
        return self._named(parse_time(time), x, c)

    def volume(self, compartment: str, time: float | str, side: str = "after") -> float:
        """Return the size of a compartment, L.

        Raises
        ------
        ModelError
            If the model has no compartment of that name.
        """
        known = (*self.model.compartments, *self.model.rates)
        if compartment not in known:
            raise ModelError(f"'{compartment}' is not a compartment of model '{self.model.name}'{suggest(compartment, known)}")
        return self.at(time, side)[compartment]

    def advance(self, time: float | str, duration: float | str, scale: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return everything `duration` after `time`, with some constants multiplied: what a sample does while it waits.

        Running infusions stay behind: the sample has left the body.

        Raises
        ------
        ModelError
            If `scale` names something that is not a constant.
        """
        x, c = self.state_at(time)
        c = c.copy()
        flows = c[len(self.system.constants) :]
        flows[~np.isnan(flows)] = 0.0
        for name, factor in (scale or {}).items():
            if name not in self.system.constants:
                raise ModelError(f"'{name}' is not a constant of model '{self.model.name}' and cannot be scaled")
            c[self.system.constants.index(name)] *= factor
        t = parse_time(time)
        end = t + parse_time(duration)
        if not end >= t:
            raise ModelError(f"a sample cannot wait {duration} h; give a duration of 0 or more")
        return self._named(end, self._advance(x, c, t, end), c)

    def duration(self, condition: np.ndarray) -> float:
        """Return the hours during which a boolean array over `t` holds; an interval with one end true counts half."""
        condition = np.asarray(condition, dtype=float)
        if condition.shape != self.t.shape:
            raise ModelError(
                f"the condition has {condition.size} values, but the run has {self.t.size} times; make it from run[...]"
            )
        return float(np.sum(np.diff(self.t) * (condition[1:] + condition[:-1]) / 2))

    def to_pandas(self, *names: str):
        """Return a DataFrame indexed by time with the named columns (default: all states)."""
        import pandas as pd

        columns = names or self.system.states
        frame = pd.DataFrame({name: self[name] for name in columns}, index=pd.Index(self.t, name="time_h"))
        frame.attrs["units"] = {name: self.unit(name) for name in columns}
        return frame

    def to_xarray(self, *names: str):
        """Return an xarray Dataset over time, with units as attributes."""
        import xarray as xr

        columns = names or self.system.states
        return xr.Dataset(
            {name: ("time", self[name], {"units": self.unit(name)}) for name in columns},
            coords={"time": ("time", self.t, {"units": "h"})},
            attrs={key: str(value) for key, value in self.manifest.items()},
        )

    def to_csv(self, path: str | Path, names: Sequence[str] = ()) -> Path:
        """Write time and the named columns (default: all states) as CSV; the header carries the units."""
        columns = tuple(names) or self.system.states
        header = ["time [h]", *(f"{name} [{self.unit(name)}]" if self.unit(name) else name for name in columns)]
        table = np.column_stack([self.t, *(self[name] for name in columns)])
        return write_table(path, header, [[repr(float(v)) for v in row] for row in table])

    def plot(self, *names: str, path: str | Path | None = None):
        """Draw the named quantities over time; returns the figure, and writes it where a path is given."""
        from asnsim.plots import plot_trajectory

        return plot_trajectory(self, names or self.system.states[:6], path)

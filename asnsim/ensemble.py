"""Ensembles: the same scenario for many parameter sets, on threads and in lanes, with the same numbers for any number of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from asnsim.codegen import CompiledSystem, compile_system
from asnsim.delivery import BOLUS, SET, STEADY, SWITCH, Action
from asnsim.dosing import Change, Regimen
from asnsim.equations import ODESystem, build_equations
from asnsim.errors import AsnsimError, IntegrationError, ModelError
from asnsim.network import Network
from asnsim.running import floors_of
from asnsim.simulation import checked_solver, output_times, simulate, span_of, volumes_of
from asnsim.solvers import NDF, Rodas5P, lanes
from asnsim.solvers.rosenbrock import Rosenbrock
from asnsim.stability import MANY_TURNS, SOME_TURNS, note_of_turns, turns_of
from asnsim.trajectory import Trajectory
from asnsim.units import parse_time

__all__ = ["Ensemble", "check_sets", "checked_columns", "simulate_sets"]

_CHUNK = 64  # jobs that a thread takes at a time, at most
_TIGHTER = 0.03  # NDF needs a smaller rtol for the same error
_PARTS = 300.0  # times rtol: how far a tenth of rtol may move a run that turns some times
_COVARIATES = ("bsa", "weight")  # on which doses may depend


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Requested quantities of many runs.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        Output times, h; at a dose or change of condition the value after it.
    observables : tuple of str
        Names.
    values : ndarray, shape (n, n_t, n_obs)
        NaN for a run that failed.
    messages : tuple of str, length n
        Why each failed run failed; empty for a success.
    notes : tuple of str, length n
        Why a run that reached the end may depend on the tolerance: it oscillates, or turns some times and a run at a tenth of
        the tolerance parts from it. Empty for most.
    attempts : ndarray of int, shape (n,)
        Steps that each run tried.
    """

    t: np.ndarray
    observables: tuple[str, ...]
    values: np.ndarray
    messages: tuple[str, ...]
    notes: tuple[str, ...]
    attempts: np.ndarray = field(repr=False)

    @property
    def marked(self) -> np.ndarray:
        """Whether each run has a note, shape (n,)."""
        return np.array([bool(note) for note in self.notes], dtype=bool)

    @property
    def success(self) -> np.ndarray:
        """Whether each run reached the end, shape (n,)."""
        return np.array([not message for message in self.messages], dtype=bool)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one observable, shape (n, n_t)."""
        if name not in self.observables:
            raise ModelError(f"'{name}' was not asked for; this ensemble holds {', '.join(self.observables)}")
        return self.values[:, :, self.observables.index(name)]

    def quantiles(self, name: str, levels: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Return quantiles over the runs that succeeded, shape (n_levels, n_t).

        Raises
        ------
        ModelError
            If none succeeded, or nothing of that name is held.
        """
        if not self.success.any():
            raise ModelError(f"no run succeeded, so '{name}' has no quantiles; the first says: {(self.messages or ('',))[0]}")
        return np.quantile(self[name][self.success], levels, axis=0)


def simulate_sets(
    model: Network,
    parameters: Mapping[str, Sequence[float]],
    regimen: Regimen | None = None,
    until: float | str = 48.0,
    *,
    observables: Sequence[str],
    times: Sequence[float] | None = None,
    solver: NDF | Rosenbrock | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ensemble:
    """Simulate one scenario for many parameter sets.

    Parameters
    ----------
    model : Network
        The model; what `parameters` does not name keeps its value.
    parameters : mapping of str to sequence of float, each of length n
        Values of constants or initial values, canonical units; ``'name@336'`` are those from 336 h on.
    regimen : Regimen, optional
        Doses per m^2 or kg are resolved for each set.
    until : float or str
        End, h.
    observables : sequence of str
        States, rules or fluxes to keep.
    times : sequence of float, optional
        Output times, h; by default 401 evenly spaced from 0.
    solver : Rodas5P, Rodas4 or NDF, optional
        Method and tolerances; ``Rodas5P(rtol=1e-6)`` by default. The Rosenbrock methods run several trajectories side by side
        where the model allows it (no events or algebraic states, no explicit time, up to 100 states), no dose is at steady state
        and no state is switched off. A set on which one of them fails is tried by NDF, for about the same error: they need
        derivatives that are finite at every step, as that of a power below one is not at zero.
    threads : int, optional
        Threads; by default one per processor. The numbers do not depend on it.
    progress : callable, optional
        Called with (done, total) now and then.

    Returns
    -------
    Ensemble
        One failing run is reported by its message and leaves the others alone.

    Raises
    ------
    ModelError
        If names are unknown or the parameter sets differ in length.
    """
    observables = (observables,) if isinstance(observables, str) else tuple(observables)
    if threads is not None and threads < 1:
        raise ModelError(f"threads is {threads}; give at least 1, or None for one per processor")
    sets, system = _request(model, parameters, regimen or Regimen(), observables)
    solver = checked_solver(solver or Rodas5P())
    begin, end = span_of(sets.shared, until, None)
    grid = np.linspace(0.0, end, 401) if times is None else output_times(times, begin, end)
    values = np.empty((sets.n, grid.size, len(observables)))
    plan = _Plan(sets, system, observables, begin, end, grid, solver, values)
    workers = threads or os.cpu_count() or 1
    size = max(1, min(_CHUNK, -(-sets.n // (3 * workers))))  # something to do for every thread, also with few sets
    chunks = [range(k, min(k + size, sets.n)) for k in range(0, sets.n, size)]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        done = 0
        for part in pool.map(plan.run, chunks):
            done += len(part)
            if progress:
                progress(done, sets.n)
    for array in (values, grid):
        array.flags.writeable = False
    return Ensemble(grid, observables, values, tuple(plan.messages), tuple(plan.notes), plan.attempts)


def _column(name: str, values: Sequence[float]) -> np.ndarray:
    try:
        column = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        column = np.zeros((0, 0))
    if column.ndim != 1:
        raise ModelError(f"the values of '{name}' are not a plain list of numbers; give one number per set")
    return column


def checked_columns(parameters: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """Return parameter sets as arrays of one length.

    Raises
    ------
    ModelError
        If they are none, are no lists of numbers, or differ in length.
    """
    columns = {name: _column(name, values) for name, values in parameters.items()}
    sizes = {column.size for column in columns.values()}
    if len(sizes) != 1 or sizes == {0}:
        lengths = ", ".join(f"{name} {column.size}" for name, column in columns.items())
        raise ModelError(f"the parameter sets differ in length or are empty: {lengths or 'none is given'}")
    return columns


def check_sets(model: Network, parameters: Mapping[str, Sequence[float]], regimen: Regimen, observables: Sequence[str]) -> None:
    """Raise `ModelError` if parameter sets or observables do not fit the model."""
    _request(model, parameters, regimen, observables)


def _request(model, parameters, regimen, observables) -> tuple[_Sets, ODESystem]:
    sets, system = _Sets(model, parameters, regimen), build_equations(model)
    for name in observables:
        system.observable(name)
    return sets, system


def _moment(text: str, model: Network) -> tuple[str, float]:
    """``'name@336'`` -> a constant or state and the time from which on it has the values."""
    name, _, time = text.partition("@")
    model.check_name(name)
    return name, parse_time(time, f"the time in '{text}'")


class _Sets:
    """Parameter sets, checked, and what is done to each."""

    def __init__(self, model: Network, parameters: Mapping[str, Sequence[float]], regimen: Regimen):
        self.model, self.regimen = model, regimen
        columns = checked_columns(parameters)
        self.n = len(next(iter(columns.values())))
        self.names = tuple(name for name in columns if "@" not in name)
        for name in self.names:
            model.check_name(name)
        self.values = np.column_stack([np.zeros((self.n, 0)), *(columns[name] for name in self.names)])
        self.later = [(*_moment(name, model), column) for name, column in columns.items() if "@" in name]
        typical = [Change(time, {name: model.parameters[name].value}) for name, time, _ in self.later]
        self.shared = replace(regimen, changes=(*regimen.changes, *typical)).actions(model)
        self.varies = bool(self.later) or any(name in _COVARIATES for name in self.names)

    def chosen(self, k: int) -> Network:
        """Return the model with set k."""
        return self.model.with_parameters(dict(zip(self.names, map(float, self.values[k]), strict=True)))

    def regimen_of(self, k: int) -> Regimen:
        """Return the regimen of run k, with the changes that are its own."""
        changes = tuple(Change(time, {name: float(column[k])}) for name, time, column in self.later)
        return replace(self.regimen, changes=self.regimen.changes + changes) if changes else self.regimen

    def actions(self, k: int) -> list[Action]:
        """Return what is done in run k."""
        return self.regimen_of(k).actions(self.chosen(k)) if self.varies else self.shared


class _Plan:
    """How the runs are made: in lanes where that is possible, otherwise and after a failure one by one."""

    def __init__(self, sets: _Sets, system: ODESystem, observables, begin, end, grid, solver, values):
        self.sets, self.system, self.observables = sets, system, observables
        self.begin, self.end, self.grid, self.solver, self.values = begin, end, grid, solver, values
        self.messages, self.notes = [""] * sets.n, [""] * sets.n
        self.attempts = np.zeros(sets.n, dtype=np.int64)
        self._local = threading.local()
        self.code: CompiledSystem | None = None
        plain = not system.triggers and 0.0 not in system.mass and not {STEADY, SWITCH} & {action.order for action in sets.shared}
        if observables and isinstance(solver, Rosenbrock) and plain:
            code = compile_system(system, (), observables)
            if code.has_lanes:
                code.improve()
                self.code, self.model = code, _lane_model(code)

    def run(self, chunk: range) -> range:
        """Make some runs."""
        left = chunk
        if self.code is not None:
            left = self._run_lanes(chunk)
        for k in left:
            self._run_alone(k)
        return chunk

    def _run_alone(self, k: int) -> None:
        self.values[k] = np.nan
        try:
            one = self._one(k)
        except AsnsimError as error:
            self.messages[k] = str(error)
            return
        self.attempts[k] = one.stats["steps"] + one.stats["rejected"] + one.stats["newton_failures"]
        self.values[k] = self._outputs(one)
        self.notes[k] = self._note(k, turns_of(one))

    def _outputs(self, one: Trajectory) -> np.ndarray:
        """What was asked for of a run, (n_t, n_obs)."""
        rows = np.searchsorted(one.t, self.grid, side="right") - 1
        return np.stack([one[name][rows] for name in self.observables], axis=-1) if self.observables else np.empty((rows.size, 0))

    def _one(self, k: int, share: float = 1.0) -> Trajectory:
        """One run, at a share of the tolerance."""
        chosen, times = self.sets.chosen(k), self.grid if self.grid.size else [self.end]
        solver = replace(self.solver, rtol=share * self.solver.rtol)
        try:
            return simulate(chosen, self.sets.regimen_of(k), until=self.end, times=times, solver=solver)
        except IntegrationError:
            if isinstance(self.solver, NDF):
                raise
        other = NDF(rtol=_TIGHTER * solver.rtol, atol=solver.atol, max_steps=solver.max_steps)
        return simulate(chosen, self.sets.regimen_of(k), until=self.end, times=times, solver=other)

    def _note(self, k: int, turns: int) -> str:
        """Why run k may depend on the tolerance; one that turns some times is made again at a tenth of it."""
        found = self.values[k]
        if not SOME_TURNS <= turns < MANY_TURNS or not found.size:
            return note_of_turns(turns)
        try:
            tight = self._outputs(self._one(k, 0.1))
        except AsnsimError:
            return f"turns {turns} times and fails at a tenth of rtol"
        size = np.abs(tight) + 1e-3 * np.abs(tight).max(axis=0)
        apart = float(np.max(np.abs(found - tight) / np.where(size > 0, size, 1.0)))
        if apart <= _PARTS * self.solver.rtol:
            return ""
        return f"turns {turns} times, and a tenth of rtol moves it by {apart:.1g} of its size; a tighter rtol is needed"

    def _run_lanes(self, chunk: range) -> list[int]:
        """Run a chunk side by side; return those that must be done one by one."""
        sound = np.flatnonzero(self._sound(chunk)) + chunk.start
        left = sorted(set(chunk) - set(sound.tolist()))
        if not sound.size:
            return left
        if not hasattr(self._local, "lanes"):
            self._local.lanes = lanes.Lanes(type(self.solver), self.model)
        out = self.values[chunk.start : chunk.start + len(sound)]
        arrays = _arrays(self, sound, out)
        self._local.lanes.run(lanes.make_jobs(**arrays), 0, len(sound))
        good = arrays["status"] == 0
        if left:
            self.values[sound] = out.copy()
        self.attempts[sound] = arrays["attempts"]
        for k, turns in zip(sound[good], arrays["turns"][good], strict=True):
            self.notes[k] = self._note(k, int(turns))
        return sorted([*left, *sound[~good].tolist()])

    def _sound(self, chunk: range) -> np.ndarray:
        """Which sets can start at all: finite, not negative where they have a unit, all volumes positive."""
        sets, system = self.sets, self.system
        rows = sets.values[chunk.start : chunk.stop]
        signed = np.array([any(sets.model.parameters[name].dimension) for name in sets.names])
        good = np.isfinite(rows).all(axis=1) & ~(rows[:, signed] < 0).any(axis=1)
        for _, _, column in sets.later:
            good &= np.isfinite(column[chunk.start : chunk.stop])
        x, c = (np.repeat(part[:, None], len(rows), axis=1) for part in system.arrays(sets.model))
        for name, column in zip(sets.names, rows.T, strict=True):
            target, names = (x, system.states) if name in system.states else (c, system.constants)
            target[names.index(name)] = column
        for size in system.graph.evaluate(list(volumes_of(system).values()), self.begin, x, c):
            good &= np.broadcast_to(size, good.shape) > 0
        return good


def _lane_model(code: CompiledSystem) -> lanes.Model:
    """Sizes and kernels as lanes take them."""
    suffix = ("rhs", "jac", "lu_factor", "lu_solve")
    return lanes.Model(
        n=code.system.n,
        n_entries=len(code.pattern),
        lu_size=code.lu.size,
        n_base=code.system.n + len(code.system.constants),
        n_full=code.flow_slots.stop,
        pattern=code.pattern.ctypes.data,
        **{f"{name}_lanes": code.address(f"{name}_lanes") for name in suffix},
        **{name: code.address(name) for name in ("rhs", "volumes", "prepare_constants", "selected")},
    )


def _arrays(plan: _Plan, chosen: np.ndarray, out: np.ndarray) -> dict[str, object]:
    """What `asnsim.solvers.lanes.Jobs` holds, for some sets; their outputs go to out (n_chosen, n_t, n_obs)."""
    sets, system = plan.sets, plan.system
    x0, base = system.arrays(sets.model)
    n_c = len(system.constants)
    places = [-1 - system.states.index(name) if name in system.states else system.constants.index(name) for name in sets.names]
    schedules = [sets.actions(k) for k in chosen.tolist()] if sets.varies else [sets.shared]
    rows: list[tuple[float, int, int, float]] = []
    bounds = []
    for schedule in schedules:
        start = len(rows)
        rows += [_coded(action, system, n_c) for action in schedule if action.time <= plan.end]
        bounds.append((start, len(rows)))
    first, last = np.array(bounds if sets.varies else bounds * len(chosen), dtype=np.int64).reshape(-1, 2).T.copy()
    time, kind, place, value = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 4
    needed = sorted(
        {system.graph.nodes[i][1] for i in system.graph.reachable([system.observable(o) for o in plan.observables])
         if system.graph.nodes[i][0] == "x"}
    )  # fmt: skip
    return {
        "begin": plan.begin, "end": plan.end, "rtol": plan.solver.rtol, "max_steps": plan.solver.max_steps,
        "base": base, "x0": x0, "floors": floors_of(system), "values": sets.values[chosen], "places": np.array(places, np.int64),
        "times": plan.grid, "needed": np.array(needed, dtype=np.int64), "first": first, "last": last,
        "action_time": time.astype(float), "action_kind": kind.astype(np.int64), "action_place": place.astype(np.int64),
        "action_value": value.astype(float), "out": out,
        "status": np.full(len(chosen), -1, dtype=np.int64), "reached": np.zeros(len(chosen)),
        **{name: np.zeros(len(chosen), dtype=np.int64) for name in ("attempts", "turns")},
    }  # fmt: skip


def _coded(action: Action, system: ODESystem, n_c: int) -> tuple[float, int, int, float]:
    """An action as lanes know it: time, kind, place, value."""
    if action.order == SET and action.name in system.constants:
        return action.time, lanes.SET_CONSTANT, system.constants.index(action.name), action.value
    i = system.states.index(action.name)
    if action.order == SET:
        return action.time, lanes.SET_STATE, i, action.value
    if action.order == BOLUS:
        return action.time, lanes.BOLUS, i, action.value
    return action.time, lanes.FLOW, n_c + i, action.value

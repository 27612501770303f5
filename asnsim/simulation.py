"""simulate(): doses, changes of condition and events x smooth segments x sensitivities -> Trajectory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from asnsim.checks import derived_dimensions
from asnsim.delivery import END, STEADY, Action, Steady
from asnsim.dosing import Regimen
from asnsim.equations import ODESystem, build_equations
from asnsim.errors import IntegrationError, ModelError
from asnsim.eventing import Events
from asnsim.network import Network
from asnsim.periodic import accumulators, periodic_state
from asnsim.running import Run
from asnsim.solvers import NDF, ROOT
from asnsim.solvers.rosenbrock import Rosenbrock
from asnsim.trajectory import Trajectory
from asnsim.units import parse_time, unit

__all__ = ["advance", "output_times", "simulate", "span_of", "volumes_of"]

_VERSION = importlib.metadata.version("asnsim")  # read once: it parses a file
_TIGHTER = 0.1  # rtol of a search for a steady state over that of the run
_ROUNDING = 1e-13  # of a time
_MOST_STOPS = 100_000  # changes of conditions in one run; more is chattering


def simulate(
    model: Network,
    regimen: Regimen | None = None,
    until: float | str = 48.0,
    *,
    start: float | str | None = None,
    times: Sequence[float] | None = None,
    theta: Sequence[str] = (),
    solver: NDF | Rosenbrock | None = None,
) -> Trajectory:
    """Simulate a model.

    Parameters
    ----------
    model : Network
        What to simulate; its parameters are the constants and initial values.
    regimen : Regimen, optional
        Doses and changes of condition.
    until : float or str
        End, h or text such as ``'42 d'``.
    start : float or str, optional
        Beginning; by default 0, or the first action if that is earlier.
    times : sequence of float, optional
        Output times, h; by default 401 evenly spaced ones. They never influence the steps of the solver.
    theta : sequence of str
        Constants, initial values and parameters of doses (``'dose1.amt'``, ``'dose1.time'``, ``'dose1.alag'`` ...) for forward
        sensitivities.
    solver : NDF, Rodas4 or Rodas5P, optional
        Method and tolerances; ``NDF(rtol=1e-6)`` by default, the only one with sensitivities.

    Returns
    -------
    Trajectory

    Notes
    -----
    What happens at a known time belongs into the regimen, where steps land on it. Steps also land where a comparison that is
    linear in time, and holds no state, switches a rate; any other pulse that is written into a rate as a function of time can be
    shorter than a step and go unseen.

    Raises
    ------
    IntegrationError
        If the solver cannot reach the end; carries time and state.
    DoseError, ModelError, UnitError
        If the request does not fit the model.
    """
    solver = checked_solver(solver or NDF())
    regimen = regimen or Regimen()
    theta = (theta,) if isinstance(theta, str) else tuple(theta)
    actions = regimen.actions(model)
    sizes = np.array([regimen.parameter(name, model) if "." in name else model.value(name) for name in theta])
    begin, end = span_of(actions, until, start)
    grid = output_times(times, begin, end)
    if theta and isinstance(solver, Rosenbrock):
        raise ModelError(f"{type(solver).__name__} has no sensitivities; use NDF for theta={theta[:3]}")
    run = Run(model, build_equations(model), theta, sizes, solver, actions)
    try:
        blocks = _follow(run, [a for a in actions if a.time <= end], begin, end, grid)
    finally:
        run.release()
    return _trajectory(run, blocks)


def span_of(actions: list[Action], until: float | str, start: float | str | None) -> tuple[float, float]:
    """Beginning and end, h, and whether the actions fit between."""
    end = parse_time(until, "the end")
    begin = parse_time(start, "the start") if start is not None else min([0.0, *(a.time for a in actions)])
    if not np.isfinite([begin, end]).all():
        raise ModelError(f"a simulation from {begin:g} to {end:g} h is not possible; give finite times")
    if not end >= begin:
        raise ModelError(f"the simulation would end at {end:g} h, before it starts at {begin:g} h; give a later end")
    late = [a for a in actions if a.time > end and a.order != END]
    if late:
        raise ModelError(
            f"'{late[0].name}' is dosed or changed at {late[0].time:g} h, after the end at {end:g} h; "
            "simulate longer or leave it out"
        )
    early = [a for a in actions if a.time < begin]
    if early:
        raise ModelError(f"'{early[0].name}' is dosed or changed at {early[0].time:g} h, before the start at {begin:g} h")
    return begin, end


def checked_solver(solver: NDF | Rosenbrock) -> NDF | Rosenbrock:
    """Return the solver, or say what one is."""
    if not isinstance(solver, (NDF, Rosenbrock)):
        raise ModelError(f"the solver is {solver!r}; give one such as NDF(rtol=1e-6) or Rodas5P()")
    return solver


def output_times(times: Sequence[float] | None, begin: float, end: float) -> np.ndarray:
    """Return sorted output times, h, each once; 401 evenly spaced ones by default.

    Raises
    ------
    ModelError
        If one is not finite or lies outside the simulated time.
    """
    grid = np.linspace(begin, end, 401) if times is None else _hours(times)
    if not np.all(grid[1:] > grid[:-1]):
        grid = np.unique(grid)
    if not np.all(np.isfinite(grid)):
        raise ModelError("an output time is not a finite number; give hours")
    if grid.size and (grid[0] < begin or grid[-1] > end):
        raise ModelError(f"output times go from {grid[0]:g} to {grid[-1]:g} h, outside the simulated {begin:g} to {end:g} h")
    return grid


def _hours(times: Sequence[float | str]) -> np.ndarray:
    """Output times as an array; numbers pass at once, texts are parsed one by one."""
    if isinstance(times, np.ndarray) and times.dtype.kind in "fi":
        return times.astype(float).ravel()
    some = [times] if isinstance(times, (str, int, float)) else times
    return np.array([parse_time(t, "an output time") for t in some], dtype=float)


@dataclass(slots=True)
class _Record:
    """What a run leaves behind, block by block: times, states, sensitivities, constants and live parameters."""

    run: Run
    blocks: list[tuple] = field(default_factory=list)

    def add(self, t: np.ndarray, x: np.ndarray, s: np.ndarray | None) -> None:
        self.blocks.append((t, x, s, self.run.c.copy(), self.run.live.copy()))

    def add_present(self, t: float) -> None:
        """Add the state as it stands."""
        self.add(np.array([t]), self.run.x[None].copy(), self.run.s[None].copy() if self.run.theta else None)


def _follow(run: Run, actions: list[Action], begin: float, end: float, grid: np.ndarray) -> list[tuple]:
    """Integrate from action to action and event to event; at each the time stands twice, before and after."""
    record, events, stops = _Record(run), Events(run), 0
    run.settle(begin)
    record.add_present(begin)
    changed, place = _act(run, events, actions, 0, begin)
    if changed and end == begin:
        record.add_present(begin)
    if not changed and end > begin:
        record.blocks.clear()
    _check_volumes(run, begin)
    t = begin
    while t < end:
        goal = min(actions[place].time if place < len(actions) else end, events.next_time(), end)
        t, roots = _onward(run, record, events, t, goal, grid)
        stops += len(roots) > 0
        if stops > _MOST_STOPS:
            raise run.failure(f"conditions of events changed {stops} times by t = {t:g} h; do two events undo each other?", t)
        changed, place = _act(run, events, actions, place, t, roots)
        if t >= end and changed:
            record.add_present(t)
    return record.blocks


def advance(run: Run, events: Events, begin: float, end: float, grid: np.ndarray, last: bool = True) -> list[tuple]:
    """Integrate a run from one time to another, letting events happen.

    Parameters
    ----------
    run : Run
        Moves to `end`.
    events : Events
        Of this run; carries on from what it knows.
    begin, end : float
    grid : ndarray
        Output times, sorted.
    last : bool
        Whether what happens at `end` itself is done; if not, it waits for `Events.fire`, after what else is due then.

    Returns
    -------
    list of (t, x, s, ...)
        Stretch by stretch: times (m,), states (m, n), sensitivities (m, n, n_theta) or None; where something happens, the time
        stands in two stretches, before and after.
    """
    record, t, stops = _Record(run), begin, 0
    while t < end:
        t, roots = _onward(run, record, events, t, min(events.next_time(), end), grid)
        stops += len(roots) > 0
        if stops > _MOST_STOPS:
            raise run.failure(f"conditions of events changed {stops} times by t = {t:g}; do two events undo each other?", t)
        if not last and t >= end - _ROUNDING * max(abs(end), 1.0):
            break
        changed, _ = _act(run, events, [], 0, t, roots)
        if t >= end and changed:
            record.add_present(t)
    return record.blocks


def _onward(run: Run, record: _Record, events: Events, t: float, goal: float, grid: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Integrate one smooth stretch, at most up to where time switches a rate; no step reaches across that."""
    switch = events.next_switch(t)
    if switch is None or switch.at > goal:
        return _stretch(run, record, t, goal, grid)
    if switch.before > t:
        reached, roots = _stretch(run, record, t, switch.before, grid)
        if roots:
            return reached, roots
    events.cross(switch)
    if switch.at >= goal:
        record.add_present(switch.at)
    return switch.at, ()


def _stretch(run: Run, record: _Record, t0: float, goal: float, grid: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Integrate one smooth stretch and record it; return where it ended and which conditions changed there.

    A condition is left just past its change, which may be an ulp past an output time; rows carry the time that is meant.
    """
    low, high = np.searchsorted(grid, t0, side="right"), np.searchsorted(grid, goal, side="left")
    segment = run.integrate(t0, goal, np.concatenate([[t0], grid[low:high], [goal]]))
    t, x, s = segment.t, segment.x, segment.s
    if segment.status == ROOT:
        kept = t < segment.t_reached
        t, x = np.append(t[kept], segment.t_reached), np.vstack([x[kept], run.x])
        s = np.concatenate([s[kept], run.s[None]]) if run.theta else None
        t[-1] = _on_grid(segment.t_reached, grid)
    t[0] = _on_grid(t0, grid)
    record.add(t, x, s)
    return segment.t_reached, segment.roots


def _on_grid(t: float, grid: np.ndarray) -> float:
    """The output time that a time found by bisection means, where rounding alone lies between them."""
    place = np.searchsorted(grid, t)
    for near in grid[max(place - 1, 0) : place + 1]:
        if abs(near - t) <= _ROUNDING * max(abs(t), 1.0):
            return float(near)
    return t


def _act(run: Run, events: Events, actions: list[Action], place: int, t: float, roots: tuple[int, ...] = ()) -> tuple[bool, int]:
    """Carry out what is due at `t`: what conditions fired, doses and changes, and what those fire in turn."""
    if roots and run.theta:
        events.cross_found(t, roots)
    changed = events.fire(t, events.crossing(t, roots)) if events.triggers else False
    while place < len(actions) and actions[place].time <= t:
        if actions[place].order == STEADY:
            _repeat(run, actions[place].steady, t)
        else:
            run.apply(actions[place], t)
        run.settle(t)
        if events.triggers:
            events.fire(t, run.slopes(actions[place])[0])
        place, changed = place + 1, True
    return changed, place


def _repeat(run: Run, steady: Steady, t: float) -> None:
    """Set, or add, the state that a train of doses leads to; see `asnsim.delivery.Steady`."""
    system = run.system
    _check_repeatable(system, steady)
    free = np.flatnonzero(~accumulators(system.n, system.jacobian()) & (np.array(system.mass) > 0))
    x, s = _repeated(run, steady, steady.cycle, free)
    if steady.adds:
        without = _repeated(run, steady, (), free)
        run.x[free] += x - without[0]
        run.s[free] += s - without[1]
    else:
        run.x[free], run.s[free] = x, s


def _check_repeatable(system: ODESystem, steady: Steady) -> None:
    model = system.network.name
    if system.time_derivatives():
        raise ModelError(f"'{steady.label}' asks for a steady state, but the rates of model '{model}' depend on time itself")
    graph = system.graph
    varying = {graph.nodes[i][0] for i in graph.reachable(list(system.jacobian().values()))} & {"x", "t"}
    if steady.adds and varying:
        raise ModelError(
            f"'{steady.label}' has ss 2, which adds steady states; that holds for linear models only and model '{model}' is not "
            "linear; use ss 1, with every dose of the train in it"
        )


def _repeated(run: Run, steady: Steady, cycle: tuple[Action, ...], free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the free states where the record lies in its period, shape (n_free,), and their sensitivities (n_free, n_theta)."""
    system, n = run.system, len(free)
    names = tuple(system.states[i] for i in free)
    others = [k for k, name in enumerate(run.theta) if name not in system.states]
    x0 = run.x.copy()
    if not steady.from_present:
        x0[free] = system.arrays(run.model)[0][free]
    theta = names + tuple(run.theta[k] for k in others)
    sizes = np.append(np.maximum(np.abs(x0[free]), run.atol[free] / run.solver.rtol), run.sizes[others])
    one = Run(run.model, system, theta, sizes, NDF(rtol=max(_TIGHTER * run.solver.rtol, 1e-12)), cycle)
    one.live[n:] = run.live[others]
    quiet = run.c.copy()
    flows = quiet[len(system.constants) :]
    flows[~np.isnan(flows)] = 0.0

    def follow(x: np.ndarray, end: float = steady.period) -> tuple[np.ndarray, np.ndarray]:
        one.restart(x, quiet)
        one.s = np.zeros((system.n, len(theta)))
        one.s[free, np.arange(n)] = 1.0
        _follow(one, list(cycle), 0.0, end, np.zeros(0))
        return one.x, one.s[:, :n]

    signed = np.array([name not in run.model.species and name not in run.model.compartments for name in system.states])
    try:
        x, M = periodic_state(follow, x0, free, run.atol, run.solver.rtol, signed, lambda words: run.failure(words, 0.0))
        s = np.zeros((n, len(run.theta)))
        if others:
            follow(x)
            s[:, others] = np.linalg.solve(np.eye(n) - M, one.s[free, n:])
        if steady.phase < steady.period:
            x, M = follow(x, steady.phase)
            s[:, others] = M[free] @ s[:, others] + one.s[free, n:]
    except (IntegrationError, ModelError) as error:
        words = f"no steady state of '{steady.label}' was found ({error}); do cells grow or die? then there is none"
        raise run.failure(words, 0.0) from None
    finally:
        one.release()
    return x[free], s


def volumes_of(system: ODESystem) -> dict[str, int]:
    """Nodes that are volumes: sizes of compartments, and rules in litres."""
    if "sizes" not in system.cache:
        model, litre = system.network, unit("L").dimension
        rules = [name for name, dimension in derived_dimensions(model).items() if dimension == litre and name in model.rules]
        system.cache["sizes"] = {name: system.observable(name) for name in dict.fromkeys((*model.compartments, *rules))}
    return system.cache["sizes"]


def _check_volumes(run: Run, t: float) -> None:
    """Refuse volumes that are not positive, and concentrations that are negative."""
    model, states = run.model, run.system.states
    for i in np.flatnonzero(run.x < 0):
        if states[i] in model.species:
            raise ModelError(f"'{states[i]}' of model '{model.name}' starts at {run.x[i]:g}; it cannot be negative")
    nodes = volumes_of(run.system)
    sizes = run.system.graph.evaluate(list(nodes.values()), t, run.x, run.c)
    for name, size in zip(nodes, sizes, strict=True):
        if not size > 0:
            raise ModelError(f"the volume '{name}' of model '{model.name}' is {float(size):g} L; it must be positive")


def _trajectory(run: Run, blocks: list[tuple]) -> Trajectory:
    segment = np.repeat(np.arange(len(blocks)), [len(block[0]) for block in blocks])
    manifest = {
        "asnsim": _VERSION,
        "model": run.model.name,
        "structure": run.model.structure,
        "solver": type(run.solver).__name__,
        "rtol": run.solver.rtol,
    }

    def advance(x, c, t0, t1):
        one = run.without_events()
        one.restart(x, c)
        one.integrate(t0, t1, np.array([t1]))
        one.release()
        return one.x

    return Trajectory(
        run.model,
        np.concatenate([b[0] for b in blocks]),
        np.concatenate([b[1] for b in blocks]),
        np.concatenate([b[2] for b in blocks]) if run.theta else None,
        np.array([b[3] for b in blocks]),
        segment,
        run.theta,
        np.array([b[4] for b in blocks]),
        MappingProxyType(dict(run.stats)),
        MappingProxyType(manifest),
        run.system,
        advance,
    )

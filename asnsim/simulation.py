"""simulate(): doses and changes of condition x smooth segments x sensitivities -> Trajectory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from asnsim.checks import derived_dimensions
from asnsim.codegen import CompiledSystem, compile_system
from asnsim.derivatives import derivatives
from asnsim.dosing import BOLUS, END, SET, START, Action, Regimen
from asnsim.equations import ODESystem, build_equations
from asnsim.errors import IntegrationError, ModelError, suggest
from asnsim.network import Network
from asnsim.solvers import NDF, SUCCESS, Kernels, integrate
from asnsim.trajectory import Trajectory
from asnsim.units import parse_time, unit

_VERSION = importlib.metadata.version("asnsim")  # read once: it parses a file

__all__ = ["absolute_tolerances", "precondition", "preculture", "simulate"]

#: Typical small values by dimension: below this a quantity counts as gone. Times rtol they are the absolute tolerances.
_FLOORS = {unit("umol/L").dimension: 1e-3, unit("U/L").dimension: 1e-2, unit("U").dimension: 1e-2, unit("1").dimension: 1e-4}


def absolute_tolerances(model: Network, rtol: float) -> np.ndarray:
    """Return one absolute tolerance per state, shape (n_x,).

    rtol times what counts as nothing in the state's unit; for a compartment, which may shrink a billionfold as its cells
    die, rtol times a billionth of its first size.
    """
    return rtol * np.array(
        [
            _FLOORS.get(model.parameters[name].dimension, 1e-9 * abs(model.parameters[name].value) or 1e-15)
            for name in model.states
        ]
    )


def kernels_of(code: CompiledSystem) -> Kernels:
    """Gather what the solvers take from a compiled system; the caller keeps the system alive."""
    code.called()
    names = ("rhs", "jac", "dfdp", "dfdt", "roots", "lu_factor", "lu_solve")
    return Kernels(
        n=code.system.n,
        n_theta=len(code.theta),
        **{name: code.address(name) for name in names},
        **code.structure(),
    )


class _Run:
    """State of one simulation while its segments are integrated."""

    def __init__(self, model: Network, system: ODESystem, theta: Sequence[str], solver: NDF):
        self.model, self.system, self.solver, self.theta = model, system, solver, tuple(theta)
        self.live = np.ones(len(self.theta), dtype=bool)
        self._compile()
        self.x, self.c = system.arrays(model)
        self.s = np.zeros((system.n, len(self.theta)))
        for k, name in enumerate(self.theta):
            if name in system.states:
                self.s[system.states.index(name), k] = 1.0
        self.atol = absolute_tolerances(model, solver.rtol)
        self.p_scale = np.array([abs(model.parameters[name].value) or 1.0 for name in self.theta])
        self.stats: dict[str, int] = {}

    def _compile(self) -> None:
        """Take the kernels; a parameter that a change of condition has replaced keeps an empty column in df/dtheta."""
        self.code = compile_system(self.system, tuple(n if alive else "" for n, alive in zip(self.theta, self.live, strict=True)))
        self.kernels = kernels_of(self.code)

    def advance(self, t0: float, t1: float, t_out: np.ndarray):
        """Integrate one segment and move to its end."""
        segment = integrate(
            self.solver,
            self.kernels,
            t0,
            t1,
            self.x,
            self.code.prepare(self.c),
            t_out,
            self.atol,
            self.s if self.theta else None,
            self.p_scale,
        )
        for name, count in segment.stats.items():
            self.stats[name] = self.stats.get(name, 0) + count
        if segment.status != SUCCESS:
            state = dict(zip(self.system.states, map(float, segment.x_end), strict=True))
            raise IntegrationError(f"model '{self.model.name}': {segment.message}", segment.t_reached, state)
        self.x = segment.x_end.copy()
        if self.theta:
            self.s = segment.s_end.copy()
        return segment

    def apply(self, action: Action, t: float) -> None:
        """Carry out one action on state, constants and sensitivities."""
        system = self.system
        if action.order == SET and action.name in system.constants:
            self.c[system.constants.index(action.name)] = action.value
            if action.name in self.theta:
                self.live[self.theta.index(action.name)] = False
                self._compile()
            return
        i = system.states.index(action.name)
        if action.order == SET:
            self.x[i] = action.value
            self.s[i] = 0.0
        elif action.order == BOLUS:
            self._bolus(i, action, t)
        else:
            slot = len(system.constants) + i
            self.c[slot] += action.value
            if action.order == END and abs(self.c[slot]) < 1e-9 * abs(action.value):
                self.c[slot] = 0.0

    def _bolus(self, i: int, action: Action, t: float) -> None:
        """x_i jumps by amount/V; differentiating that jump gives the jump of s.

        Hiskens & Pai 2000, IEEE Trans. Circuits Syst. I 47(2), 204-220.
        """
        system = self.system
        if action.scaled_by in self.theta:  # an amount per m^2 or kg grows with the covariate
            k = self.theta.index(action.scaled_by)
            own = 0.0 if not self.live[k] else action.value / self.model.value(action.scaled_by)
        else:
            k, own = 0, 0.0
        if action.name in self.model.rates:
            self.x[i] += action.value
            if own:
                self.s[i, k] += own
            return
        name = system.volumes[action.name]
        node = system.observable(name)
        volume = float(system.graph.evaluate([node], t, self.x, self.c)[0])
        self.x[i] += action.value / volume
        if own:
            self.s[i, k] += own / volume
        for k, parameter in enumerate(self.theta):
            slope = 0.0
            for (_, kind, j), partial in derivatives(system.graph, [node]).items():
                local = float(system.graph.evaluate([partial], t, self.x, self.c)[0])
                if kind == "x":
                    slope += local * self.s[j, k]
                elif j < len(system.constants) and system.constants[j] == parameter and self.live[k]:
                    slope += local
            self.s[i, k] -= action.value / volume**2 * slope


def simulate(
    model: Network,
    regimen: Regimen | None = None,
    until: float | str = 48.0,
    *,
    start: float | str | None = None,
    times: Sequence[float] | None = None,
    theta: Sequence[str] = (),
    solver: NDF | None = None,
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
        Constants or initial values for forward sensitivities.
    solver : NDF, optional
        Method and tolerances; ``NDF(rtol=1e-6)`` by default.

    Returns
    -------
    Trajectory

    Notes
    -----
    What happens at a known time belongs into the regimen, where steps land on it; a pulse written into a rate as a function of
    time can be shorter than a step and go unseen.

    Raises
    ------
    IntegrationError
        If the solver cannot reach the end; carries time and state.
    DoseError, ModelError, UnitError
        If the request does not fit the model.
    """
    solver = solver or NDF()
    regimen = regimen or Regimen()
    theta = (theta,) if isinstance(theta, str) else tuple(theta)
    actions = regimen.actions(model)
    for name in theta:
        model.check_name(name)
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
    for action in actions:
        if action.scaled_by in theta and action.order == START:
            raise ModelError(
                f"sensitivities to '{action.scaled_by}' are not available while it scales an infusion into '{action.name}'; "
                "give the amount without 'per' or as a bolus"
            )
    grid = np.linspace(begin, end, 401) if times is None else np.unique(_hours(times))
    if not np.all(np.isfinite(grid)):
        raise ModelError("an output time is not a finite number; give hours")
    if grid.size and (grid[0] < begin or grid[-1] > end):
        raise ModelError(f"output times go from {grid[0]:g} to {grid[-1]:g} h, outside the simulated {begin:g} to {end:g} h")
    system = build_equations(model)
    run = _Run(model, system, theta, solver)
    rows = _segments(run, [a for a in actions if a.time <= end], begin, end, grid)
    return _trajectory(run, rows)


def _hours(times: Sequence[float | str]) -> np.ndarray:
    """Output times as an array; numbers pass at once, texts are parsed one by one."""
    if isinstance(times, np.ndarray) and times.dtype.kind in "fi":
        return times.astype(float)
    return np.array([parse_time(t, "an output time") for t in times], dtype=float)


def _segments(run: _Run, actions: list[Action], begin: float, end: float, grid: np.ndarray) -> list[tuple]:
    """Integrate from action to action; each row block is (t, x, s, constants)."""
    breaks = sorted({begin, end, *(a.time for a in actions)})
    blocks = []
    first = [a for a in actions if a.time == begin]
    if first:
        blocks.append(
            (np.array([begin]), run.x[None].copy(), run.s[None].copy() if run.theta else None, run.c.copy(), run.live.copy())
        )
    for action in first:
        run.apply(action, begin)
    _check_volumes(run, begin)
    for t0, t1 in zip(breaks[:-1] or [begin], breaks[1:] or [begin], strict=True):
        inside = grid[(grid > t0) & (grid < t1)]
        t_out = np.unique(np.concatenate([[t0], inside, [t1]]))
        segment = run.advance(t0, t1, t_out)
        blocks.append((segment.t, segment.x, segment.s, run.c.copy(), run.live.copy()))
        due = [a for a in actions if a.time == t1 > begin]
        for action in due:
            run.apply(action, t1)
        if t1 == end and due:
            blocks.append(
                (np.array([t1]), run.x[None].copy(), run.s[None].copy() if run.theta else None, run.c.copy(), run.live.copy())
            )
    return blocks


#: L; cells that double in 20 h for 50 days still do not change it.
_OCEAN = 1e12


def _check_volumes(run: _Run, t: float) -> None:
    """Refuse volumes that are not positive, and concentrations that are negative."""
    model, litre = run.model, unit("L").dimension
    for name in model.species:
        if name in run.system.states and run.x[run.system.states.index(name)] < 0:
            raise ModelError(
                f"'{name}' of model '{model.name}' starts at {run.x[run.system.states.index(name)]:g}; it cannot be negative"
            )
    volumes = [name for name, dimension in derived_dimensions(model).items() if dimension == litre and name in model.rules]
    for name in dict.fromkeys((*model.compartments, *volumes)):
        size = float(run.system.graph.evaluate([run.system.observable(name)], t, run.x, run.c)[0])
        if not size > 0:
            raise ModelError(f"the volume '{name}' of model '{model.name}' is {size:g} L; it must be positive")


def _trajectory(run: _Run, blocks: list[tuple]) -> Trajectory:
    segment = np.concatenate([np.full(t.size, k) for k, (t, *_) in enumerate(blocks)])
    manifest = {
        "asnsim": _VERSION,
        "model": run.model.name,
        "structure": run.model.structure,
        "rtol": run.solver.rtol,
    }

    def advance(x, c, t0, t1):
        one = _Run(run.model, run.system, (), run.solver)
        one.x, one.c = np.array(x), np.array(c)
        one.advance(t0, t1, np.array([t1]))
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


def preculture(model: Network, hours: float | str = 400.0, medium: Mapping[str, float] | None = None) -> Regimen:
    """Return the changes that let cells live in a clamped medium before time 0 and then meet the model's own.

    Before 0 the medium is so large that cells cannot change it; at 0 volume, medium and seeding become the model's.
    Starting from fed cells matters: pools differ 2-10 fold with their history.

    Parameters
    ----------
    model : Network
        A model with a compartment `medium` and a state `cytosol`.
    hours : float or str
        How long.
    medium : mapping of str to float, optional
        Concentrations outside during the preculture where they differ from the model's initial values, umol/L.

    Raises
    ------
    ModelError
        If the model has no medium or cytosol, or `medium` names something else.
    """
    for name in ("medium", "cytosol"):
        model.check_name(name)
    outside = [name for name in model.states if name in model.species and model.species[name].compartment == "medium"]
    for name in medium or {}:
        if name not in outside:
            raise ModelError(f"'{name}' is not dissolved in the medium of model '{model.name}'{suggest(name, outside)}")
    length = parse_time(hours)
    if not 0 < length < np.inf:
        raise ModelError(f"a preculture of {hours} is not possible; give a positive time, such as '400 h'")
    fresh = {name: model.value(name) for name in (*outside, "cytosol", "medium")}
    # no drug (a species without atoms) and no waste before time 0: cells arrive fed
    absent = {name for name in outside if not (model.species[name].carbon or model.species[name].nitrogen)} | {
        "nh3_e",
        "protein_e",
    }
    clamped = {name: 0.0 if name in absent else value for name, value in fresh.items()}
    clamped |= {"medium": _OCEAN, **(medium or {})}
    return Regimen().change(-length, clamped).change(0.0, fresh)


def precondition(model: Network, hours: float | str = 400.0, medium: Mapping[str, float] | None = None) -> Network:
    """Return the model with the initial state that cells reach in a clamped medium; see `preculture`."""
    length = parse_time(hours)
    run = simulate(model, preculture(model, length, medium), until=0.0, times=[-length, 0.0])
    return model.with_parameters(run.end_state())

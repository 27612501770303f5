"""Experiments of a PEtab problem through the engine, with sensitivities by the parameters.

Formulas of observables and conditions are nodes of one graph over parameters, constants, states and time, so that their
derivatives are as exact as the kernels'. A parameter that is a constant of the model under its own name shares one column of
sensitivities with it; a constant that is a formula of parameters has a column of its own, which the chain rule folds into those
of the parameters whenever the formula changes and at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy

from asnsim.derivatives import derivatives
from asnsim.equations import build_equations
from asnsim.errors import IntegrationError, ModelError
from asnsim.eventing import Events
from asnsim.expressions import Graph
from asnsim.io.sbml_reader import ordered
from asnsim.network import TIME, symbol
from asnsim.petab.problem import Experiment, PetabProblem, leaf
from asnsim.running import Run
from asnsim.simulation import advance
from asnsim.solvers import NDF

__all__ = ["Course", "Simulator"]

_FLOOR, _SMALL = 1e-8, 1e-8  # what counts as nothing: in itself, where no size is known; and beside a state's largest value
_DECADES = 16  # of time, within which an equilibrium must be reached
_FIRST_LOOK = 6  # decades before it is believed
_STILL = 1e-7  # relative change over a decade


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """An experiment at its measured times.

    Parameters
    ----------
    t : ndarray, shape (m,)
    x : ndarray, shape (n_x, m)
    c : ndarray, shape (n_c, m)
    dx : ndarray, shape (n_x, m, n_p), or None
        Derivatives by the estimated parameters, on linear scale.
    dc : ndarray, shape (n_c, m, n_p), or None
    """

    t: np.ndarray
    x: np.ndarray
    c: np.ndarray
    dx: np.ndarray | None
    dc: np.ndarray | None


class _Formulas:
    """Nodes evaluated together with their derivatives."""

    def __init__(self, graph: Graph, nodes: list[int]):
        self.graph, self.nodes = graph, nodes
        self.slopes = derivatives(graph, nodes)

    def values(self, t, z, x) -> np.ndarray:
        shape = np.shape(t)
        return np.array([np.broadcast_to(v, shape) for v in self.graph.evaluate(self.nodes, t, x, z)]).reshape(-1, *shape)

    def total(self, t, z, x, dz, dx) -> np.ndarray:
        """Derivatives (n, ..., n_p) where inputs move by dz (n_z, ..., n_p) and states by dx (n_x, ..., n_p)."""
        result = np.zeros((len(self.nodes), *dz.shape[1:]))
        numbers = self.graph.evaluate(list(self.slopes.values()), t, x, z)
        for (row, kind, j), number in zip(self.slopes, numbers, strict=True):
            if kind in ("c", "x"):
                result[row] += np.asarray(number)[..., None] * (dz if kind == "c" else dx)[j]
        return result


class Simulator:
    """Runs the experiments of a problem.

    Parameters
    ----------
    problem : PetabProblem
    solver : NDF, optional
        By default with rtol 1e-8.
    """

    def __init__(self, problem: PetabProblem, solver: NDF | None = None):
        self.problem, self.network = problem, problem.model.network
        self.solver = solver or NDF(rtol=1e-8)
        self.system = build_equations(self.network)
        self.theta = tuple(problem.parameters)
        self.places = [self.theta.index(name) for name in problem.estimated]
        self.graph = Graph()
        n = len(self.theta)
        self.names = {leaf(name).name: self.graph.input("c", k) for k, name in enumerate(self.theta)}
        self.base = dict(self.names)
        self.base[TIME.name] = self.graph.input("t")
        self.base |= {name: self.graph.input("c", n + j) for j, name in enumerate(self.system.constants)}
        self.base |= {name: self.graph.input("x", i) for i, name in enumerate(self.system.states)}
        for name, rule in self.network.rules.items():
            self.base[name] = self.graph.lower(rule, self.base)
        self._starts: dict[str, _Start] = {}

    def lower(self, formula: sympy.Expr, extra: Mapping[str, int] | None = None) -> int:
        """Node of a formula of observables or conditions."""
        return self.graph.lower(formula, self.base | dict(extra or {}))

    def start(self, experiment: Experiment) -> _Start:
        """What is known of an experiment before any number is; made once."""
        if experiment.id not in self._starts:
            self._starts[experiment.id] = _Start(self, experiment)
        return self._starts[experiment.id]

    def run(self, experiment: Experiment, values: np.ndarray, times: np.ndarray, gradient: bool = False) -> Course:
        """Simulate an experiment.

        Parameters
        ----------
        experiment : Experiment
        values : ndarray, shape (n_theta,)
            Of all parameters of the table, on linear scale.
        times : ndarray
            Measured times, sorted, each once; may end with infinity.
        gradient : bool
            Whether to follow the sensitivities.

        Raises
        ------
        IntegrationError
            If the solver fails or no equilibrium is reached.
        ModelError
            If an initial value is not a number.
        """
        start = self.start(experiment)
        try:
            return _Follower(self, start, values, times, gradient, self._floors(start, times)).course()
        except IntegrationError:  # perhaps the states are of another size here
            floors = self._sizes(start, values, times)
            return _Follower(self, start, values, times, gradient, floors).course()

    def _floors(self, start: _Start, times: np.ndarray) -> np.ndarray:
        """What counts as nothing, per state: judged once, at the nominal parameters."""
        if start.floors is None:
            nominal = np.array([row.nominal for row in self.problem.parameters.values()])
            try:
                start.floors = self._sizes(start, nominal, times)
            except (IntegrationError, ModelError):
                start.floors = np.full(self.system.n, _FLOOR)
        return start.floors

    def _sizes(self, start: _Start, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        one = _Follower(self, start, values, times, False, np.full(self.system.n, _FLOOR))
        one.course()
        return np.where(one.largest > 0, _SMALL * one.largest, _FLOOR)


class _Start:
    """Formulas of an experiment: of constants and states at its beginning, and of what each later period sets."""

    def __init__(self, simulator: Simulator, experiment: Experiment):
        self.simulator, self.experiment = simulator, experiment
        system, graph = simulator.system, simulator.graph
        problem = simulator.problem
        first, *later = experiment.periods
        begin = first.time if np.isfinite(first.time) else 0.0
        formulas = dict(problem.model.initial)
        formulas |= {problem.model.ids[name]: leaf(name) for name in problem.parameters if name in problem.model.ids}
        sizes = problem.amounts
        formulas |= {name: value / symbol(sizes[name]) if name in sizes else value for name, value in first.changes}
        nodes = dict(simulator.names)
        nodes[TIME.name] = graph.const(begin)
        everything = formulas | dict(simulator.network.rules)
        for name in ordered(everything, experiment.id or problem.name):
            nodes[name] = graph.lower(everything[name], nodes)
        self.constants = [nodes[name] for name in system.constants]
        self.initial = _Formulas(graph, [*self.constants, *(nodes[name] for name in system.states)])
        self.changes = [self._changes(period) for period in later]
        self.floors: np.ndarray | None = None
        self.extras, self.columns = self._arrange(simulator, problem)

    def _arrange(self, simulator: Simulator, problem: PetabProblem) -> tuple[tuple[int, ...], list[tuple[str, ...]]]:
        """Constants with a column of their own, and the names of all columns in each period."""
        graph = simulator.graph
        leaves = {simulator.names[leaf(name).name]: k for k, name in enumerate(problem.estimated)}
        maps = [dict(enumerate(self.constants))]
        for targets, formulas_ in self.changes:
            pairs = zip(targets, formulas_.nodes, strict=True)
            maps.append(maps[-1] | {place: node for (kind, place), node in pairs if kind == "c"})
        inputs = {("c", place) for place in simulator.places}
        moving = {node: bool(derivatives(graph, [node], inputs)) for one in maps for node in set(one.values())}
        extras = [j for j in range(len(self.constants)) if any(one[j] not in leaves and moving[one[j]] for one in maps)]
        return tuple(extras), [self._columns(one, leaves, extras) for one in maps]

    def _columns(self, constants: Mapping[int, int], leaves: Mapping[int, int], extras: list[int]) -> tuple[str, ...]:
        """Names of the columns: constants that equal each parameter, then those that are formulas."""
        names = self.simulator.system.constants
        joined = [[] for _ in self.simulator.places]
        for j, node in constants.items():
            if node in leaves and j not in extras:
                joined[leaves[node]].append(names[j])
        return (*("+".join(parts) for parts in joined), *(names[j] for j in extras))

    def _changes(self, period) -> tuple[list[tuple[str, int]], _Formulas]:
        system = self.simulator.system
        targets = [
            ("x", system.states.index(name)) if name in system.states else ("c", system.constants.index(name))
            for name, _ in period.changes
        ]
        return targets, _Formulas(self.simulator.graph, [self.simulator.lower(value) for _, value in period.changes])


class _Follower:
    """One experiment while it runs."""

    def __init__(self, simulator: Simulator, start: _Start, values, times, gradient, floors):
        self.simulator, self.start, self.times, self.gradient = simulator, start, times, gradient
        self.values = values
        self.n_p, self.n_c = len(simulator.places), len(simulator.system.constants)
        self.dp = np.zeros((len(values), self.n_p))
        self.dp[simulator.places, np.arange(self.n_p)] = 1.0
        self.rows: dict[float, tuple] = {}
        system = simulator.system
        t0 = self._begin(0)
        numbers = start.initial.values(t0, values, np.zeros(system.n))
        if not np.all(np.isfinite(numbers)):
            name = (*system.constants, *system.states)[int(np.flatnonzero(~np.isfinite(numbers))[0])]
            raise ModelError(f"experiment '{start.experiment.id}': '{name}' has no value at the beginning; set it")
        theta = start.columns[0] if gradient else ()
        sizes = np.abs(np.concatenate([values[simulator.places], numbers[list(start.extras)]])) if gradient else np.zeros(0)
        self.floors, self.largest = floors, np.zeros(system.n)
        self.run = Run(simulator.network, system, theta, np.where(sizes > 0, sizes, 1.0), simulator.solver, floors=floors)
        self.run.x, self.run.c[: self.n_c] = numbers[self.n_c :].copy(), numbers[: self.n_c]
        self.dc = np.zeros((self.n_c, self.n_p))
        if gradient:
            slopes = start.initial.total(t0, values, np.zeros(system.n), self.dp, np.zeros((system.n, self.n_p)))
            self.dc = slopes[: self.n_c]
            self.run.s = np.hstack([slopes[self.n_c :], np.zeros((system.n, len(start.extras)))])
        self.run.rename(theta)

    def _begin(self, k: int) -> float:
        time = self.start.experiment.periods[k].time
        return time if np.isfinite(time) else 0.0

    def course(self) -> Course:
        run, periods = self.run, self.start.experiment.periods
        try:
            events = Events(run)
            for k, period in enumerate(periods):
                t = self._begin(k)
                if k:
                    self._change(k, t)
                events.fire(t)
                end = periods[k + 1].time if k + 1 < len(periods) else None
                if period.time == -np.inf:
                    self._equilibrate(events, t)
                    if end is None:
                        self._keep(self.times[np.isfinite(self.times)])
                    continue
                self._period(events, t, end)
            if self.times.size and self.times[-1] == np.inf:
                self._equilibrate(events, max(t, self._last_finite(t)))
                self._keep(self.times[-1:])
        finally:
            run.release()
        rows = [self.rows[t] for t in self.times]
        c = np.array([row[1] for row in rows]).T
        stack = [np.stack([row[i] for row in rows], axis=1) for i in (2, 3)] if self.gradient else [None, None]
        return Course(self.times, np.array([row[0] for row in rows]).T, c, *stack)

    def _last_finite(self, t: float) -> float:
        finite = self.times[np.isfinite(self.times)]
        return float(finite[-1]) if finite.size else t

    def _period(self, events: Events, t: float, end: float | None) -> None:
        mine = self.times[(self.times >= t) & np.isfinite(self.times)]
        last = end is None
        if last:
            end = float(mine[-1]) if mine.size else t
        mine = mine[mine <= end]
        self._keep(mine[mine == t])
        if end > t:
            for block in advance(self.run, events, t, end, mine, last):
                self.largest = np.maximum(self.largest, np.max(np.abs(block[1]), axis=0))
                for place in np.flatnonzero(np.isin(block[0], mine)):
                    self._store(float(block[0][place]), block[1][place], block[2][place] if self.gradient else None)

    def _keep(self, times: np.ndarray) -> None:
        for t in times:
            self._store(float(t), self.run.x, self.run.s if self.gradient else None)

    def _store(self, t: float, x: np.ndarray, s: np.ndarray | None) -> None:
        dx = self._folded(s) if s is not None else None
        self.rows[t] = (x.copy(), self.run.c[: self.n_c].copy(), dx, self.dc.copy())

    def _folded(self, s: np.ndarray) -> np.ndarray:
        """Sensitivities by the parameters alone."""
        return s[:, : self.n_p] + s[:, self.n_p :] @ self.dc[list(self.start.extras)]

    def _change(self, k: int, t: float) -> None:
        """Begin a later period: everything is computed from what was, then set."""
        run, (targets, formulas) = self.run, self.start.changes[k - 1]
        z = np.concatenate([self.values, run.c[: self.n_c]])
        numbers = formulas.values(t, z, run.x) if targets else np.zeros(0)
        if not np.all(np.isfinite(numbers)):
            raise ModelError(f"experiment '{self.start.experiment.id}': a condition at time {t:g} sets something to no number")
        dx, dc = np.zeros((0, 0)), self.dc.copy()
        slopes = []
        if self.gradient:
            dx = self._folded(run.s)
            slopes = formulas.total(t, z, run.x, np.vstack([self.dp, self.dc]), dx)
        self._as_concentrations(targets, numbers, slopes, dx)
        for row, (kind, place) in enumerate(targets):
            (run.c if kind == "c" else run.x)[place] = numbers[row]
            if self.gradient:
                (dc if kind == "c" else dx)[place] = slopes[row]
        self.dc = dc
        if self.gradient:
            run.s = np.hstack([dx, np.zeros((run.system.n, len(self.start.extras)))])
        run.rename(self.start.columns[k] if self.gradient else ())
        run.settle(t)

    def _as_concentrations(self, targets, numbers, slopes, dx) -> None:
        """Amounts over the sizes that hold from now on: of what is set, and of what stays while its size is set."""
        run, states, names = self.run, self.run.system.states, self.simulator.system.constants
        row_of = {(names if kind == "c" else states)[place]: row for row, (kind, place) in enumerate(targets)}
        for species, size in self.simulator.problem.amounts.items():
            place = ("c", names.index(size)) if size in names else ("x", states.index(size))
            old = (run.c if place[0] == "c" else run.x)[place[1]]
            by_old = (self.dc if place[0] == "c" else dx)[place[1]] if self.gradient else 0.0
            new, by_new = old, by_old
            if size in row_of:
                new, by_new = numbers[row_of[size]], slopes[row_of[size]] if self.gradient else 0.0
            if species in row_of:
                row = row_of[species]
                numbers[row] /= new
                if self.gradient:
                    slopes[row] = (slopes[row] - numbers[row] * by_new) / new
            elif species in states and size in row_of:
                i = states.index(species)
                if self.gradient:
                    dx[i] = (dx[i] * old + run.x[i] * by_old - run.x[i] * old / new * by_new) / new
                run.x[i] *= old / new

    def _equilibrate(self, events: Events, t: float) -> None:
        """Integrate, decade by decade, until neither the state nor its sensitivities change any more."""
        run, length = self.run, 1.0
        for decade in range(_DECADES):
            x, s = run.x.copy(), run.s.copy()
            advance(run, events, t, t + length, np.zeros(0))
            t, length = t + length, 10.0 * length
            self.largest = np.maximum(self.largest, np.abs(run.x))
            still = np.all(np.abs(run.x - x) <= _STILL * (np.abs(x) + self.floors))
            if self.gradient:
                scale = np.max(np.abs(s), axis=0, initial=0.0)
                near = 10.0 * _STILL * (np.abs(s) + 1e-3 * scale) + self.floors[:, None] / run.sizes
                still &= np.all(np.abs(run.s - s) <= near)
            if still and decade >= _FIRST_LOOK:
                return
        raise run.failure(f"experiment '{self.start.experiment.id}' reaches no equilibrium within {t:.0g} units of time", t)

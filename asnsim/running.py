"""One simulation while it runs: state, constants and sensitivities, and what doses, changes of condition and events do to them.

Whatever happens at a time tau that may itself depend on parameters is one jump: with T = S + f dtau, the derivative of the state
along with tau, the jump x+ = h(x-) changes T as it changes x, and S = T - f+ dtau afterwards [1]_.

References
----------
.. [1] Hiskens & Pai 2000, Trajectory sensitivity analysis of hybrid systems, IEEE Trans. Circuits Syst. I 47(2), 204-220.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from asnsim.codegen import CompiledSystem, compile_system
from asnsim.delivery import BOLUS, END, SET, START, SWITCH, Action
from asnsim.derivatives import derivatives
from asnsim.equations import ODESystem, build_equations, without_rates
from asnsim.errors import IntegrationError, ModelError
from asnsim.network import Network
from asnsim.solvers import NDF, ROOT, SUCCESS, Integrator, Kernels, Segment, python_callable
from asnsim.solvers.rosenbrock import Rosenbrock
from asnsim.units import unit

__all__ = ["Run", "absolute_tolerances", "floors_of", "kernels_of"]

#: Typical small values by dimension: below this a quantity counts as gone. Times rtol they are the absolute tolerances.
_FLOORS = {unit("umol/L").dimension: 1e-3, unit("U/L").dimension: 1e-2, unit("U").dimension: 1e-2, unit("1").dimension: 1e-4}
_NEWTON_STEPS = 50  # for algebraic states at the start and after jumps


def absolute_tolerances(model: Network, rtol: float) -> np.ndarray:
    """Return one absolute tolerance per state, shape (n_x,).

    rtol times what counts as nothing in the state's unit; for a compartment, which may shrink a billionfold as its cells
    die, rtol times a billionth of its first size.
    """
    return rtol * _floors(build_equations(model), np.array(model.state_values))


def floors_of(system: ODESystem) -> np.ndarray:
    """What counts as nothing, per state; NaN where it is a billionth of the start, or 1e-15 of nothing."""
    if "floors" not in system.cache:
        rows = (system.network.parameters[name] for name in system.states)
        system.cache["floors"] = np.array([_FLOORS.get(row.dimension, np.nan) for row in rows])
    return system.cache["floors"]


def _floors(system: ODESystem, x0: np.ndarray) -> np.ndarray:
    known = floors_of(system)
    return np.where(np.isnan(known), np.where(x0 == 0.0, 1e-15, 1e-9 * np.abs(x0)), known)


def kernels_of(code: CompiledSystem) -> Kernels:
    """Gather what the solvers take from a compiled system, as good as it is by now; the caller keeps the system alive."""
    code.called()
    if code.gathered is None or code.gathered[0] != code.version:
        names = ("rhs", "jac", "dfdp", "dfdt", "roots", "lu_factor", "lu_solve")
        blocks = {name: code.address(f"{name}_lanes") for name in ("multiply_block", "solve_block")}
        addresses = {name: code.address(name) for name in names}
        kernels = Kernels(n=code.system.n, n_theta=len(code.theta), **addresses, **blocks, **code.structure())
        code.gathered = code.version, kernels
    return code.gathered[1]


class Run:
    """State of one simulation.

    Parameters
    ----------
    model : Network
    system : ODESystem
    theta : tuple of str
        Constants, initial values and parameters of doses for sensitivities.
    sizes : ndarray, shape (n_theta,)
        Their values, which scale the tolerances of sensitivities.
    solver : NDF or Rosenbrock
    actions : iterable of Action
        What will be done; infusions decide which derivatives are compiled.
    floors : ndarray, shape (n,), optional
        What counts as nothing, per state; by default by the states' units.

    Attributes
    ----------
    x : ndarray, shape (n,)
    s : ndarray, shape (n, n_theta)
    c : ndarray, shape (n_c + n,)
        Constants, and what flows into each state; NaN where a state is switched off.
    live : ndarray of bool, shape (n_theta,)
        Whether a constant in theta still acts, or a change of condition has replaced it.
    """

    def __init__(
        self,
        model: Network,
        system: ODESystem,
        theta: tuple[str, ...],
        sizes: np.ndarray,
        solver: NDF | Rosenbrock,
        actions: Iterable[Action] = (),
        floors: np.ndarray | None = None,
    ):
        self.model, self.system, self.solver, self.theta = model, system, solver, theta
        self.sizes = sizes
        self.x, self.c = system.arrays(model)
        self.atol = solver.rtol * (_floors(system, self.x) if floors is None else floors)
        self.s = np.zeros((system.n, len(theta)))
        self.live = np.ones(len(theta), dtype=bool)
        self.stats: dict[str, int] = {}
        self.integrator: Integrator | None = None
        self._whole, self._waiting, self._stops = system, {}, True
        for k, name in enumerate(theta):
            if name in system.states:
                self.s[system.states.index(name), k] = 1.0
        #: Slope of what flows into a state by a parameter, while infusions run.
        self._flows = {
            (k, system.states.index(action.name)): 0.0
            for action in actions
            if action.order == START
            for k, name in enumerate(theta)
            if name in action.slopes
        }
        self._compile()

    def _compile(self) -> None:
        """Take the kernels; a parameter that a change of condition has replaced keeps an empty column in df/dtheta."""
        columns = []
        for k, name in enumerate(self.theta):
            flows = [f"input:{self.system.states[i]}" for own, i in self._flows if own == k]
            columns.append("+".join([name if self.live[k] else "", *flows]))
        self.code = compile_system(self.system, tuple(columns))
        self.kernels = kernels_of(self.code) if self._stops else replace(kernels_of(self.code), n_roots=0, roots=0)
        if self.integrator is not None:
            self.integrator.release()
        self.integrator = Integrator(self.solver, self.kernels, self.atol, self.sizes)
        self._rhs = python_callable(self.kernels.rhs)
        self._volumes = python_callable(self.code.address("volumes"))
        self._refresh()

    def _refresh(self) -> None:
        """Compute what depends on constants anew."""
        self._full = self.code.prepare(self.c)
        for slot, (k, i) in zip(self.code.flow_slots, self._order_of_flows(), strict=True):
            self._full[slot] = self._flows[k, i]

    def _order_of_flows(self) -> list[tuple[int, int]]:
        return [(k, i) for k in range(len(self.theta)) for own, i in self._flows if own == k]

    # ---- evaluation ------------------------------------------------------------------------------------------------
    def slope(self, t: float) -> np.ndarray:
        """Return dx/dt, shape (n,), zero for algebraic states."""
        out = np.zeros(self.system.n)
        self._rhs(t, self.x, self._full, out)
        return out * self.kernels.mass

    def value(self, node: int, t: float) -> float:
        """Return the value of a node now."""
        return float(self.system.graph.evaluate([node], t, self.x, self.c)[0])

    def truths(self, t: float) -> np.ndarray:
        """Return which conditions of events hold now, (n_roots,), in the very arithmetic of the solver."""
        out = np.zeros(self.kernels.n_roots)
        python_callable(self.kernels.roots)(t, self.x, self._full, out)
        return (out > 0) | ((out == 0) & (self.kernels.root_strict == 0))

    def total(self, node: int, t: float, T: np.ndarray, dtau: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the derivative of a node by theta, (n_theta,), where the state moves by T (n, n_theta) and time by dtau."""
        graph, constants = self.system.graph, self.system.constants
        cache = self.system.cache.setdefault("totals", {})
        if node not in cache:
            cache[node] = derivatives(graph, [node]) | derivatives(graph, [node], {("t", 0)})
        slopes = cache[node]
        result = np.zeros(len(self.theta))
        for (_, kind, j), number in zip(slopes, graph.evaluate(list(slopes.values()), t, self.x, self.c), strict=True):
            if kind == "x":
                result += float(number) * T[j]
            elif kind == "t":
                result += float(number) * dtau
            elif j < len(constants) and constants[j] in self._columns:
                k = self._columns[constants[j]]
                result[k] += float(number) * self.live[k]
        return result

    @cached_property
    def _columns(self) -> dict[str, int]:
        """Column of every constant of theta; several in one column are joined by +."""
        return {part: k for k, name in enumerate(self.theta) for part in name.split("+")}

    def rename(self, theta: tuple[str, ...]) -> None:
        """Let the columns of the sensitivities stand for other parameters from now on, as many."""
        self._refresh()
        if theta != self.theta:
            self.theta = theta
            self.__dict__.pop("_columns", None)
            self._compile()

    # ---- moving ----------------------------------------------------------------------------------------------------
    def integrate(self, t0: float, t1: float, t_out: np.ndarray) -> Segment:
        """Integrate to `t1`, or to where a condition of an event changes before, and move there.

        Raises
        ------
        IntegrationError
            If the solver stops before; carries time and state.
        """
        segment = self.integrator.run(t0, t1, self.x, self._full, t_out, self.s if self.theta else None)
        for name, count in segment.stats.items():
            self.stats[name] = self.stats.get(name, 0) + count
        self.x = segment.x_end
        if self.theta:
            self.s = segment.s_end
        if segment.status not in (SUCCESS, ROOT):
            raise self.failure(segment.message, segment.t_reached)
        return segment

    def failure(self, message: str, t: float) -> IntegrationError:
        """An error that carries time and state."""
        state = dict(zip(self.system.states, map(float, self.x), strict=True))
        return IntegrationError(f"model '{self.model.name}': {message}", t, state)

    def jump(self, t: float, dtau: np.ndarray | None, change: Callable[[np.ndarray], None]) -> None:
        """Let `change` set state, constants and T anew; `dtau` is the derivative of the time at which it happens."""
        moves = dtau is not None and np.any(dtau)
        T = self.s + np.outer(self.slope(t), dtau) if moves else self.s
        change(T)
        self.s = T - np.outer(self.slope(t), dtau) if moves else T

    def settle(self, t: float) -> None:
        """Solve for the algebraic states, and their sensitivities, at the present state.

        Raises
        ------
        IntegrationError
            If the algebraic equations have no solution near the present values.
        ModelError
            If they do not determine the algebraic states.
        """
        free = np.flatnonzero(self.kernels.mass == 0.0)
        if not free.size:
            return
        for _ in range(_NEWTON_STEPS):
            residual, matrix = self._algebra(t, free)
            step = self._solve_algebra(matrix[:, free], residual)
            self.x[free] -= step
            if np.all(np.abs(step) <= 0.1 * (self.solver.rtol * np.abs(self.x[free]) + self.atol[free])):
                break
        else:
            raise self.failure(f"the algebraic equations have no solution near the values at t = {t:g} h", t)
        if self.theta:
            _, matrix = self._algebra(t, free)
            explicit = np.array([self.total(self.system.rhs[i], t, np.zeros_like(self.s)) for i in free])
            others = np.flatnonzero(self.kernels.mass)
            self.s[free] = -self._solve_algebra(matrix[:, free], matrix[:, others] @ self.s[others] + explicit)

    def _algebra(self, t: float, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What should be zero, and its derivatives by all states."""
        n, entries = self.system.n, np.zeros(len(self.kernels.pattern))
        out, full = np.zeros(n), np.zeros((n, n))
        self._rhs(t, self.x, self._full, out)
        python_callable(self.kernels.jac)(t, self.x, self._full, entries)
        full[tuple(self.kernels.pattern.T)] = entries
        return out[free], full[free]

    def _solve_algebra(self, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
        try:
            result = np.linalg.solve(matrix, right)
        except np.linalg.LinAlgError:
            result = np.array([np.nan])
        if not np.all(np.isfinite(result)):
            names = ", ".join(self.model.algebraic)
            raise ModelError(f"the algebraic equations of model '{self.model.name}' do not determine {names} (index above 1)")
        return result

    # ---- doses and changes of condition ----------------------------------------------------------------------------
    def slopes(self, action: Action) -> np.ndarray:
        """Derivatives of an action's time and value by theta, (2, n_theta)."""
        return np.array([action.slopes.get(name, (0.0, 0.0)) for name in self.theta]).reshape(-1, 2).T

    def apply(self, action: Action, t: float) -> None:
        """Carry out one action."""
        dtau, dvalue = self.slopes(action)
        if action.order in (BOLUS, START):
            self.switch(action.name, True)
        if action.order == SWITCH:
            self.switch(action.name, bool(action.value))
        elif action.order == SET:
            self._set(action)
        elif action.order == BOLUS:
            self.jump(t, dtau, lambda T: self._bolus(action, t, T, dtau, dvalue))
        else:
            self.jump(t, dtau, lambda T: self._flow(action, dvalue))

    def _set(self, action: Action) -> None:
        system = self.system
        if action.name in system.constants:
            self.c[system.constants.index(action.name)] = action.value
            if action.name in self.theta:
                self.live[self.theta.index(action.name)] = False
                self._compile()
            else:
                self._refresh()
            return
        i = system.states.index(action.name)
        self.x[i] = action.value
        self.s[i] = 0.0

    def _bolus(self, action: Action, t: float, T: np.ndarray, dtau: np.ndarray, dvalue: np.ndarray) -> None:
        """x_i jumps by amount/V, the volume taken at that moment."""
        i, volumes = self.system.states.index(action.name), np.zeros(self.system.n)
        self._volumes(t, self.x, self._full, volumes)
        volume = volumes[i]
        if self.theta:
            T[i] += dvalue / volume - action.value / volume**2 * self.total(self.system.divisors[i], t, T, dtau)
        self.x[i] += action.value / volume

    def _flow(self, action: Action, dvalue: np.ndarray) -> None:
        """What flows into a state changes."""
        i = self.system.states.index(action.name)
        slot = len(self.system.constants) + i
        if np.isnan(self.c[slot]):  # an infusion that ends while its state is off
            self._waiting[i] += action.value
            return
        self.c[slot] += action.value
        if action.order == END and abs(self.c[slot]) < 1e-9 * abs(action.value):
            self.c[slot] = 0.0
        for (k, state), slope in self._flows.items():
            if state == i:
                self._flows[k, state] = slope + dvalue[k]
        self._refresh()

    def switch(self, name: str, on: bool) -> None:
        """Turn a state off, which empties it, or on again; what flows into it waits."""
        i = self.system.states.index(name)
        slot = len(self.system.constants) + i
        if on != np.isnan(self.c[slot]):
            return
        if self.theta:
            raise ModelError(f"'{name}' is switched {'on' if on else 'off'}; that has no sensitivities, simulate without theta")
        if on:
            self.c[slot] = self._waiting.pop(i)
        else:
            self._waiting[i], self.c[slot], self.x[i] = self.c[slot], np.nan, 0.0
        self._stand_still()

    def _stand_still(self) -> None:
        """Take the equations in which what is off does not move."""
        off = tuple(np.flatnonzero(np.isnan(self.c[len(self._whole.constants) :])).tolist())
        system = self._whole.cache.setdefault(("off", off), without_rates(self._whole, off)) if off else self._whole
        if system is not self.system:
            self.system = system
            self._compile()

    def release(self) -> None:
        """Give the solver's buffers back; nothing can be integrated afterwards."""
        self.integrator.release()

    def without_events(self) -> Run:
        """A copy that does not stop at conditions and has no sensitivities; for following a piece of a trajectory again."""
        one = Run(self.model, self._whole, (), np.zeros(0), self.solver)
        one._stops = False
        one._compile()
        return one

    def restart(self, x: Sequence[float], c: np.ndarray) -> None:
        """Take another state and other constants."""
        self.x, self.c = np.array(x, dtype=float), np.array(c)
        self._stand_still()
        self._refresh()

"""From an `ODESystem` to compiled kernels: what is computed once per trajectory, what at every step, and by how many lanes.

Every scalar kernel has one signature, ``void f(double t, const double* x, const double* c, double* out)``; see `asnsim.ir` for
that of lanes. Expressions of constants alone are hoisted: `CompiledSystem.prepare` computes them once and appends them to c.
The Jacobian is written as the list of its structurally non-zero entries; of df/dp only the non-zero entries are written, so the
caller clears the buffer once.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable, Sequence

import numpy as np

from asnsim.emit import emit
from asnsim.equations import ODESystem
from asnsim.ir import BLOCK, Writer, call_suffix
from asnsim.ir_math import library, trigonometry
from asnsim.machine import Code, native_lanes
from asnsim.once import once
from asnsim.sparse_lu import SparseLU, analyse, emit_factor, emit_multiply, emit_solve

__all__ = ["STRAIGHT_LINE_STATES", "CompiledSystem", "compile_system"]

#: Up to this many states the factorisation is straight-line code; beyond, compiling it would cost more than it saves.
STRAIGHT_LINE_STATES = 100
_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class CompiledSystem:
    """Kernels of one ODE system for one choice of parameters and observables.

    Parameters
    ----------
    system : ODESystem
        The equations.
    theta : sequence of str
        Constants by which `dfdp` differentiates. An initial value has an empty column, as has a name that is empty or unknown.
        Parts joined by ``+`` add up; ``'input:STATE'`` stands for what flows into a state, times a factor that the caller keeps
        in c at `flow_slots`.
    selected : sequence of str
        Observables whose values the kernel `selected` computes.

    Attributes
    ----------
    lu : SparseLU or None
        The static pattern of M - beta J, ordered; None where an algebraic equation needs row exchanges.
    pattern : ndarray of int64, shape (n_j, 2)
        Rows and columns of the entries that the kernel `jac` writes.
    gathered : tuple, or None
        Kept here by `asnsim.running.kernels_of`: what it made of this system, and of which `version`.
    """

    def __init__(self, system: ODESystem, theta: Sequence[str] = (), selected: Sequence[str] = ()):
        self.system, self.theta, self.selected_names = system, tuple(theta), tuple(selected)
        self._core = _core(system)
        self.lu, self.pattern = self._core.lu, self._core.pattern
        self._extra = None
        if self.theta or self.selected_names:
            self._extra = Code(_extra_source(system, self._core, self.theta, self.selected_names))
        self._calls = 0
        self.gathered = None
        self._prepare = None

    def address(self, name: str) -> int:
        """Return the address of a kernel; 0 where the system has none of that name.

        Of the core: ``rhs`` (n), ``jac`` (n_j), ``dfdt`` (n), ``volumes`` (n): by what an amount given into each state is
        divided; ``roots`` (n_roots), ``prepare_constants``, ``lu_factor``, ``lu_solve``. Of this choice: ``selected``
        (n_selected) and ``dfdp`` (n_blocks, n, B), with parameter k of state i at ``((k // B) n + i) B + k % B``, B being
        `asnsim.ir.BLOCK`; with it ``multiply_block_lanes`` and ``solve_block_lanes`` (n, B), one matrix for all lanes. Of an
        ensemble: ``rhs_lanes``, ``jac_lanes``, ``lu_factor_lanes``, ``lu_solve_lanes``.
        """
        if name in ("dfdp", "selected", "multiply_block_lanes", "solve_block_lanes"):
            return self._extra.address(name) if self._extra else 0
        return self._core.lanes().address(name) if name.endswith(call_suffix(2)) else self._core.code.address(name)

    def structure(self) -> dict[str, np.ndarray | int]:
        """Return what solvers know of the matrices, by the names of the fields of `asnsim.solvers.Kernels`."""
        return self._core.structure

    @property
    def has_lanes(self) -> bool:
        """Whether trajectories of this system can run side by side: straight-line matrices, and no explicit time."""
        return self._core.is_straight and "dfdt" not in self._core.tables

    @property
    def version(self) -> int:
        """Grows when better code has come."""
        return self._core.code.version + (self._extra.version if self._extra else 0)

    def called(self) -> None:
        """Count a use: from the second on, better code is made beside the caller."""
        self._calls += 1
        if self._calls == 2:
            self.improve(wait=False)

    def improve(self, wait: bool = True) -> None:
        """Have the better code made, now or beside the caller."""
        for code in (self._core.code, self._extra):
            if code is not None:
                code.improve(wait)

    @property
    def flow_slots(self) -> range:
        """Places in c of the factors d(input)/d(theta), in the order in which theta names inputs; set them after `prepare`."""
        first = self._core.base + len(self._core.hoisted)
        return range(first, first + sum(name.count("input:") for name in self.theta))

    def prepare(self, c: np.ndarray) -> np.ndarray:
        """Return constants and inputs (n_c + n_x,) followed by all that depends on them alone: what the kernels take as c."""
        if self._prepare is None:
            self._prepare = _PROTOTYPE(self.address("prepare_constants"))
        full = np.zeros(self.flow_slots.stop)
        full[: self._core.base] = c[: self._core.base]
        tail = full[self._core.base :]
        self._prepare(0.0, full.ctypes.data, full.ctypes.data, tail.ctypes.data)
        return full

    def __reduce__(self):
        raise TypeError("compiled kernels hold addresses of this process; send the network and compile there")


class _Core:
    """What every simulation of a system needs; made once and shared by all choices of theta."""

    def __init__(self, system: ODESystem):
        self.system = system
        jacobian = system.jacobian()
        self.lu: SparseLU | None = analyse(system.n, jacobian, system.mass)
        self.pattern = np.array(list(jacobian), dtype=np.int64).reshape(-1, 2)
        self.tables = {
            "rhs": list(enumerate(system.rhs)),
            "jac": list(enumerate(jacobian.values())),
            "dfdt": list(system.time_derivatives().items()),
            "roots": list(enumerate(system.roots)),
        }
        self.tables = {name: outputs for name, outputs in self.tables.items() if outputs or name in ("rhs", "jac")}
        self.base = system.n + len(system.constants)
        self.hoisted = _hoist(system, [node for outputs in self.tables.values() for _, node in outputs], self.base)
        self.code = Code(self._source())
        self._lanes: Code | None = None
        self._making = threading.Lock()
        self.structure = {
            "pattern": self.pattern,
            "mass": np.array(system.mass),
            "n_roots": len(system.roots),
            "root_strict": np.array(system.root_strict, dtype=np.int64),
        }
        if self.lu is not None:
            names = ("lu_origin", "lu_rows", "lu_eliminations", "lu_updates")
            self.structure |= dict(zip(names, self.lu.factor_steps(), strict=True))
            self.structure |= {"lu_size": self.lu.size, "lu_steps": self.lu.solve_steps()}

    @property
    def is_straight(self) -> bool:
        """Whether the linear algebra is straight-line code."""
        return self.lu is not None and self.system.n <= STRAIGHT_LINE_STATES

    def _source(self) -> str:
        graph, system = self.system.graph, self.system
        parts = [emit(graph, name, outputs, self.hoisted) for name, outputs in self.tables.items()]
        parts.append(emit(graph, "volumes", enumerate(system.divisors)))
        parts.append(emit(graph, "prepare_constants", [(place - self.base, node) for node, place in self.hoisted.items()]))
        return _with_library(1, [*parts, *self._linear_algebra(1)])

    def _linear_algebra(self, width: int) -> list[str]:
        if not self.is_straight:
            return []
        return [emit_factor(self.lu, width), emit_solve(self.lu, width)]

    def lanes(self) -> Code:
        """Kernels that run several trajectories side by side; always the better code."""
        with self._making:
            if self._lanes is None:
                width = native_lanes()
                parts = [emit(self.system.graph, name, self.tables[name], self.hoisted, width) for name in ("rhs", "jac")]
                self._lanes = Code(_with_library(width, [*parts, *self._linear_algebra(width)]), thorough=True)
            return self._lanes


def _with_library(width: int, kernels: list[str]) -> str:
    """Kernels and the functions they call; the rarer ones only where they do, for they take time to compile."""
    rare = any(f"@own_{name}{call_suffix(width)}(" in text for text in kernels for name in ("sin", "cos", "atan"))
    return "\n\n".join([library(width), *([trigonometry(width)] if rare else []), *kernels])


def _core(system: ODESystem) -> _Core:
    if "core" not in system.cache:
        system.cache["core"] = _Core(system)
    return system.cache["core"]


def _hoist(system: ODESystem, roots: Iterable[int], base: int) -> dict[int, int]:
    """Find the largest expressions of constants alone and give each a place behind the constants and inputs."""
    graph = system.graph
    roots = list(roots)
    found: dict[int, int] = {}

    def take(a: int) -> None:
        if graph.fixed[a] and graph.nodes[a][0] not in ("const", "c"):
            found.setdefault(a, base + len(found))

    for index in graph.reachable(roots):
        if not graph.fixed[index] and graph.nodes[index][0] not in ("x", "t"):
            for a in graph.nodes[index][1:]:
                take(a)
    for root in roots:
        take(root)
    return found


def _extra_source(system: ODESystem, core: _Core, theta: tuple[str, ...], selected: tuple[str, ...]) -> str:
    """Kernels of one choice of theta and observables."""
    graph = system.graph
    columns = [[(part, _place(system, part)) for part in name.split("+")] for name in theta]
    places = dict.fromkeys(place for parts in columns for _, place in parts if place is not None)
    found = system.parameter_derivatives(system.rhs, list(places))
    order = {place: j for j, place in enumerate(places)}
    slot = core.base + len(core.hoisted)
    outputs: dict[int, int] = {}
    for k, parts in enumerate(columns):
        for part, place in parts:
            factor = graph.one
            if part.startswith("input:"):
                factor, slot = graph.input("c", slot), slot + 1
            for (i, j), node in found.items():
                if place is not None and j == order[place]:
                    target = ((k // BLOCK) * system.n + i) * BLOCK + k % BLOCK
                    outputs[target] = graph.add(outputs.get(target, graph.zero), graph.mul(node, factor))
    parts = [emit(graph, "dfdp", outputs.items(), core.hoisted)] if theta else []
    if theta and core.is_straight:
        parts += [Writer(BLOCK).declarations(), emit_multiply(core.lu, BLOCK, "multiply_block")]
        parts.append(emit_solve(core.lu, BLOCK, "solve_block", shared=True))
    if selected:
        parts.append(emit(graph, "selected", enumerate(system.observable(name) for name in selected), core.hoisted))
    return _with_library(1, parts)


def _place(system: ODESystem, name: str) -> int | None:
    """Index in c of a constant or an input; None for an initial value or an unknown name."""
    if name.startswith("input:"):
        return len(system.constants) + system.states.index(name.removeprefix("input:"))
    return system.constants.index(name) if name in system.constants else None


@once(128)
def compile_system(system: ODESystem, theta: tuple[str, ...] = (), selected: tuple[str, ...] = ()) -> CompiledSystem:
    """Compile the kernels of an ODE system, or take them from memory or disk; see `CompiledSystem`.

    Threads that ask for the same get the same: one makes it, the others wait.
    """
    return CompiledSystem(system, theta, selected)

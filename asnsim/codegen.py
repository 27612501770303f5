"""From an `ODESystem` to machine code: LLVM IR through llvmlite, cached on disk by content.

Every kernel has one signature, ``void f(double t, const double* x, const double* c, double* out)``; matrices are row-major
and only structurally non-zero entries are written, so the caller clears the buffer once. Compiled objects are kept under
the user's cache folder by the hash of source, compiler version and processor; a file that is not ours or does not match
its own checksum is compiled again.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numpy as np
import platformdirs

from asnsim.equations import ODESystem
from asnsim.expressions import Graph
from asnsim.sparse_lu import SparseLU, analyse, emit_factor, emit_solve

__all__ = ["CompiledSystem", "compile_system", "emit"]

_INTRINSICS = {"exp": "llvm.exp.f64", "log": "llvm.log.f64", "sqrt": "llvm.sqrt.f64", "pow": "power", "tanh": "tanh"}
_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_LOCK = threading.Lock()


def emit(graph: Graph, name: str, outputs: Iterable[tuple[int, int]], hoisted: Mapping[int, int] | None = None) -> str:
    """Write one kernel as LLVM IR.

    Parameters
    ----------
    graph : Graph
        The expressions.
    name : str
        Name of the function.
    outputs : iterable of (int, int)
        Offset in `out` and node to store there.
    hoisted : mapping of int to int, optional
        Nodes that need not be computed, because their values stand in c at these places.

    Returns
    -------
    str
        Text of the function, without the declarations of intrinsics.
    """
    outputs, hoisted = list(outputs), hoisted or {}
    lines = [f"define void @{name}(double %t, double* noalias readonly %x, double* noalias readonly %c, double* noalias %out) {{"]
    operand: dict[int, str] = {}
    for index in graph.reachable([node for _, node in outputs], stop=hoisted):
        op, *args = ("c", hoisted[index]) if index in hoisted else graph.nodes[index]
        register = f"%n{index}"
        operand[index] = register
        if op == "const":
            operand[index] = _literal(args[0])
        elif op == "t":
            operand[index] = "%t"
        elif op in ("x", "c"):
            lines.append(f"  %p{index} = getelementptr double, double* %{op}, i64 {args[0]}")
            lines.append(f"  {register} = load double, double* %p{index}")
        elif op in _ARITHMETIC:
            lines.append(f"  {register} = {_ARITHMETIC[op]} double {operand[args[0]]}, {operand[args[1]]}")
        elif op == "less":
            a, b, then, otherwise = (operand[i] for i in args)
            lines.append(f"  %k{index} = fcmp olt double {a}, {b}")
            lines.append(f"  {register} = select i1 %k{index}, double {then}, double {otherwise}")
        else:
            arguments = ", ".join(f"double {operand[i]}" for i in args)
            lines.append(f"  {register} = call double @{_INTRINSICS[op]}({arguments})")
    for offset, node in outputs:
        lines.append(f"  %o{offset} = getelementptr double, double* %out, i64 {offset}")
        lines.append(f"  store double {operand[node]}, double* %o{offset}")
    return "\n".join([*lines, "  ret void", "}"])


def _literal(value: float) -> str:
    return f"0x{np.float64(value).view(np.uint64):016X}"


_TWO_ARGUMENTS = ("llvm.pow.f64", "llvm.minimum.f64")
_DECLARATIONS = "\n".join(
    f"declare double @{name}({', '.join(['double'] * (2 if name in _TWO_ARGUMENTS else 1))})"
    for name in ("llvm.exp.f64", "llvm.log.f64", "llvm.sqrt.f64", "llvm.pow.f64", "tanh", "llvm.fabs.f64", "llvm.minimum.f64")
)
#: Hill exponents are parameters, and nearly always small whole numbers: products then, a tenth of the price of ``pow``.
_POWER = """
define internal double @power(double %x, double %n) alwaysinline {
  %x2 = fmul double %x, %x
  %is2 = fcmp oeq double %n, 2.0
  br i1 %is2, label %two, label %not2
two:
  ret double %x2
not2:
  %is1 = fcmp oeq double %n, 1.0
  br i1 %is1, label %one, label %not1
one:
  ret double %x
not1:
  %is4 = fcmp oeq double %n, 4.0
  br i1 %is4, label %four, label %not4
four:
  %x4 = fmul double %x2, %x2
  ret double %x4
not4:
  %is3 = fcmp oeq double %n, 3.0
  br i1 %is3, label %three, label %general
three:
  %x3 = fmul double %x2, %x
  ret double %x3
general:
  %p = call double @llvm.pow.f64(double %x, double %n)
  ret double %p
}
"""
#: Up to this many states the factorisation is straight-line code; beyond, compiling it would cost more than it saves.
STRAIGHT_LINE_STATES = 100


class CompiledSystem:
    """Kernels of one ODE system for one choice of parameters and observables.

    Attributes
    ----------
    system : ODESystem
        The equations.
    theta : tuple of str
        Constants by which `dfdp` differentiates.
    selected : tuple of str
        Observables with gradients.
    lu : SparseLU
        The static pattern of I - beta J, ordered.
    lu_factor, lu_solve : int
        Addresses of its straight-line factorisation and solve; 0 for a large system.
    rhs, jac, dfdp, obs, obs_x, obs_p : int
        Addresses of the kernels: rhs (n), Jacobian (n, n), explicit parameter derivatives (n, n_theta), values of
        all observables (n_obs), and gradients of the selected ones by states and theta. 0 where there is nothing.
    """

    def __init__(self, system: ODESystem, theta: Sequence[str], selected: Sequence[str]):
        self.system, self.theta, self.selected = system, tuple(theta), tuple(selected)
        self.observable_ids = tuple(system.observables)
        self.lu, core = _core(system)
        self._engines = [core]
        self.hoisted = system.cache["hoisted"]
        for name in ("rhs", "jac", "obs", "prepare_constants", "lu_factor", "lu_solve"):
            setattr(self, name, core.get_function_address(name))
        self._prepare = _PROTOTYPE(self.prepare_constants)
        self.dfdp = self.obs_x = self.obs_p = 0
        if self.theta or self.selected:
            derivatives = _machine_code(_derivative_source(system, self.theta, self.selected))
            self._engines.append(derivatives)
            for name in ("dfdp", "obs_x", "obs_p"):
                setattr(self, name, derivatives.get_function_address(name))

    def prepare(self, c: np.ndarray) -> np.ndarray:
        """Return the constants (n_c + n_x,) followed by everything that depends on them alone: what the kernels take as c."""
        base = self.system.n + len(self.system.constants)
        full = np.zeros(base + len(self.hoisted))
        full[:base] = c[:base]
        tail = full[base:]
        self._prepare(0.0, full.ctypes.data, full.ctypes.data, tail.ctypes.data)
        return full

    def __reduce__(self):
        raise TypeError("compiled kernels hold addresses of this process; send the network and compile there")


def _core(system: ODESystem) -> tuple[SparseLU, llvm.ExecutionEngine]:
    """Compile what every simulation of a system needs; made once and shared by all choices of theta."""
    kept = system.cache.get("core")
    if kept is None:
        jacobian = system.jacobian()
        tables = {
            "rhs": list(enumerate(system.rhs)),
            "jac": [(i * system.n + j, node) for (i, j), node in jacobian.items()],
            "obs": list(enumerate(system.observables.values())),
        }
        lu = analyse(system.n, jacobian)
        hoisted = _hoist(system, [node for outputs in (tables["rhs"], tables["jac"]) for _, node in outputs])
        base = system.n + len(system.constants)
        parts = [emit(system.graph, name, outputs, hoisted) for name, outputs in tables.items()]
        parts.append(emit(system.graph, "prepare_constants", [(place - base, node) for node, place in hoisted.items()]))
        system.cache["hoisted"] = hoisted
        if system.n <= STRAIGHT_LINE_STATES:
            parts += [emit_factor(lu, jacobian), emit_solve(lu)]
        kept = system.cache["core"] = (lu, _machine_code("\n\n".join([_DECLARATIONS, _POWER, *parts])))
    return kept


def _hoist(system: ODESystem, roots: Sequence[int]) -> dict[int, int]:
    """Find the largest expressions of constants alone and give each a place behind the constants and inputs."""
    graph, fixed = system.graph, {}
    first_input = len(system.constants)
    found: dict[int, int] = {}
    base = system.n + first_input
    for index in graph.reachable(roots):
        op, *args = graph.nodes[index]
        if op in ("const", "c"):
            fixed[index] = True
        elif op in ("x", "t"):
            fixed[index] = False
        else:
            fixed[index] = all(fixed[a] for a in args)
            if not fixed[index]:
                for a in args:
                    if fixed[a] and graph.nodes[a][0] not in ("const", "c"):
                        found.setdefault(a, base + len(found))
    for root in roots:
        if fixed[root] and graph.nodes[root][0] not in ("const", "c"):
            found.setdefault(root, base + len(found))
    return found


def _derivative_source(system: ODESystem, theta: tuple[str, ...], selected: tuple[str, ...]) -> str:
    graph, n = system.graph, system.n
    columns = [system.constants.index(name) if name in system.constants else -1 - k for k, name in enumerate(theta)]
    roots = [system.observable(name) for name in selected]
    tables = {
        "dfdp": [(i * len(theta) + k, node) for (i, k), node in system.parameter_derivatives(system.rhs, columns).items()],
        "obs_x": [(i * n + j, node) for (i, j), node in system.state_derivatives(roots).items()],
        "obs_p": [(i * len(theta) + k, node) for (i, k), node in system.parameter_derivatives(roots, columns).items()],
    }
    return "\n\n".join([_DECLARATIONS, _POWER, *(emit(graph, name, outputs) for name, outputs in tables.items())])


@lru_cache(maxsize=128)
def compile_system(system: ODESystem, theta: tuple[str, ...] = (), selected: tuple[str, ...] = ()) -> CompiledSystem:
    """Compile the kernels of an ODE system, or take them from memory or disk.

    Parameters
    ----------
    system : ODESystem
        The equations.
    theta : tuple of str
        Constants to differentiate by; the column of an initial value stays empty, it enters through s(0).
    selected : tuple of str
        Observables whose gradients are wanted.
    """
    return CompiledSystem(system, theta, selected)


@lru_cache(maxsize=1)
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _target() -> llvm.TargetMachine:
    """Make a target machine; an engine owns the one it is given, so each gets its own."""
    _initialise()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


def _machine_code(source: str) -> llvm.ExecutionEngine:
    with _LOCK:
        machine = _target()
        identity = f"{llvmlite.__version__}|{llvm.get_host_cpu_name()}|{llvm.get_host_cpu_features().flatten()}|{source}"
        key = hashlib.sha256(identity.encode()).hexdigest()
        stored = _read_object(key)
        module = llvm.parse_assembly(source)
        module.verify()
        if stored is None:
            options = llvm.create_pipeline_tuning_options(speed_level=2)
            options.slp_vectorization = True
            llvm.create_pass_builder(machine, options).getModulePassManager().run(
                module, llvm.create_pass_builder(machine, options)
            )
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.set_object_cache(lambda _, compiled: _write_object(key, compiled), lambda _: stored)
        engine.finalize_object()
        return engine


def _cache_folder() -> Path | None:
    """Return the kernel cache, or None where it cannot be used safely."""
    folder = Path(os.environ.get("ASNSIM_CACHE") or platformdirs.user_cache_dir("asnsim")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = folder.stat().st_uid
    except OSError:
        return None
    return folder if not hasattr(os, "getuid") or owner == os.getuid() else None


def _read_object(key: str) -> bytes | None:
    folder = _cache_folder()
    if folder is None:
        return None
    try:
        path = folder / f"{key}.o"
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:32], content[32:]
    return body if hashlib.sha256(key.encode() + body).digest() == digest else None


def _write_object(key: str, body: bytes) -> None:
    folder = _cache_folder()
    if folder is None:
        return
    temporary = folder / f".{key}.{os.getpid()}.part"
    try:
        temporary.write_bytes(hashlib.sha256(key.encode() + body).digest() + body)
        os.replace(temporary, folder / f"{key}.o")
    except OSError:
        temporary.unlink(missing_ok=True)

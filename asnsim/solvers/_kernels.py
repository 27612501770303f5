"""Calling compiled kernels by address: from Numba code without any overhead, and from Python through ctypes.

A kernel is a C function ``void kernel(double t, const double *x, const double *c, double *out)``. Its address arrives as an
integer at run time, so an integrator is compiled once, cached on disk, and serves every model. In lanes, all four arguments are
pointers; see `asnsim.solvers.lanes`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["Kernels", "call_kernel", "call_lanes", "call_vector", "python_callable"]

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def _steps(width: int):
    return field(default_factory=lambda: np.zeros((0, width), dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """Addresses of the compiled functions of one model, and what is known of its matrices.

    Parameters
    ----------
    n : int
        Number of states.
    n_theta : int
        Number of parameters with sensitivities; 0 for none.
    rhs, jac, dfdp, dfdt : int
        Addresses of C functions ``(double t, const double *x, const double *c, double *out)``. `rhs` fills (n,); `jac` fills
        the entries of `pattern`; `dfdp` writes only the structural nonzeros of (n_blocks, n, B), `dfdt` only those of (n,), into
        a buffer zeroed once by the caller. `dfdp` is 0 when `n_theta` is; `dfdt` is 0 where time does not occur. B is
        `asnsim.ir.BLOCK`, and parameter k stands in block k // B at place k % B.
    multiply_block, solve_block : int
        Addresses, in lanes: ``out += t J c``, and the solve with the factors x, for (n, B) columns at once; 0 for none.
    roots : int
        Address of the function that fills (n_roots,); 0 for none.
    n_roots : int
        Number of functions whose changes of sign end a segment.
    root_strict : ndarray of int64, shape (n_roots,)
        1 where the condition behind each is ``> 0``, 0 where it is ``>= 0``.
    pattern : ndarray of int64, shape (n_j, 2)
        Row and column of each entry that `jac` writes; by default all, row by row.
    mass : ndarray, shape (n,)
        1 per differential, 0 per algebraic equation ``0 = rhs``; ones by default.
    lu_factor, lu_solve : int
        Straight-line factorisation of M - beta J: ``lu_factor(beta, J, c, lu)`` fills (lu_size + 1,), its last entry 1, or 0
        where the pivots cannot be trusted; ``lu_solve(0, lu, c, b)`` solves in place. 0 for none.
    lu_size : int
        Entries of the factors; 0 where only dense partial pivoting is possible.
    lu_origin, lu_rows, lu_eliminations, lu_updates, lu_steps : ndarray of int64
        The same factorisation and solve as lists; see `asnsim.sparse_lu.SparseLU`.

    workspaces : dict
        Buffers that integrators of this model have left for the next.

    Notes
    -----
    An address is only valid while the code that owns it is alive: the caller keeps the compiled model.
    """

    n: int
    n_theta: int
    rhs: int
    jac: int
    dfdp: int = 0
    dfdt: int = 0
    multiply_block: int = 0
    solve_block: int = 0
    roots: int = 0
    n_roots: int = 0
    root_strict: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    pattern: np.ndarray | None = None
    mass: np.ndarray | None = None
    lu_factor: int = 0
    lu_solve: int = 0
    lu_size: int = 0
    lu_origin: np.ndarray = _steps(2)
    lu_rows: np.ndarray = _steps(4)
    lu_eliminations: np.ndarray = _steps(4)
    lu_updates: np.ndarray = _steps(2)
    lu_steps: np.ndarray = _steps(3)
    workspaces: dict = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self):
        if self.pattern is None:
            dense = np.stack(np.divmod(np.arange(self.n * self.n, dtype=np.int64), self.n), axis=1)
            object.__setattr__(self, "pattern", dense)
        if self.mass is None:
            object.__setattr__(self, "mass", np.ones(self.n))


def _call(builder, function: ir.Value, first: list, addresses: list) -> None:
    """Call a C function of some first arguments and pointers to doubles."""
    pointer = ir.DoubleType().as_pointer()
    prototype = ir.FunctionType(ir.VoidType(), [value.type for value in first] + [pointer] * len(addresses))
    target = builder.inttoptr(function, prototype.as_pointer())
    builder.call(target, [*first, *(builder.inttoptr(address, pointer) for address in addresses)])


@intrinsic
def call_kernel(typingctx, function, t, x, c, out):
    """Call the kernel at an address from Numba code; `x`, `c` and `out` are addresses."""

    def codegen(context, builder, signature, args):
        _call(builder, args[0], [args[1]], args[2:])
        return context.get_dummy_value()

    return types.void(types.int64, types.float64, types.int64, types.int64, types.int64), codegen


@intrinsic
def call_lanes(typingctx, function, t, x, c, out):
    """Call the kernel at an address that works in lanes; all arguments are addresses."""

    def codegen(context, builder, signature, args):
        _call(builder, args[0], [], args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


@intrinsic
def call_vector(typingctx, function, count, numbers, *arrays):
    """Call an operation of `asnsim.solvers._vectors` at an address, over `count` rows; all other arguments are addresses."""

    def codegen(context, builder, signature, args):
        more = [builder.extract_value(args[3], i) for i in range(len(arrays))]
        _call(builder, args[0], [args[1]], [args[2], *more])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.StarArgTuple([types.int64] * len(arrays))), codegen


def python_callable(address: int) -> Callable[[float, np.ndarray, np.ndarray, np.ndarray], None]:
    """Wrap a kernel address for use at the numpy level.

    Parameters
    ----------
    address : int
        Address of the kernel.

    Returns
    -------
    callable
        ``call(t, x, c, out)``, which fills `out` in place; all arrays C-contiguous float64.
    """
    function = _PROTOTYPE(address)

    def call(t: float, x: np.ndarray, c: np.ndarray, out: np.ndarray) -> None:
        function(t, x.ctypes.data, c.ctypes.data, out.ctypes.data)

    return call

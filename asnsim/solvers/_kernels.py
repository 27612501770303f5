"""Calling compiled kernels by address: from Numba code without any overhead, and from Python through ctypes.

A kernel is a C function ``void kernel(double t, const double *x, const double *c, double *out)``. Its address arrives as an
integer at run time, so an integrator is compiled once, cached on disk, and serves every model.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["Kernels", "call_kernel", "python_callable"]

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Kernels:
    """Addresses of the compiled functions of one model.

    Parameters
    ----------
    n : int
        Number of states.
    n_theta : int
        Number of parameters with sensitivities; 0 for none.
    rhs, jac, dfdp : int
        Addresses of C functions ``(double t, const double *x, const double *c, double *out)``. `rhs` fills (n,); `jac` and
        `dfdp` write only the structural nonzeros of row-major (n, n) and (n, n_theta) into a buffer zeroed once by the caller.
        `dfdp` is 0 when `n_theta` is 0.
    lu_factor, lu_solve : int
        Straight-line sparse factorisation of I - beta J: ``lu_factor(beta, J, c, lu)`` fills (lu_size + 1,), its last entry a
        check that is small or NaN where the pivots cannot be trusted; ``lu_solve(0, lu, c, b)`` solves in place. 0 for none:
        dense partial pivoting then does all the work.
    lu_size : int
        Entries of L and U.
    lu_steps : ndarray of int64, shape (m, 3), or None
        The same solve as a list (target, source, position), for many right-hand sides at once.

    Notes
    -----
    An address is only valid while the code that owns it is alive: the caller keeps the compiled model.
    """

    n: int
    n_theta: int
    rhs: int
    jac: int
    dfdp: int = 0
    lu_factor: int = 0
    lu_solve: int = 0
    lu_size: int = 0
    lu_steps: np.ndarray | None = None


@intrinsic
def call_kernel(typingctx, address, t, x, c, out):
    """Call the kernel at `address` from Numba code; `x`, `c` and `out` must be C-contiguous float64 arrays."""
    arrays = (x, c, out)
    if not all(isinstance(a, types.Array) and a.layout == "C" and a.dtype == types.float64 for a in arrays):
        return None  # no such overload: Numba reports the argument types

    def codegen(context, builder, signature, args):
        double = ir.DoubleType()
        pointer = double.as_pointer()
        prototype = ir.FunctionType(ir.VoidType(), [double, pointer, pointer, pointer])
        function = builder.inttoptr(args[0], prototype.as_pointer())
        data = [
            context.make_array(array)(context, builder, value).data
            for array, value in zip(signature.args[2:], args[2:], strict=True)
        ]
        builder.call(function, [args[1], *data])
        return context.get_dummy_value()

    return types.void(types.int64, types.float64, x, c, out), codegen


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

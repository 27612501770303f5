"""Staggered-direct sensitivities of the NDF method: V parameters side by side.

S follows the formula of the state; its corrector is linear, with the matrix M - h/alpha J at the accepted point, so one fresh
factorisation serves all parameters. Parameter k of state i stands at ``((k // V) n + i) V + k % V``: a block (n, V) holds V
parameters, and each operation on a block runs at the width of the processor's registers. A last block is padded with zeros.

A Numba cache is keyed to the file of the outermost function: after a change here, touch ``ndf.py``.

References
----------
.. [1] Caracotsios & Stewart 1985, Comput. Chem. Eng. 9(4), 359-365 (staggered direct sensitivities).
"""

from __future__ import annotations

import numpy as np

from asnsim.solvers._history import BETA, ERROR, INVERSE_P, ORDERS
from asnsim.solvers._kernels import call_kernel, call_vector
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import V, matrix, vector, whole
from asnsim.solvers._system import JAC, copy, count, evaluate_jacobian, factorise, multiply_block, solve_block
from asnsim.solvers._vectors import fill

__all__ = ["as_blocks", "correct", "from_blocks", "norm_of_row", "slope"]

SENS_FLOOR = 1e-3  # p dx/dp below this share of x is resolved absolutely: S crosses zero where x does not


def as_blocks(s: np.ndarray) -> np.ndarray:
    """Return (n, n_theta) as blocks, flat."""
    n, m = s.shape
    full = np.zeros((n, -(-m // V) * V))
    full[:, :m] = s
    return full.reshape(n, -1, V).transpose(1, 0, 2).ravel()


def from_blocks(flat: np.ndarray, n: int, m: int) -> np.ndarray:
    """Return blocks (..., size) as (..., n, n_theta)."""
    blocks = -(-m // V)
    shape = flat.shape[:-1]
    parts = flat.reshape(*shape, blocks, n, V)
    return np.ascontiguousarray(np.moveaxis(parts, -3, -2).reshape(*shape, n, blocks * V)[..., :m])


@compiled()
def largest(w, size):
    """Largest of `size` and the entries of number 4, one per parameter; NaN stays NaN."""
    row = vector(w.numbers + 8 * V * 4, V)
    for lane in range(V):
        if size == size and not row[lane] <= size:
            size = row[lane]
    return size


@compiled()
def correct(p, o, w, t, beta, order):
    """Solve the linear corrector of the sensitivities at the state ``w.x`` just found.

    ``(M - beta J) ds = beta (J s + df/dp) - M psi_s``. Written for the correction ds rather than for the new value: the rounding
    error is then relative to ds, and linear invariants of S hold as well as those of x.

    Returns
    -------
    error : float
        Local error in units of the tolerance; inf if the matrix is singular or something is not finite.
    """
    v, numbers, n, worst = w.passes, w.numbers, p.n, 0.0
    evaluate_jacobian(p, w, t, w.x)
    if not factorise(p, w, beta):
        return np.inf
    call_kernel(p.dfdp, t, w.x, p.c, w.dfdp)
    predict = whole(v.predict, ORDERS + 1)
    call_vector(predict[order], o.blocks * n, numbers, w.DS, w.s, w.s_psi)
    x, last, atol, floor = vector(w.x, n), vector(w.D, n), vector(p.atol, n), matrix(w.floor, n, V)
    for i in range(n):
        value = atol[i] + SENS_FLOOR * p.rtol * max(abs(x[i]), abs(last[i]))
        for lane in range(V):
            floor[i, lane] = value
    fill(numbers, BETA, beta)
    for b in range(o.blocks):
        at = 8 * V * n * b
        call_vector(v.sens_side, n, numbers, w.dfdp + at, w.wide_mass, w.s_psi + at, w.ds + at)
        multiply_block(p, w, beta, w.s + at, w.ds + at)
        solve_block(p, w, w.ds + at)
        copy(o.inverse_p + 8 * V * b, numbers + 8 * V * INVERSE_P, V)
        call_vector(v.sens_judge, n, numbers, w.DS + at, w.s + at, w.ds + at, w.floor, w.s_w + at)
        worst = largest(w, worst)
    error = ERROR[order] * np.sqrt(worst / n)
    return error if error < np.inf else np.inf


@compiled()
def norm_of_row(o, w, n, row):
    """Largest weighted root mean square of a row of the history over the parameters."""
    worst = 0.0
    for b in range(o.blocks):
        at = 8 * V * n * b
        call_vector(w.passes.norm, n, w.numbers, row + at, w.s_w + at)
        worst = largest(w, worst)
    return np.sqrt(worst / n)


@compiled()
def slope(p, o, w, t, h):
    """Set the first difference of S to ``h (J s + df/dp)`` at the last point; algebraic states start as constants."""
    call_kernel(p.jac, t, w.D, p.c, w.J)
    call_kernel(p.dfdp, t, w.D, p.c, w.dfdp)
    count(w.counts, JAC)
    size = 8 * V * p.n
    out = w.DS + size * o.blocks
    target, explicit = vector(out, o.blocks * p.n * V), vector(w.dfdp, o.blocks * p.n * V)
    mass = vector(p.mass, p.n)
    for q in range(target.size):
        target[q] = h * explicit[q]
    for b in range(o.blocks):
        multiply_block(p, w, h, w.DS + size * b, out + size * b)
    for q in range(target.size):
        target[q] *= mass[q // V % p.n]

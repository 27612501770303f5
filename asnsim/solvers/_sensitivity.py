"""Staggered-direct sensitivities of the NDF method: parameters side by side in blocks of B = `BLOCK`.

S follows the formula of the state; its corrector is linear, with the matrix M - h/alpha J at the accepted point, so one fresh
factorisation serves all parameters. Parameter k of state i stands at ``((k // B) n + i) B + k % B``: a block (n, B) holds B
parameters, which share every load of a matrix entry. A last block is padded with zeros. Each block has its history (ROWS, n, B)
to itself, and all is done to one block before the next: it stays in the fastest memory.

A Numba cache is keyed to the file of the outermost function: after a change here, touch ``ndf.py``.

References
----------
.. [1] Caracotsios & Stewart 1985, Comput. Chem. Eng. 9(4), 359-365 (staggered direct sensitivities).
"""

from __future__ import annotations

import numpy as np

from asnsim.solvers._history import BETA, ERROR, HIGHER, INVERSE_P, LOWER, ORDERS, ROWS, set_basis, set_grid
from asnsim.solvers._kernels import call_kernel, call_vector
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, matrix, vector, whole
from asnsim.solvers._system import JAC, copy, count, evaluate_jacobian, factorise, multiply_block, solve_block
from asnsim.solvers._vectors import fill

__all__ = [
    "advance", "as_blocks", "correct", "finish", "from_blocks", "interpolate", "rescale", "slope", "stop",
]  # fmt: skip

SENS_FLOOR = 1e-3  # p dx/dp below this share of x is resolved absolutely: S crosses zero where x does not


def as_blocks(s: np.ndarray) -> np.ndarray:
    """Return (n, n_theta) as blocks, flat."""
    n, m = s.shape
    full = np.zeros((n, -(-m // BLOCK) * BLOCK))
    full[:, :m] = s
    return full.reshape(n, -1, BLOCK).transpose(1, 0, 2).ravel()


def from_blocks(flat: np.ndarray, n: int, m: int) -> np.ndarray:
    """Return blocks (..., size) as (..., n, n_theta)."""
    blocks = -(-m // BLOCK)
    shape = flat.shape[:-1]
    parts = flat.reshape(*shape, blocks, n, BLOCK)
    return np.ascontiguousarray(np.moveaxis(parts, -3, -2).reshape(*shape, n, blocks * BLOCK)[..., :m])


@compiled()
def largest(w, k, size):
    """Largest of `size` and the entries of number k, one per parameter; NaN stays NaN."""
    row = vector(w.numbers + 8 * BLOCK * k, BLOCK)
    for lane in range(BLOCK):
        if size == size and not row[lane] <= size:
            size = row[lane]
    return size


@compiled()
def history(p, w, b):
    """Address of the history of block b, (ROWS, n, BLOCK)."""
    return w.DS + 8 * BLOCK * p.n * ROWS * b


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
    v, numbers, n = w.passes, w.numbers, p.n
    evaluate_jacobian(p, w, t, w.x)
    if not factorise(p, w, beta):
        return np.inf
    call_kernel(p.dfdp, t, w.x, p.c, w.dfdp)
    predict, judge = whole(v.sens_predict, ORDERS + 1), whole(v.sens_judge, ORDERS + 1)
    x, last, atol, floor = vector(w.x, n), vector(w.D, n), vector(p.atol, n), matrix(w.floor, n, BLOCK)
    for i in range(n):
        value = atol[i] + SENS_FLOOR * p.rtol * max(abs(x[i]), abs(last[i]))
        for lane in range(BLOCK):
            floor[i, lane] = value
    fill(numbers, BETA, beta)
    worst, lower, higher = 0.0, 0.0, 0.0
    for b in range(o.blocks):
        at, past = 8 * BLOCK * n * b, history(p, w, b)
        catch_up(p, w, b)
        call_vector(predict[order], n, numbers, past, w.dfdp + at, w.wide_mass, w.s, w.ds + at)
        multiply_block(p, w, beta, w.s, w.ds + at)
        solve_block(p, w, w.ds + at)
        copy(o.inverse_p + 8 * BLOCK * b, numbers + 8 * BLOCK * INVERSE_P, BLOCK)
        call_vector(judge[order], n, numbers, past, w.s, w.ds + at, w.floor)
        worst, lower, higher = largest(w, 4, worst), largest(w, LOWER, lower), largest(w, HIGHER, higher)
    forget(w)
    norms = vector(w.sens_norms, 2)
    norms[0], norms[1] = np.sqrt(lower / n), np.sqrt(higher / n)
    error = ERROR[order] * np.sqrt(worst / n)
    return error if error < np.inf else np.inf


# ---- what waits ----
# Taking a correction into the history and moving it to another grid wait until the block is worked on again, while it is near;
# `w.waiting` holds the order of the step whose correction waits, and the order of a change of grid, 0 for none.


@compiled()
def catch_up(p, w, b):
    """Do for one block what waits; `forget` it when all are done."""
    waiting, past = whole(w.waiting, 2), history(p, w, b)
    if waiting[0] > 0:
        passes = whole(w.passes.wide_advance, ORDERS + 1)
        call_vector(passes[waiting[0]], p.n, w.numbers, past, w.ds + 8 * BLOCK * p.n * b)
    if waiting[1] > 0:
        passes = whole(w.passes.wide_rescale, ORDERS + 1)
        call_vector(passes[waiting[1]], p.n, w.sens_grid, past)


@compiled()
def forget(w):
    """Nothing waits any more."""
    waiting = whole(w.waiting, 2)
    waiting[0], waiting[1] = 0, 0


@compiled()
def finish(p, o, w):
    """Do for all blocks what waits."""
    waiting = whole(w.waiting, 2)
    if waiting[0] > 0 or waiting[1] > 0:
        for b in range(o.blocks):
            catch_up(p, w, b)
        forget(w)


@compiled()
def advance(p, o, w, order):
    """Take the corrections into the history, later."""
    if o.blocks > 0:
        finish(p, o, w)
        waiting = whole(w.waiting, 2)
        waiting[0] = order


@compiled()
def rescale(p, o, w, order, factor):
    """Move the history to a grid of step ``factor * h``, later."""
    if o.blocks > 0:
        waiting = whole(w.waiting, 2)
        if waiting[1] > 0:
            finish(p, o, w)
        waiting[1] = order
        set_grid(w, w.sens_grid, order, factor)


# ---- reading the history ----


@compiled()
def interpolate(p, o, w, order, s, out):
    """Evaluate the history polynomials at ``t_n + s h`` into blocks (n_blocks, n, B) at the address `out`."""
    finish(p, o, w)
    passes = whole(w.passes.wide_interpolate, ORDERS + 1)
    set_basis(w, order, s)
    for b in range(o.blocks):
        call_vector(passes[order], p.n, w.numbers, history(p, w, b), out + 8 * BLOCK * p.n * b)


@compiled()
def stop(p, o, w, order, s):
    """Make the values at ``t_n + s h`` the last ones."""
    finish(p, o, w)
    passes = whole(w.passes.wide_interpolate, ORDERS + 1)
    set_basis(w, order, s)
    for b in range(o.blocks):
        call_vector(passes[order], p.n, w.numbers, history(p, w, b), w.s)
        copy(w.s, history(p, w, b), p.n * BLOCK)


@compiled()
def slope(p, o, w, t, h):
    """Set the first differences of S to ``h (J s + df/dp)`` at the last point; algebraic states start as constants."""
    finish(p, o, w)
    call_kernel(p.jac, t, w.D, p.c, w.J)
    call_kernel(p.dfdp, t, w.D, p.c, w.dfdp)
    count(w.counts, JAC)
    size, mass = p.n * BLOCK, vector(p.mass, p.n)
    for b in range(o.blocks):
        first = history(p, w, b)
        target, explicit = vector(first + 8 * size, size), vector(w.dfdp + 8 * size * b, size)
        for q in range(size):
            target[q] = h * explicit[q]
        multiply_block(p, w, h, first, first + 8 * size)
        for q in range(size):
            target[q] *= mass[q // BLOCK]

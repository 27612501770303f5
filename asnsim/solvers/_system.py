"""What every integrator asks of a model: its matrix factorised, a linear solve, weights, and whether a step has left its domain.

A Numba cache is keyed to the file of the outermost function: after a change here, touch the files of the integrators.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from asnsim.solvers._kernels import Kernels, call_kernel
from asnsim.solvers._linalg import compiled, lu_factor, lu_solve, lu_solve_many, sparse_factor, sparse_solve, sparse_solve_many

__all__ = ["Problem", "copy", "factorise", "leaves_domain", "make_problem", "multiply", "solve", "solve_many", "weigh"]

MAX_STEPS, NOT_FINITE, ROOT, STEP_TOO_SMALL, SUCCESS = 1, 3, 4, 2, 0  # how a segment ends
STEPS, REJECTED, RHS, JAC, FACTORIZATIONS, NEWTON_FAILURES = 0, 1, 2, 3, 4, 5  # places in the array of counts
EPS = np.finfo(np.float64).eps

#: What a segment needs and never changes.
Problem = namedtuple(
    "Problem",
    "rhs jac dfdp dfdt roots n_roots root_strict c t0 t1 atol rtol mass pattern lu_factor lu_solve lu_size "
    "lu_origin lu_rows lu_eliminations lu_updates lu_steps",
)


def make_problem(kernels: Kernels, t0: float, t1: float, c: np.ndarray, atol: np.ndarray, rtol: float) -> Problem:
    """Gather what a segment needs; arrays contiguous float64, as `asnsim.solvers.integrate` makes them."""
    k = kernels
    return Problem(
        k.rhs, k.jac, k.dfdp, k.dfdt, k.roots, k.n_roots, k.root_strict, c, t0, t1, atol, float(rtol), k.mass, k.pattern,
        k.lu_factor, k.lu_solve, k.lu_size, k.lu_origin, k.lu_rows, k.lu_eliminations, k.lu_updates, k.lu_steps,
    )  # fmt: skip


@compiled()
def copy(x, out):
    """Set ``out = x``; a slice assignment would allocate."""
    for q in range(out.size):
        out[q] = x[q]


@compiled()
def weigh(p, w):
    """Set the weights from the last accepted state.

    Not from the new one: a step that jumps over the pole of a rate law to huge values would widen its own tolerance.
    """
    last, weights, atol, rtol = w.D[0], w.w, p.atol, p.rtol  # locals: a loop over fields of a tuple does not vectorise
    for i in range(last.size):
        weights[i] = 1.0 / (rtol * abs(last[i]) + atol[i])


@compiled()
def factorise(p, w, t, x, beta):
    """Evaluate J at (t, x) and factorise M - beta J; False if that is singular or not finite.

    Sparse with pivots on the diagonal first; dense with partial pivoting where there is no pattern or its pivots cannot be
    trusted. The last entry of ``w.lu`` says which factors hold: positive for the sparse ones.
    """
    call_kernel(p.jac, t, x, p.c, w.J)
    w.counts[JAC] += 1
    w.counts[FACTORIZATIONS] += 1
    if p.lu_factor != 0:
        call_kernel(p.lu_factor, beta, w.J, p.c, w.lu)
        if w.lu[p.lu_size] > 0.0:
            return True
    elif p.lu_size > 0 and sparse_factor(w.J, beta, p.mass, p.lu_origin, p.lu_rows, p.lu_eliminations, p.lu_updates, w.lu):
        w.lu[p.lu_size] = 1.0
        return True
    w.lu[p.lu_size] = 0.0
    pattern = p.pattern
    w.LU[:] = 0.0
    for i in range(p.mass.size):
        w.LU[i, i] = p.mass[i]
    for e in range(pattern.shape[0]):
        w.LU[pattern[e, 0], pattern[e, 1]] -= beta * w.J[e]
    return lu_factor(w.LU, w.pivots)


@compiled()
def solve(p, w, b):
    """Solve with the matrix factorised last, in place."""
    if w.lu[p.lu_size] > 0.0:
        if p.lu_solve != 0:
            call_kernel(p.lu_solve, 0.0, w.lu, p.c, b)
        else:
            sparse_solve(w.lu, p.lu_steps, b)
    else:
        lu_solve(w.LU, w.pivots, b)


@compiled()
def solve_many(p, w, b):
    """Solve for many right-hand sides, the columns of `b`, in place."""
    if w.lu[p.lu_size] > 0.0:
        sparse_solve_many(w.lu, p.lu_steps, b)
    else:
        lu_solve_many(w.LU, w.pivots, b)


@compiled()
def multiply(p, J, factor, v, out):
    """Add ``factor J v`` to `out`; both (n, m)."""
    pattern = p.pattern
    for e in range(pattern.shape[0]):
        a = factor * J[e]
        target, source = out[pattern[e, 0]], v[pattern[e, 1]]
        for k in range(target.size):
            target[k] += a * source[k]


@compiled()
def leaves_domain(p, w, t):
    """Whether the state just found has passed zero where the flow cannot.

    A pool eliminated at saturation falls on a straight line: no error estimate holds the step back, and one long step carries the
    pool beyond -Km, where V x / (Km + x) is V again and Newton agrees. So states that fell below zero are set to zero: one that
    would then not fall cannot have crossed, and the step is wrong. A state that does cross, or starts below zero, changes sign by
    right and is never asked again in this segment; nor is an algebraic one, which has no flow.
    """
    last, x, signed, atol = w.D[0], w.x, w.signed, p.atol
    suspect = False
    for i in range(last.size):
        if x[i] < min(last[i], 0.0) - atol[i] and not signed[i]:
            suspect = True
    if not suspect:
        return False
    clipped = w.r
    for i in range(last.size):
        clipped[i] = x[i] if signed[i] else max(x[i], 0.0)
    call_kernel(p.rhs, t, clipped, p.c, w.f)
    w.counts[RHS] += 1
    for i in range(last.size):
        if not signed[i] and x[i] < min(last[i], 0.0) - atol[i]:
            if w.f[i] >= 0.0 and p.mass[i] > 0.0:
                return True
            signed[i] = True
    return False

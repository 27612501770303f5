"""What every integrator asks of a model: its matrix factorised, linear solves, and whether a step has left its domain.

A `Problem` and the buffers of an integrator (its `Work`, fields by the same names in all of them) hold addresses; see
`asnsim.solvers._memory`. A Numba cache is keyed to the file of the outermost function: after a change here, touch the files of
the integrators.
"""

from __future__ import annotations

from collections import namedtuple
from numbers import Integral, Real

import numpy as np

from asnsim.solvers._kernels import Kernels, call_kernel, call_lanes
from asnsim.solvers._linalg import compiled, lu_factor, lu_solve, lu_solve_many, sparse_factor, sparse_solve, sparse_solve_many
from asnsim.solvers._memory import BLOCK, V, address, matrix, padded, vector, whole, whole_matrix
from asnsim.solvers._vectors import fill

__all__ = [
    "Problem", "check_settings", "copy", "count", "evaluate_jacobian", "factorise", "first_bound", "is_hopeless", "leaves_domain",
    "make_problem", "multiply_block", "pad", "solve", "solve_block", "speed_and_bend",
]  # fmt: skip

MAX_STEPS, NOT_FINITE, ROOT, STEP_TOO_SMALL, SUCCESS = 1, 3, 4, 2, 0  # how a segment ends
STEPS, REJECTED, RHS, JAC, FACTORIZATIONS, NEWTON_FAILURES = 0, 1, 2, 3, 4, 5  # places in the array of counts
EPS = np.finfo(np.float64).eps
MOST_BAD, BAD_SHARE = 200, 0.25  # attempts that met no number, and their share, at which a segment is given up


def check_settings(rtol: float, atol: float | None, max_steps: int) -> None:
    """Refuse settings that no method can use.

    Raises
    ------
    ValueError
        With the setting, its value and what to choose.
    """
    if not (isinstance(rtol, Real) and 10 * EPS <= rtol < 1):
        raise ValueError(f"rtol is {rtol!r}; choose a value between 1e-14 and 1")
    if atol is not None and not (isinstance(atol, Real) and atol > 0):
        raise ValueError(f"atol is {atol!r}; choose a positive value")
    if not (isinstance(max_steps, Integral) and max_steps >= 1):
        raise ValueError(f"max_steps is {max_steps!r}; choose a whole number, at least 1")


@compiled()
def is_hopeless(bad, attempts):
    """Whether a solution creeps towards the edge of where its right-hand side is a number, such as a root below zero."""
    return bad >= MOST_BAD and bad >= BAD_SHARE * attempts


#: What a segment needs and never changes: sizes, kernels, arrays, numbers.
Problem = namedtuple(
    "Problem",
    "n size rows n_entries n_roots n_steps lu_size "
    "rhs jac dfdp dfdt multiply_block solve_block roots lu_factor lu_solve "
    "c atol mass pattern root_strict lu_origin lu_rows lu_eliminations lu_updates lu_steps t0 t1 rtol",
)


def pad(values: np.ndarray, rest: float) -> np.ndarray:
    """Copy (n,) into whole rows, filled up with `rest`."""
    full = np.full(padded(values.size), rest)
    full[: values.size] = values
    return full


def make_problem(kernels: Kernels, atol: np.ndarray, mass: np.ndarray) -> Problem:
    """Gather what segments need; `atol` and `mass` in whole rows (see `pad`).

    The caller keeps the arrays alive, and replaces span, rtol and the address of c, which are 0 here.
    """
    k, size = kernels, padded(kernels.n)
    arrays = (atol, mass, k.pattern, k.root_strict, k.lu_origin, k.lu_rows, k.lu_eliminations, k.lu_updates, k.lu_steps)
    return Problem(
        k.n, size, size // V, len(k.pattern), k.n_roots, len(k.lu_steps), k.lu_size,
        k.rhs, k.jac, k.dfdp, k.dfdt, k.multiply_block, k.solve_block, k.roots, k.lu_factor, k.lu_solve,
        0, *map(address, arrays), 0.0, 0.0, 0.0,
    )  # fmt: skip


@compiled()
def count(counts, place):
    """Add one to a count."""
    table = whole(counts, 6)
    table[place] += 1


@compiled()
def copy(source, target, n):
    """Copy n numbers from one address to another."""
    a, b = vector(source, n), vector(target, n)
    for q in range(n):
        b[q] = a[q]


@compiled()
def speed_and_bend(p, w, dfdt, out):
    """Return the norms of x' and of x'' = J x' + df/dt at the last state, which set a first step; algebraic states do not count.

    Leaves x' in ``w.f`` and x'' in `out`.
    """
    call_kernel(p.rhs, p.t0, w.D, p.c, w.f)
    call_kernel(p.jac, p.t0, w.D, p.c, w.J)
    count(w.counts, RHS)
    count(w.counts, JAC)
    f, weights, mass, start = vector(w.f, p.n), vector(w.w, p.n), vector(p.mass, p.n), vector(dfdt, p.n)
    J, pattern, second = vector(w.J, p.n_entries), whole_matrix(p.pattern, p.n_entries, 2), vector(out, p.n)
    for i in range(p.n):
        f[i] *= mass[i]
        second[i] = start[i]
    for e in range(p.n_entries):
        second[pattern[e, 0]] += J[e] * f[pattern[e, 1]]
    speed, bend = 0.0, 0.0
    for i in range(p.n):
        speed += (f[i] * weights[i]) ** 2
        bend += (mass[i] * second[i] * weights[i]) ** 2
    return np.sqrt(speed / p.n), np.sqrt(bend / p.n)


@compiled()
def evaluate_jacobian(p, w, t, x):
    """Evaluate J at (t, x)."""
    call_kernel(p.jac, t, x, p.c, w.J)
    count(w.counts, JAC)


@compiled()
def factorise(p, w, beta):
    """Factorise M - beta J; False if that is singular or not finite.

    Sparse with pivots on the diagonal first; dense with partial pivoting where there is no pattern or its pivots cannot be
    trusted. The last entry of ``w.lu`` says which factors hold: positive for the sparse ones.
    """
    count(w.counts, FACTORIZATIONS)
    lu, J = vector(w.lu, p.lu_size + 1), vector(w.J, p.n_entries)
    if p.lu_factor != 0:
        call_kernel(p.lu_factor, beta, w.J, p.c, w.lu)
        if lu[p.lu_size] > 0.0:
            return True
    elif p.lu_size > 0 and sparse_factor(
        p.n, p.lu_size, J, beta, vector(p.mass, p.n), p.lu_origin, p.lu_rows, p.lu_eliminations, p.lu_updates, lu
    ):
        lu[p.lu_size] = 1.0
        return True
    lu[p.lu_size] = 0.0
    full, mass, pattern = matrix(w.LU, p.n, p.n), vector(p.mass, p.n), whole_matrix(p.pattern, p.n_entries, 2)
    full[:] = 0.0
    for i in range(p.n):
        full[i, i] = mass[i]
    for e in range(p.n_entries):
        full[pattern[e, 0], pattern[e, 1]] -= beta * J[e]
    return lu_factor(full, whole(w.pivots, p.n))


@compiled()
def solve(p, w, b):
    """Solve with the matrix factorised last, in place; b is an address."""
    lu = vector(w.lu, p.lu_size + 1)
    if lu[p.lu_size] > 0.0:
        if p.lu_solve != 0:
            call_kernel(p.lu_solve, 0.0, w.lu, p.c, b)
        else:
            sparse_solve(lu, whole_matrix(p.lu_steps, p.n_steps, 3), vector(b, p.n))
    else:
        lu_solve(matrix(w.LU, p.n, p.n), whole(w.pivots, p.n), vector(b, p.n))


@compiled()
def solve_block(p, w, b):
    """Solve for the BLOCK columns at the address b (n, BLOCK), in place."""
    lu = vector(w.lu, p.lu_size + 1)
    if lu[p.lu_size] > 0.0:
        if p.solve_block != 0:
            call_lanes(p.solve_block, w.numbers, w.lu, w.lu, b)
        else:
            sparse_solve_many(lu, whole_matrix(p.lu_steps, p.n_steps, 3), matrix(b, p.n, BLOCK))
    else:
        lu_solve_many(matrix(w.LU, p.n, p.n), whole(w.pivots, p.n), matrix(b, p.n, BLOCK))


@compiled()
def multiply_block(p, w, factor, v, out):
    """Add ``factor J v`` to `out`; addresses of (n, BLOCK). Number 1 is overwritten."""
    if p.multiply_block != 0:
        fill(w.numbers, 1, factor)
        call_lanes(p.multiply_block, w.numbers + 8 * BLOCK, w.J, v, out)
        return
    J, pattern = vector(w.J, p.n_entries), whole_matrix(p.pattern, p.n_entries, 2)
    source, target = matrix(v, p.n, BLOCK), matrix(out, p.n, BLOCK)
    for e in range(p.n_entries):
        a, i, j = factor * J[e], pattern[e, 0], pattern[e, 1]
        for k in range(BLOCK):
            target[i, k] += a * source[j, k]


def first_bound(x0: np.ndarray, atol: np.ndarray) -> np.ndarray:
    """How far below zero each state may come unasked, (n,): its tolerance; any way for one that starts below."""
    return np.where(x0 < 0.0, -np.inf, -atol)


@compiled()
def leaves_domain(p, w, t):
    """Whether the state just found, of which some part has become negative, has passed zero where the flow cannot.

    A pool eliminated at saturation falls on a straight line: no error estimate holds the step back, and one long step carries the
    pool beyond -Km, where V x / (Km + x) is V again and Newton agrees. So states that fell below zero are set to zero: one that
    would then not fall cannot have crossed, and the step is wrong. A state that does cross, or starts below zero, changes sign by
    right and is never asked again in this segment; nor is an algebraic one, which has no flow. Whatever its bound, a state from
    which the flow is not a number is no place to go on from: a volume that decays to 1e-100 must not end at -1e-101.
    """
    last, x, clipped, bound = vector(w.D, p.n), vector(w.x, p.n), vector(w.r, p.n), vector(w.bound, p.n)
    f, mass = vector(w.f, p.n), vector(p.mass, p.n)
    for i in range(p.n):
        clipped[i] = max(x[i], 0.0) if bound[i] > -np.inf else x[i]
    call_kernel(p.rhs, t, w.r, p.c, w.f)
    count(w.counts, RHS)
    for i in range(p.n):
        if x[i] < min(last[i], 0.0) + bound[i]:
            if f[i] >= 0.0 and mass[i] > 0.0:
                return True
            bound[i] = -np.inf
    call_kernel(p.rhs, t, w.x, p.c, w.f)
    count(w.counts, RHS)
    for i in range(p.n):
        if not np.isfinite(f[i]):
            return True
    return False

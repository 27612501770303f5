"""LU factorisations in Numba: dense with partial pivoting, and sparse along lists of steps.

Dense: plain row operations on C-contiguous arrays; the inner loops run over rows, so they vectorise, and a zero multiplier skips
its whole row, which on reaction networks saves most of the work without any pattern analysis. Sparse: for systems too large for
straight-line code, the lists of `asnsim.sparse_lu.SparseLU`.

A Numba cache is keyed to the file of the outermost function: after a change here, touch the files of the integrators.

References
----------
.. [1] Golub & Van Loan 2013, Matrix Computations, 4th ed., algorithms 3.4.1 and 3.1.3.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from asnsim.solvers._memory import whole_matrix

__all__ = ["compiled", "lu_factor", "lu_solve", "lu_solve_many", "sparse_factor", "sparse_solve", "sparse_solve_many"]

PIVOT_RATIO = 1e-8  # a pivot that elimination has cancelled below this share of its diagonal asks for partial pivoting


def compiled(**options):
    """Return the decorator of every inner function of the solvers: cached on disk, without the GIL, without reference counts.

    Counting references to the arrays of a work tuple (`_nrt`) took a third of a run; the price is that these functions cannot
    allocate: the caller hands in every buffer and keeps it alive.
    """
    return njit(cache=True, nogil=True, error_model="numpy", _nrt=False, **options)


@compiled()
def lu_factor(a, pivots):
    """Factorise in place with row interchanges: P A = L U; of the diagonals, 1/U is stored and the ones of L are not.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        The matrix; overwritten by L and U.
    pivots : ndarray of int64, shape (n,)
        Receives the row that was swapped with row k at stage k.

    Returns
    -------
    bool
        False if a pivot is zero or not finite; `a` is then of no use.
    """
    n = a.shape[0]
    for k in range(n):
        p = k
        largest = abs(a[k, k])
        for i in range(k + 1, n):
            if abs(a[i, k]) > largest:
                largest = abs(a[i, k])
                p = i
        pivots[k] = p
        if not (0.0 < largest < np.inf):  # also catches NaN
            return False
        if p != k:
            for j in range(n):
                a[k, j], a[p, j] = a[p, j], a[k, j]
        top = a[k]
        reciprocal = 1.0 / top[k]  # divisions are the slow part of a solve: one here saves one in each
        top[k] = reciprocal
        for i in range(k + 1, n):
            row = a[i]
            if row[k] != 0.0:
                m = row[k] * reciprocal
                row[k] = m
                for j in range(k + 1, n):
                    row[j] -= m * top[j]
    return True


@compiled(fastmath={"reassoc", "contract"})
def lu_solve(lu, pivots, b):
    """Solve for one right-hand side, in place.

    Parameters
    ----------
    lu : ndarray, shape (n, n)
    pivots : ndarray of int64, shape (n,)
        From `lu_factor`.
    b : ndarray, shape (n,)
        Right-hand side; overwritten by the solution.
    """
    n = lu.shape[0]
    for k in range(n):  # all swaps first: the multipliers of L were swapped along with their rows
        p = pivots[k]
        if p != k:
            b[k], b[p] = b[p], b[k]
    for i in range(1, n):
        row = lu[i]
        total = 0.0
        for j in range(i):
            total += row[j] * b[j]
        b[i] -= total
    for i in range(n - 1, -1, -1):
        row = lu[i]
        total = 0.0
        for j in range(i + 1, n):
            total += row[j] * b[j]
        b[i] = (b[i] - total) * row[i]


@compiled()
def lu_solve_many(lu, pivots, b):
    """Solve for many right-hand sides, in place.

    Parameters
    ----------
    lu : ndarray, shape (n, n)
    pivots : ndarray of int64, shape (n,)
        From `lu_factor`.
    b : ndarray, shape (n, m)
        Right-hand sides; overwritten by the solutions. One row per state, so the inner loops run over the m columns.
    """
    n, m = b.shape
    for k in range(n):
        p = pivots[k]
        if p != k:
            for j in range(m):
                b[k, j], b[p, j] = b[p, j], b[k, j]
    for i in range(1, n):
        target = b[i]
        for k in range(i):
            factor = lu[i, k]
            if factor != 0.0:
                source = b[k]
                for j in range(m):
                    target[j] -= factor * source[j]
    for i in range(n - 1, -1, -1):
        target = b[i]
        for k in range(i + 1, n):
            factor = lu[i, k]
            if factor != 0.0:
                source = b[k]
                for j in range(m):
                    target[j] -= factor * source[j]
        reciprocal = lu[i, i]
        for j in range(m):
            target[j] *= reciprocal


@compiled()
def sparse_factor(n, size, J, beta, mass, origin, rows, eliminations, updates, lu):
    """Factorise ``M - beta J`` on its static pattern, pivots on the diagonal.

    Parameters
    ----------
    n, size : int
        Rows, and entries of the factors.
    J : ndarray, shape (n_j,)
        Values of J.
    beta : float
    mass : ndarray, shape (n,)
        Diagonal of M.
    origin, rows, eliminations, updates : int
        Addresses of the lists that `asnsim.sparse_lu.SparseLU.factor_steps` makes.
    lu : ndarray, shape (size + 1,)
        Receives the factors.

    Returns
    -------
    bool
        False if a pivot cannot be trusted.
    """
    source, row = whole_matrix(origin, size, 2), whole_matrix(rows, n, 4)
    last = row[n - 1, 1]
    elimination = whole_matrix(eliminations, last, 4)
    update = whole_matrix(updates, elimination[last - 1, 3] if last > 0 else 0, 2)
    for p in range(size):
        e, d = source[p, 0], source[p, 1]
        value = -beta * J[e] if e >= 0 else 0.0
        lu[p] = value + mass[d] if d >= 0 else value
    for r in range(n):
        pivot = row[r, 2]
        least = PIVOT_RATIO * abs(lu[pivot])
        for q in range(row[r, 0], row[r, 1]):
            multiplier = lu[elimination[q, 0]]
            for u in range(elimination[q, 2], elimination[q, 3]):
                lu[update[u, 0]] -= multiplier * lu[update[u, 1]]
            lu[elimination[q, 0]] = multiplier * lu[elimination[q, 1]]
        if not least < abs(lu[pivot]) < np.inf:  # also catches NaN
            return False
        reciprocal = 1.0 / lu[pivot]
        lu[pivot] = reciprocal
        for p in range(pivot + 1, row[r, 3]):
            lu[p] *= reciprocal
    return True


@compiled()
def sparse_solve(lu, steps, b):
    """Solve for one right-hand side with sparse factors, in place; see `sparse_solve_many`."""
    for step in range(steps.shape[0]):
        target, source, factor = steps[step, 0], steps[step, 1], lu[steps[step, 2]]
        if target == source:
            b[target] *= factor
        else:
            b[target] -= factor * b[source]


@compiled()
def sparse_solve_many(lu, steps, b):
    """Solve for many right-hand sides with sparse factors, in place.

    Parameters
    ----------
    lu : ndarray, shape (lu_size + 1,)
        Entries of L, 1/D and U.
    steps : ndarray of int64, shape (m, 3)
        (target, source, position), in order; target and source alike means: scale by the reciprocal.
    b : ndarray, shape (n, m)
        Right-hand sides; overwritten by the solutions.
    """
    m = b.shape[1]
    for step in range(steps.shape[0]):
        target, source, factor = b[steps[step, 0]], b[steps[step, 1]], lu[steps[step, 2]]
        if steps[step, 0] == steps[step, 1]:
            for j in range(m):
                target[j] *= factor
        else:
            for j in range(m):
                target[j] -= factor * source[j]

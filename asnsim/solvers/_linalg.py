"""Dense LU with partial pivoting for small systems, in Numba.

Plain row operations on C-contiguous arrays: the inner loops run over rows, so they vectorise, and a zero multiplier skips its
whole row, which on reaction networks (about one entry in five is nonzero) saves most of the work without any pattern analysis.

A Numba cache is keyed to the file of the outermost function: after a change here, touch ``ndf.py``.

References
----------
.. [1] Golub & Van Loan 2013, Matrix Computations, 4th ed., algorithms 3.4.1 and 3.1.3.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["compiled", "lu_factor", "lu_solve", "lu_solve_many", "sparse_solve_many"]


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
def sparse_solve_many(lu, steps, b):
    """Solve for many right-hand sides with sparse factors, in place.

    Parameters
    ----------
    lu : ndarray, shape (lu_size + 1,)
        Entries of L and U; reciprocals on the diagonal.
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

"""The history of the NDF method: coefficients, backward differences, norms.

Differences lie in rows of an array (ROWS, size): D[0] is the last point, D[j] its j-th backward difference. State and (flat)
sensitivities go through the same functions.

A Numba cache is keyed to the file of the outermost function: after a change here, touch ``ndf.py``.

References
----------
.. [1] Shampine & Reichelt 1997, The MATLAB ODE Suite, SIAM J. Sci. Comput. 18(1), 1-22.
"""

from __future__ import annotations

import numpy as np

from asnsim.solvers._linalg import compiled

__all__ = ["ALPHA", "ERROR", "ORDERS", "ROWS", "advance", "as_powers", "interpolate", "norm", "predict", "rescale", "sens_norm"]

ORDERS = 5
ROWS = ORDERS + 3  # D_0 ... D_{k+2}
KAPPA = np.array([0.0, -0.1850, -1 / 9, -0.0823, -0.0415, 0.0])  # table 1 of [1]
GAMMA = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, ORDERS + 1))))
ALPHA = (1.0 - KAPPA) * GAMMA
#: The Newton basis polynomials N_j as powers of the part of the last step, s + 1.
POWERS = np.zeros((ORDERS + 1, ORDERS + 1))
POWERS[0, 0] = 1.0
for _j in range(1, ORDERS + 1):
    POWERS[_j] = (np.append(0.0, POWERS[_j - 1][:-1]) + (_j - 2) * POWERS[_j - 1]) / _j
ERROR = KAPPA * GAMMA + 1.0 / np.arange(1, ORDERS + 2)


@compiled()
def rescale(D, order, factor, T):
    """Move the history to a grid of step ``factor * h``, in place.

    The new i-th difference of the Newton basis polynomial ``N_j(s) = s (s+1) ... (s+j-1) / j!`` at s = 0 is a number T[i, j] of
    factor alone, and vanishes for j < i: the map is triangular, and needs no second buffer for D. T (ORDERS + 2, ORDERS + 1) is
    scratch; its last row takes the values a column is made from.
    """
    values = T[ORDERS + 1]
    for j in range(1, order + 1):
        for m in range(j + 1):  # N_j at the points 0, -factor, -2 factor ...
            value = 1.0
            for i in range(j):
                value *= (i - m * factor) / (i + 1)
            values[m] = value
        for i in range(1, j + 1):
            for m in range(j + 1 - i):
                values[m] -= values[m + 1]
            T[i, j] = values[0]
    for i in range(1, order + 1):
        target = D[i]
        target *= T[i, i]
        for j in range(i + 1, order + 1):
            source = D[j]
            a = T[i, j]
            for q in range(target.size):
                target[q] += a * source[q]


@compiled()
def predict(D, order, x, psi):
    """Evaluate the prediction into `x` and psi into `psi`."""
    base = D[0]
    for q in range(x.size):
        x[q] = base[q]
        psi[q] = 0.0
    for j in range(1, order + 1):
        row = D[j]
        g = GAMMA[j] / ALPHA[order]
        for q in range(x.size):
            x[q] += row[q]
            psi[q] += g * row[q]


@compiled()
def advance(D, order, d):
    """Take the correction `d` into the history: it now ends at the new point."""
    next_, last = D[order + 2], D[order + 1]
    for q in range(d.size):
        next_[q] = d[q] - last[q]
        last[q] = d[q]
    for j in range(order, -1, -1):
        row, above = D[j], D[j + 1]
        for q in range(d.size):
            row[q] += above[q]


@compiled()
def interpolate(D, order, s, out):
    """Evaluate the history polynomial at ``t_n + s h``, -1 <= s <= 0."""
    base = D[0]
    for q in range(out.size):
        out[q] = base[q]
    basis = 1.0
    for j in range(1, order + 1):
        basis *= (s + j - 1) / j
        row = D[j]
        for q in range(out.size):
            out[q] += basis * row[q]


@compiled()
def as_powers(D, order, poly):
    """Write the history polynomial over the last step as powers of the part of it, into the rows of `poly`."""
    poly[:] = 0.0
    for j in range(order + 1):
        row = D[j]
        for k in range(j + 1):
            target, factor = poly[k], POWERS[j, k]
            for q in range(row.size):
                target[q] += factor * row[q]


@compiled(fastmath={"reassoc", "contract"})
def norm(v, w):
    """Weighted root mean square of `v`."""
    total = 0.0
    for q in range(v.size):
        total += (v[q] * w[q]) ** 2
    return np.sqrt(total / v.size)


@compiled()
def sens_norm(v, w, per_parameter):
    """Largest weighted root mean square of `v` over the parameters; NaN if any entry is."""
    m = per_parameter.size
    per_parameter[:] = 0.0
    for i in range(0, v.size, m):
        a, b = v[i : i + m], w[i : i + m]
        for k in range(m):
            per_parameter[k] += (a[k] * b[k]) ** 2
    largest = 0.0
    for k in range(m):
        if not per_parameter[k] <= largest:
            largest = per_parameter[k]
    return np.sqrt(largest * m / v.size)

"""The history of the NDF method: coefficients, backward differences, and what is done with them in one pass each.

Differences lie in rows of an array (ROWS, size): D[0] is the last point, D[j] its j-th backward difference. State and
sensitivities go through the same passes.

A Numba cache is keyed to the file of the outermost function: after a change here, touch ``ndf.py``.

References
----------
.. [1] Shampine & Reichelt 1997, The MATLAB ODE Suite, SIAM J. Sci. Comput. 18(1), 1-22.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from asnsim.once import once
from asnsim.solvers import _vectors as vectors
from asnsim.solvers._kernels import call_vector
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, V, matrix, whole
from asnsim.solvers._roots import COEFFICIENTS
from asnsim.solvers._vectors import Pass, fill

__all__ = ["ALPHA", "ERROR", "ORDERS", "ROWS", "as_powers", "compile_passes", "interpolate", "set_basis", "set_grid"]

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
INVERSE = np.array([0.0, *(1.0 / np.arange(1, ORDERS + 2))])
ERROR = KAPPA * GAMMA + 1.0 / np.arange(1, ORDERS + 2)

# numbers of the passes, beside those of `asnsim.solvers._vectors`: sums for the orders below and above, 1/p of parameters, and
# from FREE on as each pass wants them
BETA, LOWER, HIGHER, INVERSE_P, FREE = 1, 5, 6, 7, 8
Passes = namedtuple(
    "Passes",
    "weigh judge residual update predict advance rescale interpolate "
    "sens_predict sens_judge wide_advance wide_rescale wide_interpolate",
)


def _extrapolated(p: Pass, order: int) -> tuple[str, str]:
    """Return ``sum D_j`` and ``sum gamma_j / alpha_k D_j``."""
    rows = [p.get("D", j) for j in range(order + 1)]
    total, psi = rows[0], p.const(0.0)
    for j in range(1, order + 1):
        total = p.op("fadd", total, rows[j])
        psi = p.scaled_sum(GAMMA[j] / ALPHA[order], rows[j], None if j == 1 else psi)
    return total, psi


def _predict(order: int) -> str:
    """Write the prediction ``x = sum D_j`` and ``psi = sum gamma_j / alpha_k D_j``."""
    p = Pass("D x psi")
    p.rows("D", *range(order + 1))
    p.begin()
    total, psi = _extrapolated(p, order)
    p.put(total, "x")
    p.put(psi, "psi")
    return p.text(f"predict{order}")


def _residual() -> str:
    """Write ``r = beta f - M (psi + d)``."""
    p = Pass("f mass psi d r")
    beta = p.number(BETA)
    p.begin()
    inner = p.op("fmul", p.get("mass"), p.op("fadd", p.get("psi"), p.get("d")))
    p.put(p.op("fsub", p.op("fmul", beta, p.get("f")), inner), "r")
    return p.text("residual")


def _update() -> str:
    """Add r to d and to x; number 4 = sum of ``(r w)^2``."""
    p = Pass("r w d x")
    p.begin(4)
    r = p.get("r")
    p.squared(4, p.op("fmul", r, p.get("w")))
    p.put(p.op("fadd", p.get("d"), r), "d")
    p.put(p.op("fadd", p.get("x"), r), "x")
    return p.text("update")


def _advance(order: int, width: int, name: str) -> str:
    """Take the correction d into the history: it now ends at the new point."""
    p = Pass("D d", width)
    p.rows("D", *range(order + 3))
    p.begin()
    d = p.get("d")
    p.put(p.op("fsub", d, p.get("D", order + 1)), "D", order + 2)
    p.put(d, "D", order + 1)
    above = d
    for j in range(order, -1, -1):
        above = p.op("fadd", p.get("D", j), above)
        p.put(above, "D", j)
    return p.text(name)


def _rescale(order: int, width: int, name: str) -> str:
    """Multiply the differences by the triangular matrix in the numbers from FREE on; see `set_grid`."""
    p = Pass("D", width)
    p.rows("D", *range(order + 1))
    T, k = {}, FREE
    for i in range(1, order + 1):
        for j in range(i, order + 1):
            T[i, j] = p.number(k)
            k += 1
    p.begin()
    rows = [p.get("D", j) for j in range(order + 1)]
    for i in range(1, order + 1):
        total = None
        for j in range(i, order + 1):
            total = p.scaled_sum(T[i, j], rows[j], total)
        p.put(total, "D", i)
    return p.text(name)


def _interpolate(order: int, width: int, name: str) -> str:
    """Write ``D_0 + sum_j number_{FREE + j} D_j``."""
    p = Pass("D out", width)
    p.rows("D", *range(order + 1))
    basis = [p.number(FREE + j) for j in range(1, order + 1)]
    p.begin()
    total = p.get("D", 0)
    for j in range(1, order + 1):
        total = p.fma(basis[j - 1], p.get("D", j), total)
    p.put(total, "out")
    return p.text(name)


def _sens_predict(order: int) -> str:
    """Write the prediction of one block of sensitivities, and ``ds = beta df/dp - M psi``: its right-hand side without J s."""
    p = Pass("D dfdp mass s ds", BLOCK)
    p.rows("D", *range(order + 1))
    beta = p.number(BETA)
    p.begin()
    total, psi = _extrapolated(p, order)
    p.put(total, "s")
    p.put(p.op("fsub", p.op("fmul", beta, p.get("dfdp")), p.op("fmul", p.get("mass"), psi)), "ds")
    return p.text(f"sens_predict{order}")


def _neighbours(p: Pass, order: int, d: str, weight: str) -> None:
    """Add to the sums for the orders below and above: the differences k and k + 2, as they will be when d is taken in."""
    p.squared(LOWER, p.op("fmul", p.op("fadd", p.get("D", order), d), weight))
    p.squared(HIGHER, p.op("fmul", p.op("fsub", d, p.get("D", order + 1)), weight))


def _judge(order: int) -> str:
    """Write number 2 = sum of ``(d w)^2``, its like for the orders below and above, and 3 = how many x are suspect.

    A state is suspect that has become negative, or lies under ``last + bound`` if it was negative before.
    """
    p = Pass("D d w x bound")
    p.rows("D", order, order + 1)
    zero = p.const(0.0)
    p.begin(2, 3, LOWER, HIGHER)
    d, weight, last = p.get("d"), p.get("w"), p.get("D", 0)
    p.squared(2, p.op("fmul", d, weight))
    _neighbours(p, order, d, weight)
    floor = p.select(p.compare("olt", last, zero), p.op("fadd", last, p.get("bound")), zero)
    p.add_to(3, p.select(p.compare("olt", p.get("x"), floor), p.const(1.0), zero))
    return p.text(f"judge{order}")


def _sens_judge(order: int) -> str:
    """Write, per parameter of a block, number 4 = sum of ``(ds w)^2`` and its like for the orders below and above.

    The weights w follow from the larger of old and new value; number 0 is rtol.
    """
    p = Pass("D s ds floor", BLOCK)
    p.rows("D", order, order + 1)
    rtol, inverse = p.number(0), p.number(INVERSE_P)
    p.begin(4, LOWER, HIGHER)
    ds = p.get("ds")
    old, new = p.intrinsic("fabs", p.get("D", 0)), p.intrinsic("fabs", p.op("fadd", p.get("s"), ds))
    size = p.select(p.compare("ogt", old, new), old, new)
    weight = p.op("fdiv", p.const(1.0), p.fma(rtol, size, p.op("fmul", p.get("floor"), inverse)))
    p.squared(4, p.op("fmul", ds, weight))
    _neighbours(p, order, ds, weight)
    return p.text(f"sens_judge{order}")


@once()
def compile_passes():
    """Compile the operations; returns their owner, to be kept, and the `Passes`."""
    texts = {"weigh": vectors.weigh(), "residual": _residual(), "update": _update()}
    for order in range(ORDERS + 1):
        texts |= {
            f"judge{order}": _judge(order),
            f"predict{order}": _predict(order),
            f"sens_predict{order}": _sens_predict(order),
            f"sens_judge{order}": _sens_judge(order),
        }
        for name, write in (("advance", _advance), ("rescale", _rescale), ("interpolate", _interpolate)):
            texts |= {f"{name}{order}": write(order, V, f"{name}{order}")}
            texts |= {f"wide_{name}{order}": write(order, BLOCK, f"wide_{name}{order}")}
    owner, addresses = vectors.compile_passes(texts)
    return owner, Passes(**addresses)


@compiled()
def set_grid(w, numbers, order, factor):
    """Leave in `numbers` what the passes need to move a history to a grid of step ``factor * h``.

    The new i-th difference of the Newton basis polynomial ``N_j(s) = s (s+1) ... (s+j-1) / j!`` at s = 0 is a number T[i, j] of
    factor alone, and vanishes for j < i: the map is triangular.
    """
    T = matrix(w.T, ORDERS + 2, ORDERS + 1)
    values = T[ORDERS + 1]
    for j in range(1, order + 1):
        for m in range(j + 1):  # N_j at the points 0, -factor, -2 factor ...
            value = 1.0
            for i in range(j):
                value *= (i - m * factor) * INVERSE[i + 1]
            values[m] = value
        for i in range(1, j + 1):
            for m in range(j + 1 - i):
                values[m] -= values[m + 1]
            T[i, j] = values[0]
    k = FREE
    for i in range(1, order + 1):
        for j in range(i, order + 1):
            fill(numbers, k, T[i, j])
            k += 1


@compiled()
def set_basis(w, order, s):
    """Leave in the numbers what the passes need to interpolate at ``t_n + s h``, -1 <= s <= 0."""
    basis = 1.0
    for j in range(1, order + 1):
        basis *= (s + j - 1) * INVERSE[j]
        fill(w.numbers, FREE + j, basis)


@compiled()
def interpolate(w, rows, D, order, s, out):
    """Evaluate the history polynomial at ``t_n + s h``."""
    set_basis(w, order, s)
    call_vector(whole(w.passes.interpolate, ORDERS + 1)[order], rows, w.numbers, D, out)


@compiled()
def as_powers(p, w, order):
    """Write the history polynomial over the last step as powers of the part of it, into the rows of ``w.roots.poly``."""
    D, poly = matrix(w.D, ROWS, p.size), matrix(w.roots.poly, COEFFICIENTS, p.n)
    poly[:] = 0.0
    for j in range(order + 1):
        for k in range(j + 1):
            factor = POWERS[j, k]
            for q in range(p.n):
                poly[k, q] += factor * D[j, q]

"""Conditions that change their truth within a step, found on the dense output so that none is missed between two points.

A condition is ``g > 0`` or ``g >= 0``. On a part of a step, g is interpolated at nine points and written in Bernstein form: where
all coefficients lie on one side, g cannot change there. That is proof where g is a polynomial of degree 8 in time, as every
linear g is on a dense output of degree 5; elsewhere two more points must agree with the interpolant before it is believed. What
is not proved is cut in two.

A Numba cache is keyed to the file of the outermost function: after a change here, touch the files of the integrators.

References
----------
.. [1] Farouki & Rajan 1987, On the numerical condition of polynomials in Bernstein form, Comput. Aided Geom. Des. 4, 191-216.
.. [2] Shampine & Thompson 2000, Event location for ordinary differential equations, Comput. Math. Appl. 39, 43-54.
"""

from __future__ import annotations

from collections import namedtuple
from math import comb

import numpy as np

from asnsim.solvers._kernels import call_kernel
from asnsim.solvers._linalg import compiled
from asnsim.solvers._system import RHS

__all__ = ["COEFFICIENTS", "RootWork", "find_root", "make_root_work", "set_truth"]

COEFFICIENTS = 6  # of the dense output as a polynomial of the part of the step
DEGREE = 8
NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
CONTROLS = np.array([0.27, 0.69])
_BERNSTEIN = np.array([[comb(DEGREE, k) * s**k * (1 - s) ** (DEGREE - k) for k in range(DEGREE + 1)] for s in NODES])
TO_BERNSTEIN = np.linalg.inv(_BERNSTEIN)
AT_CONTROLS = np.array([[comb(DEGREE, k) * s**k * (1 - s) ** (DEGREE - k) for k in range(DEGREE + 1)] for s in CONTROLS])
BELIEF = 0.05  # how far the interpolant may be off at the control points, relative to what is concluded from it
SMALLEST = 5e-324
NARROW = 2.0**-20  # part of a step below which nothing is cut any more

#: poly (COEFFICIENTS, n) dense output, power by power; x (n,); g (DEGREE + 1, m); check (n_controls, m); now, open (m,);
#: truth (m,) at the start of the step; coefficients (DEGREE + 1,); stack (64, 2) of parts still to be searched.
RootWork = namedtuple("RootWork", "poly x g check now open truth coefficients stack")


def make_root_work(n: int, m: int) -> RootWork:
    """Allocate the buffers for m conditions on n states."""
    return RootWork(
        np.zeros((COEFFICIENTS, n)), np.zeros(n), np.zeros((DEGREE + 1, m)), np.zeros((CONTROLS.size, m)), np.zeros(m),
        np.zeros(m, np.bool_), np.zeros(m, np.bool_), np.zeros(DEGREE + 1), np.zeros((64, 2)),
    )  # fmt: skip


@compiled()
def evaluate(p, r, start, h, theta, out, counts):
    """Set `out` to all g at a part `theta` of the step that begins at time `start`."""
    x, poly = r.x, r.poly
    x[:] = 0.0
    for k in range(poly.shape[0] - 1, -1, -1):
        row = poly[k]
        for i in range(x.size):
            x[i] = x[i] * theta + row[i]
    call_kernel(p.roots, start + theta * h, x, p.c, out)
    counts[RHS] += 1


@compiled()
def holds(p, j, value):
    """Truth of condition j at this value of g; a number that is not one counts as false."""
    return value > 0.0 or (value == 0.0 and not p.root_strict[j])


@compiled()
def set_truth(p, r, t, x):
    """Note which conditions hold at the start of a segment."""
    call_kernel(p.roots, t, x, p.c, r.now)
    for j in range(r.truth.size):
        r.truth[j] = holds(p, j, r.now[j])


@compiled()
def judge(p, r, j):
    """What is known of condition j on the part sampled last: 0 no change, 1 at most one, 2 nothing."""
    b = r.coefficients
    for k in range(b.size):
        b[k] = 0.0
        for q in range(b.size):
            b[k] += TO_BERNSTEIN[k, q] * r.g[q, j]
    b[0], b[b.size - 1] = r.g[0, j], r.g[b.size - 1, j]
    off = 0.0
    for c in range(CONTROLS.size):
        value = 0.0
        for k in range(b.size):
            value += AT_CONTROLS[c, k] * b[k]
        difference = abs(value - r.check[c, j])
        if not difference <= off:  # also takes NaN
            off = difference
    closest, rise, fall, sides = np.inf, np.inf, np.inf, True
    for k in range(b.size):
        closest = min(closest, abs(b[k]))
        sides = sides and holds(p, j, b[k]) == r.truth[j]
        if k > 0:
            rise, fall = min(rise, b[k] - b[k - 1]), min(fall, b[k - 1] - b[k])
    if sides and off <= BELIEF * closest:
        return 0
    return 1 if off <= BELIEF * max(rise, fall) else 2


@compiled()
def bisect(p, r, start, h, low, high, counts):
    """Return the first representable part of the step, in (low, high], at which an open condition has changed."""
    while True:
        middle = 0.5 * (low + high)
        if not (low < middle < high) or start + middle * h == start + low * h or start + middle * h == start + high * h:
            return high
        evaluate(p, r, start, h, middle, r.now, counts)
        changed = False
        for j in range(r.truth.size):
            changed = changed or (r.open[j] and holds(p, j, r.now[j]) != r.truth[j])
        if changed:
            high = middle
        else:
            low = middle


@compiled()
def sample(p, r, start, h, a, b, counts):
    """Evaluate all g at the nodes and control points of a part of the step."""
    for k in range(NODES.size):
        evaluate(p, r, start, h, a + (b - a) * NODES[k], r.g[k], counts)
    for k in range(CONTROLS.size):
        evaluate(p, r, start, h, a + (b - a) * CONTROLS[k], r.check[k], counts)


@compiled()
def find_root(p, r, start, h, counts):
    """Return the first part of the step, in (0, 1], at which a condition has changed its truth; -1 if none does.

    The state there is left in ``r.x``.
    """
    stack, depth = r.stack, 1
    stack[0, 0], stack[0, 1] = 0.0, 1.0
    while depth > 0:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        sample(p, r, start, h, a, b, counts)
        if a == 0.0:  # the start lies just past the last change: rounding must not undo it
            for j in range(r.truth.size):
                if holds(p, j, r.g[0, j]) != r.truth[j]:
                    r.g[0, j] = SMALLEST if r.truth[j] else -SMALLEST
        worst, changed = 0, False
        for j in range(r.truth.size):
            verdict = judge(p, r, j)
            r.open[j] = verdict > 0
            worst = max(worst, verdict)
            changed = changed or (r.open[j] and holds(p, j, r.g[DEGREE, j]) != r.truth[j])
        if worst == 0:
            continue
        if worst == 1 or b - a < NARROW or depth + 2 > stack.shape[0]:
            if changed:
                theta = bisect(p, r, start, h, a, b, counts)
                evaluate(p, r, start, h, theta, r.now, counts)
                return theta
            continue
        middle = 0.5 * (a + b)
        stack[depth, 0], stack[depth, 1] = middle, b
        stack[depth + 1, 0], stack[depth + 1, 1] = a, middle
        depth += 2
    return -1.0

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
from asnsim.solvers._memory import matrix, vector, whole
from asnsim.solvers._system import RHS, count

__all__ = ["COEFFICIENTS", "RootWork", "find_root", "root_shapes", "set_truth"]

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

#: Addresses of: poly (COEFFICIENTS, n) dense output, power by power; x (n,); g (DEGREE + 1, m); check (n_controls, m); now,
#: truth, open (m,): values, whether a condition holds at the start of the step, whether it is undecided; coefficients
#: (DEGREE + 1,); stack (STACK, 2) of parts still to be searched.
RootWork = namedtuple("RootWork", "poly x g check now truth open coefficients stack")
STACK = 64


def root_shapes(n: int, m: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the buffers for m conditions on n states, under names that begin with ``roots_``."""
    states, k = n if m else 0, DEGREE + 1
    shapes = dict(
        poly=(COEFFICIENTS, states), x=(states,), g=(k, m), check=(CONTROLS.size, m), now=(m,), truth=(m,), open=(m,),
        coefficients=(k,), stack=(STACK, 2),
    )  # fmt: skip
    return {f"roots_{name}": shape for name, shape in shapes.items()}


@compiled()
def evaluate(p, r, start, h, theta, out, counts):
    """Set `out` to all g at a part `theta` of the step that begins at time `start`."""
    x, poly = vector(r.x, p.n), matrix(r.poly, COEFFICIENTS, p.n)
    x[:] = 0.0
    for k in range(COEFFICIENTS - 1, -1, -1):
        row = poly[k]
        for i in range(p.n):
            x[i] = x[i] * theta + row[i]
    call_kernel(p.roots, start + theta * h, r.x, p.c, out)
    count(counts, RHS)


@compiled()
def holds(p, j, value):
    """Truth of condition j at this value of g; a number that is not one counts as false."""
    strict = whole(p.root_strict, p.n_roots)
    return value > 0.0 or (value == 0.0 and strict[j] == 0)


@compiled()
def set_truth(p, r, t, x):
    """Note which conditions hold at the start of a segment."""
    call_kernel(p.roots, t, x, p.c, r.now)
    now, truth = vector(r.now, p.n_roots), whole(r.truth, p.n_roots)
    for j in range(p.n_roots):
        truth[j] = holds(p, j, now[j])


@compiled()
def judge(p, r, j):
    """What is known of condition j on the part sampled last: 0 no change, 1 at most one, 2 nothing."""
    b, truth = vector(r.coefficients, DEGREE + 1), whole(r.truth, p.n_roots)
    g, check = matrix(r.g, DEGREE + 1, p.n_roots), matrix(r.check, CONTROLS.size, p.n_roots)
    for k in range(DEGREE + 1):
        b[k] = 0.0
        for q in range(DEGREE + 1):
            b[k] += TO_BERNSTEIN[k, q] * g[q, j]
    b[0], b[DEGREE] = g[0, j], g[DEGREE, j]
    off = 0.0
    for c in range(CONTROLS.size):
        value = 0.0
        for k in range(DEGREE + 1):
            value += AT_CONTROLS[c, k] * b[k]
        difference = abs(value - check[c, j])
        if not difference <= off:  # also takes NaN
            off = difference
    closest, rise, fall, sides = np.inf, np.inf, np.inf, True
    for k in range(DEGREE + 1):
        closest = min(closest, abs(b[k]))
        sides = sides and holds(p, j, b[k]) == (truth[j] > 0)
        if k > 0:
            rise, fall = min(rise, b[k] - b[k - 1]), min(fall, b[k - 1] - b[k])
    if sides and off <= BELIEF * closest:
        return 0
    return 1 if off <= BELIEF * max(rise, fall) else 2


@compiled()
def has_changed(p, r, values):
    """Whether an undecided condition has another truth at these values of g than at the start of the step."""
    g, truth, undecided = vector(values, p.n_roots), whole(r.truth, p.n_roots), whole(r.open, p.n_roots)
    for j in range(p.n_roots):
        if undecided[j] > 0 and holds(p, j, g[j]) != (truth[j] > 0):
            return True
    return False


@compiled()
def bisect(p, r, start, h, low, high, counts):
    """Return the first representable part of the step, in (low, high], at which an undecided condition has changed."""
    while True:
        middle = 0.5 * (low + high)
        if not (low < middle < high) or start + middle * h == start + low * h or start + middle * h == start + high * h:
            return high
        evaluate(p, r, start, h, middle, r.now, counts)
        if has_changed(p, r, r.now):
            high = middle
        else:
            low = middle


@compiled()
def sample(p, r, start, h, a, b, counts):
    """Evaluate all g at the nodes and control points of a part of the step.

    The start of a step lies just past the last change: rounding must not undo it.
    """
    for k in range(DEGREE + 1):
        evaluate(p, r, start, h, a + (b - a) * NODES[k], r.g + 8 * k * p.n_roots, counts)
    for k in range(CONTROLS.size):
        evaluate(p, r, start, h, a + (b - a) * CONTROLS[k], r.check + 8 * k * p.n_roots, counts)
    if a == 0.0:
        g, truth = vector(r.g, p.n_roots), whole(r.truth, p.n_roots)
        for j in range(p.n_roots):
            if holds(p, j, g[j]) != (truth[j] > 0):
                g[j] = SMALLEST if truth[j] > 0 else -SMALLEST


@compiled()
def find_root(p, r, start, h, counts):
    """Return the first part of the step, in (0, 1], at which a condition has changed its truth; -1 if none does.

    The state there is left in ``r.x``.
    """
    stack, undecided, depth = matrix(r.stack, STACK, 2), whole(r.open, p.n_roots), 1
    stack[0, 0], stack[0, 1] = 0.0, 1.0
    while depth > 0:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        sample(p, r, start, h, a, b, counts)
        worst = 0
        for j in range(p.n_roots):
            verdict = judge(p, r, j)
            undecided[j] = verdict
            worst = max(worst, verdict)
        if worst == 0:
            continue
        if worst == 1 or b - a < NARROW or depth + 2 > STACK:
            if has_changed(p, r, r.g + 8 * DEGREE * p.n_roots):
                theta = bisect(p, r, start, h, a, b, counts)
                evaluate(p, r, start, h, theta, r.now, counts)
                return theta
            continue
        middle = 0.5 * (a + b)
        stack[depth, 0], stack[depth, 1] = middle, b
        stack[depth + 1, 0], stack[depth + 1, 1] = a, middle
        depth += 2
    return -1.0

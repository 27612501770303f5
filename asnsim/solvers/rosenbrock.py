r"""Rosenbrock methods: linearly implicit, L-stable, one factorisation a step, no iterations.

A step of size h from :math:`x_n` solves s linear systems with one matrix, J and :math:`\partial_t f` taken at
:math:`(t_n, x_n)` (section IV.7 of [1]_),

.. math:: \Bigl(\frac{1}{h\gamma} M - J\Bigr) u_i = f\Bigl(t_n + \alpha_i h, x_n + \sum_{j<i} a_{ij} u_j\Bigr)
          + M \sum_{j<i} \frac{c_{ij}}{h} u_j + \gamma_i h\, \partial_t f,
          \qquad x_{n+1} = x_n + \sum_i m_i u_i ,

and the methods of this family are stiffly accurate: the argument of the last stage is the embedded solution, one order lower,
so that the last stage itself, :math:`u_s`, is the error estimate. Dense output is, as in section VI.4 of [1]_, with
:math:`\theta = (t - t_n)/h` and :math:`k_l = \sum_j H_{lj} u_j`,

.. math:: x(\theta) = (1-\theta)\, x_n + \theta\, (x_{n+1} + (1-\theta)(k_1 + \theta (k_2 + \theta k_3))).

Choices that matter:

- The system is multiplied by h gamma, which leaves M - h gamma J, the matrix of the NDF method. M is diagonal with zeros for
  algebraic equations (index 1), which are solved to the order of the differential ones.
- Steps follow Gustafsson's predictive controller; outputs are read off the dense output and never shorten a step.
- Where the right-hand side moves with time, its time derivative comes from the model's kernel, and steps are also held to the
  error of the dense output, at two fixed points: still independent of the outputs.
- Time runs from 0 within a segment, weights come from the last accepted state, and a step that carries a pool through zero,
  where the flow cannot, is refused: all as in ``ndf.py``.
- A failure is a status, never an exception, and every attempt counts against `max_steps`: no hang.

Where a state is clamped by something fast (a deep plasma sink), stages lose order and NDF wins at tight tolerances; loose
tolerances, many restarts and oscillations are where these methods pay. There are no sensitivities: use NDF.

A Numba cache is keyed to the file of the outermost function: after a change in ``_system.py`` and the like, touch this file.

References
----------
.. [1] Hairer & Wanner 1996, Solving Ordinary Differential Equations II, 2nd ed., sections IV.7 and VI.4.
.. [2] Gustafsson 1994, Control-theoretic techniques for stepsize selection in implicit Runge-Kutta methods, ACM Trans. Math.
   Softw. 20(4), 496-517.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from asnsim.once import once
from asnsim.solvers import _system as system
from asnsim.solvers import _vectors as vectors
from asnsim.solvers._kernels import Kernels, call_kernel, call_vector
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, Layout, matrix, padded, vector, whole
from asnsim.solvers._roots import COEFFICIENTS, RootWork, find_root, root_shapes, set_truth
from asnsim.solvers._system import EPS, copy, count, evaluate_jacobian, factorise, is_hopeless, leaves_domain, solve
from asnsim.solvers._vectors import NUMBERS, Pass, fill, total

__all__ = ["Rosenbrock", "Tableau", "compile_passes", "integrate_segment", "layout", "make_tableau", "make_work"]

ACCEPTED, TOO_LARGE, BAD_NUMBER, IMPOSSIBLE = 0, 1, 2, 3  # outcomes of an attempt
SAFETY, SHRINK_MAX, GROWTH_MAX = 0.9, 5.0, 6.0  # of the step controller, as in the code of [1]
ERROR_FLOOR = 0.01  # an error remembered as smaller than this would promise too much

# a (s+1, s): arguments of the stages and, as last row, the weights m of the solution; c (s, s); alpha, gammas (s,): row sums of
# the matrices alpha and gamma; dense (l, s): H; order: p-hat + 1, the power of h in the error estimate.
Tableau = namedtuple("Tableau", "gamma a c alpha gammas dense order")


def make_tableau(order, gamma, a, c, alpha, gammas, dense):
    """Fill a stiffly accurate tableau from lower triangles, row by row; past the end of `a`, each row adds the stage before."""
    stages = len(alpha)
    full_a, full_c = np.zeros((stages + 1, stages)), np.zeros((stages, stages))
    full_c[np.tril_indices(stages, -1)] = c
    rows, columns = np.tril_indices(stages + 1, -1)
    full_a[rows[: len(a)], columns[: len(a)]] = a
    for i in range(rows[len(a)], stages + 1):
        full_a[i] = full_a[i - 1]
        full_a[i, i - 1] = 1.0
    arrays = (full_a, full_c, np.array(alpha), np.array(gammas), np.reshape(dense, (-1, stages)))
    for array in arrays:
        array.flags.writeable = False
    return Tableau(gamma, *arrays, float(order))


@dataclass(frozen=True, slots=True)
class Rosenbrock:
    """What the methods of this file have in common: their options. Abstract; use one of the methods.

    Parameters
    ----------
    rtol : float
        Relative tolerance of the local error.
    atol : float, optional
        Absolute tolerance for all states; None means that the caller of `integrate` gives one per state.
    max_steps : int
        Most attempted steps per segment.
    """

    tableau: ClassVar[Tableau]

    rtol: float = 1e-6
    atol: float | None = None
    max_steps: int = 100_000

    def __post_init__(self):
        system.check_settings(self.rtol, self.atol, self.max_steps)


# ---- operations on vectors ----

BETA, BETA_H, THETA = 1, 5, 6  # numbers of the passes, beside those of `asnsim.solvers._vectors`
Passes = namedtuple("Passes", "weigh judge norm arg side dense interpolate")


def _argument(m: Tableau, i: int) -> str:
    """Write ``x = last + sum_j a_ij u_j``."""
    p = Pass("last u x")
    p.rows("u", *range(m.alpha.size))
    p.begin()
    p.put(p.dot(m.a[i], "u", p.get("last")), "x")
    return p.text(f"arg{i}")


def _side(m: Tableau, i: int) -> str:
    """Write ``u_i = M gamma sum_j c_ij u_j + beta f + beta h gamma_i df/dt``."""
    p = Pass("f mass slope u")
    p.rows("u", *range(i + 1))
    beta, timed = p.number(BETA), p.op("fmul", p.number(BETA_H), p.const(m.gammas[i]))
    p.begin()
    result = p.op("fmul", beta, p.get("f"))
    if i > 0:
        result = p.fma(p.get("mass"), p.dot(m.gamma * m.c[i, :i], "u"), result)
    p.put(p.fma(timed, p.get("slope"), result), "u", i)
    return p.text(f"side{i}")


def _dense(m: Tableau) -> str:
    """Write the rows of k, the inner coefficients of dense output."""
    p = Pass("u k")
    p.rows("u", *range(m.alpha.size))
    p.rows("k", *range(len(m.dense)))
    p.begin()
    for degree, row in enumerate(m.dense):
        p.put(p.dot(row, "u"), "k", degree)
    return p.text("dense")


def _interpolate(m: Tableau) -> str:
    """Write the dense output at a part theta of the step."""
    p = Pass("last x k out")
    p.rows("k", *range(len(m.dense)))
    theta = p.number(THETA)
    rest = p.op("fsub", p.const(1.0), theta)
    p.begin()
    inner = p.get("k", len(m.dense) - 1)
    for degree in reversed(range(len(m.dense) - 1)):
        inner = p.fma(theta, inner, p.get("k", degree))
    last = p.get("last")
    p.put(p.fma(theta, p.fma(rest, inner, p.op("fsub", p.get("x"), last)), last), "out")
    return p.text("interpolate")


@once()
def compile_passes(method: type[Rosenbrock]):
    """Compile the operations of one method; returns their owner, to be kept, and the `Passes`."""
    m = method.tableau
    texts = {"weigh": vectors.weigh(), "judge": vectors.judge(), "norm": vectors.norm()}
    texts |= {f"arg{i}": _argument(m, i) for i in range(m.alpha.size + 1)}
    texts |= {f"side{i}": _side(m, i) for i in range(m.alpha.size)}
    owner, addresses = vectors.compile_passes(texts | {"dense": _dense(m), "interpolate": _interpolate(m)})
    return owner, Passes(**addresses)


# Addresses of the buffers, by the names that `asnsim.solvers._system` knows; vectors in whole rows. D is the last accepted state,
# x the new one, u (s, n) the stages, k (l, n) dense output, y scratch, slope df/dt.
Work = namedtuple("Work", "passes numbers D x f r w slope y bound J LU pivots lu u k roots counts")


def layout(kernels: Kernels, method: type[Rosenbrock]) -> Layout:
    """Buffers of a segment; `slope` is zero at first, as its kernel demands."""
    n, size, m = kernels.n, padded(kernels.n), method.tableau
    return Layout(
        numbers=(NUMBERS, BLOCK), **dict.fromkeys(("D", "x", "f", "r", "w", "slope", "y", "bound"), (size,)),
        J=(len(kernels.pattern),), LU=(n, n), pivots=(n,), lu=(kernels.lu_size + 1,), u=(m.alpha.size, size),
        k=(len(m.dense), size), **root_shapes(n, kernels.n_roots), counts=(6,),
    )  # fmt: skip


def make_work(method: type[Rosenbrock], addresses: dict[str, int]) -> Work:
    """Gather the addresses of buffers."""
    roots = RootWork(*(addresses[f"roots_{name}"] for name in RootWork._fields))
    plain = {name: addresses[name] for name in Work._fields if name not in ("passes", "roots")}
    return Work(passes=compile_passes(method)[1], roots=roots, **plain)


# ---- one step ----


@compiled()
def interpolate_slope(p, m, w, s, out):
    """Evaluate h dx/dt of the dense output of the step just made at a part `s` of it."""
    last, x, k, result = vector(w.D, p.n), vector(w.x, p.n), matrix(w.k, m.dense.shape[0], p.size), vector(out, p.n)
    for q in range(p.n):
        result[q] = x[q] - last[q]
    power = 1.0
    for degree in range(m.dense.shape[0]):  # d/ds of s^(degree+1) (1 - s)
        weight = power * (degree + 1 - (degree + 2) * s)
        for q in range(p.n):
            result[q] += weight * k[degree, q]
        power *= s


@compiled()
def interpolate(p, w, s, out):
    """Evaluate the dense output of the step just made at a part `s` of it."""
    fill(w.numbers, THETA, s)
    call_vector(w.passes.interpolate, p.rows, w.numbers, w.D, w.x, w.k, out)


@compiled()
def as_powers(p, m, w):
    """Write the dense output of the step just made as powers of the part of it, into ``w.roots.poly``."""
    poly, last, x = matrix(w.roots.poly, COEFFICIENTS, p.n), vector(w.D, p.n), vector(w.x, p.n)
    k = matrix(w.k, m.dense.shape[0], p.size)
    poly[:] = 0.0
    for q in range(p.n):
        poly[0, q] = last[q]
        poly[1, q] = x[q] - last[q]
    for degree in range(m.dense.shape[0]):
        for q in range(p.n):
            poly[degree + 1, q] += k[degree, q]
            poly[degree + 2, q] -= k[degree, q]


@compiled()
def dense_error(p, m, w, t, h):
    """Return the error of the dense output, in units of the tolerance, estimated from its residual at two points.

    Only asked where f depends on time: a state that is clamped to a function of time lands on it at the end of every step,
    however long, and no error estimate made there sees what lies between (so does Rodas5Pr of OrdinaryDiffEq.jl).
    """
    f, r, mass, beta, largest = vector(w.f, p.n), vector(w.r, p.n), vector(p.mass, p.n), h * m.gamma, 0.0
    call_vector(w.passes.dense, p.rows, w.numbers, w.u, w.k)
    for s in (0.3, 0.7):
        interpolate(p, w, s, w.y)
        interpolate_slope(p, m, w, s, w.r)
        call_kernel(p.rhs, min(t + s * h, p.t1), w.y, p.c, w.f)
        count(w.counts, system.RHS)
        for q in range(p.n):
            r[q] = beta * f[q] - m.gamma * mass[q] * r[q]
        solve(p, w, w.r)
        call_vector(w.passes.norm, p.rows, w.numbers, w.r, w.w)
        size = np.sqrt(total(w.numbers, 4) / p.n)
        if not size <= largest:  # also takes NaN
            largest = size
    return largest


@compiled()
def attempt(p, m, w, tau, h):
    """Try one step from `tau`, leaving the new state in ``w.x`` and the stages in ``w.u``.

    Parameters
    ----------
    p : Problem
    m : Tableau
    w : Work
    tau, h : float
        Time since the start of the segment, and the step.

    Returns
    -------
    outcome : int
    error : float
        Local error in units of the tolerance.
    """
    v, numbers, rows = w.passes, w.numbers, p.rows
    t, beta, stages = p.t0 + tau, h * m.gamma, m.alpha.size
    arg, side = whole(v.arg, stages + 1), whole(v.side, stages)
    call_vector(v.weigh, rows, numbers, w.D, p.atol, w.w)
    evaluate_jacobian(p, w, t, w.D)
    if not factorise(p, w, beta):
        return BAD_NUMBER, np.inf
    if p.dfdt != 0:
        call_kernel(p.dfdt, t, w.D, p.c, w.slope)
    fill(numbers, BETA, beta)
    fill(numbers, BETA_H, beta * h)
    for i in range(stages):
        call_vector(arg[i], rows, numbers, w.D, w.u, w.x)
        call_kernel(p.rhs, min(t + m.alpha[i] * h, p.t1), w.x, p.c, w.f)
        call_vector(side[i], rows, numbers, w.f, p.mass, w.slope, w.u)
        solve(p, w, w.u + 8 * i * p.size)
        count(w.counts, system.RHS)
    call_vector(arg[stages], rows, numbers, w.D, w.u, w.x)
    call_vector(v.judge, rows, numbers, w.u + 8 * (stages - 1) * p.size, w.w, w.D, w.x, w.bound)
    error = np.sqrt(total(numbers, 2) / p.n)
    suspect = total(numbers, 3) > 0.0
    if p.dfdt != 0 and error <= 1.0:
        between = dense_error(p, m, w, t, h)
        if not between <= error:  # also takes NaN
            error = between
    if not error < np.inf:  # a number that is not finite runs through all later stages
        return BAD_NUMBER, np.inf
    if error > 1.0:
        return TOO_LARGE, error
    if suspect and leaves_domain(p, w, min(t + h, p.t1)):
        return IMPOSSIBLE, error
    return ACCEPTED, error


@compiled()
def first_step(p, m, w):
    """Return the first step, or 0 if the derivative at the start is not finite.

    With x'' = J f + df/dt and the rate r = |x''|/|x'|, the error is guessed to be h^p r^(p-2) |x''| and kept below a quarter of
    the tolerance; no state changes by more than a tenth.
    """
    if p.dfdt != 0:
        call_kernel(p.dfdt, p.t0, w.D, p.c, w.slope)
    call_vector(w.passes.weigh, p.rows, w.numbers, w.D, p.atol, w.w)
    speed, bend = system.speed_and_bend(p, w, w.slope, w.r)
    h = 0.1 * (p.t1 - p.t0)
    if not speed < np.inf:
        return 0.0
    if h * speed * p.rtol > 0.1:
        h = 0.1 / (speed * p.rtol)
    if h * bend > speed * (0.25 * bend / speed**2) ** (1.0 / m.order):  # false for NaN: the first attempt will judge
        h = speed / bend * (0.25 * bend / speed**2) ** (1.0 / m.order)
    return h


# ---- the segment ----


@compiled()
def write_outputs(p, w, tau, h, end, limit, out, first):
    """Write every output time up to `limit` of the step from `tau` to `end` just accepted; return the index of the next one."""
    t_out = vector(out.t, out.n)
    if first == out.n or t_out[first] - p.t0 > limit:
        return first
    call_vector(w.passes.dense, p.rows, w.numbers, w.u, w.k)
    while first < out.n and t_out[first] - p.t0 <= limit:
        target = out.x + 8 * first * p.size
        if t_out[first] - p.t0 < end:
            interpolate(p, w, (t_out[first] - p.t0 - tau) / h, target)
        else:
            copy(w.x, target, p.n)
        first += 1
    return first


@compiled()
def integrate_segment(p, m, w, max_steps, out):
    """Integrate one smooth piece.

    Parameters
    ----------
    p : Problem
    m : Tableau
    w : Work
        ``D`` holds the start, and afterwards the end.
    max_steps : int
    out : Outputs
        Times sorted and within the span; receives the states there, as far as they were reached.

    Returns
    -------
    status : int
    t : float
        Time reached.
    """
    span, power, counts, attempts, bad = p.t1 - p.t0, 1.0 / m.order, w.counts, 0, 0
    h, tau, h_last, error_last, retry = first_step(p, m, w), 0.0, 0.0, 1.0, False
    finite, next_out, t_out = h > 0.0, 0, vector(out.t, out.n)
    while next_out < out.n and t_out[next_out] <= p.t0:
        copy(w.D, out.x + 8 * next_out * p.size, p.n)
        next_out += 1
    if p.n_roots > 0:
        set_truth(p, w.roots, p.t0, w.D)
    while tau < span:
        if not finite and tau == 0.0 and h == 0.0:
            return system.NOT_FINITE, p.t0
        if attempts >= max_steps:
            return system.MAX_STEPS, p.t0 + tau
        if is_hopeless(bad, attempts):
            return system.NOT_FINITE, p.t0 + tau
        if tau + h <= tau * (1 + 16 * EPS) and tau + h < span:
            return system.STEP_TOO_SMALL if finite else system.NOT_FINITE, p.t0 + tau
        landing = 1.001 * h >= span - tau  # stretched a little rather than left with a sliver
        if landing:
            h = span - tau
        attempts += 1
        outcome, error = attempt(p, m, w, tau, h)
        finite = outcome != BAD_NUMBER
        bad += not finite
        if outcome == BAD_NUMBER or outcome == IMPOSSIBLE:
            count(counts, system.NEWTON_FAILURES if outcome == BAD_NUMBER else system.REJECTED)
            h, retry = 0.25 * h, True
            continue
        error = max(error, 1e-10)
        factor = SAFETY / error**power
        if outcome == TOO_LARGE:
            count(counts, system.REJECTED)
            h, retry = h * max(factor, 1.0 / SHRINK_MAX), True
            continue
        if h_last > 0.0:  # the trend of the error, as far as it warns
            factor = min(factor, SAFETY * h / h_last * (error_last / error**2) ** power)
        factor = min(max(factor, 1.0 / SHRINK_MAX), 1.0 if retry else GROWTH_MAX)
        end = span if landing else tau + h
        count(counts, system.STEPS)
        if p.n_roots > 0:
            call_vector(w.passes.dense, p.rows, w.numbers, w.u, w.k)
            as_powers(p, m, w)
            theta = find_root(p, w.roots, p.t0 + tau, h, counts)
            if theta >= 0.0:
                write_outputs(p, w, tau, h, end, tau + theta * h, out, next_out)
                copy(w.roots.x, w.D, p.n)
                return system.ROOT, p.t0 + tau + theta * h
        next_out = write_outputs(p, w, tau, h, end, end, out, next_out)
        copy(w.x, w.D, p.n)
        h_last, error_last, retry = h, max(error, ERROR_FLOOR), False
        tau, h = end, h * factor
    return system.SUCCESS, p.t1

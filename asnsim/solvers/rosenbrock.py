r"""Rosenbrock methods Rodas4 and Rodas5P: linearly implicit, L-stable, one factorisation a step, no iterations.

A step of size h from :math:`x_n` solves s linear systems with one matrix, J and :math:`\partial_t f` taken at
:math:`(t_n, x_n)` (section IV.7 of [1]_),

.. math:: \Bigl(\frac{1}{h\gamma} M - J\Bigr) u_i = f\Bigl(t_n + \alpha_i h, x_n + \sum_{j<i} a_{ij} u_j\Bigr)
          + M \sum_{j<i} \frac{c_{ij}}{h} u_j + \gamma_i h\, \partial_t f,
          \qquad x_{n+1} = x_n + \sum_i m_i u_i ,

and both methods are stiffly accurate: the argument of the last stage is the embedded solution, one order lower, so that the last
stage itself, :math:`u_s`, is the error estimate. Dense output is, as in section VI.4 of [1]_, with
:math:`\theta = (t - t_n)/h` and :math:`k_l = \sum_j H_{lj} u_j`,

.. math:: x(\theta) = (1-\theta)\, x_n + \theta\, (x_{n+1} + (1-\theta)(k_1 + \theta (k_2 + \theta k_3))).

Choices that matter:

- The system is multiplied by h gamma, which leaves M - h gamma J, the matrix of the NDF method. M is diagonal with zeros for
  algebraic equations (index 1), which both methods solve to the order of the differential ones.
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
.. [2] Steinebach 2023, Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia Differential
   Equations package, BIT Numer. Math. 63, 27. doi 10.1007/s10543-023-00967-x
.. [3] Gustafsson 1994, Control-theoretic techniques for stepsize selection in implicit Runge-Kutta methods, ACM Trans. Math.
   Softw. 20(4), 496-517.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from asnsim.solvers import _system as system
from asnsim.solvers._history import norm
from asnsim.solvers._kernels import Kernels, call_kernel
from asnsim.solvers._linalg import compiled
from asnsim.solvers._roots import find_root, make_root_work, set_truth
from asnsim.solvers._system import EPS, copy, factorise, leaves_domain, make_problem, solve, weigh

__all__ = ["RODAS4", "RODAS5P", "Rodas4", "Rodas5P", "Rosenbrock", "Tableau", "integrate_segment", "run"]

ACCEPTED, TOO_LARGE, BAD_NUMBER, IMPOSSIBLE = 0, 1, 2, 3  # outcomes of an attempt
SAFETY, SHRINK_MAX, GROWTH_MAX = 0.9, 5.0, 6.0  # of the step controller, as in the code of [1]
ERROR_FLOOR = 0.01  # an error remembered as smaller than this would promise too much

# a (s+1, s): arguments of the stages and, as last row, the weights m of the solution; c (s, s); alpha, gammas (s,): row sums of
# the matrices alpha and gamma; dense (l, s): H; order: p-hat + 1, the power of h in the error estimate.
Tableau = namedtuple("Tableau", "gamma a c alpha gammas dense order")


def _tableau(order, gamma, a, c, alpha, gammas, dense):
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


# fmt: off
RODAS4 = _tableau(  # of [1], in the digits of its code RODAS, METH=1
    order=4,
    gamma=0.25,
    a=[1.544, 0.9466785280815826, 0.2557011698983284, 3.314825187068521, 2.896124015972201, 0.9986419139977817,
       1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950],
    c=[-5.6688, -2.430093356833875, -0.2063599157091915, -0.1073529058151375, -9.594562251023355, -20.47028614809616,
       7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160, 8.083246795921522, -7.981132988064893,
       -31.52159432874371, 16.31930543123136, -6.058818238834054],
    alpha=[0.0, 0.386, 0.21, 0.63, 1.0, 1.0],
    gammas=[0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0],
    dense=[10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0,
           -0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0],
)
RODAS5P = _tableau(  # of [2], in the digits of its author's implementation in OrdinaryDiffEq.jl
    order=5,
    gamma=0.21193756319429014,
    a=[3.0, 2.849394379747939, 0.45842242204463923, -6.954028509809101, 2.489845061869568, -10.358996098473584,
       2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641, -7.502846399306121, 2.561846144803919,
       -11.627539656261098, -0.18268767659942256, 0.030198172008377946],
    c=[-14.155112264123755, -17.97296035885952, -2.859693295451294, 147.12150275711716, -1.41221402718213, 71.68940251302358,
       165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306, 24.854864614690072, -3.0009227002832186,
       47.4931110020768, 5.5814197821558125, -0.6610691825249471, 30.91273214028599, -3.1208243349937974, 77.79954646070892,
       34.28646028294783, -19.097331116725623, -28.087943162872662, 37.80277123390563, -3.2571969029072276, 112.26918849496327,
       66.9347231244047, -40.06618937091002, -54.66780262877968, -9.48861652309627],
    alpha=[0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0],
    gammas=[0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069, 0.0, 0.0, 0.0],
    dense=[25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073,
           1.1241088310450404, 0.4272876194431874, -0.17202221070155493, -9.91568850695171, -0.9689944594115154,
           3.0438037242978453, -24.495224566215796, 20.176138334709044, 15.98066361424651, -6.789040303419874,
           -6.710236069923372, 11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643,
           -52.072871366152654, -59.78993625266729, -0.15582684282751913, 4.883087185713722],
)
# fmt: on


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
        if not 10 * EPS <= self.rtol < 1:
            raise ValueError(f"rtol is {self.rtol}; choose a value between 1e-14 and 1")
        if self.atol is not None and not self.atol > 0:
            raise ValueError(f"atol is {self.atol}; choose a positive value")
        if self.max_steps < 1:
            raise ValueError(f"max_steps is {self.max_steps}; choose at least 1")


@dataclass(frozen=True, slots=True)
class Rodas4(Rosenbrock):
    """Rodas4 (options: `Rosenbrock`): 6 stages, order 4, error and dense output of order 3."""

    tableau: ClassVar[Tableau] = RODAS4


@dataclass(frozen=True, slots=True)
class Rodas5P(Rosenbrock):
    """Rodas5P (options: `Rosenbrock`): 8 stages, order 5, error and dense output of order 4."""

    tableau: ClassVar[Tableau] = RODAS5P


# Buffers, by the names that `asnsim.solvers._system` knows. D (1, n) is the last accepted state, x (n,) the new one, u (s, n) the
# stages, k (l, n) dense output, y and slope (n,) scratch and df/dt.
Work = namedtuple("Work", "D x f r w slope y signed J LU pivots lu u k roots counts")


def make_work(kernels: Kernels, x0: np.ndarray, tableau: Tableau) -> Work:
    """Allocate the buffers of a segment and put the start (n,) into them; slope is zero, as its kernel demands."""
    n = x0.size
    return Work(
        x0.reshape(1, n).copy(), *np.zeros((6, n)), x0 < 0.0, np.zeros(len(kernels.pattern)), np.zeros((n, n)),
        np.zeros(n, np.int64), np.zeros(kernels.lu_size + 1), np.zeros((tableau.alpha.size, n)),
        np.zeros((len(tableau.dense), n)), make_root_work(n, kernels.n_roots), np.zeros(6, np.int64),
    )  # fmt: skip


def run(solver, kernels, t0, t1, x0, c, t_out, atol, x_out):
    """Integrate one smooth piece, t0 < t1, without sensitivities; arguments as in `integrate`, arrays contiguous float64.

    Returns
    -------
    status : int
    t : float
        Time reached.
    x : ndarray, shape (n,)
        State there; outputs that were reached are in `x_out` (m, n).
    counts : ndarray of int64, shape (6,)
        As of NDF; a Newton failure is here an attempt that met a singular matrix or a number that is not finite.
    """
    p = make_problem(kernels, t0, t1, c, atol, solver.rtol)
    w = make_work(kernels, x0, solver.tableau)
    status, t = integrate_segment(p, solver.tableau, w, t_out, solver.max_steps, x_out)
    return status, t, w.D[0], w.counts


# ---- one step ----


@compiled(fastmath={"contract"})
def combine(weights, u, x, out):
    """Set ``out = x + sum_j weights_j u_j``."""
    copy(x, out)
    for j in range(weights.size):
        weight, stage = weights[j], u[j]
        if weight != 0.0:
            for q in range(out.size):
                out[q] += weight * stage[q]


@compiled(fastmath={"contract"})
def right_side(weights, i, u, gamma, beta, mass, f, out):
    """Set ``out = beta f + gamma M sum_{j<i} weights_j u_j``."""
    out[:] = 0.0
    for j in range(i):
        weight, stage = gamma * weights[j], u[j]
        for q in range(out.size):
            out[q] += weight * stage[q]
    for q in range(out.size):
        out[q] = mass[q] * out[q] + beta * f[q]


@compiled()
def prepare_dense(m, w):
    """Set the rows of ``w.k`` from the stages."""
    for degree in range(w.k.shape[0]):
        row = w.k[degree]
        row[:] = 0.0
        combine(m.dense[degree], w.u, row, row)


@compiled()
def interpolate(w, s, out):
    """Evaluate the dense output of the step just made at a part `s` of it."""
    last, x = w.D[0], w.x
    out[:] = 0.0
    for degree in range(w.k.shape[0] - 1, -1, -1):
        row = w.k[degree]
        for q in range(out.size):
            out[q] = s * out[q] + row[q]
    for q in range(out.size):
        out[q] = last[q] + s * (x[q] - last[q] + (1.0 - s) * out[q])


@compiled()
def interpolate_slope(w, s, out):
    """Evaluate h dx/dt of the dense output of the step just made at a part `s` of it."""
    last, x = w.D[0], w.x
    for q in range(out.size):
        out[q] = x[q] - last[q]
    power = 1.0
    for degree in range(w.k.shape[0]):  # d/ds of s^(degree+1) (1 - s)
        row, weight = w.k[degree], power * (degree + 1 - (degree + 2) * s)
        for q in range(out.size):
            out[q] += weight * row[q]
        power *= s


@compiled()
def as_powers(w):
    """Write the dense output of the step just made as powers of the part of it, into ``w.roots.poly``."""
    poly, last, x = w.roots.poly, w.D[0], w.x
    poly[:] = 0.0
    for q in range(x.size):
        poly[0, q] = last[q]
        poly[1, q] = x[q] - last[q]
    for degree in range(w.k.shape[0]):
        row, one, two = w.k[degree], poly[degree + 1], poly[degree + 2]
        for q in range(x.size):
            one[q] += row[q]
            two[q] -= row[q]


@compiled()
def dense_error(p, m, w, t, h):
    """Return the error of the dense output, in units of the tolerance, estimated from its residual at two points.

    Only asked where f depends on time: a state that is clamped to a function of time lands on it at the end of every step,
    however long, and no error estimate made there sees what lies between (so does Rodas5Pr of OrdinaryDiffEq.jl).
    """
    y, f, r, beta, largest = w.y, w.f, w.r, h * m.gamma, 0.0
    prepare_dense(m, w)
    for s in (0.3, 0.7):
        interpolate(w, s, y)
        interpolate_slope(w, s, r)
        call_kernel(p.rhs, min(t + s * h, p.t1), y, p.c, f)
        w.counts[system.RHS] += 1
        for q in range(r.size):
            r[q] = beta * f[q] - m.gamma * p.mass[q] * r[q]
        solve(p, w, r)
        size = norm(r, w.w)
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
    last, x, f, u, slope, c = w.D[0], w.x, w.f, w.u, w.slope, p.c
    t, beta, stages = p.t0 + tau, h * m.gamma, m.alpha.size
    weigh(p, w)
    if not factorise(p, w, t, last, beta):
        return BAD_NUMBER, np.inf
    if p.dfdt != 0:
        call_kernel(p.dfdt, t, last, c, slope)
    for i in range(stages):
        right = u[i]
        combine(m.a[i, :i], u, last, x)
        call_kernel(p.rhs, min(t + m.alpha[i] * h, p.t1), x, c, f)
        right_side(m.c[i], i, u, m.gamma, beta, p.mass, f, right)
        if p.dfdt != 0:
            factor = beta * m.gammas[i] * h
            for q in range(right.size):
                right[q] += factor * slope[q]
        solve(p, w, right)
    w.counts[system.RHS] += stages
    combine(m.a[stages], u, last, x)
    error = norm(u[stages - 1], w.w)
    if p.dfdt != 0 and error <= 1.0:
        between = dense_error(p, m, w, t, h)
        if not between <= error:  # also takes NaN
            error = between
    if not error < np.inf:  # a number that is not finite runs through all later stages
        return BAD_NUMBER, np.inf
    if error > 1.0:
        return TOO_LARGE, error
    return IMPOSSIBLE if leaves_domain(p, w, min(t + h, p.t1)) else ACCEPTED, error


@compiled()
def first_step(p, m, w):
    """Return the first step, or 0 if the derivative at the start is not finite.

    With x'' = J f + df/dt and the rate r = |x''|/|x'|, the error is guessed to be h^p r^(p-2) |x''| and kept below a quarter of
    the tolerance; no state changes by more than a tenth.
    """
    n, span = w.x.size, p.t1 - p.t0
    weigh(p, w)
    call_kernel(p.rhs, p.t0, w.D[0], p.c, w.f)
    call_kernel(p.jac, p.t0, w.D[0], p.c, w.J)
    w.counts[system.RHS] += 1
    w.counts[system.JAC] += 1
    if p.dfdt != 0:
        call_kernel(p.dfdt, p.t0, w.D[0], p.c, w.slope)
    for i in range(n):
        w.f[i] *= p.mass[i]
        w.r[i] = w.slope[i]
    for e in range(p.pattern.shape[0]):
        w.r[p.pattern[e, 0]] += w.J[e] * w.f[p.pattern[e, 1]]
    for i in range(n):
        w.r[i] *= p.mass[i]
    speed, bend = norm(w.f, w.w), norm(w.r, w.w)
    if not speed < np.inf:
        return 0.0
    h = 0.1 * span
    if h * speed * p.rtol > 0.1:
        h = 0.1 / (speed * p.rtol)
    if h * bend > speed * (0.25 * bend / speed**2) ** (1.0 / m.order):  # false for NaN: the first attempt will judge
        h = speed / bend * (0.25 * bend / speed**2) ** (1.0 / m.order)
    return h


# ---- the segment ----


@compiled()
def write_outputs(p, m, w, tau, h, end, limit, t_out, first, x_out):
    """Write every output time up to `limit` of the step from `tau` to `end` just accepted; return the index of the next one."""
    if first == t_out.size or t_out[first] - p.t0 > limit:
        return first
    prepare_dense(m, w)
    while first < t_out.size and t_out[first] - p.t0 <= limit:
        if t_out[first] - p.t0 < end:
            interpolate(w, (t_out[first] - p.t0 - tau) / h, x_out[first])
        else:
            copy(w.x, x_out[first])
        first += 1
    return first


@compiled()
def integrate_segment(p, m, w, t_out, max_steps, x_out):
    """Integrate one smooth piece.

    Parameters
    ----------
    p : Problem
    m : Tableau
    w : Work
        Fresh from `make_work`; ``D[0]`` and ``counts`` hold the end state and the counts afterwards.
    t_out : ndarray, shape (m,)
        Sorted, within the span.
    max_steps : int
    x_out : ndarray, shape (m, n)
        Receives the outputs that were reached.

    Returns
    -------
    status : int
    t : float
        Time reached.
    """
    span, power, counts = p.t1 - p.t0, 1.0 / m.order, w.counts
    h, tau, h_last, error_last, retry = first_step(p, m, w), 0.0, 0.0, 1.0, False
    finite = h > 0.0
    next_out = 0
    while next_out < t_out.size and t_out[next_out] <= p.t0:
        copy(w.D[0], x_out[next_out])
        next_out += 1
    if p.n_roots > 0:
        set_truth(p, w.roots, p.t0, w.D[0])
    while tau < span:
        if not finite and tau == 0.0 and h == 0.0:
            return system.NOT_FINITE, p.t0
        if counts[system.STEPS] + counts[system.REJECTED] + counts[system.NEWTON_FAILURES] >= max_steps:
            return system.MAX_STEPS, p.t0 + tau
        if tau + h <= tau * (1 + 16 * EPS) and tau + h < span:
            return system.STEP_TOO_SMALL if finite else system.NOT_FINITE, p.t0 + tau
        landing = 1.001 * h >= span - tau  # stretched a little rather than left with a sliver
        if landing:
            h = span - tau
        outcome, error = attempt(p, m, w, tau, h)
        finite = outcome != BAD_NUMBER
        if outcome == BAD_NUMBER or outcome == IMPOSSIBLE:
            counts[system.NEWTON_FAILURES if outcome == BAD_NUMBER else system.REJECTED] += 1
            h, retry = 0.25 * h, True
            continue
        error = max(error, 1e-10)
        factor = SAFETY / error**power
        if outcome == TOO_LARGE:
            counts[system.REJECTED] += 1
            h, retry = h * max(factor, 1.0 / SHRINK_MAX), True
            continue
        if h_last > 0.0:  # the trend of the error, as far as it warns
            factor = min(factor, SAFETY * h / h_last * (error_last / error**2) ** power)
        factor = min(max(factor, 1.0 / SHRINK_MAX), 1.0 if retry else GROWTH_MAX)
        end = span if landing else tau + h
        counts[system.STEPS] += 1
        if p.n_roots > 0:
            prepare_dense(m, w)
            as_powers(w)
            theta = find_root(p, w.roots, p.t0 + tau, h, counts)
            if theta >= 0.0:
                write_outputs(p, m, w, tau, h, end, tau + theta * h, t_out, next_out, x_out)
                copy(w.roots.x, w.D[0])
                return system.ROOT, p.t0 + tau + theta * h
        next_out = write_outputs(p, m, w, tau, h, end, end, t_out, next_out, x_out)
        copy(w.x, w.D[0])
        h_last, error_last, retry = h, max(error, ERROR_FLOOR), False
        tau, h = end, h * factor
    return system.SUCCESS, p.t1

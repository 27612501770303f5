r"""NDF: numerical differentiation formulas of order 1 to 5, quasi-constant step, with staggered-direct sensitivities.

The history is kept as backward differences :math:`D_j = \nabla^j x_n` on an equidistant grid of the current step h. A step of
order k predicts with the polynomial through the past points and solves for its correction d,

.. math:: x^{(0)} = \sum_{j=0}^{k} D_j, \qquad d + \psi = \frac{h}{\alpha_k} f(t+h, x^{(0)} + d),
          \qquad \psi = \frac{1}{\alpha_k} \sum_{j=1}^{k} \gamma_j D_j,

with :math:`\gamma_j = \sum_{i=1}^{j} 1/i` and :math:`\alpha_k = (1-\kappa_k)\gamma_k` (eq. 2-4 of [1]_); d is then the new
difference of order k+1 and the local error is :math:`(\kappa_k\gamma_k + 1/(k+1))\, d`. Sensitivities follow the same formula:
their corrector is linear, with the matrix I - h/alpha J at the accepted point, so one fresh factorisation serves all of them.

Choices that matter:

- Time runs from 0 within a segment, so that a restart at t = 2000 h resolves a first step of 1e-12 h.
- Outputs are read off the history polynomial and never shorten a step: results do not depend on the output grid.
- A step that carries a pool through zero, where the flow cannot, is refused (`leaves_domain`).
- Every operation on the history is linear and the Newton matrix is exact in structure: linear invariants hold to rounding.
- The kernel for J costs about as much as rhs, the factorisation ten times that: every factorisation takes a fresh J.
- A failure is a status, never an exception, and every attempt counts against `max_steps`: no hang.

References
----------
.. [1] Shampine & Reichelt 1997, The MATLAB ODE Suite, SIAM J. Sci. Comput. 18(1), 1-22.
.. [2] Caracotsios & Stewart 1985, Comput. Chem. Eng. 9(4), 359-365 (staggered direct sensitivities).
.. [3] Hindmarsh et al. 2005, SUNDIALS, ACM Trans. Math. Softw. 31(3), 363-396 (norms, Newton convergence test).
.. [4] Hairer & Wanner 1996, Solving Ordinary Differential Equations II, section IV.8.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import numpy as np

from asnsim.solvers import _system as system
from asnsim.solvers._history import (
    ALPHA,
    ERROR,
    ORDERS,
    ROWS,
    advance,
    as_powers,
    interpolate,
    norm,
    predict,
    rescale,
    sens_norm,
)
from asnsim.solvers._kernels import Kernels, call_kernel
from asnsim.solvers._linalg import compiled
from asnsim.solvers._roots import find_root, make_root_work, set_truth
from asnsim.solvers._system import EPS, copy, factorise, leaves_domain, make_problem, multiply, solve, solve_many, weigh

__all__ = ["NDF", "integrate_segment", "run"]

CONVERGED, DIVERGED, BAD_NUMBER, IMPOSSIBLE = 0, 1, 2, 3  # outcomes of an attempt

NEWTON_ITERATIONS = 4
NEWTON_TOLERANCE = 0.01  # of the local error allowed; results at 1e-8 then agree to 1e-7 with a tight reference
SLOW_RATE = 0.2  # a corrector that converges more slowly than this asks for a new factorisation
MARGIN_SAME, MARGIN_LOWER, MARGIN_HIGHER = 1.2, 1.3, 1.4  # safety of the step at order k, k-1, k+1 (section 2.3 of [1])
GROWTH_MIN, GROWTH_MAX = 1.2, 10.0  # smaller growth is not worth a factorisation
SENS_FLOOR = 1e-3  # p dx/dp below this share of x is resolved absolutely: S crosses zero where x does not


@dataclass(frozen=True, slots=True)
class NDF:
    """Options of the NDF method.

    Parameters
    ----------
    rtol : float
        Relative tolerance of the local error.
    atol : float, optional
        Absolute tolerance for all states; None means that the caller of `integrate` gives one per state.
    max_steps : int
        Most attempted steps per segment.
    max_order : int
        Highest order, 1 to 5.
    sens_error_test : bool
        Whether sensitivities take part in the local error test.
    """

    rtol: float = 1e-6
    atol: float | None = None
    max_steps: int = 100_000
    max_order: int = 5
    sens_error_test: bool = True

    def __post_init__(self):
        if not 10 * EPS <= self.rtol < 1:
            raise ValueError(f"rtol is {self.rtol}; choose a value between 1e-14 and 1")
        if self.atol is not None and not self.atol > 0:
            raise ValueError(f"atol is {self.atol}; choose a positive value")
        if not 1 <= self.max_order <= ORDERS:
            raise ValueError(f"max_order is {self.max_order}; NDF has the orders 1 to {ORDERS}")
        if self.max_steps < 1:
            raise ValueError(f"max_steps is {self.max_steps}; choose at least 1")


# How far a run may go / the buffers it works in. Sensitivities are flat (n * n_theta,) but for p_matrix (n, n_theta).
Options = namedtuple("Options", "max_order sens_test inverse_p max_steps")
Work = namedtuple("Work", "D x d f r w psi signed J LU pivots lu T DS s ds s_w s_psi p_matrix per_parameter roots counts")


def make_work(kernels: Kernels, x0: np.ndarray, s0: np.ndarray) -> Work:
    """Allocate the buffers of a segment and put the start into them; p_matrix is zero, as its kernel demands.

    Parameters
    ----------
    kernels : Kernels
    x0 : ndarray, shape (n,)
    s0 : ndarray, shape (n, n_theta)
    """
    n, n_theta = s0.shape
    m = n * n_theta
    vectors, flat = np.zeros((6, n)), np.zeros((4, m))
    work = Work(
        np.zeros((ROWS, n)), *vectors, x0 < 0.0, np.zeros(len(kernels.pattern)), np.zeros((n, n)), np.zeros(n, np.int64),
        np.zeros(kernels.lu_size + 1), np.zeros((ORDERS + 2, ORDERS + 1)), np.zeros((ROWS, m)), *flat, np.zeros((n, n_theta)),
        np.zeros(n_theta), make_root_work(n, kernels.n_roots), np.zeros(6, np.int64),
    )  # fmt: skip
    work.D[0], work.DS[0] = x0, s0.ravel()
    return work


def run(solver, kernels, t0, t1, x0, c, t_out, atol, x_out, s0, inverse_p, s_out):
    """Integrate one smooth piece, t0 < t1; arguments as in `integrate`, arrays contiguous float64.

    Returns
    -------
    status : int
    t : float
        Time reached.
    x : ndarray, shape (n,)
        State there; outputs that were reached are in `x_out` (m, n) and `s_out` (m, n * n_theta).
    s : ndarray, shape (n * n_theta,)
    counts : ndarray of int64, shape (6,)
    """
    p = make_problem(kernels, t0, t1, c, atol, solver.rtol)
    o = Options(solver.max_order, bool(solver.sens_error_test), inverse_p, solver.max_steps)
    w = make_work(kernels, x0, s0)
    status, t = integrate_segment(p, o, w, t_out, x_out, s_out)
    return status, t, w.D[0], w.DS[0], w.counts


@compiled(fastmath={"contract"})
def residual(beta, f, mass, psi, d, r):
    """Set ``r = beta f - M (psi + d)``."""
    for i in range(r.size):
        r[i] = beta * f[i] - mass[i] * (psi[i] + d[i])


@compiled()
def add_to_both(r, d, x):
    """Add the update `r` to the correction and to the state."""
    for i in range(r.size):
        d[i] += r[i]
        x[i] += r[i]


@compiled()
def correct(p, w, t, beta, rate):
    """Solve ``M (d + psi) = beta f(t, x + d)`` by simplified Newton iterations, starting from the prediction in ``w.x``.

    Parameters
    ----------
    rate : float
        Convergence rate seen with this factorisation, 1 if none yet.

    Returns
    -------
    outcome : int
        CONVERGED, DIVERGED or BAD_NUMBER.
    rate : float
        Updated rate; it forgets slowly (factor 0.3 as [3]_), so that one lucky step does not spoil the next test.
    iterations : int
    """
    x, d, f, r, psi, weights = w.x, w.d, w.f, w.r, w.psi, w.w
    tolerance = max(NEWTON_TOLERANCE, 10 * EPS / p.rtol)
    old = 0.0
    d[:] = 0.0
    for m in range(NEWTON_ITERATIONS):
        call_kernel(p.rhs, t, x, p.c, f)
        residual(beta, f, p.mass, psi, d, r)
        solve(p, w, r)
        w.counts[system.RHS] += 1
        size = norm(r, weights)
        if not size < np.inf:
            return BAD_NUMBER, 1.0, m + 1
        add_to_both(r, d, x)
        if m > 0:
            seen = size / old
            if seen >= 0.9 and size > tolerance:
                return DIVERGED, 1.0, m + 1
            rate = min(max(0.3 * rate, seen), 0.9)
        if size * min(rate / (1.0 - rate) if rate < 0.9 else 9.0, 9.0) <= tolerance:
            return CONVERGED, rate, m + 1
        old = size
    return DIVERGED, 1.0, NEWTON_ITERATIONS


@compiled()
def correct_sensitivities(p, o, w, t, beta, order):
    """Solve the linear corrector of the sensitivities at the state ``w.x`` just found.

    ``(M - beta J) ds = beta (J s + df/dp) - M psi_s``. Written for the correction ds rather than for the new value: the rounding
    error is then relative to ds, and linear invariants of S hold as well as those of x.

    Returns
    -------
    error : float
        Local error in units of the tolerance; inf if the matrix is singular or something is not finite.
    """
    n, m = w.p_matrix.shape
    if not factorise(p, w, t, w.x, beta):
        return np.inf
    call_kernel(p.dfdp, t, w.x, p.c, w.p_matrix)
    predict(w.DS, order, w.s, w.s_psi)
    ds = w.ds.reshape((n, m))
    s_psi = w.s_psi.reshape((n, m))
    for i in range(n):
        target, explicit, past, mass = ds[i], w.p_matrix[i], s_psi[i], p.mass[i]
        for k in range(m):
            target[k] = beta * explicit[k] - mass * past[k]
    multiply(p, w.J, beta, w.s.reshape((n, m)), ds)
    solve_many(p, w, ds)
    last = w.DS[0]
    for i in range(n):
        absolute = p.atol[i] + SENS_FLOOR * p.rtol * max(abs(w.x[i]), abs(w.D[0, i]))
        for k in range(m):
            q = i * m + k
            size = max(abs(last[q]), abs(w.s[q] + w.ds[q]))
            w.s_w[q] = 1.0 / (p.rtol * size + absolute * o.inverse_p[k])
    error = ERROR[order] * sens_norm(w.ds, w.s_w, w.per_parameter)
    return error if error < np.inf else np.inf


@compiled()
def choose(o, w, order, error):
    """Choose order and step factor for the steps to come, after a step of this order was accepted with this error.

    Returns
    -------
    order : int
    factor : float
        1 where a change is not worth a factorisation.
    """
    use_sens = o.sens_test and w.DS.shape[1] > 0
    best, factor = order, 1.0 / (MARGIN_SAME * max(error, 1e-30) ** (1.0 / (order + 1)))
    if order > 1:
        lower = ERROR[order - 1] * norm(w.D[order], w.w)
        if use_sens:
            lower = max(lower, ERROR[order - 1] * sens_norm(w.DS[order], w.s_w, w.per_parameter))
        trial = 1.0 / (MARGIN_LOWER * max(lower, 1e-30) ** (1.0 / order))
        if trial > factor:
            best, factor = order - 1, trial
    if order < o.max_order:
        higher = ERROR[order + 1] * norm(w.D[order + 2], w.w)
        if use_sens:
            higher = max(higher, ERROR[order + 1] * sens_norm(w.DS[order + 2], w.s_w, w.per_parameter))
        trial = 1.0 / (MARGIN_HIGHER * max(higher, 1e-30) ** (1.0 / (order + 2)))
        if trial > factor:
            best, factor = order + 1, trial
    if factor < GROWTH_MIN:
        return order, 1.0
    return best, min(factor, GROWTH_MAX)


# ---- the segment ----


@compiled()
def reload(p, w, tau, h):
    """Make a history of order 1 from the derivatives at the last accepted point; algebraic states start as constants."""
    n, m = w.p_matrix.shape
    x = w.D[0]
    call_kernel(p.rhs, p.t0 + tau, x, p.c, w.f)
    w.counts[system.RHS] += 1
    for i in range(n):
        w.D[1, i] = h * p.mass[i] * w.f[i]
    if m == 0:
        return
    slope = w.DS[1].reshape((n, m))
    call_kernel(p.jac, p.t0 + tau, x, p.c, w.J)
    call_kernel(p.dfdp, p.t0 + tau, x, p.c, w.p_matrix)
    w.counts[system.JAC] += 1
    for i in range(n):
        for k in range(m):
            slope[i, k] = h * w.p_matrix[i, k]
    multiply(p, w.J, h, w.DS[0].reshape((n, m)), slope)
    for i in range(n):
        if p.mass[i] == 0.0:
            for k in range(m):
                slope[i, k] = 0.0


@compiled()
def start(p, w):
    """Fill the history for order 1 from ``D[0]`` and ``DS[0]`` and return the first step, or 0 if the derivative is not finite.

    The step keeps the estimated local error h^2/2 |x''|, with x'' = J f + df/dt from the kernels, below a quarter of the
    tolerance (section 2.4 of [1]_), and changes no state by more than a tenth.
    """
    x0, span = w.D[0], p.t1 - p.t0
    weigh(p, w)
    call_kernel(p.rhs, p.t0, x0, p.c, w.f)
    call_kernel(p.jac, p.t0, x0, p.c, w.J)
    w.counts[system.RHS] += 1
    w.counts[system.JAC] += 1
    w.d[:] = 0.0
    if p.dfdt != 0:
        call_kernel(p.dfdt, p.t0, x0, p.c, w.d)
    for i in range(x0.size):
        w.f[i] *= p.mass[i]
    for e in range(p.pattern.shape[0]):
        w.d[p.pattern[e, 0]] += w.J[e] * w.f[p.pattern[e, 1]]
    for i in range(x0.size):
        w.d[i] *= p.mass[i]
    speed, bend = norm(w.f, w.w), norm(w.d, w.w)
    if not speed < np.inf:
        return 0.0
    h = 0.1 * span
    if h * speed * p.rtol > 0.1:
        h = 0.1 / (speed * p.rtol)
    if 0.5 * h * h * bend > 0.25:  # false for NaN: the first attempt will judge
        h = np.sqrt(0.5 / bend)
    reload(p, w, 0.0, h)
    return h


@compiled()
def attempt(p, o, w, tau, h, order, new_matrix, rate):
    """Try one step to `tau`, leaving the corrections in ``w.d`` and ``w.ds``.

    Returns
    -------
    outcome : int
    error : float
        Local error in units of the tolerance.
    rate : float
    iterations : int
    """
    beta = h / ALPHA[order]
    t = min(p.t0 + tau, p.t1)
    predict(w.D, order, w.x, w.psi)
    weigh(p, w)
    if new_matrix and not factorise(p, w, t, w.x, beta):
        return BAD_NUMBER, np.inf, 1.0, 0
    outcome, rate, iterations = correct(p, w, t, beta, rate)
    if outcome != CONVERGED:
        return outcome, np.inf, 1.0, iterations
    error = ERROR[order] * norm(w.d, w.w)
    if error <= 1.0 and leaves_domain(p, w, t):
        return IMPOSSIBLE, error, rate, iterations
    if error <= 1.0 and w.DS.shape[1] > 0:
        sens_error = correct_sensitivities(p, o, w, t, beta, order)
        if sens_error == np.inf:
            return BAD_NUMBER, np.inf, 1.0, iterations
        if o.sens_test:
            error = max(error, sens_error)
    return CONVERGED, error, rate, iterations


@compiled()
def write_outputs(p, w, tau, h, order, limit, t_out, first, x_out, s_out):
    """Write every output time up to `limit` from the history that ends at `tau`; return the index of the next one."""
    while first < t_out.size and t_out[first] - p.t0 <= limit:
        s = (t_out[first] - p.t0 - tau) / h
        interpolate(w.D, order, s, x_out[first])
        if w.DS.shape[1] > 0:
            interpolate(w.DS, order, s, s_out[first])
        first += 1
    return first


@compiled()
def stop_at(p, w, theta, tau, h, order, t_out, next_out, x_out, s_out):
    """Make a part `theta` of the step that ended at `tau` the end of the segment; return its time."""
    write_outputs(p, w, tau, h, order, tau - h + theta * h, t_out, next_out, x_out, s_out)
    copy(w.roots.x, w.D[0])
    if w.DS.shape[1] > 0:
        interpolate(w.DS, order, theta - 1.0, w.s)
        copy(w.s, w.DS[0])
    return p.t0 + (tau - h) + theta * h


@compiled()
def integrate_segment(p, o, w, t_out, x_out, s_out):
    """Integrate one smooth piece; the one function that `run` calls.

    Parameters
    ----------
    p : Problem
    o : Options
    w : Work
        Fresh from `make_work`; ``D[0]``, ``DS[0]`` and ``counts`` hold the end state, its sensitivities and counts afterwards.
    t_out : ndarray, shape (m,)
        Sorted, within the span.
    x_out : ndarray, shape (m, n)
    s_out : ndarray, shape (m, n * n_theta)
        Receive the outputs that were reached.

    Returns
    -------
    status : int
    t : float
        Time reached.
    """
    span, counts = p.t1 - p.t0, w.counts
    h = start(p, w)
    tau, order, same, failures = 0.0, 1, 0, 0  # same: steps since the last change of step or order
    new_matrix, rate, finite = True, 1.0, h > 0.0
    status = system.SUCCESS if finite else system.NOT_FINITE
    next_out = write_outputs(p, w, tau, 1.0, 0, tau, t_out, 0, x_out, s_out)
    if p.n_roots > 0:
        set_truth(p, w.roots, p.t0, w.D[0])
    while tau < span and status == system.SUCCESS:
        if counts[system.STEPS] + counts[system.REJECTED] + counts[system.NEWTON_FAILURES] >= o.max_steps:
            status = system.MAX_STEPS
            break
        if tau + h <= tau * (1 + 16 * EPS) and tau + h < span:
            status = system.STEP_TOO_SMALL if finite else system.NOT_FINITE
            break
        factor, target = 1.0, order
        landing = 1.001 * h >= span - tau  # stretched a little rather than left with a sliver
        if landing and h != span - tau:
            rescale(w.D, order, (span - tau) / h, w.T)
            rescale(w.DS, order, (span - tau) / h, w.T)
            h, same, new_matrix, rate = span - tau, 0, True, 1.0
        end = span if landing else tau + h
        outcome, error, rate, iterations = attempt(p, o, w, end, h, order, new_matrix, rate)
        finite = outcome != BAD_NUMBER
        if outcome == IMPOSSIBLE:
            counts[system.REJECTED] += 1
            factor = 0.25
        elif outcome != CONVERGED:
            counts[system.NEWTON_FAILURES] += 1
            factor = 0.25 if new_matrix or outcome == BAD_NUMBER else 1.0
            new_matrix, rate = True, 1.0
        elif error > 1.0:
            counts[system.REJECTED] += 1
            failures += 1
            factor = max(0.1, 1.0 / (MARGIN_SAME * error ** (1.0 / (order + 1)))) if failures < 3 else 0.2
            target = order if failures < 3 else 1  # the history is of no use: reloaded below
        else:
            counts[system.STEPS] += 1
            advance(w.D, order, w.d)
            if w.DS.shape[1] > 0:
                advance(w.DS, order, w.ds)
            if p.n_roots > 0:
                as_powers(w.D, order, w.roots.poly)
                theta = find_root(p, w.roots, p.t0 + (end - h), h, counts)
                if theta >= 0.0:
                    return system.ROOT, stop_at(p, w, theta, end, h, order, t_out, next_out, x_out, s_out)
            tau, failures, same = end, 0, same + 1
            new_matrix = iterations > 2 or rate > SLOW_RATE
            next_out = write_outputs(p, w, tau, h, order, tau, t_out, next_out, x_out, s_out)
            if same > order:
                target, factor = choose(o, w, order, error)
        if factor != 1.0 or target != order:
            order = target
            rescale(w.D, order, factor, w.T)
            rescale(w.DS, order, factor, w.T)
            h *= factor
            same, new_matrix, rate = 0, True, 1.0
            if failures >= 3:
                reload(p, w, tau, h)
    return status, p.t0 + tau if tau < span else p.t1

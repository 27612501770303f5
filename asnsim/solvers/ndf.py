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
- A step that carries a pool through zero, where the flow cannot, or to where the flow is not a number, is refused
  (`leaves_domain`), and the steps after it grow no sooner than after `HOLD`.
- After many attempts the driver asks whether a decaying oscillation calls for a lower order (`asnsim.solvers._orders`).
- Every operation on the history is linear and the Newton matrix is exact in structure: linear invariants hold to rounding.
- Every factorisation takes a fresh J: keeping an old one saves a tenth, and loses relaxation oscillations at loose tolerances.
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

from asnsim.solvers import _sensitivity as sensitivity
from asnsim.solvers import _system as system
from asnsim.solvers._history import (
    ALPHA,
    BETA,
    ERROR,
    HIGHER,
    LOWER,
    ORDERS,
    ROWS,
    as_powers,
    compile_passes,
    interpolate,
    set_grid,
)
from asnsim.solvers._kernels import Kernels, call_kernel, call_vector
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, Layout, padded, vector, whole
from asnsim.solvers._roots import RootWork, find_root, root_shapes, set_truth
from asnsim.solvers._system import EPS, copy, count, evaluate_jacobian, factorise, is_hopeless, leaves_domain, solve
from asnsim.solvers._vectors import NUMBERS, fill, total

__all__ = ["NDF", "integrate_segment", "layout", "make_work"]

CONVERGED, DIVERGED, BAD_NUMBER, IMPOSSIBLE = 0, 1, 2, 3  # outcomes of an attempt

NEWTON_ITERATIONS = 4
NEWTON_TOLERANCE = 0.01  # of the local error allowed; results at 1e-8 then agree to 1e-7 with a tight reference
SLOW_RATE = 0.3  # a corrector that converges more slowly than this asks for a new factorisation
MARGIN_SAME, MARGIN_LOWER, MARGIN_HIGHER = 1.2, 1.3, 1.4  # safety of the step at order k, k-1, k+1 (section 2.3 of [1])
GROWTH_MIN, GROWTH_MAX = 1.3, 10.0  # smaller growth is not worth a factorisation
HOLD = 10  # steps before one may be longer again, after one that ended where there are no numbers
CRAWL = 1000  # times as long: a run that would take so long, held back by such steps most of the time, creeps towards an edge
PATIENCE = 4000  # attempts before that is said


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
        Highest order, 1 to 5; the driver takes lower ones where they are faster.
    sens_error_test : bool
        Whether sensitivities take part in the local error test.
    """

    rtol: float = 1e-6
    atol: float | None = None
    max_steps: int = 100_000
    max_order: int = 5
    sens_error_test: bool = True

    def __post_init__(self):
        system.check_settings(self.rtol, self.atol, self.max_steps)
        if self.max_order not in range(1, ORDERS + 1):
            raise ValueError(f"max_order is {self.max_order}; NDF has the orders 1 to {ORDERS}")


# How far a run may go, whether it goes on from a pause, and blocks of sensitivities with 1/p per parameter.
Options = namedtuple("Options", "max_order sens_test max_steps resumes blocks inverse_p")
# Addresses of the buffers: vectors in whole rows, sensitivities in blocks.
Work = namedtuple(
    "Work",
    "passes numbers norms D x d f r w psi bound J LU pivots lu T DS s ds dfdp floor "
    "wide_mass sens_grid sens_norms waiting roots counts",
)


def layout(kernels: Kernels, method: type) -> Layout:
    """Buffers of a segment; `dfdp` is zero at first, as its kernel demands."""
    n, size, blocks = kernels.n, padded(kernels.n), -(-kernels.n_theta // BLOCK)
    m, wide = blocks * n * BLOCK, n if blocks else 0
    flat = dict.fromkeys(("ds", "dfdp"), (m,)) | {"s": (wide, BLOCK)}
    return Layout(
        numbers=(NUMBERS, BLOCK), norms=(2,), D=(ROWS, size), **dict.fromkeys(("x", "d", "f", "r", "w", "psi", "bound"), (size,)),
        J=(len(kernels.pattern),), LU=(n, n), pivots=(n,), lu=(kernels.lu_size + 1,), T=(ORDERS + 2, ORDERS + 1),
        DS=(blocks, ROWS, n, BLOCK), **flat, floor=(wide, BLOCK), wide_mass=(wide, BLOCK),
        sens_grid=(NUMBERS, BLOCK), sens_norms=(2,), waiting=(2,), **root_shapes(n, kernels.n_roots), counts=(6,),
        inverse_p=(blocks, BLOCK),
    )  # fmt: skip


def make_work(method: type, addresses: dict[str, int]) -> Work:
    """Gather the addresses of buffers."""
    roots = RootWork(*(addresses[f"roots_{name}"] for name in RootWork._fields))
    plain = {name: addresses[name] for name in Work._fields if name not in ("passes", "roots")}
    return Work(passes=compile_passes()[1], roots=roots, **plain)


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
    v, numbers, d = w.passes, w.numbers, vector(w.d, p.size)
    tolerance = max(NEWTON_TOLERANCE, 10 * EPS / p.rtol)
    old = 0.0
    d[:] = 0.0
    fill(numbers, BETA, beta)
    for m in range(NEWTON_ITERATIONS):
        call_kernel(p.rhs, t, w.x, p.c, w.f)
        call_vector(v.residual, p.rows, numbers, w.f, p.mass, w.psi, w.d, w.r)
        solve(p, w, w.r)
        call_vector(v.update, p.rows, numbers, w.r, w.w, w.d, w.x)
        count(w.counts, system.RHS)
        size = np.sqrt(total(numbers, 4) / p.n)
        if not size < np.inf:
            return BAD_NUMBER, 1.0, m + 1
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
def norm_of_neighbour(o, w, which):
    """Norm of the difference that the order below (0) or above (1) goes by; of sensitivities too where they are tested."""
    own, sens = vector(w.norms, 2), vector(w.sens_norms, 2)
    return max(own[which], sens[which]) if o.sens_test and o.blocks > 0 else own[which]


@compiled()
def choose(o, w, order, error):
    """Choose order and step factor for the steps to come, after a step of this order was accepted with this error.

    Returns
    -------
    order : int
    factor : float
        1 where a change is not worth a factorisation.
    """
    best, factor = order, 1.0 / (MARGIN_SAME * max(error, 1e-30) ** (1.0 / (order + 1)))
    if order > 1:
        lower = ERROR[order - 1] * norm_of_neighbour(o, w, 0)
        trial = 1.0 / (MARGIN_LOWER * max(lower, 1e-30) ** (1.0 / order))
        if trial > factor:
            best, factor = order - 1, trial
    if order < o.max_order:
        higher = ERROR[order + 1] * norm_of_neighbour(o, w, 1)
        trial = 1.0 / (MARGIN_HIGHER * max(higher, 1e-30) ** (1.0 / (order + 2)))
        if trial > factor:
            best, factor = order + 1, trial
    if factor < GROWTH_MIN:
        return order, 1.0
    return best, min(factor, GROWTH_MAX)


# ---- the segment ----


@compiled()
def change_grid(p, o, w, order, factor):
    """Move the history to a grid of step ``factor * h``."""
    set_grid(w, w.numbers, order, factor)
    call_vector(whole(w.passes.rescale, ORDERS + 1)[order], p.rows, w.numbers, w.D)
    sensitivity.rescale(p, o, w, order, factor)


@compiled()
def reload(p, o, w, tau, h):
    """Make a history of order 1 from the derivatives at the last accepted point; algebraic states start as constants."""
    call_kernel(p.rhs, p.t0 + tau, w.D, p.c, w.f)
    count(w.counts, system.RHS)
    f, mass, first = vector(w.f, p.size), vector(p.mass, p.size), vector(w.D + 8 * p.size, p.size)
    for i in range(p.size):
        first[i] = h * mass[i] * f[i]
    if o.blocks > 0:
        sensitivity.slope(p, o, w, p.t0 + tau, h)


@compiled()
def start(p, o, w):
    """Fill the history for order 1 from its first row and return the first step, or 0 if the derivative is not finite.

    The step keeps the estimated local error h^2/2 |x''|, with x'' = J f + df/dt from the kernels, below a quarter of the
    tolerance (section 2.4 of [1]_), and changes no state by more than a tenth.
    """
    call_vector(w.passes.weigh, p.rows, w.numbers, w.D, p.atol, w.w)
    moving = vector(w.d, p.size)
    moving[:] = 0.0
    if p.dfdt != 0:
        call_kernel(p.dfdt, p.t0, w.D, p.c, w.d)
    speed, bend = system.speed_and_bend(p, w, w.d, w.r)
    if not speed < np.inf:
        return 0.0
    h = 0.1 * (p.t1 - p.t0)
    if h * speed * p.rtol > 0.1:
        h = 0.1 / (speed * p.rtol)
    if 0.25 < 0.5 * h * h * bend < np.inf:  # where a derivative is not finite, the first attempt will judge
        h = np.sqrt(0.5 / bend)
    reload(p, o, w, 0.0, h)
    return h


@compiled()
def attempt(p, o, w, tau, h, order, new_matrix, new_jacobian, rate):
    """Try one step to `tau`, leaving the corrections in ``w.d`` and ``w.ds``.

    Returns
    -------
    outcome : int
    error : float
        Local error in units of the tolerance.
    rate : float
    iterations : int
    """
    v, numbers = w.passes, w.numbers
    beta = h / ALPHA[order]
    t = min(p.t0 + tau, p.t1)
    predict = whole(v.predict, ORDERS + 1)
    call_vector(predict[order], p.rows, numbers, w.D, w.x, w.psi)
    call_vector(v.weigh, p.rows, numbers, w.D, p.atol, w.w)
    if new_jacobian:
        evaluate_jacobian(p, w, t, w.x)
    if new_matrix and not factorise(p, w, beta):
        return BAD_NUMBER, np.inf, 1.0, 0
    outcome, rate, iterations = correct(p, w, t, beta, rate)
    if outcome != CONVERGED:
        return outcome, np.inf, 1.0, iterations
    call_vector(whole(v.judge, ORDERS + 1)[order], p.rows, numbers, w.D, w.d, w.w, w.x, w.bound)
    error = ERROR[order] * np.sqrt(total(numbers, 2) / p.n)
    if error > 1.0:
        return CONVERGED, error, rate, iterations
    suspect = total(numbers, 3) > 0.0
    norms = vector(w.norms, 2)
    norms[0], norms[1] = np.sqrt(total(numbers, LOWER) / p.n), np.sqrt(total(numbers, HIGHER) / p.n)
    if suspect and leaves_domain(p, w, t):
        return IMPOSSIBLE, error, rate, iterations
    if o.blocks > 0:
        sens_error = sensitivity.correct(p, o, w, t, beta, order)
        if sens_error == np.inf:
            return BAD_NUMBER, np.inf, 1.0, iterations
        if o.sens_test:
            error = max(error, sens_error)
    return CONVERGED, error, rate, iterations


@compiled()
def write_outputs(p, o, w, tau, h, order, limit, out, first):
    """Write every output time up to `limit` from the history that ends at `tau`; return the index of the next one."""
    t_out = vector(out.t, out.n)
    while first < out.n and t_out[first] - p.t0 <= limit:
        s = (t_out[first] - p.t0 - tau) / h
        interpolate(w, p.rows, w.D, order, s, out.x + 8 * first * p.size)
        if o.blocks > 0:
            sensitivity.interpolate(p, o, w, order, s, out.s + 8 * first * o.blocks * p.n * BLOCK)
        first += 1
    return first


@compiled()
def stop_at(p, o, w, theta, tau, h, order, out, next_out):
    """Make a part `theta` of the step that ended at `tau` the end of the segment; return its time."""
    write_outputs(p, o, w, tau, h, order, tau - h + theta * h, out, next_out)
    if o.blocks > 0:
        sensitivity.stop(p, o, w, order, theta - 1.0)
    copy(w.roots.x, w.D, p.n)
    return p.t0 + (tau - h) + theta * h


@compiled()
def advance(p, o, w, order):
    """Take the corrections into the history."""
    passes = whole(w.passes.advance, ORDERS + 1)
    call_vector(passes[order], p.rows, w.numbers, w.D, w.d)
    sensitivity.advance(p, o, w, order)


@compiled()
def reason_to_stop(o, tau, h, span, attempts, bad, finite):
    """Why another attempt makes no sense; SUCCESS if it does."""
    if attempts >= o.max_steps:
        creeps = attempts >= PATIENCE and (HOLD + 1) * bad > 0.5 * attempts and span - tau > CRAWL * tau
        return system.NOT_FINITE if creeps else system.MAX_STEPS
    if is_hopeless(bad, attempts):
        return system.NOT_FINITE
    if tau + h <= tau * (1 + 16 * EPS) and tau + h < span:
        return system.STEP_TOO_SMALL if finite else system.NOT_FINITE
    return system.SUCCESS


@compiled()
def integrate_segment(p, o, w, out):
    """Integrate one smooth piece.

    Parameters
    ----------
    p : Problem
    o : Options
    w : Work
        The first rows of the histories D and DS hold the start, and afterwards the end.
    out : Outputs
        Times sorted and within the span; receives the states and sensitivities there, as far as they were reached.

    Returns
    -------
    status : int
    t : float
        Time reached.
    """
    span, counts, attempts, bad = p.t1 - p.t0, w.counts, 0, 0
    h = start(p, o, w)
    tau, order, same, failures = 0.0, 1, 0, 0  # same: steps since the last change of step or order
    hold = 0  # steps for which the next must not be longer
    new_matrix, rate, finite = True, 1.0, h > 0.0
    known = False  # whether J is that of the last point: sensitivities leave it so
    status = system.SUCCESS if finite else system.NOT_FINITE
    next_out = write_outputs(p, o, w, tau, 1.0, 0, tau, out, 0)
    if p.n_roots > 0 and not o.resumes:
        set_truth(p, w.roots, p.t0, w.D)
    while tau < span and status == system.SUCCESS:
        status = reason_to_stop(o, tau, h, span, attempts, bad, finite)
        if status != system.SUCCESS:
            break
        factor, target = 1.0, order
        landing = 1.001 * h >= span - tau  # stretched a little rather than left with a sliver
        if landing and h != span - tau:
            change_grid(p, o, w, order, (span - tau) / h)
            h, same, new_matrix, rate = span - tau, 0, True, 1.0
        end = span if landing else tau + h
        attempts += 1
        outcome, error, rate, iterations = attempt(p, o, w, end, h, order, new_matrix, new_matrix and not known, rate)
        finite = outcome != BAD_NUMBER
        bad += not finite
        hold = HOLD if outcome == BAD_NUMBER or outcome == IMPOSSIBLE else max(hold - 1, 0)
        if outcome == IMPOSSIBLE:
            count(counts, system.REJECTED)
            factor = 0.25
        elif outcome != CONVERGED:
            count(counts, system.NEWTON_FAILURES)
            factor = 0.25 if new_matrix and not known or outcome == BAD_NUMBER else 1.0
            new_matrix, rate, known = True, 1.0, False
        elif error > 1.0:
            count(counts, system.REJECTED)
            failures += 1
            factor = max(0.1, 1.0 / (MARGIN_SAME * error ** (1.0 / (order + 1)))) if failures < 3 else 0.2
            target = order if failures < 3 else 1  # the history is of no use: reloaded below
        else:
            count(counts, system.STEPS)
            advance(p, o, w, order)
            if p.n_roots > 0:
                as_powers(p, w, order)
                theta = find_root(p, w.roots, p.t0 + (end - h), h, counts)
                if theta >= 0.0:
                    return system.ROOT, stop_at(p, o, w, theta, end, h, order, out, next_out)
            tau, failures, same = end, 0, same + 1
            known = o.blocks > 0
            new_matrix = not known and (iterations > 2 or rate > SLOW_RATE)
            next_out = write_outputs(p, o, w, tau, h, order, tau, out, next_out)
            if same > order:
                target, factor = choose(o, w, order, error)
                if hold > 0 and factor > 1.0:
                    target, factor = order, 1.0
        if factor != 1.0 or target != order:
            order = target
            change_grid(p, o, w, order, factor)
            h *= factor
            same, new_matrix, rate = 0, True, 1.0
            if failures >= 3:
                reload(p, o, w, tau, h)
    sensitivity.finish(p, o, w)
    return status, p.t0 + tau if tau < span else p.t1

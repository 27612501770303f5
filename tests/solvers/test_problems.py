"""Every solver on problems whose solution is known: published stiff ones (`problems.py`) and closed forms; orders of NDF.

A solver that is added to `SOLVERS` is tested here without further ado, against what `expected` says by default.

References
----------
.. [1] Shampine & Reichelt 1997, The MATLAB ODE Suite, SIAM J. Sci. Comput. 18(1), 1-22 (NDF of order 1 to 5).
.. [2] Gibaldi & Perrier 1982, Pharmacokinetics, 2nd ed., chapters 1-3 (one- and two-compartment models with absorption).
"""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
from numba import cfunc
from scipy.linalg import expm

from asnsim.solvers import NDF, SOLVERS, SUCCESS, Kernels, integrate, python_callable

given = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))
PROBLEMS = given.PROBLEMS


# ---- kernels of the closed forms ----------------------------------------------------------------------------------------


@cfunc(given.KERNEL)
def linear_rhs(t, x, c, f):  # x' = K x; c holds n and K (n, n)
    n = int(c[0])
    for i in range(n):
        f[i] = 0.0
        for j in range(n):
            f[i] += c[1 + n * i + j] * x[j]


@cfunc(given.KERNEL)
def linear_jac(t, x, c, J):
    n = int(c[0])
    for q in range(n * n):
        J[q] = c[1 + q]


@cfunc(given.KERNEL)
def steady_rhs(t, x, c, f):
    f[0], f[1] = -x[0], x[0] * x[0] - x[1]


@cfunc(given.KERNEL)
def steady_jac(t, x, c, J):
    J[0], J[2], J[3] = -1.0, 2 * x[0], -1.0


STEADY = Kernels(2, 0, steady_rhs.address, steady_jac.address)


# ---- the derivatives ------------------------------------------------------------------------------------------------------


def states(problem):
    """Four states between start and end, none of them on a symmetry."""
    rng = np.random.default_rng(0)
    for weight in (0.0, 0.3, 0.7, 1.0):
        x = (1 - weight) * np.array(problem.x0) + weight * np.array(problem.reference)
        yield x * rng.uniform(0.9, 1.1, x.size)


def complex_step(problem, t, x):
    """Derivative of rhs (n,) along the imaginary parts of `t` and `x`, exact to rounding."""
    f = np.zeros(len(problem.x0), complex)
    problem.rhs.__wrapped__(t, x, np.array(problem.c), f)
    return f.imag / 1e-100


@pytest.mark.parametrize("name", PROBLEMS)
def test_jacobian_is_the_derivative(name):
    problem, n, t = PROBLEMS[name], len(PROBLEMS[name].x0), 0.3 * PROBLEMS[name].t_end
    for x in states(problem):
        J = np.zeros((n, n))
        python_callable(problem.kernels.jac)(t, x, np.array(problem.c), J)
        columns = [complex_step(problem, t, x + 1e-100j * unit) for unit in np.eye(n)]
        np.testing.assert_allclose(J, np.transpose(columns), rtol=1e-12, atol=1e-13 * np.abs(J).max())


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivative_in_time(name):
    """Given where time occurs, and nowhere else."""
    problem, t = PROBLEMS[name], 0.3 * PROBLEMS[name].t_end
    for x in states(problem):
        slope = np.zeros(x.size)
        if problem.dfdt:
            python_callable(problem.kernels.dfdt)(t, x, np.array(problem.c), slope)
        np.testing.assert_allclose(slope, complex_step(problem, t + 1e-100j, x), rtol=1e-12)


# ---- error against tolerance ----------------------------------------------------------------------------------------------


class Expected(NamedTuple):
    """What a solver owes on a problem: error <= multiple * rtol for rtol = 10^-3 ... 10^-tightest, and why not more."""

    multiple: float
    tightest: int = 10
    why: str = ""


# Steps are controlled one by one, and what they err adds up: by default a multiple of 100. Rodas4 and Rodas5P estimate the error
# of a solution one order lower than the one they keep, and owe less.
DEFAULT = {"rodas4": Expected(10.0), "rodas5p": Expected(10.0)}
RELAXATION = "each jump of the relaxation multiplies what was wrong before it"
RING = "more takes too long for a test; oscillations of 5 MHz that die within 300 periods only: errors of all these add up"
ORDERS = RING + "; NDF beyond order 2 is not stable near the imaginary axis, where they are"
ROUNDING = "y2 - y3 = y4 holds to eps of the peak 1.4e-10 only: 1e-6 of y2 at t = 1e11, 1e-3 at 1e13"
MATRIX = "the step's matrix 1 - h gamma J has forgotten its 1 where h J is 1e8: y2 - y3 = y4 drifts, and with it the end"

EXPECTED = {  # "*" is any solver without a line of its own
    ("ndf", "orego"): Expected(800.0, why=RELAXATION),
    ("*", "e5"): Expected(100.0, 6, ROUNDING),
    ("*", "e5 late"): Expected(500.0, 3, ROUNDING),
    ("*", "ring"): Expected(200.0, 6, RING),
    ("ndf", "ring"): Expected(1e4, 6, ORDERS),
}
DEFECTS = {(solver, problem): MATRIX for solver in ("rodas4", "rodas5p") for problem in ("e5", "e5 late")}


def expected(solver, problem):
    default = EXPECTED.get(("*", problem), DEFAULT.get(solver, Expected(100.0)))
    return EXPECTED.get((solver, problem), default)


def cases():
    """Every solver with every problem; known defects are expected to fail, and to be taken off the list once they do not."""
    for solver in SOLVERS:
        for problem in PROBLEMS:
            why = DEFECTS.get((solver, problem))
            marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
            yield pytest.param(solver, problem, marks=marks, id=f"{solver}-{problem}")


def errors_of(solver, problem, rtols):
    """Errors at the end, one run per rtol; each must report success."""
    errors = []
    for rtol in rtols:
        method = SOLVERS[solver](rtol=float(rtol), max_steps=1_000_000)
        atol = rtol * np.array(problem.atol)
        result = integrate(method, problem.kernels, 0.0, problem.t_end, problem.x0, problem.c, [], atol)
        assert result.status == SUCCESS, f"rtol {rtol:.0e}: {result.message}"
        assert result.t_reached == problem.t_end
        errors.append(problem.error(result.x_end))
    return np.array(errors)


@pytest.mark.parametrize(("solver", "name"), list(cases()))
def test_error_follows_the_tolerance(solver, name):
    """From rtol 1e-3 to 1e-10, or where `EXPECTED` ends, the error stays below a multiple of rtol and falls half as fast or faster."""
    multiple, tightest, why = expected(solver, name)
    rtols = 10.0 ** -np.arange(3, tightest + 1)
    errors = errors_of(solver, PROBLEMS[name], rtols)
    assert np.all(errors <= multiple * rtols), f"error / rtol: {errors / rtols}; {why}"
    assert np.log10(errors[0] / errors[-1]) >= 0.5 * (tightest - 3), f"error: {errors}; {why}"


# ---- orders of NDF --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_observed_order_of_ndf(order):
    """With its order limited to k, NDF's error falls as the k-th power of its mean step [1]_.

    Its steps cannot be dictated, but here they are even: on x = e^-t, y = 2 e^-t - e^-2t with no absolute tolerance to speak of,
    the relative local error C h^(k+1) is the same everywhere, and so is the step that rtol allows. The relative error at the end
    is then proportional to (t / steps)^k; its slope over three decades of rtol is the order, as long as steps are many, so that
    the start at order 1 weighs little.
    """
    end, counts, errors = 20.0, [], []
    exact = np.exp(-end) * np.array([1.0, 2.0 - np.exp(-end)])
    for exponent in np.linspace(3.5, 6.5, 7) + order:
        method = NDF(rtol=10.0**-exponent, max_order=order, max_steps=1_000_000)
        result = integrate(method, STEADY, 0.0, end, [1.0, 1.0], [], [], np.full(2, 1e-300))
        assert result.status == SUCCESS, result.message
        counts.append(result.stats["steps"])
        errors.append(np.abs(result.x_end / exact - 1).max())
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.3)
    assert counts[-1] > 2.5 * counts[0]


# ---- closed forms ---------------------------------------------------------------------------------------------------------

CHAIN = (3.0, 1.7, 0.9, 0.45, 0.2, 0.06)  # 1/h: compartment i empties into i + 1, the last one outwards


def run_linear(solver, matrix, start, ends):
    """Segments of x' = matrix x between the times `ends`; `start` (segments, n) is added at the beginning of each."""
    n, x, out = len(matrix), np.zeros(len(matrix)), []
    kernels, c = Kernels(n, 0, linear_rhs.address, linear_jac.address), [float(n), *np.ravel(matrix)]
    method = SOLVERS[solver](rtol=1e-13, max_steps=1_000_000)
    for (t0, t1), dose in zip(pairwise(ends), start, strict=True):
        result = integrate(method, kernels, t0, t1, x + dose, c, [], np.full(n, 1e-30))
        assert result.status == SUCCESS, result.message
        x = result.x_end
        out.append(x)
    return np.array(out)


def bateman(t):
    """The chain from 1 in its first compartment, by partial fractions; 50 digits, for at early times they cancel."""
    pools = []
    with mpmath.workdps(50):
        for m in range(1, len(CHAIN) + 1):
            k = [mpmath.mpf(rate) for rate in CHAIN[:m]]
            terms = [mpmath.exp(-a * t) / mpmath.fprod(b - a for b in k if b != a) for a in k]
            pools.append(float(mpmath.fprod(k[:-1]) * mpmath.fsum(terms)))
    return pools


def chain_matrix():
    return np.diag([-k for k in CHAIN]) + np.diag(CHAIN[:-1], -1)


def test_bateman_is_the_matrix_exponential():
    """Two ways to the closed form, of which neither is a solver of this project."""
    for t in (0.5, 4.0, 12.0):
        np.testing.assert_allclose(bateman(t), expm(chain_matrix() * t)[:, 0], rtol=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("end", [0.5, 4.0, 12.0])
def test_chain_of_six_compartments(solver, end):
    """Distinct rates, one unit in the first compartment: every pool to 1e-9, also those that hardly began to fill or emptied."""
    x = run_linear(solver, chain_matrix(), [[1.0, 0, 0, 0, 0, 0]], [0.0, end])
    np.testing.assert_allclose(x[0], bateman(end), rtol=1e-9)


KA, KE, K12, K21 = 1.1, 0.17, 0.4, 0.25  # 1/h: absorption, elimination, to and from the peripheral compartment
DOSES = {0.0: 100.0, 12.0: 100.0, 24.0: 100.0, 31.5: 50.0, 48.0: 200.0, 72.0: 100.0, 96.0: 100.0}  # h -> U, into the depot
END = 120.0


def one_compartment(t):
    """Depot and central amount at t after a unit dose into the depot."""
    return np.array([np.exp(-KA * t), KA / (KA - KE) * (np.exp(-KE * t) - np.exp(-KA * t))])


def two_compartments(t):
    """Depot, central and peripheral amount at t after a unit dose into the depot, by the hybrid rates alpha and beta [2]_."""
    total, product = KE + K12 + K21, KE * K21
    alpha = 0.5 * (total + np.sqrt(total**2 - 4 * product))
    beta = product / alpha
    terms = [
        np.exp(-a * t) * KA / ((b - a) * (d - a)) * np.array([K21 - a, K12])
        for a, b, d in ((alpha, beta, KA), (beta, alpha, KA), (KA, alpha, beta))
    ]
    return np.concatenate([[np.exp(-KA * t)], np.sum(terms, axis=0)])


MODELS = {
    "one": ([[-KA, 0.0], [KA, -KE]], one_compartment),
    "two": ([[-KA, 0.0, 0.0], [KA, -KE - K12, K21], [0.0, K12, -K21]], two_compartments),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("model", MODELS)
def test_bolus_train_superposes(solver, model):
    """Uneven doses into the depot, one segment from dose to dose: before each dose, the sum over all doses so far, to 1e-9."""
    matrix, unit = MODELS[model]
    ends = [*DOSES, END]
    start = [[dose] + [0.0] * (len(matrix) - 1) for dose in DOSES.values()]
    x = run_linear(solver, matrix, start, ends)
    exact = [sum(dose * unit(t - given_at) for given_at, dose in DOSES.items() if given_at < t) for t in ends[1:]]
    np.testing.assert_allclose(x, exact, rtol=1e-9)

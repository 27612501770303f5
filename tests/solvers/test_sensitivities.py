"""Forward sensitivities against closed forms and against finite differences of far tighter runs."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numba import cfunc

from asnsim.ir import BLOCK
from asnsim.solvers import NDF, NOT_FINITE, SUCCESS, Kernels, integrate

published = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))
V = BLOCK
KERNEL = published.KERNEL


@cfunc(KERNEL)
def chain_rhs(t, x, c, f):  # A -> B -> out
    f[0] = -c[0] * x[0]
    f[1] = c[0] * x[0] - c[1] * x[1]


@cfunc(KERNEL)
def chain_jac(t, x, c, J):
    J[0], J[2], J[3] = -c[0], c[0], -c[1]


@cfunc(KERNEL)
def chain_dfdp(t, x, c, P):  # theta = k1, k2, A(0); the last acts through the initial value only
    P[0], P[V], P[V + 1] = -x[0], x[0], -x[1]


@cfunc(KERNEL)
def robertson_dfdp(t, x, c, P):
    for i, sign in ((0, -1.0), (1, 1.0)):  # parameter k of state i stands in block k // V, row i, place k % V
        P[i * V] = sign * x[0]
        P[(1 // V) * 3 * V + i * V + 1 % V] = -sign * x[1] * x[2]
    for i, sign in ((1, -1.0), (2, 1.0)):
        P[(2 // V) * 3 * V + i * V + 2 % V] = sign * x[1] * x[1]


@cfunc(KERNEL)
def nan_dfdp(t, x, c, P):
    P[0] = np.sqrt(-1.0 - x[0] * x[0])


CHAIN = Kernels(2, 3, chain_rhs.address, chain_jac.address, chain_dfdp.address)
ROBERTSON = Kernels(3, 3, published.robertson_rhs.address, published.robertson_jac.address, robertson_dfdp.address)
PLAIN = Kernels(3, 0, published.robertson_rhs.address, published.robertson_jac.address)
RATES = np.array([0.04, 1e4, 3e7])
TIMES = np.array([0.4, 4.0, 40.0, 400.0, 4e3])


def robertson(kernels, c, rtol, **options):
    p_scale = c if kernels.n_theta else None
    atol = np.array([1e-8, 1e-14, 1e-8]) * rtol
    return integrate(NDF(rtol=rtol, **options), kernels, 0.0, TIMES[-1], [1.0, 0, 0], c, TIMES, atol, p_scale=p_scale)


@pytest.fixture(scope="module")
def differences():
    """Central differences of runs at rtol 1e-12, extrapolated once: good to about 1e-6."""
    out = np.empty((TIMES.size, 3, 3))
    for k in range(3):
        estimate = []
        for width in (1e-3, 2e-3):
            up, down = RATES.copy(), RATES.copy()
            up[k] *= 1 + width
            down[k] *= 1 - width
            estimate.append((robertson(PLAIN, up, 1e-12).x - robertson(PLAIN, down, 1e-12).x) / (2 * width * RATES[k]))
        out[:, :, k] = (4 * estimate[0] - estimate[1]) / 3
    return out


def chain_closed_form(t, a0, k1, k2):
    """x (2,) and s (2, 3) of the chain at t."""
    e1, e2, d = np.exp(-k1 * t), np.exp(-k2 * t), k2 - k1
    a, b = a0 * e1, a0 * k1 / d * (e1 - e2)
    db1 = a0 * (k2 / d**2 * (e1 - e2) - k1 / d * t * e1)
    db2 = a0 * k1 * (-(e1 - e2) / d**2 + t * e2 / d)
    return np.array([a, b]), np.array([[-t * a, 0.0, a / a0], [db1, db2, b / a0]])


@pytest.mark.parametrize("k2", [0.3, 30.0, 3e4])
def test_decay_chain_has_its_closed_form(k2):
    a0, k1, times = 2.0, 0.7, np.array([0.0, 0.1, 1.0, 5.0])
    result = integrate(
        NDF(rtol=1e-8), CHAIN, 0.0, 5.0, [a0, 0.0], [k1, k2], times, np.full(2, 1e-14),
        s0=[[0, 0, 1.0], [0, 0, 0]], p_scale=[k1, k2, a0],
    )  # fmt: skip
    for i, t in enumerate(times):
        x, s = chain_closed_form(t, a0, k1, k2)
        np.testing.assert_allclose(result.x[i], x, rtol=2e-7)
        np.testing.assert_allclose(result.s[i], s, rtol=1e-6, atol=1e-13)
    assert np.array_equal(result.s_end, result.s[-1])


def test_nonlinear_stiff_problem_agrees_with_differences(differences):
    result = robertson(ROBERTSON, RATES, 1e-8)
    assert result.status == SUCCESS
    np.testing.assert_allclose(result.s, differences, rtol=3e-6)


@pytest.mark.parametrize("rtol", [1e-3, 1e-4, 1e-5])
def test_error_follows_rtol(differences, rtol):
    error = np.max(np.abs(robertson(ROBERTSON, RATES, rtol).s / differences - 1))
    assert 0.1 * rtol < error < 20 * rtol


def test_error_test_of_sensitivities_buys_accuracy_for_steps(differences):
    without, with_ = (robertson(ROBERTSON, RATES, 1e-5, sens_error_test=flag) for flag in (False, True))
    assert without.stats["steps"] < with_.stats["steps"]
    assert np.abs(with_.s / differences - 1).max() < 0.7 * np.abs(without.s / differences - 1).max()


def test_invariants_of_sensitivities_hold_to_rounding():
    """The total does not depend on any rate."""
    s = robertson(ROBERTSON, RATES, 1e-4).s
    assert np.all(np.abs(s.sum(axis=1)) < 1e-12 * np.abs(s).max(axis=(0, 1)))


def test_one_of_several_parameters_gives_the_same_column():
    """A sensitivity does not know of its neighbours when S is left out of the error test."""
    full = robertson(ROBERTSON, RATES, 1e-6, sens_error_test=False)
    s0 = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]])
    atol = np.array([1e-14, 1e-20, 1e-14])
    other = integrate(NDF(1e-6, sens_error_test=False), ROBERTSON, 0.0, 4e3, [1.0, 0, 0], RATES, TIMES, atol, s0=s0)
    np.testing.assert_allclose(other.s[:, :, 1:], full.s[:, :, 1:], rtol=1e-14)
    assert not np.allclose(other.s[:, :, 0], full.s[:, :, 0])


def test_sensitivities_ride_over_split_segments():
    """Two segments with s handed over are one segment."""
    atol = np.array([1e-16, 1e-22, 1e-16])
    solver = NDF(rtol=1e-9)
    whole = integrate(solver, ROBERTSON, 0.0, 40.0, [1.0, 0, 0], RATES, [], atol, p_scale=RATES)
    first = integrate(solver, ROBERTSON, 0.0, 3.0, [1.0, 0, 0], RATES, [], atol, p_scale=RATES)
    second = integrate(solver, ROBERTSON, 3.0, 40.0, first.x_end, RATES, [], atol, s0=first.s_end, p_scale=RATES)
    np.testing.assert_allclose(second.x_end, whole.x_end, rtol=1e-7)
    np.testing.assert_allclose(second.s_end, whole.s_end, rtol=1e-6)


def test_results_do_not_depend_on_the_output_grid():
    atol, ends = np.array([1e-14, 1e-20, 1e-14]), []
    for times in ([], np.linspace(0, 40, 777)):
        ends.append(integrate(NDF(), ROBERTSON, 0.0, 40.0, [1.0, 0, 0], RATES, times, atol, p_scale=RATES))
    assert np.array_equal(ends[0].s_end, ends[1].s_end) and np.array_equal(ends[0].x_end, ends[1].x_end)
    assert ends[1].s.shape == (777, 3, 3) and np.array_equal(ends[1].s[-1], ends[1].s_end)


def test_sensitivity_through_zero_does_not_stop_the_solver():
    """dB/dk1 changes sign where B peaks; with a tiny atol its own relative tolerance would be nothing there."""
    result = integrate(NDF(), CHAIN, 0.0, 20.0, [1.0, 0.0], [1.0, 1.5], [], np.full(2, 1e-30), p_scale=[1.0, 1.5, 1.0])
    assert result.status == SUCCESS and result.stats["steps"] + result.stats["rejected"] < 500
    np.testing.assert_allclose(result.s_end, chain_closed_form(20.0, 1.0, 1.0, 1.5)[1] * [1, 1, 0], rtol=1e-3)


def test_zero_length_segment_returns_s0():
    s0 = np.arange(6.0).reshape(2, 3)
    result = integrate(NDF(), CHAIN, 1.0, 1.0, [1.0, 0.0], [1.0, 2.0], [1.0], np.full(2, 1e-9), s0=s0)
    assert np.array_equal(result.s[0], s0) and np.array_equal(result.s_end, s0)


def test_derivative_that_is_not_a_number_is_said_so():
    kernels = Kernels(2, 1, chain_rhs.address, chain_jac.address, nan_dfdp.address)
    result = integrate(NDF(), kernels, 0.0, 1.0, [1.0, 0.0], [1.0, 2.0], [0.0, 1.0], np.full(2, 1e-9))
    assert result.status == NOT_FINITE and "derivative" in result.message
    assert np.array_equal(result.s[0], [[0.0], [0.0]]) and np.isnan(result.s[1]).all()

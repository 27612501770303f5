"""NDF on closed forms, hostile right-hand sides, fast oscillations; outputs, invariants and statuses.

The published stiff problems are in `test_problems.py`, for every solver.
"""

from __future__ import annotations

import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cfunc
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.special import wrightomega

from asnsim.solvers import MAX_STEPS, NDF, NOT_FINITE, SOLVERS, STEP_TOO_SMALL, SUCCESS, Kernels, _driver, integrate

published = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))
KERNEL = published.KERNEL


@cfunc(KERNEL)
def linear_rhs(t, x, c, f):  # x' = C x with C (4, 4) in the constants
    for i in range(4):
        f[i] = 0.0
        for j in range(4):
            f[i] += c[4 * i + j] * x[j]


@cfunc(KERNEL)
def linear_jac(t, x, c, J):
    for q in range(16):
        J[q] = c[q]


@cfunc(KERNEL)
def prothero_rhs(t, x, c, f):  # x = cos t, attracting at rate c
    f[0] = -c[0] * (x[0] - np.cos(t)) - np.sin(t)


@cfunc(KERNEL)
def prothero_dfdt(t, x, c, out):
    out[0] = c[0] * -np.sin(t) - np.cos(t)


@cfunc(KERNEL)
def prothero_jac(t, x, c, J):
    J[0] = -c[0]


@cfunc(KERNEL)
def saturable_rhs(t, x, c, f):  # elimination with V, Km
    f[0] = -c[0] * x[0] / (c[1] + x[0])


@cfunc(KERNEL)
def saturable_jac(t, x, c, J):
    J[0] = -c[0] * c[1] / (c[1] + x[0]) ** 2


@cfunc(KERNEL)
def square_rhs(t, x, c, f):
    f[0] = x[0] * x[0]


@cfunc(KERNEL)
def square_jac(t, x, c, J):
    J[0] = 2 * x[0]


@cfunc(KERNEL)
def root_rhs(t, x, c, f):  # not a number for t > c
    f[0] = -x[0] * np.sqrt(c[0] - t)


@cfunc(KERNEL)
def root_jac(t, x, c, J):
    J[0] = -np.sqrt(c[0] - t)


@cfunc(KERNEL)
def switch_rhs(t, x, c, f):  # a jump of the derivative that nobody announced
    f[0] = 1.0 if t < c[0] else -1.0


@cfunc(KERNEL)
def nothing_jac(t, x, c, J):
    J[0] = 0.0


ROBERTSON = Kernels(3, 0, published.robertson_rhs.address, published.robertson_jac.address)
LINEAR = Kernels(4, 0, linear_rhs.address, linear_jac.address)
PROTHERO = Kernels(1, 0, prothero_rhs.address, prothero_jac.address, dfdt=prothero_dfdt.address)
SATURABLE = Kernels(1, 0, saturable_rhs.address, saturable_jac.address)
SQUARE = Kernels(1, 0, square_rhs.address, square_jac.address)
ROOT = Kernels(1, 0, root_rhs.address, root_jac.address)
SWITCH = Kernels(1, 0, switch_rhs.address, nothing_jac.address)
RATES = [0.04, 1e4, 3e7]


def robertson(t_out, rtol=1e-8, end=40.0, **options):
    atol = np.array([1e-8, 1e-14, 1e-8]) * rtol
    return integrate(NDF(rtol=rtol, **options), ROBERTSON, 0.0, end, [1.0, 0, 0], RATES, t_out, atol)


def test_robertson_agrees_with_radau_at_every_output():
    times = np.geomspace(1e-4, 4e5, 60)
    f = lambda t, x: np.array([1e4 * x[1] * x[2] - 0.04 * x[0], 0.0, 3e7 * x[1] ** 2])  # noqa: E731
    reference = solve_ivp(
        lambda t, x: f(t, x) - np.array([0, f(t, x)[[0, 2]].sum(), 0]),
        (0, times[-1]), [1.0, 0, 0], "Radau", times, rtol=1e-11, atol=1e-17,
    ).y.T  # fmt: skip
    np.testing.assert_allclose(robertson(times, 1e-8, times[-1]).x, reference, rtol=1e-6, atol=0)


def test_robertson_over_eleven_decades():
    """The test set's reference at 1e11; a wrong total or sign sends this problem to infinity."""
    result = integrate(NDF(rtol=1e-9), ROBERTSON, 0.0, 1e11, [1.0, 0, 0], RATES, [], np.array([1e-16, 1e-22, 1e-16]))
    assert result.status == SUCCESS, result.message
    np.testing.assert_allclose(result.x_end, [0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050], rtol=1e-5)
    assert abs(result.x_end.sum() - 1) < 1e-12


def test_tight_runs_converge_to_1e_7():
    """What the engine promises to its callers: at rtol 1e-8 all outputs agree with a far tighter run to about 1e-7."""
    times = np.linspace(0, 40, 41)[1:]
    np.testing.assert_allclose(robertson(times, 1e-8).x, robertson(times, 1e-12).x, rtol=2e-7)


@pytest.mark.parametrize("max_order", [1, 2, 3, 4, 5])
def test_every_order_works(max_order):
    result = robertson([40.0], 1e-5, max_order=max_order)
    np.testing.assert_allclose(result.x_end, robertson([], 1e-11).x_end, rtol=2e-3 if max_order == 1 else 2e-4)


def test_higher_orders_pay():
    assert robertson([], 1e-8).stats["steps"] < robertson([], 1e-8, max_order=2).stats["steps"] / 5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), end=st.floats(0.01, 100.0))
def test_closed_linear_networks(seed, end):
    """First-order exchange between four pools, rates over seven decades: expm is the answer and the total is kept.

    The rounding of the right-hand side itself moves the total by a few eps * largest rate * time, which no solver can mend.
    """
    rng = np.random.default_rng(seed)
    C = 10.0 ** rng.uniform(-3, 4, (4, 4)) * (rng.random((4, 4)) < 0.7)
    np.fill_diagonal(C, 0.0)
    np.fill_diagonal(C, -C.sum(axis=0))
    x0 = rng.random(4) + 0.01
    result = integrate(NDF(rtol=1e-8), LINEAR, 0.0, end, x0, C.ravel(), [], np.full(4, 1e-12))
    assert result.status == SUCCESS, result.message
    np.testing.assert_allclose(result.x_end, expm(C * end) @ x0, rtol=2e-6, atol=1e-9)
    assert abs(result.x_end.sum() - x0.sum()) < (1e-13 + 4.5e-16 * np.abs(C).max() * end) * x0.sum()


def test_linear_invariant_holds_to_rounding_at_loose_tolerance():
    result = robertson(np.geomspace(1e-3, 4e5, 50), 1e-3, 4e5)
    assert np.max(np.abs(result.x.sum(axis=1) - 1)) < 1e-13


def test_results_do_not_depend_on_the_output_grid():
    none, few, many = robertson([]), robertson([0.3, 17.0]), robertson(np.linspace(0, 40, 5001))
    assert np.array_equal(none.x_end, few.x_end) and np.array_equal(none.x_end, many.x_end)
    assert none.stats == few.stats == many.stats
    both = robertson(np.sort(np.concatenate([np.linspace(0, 40, 5001), [0.3, 17.0]])))
    assert np.array_equal(few.x[1], both.x[both.t == 17.0][0])


def test_threads_share_nothing():
    """The integrator leaves the interpreter lock: runs side by side give the bits of runs one by one."""
    alone = [robertson([], rtol).x_end for rtol in (1e-5, 1e-7, 1e-9)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda rtol: robertson([], rtol).x_end, (1e-5, 1e-7, 1e-9) * 5))
    assert all(np.array_equal(x, alone[i % 3]) for i, x in enumerate(together))


def test_outputs_at_the_ends_are_the_ends_and_times_come_back_exactly():
    times = np.array([0.0, 0.0, 1.0, 1.0, 40.0, 40.0])
    result = robertson(times)
    assert np.array_equal(result.t, times)
    assert np.array_equal(result.x[[0, 1]], [[1.0, 0, 0]] * 2)
    assert np.array_equal(result.x[2], result.x[3])
    assert np.array_equal(result.x[[4, 5]], [result.x_end] * 2)
    assert result.t_reached == 40.0 and result.s is None and result.s_end is None


@pytest.mark.parametrize("rate", [1.0, 1e3, 1e8])
def test_late_segment_with_explicit_time(rate):
    """A restart at 2000 h: time within the segment keeps its full resolution, the kernel sees the true time."""
    times = np.linspace(2000.0, 2010.0, 101)
    result = integrate(NDF(rtol=1e-8), PROTHERO, 2000.0, 2010.0, [np.cos(2000.0)], [rate], times, np.array([1e-9]))
    assert result.status == SUCCESS and result.t_reached == 2010.0
    np.testing.assert_allclose(result.x[:, 0], np.cos(times), atol=3e-7)


def test_initial_layer_far_from_zero_time():
    """Start off the slow curve by 1 with a layer of 1e-6 h."""
    times = 2000.0 + np.array([1e-7, 1e-6, 1e-5, 1.0])
    result = integrate(NDF(rtol=1e-8), PROTHERO, 2000.0, 2001.0, [np.cos(2000.0) + 1], [1e6], times, np.array([1e-12]))
    np.testing.assert_allclose(result.x[:, 0], np.cos(times) + np.exp(-1e6 * (times - 2000.0)), atol=3e-8)


def test_empty_pools_with_tiny_atol():
    """Pools that start at zero, atol far below anything: many small steps, the same answer."""
    C = np.diag([-1.0, -1e3, -0.1, 0.0]) + np.diag([1.0, 1e3, 0.1], -1)
    result = integrate(NDF(rtol=1e-8), LINEAR, 0.0, 50.0, [1.0, 0, 0, 0], C.ravel(), [0.01, 50.0], np.full(4, 1e-40))
    assert result.status == SUCCESS and result.stats["steps"] < 3000
    np.testing.assert_allclose(result.x, [expm(C * t) @ [1.0, 0, 0, 0] for t in (0.01, 50.0)], rtol=1e-5)


@pytest.mark.parametrize("rtol", [1e-2, 1e-3, 1e-6])
@pytest.mark.parametrize("Km", [1e-4, 0.1, 3.0])
def test_saturated_elimination_stops_at_zero(rtol, Km):
    """x falls on a straight line to Km and then must turn; behind the pole at -Km the line goes on to minus infinity.

    Closed form: x = Km omega(ln(x0/Km) + (x0 - V t)/Km), omega the Wright function.
    """
    x0, V, times = 100.0, 10.0, np.array([5.0, 9.9, 10.0, 10.5, 40.0])
    result = integrate(NDF(rtol=rtol), SATURABLE, 0.0, 40.0, [x0], [V, Km], times, np.array([1e-6 * rtol]))
    assert result.status == SUCCESS, result.message
    exact = Km * wrightomega(np.log(x0 / Km) + (x0 - V * times) / Km).real
    np.testing.assert_allclose(result.x[:, 0], exact, rtol=0, atol=20 * rtol * x0)


def test_states_may_change_sign_by_right():
    """A damped oscillation crosses zero every half period; asking whether it may must not slow it down or stop it."""
    C = np.zeros((4, 4))
    C[:2, :2] = [[-0.1, 1.0], [-1.0, -0.1]]
    times = np.linspace(0, 60, 301)
    result = integrate(NDF(rtol=1e-7), LINEAR, 0.0, 60.0, [1.0, 0.5, 0, 0], C.ravel(), times, np.full(4, 1e-9))
    assert result.status == SUCCESS and result.stats["rejected"] < 25
    np.testing.assert_allclose(result.x, [expm(C * t) @ [1.0, 0.5, 0, 0] for t in times], atol=5e-6)


def test_nothing_happens_at_an_equilibrium():
    result = integrate(NDF(), LINEAR, 0.0, 1e6, [1.0, 2, 3, 4], np.zeros(16), [5.0], np.full(4, 1e-12))
    assert np.array_equal(result.x_end, [1.0, 2, 3, 4]) and result.stats["steps"] < 20


def drift(damping, speed):
    """A pair that turns at `speed` and is damped, beside two pools that fade over days, one of which feeds it."""
    return np.array([[-damping, speed, 1.0, 0], [-speed, -damping, 0, 0], [0, 0, -0.01, 0.001], [0, 0, 0, -0.02]])


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-9])
def test_an_oscillation_that_has_died_away_does_not_hold_the_step(rtol, monkeypatch):
    """Its eigenvalues, 86 degrees from the real axis, lie where orders 3 to 5 are unstable at the steps that accuracy allows."""
    C, x0, times = drift(25.0, 400.0), [0.0, 0.0, 1.0, 1.0], np.linspace(0, 2000, 20001)
    result = integrate(NDF(rtol=rtol), LINEAR, 0.0, 2000.0, x0, C.ravel(), times, np.full(4, rtol * 1e-3))
    assert result.status == SUCCESS and np.all(np.isfinite(result.x)), result.message
    every = times[::1000]
    expected = np.array([expm(C * t) @ x0 for t in every])
    np.testing.assert_allclose(result.x[::1000], expected, rtol=0, atol=500 * rtol)
    monkeypatch.setattr(_driver, "PAUSE", 10**9)
    without = integrate(NDF(rtol=rtol, max_steps=40_000), LINEAR, 0.0, 2000.0, x0, C.ravel(), [], np.full(4, rtol * 1e-3))
    assert without.status == MAX_STEPS or without.stats["steps"] > 3 * result.stats["steps"]


def test_an_oscillation_that_is_the_solution_keeps_its_orders(monkeypatch):
    C, x0 = drift(0.002, 1.0), [1.0, 0.0, 0.0, 0.0]
    with_pauses = integrate(NDF(rtol=1e-8), LINEAR, 0.0, 1000.0, x0, C.ravel(), [], np.full(4, 1e-12))
    monkeypatch.setattr(_driver, "PAUSE", 10**9)
    without = integrate(NDF(rtol=1e-8), LINEAR, 0.0, 1000.0, x0, C.ravel(), [], np.full(4, 1e-12))
    assert without.stats["steps"] > 20_000
    assert with_pauses.stats["steps"] < without.stats["steps"] + 3000
    np.testing.assert_allclose(with_pauses.x_end, expm(C * 1000.0) @ x0, atol=1e-4)


def test_a_trial_of_another_order_ends_with_its_segment(monkeypatch):
    """However short the pauses: the order of one segment says nothing about the next."""
    C, x0 = drift(25.0, 400.0), np.array([0.0, 0.0, 1.0, 1.0])
    integrator = _driver.Integrator(NDF(rtol=1e-6), LINEAR, np.full(4, 1e-9))
    first = [integrator.run(0.0, 3.0, x0, C.ravel(), np.array([3.0])) for _ in range(2)]
    monkeypatch.setattr(_driver, "PAUSE", 50)
    integrator.run(0.0, 3.0, x0, C.ravel(), np.array([3.0]))
    monkeypatch.undo()
    again = integrator.run(0.0, 3.0, x0, C.ravel(), np.array([3.0]))
    assert first[0].stats == first[1].stats == again.stats
    np.testing.assert_array_equal(first[0].x_end, again.x_end)


def test_pauses_lose_no_output(monkeypatch):
    times = np.sort(np.concatenate([np.geomspace(1e-6, 40, 777), [0.0, 0.0, 40.0]]))
    whole = robertson(times)
    monkeypatch.setattr(_driver, "PAUSE", 3)
    parts = robertson(times)
    np.testing.assert_array_equal(parts.t, whole.t)
    np.testing.assert_allclose(parts.x, whole.x, rtol=1e-6, atol=1e-12)
    assert parts.stats["steps"] > whole.stats["steps"]


@pytest.mark.parametrize("length", [1e-13, 1e-9])
def test_very_short_segment(length):
    result = integrate(NDF(), ROBERTSON, 0.0, length, [1.0, 0, 0], RATES, [length], np.full(3, 1e-12))
    assert result.status == SUCCESS and result.t_reached == length
    assert result.x_end[0] == pytest.approx(1 - 0.04 * length, abs=3e-16)


def test_zero_length_segment():
    result = integrate(NDF(), ROBERTSON, 3.0, 3.0, [1.0, 0, 0], RATES, [3.0, 3.0], np.full(3, 1e-12))
    assert result.status == SUCCESS and result.t_reached == 3.0 and result.stats["steps"] == 0
    assert np.array_equal(result.x, [[1.0, 0, 0]] * 2) and np.array_equal(result.x_end, [1.0, 0, 0])


def test_unannounced_jump_of_the_derivative_is_survived():
    result = integrate(NDF(rtol=1e-6), SWITCH, 0.0, 2.0, [1.0], [np.sqrt(0.5)], [2.0], np.array([1e-9]))
    assert result.status == SUCCESS
    assert result.x_end[0] == pytest.approx(2 * np.sqrt(0.5) - 1, abs=2e-5)


def test_blow_up_is_a_step_too_small():
    result = integrate(NDF(), SQUARE, 0.0, 2.0, [1.0], [0.0], [0.5, 1.5], np.array([1e-9]))
    assert result.status == STEP_TOO_SMALL and "too small" in result.message
    assert result.t_reached == pytest.approx(1.0, abs=1e-4)
    assert result.x[0, 0] == pytest.approx(2.0, rel=1e-4) and np.isnan(result.x[1, 0])
    assert result.stats["steps"] < 10_000


@pytest.mark.parametrize(("last", "reached"), [(1.0, 1.0), (-1.0, 0.0)])
def test_not_a_number_is_not_finite(last, reached):
    result = integrate(NDF(), ROOT, 0.0, 2.0, [1.0], [last], [0.0, 2.0], np.array([1e-9]))
    assert result.status == NOT_FINITE and "not finite" in result.message
    assert result.t_reached == pytest.approx(reached, abs=1e-6)
    assert result.x[0, 0] == 1.0 and np.isnan(result.x[1, 0])


def test_max_steps_is_said_so():
    result = robertson([40.0], max_steps=50)
    assert result.status == MAX_STEPS and "max_steps (50)" in result.message
    assert result.stats["steps"] <= 50 and 0 < result.t_reached < 40 and np.isnan(result.x).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x0": [1.0]}, "3 states"),
        ({"t1": -1.0}, "not an interval"),
        ({"t_out": [0.5, 0.2]}, "sorted"),
        ({"t_out": [2.0]}, "sorted and lie within"),
        ({"atol": np.zeros(3)}, "atol"),
    ],
)
def test_wrong_arguments_are_refused(change, match):
    good = {"t0": 0.0, "t1": 1.0, "x0": [1.0, 0, 0], "c": RATES, "t_out": [1.0], "atol": np.full(3, 1e-9)}
    with pytest.raises(ValueError, match=match):
        integrate(NDF(), ROBERTSON, **(good | change))


@pytest.mark.parametrize("options", [{"rtol": 0.0}, {"rtol": "a"}, {"atol": -1.0}, {"max_order": 6}, {"max_steps": 0}, {"max_steps": 1.5}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        NDF(**options)


def test_registry():
    assert SOLVERS["ndf"] is NDF

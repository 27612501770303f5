"""Rodas4 and Rodas5P: order conditions of their coefficients, observed orders, closed forms, outputs, statuses.

The published stiff problems are in `test_problems.py`, for every solver.

References
----------
.. [1] Hairer & Wanner 1996, Solving Ordinary Differential Equations II, section IV.7 (order conditions).
"""

from __future__ import annotations

import runpy
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations_with_replacement
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numba import cfunc
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.special import wrightomega

from asnsim.library import load_model
from asnsim.simulation import simulate
from asnsim.solvers import (
    MAX_STEPS,
    NDF,
    NOT_FINITE,
    SOLVERS,
    STEP_TOO_SMALL,
    SUCCESS,
    Kernels,
    Rodas4,
    Rodas5P,
    integrate,
    rosenbrock,
)
from asnsim.solvers._driver import Outputs, _Workspace
from asnsim.solvers._memory import address, padded

# The kernels are those of NDF's tests: one truth.
given = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("test_ndf.py"))))
METHODS = pytest.mark.parametrize("method", [Rodas4, Rodas5P])


@cfunc(given.KERNEL)
def predator_rhs(t, x, c, f):
    f[0], f[1] = x[0] * (1.5 - x[1]), x[1] * (x[0] - 1.0)


@cfunc(given.KERNEL)
def predator_jac(t, x, c, J):
    J[0], J[1], J[2], J[3] = 1.5 - x[1], -x[0], x[1], x[0] - 1.0


@cfunc(given.KERNEL)
def timed_rhs(t, x, c, f):  # x = 1 / (1 + c sin t)
    f[0] = -c[0] * np.cos(t) * x[0] * x[0]


@cfunc(given.KERNEL)
def timed_jac(t, x, c, J):
    J[0] = -2 * c[0] * np.cos(t) * x[0]


@cfunc(given.KERNEL)
def timed_dfdt(t, x, c, out):
    out[0] = c[0] * np.sin(t) * x[0] * x[0]


@cfunc(given.KERNEL)
def hidden_rhs(t, x, c, f):  # time only shows once x[0] has left zero: x[0] = t, x[1] = sin t - t cos t
    f[0], f[1] = 1.0, np.sin(t) * x[0]


@cfunc(given.KERNEL)
def hidden_jac(t, x, c, J):
    J[2] = np.sin(t)


@cfunc(given.KERNEL)
def hidden_dfdt(t, x, c, out):
    out[1] = np.cos(t) * x[0]


PARTS = np.linspace(0, 1, 9)[1:-1]  # of a step, where dense output is looked at
PREDATOR = Kernels(2, 0, predator_rhs.address, predator_jac.address)
TIMED = Kernels(1, 0, timed_rhs.address, timed_jac.address, dfdt=timed_dfdt.address)
UNTIMED = Kernels(1, 0, timed_rhs.address, timed_jac.address)
HIDDEN = Kernels(2, 0, hidden_rhs.address, hidden_jac.address, dfdt=hidden_dfdt.address)


# ---- coefficients ------------------------------------------------------------------------------------------------------


@cache
def trees(size):
    """All rooted trees with `size` nodes; a tree is the sorted tuple of its branches."""
    return tuple(sorted({tuple(sorted(forest)) for forest in _forests(size - 1, size - 1)}))


def _forests(nodes, largest):
    if nodes == 0:
        yield ()
    for size in range(min(nodes, largest), 0, -1):
        for copies in range(1, nodes // size + 1):
            for branches in combinations_with_replacement(trees(size), copies):
                for rest in _forests(nodes - size * copies, size - 1):
                    yield (*branches, *rest)


def nodes(tree):
    return 1 + sum(map(nodes, tree))


def density(tree):
    return nodes(tree) * prod(map(density, tree))


def weights_of(tree, alpha, beta):
    """Inner sums of an order condition: beta = alpha + gamma where a node has one branch, alpha where it has several [1]_."""
    if len(tree) == 1:
        return beta @ weights_of(tree[0], alpha, beta)
    return prod((alpha @ weights_of(branch, alpha, beta) for branch in tree), start=np.ones(len(alpha)))


def classical(tableau):
    """The matrices alpha, gamma and the map from weights m to weights b: m = b gamma^-1, a = alpha gamma^-1 [1]_."""
    gamma = np.linalg.inv(np.eye(tableau.alpha.size) / tableau.gamma - tableau.c)
    return tableau.a[:-1] @ gamma, gamma


def defect(tableau, m, order, theta=1.0):
    """Largest violation of the conditions of one order, for weights `m` at a part `theta` of the step."""
    alpha, gamma = classical(tableau)
    conditions = [(m @ gamma @ weights_of(t, alpha, alpha + gamma), theta**order / density(t)) for t in trees(order)]
    return max(abs(found - wanted) for found, wanted in conditions)


def dense_weights(tableau, theta):
    inner = sum(row * theta**power for power, row in enumerate(tableau.dense))
    return theta * (tableau.a[-1] + (1 - theta) * np.append(inner, 0.0)[: tableau.alpha.size])


def test_numbers_of_trees():
    assert [len(trees(n)) for n in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]


@pytest.mark.parametrize(("method", "order"), [(Rodas4, 4), (Rodas5P, 5)])
def test_order_conditions(method, order):
    """Solution of order p, error estimate and dense output of order p - 1, and none of them one more: a digit off would show."""
    tableau = method.tableau
    solution, embedded = tableau.a[-1], tableau.a[-2]
    assert max(defect(tableau, solution, q) for q in range(1, order + 1)) < 1e-13 < 1e-3 < defect(tableau, solution, order + 1)
    assert max(defect(tableau, embedded, q) for q in range(1, order)) < 1e-13 < 1e-3 < defect(tableau, embedded, order)
    dense = [max(defect(tableau, dense_weights(tableau, s), q, s) for s in PARTS) for q in range(1, order + 1)]
    assert max(dense[:-1]) < 1e-13 < 1e-3 < dense[-1]
    assert tableau.order == order


@METHODS
def test_row_sums_and_stiff_accuracy(method):
    """The last two arguments lie at the end of the step; b is the last row of beta, so R(inf) = 0, and so for the embedded one."""
    tableau = method.tableau
    alpha, gamma = classical(tableau)
    np.testing.assert_allclose(alpha.sum(axis=1), tableau.alpha, atol=3e-14)
    np.testing.assert_allclose(gamma.sum(axis=1), tableau.gammas, atol=3e-14)
    np.testing.assert_allclose(np.diag(gamma), tableau.gamma, atol=1e-15)
    np.testing.assert_allclose(tableau.alpha[-2:], 1.0)
    np.testing.assert_allclose(tableau.a[-1] @ gamma, (alpha + gamma)[-1], atol=1e-14)
    np.testing.assert_allclose(tableau.a[-2] @ gamma, alpha[-1], atol=1e-14)


@METHODS
def test_stability_function(method):
    """A-stable along the imaginary axis (and hence in the half plane, all poles being at 1/gamma), and zero at infinity."""
    tableau = method.tableau
    alpha, gamma = classical(tableau)
    b, ones = tableau.a[-1] @ gamma, np.ones(tableau.alpha.size)
    R = lambda z: 1 + z * b @ np.linalg.solve(np.eye(ones.size) - z * (alpha + gamma), ones)  # noqa: E731
    assert max(abs(R(1j * y)) for y in np.geomspace(1e-3, 1e6, 2000)) < 1 + 1e-13
    assert abs(R(-1e12)) < 1e-10 and abs(1 - b @ np.linalg.solve(alpha + gamma, ones)) < 1e-13
    embedded = tableau.a[-2] @ gamma
    assert abs(1 - embedded[:-1] @ np.linalg.solve((alpha + gamma)[:-1, :-1], ones[:-1])) < 1e-13


# ---- observed orders ---------------------------------------------------------------------------------------------------


def fixed_steps(method, kernels, x0, c, end, steps):
    """Integrate with steps of one size; return the end, and the dense output at the PARTS of the first step."""
    n, h, c, times = len(x0), end / steps, np.array(c, float), PARTS * end / steps
    own, dense = _Workspace(kernels, method), np.zeros((PARTS.size, padded(n)))
    own.atol[:], own.bound[:], own.first[:n] = 1e9, -np.inf, x0
    p = own.problem._replace(t1=end, c=address(c))
    out = Outputs(PARTS.size, address(times), address(dense), 0)
    for k in range(steps):
        outcome, _ = rosenbrock.attempt(p, method.tableau, own.work, k * h, h)
        assert outcome == rosenbrock.ACCEPTED
        if k == 0:
            rosenbrock.write_outputs(p, own.work, 0.0, h, h, h, out, 0)
        own.first[:n] = own.array("x")[:n]
    return own.first[:n].copy(), dense[:, :n]


@cache
def predator(t):
    f = lambda t, x: [x[0] * (1.5 - x[1]), x[1] * (x[0] - 1.0)]  # noqa: E731
    return solve_ivp(f, (0, t), [2.0, 1.0], "DOP853", [t], rtol=3e-14, atol=1e-15).y[:, 0]


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


@pytest.mark.parametrize(("method", "order"), [(Rodas4, 4), (Rodas5P, 5)])
def test_observed_order(method, order):
    """Halved steps on a nonlinear problem that is not stiff; and the dense output one order lower (its local error: order p)."""
    counts = np.array([16, 32, 64, 128])
    runs = [fixed_steps(method, PREDATOR, [2.0, 1.0], [0.0], 2.0, int(n)) for n in counts]
    errors = [np.abs(x - predator(2.0)).max() for x, _ in runs]
    assert slope(1 / counts, errors) == pytest.approx(order, abs=0.3)
    dense = [
        max(np.abs(x - predator(2.0 * s / n)).max() for x, s in zip(dense, PARTS, strict=True))
        for (_, dense), n in zip(runs, counts, strict=True)
    ]
    assert slope(1 / counts, dense) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize(("method", "order"), [(Rodas4, 4), (Rodas5P, 5)])
def test_observed_order_with_explicit_time(method, order):
    counts = np.array([8, 16, 32, 64])
    ends = [fixed_steps(method, TIMED, [1.0], [0.9], 4.0, int(n))[0][0] for n in counts]
    errors = np.abs(np.array(ends) - 1 / (1 + 0.9 * np.sin(4.0)))
    assert slope(1 / counts, errors) > order - 0.3
    without = fixed_steps(method, UNTIMED, [1.0], [0.9], 4.0, 64)[0][0] - 1 / (1 + 0.9 * np.sin(4.0))
    assert abs(without) > 100 * errors[-1]


# ---- closed forms, and Robertson's problem -------------------------------------------------------------------------------


@METHODS
def test_error_tracks_tolerance(method):
    """Seven decades of rtol buy about seven of accuracy, evenly: the error is controlled, not lucky."""
    rtols = 10.0 ** -np.arange(3, 11)
    run = lambda rtol: integrate(method(rtol=rtol), PREDATOR, 0.0, 20.0, [2.0, 1.0], [0.0], [], np.full(2, rtol))  # noqa: E731
    errors = np.array([np.abs(run(rtol).x_end / predator(20.0) - 1).max() for rtol in rtols])
    assert np.all(errors < 100 * rtols) and np.all(errors > 1e-4 * rtols)
    assert 0.8 < slope(rtols, errors) < 1.4


def robertson(method, t_out, rtol=1e-7, end=40.0, **options):
    atol = np.array([1e-8, 1e-14, 1e-8]) * rtol
    return integrate(method(rtol=rtol, **options), given.ROBERTSON, 0.0, end, [1.0, 0, 0], given.RATES, t_out, atol)


@METHODS
def test_robertson_agrees_with_ndf_at_every_output(method):
    """Dense output included: between the steps, and over ten decades of time."""
    times = np.geomspace(1e-4, 4e5, 200)
    tight = robertson(NDF, times, 1e-11, times[-1]).x
    np.testing.assert_allclose(robertson(method, times, 1e-8, times[-1]).x, tight, rtol=3e-7, atol=0)


@METHODS
def test_higher_tolerance_needs_fewer_steps_than_ndf(method):
    """What the one-step methods are for: loose tolerances."""
    assert robertson(method, [], 1e-4).stats["steps"] < 0.6 * robertson(NDF, [], 1e-4).stats["steps"]


@METHODS
def test_linear_chain(method):
    """A -> B -> C -> D with rates over seven decades."""
    k = np.array([1e4, 1.0, 1e-3])
    C = np.diag([*-k, 0.0]) + np.diag(k, -1)
    times = np.array([1e-5, 1e-2, 1.0, 30.0, 3e3])
    result = integrate(method(rtol=1e-8), given.LINEAR, 0.0, 3e3, [1.0, 0, 0, 0], C.ravel(), times, np.full(4, 1e-14))
    np.testing.assert_allclose(result.x, [expm(C * t) @ [1.0, 0, 0, 0] for t in times], rtol=1e-6, atol=1e-10)


@METHODS
@pytest.mark.parametrize("seed", range(6))
def test_closed_linear_networks(method, seed):
    """First-order exchange between four pools: expm is the answer and the total is kept to the rounding of the rates."""
    rng = np.random.default_rng(seed)
    C = 10.0 ** rng.uniform(-3, 4, (4, 4)) * (rng.random((4, 4)) < 0.7)
    np.fill_diagonal(C, 0.0)
    np.fill_diagonal(C, -C.sum(axis=0))
    x0, end = rng.random(4) + 0.01, 10.0 ** rng.uniform(-2, 2)
    result = integrate(method(rtol=1e-8), given.LINEAR, 0.0, end, x0, C.ravel(), [], np.full(4, 1e-12))
    np.testing.assert_allclose(result.x_end, expm(C * end) @ x0, rtol=2e-6, atol=1e-9)
    assert abs(result.x_end.sum() - x0.sum()) < (1e-12 + 4.5e-16 * np.abs(C).max() * end) * x0.sum()


@METHODS
def test_linear_invariant_holds_to_rounding_at_loose_tolerance(method):
    result = robertson(method, np.geomspace(1e-3, 4e5, 50), 1e-3, 4e5)
    assert np.max(np.abs(result.x.sum(axis=1) - 1)) < 1e-13


@METHODS
@pytest.mark.parametrize("rtol", [1e-2, 1e-3, 1e-6])
@pytest.mark.parametrize("Km", [1e-4, 0.1, 3.0])
def test_saturated_elimination_stops_at_zero(method, rtol, Km):
    """As for NDF: x falls on a straight line to Km and must turn there, not run through the pole at -Km."""
    x0, V, times = 100.0, 10.0, np.array([5.0, 9.9, 10.0, 10.5, 40.0])
    result = integrate(method(rtol=rtol), given.SATURABLE, 0.0, 40.0, [x0], [V, Km], times, np.array([1e-6 * rtol]))
    assert result.status == SUCCESS, result.message
    exact = Km * wrightomega(np.log(x0 / Km) + (x0 - V * times) / Km).real
    np.testing.assert_allclose(result.x[:, 0], exact, rtol=0, atol=20 * rtol * x0)


@METHODS
def test_states_may_change_sign_by_right(method):
    C = np.zeros((4, 4))
    C[:2, :2] = [[-0.1, 1.0], [-1.0, -0.1]]
    times = np.linspace(0, 60, 301)
    result = integrate(method(rtol=1e-7), given.LINEAR, 0.0, 60.0, [1.0, 0.5, 0, 0], C.ravel(), times, np.full(4, 1e-9))
    assert result.status == SUCCESS and result.stats["rejected"] < 10
    np.testing.assert_allclose(result.x, [expm(C * t) @ [1.0, 0.5, 0, 0] for t in times], atol=5e-6)


@METHODS
def test_models_with_sparse_kernels_agree_with_ndf(method):
    """A whole model, doses and all, through the straight-line factorisation that codegen makes."""
    model, times = load_model("teaching"), np.linspace(0, 48, 49)
    tight = simulate(model, until=48, times=times, solver=NDF(rtol=1e-10))
    run = simulate(model, until=48, times=times, solver=method(rtol=1e-6))
    np.testing.assert_allclose(run.x, tight.x, rtol=1e-4, atol=1e-4 * np.abs(tight.x).max())


# ---- explicit time -----------------------------------------------------------------------------------------------------


@METHODS
@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
@pytest.mark.parametrize("rate", [1.0, 1e3, 1e5, 1e8])
def test_late_segment_with_explicit_time(method, rate, rtol):
    """A restart at 2000 h: time within the segment keeps its full resolution, the kernel sees the true time.

    A state clamped to cos t is exact at the end of every step, however long: only the error between the steps holds them.
    """
    times, start = np.linspace(2000.0, 2010.0, 101), [np.cos(2000.0)]
    result = integrate(method(rtol=rtol), given.PROTHERO, 2000.0, 2010.0, start, [rate], times, np.array([0.01 * rtol]))
    assert result.status == SUCCESS and result.t_reached == 2010.0 and result.stats["steps"] < 3000
    np.testing.assert_allclose(result.x[:, 0], np.cos(times), rtol=0, atol=2 * rtol)


@METHODS
def test_initial_layer_far_from_zero_time(method):
    """Start off the slow curve by 1 with a layer of 1e-6 h."""
    times, start = 2000.0 + np.array([1e-7, 1e-6, 1e-5, 1.0]), [np.cos(2000.0) + 1]
    result = integrate(method(rtol=1e-8), given.PROTHERO, 2000.0, 2001.0, start, [1e6], times, np.array([1e-12]))
    np.testing.assert_allclose(result.x[:, 0], np.cos(times) + np.exp(-1e6 * (times - 2000.0)), atol=3e-8)


@METHODS
def test_time_that_hides_at_the_start(method):
    """The factor sin t multiplies a state that starts at zero; the right-hand side is the same at all times there."""
    result = integrate(method(rtol=1e-8), HIDDEN, 0.0, 10.0, [0.0, 0.0], [0.0], [], np.full(2, 1e-10))
    np.testing.assert_allclose(result.x_end, [10.0, np.sin(10.0) - 10.0 * np.cos(10.0)], rtol=1e-6)


@METHODS
def test_autonomous_problems_pay_no_time_derivative(method):
    """As many evaluations as stages, and one at the start."""
    stats = integrate(method(), PREDATOR, 0.0, 5.0, [2.0, 1.0], [0.0], [], np.full(2, 1e-9)).stats
    stages = method.tableau.alpha.size
    assert stats["rhs"] == 1 + stages * (stats["steps"] + stats["rejected"])
    assert stats["jac"] == stats["factorizations"] + 1 == stats["steps"] + stats["rejected"] + 1


# ---- outputs -----------------------------------------------------------------------------------------------------------


@METHODS
def test_results_do_not_depend_on_the_output_grid(method):
    none, few, many = (robertson(method, t) for t in ([], [0.3, 17.0], np.linspace(0, 40, 5001)))
    assert np.array_equal(none.x_end, few.x_end) and np.array_equal(none.x_end, many.x_end)
    assert none.stats == few.stats == many.stats
    both = robertson(method, np.sort(np.concatenate([np.linspace(0, 40, 5001), [0.3, 17.0]])))
    assert np.array_equal(few.x[1], both.x[both.t == 17.0][0])


@METHODS
def test_outputs_at_the_ends_are_the_ends_and_times_come_back_exactly(method):
    times = np.array([0.0, 0.0, 1.0, 1.0, 40.0, 40.0])
    result = robertson(method, times)
    assert np.array_equal(result.t, times)
    assert np.array_equal(result.x[[0, 1]], [[1.0, 0, 0]] * 2)
    assert np.array_equal(result.x[2], result.x[3])
    assert np.array_equal(result.x[[4, 5]], [result.x_end] * 2)
    assert result.t_reached == 40.0 and result.s is None and result.s_end is None


@METHODS
def test_threads_share_nothing(method):
    alone = [robertson(method, [], rtol).x_end for rtol in (1e-5, 1e-6, 1e-7)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda rtol: robertson(method, [], rtol).x_end, (1e-5, 1e-6, 1e-7) * 5))
    assert all(np.array_equal(x, alone[i % 3]) for i, x in enumerate(together))


# ---- edges and statuses ------------------------------------------------------------------------------------------------


@METHODS
def test_empty_pools_with_tiny_atol(method):
    C = np.diag([-1.0, -1e3, -0.1, 0.0]) + np.diag([1.0, 1e3, 0.1], -1)
    result = integrate(method(rtol=1e-8), given.LINEAR, 0.0, 50.0, [1.0, 0, 0, 0], C.ravel(), [0.01, 50.0], np.full(4, 1e-40))
    assert result.status == SUCCESS and result.stats["steps"] < 4000
    np.testing.assert_allclose(result.x, [expm(C * t) @ [1.0, 0, 0, 0] for t in (0.01, 50.0)], rtol=1e-5)


@METHODS
def test_nothing_happens_at_an_equilibrium(method):
    result = integrate(method(), given.LINEAR, 0.0, 1e6, [1.0, 2, 3, 4], np.zeros(16), [5.0], np.full(4, 1e-12))
    assert np.array_equal(result.x_end, [1.0, 2, 3, 4]) and result.stats["steps"] < 20


@METHODS
@pytest.mark.parametrize("length", [1e-13, 1e-9])
def test_very_short_segment(method, length):
    result = integrate(method(), given.ROBERTSON, 0.0, length, [1.0, 0, 0], given.RATES, [length], np.full(3, 1e-12))
    assert result.status == SUCCESS and result.t_reached == length
    assert result.x_end[0] == pytest.approx(1 - 0.04 * length, abs=3e-16)


@METHODS
def test_zero_length_segment(method):
    result = integrate(method(), given.ROBERTSON, 3.0, 3.0, [1.0, 0, 0], given.RATES, [3.0, 3.0], np.full(3, 1e-12))
    assert result.status == SUCCESS and result.t_reached == 3.0 and result.stats["steps"] == 0
    assert np.array_equal(result.x, [[1.0, 0, 0]] * 2) and np.array_equal(result.x_end, [1.0, 0, 0])


@METHODS
def test_unannounced_jump_of_the_derivative_is_survived(method):
    result = integrate(method(), given.SWITCH, 0.0, 2.0, [1.0], [np.sqrt(0.5)], [2.0], np.array([1e-9]))
    assert result.status == SUCCESS
    assert result.x_end[0] == pytest.approx(2 * np.sqrt(0.5) - 1, abs=2e-5)


@METHODS
def test_blow_up_is_a_step_too_small(method):
    result = integrate(method(), given.SQUARE, 0.0, 2.0, [1.0], [0.0], [0.5, 1.5], np.array([1e-9]))
    assert result.status == STEP_TOO_SMALL and "too small" in result.message
    assert result.t_reached == pytest.approx(1.0, abs=1e-4)
    assert result.x[0, 0] == pytest.approx(2.0, rel=1e-4) and np.isnan(result.x[1, 0])
    assert result.stats["steps"] < 10_000


@METHODS
@pytest.mark.parametrize(("last", "reached"), [(1.0, 1.0), (-1.0, 0.0)])
def test_not_a_number_is_not_finite(method, last, reached):
    result = integrate(method(), given.ROOT, 0.0, 2.0, [1.0], [last], [0.0, 2.0], np.array([1e-9]))
    assert result.status == NOT_FINITE and "not finite" in result.message
    assert result.t_reached == pytest.approx(reached, abs=1e-6)
    assert result.x[0, 0] == 1.0 and np.isnan(result.x[1, 0])


@METHODS
def test_max_steps_is_said_so(method):
    result = robertson(method, [40.0], max_steps=50)
    assert result.status == MAX_STEPS and "max_steps (50)" in result.message
    assert result.stats["steps"] <= 50 and 0 < result.t_reached < 40 and np.isnan(result.x).all()


@METHODS
def test_sensitivities_are_refused_and_ndf_is_named(method):
    kernels = Kernels(3, 1, given.published.robertson_rhs.address, given.published.robertson_jac.address, given.published.robertson_jac.address)
    with pytest.raises(ValueError, match=f"{method.__name__} has no sensitivities; use NDF"):
        integrate(method(), kernels, 0.0, 1.0, [1.0, 0, 0], given.RATES, [], np.full(3, 1e-9))


@METHODS
@pytest.mark.parametrize("options", [{"rtol": 0.0}, {"rtol": "a"}, {"atol": -1.0}, {"max_steps": 0}])
def test_wrong_options_are_refused(method, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        method(**options)


def test_registry():
    assert SOLVERS == {"ndf": NDF, "rodas4": Rodas4, "rodas5p": Rodas5P}

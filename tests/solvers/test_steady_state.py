"""Steady states against closed forms: stable, unstable, bistable, with conserved totals, and none at all."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cfunc, types

from asnsim.solvers import Kernels
from asnsim.solvers.steady_state import steady_state

POINTER = types.CPointer(types.float64)
KERNEL = types.void(types.float64, POINTER, POINTER, POINTER)


@cfunc(KERNEL)
def chain_rhs(t, x, c, f):  # synthesis c0, A -> B c1, B -> out c2
    f[0] = c[0] - c[1] * x[0]
    f[1] = c[1] * x[0] - c[2] * x[1]


@cfunc(KERNEL)
def chain_jac(t, x, c, J):
    J[0], J[2], J[3] = -c[1], c[1], -c[2]


@cfunc(KERNEL)
def dimer_rhs(t, x, c, f):  # 2 A <-> B, total A + 2 B conserved
    v = c[0] * x[0] * x[0] - c[1] * x[1]
    f[0], f[1] = -2 * v, v


@cfunc(KERNEL)
def dimer_jac(t, x, c, J):
    J[0], J[1], J[2], J[3] = -4 * c[0] * x[0], 2 * c[1], 2 * c[0] * x[0], -c[1]


@cfunc(KERNEL)
def cubic_rhs(t, x, c, f):  # roots 1 and 3 stable, 2 unstable, and -1 beyond zero is none
    f[0] = -(x[0] - 1) * (x[0] - 2) * (x[0] - 3)


@cfunc(KERNEL)
def cubic_jac(t, x, c, J):
    J[0] = -((x[0] - 2) * (x[0] - 3) + (x[0] - 1) * (x[0] - 3) + (x[0] - 1) * (x[0] - 2))


@cfunc(KERNEL)
def brusselator_rhs(t, x, c, f):  # fixed point (A, B/A), unstable for B > 1 + A^2
    f[0] = c[0] + x[0] * x[0] * x[1] - (c[1] + 1) * x[0]
    f[1] = c[1] * x[0] - x[0] * x[0] * x[1]


@cfunc(KERNEL)
def brusselator_jac(t, x, c, J):
    J[0], J[1] = 2 * x[0] * x[1] - (c[1] + 1), x[0] * x[0]
    J[2], J[3] = c[1] - 2 * x[0] * x[1], -x[0] * x[0]


@cfunc(KERNEL)
def growth_rhs(t, x, c, f):
    f[0] = 1.0 + x[0] * x[0]


@cfunc(KERNEL)
def growth_jac(t, x, c, J):
    J[0] = 2 * x[0]


CHAIN = Kernels(2, 0, chain_rhs.address, chain_jac.address)
DIMER = Kernels(2, 0, dimer_rhs.address, dimer_jac.address)
CUBIC = Kernels(1, 0, cubic_rhs.address, cubic_jac.address)
BRUSSELATOR = Kernels(2, 0, brusselator_rhs.address, brusselator_jac.address)
GROWTH = Kernels(1, 0, growth_rhs.address, growth_jac.address)


def test_linear_chain_has_its_closed_form_whatever_the_rates_spread():
    c = [3.0, 1e6, 1e-4]
    result = steady_state(CHAIN, [0.0, 0.0], c, 1e-15)
    assert result.converged and result.stable
    np.testing.assert_allclose(result.x, [3.0 / 1e6, 3.0 / 1e-4], rtol=1e-12)
    assert result.eigenvalues_max_real == pytest.approx(-1e-4)


def test_held_states_stay_and_leave_the_free_ones_to_balance():
    result = steady_state(CHAIN, [5.0, 0.0], [3.0, 2.0, 0.5], 1e-12, free=[1])
    assert result.x[0] == 5.0
    assert result.x[1] == pytest.approx(20.0, rel=1e-12)
    assert result.eigenvalues_max_real == pytest.approx(-0.5)


def test_conserved_total_is_kept_and_its_zero_eigenvalue_left_out():
    k, r, total = 3.0, 0.5, 2.0
    result = steady_state(DIMER, [total, 0.0], [k, r], 1e-14)
    a = (-r + np.sqrt(r * r + 8 * k * r * total)) / (4 * k)  # 2k/r a^2 + a = total
    np.testing.assert_allclose(result.x, [a, k * a * a / r], rtol=1e-9)
    assert result.x[0] + 2 * result.x[1] == pytest.approx(total, rel=1e-12)
    assert result.eigenvalues_max_real == pytest.approx(-(4 * k * a + r))
    assert result.stable and "1 conserved" in result.message


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.9, 1.0), (2.1, 3.0), (2.001, 3.0), (50.0, 3.0)])
def test_bistable_system_goes_where_the_flow_goes(start, end):
    """Newton alone goes from 2.001 and 1.9 to the unstable root at 2."""
    result = steady_state(CUBIC, [start], [0.0], 1e-12)
    assert result.x[0] == pytest.approx(end, rel=1e-10)
    assert result.stable
    assert result.eigenvalues_max_real == pytest.approx(-2.0)


@pytest.mark.parametrize(("b", "stable"), [(1.5, True), (3.0, False)])
def test_verdict_of_stability(b, stable):
    result = steady_state(BRUSSELATOR, [1.1, b], [1.0, b], 1e-12)
    np.testing.assert_allclose(result.x, [1.0, b], rtol=1e-9)
    assert result.converged
    assert result.stable is stable
    assert result.eigenvalues_max_real == pytest.approx((b - 2) / 2)
    assert ("unstable" in result.message) is not stable


def test_no_steady_state_is_said_so():
    result = steady_state(GROWTH, [0.5], [0.0], 1e-12)
    assert not result.converged and not result.stable
    assert np.isnan(result.eigenvalues_max_real)
    assert "no steady state" in result.message


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="2 states"):
        steady_state(CHAIN, [1.0], [1.0, 1.0, 1.0], 1e-12)
    with pytest.raises(ValueError, match="positive"):
        steady_state(CHAIN, [1.0, 1.0], [1.0, 1.0, 1.0], 0.0)

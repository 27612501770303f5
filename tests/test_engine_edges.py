"""Edges of the engine: each has a defined answer, for every solver where it is about solving."""

import math

import numpy as np
import pytest
import sympy

from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.errors import IntegrationError, ModelError
from asnsim.library import load_model
from asnsim.network import Module, symbols
from asnsim.simulation import simulate
from asnsim.solvers import NDF, SOLVERS

y, k, n = symbols("y k n")
SOLVER = pytest.mark.parametrize("solver", [make(rtol=1e-7) for make in SOLVERS.values()], ids=list(SOLVERS))


def scalar(numbers, rate, **values):
    return compose("edge", [Module("m", rates={"y": rate})], {}, numbers(**({"y": (1.0, "1"), "k": (1.0, "1/h")} | values)))


@SOLVER
def test_a_rate_that_is_never_a_number_is_said_so(numbers, solver):
    model = scalar(numbers, k * sympy.log(-y))
    with pytest.raises(IntegrationError, match="not finite") as caught:
        simulate(model, until=1, solver=solver)
    assert caught.value.t == 0.0 and caught.value.state == {"y": 1.0}


@SOLVER
def test_a_blow_up_stops_near_its_pole(numbers, solver):
    with pytest.raises(IntegrationError) as caught:
        simulate(scalar(numbers, k * y * y), until=2, solver=solver)
    assert 0.99 < caught.value.t < 1.01 and caught.value.state["y"] > 100


@SOLVER
def test_a_fractional_power_meets_zero_and_stays_there(numbers, solver):
    """y' = -k y^0.5 reaches zero at t = 2 and, as a real equation, stays; a negative base would be NaN, not |y|."""
    model = scalar(numbers, -k * y**n, n=(0.55, "1"))
    try:
        run = simulate(model, until=4, times=[1.0, 4.0], solver=solver)
    except IntegrationError as error:
        assert error.t > 2.1  # the end of a flow that loses uniqueness there; it is marked, never silent
        return
    exact = (1 - 0.45 * 1.0) ** (1 / 0.45)
    assert run["y"][run.t == 1.0][0] == pytest.approx(exact, rel=1e-5) and abs(run["y"][-1]) < 1e-4


@SOLVER
def test_horizons_and_times(numbers, solver):
    model = scalar(numbers, -k * y)
    assert simulate(model, until=0.0, solver=solver)["y"].tolist() == [1.0]
    mixed = simulate(model, until=2, times=[2.0, 0.5, 1.0, 0.5], solver=solver)
    assert set(mixed.t) == {0.0, 0.5, 1.0, 2.0}
    np.testing.assert_allclose(mixed["y"], np.exp(-mixed.t), rtol=1e-5)
    with pytest.raises(ModelError, match="outside the simulated"):
        simulate(model, until=1, times=[0.5, 3.0], solver=solver)


@SOLVER
def test_an_output_at_a_dose_has_both_limits(numbers, solver):
    run = simulate(scalar(numbers, -k * y), Regimen.single(5.0, "y", time=1.0), until=2, times=[1.0, 2.0], solver=solver)
    before, after = run.at(1.0, "before")["y"], run.at(1.0, "after")["y"]
    assert after - before == 5.0 and before == pytest.approx(np.exp(-1), rel=1e-5)


def test_a_million_outputs_change_nothing(numbers):
    model = scalar(numbers, -k * y)
    many = simulate(model, until=5, times=np.linspace(0, 5, 1_000_001))
    few = simulate(model, until=5, times=[5.0])
    assert many.t.size == 1_000_001 and many["y"][-1] == few["y"][-1]
    assert np.abs(many["y"] - np.exp(-many.t)).max() < 1e-5


def test_a_step_limit_is_a_reason(numbers):
    with pytest.raises(IntegrationError, match="max_steps"):
        simulate(load_model("cell"), until=48, solver=NDF(max_steps=20))


def test_an_oscillation_is_followed_not_damped(numbers):
    """Eigenvalues +-i: the methods are L-stable or nearly so, and still must keep the amplitude."""
    u, w = symbols("u w")
    model = compose("swing", [Module("m", rates={"u": k * w, "w": -k * u})], {}, numbers(u=(1.0, "1"), w=(0.0, "1"), k=(1.0, "1/h")))
    for make in SOLVERS.values():
        run = simulate(model, until=20 * np.pi, times=[20 * np.pi], solver=make(rtol=1e-8))
        assert run["u"][-1] == pytest.approx(1.0, abs=1e-4) and run["w"][-1] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("make", SOLVERS.values(), ids=list(SOLVERS))
@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_a_pool_that_fades_to_nothing_under_a_fractional_power(numbers, make, rtol):
    """1e-150 is far below every tolerance, and -1e-150 has no power of 1.3: a step must not end there."""
    x, y, k = symbols("x y k")
    table = numbers(x=(1.0, "1"), y=(0.0, "1"), k=(1.0, "1/h"))
    model = compose("fading", [Module("m", rates={"x": -k * x, "y": k * (x**1.3 - y)})], {}, table)
    run = simulate(model, until=350.0, times=[1.0, 350.0], solver=make(rtol=rtol))
    exact = (math.exp(-1) - math.exp(-1.3)) / 0.3
    assert abs(run.at(1.0)["y"] / exact - 1) < 300 * rtol and 0 <= run["x"][-1] < rtol

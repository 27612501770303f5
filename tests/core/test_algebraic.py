"""Algebraic states: index 1, every solver, consistent starts, doses and events, sensitivities, refusals."""

import numpy as np
import pytest
import sympy

from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.errors import IntegrationError, ModelError, UnsupportedFeatureError
from asnsim.io.sbml import sbml_text
from asnsim.network import Event, Module, symbols
from asnsim.simulation import simulate
from asnsim.solvers import NDF, SOLVERS

x, y, z, k = symbols("x y z k")
SOLVER = pytest.mark.parametrize("solver", [make(rtol=1e-8) for make in SOLVERS.values()], ids=list(SOLVERS))


def model(numbers, algebraic, rates=None, events=(), **values):
    table = {"x": (1.0, "1"), "y": (0.5, "1"), "z": (0.5, "1"), "k": (1.0, "1/h")} | values
    return compose("d", [Module("m", rates=rates or {"x": -k * y}, algebraic=algebraic, events=events)], {}, numbers(**table))


@SOLVER
def test_a_square_root(numbers, solver):
    """y^2 = x, x' = -y: x = (1 - t/2)^2, from a guess of y that is wrong."""
    run = simulate(model(numbers, {"y": y**2 - x}), until=1.8, times=np.linspace(0, 1.8, 19), solver=solver)
    np.testing.assert_allclose(run["x"], (1 - run.t / 2) ** 2, rtol=1e-6)
    np.testing.assert_allclose(run["y"], 1 - run.t / 2, rtol=1e-6)


@SOLVER
def test_two_that_need_each_other(numbers, solver):
    """Neither has a pivot on the diagonal: y + z = 1 determines z, y - 2 x = 0 determines y ... written crosswise."""
    crossed = model(numbers, {"y": z - 1 + y, "z": y - 2 * x}, rates={"x": -k * x})
    run = simulate(crossed, until=2.0, times=np.linspace(0, 2, 9), solver=solver)
    np.testing.assert_allclose(run["y"], 2 * np.exp(-run.t), rtol=1e-6)
    np.testing.assert_allclose(run["z"], 1 - 2 * np.exp(-run.t), rtol=1e-5)


@SOLVER
def test_no_pivot_on_any_diagonal(numbers, solver):
    swapped = model(numbers, {"y": z - x, "z": y + x - 1}, rates={"x": -k * x})
    run = simulate(swapped, until=2.0, times=np.linspace(0, 2, 9), solver=solver)
    np.testing.assert_allclose(run["z"], np.exp(-run.t), rtol=1e-6)
    np.testing.assert_allclose(run["y"], 1 - np.exp(-run.t), rtol=1e-6, atol=1e-8)


@SOLVER
def test_fast_binding_is_the_limit_of_a_stiff_one(numbers, solver):
    """Total enzyme 1, complex z = x (1 - z)/0.3 at once, against the same with a rate of 1e8."""
    fast = model(numbers, {"z": x * (1 - z) - z * 0.3}, rates={"x": -k * z})
    stiff = model(numbers, {}, rates={"x": -k * z, "z": 1e8 * k * (x * (1 - z) - z * 0.3)}, z=(1 / 1.3, "1"))
    times = np.linspace(0, 3, 7)
    a, b = (simulate(one, until=3.0, times=times, solver=solver) for one in (fast, stiff))
    np.testing.assert_allclose(a["x"], b["x"], rtol=1e-5)
    np.testing.assert_allclose(a["z"], b["z"], rtol=1e-5)


def test_order_holds_for_algebraic_states_too(numbers):
    """Error follows the tolerance in x and y alike."""
    for make in SOLVERS.values():
        errors = []
        for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
            run = simulate(model(numbers, {"y": y**2 - x}), until=1.5, times=[1.5], solver=make(rtol=rtol))
            errors.append([abs(run["x"][-1] - 0.0625), abs(run["y"][-1] - 0.25)])
        errors = np.array(errors)
        assert np.all(errors[-1] < 1e-8) and np.all(errors[0] > errors[-1])


@SOLVER
def test_doses_and_events_leave_it_consistent(numbers, solver):
    changing = model(numbers, {"y": y**2 - x}, rates={"x": -k * x}, events=(Event("up", x < 0.25, {"x": sympy.Integer(1)}),))
    run = simulate(changing, Regimen.single(3.0, "x", time=1.0), until=4.0, solver=solver)
    np.testing.assert_allclose(run["y"] ** 2, run["x"], rtol=1e-6)
    assert run.at(1.0)["y"] == pytest.approx(np.sqrt(3 + np.exp(-1)), rel=1e-6)
    assert np.ptp(run["x"]) > 2


def test_sensitivities(numbers):
    """x = (1 - k t/2)^2, also through a dose; y follows."""
    run = simulate(model(numbers, {"y": y**2 - x}), until=1.2, times=np.linspace(0, 1.2, 7), theta=("k", "x"), solver=NDF(rtol=1e-10))
    t = run.t
    np.testing.assert_allclose(run.sensitivity("x")[:, 0], -t * (1 - t / 2), atol=1e-7)
    np.testing.assert_allclose(run.sensitivity("y")[:, 0], -t / 2, atol=1e-7)
    np.testing.assert_allclose(run.sensitivity("y")[:, 1], 0.5, atol=1e-7)
    dosed = simulate(model(numbers, {"y": y**2 - x}, rates={"x": -k * x}), Regimen.single(1.0, "x", time=1.0), until=2.0, times=[2.0], theta=("dose1.amt",), solver=NDF(rtol=1e-10))
    assert dosed.sensitivity("x")[-1, 0] == pytest.approx(np.exp(-1), rel=1e-7)
    assert dosed.sensitivity("y")[-1, 0] == pytest.approx(np.exp(-1) / (2 * dosed["y"][-1]), rel=1e-7)


def test_what_it_does_not_determine_is_refused(numbers):
    with pytest.raises(ModelError, match="do not determine y"):
        simulate(model(numbers, {"y": x - 1}), until=1)
    with pytest.raises(IntegrationError, match="no solution"):
        simulate(model(numbers, {"y": y**2 + x}), until=1)
    with pytest.raises(ModelError, match="'x' has an equation already"):
        model(numbers, {"x": x - y})


def test_other_formats_say_that_they_cannot(numbers):
    network = model(numbers, {"y": y**2 - x})
    assert "0 = -x + y^2 determines y" in str(network)
    with pytest.raises(UnsupportedFeatureError, match="algebraic"):
        sbml_text(network)
    assert r"0 &= - x + y^{2}" in build_equations(network).latex()

"""Systems too large for straight-line matrices: the same runs along lists, with sensitivities, doses and steady states."""

import numpy as np
import pytest
import scipy.linalg

from asnsim.codegen import STRAIGHT_LINE_STATES, compile_system
from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.network import Module, symbol
from asnsim.scale import simulate_many
from asnsim.simulation import simulate
from asnsim.solvers import NDF, SOLVERS

N = 130


@pytest.fixture(scope="module")
def ring(numbers):
    """A ring of pools, each feeding the next two at a rate of its own, the last leaking: linear, stiff and sparse."""
    x = [symbol(f"x{i}") for i in range(N)]
    k, leak = symbol("k"), symbol("leak")
    speed = [float(10 ** (3 * (i % 7) / 6)) for i in range(N)]
    rates = {}
    for i in range(N):
        flow = -1.5 * speed[i] * k * x[i] + speed[i - 1] * k * x[i - 1] + 0.5 * speed[i - 2] * k * x[i - 2]
        rates[f"x{i}"] = flow - leak * x[i] if i == N - 1 else flow
    table = numbers(**{f"x{i}": (1.0 if i == 0 else 0.0, "1") for i in range(N)}, k=(1.0, "1/h"), leak=(2.0, "1/h"))
    model = compose("ring", [Module("m", rates=rates)], {}, table)
    matrix = np.zeros((N, N))
    for i in range(N):
        matrix[i, i] -= 1.5 * speed[i]
        matrix[i, i - 1] += speed[i - 1]
        matrix[i, i - 2] += 0.5 * speed[i - 2]
    matrix[N - 1, N - 1] -= 2.0
    return model, matrix


def test_it_is_large(ring):
    code = compile_system(build_equations(ring[0]))
    assert N > STRAIGHT_LINE_STATES and code.address("lu_factor") == 0 and code.lu.size > N and not code.has_lanes


@pytest.mark.parametrize("make", SOLVERS.values(), ids=list(SOLVERS))
def test_a_run(ring, make):
    model, matrix = ring
    times = np.array([0.01, 0.3, 2.0, 10.0])
    run = simulate(model, Regimen.single(2.0, "x5", time=1.0), until=10.0, times=times, solver=make(rtol=1e-9))
    start, dose = np.eye(N)[0], 2.0 * np.eye(N)[5]
    for t in times:
        expected = scipy.linalg.expm(matrix * t) @ start
        if t > 1.0:
            expected += scipy.linalg.expm(matrix * (t - 1.0)) @ dose
        found = run.x[np.flatnonzero(run.t == t)[-1]]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_sensitivities(ring):
    model, matrix = ring
    run = simulate(model, until=2.0, times=[2.0], theta=("leak", "k", "x3"), solver=NDF(rtol=1e-9))
    h = 1e-5
    for k, change in enumerate((-np.diag(np.eye(N)[N - 1]), matrix + 2.0 * np.diag(np.eye(N)[N - 1]))):
        up, down = (scipy.linalg.expm((matrix + sign * h * change) * 2.0)[:, 0] for sign in (1, -1))
        np.testing.assert_allclose(run.s[-1, :, k], (up - down) / (2 * h), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(run.s[-1, :, 2], scipy.linalg.expm(matrix * 2.0)[:, 3], rtol=1e-6, atol=1e-9)


def test_an_ensemble_goes_one_by_one(ring):
    result = simulate_many(ring[0], {"leak": [1.0, 2.0]}, until=1.0, observables=["x129"], times=[1.0])
    expected = scipy.linalg.expm(ring[1])[129, 0]
    assert result.success.all() and result["x129"][1, 0] == pytest.approx(expected, rel=1e-4)

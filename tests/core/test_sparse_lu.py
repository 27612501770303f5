"""Sparse LU against dense algebra: random patterns, straight-line code, many right-hand sides, refusal of bad pivots."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.ir_math import library
from asnsim.library import load_model
from asnsim.machine import Code
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.solvers._linalg import sparse_factor, sparse_solve, sparse_solve_many
from asnsim.solvers._memory import address
from asnsim.sparse_lu import analyse, emit_factor, emit_solve

PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def random_jacobian(n, density, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((n, n)) < density
    return np.where(mask, rng.normal(size=(n, n)), 0.0), [tuple(map(int, ij)) for ij in np.argwhere(mask)]


def apply_steps(lu, steps, b):
    b = b.copy()
    for target, source, where in steps:
        b[target] = b[target] * lu[where] if target == source else b[target] - lu[where] * b[source]
    return b


def listed_factor(symbolic, values, beta, lu):
    """The factorisation along lists."""
    lists = symbolic.factor_steps()
    return sparse_factor(symbolic.n, symbolic.size, values, beta, np.array(symbolic.mass), *map(address, lists), lu)


def values_of(jacobian, symbolic):
    return np.array([jacobian[place] for place in symbolic.pattern])


@given(n=st.integers(1, 12), density=st.floats(0.0, 0.6), seed=st.integers(0, 10_000))
def test_lists_solve_any_pattern(n, density, seed):
    """The factorisation and the solve along lists, as large systems use them."""
    jacobian, pattern = random_jacobian(n, density, seed)
    symbolic = analyse(n, pattern)
    assert sorted(symbolic.order) == list(range(n))
    matrix = np.eye(n) - 0.01 * jacobian
    b = np.random.default_rng(seed).normal(size=n)
    lu = np.zeros(symbolic.size + 1)
    assert listed_factor(symbolic, values_of(jacobian, symbolic), 0.01, lu)
    steps = symbolic.solve_steps()
    np.testing.assert_allclose(apply_steps(lu, steps, b), np.linalg.solve(matrix, b), rtol=1e-9, atol=1e-12)
    alone = b.copy()
    sparse_solve(lu, steps, alone)
    np.testing.assert_array_equal(alone, apply_steps(lu, steps, b))
    many = np.random.default_rng(seed + 1).normal(size=(n, 3))
    solved = many.copy()
    sparse_solve_many(lu, steps, solved)
    np.testing.assert_allclose(solved, np.linalg.solve(matrix, many), rtol=1e-9, atol=1e-12)


def compiled(symbolic):
    code = Code("\n\n".join([library(1), emit_factor(symbolic), emit_solve(symbolic)]))
    return code, PROTOTYPE(code.address("lu_factor")), PROTOTYPE(code.address("lu_solve"))


@pytest.mark.parametrize(("n", "density", "seed"), [(1, 1.0, 0), (6, 0.4, 1), (25, 0.15, 2), (40, 0.08, 3)])
def test_straight_line_code_agrees_with_dense_algebra(n, density, seed):
    jacobian, pattern = random_jacobian(n, density, seed)
    symbolic = analyse(n, pattern)
    _code, factor, solve = compiled(symbolic)
    lu, b = np.zeros(symbolic.size + 1), np.random.default_rng(seed).normal(size=n)
    expected = np.linalg.solve(np.eye(n) - 0.05 * jacobian, b)
    values = values_of(jacobian, symbolic)
    factor(0.05, values.ctypes.data, b.ctypes.data, lu.ctypes.data)
    assert lu[-1] == 1.0
    listed = np.zeros_like(lu)
    listed_factor(symbolic, values, 0.05, listed)
    np.testing.assert_allclose(lu[:-1], listed[:-1], rtol=1e-10, atol=1e-14)
    solve(0.0, lu.ctypes.data, b.ctypes.data, b.ctypes.data)
    np.testing.assert_allclose(b, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("seed", range(6))
def test_algebraic_rows(seed):
    """M has zeros; pivots wait until elimination has filled their diagonal."""
    rng = np.random.default_rng(seed)
    n = 8
    jacobian = np.where(rng.random((n, n)) < 0.5, rng.normal(size=(n, n)), 0.0)
    mass = (rng.random(n) < 0.6).astype(float)
    jacobian[0, 0], mass[0] = 0.0, 0.0
    jacobian[0, 1] = jacobian[1, 0] = 1.0
    pattern = [tuple(map(int, ij)) for ij in np.argwhere(jacobian != 0)]
    symbolic = analyse(n, pattern, mass)
    if symbolic is None:
        assert any(jacobian[i, i] == 0 and mass[i] == 0 for i in range(n))
        return
    lu, b = np.zeros(symbolic.size + 1), rng.normal(size=n)
    matrix = np.diag(mass) - 0.3 * jacobian
    good = listed_factor(symbolic, values_of(jacobian, symbolic), 0.3, lu)
    _code, factor, solve = compiled(symbolic)
    straight, values = np.zeros_like(lu), values_of(jacobian, symbolic)
    factor(0.3, values.ctypes.data, b.ctypes.data, straight.ctypes.data)
    assert good and straight[-1] == 1.0
    expected = np.linalg.solve(matrix, b)
    np.testing.assert_allclose(apply_steps(lu, symbolic.solve_steps(), b), expected, rtol=1e-7, atol=1e-9)
    solve(0.0, straight.ctypes.data, b.ctypes.data, b.ctypes.data)
    np.testing.assert_allclose(b, expected, rtol=1e-7, atol=1e-9)


def test_an_algebraic_row_without_pivot_is_left_to_dense_algebra():
    assert analyse(2, [(0, 1), (1, 0)], (0.0, 0.0)) is None
    assert analyse(2, [(0, 1), (1, 0)], (1.0, 0.0)) is not None


def check_of(jacobian, beta=1.0):
    pattern = [tuple(map(int, ij)) for ij in np.argwhere(jacobian != 0)]
    symbolic = analyse(len(jacobian), pattern)
    _code, factor, _ = compiled(symbolic)
    lu, values = np.zeros(symbolic.size + 1), values_of(jacobian, symbolic)
    factor(beta, values.ctypes.data, values.ctypes.data, lu.ctypes.data)
    good = listed_factor(symbolic, values, beta, np.zeros_like(lu))
    assert bool(lu[-1]) == good
    return good


def test_bad_pivots_are_reported():
    assert check_of(np.array([[0.5, 0.3], [0.2, 0.1]]))
    assert not check_of(np.array([[1.0, 1.0], [1.0, 1.0]]))  # I - J has a zero diagonal
    cancelled = np.array([[0.0, 1.0], [1.0, 1e-13]])  # (1, -1; -1, 1 - 1e-13): the second pivot is almost nothing
    assert not check_of(cancelled)
    assert not check_of(np.array([[np.nan, 1.0], [1.0, 0.2]]))
    assert not check_of(np.array([[np.inf, 1.0], [1.0, 0.2]]))


def test_a_pattern_keeps_fill_small_on_the_cell_model():
    system = build_equations(load_model("cell"))
    entries = len(system.jacobian())
    assert analyse(system.n, system.jacobian()).size < 1.5 * entries


@pytest.mark.parametrize("recipe", ["teaching", "cell"])
def test_sparse_and_dense_factors_give_the_same_run(recipe, monkeypatch):
    model = load_model(recipe)
    dose = Regimen.single(100 * model.value("medium"), "asnase_e", time=5.0)
    theta = ("asns",)

    def run():
        return simulate(model, dose, until=24, times=np.linspace(0, 24, 13), theta=theta, solver=NDF(rtol=1e-8))

    sparse = run()
    from asnsim import running

    plain, empty = running.kernels_of, np.zeros((0, 2), dtype=np.int64)
    monkeypatch.setattr(running, "kernels_of", lambda code: replace(plain(code), lu_factor=0, lu_solve=0))
    listed = run()
    np.testing.assert_allclose(sparse.x, listed.x, rtol=1e-6, atol=1e-7 * np.abs(sparse.x).max())
    monkeypatch.setattr(running, "kernels_of", lambda code: replace(plain(code), lu_factor=0, lu_solve=0, lu_size=0, lu_origin=empty))
    dense = run()
    scale = np.abs(dense.x).max(axis=0) + 1e-12
    assert np.abs(sparse.x - dense.x).max() > 0 or recipe == "teaching"
    np.testing.assert_allclose(sparse.x / scale, dense.x / scale, atol=2e-7)
    np.testing.assert_allclose(sparse.s, dense.s, rtol=1e-4, atol=1e-5 * np.abs(dense.s).max())

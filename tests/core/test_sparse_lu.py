"""Sparse LU against dense algebra: random patterns, straight-line code, many right-hand sides, refusal of bad pivots."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnsim import codegen
from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.library import load_model
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.solvers._linalg import sparse_solve_many
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


def factor_in_python(symbolic, matrix):
    """The same elimination, entry by entry."""
    a = matrix.copy()
    for k, below, right in symbolic.eliminations:
        a[k, k] = 1.0 / a[k, k]
        for i in below:
            a[i, k] *= a[k, k]
            for j in right:
                a[i, j] -= a[i, k] * a[k, j]
    return np.array([a[place] for place in symbolic.position])


@given(n=st.integers(1, 12), density=st.floats(0.0, 0.6), seed=st.integers(0, 10_000))
def test_order_and_fill_solve_any_pattern(n, density, seed):
    jacobian, pattern = random_jacobian(n, density, seed)
    symbolic = analyse(n, pattern)
    assert sorted(symbolic.order) == list(range(n))
    matrix = np.eye(n) - 0.01 * jacobian
    b = np.random.default_rng(seed).normal(size=n)
    lu = factor_in_python(symbolic, matrix)
    np.testing.assert_allclose(apply_steps(lu, symbolic.steps, b), np.linalg.solve(matrix, b), rtol=1e-9, atol=1e-12)
    many = np.random.default_rng(seed + 1).normal(size=(n, 3))
    solved = many.copy()
    sparse_solve_many(np.append(lu, 1.0), symbolic.steps, solved)
    np.testing.assert_allclose(solved, np.linalg.solve(matrix, many), rtol=1e-9, atol=1e-12)


def compiled(symbolic, pattern):
    source = "\n\n".join([codegen._DECLARATIONS, emit_factor(symbolic, pattern), emit_solve(symbolic)])
    engine = codegen._machine_code(source)
    return engine, PROTOTYPE(engine.get_function_address("lu_factor")), PROTOTYPE(engine.get_function_address("lu_solve"))


@pytest.mark.parametrize(("n", "density", "seed"), [(1, 1.0, 0), (6, 0.4, 1), (25, 0.15, 2), (40, 0.08, 3)])
def test_straight_line_code_agrees_with_dense_algebra(n, density, seed):
    jacobian, pattern = random_jacobian(n, density, seed)
    symbolic = analyse(n, pattern)
    engine, factor, solve = compiled(symbolic, pattern)
    assert isinstance(engine, llvm.ExecutionEngine)
    lu, b = np.zeros(symbolic.size + 1), np.random.default_rng(seed).normal(size=n)
    expected = np.linalg.solve(np.eye(n) - 0.05 * jacobian, b)
    factor(0.05, jacobian.ctypes.data, b.ctypes.data, lu.ctypes.data)
    assert lu[-1] > 1e-3
    solve(0.0, lu.ctypes.data, b.ctypes.data, b.ctypes.data)
    np.testing.assert_allclose(b, expected, rtol=1e-9, atol=1e-13)


def check_of(jacobian, beta=1.0):
    pattern = [tuple(map(int, ij)) for ij in np.argwhere(jacobian != 0)]
    symbolic = analyse(len(jacobian), pattern)
    _engine, factor, _ = compiled(symbolic, pattern)
    lu = np.zeros(symbolic.size + 1)
    clean = np.nan_to_num(jacobian) + 0.0
    clean[np.isnan(jacobian)] = np.nan
    factor(beta, clean.ctypes.data, clean.ctypes.data, lu.ctypes.data)
    return lu[-1]


def test_bad_pivots_are_reported():
    assert check_of(np.array([[0.5, 0.3], [0.2, 0.1]])) > 0.1
    assert check_of(np.array([[1.0, 1.0], [1.0, 1.0]])) == 0.0  # I - J has a zero diagonal
    cancelled = np.array([[0.0, 1.0], [1.0, 1e-13]])  # (1, -1; -1, 1 - 1e-13): the second pivot is almost nothing
    assert check_of(cancelled) < 1e-8
    assert not check_of(np.array([[np.nan, 1.0], [1.0, 0.2]])) > 0


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
    from asnsim import simulation

    plain = simulation._Run._compile

    def without(self):
        plain(self)
        self.kernels = type(self.kernels)(self.kernels.n, self.kernels.n_theta, self.kernels.rhs, self.kernels.jac, self.kernels.dfdp)

    monkeypatch.setattr(simulation._Run, "_compile", without)
    dense = run()
    scale = np.abs(dense.x).max(axis=0) + 1e-12
    assert np.abs(sparse.x - dense.x).max() > 0 or recipe == "teaching"
    np.testing.assert_allclose(sparse.x / scale, dense.x / scale, atol=2e-7)
    np.testing.assert_allclose(sparse.s, dense.s, rtol=1e-4, atol=1e-5 * np.abs(dense.s).max())

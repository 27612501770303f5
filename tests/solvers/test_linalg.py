"""Dense LU against numpy, and its refusal of matrices that have none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim.solvers._linalg import lu_factor, lu_solve, lu_solve_many


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 25), m=st.integers(1, 9), density=st.floats(0.1, 1.0), seed=st.integers(0, 2**32 - 1))
def test_solutions_have_small_residuals(n, m, density, seed):
    """Backward stability, which holds for ill-conditioned matrices too."""
    rng = np.random.default_rng(seed)
    a = np.where(rng.random((n, n)) < density, rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-3, 3, size=(n, 1)), 0.0)
    a[np.arange(n), rng.permutation(n)] += 1.0  # not singular by structure, and the pivots lie off the diagonal
    b, many = rng.normal(size=n), rng.normal(size=(n, m))
    lu, pivots, x, y = a.copy(), np.zeros(n, np.int64), b.copy(), many.copy()
    if not lu_factor(lu, pivots):
        assert np.linalg.matrix_rank(a) < n
        return
    lu_solve(lu, pivots, x)
    lu_solve_many(lu, pivots, y)
    growth = max(np.abs(np.triu(lu, 1)).max() / np.abs(a).max(), 1.0)
    bound = 50 * n * np.finfo(float).eps * growth
    assert np.abs(a @ x - b).max() <= bound * (np.abs(a).max() * np.abs(x).max() * n + np.abs(b).max())
    assert np.abs(a @ y - many).max() <= bound * (np.abs(a).max() * np.abs(y).max() * n + np.abs(many).max())


def test_zero_on_the_diagonal_is_pivoted():
    a = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 4.0], [8.0, 0.0, 0.0]])
    pivots, b = np.zeros(3, np.int64), np.array([2.0, 4.0, 8.0])
    assert lu_factor(a, pivots)
    lu_solve(a, pivots, b)
    np.testing.assert_array_equal(b, [1.0, 1.0, 1.0])


@pytest.mark.parametrize("bad", [[[1.0, 2.0], [2.0, 4.0]], [[np.nan, 1.0], [1.0, 1.0]], [[np.inf, 1.0], [1.0, 1.0]]])
def test_no_factorisation_of_singular_or_nonfinite(bad):
    assert not lu_factor(np.array(bad), np.zeros(2, np.int64))

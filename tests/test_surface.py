"""Profiles of two parameters against the parabola of a straight line, and what they refuse."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import chi2
from test_fit import TIMES, data_of, decay, exact
from test_profile import TIGHT, logarithmic

from asnsim.errors import FitError
from asnsim.fit import Experiment, FitProblem, fit, profile_surface
from asnsim.plots_inference import plot_surface


def test_of_a_line_the_surface_is_a_paraboloid():
    """ln y = ln y0 - k t has the information design' design in (k, ln y0), exactly."""
    problem = logarithmic()
    result = fit(problem, starts=2)
    seen = []
    surface = profile_surface(problem, result, "k", "y", points=7, progress=lambda done, total: seen.append((done, total)))
    design = np.column_stack([-TIMES, np.ones_like(TIMES)]) / 0.05
    moves = np.stack(np.meshgrid(surface.x - result.x[0], np.log(surface.y / result.x[1]), indexing="ij"), axis=-1)
    expected = np.einsum("ijk,kl,ijl->ij", moves, design.T @ design, moves)
    np.testing.assert_allclose(surface.delta, expected, rtol=1e-3, atol=1e-3)
    assert surface.threshold == pytest.approx(chi2.ppf(0.95, 2))
    assert surface.delta[3, 3] == pytest.approx(0.0, abs=1e-6)
    assert surface.is_closed
    assert seen[-1] == (49, 49)


def test_the_rest_is_fitted_again():
    """Where only the product a b can be known, any pair with the third parameter free to follow fits alike along a."""
    problem = FitProblem([Experiment("one", decay(with_product=True))], data_of(exact()), ["a", "b", "y"], solver=TIGHT)
    result = fit(problem, starts=1)
    surface = profile_surface(problem, result, "a", "y", points=5)
    along = surface.delta[:, 2]  # y at its estimate
    inside = (surface.x > 1e-2 * result.x[0]) & (surface.x < 1e2 * result.x[0])
    assert np.all(np.abs(along[inside]) < 1e-3)
    assert not surface.is_closed


def test_figure_and_refusals(tmp_path):
    problem = logarithmic()
    result = fit(problem, starts=1)
    surface = profile_surface(problem, result, "k", "y", points=5)
    assert isinstance(plot_surface(surface, tmp_path / "surface.png"), Figure)
    assert (tmp_path / "surface.png").stat().st_size > 5_000
    for pair, more, words in (
        (("k", "q"), {}, "'q' was not fitted"),
        (("k", "k"), {}, "needs two parameters"),
        (("k", "y"), {"points": 2}, "at least 3 points"),
        (("k", "y"), {"confidence": 1.0}, "is not between 0 and 1"),
    ):
        with pytest.raises(FitError, match=words):
            profile_surface(problem, result, *pair, **more)

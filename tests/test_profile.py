"""Profile likelihoods against closed forms, and their verdicts in words."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, norm
from test_fit import TIMES, data_of, decay, exact

from asnsim.errors import FitError
from asnsim.fit import Experiment, FitProblem, Observable, fit, profile
from asnsim.plots_inference import plot_profiles
from asnsim.solvers import NDF

TIGHT = NDF(rtol=1e-10)


def logarithmic(noise=0.05, seed=1, **bounds):
    """ln y = ln y0 - k t: the cost is an exact parabola in k and ln y0."""
    rng = np.random.default_rng(seed)
    values = exact() * np.exp(noise * rng.normal(size=TIMES.size))
    experiment = Experiment("one", decay(k=0.25, y0=1.9), observables={"y": Observable("y", "log")})
    return FitProblem([experiment], data_of(values, sd=noise * values), ["k", "y"], solver=TIGHT, **bounds)


@pytest.mark.parametrize("confidence", [0.68, 0.95])
def test_of_a_line_the_interval_is_the_textbook_one(confidence):
    problem = logarithmic()
    result = fit(problem, starts=2)
    k, y = profile(problem, result, confidence=confidence)
    design = np.column_stack([-TIMES, np.ones_like(TIMES)])
    sd = 0.05 * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    z = norm.ppf(0.5 + confidence / 2)
    assert (k.lower, k.upper) == pytest.approx((result.x[0] - z * sd[0], result.x[0] + z * sd[0]), rel=2e-3)
    assert (y.lower, y.upper) == pytest.approx(tuple(result.x[1] * np.exp([-z * sd[1], z * sd[1]])), rel=2e-3)
    np.testing.assert_allclose(k.delta, ((k.x - result.x[0]) / sd[0]) ** 2, rtol=5e-3, atol=5e-3)
    assert k.verdict == y.verdict == "identifiable" and not k.better
    assert k.threshold == pytest.approx(chi2.ppf(confidence, 1)) and np.all(np.diff(k.x) > 0)


def test_the_rest_is_fitted_again_at_every_point():
    problem = FitProblem([Experiment("one", decay(k=0.4, y0=1.8))], data_of(exact() + 0.05 * np.sin(9 * TIMES), sd=0.1), ["k", "y"], solver=TIGHT)
    result = fit(problem, starts=2)
    (one,) = profile(problem, result, ["k"])
    for value, delta, point in zip(one.x[::2], one.delta[::2], one.path[::2], strict=True):
        best = minimize_scalar(lambda y0, k=value: np.sum(problem.residuals(np.log([k, y0]), gradient=False)[0] ** 2), bounds=(0.5, 4.0), method="bounded", options={"xatol": 1e-9})
        assert delta == pytest.approx(best.fun - result.cost, abs=2e-3) and point[1] == pytest.approx(best.x, rel=2e-3)
    growth = np.diff(one.delta[one.x >= result.x[0]])
    assert growth.max() < 1.3 and len(one.x) < 40, "steps follow how fast the fit gets worse"


def test_of_a_product_neither_is_known_and_the_partner_is_named():
    problem = FitProblem([Experiment("one", decay(with_product=True))], data_of(exact()), ["a", "b"], solver=TIGHT)
    one = profile(problem, fit(problem, starts=1), ["a"])[0]
    assert one.verdict.startswith("structurally not identifiable: the fit is the same from") and "while b moves along" in one.verdict
    assert (one.lower, one.upper) == (0.0, np.inf) and np.abs(one.delta).max() < 0.05
    np.testing.assert_allclose(one.path[:, 0] * one.path[:, 1], 0.3, rtol=1e-3)


def test_data_that_only_bound_from_above_say_so():
    """All data lie before anything has decayed: k may be as small as it likes, not as large."""
    early = TIMES / 1000
    table = data_of(np.full(5, 2.0), sd=0.02)
    data = replace(table, table=table.table.assign(time=early))
    problem = FitProblem([Experiment("one", decay(k=0.5))], data, ["k"], bounds={"k": (1e-3, 1e3)}, solver=TIGHT)
    one = profile(problem, fit(problem, starts=1))[0]
    assert one.lower == 0.0 and 0 < one.upper < 1e3
    assert one.verdict.startswith("practically not identifiable downwards: at its bound 0.001 the fit is only")


def test_a_better_fit_on_the_way_is_told():
    problem = logarithmic()
    result = fit(problem, starts=1)
    wrong = replace(result, x=result.x * [1.05, 1.0], cost=float(np.sum(problem.residuals(np.log(result.x * [1.05, 1.0]))[0] ** 2)))
    one = profile(problem, wrong, ["k"])[0]
    assert one.better and "fit again from there" in one.verdict


def test_what_cannot_be_profiled():
    problem = logarithmic()
    result = fit(problem, starts=1)
    with pytest.raises(FitError, match="'kk' was not fitted; did you mean 'k'"):
        profile(problem, result, ["kk"])
    with pytest.raises(FitError, match="between 0 and 1"):
        profile(problem, result, confidence=95)


def test_progress_and_picture(tmp_path):
    problem, seen = logarithmic(), []
    result = fit(problem, starts=1)
    both = profile(problem, result, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert isinstance(plot_profiles(both, tmp_path / "p.png"), Figure) and (tmp_path / "p.png").stat().st_size > 10_000

"""Values below the limit of quantification in fits: the likelihood of method M3 against its definition, and what M1 leaves out."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal, norm
from test_fit import TIMES, decay, exact

from asnsim.errors import FitError
from asnsim.fit import Experiment, FitProblem, Observable, fit
from asnsim.fit.censoring import Whitening
from asnsim.measurements import Measurements
from asnsim.solvers import NDF

LIMIT, SD = 0.5, 0.05
TIGHT = NDF(rtol=1e-10)


def censored_data(values, limit=LIMIT, sd=SD):
    below = values < limit
    frame = pd.DataFrame(
        {"experiment": "one", "time": TIMES, "observable": "y", "value": np.where(below, limit, values), "sd": sd, "unit": "1"}
    )
    return Measurements.from_frame(frame.assign(censored=below))


def problem_of(data, **more):
    return FitProblem([Experiment("one", decay(k=0.5))], data, ["k"], solver=TIGHT, **more)


def minus_two_log_likelihood(k, data):
    y, table = exact(k), data.table
    below = table["censored"].to_numpy(bool)
    value = table["value"].to_numpy(float)
    return np.sum(((y - value) / SD)[~below] ** 2) - 2 * np.sum(norm.logcdf((value - y) / SD)[below])


def test_m3_is_its_likelihood_and_its_fit_the_maximum():
    rng = np.random.default_rng(4)
    data = censored_data(exact() + SD * rng.normal(size=TIMES.size))
    assert data.table["censored"].sum() == 1
    problem = problem_of(data)
    for k in (0.2, 0.3, 0.6):
        residual, _ = problem.residuals(np.log([k]))
        assert residual @ residual == pytest.approx(minus_two_log_likelihood(k, data), rel=1e-7)
    best = minimize_scalar(lambda k: minus_two_log_likelihood(k, data), bounds=(0.1, 1.0), method="bounded", options={"xatol": 1e-9})
    assert fit(problem, starts=2).x[0] == pytest.approx(best.x, rel=1e-5)


def test_m1_leaves_censored_values_out():
    data = censored_data(exact())
    one, other = problem_of(data, censoring="M1"), problem_of(data.select(~data.table["censored"].to_numpy(bool)))
    assert one.n == other.n == 4
    assert np.array_equal(one.residuals(np.log([0.4]))[0], other.residuals(np.log([0.4]))[0])


def test_m3_uses_what_m1_throws_away():
    """From data that only a lower k explains where they are seen, a censored late value pulls k up."""
    values = exact(0.2)
    values[-1] = 0.1
    with_limits = fit(problem_of(censored_data(values, limit=0.3)), starts=1).x[0]
    without = fit(problem_of(censored_data(values, limit=0.3), censoring="M1"), starts=1).x[0]
    assert with_limits > without * 1.005


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_derivatives(scale):
    experiment = Experiment("one", decay(k=0.5), observables={"y": Observable("y", scale)})
    problem = FitProblem([experiment], censored_data(exact(), limit=1.2), ["k", "y"], solver=TIGHT)
    at = np.log([0.35, 1.9])
    _, jacobian = problem.residuals(at)
    for k in range(2):
        step = np.zeros(2)
        step[k] = 1e-5
        number = (problem.residuals(at + step)[0] - problem.residuals(at - step)[0]) / 2e-5
        assert jacobian[:, k] == pytest.approx(number, rel=1e-5, abs=1e-6)


def test_shared_errors_are_those_given_the_quantified_results():
    covariance = np.array([[1.0, 0.5, 0.4], [0.5, 2.0, 0.3], [0.4, 0.3, 1.5]])
    difference = np.array([0.3, -0.8, 0.6])  # prediction less measured or limit
    residual, _ = Whitening(covariance, np.array([False, False, True]))(difference, None)
    known = multivariate_normal([0, 0], covariance[:2, :2])
    mean = covariance[2, :2] @ np.linalg.solve(covariance[:2, :2], -difference[:2])
    sd = np.sqrt(1.5 - covariance[2, :2] @ np.linalg.solve(covariance[:2, :2], covariance[:2, 2]))
    expected = -2 * (known.logpdf(-difference[:2]) - known.logpdf([0, 0])) - 2 * norm.logcdf((-difference[2] - mean) / sd)
    assert residual @ residual == pytest.approx(expected, rel=1e-12)


def test_without_censored_values_nothing_changes():
    covariance = np.array([[1.0, 0.5], [0.5, 2.0]])
    difference = np.array([0.3, -0.8])
    residual, _ = Whitening(covariance, np.zeros(2, bool))(difference, None)
    assert np.array_equal(residual, np.linalg.inv(np.linalg.cholesky(covariance)) @ difference)


def test_far_tails_stay_finite():
    whitening = Whitening(np.eye(2), np.array([True, True]))
    residual, jacobian = whitening(np.array([60.0, -60.0]), np.eye(2))
    assert residual[0] == pytest.approx(60.0, rel=1e-2)
    assert residual[1] == 0.0
    assert np.isfinite(jacobian).all()


def test_refusals():
    with pytest.raises(FitError, match="all measurements are censored"):
        problem_of(censored_data(exact(), limit=9.0))
    with pytest.raises(FitError, match="there are M3"):
        problem_of(censored_data(exact()), censoring="M2")

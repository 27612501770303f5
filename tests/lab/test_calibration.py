"""Calibration against published answers."""

import math

import numpy as np
import pytest
from scipy.stats import t

from asnsim.errors import DataError
from asnsim.quantify.calibration import Line, choose_curve, fit_line, fit_two_component, reml
from asnsim.tables import read_csv

# Massart et al. 1997, Handbook of Chemometrics and Qualimetrics A, examples 1 (p. 175) and 3 (p. 188, means of five)
MASSART_1 = (np.arange(0.0, 60.0, 10.0), np.array([4.0, 21.2, 44.6, 61.8, 78.0, 105.2]))
MASSART_3 = np.array(
    [
        [4.0, 22.0, 44.0, 60.0, 75.0, 104.0],
        [3.0, 20.0, 46.0, 63.0, 81.0, 109.0],
        [4.0, 21.0, 45.0, 60.0, 79.0, 107.0],
        [5.0, 22.0, 44.0, 63.0, 78.0, 101.0],
        [4.0, 21.0, 44.0, 63.0, 77.0, 105.0],
    ]
)


def test_massart_example_1():
    line = fit_line(*MASSART_1)
    x, u = line.inverse(15.0, line.sigma**2)
    assert x == pytest.approx(6.09381, abs=5e-6)
    assert u == pytest.approx(1.767278, abs=5e-7)


def test_massart_example_3_weighted():
    x, y = MASSART_1[0], MASSART_3.mean(axis=0)
    # as printed in the book: weights from standard deviations rounded to two digits, rounded to three; 1.67 at the unknown
    weights = np.round(1.0 / np.round(MASSART_3.std(axis=0, ddof=1), 2) ** 2, 3)
    line = fit_line(x, y, weights)
    found, u = line.inverse(15.0, line.sigma**2 / 1.67)
    assert found == pytest.approx(5.865367, abs=5e-7)
    assert u == pytest.approx(0.8926109, abs=5e-8)


def test_din_32645(lcms_data):
    rows = read_csv(lcms_data / "chemcal" / "din32645.csv", required=("x", "y"))
    x, y = (np.array([row.number(name) for row in rows]) for name in ("x", "y"))
    line = fit_line(x, y)
    _, u = line.inverse(3500.0, line.sigma**2)
    assert u * t.ppf(0.995, line.df) == pytest.approx(0.07434, abs=5e-6)  # Dintest: 99 % confidence


def test_two_component_variance_is_found():
    rng = np.random.default_rng(5)
    x = np.repeat(np.geomspace(0.5, 500.0, 8), 60)
    y = 0.2 + 0.05 * x + rng.normal(size=x.size) * np.hypot(0.004, 0.04 * 0.05 * x)
    additive, proportional = reml(x, y, 0.05 * x)
    assert additive == pytest.approx(0.004, rel=0.2)
    assert proportional == pytest.approx(0.04, rel=0.1)


def test_line_covariance_is_the_scatter_of_lines():
    rng, lines = np.random.default_rng(6), []
    x = np.repeat(np.geomspace(0.5, 500.0, 8), 2)
    for _ in range(200):
        y = 0.01 + 0.05 * x + rng.normal(size=x.size) * np.hypot(0.003, 0.04 * 0.05 * x)
        lines.append(fit_two_component(x, y, "1/x^2", np.array([]), np.array([])))
    scatter = np.cov([[line.intercept, line.slope] for line in lines], rowvar=False)
    mean = np.mean([line.covariance for line in lines], axis=0)
    np.testing.assert_allclose(np.sqrt(np.diag(mean)), np.sqrt(np.diag(scatter)), rtol=0.15)


def test_exact_data_give_an_exact_line():
    x = np.geomspace(0.5, 500.0, 8)
    line = fit_two_component(x, 0.003 + 0.07 * x, "1/x^2", x[:2], 0.003 + 0.07 * x[:2])
    assert line.slope == pytest.approx(0.07, rel=1e-12) and line.intercept == pytest.approx(0.003, rel=1e-9)
    assert (line.additive, line.proportional) == (0.0, 0.0)


@pytest.mark.parametrize("weighting", ["1", "1/x", "1/x^2"])
def test_weights_are_weights_and_do_not_transform_the_data(weighting):
    rng = np.random.default_rng(7)
    x = np.geomspace(1.0, 100.0, 12)
    y = (1.0 + 2.0 * x) * rng.lognormal(0, 0.05, 12)
    line = fit_two_component(x, y, weighting, np.array([]), np.array([]))
    power = {"1": 0, "1/x": 0.5, "1/x^2": 1}[weighting]
    slope, intercept = np.polyfit(x, y, 1, w=x**-power)
    assert line.slope == pytest.approx(slope, rel=1e-9) and line.intercept == pytest.approx(intercept, rel=1e-7)


def test_interval_of_a_low_and_a_high_sample_covers():
    """With a two-component noise, 95 % intervals cover at both ends (1/x^2 with one pooled variance gives 0.78 and 0.999)."""
    rng, hits = np.random.default_rng(8), {1.0: [], 400.0: []}
    x = np.repeat(np.geomspace(0.5, 500.0, 8), 2)

    def noisy(c):
        return 0.01 + 0.05 * c + rng.normal(size=np.shape(c)) * np.hypot(0.004, 0.03 * 0.05 * c)

    for _ in range(150):
        qc = np.repeat([1.5, 16.0, 375.0], 2)
        line = fit_two_component(x, noisy(x), "1/x^2", qc, noisy(qc))
        for true, row in hits.items():
            response = float(noisy(true))
            found = (response - line.intercept) / line.slope
            _, u = line.inverse(response, float(line.variance(found)))
            row.append(abs(found - true) <= t.ppf(0.975, line.df_at(found)) * u)
    for row in hits.values():
        assert 0.89 <= np.mean(row) <= 0.99


@pytest.mark.parametrize(("x", "y"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])])
def test_too_few_points_are_refused(x, y):
    with pytest.raises(DataError, match="at least 3 points at 2 levels"):
        fit_line(np.array(x), np.array(y))


def test_inverse_equals_monte_carlo():
    line = fit_line(*MASSART_1)
    rng = np.random.default_rng(9)
    beta = rng.multivariate_normal([line.intercept, line.slope], line.covariance, 200_000)
    x = (50.0 + line.sigma * rng.standard_normal(200_000) - beta[:, 0]) / beta[:, 1]
    _, u = line.inverse(50.0, line.sigma**2)
    assert np.std(x) == pytest.approx(u, rel=0.02) and math.isfinite(u)


# ---- quadratics, the choice of a curve, Fieller's interval -----------------------------------------------------------------
def test_a_quadratic_is_found_and_undone():
    rng, x = np.random.default_rng(3), np.repeat(np.geomspace(0.5, 500.0, 8), 3)
    truth = 0.01 + 0.05 * x - 2e-5 * x**2
    line = fit_two_component(x, truth, "1/x^2", np.array([]), np.array([]), order=2)
    assert (line.intercept, line.slope, line.curvature) == pytest.approx((0.01, 0.05, -2e-5), rel=1e-8)
    assert line.back(line.response(321.0)) == pytest.approx(321.0, rel=1e-12)
    assert math.isnan(line.back(100.0)), "above the vertex no concentration gives the response"
    fits = [
        fit_two_component(x, truth * rng.lognormal(0, 0.02, x.size), "1/x^2", np.array([]), np.array([]), order=2).back(20.0)
        for _ in range(100)
    ]
    noisy = fit_two_component(x, truth * rng.lognormal(0, 0.02, x.size), "1/x^2", np.array([]), np.array([]), order=2)
    assert noisy.inverse(20.0, 0.0)[1] == pytest.approx(np.std(fits), rel=0.35)


def test_weighted_quadratic_is_that_of_polyfit():
    rng, x = np.random.default_rng(4), np.geomspace(1.0, 100.0, 12)
    y = (1.0 + 2.0 * x - 0.003 * x**2) * rng.lognormal(0, 0.03, 12)
    line = fit_two_component(x, y, "1/x", np.array([]), np.array([]), order=2)
    assert (line.curvature, line.slope, line.intercept) == pytest.approx(tuple(np.polyfit(x, y, 2, w=x**-0.5)), rel=1e-8)


def test_the_curve_is_chosen_where_it_matters():
    rng, x, qc = np.random.default_rng(11), np.repeat(np.geomspace(0.5, 500.0, 8), 2), np.repeat([1.5, 16.0, 375.0], 3)

    def noisy(c, bend):
        return (0.05 * c - bend * c**2) * rng.lognormal(0, 0.02, np.size(c))

    every = (("1/x^2", "1/x", "1"), (1, 2))
    straight = choose_curve(x, noisy(x, 0.0), qc, noisy(qc, 0.0), *every)
    bent = choose_curve(x, noisy(x, 3e-5), qc, noisy(qc, 3e-5), *every)
    assert (straight.order, straight.weighting) == (1, "1/x^2") and bent.order == 2
    with pytest.raises(DataError, match="does not rise"):
        choose_curve(x, -x, qc, -qc, *every)


def test_interval_is_fiellers_closed_form():
    """One variance for all x: the roots of a quadratic (Fieller 1954)."""
    line, q, y = fit_line(*MASSART_1), 2.5, 15.0
    c = line.covariance
    A, B, C = (
        line.slope**2 - q**2 * c[1, 1],
        -2 * (line.slope * (y - line.intercept) + q**2 * c[0, 1]),
        (y - line.intercept) ** 2 - q**2 * (line.sigma**2 + c[0, 0]),
    )
    roots = sorted(np.roots([A, B, C]))
    found = line.interval(y, lambda x: line.sigma**2, q)
    assert found == pytest.approx(roots, rel=1e-8)
    assert abs(sum(found) / 2 - line.back(y)) > 0.1, "not symmetric"


def test_interval_is_open_where_the_curve_says_nothing():
    flat = Line(1.0, 0.1, np.diag([0.01, 0.04]), 0.1)
    lower, upper = flat.interval(2.0, lambda x: 0.01, 2.0)
    assert math.isinf(lower) or math.isinf(upper)


def test_fiellers_interval_covers_near_the_lloq():
    rng, x = np.random.default_rng(12), np.repeat(np.geomspace(0.5, 500.0, 8), 2)

    def noisy(c):
        return 0.01 + 0.05 * c + rng.normal(size=np.shape(c)) * np.hypot(0.008, 0.03 * 0.05 * c)

    inside = []
    for _ in range(300):
        qc = np.repeat([1.5, 16.0, 375.0], 2)
        line = fit_two_component(x, noisy(x), "1/x^2", qc, noisy(qc))
        response = float(noisy(0.5))
        lower, upper = line.interval(response, line.variance, t.ppf(0.975, line.df_at(line.back(response))))
        inside.append(lower <= 0.5 <= upper)
    assert 0.92 <= np.mean(inside) <= 0.985

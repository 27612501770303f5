"""Posteriors against closed forms, diagnostics against known autocorrelations, and what is refused."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm, truncnorm
from test_fit import TIMES, decay

from asnsim.errors import DataError, FitError, IntegrationError, MissingExtraError
from asnsim.fit import (
    Experiment,
    FitProblem,
    Observable,
    bulk_ess,
    fit,
    predictive_bands,
    r_hat,
    sample_posterior,
    tail_ess,
)
from asnsim.fit.problem import Prediction
from asnsim.measurements import Measurements
from asnsim.plots_inference import plot_corner, plot_predictive

RATE, SD, SHARED = 0.3, 0.08, 0.1
#: Of ln y = ln y0 - RATE t and ln z = ln z0 - t by (ln y0, ln z0), and what the decays take away.
DESIGN = np.vstack([np.tile([1.0, 0.0], (5, 1)), np.tile([0.0, 1.0], (5, 1))])
LOST = np.concatenate([RATE * TIMES, TIMES])
PRIOR = 0.2


class Closed(FitProblem):
    """The decay's closed form instead of its simulation, where a test needs many draws; may be told where it fails."""

    forbidden = staticmethod(lambda p: False)

    def predict(self, p, gradient=False):
        if self.forbidden(p):
            raise IntegrationError("told to fail here", 0.0)
        values = np.exp(DESIGN[:, : p.size] @ np.log(p) - LOST)
        return Prediction(values, values[:, None] * DESIGN[:, : p.size] if gradient else None)


def shared_error(kind=Closed, scale="log", free=("y", "z"), unit="1", **options):
    """y and z measured in one batch: errors of 8 % each and 10 % in common, so that ln y0 and ln z0 are correlated."""
    options = {"priors": {"y": PRIOR}, **options}
    rng = np.random.default_rng(3)
    values = np.exp(DESIGN @ np.log([2.0, 1.0]) - LOST + SD * rng.normal(size=10) + SHARED * rng.normal())
    relative = SD**2 * np.eye(10) + SHARED**2
    covariance = relative * np.outer(values, values)
    frame = pd.DataFrame({"experiment": "one", "time": np.tile(TIMES, 2), "observable": ["y"] * 5 + ["z"] * 5, "value": values, "sd": np.sqrt(np.diag(covariance)), "unit": unit})
    experiment = Experiment("one", decay(k=RATE, y0=1.8), observables={name: Observable(name, scale) for name in "yz"})
    problem = kind([experiment], Measurements.from_frame(frame, covariance), free, **options)
    return problem, np.log(values) + LOST, relative


def closed_form(known, relative):
    """Mean and covariance of (ln y0, ln z0): generalised least squares with a normal prior on ln y0 at 1.8."""
    weight = np.linalg.inv(relative)
    covariance = np.linalg.inv(DESIGN.T @ weight @ DESIGN + np.diag([PRIOR**-2, 0.0]))
    return covariance @ (DESIGN.T @ weight @ known + [np.log(1.8) / PRIOR**2, 0.0]), covariance


@pytest.fixture(scope="module")
def sampled():
    problem, known, relative = shared_error()
    return problem, sample_posterior(problem, fit(problem, starts=1), steps=3000, seed=4), closed_form(known, relative)


def chains(rho, n_chain, n_draw, seed=0):
    """AR(1) with unit variance: its autocorrelation time is (1 + rho) / (1 - rho)."""
    noise = np.random.default_rng(seed).normal(size=(n_draw, n_chain)) * np.sqrt(1 - rho**2)
    x = [noise[0] / np.sqrt(1 - rho**2)]
    for step in noise[1:]:
        x.append(rho * x[-1] + step)
    return np.array(x).T


def test_a_linear_gaussian_posterior_is_the_textbook_one(sampled):
    _, posterior, (mean, covariance) = sampled
    logs, sd = np.log(posterior.flat), np.sqrt(np.diag(covariance))
    ess = min(bulk_ess(np.log(posterior.draws[:, :, k])) for k in range(2))
    assert ess > 1500
    assert np.all(np.abs(logs.mean(axis=0) - mean) < 4 * sd / np.sqrt(ess))
    np.testing.assert_allclose(logs.std(axis=0), sd, rtol=4 / np.sqrt(2 * ess))
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(covariance[0, 1] / sd.prod(), abs=0.05), "the shared error ties them"
    table = posterior.summary().set_index("parameter")
    np.testing.assert_allclose(table["lower"], np.exp(mean - 1.96 * sd), rtol=0.02)
    np.testing.assert_allclose(table["upper"], np.exp(mean + 1.96 * sd), rtol=0.02)
    np.testing.assert_allclose(table["median"], np.exp(mean), rtol=0.01)
    np.testing.assert_allclose(table["mean"], np.exp(mean + sd**2 / 2), rtol=0.01)
    assert set(table["verdict"]) == {"converged"} and table["r_hat"].max() < 1.01
    assert "walkers" in str(posterior) and "failed" not in str(posterior)


def test_the_log_posterior_is_that_of_the_problem(sampled):
    problem, posterior, _ = sampled
    for chain, draw in ((0, 0), (5, 1234)):
        residual, _ = problem.residuals(np.log(posterior.draws[chain, draw]), gradient=False)
        assert posterior.log_posterior[chain, draw] == pytest.approx(-0.5 * residual @ residual)
    assert np.all((posterior.acceptance > 0.2) & (posterior.acceptance < 0.9)) and posterior.failed == 0


def test_simulated_and_the_same_seed_gives_the_same_bits():
    """The simulator, not the closed form; numpy's global state plays no part."""
    problem, known, relative = shared_error(FitProblem)
    start, seen, runs = fit(problem, starts=1), [], []
    for state, seed in ((1, 7), (2, 7), (1, 8)):
        np.random.seed(state)
        runs.append(sample_posterior(problem, start, walkers=8, steps=101, burn=20, thin=4, seed=seed, progress=lambda done, total: seen.append((done, total))))
    assert runs[0].draws.shape == (8, 25, 2) and runs[0].units == ("1", "1")
    for name in ("draws", "log_posterior", "acceptance"):
        assert getattr(runs[0], name).tobytes() == getattr(runs[1], name).tobytes()
    assert not np.array_equal(runs[0].draws, runs[2].draws)
    assert seen[:120] == [(k, 120) for k in range(1, 121)]
    mean, covariance = closed_form(known, relative)
    assert np.all(np.abs(np.log(runs[0].flat).mean(axis=0) - mean) < np.sqrt(np.diag(covariance)))
    assert "too few independent draws" in runs[0].summary()["verdict"][0] or "not converged" in runs[0].summary()["verdict"][0]


def test_a_bound_cuts_and_the_verdict_says_so():
    problem, known, relative = shared_error(priors={})
    weight = np.linalg.inv(relative)
    covariance = np.linalg.inv(DESIGN.T @ weight @ DESIGN)
    mean, sd = covariance @ DESIGN.T @ weight @ known, np.sqrt(covariance[0, 0])
    cut = mean[0] + 0.3 * sd  # of ln y0, above the best fit: over half of the free posterior is cut away
    problem, *_ = shared_error(priors={}, bounds={"y": (np.exp(cut), 50.0)})
    posterior = sample_posterior(problem, fit(problem, starts=1), steps=2000, seed=1)
    logs = np.log(posterior.draws[:, :, 0])
    assert logs.min() >= cut
    wanted = truncnorm(0.3, np.inf, mean[0], sd)
    assert abs(logs.mean() - wanted.mean()) < 5 * wanted.std() / np.sqrt(bulk_ess(logs))
    assert logs.std() == pytest.approx(wanted.std(), rel=0.1)
    verdicts = posterior.summary()["verdict"]
    assert verdicts[0] == f"converged; cut by its lower bound {np.exp(cut):.4g}" and verdicts[1] == "converged"


def test_what_the_data_do_not_tell_comes_back_as_the_prior_and_the_bounds():
    options = {"free": ("y", "z", "k", "unused"), "priors": {"k": 0.3}, "bounds": {"unused": (0.5, 2.0)}}

    class Blind(Closed):
        def predict(self, p, gradient=False):
            inner = super().predict(p[:2], gradient)
            return Prediction(inner.values, np.pad(inner.gradient, ((0, 0), (0, 2))) if gradient else None)

    problem, *_ = shared_error(Blind, **options)
    posterior = sample_posterior(problem, fit(problem, starts=1), steps=1500, seed=2)
    logs = np.log(posterior.flat)
    assert logs[:, 2].mean() == pytest.approx(np.log(RATE), abs=0.04) and logs[:, 2].std() == pytest.approx(0.3, rel=0.08)
    np.testing.assert_allclose(np.quantile(logs[:, 3], (0.1, 0.5, 0.9)), np.log(4) * np.array([-0.4, 0.0, 0.4]), atol=0.06)
    verdicts = posterior.summary()["verdict"]
    assert verdicts[2] == "converged; held by its prior"
    assert verdicts[3] == "converged; as wide as its bounds: the data hardly tell it"


def test_a_failing_region_has_no_draws_and_is_counted():
    problem, known, relative = shared_error()
    mean, covariance = closed_form(known, relative)
    edge = mean[0] + 0.5 * np.sqrt(covariance[0, 0])
    problem.forbidden = lambda p: np.log(p[0]) > edge
    posterior = sample_posterior(problem, fit(problem, starts=1), steps=2000, seed=1)
    logs = np.log(posterior.draws[:, :, 0])
    assert logs.max() <= edge and 0.1 < posterior.failed / posterior.evaluated < 0.6
    wanted = truncnorm(-np.inf, 0.5, mean[0], np.sqrt(covariance[0, 0]))
    assert abs(logs.mean() - wanted.mean()) < 5 * wanted.std() / np.sqrt(bulk_ess(logs))
    assert f"{posterior.failed} of {posterior.evaluated} simulations failed" in str(posterior)


def test_where_nothing_can_be_simulated_the_reason_is_told():
    problem, *_ = shared_error()
    start = fit(problem, starts=1)
    problem.forbidden = lambda p: True
    with pytest.raises(FitError, match="nothing around the fit can be simulated: told to fail here; fit again"):
        sample_posterior(problem, start)
    problem.forbidden = lambda p: False
    problem.residuals = lambda log_p, gradient: (np.array([np.nan]), None)
    with pytest.raises(FitError, match="a prediction is not finite"):
        sample_posterior(problem, start)


def test_independent_draws_count_in_full():
    x = chains(0.0, 4, 5000)
    assert bulk_ess(x) == pytest.approx(20000, rel=0.06) and tail_ess(x) == pytest.approx(20000, rel=0.08)
    assert r_hat(x) == pytest.approx(1.0, abs=1e-3)
    assert bulk_ess(np.exp(5 * x)) == pytest.approx(bulk_ess(x)), "ranks do not feel a monotone transform"
    assert r_hat(1 / chains(0.0, 4, 5000, 1)) < 1.01, "nor heavy tails"


@pytest.mark.parametrize("rho", [-0.3, 0.5, 0.9])
def test_effective_size_of_an_autoregression(rho):
    x = chains(rho, 8, 20000)
    assert bulk_ess(x) == pytest.approx(x.size * (1 - rho) / (1 + rho), rel=0.06)


def test_chains_that_disagree_in_place_or_in_spread():
    x = chains(0.0, 4, 1000)
    assert r_hat(x + [[0], [0], [0], [1]]) > 1.1 and bulk_ess(x + [[0], [0], [0], [1]]) < 100
    assert r_hat(x * [[1], [1], [1], [3]]) > 1.1, "the same mean, another spread: only folding sees it"
    assert r_hat(x + np.linspace(0, 2, 1000)) > 1.1, "every chain drifts alike: only splitting sees it"
    stuck = np.tile([[1.0], [2.0]], (1, 100))
    assert r_hat(stuck) == np.inf and np.isnan(r_hat(stuck[:1])) and np.isnan(bulk_ess(stuck[:1])) and np.isnan(tail_ess(stuck[:1]))


def test_diagnostics_are_those_of_arviz():
    arviz = pytest.importorskip("arviz")
    for rho in (-0.5, 0.0, 0.9):
        for n_chain, n_draw in ((4, 1000), (8, 301), (2, 40)):
            x = np.exp(chains(rho, n_chain, n_draw, seed=5))
            assert r_hat(x) == pytest.approx(float(arviz.rhat(x)), rel=1e-9)
            assert bulk_ess(x) == pytest.approx(float(arviz.ess(x, method="bulk")), rel=1e-9)
            assert tail_ess(x) == pytest.approx(float(arviz.ess(x, method="tail", prob=(0.05, 0.95))), rel=1e-9)


def test_verdicts_on_chains_that_cannot_be_trusted(sampled):
    _, posterior, _ = sampled
    draws = posterior.draws.copy()
    draws[:, :, 0] = 2.0
    draws[3, :, 1] *= 1.5
    assert bulk_ess(draws[:, :, 1]) < 400 and "R-hat" in str(replace(posterior, draws=draws))
    verdicts = replace(posterior, draws=draws).summary()["verdict"]
    assert verdicts[0] == "not sampled: no walker moved"
    assert verdicts[1].startswith("not converged: walkers disagree (R-hat 1.") and verdicts[1].endswith("longer burn-in")
    drawn = replace(posterior, draws=posterior.draws.copy())
    drawn.draws[:, 1500:, 1] *= 1.05
    assert drawn.summary()["verdict"][1].startswith("not converged"), "all walkers drift alike"
    short = replace(posterior, draws=posterior.draws[:, ::100], log_posterior=posterior.log_posterior[:, ::100])
    assert all("R-hat" in text or "too few independent draws of the" in text for text in short.summary()["verdict"])


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_bands_are_those_of_the_closed_form(scale, sampled):
    """In log space ln f = X b is normal with X Sigma X', and a new measurement adds the whole variance of the data."""
    problem, posterior, (mean, covariance) = sampled
    if scale == "linear":
        problem, *_ = shared_error(scale="linear")
    bands = predictive_bands(problem, posterior, draws=2000, levels=(0.5, 0.9))
    centre = DESIGN @ mean - LOST
    spread = np.sqrt(np.diag(DESIGN @ covariance @ DESIGN.T))
    for level in (0.5, 0.9):
        z, text = norm.ppf(0.5 + level / 2), f"{100 * level:g}"
        np.testing.assert_allclose(np.log(bands[f"model_lower_{text}"]), centre - z * spread, atol=0.012)
        np.testing.assert_allclose(np.log(bands[f"model_upper_{text}"]), centre + z * spread, atol=0.012)
        if scale == "log":
            total = np.sqrt(spread**2 + SD**2 + SHARED**2)
            np.testing.assert_allclose(np.log(bands[f"new_upper_{text}"]), centre + z * total, atol=0.015)
            np.testing.assert_allclose(np.log(bands[f"new_lower_{text}"]), centre - z * total, atol=0.015)
        else:  # nearly: the product of a narrow log-normal and a normal
            total = np.sqrt((np.exp(centre) * spread) ** 2 + bands["sd"] ** 2)
            width = bands[f"new_upper_{text}"] - bands[f"new_lower_{text}"]
            np.testing.assert_allclose(width, 2 * z * total, rtol=0.04)
    np.testing.assert_allclose(np.log(bands["model_median"]), centre, atol=0.01)
    assert list(bands["value"]) == list(problem.data.table["value"])


def test_bands_are_in_the_unit_of_the_measurement_and_repeat(sampled):
    problem, posterior, _ = sampled
    percent, *_ = shared_error(unit="%")
    one, other = (predictive_bands(p, posterior, draws=50, seed=3) for p in (problem, percent))
    assert one.equals(predictive_bands(problem, posterior, draws=50, seed=3))
    assert not one.equals(predictive_bands(problem, posterior, draws=50, seed=4))
    np.testing.assert_allclose(other["model_median"], 100 * one["model_median"])
    assert set(other["unit"]) == {"%"}


def test_groups_for_arviz(sampled):
    xr = pytest.importorskip("xarray")
    problem, posterior, _ = sampled
    groups = posterior.to_xarray_groups()
    assert list(groups) == ["posterior", "sample_stats", "observed_data"]
    assert groups["posterior"]["y"].dims == ("chain", "draw") and groups["posterior"]["y"].attrs["units"] == "1"
    np.testing.assert_array_equal(groups["posterior"]["z"], posterior.draws[:, :, 1])
    np.testing.assert_array_equal(groups["sample_stats"]["lp"], posterior.log_posterior)
    np.testing.assert_array_equal(groups["observed_data"]["value"], problem.data.table["value"])
    assert list(groups["observed_data"]["observable"].values) == ["y"] * 5 + ["z"] * 5
    assert set(xr.DataTree.from_dict(groups).children) == set(groups), "the tree ArviZ 1.x takes"


@pytest.mark.parametrize("version", ["0.22.0", "1.3.0"])
def test_either_arviz_gets_its_own_container(version, sampled, monkeypatch):
    """ArviZ 1.x answers to InferenceData as well, so its presence says nothing."""
    xr = pytest.importorskip("xarray")
    stub = type(sys)("arviz")
    stub.__version__, stub.InferenceData = version, lambda **groups: ("InferenceData", sorted(groups))
    monkeypatch.setitem(sys.modules, "arviz", stub)
    answer = sampled[1].to_arviz()
    if version < "1":
        assert answer == ("InferenceData", ["observed_data", "posterior", "sample_stats"])
    else:
        assert isinstance(answer, xr.DataTree) and answer["posterior"]["y"].shape == sampled[1].draws.shape[:2]


def test_a_missing_extra_is_named(sampled, monkeypatch):
    problem, posterior, _ = sampled
    start = fit(problem, starts=1)
    for package, call in (("emcee", lambda: sample_posterior(problem, start)), ("arviz", posterior.to_arviz), ("xarray", posterior.to_xarray_groups)):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match=rf"this needs {package}, .* pip install 'asnsim\[inference\]'"):
                call()


def test_bad_input_gets_one_sentence(sampled):
    problem, posterior, _ = sampled
    start = fit(problem, starts=1)
    for options, words in (
        ({"walkers": 5}, "walkers must be a whole number of at least 6, not 5"),
        ({"walkers": 8.0}, "walkers must be a whole number of at least 6, not 8.0"),
        ({"steps": 30, "thin": 4}, "steps must be a whole number of at least 32, not 30"),
        ({"burn": -1}, "burn must be a whole number of at least 0, not -1"),
        ({"thin": 0}, "thin must be a whole number of at least 1, not 0"),
        ({"seed": -3}, "seed must be a whole number of at least 0, not -3"),
        ({"seed": True}, "seed must be a whole number of at least 0, not True"),
    ):
        with pytest.raises(FitError, match=f"^{words}$"):
            sample_posterior(problem, start, **options)
    other, *_ = shared_error(free=("y",), priors={})
    with pytest.raises(FitError, match="the result is of y, z, but the problem frees y; give its own result"):
        sample_posterior(other, start)
    with pytest.raises(FitError, match="the posterior is of y, z, but the problem frees y"):
        predictive_bands(other, posterior)
    for options, words in (
        ({"levels": (95,)}, "level 95 is not between 0 and 1; write levels="),
        ({"levels": ()}, "there is no level to draw bands at; write levels="),
        ({"draws": 1}, "draws must be a whole number of at least 2, not 1"),
    ):
        with pytest.raises(FitError, match=words):
            predictive_bands(problem, posterior, **options)
    with pytest.raises(FitError, match=r"at least 8 draws, not \(4, 7\)"):
        r_hat(np.zeros((4, 7)))
    with pytest.raises(FitError, match="a draw is not a finite number"):
        bulk_ess(np.full((2, 10), np.nan))
    with pytest.raises(FitError, match=r"draws of 2 parameters need the shape \(chains, draws, 2\)"):
        replace(posterior, draws=posterior.draws[:, :, :1])
    with pytest.raises(FitError, match="acceptance has the shape"):
        replace(posterior, acceptance=np.zeros(2))


def test_pictures(tmp_path, sampled):
    problem, posterior, _ = sampled
    assert isinstance(plot_corner(posterior, path=tmp_path / "c.png"), Figure) and (tmp_path / "c.png").stat().st_size > 10_000
    seen = []
    bands = predictive_bands(problem, posterior, draws=50, progress=lambda done, total: seen.append(done == total))
    assert seen[-1] and not any(seen[:-1])
    figure = plot_predictive(problem, bands, path=tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000 and [axes.get_title(loc="left") for axes in figure.axes] == ["one: y", "one: z"]
    assert len(plot_corner(posterior, names=["z"]).axes) == 1
    with pytest.raises(FitError, match="the posterior has no 'zz'"):
        plot_corner(posterior, names=["zz"])
    with pytest.raises(DataError, match="no bands"):
        plot_predictive(problem, bands.iloc[:0])

"""Virtual patients, exposure, published variability, individuals from samples, and regimens compared."""

import math

import numpy as np
import pytest
from scipy.special import gammaincc

from asnsim.dosing import Regimen
from asnsim.errors import DataError, FitError, ModelError
from asnsim.exposure import attainment, days_where, exposure, half_life
from asnsim.fit.individual import Sample, map_estimate
from asnsim.fit.mixture import mixture_estimate
from asnsim.library import load_model
from asnsim.population import BLOCK, Children, Occasion, Population, ResidualError, read_residual, read_variability
from asnsim.regimens import Goal, compare, propose, switch_product
from asnsim.scale import simulate_many
from asnsim.simulation import simulate
from asnsim.tables import models_folder, read_tsv

TWO = Regimen.repeat("2500 U/m^2", "peg_1", "14 d", 2, duration="2 h", cap="3750 U")
ONE = Regimen.single("2500 U/m^2", "peg_1", duration="2 h")
PRODUCTS = dict.fromkeys(row["product"] for row in read_tsv(models_folder() / "products.tsv"))


@pytest.fixture(scope="module")
def peg():
    return load_model("body_pk", "pegaspargase")


def test_effects_have_the_sizes_and_correlations_asked_for(peg):
    omega = {"peg_CL_reference": 0.3, "peg_V_reference": 0.2, "Ra_asn": 0.1}
    population = Population(BLOCK, 3, omega=omega, correlation={("peg_CL_reference", "peg_V_reference"): 0.8})
    sets = population.draw(peg, ONE, 0)
    logs = np.array([np.log(sets[name] / peg.value(name)) for name in omega])
    np.testing.assert_allclose(logs.std(axis=1), list(omega.values()), rtol=0.05)
    found = np.corrcoef(logs)
    assert found[0, 1] == pytest.approx(0.8, abs=0.05) and abs(found[0, 2]) < 0.1
    assert np.abs(logs.mean(axis=1)).max() < 0.01


def test_patients_are_the_same_for_a_seed_and_others_for_another(peg):
    one, same, other = (Population.of("pegaspargase", 50, seed).draw(peg, TWO, 0) for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)


def test_occasions_act_at_their_doses(peg):
    population = Population(4, occasions=[Occasion("peg_CL_occasion", 2, 0.0, -0.11), Occasion("peg_CL_occasion", 3, 0.0, -0.4)])
    sets = population.draw(peg, Regimen.repeat(100, "peg_1", "14 d", 3), 0)
    assert {name: set(sets[name]) for name in sets if "occasion" in name} == {
        "peg_CL_occasion": {0.0}, "peg_CL_occasion@336.0": {-0.11}, "peg_CL_occasion@672.0": {-0.4},
    }  # fmt: skip
    by_hand = Regimen.repeat(100, "peg_1", "14 d", 3).change("14 d", peg_CL_occasion=-0.11).change("28 d", peg_CL_occasion=-0.4)
    runs = simulate_many(peg, sets, Regimen.repeat(100, "peg_1", "14 d", 3), "40 d", observables="asnase_p", times=[960.0])
    for k in range(4):
        own = peg.with_parameters({name: float(sets[name][k]) for name in ("age", "female", "weight", "bsa")})
        alone = simulate(own, by_hand, "40 d", times=[960.0])
        assert runs["asnase_p"][k, 0] == pytest.approx(alone["asnase_p"][-1], rel=1e-4)


def test_the_month_of_crisantaspase_ends():
    model = load_model("body_pk", "crisantaspase")
    doses = Regimen.repeat("20000 U/m^2", "asnase_central", "48 h", 20)
    sets = Population.of("crisantaspase", 5).draw(model, doses, 0)
    assert [name for name in sets if name.startswith("asnase_CL_occasion")] == ["asnase_CL_occasion", "asnase_CL_occasion@720.0"]
    first, later = (1 + sets[name] for name in ("asnase_CL_occasion", "asnase_CL_occasion@720.0"))
    assert np.exp(np.log(first).mean()) == pytest.approx(1.14, rel=0.06) and np.exp(np.log(later).mean()) == pytest.approx(1.0, rel=0.06)


def test_uncertainty_is_an_outer_loop(peg):
    draws = [{"Ra_asn": 20.0}, {"Ra_asn": 40.0}]
    sets = Population(6, uncertainty=draws).draw(peg, ONE, 0)
    assert list(sets["Ra_asn"]) == [20.0, 40.0] * 3
    assert sets["asn_i"] == pytest.approx(sets["Ra_asn"] / peg.value("CL_tissue_asn"))


def test_patients_with_antibodies_lose_the_drug():
    model = load_model("body_pk", "pegaspargase", "antibodies")
    population = Population.of("pegaspargase", 300, 4, antibodies=0.3)
    sets = population.draw(model, ONE, 0)
    affected = sets["ada_clearance_fold"] > 1
    assert affected.mean() == pytest.approx(0.3, abs=0.08)
    assert set(sets["ada_clearance_fold"][~affected]) == {1.0} and (sets["ada_onset"] >= 96).all()
    runs = simulate_many(model, population, ONE, "21 d", observables="asnase_p", times=[504.0])["asnase_p"][:, 0]
    assert np.median(runs[affected]) < 0.3 * np.median(runs[~affected])
    with pytest.raises(ModelError, match="load it with overlay 'antibodies'"):
        population.draw(load_model("body_pk", "pegaspargase"), ONE, 0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": 0}, "a population of 0"),
        ({"n": 3, "antibodies": 1.5}, "share from 0 to 1"),
        ({"n": 3, "omega": {"Ra_asn": -0.1}}, "not negative"),
        ({"n": 3, "covariates": {"bsa": [1.0, 2.0]}}, "2 values for 3 patients"),
        ({"n": 3, "omega": {"a": 1, "b": 1, "c": 1}, "correlation": {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}}, "contradict"),
        ({"n": 3, "omega": {"Ra_asn": 0.1}, "correlation": {("Ra_asn", "Ra_gln"): 0.9}}, "has no omega"),
    ],
)
def test_populations_that_cannot_be(fields, words):
    with pytest.raises(ModelError, match=words):
        Population(**fields)
    with pytest.raises(DataError, match="no variability is published for 'pegasparagase'; did you mean 'pegaspargase'"):
        read_variability("pegasparagase")


def test_own_covariates_come_back_in_order(peg):
    sizes = np.linspace(0.5, 1.5, BLOCK + 5)
    population = Population(BLOCK + 5, covariates={"bsa": sizes, "weight": sizes * 28})
    drawn = np.concatenate([population.draw(peg, ONE, block)["bsa"] for block in population.blocks])
    assert (drawn == sizes).all()


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_published_product_runs_as_a_population(product):
    model = load_model("body_pk", product)
    into = next(name for name in ("peg_1", "asnase_site", "asnase_central") if name in model.states)
    doses = Regimen.repeat("2500 U/m^2", into, "14 d", 3)
    population = Population.of(product, 20, covariates=Children(6.0))
    runs = simulate_many(model, population, doses, "35 d", observables=("asnase_p", "asn_p"), times=[24.0, 840.0])
    assert runs.success.all() and (runs["asnase_p"] > 0).all() and (runs["asn_p"] > 0).all()
    residual = read_residual(product)
    assert residual.prop or residual.add or residual.log
    assert all(row["source"] and row["status"] in ("measured", "derived", "assumed") for row in read_tsv(models_folder() / "products.tsv"))


@pytest.mark.parametrize(
    ("product", "above_100", "above_20"),
    [("pegaspargase", 25.8, 32.7), ("siebel_2022", 25.1, 31.6), ("wuerthwein_2025", 26.3, 33.5), ("kloos_2021", 18.8, 21.0), ("pkpdsim", 27.1, 33.0)],
)
def test_days_of_activity_of_the_published_models(product, above_100, above_20):
    """Days above 100 and 20 U/L after 2500 U/m2, as the design study computed them for a median child."""
    model = load_model("body_pk", product)
    into = "peg_1" if "peg_1" in model.states else "asnase_central"
    run = simulate(model, Regimen.single("2500 U/m^2", into, duration="2 h"), "45 d", times=np.linspace(0, 1080, 4321))
    days = [float(days_where(run.t, run["asnase_p"] > level)) for level in (100, 20)]
    assert days == pytest.approx([above_100, above_20], rel=0.025)


def test_igm_against_peg_acts_on_the_first_dose_only():
    model = load_model("body_pk", "siebel_2022").with_parameters(peg_igm=math.exp(2.30))
    assert simulate(model, until=1.0)["peg_igm_factor"][0] == pytest.approx(1.414)
    sets = Population.of("siebel_2022", 3).draw(model, TWO, 0)
    assert (sets["peg_igm_effect"] == 0.414).all() and (sets["peg_igm_effect@336.0"] == 0.0).all()


@pytest.mark.parametrize("hours", [1.0, 48.0, 240.0, 600.0, 1000.0])
def test_the_fourteen_steps_are_an_incomplete_gamma_function(peg, tight, hours):
    """``D/V exp(-CL t/V) Q(14, Q t/V)`` after a bolus; Q the regularised upper incomplete gamma function."""
    run = simulate(peg, Regimen.single(2500.0, "peg_1"), hours, times=[hours], solver=tight)
    V, CL, Q = (run[name][-1] for name in ("peg_V", "peg_CL", "peg_Q"))
    closed = 2500.0 / V * math.exp(-CL * hours / V) * gammaincc(14, Q * hours / V)
    assert run["asnase_p"][-1] == pytest.approx(closed, rel=1e-6)


# ---- exposure ------------------------------------------------------------------------------------------------------
def test_exposure_of_an_exponential():
    t = np.linspace(0, 480, 9601)
    values = np.array([100.0, 50.0])[:, None] * np.exp(-0.02 * t)
    found = exposure(t, values)
    assert found.Cmax.tolist() == [100, 50] and found.tmax.tolist() == [0, 0]
    assert found.AUC.to_numpy() == pytest.approx(np.array([100, 50]) / 0.02 / 24 * (1 - math.exp(-9.6)), rel=1e-4)
    assert found.half_life.to_numpy() == pytest.approx(math.log(2) / 0.02 / 24)
    assert found.trough.to_numpy() == pytest.approx(values[:, -1])
    assert days_where(t, values >= 10).tolist() == pytest.approx([math.log(10) / 0.02 / 24, math.log(5) / 0.02 / 24], abs=0.01)
    assert attainment(t, values, 10.0, [24.0, 100.0]).tolist() == [1.0, 0.5]
    assert half_life(t / 24, values[0], 1, 5) == pytest.approx(math.log(2) / 0.02 / 24)
    with pytest.raises(ModelError, match="not among the output times"):
        attainment(t, values, 10.0, [24.01])
    with pytest.raises(ModelError, match="a half-life needs two"):
        half_life(t / 24, values[0], 30, 40)


def test_measured_asparagine_reads_zero_where_the_true_one_does_not(peg):
    run = simulate(peg, ONE, "40 d", times=np.linspace(0, 960, 961))
    place = int(np.argmin(np.abs(run["asnase_p"][100:] - 30.0))) + 100  # 0.03 IU/mL
    assert run["asn_p"][place] > 2.0 and run["asn_measured"][place] < 0.5


# ---- individuals ---------------------------------------------------------------------------------------------------
def test_without_samples_the_prior_comes_back(peg):
    one = map_estimate(peg, Population.of("pegaspargase", 1), ONE, (), {})
    z, size = one.draws(4000, 2)
    assert one.mode.tolist() == [0.0] * len(one.names) and size > 0
    assert np.abs(z.mean(axis=0)).max(initial=0) < 0.1 and z.std(axis=0) == pytest.approx(1.0, abs=0.1)


def test_the_mode_is_that_of_a_closed_form(peg):
    """One effect on clearance and a log-normal error: the posterior of a linear problem, to first order in a narrow prior."""
    population = Population(1, omega={"peg_CL_reference": 0.02})
    error = {"asnase_p": ResidualError(log=0.05)}
    typical = simulate(peg, ONE, 240.0, times=[240.0])["asnase_p"][-1]
    up = simulate(peg.with_parameters(peg_CL_reference=peg.value("peg_CL_reference") * math.exp(0.02)), ONE, 240.0, times=[240.0])
    slope = math.log(up["asnase_p"][-1] / typical)  # by one standard deviation
    one = map_estimate(peg, population, ONE, [Sample(240.0, "asnase_p", typical * 1.1)], error)
    weight = slope / 0.05
    assert one.mode[0] == pytest.approx(weight * math.log(1.1) / 0.05 / (1 + weight**2), rel=0.02)
    assert one.covariance[0, 0] == pytest.approx(1 / (1 + weight**2), rel=0.02)


def test_more_samples_narrow_and_a_censored_one_pulls_down(peg):
    population, error = Population.of("pegaspargase", 1), {"asnase_p": read_residual("pegaspargase")}
    one = map_estimate(peg, population, ONE, [Sample(168.0, "asnase_p", 900.0)], error)
    two = map_estimate(peg, population, ONE, [Sample(168.0, "asnase_p", 900.0), Sample(330.0, "asnase_p", 560.0)], error)
    gone = map_estimate(peg, population, ONE, [Sample(168.0, "asnase_p", 900.0), Sample(480.0, "asnase_p", 5.0, True)], error)
    assert np.linalg.det(two.covariance) < np.linalg.det(one.covariance)
    assert gone.constants()["peg_CL_reference"] > 1.15 * two.constants()["peg_CL_reference"]
    ends = [fit.forecast(ONE, 336.0, [336.0], n=1000).interval("asnase_p", measured=False)[:, 0] for fit in (one, two)]
    assert (ends[1][2] - ends[1][0]) / ends[1][1] < 0.8 * (ends[0][2] - ends[0][0]) / ends[0][1]


def test_forecasts_cover_what_comes(peg):
    """30 patients, two samples each: the 90 % interval of the next trough; `make conformance` does it with 500."""
    error, population = {"asnase_p": read_residual("pegaspargase")}, Population.of("pegaspargase", 30, 9)
    truth = simulate_many(peg, population, TWO, 672.0, observables="asnase_p", times=[168.0, 335.0, 672.0])["asnase_p"]
    sets, rng, inside = population.draw(peg, TWO, 0), np.random.default_rng(0), 0
    for k in range(30):
        child = peg.with_parameters({name: float(sets[name][k]) for name in ("age", "female", "weight", "bsa")})
        seen = error["asnase_p"].measured(truth[k], rng)
        samples = [Sample(t, "asnase_p", max(y, 5.0), bool(y < 5.0)) for t, y in zip((168.0, 335.0), seen, strict=False)]
        fit = map_estimate(child, Population.of("pegaspargase", 1), TWO, samples, error)
        low, _, high = fit.forecast(TWO, 672.0, [672.0], n=200, seed=k).interval("asnase_p")[:, 0]
        inside += low <= seen[2] <= high
    assert 23 <= inside <= 30


def test_samples_that_cannot_be_used(peg):
    population, error = Population.of("pegaspargase", 1), {"asnase_p": read_residual("pegaspargase")}
    with pytest.raises(FitError, match="needs its residual error"):
        map_estimate(peg, population, ONE, [Sample(10.0, "asn_p", 3.0)], error)
    with pytest.raises(FitError, match="give a positive one or blq"):
        map_estimate(peg, population, ONE, [Sample(10.0, "asnase_p", 0.0)], error)
    fit = map_estimate(peg, population, ONE, [Sample(336.0, "asnase_p", 300.0)], error)
    with pytest.raises(FitError, match="other doses up to 336 h"):
        fit.forecast(Regimen.single("1000 U/m^2", "peg_1", 5.0), 500.0, [500.0])
    assert fit.forecast(TWO, 500.0, [500.0], n=50).values.shape == (50, 1, 1)


# ---- regimens ------------------------------------------------------------------------------------------------------
def test_more_drug_meets_the_goal_more_often(peg):
    goal = Goal("asnase_p", 335.0, 335.0, at_least=300.0)
    make = lambda amount: Regimen.single(f"{amount} U/m^2", "peg_1")  # noqa: E731
    best, table = propose(Population.of("pegaspargase", 200), make, [500, 1500, 3000], goal, probability=0.5, model=peg)
    assert table.probability.is_monotonic_increasing and best in (1500, 3000)
    assert (table.low <= table.probability).all() and (table.probability <= table.high).all()
    none, _ = propose(Population.of("pegaspargase", 50), make, [10], goal, model=peg)
    assert none is None


def test_the_longest_interval_that_still_keeps_asparagine_down(peg):
    fit = map_estimate(peg, Population.of("pegaspargase", 1), ONE, [Sample(168.0, "asnase_p", 600.0)], {"asnase_p": read_residual("pegaspargase")})
    best, table = propose(
        fit,
        lambda hours: ONE + Regimen.single(2500.0, "peg_1", 168.0 + hours),
        [168.0, 336.0, 840.0],
        lambda hours: Goal("asn_p", 167.0 + hours, 167.0 + hours, at_most=1.0),
        prefer="largest", n=100,
    )  # fmt: skip
    assert best == 336.0 and table.probability.is_monotonic_decreasing


def test_monitoring_pays_for_those_with_antibodies():
    peg, erwinia = load_model("body_pk", "pegaspargase", "antibodies"), load_model("body_pk", "crisantaspase")
    follow_up = Regimen.repeat("20000 U/m^2", "asnase_central", "48 h", 7, duration="1 h")
    population = Population.of("pegaspargase", 60, 2, antibodies=0.5, onset=(3.0, 5.0))
    found = switch_product((peg, ONE), (erwinia, follow_up), population, check=240.0, threshold=100.0, until=600.0)
    changed = found[found.changed]
    assert 5 < len(changed) < 40 and (changed.activity < 100).all()
    assert (changed.days_with > changed.days_without).all()
    assert (found[~found.changed].days_with == found[~found.changed].days_without).all()


def test_goals_and_requests_that_make_no_sense(peg):
    with pytest.raises(ModelError, match="needs one of at_least and at_most"):
        Goal("asnase_p", 0.0, 1.0)
    with pytest.raises(ModelError, match="before it starts"):
        Goal("asnase_p", 2.0, 1.0, at_least=1.0)
    goal = Goal("asnase_p", 100.0, 100.0, at_least=1.0)
    with pytest.raises(ModelError, match="needs the model"):
        compare(Population(2), {"one": ONE}, goal)
    with pytest.raises(ModelError, match="'smallest' or 'largest'"):
        propose(Population(2), lambda a: ONE, [1], goal, prefer="best", model=peg)
    with pytest.raises(ModelError, match="no candidates"):
        propose(Population(2), lambda a: ONE, [], goal, model=peg)


def test_a_set_with_a_later_value_that_is_no_number_fails_alone(peg):
    later = {"peg_CL_occasion@336": [np.nan, -0.1, 0.0], "peg_V_occasion": [0.0, 0.0, 0.0]}
    runs = simulate_many(peg, later, ONE, "20 d", observables="asnase_p", times=[480.0])
    assert runs.success.tolist() == [False, True, True] and "nan" in runs.messages[0]
    assert runs["asnase_p"][1, 0] > runs["asnase_p"][2, 0]
    with pytest.raises(ModelError, match="peg_CL_ocasion"):
        simulate_many(peg, {"peg_CL_ocasion@336": [0.0]}, ONE, "20 d", observables="asnase_p")
    with pytest.raises(ModelError, match="do not all name the same"):
        Population(2, uncertainty=[{"Ra_asn": 1.0}, {"Km_asnase_asn": 1.0}])
    with pytest.raises(ModelError, match="weigth"):
        Population(2, covariates={"weigth": [20.0, 30.0]}).draw(peg, ONE, 0)


# ---- what a review found ------------------------------------------------------------------------------------------
def test_a_sample_at_a_dose_is_taken_before_it(peg):
    """Was once after it, as soon as a later sample stood beside it: 4.6 times too high."""
    bolus = Regimen.repeat("2500 U/m^2", "peg_1", "14 d", 2)
    error = {"asnase_p": ResidualError(prop=0.1)}
    one = map_estimate(peg, Population.of("pegaspargase", 1), bolus, [Sample(336.0, "asnase_p", 500.0), Sample(500.0, "asnase_p", 900.0)], error)
    seen = one._predicted(np.zeros((1, len(one.names))))[0]
    alone = simulate(peg, bolus.before(300.0), 336.0, times=[336.0])["asnase_p"][-1]
    assert seen[0] == pytest.approx(alone, rel=1e-4)


def test_the_trough_of_a_goal_is_before_the_next_dose(peg):
    goal = Goal("asnase_p", 504.0, 504.0, at_least=100.0)
    regimens = {n: Regimen.repeat("2500 U/m^2", "peg_1", "21 d", n) for n in (1, 2)}
    found = compare(Population.of("pegaspargase", 50), regimens, goal, model=peg)
    assert found.probability[0] == found.probability[1] and found["median"][0] == pytest.approx(found["median"][1])


def test_the_clock_of_kloos_restarts_with_every_dose():
    model = load_model("body_pk", "kloos_2021")
    run = simulate(model, Regimen.repeat("1500 U/m^2", "asnase_central", "14 d", 3), "42 d", times=[333.6, 669.6])
    assert run.at(333.6)["asnase_clock"] == pytest.approx(333.6) and run.at(669.6)["asnase_clock"] == pytest.approx(333.6)
    assert run.at(669.6)["asnase_p"] == pytest.approx(547.8, rel=0.02)  # closed form, in the review
    runs = simulate_many(model, Population(3, covariates={"bsa": [1.0] * 3}), Regimen.repeat("1500 U/m^2", "asnase_central", "14 d", 2), 669.6, observables="asnase_p", times=[669.6])
    assert runs["asnase_p"][:, 0] == pytest.approx(run.at(669.6)["asnase_p"], rel=1e-4)


def test_short_courses_of_crisantaspase_and_months_that_go_on():
    model, error = load_model("body_pk", "crisantaspase"), {"asnase_p": read_residual("crisantaspase")}
    doses = Regimen.repeat("20000 U/m^2", "asnase_central", "48 h", 3)
    assert simulate_many(model, Population.of("crisantaspase", 5), doses, "10 d", observables="asnase_p", times=[240.0]).success.all()
    fit = map_estimate(model, Population.of("crisantaspase", 1), doses, [Sample(48.0, "asnase_p", 300.0)], error)
    assert fit.forecast(doses, "6 d", [144.0], n=50)["asnase_p"].shape == (50, 1)
    population = Population.of("crisantaspase", 1)
    assert population.occasions_of(doses, 65 * 24.0) == [("asnase_CL_occasion", k) for k in range(3)]


def test_a_forecast_is_of_what_was_given(peg):
    fit = map_estimate(peg, Population.of("pegaspargase", 1), TWO, [Sample(400.0, "asnase_p", 900.0)], {"asnase_p": read_residual("pegaspargase")})
    with pytest.raises(FitError, match="other doses up to 400 h"):
        fit.forecast(Regimen.repeat("250 U/m^2", "peg_1", "14 d", 2, duration="2 h", cap="3750 U"), 500.0, [500.0])
    with pytest.raises(FitError, match="say by antibodies whether"):
        map_estimate(peg, Population.of("pegaspargase", 1, antibodies=0.5), TWO, (), {})
    with pytest.raises(FitError, match="load it with overlay 'antibodies'"):
        map_estimate(peg, Population.of("pegaspargase", 1, antibodies=0.5), TWO, (), {}, antibodies=True)
    with pytest.raises(FitError, match="needs one between 0 and 1"):
        mixture_estimate(peg, Population.of("pegaspargase", 1), TWO, (), {})


def test_evidence_is_that_of_a_closed_form(peg):
    """A log-normal error on a quantity linear in one narrow effect: samples are normal around the typical one."""
    population, error = Population(1, omega={"peg_CL_reference": 0.02}), {"asnase_p": ResidualError(log=0.05)}
    typical = simulate(peg, ONE, 240.0, times=[240.0])["asnase_p"][-1]
    up = simulate(peg.with_parameters(peg_CL_reference=peg.value("peg_CL_reference") * math.exp(0.02)), ONE, 240.0, times=[240.0])
    ratio = (math.log(up["asnase_p"][-1] / typical) / 0.05) ** 2  # of the variances between patients and of measuring
    for factor in (0.9, 1.0, 1.15):
        one = map_estimate(peg, population, ONE, [Sample(240.0, "asnase_p", typical * factor)], error)
        expected = -0.5 * (math.log(factor) / 0.05) ** 2 / (1 + ratio) - 0.5 * math.log(1 + ratio)
        assert one.log_evidence(4000) == pytest.approx(expected, abs=0.02)


def test_samples_tell_who_has_antibodies():
    model, error = load_model("body_pk", "pegaspargase", "antibodies"), {"asnase_p": read_residual("pegaspargase")}
    prior = Population.of("pegaspargase", 1, antibodies=0.1)
    early = Sample(96.0, "asnase_p", 900.0)

    def judged(*more):
        return mixture_estimate(model, prior, ONE, (early, *more), error)

    assert mixture_estimate(model, prior, ONE, (), error).probability == pytest.approx(0.1)
    usual, low, gone = (judged(s) for s in (Sample(336.0, "asnase_p", 550.0), Sample(336.0, "asnase_p", 150.0), Sample(336.0, "asnase_p", 5.0, True)))
    assert usual.probability < 0.02 < low.probability < 0.98 < gone.probability
    assert usual.likely is usual.without and gone.likely is gone.affected and gone.affected.names[-1] == "ada_onset"
    ends = [fit.forecast(ONE, 504.0, [504.0], n=200)["asnase_p"] for fit in (usual, low, gone)]
    assert [len(values) for values in ends] == [200, 200, 200]
    assert np.median(ends[0]) > 2 * np.median(ends[1]) > 20 * np.median(ends[2])
    goal = Goal("asnase_p", 504.0, 504.0, at_least=100.0)
    assert compare(usual, {1: ONE}, goal).probability[0] > 0.9 > 0.1 > compare(gone, {1: ONE}, goal).probability[0]


def test_antibodies_count_from_the_first_dose():
    model = load_model("body_pk", "native_ecoli", "antibodies")
    level = []
    for start in (0.0, 480.0):
        population = Population(20, antibodies=1.0, onset=(6.0, 6.0))
        dose = Regimen.single("10000 U/m^2", "asnase_central", start)
        level.append(np.median(simulate_many(model, population, dose, start + 24.0, observables="asnase_p", times=[start + 24.0])["asnase_p"]))
    assert level[1] == pytest.approx(level[0], rel=0.02)


def test_the_second_product_has_its_own_kinetics():
    first, second = load_model("body_pk", "native_ecoli"), load_model("body_pk", "crisantaspase")
    doses = [Regimen.single(f"{amount} U/m^2", "asnase_central") for amount in (5000, 20000)]
    found = [
        switch_product((first, doses[0]), (second, doses[1]), Population(10, omega=omega), check=48.0, threshold=1e9, until=300.0)
        for omega in ({"asnase_V1_reference": 1e-9}, {})
    ]
    assert found[0].days_with.to_numpy() == pytest.approx(found[1].days_with.to_numpy(), rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": -1}, "the seed is -1"), ({"seed": 1.5}, "the seed is 1.5"), ({"onset": (10.0, 4.0)}, "onset is"), ({"onset": (0.0, 0.0)}, "onset is"),
        ({"omega": {"Ra_asn": math.inf}}, "finite"), ({"iov_days": {"x": 3.0}}, "of a name in iov"),
        ({"covariates": {"Ra_asn": [1.0]}, "omega": {"Ra_asn": 0.1}}, "keep one"), ({"uncertainty": [{"peg_CL_occasion": 0.5}], "iov": {"peg_CL_occasion": 0.1}}, "keep one"),
    ],
)  # fmt: skip
def test_more_populations_that_cannot_be(fields, words):
    with pytest.raises(ModelError, match=words):
        Population(1, **fields)


def test_goals_and_intervals_within_reason(peg):
    with pytest.raises(ModelError, match="every 0 h"):
        Goal("asnase_p", 0.0, 10.0, at_least=1.0, every=0.0)
    fit = map_estimate(peg, Population.of("pegaspargase", 1), ONE, (), {})
    with pytest.raises(FitError, match="level of an interval is 2"):
        fit.forecast(ONE, "5 d", [120.0], n=20).interval("asnase_p", level=2)

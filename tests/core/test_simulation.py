"""simulate() against closed forms, the two limits at a dose, grids, changes, and sensitivities against finite differences."""

import math

import numpy as np
import pytest
from scipy.special import gammaincc

from asnsim.biology import MODULES
from asnsim.composition import compose
from asnsim.culture import precondition, preculture
from asnsim.dosing import Regimen
from asnsim.errors import IntegrationError, ModelError, UnsupportedFeatureError
from asnsim.library import load_model, load_species
from asnsim.network import TIME, Module, Reaction, Species, symbol, symbols
from asnsim.running import absolute_tolerances
from asnsim.simulation import simulate
from asnsim.solvers import NDF

K, V, GRID = 0.2, 4.0, np.linspace(0, 40, 41)


# ---- closed forms ------------------------------------------------------------------------------------------------------
def test_bolus(one_compartment, tight):
    run = simulate(one_compartment, Regimen.single(100.0, "a"), until=40, times=GRID, solver=tight)
    np.testing.assert_allclose(run["a"][1:], 100 / V * np.exp(-K * run.t[1:]), rtol=1e-7)


def test_infusion(one_compartment, tight):
    run = simulate(one_compartment, Regimen.single(100.0, "a", 3.0, duration=5.0), until=40, times=GRID, solver=tight)
    t = run.t
    rate = 100.0 / 5.0 / V / K
    expected = np.where(t <= 3, 0, rate * (1 - np.exp(-K * np.clip(t - 3, 0, 5))) * np.exp(-K * np.clip(t - 8, 0, None)))
    np.testing.assert_allclose(run["a"], expected, rtol=1e-8, atol=1e-9)


def test_multiple_doses(one_compartment, tight):
    """Superposition, with a lag and a bioavailable fraction."""
    regimen = Regimen.repeat(100.0, "a", every=6.0, times=4, f=0.5, alag=1.5)
    run = simulate(one_compartment, regimen, until=40, times=GRID, solver=tight)
    given = 1.5 + 6.0 * np.arange(4)
    after = np.array([np.where(t >= given, 50 / V * np.exp(-K * np.clip(t - given, 0, None)), 0).sum() for t in GRID])
    np.testing.assert_allclose([run.at(t)["a"] for t in GRID], after, rtol=1e-8, atol=1e-9)
    before = np.where(19.5 > given, 50 / V * np.exp(-K * (19.5 - given)), 0).sum()
    assert run.at(19.5, side="before")["a"] == pytest.approx(before, rel=1e-8)


def test_overlapping_infusions_add_up(one_compartment, tight):
    regimen = Regimen.single(60.0, "a", 0.0, duration=6.0) + Regimen.single(30.0, "a", 2.0, rate=10.0) + Regimen.single(8.0, "a", 3.0)
    run = simulate(one_compartment, regimen, until=40, solver=tight)

    def infusion(start, length, rate, t):
        return rate / V / K * (1 - math.exp(-K * np.clip(t - start, 0, length))) * math.exp(-K * max(t - start - length, 0))

    for t in (1.0, 4.0, 5.5, 20.0):
        expected = infusion(0, 6, 10, t) + infusion(2, 3, 10, t) + (8 / V * math.exp(-K * (t - 3)) if t >= 3 else 0)
        assert run.at(t)["a"] == pytest.approx(expected, rel=1e-8)


def test_transit_chain_of_pegaspargase(numbers):
    """E = D/V exp(-CL t/V) Q(14, Q t/V), Q the regularised upper incomplete gamma function (Wuerthwein's 14 steps)."""
    parameters = load_model("dosing").parameters
    model = compose("peg", [MODULES["pegaspargase"]()], {}, parameters)
    run = simulate(model, Regimen.single(2500.0, "peg_1"), until="42 d", solver=NDF(rtol=1e-9))
    volume, clearance, transit = (run[name][0] for name in ("peg_V", "peg_CL", "peg_Q"))
    expected = 2500 / volume * np.exp(-clearance * run.t / volume) * gammaincc(14, transit * run.t / volume)
    np.testing.assert_allclose(run["asnase_p"][1:], expected[1:], rtol=1e-6, atol=1e-6 * expected[0])
    third = 2500 * np.exp(-(clearance + transit) / volume * run.t) * (transit * run.t / volume) ** 2 / 2
    np.testing.assert_allclose(run["peg_3"][1:], third[1:], rtol=1e-6, atol=1e-4)


def test_growing_compartment_dilutes(numbers, tight):
    """No reaction moves net matter: C V is constant, C falls by the compartment's own growth."""
    a, mu, cell, k = symbols("a mu cell k")
    module = Module("m", (Reaction("leak", "a -> $a_out", k * (a - symbol("a_ref")) * cell * 0),), {}, {"cell": mu * cell})
    species = {"a": Species("a", "a", "cell"), "a_out": Species("a_out", "a", "cell")}
    table = numbers(a=(8.0, "umol/L"), mu=(0.05, "1/h"), cell=(1e-6, "L"), k=(0.0, "1/h"), a_ref=(0.0, "umol/L"))
    run = simulate(compose("m", [module], species, table), until=50, solver=tight)
    np.testing.assert_allclose(run["a"], 8 * np.exp(-0.05 * run.t), rtol=1e-8)
    np.testing.assert_allclose(run["cell"] * run["a"], 8e-6, rtol=1e-8)
    np.testing.assert_allclose(run["cell"], 1e-6 * np.exp(0.05 * run.t), rtol=1e-8)


def test_time_in_a_rate(numbers, tight):
    a, k, volume = symbols("a k V")
    module = Module("m", (Reaction("feed", "=> a", k * TIME / symbol("tau") * volume),))
    table = numbers(a=(0.0, "umol/L"), k=(3.0, "umol/L/h"), V=(2.0, "L"), tau=(1.0, "h"))
    run = simulate(compose("m", [module], {"a": Species("a", "a", "V")}, table), until=10, solver=tight)
    np.testing.assert_allclose(run["a"], 1.5 * run.t**2, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(run["feed"], 6.0 * run.t)


def test_a_compartment_may_not_follow_time(numbers):
    """Was once wrong: a compartment given by a rule of time is accepted and its dilution left out."""
    a, k, volume = symbols("a k V")
    module = Module("m", (Reaction("loss", "a =>", k * a * volume),), {"V": symbol("V0") * (1 + TIME / symbol("tau"))})
    table = numbers(a=(10.0, "umol/L"), k=(0.0, "1/h"), V0=(1.0, "L"), tau=(1.0, "h"))
    model = compose("m", [module], {"a": Species("a", "a", "V")}, table)
    with pytest.raises(UnsupportedFeatureError, match="'V'"):
        simulate(model, until=1)


def test_a_compartment_may_not_follow_a_state(numbers):
    a, k, volume = symbols("a k V")
    module = Module("m", (Reaction("loss", "a =>", k * a * volume),), {"V": symbol("V0") * (1 + a / (a + symbol("K")))})
    table = numbers(a=(10.0, "umol/L"), k=(0.0, "1/h"), V0=(1.0, "L"), K=(1.0, "umol/L"))
    model = compose("m", [module], {"a": Species("a", "a", "V")}, table)
    with pytest.raises(UnsupportedFeatureError, match="'V' is a rule that changes in time"):
        simulate(model, until=1)


# ---- rows, limits and grids --------------------------------------------------------------------------------------------
def test_both_limits_are_stored_at_a_dose(one_compartment):
    regimen = Regimen.single(100.0, "a", 10.0).change(20.0, a=3.0)
    run = simulate(one_compartment, regimen, until=30, times=[5.0, 10.0, 25.0])
    assert run.t.tolist() == [0, 5, 10, 10, 20, 20, 25, 30]
    assert run["a"][2:4].tolist() == [0.0, 25.0]
    assert run.at(10.0, "before")["a"] == 0.0 and run.at(10.0)["a"] == 25.0
    assert run.at("20 h", "after")["a"] == 3.0 and 0 < run.at(20.0, "before")["a"] < 25
    assert run.duration(run["a"] >= 0) == pytest.approx(30.0)


def test_a_dose_at_the_end_is_given(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a", 10.0), until=10)
    assert run.t[-2:].tolist() == [10, 10] and run["a"][-2:].tolist() == [0.0, 25.0]
    with pytest.raises(ModelError, match="'a' is dosed or changed at 11 h, after the end at 10 h"):
        simulate(one_compartment, Regimen.single(100.0, "a", 11.0), until=10)
    long = simulate(one_compartment, Regimen.single(100.0, "a", 8.0, duration=5.0), until=10)  # an infusion may outlast the run
    assert long["a"][-1] > 0


def test_a_dose_at_the_start_has_both_limits_too(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a"), until=10)
    assert run.t.shape == (402,) and run["a"][:2].tolist() == [0.0, 25.0] and run.t[:2].tolist() == [0, 0]
    assert run.at(0)["a"] == 25.0 and run.at(0, side="before")["a"] == 0.0
    assert simulate(one_compartment, Regimen.single(100.0, "a"), until=0)["a"].tolist() == [0.0, 25.0]
    assert simulate(one_compartment, until=10).t.shape == (401,)


def test_early_doses_move_the_start(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a", -10.0), until=10)
    assert run.t[0] == -10.0 and run["a"][-1] == pytest.approx(25 * math.exp(-K * 20), rel=1e-4)
    with pytest.raises(ModelError, match="'a' is dosed or changed at -10 h, before the start at 0 h"):
        simulate(one_compartment, Regimen.single(100.0, "a", -10.0), until=10, start=0)


@pytest.mark.parametrize("recipe", ["teaching", "cell", "dosing"])
def test_output_does_not_depend_on_the_grid(recipe):
    """Bitwise on shared times: output times never influence the steps."""
    model = load_model(recipe)
    into = {"teaching": "asnase_e", "cell": "asnase_e", "dosing": "peg_1"}[recipe]
    regimen = Regimen.single(10.0, into, 7.0)
    coarse = simulate(model, regimen, until=48, times=[3.3, 20.0])
    fine = simulate(model, regimen, until=48, times=np.union1d(np.linspace(0, 48, 777), [3.3, 20.0]))
    for t, row in zip(coarse.t, range(coarse.t.size), strict=True):
        at = np.flatnonzero(fine.t == t)
        at = at[0] if at.size == 1 or np.flatnonzero(coarse.t == t)[0] == row else at[-1]
        np.testing.assert_array_equal(coarse.x[row], fine.x[at])
    np.testing.assert_array_equal(simulate(model, regimen, until=48, times=[20.0]).x[-1], fine.x[-1])


def test_repeated_runs_are_equal(one_compartment):
    runs = [simulate(load_model("cell"), until=24).x for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_default_tolerance_is_kept():
    """At rtol 1e-6 the error over two days stays within 1e-4 of a run at 1e-10."""
    model = load_model("cell", "rpmi")
    loose, exact = (simulate(model, until=48, times=np.linspace(0, 48, 9), solver=NDF(rtol=r)) for r in (1e-6, 1e-10))
    floor = 1e3 * absolute_tolerances(model, 1e-6)
    assert np.all(np.abs(loose.x - exact.x) <= 1e-4 * np.abs(exact.x) + floor)


def test_requests_that_make_no_sense(one_compartment):
    for options, says in (
        ({"until": -1}, "before it starts"),
        ({"until": 10, "times": [11.0]}, "outside the simulated 0 to 10 h"),
        ({"until": 10, "theta": ["kk"]}, "'kk' is not a constant or initial value"),
    ):
        with pytest.raises(ModelError, match=says):
            simulate(one_compartment, **options)


def test_a_time_that_is_no_number_is_refused(one_compartment):
    """Was once wrong: a NaN among the output times is dropped in silence."""
    with pytest.raises(ModelError):
        simulate(one_compartment, until=10, times=[1.0, float("nan")])


# ---- changes of condition ----------------------------------------------------------------------------------------------
def test_a_constant_changes_from_then_on(one_compartment, tight):
    run = simulate(one_compartment.with_parameters(a=10.0), Regimen().change(5.0, k=0.0).change(9.0, k=1.0), until=12, solver=tight)
    for t, expected in ((4, 10 * math.exp(-0.8)), (7, 10 * math.exp(-1)), (11, 10 * math.exp(-3))):
        assert run.at(t)["a"] == pytest.approx(expected, rel=1e-8)
    assert [run.at(t)["k"] for t in (4, 7, 11)] == [0.2, 0.0, 1.0]
    assert run["k"][0] == 0.2 and run["k"][-1] == 1.0 and run["loss"][-1] == pytest.approx(run["a"][-1] * V)
    assert run.at(5.0, "before")["k"] == 0.2 and run.at(5.0, "after")["k"] == 0.0


def test_a_change_of_volume_before_a_bolus(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a", 5.0).change(5.0, V=10.0), until=5)
    assert run["a"][-1] == 10.0


def test_preculture_ends_in_the_models_own_medium():
    model = load_model("cell", "rpmi")
    run = simulate(model, preculture(model, 50), until=1.0)
    assert run.t[0] == -50
    start = run.at(0.0)
    for name in ("asn_e", "gln_e", "cytosol", "medium", "nh3_e"):
        assert start[name] == model.value(name)
    assert run.at(0.0, "before")["medium"] > 1e6
    assert run.at(0.0, "before")["gln_e"] == pytest.approx(model.value("gln_e"), rel=1e-3), "clamped: cells cannot change it"


def test_precondition_keeps_constants_and_takes_states():
    model = load_model("cell", "rpmi", "all_low_asns")
    ready = precondition(model, "5 d")
    assert all(ready.value(name) == model.value(name) for name in model.constants)
    run = simulate(model, preculture(model, "5 d"), until=0.0, times=[0.0])
    assert [ready.value(name) for name in model.states] == pytest.approx(run.x[-1].tolist(), rel=1e-3)
    with pytest.raises(ModelError, match="'asn_c' is not dissolved in the medium"):
        preculture(model, medium={"asn_c": 1.0})


# ---- reading a run -----------------------------------------------------------------------------------------------------
def test_at_between_rows_integrates_anew(one_compartment, tight):
    run = simulate(one_compartment, Regimen.single(100.0, "a", 3.0, duration=4.0), until=40, times=[20.0], solver=tight)
    for t in (3.7, 6.9, 11.1):
        expected = 100 / 4 / V / K * (1 - math.exp(-K * min(t - 3, 4))) * math.exp(-K * max(t - 7, 0))
        assert run.at(t)["a"] == pytest.approx(expected, rel=1e-7)
    with pytest.raises(ModelError, match="the run goes from 0 to 40 h"):
        run.at(41)
    with pytest.raises(ModelError, match="'before' or 'after'"):
        run.at(3, side="left")


def test_advance_lets_a_sample_wait(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a"), until=10)
    later = run.advance(2.0, "90 min", scale={"k": 3.0})
    assert later["a"] == pytest.approx(25 * math.exp(-K * 2 - 3 * K * 1.5), rel=1e-4)
    assert run.at(2.0)["k"] == K, "the run itself is untouched"
    with pytest.raises(ModelError, match="'a' is not a constant"):
        run.advance(2.0, 1.0, scale={"a": 2.0})


def test_a_sample_taken_during_an_infusion_gets_no_more_drug(one_compartment):
    """Was once wrong: the tube is infused too, because the input is carried along with the constants."""
    run = simulate(one_compartment, Regimen.single(100.0, "a", duration=10.0), until=20)
    taken = run.at(5.0)["a"]
    assert run.advance(5.0, 1.0)["a"] == pytest.approx(taken * math.exp(-K), rel=1e-4)


def test_volume_and_duration(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a"), until=40, times=np.linspace(0, 40, 4001))
    assert run.volume("V", 3.0) == 4.0
    assert run.duration(run["a"] > 5.0) == pytest.approx(math.log(5) / K, abs=0.01)
    assert run.duration(run["a"] > -1) == 40.0 and run.duration(run["a"] < -1) == 0.0
    cell = simulate(load_model("cell"), until=10)
    assert cell.volume("cytosol", 0.0) == load_model("cell").value("cytosol") < cell.volume("cytosol", 10)


def test_an_unknown_compartment_is_a_model_error(one_compartment):
    """Was once wrong: a bare KeyError."""
    with pytest.raises(ModelError, match="'VV'"):
        simulate(one_compartment, until=1).volume("VV", 0.0)


def test_reading_by_name(one_compartment):
    run = simulate(one_compartment, Regimen.single(100.0, "a"), until=10)
    assert run["loss"] == pytest.approx(K * V * run["a"]) and run.unit("a") == "U/L" and run.unit("loss") == "U / h"
    assert run.has("loss") and not run.has("lost") and set(run.names) == {"a", "k", "V", "loss", "time"}
    with pytest.raises(ModelError, match="'lost' is not a state, rule or flux.*did you mean 'loss'"):
        run["lost"]
    with pytest.raises(ValueError):
        run.x[0, 0] = 1.0
    with pytest.raises(ModelError, match="no sensitivities"):
        run.sensitivity("a")
    frame = run.to_pandas("a", "loss")
    assert frame.index.name == "time_h" and frame["a"].iloc[1] == 25.0 and frame.attrs["units"]["a"] == "U/L"


def test_csv_reads_back(one_compartment, tmp_path):
    from asnsim.tables import read_csv

    run = simulate(one_compartment, Regimen.single(100.0, "a"), until=10, times=[1.0])
    rows = read_csv(run.to_csv(tmp_path / "run.csv"))
    assert [row.number("a [U/L]") for row in rows] == run["a"].tolist()


def test_integration_error_carries_time_and_state():
    model = load_model("cell")
    with pytest.raises(IntegrationError, match="model 'cell': max_steps") as error:
        simulate(model, until=48, solver=NDF(max_steps=7))
    assert 0 < error.value.t < 48 and set(error.value.state) == set(model.states)
    assert error.value.state["asn_c"] > 0


def test_a_blow_up_is_reported_where_it_happens(numbers):
    """da/dt = k a^2 from 1 runs to infinity at t = 1/k = 2."""
    a, k, volume = symbols("a k V")
    module = Module("m", (Reaction("burst", "=> a", k * a**2 * volume),))
    table = numbers(a=(1.0, "umol/L"), k=(0.5, "L/umol/h"), V=(1.0, "L"))
    with pytest.raises(IntegrationError) as error:
        simulate(compose("m", [module], {"a": Species("a", "a", "V")}, table), until=5)
    assert error.value.t == pytest.approx(2.0, rel=1e-3) and error.value.state["a"] > 1e3


def test_manifest_says_how_to_make_it_again(one_compartment):
    run = simulate(one_compartment, until=1, solver=NDF(rtol=1e-7))
    assert run.manifest["rtol"] == 1e-7 and run.manifest["structure"] == one_compartment.structure and run.stats["steps"] > 0


# ---- sensitivities -----------------------------------------------------------------------------------------------------
def assert_like_differences(model, regimen, theta, names, times, h=3e-4):
    """Forward sensitivities against central differences of tight runs, both times the parameter's size.

    Allowed: 1e-4 of the largest sensitivity (truncation, h^2) and 2e-6 of the state (noise of the runs, rtol/h).
    """
    solver = NDF(rtol=1e-10)
    run = simulate(model, regimen, until=times[-1], times=times, theta=theta, solver=solver)
    rows = [int(np.flatnonzero(run.t == t)[-1]) for t in times]
    for j, name in enumerate(theta):
        step = h * (abs(model.value(name)) or 1.0)
        up, down = (simulate(model.with_parameters({name: model.value(name) + s}), regimen, until=times[-1], times=times, solver=solver)
                    for s in (step, -step))  # fmt: skip
        for state in names:
            found = run.sensitivity(state)[rows, j] * step / h
            want = (up[state][rows] - down[state][rows]) / (2 * h)
            allowed = 1e-4 * np.abs(want).max() + 2e-6 * np.abs(run[state]).max()
            np.testing.assert_allclose(found, want, rtol=0, atol=allowed, err_msg=f"d {state} / d {name}")


def test_sensitivities_of_teaching():
    model = load_model("teaching", "teaching_all")
    theta = ("Vmax_uptake", "asns_basal", "n_atf4_asn", "medium", "k_asnase_decay", "asn_c", "asns", "cytosol", "asnase_e", "mu_max")
    regimen = Regimen.single("30 U", "asnase_e", 5.0) + Regimen.single("20 U", "asnase_e", 10.0, duration=4.0)
    model = model.with_parameters(asnase_e=2.0, medium=0.5)
    assert_like_differences(model, regimen, theta, ("asn_e", "asn_c", "asns", "cytosol", "asnase_e"), [3.0, 5.0, 12.0, 48.0])


def test_sensitivities_of_cell():
    """Volumes at a bolus included: medium is a constant, cytosol a state."""
    model = load_model("cell", "rpmi", "solid_143b")
    theta = ("kcat_asns", "Vmax_snat2", "Ki_asns_asn", "asns_induction", "n_mtor", "medium", "asn_c", "gln_e", "cytosol", "umol_per_unit_hour")
    regimen = Regimen.single("0.05 U", "asnase_e", 2.0) + Regimen.single("1 umol", "asn_e", 12.0) + Regimen.single("1 nmol", "ser_c", 14.0)
    assert_like_differences(model, regimen, theta, ("asn_e", "asn_c", "asns", "s6kp", "cytosol", "ser_c"), [2.0, 6.0, 12.0, 24.0])


def test_sensitivity_to_a_volume_at_a_bolus(one_compartment, tight):
    """C = D/V exp(-k t): dC/dV = -C/V. And to a rule's constants, where the volume is a rule."""
    run = simulate(one_compartment, Regimen.single(100.0, "a", 1.0), until=5, times=[5.0], theta=("V", "k", "a"), solver=tight)
    C = 25 * math.exp(-K * 4)
    assert run.sensitivity("a")[-1] == pytest.approx([-C / V, -4 * C, math.exp(-K * 5)], rel=1e-7)
    dosing = load_model("dosing")
    run = simulate(dosing, Regimen.single("100 umol", "asn_p", 1.0), until=1.0, times=[1.0], theta=("weight",), solver=tight)
    plasma, share = dosing.value("plasma_volume_per_kg") * dosing.value("weight"), dosing.value("plasma_volume_per_kg")
    jump = run.sensitivity("asn_p")[-1, 0] - run.sensitivity("asn_p")[-2, 0]
    assert jump == pytest.approx(-100 / plasma**2 * share, rel=1e-9)


def test_sensitivities_of_states_that_are_set(one_compartment, tight):
    run = simulate(one_compartment.with_parameters(a=10.0), Regimen().change(5.0, a=7.0), until=8, times=[8.0], theta=("a", "k"), solver=tight)
    assert run.sensitivity("a")[-1] == pytest.approx([0.0, -3 * 7 * math.exp(-0.6)], rel=1e-7)


def test_a_constant_that_was_changed_no_longer_depends_on_theta(one_compartment, tight):
    """Was once wrong: after the change the constant is a given number, but its derivative is still counted."""
    regimen = Regimen().change(5.0, k=0.3)
    run = simulate(one_compartment.with_parameters(a=10.0), regimen, until=8, times=[8.0], theta=("k",), solver=tight)
    assert run.sensitivity("a")[-1, 0] == pytest.approx(-5 * 10 * math.exp(-1.0 - 0.9), rel=1e-6)


def test_a_dose_per_square_metre_depends_on_bsa(tight):
    """Was once wrong: the amount given is 2500 bsa, but its derivative by bsa is left out."""
    run = simulate(load_model("dosing"), Regimen.single("2500 U/m^2", "peg_1"), until=0.0, theta=("bsa",), solver=tight)
    assert run.sensitivity("peg_1")[-1, 0] == pytest.approx(2500.0)


def test_sensitivities_leave_the_states_as_they_are():
    model = load_model("cell", "rpmi")
    plain, with_theta = (simulate(model, until=24, times=[24.0], theta=theta, solver=NDF(rtol=1e-8)) for theta in ((), ("kcat_asns",)))
    np.testing.assert_allclose(plain.x[-1], with_theta.x[-1], rtol=1e-5, atol=1e-9)


# ---- conserved moieties --------------------------------------------------------------------------------------------------
def test_conserved_moieties_of_a_cycle(numbers, tight):
    from asnsim.equations import build_equations

    a, b, c, k, volume = symbols("a b c k V")
    module = Module("m", (Reaction("join", "a + 2 b -> c", k * (a - c) * volume),))
    species = {name: Species(name, name, "V") for name in "abc"}
    table = numbers(a=(5.0, "umol/L"), b=(20.0, "umol/L"), c=(1.0, "umol/L"), k=(0.7, "1/h"), V=(2.0, "L"))
    model = compose("m", [module], species, table)
    moieties = build_equations(model).conserved()
    assert len(moieties) == 2
    run = simulate(model, until=20, solver=tight)
    for weights in moieties:
        total = sum(w * run[name] for name, w in weights.items())
        np.testing.assert_allclose(total, total[0], rtol=1e-12)


def test_cell_has_no_moiety_of_its_own():
    """Every atom of the open cell model can leave; the sealed antiporters keep each amino acid."""
    from asnsim.equations import build_equations

    parameters = load_model("cell").parameters
    sealed = compose("sealed", [MODULES["asct2"]()], load_species(), parameters)
    moieties = build_equations(sealed).conserved()
    assert len(moieties) == 4, "Asn, Gln, Ser over both sides, and what stands outside"
    run = simulate(sealed, until=50, solver=NDF(rtol=1e-9))
    volume = {"c": run["cytosol"], "e": run["medium"]}
    for weights in moieties:
        total = sum(w * run[name] * volume[name[-1]] for name, w in weights.items())
        size = sum(abs(w) * run[name] * volume[name[-1]] for name, w in weights.items())
        assert np.abs(total - total[0]).max() <= 1e-10 * size.max()


@pytest.mark.parametrize("solver", [NDF, "NDF", 1e-6])
def test_what_is_no_solver_is_refused(solver):
    with pytest.raises(ModelError, match="the solver is .*; give one such as NDF"):
        simulate(load_model("teaching"), until=1.0, solver=solver)


def test_one_output_time_may_be_a_number_or_a_text():
    model = load_model("teaching")
    for times in (6.0, "6 h", [6.0]):
        assert 6.0 in simulate(model, until=10.0, times=times).t

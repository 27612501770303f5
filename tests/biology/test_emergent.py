"""What must emerge from the equations (model.md section 7), tested as signs and orders so that recalibration does not break it."""

import numpy as np
import pytest

from asnsim.culture import precondition
from asnsim.dosing import Regimen
from asnsim.library import load_model
from asnsim.simulation import simulate


def fold(run, name="cells"):
    return run[name][-1] / run[name][0]


def uptake(run, amino_acid):
    """Net transport into cells at every time, umol/h per L of cell water; what dying cells release is no transport."""
    total = 0.0
    for reaction in run.model.reactions:
        inside, outside = (reaction.stoichiometry.get(f"{amino_acid}_{side}", 0.0) for side in "ce")
        if inside and outside and not reaction.id.endswith("_release"):
            total = total + inside * run[reaction.id]
    return total / run["cytosol"]


# ---- asparaginase kills cells that cannot make asparagine -----------------------------------------------------------------
def test_teaching_low_dies_high_lives_under_one_dose():
    runs = {}
    for name, overlays in (("low", ("teaching_all",)), ("high", ())):
        model = load_model("teaching", *overlays)
        runs[name] = simulate(model, Regimen.single("1000 U", "asnase_e"), until="10 d")
        assert runs[name].at(0.0)["asnase_e"] == 1000.0
        assert fold(simulate(model, until="10 d")) > 10, "both grow without the drug"
    assert fold(runs["low"]) < 0.5 and fold(runs["high"]) > 10
    assert runs["low"]["asns"].max() > 3 * runs["low"]["asns"][0], "ASNS is induced, and it is not enough"
    assert runs["low"]["asn_c"].min() < 0.1 * runs["high"]["asn_c"].min()


@pytest.fixture(scope="module")
def lines():
    return {name: precondition(load_model("cell", "rpmi", name)) for name in ("all_low_asns", "solid_143b")}


def test_cell_low_dies_high_lives_under_one_dose(lines):
    """100 U/L, the clinical threshold, for five days in RPMI."""
    dose = Regimen.single("0.2 U", "asnase_e")
    low, high = (simulate(lines[name], dose, until="5 d") for name in ("all_low_asns", "solid_143b"))
    assert low.at(0.0)["asnase_e"] == pytest.approx(100.0)
    assert fold(low) < 0.6 and low["death_rate"].max() > low["growth_rate"][-1]
    assert fold(high) > 1.2
    assert fold(simulate(lines["all_low_asns"], until="5 d")) > 5
    for run in (low, high):
        assert run["asns_mrna"].max() > 1.5 * run["asns_mrna"][0], "both answer"
        assert run["asn_e"][(run.t > 1)].max() < 20.0, "medium Asn is gone within the hour"


def test_low_cells_with_more_asns_become_resistant(lines):
    """ASNS copies x 30 rescue (transduced cells of V24)."""
    low = lines["all_low_asns"]
    more = precondition(load_model("cell", "rpmi", "all_low_asns").with_parameters(asns_abundance=30 * low.value("asns_abundance")))
    dose = Regimen.single("0.2 U", "asnase_e")
    assert fold(simulate(more, dose, until="5 d")) > 3 * fold(simulate(low, dose, until="5 d"))


def test_patient_low_dies_high_lives_after_one_dose_of_pegaspargase():
    runs = {}
    for name in ("all_low_asns", "solid_143b"):
        model = load_model("dosing", "pegaspargase", name)
        runs[name] = simulate(model, Regimen.single("2500 U/m^2", "peg_1"), until="14 d")
        assert fold(simulate(model, until="14 d")) > 5
    low, high = runs["all_low_asns"], runs["solid_143b"]
    assert fold(low) < 0.3 and fold(high) > 1.0
    assert low["asnase_p"].max() > 500 and low["asnase_p"][-1] > 100, "two weeks above 100 U/L"
    depleted = low["asn_p"] < 1.0
    assert low.duration(depleted) > 13 * 24
    assert low["asn_csf"].min() < 0.5 * low["asn_csf"][0]


def test_plasma_without_drug_stands_still():
    run = simulate(load_model("dosing"), until="10 d")
    for name in ("asn_i", "gln_i"):
        assert run[name][-1] == pytest.approx(load_model("dosing").value(name), rel=1e-3)


@pytest.mark.parametrize("name", ["asn_p", "gln_p", "asn_csf"])
def test_plasma_starts_at_its_own_steady_state(name):
    """Was once wrong: with part of Ra appearing in plasma, asn_p drifts from 45 to 49.5, gln_p from 550 to 595, CSF with them."""
    for recipe in ("dosing", "body_pk", "patient"):
        run = simulate(load_model(recipe), until="10 d")
        assert run[name][-1] == pytest.approx(run[name][0], rel=0.02), recipe


def test_the_liver_follows_weight():
    heavy = simulate(load_model("patient").with_parameters(weight=70.0), until="10 d")
    assert heavy["asn_p"][-1] == pytest.approx(heavy["asn_p"][0], rel=0.01)


def test_plasma_in_a_tube_has_no_flows():
    """FAILS AT 9098cc6: the tissue baseline divides Ra by PS, so stopping both flows gives 0/0."""
    run = simulate(load_model("dosing"), until=1.0)
    waited = run.advance(1.0, 0.5, scale={"Ra_asn": 0.0, "Ra_gln": 0.0, "PS_plasma_tissue": 0.0})
    assert waited["asn_p"] == pytest.approx(run.at(1.0)["asn_p"], rel=1e-6)


# ---- amino acid response --------------------------------------------------------------------------------------------------
def test_without_gcn2_atf4_asns_is_not_induced():
    """And survival under the drug is worse (V45)."""
    dose, runs = Regimen.single("2 U", "asnase_e"), {}
    for word, without in (("with", ()), ("without", ("gcn2_atf4",))):
        model = precondition(load_model("cell", "solid_143b", "dmem", without=without).with_parameters(asn_e=1000.0))
        runs[word] = simulate(model, dose, until="48 h")
    assert fold(runs["with"], "asns") > 1.15 and runs["with"]["asns_mrna"].max() > 2 * runs["with"]["asns_mrna"][0]
    np.testing.assert_array_equal(runs["without"]["asns"], runs["without"]["asns"][0])
    assert not runs["without"].has("asns_mrna")
    assert fold(runs["with"]) > fold(runs["without"])


def test_teaching_without_the_response():
    model = load_model("teaching", "teaching_all", without="teaching_response")
    run = simulate(model, Regimen.single("1000 U", "asnase_e"), until="5 d")
    assert "asns" in model.constants and np.ptp(run["asns"]) == 0.0
    assert fold(run) < fold(simulate(load_model("teaching", "teaching_all"), Regimen.single("1000 U", "asnase_e"), until="5 d"))


def test_low_aspartate_lowers_asparagine_and_raises_atf4():
    """A block of the ETC (V14, V17): Asn falls with Asp, ATF4 rises, Asn in the medium calms it."""
    fed = precondition(load_model("cell", "solid_143b", "dmem"))
    blocked = simulate(fed, Regimen().change(0.0, etc_activity=0.08), until=24)
    assert blocked["asp_c"][-1] < 0.3 * blocked["asp_c"][0] and blocked["asn_c"][-1] < 0.5 * blocked["asn_c"][0]
    assert blocked["atf4"][-1] > 1.5 * blocked["atf4"][0]
    rescued = simulate(fed, Regimen().change(0.0, etc_activity=0.08, asn_e=1000.0), until=24)
    assert rescued["atf4"][-1] < 0.8 * blocked["atf4"][-1]


def test_other_eif2_kinases_are_not_calmed_by_asparagine():
    """Stress through the kinase input (HRI arm) raises ATF4 in fed cells too."""
    fed = precondition(load_model("cell", "solid_143b", "dmem").with_parameters(asn_e=1000.0))
    stressed = simulate(fed, Regimen().change(0.0, eif2_kinase_input=1.0), until=12)
    assert stressed["atf4"].max() > 2 * stressed["atf4"][0]
    assert stressed["asns_mrna"][-1] > stressed["asns_mrna"][0]


def test_mtor_inhibition_lowers_atf4_and_asns_message():
    fed = precondition(load_model("cell", "solid_143b", "dmem"))
    run = simulate(fed, Regimen().change(0.0, mtor_kinase_activity=0.1), until=12)
    control = simulate(fed, until=12)
    assert run["s6kp"][-1] < 0.3 * control["s6kp"][-1] and run["asn_translation"][-1] < control["asn_translation"][-1]
    assert run["atf4_mrna"][-1] < control["atf4_mrna"][-1]


# ---- asparagine outside ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def step():
    """143B used to 1 mM Asn, kept in it or moved to medium without, six hours (V20)."""
    used = precondition(load_model("cell", "solid_143b", "dmem").with_parameters(asn_e=1000.0))
    return simulate(used, until=6.0), simulate(used.with_parameters(asn_e=0.0), until=6.0)


@pytest.mark.parametrize("amino_acid", ["ser", "arg", "his"])
def test_asn_free_medium_lowers_uptake(step, amino_acid):
    fed, free = step
    assert 0 < uptake(free, amino_acid)[-1] < uptake(fed, amino_acid)[-1]
    lost = [run[f"{amino_acid}_e"][0] - run[f"{amino_acid}_e"][-1] for run in (fed, free)]
    assert 0 < lost[1] < lost[0], "the medium shows it too"


def test_asn_free_medium_lowers_s6k_and_protein_synthesis(step):
    fed, free = step
    assert free["s6kp"][-1] < fed["s6kp"][-1]
    assert free["asn_translation"][-1] < fed["asn_translation"][-1]
    assert free["eif2p"][-1] > fed["eif2p"][-1] and free["atf4"][-1] > fed["atf4"][-1]


@pytest.mark.parametrize("amino_acid", ["ser", "arg", "his"])
def test_uptake_is_lower_in_the_long_run_too(amino_acid):
    """Clamped steady states in 1 mM and in none."""
    rates = []
    for asn in (1000.0, 0.0):
        model = precondition(load_model("cell", "solid_143b", "dmem").with_parameters(asn_e=asn))
        rates.append(uptake(simulate(model, until=0.01), amino_acid)[0])
    assert rates[1] < rates[0]


def test_one_mM_fills_the_pool_a_hundredfold(step):
    fed, free = step
    assert fed["asn_c"][-1] > 50 * free["asn_c"][-1] and 2e3 < fed["asn_c"][-1] < 3e4


def test_asparagine_leaves_in_exchange(step):
    """Into Asn-free medium Asn comes out of loaded cells while ASCT2 takes serine in."""
    _, free = step
    early = free.at(0.05)
    assert uptake(free, "asn")[1] < 0 and early["asct2_asn_ser"] < 0


def test_uptake_counts_transport_only(step):
    """The helper: uptake and release together account for what the medium of serine loses."""
    fed, _ = step
    release = fed["ser_release"]
    loss = np.trapezoid(uptake(fed, "ser") * fed["cytosol"] - release, fed.t)
    assert loss == pytest.approx((fed["ser_e"][0] - fed["ser_e"][-1]) * fed["medium"][0], rel=1e-3)


# ---- asparaginase in the dish ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("activity", "low", "high"), [(1000.0, 0.3, 1.0), (10.0, 35.0, 60.0)])
def test_one_unit_per_ml_empties_rpmi_in_half_a_minute(activity, low, high):
    """Own arithmetic of model.md 7.4: 0.47 min at 1 U/mL, 47 min at 0.01 U/mL, to below 1 umol/L."""
    model = load_model("cell", "rpmi").with_parameters(cytosol=1e-12)
    run = simulate(model.with_parameters(asnase_e=activity), until=2.0, times=np.linspace(0, 2, 7201))
    minutes = 60 * run.t[np.argmax(run["asn_e"] < 1.0)]
    assert low < minutes < high


def test_glutaminase_matters_where_asns_matters(lines):
    """Without the 2 % of glutaminase activity ASNS-high cells do better; ASNS-low ones die either way."""
    dose = Regimen.single("2 U", "asnase_e")
    gain = {}
    for name, model in lines.items():
        with_gln, pure = (simulate(m, dose, until="4 d") for m in (model, model.with_parameters(glutaminase_share=0.0)))
        gain[name] = fold(pure) / fold(with_gln)
        assert pure["gln_e"][240] > with_gln["gln_e"][240]
    assert gain["solid_143b"] > 1.05

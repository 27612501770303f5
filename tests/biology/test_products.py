"""Products other than pegaspargase, antibodies, the sample tube, and the published experiments on drug and plasma."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from asnsim import NDF, Regimen, load_model, simulate
from asnsim.exposure import half_life, hydrolysed_in_tube
from asnsim.library import read_overlay, read_parameters
from asnsim.population import Children
from asnsim.protocols import body

TIGHT = NDF(rtol=1e-9)
#: Overlays, and the states a dose may go into.
PRODUCTS = {
    "native_ecoli": ("asnase_depot", "asnase_central"),
    "recombinant_ecoli": ("asnase_central",),
    "crisantaspase": ("asnase_central",),
    "calaspargase": ("asnase_central",),
    "rylaze": ("asnase_site",),
}
CASES = [(product, into) for product, places in PRODUCTS.items() for into in places]


def drug_states(model):
    return [name for name in model.states if name.startswith("asnase_")]


@pytest.mark.parametrize(("product", "into"), CASES)
@pytest.mark.parametrize("antibodies", [(), ("antibodies",)])
def test_what_was_given_is_in_the_body_or_cleared(product, into, antibodies):
    model = load_model("body_pk", product, *antibodies)
    run = simulate(model, Regimen.repeat("2500 U/m^2", into, "3 d", 2, start="1 h"), until="20 d", solver=TIGHT)
    given = 2500.0 * ((run.t > 1).astype(float) + (run.t > 73))
    total = sum(run[name] for name in drug_states(model))
    away = ~np.isin(run.t, (1.0, 73.0))
    np.testing.assert_allclose(total[away], given[away], rtol=1e-7, atol=1e-3)
    assert run["asnase_cleared"][-1] > 0.98 * 5000 or product == "calaspargase"


def two_exponentials(model, dose, t):
    """Textbook: D/V1 ((a - k21) exp(-a t) + (k21 - b) exp(-b t))/(a - b)."""
    scale = {of: (model.value("weight") / 70) ** power for of, power in (("CL", 0.75), ("V", 1))}
    V1, V2 = (model.value(f"asnase_{v}_reference") * scale["V"] for v in ("V1", "V2"))
    CL, Q = (model.value(f"asnase_{v}_reference") * scale["CL"] for v in ("CL", "Q"))
    k10, k12, k21 = CL / V1, Q / V1, Q / V2
    middle = (k10 + k12 + k21) / 2
    a, b = middle + math.sqrt(middle**2 - k10 * k21), middle - math.sqrt(middle**2 - k10 * k21)
    return dose / V1 * ((a - k21) * np.exp(-a * t) + (k21 - b) * np.exp(-b * t)) / (a - b)


@pytest.mark.parametrize("weight", [12.0, 28.0])
def test_two_compartments_are_two_exponentials(weight):
    model = load_model("body_pk", "native_ecoli").with_parameters(weight=weight)
    run = simulate(model, Regimen.single(5000.0, "asnase_central"), until="5 d", solver=TIGHT)
    expected = two_exponentials(model, 5000.0, run.t)[1:]
    np.testing.assert_allclose(run["asnase_p"][1:], expected, rtol=1e-6, atol=1e-6 * expected[0])


def test_intramuscular_absorption_slower_than_elimination_sets_the_half_life():
    model = load_model("body_pk", "native_ecoli").with_parameters(asnase_Q_reference=0.0, asnase_ka=0.01, asnase_CL_reference=0.3)
    run = simulate(model, Regimen.single(6000.0, "asnase_depot"), until="10 d", solver=TIGHT)
    k_a, F = model.value("asnase_ka"), model.value("asnase_F_im")
    V, k = run["asnase_V1"][0], run["asnase_CL"][0] / run["asnase_V1"][0]
    assert k > 5 * k_a
    expected = F * 6000 * k_a / (V * (k_a - k)) * (np.exp(-k * run.t) - np.exp(-k_a * run.t))
    np.testing.assert_allclose(run["asnase_p"], expected, rtol=1e-6, atol=1e-6 * expected.max())
    assert half_life(run.t / 24, run["asnase_p"], 4, 10) == pytest.approx(math.log(2) / k_a / 24, rel=1e-3)


def test_rylaze_releases_at_a_constant_rate_and_absorbs_its_share():
    model = load_model("body_pk", "rylaze").with_parameters(bsa=1.2)
    F, R1, k_a = (model.value(f"asnase_{name}") for name in ("F_im", "R1", "ka"))
    dose, V, CL = 20000.0, 0.445, 0.146
    last = F * dose / R1  # h
    times = np.unique([*np.arange(0, 480, 0.5), last])
    run = simulate(model, Regimen.single(dose, "asnase_site"), until=times[-1], times=times, solver=TIGHT)
    absorbed = np.trapezoid(run["asnase_p"] * run["asnase_CL"], run.t)
    assert absorbed == pytest.approx(F * dose, rel=1e-3)

    def rates(t, y):
        return [R1 * (t < last) - k_a * y[0], k_a * y[0] - CL / V * y[1]]

    sharp = solve_ivp(rates, (0, 96), [0.0, 0.0], max_step=0.05, rtol=1e-8, atol=1e-6, dense_output=True)
    for t in (2.0, last, 10.0, 48.0, 96.0):
        assert run.at(t)["asnase_p"] == pytest.approx(sharp.sol(t)[1] / V, rel=0.005)


@pytest.mark.parametrize(("who", "factor"), [({}, 1.0), ({"black": 1.0}, 0.674), ({"t_all": 1.0}, 0.771)])
def test_covariates_of_rylaze(who, factor):
    model = load_model("body_pk", "rylaze").with_parameters(bsa=1.2, **who)
    assert simulate(model, until=1.0)["asnase_CL"][0] == pytest.approx(0.146 * factor)


@pytest.mark.parametrize(
    ("product", "into", "clearance"),
    [
        ("pegaspargase", "peg_1", "peg_CL"),
        ("calaspargase", "asnase_central", "asnase_CL"),
        ("rylaze", "asnase_site", "asnase_CL"),
    ],
)
def test_antibodies_raise_clearance_after_their_onset(product, into, clearance):
    model = load_model("body_pk", product, "antibodies")
    run = simulate(model, Regimen.single("2500 U/m^2", into), until="21 d", times=np.arange(0.0, 505.0, 1.0))
    fold = run[clearance] / run[clearance][0]
    after = run.at("7 d")["ada"]
    assert after == pytest.approx(0.5, abs=1e-3)
    assert fold[24] < 1.01 and fold[-1] == pytest.approx(5, rel=1e-3)
    alone = simulate(load_model("body_pk", product), Regimen.single("2500 U/m^2", into), until="21 d")
    assert run["asnase_p"][-1] < 0.2 * alone["asnase_p"][-1]


def test_pegaspargase_stays_positive_in_the_smallest_and_is_as_published_above():
    model = load_model("body_pk", "pegaspargase")
    sizes = np.array([0.01, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0])
    found = np.array(
        [[simulate(model.with_parameters(bsa=b), until=0.1)[n][0] for n in ("peg_V", "peg_CL", "peg_Q")] for b in sizes]
    )
    assert (found > 0).all() and (np.diff(found, axis=0) > 0).all()
    np.testing.assert_allclose(found[5:, 0], 1.3351 * (1 + 1.56 * (sizes[5:] - 0.79)), rtol=1e-12)


@pytest.mark.parametrize("recipe", ["body_pk", "dosing"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_every_product_loads_with_its_own_enzyme(recipe, product):
    model = load_model(recipe, product)
    assert read_overlay(product).without == ("pegaspargase",)
    assert not any(name.startswith("peg_") for name in model.parameters)
    assert model.value("Km_asnase_asn") == (50 if product in ("crisantaspase", "rylaze") else 15)
    unused = set(read_parameters(product)) - set(model.parameters)
    assert not unused


def test_label_of_calaspargase():
    found = body.v33(load_model)
    expected = {"Cmax": 1.62, "AUC_25": 16.9, "AUC": 25.5, "half_life": 16.1}
    assert found == pytest.approx(expected, rel=0.05)


def test_tube_is_the_integrated_rate_law():
    times, Km, activity = (0.5, 2.0), 15.0, 20.0
    exact = solve_ivp(lambda t, y: -activity * y / (Km + y), (0, 2), [40.0], t_eval=times, rtol=1e-10, atol=1e-12)
    for minutes, left in zip(times, exact.y[0], strict=True):
        assert hydrolysed_in_tube(40.0, activity, minutes, Km) == pytest.approx(left, rel=1e-7)
    assert hydrolysed_in_tube([0.0, 1e4], 0.0, 2.0, Km) == pytest.approx([0.0, 1e4])
    assert 0 <= hydrolysed_in_tube(45.0, 2000.0, 2.0, Km) < 1e-30


def test_children_are_of_a_plausible_size():
    group = Children().draw(200, np.random.default_rng(3))
    assert np.median(group["age"]) == pytest.approx(5.7, rel=0.02) and group["female"].mean() == 0.5
    assert (group["bsa"] > 0.4).all() and (group["bsa"] < 2.2).all()


@pytest.mark.parametrize("row", [name for name in body.__all__ if name.startswith("v")])
def test_protocols_return_numbers(row):
    found = getattr(body, row)(load_model)
    assert found and all(math.isfinite(value) for value in found.values())


def test_antibodies_raise_clearance_and_csf_asparagine():
    found = body.v44(load_model)
    assert found["clearance_ratio"] > 1.2 and found["csf_ratio"] > 1.2


@pytest.mark.parametrize("asn", [1e-3, 0.1, 1.0, 15.0, 45.0, 200.0, 1e4])
def test_the_rule_of_the_tube_is_the_closed_form(asn):
    model = load_model("body_pk", "pegaspargase")
    for units in (0.0, 1.0, 20.0, 100.0, 2000.0):
        at = simulate(model.with_parameters(asn_p=asn, peg_1=units), until=0.0).at(0.0)
        exact = hydrolysed_in_tube(asn, at["asnase_p"], 60 * model.value("tube_minutes"), model.value("Km_asnase_asn"))
        assert at["asn_measured"] == pytest.approx(exact, rel=3e-6, abs=1e-12)

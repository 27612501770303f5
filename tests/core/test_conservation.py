"""Conservation laws of model.md section 5, with the integrals made by counters composed into a copy of the recipe."""

import numpy as np
import pytest
import sympy

from asnsim.biology import MODULES
from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.library import load_model, load_species
from asnsim.network import Module
from asnsim.simulation import simulate
from asnsim.solvers import NDF

TIGHT = NDF(rtol=1e-11)
#: Counters start here, not at 0: a state of 1 pmol is counted to a billionth of it.
START = 1e-6
DRUG = {
    None: Regimen(),
    "bolus": Regimen.single("0.2 U", "asnase_e", 5.0),
    "infusion": Regimen.single("0.2 U", "asnase_e", 5.0, duration=6.0),
}


def counted(model, fluxes, numbers):
    """A copy of the model whose states `count_x` integrate the given amounts per time, umol."""
    counter = Module("counter", (), {}, {f"count_{name}": flux for name, flux in fluxes.items()})
    table = dict(model.parameters) | numbers(**{f"count_{name}": (START, "umol") for name in fluxes})
    return compose(model.name + "_counted", [*model.modules, counter], load_species(), table)


def amount(run, names):
    """Total amount of some species, umol (each weighted if `names` maps to a weight)."""
    weights = names if isinstance(names, dict) else dict.fromkeys(names, 1.0)
    return sum(w * run[name] * run[run.model.species[name].compartment] for name, w in weights.items())


def count(run, name):
    return run[f"count_{name}"] - START


def rate(model, reaction):
    return next(r.rate for r in model.reactions if r.id == reaction)


def assert_constant(total, size, tolerance=1e-8):
    np.testing.assert_allclose(total, total[0], rtol=0, atol=tolerance * np.abs(size).max())


@pytest.mark.parametrize("drug", DRUG)
@pytest.mark.parametrize("line", ["solid_143b", "all_low_asns"])
def test_asparagine_residues_of_cell(line, drug, numbers):
    model = load_model("cell", "rpmi", line)
    model = counted(model, {name: rate(model, name) for name in ("asns_flux", "asnase_asn")}, numbers)
    run = simulate(model, DRUG[drug], until=48, solver=TIGHT)
    residues = amount(run, ("asn_e", "asn_c", "trna_asn", "protein", "protein_e"))
    made, hydrolysed = count(run, "asns_flux"), count(run, "asnase_asn")
    assert_constant(residues - made + hydrolysed, residues)
    assert made[-1] > 0 and (hydrolysed[-1] > 0.01 * residues[0]) == (drug is not None)
    assert np.ptp(residues) > 1e-3 * residues[0], "the terms that cancel are not small"


@pytest.mark.parametrize("drug", DRUG)
def test_asparagine_of_teaching(drug, numbers):
    model = load_model("teaching").with_parameters(cytosol=1e-4)
    flows = ("asn_supply_flux", "asn_use", "asnase_asn", "asns_flux", "protein_use")
    model = counted(model, {name: rate(model, name) for name in flows}, numbers)
    run = simulate(model, DRUG[drug], until=48, solver=TIGHT)
    supply, use, hydrolysed, made, protein = (count(run, name) for name in flows)
    held = amount(run, ("asn_e", "asn_c"))
    assert_constant(held - supply + use + hydrolysed - made + protein, supply)


@pytest.mark.parametrize("drug", DRUG)
@pytest.mark.parametrize("element", ["carbon", "nitrogen"])
@pytest.mark.parametrize("recipe", ["cell", "teaching"])
def test_atoms(recipe, element, drug, numbers):
    """Atoms in all species = atoms at the start + what boundary species brought in."""
    model = load_model(recipe)
    species, inflow = model.species, sympy.Integer(0)
    for reaction in model.reactions:
        left, right = reaction.sides
        brought = sum(n * getattr(species[s], element) for n, s, b in left if b) - sum(n * getattr(species[s], element) for n, s, b in right if b)
        inflow += brought * reaction.rate
    model = counted(model, {element: inflow}, numbers)
    run = simulate(model, DRUG[drug], until=48, solver=TIGHT)
    atoms = amount(run, {name: getattr(species[name], element) for name in model.states if name in species})
    assert_constant(atoms - count(run, element), atoms)
    assert np.abs(count(run, element)).max() > 1e-6 * atoms[0]


def test_amide_nitrogen_outside(numbers):
    """Gln and Asn amide and NH3 of a medium without cells: the enzyme moves it, nothing else does."""
    model = load_model("cell", "rpmi")
    cut = compose("medium", [m for m in model.modules if m.name in ("asparaginase_hydrolysis", "asparaginase_decay")], load_species(), model.parameters)
    run = simulate(cut, Regimen.single("2 U", "asnase_e"), until=24, solver=TIGHT)
    for pool in (("asn_e", "gln_e", "nh3_e"), ("asn_e", "asp_e"), ("gln_e", "glu_e")):
        assert_constant(sum(run[name] for name in pool), run["gln_e"], 1e-12)
    assert run["nh3_e"][-1] > 380


def test_drug_in_culture(numbers):
    model = load_model("cell", "rpmi")
    counter = Module("counter", (), {}, {"lost": rate(model, "asnase_loss")})
    model = compose("m", [*model.modules, counter], load_species(), dict(model.parameters) | numbers(lost=(0.0, "U")))
    run = simulate(model, Regimen.repeat("2 U", "asnase_e", every=12, times=3), until=48, times=[36.0], solver=TIGHT)
    assert amount(run, ["asnase_e"])[-1] + run["lost"][-1] == pytest.approx(6.0, rel=1e-8)


@pytest.mark.parametrize(("into", "how"), [("peg_1", {}), ("peg_1", {"duration": "1 h"}), ("peg_depot", {})])
def test_pegaspargase_is_all_accounted_for(into, how):
    model = load_model("dosing")
    peg = compose("peg", [m for m in model.modules if m.name == "pegaspargase"], load_species(), model.parameters)
    regimen = Regimen.repeat("2500 U/m^2", into, every="14 d", times=2, **how).change("14 d", peg_CL_occasion=-0.11, peg_V_occasion=-0.159)
    run = simulate(peg, regimen, until="60 d", solver=NDF(rtol=1e-9))
    total = sum(run[f"peg_{i}"] for i in range(1, 15)) + run["peg_depot"] + run["peg_cleared"]
    given = 2500.0 * model.value("bsa") * (1 + (run.t >= 336))
    between = ((run.t > 1) & (run.t < 336)) | (run.t > 337)
    np.testing.assert_allclose(total[between], given[between], rtol=1e-8)
    assert run["peg_cleared"][-1] > 0.9 * given[-1]
    assert np.all(np.diff(run["peg_cleared"]) >= -1e-6)


def test_zero_flux_limit_of_a_sealed_symporter():
    """Only SNAT2 left: A_c/A_e comes to 91.4 whatever was inside."""
    model = load_model("cell", without=("mtorc1", "gcn2_atf4"))
    for inside in (0.0, 5e4):
        sealed = compose("sealed", [MODULES["snat2"]()], load_species(), model.parameters)
        others = {f"{aa}_{side}": 0.0 for aa in ("gln", "ser", "his") for side in "ec"}
        sealed = sealed.with_parameters(others, asn_e=300.0, asn_c=inside, cytosol=1e-5)
        run = simulate(sealed, until=1000, solver=NDF(rtol=1e-9))
        assert run["asn_c"][-1] / run["asn_e"][-1] == pytest.approx(model.value("symport_ratio"), rel=1e-6)
        assert run["asn_c"][0] / run["asn_e"][0] == inside / 300.0
        total = amount(run, ("asn_e", "asn_c"))
        assert_constant(total, total, 1e-11)


@pytest.mark.parametrize("name", ["asct2", "lat1", "ylat2"])
def test_sealed_antiporters_run_to_the_predicted_gradient(name):
    """One common gradient for all substrates (y+LAT2: neutral ones by the sodium ratio above arginine's)."""
    model = load_model("cell", without="mtorc1")
    sealed = compose("sealed", [MODULES[name]()], load_species(), dict(model.parameters)).with_parameters(medium=1e-5)
    sealed = sealed.with_parameters({n: 1e5 for n in sealed.constants if n == f"Vmax_{name}"})
    run = simulate(sealed.with_parameters(asn_e=300.0), until=4000, times=[4000.0], solver=NDF(rtol=1e-9))
    pools = sorted({n[:-2] for n in sealed.states})
    gradient = {aa: run[f"{aa}_c"][-1] / run[f"{aa}_e"][-1] for aa in pools}
    if name == "ylat2":
        gradient["arg"] *= model.value("sodium_ratio")
    assert list(gradient.values()) == pytest.approx([gradient[pools[0]]] * len(pools), rel=1e-5)
    for side in "ec":
        total = sum(run[f"{aa}_{side}"] for aa in pools)
        assert total[-1] == pytest.approx(total[0], rel=1e-10), "one for one"


def test_antiporters_carry_nothing_on_balance_along_a_run():
    run = simulate(load_model("cell", "rpmi"), Regimen.single("0.2 U", "asnase_e"), until=24)
    for name in ("asct2", "lat1", "ylat2"):
        inward, gross = 0.0, 0.0
        for reaction in run.model.reactions:
            if reaction.id.startswith(name + "_"):
                gross = gross + np.abs(run[reaction.id])
                inward = inward + run[reaction.id] * sum(n for s, n in reaction.stoichiometry.items() if s.endswith("_c"))
        assert np.abs(inward).max() == 0.0 and gross.min() > 0


def test_pools_and_fractions_stay_where_they_belong():
    """Nothing falls below zero by more than its tolerance; fractions stay within 0 and 1."""
    from asnsim.running import absolute_tolerances

    model = load_model("cell", "rpmi", "all_low_asns")
    run = simulate(model, Regimen.single("2 U", "asnase_e", 12.0), until="7 d")
    assert np.all(run.x >= -100 * absolute_tolerances(model, 1e-6))
    for name in ("eif2p", "gadd34", "chop", "mtorc1", "s6kp", "ebp1p", "starvation", "trna_charged_fraction"):
        assert run[name].max() <= 1 + 1e-6


def test_growth_is_the_protein_balance():
    """d(cells)/dt by the rules agrees with the run, and protein per cell water stays near its reference while cells grow."""
    run = simulate(load_model("cell", "rpmi", "solid_143b"), until=24, solver=NDF(rtol=1e-9))
    grown = np.log(run["cytosol"][-1] / run["cytosol"][0])
    net = run["growth_rate"] - run["death_rate"]
    assert grown == pytest.approx(np.trapezoid(net, run.t), rel=1e-3)
    assert run["protein"][-1] == pytest.approx(run["protein"][0], rel=0.05)

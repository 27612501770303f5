"""Isotopologues: totals as without label, nothing made or lost, label only where chemistry puts it, exchange without net flow."""

import numpy as np
import pytest

from asnsim.biology import MODULES
from asnsim.biology.protein import residues_per_asparagine
from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.labelling import labelled
from asnsim.library import load_model, load_species, read_parameters
from asnsim.simulation import simulate
from asnsim.solvers import NDF

TIGHT = NDF(rtol=1e-10)
PER_ASN = residues_per_asparagine()
POOLS = ("asn_e", "asn_c", "trna_asn", "protein", "protein_e")
#: What makes or takes carbon of Asp and amide of Gln outside asparagine: left out, label has nowhere else to go.
ELSEWHERE = ("aspartate_glutamate",)
NUMBERS = {key: parameter for key, (_, parameter) in read_parameters("base").items()}


def split(model, name, **shares):
    """Initial values that keep a pool's total and give it label: ``split(model, 'asn_e', u13c=0.5)``."""
    total = model.value(f"{name}_m0")
    return {f"{name}_m0": total * (1 - sum(shares.values()))} | {f"{name}_{suffix}": total * share for suffix, share in shares.items()}


def amount(run, *names):
    """Sum of species as amounts, umol, along a run."""
    return sum(run[name] * run[run.model.species[name].compartment] for name in names)


def carbon(run):
    """13C label: molecules of Asn and Asp, and residues of both in protein."""
    asn = [f"{pool}_{suffix}" for pool in POOLS for suffix in ("u13c", "u13c_n15")]
    return amount(run, *asn, "asp_e_u13c", "asp_c_u13c", "protein_asp_u13c", "protein_e_asp_u13c")


def amide(run):
    """15N label: amides of Asn and Gln, and of their residues in protein."""
    asn = [f"{pool}_{suffix}" for pool in POOLS for suffix in ("n15", "u13c_n15")]
    return amount(run, *asn, "gln_e_n15", "gln_c_n15", "protein_gln_n15", "protein_e_gln_n15")


@pytest.fixture(scope="module")
def mixed():
    """The tracer model and the plain one from the same totals, with label everywhere, an enzyme from 6 h on."""
    model, plain = load_model("tracer", "rpmi"), load_model("cell", "rpmi")
    label = split(model, "asn_e", u13c=0.3, u13c_n15=0.2) | split(model, "asp_e", u13c=0.5) | split(model, "gln_e", n15=0.6)
    label |= split(model, "asn_c", n15=0.4) | split(model, "protein", u13c=0.1) | {"protein_asp_u13c": 0.05 * plain.value("protein")}
    dose, times = Regimen.single("0.02 U", "asnase_e", 6.0), np.linspace(0, 24, 97)
    return [simulate(one, dose, until=24, times=times, solver=TIGHT) for one in (model.with_parameters(label), plain)]


# ---- totals ------------------------------------------------------------------------------------------------------------
def test_totals_are_those_of_the_model_without_label(mixed):
    tracer, plain = mixed
    for name in (*plain.model.states, *plain.model.rules, *(r.id for r in plain.model.reactions)):
        np.testing.assert_allclose(tracer[name], plain[name], rtol=0, atol=1e-6 * np.abs(plain[name]).max(), err_msg=name)
    assert plain["asnase_asn"].max() > 0 and np.ptp(plain["asn_e"]) > 300, "the run has something to disagree about"


def test_fractions_stay_between_none_and_all(mixed):
    tracer, _ = mixed
    for name in ("asn_label", "asn_amide_label"):
        assert np.all((tracer[name] >= 0) & (tracer[name] <= 1)) and tracer[name].max() > 0.1
    for pool in (*POOLS, "asp_e", "asp_c", "gln_e", "gln_c"):
        parts = [name for name in tracer.model.states if name.startswith(f"{pool}_") and name[len(pool) + 1 :] in ("m0", "u13c", "n15", "u13c_n15")]
        assert len(parts) == (4 if pool in POOLS else 2)
        for name in parts:
            assert np.all(tracer[name] >= -1e-8 * tracer[pool].max()) and np.all(tracer[name] <= tracer[pool] + 1e-8 * tracer[pool].max()), name
    for pool in ("protein", "protein_e"):
        for moiety, mark in (("asp", "u13c"), ("gln", "n15")):
            share = tracer[f"{pool}_{moiety}_{mark}"] / (PER_ASN[moiety] * np.maximum(tracer[pool], 1e-6))
            assert np.all((share >= -1e-9) & (share <= 1 + 1e-9)) and share.max() > 0.01


def test_gross_fluxes_contain_the_net_flux(mixed):
    tracer, _ = mixed
    net = 0.0
    for reaction in load_model("cell", "rpmi").reactions:
        moved = reaction.stoichiometry
        if moved.get("asn_e") and moved.get("asn_c") and not reaction.id.endswith("_release"):
            net = net + moved["asn_c"] * tracer[reaction.id]
    influx, efflux = tracer["asn_gross_influx"], tracer["asn_gross_efflux"]
    np.testing.assert_allclose(influx - efflux, net / tracer["cytosol"], rtol=0, atol=1e-9 * influx.max())
    assert influx.min() >= 0 and efflux.min() > 0


# ---- conservation ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def closed():
    """The tracer model without sources and sinks of label."""
    return load_model("tracer", "rpmi", without=ELSEWHERE)


def test_label_is_neither_made_nor_lost(closed):
    model = closed.with_parameters(split(closed, "asn_e", u13c=0.5, n15=0.2), **split(closed, "asp_c", u13c=0.4), **split(closed, "gln_c", n15=0.3))
    run = simulate(model, until=24, solver=TIGHT)
    for label in (carbon(run), amide(run)):
        np.testing.assert_allclose(label, label[0], rtol=1e-8)
    assert amount(run, "protein_u13c")[-1] > 0 and amount(run, "asn_c_n15")[-1] > 0 and run["asns_flux"][-1] > 0


def test_enzyme_outside_keeps_the_carbon_and_frees_the_amide(closed):
    model = closed.with_parameters(split(closed, "asn_e", u13c_n15=1.0))
    run = simulate(model, Regimen.single("0.2 U", "asnase_e"), until=24, solver=TIGHT)
    total = carbon(run)
    np.testing.assert_allclose(total, total[0], rtol=1e-8)
    assert run["asp_e_u13c"].max() > 300 and amide(run)[-1] < 0.5 * amide(run)[0]


def test_what_is_all_label_stays_all_label(closed):
    full = {}
    for pool in POOLS:
        full |= split(closed, pool, u13c_n15=1.0)
    full |= split(closed, "asp_c", u13c=1.0) | split(closed, "asp_e", u13c=1.0) | split(closed, "gln_c", n15=1.0) | split(closed, "gln_e", n15=1.0)
    full |= {f"protein_{aa}_{mark}": PER_ASN[aa] * closed.value("protein_m0") for aa, mark in (("asp", "u13c"), ("gln", "n15"))}
    run = simulate(closed.with_parameters(full), until=24, solver=TIGHT)
    for name in ("asn_label", "asn_amide_label"):
        np.testing.assert_allclose(run[name], 1.0, rtol=0, atol=1e-8)
    residues = {pool: run[pool] for pool in (*POOLS, "asp_c", "gln_c")}
    for pool, total in residues.items():
        assert np.abs(run[f"{pool}_m0"]).max() <= 1e-8 * total.max(), pool


# ---- where label goes --------------------------------------------------------------------------------------------------
def never(run, *names):
    return all(not run[name].any() for name in names)


def test_amide_of_glutamine_labels_asparagine_once_and_no_carbon():
    """15N-amide Gln gives Asn M+1 (the amide), never 13C, and no labelled Asp."""
    model = load_model("tracer", "dmem")
    run = simulate(model.with_parameters(split(model, "gln_e", n15=1.0)), until=24)
    assert run["asn_amide_label"][-1] > 0.5 and run["asn_c_n15"][-1] > 0
    assert never(run, "asn_c_u13c", "asn_c_u13c_n15", "asp_c_u13c", "protein_asp_u13c", "asn_label")
    assert run["protein_gln_n15"][-1] > 0 and np.all(run["asn_amide_label"] <= run["gln_c_n15"] / run["gln_c"] + 1e-6), "not above its source"


def test_carbon_of_aspartate_labels_asparagine_and_no_amide():
    model = load_model("tracer", "dmem", "got_dko")
    run = simulate(model.with_parameters(asp_e_u13c=20000.0), until=24)
    assert run["asn_label"][-1] > 0.5 and run["asn_c_u13c"][-1] > 0 and run["protein_asp_u13c"][-1] > 0
    assert never(run, "asn_c_n15", "asn_c_u13c_n15", "gln_c_n15", "protein_gln_n15", "asn_amide_label")


def test_both_labels_meet_in_one_molecule_and_leave_the_cell():
    model = load_model("tracer", "dmem", "got_dko")
    run = simulate(model.with_parameters(split(model, "gln_e", n15=1.0), asp_e_u13c=20000.0), until=24)
    assert run["asn_c_u13c_n15"][-1] > 0.3 * run["asn_c"][-1] and run["asn_e_u13c_n15"][-1] > 0 and run["protein_u13c_n15"][-1] > 0


def test_asparagine_does_not_label_aspartate_inside_the_cell():
    """Cells have no asparaginase in this model: labelled Asn outside labels Asn alone."""
    model = load_model("tracer", "rpmi")
    run = simulate(model.with_parameters(split(model, "asn_e", u13c=1.0)), until=24)
    assert run["asn_label"][-1] > 0.2 and never(run, "asp_c_u13c", "asp_e_u13c", "asn_c_n15")


# ---- exchange ----------------------------------------------------------------------------------------------------------
GROSS = {
    "asn_carrier": lambda v, e, c: v("Vmax_asn_carrier") * c / (v("K_asn_carrier") + c),
    "asn_leak": lambda v, e, c: v("k_asn_leak") * c,
    "asct2": lambda v, e, c: _swap(v("Vmax_asct2"), e / v("K_asct2_asn"), c / v("K_asct2_asn") / v("asct2_asymmetry")),
    "lat1": lambda v, e, c: _swap(v("Vmax_lat1"), e / v("K_lat1_asn"), c / v("K_lat1_asn") / v("lat1_asymmetry")),
}


def _swap(Vmax, e, c):
    """Asn against Asn on an antiporter, closed form."""
    return Vmax * e * c / (e * (1 + c) + c * (1 + e))


@pytest.mark.parametrize("name", GROSS)
def test_label_is_exchanged_where_nothing_moves_on_balance(name):
    """Asn alone, equal on both sides, medium without end: label inside follows ``1 - exp(-gross t / pool)``."""
    modules, species, numbers = labelled([MODULES[name]()], load_species(), NUMBERS, PER_ASN)
    model = compose("exchange", modules, species, numbers)
    others = {n: 0.0 for n in model.states if not n.startswith("asn_")}
    model = model.with_parameters(others, medium=1e9, cytosol=1e-6, asn_e_u13c=200.0, asn_e_m0=0.0, asn_c_m0=200.0)
    gross = GROSS[name](model.value, 200.0, 200.0)
    run = simulate(model, until=2 * 200.0 / gross, solver=TIGHT)
    np.testing.assert_allclose(run["asn_c"], 200.0, rtol=1e-8)
    np.testing.assert_allclose(run["asn_label"], -np.expm1(-gross * run.t / 200.0), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(run["asn_gross_efflux"], gross, rtol=1e-8)

"""Cell types that share a model: names, numbers, fluids, overlays of one population, held pools."""

import numpy as np
import pytest

import asnsim
from asnsim.culture import preculture
from asnsim.errors import DataError, ModelError
from asnsim.library import load_model, load_species, read_overlay, read_recipe
from asnsim.solvers import NDF
from asnsim.tables import models_folder


def test_two_populations_of_one_line_are_twice_one():
    """Tumour and stroma of the same line and seeding run as one culture of twice as many cells."""
    two = load_model("coculture", "dmem", "stroma:solid_143b")
    one = load_model("cell", "dmem", "solid_143b", without=("atf4_reporter",))
    water = 1.53e-6
    two = two.with_parameters(cytosol_tumour=water, cytosol_stroma=water, asns_stroma=two.value("asns_tumour"))
    one = one.with_parameters(cytosol=2 * water)
    solver = NDF(rtol=1e-9)
    pair, single = asnsim.simulate(two, until=24, solver=solver), asnsim.simulate(one, until=24, solver=solver)
    for name in ("asn", "gln", "asp"):
        assert np.allclose(pair[f"{name}_e"], single[f"{name}_e"], rtol=1e-5, atol=1e-4)
        for population in ("tumour", "stroma"):
            assert np.allclose(pair[f"{name}_c_{population}"], single[f"{name}_c"], rtol=1e-5, atol=1e-4)
    assert pair["cytosol_tumour"][-1] == pytest.approx(single["cytosol"][-1] / 2, rel=1e-5)


def test_only_what_a_line_says_is_doubled():
    """A kinetic constant is one number for all cells; a line's number is one for each population."""
    model = load_model("coculture")
    shared = ("kcat_asns", "Km_asns_asp", "Vmax_snat2", "K_asct2_asn", "K_gcn2_trna", "k_asp_loss")
    assert all(name in model.constants for name in shared)
    assert not any(f"{name}_tumour" in model.parameters for name in shared)
    own = ("asns_abundance", "cell_volume", "lat1_abundance", "apoptotic_priming")
    assert all(f"{name}_{p}" in model.parameters for name in own for p in ("tumour", "stroma"))
    assert "asn_e" in model.states and "asn_c_tumour" in model.states and "asn_c" not in model.states


def test_an_overlay_of_one_population_leaves_the_other():
    plain, changed = load_model("coculture"), load_model("coculture", "tumour:all_low_asns")
    assert changed.value("asns_abundance_tumour") == pytest.approx(0.107)
    for name in ("asns_abundance_stroma", "cell_volume_stroma"):
        assert changed.value(name) == plain.value(name)


def test_stroma_feeds_a_tumour_that_cannot_make_asparagine():
    """A tumour without ASNS in a medium without Asn grows better beside cells that make some (Krall 2016 and the stroma field)."""
    model = load_model("coculture", "dmem", "tumour:all_low_asns", "stroma:solid_143b")
    seeding = {"cytosol_tumour": 2e-7, "cytosol_stroma": 1e-6}
    fed = asnsim.simulate(model.with_parameters(seeding), until=72)
    alone = asnsim.simulate(model.with_parameters(seeding | {"cytosol_stroma": 4e-12}), until=72)
    assert fed["asn_e"][-1] > 2 * alone["asn_e"][-1]
    assert fed["cytosol_tumour"][-1] > 1.3 * alone["cytosol_tumour"][-1]


def test_held_pools_are_constants():
    model = load_model("patient")
    assert "ser_c_tumour" in model.constants and "ser_e_leukaemia" in model.constants
    assert "asn_c_tumour" in model.states and "asn_e_leukaemia" in model.states
    assert model.species["asn_e_tumour"].compartment == "medium_tumour"
    assert "asn_c_liver" in model.states and "asn_e_liver" not in model.states  # the liver faces plasma


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: load_model("coculture", "muscle:mcf7"), ModelError, "no population 'muscle'"),
        (lambda: load_model("cell", "tumour:mcf7"), ModelError, "no population 'tumour'"),
        (lambda: load_model("patient", "calaspargase", "calaspargase"), ModelError, "takes out 'pegaspargase'"),
        (lambda: load_model("cell", "dmmem"), DataError, "dmem"),
        (lambda: load_model("coculture", "mcf7"), ModelError, "such as tumour:mcf7"),
        (lambda: load_model("coculture", "tumour:rpmi"), ModelError, "share 'asn_e'"),
        (lambda: load_model("coculture", "sulfoximine"), ModelError, "such as tumour:sulfoximine"),
        (lambda: load_model("patient", "asx173"), ModelError, "needs a medium"),
        (lambda: load_model("cell", without=("lat2",)), ModelError, "ylat2"),
    ],
)
def test_wrong_names_are_one_sentence(call, kind, words):
    with pytest.raises(kind, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('modules = ["asns"]\ntables = ["base"]\nlabelled = 3\n', "labelled"),
        ('modules = ["asns"]\ntables = ["base"]\npopulations = 4\n', "populations"),
        ('modules = ["asns"]\ntables = ["base"]\n[populations.a]\nmodules = ["asns"]\n', "tables"),
        ('modules = ["asns"]\ntables = ["base"]\n[populations.a]\nmodules = ["asns"]\ntables = ["base"]\nfluid = "q"\n', "fluid 'q'"),
        ('modules = ["asns"]\ntables = ["base"]\n[populations.a]\nmodules = ["asns"]\ntables = ["base"]\ncolour = 1\n', "colour"),
        ('modules = ["asnss"]\ntables = ["base"]\n', "asns"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises((DataError, ModelError), match=words):
        read_recipe(str(path))


def test_an_overlay_may_change_modules(tmp_path):
    path = tmp_path / "quiet.toml"
    path.write_text('title = "no response"\nwithout = ["gcn2_atf4"]\n')
    model = load_model("cell", str(path))
    assert "atf4" in model.constants and "atf4" not in model.states
    assert read_overlay(str(path)).title == "no response"
    path.write_text('title = "with memory"\nmodules = ["promoter_memory"]\n')
    assert "promoter_memory" in load_model("cell", str(path)).states


def test_a_drug_for_one_population_leaves_the_other():
    model = load_model("coculture", "dmem", "tumour:sulfoximine").with_parameters(sulfoximine_e=5.0)
    run = asnsim.simulate(model, until=24)
    assert run["sulfoximine_bound_tumour"][-1] > 0.9 and not run.has("sulfoximine_bound_stroma")
    assert run["asns_rate_tumour"][-1] < 0.2 * run["asns_rate_stroma"][-1]


def test_a_knock_out_outlasts_a_drug():
    """Was once wrong: the inhibitor's rule took the place of the knock-out's constant."""
    model = load_model("cell", "dmem", "gcn2_ko", "gcn2_inhibitor")
    assert asnsim.simulate(model, until=1)["gcn2_activity"].max() == 0.0


def test_a_population_may_not_fall_on_a_shared_name(tmp_path):
    text = (models_folder() / "coculture.toml").read_text(encoding="utf-8").replace("populations.stroma", "populations.reference")
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError, match="second 'cell_volume_reference'"):
        load_model(str(path))
    path.write_text(text.replace("populations.reference]", 'populations.stroma]\nheld = ["sre_c"]'))
    with pytest.raises(ModelError, match="'sre_c'.*did you mean 'ser_c'"):
        load_model(str(path))


def test_a_tracer_comes_at_time_zero():
    model = load_model("tracer", "dmem").with_parameters(asn_e_u13c=1000.0)
    run = asnsim.simulate(model, preculture(model), until=1.0)
    assert run["asn_label"][run.t < 0].max() == 0.0 and run["asn_label"][-1] > 0.0


def test_species_of_populations_do_not_leak_into_the_table():
    before = set(load_species())
    load_model("coculture")
    assert set(load_species()) == before

"""Method and bench files of a user's own: what is wrong in them is named, never passed over."""

import numpy as np
import pytest

from asnsim.chromatogram import load_analytes
from asnsim.collisions import collisions
from asnsim.errors import DataError
from asnsim.isotopes import UNIT_RESOLUTION, ion_mass, labelled_product, parse_formula
from asnsim.lcms import Protocol, measure
from asnsim.quantify import Method, quantify
from asnsim.tables import models_folder

METHODS = models_folder() / "methods"


def edited(folder, name, old, new):
    """A copy of a shipped file with one thing changed; the other files beside it as they are."""
    for path in METHODS.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        if path.stem == name:
            assert old in text
            text = text.replace(old, new)
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder / "hilic_mrm.toml"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("fwhm_s =", "fwmh_s =", "'fwmh_s' is not known; did you mean 'fwhm_s'"),
        ("qc_bias =", "# qc_bias =", r"\[rules\] qc_bias is missing"),
        ("spray = { value = 0.103,", 'spray = { value = "much",', "spray is 'much'; it must be a number"),
        ("cell_count = {", "cell_counts = {", "'cell_counts' is not known; did you mean 'cell_count'"),
        ('"1/x^2"', '"1/x2"', "weighting '1/x2' is not one of 1/x"),
        ('by = "cell_volume"', 'by = "cells"', "normalisation by 'cells' is not one of"),
        ('model = "linear"', 'model = "cubic"', "calibration model 'cubic' is not one of"),
        ('weighting = "1/x^2"', 'weights = "1/x^2"', r"\[calibration\] 'weights' is not known"),
        ('transitions = "hilic_mrm"', 'transitions = "rp"', "no analyte of method 'rp'"),
    ],
)
def test_mistakes_in_a_method_are_named(tmp_path, old, new, words):
    with pytest.raises(DataError, match=words):
        Method.load(edited(tmp_path, "hilic_mrm", old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("film_uL =", "flim_uL =", "'flim_uL' is not known; did you mean 'film_uL'"),
        ("q10 =", "# q10 =", r"\[sampling\] q10 is missing"),
        ('Ra_asn = "flow"', 'Ra_asn = "river"', "'river' is not one of transport, enzyme, flow"),
    ],
)
def test_mistakes_in_a_bench_are_named(tmp_path, culture, old, new, words):
    path = edited(tmp_path, "bench_qtrap", old, new)
    with pytest.raises(DataError, match=words):
        measure(culture(), path, times=[0.0], replicates=1)


def test_a_method_and_bench_of_the_users_own_work(tmp_path, culture):
    path = edited(tmp_path, "bench_qtrap", "washes = { value = 3", "washes = { value = 1")
    assert Protocol.load(path).bench["wash"]["washes"] == 1 and Protocol.load("hilic_mrm").bench["wash"]["washes"] == 3
    table = (models_folder() / "analytes.tsv").read_text(encoding="utf-8").replace("\thilic_mrm\t", "\tmine\t")
    (tmp_path / "mine.tsv").write_text(table, encoding="utf-8")
    path.write_text(
        path.read_text().replace('transitions = "hilic_mrm"', 'transitions = "mine"\nanalytes = "mine.tsv"'), encoding="utf-8"
    )
    batch = measure(culture({"asn_c": 500.0}), path, times=[0.0], replicates=1, noise=False)
    assert quantify(batch, path).measurements().table["value"].iloc[0] == pytest.approx(500.0, rel=1e-6)


# ---- ion-pair C18 ------------------------------------------------------------------------------------------------------------
def test_set_masses_and_times_of_the_c18_method():
    listed = {row.id: row for row in load_analytes("smartpeak_yeast")}
    for row in load_analytes("c18_ion_pair"):
        assert row.polarity == "-" and row.rt == listed[row.id].rt and 48 <= row.rt <= 155
        for species, role in ((row.light(), "quantifier"), (row.heavy(), "IS")):
            channel = row.transition(role)
            assert abs(species.q1 - channel.q1) <= UNIT_RESOLUTION and abs(species.q3 - channel.q3) <= UNIT_RESOLUTION
            assert (channel.q1, channel.q3) == (listed[row.id].transition(role).q1, listed[row.id].transition(role).q3)
        qualifier = row.transition("qualifier")
        assert qualifier is None or abs(ion_mass(row.qualifier_product, "-") - qualifier.q3) <= UNIT_RESOLUTION


def test_c18_makes_the_circle_and_leaves_out_what_it_cannot_measure(culture, pools):
    data = quantify(measure(culture(), "c18_ion_pair", [0.0], 1, noise=False), "c18_ion_pair").measurements().table
    assert set(data["observable"]) == {f"{row.id}_{suffix}" for row in load_analytes("c18_ion_pair") for suffix in "ce"}
    np.testing.assert_allclose(data["value"], [pools[name] for name in data["observable"]], rtol=1e-6)


def test_c18_passes_and_is_right_within_its_errors(culture, pools):
    result = quantify(measure(culture(), "c18_ion_pair", [0.0], 6, seed=3), "c18_ion_pair")
    assert result.passed
    medium = result.table.query("sample_type == 'Unknown' and matrix == 'medium'").groupby("analyte")["value"].mean()
    for name in ("asn", "asp", "glu", "his"):
        assert medium[name] == pytest.approx(pools[f"{name}_e"], rel=0.08), name


# ---- label traps under a standard of the user's own ---------------------------------------------------------------------------
def test_a_fully_labelled_asn_standard_meets_those_of_asp_and_leu(tmp_path):
    path = edited(tmp_path, "hilic_mrm", "[acquisition]", '[internal_standards]\nasn = { formula = "[13C]4H8[15N]2O3", product = "[13C]2H4[15N]O2" }\n\n[acquisition]')
    trapped = {(item.analyte, item.form, item.channel.id): item for item in collisions(Method.load(path).analytes)}
    usual = {(item.analyte, item.form, item.channel.id): item for item in collisions(Method.load("hilic_mrm").analytes)}
    for trap, size in ((("asn", "IS", "asp.IS"), 1.0), (("asp", "IS", "asn.IS"), 1.0), (("asn", "IS, qualifier path", "leu.IS"), 0.6)):
        assert trapped[trap].share == pytest.approx(size) and trap not in usual
    # and so does the Asp standard, on its qualifier path 139 > 92
    assert usual["asp", "IS, qualifier path", "leu.IS"].share == pytest.approx(0.4) and usual["asp", "IS, qualifier path", "leu.IS"].separated


def test_the_label_of_a_fragment_is_known_where_whole_elements_are_labelled():
    assert parse_formula(labelled_product("C3H7N2O", "[13C]4H8[15N]2O3")) == parse_formula("[13C]3H7[15N]2O")
    assert parse_formula(labelled_product("C3H7N2O", "C4H8[15N]2O3")) == parse_formula("C3H7[15N]2O")
    assert labelled_product("C3H7N2O", "C4H8[15N]NO3") is None, "amide or amine: the formula does not say"

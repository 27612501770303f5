"""Formulas, masses, natural isotopes and the tables of analytes and methods."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnsim.chromatogram import Batch, Chromatogram, Injection, Sample, load_analytes
from asnsim.errors import DataError
from asnsim.isotopes import UNIT_RESOLUTION, Species, cross_talk, ion_mass, parse_formula
from asnsim.tables import models_folder, read_toml, read_tsv

ROWS = [analyte for method in ("hilic_mrm", "smartpeak_yeast") for analyte in load_analytes(method)]


@pytest.mark.parametrize("analyte", ROWS, ids=lambda analyte: f"{analyte.method}-{analyte.id}")
def test_set_masses_agree_with_formulas(analyte):
    quantifier, standard, qualifier = (analyte.transition(role) for role in ("quantifier", "IS", "qualifier"))
    assert abs(analyte.light().q1 - quantifier.q1) <= UNIT_RESOLUTION
    assert abs(analyte.light().q3 - quantifier.q3) <= UNIT_RESOLUTION
    assert abs(analyte.heavy().q1 - standard.q1) <= UNIT_RESOLUTION
    assert abs(analyte.heavy().q3 - standard.q3) <= UNIT_RESOLUTION
    if qualifier is not None:
        assert abs(ion_mass(analyte.qualifier_product, analyte.polarity) - qualifier.q3) <= UNIT_RESOLUTION
    light, heavy = parse_formula(analyte.formula), parse_formula(analyte.is_formula)
    assert sum(light.values()) == sum(heavy.values()), "label and analyte must have the same atoms"


def test_exact_masses_of_asparagine():
    # published: 133.0608 > 74.0237, 15N2: 135.0548 > 75.0207, 13C4-15N2: 139.0682 > 77.027 (survey of the project)
    assert ion_mass("C4H8N2O3", "+", protonate=True) == pytest.approx(133.0608, abs=6e-5)
    assert ion_mass("C2H4NO2", "+") == pytest.approx(74.0237, abs=6e-5)
    assert ion_mass("C4H8[15N]2O3", "+", protonate=True) == pytest.approx(135.0548, abs=6e-5)
    assert ion_mass("[13C]4H8[15N]2O3", "+", protonate=True) == pytest.approx(139.0683, abs=1e-4)


@pytest.mark.parametrize(
    ("analyte", "qualifier", "q1", "q3", "percent"),
    [
        ("asn", False, 134.05, 74.0, 2.62),
        ("asn", True, 134.05, 88.0, 4.09),
        ("asn", False, 135.0, 75.0, 0.070),
        ("gln", False, 148.06, 84.0, 1.58),
        ("leu", False, 133.1, 87.1, 5.91),
    ],
)
def test_natural_isotopes_in_other_channels(analyte, qualifier, q1, q3, percent):
    # published as computed percentages of the analyte's own signal in the project's survey
    found = next(row for row in load_analytes("hilic_mrm") if row.id == analyte)
    assert 100 * cross_talk(found.light(qualifier), q1, q3) == pytest.approx(percent, rel=0.012)


def test_label_traps_are_seen():
    asn = Species("[13C]4H8[15N]2O3", "[13C]2H4[15N]O2", "+", 0.99)
    asp_is = next(row for row in load_analytes("hilic_mrm") if row.id == "asp").transition("IS")
    assert cross_talk(asn, asp_is.q1, asp_is.q3) > 0.9  # 13C4-15N2-Asn sits in the Asp IS channel: why the Asn IS is 15N2
    asn_is = next(row for row in load_analytes("hilic_mrm") if row.id == "asn").heavy(0.98)
    assert cross_talk(asn_is, 133.1, 74.0) == pytest.approx((0.02 / 0.98) ** 2, rel=2e-3)


@given(st.dictionaries(st.sampled_from(["C", "H", "N", "O", "S", "[13C]", "[15N]"]), st.integers(1, 30), min_size=1))
def test_formula_round_trip(atoms):
    assert parse_formula("".join(f"{name}{count}" for name, count in atoms.items())) == atoms


@pytest.mark.parametrize("text", ["", "C4X2", "c4", "C4 H8", "[14C]2"])
def test_bad_formula_is_refused(text):
    with pytest.raises(DataError, match="is not a formula"):
        parse_formula(text)


def test_every_number_of_a_method_has_a_source():
    def numbers(section, path):
        for name, item in section.items():
            if isinstance(item, dict) and "value" in item:
                yield f"{path}.{name}", item
            elif isinstance(item, dict):
                yield from numbers(item, f"{path}.{name}")
            elif isinstance(item, int | float) and not path.startswith(".calibration.lines"):
                raise AssertionError(f"{path}.{name} is a bare number")

    for file in sorted((models_folder() / "methods").glob("*.toml")):
        for name, item in numbers(read_toml(file), ""):
            assert item["status"] in ("measured", "derived", "fitted", "assumed"), (file.name, name)
            assert item["source"] and item["unit"], (file.name, name)
    for row in read_tsv(models_folder() / "analytes.tsv"):
        assert row["source"] and row["status"] in ("measured", "derived", "fitted", "assumed"), row.where


def test_arrays_are_read_only_and_checked():
    trace = Chromatogram("x", 133, 74, "+", 17, 0.015, [1.0, 2.0], [3.0, 4.0])
    with pytest.raises(ValueError, match="read-only"):
        trace.intensity[0] = 1.0
    for time, intensity, words in (
        ([1.0], [1.0, 2.0], "1 times, 2 intensities"),
        ([2.0, 1.0], [1.0, 2.0], "do not increase"),
        ([1.0, 2.0], [np.nan, 2.0], "not finite"),
    ):
        with pytest.raises(DataError, match=words):
            Chromatogram("x", 133, 74, "+", 17, 0.015, time, intensity)


def test_sample_names_are_unique():
    with pytest.raises(DataError, match="is there twice"):
        Batch("b", (Injection(Sample("a"), ()), Injection(Sample("a"), ())))


def test_unknown_method_is_named():
    with pytest.raises(DataError, match="did you mean 'hilic_mrm'"):
        load_analytes("hilic_mrn")

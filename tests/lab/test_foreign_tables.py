"""Tables of other programs: MassHunter's export, Skyline's lists and reports, a long table; read, written, refused."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim.chromatogram import Nominal, Sample, load_analytes
from asnsim.errors import DataError
from asnsim.io.masshunter import read_masshunter
from asnsim.io.peaks import peaks_of, read_areas, read_peaks, write_peaks
from asnsim.io.skyline import read_skyline_report, read_transition_list, write_skyline_report, write_transition_list
from asnsim.lcms import Protocol, measure
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.quantify import quantify


@pytest.fixture(scope="module")
def peaks(culture):
    batch = measure(culture(), Protocol.load("hilic_mrm").with_analytes("asn", "gln"), [0.0], 2, seed=4)
    return peaks_of(batch, quantify(batch))


def same(one, other):
    """Equal to the last bit; nan is nan."""
    assert repr(one.samples) == repr(other.samples) and repr(one.nominal) == repr(other.nominal) and one.unit == other.unit
    pd.testing.assert_frame_equal(one.areas, other.areas, check_exact=True)


# ---- MassHunter ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def midar(lcms_data):
    folder = lcms_data / "midar"
    more = (folder / f"QuantLCMS_{name}.csv" for name in ("analyses", "features", "qcconcentrations"))
    return read_masshunter(folder / "QuantLCMS_Example_MassHunter.csv", *more)


def test_the_real_export_is_read(midar):
    assert len(midar.samples) == 25 and midar.unit == "nmol/L"
    assert list(midar.areas["analyte"].unique()) == ["Corticosterone", "Aldosterone", "Cortisone", "Cortisol"]
    row = midar.areas.query("sample == 'UBLK' and analyte == 'Cortisone'").iloc[0]
    assert (row["area"], row["is_area"], row["rt_s"]) == (2762.0, 106493.0, 60 * 2.785)
    assert row["ion_ratio"] == pytest.approx(2351 / 2762)
    types = {sample.name: sample.type for sample in midar.samples}
    assert types["CalA"] == "Standard" and types["QC_Low_3"] == "QC" and types["Cal0"] == "Blank" and types["SPL2"] == "Unknown"
    assert {s.replicate for s in midar.samples if s.level == "HQC"} == {1, 2, 3, 4, 5}


def test_what_is_not_to_be_included_is_left_out(midar):
    stated = {(item.sample_name, item.analyte) for item in midar.nominal}
    assert ("CalA", "Corticosterone") not in stated and ("CalB", "Corticosterone") in stated and ("CalA", "Cortisol") in stated


def test_the_real_run_is_judged_as_published(midar):
    result = quantify(midar, "area_table")
    qcs = {name: all(c.passed for c in result.checks if c.analyte == name and c.rule.startswith("QC")) for name in result.calibration}
    assert qcs == {"Corticosterone": True, "Aldosterone": False, "Cortisone": True, "Cortisol": False}
    assert set(result.table["unit"]) == {"nmol/L"}
    assert result.table.query("sample_type == 'Unknown'")["value"].notna().all()


EXPORT = [
    ["Sample", "", "", "X Method", "X Results", "", "Qualifier (1 -> 2) Results", "X 13C (ISTD) Results", ""],
    ["", "Name", "Type", "Exp. Conc.", "RT", "Area", "Area", "RT", "Area"],
    ["", "a", "Cal", "2.5", "1.5", "100", "50", "1.5", "400"],
    ["", "b", "Sample", "", "1.5", "", "", "1.5", "390"],
]


def export(path, change=None):
    rows = [list(row) for row in EXPORT]
    for (i, j), value in (change or {}).items():
        rows[i][j] = value
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    return path


def test_a_small_export_is_read_by_itself(tmp_path):
    table = read_areas(export(tmp_path / "e.csv"))
    assert [sample.type for sample in table.samples] == ["Standard", "Unknown"]
    assert table.areas.iloc[0].tolist() == ["a", "X", 100.0, 400.0, 90.0, 0.5] and math.isnan(table.areas.iloc[1]["area"])
    assert [(item.sample_name, item.actual_concentration) for item in table.nominal] == [("a", 2.5)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({(2, 5): "many"}, "row 3, column 6: 'many' is not a number"),
        ({(0, 7): "Y 13C (ISTD) Results"}, "'X' has no internal standard"),
        ({(0, 4): "X Values"}, "every compound is an internal standard"),
        ({(2, 2): "Kal"}, "sample type 'Kal' of 'a' is not known"),
        ({(3, 1): "a"}, "sample 'a' is there twice"),
        ({(3, 1): ""}, "row 4: the sample has no name"),
        ({(0, 0): "Probe"}, "is not a wide export"),
    ],
)
def test_wrong_exports_are_named(tmp_path, change, words):
    with pytest.raises(DataError, match=words):
        read_masshunter(export(tmp_path / "e.csv", change))


def test_tables_beside_an_export_must_fit(tmp_path):
    path = export(tmp_path / "e.csv")
    for name, text, words in (
        ("analyses", "Analysis_ID,Sample_Type,Sample_Id\na,CAL,A\n", "'b' stands not in"),
        ("features", "Feature_ID,ISTD_Feature_ID\nX,Z (ISTD)\n", "'Z .ISTD.' is not a compound"),
        ("concentrations", "Sample_Id,Analyte_Id,Concentration,Concentration_Unit\nA,X,1,nM\nB,X,1,ng/mL\n", "cannot be brought together"),
    ):
        side = tmp_path / f"{name}.csv"
        side.write_text(text)
        with pytest.raises(DataError, match=words):
            read_masshunter(path, **{name: side})
    with pytest.raises(DataError, match="no such file"):
        read_masshunter(tmp_path / "nowhere.csv")


# ---- Skyline -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["hilic_mrm", "smartpeak_yeast"])
def test_transition_lists_make_the_round_trip(tmp_path, method):
    analytes = load_analytes(method)
    back = read_transition_list(write_transition_list(analytes, tmp_path / "t.csv"))
    ours = [analyte.transition(role) for analyte in analytes for role in ("quantifier", "qualifier", "IS")]
    for one, other in zip([item for item in ours if item], back, strict=True):
        assert (one.id, one.q1, one.q3, one.polarity, one.role) == (other.id, other.q1, other.q3, other.polarity, other.role)
        assert other.rt == pytest.approx(one.rt, rel=1e-15) and repr(one.collision_energy) == repr(other.collision_energy)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("heavy", "hevy", "a label that is light or heavy"), (",1,", ",0,", "and a charge"), ("133.1", "heavy", "is not a number")],
)
def test_wrong_transition_lists_are_named(tmp_path, old, new, words):
    path = write_transition_list(load_analytes("hilic_mrm"), tmp_path / "t.csv")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        read_transition_list(path)
    path = write_transition_list(load_analytes("hilic_mrm"), tmp_path / "t.csv")
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(DataError, match="more light rows than a method takes"):
        read_transition_list(path)


def test_the_real_report_is_read(lcms_data):
    table = read_areas(lcms_data / "midar" / "Skyline_MoleculeTransitionResults.csv")
    assert len(table.samples) == 6 and set(table.areas["analyte"]) == {"Aldosterone", "Cortisol", "Cortisone"}
    row = table.areas.query("sample == 'SBLK1' and analyte == 'Aldosterone'").iloc[0]
    assert row["area"] == 121860.0 and row["is_area"] == 222.0 and row["rt_s"] == pytest.approx(149.4)


def test_reports_make_the_round_trip(tmp_path, peaks):
    path = write_skyline_report(peaks, load_analytes("hilic_mrm"), tmp_path / "r.csv")
    back = read_areas(path)
    a, b = (quantify(table, "area_table").table.set_index(["sample", "analyte"]) for table in (peaks, back))
    liquid = (a["matrix"] != "cells") & a["value"].notna()
    np.testing.assert_allclose(b.loc[liquid.index[liquid], "value"], a["value"][liquid], rtol=1e-9)
    with pytest.raises(DataError, match="'asn' is not an analyte of the method"):
        write_skyline_report(peaks, load_analytes("hilic_mrm")[2:3], tmp_path / "x.csv")


def test_wrong_reports_are_named(tmp_path):
    head = "Molecule Name,Replicate Name,Precursor Mz,Product Mz,Retention Time,Area,Sample Type\n"
    for body, words in (
        ("X,a,1,2,1.5,100,Standard\n", "no molecule has an internal standard"),
        ("X,a,1,2,1.5,lots,Standard\nX heavy,a,1,2,1.5,100,Standard\n", "'lots' is not a number"),
        ("X,a,1,2,1.5,100,Kal\nX heavy,a,1,2,1.5,100,Kal\n", "'Kal' is not a type"),
    ):
        path = tmp_path / "r.csv"
        path.write_text(head + body)
        with pytest.raises(DataError, match=words):
            read_skyline_report(path)


# ---- the long table --------------------------------------------------------------------------------------------------------
def test_the_long_table_is_exact(tmp_path, peaks):
    back = read_areas(write_peaks(peaks, tmp_path / "p.csv"))
    vials = tuple(replace(sample, file="") for sample in peaks.samples)
    same(PeakTable("p", vials, peaks.areas, _by_areas(peaks), peaks.unit), back)


def _by_areas(peaks):
    """Prepared concentrations in the order of the areas."""
    stated = {(item.sample_name, item.analyte): item for item in peaks.nominal}
    return tuple(stated[key] for key in zip(peaks.areas["sample"], peaks.areas["analyte"], strict=True) if key in stated)


NUMBERS = st.floats(-1e9, 1e9) | st.just(math.nan)
NAMES = st.text("abc XYZ,;'<>", min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5, unique_by=lambda row: row[0]), st.floats(1e-6, 1e6))
def test_any_long_table_is_exact(tmp_path_factory, rows, dilution):
    samples = tuple(Sample(name, "Unknown", k, dilution, "L", time_h=0.1 * k) for k, (name, *_) in enumerate(rows, start=1))
    areas = pd.DataFrame([(name, "asn", *numbers, 0.5) for name, *numbers in rows], columns=list(COLUMNS))
    table = PeakTable("p", samples, areas, (Nominal(rows[0][0], "asn", 1 / 3, math.nan),))
    same(table, read_peaks(write_peaks(table, tmp_path_factory.mktemp("long") / "p.csv")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,analyte,area,is_area\na,x,1,2\n", "column 'sample_type' is missing"),
        ("sample,sample_type,analyte,area,is_area\na,Kal,x,1,2\n", "'Kal' is not one of Unknown"),
        ("sample,sample_type,analyte,area,is_area\n,QC,x,1,2\n", "must not be empty"),
        ("sample,sample_type,analyte,area,is_area\na,QC,x,one,2\n", "'one' is not a number"),
        ("sample,sample_type,analyte,area,is_area\na,QC,x,1,2\na,CAL,y,1,2\n", "described in two ways"),
        ("sample,sample_type,analyte,area,is_area,unit\na,QC,x,1,2,nM\nb,QC,x,1,2,ng/mL\n", "one table has one unit"),
        ("sample,sample_type,analyte,area,is_area\na,QC,x,1,2\na,QC,x,1,2\n", "is there twice"),
        ("a,b\n1,2\n", "is no table of areas this reader knows"),
    ],
)
def test_wrong_long_tables_are_named(tmp_path, text, words):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_areas(path) if "reader knows" in words else read_peaks(path)


def test_a_sample_without_areas_would_be_lost(tmp_path, peaks):
    with pytest.raises(DataError, match="has no area and would be lost"):
        write_peaks(PeakTable("p", (*peaks.samples, Sample("more")), peaks.areas), tmp_path / "p.csv")

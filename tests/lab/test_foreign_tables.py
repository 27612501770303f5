"""Tables of other programs: MassHunter's export, Skyline's lists and reports, a long table; read, written, refused."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim.chromatogram import Batch, Injection, Nominal, Sample, load_analytes
from asnsim.errors import DataError
from asnsim.io.masshunter import UNSTATED, read_masshunter
from asnsim.io.mzml import write_batch
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
    left_out = result.table.query("sample == 'CalA' and analyte == 'Corticosterone'")["value"]
    assert left_out.notna().all(), "no calibrator, but measured all the same"


def test_expected_concentrations_of_the_export_claim_no_unit(lcms_data, midar):
    """They are ng/mL here (0.3 of corticosterone, 346.46 g/mol, is the 0.867 nmol/L of the table), which the file does not say."""
    alone = read_areas(lcms_data / "midar" / "QuantLCMS_Example_MassHunter.csv")
    assert alone.unit == UNSTATED and {item.concentration_units for item in alone.nominal} == {UNSTATED}
    stated = {(item.sample_name, item.analyte): item.actual_concentration for item in alone.nominal}
    assert stated["CalA", "Corticosterone"] == pytest.approx(0.867 * 0.34646, rel=0.01)
    pd.testing.assert_frame_equal(alone.areas, midar.areas, check_exact=True)


EXPORT = [
    ["Sample", "", "", "X Method", "X Results", "", "Qualifier (1 -> 2) Results", "X 13C (ISTD) Results", ""],
    ["", "Name", "Type", "Exp. Conc.", "RT", "Area", "Area", "RT", "Area"],
    ["", "a", "Cal", "2.5", "1.5", "100", "50", "1.5", "400"],
    ["", "b", "Sample", "", "1.5", "", "", "1.5", "390"],
]


def with_column(*cells):
    """The export with one more column of the samples."""
    return [[row[0], row[1], cell, *row[2:]] for row, cell in zip(EXPORT, ("", *cells), strict=True)]


def export(path, change=None, rows=EXPORT):
    rows = [list(row) for row in rows]
    for (i, j), value in (change or {}).items():
        rows[i][j] = value
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    return path


def test_a_small_export_is_read_by_itself(tmp_path):
    second = [[*row[:7], cell, *row[7:]] for row, cell in zip(EXPORT, ("Qualifier (1 -> 3) Results", "Area", "7", ""), strict=True)]
    table = read_areas(export(tmp_path / "e.csv", rows=second))
    assert [sample.type for sample in table.samples] == ["Standard", "Unknown"]
    assert table.areas.iloc[0].tolist() == ["a", "X", 100.0, 400.0, 90.0, 0.5] and math.isnan(table.areas.iloc[1]["area"])
    assert [(item.sample_name, item.actual_concentration) for item in table.nominal] == [("a", 2.5)]


@pytest.mark.parametrize(("times", "order"), [
    (("", ""), "ab"),
    (("26/11/2024 3:05 pm", "26/11/2024 11:17 am"), "ba"),
    (("26/11/2024 3:05 am", "26/11/2024 11:17 am"), "ab"),
    (("2/13/2024 9:00 AM", "1/14/2024 10:00 AM"), "ba"),
    (("2024-11-26 15:05", "2024-11-26 15:04:59"), "ba"),
])  # fmt: skip
def test_the_order_is_that_of_acquisition(tmp_path, times, order):
    table = read_masshunter(export(tmp_path / "e.csv", rows=with_column("Acq. Date-Time", *times)))
    assert [sample.name for sample in table.samples] == list(order) == table.areas["sample"].tolist()
    assert [sample.inj_number for sample in table.samples] == [1, 2]
    for times, words in (
        (("26/11/2024 3:05 pm", "soon"), "row 4, column 'Sample Acq. Date-Time': 'soon' is no time"),
        (("", "26/11/2024 3:05 pm"), "row 3, column 'Sample Acq. Date-Time': '' is no time"),
        (("02/01/2024 9:00 am", "01/02/2024 9:00 am"), "one order read day first and another month first"),
    ):
        with pytest.raises(DataError, match=words):
            read_masshunter(export(tmp_path / "e.csv", rows=with_column("Acq. Date-Time", *times)))


@pytest.mark.parametrize(("change", "words"), [
    ({(2, 5): "many"}, "row 3, column 'X Results Area': 'many' is not a number"),
    ({(2, 5): "1_0"}, "'1_0' is not a number"),
    ({(2, 8): "inf"}, "column 'X 13C .ISTD. Results Area': 'inf' is not a finite number"),
    ({(2, 6): "?"}, "column 'X Qualifier .1 -> 2. Results Area'"),
    ({(0, 7): "Y 13C (ISTD) Results"}, "'X' has no internal standard"),
    ({(0, 4): "X Values", (0, 6): "X Values"}, "column 'X Values Area' is there twice"),
    ({(0, 4): "X Values", (0, 6): "", (1, 6): "Other"}, "every compound is an internal standard"),
    ({(0, 4): "X Values"}, "row 1: 'Qualifier .1 -> 2. Results' stands behind no compound"),
    ({(0, 7): "X Results"}, "row 1: 'X Results' is there twice"),
    ({(1, 8): "Height"}, "row 2: 'X 13C .ISTD. Results' has no column 'Area'"),
    ({(1, 4): "Area"}, "row 2: column 'X Results Area' is there twice"),
    ({(0, 6): "X 15N (ISTD) Results"}, "'X' has 2 internal standards .X 15N .ISTD., X 13C .ISTD.."),
    ({(3, 8): "390,7"}, "row 4: 10 cells but 9 columns"),
    ({(2, 2): "Kal"}, "sample type 'Kal' of 'a' is not known"),
    ({(3, 1): "a"}, "row 4: sample 'a' is there twice"),
    ({(3, 1): ""}, "row 4: the sample has no name"),
    ({(0, 0): "Probe"}, "is not a wide export"),
    ({(1, 1): "Vial"}, "is not a wide export"),
])  # fmt: skip
def test_wrong_exports_are_named(tmp_path, change, words):
    with pytest.raises(DataError, match=words):
        read_masshunter(export(tmp_path / "e.csv", change))


ANALYSES = "Analysis_ID,Sample_Type,Sample_Id,Valid_Analysis\na,CAL,A,True\nb,SPL,,\n"
FEATURES = "Feature_ID,ISTD_Feature_ID,Analyte_Id,Quantifier\n"
PREPARED = "Sample_Id,Analyte_Id,Concentration,Concentration_Unit,Include_In_Analysis\n"


def beside(folder, **tables):
    """The small export with tables beside it; types and prepared samples are always said."""
    sides = {name: folder / f"{name}.csv" for name in {"analyses", *tables}}
    for name, side in sides.items():
        side.write_text({"analyses": ANALYSES, **tables}[name])
    return read_masshunter(export(folder / "e.csv"), **sides)


@pytest.mark.parametrize(("name", "text", "words"), [
    ("analyses", "Analysis_ID,Sample_Type,Sample_Id\na,CAL,A\n", "'b' stands not in"),
    ("analyses", ANALYSES + "b,SPL,,\n", "row 4: 'b' is there twice"),
    ("analyses", ANALYSES.replace("True", "False"), "row 2: 'a' is marked as not valid"),
    ("analyses", ANALYSES.replace("True", "maybe"), "column 'Valid_Analysis': 'maybe' is neither"),
    ("analyses", ANALYSES.replace("CAL", "KAL"), "analyses.csv, row 2: sample type 'KAL' of 'a' is not known"),
    ("features", FEATURES + "X,Z (ISTD),,\n", "'Z .ISTD.' is not a compound"),
    ("features", FEATURES + "X,X 13C (ISTD),,\nX,X 13C (ISTD),,\n", "row 3: 'X' is there twice"),
    ("features", FEATURES + "X,X 13C (ISTD),,False\n", "row 2: 'X' is marked as no quantifier"),
    ("features", FEATURES + "X,X,,\n", "'X' has no internal standard"),
    ("concentrations", PREPARED + "A,X,1,nM,\nA,X,1,ng/mL,\n", "nM, ng/mL cannot be brought together"),
    ("concentrations", PREPARED + "A,X,1,,\n", "row 2, column 'Concentration_Unit': is empty"),
    ("concentrations", PREPARED + "A,X,1,nM,\nA,X,2,nM,\n", "row 3: 'X' of 'A' is stated twice"),
    ("concentrations", PREPARED + "AA,X,1,nM,\n", "row 2: 'AA' is no prepared sample of this run"),
    ("concentrations", PREPARED + "A,Y,1,nM,\n", "row 2: 'Y' is no analyte of this run"),
    ("concentrations", PREPARED + "A,X,-1,nM,\n", "column 'Concentration': -1 is negative"),
    ("concentrations", PREPARED + "A,X,one,nM,\n", "'one' is not a number"),
    ("concentrations", PREPARED + "A,X,1,nM,no\n", "column 'Include_In_Analysis': 'no' is neither"),
])  # fmt: skip
def test_tables_beside_an_export_must_fit(tmp_path, name, text, words):
    with pytest.raises(DataError, match=words):
        beside(tmp_path, **{name: text})


def test_units_of_prepared_concentrations(tmp_path):
    path = export(tmp_path / "e.csv", {(3, 2): "QC"})
    (tmp_path / "a.csv").write_text(ANALYSES.replace("SPL,", "HQC,H"))
    for units, wanted, unit in (
        (("ng/mL", "ng/mL"), (3.0, 70.0), "ng/mL"),
        (("nmol/L", "nmol/L"), (3.0, 70.0), "nmol/L"),
        (("nmol/L", "uM"), (3e-3, 70.0), "umol/L"),
    ):
        (tmp_path / "c.csv").write_text(PREPARED + f"A,X,3,{units[0]},True\nH,X,70,{units[1]},\n")
        table = read_masshunter(path, tmp_path / "a.csv", concentrations=tmp_path / "c.csv")
        assert tuple(item.actual_concentration for item in table.nominal) == pytest.approx(wanted, rel=1e-12)
        assert table.unit == unit and {item.concentration_units for item in table.nominal} == {unit}


def test_features_name_standards_and_analytes(tmp_path):
    """A standard that no name shows is no analyte, and concentrations may call the analyte otherwise."""
    path = export(tmp_path / "e.csv", {(0, 7): "labelled Results"})
    (tmp_path / "f.csv").write_text(FEATURES + "X,labelled,aspX,True\nlabelled,labelled,,\nX [QUAL],labelled [QUAL],aspX,False\n")
    (tmp_path / "a.csv").write_text(ANALYSES)
    (tmp_path / "c.csv").write_text(PREPARED + "A,aspX,3,nM,\n")
    table = read_masshunter(path, tmp_path / "a.csv", tmp_path / "f.csv", tmp_path / "c.csv")
    assert table.areas["analyte"].tolist() == ["X", "X"] and table.areas["is_area"].tolist() == [400.0, 390.0]
    assert [(item.sample_name, item.analyte) for item in table.nominal] == [("a", "X")]


def test_an_unknown_of_a_calibrators_level_is_no_calibrator(tmp_path):
    (tmp_path / "c.csv").write_text(PREPARED + "A,X,3,nM,\n")
    path = export(tmp_path / "e.csv", rows=with_column("Level", "A", "A"))
    table = read_masshunter(path, concentrations=tmp_path / "c.csv")
    assert [item.sample_name for item in table.nominal] == ["a"]


def test_files_that_are_no_tables_are_named(tmp_path):
    path = export(tmp_path / "e.csv")
    path.write_bytes(path.read_bytes().replace(b"\n,a,", b"\n,\xe9,"))
    with pytest.raises(DataError, match="save it as CSV in UTF-8"):
        read_masshunter(path)
    for text, words in (("Sample,X Results\n", "is not a wide export"), ("\n".join(",".join(row) for row in EXPORT[:2]), "holds no sample")):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_masshunter(path)
    path.write_text("x" * 200_000)  # longer than a cell may be
    with pytest.raises(DataError, match="no table of areas this reader knows"):
        read_areas(path)
    with pytest.raises(DataError, match="no such file"):
        read_masshunter(tmp_path / "nowhere.csv")
    export(path, rows=[*EXPORT, ["", "c"]])  # a spreadsheet drops empty cells at the end
    assert math.isnan(read_masshunter(path).areas.iloc[2]["area"])


# ---- Skyline -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["hilic_mrm", "smartpeak_yeast"])
def test_transition_lists_make_the_round_trip(tmp_path, method):
    analytes = load_analytes(method)
    back = read_transition_list(write_transition_list(analytes, tmp_path / "t.csv"))
    ours = [analyte.transition(role) for analyte in analytes for role in ("quantifier", "qualifier", "IS")]
    ours = [replace(item, dwell=math.nan, rt_window=30.0) for item in ours if item]  # which a list does not hold
    assert repr(tuple(ours)) == repr(back)


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-3, 1e5))
def test_retention_times_come_back_to_the_last_bit(tmp_path_factory, rt):
    (analyte,) = load_analytes("hilic_mrm")[:1]
    analyte = replace(analyte, transitions=tuple(replace(item, rt=rt) for item in analyte.transitions))
    back = read_transition_list(write_transition_list([analyte], tmp_path_factory.mktemp("list") / "t.csv"))
    assert {item.rt for item in back} == {rt}


LIST = (
    "Molecule List Name,Molecule,Label Type,Precursor m/z,Precursor Charge,Product m/z,Product Charge,Explicit Retention Time\n"
    "m,x,light,133.1,1,74,1,2.5\nm,x,light,133.1,1,87,1,2.5\nm,x,heavy,139.1,1,77,1,2.5\n"
)


@pytest.mark.parametrize(("old", "new", "words"), [
    ("heavy", "hevy", "row 4: needs a molecule, a label that is light or heavy"),
    ("m,x,heavy,139.1,1", "m,x,heavy,139.1,0", "row 4: .* and a charge; got 'x', 'heavy', 0"),
    ("139.1", "heavy", "row 4, column 'Precursor m/z': 'heavy' is not a number"),
    ("87,1", "87,-1", "row 3, column 'Product Charge': must have the sign"),
    ("139.1", "-139.1", "row 4: an m/z of -139.1 is not positive"),
    ("heavy", "light", "row 4: 'x' has more light rows than a method takes .2."),
    ("x,light", "y,light", "'x' has no light row"),
    ("77,1,2.5", "77,1,", "row 4, column 'Explicit Retention Time'"),
    (LIST[LIST.index("\n") + 1:], "", "holds no transition"),
    ("Label Type", "Label", "column 'Label Type' is missing"),
])  # fmt: skip
def test_wrong_transition_lists_are_named(tmp_path, old, new, words):
    path = tmp_path / "t.csv"
    path.write_text(LIST)
    assert [item.role for item in read_transition_list(path)] == ["quantifier", "qualifier", "IS"]
    path.write_text(LIST.replace(old, new))
    with pytest.raises(DataError, match=words):
        read_transition_list(path)


def test_the_real_report_is_read(lcms_data, tmp_path, peaks):
    path = lcms_data / "midar" / "Skyline_MoleculeTransitionResults.csv"
    table = read_areas(path)
    assert len(table.samples) == 6 and set(table.areas["analyte"]) == {"Aldosterone", "Cortisol", "Cortisone"}
    row = table.areas.query("sample == 'SBLK1' and analyte == 'Aldosterone'").iloc[0]
    assert row["area"] == 121860.0 and row["is_area"] == 222.0 and row["rt_s"] == 149.4
    assert row["ion_ratio"] == 80 / 121860
    # 361.2 > 315.2 has the larger median where it is there, but was called Cortisol in two of the replicates
    other = read_skyline_report(path, quantifiers={"Aldosterone": "361.2 > 315.2"}).areas.query("analyte == 'Aldosterone'")
    assert other["area"].isna().sum() == 2 and other["area"].median() > table.areas.query("analyte == 'Aldosterone'")["area"].median()
    swapped = read_skyline_report(path, {"Cortisone": "Cortisol D4"}).areas.set_index(["sample", "analyte"])
    assert swapped.loc[("SST1", "Cortisone"), "is_area"] == 606500.0  # of Cortisol D4
    assert math.isnan(swapped.loc[("SST1", "Cortisone 13C3"), "is_area"]), "nobody's standard is shown, not dropped"
    real, ours = (item.read_text(encoding="utf-8-sig").splitlines()[0] for item in (path, write_skyline_report(peaks, tmp_path / "r.csv")))
    assert ours == real + ",Sample Type,Analyte Concentration,Sample Dilution Factor"


HEAD = "Molecule Name,Replicate Name,Precursor Mz,Product Mz,Retention Time,Area,Label Type,Sample Type,Analyte Concentration\n"


def report(path, *rows):
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "standard", ["X heavy,a,1,2,1,7,,,", "X D4,a,1,2,1,7,,,", "X 13C4,a,1,2,1,7,,,", "X D4 (ISTD),a,1,2,1,7,,,", "X,a,9,8,1,7,heavy,,"]
)
def test_standards_are_known_by_name_or_label(tmp_path, standard):
    table = read_skyline_report(report(tmp_path / "r.csv", "X,a,1,2,1.5,5,light,,", standard, "Z,a,3,4,1,6,,,"))
    assert table.areas.iloc[0].tolist()[:5] == ["a", "X", 5.0, 7.0, 90.0]
    assert table.areas["analyte"].tolist() == ["X", "Z"] and math.isnan(table.areas["is_area"][1]), "Z has none and is not lost"


def test_a_missing_peak_counts_nothing(tmp_path):
    rows = [f"X,{s},1,{q},1,{area},,," for q, areas in ((3, (900, "#N/A", "#N/A")), (2, (5, 6, 7))) for s, area in zip("abc", areas, strict=True)]
    table = read_skyline_report(report(tmp_path / "r.csv", *rows, "X D4,a,1,2,#N/A,#N/A,,,"))
    assert table.areas["area"].tolist() == [5.0, 6.0, 7.0] and table.areas["ion_ratio"][0] == 180.0
    assert table.areas[["is_area"]].isna().all(axis=None) and table.areas["ion_ratio"][1:].isna().all()


def test_a_sequence_says_what_the_samples_are(tmp_path):
    path = report(tmp_path / "r.csv", "X,a,1,2,1,5,,,", "X,b,1,2,1,6,,,", "X D4,a,1,2,1,7,,,")
    samples = (Sample("b", "Standard", 1, level="L1", time_h=2.0), Sample("a", "QC", 2, 10.0))
    folder = write_batch(Batch("s", tuple(Injection(sample, ()) for sample in samples)), tmp_path / "s")
    table = read_skyline_report(path, sequence=folder / "sequence.csv")
    assert repr(table.samples) == repr(tuple(replace(sample, file=f"{sample.name}.mzML") for sample in samples))
    for names, words in (("b", "has no sample 'a' of r.csv"), ("abc", "row 4: 'c' has no row in r.csv"), ("aab", "stands there twice")):
        (tmp_path / "q.csv").write_text("sample_name,sample_type\n" + "".join(f"{name},QC\n" for name in names))
        with pytest.raises(DataError, match=words):
            read_skyline_report(path, sequence=tmp_path / "q.csv")


@pytest.mark.parametrize("with_masses", [True, False])
def test_reports_make_the_round_trip(tmp_path, peaks, with_masses):
    analytes = load_analytes("hilic_mrm")
    back = read_areas(write_skyline_report(peaks, tmp_path / "r.csv", analytes if with_masses else None))
    pd.testing.assert_frame_equal(back.areas, peaks.areas, check_exact=True)
    known = [replace(Sample(s.name, s.type, k), dilution_factor=s.dilution_factor) for k, s in enumerate(peaks.samples, start=1)]
    assert repr(list(back.samples)) == repr(known)
    assert repr(back.nominal) == repr(tuple(replace(item, IS_actual_concentration=math.nan) for item in _by_areas(peaks)))
    assert ("133.1" in (tmp_path / "r.csv").read_text().splitlines()[1]) == with_masses
    # a sequence completes the samples
    folder = write_batch(Batch("s", tuple(Injection(sample, ()) for sample in peaks.samples)), tmp_path / "s")
    back = read_skyline_report(tmp_path / "r.csv", sequence=folder / "sequence.csv")
    same(replace(peaks, nominal=back.nominal), back)


def table_of(area=10.0, ratio=0.5, unit="umol/L", name="a", kind="Standard", analyte="x", stated=7.0, rt=3.0, **more):
    areas = pd.DataFrame([(name, analyte, area, 2.0, rt, ratio)], columns=list(COLUMNS))
    return PeakTable("p", (Sample(name, kind, 1, **more),), areas, (Nominal(name, analyte, stated, math.nan, unit),), unit)


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-6, 1e12) | st.floats(-1e9, -1e-6), st.floats(1e-9, 1e9) | st.just(0.0), st.floats(0.01, 1e4))
def test_any_area_and_ratio_come_back_through_a_report(tmp_path_factory, area, ratio, rt):
    """Also where the qualifier is the larger one, which the rule of areas alone would take for the quantifier."""
    table = table_of(area, ratio, rt=rt)
    back = read_skyline_report(write_skyline_report(table, tmp_path_factory.mktemp("report") / "r.csv"))
    pd.testing.assert_frame_equal(back.areas, table.areas, check_exact=True)


def test_a_report_is_in_one_unit(tmp_path):
    """A report states none: 7 nmol/L must not come back as 7 umol/L."""
    back = read_skyline_report(write_skyline_report(table_of(unit="nmol/L"), tmp_path / "r.csv"))
    assert back.unit == "umol/L" and back.nominal[0].actual_concentration == pytest.approx(7e-3, rel=1e-15)
    for kind in ("Zero", "Matrix", "QC", "Double Blank"):
        assert read_skyline_report(write_skyline_report(table_of(kind=kind), tmp_path / "r.csv")).samples[0].type == kind


def test_a_report_needs_the_transitions_it_is_given(tmp_path, peaks):
    analytes = load_analytes("hilic_mrm")
    single = [replace(item, transitions=tuple(t for t in item.transitions if t.role != "qualifier")) for item in analytes]
    for given_, words in ((analytes[2:3], "'asn' is not an analyte of the method"), (single, "'asn' has no qualifier in the method")):
        with pytest.raises(DataError, match=words):
            write_skyline_report(peaks, tmp_path / "x.csv", given_)


GOOD = ("X,a,1,2,1.5,100,,Standard,5", "X D4,a,1,2,1.5,100,,Standard,5")


@pytest.mark.parametrize(("rows", "words"), [
    (GOOD[:1], "no molecule has an internal standard"),
    ((), "holds no peak"),
    (("X,a,1,2,1.5,lots,,Standard,", GOOD[1]), "row 2, column 'Area': 'lots' is not a number"),
    (("X,a,1,2,late,100,,Standard,", GOOD[1]), "column 'Retention Time': 'late' is not a number"),
    (("X,a,1,2,1.5,100,,Kal,", GOOD[1]), "row 2, column 'Sample Type': 'Kal' is not a type"),
    ((*GOOD, "X,a,1,2,1.5,7,,Standard,5"), "row 4: 1 > 2 of 'X' in 'a' is there twice"),
    ((*GOOD, "X,a,1,3,1.5,7,,QC,5"), "row 4: sample 'a' is described in two ways"),
    ((*GOOD, "X,a,1,3,1.5,7,,Standard,6"), "row 4: 'X' of 'a' has two concentrations"),
    ((*GOOD, "X 13C,a,1,2,1.5,7,,Standard,5"), "'X' has 2 internal standards .X D4, X 13C."),
    ((*GOOD, ",a,1,2,1.5,7,,,"), "row 4: needs a molecule"),
])  # fmt: skip
def test_wrong_reports_are_named(tmp_path, rows, words):
    assert len(read_skyline_report(report(tmp_path / "g.csv", *GOOD)).areas) == 1
    with pytest.raises(DataError, match=words):
        read_skyline_report(report(tmp_path / "r.csv", *rows))


@pytest.mark.parametrize(("argument", "named", "words"), [
    ("internal_standards", {"Y": "X D4"}, "'Y' of the internal standards is not in the report"),
    ("internal_standards", {"X": "X D5"}, "'X D5' of the internal standards is not in the report; did you mean 'X D4'"),
    ("quantifiers", {"X": "1 > 4"}, "'1 > 4' is not a transition of 'X'; did you mean '1 > 2'"),
    ("quantifiers", {"Y": "1 > 2"}, "'1 > 2' is not a transition of 'Y'"),
])  # fmt: skip
def test_names_that_are_not_in_a_report_are_named(tmp_path, argument, named, words):
    with pytest.raises(DataError, match=words):
        read_skyline_report(report(tmp_path / "r.csv", *GOOD), **{argument: named})


# ---- the long table --------------------------------------------------------------------------------------------------------
def test_the_long_table_is_exact(tmp_path, peaks):
    back = read_areas(write_peaks(peaks, tmp_path / "p.csv"))
    vials = tuple(replace(sample, file="") for sample in peaks.samples)
    same(PeakTable("p", vials, peaks.areas, _by_areas(peaks), peaks.unit), back)
    same(back, read_areas(write_peaks(peaks, tmp_path / "p.tsv")))


def _by_areas(peaks):
    """Prepared concentrations in the order of the areas."""
    stated = {(item.sample_name, item.analyte): item for item in peaks.nominal}
    return tuple(stated[key] for key in zip(peaks.areas["sample"], peaks.areas["analyte"], strict=True) if key in stated)


NUMBERS = st.floats(-1e9, 1e9) | st.just(math.nan)
# with what a table may lose: comments, breaks, outer blanks
NAMES = st.text("abc XYZ,;'<>\"#\n\x0b\u2028\xa0", min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5, unique_by=lambda row: row[0]), st.floats(1e-6, 1e6))
def test_any_long_table_is_exact(tmp_path_factory, rows, dilution):
    samples = tuple(Sample(name, "Unknown", k, dilution, "L", time_h=0.1 * k) for k, (name, *_) in enumerate(rows, start=1))
    areas = pd.DataFrame([(name, "asn", *numbers, 0.5) for name, *numbers in rows], columns=list(COLUMNS))
    table = PeakTable("p", samples, areas, (Nominal(rows[0][0], "asn", 1 / 3, math.nan),))
    path = tmp_path_factory.mktemp("long") / "p.csv"
    if any(name != name.strip() or len(name.splitlines()) > 1 or name.startswith("#") for name, *_ in rows):
        with pytest.raises(DataError, match="would not survive in a table"):
            write_peaks(table, path)
    else:
        same(table, read_peaks(write_peaks(table, path)))


def test_the_order_is_that_of_the_injections(tmp_path):
    path = tmp_path / "p.csv"
    for more, rows in ((",inj_number", "a,QC,x,1,2,2\nb,QC,x,1,2,1\na,QC,y,1,2,2\n"), ("", "b,QC,x,1,2\na,QC,x,1,2\nb,QC,y,1,2\n")):
        path.write_text(f"sample,sample_type,analyte,area,is_area{more}\n{rows}")
        assert [(sample.name, sample.inj_number) for sample in read_peaks(path).samples] == [("b", 1), ("a", 2)]


@pytest.mark.parametrize(("text", "words"), [
    ("sample,analyte,area,is_area\na,x,1,2\n", "column 'sample_type' is missing"),
    ("sample,sample_type,analyte,area,is_area\na,Kal,x,1,2\n", "'Kal' is not one of Unknown"),
    ("sample,sample_type,analyte,area,is_area\n,QC,x,1,2\n", "must not be empty"),
    ("sample,sample_type,analyte,area,is_area\na,QC,x,one,2\n", "'one' is not a number"),
    ("sample,sample_type,analyte,area,is_area\na,QC,x,1,2\na,CAL,y,1,2\n", "described in two ways"),
    ("sample,sample_type,analyte,area,is_area,inj_number\na,QC,x,1,2,1\na,QC,y,1,2,2\n", "row 3: .* described in two ways"),
    ("sample,sample_type,analyte,area,is_area,inj_number\na,QC,x,1,2,1.7\n", "column 'inj_number': 1.7 is not a whole number"),
    ("sample,sample_type,analyte,area,is_area\na,QC,x,inf,2\n", "'inf' is not a finite number"),
    ("sample,sample_type,analyte,area,is_area\n", "holds no area"),
    ("sample,sample_type,analyte,area,is_area,unit\na,QC,x,1,2,nM\nb,QC,x,1,2,ng/mL\n", "one table has one unit"),
    ("sample,sample_type,analyte,area,is_area\na,QC,x,1,2\na,QC,x,1,2\n", "is there twice"),
    ("a,b\n1,2\n", "is no table of areas this reader knows"),
])  # fmt: skip
def test_wrong_long_tables_are_named(tmp_path, text, words):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_areas(path) if "reader knows" in words else read_peaks(path)


def test_a_sample_without_areas_would_be_lost(tmp_path, peaks):
    with pytest.raises(DataError, match="has no area and would be lost"):
        write_peaks(PeakTable("p", (*peaks.samples, Sample("more")), peaks.areas), tmp_path / "p.csv")
    extra = Nominal(peaks.samples[0].name, "leu", 1.0, math.nan)
    for more, words in ((extra, "concentration of 'leu' in sample .* has no area beside it"), (peaks.nominal[0], "is there twice")):
        with pytest.raises(DataError, match=words):
            write_peaks(replace(peaks, nominal=(*peaks.nominal, more)), tmp_path / "p.csv")


@pytest.mark.parametrize(("write", "change", "words"), [
    (write_peaks, {"name": "#1"}, "does not start with #"),
    (write_peaks, {"unit": ""}, "give a name or unit"),
    (write_peaks, {"level": " L"}, "without line breaks and outer blanks"),
    (write_peaks, {"matrix": "a\nb"}, "without line breaks and outer blanks"),
    (write_peaks, {"kind": "Kal"}, "type 'Kal' is not one of"),
    (write_peaks, {"area": math.inf}, "area of x in sample 'a' of 'p' is infinite"),
    (write_skyline_report, {"unit": "ng/mL"}, "is in ng/mL, and a report states no unit"),
    (write_skyline_report, {"area": 0.0}, "has an ion ratio but no area"),
    (write_skyline_report, {"area": math.nan}, "has an ion ratio but no area"),
    (write_skyline_report, {"analyte": "asn "}, "would not survive in a table"),
])  # fmt: skip
def test_what_a_table_cannot_hold_is_not_written(tmp_path, write, change, words):
    with pytest.raises(DataError, match=words):
        write(table_of(**change), tmp_path / "p.csv")
    assert not list(tmp_path.iterdir())

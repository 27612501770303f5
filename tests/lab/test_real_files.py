"""Real SRM files of a QTRAP 5500 (public SmartPeak examples): read as they are, quantified with the published lines."""

import csv
import gzip

import numpy as np
import pytest

from asnsim.chromatogram import load_analytes
from asnsim.quantify import Method, quantify
from asnsim.quantify.peaks import infer_dwell, locate, match

pytest.importorskip("pyopenms", reason="mzML needs pyopenms")
from asnsim.io.mzml import read_batch, read_mzml  # noqa: E402

YEAST = ["yeast_Sacc1_1x", "yeast_Sacc2_1x", "yeast_Sacc3_1x"]


@pytest.fixture(scope="module")
def batch(lcms_data):
    return read_batch(lcms_data / "smartpeak")


@pytest.fixture(scope="module")
def result(batch):
    return quantify(batch, "smartpeak_yeast")


def test_folder_is_read_though_schema_invalid_and_without_a_sequence_of_ours(batch):
    assert [item.sample.name for item in batch.injections] == ["plateletQC_150516_RawDataProcessor_mzML_1", *YEAST]
    for injection in batch.injections:
        assert len(injection.chromatograms) == 20
        for trace in injection.chromatograms:
            assert trace.polarity == "-"  # pyopenms alone does not say
            assert np.isnan(trace.dwell) and np.isnan(trace.collision_energy)  # placeholders -0.001 s and 0.0 eV
            assert 30 < trace.time[0] < 160 and 60 < trace.time[-1] < 310  # the files are in minutes, we are in seconds


def test_a_sequence_as_smartpeak_writes_it_is_read(lcms_data, tmp_path):
    source = lcms_data / "smartpeak"
    for name in YEAST:
        (tmp_path / f"170808_Jonathan_{name}.mzML").write_bytes((source / f"{name}.mzML").read_bytes())
    (tmp_path / "sequence.csv").write_bytes((source / "sequence_Unknowns.csv").read_bytes())
    batch = read_batch(tmp_path)
    listed = {row["sample_name"] for row in csv.DictReader((source / "sequence_Unknowns.csv").open(encoding="utf-8-sig"))}
    read = {item.sample.name for item in batch.injections}
    assert {f"170808_Jonathan_{name}" for name in YEAST} <= read
    assert {name for name, _ in batch.failures} == listed - read, "files that are not here are listed, not lost"


def test_dwell_time_shows_in_the_grid_of_counts(batch):
    asn = next(row for row in load_analytes("smartpeak_yeast") if row.id == "asn")
    for injection in batch.injections[1:]:
        # 69 counts/s per count
        assert infer_dwell(match(injection, asn.transition("quantifier")).intensity) == pytest.approx(1 / 69.0, rel=0.02)


@pytest.mark.parametrize(("sample", "value"), list(zip(YEAST, (3.37, 7.94, 3.11), strict=True)))
def test_asparagine_in_yeast(result, sample, value):
    row = result.table.query(f"sample == '{sample}' and analyte == 'asn'").iloc[0]
    assert row["value"] == pytest.approx(value, rel=0.03)
    assert row["unit"] == "umol/L" and row["flags"] == ""
    assert 0.5 < row["sd"] < 1.5  # slope 10 %, intercept 25 %, 5 % repeatability, counting and spray


def test_triplicates_agree_where_chemistry_lets_them(result):
    serine = result.table.query("analyte == 'ser' and sample in @YEAST")
    assert serine["value"].std() / serine["value"].mean() < 0.06


def test_the_apex_would_mislead(batch, result):
    """In Sacc2 single points spike in both traces: two apex rules give 3.9 and 10, the area gives one answer."""
    asn, method = next(row for row in load_analytes("smartpeak_yeast") if row.id == "asn"), Method.load("smartpeak_yeast")
    injection = batch["yeast_Sacc2_1x"]
    light, heavy = match(injection, asn.transition("quantifier")), match(injection, asn.transition("IS"))
    top_light, top_heavy = np.argmax(light.intensity), np.argmax(heavy.intensity)
    np.testing.assert_array_equal(light.time[: heavy.time.size], heavy.time)
    ratios = np.array(
        [light.intensity[top_heavy] / heavy.intensity[top_heavy], light.intensity[top_light] / heavy.intensity[top_light]]
    )
    line = method.lines["asn"]
    by_apex = (ratios - line.intercept) / line.slope
    assert by_apex[0] < 4.0 and by_apex[1] > 10.0
    value = result.table.query("sample == 'yeast_Sacc2_1x' and analyte == 'asn'")["value"].iloc[0]
    assert value == pytest.approx(7.94, rel=0.03)
    assert locate(heavy, asn.transition("IS"), method).found


def test_the_result_says_what_is_assumed(result):
    text = "\n".join(result.report)
    assert "own covariance was not published" in text and "uncertainty is assumed" in text
    assert set(result.calibration) == {"asn", "arg", "his", "ser", "glu"}


def test_ratios_below_the_published_intercept_are_flagged(result):
    row = result.table.query("sample.str.startswith('platelet') and analyte == 'arg'").iloc[0]
    assert row["value"] < 0 and "below the line's intercept" in row["flags"]


def test_another_makers_file_with_a_tic_first(lcms_data, tmp_path):
    path = tmp_path / "wk.mzML"
    path.write_bytes(gzip.decompress((lcms_data / "rams" / "wk_chrom.mzML.gz").read_bytes()))
    traces = read_mzml(path)
    assert len(traces) == 7 and all(trace.polarity == "+" for trace in traces)

"""mzML: what we write reads back identically here and elsewhere; what is wrong gets one sentence."""

import math
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asnsim.chromatogram import Batch, Chromatogram, Injection, Nominal, Sample
from asnsim.errors import DataError

pytest.importorskip("pyopenms", reason="mzML needs pyopenms")
from asnsim.io.mzml import read_batch, read_mzml, write_batch, write_mzml  # noqa: E402


def trace(name="+ SRM SIC Q1=133.1 Q3=74 asn.quantifier", n=50, polarity="+", energy=17.0, dwell=0.015, seed=0):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.4, 0.9, n))
    counts = rng.poisson(50, n) / 0.015
    return Chromatogram(name, 133.1, 74.0, polarity, energy, dwell, times, counts.astype(np.float32))


def same(a, b):
    assert (a.native_id, a.q1, a.q3, a.polarity) == (b.native_id, b.q1, b.q3, b.polarity)
    for x, y in ((a.collision_energy, b.collision_energy), (a.dwell, b.dwell)):
        assert x == y or (math.isnan(x) and math.isnan(y))
    np.testing.assert_array_equal(a.time, b.time)
    np.testing.assert_array_equal(a.intensity, b.intensity)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 200), st.sampled_from(["+", "-", ""]), st.sampled_from([17.0, math.nan]), st.sampled_from([0.015, math.nan])
)
def test_round_trip_is_exact(tmp_path, n, polarity, energy, dwell):
    # without a polarity the name must not claim one either
    first = trace(f"{polarity} SRM one" if polarity else "one", n, polarity, energy, dwell)
    second = trace("two", 30, polarity, energy, dwell, seed=1)
    back = read_mzml(write_mzml((first, second), tmp_path / "x.mzML"))
    same(first, back[0])
    same(second, back[1])


def test_pymzml_reads_the_same(tmp_path):
    run = pytest.importorskip("pymzml.run", reason="pymzml is a test dependency")
    item = trace()
    path = write_mzml((item, trace("other", seed=2)), tmp_path / "x.mzML")
    found = run.Reader(str(path))[item.native_id]
    np.testing.assert_array_equal(found.time, item.time)
    np.testing.assert_array_equal(found.i, item.intensity)


def test_pyteomics_reads_the_same(tmp_path):
    pytest.importorskip("lxml", reason="pyteomics reads mzML through lxml")
    pytest.importorskip("psims", reason="pyteomics reads mzML through psims")
    mzml = pytest.importorskip("pyteomics.mzml", reason="pyteomics is a test dependency")
    item = trace()
    with mzml.MzML(str(write_mzml((item,), tmp_path / "x.mzML"))) as reader:
        found = next(iter(reader.iterfind("chromatogram")))
    np.testing.assert_array_equal(found["time array"], item.time)
    np.testing.assert_array_equal(found["intensity array"], item.intensity)
    assert found["time array"].dtype == found["intensity array"].dtype == np.float64
    assert found["precursor"][0]["isolationWindow"]["isolation window target m/z"] == item.q1
    assert found["product"][0]["isolationWindow"]["isolation window target m/z"] == item.q3
    assert found["precursor"][0]["activation"]["collision energy"] == 17.0
    assert "positive scan" in found


def batch():
    samples = [
        Sample("CAL1", "Standard", 1, level="CAL1", file="1.mzML"),
        Sample("cells, 1", "Unknown", 2, 2.0, "", "a", "cells", 0.1, 1, 1e6, 2.0 / 3.0, 0.2, 6.6, 0.95, "2.mzML"),
    ]
    injections = tuple(Injection(sample, (trace(),)) for sample in samples)
    truth = ({"sample_name": "CAL1", "rt_s": 1.0},)
    return Batch("b", injections, (Nominal("CAL1", "asn", 1 / 3, 5.0),), "m", 'name = "m"\n', truth)


def test_batch_folder_round_trip(tmp_path):
    original = batch()
    folder = write_batch(original, tmp_path / "out")
    back = read_batch(folder)
    assert repr([item.sample for item in back.injections]) == repr([item.sample for item in original.injections])
    assert back.nominal == original.nominal and back.method == "m" and back.method_text == original.method_text
    assert sorted(os.listdir(folder)) == ["1.mzML", "2.mzML", "concentrations.csv", "method.toml", "sequence.csv", "truth.csv"]
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]  # nothing half-written is left


def test_batch_is_not_written_over_another(tmp_path):
    write_batch(batch(), tmp_path / "out")
    with pytest.raises(DataError, match="not empty"):
        write_batch(batch(), tmp_path / "out")


def test_folder_without_paperwork_is_all_unknown(tmp_path):
    for name in ("b", "a"):
        write_mzml((trace(),), tmp_path / f"{name}.mzML")
    assert [(item.sample.name, item.sample.type) for item in read_batch(tmp_path).injections] == [
        ("a", "Unknown"),
        ("b", "Unknown"),
    ]
    assert len(read_batch(tmp_path / "a.mzML")) == 1


def test_minutes_become_seconds(tmp_path):
    path = write_mzml((trace(),), tmp_path / "x.mzML")
    text = path.read_text(encoding="latin-1")
    seconds = 'unitAccession="UO:0000010" unitName="second"'
    assert seconds in text
    path.write_text(text.replace(seconds, 'unitAccession="UO:0000031" unitName="minute"'), encoding="latin-1")
    np.testing.assert_allclose(read_mzml(path)[0].time, 60.0 * trace().time, rtol=1e-12)


def broken(kind, folder):
    path = write_mzml((trace(),), folder / "x.mzML")
    text = path.read_text(encoding="latin-1")
    if kind == "missing":
        return folder / "nowhere.mzML"
    if kind == "empty":
        path.write_text("")
    elif kind == "truncated":
        path.write_text(text[: len(text) // 2])
    elif kind == "binary":
        path.write_bytes(bytes(range(256)))
    elif kind == "damaged":
        path.write_text(text.replace("</precursor>", "</prcursor>"))
    elif kind == "doctype":
        path.write_text(text.replace("<indexedmzML", '<!DOCTYPE x [<!ENTITY a "aaaa">]>\n<indexedmzML', 1))
    elif kind == "other":
        path.write_text("<?xml version='1.0'?><html></html>")
    elif kind == "no chromatograms":
        head, tail = text.split("<chromatogramList", 1)
        path.write_text(head + tail.split("</chromatogramList>", 1)[1])
    elif kind == "spectra":
        head, tail = text.split("<chromatogramList", 1)
        spectra = (
            '<spectrumList count="1" defaultDataProcessingRef="dp_sp_0"><spectrum index="0" id="s" defaultArrayLength="0">'
            '<cvParam cvRef="MS" accession="MS:1000583" name="SRM spectrum" value=""/></spectrum></spectrumList>'
        )
        path.write_text(head + spectra + tail.split("</chromatogramList>", 1)[1])
    elif kind == "only TIC":
        path.write_text(
            text.replace("MS:1001473", "MS:1000235").replace(
                "selected reaction monitoring chromatogram", "total ion current chromatogram"
            )
        )
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such file"),
        ("empty", "is not XML"),
        ("truncated", "cut off"),
        ("binary", "is not XML"),
        ("damaged", "is damaged"),
        ("doctype", "DOCTYPE"),
        ("other", "root is <html>"),
        ("no chromatograms", "holds no chromatograms"),
        ("spectra", "SRM spectra and no chromatograms"),
        ("only TIC", "none of selected reaction monitoring"),
    ],
)
def test_wrong_files_get_one_clear_sentence(tmp_path, kind, words):
    with pytest.raises(DataError, match=words) as caught:
        read_mzml(broken(kind, tmp_path))
    assert "\n" not in str(caught.value)


def test_missing_file_of_a_sequence_is_named(tmp_path):
    folder = write_batch(batch(), tmp_path / "out")
    (folder / "2.mzML").unlink()
    back = read_batch(folder)
    assert [name for name, _ in back.failures] == ["cells, 1"] and "names '2.mzML', which is not in the folder" in back.failures[0][1]
    assert len(back) == 1
    (folder / "1.mzML").write_text("no mzML")
    with pytest.raises(DataError, match="1.mzML"):
        read_batch(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Standard", "Sandard", "not one of Unknown"),
        (",2.0,", ",-2.0,", "is not a positive number"),
        ("1.mzML", "../1.mzML", "plain name"),
        (",0.1,", ",soon,", "'soon' is not a number"),
    ],
)
def test_wrong_sequence_is_named(tmp_path, old, new, words):
    folder = write_batch(batch(), tmp_path / "out")
    path = folder / "sequence.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        read_batch(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("CAL1,", "CAL11,", "did you mean 'CAL1'"),
        ("umol/L", "mg/dL", "'mg/dL' is not one of umol/L"),
        ("asn,0", "asn,x0", "not a number"),
    ],
)
def test_wrong_concentrations_are_named(tmp_path, old, new, words):
    folder = write_batch(batch(), tmp_path / "out")
    path = folder / "concentrations.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        read_batch(folder)


def test_a_unit_that_is_not_known_loses_its_vial_only(tmp_path):
    original = batch()
    more = (*original.nominal, Nominal("cells, 1", "asn", 2.0, 5.0))
    folder = write_batch(replace(original, nominal=more), tmp_path / "out")
    path = folder / "concentrations.csv"
    path.write_text(path.read_text().replace("umol/L", "mg/dL", 1))
    back = read_batch(folder)
    assert [item.sample_name for item in back.nominal] == ["cells, 1"]
    assert [name for name, _ in back.failures] == ["CAL1"] and "'mg/dL' is not one of" in back.failures[0][1]


def test_compressed_by_numpress_is_read(tmp_path):
    oms = pytest.importorskip("pyopenms")
    path = write_mzml((trace(),), tmp_path / "x.mzML")
    plain = read_mzml(path)[0]
    experiment, writer = oms.MSExperiment(), oms.MzMLFile()
    writer.load(str(path), experiment)
    options = writer.getOptions()
    for name, use in (("linear", options.setNumpressConfigurationMassTime), ("slof", options.setNumpressConfigurationIntensity)):
        config = oms.NumpressConfig()
        config.setCompression(name.encode())
        config.estimate_fixed_point = True
        use(config)
    writer.setOptions(options)
    writer.store(str(path), experiment)
    assert "MS-Numpress" in path.read_text()
    packed = read_mzml(path)[0]
    np.testing.assert_allclose(packed.time, plain.time, atol=1e-4)
    np.testing.assert_allclose(packed.intensity, plain.intensity, rtol=1e-3, atol=1.0)


def test_units_and_words_of_other_programs_are_understood(tmp_path):
    folder = write_batch(batch(), tmp_path / "out")
    for name, old, new in (
        ("concentrations.csv", "umol/L", "nM"),
        ("sequence.csv", "Standard", "CAL"),
        ("sequence.csv", "Unknown", "SPL"),
    ):
        path = folder / name
        path.write_text(path.read_text().replace(old, new))
    back = read_batch(folder)
    assert back.nominal[0].actual_concentration == pytest.approx(1e-3 / 3)
    assert [item.sample.type for item in back.injections] == ["Standard", "Unknown"]


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no mzML file"):
        read_batch(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_batch(tmp_path / "nowhere")


def test_reading_is_quick(tmp_path):
    path = write_mzml(tuple(trace(f"t{index}", 200, seed=index) for index in range(60)), tmp_path / "x.mzML")
    read_mzml(path)
    start = time.perf_counter()
    read_mzml(path)
    assert time.perf_counter() - start < 1.0

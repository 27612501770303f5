"""Areas that another program integrated: the same calibration, errors and rules as for chromatograms."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from asnsim.chromatogram import Nominal, Sample
from asnsim.errors import DataError
from asnsim.lcms import Protocol, measure
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.quantify import Method, quantify


def table_of(batch, result):
    """The areas of a quantified batch as another program would hand them over."""
    areas = result.table[list(COLUMNS)].reset_index(drop=True)
    return PeakTable("areas", tuple(item.sample for item in batch.injections), areas, batch.nominal)


@pytest.fixture(scope="module")
def both(culture):
    batch = measure(culture(), Protocol.load("hilic_mrm").with_analytes("asn", "gln"), [0.0, 1.0], 3, seed=9)
    result = quantify(batch)
    return batch, result, table_of(batch, result)


def test_areas_give_the_values_of_the_chromatograms(both):
    _, result, peaks = both
    method = Method.load("hilic_mrm")
    again = quantify(peaks, method)
    kept = np.isfinite(result.table["value"])  # an IS area within its noise, of double blanks, is known to chromatograms only
    assert kept.mean() > 0.85
    np.testing.assert_allclose(again.table["value"][kept], result.table["value"][kept], rtol=1e-12)
    assert again.passed and len(again.checks) == len(result.checks)
    liquids = quantify(replace(peaks, samples=tuple(replace(s, matrix="" if s.matrix == "cells" else s.matrix) for s in peaks.samples)), "area_table")
    medium = (liquids.table["matrix"] == "medium").to_numpy()
    np.testing.assert_allclose(liquids.table["value"][medium], result.table["value"][medium], rtol=1e-12)


def test_amounts_in_cells_need_the_method_of_their_preparation(both):
    _, _, peaks = both
    result = quantify(peaks, "area_table")
    cells = result.table[result.table["matrix"] == "cells"]
    assert cells["value"].isna().all() and any("states no aliquot_uL" in line for line in result.report)
    assert result.table[result.table["matrix"] == "medium"]["value"].notna().all()


def test_the_unit_of_the_calibrators_is_that_of_the_result(both):
    _, _, peaks = both
    vials = tuple(replace(sample, matrix="") for sample in peaks.samples)
    assert set(quantify(replace(peaks, samples=vials, unit="ng/mL"), "area_table").table["unit"]) == {"ng/mL"}
    result = quantify(replace(peaks, unit="ng/mL"), "hilic_mrm")
    assert any("amounts in cells need calibrators in umol/L, not ng/mL" in line for line in result.report)


def test_vials_without_internal_standard_are_flagged_and_have_no_value(both):
    _, _, peaks = both
    areas = peaks.areas.copy()
    areas.loc[areas["sample"] == "run_t1_medium_1", "is_area"] = 0.0
    rows = quantify(replace(peaks, areas=areas), "hilic_mrm").table.query("sample == 'run_t1_medium_1'")
    assert rows["value"].isna().all() and rows["flags"].str.contains("no IS peak").all()


def test_negative_areas_are_named_and_the_rest_is_quantified(both):
    _, _, peaks = both
    areas = peaks.areas.copy()
    areas.loc[(areas["sample"] == "run_t1_medium_1") & (areas["analyte"] == "asn"), "area"] = -50.0
    areas.loc[(areas["sample"] == "run_t1_medium_2") & (areas["analyte"] == "asn"), "is_area"] = -50.0
    result = quantify(replace(peaks, areas=areas), "hilic_mrm")
    table = result.table[result.table["analyte"] == "asn"].set_index("sample")["value"]
    assert table["run_t1_medium_1"] < 0 and math.isnan(table["run_t1_medium_2"]) and table["run_t1_medium_3"] > 0
    text = "\n".join(result.report)
    assert "'run_t1_medium_1': asn has a negative area, -50" in text
    assert "'run_t1_medium_2': asn has a negative internal standard area" in text


def test_all_calibrators_above_the_samples_is_said(both):
    _, _, peaks = both
    kept = tuple(item for item in peaks.nominal if not item.sample_name.startswith("CAL") or item.actual_concentration > 50)
    rows = quantify(replace(peaks, nominal=kept), "hilic_mrm").table.query("sample_type == 'Unknown' and analyte == 'asn'")
    assert rows["flags"].str.contains("below LLOQ").any()


def simple(**changes):
    fields = {
        "name": "p", "samples": (Sample("a"), Sample("b")), "nominal": (Nominal("a", "x", 1.0, math.nan),),
        "areas": pd.DataFrame([("a", "x", 1.0, 2.0, 60.0, 0.5)], columns=list(COLUMNS)),
    }  # fmt: skip
    return PeakTable(**{**fields, **changes})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("c", "x", 1.0, 2.0, 60.0, 0.5)], "stands in no sequence"),
        ([("a", "x", 1.0, 2.0, 60.0, 0.5)] * 2, "is there twice"),
    ],
)
def test_tables_that_cannot_be(rows, words):
    with pytest.raises(DataError, match=words):
        simple(areas=pd.DataFrame(rows, columns=list(COLUMNS)))


def test_more_tables_that_cannot_be():
    with pytest.raises(DataError, match="column 'is_area' is missing"):
        simple(areas=pd.DataFrame({"sample": ["a"], "analyte": ["x"], "area": [1.0]}))
    with pytest.raises(DataError, match="sample names must be unique"):
        simple(samples=(Sample("a"), Sample("a")))
    with pytest.raises(DataError, match="0 usable calibrators"):
        quantify(simple(), "area_table")
    with pytest.raises(DataError, match="has no area"):
        quantify(simple(areas=pd.DataFrame([], columns=list(COLUMNS))), "area_table")


def test_a_method_for_areas_does_not_integrate(both):
    with pytest.raises(DataError, match="it is for tables of areas"):
        quantify(both[0], "area_table")

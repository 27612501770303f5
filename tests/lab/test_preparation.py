"""Lysis, precipitation, standards and side assays of the bench."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from asnsim.errors import DataError
from asnsim.isotopes import parse_formula
from asnsim.lcms import Protocol, measure
from asnsim.lcms.assays import Reader
from asnsim.lcms.draws import Draws
from asnsim.lcms.extraction import hydrolysed, hydrolysed_formula, lysis, matrix_factor, protein_left, recovered, strength
from asnsim.quantify import Method, quantify

ASN = Protocol.load("hilic_mrm").with_analytes("asn")
POOLS = {"asn_c": 1000.0, "asn_e": 40.0}


def mean_of(batch, matrix, column="value"):
    table = quantify(batch).table
    return table[(table["sample_type"] == "Unknown") & (table["matrix"] == matrix)][column].mean()


# ---- lysis ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["sonication", "freeze_thaw", "mechanical"])
def test_every_way_to_open_cells_has_its_own_recovery(culture, mode):
    protocol = ASN.with_bench(extraction={"mode": mode})
    opened = lysis(protocol)
    batch = measure(culture(POOLS), protocol, [0.0], 40, seed=3)
    found = [row["recovery"] for row in batch.truth if "_cells_" in row["sample_name"]]
    assert np.mean(found) == pytest.approx(opened.recovery, abs=3 * opened.recovery_bias)
    assert np.std(found) / np.mean(found) == pytest.approx(opened.recovery_cv, rel=0.4)
    assert {i.sample.recovery for i in batch.injections if i.sample.matrix == "cells"} == {opened.recovery}


def test_a_suspension_loses_what_leaks_into_the_quench(culture):
    loose = ASN.with_bench(extraction={"suspension": 1})
    share = mean_of(measure(culture(POOLS), loose, [0.0], 30, seed=3), "cells") / mean_of(measure(culture(POOLS), ASN, [0.0], 30, seed=3), "cells")
    assert share == pytest.approx(1 - ASN.bench["extraction"]["quench_leak"], abs=0.01)


def test_unknown_modes_and_solvents_are_named(culture):
    for section, change, words in (
        ("extraction", {"mode": "sonicate"}, "'sonicate' is not a way to open cells; did you mean 'sonication'"),
        ("precipitation", {"solvent": "ethanol"}, "'ethanol' is not one of acetonitrile, methanol"),
        ("precipitation", {"ratio": 0.0}, "ratio 0 is not positive"),
    ):
        with pytest.raises(DataError, match=words):
            measure(culture(POOLS), ASN.with_bench(**{section: change}), [0.0], 1)


# ---- precipitation -------------------------------------------------------------------------------------------------------
def test_precipitation_follows_its_table_and_more_solvent_leaves_less():
    section = ASN.bench["precipitation"]
    for solvent in ("acetonitrile", "methanol"):
        assert [protein_left(ASN, solvent, r) for r in (2, 3)] == pytest.approx([section[f"{solvent}_left_{r}"] for r in (2, 3)])
        assert protein_left(ASN, solvent, 4.0) < protein_left(ASN, solvent, 3.0) and protein_left(ASN, solvent, 1e-9) == 1.0
    dirty = ASN.with_bench(precipitation={"solvent": "methanol", "ratio": 2.0})
    assert matrix_factor(ASN, "plasma") == ASN.bench["esi"]["matrix_factor"]
    assert matrix_factor(dirty, "plasma") < matrix_factor(ASN, "plasma") and matrix_factor(dirty, "cells") == matrix_factor(ASN, "cells")


def test_without_drying_the_supernatant_is_diluted(culture):
    shot = ASN.with_bench(precipitation={"dried": 0, "ratio": 2.0})
    assert strength(shot) == pytest.approx(1 / 3) and recovered(shot) == 1.0
    assert strength(ASN.with_bench(precipitation={"reconstituted": 2.0})) == 0.5
    a, b = (measure(culture(POOLS), p, [0.0], 20, seed=3) for p in (ASN, shot))
    ratio = mean_of(b, "medium", "is_area") / mean_of(a, "medium", "is_area")
    # a third of the strength, nothing lost on the way, suppressed a little more by what 2:1 leaves
    assert ratio == pytest.approx(strength(shot) / recovered(ASN) * matrix_factor(shot, "medium") / matrix_factor(ASN, "medium"), rel=0.05)
    assert mean_of(b, "medium") == pytest.approx(40.0, rel=0.05), "analyte and standard alike: the result stays"


# ---- internal standards -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("light", "heavy", "turnover"), [(50.0, 5.0, 30.0), (5.0, 25.0, 100.0), (500.0, 0.0, 20.0), (0.3, 5.0, 1.0)])
def test_light_and_labelled_compete_in_one_term(light, heavy, turnover):
    Km = 15.0
    run = solve_ivp(
        lambda t, y: -turnover * y / (Km + y.sum()), (0, 1), [light, heavy], rtol=1e-11, atol=1e-14, method="LSODA"
    )
    np.testing.assert_allclose(hydrolysed(light, heavy, turnover, Km), run.y[:, -1], rtol=1e-6, atol=1e-12)
    assert hydrolysed(0.0, 0.0, 5.0, Km) == (0.0, 0.0)


def test_asparaginase_makes_the_asp_standard_of_fully_labelled_asn():
    assert hydrolysed_formula("[13C]4H8[15N]2O3") == parse_formula("[13C]4H7[15N]O4")
    assert hydrolysed_formula("C4H8N2O3") == parse_formula("C4H7NO4")


def test_a_standard_in_the_tube_corrects_for_the_enzyme(tube):
    """Half of the light Asn is lost until the quench; a standard that was there from the start lost the same share."""
    slow = {"medium_delay_s": 420.0, "scale": {"kcat_asnase": "enzyme"}}
    run = tube(600.0, pools={"asn_e": 50.0})

    def protocol(moment, name=None):
        own = Protocol.load(name or "hilic_mrm").with_analytes("asn").with_bench(sampling=slow)
        return replace(own, method={**own.method, "preparation": {**own.method["preparation"], "is_added": moment}})

    late, early = (mean_of(measure(run, protocol(moment), [0.0], 12, seed=2), "medium") for moment in ("at_extraction", "at_sampling"))
    assert late < 0.7 * 50.0 and early == pytest.approx(50.0, rel=0.05)
    with pytest.raises(DataError, match="is_added 'early' is not one of"):
        measure(run, protocol("early"), [0.0], 1)


def test_hydrolysed_asn_standard_arrives_as_asp_standard(tube):
    slow = {"medium_delay_s": 420.0, "scale": {"kcat_asnase": "enzyme"}}
    run = tube(600.0, pools={"asn_e": 50.0, "asp_e": 20.0})
    own = Protocol.load("hilic_mrm").with_analytes("asn", "asp").with_bench(sampling=slow)
    own = replace(own, method={**own.method, "preparation": {**own.method["preparation"], "is_added": "at_sampling"}})
    full = tuple(replace(a, is_formula="[13C]4H8[15N]2O3") if a.id == "asn" else a for a in own.analytes)
    plain, trap = (
        {row["analyte"]: row for row in measure(run, p, [0.0], 1, seed=2).truth if row["sample_name"] == "run_t1_medium_1"}
        for p in (own, replace(own, analytes=full))
    )
    gained = trap["asp"]["vial_heavy"] - plain["asp"]["vial_heavy"]
    lost = plain["asp"]["vial_heavy"] - plain["asn"]["vial_heavy"]
    assert gained == pytest.approx(lost, rel=0.1) and gained > 1.0


def test_any_isotopologue_may_be_the_standard(tmp_path, culture):
    from asnsim.chromatogram import load_method

    source = load_method("hilic_mrm")[1]
    path = tmp_path / "mine.toml"
    more = '\n[internal_standards]\nasn = { formula = "[13C]4H8N2O3", product = "[13C]2H4NO2" }\n'
    path.write_text(source.read_text() + more, encoding="utf-8")
    method, protocol = Method.load(path), Protocol.load(path).with_analytes("asn")
    channel = next(a for a in method.analytes if a.id == "asn").transition("IS")
    assert (channel.q1, channel.q3) == (137.1, 76.0)
    data = quantify(measure(culture(POOLS), protocol, [0.0], 1, noise=False), method).measurements().table
    np.testing.assert_allclose(data["value"], [POOLS[name] for name in data["observable"]], rtol=1e-6)
    for text, words in (
        ('asx = { formula = "C4", product = "C2" }', "'asx' is not an analyte of the method"),
        ('asn = { formula = "C4" }', "needs formula and product"),
        ('asn = { formula = "Q4", product = "C2" }', "is not a formula"),
    ):
        path.write_text(source.read_text() + f"\n[internal_standards]\n{text}\n", encoding="utf-8")
        with pytest.raises(DataError, match=words):
            Method.load(path)


# ---- side assays ------------------------------------------------------------------------------------------------------------
def test_a_perfect_reader_reads_what_is_there():
    reader = Reader.calibrated(2000.0, 6000.0, 0.0, 1.0, Draws(None))
    assert reader.fitted == pytest.approx((1.0, 6000.0), rel=1e-9)
    assert [reader.read(c, 0.0, Draws(None)) for c in (50.0, 900.0, 5000.0)] == pytest.approx([50.0, 900.0, 5000.0], rel=1e-9)


def test_errors_of_the_signal_grow_where_the_curve_bends():
    rng = [Draws(1, k) for k in range(2000)]
    reader = Reader.calibrated(2000.0, 6000.0, 0.0, 1.0, Draws(None))
    low, high = (np.array([reader.read(c, 0.05, d) for d in rng]) for c in (60.0, 6000.0))
    assert np.std(low) / 60.0 == pytest.approx(0.05, rel=0.1) and np.std(high) / np.mean(high) > 0.09


def test_standards_with_scatter_shift_all_samples_of_a_batch():
    reads = [Reader.calibrated(2000.0, 6000.0, 0.05, 1.0, Draws(2, k)).read(1000.0, 0.0, Draws(None)) for k in range(400)]
    assert np.mean(reads) == pytest.approx(1000.0, rel=0.02) and 0.01 < np.std(reads) / 1000 < 0.05
    biased = Reader.calibrated(2000.0, 1e9, 0.0, 1.1, Draws(None)).read(1000.0, 0.0, Draws(None))
    assert biased == pytest.approx(1100.0, rel=1e-3)


def test_beyond_its_curve_an_assay_has_no_result(culture):
    """A sample read where the fitted curve is flat gives no number, and so no result per protein."""
    crowded = ASN.with_bench(sampling={"cells_per_sample": 1e9}, assays={"protein_half": 300.0, "protein_cv": 0.2})
    batch = measure(culture(POOLS, cells=1e9), crowded, [0.0], 8, seed=3)
    seen = [item.sample.protein_mg for item in batch.injections if item.sample.matrix == "cells"]
    assert any(math.isnan(value) for value in seen) and all(item.sample.cell_count > 0 for item in batch.injections if item.sample.matrix == "cells")

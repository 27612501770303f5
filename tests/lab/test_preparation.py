"""Lysis, precipitation, standards and side assays of the bench."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from asnsim.chromatogram import Sample, load_method
from asnsim.errors import DataError
from asnsim.isotopes import parse_formula
from asnsim.lcms import Protocol, measure
from asnsim.lcms.assays import Reader
from asnsim.lcms.draws import Draws
from asnsim.lcms.extraction import hydrolysed, hydrolysed_formula, lysis, matrix_factor, protein_left, recovered, strength
from asnsim.lcms.preparation import occluded, prepare_standard, unlabelled
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


def with_standard(folder, row):
    """A copy of the method with another internal standard of Asn."""
    source = load_method("hilic_mrm")[1].read_text(encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(f"{source}\n[internal_standards]\n{row}\n", encoding="utf-8")
    return path


def test_a_standard_has_its_own_purity_and_impurity(tmp_path, culture):
    row = 'asn = { formula = "C4H8[15N]2O3", product = "C2H4[15N]O2", purity = 0.9, unlabelled = 0.02 }'
    path = with_standard(tmp_path, row)
    method, protocol = Method.load(path), Protocol.load(path).with_analytes("asn", "asp")
    own = next(a for a in method.analytes if a.id == "asn")
    assert own.heavy(0.98).purity == 0.9 and next(a for a in method.analytes if a.id == "asp").heavy(0.98).purity == 0.98
    np.testing.assert_array_equal(unlabelled(protocol), [0.02, protocol.bench["preparation"]["is_unlabelled"]])
    batch = measure(culture(POOLS), protocol.with_analytes("asn"), [0.0], 1, noise=False)
    zero = next(row for row in batch.truth if row["sample_name"] == "Zero_1")
    assert zero["vial_light"] == pytest.approx(0.02 * protocol.method["preparation"]["is_concentration"])
    data = quantify(batch, method).measurements().table
    np.testing.assert_allclose(data["value"], [POOLS[name] for name in data["observable"]], rtol=1e-6)
    # who takes the label for purer than it is does not unmix it: the area of light Asn in the zero sample betrays it
    pure = tuple(replace(a, is_purity=1.0) for a in method.analytes)
    areas = [quantify(batch, m).table.query("sample == 'Zero_1'")["area"].iloc[0] for m in (method, replace(method, analytes=pure))]
    assert areas[1] > 1.2 * areas[0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('asn = { formula = "C4H8[15N]2O3", product = "C2H4[15N]O2", puritty = 0.9 }', "'puritty' is not known; did you mean 'purity'"),
        ('asn = { formula = "C4H8[15N]2O3", product = "C2H4[15N]O2", purity = 98 }', "purity is '98'; it must be a number from 0.5 to 1"),
        ('asn = { formula = "C4H8[15N]2O3", product = "C2H4[15N]O2", unlabelled = "no" }', "unlabelled is 'no'; it must be a number"),
        ('asn = { formula = "[13C]5H10N2O3", product = "[13C]2H4NO2" }', "is not an isotopologue of C4H8N2O3"),
        ('asn = { formula = "C4H8[15N]2O3", product = "[13C]2H4NO2" }', "has more label than"),
        ('asn = { formula = "C4H8N2O3", product = "C2H4NO2" }', "shares the channel of asn itself"),
        ("asn = 5", "asn needs formula and product"),
    ],
)
def test_wrong_standards_are_named(tmp_path, row, words):
    with pytest.raises(DataError, match=words):
        Method.load(with_standard(tmp_path, row))


def added(moment, *ids):
    """The method with its standard added at another moment."""
    own = Protocol.load("hilic_mrm").with_analytes(*(ids or ("asn",)))
    return replace(own, method={**own.method, "preparation": {**own.method["preparation"], "is_added": moment}})


QUIET = {"preparation": {"pipetting_cv": 0.0, "stock_cv": 0.0}, "esi": {"residual_cv": 0.0}, "detector": {"spray": 0.0}}


def by_matrix(moment, volume_cv, culture):
    """Mean and scatter of plasma and medium, over the truth."""
    truth = {"plasma": 50.0, "medium": 40.0}
    protocol = added(moment).with_bench(precipitation={"volume_cv": volume_cv}, **QUIET)
    batch = measure(culture({"asn_p": truth["plasma"], "asn_e": truth["medium"]}), protocol, [0.0], 40, seed=5)
    found = quantify(batch).table.query("sample_type == 'Unknown'").groupby("matrix")["value"]
    return {name: (found.mean()[name] / value, found.std()[name] / value) for name, value in truth.items()}


def test_a_standard_added_after_the_extraction_does_not_see_what_the_pellet_keeps(culture):
    """Plasma then comes out low by what its protein holds back; medium, which has little, does not."""
    before, after = (by_matrix(moment, 0.0, culture) for moment in ("at_extraction", "after_extraction"))
    assert before["plasma"][0] / before["medium"][0] == pytest.approx(1.0, abs=0.01)
    assert after["plasma"][0] / after["medium"][0] == pytest.approx(1.0 - ASN.bench["precipitation"]["occluded_plasma"], abs=0.01)
    assert occluded(ASN, "plasma") == 0.05 and occluded(ASN, "medium") == occluded(ASN, "") == 0.0


def test_a_standard_added_after_the_extraction_does_not_see_its_volumes(culture):
    before, after = (by_matrix(moment, 0.1, culture)["medium"][1] for moment in ("at_extraction", "after_extraction"))
    assert before < 0.03 and after == pytest.approx(0.1 * math.sqrt(2), rel=0.25)


@pytest.mark.parametrize("moment", ["at_sampling", "at_extraction", "after_extraction"])
def test_the_circle_closes_whenever_the_standard_is_added(culture, moment):
    run = culture({"asn_c": 900.0, "asn_p": 50.0, "asn_e": 40.0})
    data = quantify(measure(run, added(moment), [0.0], 1, noise=False)).measurements().table
    np.testing.assert_allclose(data["value"], [run.pools[name] for name in data["observable"]], rtol=1e-6)


@pytest.mark.parametrize("extracted", [True, False])
def test_what_is_added_afterwards_is_not_lost(extracted):
    label, content, stock = Sample("a", "Standard"), np.array([10.0]), np.ones(1)
    early, late = (prepare_standard(label, content, stock, True, added(m), Draws(None), extracted) for m in ("at_extraction", "after_extraction"))
    share, impurity, standard = recovered(ASN) if extracted else 1.0, 0.002, 5.0
    assert early.light[0] == pytest.approx(share * (10.0 + impurity * standard)) and early.heavy[0] == pytest.approx(share * standard)
    assert late.light[0] == pytest.approx(share * 10.0 + impurity * standard) and late.heavy[0] == pytest.approx(standard)


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("precipitation", {"reconstituted": 0.0}, "reconstituted 0 is not positive"),
        ("precipitation", {"volume_cv": -0.01}, "volume_cv -0.01 is not 0 or more"),
        ("precipitation", {"occluded_plasma": 5}, "occluded_plasma 5 is above 1; it is a fraction"),
        ("extraction", {"quench_leak": 1.5}, "quench_leak 1.5 is above 1"),
        ("extraction", {"mode": 3}, "mode is '3'; it must be a word"),
        ("preparation", {"supernatant": "much"}, "supernatant is 'much'; it must be a number"),
        ("preparation", {"dry_recovery": math.nan}, "dry_recovery nan is not positive"),
        ("lysis", {"sonication": {"recovery": 0.0}}, r"\[lysis.sonication\] recovery 0 is not positive"),
        ("assays", {"protein_top": 0.0}, "protein_top 0 is not positive"),
    ],
)
def test_what_no_bench_can_do_is_refused(section, change, words):
    with pytest.raises(DataError, match=words) as caught:
        ASN.with_bench(**{section: change})
    assert "\n" not in str(caught.value)


def test_an_unknown_moment_is_refused_at_once(tmp_path):
    source = load_method("hilic_mrm")[1].read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(source.replace('is_added = "at_extraction"', 'is_added = "whenever"'), encoding="utf-8")
    with pytest.raises(DataError, match="is_added 'whenever' is not one of at_sampling, at_extraction, after_extraction"):
        Protocol.load(path)


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

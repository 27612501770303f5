"""The quantifier: coverage, faults, covariance, normalisation, refusals."""

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

import asnsim.quantify
from asnsim.chromatogram import Batch, Injection
from asnsim.errors import DataError
from asnsim.lcms import Protocol, measure
from asnsim.quantify import Method, quantify

ASN = Protocol.load("hilic_mrm").with_analytes("asn")
POOLS = {"asn_c": 1000.0, "asn_e": 40.0}


@pytest.fixture(scope="module")
def noisy(culture):
    return measure(culture(POOLS), ASN, times=[0.0, 24.0], replicates=3, seed=11)


def unknowns(result):
    return result.table[result.table["sample_type"] == "Unknown"]


def test_intervals_cover_and_shared_errors_matter(culture):
    """Thirty batches: 95 % intervals of single results and of batch means; without the shared terms the means are not covered."""
    hits, means, naive = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        pools = {name: value * 10 ** rng.uniform(-1.0, 0.7) for name, value in POOLS.items()}
        result = quantify(measure(culture(pools), ASN, times=[0.0], replicates=6, seed=seed))
        assert result.passed
        for matrix, rows in unknowns(result).groupby("matrix"):
            true = pools["asn_c" if matrix == "cells" else "asn_e"]
            hits += list((rows["lower"] <= true) & (true <= rows["upper"]))
            covariance, off = result.covariance(rows.index.to_numpy()), abs(rows["value"].mean() - true)
            means.append(off <= norm.ppf(0.975) * math.sqrt(covariance.sum()) / len(rows))
            naive.append(off <= norm.ppf(0.975) * math.sqrt(np.trace(covariance)) / len(rows))
    assert 0.91 <= np.mean(hits) <= 0.98
    assert 0.85 <= np.mean(means) <= 1.0
    assert np.mean(naive) < np.mean(means)  # negative control


def test_confidence_widens_intervals(noisy):
    narrow, wide = (unknowns(quantify(noisy, confidence=level)) for level in (0.8, 0.99))
    assert np.all(narrow["upper"] - narrow["lower"] < wide["upper"] - wide["lower"])
    with pytest.raises(DataError, match="between 0 and 1"):
        quantify(noisy, confidence=95)


def test_covariance_is_positive_definite_and_named_like_the_model(noisy):
    result = quantify(noisy)
    data = result.measurements()
    assert set(data.table["observable"]) == {"asn_c", "asn_e"} and set(data.table["time"]) == {0.0, 24.0}
    np.linalg.cholesky(data.covariance)
    np.testing.assert_allclose(np.sqrt(np.diag(data.covariance)), data.table["sd"])
    cells = np.flatnonzero(data.table["observable"] == "asn_c")
    sd = data.table["sd"].to_numpy()
    correlation = data.covariance[cells[0], cells[1]] / (sd[cells[0]] * sd[cells[1]])
    assert 0.2 < correlation < 0.6  # cell volume, recovery, stock and curve are shared between wells
    assert len(result.measurements(experiment="run")) == len(data)
    with pytest.raises(DataError, match="experiment 'other'; its experiments are"):
        result.measurements(experiment="other")


def test_analytes_of_one_well_share_its_cell_count(culture):
    both = measure(
        culture({"asn_c": 1000.0, "asp_c": 3000.0}), Protocol.load("hilic_mrm").with_analytes("asn", "asp"), [0.0], 2, seed=3
    )
    data = quantify(both).measurements()
    sd, table = data.table["sd"].to_numpy(), data.table
    a, b = (table.index[(table["observable"] == name) & (table["replicate"] == 1)][0] for name in ("asn_c", "asp_c"))
    other = table.index[(table["observable"] == "asp_c") & (table["replicate"] == 2)][0]
    correlation = data.covariance / np.outer(sd, sd)
    assert correlation[a, b] > correlation[a, other] + 0.2


@pytest.mark.parametrize(("by", "unit"), [("protein", "nmol/mg"), ("dna", "nmol/ug")])
def test_other_normalisations(culture, by, unit):
    batch = measure(culture(POOLS), ASN, [0.0], 1, noise=False)
    row = unknowns(quantify(batch, replace(Method.load("hilic_mrm"), normalise_by=by))).query("matrix == 'cells'").iloc[0]
    nmol = 1000.0 * 1e6 * 1.4e-12 * 1e3
    per = {"protein": 1e6 * 200e-9, "dna": 1e6 * 6.6e-6}[by]  # mg and ug in 1e6 cells
    assert row["unit"] == unit and row["value"] == pytest.approx(nmol / per, rel=1e-6)


def test_results_below_the_range_stay_numbers_and_can_be_censored(culture):
    clean = ASN.with_bench(injection={"carry_over": 0.0})
    result = quantify(measure(culture({"asn_c": 1000.0, "asn_e": 0.0}), clean, [0.0], 4, seed=2))
    medium = unknowns(result).query("matrix == 'medium'")
    assert np.all(np.isfinite(medium["value"])) and medium["flags"].str.contains("below LLOQ").all()
    assert np.all(medium["lower"] < 0) and np.all(medium["upper"] > 0)
    assert not result.measurements().table["censored"].any()
    assert result.measurements(censor=True).select(observable="asn_e").table["censored"].all()


def test_results_above_the_range_are_flagged(culture):
    result = quantify(measure(culture({"asn_c": 1000.0, "asn_e": 5000.0}), ASN, [0.0], 3, seed=2))
    assert unknowns(result).query("matrix == 'medium'")["flags"].str.contains("above ULOQ").all()


def flags_after(batch, change):
    """Flags per sample after `change` was done to every unknown's traces of a role."""
    injections = []
    for injection in batch.injections:
        if injection.sample.type == "Unknown":
            injection = Injection(injection.sample, tuple(change(trace) for trace in injection.chromatograms))
        injections.append(injection)
    return unknowns(quantify(replace(batch, injections=tuple(injections))))["flags"]


def test_forgotten_internal_standard_is_flagged(noisy):
    flags = flags_after(
        noisy, lambda trace: replace(trace, intensity=0 * trace.intensity + 60.0) if "IS" in trace.native_id else trace
    )
    assert flags.str.contains("no IS peak").all()


def test_doubled_internal_standard_is_flagged(noisy):
    flags = flags_after(
        noisy, lambda trace: replace(trace, intensity=2.2 * trace.intensity) if "IS" in trace.native_id else trace
    )
    assert flags.str.contains("IS area").mean() >= 0.8


def test_interference_on_the_quantifier_is_flagged_by_the_ion_ratio(noisy):
    flags = flags_after(
        noisy, lambda trace: replace(trace, intensity=2 * trace.intensity) if "quantifier" in trace.native_id else trace
    )
    assert flags.str.contains("ion ratio").all()


def test_shifted_retention_is_flagged(noisy):
    flags = flags_after(noisy, lambda trace: replace(trace, time=trace.time - 26.0))
    assert flags.str.contains("RT").all()


def test_saturation_is_flagged(noisy):
    def clip(trace):
        return (
            replace(trace, intensity=np.where(trace.intensity > 1e3, 3.5e7, trace.intensity))
            if "quantifier" in trace.native_id
            else trace
        )

    assert flags_after(noisy, clip).str.contains("saturated").all()


def test_nothing_is_flagged_without_a_fault(noisy):
    assert (unknowns(quantify(noisy))["flags"] == "").mean() > 0.95


def test_carry_over_is_reported_and_flagged(culture):
    dirty = ASN.with_bench(injection={"carry_over": 0.02})
    result = quantify(measure(culture({"asn_c": 5000.0, "asn_e": 2.0}), dirty, [0.0], 8, seed=4))
    assert any(line.startswith("flag") and "blank after the top calibrator" in line for line in result.report)
    table = result.table.sort_values("inj_number")
    after = table["area"].shift(1) * 0.02 > 0.1 * table["area"].abs()
    judged = table[after & (table["sample_type"] == "Unknown")]
    assert len(judged) > 0 and judged["flags"].str.contains("carry-over").all()


def test_failed_calibrators_fail_the_run(noisy):
    wrong = tuple(
        replace(
            item,
            actual_concentration=item.actual_concentration
            * (1.6 if "CAL" in item.sample_name and item.sample_name[-3] in "246" else 1.0),
        )
        for item in noisy.nominal
    )
    result = quantify(replace(noisy, nominal=wrong))
    assert not result.passed and result.report[0].startswith("FAIL")


def test_too_few_calibrators_are_refused(noisy):
    with pytest.raises(DataError, match="0 usable calibrators"):
        quantify(Batch("bare", noisy.select("Unknown"), (), "hilic_mrm"))


def test_wrong_method_is_refused(noisy):
    with pytest.raises(DataError, match="no trace fits a transition of smartpeak_yeast"):
        quantify(noisy, "smartpeak_yeast")
    with pytest.raises(DataError, match="not among the methods"):
        quantify(noisy, "hilik")
    with pytest.raises(DataError, match="not a method"):
        quantify(noisy, "bench_qtrap")


def test_missing_side_assay_is_named(noisy):
    injections = tuple(replace(item, sample=replace(item.sample, cell_count=math.nan)) for item in noisy.injections)
    result = quantify(replace(noisy, injections=injections))
    assert any("not quantified" in line and "cell_count is missing in the sequence" in line for line in result.report)
    values = unknowns(result).groupby("matrix")["value"]
    assert values.apply(lambda column: column.isna().all())["cells"] and values.apply(lambda column: column.notna().all())["medium"]


def test_truth_is_not_used(noisy):
    a, b = quantify(noisy), quantify(replace(noisy, truth=()))
    assert a.table.equals(b.table)
    assert "truth" not in inspect.getsource(asnsim.quantify)


def test_progress_is_told(noisy):
    seen = []
    quantify(noisy, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(noisy), len(noisy)) and len(seen) == len(noisy)


def test_result_prints_one_line_per_unknown(noisy):
    text = str(quantify(noisy))
    assert text.count("run_t") == 12 and "calibrators lie within" in text


def test_different_amounts_of_internal_standard_are_refused(noisy):
    nominal = (replace(noisy.nominal[0], IS_actual_concentration=7.0), *noisy.nominal[1:])
    with pytest.raises(DataError, match="internal standard concentrations from 5 to 7"):
        quantify(replace(noisy, nominal=nominal))


def test_one_analyte_without_calibrators_leaves_the_other(culture):
    batch = measure(culture(), Protocol.load("hilic_mrm").with_analytes("asn", "gln"), [0.0], 2, seed=5)
    result = quantify(replace(batch, nominal=tuple(item for item in batch.nominal if item.analyte == "asn")))
    assert set(result.calibration) == {"asn"} and any("gln: 0 usable calibrators" in line for line in result.report)
    values = unknowns(result).groupby("analyte")["value"]
    assert values.count()["asn"] == 4 and values.count()["gln"] == 0
    assert set(result.measurements().table["observable"]) == {"asn_c", "asn_e"}


def test_an_ambiguous_vial_is_listed_and_the_rest_quantified(noisy):
    injections = list(noisy.injections)
    place = next(k for k, item in enumerate(injections) if item.sample.type == "Unknown")
    twice = (*injections[place].chromatograms, injections[place].chromatograms[0])
    injections[place] = replace(injections[place], chromatograms=twice)
    result = quantify(replace(noisy, injections=tuple(injections)))
    name = injections[place].sample.name
    assert [lost for lost, _ in result.failures] == [name] and "fits" in result.report[0] and name in result.report[0]
    assert len(unknowns(result)) == 11
    everywhere = tuple(replace(item, chromatograms=(*item.chromatograms, item.chromatograms[0])) for item in injections[:3])
    with pytest.raises(DataError, match="give transitions or retention windows"):
        quantify(replace(noisy, injections=everywhere))


# ---- replicates --------------------------------------------------------------------------------------------------------------
def scaled(batch, name, factor):
    """The batch with all light traces of one vial scaled, as after a wrong dilution."""
    change = [
        replace(item, chromatograms=tuple(
            replace(trace, intensity=trace.intensity * (1.0 if "IS" in trace.native_id else factor)) for trace in item.chromatograms
        )) if item.sample.name == name else item
        for item in batch.injections
    ]  # fmt: skip
    return replace(batch, injections=tuple(change))


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("matrix", ["cells", "medium"])
def test_a_vial_that_differs_from_its_replicates_is_flagged(noisy, matrix, factor):
    rows = unknowns(quantify(scaled(noisy, f"run_t2_{matrix}_2", factor)))
    odd = set(rows["sample"][rows["flags"].str.contains("differs from its replicates")])
    assert odd == {f"run_t2_{matrix}_2"}


def test_of_two_replicates_that_disagree_both_are_flagged(culture):
    batch = measure(culture(POOLS), ASN, [0.0], 2, seed=6)
    rows = unknowns(quantify(scaled(batch, "run_t1_medium_1", 3.0)))
    odd = set(rows["sample"][rows["flags"].str.contains("differs")])
    assert odd == {"run_t1_medium_1", "run_t1_medium_2"}


def test_sound_replicates_are_left_alone(culture):
    flagged = total = 0
    for seed in range(15):
        flags = unknowns(quantify(measure(culture(POOLS), ASN, [0.0, 1.0], 4, seed=seed)))["flags"]
        flagged, total = flagged + flags.str.contains("differs").sum(), total + len(flags)
    assert total == 240 and flagged <= 2


def test_another_method_than_stated_is_noted(noisy):
    assert any("acquired with other" in line for line in quantify(replace(noisy, method="other")).report)

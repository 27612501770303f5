"""Vials beside the usual ones, and what a validation reads from them."""

import numpy as np
import pandas as pd
import pytest

from asnsim.errors import DataError
from asnsim.lcms import Protocol, measure, measure_validation
from asnsim.quantify import quantify, validate_method

ASN = Protocol.load("hilic_mrm").with_analytes("asn")
POOLS = {"asn_c": 1000.0, "asn_e": 40.0}


@pytest.fixture(scope="module")
def validated():
    runs = [quantify(measure_validation(ASN, run=k, seed=3)) for k in (1, 2)]
    return runs, validate_method(runs).set_index(["characteristic", "level"])


def test_a_sound_method_passes(validated):
    _, table = validated
    judged = table.drop("carry-over", level=0)["passed"].dropna()
    assert len(judged) >= 18 and judged.astype(bool).all()
    assert {"accuracy", "precision within runs", "precision between runs", "dilution integrity", "stability", "calibrators",
            "matrix effect (B/A)", "recovery (C/B)", "process efficiency (C/A)", "carry-over"} <= set(table.index.get_level_values(0))  # fmt: skip


def test_recovery_and_matrix_effect_are_those_of_the_bench(validated):
    _, table = validated
    kept = ASN.bench["preparation"]["supernatant"] * ASN.bench["preparation"]["dry_recovery"]
    for level in ("LQC", "HQC"):
        found = table["found"]
        assert found["recovery (C/B)", level] == pytest.approx(100 * kept, rel=0.12)
        assert found["matrix effect (B/A)", level] == pytest.approx(100 * ASN.bench["esi"]["matrix_factor"], rel=0.12)
        product = found["matrix effect (B/A)", level] * found["recovery (C/B)", level] / 100
        assert found["process efficiency (C/A)", level] == pytest.approx(product, rel=1e-9)


def test_what_is_wrong_fails():
    leaky = ASN.with_bench(preparation={"asn_deamidation_per_h": 0.02}, injection={"carry_over": 0.002})
    table = validate_method(quantify(measure_validation(leaky, seed=3))).set_index(["characteristic", "level"])
    assert not table["passed"]["carry-over", "blank"]
    rough = ASN.with_bench(preparation={"pipetting_cv": 0.4})
    table = validate_method(quantify(measure_validation(rough, seed=3))).set_index("characteristic")
    assert not table.loc["precision within runs", "passed"].all()


def test_variance_components_are_those_of_an_analysis_of_variance(validated):
    runs, table = validated
    rows = pd.concat([run.table.assign(run=k) for k, run in enumerate(runs)]).query("level == 'MQC' and sample_type == 'QC'")
    share = 100 * rows["value"] / rows["nominal"]
    means, within = share.groupby(rows["run"]).mean(), share.groupby(rows["run"]).var(ddof=1).mean()
    between = max(means.var(ddof=1) - within / 5, 0.0)
    assert table["found"]["precision between runs", "MQC"] == pytest.approx(100 * np.sqrt(within + between) / share.mean(), rel=1e-9)


def test_sets_of_an_ordinary_batch(culture):
    from asnsim.lcms.design import EXTRAS

    batch = measure(culture(POOLS), ASN, [0.0, 6.0], 6, seed=4, sets=EXTRAS)
    result = quantify(batch)
    table = result.table.set_index("sample")
    assert result.passed
    diluted = table[table["level"] == "DQC"]
    assert len(diluted) == 5 and (diluted["value"] / 2000.0 - 1).abs().max() < 0.15 and (diluted["concentration"] < 400).all()
    pool, unknown = table[table["level"] == "Pool"], table[table["sample_type"] == "Unknown"]
    assert pool["concentration"].mean() == pytest.approx(unknown["concentration"].mean(), rel=0.05)
    places = np.sort(pool["inj_number"].to_numpy())
    assert len(places) == 6 and np.diff(places).min() >= 2 and places[0] > unknown["inj_number"].min() - 2
    plain = measure(culture(POOLS), ASN, [0.0, 6.0], 6, seed=4)
    assert {i.sample.name for i in plain.injections} < {i.sample.name for i in batch.injections}
    with pytest.raises(DataError, match="'matrix' is not a set of vials.*Known: dilution_qc"):
        measure(culture(POOLS), ASN, [0.0], 2, sets=("matrix",))


def test_a_validation_needs_quality_controls(culture):
    result = quantify(measure(culture(POOLS), ASN, [0.0], 2, seed=4))
    unknowns = result.table[result.table["sample_type"] == "Unknown"]
    import dataclasses

    with pytest.raises(DataError, match="no run has a QC"):
        validate_method(dataclasses.replace(result, table=unknowns))

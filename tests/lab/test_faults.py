"""Faults of the bench: each does what it says, the paperwork knows nothing, and quality control finds it."""

import numpy as np
import pytest

from asnsim.errors import DataError
from asnsim.lcms import Faults, Protocol, measure, parse_faults
from asnsim.quantify import quantify

ASN = Protocol.load("hilic_mrm").with_analytes("asn")
POOLS = {"asn_c": 1000.0, "asn_e": 40.0}


def acquired(culture, faults=None, **options):
    return measure(culture(POOLS), ASN, [0.0], 3, seed=3, faults=faults, **options)


def values(batch):
    return quantify(batch).table.set_index("sample")["value"]


def flags(batch, name):
    return quantify(batch).table.set_index("sample").loc[name, "flags"]


def test_without_noise_every_fault_has_its_size(culture):
    told = ("swap run_t1_cells_1 run_t1_medium_1", "dilution run_t1_medium_2 5", "late_wash run_t1_cells_2 10")
    faults = parse_faults(told)
    sound, wrong = (measure(culture(POOLS), ASN, [0.0], 3, noise=False, faults=f) for f in (None, faults))
    leak = ASN.ideal().bench["wash"]["leak_per_min"]
    a, b = values(sound), values(wrong)
    assert b["run_t1_medium_2"] == pytest.approx(a["run_t1_medium_2"] / 5, rel=1e-6)
    assert b["run_t1_cells_2"] == pytest.approx(a["run_t1_cells_2"] * np.exp(-10 * leak), rel=1e-6)
    assert b["run_t1_cells_3"] == pytest.approx(a["run_t1_cells_3"], rel=1e-9)
    rows = {name: wrong[name].sample for name in ("run_t1_cells_1", "run_t1_medium_1")}
    assert rows["run_t1_cells_1"].matrix == "cells", "the paperwork knows nothing"
    # on the calibrators' scale the two vials have changed places
    table = {name: quantify(batch).table.set_index("sample")["concentration"] for name, batch in (("a", sound), ("b", wrong))}
    assert table["b"]["run_t1_cells_1"] == pytest.approx(table["a"]["run_t1_medium_1"], rel=1e-6)
    said = {row["sample_name"]: row["fault"] for row in wrong.truth}
    assert said["run_t1_cells_1"] == "swapped with run_t1_medium_1" and said["run_t1_cells_2"] == "late_wash 10"
    assert said["run_t1_cells_3"] == ""


@pytest.mark.parametrize(
    ("fault", "name", "words"),
    [
        ("no_is run_t1_cells_2", "run_t1_cells_2", "IS area"),
        ("overload run_t1_medium_2 400", "run_t1_medium_2", "IS area"),
        ("dilution run_t1_medium_2 5", "run_t1_medium_2", "differs from its replicates"),
        ("swap run_t1_medium_2 run_t1_cells_3", "run_t1_cells_3", "differs from its replicates"),
    ],
)
def test_quality_control_finds_it(culture, fault, name, words):
    assert words not in flags(acquired(culture), name)
    assert words in flags(acquired(culture, parse_faults([fault])), name)


def test_carried_over_shows_in_the_blank(culture):
    report = quantify(acquired(culture, parse_faults(["carry_over 0.02"]))).report
    assert any(line.startswith("flag") and "blank after the top calibrator" in line for line in report)
    assert not any(line.startswith("flag") for line in quantify(acquired(culture)).report)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["drop A"], "know swap VIAL VIAL; no_is VIAL"),
        (["swap A"], "write 'swap VIAL VIAL'"),
        (["dilution A much"], "'much' is not a number"),
        (["dilution A -2"], "give a positive number"),
        (["dilution A 2", "dilution A 3"], "told twice"),
        (["carry_over 1.5"], "from 0 to below 1"),
        ([""], "know swap"),
    ],
)
def test_faults_that_cannot_be(texts, words):
    with pytest.raises(DataError, match=words):
        parse_faults(texts)


def test_a_fault_of_a_vial_that_is_not_there_is_named(culture):
    with pytest.raises(DataError, match="no such vial in the batch; did you mean 'run_t1_cells_1'"):
        acquired(culture, Faults(no_is=("run_t1_cell_1",)))
    with pytest.raises(DataError, match="it holds no cells"):
        acquired(culture, Faults(late_wash={"run_t1_medium_1": 5.0}))

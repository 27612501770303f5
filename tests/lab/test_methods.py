"""Method and bench files of a user's own: what is wrong in them is named, never passed over."""

import pytest

from asnsim.errors import DataError
from asnsim.lcms import Protocol, measure
from asnsim.quantify import Method, quantify
from asnsim.tables import models_folder

METHODS = models_folder() / "methods"


def edited(folder, name, old, new):
    """A copy of a shipped file with one thing changed; the other files beside it as they are."""
    for path in METHODS.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        if path.stem == name:
            assert old in text
            text = text.replace(old, new)
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder / "hilic_mrm.toml"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("fwhm_s =", "fwmh_s =", "'fwmh_s' is not known; did you mean 'fwhm_s'"),
        ("qc_bias =", "# qc_bias =", r"\[rules\] qc_bias is missing"),
        ("spray = { value = 0.103,", 'spray = { value = "much",', "spray is 'much'; it must be a number"),
        ("cell_count = {", "cell_counts = {", "'cell_counts' is not known; did you mean 'cell_count'"),
        ('"1/x^2"', '"1/x2"', "weighting '1/x2' is not one of 1/x"),
        ('by = "cell_volume"', 'by = "cells"', "normalisation by 'cells' is not one of"),
        ('model = "linear"', 'model = "cubic"', "calibration model 'cubic' is not one of"),
        ('weighting = "1/x^2"', 'weights = "1/x^2"', r"\[calibration\] 'weights' is not known"),
        ('transitions = "hilic_mrm"', 'transitions = "rp"', "no analyte of method 'rp'"),
    ],
)
def test_mistakes_in_a_method_are_named(tmp_path, old, new, words):
    with pytest.raises(DataError, match=words):
        Method.load(edited(tmp_path, "hilic_mrm", old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("film_uL =", "flim_uL =", "'flim_uL' is not known; did you mean 'film_uL'"),
        ("q10 =", "# q10 =", r"\[sampling\] q10 is missing"),
        ('Ra_asn = "flow"', 'Ra_asn = "river"', "'river' is not one of transport, enzyme, flow"),
    ],
)
def test_mistakes_in_a_bench_are_named(tmp_path, culture, old, new, words):
    path = edited(tmp_path, "bench_qtrap", old, new)
    with pytest.raises(DataError, match=words):
        measure(culture(), path, times=[0.0], replicates=1)


def test_a_method_and_bench_of_the_users_own_work(tmp_path, culture):
    path = edited(tmp_path, "bench_qtrap", "washes = { value = 3", "washes = { value = 1")
    assert Protocol.load(path).bench["wash"]["washes"] == 1 and Protocol.load("hilic_mrm").bench["wash"]["washes"] == 3
    table = (models_folder() / "analytes.tsv").read_text(encoding="utf-8").replace("\thilic_mrm\t", "\tmine\t")
    (tmp_path / "mine.tsv").write_text(table, encoding="utf-8")
    path.write_text(
        path.read_text().replace('transitions = "hilic_mrm"', 'transitions = "mine"\nanalytes = "mine.tsv"'), encoding="utf-8"
    )
    batch = measure(culture({"asn_c": 500.0}), path, times=[0.0], replicates=1, noise=False)
    assert quantify(batch, path).measurements().table["value"].iloc[0] == pytest.approx(500.0, rel=1e-6)

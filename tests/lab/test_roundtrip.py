"""The circle: pools -> bench -> mzML -> quantifier -> pools."""

import numpy as np
import pytest

from asnsim.chromatogram import load_analytes
from asnsim.lcms import measure
from asnsim.quantify import quantify

pytest.importorskip("pyopenms", reason="mzML needs pyopenms")


@pytest.fixture(scope="module")
def ideal(tmp_path_factory, culture):
    from asnsim.io.mzml import read_batch, write_batch

    batch = measure(culture(), times=[0.0, 24.0], replicates=1, noise=False)
    folder = write_batch(batch, tmp_path_factory.mktemp("ideal") / "batch")
    return batch, folder, read_batch(folder)


def test_ideal_bench_returns_every_pool_through_real_files(ideal, pools):
    result = quantify(ideal[2])
    data = result.measurements()
    assert set(data.table["observable"]) == set(pools)
    truth = np.array([pools[name] for name in data.table["observable"]])
    np.testing.assert_allclose(data.table["value"], truth, rtol=1e-6)
    assert result.passed


def test_every_row_of_the_table_makes_the_round_trip(ideal):
    measured = set(quantify(ideal[2]).table["analyte"])
    assert measured == {analyte.id for analyte in load_analytes("hilic_mrm")}


def test_file_and_memory_give_the_same_numbers(ideal):
    a, b = quantify(ideal[0]).table, quantify(ideal[2]).table
    np.testing.assert_array_equal(a["value"].to_numpy(), b["value"].to_numpy())


def test_truth_is_written_but_never_read(ideal):
    batch, folder, read = ideal
    assert batch.truth and (folder / "truth.csv").is_file() and read.truth == ()
    (folder / "truth.csv").write_text("nonsense", encoding="utf-8")
    from asnsim.io.mzml import read_batch

    assert len(read_batch(folder)) == len(batch)

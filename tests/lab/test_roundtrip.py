"""The circle: pools -> bench -> mzML -> quantifier -> pools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim.chromatogram import load_analytes
from asnsim.lcms import Protocol, measure
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


@settings(max_examples=12, deadline=None)
@given(st.floats(1.0, 2e4), st.floats(1.0, 2e3), st.floats(2e5, 2e6), st.floats(5e-13, 4e-12))
def test_any_pool_and_cell_size_comes_back(culture, inside, outside, cells, water):
    run = culture({"asn_c": inside, "asn_e": outside}, cells=cells, water_per_cell=water)
    data = quantify(measure(run, Protocol.load("hilic_mrm").with_analytes("asn"), [0.0], 1, noise=False)).measurements()
    found = dict(zip(data.table["observable"], data.table["value"], strict=True))
    assert found["asn_c"] == pytest.approx(inside, rel=1e-6)
    assert found["asn_e"] == pytest.approx(outside, rel=1e-6)


@pytest.mark.parametrize("recipe", ["teaching", "cell", "dosing"])
def test_runs_of_the_models_make_the_circle(recipe):
    """The contract with a trajectory: at, volume, has, advance; every pool that is measured comes back, whatever the model."""
    import asnsim

    run = asnsim.simulate(asnsim.load_model(recipe), until="6 h")
    truth = [run.at(t) for t in (0.0, 6.0)]
    data = quantify(measure(run, times=[0.0, 6.0], replicates=1, noise=False)).measurements()
    assert len(data) >= 4
    for row in data.table.itertuples():
        assert row.value == pytest.approx(truth[0 if row.time == 0.0 else 1][row.observable], rel=1e-6, abs=1e-6), (
            row.observable,
            row.time,
        )
    noisy = measure(run, times=[6.0], replicates=1, seed=1)  # the delay runs the model's own equations
    assert all(row["at_quench"] >= 0 for row in noisy.truth if row["at_quench"] == row["at_quench"])

"""Blocks on threads and on Dask, stores that survive kill -9 of a worker and of the client."""

import numpy as np
import pytest

from asnsim.errors import DataError, ModelError
from asnsim.population import BLOCK, Population
from asnsim.scale import simulate_many
from asnsim.stores import ResultStore

pytest.importorskip("zarr")
distributed = pytest.importorskip("dask.distributed")
kill = pytest.importorskip("kill")
job, files_of, cluster, killed_twice = kill.job, kill.files_of, kill.cluster, kill.killed_twice

OBSERVABLES = ("asnase_p", "asn_p")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store made in one go, on threads."""
    path = tmp_path_factory.mktemp("whole") / "whole.zarr"
    simulate_many(**job(3 * BLOCK + 100), store=path)
    return path


def test_in_memory_and_in_a_store_are_the_same(whole):
    memory, store = simulate_many(**job(3 * BLOCK + 100)), ResultStore.open(whole)
    assert store.done.all() and store.success.all()
    for name in OBSERVABLES:
        np.testing.assert_array_equal(memory[name], store[name])
        np.testing.assert_array_equal(memory.quantiles(name), store.quantiles(name))


def test_patients_of_a_block_do_not_depend_on_how_many_there_are():
    few, many = (simulate_many(**job(n)) for n in (BLOCK, BLOCK + 50))
    np.testing.assert_array_equal(few["asnase_p"], many["asnase_p"][:BLOCK])


def test_an_interrupted_store_goes_on_bit_by_bit(whole, tmp_path):
    path = tmp_path / "half.zarr"

    def stop(done, total):
        if done > BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_many(**job(3 * BLOCK + 100), store=path, progress=stop)
    assert ResultStore.open(path).done.sum() == 2
    with pytest.raises(DataError, match="there is something already"):
        simulate_many(**job(3 * BLOCK + 100), store=path)
    with pytest.raises(DataError, match="another run, with other population"):
        simulate_many(**(job(3 * BLOCK + 100) | {"parameters": Population.of("pegaspargase", 3 * BLOCK + 100, 6)}), store=path, resume=True)
    simulate_many(**job(3 * BLOCK + 100), store=path, resume=True)
    assert files_of(path) == files_of(whole)


def test_parameter_sets_go_to_a_store_and_to_a_cluster_too(tmp_path):
    given = job(1)
    n = BLOCK + 7
    given["parameters"] = {"peg_CL_reference": np.linspace(0.5, 2.0, n) * given["model"].value("peg_CL_reference")}
    memory, path = simulate_many(**given), tmp_path / "sets.zarr"
    with cluster(2) as local, distributed.Client(local) as client:
        store = simulate_many(**given, store=path, executor=client)
        apart = simulate_many(**given, executor=client)
    for name in OBSERVABLES:
        np.testing.assert_array_equal(memory[name], store[name])
        np.testing.assert_array_equal(memory[name], apart[name])
    other = given | {"parameters": {"peg_CL_reference": np.linspace(0.5, 2.1, n)}}
    with pytest.raises(DataError, match="another run, with other parameters"):
        simulate_many(**other, store=path, resume=True)
    with pytest.raises(ModelError, match="differ in length"):
        simulate_many(**(given | {"parameters": {"peg_CL_reference": [1.0, 2.0], "bsa": [1.0]}}), store=tmp_path / "no.zarr")
    with pytest.raises(ModelError, match="peg_CL_referenze"):
        simulate_many(**(given | {"parameters": {"peg_CL_referenze": [1.0, 2.0]}}), store=tmp_path / "no.zarr")
    assert not (tmp_path / "no.zarr").exists()


def test_refusals(tmp_path):
    with pytest.raises(ModelError, match="resume needs the store"):
        simulate_many(**job(10), resume=True)
    with pytest.raises(ModelError, match="give a dask.distributed Client"):
        simulate_many(**job(10), executor=3)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="no store of results"):
        ResultStore.open(tmp_path)
    with pytest.raises(DataError, match="there is something already"):
        simulate_many(**job(10), store=tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_any_number_of_workers_gives_the_same_store(whole, tmp_path):
    for workers in (1, 3):  # two in the next test
        path = tmp_path / f"{workers}.zarr"
        with cluster(workers) as local, distributed.Client(local) as client:
            simulate_many(**job(3 * BLOCK + 100), store=path, executor=client)
        assert files_of(path) == files_of(whole), workers


def test_a_killed_worker_and_a_killed_client_leave_no_trace(tmp_path):
    n = 8 * BLOCK
    simulate_many(**job(n), store=tmp_path / "whole.zarr")
    left = killed_twice(n, tmp_path / "killed.zarr")
    assert 0 < left[0] <= left[1] < 8 and left[2] == 8
    assert files_of(tmp_path / "killed.zarr") == files_of(tmp_path / "whole.zarr")

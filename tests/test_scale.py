"""Blocks on threads and on Dask, stores that survive kill -9 of a worker and of the client."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from asnsim.errors import DataError, ModelError
from asnsim.population import BLOCK, Population
from asnsim.scale import simulate_population
from asnsim.stores import ResultStore

pytest.importorskip("zarr")
distributed = pytest.importorskip("dask.distributed")

TIMES = np.arange(0.0, 505.0, 72.0)
OBSERVABLES = ("asnase_p", "asn_p")
JOB = """
    from asnsim.dosing import Regimen
    from asnsim.library import load_model
    from asnsim.population import Population
    import numpy as np

    def job(n):
        regimen = Regimen.repeat("2500 U/m^2", "peg_1", "14 d", 2, duration="2 h", cap="3750 U")
        return dict(
            model=load_model("body_pk", "pegaspargase"), population=Population.of("pegaspargase", n, 5), regimen=regimen,
            until=504.0, observables=("asnase_p", "asn_p"), times=np.arange(0.0, 505.0, 72.0),
        )
"""


def job(n):
    names = {}
    exec(textwrap.dedent(JOB), names)
    return names["job"](n)


def files_of(store):
    """Every file of a store by name and content; done markers, values, everything."""
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(Path(store).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store made in one go, on threads."""
    path = tmp_path_factory.mktemp("whole") / "whole.zarr"
    simulate_population(**job(3 * BLOCK + 100), store=path)
    return path


def cluster(workers):
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1", silence_logs=50
    )


def test_in_memory_and_in_a_store_are_the_same(whole):
    memory, store = simulate_population(**job(3 * BLOCK + 100)), ResultStore.open(whole)
    assert store.done.all() and store.success.all()
    for name in OBSERVABLES:
        np.testing.assert_array_equal(memory[name], store[name])
        np.testing.assert_array_equal(memory.quantiles(name), store.quantiles(name))


def test_patients_of_a_block_do_not_depend_on_how_many_there_are():
    few, many = (simulate_population(**job(n)) for n in (BLOCK, BLOCK + 50))
    np.testing.assert_array_equal(few["asnase_p"], many["asnase_p"][:BLOCK])


def test_an_interrupted_store_goes_on_bit_by_bit(whole, tmp_path):
    path = tmp_path / "half.zarr"

    def stop(done, total):
        if done > BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_population(**job(3 * BLOCK + 100), store=path, progress=stop)
    assert ResultStore.open(path).done.sum() == 2
    with pytest.raises(DataError, match="there is something already"):
        simulate_population(**job(3 * BLOCK + 100), store=path)
    with pytest.raises(DataError, match="another run, with other population"):
        simulate_population(**(job(3 * BLOCK + 100) | {"population": Population.of("pegaspargase", 3 * BLOCK + 100, 6)}), store=path, resume=True)
    simulate_population(**job(3 * BLOCK + 100), store=path, resume=True)
    assert files_of(path) == files_of(whole)


def test_refusals(tmp_path):
    with pytest.raises(ModelError, match="resume needs the store"):
        simulate_population(**job(10), resume=True)
    with pytest.raises(ModelError, match="give a dask.distributed Client"):
        simulate_population(**job(10), executor=3)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="no store of results"):
        ResultStore.open(tmp_path)
    with pytest.raises(DataError, match="there is something already"):
        simulate_population(**job(10), store=tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_any_number_of_workers_gives_the_same_store(whole, tmp_path):
    for workers in (1, 2, 3):
        path = tmp_path / f"{workers}.zarr"
        with cluster(workers) as local, distributed.Client(local) as client:
            simulate_population(**job(3 * BLOCK + 100), store=path, executor=client)
        assert files_of(path) == files_of(whole), workers


def killed_twice(n, path, workers=2):
    """Run on a cluster; kill a worker, then the client, both with SIGKILL; resume. Returns how many blocks each stage left done."""
    code = textwrap.dedent(JOB) + textwrap.dedent(
        """
        import sys
        from dask.distributed import Client
        from asnsim.scale import simulate_population
        n, path, address = int(sys.argv[1]), sys.argv[2], sys.argv[3]
        simulate_population(**job(n), store=path, executor=Client(address), progress=lambda *_: print("block", flush=True))
        """
    )
    left = []
    with cluster(workers) as local:
        client = subprocess.Popen([sys.executable, "-c", code, str(n), str(path), local.scheduler_address], stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"block\n"
        os.kill(next(iter(local.workers.values())).pid, signal.SIGKILL)
        left.append(int(ResultStore.open(path).done.sum()))
        assert client.stdout.readline() == b"block\n"
        client.kill()
        client.wait()
        left.append(int(ResultStore.open(path).done.sum()))
        time.sleep(0.5)
        with distributed.Client(local) as again:
            simulate_population(**job(n), store=path, executor=again, resume=True)
    left.append(int(ResultStore.open(path).done.sum()))
    return left


def test_a_killed_worker_and_a_killed_client_leave_no_trace(tmp_path):
    n = 8 * BLOCK
    simulate_population(**job(n), store=tmp_path / "whole.zarr")
    left = killed_twice(n, tmp_path / "killed.zarr")
    assert 0 < left[0] <= left[1] < 8 and left[2] == 8
    assert files_of(tmp_path / "killed.zarr") == files_of(tmp_path / "whole.zarr")

"""A population on a Dask cluster whose worker and client are killed with SIGKILL; shared by `make test` and `make conformance`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from dask.distributed import Client, LocalCluster

from asnsim.dosing import Regimen
from asnsim.library import load_model
from asnsim.population import Population
from asnsim.scale import simulate_many
from asnsim.stores import ResultStore


def job(n):
    """What is simulated."""
    return {
        "model": load_model("body_pk", "pegaspargase"),
        "parameters": Population.of("pegaspargase", n, 5),
        "regimen": Regimen.repeat("2500 U/m^2", "peg_1", "14 d", 2, duration="2 h", cap="3750 U"),
        "until": 504.0,
        "observables": ("asnase_p", "asn_p"),
        "times": np.arange(0.0, 505.0, 72.0),
    }


def files_of(store):
    """Every file of a store by name and content: values, markers, everything."""
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(Path(store).rglob("*")) if path.is_file()}


def cluster(workers):
    return LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1", silence_logs=50
    )


def killed_twice(n, path, workers=2):
    """Run, kill a worker, then the client; resume. Returns how many blocks were done at each stage."""
    left = []
    with cluster(workers) as local:
        client = subprocess.Popen([sys.executable, __file__, str(n), str(path), local.scheduler_address], stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"block\n"
        os.kill(next(iter(local.workers.values())).pid, signal.SIGKILL)
        left.append(int(ResultStore.open(path).done.sum()))
        assert client.stdout.readline() == b"block\n"
        client.kill()
        client.wait()
        left.append(int(ResultStore.open(path).done.sum()))
        time.sleep(0.5)
        with Client(local) as again:
            simulate_many(**job(n), store=path, executor=again, resume=True)
    left.append(int(ResultStore.open(path).done.sum()))
    return left


if __name__ == "__main__":
    patients, place, address = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    simulate_many(**job(patients), store=place, executor=Client(address), progress=lambda *_: print("block", flush=True))

"""100,000 virtual patients, 90 days, six observables, into a store: time, memory, trajectories/s; libRoadRunner beside it.

    python benchmarks/bench_population.py [--quick]

Recipe `body_pk` with pegaspargase, four doses, differences between patients and between doses, daily output. libRoadRunner runs a
sample of the same patients (doses and outputs the same, effects between doses left out, which it could not change faster) and is
extrapolated.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import roadrunner
from common import Scenario, machine, record, table
from peer_runs import RoadRunner

from asnsim import load_model
from asnsim.dosing import Regimen
from asnsim.population import BLOCK, Population
from asnsim.scale import simulate_many

SIX = ("asnase_p", "asn_p", "asn_i", "asn_csf", "gln_p", "asn_measured")
SAMPLE = 200


def main() -> None:
    """Print, and write README.md and results.json."""
    n = 5_000 if "--quick" in sys.argv else 100_000
    model = load_model("body_pk", "pegaspargase")
    regimen = Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d", cap="3750 U")
    grid = np.arange(0.0, 2161.0, 24.0)
    population = Population.of("pegaspargase", n, 1, omega={"Ra_asn": 0.29, "csf_source": 1.32})
    simulate_many(model, Population.of("pegaspargase", BLOCK), regimen, 2160.0, observables=SIX, times=grid)  # compiles
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    scenario = Scenario("body_pk", model, regimen, 2160.0)
    scenario.grid = grid
    peer, drawn = RoadRunner(scenario), population.draw(model, regimen, 0)
    names = [name for name in drawn if "@" not in name and name in model.constants]

    def peers(first: int, last: int) -> float:
        begin = time.perf_counter()
        for k in range(first, last):
            peer.run(1e-6, {name: float(drawn[name][k]) for name in names})
        return time.perf_counter() - begin

    peers(0, 3)
    theirs = peers(0, SAMPLE // 2)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        place = Path(folder) / "p.zarr"
        store = simulate_many(model, population, regimen, 2160.0, observables=SIX, times=grid, store=place)
        seconds = time.perf_counter() - begin
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
        good = int(store.success.sum())
    theirs += peers(SAMPLE // 2, SAMPLE)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    slow = SAMPLE / theirs
    rows = [
        ["asnsim, two threads, into a store", f"{seconds:.0f} s", f"{n / seconds:.0f}", f"{n / seconds / slow:.0f}"],
        [f"libRoadRunner, from {SAMPLE} patients", f"{n / slow:.0f} s", f"{slow:.0f}", "1"],
    ]
    head = [f"{n:,} patients, 90 d, 6 observables", "time", "trajectories/s", "times libRoadRunner"]
    text = f"{good} of {n} runs reach the end; peak memory {memory:.2f} GiB, store {size:.0f} MiB.\n\n{table(head, rows)}"
    print(machine(), text, sep="\n")
    record("population", {"n": n, "seconds": seconds, "peak_gib": memory, "peer_per_second": slow, "store_mib": size}, text)


if __name__ == "__main__":
    main()

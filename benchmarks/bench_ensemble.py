"""Trajectories per second of `simulate_many` on `dosing`, against a loop over libRoadRunner, taking turns.

    python benchmarks/bench_ensemble.py [--quick]

Six log-normal parameters (sigma 0.5), four doses, 90 days, 501 outputs. libRoadRunner first runs every set once, in a process of
its own: the sets on which it gives up or needs more than a second, twenty times what it usually needs, are left out for both.
Then batches take turns, ours on one thread with all states or with six observables. Error of a trajectory: as in `bench_solve`,
against our NDF at rtol 1e-10; its median and its 95th percentile over the sets are printed, and the ratio counts where both of
ours are no worse.
"""

import os
import signal
import sys
import time

import numpy as np
import roadrunner
from common import deviations, record, reference_solver, scenarios, table
from peer_runs import RoadRunner

from asnsim import simulate_many
from asnsim.solvers import Rodas5P

NAMES = ("peg_V_reference", "peg_CL_reference", "Ra_asn", "Km_asnase_asn", "Vmax_asct2", "kcat_asns")
SIX = ("asnase_p", "asn_p", "asn_e", "asn_c", "gln_p", "cells")
RTOL = 1e-6


def run_peer(peer, sets, k):
    """One trajectory of libRoadRunner."""
    return peer.run(RTOL, {name: sets[name][k] for name in NAMES})[1]


def finishes(peer, sets, k):
    """Whether libRoadRunner runs a set to its end within a second, tried in a copy of this process."""
    child = os.fork()
    if child == 0:
        signal.alarm(1)
        try:
            run_peer(peer, sets, k)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def rate(n, run):
    """Trajectories per second of a batch, and its answer."""
    begin = time.perf_counter()
    answer = run()
    return n / (time.perf_counter() - begin), answer


def percentiles(found, reference):
    """Median and 95th percentile of the largest deviation of each trajectory."""
    worst = [deviations(x, r)[0] for x, r in zip(found, reference, strict=True)]
    return tuple(float(v) for v in np.percentile(worst, [50, 95]))


def main() -> None:
    """Print, and write README.md and results.json."""
    n, rounds = (40, 2) if "--quick" in sys.argv else (400, 3)
    scenario = scenarios()[1]
    model, states = scenario.model, scenario.model.states
    rng = np.random.default_rng(1)
    sets = {name: model.value(name) * np.exp(0.5 * rng.normal(size=n)) for name in NAMES}
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    peer = RoadRunner(scenario)
    run_peer(peer, sets, 0)
    kept = [k for k in range(n) if finishes(peer, sets, k)]
    print(f"libRoadRunner reaches the end within a second in {len(kept)} of {n} sets", flush=True)
    sets = {name: values[kept] for name, values in sets.items()}

    def ours(observables, rtol=RTOL, threads=1, solver=None):
        shared = {"observables": observables, "times": scenario.grid, "threads": threads}
        return simulate_many(model, sets, scenario.regimen, scenario.until, solver=solver or Rodas5P(rtol=rtol), **shared)

    runs = {
        "libRoadRunner, all states": lambda: [run_peer(peer, sets, k) for k in range(len(kept))],
        "asnsim, all states": lambda: ours(states),
        "asnsim, all states, rtol 1e-5": lambda: ours(states, 1e-5),
        "asnsim, six observables": lambda: ours(SIX),
        "asnsim, six observables, rtol 1e-5": lambda: ours(SIX, 1e-5),
        "asnsim, all states, two threads": lambda: ours(states, threads=2),
        "asnsim, six observables, two threads": lambda: ours(SIX, threads=2),
    }
    rates, answers = {name: [] for name in runs}, {}
    for _ in range(rounds):
        for name, run in runs.items():
            speed, answers[name] = rate(len(kept), run)
            rates[name].append(speed)
    rates = {name: float(np.median(values)) for name, values in rates.items()}
    same = all(
        np.array_equal(answers[f"asnsim, {what}"].values, answers[f"asnsim, {what}, two threads"].values, equal_nan=True)
        for what in ("all states", "six observables")
    )
    tight = ours(states, solver=reference_solver(1e-10), threads=2)
    errors = {
        "libRoadRunner, all states": percentiles(answers["libRoadRunner, all states"], tight.values),
        "asnsim, all states": percentiles(answers["asnsim, all states"].values, tight.values),
        "asnsim, all states, rtol 1e-5": percentiles(answers["asnsim, all states, rtol 1e-5"].values, tight.values),
    }
    slow = rates["libRoadRunner, all states"]
    rows = []
    for name, speed in rates.items():
        shown = " / ".join(f"{v:.1e}" for v in errors[name]) if name in errors else ""
        rows.append([name, f"{speed:.0f}", f"{speed / slow:.1f}", shown])
        told = f"error median / 95 %: {shown}" if shown else ""
        print(f"{name:38} {speed:7.1f} trajectories/s, {speed / slow:5.1f} times libRoadRunner  {told}")
    print(f"same numbers at one and two threads: {same}")
    head = ["runner, one thread unless said", "trajectories/s", "times libRoadRunner", "error, median / 95 %"]
    text = (
        f"{len(kept)} of {n} sets that libRoadRunner finishes within a second, rtol 1e-6 unless said; same numbers at one and "
        f"two threads: {same}.\n\n{table(head, rows)}"
    )
    record("ensemble", {"rates": rates, "errors": errors, "sets": len(kept), "of": n, "same_numbers": same}, text)


if __name__ == "__main__":
    main()

"""Trajectories per second of `simulate_many` on `dosing`, against a loop over libRoadRunner, taking turns.

    python benchmarks/bench_ensemble.py [--quick]

Six log-normal parameters (sigma 0.5), four doses, 90 days, 501 outputs. libRoadRunner first runs every set once, within 3,000
internal steps per output: the sets on which it gives up are left out for both. Then batches take turns, ours on one thread with
all states or with six observables. Error of a trajectory: as in `bench_solve`, against our NDF at rtol 1e-10; its median and its
95th percentile over the sets are printed, and the ratio counts where both of ours are no worse.
"""

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
    """One trajectory of libRoadRunner, or None where it gives up."""
    try:
        return peer.run(RTOL, {name: sets[name][k] for name in NAMES})[1]
    except RuntimeError:
        return None


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
    n, rounds = (40, 2) if "--quick" in sys.argv else (256, 3)
    scenario = scenarios()[1]
    model, states = scenario.model, scenario.model.states
    rng = np.random.default_rng(1)
    sets = {name: model.value(name) * np.exp(0.5 * rng.normal(size=n)) for name in NAMES}
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    peer = RoadRunner(scenario)
    peer.runner.integrator.maximum_num_steps = 3000
    first = [run_peer(peer, sets, k) for k in range(n)]
    kept = [k for k in range(n) if first[k] is not None]
    print(f"libRoadRunner reaches the end in {len(kept)} of {n} sets")
    sets = {name: values[kept] for name, values in sets.items()}

    def ours(observables, rtol=RTOL, threads=1, solver=None):
        return simulate_many(
            model, sets, scenario.regimen, scenario.until, observables=observables, times=scenario.grid,
            solver=solver or Rodas5P(rtol=rtol), threads=threads,
        )  # fmt: skip

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
        print(f"{name:38} {speed:7.1f} trajectories/s, {speed / slow:5.1f} times libRoadRunner; error median / 95 %: {shown or '-'}")
    print(f"same numbers at one and two threads: {same}")
    head = ["runner, one thread unless said", "trajectories/s", "times libRoadRunner", "error, median / 95 %"]
    text = (
        f"{len(kept)} of {n} sets that libRoadRunner finishes, rtol 1e-6 unless said; same numbers at one and two threads: {same}."
        f"\n\n{table(head, rows)}"
    )
    record("ensemble", {"rates": rates, "errors": errors, "sets": len(kept), "of": n, "same_numbers": same}, text)


if __name__ == "__main__":
    main()

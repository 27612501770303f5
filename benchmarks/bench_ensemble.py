"""Trajectories per second of `simulate_many` on `dosing`, by number of threads, against a loop over libRoadRunner.

    python benchmarks/bench_ensemble.py [number of parameter sets]

Six log-normal parameters (sigma 0.5), four doses, 90 days, 401 outputs, rtol 1e-6. libRoadRunner runs six
of them: on some sets it uses up its steps for minutes.
"""

import sys
import time

import numpy as np
import roadrunner

import asnsim
from asnsim.io.sbml import sbml_text

NAMES = ("peg_V_reference", "peg_CL_reference", "Ra_asn", "Km_asnase_asn", "Vmax_asct2", "kcat_asns")
OBSERVABLES = ("asnase_p", "asn_p", "asn_e", "asn_c", "gln_p", "cells")


def follow(runner, actions) -> None:
    """Run one scenario in libRoadRunner, dose by dose."""
    start = 0.0
    for action in [*actions, None]:
        end = 2160.0 if action is None else action.time
        runner.simulate(start, end, max(2, int(401 * (end - start) / 2160)))
        if action is not None:
            runner[action.name] = runner[action.name] + action.value
        start = end


def main() -> None:
    """Print one line per runner."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    model = asnsim.load_model("dosing", "all_low_asns")
    regimen = asnsim.Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d")
    rng = np.random.default_rng(1)
    sets = {name: model.value(name) * np.exp(0.5 * rng.normal(size=n)) for name in NAMES}
    asnsim.simulate_many(model, {k: v[:4] for k, v in sets.items()}, regimen, 2160, observables=OBSERVABLES)
    values = []
    for threads in (1, 2):
        begin = time.perf_counter()
        result = asnsim.simulate_many(model, sets, regimen, 2160, observables=OBSERVABLES, threads=threads)
        rate = n / (time.perf_counter() - begin)
        values.append(result.values)
        print(f"asnsim, {threads} thread(s): {rate:.0f} trajectories/s, {int(result.success.sum())} of {n} reached the end")
    print(f"same numbers at one and two threads: {np.array_equal(*values, equal_nan=True)}")
    runner = roadrunner.RoadRunner(sbml_text(model))
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-6, 1e-12
    runner.timeCourseSelections = ["time", "[asn_p]", "[asn_e]", "[asn_c]", "[gln_p]", "cells", "asnase_p"]
    actions = regimen.actions(model)
    times = []
    for k in range(6):
        runner.reset()
        for name in NAMES:
            runner[name] = sets[name][k]
        begin = time.perf_counter()
        try:
            follow(runner, actions)
        except RuntimeError:
            continue
        times.append(time.perf_counter() - begin)
    print(f"libRoadRunner, one loop: {1 / np.median(times):.0f} trajectories/s (median of {len(times)} of 6 sets)")


if __name__ == "__main__":
    main()

"""Thirty forward sensitivities on `dosing`: cost against the plain run, error against a tight reference; and compile times.

    python benchmarks/bench_sensitivity.py

Error of S: root mean square over outputs, states and parameters of |S - reference| / (|S reference| + 1e-3 of its largest),
with p*dx/dp as S and rtol 1e-10 as reference. No peer with sensitivities installs from wheels here; AMICI is compared where it
can be built.
"""

import os
import tempfile
import time
from functools import partial

import numpy as np

import asnsim
from asnsim.codegen import CompiledSystem
from asnsim.equations import build_equations
from asnsim.solvers import NDF


def median_ms(run, rounds=7):
    """Median wall time of a call, ms, after one warm-up."""
    run()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(times))


def main() -> None:
    """Print cost and error at several tolerances, then compile times."""
    model = asnsim.load_model("dosing", "all_low_asns")
    regimen = asnsim.Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d")
    grid = np.linspace(0.0, 2160.0, 501)
    theta = tuple(name for name in model.constants if model.value(name) > 0 and name not in ("bsa", "weight"))[:150:5]
    scale = np.array([model.value(name) for name in theta])

    def run(rtol, names=theta):
        return asnsim.simulate(model, regimen, until=2160, times=grid, theta=names, solver=NDF(rtol=rtol))

    reference = run(1e-10).s * scale
    weight = np.abs(reference) + 1e-3 * np.abs(reference).max(axis=0) + 1e-30
    for rtol in (1e-4, 1e-6, 1e-8):
        found = run(rtol).s * scale
        error = float(np.sqrt(np.mean(((found - reference) / weight) ** 2)))
        plain, full = median_ms(partial(run, rtol, ())), median_ms(partial(run, rtol))
        cost = f"{full:7.1f} ms, plain {plain:5.1f} ms, {full / plain:.1f} times"
        print(f"rtol {rtol:.0e}: {len(theta)} sensitivities {cost}; rms error {error:.1e}")
    for name in ("teaching", "cell", "dosing"):
        fresh = asnsim.load_model(name)
        system = build_equations(fresh)
        system.cache.clear()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["ASNSIM_CACHE"] = folder
            begin = time.perf_counter()
            CompiledSystem(system, (), ())
            cold = time.perf_counter() - begin
            system.cache.clear()
            begin = time.perf_counter()
            CompiledSystem(system, (), ())
            print(f"{name}: kernels compiled in {cold:.2f} s, read from the cache in {time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()

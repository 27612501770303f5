"""From a model to its first trajectory, and compilation alone, against AMICI's import and Numba of printed source.

    python benchmarks/bench_compile.py [--quick]

First trajectory: a process of its own whose kernel cache has seen `teaching` only, so that the integrators are at hand and the
model is new: from the start of the process to the trajectory, and of that composing the model (imports of sympy and pint with
it), and compiling and running it (import of numba with it). Best of several, since each is a process. AMICI: the seconds that
its import of the same model took when it was built, for plain runs.

Compilation: networks of n pools in exchange. Ours makes all kernels (right-hand side, Jacobian, their matrices) with little
effort, then with more, then takes them from the disk; Numba compiles right-hand side and Jacobian of the module that
``asnsim export MODEL FILE.py`` prints.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
from common import record, scenarios, table
from numba import njit
from peers.client import Peer

from asnsim.codegen import CompiledSystem
from asnsim.composition import compose
from asnsim.equations import build_equations
from asnsim.io.numpy_module import numpy_source
from asnsim.network import Module, Parameter, Reaction, Species, symbol
from asnsim.units import unit

FIRST = """
import sys, time
begin = time.time()
import asnsim
model = asnsim.load_model(*sys.argv[1].split())
composed = time.time()
doses = asnsim.Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d") if model.name == "dosing" else None
asnsim.simulate(model, doses, until=2160.0 if doses else 48.0)
done = time.time()
print(done, composed - begin, done - composed)
"""
PARTS = ("to the trajectory", "compose", "compile and run")


def first_run(model, folder):
    """Seconds from the start of a process to the trajectory of a model, and of its parts."""
    begin, environment = time.time(), os.environ | {"ASNSIM_CACHE": folder}
    done = subprocess.run([sys.executable, "-c", FIRST, model], env=environment, capture_output=True, text=True, check=True)
    end, *parts = map(float, done.stdout.split())
    return [end - begin, *parts]


def first_trajectories(rounds):
    """Return {model: seconds to the trajectory and of its parts, best of several}."""
    found = {}
    for model in ("cell rpmi", "dosing all_low_asns"):
        runs = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                first_run("teaching", folder)
                runs.append(first_run(model, folder))
        found[model] = min(runs)
    return found


def amici_imports():
    """Return {model: seconds of AMICI's import}, and why it is missing if it is."""
    found = {}
    for scenario in scenarios():
        try:
            peer = Peer("amici", scenario)
        except RuntimeError as error:
            return {}, str(error)
        found[scenario.name] = peer.facts["compile_s"]
        peer.close()
    return found, ""


def pools(n):
    """Compose n pools, each in saturable exchange with the next and the tenth after it, one fed and one emptied."""
    x, km, v = [symbol(f"x{i}") for i in range(n)], symbol("Km"), symbol("V")
    rates = [symbol(f"Vmax{i}") for i in range(n)]
    reactions = [Reaction("feed", "=> x0", rates[0] * v), Reaction("drain", f"x{n - 1} =>", rates[1] * x[-1] / (km + x[-1]) * v)]
    for i in range(n):
        for j in sorted({(i + 1) % n, (i + 10) % n} - {i}):
            flux = rates[i] * (x[i] - x[j]) / (km + x[i] + x[j] + x[i] * x[j] / km) * v
            reactions.append(Reaction(f"r{i}_{j}", f"x{i} => x{j}", flux))
    values = {"V": (1.0, "L"), "Km": (10.0, "umol/L")} | {f"x{i}": (1.0 + i % 7, "umol/L") for i in range(n)}
    values |= {f"Vmax{i}": (1.0 + i % 5, "umol/L/h") for i in range(n)}
    numbers = {name: Parameter(name, value, text, unit(text).dimension) for name, (value, text) in values.items()}
    species = {f"x{i}": Species(f"x{i}", f"pool {i}", "V") for i in range(n)}
    return compose(f"pools{n}", [Module("exchange", tuple(reactions))], species, numbers)


def compilation(n):
    """Seconds: derivatives and little effort, more effort, from the disk, Numba of the printed module."""
    model = pools(n)
    system = build_equations(model)
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {"ASNSIM_CACHE": folder}):
        begin = time.perf_counter()
        code = CompiledSystem(system)
        quick = time.perf_counter()
        code.improve()
        thorough = time.perf_counter()
        system.cache.clear()
        again = time.perf_counter()
        CompiledSystem(system)
        reloaded = time.perf_counter()
        path = Path(folder) / "printed.py"
        path.write_text(numpy_source(model))
        spec = importlib.util.spec_from_file_location("printed", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        numba_begin = time.perf_counter()
        slopes = njit(module.rhs)(0.0, module.X0, np.append(module.C, np.zeros(n)))
        njit(module.jac)(0.0, module.X0, np.append(module.C, np.zeros(n)))
        numba_end = time.perf_counter()
    if not np.all(np.isfinite(slopes)):
        raise ValueError("the printed module does not run")
    return [quick - begin, thorough - quick, reloaded - again, numba_end - numba_begin]


def main():
    """Print, and write README.md and results.json."""
    is_quick = "--quick" in sys.argv
    first, (imports, why) = first_trajectories(2 if is_quick else 5), amici_imports()
    rows = []
    for model, seconds in first.items():
        amici = imports.get(model.split()[0])
        ratio = f"{amici / seconds[0]:.0f}" if amici else "-"
        rows.append([model, *(f"{s:.2f}" for s in seconds), f"{amici:.0f}" if amici else "-", ratio])
        parts = ", ".join(f"{name} {s:.2f}" for name, s in zip(PARTS, seconds, strict=True))
        print(f"{model}: new, s: {parts}; AMICI's import {rows[-1][-2]} s, {ratio} times as long", flush=True)
    head = ["model never seen", *(f"{part} [s]" for part in PARTS), "AMICI's import [s]", "times as long"]
    text = table(head, rows) + (f"\n\nAMICI: {why}" if why else "")
    sizes = {n: compilation(n) for n in ((32, 96) if is_quick else (32, 96, 320))}
    rows = []
    for n, (quick, thorough, reloaded, numba) in sizes.items():
        ratios = [f"{numba / quick:.0f}", f"{numba / (quick + thorough):.0f}"]
        rows.append([n, f"{quick:.2f}", f"{thorough:.2f}", f"{reloaded:.2f}", f"{numba:.1f}", *ratios])
        told = f"little effort {quick:.2f} s, more {thorough:.2f} s, from disk {reloaded:.2f} s"
        print(f"{n} states: {told}; Numba {numba:.1f} s, {ratios[0]} times as long as little effort", flush=True)
    head = [
        "states",
        "little effort [s]",
        "more [s]",
        "from disk [s]",
        "Numba of printed source [s]",
        "times little",
        "times both",
    ]
    record("compile", {"first": first, "amici_import": imports, "sizes": sizes}, f"{text}\n\n{table(head, rows)}")


if __name__ == "__main__":
    main()

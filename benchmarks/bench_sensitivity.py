"""Thirty forward sensitivities of `dosing` and of `cell`, against AMICI where it is installed: cost and error, taking turns.

    python benchmarks/bench_sensitivity.py [--quick]

Error of S: root mean square over outputs, states and parameters of |S - reference| / (|reference| + 1e-3 of its largest over
time), with S = p dx/dp; the reference is our NDF at rtol 1e-10. Times are medians of rounds in which all take turns. The ratio
counts at equal error, read off AMICI's work-precision line. AMICI is timed twice over: until the result lies in C++, and with the
array in numpy, which is what ours includes. Both carry S in their error test.
"""

import sys

import numpy as np
from common import deviations, interleaved, record, reference_solver, scenarios, table, time_at_error
from peers.client import Peer

from asnsim.codegen import compile_system
from asnsim.equations import build_equations
from asnsim.solvers import NDF

TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def measure(scenario, rounds):
    """Return {method: [(rtol, largest error, rms error of S, ms)]} and why AMICI is missing, if it is."""
    theta = scenario.parameters()
    scale = np.array([scenario.model.value(name) for name in theta])
    compile_system(build_equations(scenario.model), theta).improve()

    def ours(rtol, names=theta):
        run = scenario.run(NDF(rtol=rtol), names)
        return run.s[scenario.rows(run.t)] if names else None

    tight = scenario.run(reference_solver(1e-10), theta)
    reference = tight.s[scenario.rows(tight.t)] * scale
    peer, why = None, ""
    try:
        peer = Peer("amici", scenario, theta)
    except RuntimeError as error:
        why = str(error)
    lines = {}
    for rtol in TOLERANCES:
        found = {"asnsim NDF": ours(rtol)}
        runs = {"asnsim NDF": lambda r=rtol: ours(r) is None, "asnsim NDF, no sensitivities": lambda r=rtol: ours(r, ()) is None}
        if peer:
            found["AMICI"] = peer.run(rtol, "s", keep=True)[2]
            runs["AMICI"] = lambda r=rtol: peer.run(r, "s")[0]
            runs["AMICI, in numpy"] = lambda r=rtol: peer.run(r, "s")[1]
            runs["AMICI, no sensitivities"] = lambda r=rtol: peer.run(r)[0]
        errors = {name: deviations(s * scale, reference) for name, s in found.items()}
        for name, ms in interleaved(runs, rounds).items():
            largest, rms = errors.get(name.split(",")[0] if "no sens" not in name else "", (None, None))
            lines.setdefault(name, []).append((rtol, largest, rms, ms))
            told = "" if rms is None else f"rms error of S {rms:.1e}, largest {largest:.1e}"
            print(f"{scenario.name:7} {name:28} rtol {rtol:.0e} {ms:8.1f} ms  {told}", flush=True)
    if peer:
        peer.close()
    return lines, why, len(theta)


def report(results):
    """Rows of README.md, and the ratios."""
    rows, ratios = [], {}
    for name, (lines, _, n) in results.items():
        for k, (rtol, _, rms, ms) in enumerate(lines["asnsim NDF"]):
            plain = lines["asnsim NDF, no sensitivities"][k][3]
            slower = {}
            for peer in ("AMICI", "AMICI, in numpy"):
                if peer in lines:
                    slower[peer] = time_at_error([(row[2], row[3]) for row in lines[peer]], rms) / ms
            ratios[f"{name} {rtol:.0e}"] = slower
            shown = [f"{slower[peer]:.0f}" if peer in slower else "-" for peer in ("AMICI", "AMICI, in numpy")]
            rows.append([name, n, f"{rtol:.0e}", f"{ms:.1f}", f"{ms / plain:.1f}", f"{rms:.1e}", *shown])
    head = ["model", "parameters", "rtol", "ms", "times the plain run", "rms error of S", "AMICI, times slower", "AMICI in numpy"]
    return table(head, rows), ratios


def main() -> None:
    """Print, and write README.md and results.json."""
    rounds = 3 if "--quick" in sys.argv else 7
    results = {scenario.name: measure(scenario, rounds) for scenario in scenarios()}
    text, ratios = report(results)
    for key, slower in ratios.items():
        for peer, ratio in slower.items():
            print(f"{key}: {peer} takes {ratio:.1f} times as long at our error of S")
    for name, (_, why, _) in results.items():
        if why:
            text += f"\n\nAMICI on `{name}`: {why}"
            print(f"AMICI on {name}: {why}")
    record("sensitivity", {"lines": {name: found[0] for name, found in results.items()}, "ratios": ratios}, text)


if __name__ == "__main__":
    main()

"""Single runs of `cell` and `dosing` against libRoadRunner, AMICI, COPASI, numbalsoda and scipy: time and error, taking turns.

    python benchmarks/bench_solve.py [--quick]

Error: largest, and root mean square, over states and times of |x - reference| / (|reference| + 1e-3 of that state's largest
value); the reference is our NDF at rtol 1e-11. Times are medians of rounds in which all take turns. The ratio counts at equal
largest error: the peer's time is read off its own work-precision line (log-log) at our error; where the peer does not reach it,
at its best. Ours includes everything `simulate` does; AMICI and COPASI are timed until the result lies in C++, without the
conversion to numpy. The last table holds the time inside the integrators against kernel times multiplied by counts.
"""

import sys
import time
from unittest.mock import patch

import peer_runs
from common import HERE, deviations, interleaved, record, reference_solver, scenarios, table, time_at_error
from matplotlib.figure import Figure

from asnsim.codegen import compile_system
from asnsim.equations import build_equations
from asnsim.plots import OKABE_ITO, save
from asnsim.solvers import SOLVERS, ndf, rosenbrock

TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
PEERS = ("libRoadRunner", "AMICI", "COPASI", "numbalsoda", "scipy LSODA", "scipy BDF")


def measure(scenario, peers, rounds):
    """Return {method: [(rtol, largest error, rms error, median ms)]}."""
    reference = scenario.ours(reference_solver())
    runs = {f"asnsim {name}": lambda rtol, s=solver: (None, scenario.ours(s(rtol=rtol))) for name, solver in SOLVERS.items()}
    runs |= peers
    lines = {name: [] for name in runs}
    for rtol in TOLERANCES:
        found = {name: attempt(name, run, rtol) for name, run in runs.items()}
        errors = {name: deviations(x, reference) for name, x in found.items() if x is not None}
        times = interleaved({name: lambda rtol=rtol, r=runs[name]: r(rtol)[0] for name in errors}, rounds)
        for name, ms in times.items():
            largest, rms = errors[name]
            lines[name].append((rtol, largest, rms, ms))
            told = f"{scenario.name:7} {name:16} rtol {rtol:.0e}  error {largest:.1e} rms {rms:.1e}"
            print(f"{told}  {ms:8.2f} ms", flush=True)
    return {name: points for name, points in lines.items() if points}


def attempt(name, run, rtol):
    """The answer of one run; None, and a word, where it does not finish."""
    try:
        return run(rtol)[1]
    except RuntimeError as error:
        print(f"{name} at rtol {rtol:.0e} did not finish: {error}")
        return None


def ratios(lines):
    """Rows: ours, error and time at rtol 1e-6, and how many times slower each peer is at that error."""
    rows = []
    for ours in (name for name in lines if name.startswith("asnsim")):
        _, error, rms, ms = next(row for row in lines[ours] if row[0] == 1e-6)
        points = {peer: [(row[1], row[3]) for row in lines[peer]] for peer in PEERS if peer in lines}
        slower = {peer: time_at_error(line, error) / ms for peer, line in points.items()}
        rows.append([ours.removeprefix("asnsim "), error, rms, ms, *(slower.get(peer) for peer in PEERS)])
    return rows


def kernel_limit(scenario):
    """Rows: solver, time of the whole run, inside the integrator, and the integrator's over kernel times multiplied by counts."""
    cost = peer_runs.kernel_times(scenario)
    rows = []
    for name, solver in SOLVERS.items():
        inside, whole = [], []
        home = ndf if name == "ndf" else rosenbrock

        def clocked(*arguments, run=home.integrate_segment, inside=inside):
            begin = time.perf_counter()
            answer = run(*arguments)
            inside[-1] += time.perf_counter() - begin
            return answer

        with patch.object(home, "integrate_segment", clocked):
            for _ in range(25):
                inside.append(0.0)
                begin = time.perf_counter()
                stats = scenario.run(solver(rtol=1e-6)).stats
                whole.append(time.perf_counter() - begin)
        counts = {"rhs": stats["rhs"], "lu_solve": stats["rhs"], "jac": stats["jac"], "lu_factor": stats["factorizations"]}
        limit = sum(counts[kernel] * cost[kernel] for kernel in counts)
        rows.append([name, 1e3 * min(whole), 1e3 * min(inside), 1e3 * limit, min(inside) / limit])
    return rows


def draw(results, path):
    """Draw one work-precision panel per scenario."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True)
    methods = dict.fromkeys(method for lines in results.values() for method in lines)
    marks = dict(zip(methods, zip([*OKABE_ITO, "#777777"] * 2, "ooossssvvv", strict=False), strict=False))
    for axes, (name, lines) in zip(panels, results.items(), strict=True):
        for method, points in lines.items():
            shown = [p for p in points if p[1] < 1]  # wrong by more than its own size: no point of comparison
            colour, mark = marks[method]
            style = {"color": colour, "markersize": 4, "linewidth": 2.2 if method.startswith("asnsim") else 1.0}
            axes.loglog([p[1] for p in shown], [p[3] for p in shown], mark + "-", label=method, **style)
        axes.set_title(name, loc="left", fontweight="bold")
        axes.set_xlabel("largest relative error")
        axes.invert_xaxis()
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("time of one run [ms]")
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=5, loc="outside lower center")
    save(figure, path)


def report(results, limits, missing):
    """The section of README.md."""
    parts = []
    head = ["method", "largest error", "rms", "ms", *(f"{peer}, times slower" for peer in PEERS)]
    for name, lines in results.items():
        rows = [[method, f"{largest:.1e}", f"{rms:.1e}", f"{ms:.2f}", *map(shown, slower)]
                for method, largest, rms, ms, *slower in ratios(lines)]  # fmt: skip
        parts.append(f"`{name}` at rtol 1e-6, 501 outputs of all states:\n\n{table(head, rows)}")
    head = ["model", "method", "run [ms]", "inside the integrator", "kernel times x counts", "ratio"]
    rows = [[name, row[0], *(f"{number:.2f}" for number in row[1:])] for name, found in limits.items() for row in found]
    parts.append(f"How near to the kernels (best of 25 at rtol 1e-6):\n\n{table(head, rows)}")
    return "\n\n".join([*parts, *(f"{peer}: {why}" for peer, why in missing.items())])


def shown(ratio):
    """A ratio in a table."""
    return "-" if ratio is None else f"{ratio:.1f}"


def main():
    """Run, print, and write README.md, results.json and work_precision.png."""
    rounds = 3 if "--quick" in sys.argv else 9
    results, limits, missing = {}, {}, {}
    for scenario in scenarios():
        compile_system(build_equations(scenario.model)).improve()
        peers, absent = peer_runs.all_peers(scenario)
        missing |= absent
        results[scenario.name] = measure(scenario, peers, rounds)
        limits[scenario.name] = kernel_limit(scenario)
        for method, error, _, ms, *slower in ratios(results[scenario.name]):
            told = ", ".join(f"{peer} {shown(r)}" for peer, r in zip(PEERS, slower, strict=True))
            print(f"{scenario.name}: {method} at rtol 1e-6, error {error:.1e}, {ms:.2f} ms; times slower at that error: {told}")
        for method, _, inside, limit, ratio in limits[scenario.name]:
            told = f"{inside:.2f} ms, {ratio:.2f} times kernel times x counts"
            print(f"{scenario.name}: {method} inside the integrator {told} ({limit:.2f} ms)")
    for peer, why in missing.items():
        print(f"{peer}: {why}")
    draw(results, HERE / "work_precision.png")
    figures = {"lines": results, "ratios": {name: ratios(lines) for name, lines in results.items()}, "kernel_limit": limits}
    record("solve", figures, report(results, limits, missing))


if __name__ == "__main__":
    main()

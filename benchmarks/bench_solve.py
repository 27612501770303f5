"""Single runs against libRoadRunner and scipy on `cell` and `dosing`: time and error, interleaved in one process.

    python benchmarks/bench_solve.py [--quick]

Error: largest over states and times of |x - reference| / (|reference| + 1e-3 of that state's largest value); the reference is
our NDF at rtol 1e-11. Times are medians of interleaved rounds. The ratio counts at equal error: the peer's time is read off its
own work-precision line (log-log) at our error; where the peer does not reach it, at its best.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import roadrunner
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

import asnsim
from asnsim.codegen import compile_system
from asnsim.equations import build_equations
from asnsim.io.sbml import sbml_text
from asnsim.plots import OKABE_ITO, save
from asnsim.running import absolute_tolerances
from asnsim.solvers import NDF, SOLVERS
from asnsim.solvers._kernels import python_callable

TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
HERE = Path(__file__).parent


class Scenario:
    """A model, boluses at known times, and a grid of 501 outputs."""

    def __init__(self, name, model, regimen, until):
        self.name, self.model, self.regimen, self.until = name, model, regimen, until
        self.grid = np.linspace(0.0, until, 501)
        self.reference = self.ours(NDF(rtol=1e-11))
        self.actions = regimen.actions(model)
        self.rr = roadrunner.RoadRunner(sbml_text(model))
        self.rr.timeCourseSelections = ["time", *(f"[{s}]" if s in model.species else s for s in model.states)]

    def ours(self, solver):
        run = asnsim.simulate(self.model, self.regimen, until=self.until, times=self.grid, solver=solver)
        return run.x[np.searchsorted(run.t, self.grid, side="right") - 1]

    def _dose(self, action):
        volume = 1.0 if action.name in self.model.rates else self.model.value(self.model.species[action.name].compartment)
        return action.value / volume

    def roadrunner(self, rtol):
        self.rr.reset()
        self.rr.integrator.relative_tolerance = rtol
        self.rr.integrator.absolute_tolerance = rtol * 1e-6
        out, start = [], 0.0
        for action in [*self.actions, None]:
            end = self.until if action is None else action.time
            inside = self.grid[(self.grid > start) & (self.grid < end)]
            rows = self.rr.simulate(times=[start, *inside, end])
            out.append(rows[:-1, 1:])
            if action is not None:
                key = f"[{action.name}]" if action.name in self.model.species else action.name
                self.rr[key] = self.rr[key] + self._dose(action)
            start = end
        out.append(rows[-1:, 1:])
        x, t = np.vstack(out), np.concatenate([self._times(), [self.until]])
        return x[np.searchsorted(t, self.grid, side="right") - 1]

    def _times(self):
        start, times = 0.0, []
        for action in [*self.actions, None]:
            end = self.until if action is None else action.time
            times += [start, *self.grid[(self.grid > start) & (self.grid < end)]]
            start = end
        return np.array(times)

    def scipy(self, rtol, method):
        system = build_equations(self.model)
        code = compile_system(system)
        x, c = system.arrays(self.model)
        c = code.prepare(c)
        rhs, jac = python_callable(code.rhs), python_callable(code.jac)
        slope, matrix = np.zeros(system.n), np.zeros((system.n, system.n))

        def f(t, y):
            rhs(t, np.ascontiguousarray(y), c, slope)
            return slope.copy()

        def j(t, y):
            jac(t, np.ascontiguousarray(y), c, matrix)
            return matrix.copy()

        out, start = [], 0.0
        for action in [*self.actions, None]:
            end = self.until if action is None else action.time
            inside = self.grid[(self.grid >= start) & (self.grid < end)]
            atol = absolute_tolerances(self.model, rtol)
            answer = solve_ivp(f, (start, end), x, method, t_eval=[*inside, end], rtol=rtol, atol=atol, jac=j)
            out.append(answer.y.T[:-1])
            x = answer.y[:, -1].copy()
            if action is not None:
                x[system.states.index(action.name)] += self._dose(action)
            start = end
        return np.vstack([*out, x[None]])

    def error(self, x):
        scale = np.abs(self.reference) + 1e-3 * np.abs(self.reference).max(axis=0) + 1e-30
        return float((np.abs(x - self.reference) / scale).max())


def time_at_error(points, error):
    """Read a work-precision line (error, ms) at an error, log-log, without going beyond its ends."""
    errors, times = np.log([p[0] for p in points]), np.log([p[1] for p in points])
    order = np.argsort(errors)
    return float(np.exp(np.interp(np.log(error), errors[order], times[order])))


def measure(scenario, rounds):
    """Return {peer: [(rtol, error, median ms)]}."""
    peers = {f"asnsim {name}": (lambda rtol, s=solver: scenario.ours(s(rtol=rtol))) for name, solver in SOLVERS.items()}
    peers["libRoadRunner (CVODE)"] = scenario.roadrunner
    peers["scipy LSODA"] = lambda rtol: scenario.scipy(rtol, "LSODA")
    peers["scipy BDF"] = lambda rtol: scenario.scipy(rtol, "BDF")
    table = {name: [] for name in peers}
    for rtol in TOLERANCES:
        errors = {name: scenario.error(run(rtol)) for name, run in peers.items()}
        times = {name: [] for name in peers}
        for _ in range(rounds):
            for name, run in peers.items():
                begin = time.perf_counter()
                run(rtol)
                times[name].append(1e3 * (time.perf_counter() - begin))
        for name in peers:
            table[name].append((rtol, errors[name], float(np.median(times[name]))))
            figures = f"rtol {rtol:.0e}  error {errors[name]:.1e}  {table[name][-1][2]:8.2f} ms"
            print(f"{scenario.name:7} {name:22} {figures}", flush=True)
    return table


def draw(results, path):
    """Draw one work-precision panel per scenario."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True)
    for axes, (name, table) in zip(panels, results.items(), strict=True):
        for colour, (peer, rows) in zip(OKABE_ITO, table.items(), strict=False):
            rows = [r for r in rows if r[1] < 1]  # a run that is wrong by more than its own size is no point of comparison
            axes.loglog([r[1] for r in rows], [r[2] for r in rows], "o-", color=colour, label=peer, markersize=4)
        axes.set_title(name, loc="left", fontweight="bold")
        axes.set_xlabel("largest relative error")
        axes.invert_xaxis()
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("time of one run [ms]")
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=6, loc="outside lower center")
    save(figure, path)


def main():
    """Run, print the ratios at equal error, write results.json and work_precision.png."""
    rounds = 3 if "--quick" in sys.argv else 9
    cell = asnsim.load_model("cell", "rpmi")
    dosing = asnsim.load_model("dosing", "all_low_asns")
    scenarios = [
        Scenario("cell", cell, asnsim.Regimen.single(2.0, "asnase_e", time=24.0), 48.0),
        Scenario("dosing", dosing, asnsim.Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d"), 2160.0),
    ]
    results = {scenario.name: measure(scenario, rounds) for scenario in scenarios}
    ratios = {}
    for name, table in results.items():
        peer = [(row[1], row[2]) for row in table["libRoadRunner (CVODE)"]]
        for ours in (n for n in table if n.startswith("asnsim")):
            _, error, ms = next(row for row in table[ours] if row[0] == 1e-6)
            ratio = ratios[f"{name}, {ours}"] = time_at_error(peer, error) / ms
            print(f"{name}: {ours} at rtol 1e-6 is {ratio:.1f} times as fast as libRoadRunner at equal error {error:.1e}")
    asnsim.tables.write_text(HERE / "results.json", json.dumps({"solve": results, "ratios": ratios}, indent=1) + "\n")
    draw(results, HERE / "work_precision.png")


if __name__ == "__main__":
    main()

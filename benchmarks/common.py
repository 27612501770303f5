"""What the benchmarks share: scenarios, errors against a tight reference, interleaved timing, and where figures are written."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

import asnsim
from asnsim.dosing import Regimen
from asnsim.network import Network
from asnsim.solvers import NDF
from asnsim.tables import write_text

HERE = Path(__file__).parent


class Scenario:
    """A model, boluses at known times, and a grid of 501 outputs of all states.

    An output that falls on a dose shows the state after it.
    """

    def __init__(self, name: str, model: Network, regimen: Regimen, until: float):
        self.name, self.model, self.regimen, self.until = name, model, regimen, until
        self.grid = np.linspace(0.0, until, 501)
        self.actions = regimen.actions(model)

    def run(self, solver, theta: Sequence[str] = ()):
        """Our run; rows of the grid are found by `rows`."""
        return asnsim.simulate(self.model, self.regimen, until=self.until, times=self.grid, theta=theta, solver=solver)

    def rows(self, t: np.ndarray) -> np.ndarray:
        """Rows of a run at the grid."""
        return np.searchsorted(t, self.grid, side="right") - 1

    def ours(self, solver) -> np.ndarray:
        """States on the grid, shape (501, n)."""
        run = self.run(solver)
        return run.x[self.rows(run.t)]

    def parameters(self, n: int = 30) -> tuple[str, ...]:
        """Every fifth positive constant, up to n."""
        positive = [name for name in self.model.constants if self.model.value(name) > 0 and name not in ("bsa", "weight")]
        return tuple(positive[: 5 * n : 5])


def scenarios() -> list[Scenario]:
    """`cell`: 48 h with one dose of asparaginase; `dosing`: 90 days with four doses of pegaspargase."""
    return [
        Scenario("cell", asnsim.load_model("cell", "rpmi"), Regimen.single(2.0, "asnase_e", time=24.0), 48.0),
        Scenario(
            "dosing",
            asnsim.load_model("dosing", "all_low_asns"),
            Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d"),
            2160.0,
        ),
    ]


def deviations(found: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Largest and root mean square of |found - reference| / (|reference| + 1e-3 of its largest over time).

    Arrays start with the axis of time. A run that broke off counts as infinitely wrong.
    """
    weight = np.abs(reference) + 1e-3 * np.abs(reference).max(axis=0) + 1e-30
    relative = np.nan_to_num(np.abs(found - reference) / weight, nan=np.inf)
    return float(relative.max()), float(np.sqrt(np.mean(relative**2)))


def time_at_error(points: Sequence[tuple[float, float]], error: float) -> float:
    """Read a work-precision line of (error, ms) at an error, log-log, never beyond its ends.

    Points wrong by more than their own size are left out.
    """
    kept = sorted(p for p in points if p[0] < 1)
    errors, times = (np.log([p[k] for p in kept]) for k in (0, 1))
    return float(np.exp(np.interp(np.log(error), errors, times)))


def interleaved(runs: Mapping[str, Callable[[], float | None]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each run, the runs taking turns. A run may return its own milliseconds.

    At each turn a run is made twice and the second is timed, so that none pays for what the one before left in the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()
            begin = time.perf_counter()
            own = run()
            times[name].append(own if isinstance(own, float) else 1e3 * (time.perf_counter() - begin))
    return {name: float(np.median(values)) for name, values in times.items()}


def machine() -> str:
    """Processor, Python and day, for the head of a table."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine())
    return f"{model}, Python {platform.python_version()}, {date.today()}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def record(section: str, figures: Mapping[str, object], text: str) -> None:
    """Put figures into results.json under a section, and text into README.md between the section's marks."""
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[section] = {"machine": machine(), **figures}
    write_text(path, json.dumps(results, indent=1, sort_keys=True) + "\n")
    readme = HERE / "README.md"
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    before, rest = readme.read_text().split(begin)
    after = rest.split(end)[1]
    write_text(readme, f"{before}{begin}\n{text.strip()}\n\n{machine()}\n{end}{after}")
    print(f"written: {section} in README.md and results.json")


def reference_solver(rtol: float = 1e-11) -> NDF:
    """What all errors are measured against."""
    return NDF(rtol=rtol)

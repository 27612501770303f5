"""The main job, end to end: dose a child, fit published numbers, measure a virtual culture, quantify it blind, fit it back."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asnsim.culture import preculture, seeded
from asnsim.dosing import Regimen
from asnsim.fit import Experiment, FitProblem, FitResult, Observable, fit
from asnsim.io import mzml
from asnsim.lcms import measure
from asnsim.library import load_model
from asnsim.network import Network
from asnsim.plots import plot_batch, plot_depletion, plot_fit, plot_trajectory
from asnsim.quantify import Quantification, quantify
from asnsim.simulation import simulate
from asnsim.studies import observations, published_problem, settled_patient
from asnsim.tables import write_table, write_text
from asnsim.trajectory import Trajectory

__all__ = ["DemoReport", "dose_child", "fit_published", "recover", "recovery_experiment", "run_demo", "yeast_folder"]

#: Kinetic parameters the virtual laboratory is asked to give back.
RECOVERED = ("Vmax_snat2", "Vmax_asn_carrier", "asns_capacity")
#: Parameters the published 143B numbers are fitted with, and the rows they are fitted to.
FITTED = (
    "Vmax_asn_carrier",
    "K_asn_carrier",
    "Vmax_snat2",
    "Ki_asns_asn",
    "Vmax_translation",
    "asns_capacity",
    "Vmax_got",
    "k_asp_loss",
)
ROWS = ("V07", "V10", "V11", "V14", "V14c")
SAMPLE_TIMES = (0.5, 2.0, 6.0, 12.0, 24.0)
Step = Callable[[str], None]
#: Marks a batch the demo made and may replace.
_MARK = "made_by_demo.txt"


@dataclass
class DemoReport:
    """What the demo found: rows of (section, quantity, reported or true, found, comment)."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def add(self, section: str, quantity: str, reference: str, found: str, comment: str = "") -> None:
        """Append one row."""
        self.rows.append((section, quantity, reference, found, comment))


def dose_child(line: str, amount: str = "2500 U/m^2", until: str = "45 d") -> Trajectory:
    """Simulate a child of 1.0 m^2 under one dose of pegaspargase, with a settled cell population in the marrow."""
    model = settled_patient(load_model("dosing", "pegaspargase", line))
    return simulate(model, Regimen.single(amount, "peg_1", duration="2 h", cap="3750 U"), until=until)


def _dosing(folder: Path, report: DemoReport, step: Step) -> None:
    runs = {}
    for line in ("all_low_asns", "solid_143b"):
        step(f"pegaspargase 2500 U/m^2, {line}")
        runs[line] = dose_child(line)
    run = runs["all_low_asns"]
    active, depleted = run.duration(run["asnase_p"] > 100) / 24, run.duration(run["asn_p"] < 1.0) / 24
    report.add("dose", "days with activity > 100 U/L", "25.8 (Wuerthwein model)", f"{active:.1f}")
    report.add(
        "dose", "days with plasma Asn < 1 umol/L", "22-29 (V30, AALL07P4)", f"{depleted:.1f}", "V30 counts undetectable samples"
    )
    for line, one in runs.items():
        cells = one["cells"]
        fate = "dies" if cells.min() < 0.1 * cells[0] else "lives"
        report.add("dose", f"cells of {line} at their lowest", "", f"{cells.min() / cells[0]:.2g} x start", fate)
        one.to_csv(
            folder / f"dosing_{line}.csv", ("asnase_p", "asn_p", "asn_i", "asn_csf", "asn_e", "asn_c", "asns_copies", "cells")
        )
    plot_depletion(runs, folder / "dosing.png")


def fit_published(starts: int = 3, progress: Callable[[int, int], None] | None = None) -> FitResult:
    """Fit eight parameters of the cell model to V07, V10, V11 and V14, from numbers moved well away from the shipped ones."""
    shipped = load_model("cell")
    nudge = np.random.default_rng(20261123).normal(0.0, 0.3, len(FITTED))
    away = {name: shipped.value(name) * math.exp(shift) for name, shift in zip(FITTED, nudge, strict=True)}
    return fit(
        published_problem(FITTED, ROWS, prior=1.0, values=away), starts=starts, seed=1, max_nfev=25, spread=0.2, progress=progress
    )


def _published(folder: Path, report: DemoReport, step: Step) -> FitResult:
    step("fitting published 143B numbers")
    result = fit_published()
    frame, _ = observations(ROWS)
    factors = {"umol/L": (1e-3, "mM"), "umol/L/h": (1e-3, "mM/h")}
    for (_, row), (_, fitted) in zip(frame.iterrows(), result.residuals.iterrows(), strict=True):
        scale, unit = factors.get(row["unit"], (1.0, ""))
        report.add(
            "published",
            f"{row['row'].removesuffix('c')} {row['protocol']} {row['observable']} at {row['time']:g} h",
            f"{row['value'] * scale:.3g} {unit}",
            f"{fitted['predicted'] * scale:.3g} {unit}",
            "within tolerance" if abs(math.log(fitted["predicted"] / row["value"])) < 2 * row["sd_log"] else "MISS",
        )
    result.to_csv(folder / "published_fit.csv")
    plot_fit(result, folder / "published_fit.png")
    return result


def recovery_experiment(values: dict[str, float] | None = None) -> Experiment:
    """143B in DMEM move at time 0 into DMEM with 0.2 mM Asn at 4e5 cells/mL: the experiment the virtual laboratory samples."""
    model = load_model("cell", "solid_143b", "dmem").with_parameters({**(values or {}), "asn_e": 200.0})
    model = seeded(model, 4e5, medium_ml=5.0)
    observables = {name: Observable(name, "log") for name in ("asn_c", "asn_e", "asp_c")}
    return Experiment("culture", model, preculture(model, medium={"asn_e": 0.0}), observables)


def recover(experiment: Experiment, folder: Path, seed: int, noise: bool = True) -> tuple[Quantification, FitResult, Network]:
    """Measure an experiment, write mzML, quantify it blind, and fit three kinetic parameters back from a wrong start.

    Returns
    -------
    Quantification, FitResult, Network
        The laboratory's result, the fit, and the model whose numbers are the truth.
    """
    truth = experiment.model
    run = simulate(truth, experiment.regimen, until=SAMPLE_TIMES[-1])
    batch = measure(run, "hilic_mrm", times=SAMPLE_TIMES, replicates=3, seed=seed, noise=noise, experiment=experiment.name)
    mzml.write_batch(batch, folder)
    quantified = quantify(mzml.read_batch(folder))
    data = quantified.measurements()
    wanted = data.table["observable"].isin(experiment.observables) & (data.table["value"] > 0)
    wrong = truth.with_parameters(
        {name: truth.value(name) * factor for name, factor in zip(RECOVERED, (1.6, 0.6, 1.5), strict=True)}
    )
    problem = FitProblem(
        [Experiment(experiment.name, wrong, experiment.regimen, experiment.observables)], data.select(wanted), RECOVERED
    )
    return quantified, fit(problem, starts=1, seed=seed, max_nfev=40), truth


def _round_trip(folder: Path, report: DemoReport, step: Step, fitted: FitResult) -> None:
    step("virtual samples: measure, write mzML, quantify blind, fit back")
    experiment = recovery_experiment(fitted.values())
    batch = folder / "virtual_batch"
    if (batch / _MARK).is_file():  # left by an earlier demo; anything else of that name is refused when the batch is written
        shutil.rmtree(batch)
    quantified, result, truth = recover(experiment, batch, seed=7)
    write_text(batch / _MARK, "made by asnsim demo, which replaces this folder\n")
    for name, x, lower, upper, unit in zip(RECOVERED, result.x, result.lower, result.upper, result.units, strict=True):
        true = truth.value(name)
        inside = "inside" if lower <= true <= upper else "OUTSIDE"
        report.add(
            "recovered",
            f"{name} [{unit}]",
            f"{true:.4g} (truth)",
            f"{x:.4g} ({lower:.4g} to {upper:.4g})",
            f"{inside} its 95 % interval",
        )
    result.to_csv(folder / "recovered.csv")
    quantified.measurements().to_csv(folder / "quantified.csv")
    plot_batch(mzml.read_batch(batch), folder / "chromatograms.png")
    plot_fit(result, folder / "recovered.png", truth={name: truth.value(name) for name in RECOVERED})
    begin = simulate(truth, experiment.regimen, until=0.0, times=[0.0])
    settled = truth.with_parameters(begin.end_state())
    plot_trajectory(
        simulate(settled, until=SAMPLE_TIMES[-1]),
        ("asn_e", "asn_c", "asp_c", "eif2p", "atf4", "asns_copies"),
        folder / "culture.png",
    )


def yeast_folder() -> Path | None:
    """Return the folder of real yeast files (``$ASNSIM_SHARED/data/lcms/smartpeak``, default ``../shared``), or None."""
    folder = Path(os.environ.get("ASNSIM_SHARED", "../shared")) / "data" / "lcms" / "smartpeak"
    return folder if folder.is_dir() else None


def _yeast(folder: Path, report: DemoReport, step: Step) -> None:
    source = yeast_folder()
    if source is None:
        report.add(
            "real files",
            "yeast extracts (QTRAP 5500)",
            "",
            "not here",
            "set ASNSIM_SHARED to the folder that holds data/lcms/smartpeak",
        )
        return
    step("quantifying real yeast files")
    result = quantify(mzml.read_batch(source), "smartpeak_yeast")
    table = result.table
    for row in table[table["analyte"] == "asn"].itertuples():
        report.add(
            "real files",
            f"Asn in {row.sample}",
            "",
            f"{row.value:.3g} {row.unit} ({row.lower:.3g} to {row.upper:.3g})",
            row.flags,
        )
    write_table(folder / "yeast.csv", list(table.columns), table.to_numpy().tolist())


def run_demo(folder: str | Path = "demo_output", step: Step | None = None) -> DemoReport:
    """Run the whole loop and leave figures (PNG) and tables (CSV).

    Parameters
    ----------
    folder : str or Path
        Where results go; made if absent.
    step : callable, optional
        Told in words what begins now.

    Returns
    -------
    DemoReport
        The table the command line prints.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    step = step or (lambda words: None)
    report = DemoReport()
    _dosing(folder, report, step)
    fitted = _published(folder, report, step)
    _round_trip(folder, report, step, fitted)
    _yeast(folder, report, step)
    write_table(folder / "summary.csv", ("part", "quantity", "reported or true", "found", "comment"), report.rows)
    return report

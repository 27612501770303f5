"""Figures of designs: where the samples lie on the curves they are taken from, and what more of them would buy."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from asnsim.delivery import END
from asnsim.plots import OKABE_ITO, dress, finish
from asnsim.simulation import simulate

__all__ = ["plot_design"]

_INK, _FAINT = "#333333", "#B8B8B8"
_WORDS = {"D": "geometric mean sd of logarithms", "A": "root mean square sd of logarithms", "c": "sd of the target's logarithm"}


def plot_design(design, path: str | Path | None = None) -> Figure:
    """Draw the samples of a design on the simulated curves, dots sized by replicates, and its uncertainty against cost.

    Parameters
    ----------
    design : Design
        Read: ``candidates``, ``chosen``, ``counts``, ``curve``, ``criterion``, ``target``, ``uncertainty``, ``free``.
    path : str or Path, optional
        Where to write the figure.

    Returns
    -------
    Figure
        One panel per experiment and observable, ticks at the foot where a sample could be taken, and one of the uncertainty.

    Raises
    ------
    IntegrationError
        If an experiment cannot be simulated.
    """
    panels = _curves(design)
    number = len(panels) + 1
    columns = 2 if number in (2, 4) else 3
    rows = -(-number // columns)
    figure = Figure(figsize=(3.7 * columns + 0.3, 2.8 * rows + 0.2), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, ((experiment, observable), (t, y, unit)) in zip(grid, panels.items(), strict=False):
        dress(axes, f"{experiment}: {observable}", unit.replace("umol", "µmol"))
        axes.plot(t, y, color=OKABE_ITO[0], linewidth=1.4)
        mine = [one for one in design.candidates if one.experiment.name == experiment and observable in one.observables]
        offered = np.unique([one.time for one in mine])
        axes.plot(offered, np.zeros(len(offered)), "|", color=_FAINT, transform=axes.get_xaxis_transform(), clip_on=False)
        taken: dict[float, int] = {}
        for one, n in design.chosen:
            if one.experiment.name == experiment and observable in one.observables:
                taken[one.time] = taken.get(one.time, 0) + n
        for moment, n in taken.items():
            value = y[np.searchsorted(t, moment, side="right") - 1]  # of a jump what is after it, as data are read
            axes.scatter(moment, value, s=26 * n, color=OKABE_ITO[1], alpha=0.85, edgecolor="white", linewidth=0.8, zorder=3)
            axes.annotate(f"{n}", (moment, value), xytext=(0, 5 + 2.6 * np.sqrt(n)), textcoords="offset points", ha="center",
                          fontsize=7.5, color=_INK)
        axes.margins(x=0.05, y=0.16)
        if y.min() > 0 and y.max() > 1e3 * y.min():  # else the samples of a depleted pool lie on the axis
            axes.set_yscale("log")
        elif y.min() >= 0:
            axes.set_ylim(bottom=-0.04 * y.max())
        axes.set_xlabel("time [h]", fontsize=8.5, color=_INK)
    _draw_curve(grid[len(panels)], design)
    for axes in grid[len(panels) + 1 :]:
        axes.set_axis_off()
    return finish(figure, path)


def _draw_curve(axes, design) -> None:
    """Uncertainty of the best and of equally spaced samples against their cost, infinite ones left out."""
    asked = [name for name, weight in zip(design.free, design.target, strict=True) if weight or design.criterion != "c"]
    words = textwrap.wrap(f"{design.criterion}-criterion: {', '.join(asked)}", 44)
    dress(axes, "\n".join(words), _WORDS[design.criterion])
    curve = design.curve
    lines = (("equal", "equally spaced", _FAINT, "s"), ("chosen", "built up greedily", OKABE_ITO[0], "o"))
    for name, label, colour, marker in lines:
        seen = curve[np.isfinite(curve[name])]
        axes.plot(seen["cost"], seen[name], marker=marker, markersize=3.5, linewidth=1.3, color=colour, label=label)
    label = f"this design: {design.uncertainty:.3g}"
    axes.plot(curve["cost"].iloc[-1], design.uncertainty, "*", markersize=11, color=OKABE_ITO[1], label=label, zorder=3)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    counted = curve["cost"].iloc[-1] == design.counts.sum()
    axes.set_xlabel("samples" if counted else "cost", fontsize=8.5, color=_INK)
    axes.legend(frameon=False, fontsize=7.5)


def _curves(design) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray, str]]:
    """Time (h), value and unit by experiment and observable, over the time of the candidates."""
    out = {}
    for experiment in dict.fromkeys(one.experiment for one in design.candidates):
        mine = [one for one in design.candidates if one.experiment is experiment]
        actions = [a.time for a in experiment.regimen.actions(experiment.model) if a.order != END]
        readings = {name: experiment.observable(name) for one in mine for name in one.observables}
        bases = [reading.relative_to for reading in readings.values() if reading.relative_to is not None]
        moments = [0.0, *actions, *(one.time for one in mine), *bases]
        grid = np.unique([*np.linspace(min(moments), max(moments), 401), *moments])
        run = simulate(experiment.model, experiment.regimen, until=max(moments), start=min(moments), times=grid)
        for name, reading in readings.items():
            base = 1.0 if reading.relative_to is None else run.at(reading.relative_to, "before")[reading.quantity]
            unit = run.unit(reading.quantity) if reading.relative_to is None else ""
            out[experiment.name, name] = run.t, run[reading.quantity] / base, unit
    return out

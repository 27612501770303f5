"""Figures of PEtab problems: data against simulations, residuals, and what the starts of a fit found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from asnsim.errors import DataError
from asnsim.petab import Evaluation, PetabFit, PetabProblem
from asnsim.plots import OKABE_ITO, dress, finish

__all__ = ["plot_residuals", "plot_waterfall"]

_INK = "#333333"
_MOST_STARTS = 12  # whose parameters are still told apart


def plot_residuals(problem: PetabProblem, result: Evaluation, path: str | Path | None = None) -> Figure:
    """Draw measurements against simulations, residuals over time, and residuals against what their distribution expects.

    Parameters
    ----------
    problem : PetabProblem
    result : Evaluation
        Of the problem.
    path : str or Path, optional
        Where to write the figure.

    Raises
    ------
    DataError
        If there is nothing to draw.
    """
    data = problem.measurements
    if not len(data):
        raise DataError("the problem has no measurements to draw")
    figure = Figure(figsize=(11.5, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    measured, residuals = data["measurement"].to_numpy(dtype=float), result.residuals
    times = data["time"].to_numpy(dtype=float)
    finite = np.isfinite(times)
    last = times[finite].max(initial=0.0) * 1.08 + (not finite.any())
    dress(left, "data and simulation", "measured")
    dress(middle, "residuals over time", "residual, in units of the noise")
    dress(right, "residuals against their distribution", "residual, sorted")
    names = list(dict.fromkeys(data["observable"]))
    for k, name in enumerate(names):
        mask = (data["observable"] == name).to_numpy()
        style = {"color": OKABE_ITO[k % len(OKABE_ITO)], "marker": "o^sDv"[k // len(OKABE_ITO) % 5], "s": 12, "alpha": 0.8}
        left.scatter(result.simulation[mask], measured[mask], label=name if len(names) <= 8 else None, **style)
        middle.scatter(np.where(finite, times, last)[mask], residuals[mask], **style)
    if np.all(measured > 0) and np.all(result.simulation > 0) and measured.max() > 100 * measured.min():
        left.set_xscale("log")
        left.set_yscale("log")
    ends = [min(measured.min(), result.simulation.min()), max(measured.max(), result.simulation.max())]
    left.plot(ends, ends, color=_INK, linewidth=0.8)
    left.set_xlabel("simulated")
    middle.axhline(0.0, color=_INK, linewidth=0.8)
    middle.set_xlabel("time of the model" + ("" if finite.all() else "; last: at equilibrium"))
    laplace = np.array([problem.observables[name].distribution == "laplace" for name in data["observable"]])
    levels = (np.arange(1, len(residuals) + 1) - 0.5) / len(residuals)
    expected = stats.laplace.ppf(levels) if laplace.all() else stats.norm.ppf(levels)
    right.plot(expected, np.sort(residuals), ".", color=OKABE_ITO[0], markersize=4)
    right.plot(expected, expected, color=_INK, linewidth=0.8)
    right.set_xlabel(f"expected of {'a Laplace' if laplace.all() else 'a normal'} distribution")
    if len(names) <= 8:
        left.legend(fontsize=7, frameon=False)
    return finish(figure, path)


def plot_waterfall(result: PetabFit, path: str | Path | None = None) -> Figure:
    """Draw the starts' objectives in order, and the parameters that the best of them found.

    Parameters
    ----------
    result : PetabFit
    path : str or Path, optional
        Where to write the figure.
    """
    done = [start for start in result.starts if np.isfinite(start.objective)]
    names = result.problem.estimated
    figure = Figure(figsize=(11.0, max(3.8, 0.19 * len(names) + 1.3)), layout="constrained")
    left, right = figure.subplots(1, 2)
    dress(left, "starts, best first", "objective above the best, plus 0.01")
    above = np.array([start.objective for start in done]) - result.best.objective
    near = above <= 0.05
    left.semilogy(np.arange(1, len(done) + 1), above + 0.01, "-", color="#B8B8B8", linewidth=0.8)
    for mask, colour, label in ((near, OKABE_ITO[0], "found the best"), (~near, OKABE_ITO[1], "ended elsewhere")):
        label = f"{label}: {mask.sum()}"
        left.semilogy(np.flatnonzero(mask) + 1, above[mask] + 0.01, "o", color=colour, markersize=4, label=label)
    failed = len(result.starts) - len(done)
    left.set_xlabel("start" + (f"; {failed} more could not be integrated" if failed else ""))
    left.legend(fontsize=8, frameon=False)
    dress(right, "parameters that the best starts found", "")
    low, high = result.problem.bounds()
    places = np.arange(len(names))
    for k in reversed(range(min(len(done), _MOST_STARTS))):
        share = (np.array(done[k].p) - low) / (high - low)
        style = {"color": OKABE_ITO[0], "linewidth": 1.4, "zorder": 3} if near[k] else {"color": "#B8B8B8", "linewidth": 0.8}
        right.plot(share, places, "o-", markersize=3, **style)
    right.set_yticks(places, names, fontsize=7)
    right.set_xlim(-0.03, 1.03)
    right.invert_yaxis()
    right.set_xlabel("from lower to upper bound, on each parameter's scale")
    return finish(figure, path)

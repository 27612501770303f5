"""Pictures of dosing: bands with target lines, calendars of depletion, dose and interval against the chance of success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from asnsim.plots import OKABE_ITO, dress, finish

__all__ = ["plot_bands", "plot_calendar", "plot_forecast", "plot_response"]

_INK = "#333333"
_MOST_LINES = 60


def plot_bands(
    t: np.ndarray,
    values: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    targets: Mapping[str, float] | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw quantities of a population: single patients as thin lines, 5-95 % and 25-75 % bands, the median, a target line.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        h.
    values : mapping of str to ndarray, shape (n, n_t)
        One panel each.
    units : mapping of str to str
    targets : mapping of str to float, optional
    path : str or Path, optional
        Where to write the figure.
    """
    figure = Figure(figsize=(7.2, 2.3 * len(values) + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(values), 1, sharex=True))
    days = np.asarray(t) / 24
    for axes, (name, rows), colour in zip(panels, values.items(), OKABE_ITO, strict=False):
        dress(axes, name, units.get(name, ""))
        low, lower, middle, upper, high = np.nanquantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        top = np.nanmax(high)
        if top > 0 and np.nanmin(np.where(low > 0, low, np.inf)) < top / 50:
            axes.set_yscale("log")
            axes.set_ylim(max(top * 1e-4, np.nanmin(np.where(low > 0, low, np.inf)) * 0.5), top * 2)
        axes.plot(days, rows[:_MOST_LINES].T, color=colour, linewidth=0.4, alpha=0.25)
        axes.fill_between(days, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.fill_between(days, lower, upper, color=colour, alpha=0.25, linewidth=0)
        axes.plot(days, middle, color=colour, linewidth=1.8)
        if targets and name in targets:
            axes.axhline(targets[name], color=_INK, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{targets[name]:g}", (1.0, targets[name]), xycoords=("axes fraction", "data"), xytext=(3, 0),
                textcoords="offset points", fontsize=8, va="center", color=_INK,
            )  # fmt: skip
    panels[-1].set_xlim(days[0], days[-1])
    panels[-1].set_xlabel("time [d]; median, 25-75 % and 5-95 % of patients; dashed: target", fontsize=8.5, color=_INK)
    return finish(figure, path)


def plot_calendar(t: np.ndarray, met: np.ndarray, words: str = "on target", path: str | Path | None = None) -> Figure:
    """Draw who is on target when: one row per patient, longest first, one column per output time, and their share above.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        h.
    met : ndarray of bool, shape (n, n_t)
    words : str
        What it means.
    """
    met = np.asarray(met, dtype=bool)
    days = np.asarray(t) / 24
    order = np.argsort(-met.sum(axis=1), kind="stable")
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    share, calendar = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1, 2.6]})
    dress(share, f"share of patients {words}", "%")
    share.step(days, 100 * met.mean(axis=0), where="mid", color=OKABE_ITO[5], linewidth=1.8)
    share.set_ylim(-3, 103)
    dress(calendar, "", "patients, longest first")
    calendar.pcolormesh(days, np.arange(len(met)), met[order].astype(float), cmap=ListedColormap(["#f2f2f2", OKABE_ITO[5]]))
    calendar.invert_yaxis()
    calendar.set_xlabel(f"time [d]; coloured: {words}", fontsize=8.5, color=_INK)
    return finish(figure, path)


def plot_response(table: pd.DataFrame, words: str, probability: float = 0.9, path: str | Path | None = None) -> Figure:
    """Draw the chance of success of candidates, with its interval, and what was asked for.

    Parameters
    ----------
    table : DataFrame
        Of `asnsim.regimens.compare` with numbers as labels; a second column `interval` (h) makes it a surface of both.
    words : str
        What the candidates are, with unit.
    """
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    if "interval" in table:
        grid = table.pivot(index="interval", columns="regimen", values="probability")
        dress(axes, "chance of success", "interval [d]")
        x, y = grid.columns.to_numpy(float), grid.index.to_numpy(float) / 24
        picture = axes.contourf(x, y, grid.to_numpy(), levels=np.linspace(0, 1, 11), cmap="cividis")
        axes.contour(x, y, grid.to_numpy(), levels=[probability], colors="white", linewidths=1.6)
        bar = figure.colorbar(picture, ax=axes)
        bar.set_label(f"probability; white: {probability:g}", fontsize=8.5, color=_INK)
        bar.ax.tick_params(labelsize=8.5)
    else:
        dress(axes, "chance of success", "probability")
        x = table.regimen.to_numpy(float)
        axes.fill_between(x, table.low, table.high, color=OKABE_ITO[5], alpha=0.2, linewidth=0)
        axes.plot(x, table.probability, "o-", color=OKABE_ITO[5], linewidth=1.6, markersize=4)
        axes.axhline(probability, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(words, fontsize=8.5, color=_INK)
    return finish(figure, path)


def plot_forecast(
    forecast, name: str, unit: str, samples: Sequence = (), target: float | None = None, path: str | Path | None = None
) -> Figure:
    """Draw what is expected of a patient: true and measured 90 % bands, the median, the samples, a target line.

    Parameters
    ----------
    forecast : Forecast
        Of `asnsim.fit.individual`.
    name, unit : str
        Observable, and its unit.
    samples : sequence of Sample, optional
        Values below the limit are drawn as open triangles at it.
    target : float, optional
    """
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    dress(axes, f"forecast of {name}", unit)
    days = forecast.t / 24
    for measured, alpha, words in ((True, 0.15, "90 % of measurements"), (False, 0.3, "90 % of true values")):
        low, middle, high = forecast.interval(name, measured=measured)
        axes.fill_between(days, np.maximum(low, 1e-3), high, color=OKABE_ITO[5], alpha=alpha, linewidth=0, label=words)
    axes.plot(days, middle, color=OKABE_ITO[5], linewidth=1.8, label="median")
    own = [sample for sample in samples if sample.what == name]
    for blq, marker, words in ((False, "o", "sample"), (True, "v", "below the limit")):
        chosen = [s for s in own if s.blq == blq]
        if chosen:
            face = "none" if blq else OKABE_ITO[6]
            axes.plot([s.time / 24 for s in chosen], [s.value for s in chosen], marker, color=OKABE_ITO[6], mfc=face, label=words)
    if target is not None:
        axes.axhline(target, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), label=f"target {target:g}")
    axes.set_yscale("log")
    top = float(np.nanmax(high))
    axes.set_ylim(max(float(np.nanmin(low[low > 0], initial=top)) * 0.6, top * 1e-3), top * 6)
    axes.set_xlim(days[0], days[-1])
    axes.set_xlabel("time [d]", fontsize=8.5, color=_INK)
    axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    return finish(figure, path)

"""Figures of a quantified batch: peaks with their windows, calibration with accuracy, quality control over the sequence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asnsim.chromatogram import Batch, Injection
from asnsim.errors import DataError
from asnsim.plots import OKABE_ITO, dress, finish
from asnsim.quantify import Method, Quantification
from asnsim.quantify.peaks import integrate, locate, match

__all__ = ["chosen_injections", "plot_calibration", "plot_peaks", "plot_sequence"]

_INK, _FAINT, _SHADE = "#333333", "#B8B8B8", "#F0E9D8"
_LIGHT, _HEAVY, _WRONG = OKABE_ITO[0], OKABE_ITO[1], OKABE_ITO[3]
_LIMIT, _AT_LLOQ = 15.0, 20.0  # ICH M10, % of nominal


def chosen_injections(batch: Batch, result: Quantification, most: int = 6) -> list[str]:
    """Return samples worth a look: those with flags first, then a blank, the lowest calibrator and unknowns.

    Parameters
    ----------
    batch : Batch
    result : Quantification
    most : int
        How many at most.
    """
    table = result.table
    unknown = table[table["sample_type"] == "Unknown"]
    flagged = list(dict.fromkeys(unknown.loc[unknown["flags"] != "", "sample"]))
    lowest = table[table["sample_type"] == "Standard"].sort_values("nominal")["sample"].head(1)
    blank = table.loc[table["sample_type"] == "Blank", "sample"].head(1)
    rest = unknown.drop_duplicates("matrix")["sample"]
    names = dict.fromkeys([*flagged[: most - 3], *blank, *lowest, *rest])
    order = {injection.sample.name: place for place, injection in enumerate(batch.injections)}
    return sorted(list(names)[:most], key=lambda name: order.get(name, len(order)))


def plot_peaks(
    batch: Batch,
    result: Quantification,
    method: str | Path | Method,
    path: str | Path | None = None,
    samples: Sequence[str] = (),
    analytes: Sequence[str] = (),
) -> Figure:
    """Draw quantifier and internal standard of some injections, with the window that was integrated, its baseline and the flags.

    Parameters
    ----------
    batch : Batch
        Gives the chromatograms.
    result : Quantification
        Gives values and flags.
    method : str, Path or Method
        Of the quantification.
    path : str or Path, optional
        Where to write the figure.
    samples, analytes : sequence of str, optional
        What to show; by default `chosen_injections` and the first four analytes.

    Raises
    ------
    DataError
        If a sample or analyte is not there.
    """
    method = Method.load(method)
    names = list(samples) or chosen_injections(batch, result)
    measured = set(result.table["analyte"])
    known = [analyte for analyte in method.analytes if analyte.id in measured]
    for name in analytes:
        if name not in measured:
            raise DataError(f"'{name}' is not an analyte of this result; there are {', '.join(sorted(measured))}")
    shown = [analyte for analyte in known if analyte.id in analytes] if analytes else known[:4]
    injections = [batch[name] for name in names]
    if not injections or not shown:
        raise DataError("there is no injection or no analyte to draw")
    figure = Figure(figsize=(3.0 * len(shown) + 0.6, 1.75 * len(injections) + 0.7), layout="constrained")
    grid = figure.subplots(len(injections), len(shown), squeeze=False)
    rows = result.table.set_index(["sample", "analyte"])
    for i, injection in enumerate(injections):
        for j, analyte in enumerate(shown):
            axes = grid[i, j]
            dress(axes, analyte.id if i == 0 else "", f"{injection.sample.name[:24]}\ncounts/s" if j == 0 else "")
            _peak(axes, injection, analyte, method)
            if (injection.sample.name, analyte.id) in rows.index:
                _caption(axes, rows.loc[(injection.sample.name, analyte.id)])
            if i == len(injections) - 1:
                axes.set_xlabel("retention time [s]", fontsize=8.5, color=_INK)
    handles = {label: handle for axes in grid.ravel() for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=3, frameon=False, fontsize=8.5)
    return finish(figure, path)


def _peak(axes: Axes, injection: Injection, analyte, method: Method) -> None:
    """Light to the left axis, labelled to a scale of its own, window and baseline of the light."""
    own, light = (match(injection, analyte.transition(role)) for role in ("IS", "quantifier"))
    if light is None:
        axes.text(0.5, 0.5, "not acquired", transform=axes.transAxes, ha="center", fontsize=8, color=_FAINT)
        return
    window = locate(own, analyte.transition("IS"), method)
    peak = integrate(light, window, method)
    axes.axvspan(window.start, window.stop, color=_SHADE, zorder=0, label="integrated")
    axes.plot(light.time, light.intensity, color=_LIGHT, linewidth=1.1, label="analyte")
    axes.plot([window.start, window.stop], [peak.baseline] * 2, color=_INK, linewidth=0.9, linestyle="--")
    axes.ticklabel_format(axis="y", scilimits=(-2, 4))
    axes.yaxis.get_offset_text().set_fontsize(7.5)
    axes.set_xlim(window.apex - 4 * window.fwhm, window.apex + 4.5 * window.fwhm)
    if own is not None:
        other = axes.twinx()
        other.plot(own.time, own.intensity, color=_HEAVY, linewidth=0.9, alpha=0.75)
        other.set_yticks([])
        for side in ("top", "right"):
            other.spines[side].set_visible(False)
        axes.plot([], [], color=_HEAVY, linewidth=0.9, label="internal standard, own scale")


def _caption(axes: Axes, row: pd.Series) -> None:
    value = f"{row['value']:.4g} {row['unit']}" if np.isfinite(row["value"]) else "no value"
    axes.text(0.98, 0.97, value, transform=axes.transAxes, ha="right", va="top", fontsize=7.5, color=_INK)
    if row["flags"]:
        text = row["flags"].replace("; ", "\n").replace("from its", "from\nits")
        axes.text(0.02, 0.97, text, transform=axes.transAxes, ha="left", va="top", fontsize=7, color=_WRONG)


def plot_calibration(result: Quantification, path: str | Path | None = None) -> Figure:
    """Draw the curve of every analyte with calibrators and QCs, and below it what they read in % of nominal.

    Parameters
    ----------
    result : Quantification
    path : str or Path, optional
        Where to write the figure.

    Raises
    ------
    DataError
        If nothing was calibrated within the batch.
    """
    table = result.table[(result.table["nominal"] > 0) & np.isfinite(result.table["ratio"])]
    table = table[table["sample_type"].isin(["Standard", "QC"])]
    names = [name for name in result.calibration if name in set(table["analyte"])]
    if not names:
        raise DataError("the batch has no calibrators to draw; its lines are published ones")
    columns = min(4, len(names))
    blocks = -(-len(names) // columns)
    figure = Figure(figsize=(2.9 * columns + 0.5, 3.6 * blocks + 0.3), layout="constrained")
    grid = figure.subplots(2 * blocks, columns, squeeze=False, height_ratios=[2, 1.1] * blocks)
    for axes in grid.ravel():
        axes.set_axis_off()
    for place, name in enumerate(names):
        upper, lower = (grid[2 * (place // columns) + k, place % columns] for k in (0, 1))
        _curve(upper, lower, table[table["analyte"] == name], result.calibration[name], name)
    handles = [
        Line2D([], [], linestyle="none", marker=marker, markersize=4, color=colour, markerfacecolor=face, label=label)
        for marker, colour, face, label in (
            ("o", _LIGHT, _LIGHT, "calibrator"),
            ("D", OKABE_ITO[2], OKABE_ITO[2], "QC"),
            ("o", _INK, "none", "outside its limit"),
        )
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False, fontsize=8.5)
    return finish(figure, path)


def _curve(upper: Axes, lower: Axes, rows: pd.DataFrame, line, name: str) -> None:
    for axes in (upper, lower):
        axes.set_axis_on()
        axes.set_xscale("log")
    weights = f", {line.weighting}" if line.weighting else ""
    dress(upper, f"{name}: {'quadratic' if line.order == 2 else 'line'}{weights}", "analyte / internal standard")
    dress(lower, "", "% of nominal")
    upper.set_yscale("log")
    lowest = rows.loc[rows["sample_type"] == "Standard", "nominal"].min()
    grid = np.geomspace(rows["nominal"].min() / 1.3, rows["nominal"].max() * 1.3, 120)
    upper.plot(grid, np.maximum(line.response(grid), 1e-12), color=_INK, linewidth=1.0)
    lower.fill_between(grid, 100 - _LIMIT, 100 + _LIMIT, color=_SHADE, linewidth=0)
    lower.axhline(100, color=_INK, linewidth=0.8)
    for kind, marker, colour in (("Standard", "o", _LIGHT), ("QC", "D", OKABE_ITO[2])):
        part = rows[rows["sample_type"] == kind]
        share = 100 * part["value"] / part["nominal"]
        limit = np.where(part["nominal"] <= lowest * 1.000001, _AT_LLOQ, _LIMIT)
        good = (np.abs(share - 100) <= limit).to_numpy()
        for mask, face in ((good, colour), (~good, "none")):
            style = {"linestyle": "none", "marker": marker, "markersize": 4, "color": colour, "markerfacecolor": face}
            upper.plot(part["nominal"][mask] / part["dilution_factor"][mask], part["ratio"][mask], **style)
            lower.plot(part["nominal"][mask], share[mask].clip(40, 160), **style)
    lower.set_ylim(58, 142)
    lower.set_xlabel(f"prepared [{rows['unit'].iloc[0]}]", fontsize=8.5, color=_INK)


def plot_sequence(result: Quantification, path: str | Path | None = None) -> Figure:
    """Draw quality control over the order of injection: area of the internal standard, and what QCs read in % of nominal.

    Parameters
    ----------
    result : Quantification
    path : str or Path, optional
        Where to write the figure.
    """
    table = result.table.sort_values("inj_number")
    names = list(dict.fromkeys(table["analyte"]))[:8]
    figure = Figure(figsize=(10.0, 1.25 * len(names) + 3.6), layout="constrained")
    grid = figure.subplots(len(names) + 1, 1, sharex=True, height_ratios=[1] * len(names) + [1.7])
    kinds = (("Standard", _LIGHT, "o"), ("QC", OKABE_ITO[2], "D"), ("Unknown", _FAINT, "o"), ("Blank", OKABE_ITO[4], "s"))
    for axes, name in zip(grid, names, strict=False):
        rows = table[table["analyte"] == name]
        reference = rows.loc[rows["sample_type"].isin(["Standard", "QC"]), "is_area"].mean()
        dress(axes, "", f"{name}\nIS, % of mean")
        for kind, colour, marker in kinds:
            part = rows[rows["sample_type"] == kind]
            share = 100 * part["is_area"] / reference
            axes.plot(part["inj_number"], share.clip(0, 220), marker, color=colour, markersize=3.2, label=kind)
            odd = part["flags"].str.contains("IS").to_numpy()
            axes.plot(part["inj_number"][odd], share[odd].clip(0, 220), "x", color=_WRONG, markersize=6)
        axes.axhspan(50, 150, color=_SHADE, zorder=0)
        axes.set_ylim(0, 225)
    grid[0].legend(loc="upper left", bbox_to_anchor=(0.0, 1.42), ncols=4, frameon=False, fontsize=8)
    last = grid[-1]
    dress(last, "", "QC, % of nominal")
    last.axhspan(100 - _LIMIT, 100 + _LIMIT, color=_SHADE, zorder=0)
    for colour, name in zip((*OKABE_ITO, _FAINT), names, strict=False):
        part = table[(table["analyte"] == name) & (table["sample_type"] == "QC") & (table["nominal"] > 0)]
        share = (100 * part["value"] / part["nominal"]).clip(55, 145)
        last.plot(part["inj_number"], share, "D", color=colour, markersize=3.5, label=name)
    last.set_ylim(52, 148)
    last.set_xlabel("place in the sequence", fontsize=8.5, color=_INK)
    last.legend(ncols=len(names), frameon=False, fontsize=8, loc="lower left")
    return finish(figure, path)

"""Figures of runs, batches and fits: matplotlib without pyplot, so nothing is global and no display is needed.

Every function returns a `matplotlib.figure.Figure` and, where a path is given, writes it whole (PNG, SVG or PDF). Colours are
those of Okabe & Ito (2008), which colour-blind readers can tell apart. Objects are taken as they come (duck typing): the
docstrings say which attributes are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from asnsim.errors import AsnsimError, DataError
from asnsim.tables import written_whole

__all__ = [
    "OKABE_ITO", "dress", "finish", "plot_batch", "plot_crosscheck", "plot_depletion", "plot_fit", "plot_quantification",
    "plot_trajectory", "save",
]

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK, _FAINT = "#333333", "#B8B8B8"
_MARKERS = "osD^vP*X"
_FORMATS = (".png", ".svg", ".pdf")
#: Decades a positive quantity must span for a logarithmic axis, and how many such an axis shows at most.
_LOG_SPAN, _LOG_SHOWN = 1e3, 1e10
_ROLE = re.compile(r"([\w-]+)\.(quantifier|IS)\b")


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure whole: to a temporary name first, then renamed.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : str or Path
        Target, ending in .png, .svg or .pdf; its folder is made if absent.

    Raises
    ------
    DataError
        If the ending is another one or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise DataError(f"{path}: a figure is written as {', '.join(_FORMATS)}; give a name that ends in one of them")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=160)
    return path


def finish(figure: Figure, path: str | Path | None) -> Figure:
    """Write a figure where there is a path, and return it."""
    if path is not None:
        save(figure, path)
    return figure


def _pretty(unit: str) -> str:
    return unit.replace("umol", "µmol").replace(" / ", "/").replace("^2", "²") if unit not in ("", "1") else ""


def dress(axes, title: str = "", ylabel: str = "") -> None:
    """Give axes the look all figures share, with a title to the left and a label."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(labelsize=8, colors=_INK, length=3)
    axes.grid(True, color="#ECECEC", linewidth=0.6)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, fontsize=9.5, loc="left", color=_INK, fontweight="bold")
    if ylabel:
        axes.set_ylabel(ylabel, fontsize=8.5, color=_INK)


def _time_unit(t: np.ndarray) -> tuple[float, str]:
    """Days for more than four days, minutes for less than two hours, otherwise hours."""
    span = float(t[-1] - t[0]) if t.size else 0.0
    if span > 96:
        return 24.0, "d"
    return (1.0, "h") if span >= 2 else (1 / 60, "min")


def _breaks(t: np.ndarray) -> np.ndarray:
    """Times that stand twice: doses, ends of infusions, changes of condition."""
    return np.unique(t[1:][np.diff(t) == 0])


def _spans_decades(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and finite.max() > _LOG_SPAN * finite.min())


def _log_axis(axes, values: np.ndarray, lowest: float = 0.0) -> None:
    top = float(values.max())
    bottom = max(float(values[values > 0].min()), lowest or top / _LOG_SHOWN)
    axes.set_yscale("log")
    axes.set_ylim(bottom / 1.6, top * 1.6)
    axes.yaxis.set_major_locator(LogLocator(base=10, numticks=6))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _linear_axis(axes, values: np.ndarray) -> None:
    finite = values[np.isfinite(values)]
    axes.ticklabel_format(axis="y", useOffset=False, scilimits=(-3, 5))
    axes.yaxis.get_offset_text().set_fontsize(8)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):  # constant: rounding errors are not worth a picture
        pad = 0.1 * abs(high) or 1.0
        axes.set_ylim(low - pad, high + pad)
    elif low >= 0 and low < 0.6 * high:
        axes.set_ylim(0 - 0.03 * high, high * 1.06)


def _mark(axes, breaks: np.ndarray, scale: float) -> None:
    for moment in breaks:
        axes.axvline(moment / scale, color=_FAINT, linewidth=0.8, zorder=0)


def plot_trajectory(run, names: Sequence[str], path: str | Path | None = None) -> Figure:
    """Draw named quantities over time as small multiples; doses and changes of condition are thin vertical lines.

    Parameters
    ----------
    run : Trajectory
        Read: ``t`` (h), ``run[name]``, ``unit(name)``.
    names : sequence of str
        States, rules or fluxes.
    path : str or Path, optional
        Where to write the figure.

    Returns
    -------
    Figure
        A quantity that is positive and spans more than three decades has a logarithmic axis.

    Raises
    ------
    AsnsimError
        If no name is given or the run does not know one.
    """
    names = list(dict.fromkeys(names))
    if not names:
        raise AsnsimError("a figure needs at least one name; name states, rules or fluxes of the model")
    columns = 1 if len(names) == 1 else 2 if len(names) in (2, 4) else 4 if len(names) % 3 and len(names) % 4 == 0 else 3
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.3 * columns + 0.4, 2.1 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    scale, word = _time_unit(run.t)
    breaks = _breaks(run.t)
    for position, (axes, name) in enumerate(zip(grid, names, strict=False)):
        values = np.asarray(run[name], dtype=float)
        dress(axes, name, _pretty(run.unit(name)))
        _mark(axes, breaks, scale)
        axes.plot(run.t / scale, values, color=OKABE_ITO[0], linewidth=1.5)
        (_log_axis if _spans_decades(values) else _linear_axis)(axes, values)
        if run.t[-1] > run.t[0]:
            axes.set_xlim(run.t[0] / scale, run.t[-1] / scale)
        if position + columns >= len(names):
            axes.set_xlabel(f"time [{word}]", fontsize=8.5, color=_INK)
            axes.tick_params(labelbottom=True)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    return finish(figure, path)


def plot_depletion(runs: Mapping[str, object], path: str | Path | None = None) -> Figure:
    """Draw asparaginase activity, plasma asparagine and cell numbers of several runs on one time axis.

    Parameters
    ----------
    runs : mapping of str to Trajectory
        Label (such as ``'all_low_asns'``) to a run of the `dosing` recipe. Read: ``t``, ``asnase_p``, ``asn_p``, ``cells``.
    path : str or Path, optional
        Where to write the figure.

    Returns
    -------
    Figure
        The shaded band is the time with plasma Asn below 1 umol/L in the first run. Where the runs share drug and plasma, one
        line stands for all.
    """
    runs = dict(runs)
    if not runs:
        raise AsnsimError("a figure of depletion needs at least one run")
    first = next(iter(runs.values()))
    scale, word = _time_unit(first.t)
    figure = Figure(figsize=(7.2, 6.6), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [1, 1, 1.35]})
    dress(panels[0], "asparaginase activity in plasma", "U/L")
    dress(panels[1], "asparagine in plasma", "µmol/L")
    dress(panels[2], "cells in the marrow", "cells")
    for axes, name, limit, words in ((panels[0], "asnase_p", 100.0, "100 U/L"), (panels[1], "asn_p", 1.0, "1 µmol/L")):
        _draw_shared(axes, runs, name, scale, lowest=limit / 100)
        axes.axhline(limit, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(words, (1.0, limit), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
                      fontsize=8, va="center", color=_INK)
    for colour, (label, run) in zip(OKABE_ITO, runs.items(), strict=False):
        panels[2].plot(run.t / scale, np.maximum(run["cells"], 1e-9), color=colour, linewidth=1.8, label=label)
    every = np.concatenate([np.asarray(run["cells"], dtype=float) for run in runs.values()])
    _log_axis(panels[2], every, lowest=0.3)  # fewer cells than one is gone
    panels[2].legend(frameon=False, fontsize=8.5, loc="best")
    depleted = np.asarray(first["asn_p"]) < 1.0
    for axes in panels:
        _mark(axes, _breaks(first.t), scale)
        axes.fill_between(first.t / scale, 0, 1, where=depleted, transform=axes.get_xaxis_transform(), color=OKABE_ITO[5],
                          alpha=0.13, linewidth=0, zorder=0)
    panels[2].set_xlabel(f"time [{word}]; shaded: plasma Asn below 1 µmol/L; thin lines: doses", fontsize=8.5, color=_INK)
    panels[2].set_xlim(first.t[0] / scale, first.t[-1] / scale)
    return finish(figure, path)


def _draw_shared(axes, runs: Mapping[str, object], name: str, scale: float, lowest: float) -> None:
    """Draw one dark line where all runs agree within 1 %, otherwise one line each."""
    series = [(np.asarray(run.t) / scale, np.asarray(run[name], dtype=float)) for run in runs.values()]
    t, values = series[0]
    smooth = ~np.isin(t, np.concatenate([_breaks(moments) for moments, _ in series]))  # at a dose there are two values
    near = {"rtol": 0.01, "atol": 0.01 * np.abs(values).max()}
    same = all(np.allclose(np.interp(t, *other)[smooth], values[smooth], **near) for other in series[1:])
    for colour, (moments, one) in zip((_INK,) if same else OKABE_ITO, series, strict=False):
        axes.plot(moments, np.maximum(one, lowest / 10), color=colour, linewidth=1.5)
    every = np.concatenate([one for _, one in series])
    _log_axis(axes, np.maximum(every, lowest), lowest)


def plot_fit(result, path: str | Path | None = None, truth: Mapping[str, float] | None = None) -> Figure:
    """Draw a fit: predicted against measured, residuals over time, parameters with their 95 % intervals.

    Parameters
    ----------
    result : FitResult
        Read: ``free`` (names), ``x``, ``lower``, ``upper`` (arrays, same order), ``residuals`` (a DataFrame with columns
        experiment, time, observable, value, sd, predicted and, where there, residual: whitened, in standard deviations), and
        ``units`` where there.
    path : str or Path, optional
        Where to write the figure.
    truth : mapping of str to float, optional
        True values, where they are known; by default ``result.truth`` if there is one. Drawn as crosses.

    Returns
    -------
    Figure
    """
    truth = truth if truth is not None else getattr(result, "truth", None) or {}
    table = result.residuals
    height = max(3.4, 0.34 * len(result.free) + 1.2)
    figure = Figure(figsize=(11.5, height), layout="constrained")
    left, middle, right = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1.0, 1.0, 1.15]})
    _predicted_against_measured(left, table)
    _residuals_over_time(middle, table)
    _intervals(right, result, truth)
    handles, labels = left.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside lower left", ncols=min(len(handles), 7), frameon=False, fontsize=8)
    return finish(figure, path)


def _styles(table) -> list[tuple[tuple[str, str], str, str, str]]:
    """Return ((observable, experiment), label, colour, marker) of each series: colour by observable, marker by experiment."""
    observables = list(dict.fromkeys(table["observable"]))
    experiments = list(dict.fromkeys(table["experiment"]))
    return [
        ((o, e), o if len(experiments) == 1 else f"{o}, {e}", OKABE_ITO[i % len(OKABE_ITO)], _MARKERS[j % len(_MARKERS)])
        for i, o in enumerate(observables)
        for j, e in enumerate(experiments)
        if ((table["observable"] == o) & (table["experiment"] == e)).any()
    ]


def _predicted_against_measured(axes, table) -> None:
    dress(axes, "predicted against measured", "predicted")
    axes.set_xlabel("measured, ± 1 sd", fontsize=8.5, color=_INK)
    for (observable, experiment), label, colour, marker in _styles(table):
        rows = table[(table["observable"] == observable) & (table["experiment"] == experiment)]
        axes.errorbar(rows["value"], rows["predicted"], xerr=rows["sd"], fmt=marker, color=colour, markersize=5, linewidth=0,
                      elinewidth=0.8, alpha=0.85, label=label)
    both = np.concatenate([table["value"].to_numpy(float), table["predicted"].to_numpy(float)])
    both = both[np.isfinite(both)]
    if both.size and both.min() > 0:
        low, high = both.min() / 1.7, both.max() * 1.7
        axes.set_xscale("log")
        axes.set_yscale("log")
        steps = (1.0,) if high > 300 * low else (1.0, 2.0, 5.0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=8))
            axis.set_minor_formatter(NullFormatter())
            if len(steps) > 1:
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        low, high = (both.min(), both.max()) if both.size else (0.0, 1.0)
        low, high = low - 0.05 * (high - low or 1.0), high + 0.05 * (high - low or 1.0)
    axes.plot([low, high], [low, high], color=_INK, linewidth=0.8, zorder=0)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def _residuals_over_time(axes, table) -> None:
    dress(axes, "residuals", "residual / sd")
    scale, word = _time_unit(np.sort(table["time"].to_numpy(float)))
    axes.set_xlabel(f"time [{word}]", fontsize=8.5, color=_INK)
    weighted = table["residual"] if "residual" in table else (table["predicted"] - table["value"]) / table["sd"]
    axes.axhspan(-2, 2, color="#F0F0F0", zorder=0)
    axes.axhline(0, color=_INK, linewidth=0.8)
    for (observable, experiment), _, colour, marker in _styles(table):
        rows = (table["observable"] == observable) & (table["experiment"] == experiment)
        axes.plot(table["time"][rows] / scale, weighted[rows], marker, color=colour, markersize=5, alpha=0.85)
    reach = max(2.6, 1.1 * float(np.nanmax(np.abs(weighted.to_numpy(float)), initial=0.0)))
    axes.set_ylim(-reach, reach)


def _intervals(axes, result, truth: Mapping[str, float]) -> None:
    """Each parameter relative to its estimate, so that all fit on one axis."""
    dress(axes, "parameters, relative to the estimate")
    x, lower, upper = (np.asarray(getattr(result, name), dtype=float) for name in ("x", "lower", "upper"))
    units = getattr(result, "units", ("",) * len(result.free))
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.concatenate([lower / x, upper / x])
    known = known[np.isfinite(known) & (known > 0)]
    inside = known[(known > 1 / 30) & (known < 30)]
    reach = max(1.25, float(np.exp(np.abs(np.log(inside)).max())) * 1.15 if inside.size else 1.25)
    y = np.arange(len(result.free))[::-1]
    for k, place in enumerate(y):
        low, high = lower[k] / x[k], upper[k] / x[k]
        tight = bool(np.isfinite(high) and high < reach and low > 1 / reach)
        axes.plot([max(low, 1 / reach), min(high, reach)], [place, place], color=OKABE_ITO[0 if tight else 4], linewidth=2,
                  solid_capstyle="butt")
        axes.plot(1.0, place, "o", color=OKABE_ITO[0], markersize=5)
        if result.free[k] in truth:
            axes.plot(truth[result.free[k]] / x[k], place, "x", color=OKABE_ITO[1], markersize=7, markeredgewidth=1.8,
                      label="truth" if k == 0 else None)
    axes.axvline(1.0, color=_FAINT, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(1 / reach, reach)
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.25, 2, 5, 10, 20) if 1 / reach <= tick <= reach]
    if reach > 3:
        ticks = [tick for tick in ticks if tick not in (0.8, 0.9, 1.1, 1.25)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    labels = [f"{n}\n{v:.4g} {_pretty(u)}".rstrip() for n, v, u in zip(result.free, x, units, strict=True)]
    axes.set_yticks(y, labels, fontsize=7.5)
    axes.set_ylim(-0.6, len(result.free) - 0.4)
    axes.set_xlabel("× estimate, 95 % interval", fontsize=8.5, color=_INK)
    if any(name in truth for name in result.free[:1]):
        axes.legend(frameon=False, fontsize=8, loc="best")


def plot_batch(batch, path: str | Path | None = None, samples: Sequence[str] = (), analytes: Sequence[str] = ()) -> Figure:
    """Draw chromatograms of a few injections: the analyte's quantifier and its internal standard (IS).

    Parameters
    ----------
    batch : Batch
        Read: ``injections`` with ``sample`` (``name``, ``type``, ``matrix``, ``level``) and ``chromatograms`` (``native_id``,
        ``time`` in s, ``intensity`` in counts/s). A native id that ends in ``asn.quantifier`` or ``asn.IS`` says what it is;
        where none does, the first traces of each injection are drawn.
    path : str or Path, optional
        Where to write the figure.
    samples, analytes : sequence of str, optional
        What to show; by default a blank, the lowest and highest calibrator and one unknown per matrix, and four analytes.

    Returns
    -------
    Figure
    """
    chosen = [item for item in batch.injections if item.sample.name in samples] if samples else _typical(batch.injections)
    if not chosen:
        raise DataError("the batch has none of the injections asked for; name samples as its sequence does")
    traces = [_traces(injection) for injection in chosen]
    columns = list(analytes) or list(dict.fromkeys(name for one in traces for name in one))[:4]
    figure = Figure(figsize=(2.7 * len(columns) + 0.9, 1.65 * len(chosen) + 0.8), layout="constrained")
    grid = figure.subplots(len(chosen), len(columns), squeeze=False, sharex="col")
    for row, (injection, found) in enumerate(zip(chosen, traces, strict=True)):
        for column, name in enumerate(columns):
            axes = grid[row, column]
            dress(axes, name if row == 0 else "", f"{injection.sample.name[:22]}\ncounts/s" if column == 0 else "")
            _draw_traces(axes, found.get(name, {}))
            if row == len(chosen) - 1:
                axes.set_xlabel("retention time [s]", fontsize=8.5, color=_INK)
    handles = {label: handle for axes in grid.ravel() for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2, frameon=False, fontsize=8.5)
    return finish(figure, path)


def plot_quantification(result, path: str | Path | None = None) -> Figure:
    """Draw quantified unknowns over time with their intervals, one panel per analyte and matrix.

    Parameters
    ----------
    result : Quantification
        Read: ``table`` (a DataFrame) with columns sample_type, analyte, matrix, time_h, value, lower, upper, unit.
    path : str or Path, optional
        Where to write the figure; samples without a time stand side by side in it.
    """
    table = result.table[(result.table["sample_type"] == "Unknown") & np.isfinite(result.table["value"].astype(float))]
    if not len(table):
        raise DataError("the batch has no quantified unknown to draw")
    groups = list(table.groupby(["analyte", "matrix"], sort=False))
    columns = min(4, len(groups))
    figure = Figure(figsize=(2.7 * columns + 0.4, 2.0 * -(-len(groups) // columns) + 0.4), layout="constrained")
    grid = figure.subplots(-(-len(groups) // columns), columns, squeeze=False).ravel()
    for axes, ((analyte, matrix), rows) in zip(grid, groups, strict=False):
        dress(axes, f"{analyte}, {matrix}".rstrip(", "), _pretty(str(rows["unit"].iloc[0])))
        value, lower, upper, time = (rows[name].to_numpy(float) for name in ("value", "lower", "upper", "time_h"))
        timed = np.isfinite(time).all()
        axes.errorbar(time if timed else np.arange(len(rows)), value, yerr=[value - lower, upper - value], fmt="o",
                      markersize=3.5, color=OKABE_ITO[0], elinewidth=1, alpha=0.85)
        _linear_axis(axes, np.concatenate([lower, upper]))
        axes.set_xlabel("time [h]" if timed else "sample", fontsize=8.5, color=_INK)
    for axes in grid[len(groups) :]:
        axes.set_axis_off()
    return finish(figure, path)


def plot_crosscheck(check, path: str | Path | None = None) -> Figure:
    """Draw the largest relative deviation of every state, worst on top.

    Parameters
    ----------
    check : CrossCheck
        Read: ``table()`` with columns state, deviation; ``rtol``; ``model``.
    path : str or Path, optional
        Where to write the figure.
    """
    table = check.table()[::-1]
    figure = Figure(figsize=(5.6, 0.19 * len(table) + 1.2), layout="constrained")
    axes = figure.subplots()
    dress(axes, f"{check.model}: deviation from libRoadRunner")
    shown = np.maximum(table["deviation"].to_numpy(float), 1e-16)
    axes.plot(shown, np.arange(len(table)), "o", color=OKABE_ITO[0], markersize=4)
    axes.set_xscale("log")
    axes.axvline(check.rtol, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_yticks(np.arange(len(table)), table["state"], fontsize=7)
    axes.set_ylim(-0.8, len(table) - 0.2)
    axes.set_xlabel(f"largest relative deviation; dashed: rtol {check.rtol:g}", fontsize=8.5, color=_INK)
    return finish(figure, path)


def _typical(injections) -> list:
    """Return a blank, the calibrators with the smallest and largest signal, and one unknown per matrix."""
    chosen = [item for item in injections if item.sample.type == "Blank"][:1]
    standards = [item for item in injections if item.sample.type == "Standard"]
    if standards:
        order = sorted(standards, key=_signal)
        chosen += [order[0], order[-1]] if len(order) > 1 else order
    chosen += list({item.sample.matrix: item for item in reversed(injections) if item.sample.type == "Unknown"}.values())
    return chosen or list(injections[:4])


def _signal(injection) -> float:
    return sum(float(c.intensity.max()) for c in injection.chromatograms if c.intensity.size and not c.native_id.endswith(".IS"))


def _traces(injection) -> dict[str, dict[str, object]]:
    """Return analyte -> role -> chromatogram."""
    found: dict[str, dict[str, object]] = {}
    for trace in injection.chromatograms:
        match = _ROLE.search(trace.native_id)
        if match:
            found.setdefault(match[1], {})[match[2]] = trace
    if not found:
        found = {trace.native_id[-28:]: {"quantifier": trace} for trace in injection.chromatograms[:4]}
    return found


def _draw_traces(axes, roles: Mapping[str, object]) -> None:
    """Counts on a logarithmic axis, so that noise, a small peak and a large one can be seen together."""
    if not roles:
        axes.text(0.5, 0.5, "not acquired", ha="center", va="center", transform=axes.transAxes, fontsize=8, color=_INK)
        return
    every = np.concatenate([np.asarray(trace.intensity, dtype=float) for trace in roles.values()])
    floor = float(every[every > 0].min()) / 2 if (every > 0).any() else 1.0
    styles = (("IS", "internal standard", OKABE_ITO[4], 1.0), ("quantifier", "analyte", OKABE_ITO[0], 1.3))
    for role, label, colour, width in styles:
        if role in roles:
            trace = roles[role]
            counts = np.maximum(np.asarray(trace.intensity, dtype=float), floor)
            axes.plot(trace.time, counts, color=colour, linewidth=width, label=label)
            if role == "quantifier":
                axes.fill_between(trace.time, floor, counts, color=colour, alpha=0.12, linewidth=0)
    _log_axis(axes, np.maximum(every, floor))

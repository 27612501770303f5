"""Figures of inference: profile likelihoods with their verdicts, posteriors, and what these predict."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy.stats import chi2

from asnsim.errors import DataError, FitError, suggest
from asnsim.plots import OKABE_ITO, dress, finish

__all__ = ["plot_corner", "plot_predictive", "plot_profiles", "plot_surface"]

_INK, _FAINT = "#333333", "#B8B8B8"
#: Parameters and points that a corner plot can still show.
_MOST_SHOWN, _MOST_POINTS = 10, 1500


def plot_profiles(profiles: Sequence, path: str | Path | None = None) -> Figure:
    """Draw profile likelihoods, one panel per parameter, with threshold, interval and verdict.

    Parameters
    ----------
    profiles : sequence of Profile
        Read: ``name``, ``unit``, ``x``, ``delta``, ``threshold``, ``lower``, ``upper``, ``verdict``.
    path : str or Path, optional
        Where to write the figure.

    Raises
    ------
    DataError
        If there is no profile.
    """
    if not profiles:
        raise DataError("there is no profile to draw")
    columns = min(3, len(profiles))
    rows = -(-len(profiles) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.3, 2.7 * rows + 0.2), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, one in zip(grid, profiles, strict=False):
        known = one.verdict == "identifiable"
        dress(axes, one.name, "-2 log likelihood, over the best")
        axes.plot(one.x, np.maximum(one.delta, 0.0), "o-", color=OKABE_ITO[0 if known else 1], markersize=3, linewidth=1.3)
        axes.axhline(one.threshold, color=_INK, linewidth=0.8, linestyle="--")
        for end in (one.lower, one.upper):
            if 0 < end < np.inf:
                axes.axvline(end, color=_FAINT, linewidth=0.9)
        axes.set_ylim(-0.03 * one.threshold, 1.6 * one.threshold)
        if one.x.max() > 3 * one.x.min() > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=8))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        unit = f" [{one.unit}]" if one.unit not in ("", "1") else ""
        words = f"{one.lower:.4g} to {one.upper:.4g}" if known else one.verdict
        axes.set_xlabel(f"{one.name}{unit}\n" + "\n".join(textwrap.wrap(words, 46)), fontsize=8, color=_INK)
    for axes in grid[len(profiles) :]:
        axes.set_axis_off()
    return finish(figure, path)


def plot_surface(surface, path: str | Path | None = None) -> Figure:
    """Draw the profile of two parameters: joint regions of confidence, the quadratic approximation, and the estimate.

    Parameters
    ----------
    surface : Surface
        Read: ``names``, ``units``, ``x``, ``y``, ``delta``, ``best``, ``covariance``.
    path : str or Path, optional
        Where to write the figure.
    """
    figure = Figure(figsize=(5.6, 4.6), layout="constrained")
    axes = figure.subplots()
    dress(axes, "what both can be, everything else fitted again")
    levels = [0.0, *chi2.ppf((0.68, 0.95, 0.99), 2)]
    delta = np.minimum(np.where(np.isfinite(surface.delta), np.maximum(surface.delta, 0.0), np.inf), 2.0 * levels[-1]).T
    axes.contourf(surface.x, surface.y, delta, levels, colors=["#3B7CB8", "#8DB9DC", "#D3E4F2"])
    lines = axes.contour(surface.x, surface.y, delta, levels[1:], colors=_INK, linewidths=0.8)
    axes.clabel(lines, fmt=dict(zip(levels[1:], ("68 %", "95 %", "99 %"), strict=True)), fontsize=7)
    if np.all(np.isfinite(surface.covariance)) and np.linalg.eigvalsh(surface.covariance)[0] > 0:
        angle = np.linspace(0.0, 2.0 * np.pi, 200)
        circle = np.sqrt(levels[2]) * np.array([np.cos(angle), np.sin(angle)])
        ellipse = np.exp(np.log(surface.best)[:, None] + np.linalg.cholesky(surface.covariance) @ circle)
        axes.plot(*ellipse, "--", color=OKABE_ITO[1], linewidth=1.2, label="95 % by the quadratic approximation")
    axes.plot(*surface.best, "+", color=_INK, markersize=9, label="best fit")
    for axis, values in (("x", surface.x), ("y", surface.y)):
        if values.max() > 30.0 * values.min() > 0:
            getattr(axes, f"set_{axis}scale")("log")
    axes.set_xlim(surface.x[0], surface.x[-1])
    axes.set_ylim(surface.y[0], surface.y[-1])
    for setter, name, unit in zip((axes.set_xlabel, axes.set_ylabel), surface.names, surface.units, strict=True):
        setter(f"{name} [{unit}]" if unit not in ("", "1") else name)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return finish(figure, path)


def plot_corner(posterior, names: Sequence[str] = (), path: str | Path | None = None) -> Figure:
    """Draw each parameter's posterior on the diagonal and each pair's below it; logarithmic where over a decade is spanned.

    Parameters
    ----------
    posterior : Posterior
        Read: ``free``, ``units``, ``flat``.
    names : sequence of str
        Parameters to draw, at most ten; by default all.
    path : str or Path, optional
        Where to write the figure.

    Raises
    ------
    FitError
        If a name was not sampled.
    DataError
        If there are more than ten to draw.
    """
    for name in names:
        if name not in posterior.free:
            raise FitError(f"the posterior has no '{name}'{suggest(name, posterior.free)}; there are {', '.join(posterior.free)}")
    shown = tuple(names) or tuple(posterior.free)
    if len(shown) > _MOST_SHOWN:
        raise DataError(f"a corner plot of {len(shown)} parameters cannot be read; choose up to {_MOST_SHOWN} with names=[...]")
    columns = [posterior.flat[:, posterior.free.index(name)] for name in shown]
    logs = [bool(x.min() > 0 and x.max() > 10 * x.min()) for x in columns]
    edges = [_edges(x, log) for x, log in zip(columns, logs, strict=True)]
    units = dict(zip(posterior.free, posterior.units, strict=True))
    labels = {name: f"{name} [{units[name]}]" if units[name] not in ("", "1") else name for name in shown}
    size = len(shown)
    figure = Figure(figsize=(2.0 * size + 1.0, 1.8 * size + 0.8), layout="constrained")
    grid = figure.subplots(size, size, squeeze=False)
    for row, column in np.ndindex(size, size):
        axes = grid[row, column]
        if column > row:
            axes.remove()
            continue
        dress(axes)
        if row == column:
            _marginal(axes, shown[row], columns[row], edges[row])
        else:
            _pair(axes, columns[column], columns[row], edges[column], edges[row])
            _corner_axis(axes.yaxis, edges[row], logs[row])
        _corner_axis(axes.xaxis, edges[column], logs[column])
        if row == size - 1:
            axes.set_xlabel(labels[shown[column]], fontsize=8.5, color=_INK)
            axes.tick_params(axis="x", rotation=40)
        else:
            axes.tick_params(labelbottom=False)
        if column == 0 and row > 0:
            axes.set_ylabel(labels[shown[row]], fontsize=8.5, color=_INK)
        elif row != column:
            axes.tick_params(labelleft=False)
    return finish(figure, path)


def _edges(x: np.ndarray, log: bool) -> np.ndarray:
    """Ends of forty classes; of two around a parameter that never moved."""
    if not np.ptp(x):
        return x[0] * np.array([0.9, 1.0, 1.1])
    return (np.geomspace if log else np.linspace)(x.min(), x.max(), 41)


def _marginal(axes, name: str, values: np.ndarray, edges: np.ndarray) -> None:
    """Histogram with the median and the ends of the central 95 %."""
    low, median, high = np.quantile(values, (0.025, 0.5, 0.975))
    axes.hist(values, edges, color=OKABE_ITO[5], alpha=0.75, linewidth=0)
    axes.axvline(median, color=OKABE_ITO[0], linewidth=1.3)
    for end in (low, high):
        axes.axvline(end, color=OKABE_ITO[0], linewidth=0.9, linestyle="--")
    axes.set_title(f"{name}\n{median:.3g} ({low:.3g} to {high:.3g})", fontsize=8, loc="left", color=_INK)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])


def _pair(axes, x: np.ndarray, y: np.ndarray, x_edges: np.ndarray, y_edges: np.ndarray) -> None:
    """Points while they can be told apart, a density beyond."""
    if x.size <= _MOST_POINTS:
        axes.plot(x, y, ".", color=OKABE_ITO[0], markersize=3, alpha=0.4, markeredgewidth=0)
    else:
        axes.hist2d(x, y, [x_edges, y_edges], cmap="Blues", cmin=1, rasterized=True)


def _corner_axis(axis, edges: np.ndarray, log: bool) -> None:
    """Limits, few ticks, plain numbers."""
    if log:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_major_locator(LogLocator(base=10, subs=(1.0,) if edges[-1] > 300 * edges[0] else (1.0, 3.0), numticks=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(4))
    getattr(axis.axes, f"set_{axis.axis_name}lim")(edges[0], edges[-1])


def plot_predictive(problem, bands, path: str | Path | None = None) -> Figure:
    """Draw data over predictive bands, one panel per experiment and observable.

    Parameters
    ----------
    problem : FitProblem
        Read: ``experiments``, for the scale of each observable.
    bands : pandas.DataFrame
        Of `asnsim.fit.predictive_bands`.
    path : str or Path, optional
        Where to write the figure.

    Returns
    -------
    Figure
        Blue: the model, median and widest level; orange: a new measurement, lighter for wider levels. The axis counts the
        measurements inside the widest. Values of one time are averaged for the bands.

    Raises
    ------
    DataError
        If there are no bands.
    """
    levels = sorted((name.removeprefix("new_lower_") for name in bands.columns if name.startswith("new_lower_")), key=float)
    if not len(bands) or not levels:
        raise DataError("there are no bands to draw; make them with asnsim.fit.predictive_bands")
    homes = {experiment.name: experiment for experiment in problem.experiments}
    groups = list(bands.groupby(["experiment", "observable", "unit"], sort=False))
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(3.8 * columns + 0.3, 2.8 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    widest = levels[-1]
    for axes, ((experiment, observable, unit), rows_here) in zip(grid, groups, strict=False):
        inside = rows_here["value"].between(rows_here[f"new_lower_{widest}"], rows_here[f"new_upper_{widest}"])
        dress(axes, f"{experiment}: {observable}", unit if unit not in ("", "1") else "")
        lines = rows_here.drop(columns=["experiment", "observable", "unit"]).groupby("time").mean().sort_index()
        t = lines.index.to_numpy(float)
        # one time makes a band of no width: bars instead
        ribbon = axes.fill_between if t.size > 1 else axes.vlines
        thick = {"linewidth": 0} if t.size > 1 else {"linewidth": 9}
        for k, level in enumerate(reversed(levels)):
            shade = 0.18 + 0.22 * k / max(len(levels) - 1, 1)
            ribbon(t, lines[f"new_lower_{level}"], lines[f"new_upper_{level}"], color=OKABE_ITO[4], alpha=shade,
                   label=f"new measurement, {level} %", **thick)  # fmt: skip
        ends = [lines[f"model_lower_{widest}"], lines[f"model_upper_{widest}"]]
        if t.size > 1:
            axes.plot(t, np.transpose(ends), "--", color=OKABE_ITO[0], linewidth=0.9, label=[f"model, {widest} %", None])
        else:
            axes.vlines(t, *ends, color=OKABE_ITO[0], linewidth=3, label=f"model, {widest} %")
        axes.plot(t, lines["model_median"], color=OKABE_ITO[0], marker="" if t.size > 1 else "_", label="model, median")
        axes.plot(rows_here["time"], rows_here["value"], "o", color=_INK, markersize=3.5, label="measured")
        spread = rows_here["value"].max() > 3 * rows_here["value"].min()
        if spread and homes[experiment].observable(observable).scale == "log":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=8))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"time [h]; {inside.sum()} of {len(inside)} inside {widest} %", fontsize=8, color=_INK)
    for axes in grid[len(groups) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return finish(figure, path)

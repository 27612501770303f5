"""Figures of inference: profile likelihoods with their verdicts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from asnsim.errors import DataError
from asnsim.plots import OKABE_ITO, dress, finish

__all__ = ["plot_profiles"]

_INK, _FAINT = "#333333", "#B8B8B8"


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

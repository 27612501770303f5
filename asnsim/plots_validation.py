"""The figure of `asnsim validate`: every read-out against its tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from asnsim.calibration import Target
from asnsim.validation import Finding

__all__ = ["plot_validation"]

_COLOURS = {"calibrate": "#0072B2", "holdout": "#009E73", "input": "#999999"}
_MISS = "#D55E00"
_EDGE = 2.5


def _place(value: float, target: Target) -> float:
    """Return where a value lies: -1 and 1 are the ends of the tolerance; beyond, in widths of it."""
    low, high = target.low, target.high
    if math.isnan(value):
        return math.nan
    if not math.isfinite(low) and not math.isfinite(high):
        return 0.0
    if low == high:
        return 0.0 if value == low else math.copysign(_EDGE, value - low)
    if math.isfinite(low) and math.isfinite(high):
        if low > 0 and value > 0:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return 2 * (value - low) / (high - low) - 1
    bound, sign = (high, 1.0) if math.isfinite(high) else (low, -1.0)
    place = sign + (value - bound) / max(abs(bound), 0.5)
    return sign * max(sign * place, -0.95) if target.agrees(value) else place  # deep inside a one-sided tolerance is inside


def plot_validation(findings: Sequence[Finding], path: str | Path) -> None:
    """Draw one line per read-out: the tolerance as a band, the simulation with its 90 % interval; misses in orange."""
    rows = [(finding, target) for finding in findings for target in finding.observation.targets]
    figure, axes = plt.subplots(figsize=(8.2, max(0.17 * len(rows), 1.0) + 1.2), constrained_layout=True)
    axes.axvspan(-1, 1, color="#e8f1e8", zorder=0)
    for y, (finding, target) in enumerate(rows):
        value = finding.simulated.get(target.readout, math.nan)
        good = target.agrees(value)
        colour = _COLOURS[finding.observation.use] if good else _MISS
        ends = [_clip(_place(side.get(target.readout, math.nan), target)) for side in (finding.low, finding.high)]
        axes.plot(ends, [y, y], color=colour, lw=1.5, alpha=0.6)
        axes.plot(_clip(_place(value, target)), y, "o" if good else "X", color=colour, ms=5)
    axes.set_yticks(range(len(rows)), [f"{f.observation.id}  {t.readout}" for f, t in rows], fontsize=6.5)
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.set_xlim(-_EDGE - 0.1, _EDGE + 0.1)
    axes.set_xticks([-1, 0, 1], ["lower end", "middle", "upper end"])
    axes.set_xlabel("simulated, within the tolerance of what was published")
    for use, colour in (*_COLOURS.items(), ("misses", _MISS)):
        axes.plot([], [], "X" if use == "misses" else "o", color=colour, label=use)
    figure.legend(loc="outside upper center", ncol=4, frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _clip(place: float) -> float:
    return min(max(place, -_EDGE), _EDGE)

"""Peaks: match a trace to a transition, place one window for analyte and internal standard, integrate, and know the area's
variance.

Areas are trapezoids above a straight baseline between the flanks. The apex is never used as a signal: a single spiked point
moves it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asnsim.chromatogram import Chromatogram, Injection, Transition
from asnsim.errors import DataError
from asnsim.isotopes import UNIT_RESOLUTION
from asnsim.quantify.method import Method

__all__ = ["Peak", "Window", "correct_dead_time", "infer_dwell", "integrate", "locate", "match", "smooth"]

FWHM_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))


@dataclass(frozen=True, slots=True)
class Window:
    """Where to integrate: edges and apex in s, width, and whether a peak was really seen."""

    start: float
    stop: float
    apex: float
    fwhm: float
    found: bool


@dataclass(frozen=True, slots=True)
class Peak:
    """An integrated peak.

    Parameters
    ----------
    area : float
        counts (counts/s x s).
    variance : float
        Of the area, from counting and spray noise.
    baseline : float
        Mean level that was taken off, counts/s.
    saturated : bool
        Whether a point was beyond what dead-time correction can undo.
    """

    area: float
    variance: float
    baseline: float
    saturated: bool = False


def match(injection: Injection, transition: Transition) -> Chromatogram | None:
    """Find the trace of a transition by Q1, Q3, polarity and retention window.

    Parameters
    ----------
    injection : Injection
        All traces of a vial.
    transition : Transition
        What is looked for.

    Returns
    -------
    Chromatogram or None
        None if the channel was not acquired around the expected retention time.

    Raises
    ------
    DataError
        If more than one trace fits: an ambiguous channel is refused, not guessed.
    """
    found = [
        trace
        for trace in injection.chromatograms
        if abs(trace.q1 - transition.q1) <= UNIT_RESOLUTION
        and abs(trace.q3 - transition.q3) <= UNIT_RESOLUTION
        and trace.polarity in ("", transition.polarity)
        and trace.time.size > 4
        and trace.time[0] <= transition.rt <= trace.time[-1]
    ]
    if len(found) > 1:
        names = " and ".join(f"'{trace.native_id}'" for trace in found)
        raise DataError(
            f"sample '{injection.sample.name}': {transition.id} ({transition.q1:g} > {transition.q3:g}, "
            f"{transition.rt:g} s) fits {names}; give transitions or retention windows that tell them apart"
        )
    return found[0] if found else None


def smooth(time: np.ndarray, values: np.ndarray, fwhm: float) -> np.ndarray:
    """Smooth an irregularly sampled trace with a Gaussian kernel.

    Parameters
    ----------
    time, values : ndarray, shape (n,)
        Trace.
    fwhm : float
        Width of the kernel, s.
    """
    sigma = fwhm * FWHM_TO_SIGMA
    kernel = np.exp(-0.5 * ((time[:, None] - time[None, :]) / sigma) ** 2) * np.gradient(time)
    return kernel @ values / kernel.sum(axis=1)


def correct_dead_time(intensity: np.ndarray, dead_time: float) -> tuple[np.ndarray, bool]:
    """Undo the dead time of a non-paralysable detector: lambda = lambda'/(1 - lambda' tau).

    Parameters
    ----------
    intensity : ndarray, shape (n,)
        Reported rate, counts/s.
    dead_time : float
        tau, s.

    Returns
    -------
    ndarray, shape (n,)
        True rate.
    bool
        Whether a point had lost more than half of its counts, where the correction is no longer trusted.
    """
    live = 1.0 - intensity * dead_time
    return intensity / np.maximum(live, 0.5), bool(np.any(live < 0.5))


def infer_dwell(intensity: np.ndarray) -> float:
    """Estimate the dwell time from the grid that counting leaves: real intensities are whole counts over the dwell time.

    Parameters
    ----------
    intensity : ndarray, shape (n,)
        counts/s.

    Returns
    -------
    float
        s; nan if the trace shows no grid (too intense throughout).
    """
    low = np.unique(intensity[intensity > 0])[:12]
    if low.size < 3:
        return math.nan
    best, step = math.nan, math.nan
    for parts in range(1, 13):
        quantum = low[0] / parts
        if not 20.0 <= quantum <= 500.0:  # dwell times of 2-50 ms
            continue
        near = low[low < 30.0 * quantum]
        if near.size < 3:
            continue
        misfit = float(np.max(np.abs(near / quantum - np.round(near / quantum)) / np.maximum(1.0, near / (20.0 * quantum))))
        if misfit < 0.12:
            return 1.0 / quantum
        if not misfit > best:
            best, step = misfit, quantum
    return 1.0 / step if best < 0.2 else math.nan


def locate(trace: Chromatogram | None, transition: Transition, method: Method) -> Window:
    """Place the integration window on the internal standard.

    The highest point of the smoothed trace within the retention window is the apex; the half-height crossings give the width.
    Without a credible peak the window falls back to the expected time and width.

    Parameters
    ----------
    trace : Chromatogram or None
        Trace of the internal standard.
    transition : Transition
        Gives the expected retention time and its window.
    method : Method
        Widths.
    """
    fallback = Window(
        transition.rt - method.left * method.fwhm, transition.rt + method.right * method.fwhm, transition.rt, method.fwhm, False
    )
    if trace is None:
        return fallback
    level = smooth(trace.time, trace.intensity, method.smooth)
    inside = np.flatnonzero(np.abs(trace.time - transition.rt) <= transition.rt_window)
    if inside.size < 3:
        return fallback
    top = inside[np.argmax(level[inside])]
    floor = float(np.quantile(level, 0.1))
    height = level[top] - floor
    dwell = trace.dwell if trace.dwell > 0 else infer_dwell(trace.intensity)
    one_count = 1.0 / dwell if dwell > 0 else 100.0
    if top in (0, trace.time.size - 1) or height < 5.0 * math.sqrt(one_count * max(floor, one_count)):
        return fallback
    half = floor + 0.5 * height
    left, right = top, top
    while left > 0 and level[left] > half:
        left -= 1
    while right < level.size - 1 and level[right] > half:
        right += 1
    crossing_left = _cross(trace.time, level, left, left + 1, half)
    crossing_right = _cross(trace.time, level, right, right - 1, half)
    width = math.sqrt(max((crossing_right - crossing_left) ** 2 - method.smooth**2, 0.0))
    width = min(max(width, 0.6 * method.fwhm), 1.6 * method.fwhm)
    apex = float(trace.time[top])
    return Window(apex - method.left * width, apex + method.right * width, apex, width, True)


def _cross(time: np.ndarray, level: np.ndarray, outer: int, inner: int, half: float) -> float:
    if level[outer] >= half or level[inner] == level[outer]:
        return float(time[outer])
    return float(time[outer] + (half - level[outer]) / (level[inner] - level[outer]) * (time[inner] - time[outer]))


def trapezoid_weights(time: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Return w such that w @ y is the trapezoid integral of the piecewise linear y between start and stop, shape (n,)."""
    start, stop = max(start, time[0]), min(stop, time[-1])
    weights = np.zeros_like(time)
    if stop <= start:
        return weights
    low, high = np.clip(time[:-1], start, stop), np.clip(time[1:], start, stop)
    width, step = high - low, np.diff(time)
    right_share = ((low + high) / 2.0 - time[:-1]) / step  # the mean of a line over [low, high] is its value at the middle
    np.add.at(weights, np.arange(time.size - 1), width * (1.0 - right_share))
    np.add.at(weights, np.arange(1, time.size), width * right_share)
    return weights


def _flank(
    time: np.ndarray, values: np.ndarray, variance: np.ndarray, start: float, stop: float
) -> tuple[float, float, float] | None:
    inside = (time >= start) & (time <= stop)
    if inside.sum() < 3:
        return None
    t, y, v = time[inside], values[inside], variance[inside]
    middle = np.median(y)
    # a neighbour's foot in the flank must not lift the baseline; a plain median would be biased where counts are few. The limit
    # scales with the trace, so that analyte and IS of the same shape lose the same share of tails and the ratio stays exact.
    spread = 1.4826 * float(np.median(np.abs(y - middle)))
    keep = y <= middle + 4.0 * (spread if spread > 0.0 else math.sqrt(float(np.median(v))))
    return float(t[keep].mean()), float(y[keep].mean()), float(v[keep].mean() / keep.sum())


def _running_mean(values: np.ndarray, points: int = 5) -> np.ndarray:
    """Return the running mean over an odd number of points, shorter at the ends."""
    total = np.convolve(values, np.ones(points), mode="same")
    return total / np.convolve(np.ones_like(values), np.ones(points), mode="same")


def _foot(left: tuple[float, float, float], right: tuple[float, float, float], top: float) -> bool:
    """Whether one flank is the foot of a neighbour: clearly above the other, and by more than 5 % of the peak's height."""
    gap = abs(left[1] - right[1])
    return gap > 0.05 * (top - min(left[1], right[1])) and gap > 4.0 * math.sqrt(left[2] + right[2])


def integrate(trace: Chromatogram, window: Window, method: Method) -> Peak:
    """Integrate a trace over a window, above a straight baseline between its flanks.

    Parameters
    ----------
    trace : Chromatogram
        The trace.
    window : Window
        The consensus window.
    method : Method
        Noise law, flanks, dead time.

    Notes
    -----
    Variance of a point: (F mu + (s mu)^2)/dwell^2 with mu the running mean of the counts; where the dwell time is neither
    stated nor visible in the grid of the intensities, one count is taken as 100 counts/s.
    """
    dwell = trace.dwell if trace.dwell > 0 else infer_dwell(trace.intensity)
    dwell = dwell if dwell > 0 else 0.01
    values, saturated = correct_dead_time(trace.intensity, method.dead_time)
    mu = np.maximum(_running_mean(values), 0.0) * dwell  # the variance must not follow each point's own noise
    variance = (method.poisson_factor * np.maximum(mu, 0.05) + (method.spray * mu) ** 2) / dwell**2
    weights = trapezoid_weights(trace.time, window.start, window.stop)
    area, area_variance = float(weights @ values), float(weights**2 @ variance)
    left = _flank(trace.time, values, variance, window.start - method.flank, window.start)
    right = _flank(trace.time, values, variance, window.stop, window.stop + method.flank)
    width, middle = weights.sum(), float(weights @ trace.time) / weights.sum() if weights.sum() > 0 else window.apex
    if left and right and _foot(left, right, float(np.max(mu[weights > 0], initial=0.0)) / dwell):
        _, level, level_variance = min(left, right, key=lambda flank: flank[1])
    elif left and right:
        share = (middle - left[0]) / (right[0] - left[0])
        level, level_variance = (1 - share) * left[1] + share * right[1], (1 - share) ** 2 * left[2] + share**2 * right[2]
    elif left or right:
        _, level, level_variance = left or right
    else:
        level, level_variance = 0.0, 0.0
    return Peak(area - level * width, area_variance + level_variance * width**2, level, saturated)

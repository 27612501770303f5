"""Liquid chromatography: peak shape, retention, and the instants at which a scheduled method looks at each channel."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfc, erfcx

from asnsim.chromatogram import Transition
from asnsim.errors import DataError

__all__ = ["emg", "schedule"]

SWING = 41.0  # s, period over which the rest of the panel comes and goes; only its being incommensurate with a peak width matters


def emg(t: np.ndarray, centre: float, sigma: float, tau: float) -> np.ndarray:
    """Return the exponentially modified Gaussian of unit area.

    Parameters
    ----------
    t : ndarray, shape (n,)
        Times, s.
    centre, sigma : float
        Mean and standard deviation of the Gaussian, s.
    tau : float
        Time constant of the exponential, s; the mean of the peak is ``centre + tau``.

    Returns
    -------
    ndarray, shape (n,)
        Density, 1/s.

    References
    ----------
    Kalambet et al. 2011, J. Chemometrics 25, 352: the erfcx form does not overflow on the leading side, the erfc form not on
    the tail.
    """
    u = (np.asarray(t, dtype=float) - centre) / sigma
    if tau <= 0.0:
        return np.exp(-0.5 * u * u) / (sigma * np.sqrt(2.0 * np.pi))
    z = (sigma / tau - u) / np.sqrt(2.0)
    leading = z > 0.0
    out = np.empty_like(u)
    out[leading] = np.exp(-0.5 * u[leading] ** 2) * erfcx(z[leading])
    out[~leading] = np.exp(0.5 * (sigma / tau) ** 2 - u[~leading] * sigma / tau) * erfc(z[~leading])
    return out / (2.0 * tau)


def schedule(
    transitions: tuple[Transition, ...], pause: float, cycle: float, variation: float, phase: float = 0.0
) -> list[np.ndarray]:
    """Return the instants at which each channel of a scheduled method is read.

    One cycle visits every channel whose window is open. It lasts as long as these need, and at least as long as the rest of the
    panel (other compounds, not reported here) needs; windows of that panel open and close, so the cycle time swings within a
    run, as in real files. All channels of a cycle carry the time stamp of its start.

    Parameters
    ----------
    transitions : tuple of Transition
        Channels with dwell time and window.
    pause : float
        Time between channels, s.
    cycle : float
        Mean cycle time of the whole panel, s.
    variation : float
        Relative swing of the cycle time.
    phase : float
        Start within the first cycle, 0 <= phase < 1.

    Returns
    -------
    list of ndarray
        Times in s, one array per transition.
    """
    start = np.array([item.rt - item.rt_window for item in transitions])
    stop = np.array([item.rt + item.rt_window for item in transitions])
    cost = np.array([item.dwell + pause for item in transitions])
    clock, end, ticks = start.min() + phase * cycle, stop.max(), []
    while clock < end:
        ticks.append(clock)
        clock += cycle * (1.0 + variation * math.sin(2.0 * math.pi * clock / SWING))
    ticks = np.array(ticks)
    lengths = np.diff(ticks, append=clock)
    open_now = (ticks[:, None] >= start) & (ticks[:, None] <= stop)
    if np.any(open_now @ cost > lengths + 1e-12):
        raise DataError(
            f"the schedule is too dense: {open_now.sum(axis=1).max()} channels at once need "
            f"{(open_now @ cost).max():.2f} s but a cycle lasts {cycle * (1 - variation):.2f} s; "
            "raise cycle_s, shorten the dwell times or narrow the windows"
        )
    return [ticks[open_now[:, index]] for index in range(len(transitions))]

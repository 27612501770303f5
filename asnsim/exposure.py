"""What is read off activity and asparagine over time: exposure, days of depletion, shares of patients on target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import wrightomega

from asnsim.errors import ModelError

__all__ = ["attainment", "days_where", "exposure", "half_life", "hydrolysed_in_tube"]


def days_where(t: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """Return for how many days a condition holds.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        h.
    condition : ndarray of bool, shape (..., n_t)
        An interval with one end true counts half.

    Returns
    -------
    ndarray, shape (...)
    """
    holds = np.asarray(condition, dtype=float)
    return np.sum(np.diff(t) * (holds[..., 1:] + holds[..., :-1]) / 2, axis=-1) / 24.0


def half_life(days: np.ndarray, values: np.ndarray, begin: float, end: float) -> float:
    """Return the half-life, days, of the straight line through log values from day `begin` to day `end`.

    Raises
    ------
    ModelError
        If fewer than two positive values lie there.
    """
    chosen = (days >= begin) & (days <= end) & (values > 0)
    if chosen.sum() < 2:
        raise ModelError(f"between days {begin:g} and {end:g} lie {int(chosen.sum())} positive values; a half-life needs two")
    return float(-np.log(2) / np.polyfit(days[chosen], np.log(values[chosen]), 1)[0])


def exposure(t: np.ndarray, values: np.ndarray, doses: Sequence[float] = (0.0,)) -> pd.DataFrame:
    """Return exposure of each run.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        h.
    values : ndarray, shape (n, n_t)
        Activity, or any concentration.
    doses : sequence of float
        Times of doses, h; the trough is the lowest value at the last output before a dose, or at the end where there is one dose.

    Returns
    -------
    DataFrame
        One row per run: Cmax, tmax (d), trough, AUC (values x d, trapezoid), half_life (d, of the last fifth of the time; NaN
        where it does not fall).
    """
    values, days = np.atleast_2d(values), np.asarray(t) / 24.0
    area = np.sum(np.diff(days) * (values[:, 1:] + values[:, :-1]) / 2, axis=1)
    before = [int(np.searchsorted(t, time, side="left")) - 1 for time in doses[1:] if t[0] < time <= t[-1]]
    trough = values[:, before or [-1]].min(axis=1)
    late = days >= days[-1] - (days[-1] - days[0]) / 5
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values[:, late])
        centred = days[late] - days[late].mean()
        slope = (logs @ centred) / (centred @ centred)
        half = np.where(slope < 0, -np.log(2) / slope, np.nan)
    columns = {"Cmax": values.max(axis=1), "tmax": days[values.argmax(axis=1)], "trough": trough, "AUC": area, "half_life": half}
    return pd.DataFrame(columns)


def attainment(t: np.ndarray, values: np.ndarray, target: float, at: Sequence[float]) -> np.ndarray:
    """Return the share of runs with a value of at least `target` at some times.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        h.
    values : ndarray, shape (n, n_t)
    target : float
        In the unit of the values: 100 U/L is 0.1 IU/mL.
    at : sequence of float
        h; each must be an output time.

    Returns
    -------
    ndarray, shape (n_at,)

    Raises
    ------
    ModelError
        If a time is not an output time.
    """
    places = []
    for time in at:
        near = np.flatnonzero(np.abs(np.asarray(t) - time) <= 1e-9 * max(abs(time), 1.0))
        if not near.size:
            raise ModelError(f"{time:g} h is not among the output times; ask for it in times")
        places.append(int(near[-1]))
    return np.mean(np.asarray(values)[:, places] >= target, axis=0)


def hydrolysed_in_tube(asn, activity, minutes, Km):
    """Return what is left of Asn in a sample in which the enzyme goes on for a while.

    The integrated Michaelis-Menten equation, ``Km W((N/Km) exp((N - E t)/Km))`` with W of Lambert, written with the Wright omega
    function so that nothing overflows. Above 0.02 IU/mL asparagine reads as zero for this reason: that is the tube's threshold.

    Parameters
    ----------
    asn : array_like
        Concentration when the sample is drawn, umol/L.
    activity : array_like
        Enzyme, U/L; 1 U is 1 umol/min at saturation.
    minutes : float
        Time at 37 C that does as much as the time in the tube.
    Km : float
        umol/L.

    Returns
    -------
    ndarray
        umol/L.
    """
    scaled = np.maximum(np.asarray(asn, dtype=float), 0.0) / Km
    with np.errstate(divide="ignore"):
        return Km * wrightomega(np.log(scaled) + scaled - np.asarray(activity) * minutes / Km)

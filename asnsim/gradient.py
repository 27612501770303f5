"""Retention under a gradient, by the linear solvent strength model: what a changed gradient or flow does to a method's times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import brentq

from asnsim.errors import DataError

__all__ = ["log_kw_of", "retention_time", "shifted"]

_MOST = 60.0  # of ln k_w that is looked for


def _points(gradient: Sequence[Sequence[float]], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Times in s and fractions of strong solvent."""
    try:
        table = np.array(gradient, dtype=float)
    except (TypeError, ValueError):
        table = np.zeros(0)
    good = table.ndim == 2 and table.shape[1] == 2 and len(table) >= 1 and table[0, 0] == 0
    if not good or np.any(np.diff(table[:, 0]) <= 0) or np.any((table[:, 1] < 0) | (table[:, 1] > 100)):
        form = "[[0, 15], [15, 60]]: minutes from 0 on, rising, and % of strong solvent"
        raise DataError(f"{where} is not a gradient; write {form}")
    return 60.0 * table[:, 0], table[:, 1] / 100.0


def retention_time(
    gradient: Sequence[Sequence[float]], dead_time: float, log_kw: float, S: float, where: str = "the gradient"
) -> float:
    """Return when a compound leaves the column.

    Retention falls with the strong solvent as ``ln k = ln k_w - S phi``; the compound is out when the integral of
    ``dt/(t0 k(phi(t)))`` reaches 1, and t0 later it is seen (Snyder & Dolan 2007, High-Performance Gradient Elution). Solved in
    closed form on every straight piece of the gradient; after its end the last composition stays.

    Parameters
    ----------
    gradient : sequence of (float, float)
        Minutes, and % of strong solvent at the column's head: organic in reversed phase, water in HILIC.
    dead_time : float
        t0, s.
    log_kw, S : float
        Of the compound.
    where : str
        For messages.

    Returns
    -------
    float
        s.

    Raises
    ------
    DataError
        If the gradient is not one.
    """
    time, phi = _points(gradient, where)
    done = 0.0
    for begin, end, low, high in zip(time[:-1], time[1:], phi[:-1], phi[1:], strict=True):
        pace = math.exp(S * low - log_kw) / dead_time  # of the integral, at the beginning of the piece
        steep = S * (high - low) / (end - begin)
        piece = pace * (end - begin) if steep == 0 else pace * math.expm1(steep * (end - begin)) / steep
        if done + piece >= 1.0:
            left = (1.0 - done) / pace
            return dead_time + begin + (left if steep == 0 else math.log1p(steep * left) / steep)
        done += piece
    return dead_time + time[-1] + (1.0 - done) * dead_time * math.exp(log_kw - S * phi[-1])


def log_kw_of(gradient: Sequence[Sequence[float]], dead_time: float, S: float, rt: float, where: str = "the gradient") -> float:
    """Return the ln k_w of a compound that a gradient brings out at a retention time.

    Raises
    ------
    DataError
        If the time is not after the dead time: nothing that is retained comes out then.
    """
    if not rt > dead_time * (1.0 + 1e-9):
        raise DataError(f"{where}: a retention time of {rt:g} s is not after the dead time of {dead_time:g} s")
    return brentq(lambda log_kw: retention_time(gradient, dead_time, log_kw, S, where) - rt, -_MOST, _MOST, xtol=1e-13)


def shifted(rt: float, lc: Mapping, where: str) -> float:
    """Return the retention time of a compound under the gradient and flow of a method, from that under those it was listed with.

    Parameters
    ----------
    rt : float
        Listed, s.
    lc : mapping
        Section [lc]: gradient, reference_gradient, flow_mL_min, reference_flow_mL_min, dead_time_min (at the reference flow), S.
    where : str
        Method, for messages.

    Raises
    ------
    DataError
        If a number is not positive or a gradient is not one.
    """
    for name in ("flow_mL_min", "reference_flow_mL_min", "dead_time_min", "S"):
        if not lc[name] > 0:
            raise DataError(f"{where}: [lc] {name} is {lc[name]:g}; it must be positive")
    if lc["gradient"] == lc["reference_gradient"] and lc["flow_mL_min"] == lc["reference_flow_mL_min"]:
        _points(lc["gradient"], f"{where}: [lc] gradient")
        return rt
    dead_time = 60.0 * lc["dead_time_min"]
    log_kw = log_kw_of(lc["reference_gradient"], dead_time, lc["S"], rt, f"{where}: [lc] reference_gradient")
    now = dead_time * lc["reference_flow_mL_min"] / lc["flow_mL_min"]
    return retention_time(lc["gradient"], now, log_kw, lc["S"], f"{where}: [lc] gradient")

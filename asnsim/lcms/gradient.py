"""Peak width under a gradient, from the plate number; retention itself is in `asnsim.gradient`, which the quantifier uses too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from asnsim.gradient import log_kw_of, retention_time

__all__ = ["eluting_factor", "peak_sigma", "plates", "relative_width"]


def eluting_factor(gradient: Sequence[Sequence[float]], dead_time: float, log_kw: float, S: float) -> float:
    """Return k_e, the retention factor at which a compound leaves the column.

    The solvent that carries it out entered the column a dead time earlier: ``ln k_e = ln k_w - S phi(t_R - t0)``.

    Parameters
    ----------
    gradient : sequence of (float, float)
        Minutes, and % of strong solvent.
    dead_time : float
        t0, s.
    log_kw, S : float
        Of the compound.
    """
    table = np.array(gradient, dtype=float)
    entered = retention_time(gradient, dead_time, log_kw, S) - dead_time
    return math.exp(log_kw - S * float(np.interp(entered, 60.0 * table[:, 0], table[:, 1] / 100.0)))


def peak_sigma(dead_time: float, eluting: float, plate_number: float) -> float:
    """Return the standard deviation of a peak: ``sigma = t0 (1 + k_e)/sqrt(N)``.

    Isocratic, this is ``t_R/sqrt(N)``. Under a gradient a band leaves with the speed that belongs to k_e (Snyder & Dolan 2007,
    High-Performance Gradient Elution); that the gradient also compresses it a little is left out.

    Parameters
    ----------
    dead_time : float
        t0, s.
    eluting : float
        k_e.
    plate_number : float
        N.
    """
    return dead_time * (1.0 + eluting) / math.sqrt(plate_number)


def plates(dead_time: float, eluting: float, sigma: float) -> float:
    """Return the plate number that a peak of known width shows, the inverse of `peak_sigma`."""
    return (dead_time * (1.0 + eluting) / sigma) ** 2


def relative_width(rt: float, lc: Mapping) -> float:
    """Return the width of a peak over its width under the gradient and flow that the retention times were listed with.

    The listed width fixes the plate number, which is taken to stay: ``t0 (1 + k_e)`` alone moves the width.

    Parameters
    ----------
    rt : float
        Retention time under the method's own gradient, s, as `asnsim.gradient.shifted` gives it.
    lc : mapping
        Section [lc] of a method.
    """
    if lc["gradient"] == lc["reference_gradient"] and lc["flow_mL_min"] == lc["reference_flow_mL_min"]:
        return 1.0
    usual = 60.0 * lc["dead_time_min"]
    now = usual * lc["reference_flow_mL_min"] / lc["flow_mL_min"]
    log_kw = log_kw_of(lc["gradient"], now, lc["S"], rt)
    then = eluting_factor(lc["reference_gradient"], usual, log_kw, lc["S"])
    listed = plates(usual, then, 1.0)
    return peak_sigma(now, eluting_factor(lc["gradient"], now, log_kw, lc["S"]), listed)

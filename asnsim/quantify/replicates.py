"""Vials that do not agree with their replicates: a swapped vial, a wrong dilution, a lost cell pellet shows nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import chi2

from asnsim.quantify.result import SharedTerm

__all__ = ["odd_replicates"]

_FLAG = "differs from its replicates"
_MEDIAN = {2: 0.5, 3: 0.4487, 4: 0.2982, 5: 0.2868}  # variance of the median of n standard normal numbers


def odd_replicates(
    table: pd.DataFrame, independent: np.ndarray, shared: Sequence[SharedTerm], rules: Mapping[str, float]
) -> list[str]:
    """Flag unknowns that differ from the median of their replicates by more than their error explains.

    Replicates have one experiment, matrix and time. All analytes of a vial are judged together: its distance from the median is
    compared with the errors of each result and with the error that the vial's analytes share (cell count, lysis, dilution), as
    a chi-squared. Of two vials that disagree nobody can say which is wrong: both are flagged.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with ``value``.
    independent : ndarray, shape (n,)
        Variance of each row that it shares with no other.
    shared : sequence of SharedTerm
        The one named ``sample`` is what the analytes of a vial share.
    rules : mapping
        ``replicates``: the chance that is left to a sound vial; without it nothing is flagged.

    Returns
    -------
    list of str
        One per row, empty where nothing is odd.
    """
    flags = [""] * len(table)
    if "replicates" not in rules:
        return flags
    own = next((term.loading for term in shared if term.name == "sample"), np.zeros(len(table)))
    value = table["value"].to_numpy(float)
    usable = (table["sample_type"] == "Unknown").to_numpy() & np.isfinite(value) & np.isfinite(table["time_h"].to_numpy(float))
    frame = table.assign(place=np.arange(len(table)))[usable]
    for _, group in frame.groupby(["experiment", "matrix", "time_h"], sort=False):
        places = group.pivot(index="sample", columns="analyte", values="place")
        if len(places) < 2:
            continue
        for name in _odd(places, value, independent, own, rules["replicates"]):
            for place in places.loc[name].dropna().astype(int):
                flags[place] = _FLAG
    return flags


def _odd(places: pd.DataFrame, value: np.ndarray, independent: np.ndarray, own: np.ndarray, chance: float) -> list[str]:
    """Names of the vials of one group that are odd, the worst first; places has shape (n_vials, n_analytes)."""
    out: list[str] = []
    while len(places) > 1:
        chances = _chances(places.to_numpy(float), value, independent, own)
        if not chances.min() < chance:
            break
        if len(places) == 2:
            return out + list(places.index)
        worst = places.index[int(np.argmin(chances))]
        out.append(worst)
        places = places.drop(index=worst)  # a wrong vial moves the median: the others are judged without it
    return out


def _chances(grid: np.ndarray, value: np.ndarray, independent: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Chance of each vial to lie as far from the median as it does; 1 where nothing can be said."""
    n, known = len(grid), np.isfinite(grid)
    spread = 1.0 + _MEDIAN.get(n, math.pi / (2 * n)) - 2.0 / n  # variance of one less the median of all
    index = np.where(known, grid, 0).astype(int)
    values, noise = (np.where(known, column[index], np.nan) for column in (value, independent))
    sound = np.isfinite(values).any(axis=0)
    known, index, values, noise = known[:, sound], index[:, sound], values[:, sound], noise[:, sound]
    middle, noise = np.nanmedian(values, axis=0), np.nanmedian(noise, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.nan_to_num(np.where(known, own[index] / value[index], 0.0), posinf=0.0, neginf=0.0)
    out = np.ones(n)
    for place, (row, has, share) in enumerate(zip(values, known, relative, strict=True)):
        loading = share[has] * middle[has]  # of the group: a wrong vial must not excuse itself by its own size
        covariance = spread * (np.diag(noise[has]) + np.outer(loading, loading))
        scale = np.sqrt(np.diag(covariance))
        if not has.any() or not np.all(scale > 0):
            continue
        z = (row - middle)[has] / scale
        out[place] = chi2.sf(z @ np.linalg.solve(covariance / np.outer(scale, scale), z), int(has.sum()))
    return out

"""Monte Carlo check of an interval: the whole evaluation repeated with drawn calibrators, responses and shared errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from asnsim.errors import DataError
from asnsim.quantify.calibration import WEIGHTS, Line
from asnsim.quantify.result import Quantification

__all__ = ["monte_carlo"]


def monte_carlo(result: Quantification, n: int = 2000, seed: int = 1, confidence: float = 0.95) -> pd.DataFrame:
    """Propagate all errors of the unknowns by drawing instead of by derivatives (GUM supplement 1, JCGM 101:2008).

    In every draw the calibrators get new responses around the curve, the curve is fitted again with its weights, the unknown gets
    a new response, and each shared cause one draw. Compare `sd` with `mc_sd`: they part where the response is far from linear in
    what is uncertain, such as near the LLOQ.

    Parameters
    ----------
    result : Quantification
        With curves of the batch's own calibrators.
    n : int
        Draws.
    seed : int
        Same seed, same draws.
    confidence : float
        Of the quantiles.

    Returns
    -------
    pandas.DataFrame
        One row per unknown with a value: sample, analyte, value, sd, lower, upper, mc_sd, mc_lower, mc_upper.

    Raises
    ------
    DataError
        If n is below 100, or the lines are published ones, whose calibrators are not here.
    """
    if n < 100:
        raise DataError(f"{n} draws say nothing about an interval; take 100 or more")
    if not all(line.weighting for line in result.calibration.values()):
        raise DataError("published lines have no calibrators here to draw; the check needs a batch with its own")
    rng, table = np.random.default_rng(seed), result.table
    own = _factors(result, n, rng)
    wanted = (table["sample_type"] == "Unknown") & np.isfinite(table["value"])
    drawn = np.full((len(table), n), np.nan)
    for analyte, rows in table[wanted].groupby("analyte", sort=False):
        line = result.calibration[analyte]
        curves = _curves(line, table[table["analyte"] == analyte], n, rng)
        for place, row in zip(rows.index, rows.itertuples(), strict=True):
            scale = row.value / row.concentration
            noise = np.sqrt(result.independent[place]) * line.slope_at(row.concentration) / abs(scale)
            x = _back(curves, row.ratio + noise * rng.standard_normal(n))
            drawn[place] = scale * x * (1.0 + own[place])
    tail = 100 * (1 - confidence) / 2
    kept = np.flatnonzero(wanted.to_numpy())
    with np.errstate(invalid="ignore"):
        low, high = np.nanpercentile(drawn[kept], [tail, 100 - tail], axis=1)
    columns = ["sample", "analyte", "value", "sd", "lower", "upper"]
    return table.loc[wanted, columns].assign(mc_sd=np.nanstd(drawn[kept], axis=1), mc_lower=low, mc_upper=high)


def _factors(result: Quantification, n: int, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Relative error of each row by all shared causes but the curve, (n,) each."""
    value = result.table["value"].to_numpy(float)
    out = {place: np.zeros(n) for place in range(len(value))}
    for term in result.shared:
        if term.name == "curve":
            continue
        draws = {number: rng.standard_normal(n) for number in np.unique(term.group[term.group >= 0])}
        for place in np.flatnonzero((term.group >= 0) & (value != 0)):
            out[place] = out[place] + term.loading[place] / value[place] * draws[term.group[place]]
    return out


def _curves(line: Line, rows: pd.DataFrame, n: int, rng: np.random.Generator) -> np.ndarray:
    """Coefficients of curves fitted to drawn calibrators, shape (n, order + 1)."""
    usable = rows[np.isfinite(rows["ratio"]) & (rows["nominal"] > 0) & (rows["sample_type"] == "Standard")]
    x = usable["nominal"].to_numpy(float)
    root = np.sqrt(x ** -WEIGHTS[line.weighting])
    hat = np.linalg.pinv(np.vander(x, line.order + 1, increasing=True) * root[:, None]) * root
    y = line.response(x) + np.sqrt(line.variance(x)) * rng.standard_normal((n, x.size))
    return y @ hat.T


def _back(curves: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Concentrations for responses, one curve each; nan beyond the top of a curve."""
    intercept, slope = curves[:, 0], curves[:, 1]
    curvature = curves[:, 2] if curves.shape[1] == 3 else np.zeros(len(curves))
    rise = response - intercept
    inside = slope**2 + 4.0 * curvature * rise
    with np.errstate(invalid="ignore"):
        return 2.0 * rise / (slope + np.sqrt(np.where(inside >= 0, inside, np.nan)))

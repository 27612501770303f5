"""quantify(): a batch of chromatograms becomes concentrations with a joint error. It sees what a laboratory sees, and no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from asnsim.chromatogram import Analyte, Batch, Sample
from asnsim.collisions import Collision, collisions
from asnsim.errors import DataError
from asnsim.peaktable import PeakTable
from asnsim.quantify.calibration import Line, choose_curve
from asnsim.quantify.integration import integrate_batch, rows_of_table
from asnsim.quantify.method import Method
from asnsim.quantify.normalise import Scale, scale_of
from asnsim.quantify.replicates import odd_replicates
from asnsim.quantify.result import Quantification, SharedTerm
from asnsim.quantify.rules import check_calibrators, check_carry_over, check_qcs, flag_rows, range_of

__all__ = ["quantify"]


def _missing(table: pd.DataFrame, samples: tuple[Sample, ...], failed: set[str]) -> list[str]:
    """Say which vials lack a trace that others of their kind have: such a row would vanish in silence."""
    notes = []
    for (kind, matrix), group in table.groupby(["sample_type", "matrix"], sort=False):
        vials = [one.name for one in samples if (one.type, one.matrix) == (kind, matrix) and one.name not in failed]
        for analyte, rows in group.groupby("analyte", sort=False):
            lacking = [name for name in vials if name not in set(rows["sample"])]
            if lacking:
                where = f"{kind}{f' ({matrix})' if matrix else ''}"
                names = ", ".join(lacking[:5]) + (" ..." if len(lacking) > 5 else "")
                notes.append(f"note: {analyte} has no trace in {len(lacking)} of {len(vials)} vials of kind {where}: {names}")
    return notes


def _collisions(method: Method) -> list[str]:
    """Say which molecules of the method show in a channel of another at the same time."""
    return [f"note: {item}" for item in _found_collisions(method.analytes, method.label_purity) if not item.separated]


@lru_cache(maxsize=32)
def _found_collisions(analytes: tuple[Analyte, ...], purity: float) -> tuple[Collision, ...]:
    return collisions(analytes, purity)


def _lines(table: pd.DataFrame, name: str, method: Method) -> tuple[dict[str, Line], list[str]]:
    """Curve of every analyte, and why an analyte has none."""
    if method.lines:
        out = {}
        for analyte, line in method.lines.items():
            u = (method.intercept_uncertainty * line.intercept, method.line_uncertainty * line.slope)
            out[analyte] = Line(line.intercept, line.slope, np.diag(np.square(u)), math.nan, 0.0, method.repeatability)
        return out, []
    lines, reasons = {}, []
    for analyte, rows in table.groupby("analyte", sort=False):
        usable = rows[np.isfinite(rows["ratio"]) & (rows["nominal"] > 0) & (rows["dilution_factor"] == 1.0)]
        standards, qcs = usable[usable["sample_type"] == "Standard"], usable[usable["sample_type"] == "QC"]
        qcs = qcs[~qcs["level"].str.contains("stored")]  # what stood for a day says nothing about the line
        if len(standards) < 3:
            reasons.append(
                f"batch '{name}', {analyte}: {len(standards)} usable calibrators; "
                f"the method {method.name} calibrates within the batch and needs Standard "
                "samples with nominal values in concentrations.csv (or a method with published lines)"
            )
            continue
        points = (part[column].to_numpy() for part in (standards, qcs) for column in ("nominal", "ratio"))
        try:
            lines[analyte] = choose_curve(*points, method.weightings, method.orders)
        except DataError as error:
            reasons.append(f"batch '{name}', {analyte}: {error}")
    if not lines:
        raise DataError(reasons[0])
    return lines, reasons


def _nominal(table: pd.DataFrame, batch: Batch | PeakTable) -> pd.Series:
    """Look up prepared concentrations; one amount of internal standard for all vials is what makes ratios comparable."""
    for name in set(table["analyte"]):
        amounts = {item.IS_actual_concentration for item in batch.nominal if item.analyte == name}
        amounts = sorted(value for value in amounts if value == value)
        if amounts and amounts[-1] > amounts[0] * (1.0 + 1e-9):
            raise DataError(
                f"batch '{batch.name}', {name}: internal standard concentrations from {amounts[0]:g} to {amounts[-1]:g}"
                " are stated; quantify vials with different amounts of internal standard as separate batches"
            )
    known = {(item.sample_name, item.analyte): item.actual_concentration for item in batch.nominal}
    return pd.Series([known.get(key, math.nan) for key in zip(table["sample"], table["analyte"], strict=True)], index=table.index)


def _scales(samples: tuple[Sample, ...], method: Method, unit: str) -> tuple[dict[str, Scale], list[str]]:
    """Scale of every vial, and why a vial has none."""
    scales, reasons = {}, []
    for sample in samples:
        try:
            scales[sample.name] = scale_of(sample, method, unit)
        except DataError as error:
            scales[sample.name] = Scale(math.nan, unit, 0.0, {})
            reasons.append(str(error))
    if reasons and not any(scale.factor == scale.factor for scale in scales.values()):
        raise DataError(reasons[0])
    return scales, reasons


def _variance(line: Line, sd: float, published: bool) -> Callable[[float], float]:
    """Variance of one response at x.

    A published line says nothing about today's counting noise; a line of the batch has it in its calibrators, but a suppressed or
    weak vial may count worse.
    """
    if published:
        return lambda x: sd**2 + float(line.variance(x))
    return lambda x: max(float(line.variance(x)), sd**2)


def _errors(
    table: pd.DataFrame, scales: dict[str, Scale], method: Method, lines: dict[str, Line], confidence: float
) -> tuple[pd.DataFrame, np.ndarray, tuple[SharedTerm, ...]]:
    """Back-calculate, normalise and split the error of every row into what is its own and what it shares."""
    places = {name: index for index, name in enumerate(scales)}
    n, ids, size = len(table), list(lines), max(line.order for line in lines.values()) + 1
    x, value, independent, df = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.inf)
    curve, own, lower, upper = np.zeros((n, size)), np.zeros(n), np.full(n, np.nan), np.full(n, np.nan)
    group, sample_group = np.full(n, -1), np.full(n, -1)
    causes = {cause: np.zeros(n) for scale in scales.values() for cause in scale.shared}
    keys = zip(table["sample"], table["analyte"], table["ratio"], table["ratio_sd"], strict=True)
    for index, (name, analyte, ratio, sd) in enumerate(keys):
        if analyte not in lines or not math.isfinite(ratio):
            continue
        line, scale = lines[analyte], scales[name]
        x[index] = line.back(ratio)
        if not math.isfinite(x[index]):
            continue
        value[index] = scale.factor * x[index]
        variance_at = _variance(line, sd, bool(method.lines))
        variance = variance_at(x[index])
        if not method.lines:
            df[index] = line.df_at(x[index]) if float(line.variance(x[index])) >= sd**2 else math.inf
        independent[index] = variance * (scale.factor / line.slope_at(x[index])) ** 2
        root = np.linalg.cholesky(line.covariance + 1e-30 * np.eye(line.order + 1))
        curve[index, : line.order + 1] = scale.factor * line.gradient(x[index]) @ root
        group[index], sample_group[index] = ids.index(analyte), places[name]
        own[index] = scale.per_sample * value[index]
        for cause, relative in scale.shared.items():
            causes[cause][index] = relative * value[index]
        rest = own[index] ** 2 + sum(column[index] ** 2 for column in causes.values())
        total = independent[index] + curve[index] @ curve[index] + rest
        q = _quantile(confidence, df[index] * (total / independent[index]) ** 2 if independent[index] > 0 else math.inf)
        low, high = line.interval(ratio, variance_at, q)
        lower[index], upper[index] = (
            value[index] + sign * math.hypot(scale.factor * (edge - x[index]), q * math.sqrt(rest))
            for sign, edge in ((-1.0, low), (1.0, high))
        )
    everyone = np.where(group >= 0, 0, -1)
    # stock solutions are made per analyte; volume, recovery and assays hit all analytes alike
    terms = [SharedTerm("curve", group, column) for column in curve.T] + [SharedTerm("sample", sample_group, own)]
    terms += [SharedTerm(cause, group if cause == "stock" else everyone, loading) for cause, loading in causes.items()]
    sd = np.sqrt(independent + sum(term.loading**2 for term in terms))
    units = [scales[name].unit for name in table["sample"]]
    found = {"concentration": x, "value": value, "unit": units, "sd": sd, "lower": lower, "upper": upper}
    factors = [scales[name].factor for name in table["sample"]]  # `_judge` turns them into limits
    return table.assign(**found, lloq=factors), independent, tuple(terms)


def _quantile(confidence: float, df: float) -> float:
    level = 0.5 + confidence / 2
    return float(t.ppf(level, max(df, 1.0))) if math.isfinite(df) else float(norm.ppf(level))


def _judge(table: pd.DataFrame, method: Method) -> tuple[list, list[str], np.ndarray]:
    """Checks of the rules, flags of the rows, and each row's LLOQ in the unit of its value."""
    checks, flags, limits = [], pd.Series("", index=table.index), pd.Series(math.nan, index=table.index)
    for name, rows in table.groupby("analyte", sort=False):
        usable = rows[np.isfinite(rows["concentration"])]
        standards, qcs = (
            usable[(usable["sample_type"] == "Standard") & (usable["nominal"] > 0)],
            usable[(usable["sample_type"] == "QC") & (usable["nominal"] > 0)],
        )
        lloq, uloq, carried = math.nan, math.nan, 0.0
        if len(standards) and not method.lines:
            checks += check_calibrators(name, standards, method.rules)
            lloq, uloq = range_of(standards, method.rules)
            found, carried = check_carry_over(name, rows, float(standards["nominal"].min()), method.rules)
            checks += found
        if len(qcs) and not method.lines:
            checks += check_qcs(name, qcs, method.rules)
        limits[rows.index] = lloq * rows["lloq"]
        for index, row_flags in zip(rows.index, flag_rows(rows, lloq, uloq, carried, method.rules), strict=True):
            if method.lines and rows.loc[index, "concentration"] < 0:
                row_flags.append("below the line's intercept")
            flags[index] = "; ".join(row_flags)
    return checks, flags.tolist(), limits.to_numpy()


def quantify(
    batch: Batch | PeakTable,
    method: str | Path | Method = "hilic_mrm",
    confidence: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> Quantification:
    """Quantify a batch: integrate, calibrate, back-calculate, normalise, judge.

    Parameters
    ----------
    batch : Batch or PeakTable
        Real or simulated; its truth table, if any, is not looked at. Of a peak table the areas are taken as they are.
    method : str, Path or Method
        Transitions, integration, calibration, uncertainties and rules.
    confidence : float
        Of the intervals, 0 < confidence < 1.
    progress : callable, optional
        Called with (done, total) after each injection.

    Returns
    -------
    Quantification
        What could not be read, calibrated or normalised stands in its `failures` and notes; the rest is quantified.

    Raises
    ------
    DataError
        If nothing can be quantified: no trace fits, no analyte can be calibrated, a channel is ambiguous in every vial.

    Notes
    -----
    The interval holds what the response does not contradict (`Line.interval`: Fieller's, with the variance that belongs to each
    concentration), widened by the errors of dilution and normalisation. Student's quantile is taken at the effective degrees of
    freedom of Welch and Satterthwaite, because the noise variance is estimated from the batch's own calibrators and QCs.
    """
    if not 0.0 < confidence < 1.0:
        raise DataError(f"confidence {confidence} is not between 0 and 1; write 0.95")
    method = Method.load(method)
    if isinstance(batch, PeakTable):
        samples, unit, acquired = batch.samples, batch.unit, ""
        table, failures = rows_of_table(batch)
    else:
        samples, unit, acquired = tuple(injection.sample for injection in batch.injections), "umol/L", batch.method
        table, failures = integrate_batch(batch, method, progress)
        failures = [*batch.failures, *failures]
    table["nominal"] = _nominal(table, batch)
    lines, uncalibrated = _lines(table, batch.name, method)
    scales, unscaled = _scales(samples, method, unit)
    table, independent, shared = _errors(table, scales, method, lines, confidence)
    checks, flags, limits = _judge(table, method)
    table["lloq"] = limits
    odd = odd_replicates(table, independent, shared, method.rules)
    table["flags"] = ["; ".join(filter(None, (flag, more))) for flag, more in zip(flags, odd, strict=True)]
    notes = [f"note: not quantified: {reason}" for reason in (*uncalibrated, *unscaled[:3])]
    notes += [f"note: not quantified, for such a reason: {len(unscaled) - 3} more vials"] if len(unscaled) > 3 else []
    notes += _missing(table, samples, {name for name, _ in failures}) + _collisions(method)
    if acquired and acquired != method.name:
        notes.append(f"note: the batch says it was acquired with {acquired} but is quantified with {method.name}")
    if method.lines:
        notes.append(
            f"note: calibrated with published lines ({method.line_source}); their uncertainty is assumed: "
            f"{100 * method.line_uncertainty:.0f} % of the slope, {100 * method.intercept_uncertainty:.0f} % of the intercept, "
            f"{100 * method.repeatability:.0f} % repeatability, "
            "plus counting and spray noise"
        )
    return Quantification(batch.name, table, lines, tuple(checks), tuple(notes), independent, shared, tuple(failures))

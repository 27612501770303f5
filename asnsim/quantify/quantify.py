"""quantify(): a batch of chromatograms becomes concentrations with a joint error. It sees what a laboratory sees, and no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from asnsim.chromatogram import Analyte, Batch, Injection
from asnsim.errors import DataError
from asnsim.quantify.calibration import Line, fit_two_component
from asnsim.quantify.isotopes import mixing_matrix, unmix
from asnsim.quantify.method import Method
from asnsim.quantify.normalise import scale_of
from asnsim.quantify.peaks import Peak, integrate, locate, match
from asnsim.quantify.result import Quantification, SharedTerm
from asnsim.quantify.rules import check_calibrators, check_carry_over, check_qcs, flag_rows, range_of

__all__ = ["quantify"]


def _row(
    injection: Injection, analyte: Analyte, method: Method, mixing: np.ndarray, standards: dict[str, Analyte]
) -> dict | None:
    """Integrate one analyte of one vial; None if its channel was not acquired."""
    quantifier = match(injection, analyte.transition("quantifier"))
    if quantifier is None:
        return None
    own = match(injection, analyte.transition("IS"))
    window = locate(own, analyte.transition("IS"), method)
    light, qualifier = integrate(quantifier, window, method), analyte.transition("qualifier")
    heavy = integrate(own, window, method) if own is not None else None
    if heavy is not None:
        (n_light, n_heavy), covariance = unmix(
            np.array([light.area, heavy.area]), np.array([light.variance, heavy.variance]), mixing
        )
    else:
        n_light, n_heavy, covariance = light.area, math.nan, np.diag([light.variance, math.nan])
    other = method.internal_standard(analyte.id)
    if other != analyte.id:  # a published line may use another analyte's standard
        transition = standards[other].transition("IS")
        trace = match(injection, transition)
        heavy = integrate(trace, locate(trace, transition, method), method) if trace is not None else None
        n_heavy, covariance = (
            (heavy.area, np.diag([covariance[0, 0], heavy.variance]))
            if heavy
            else (math.nan, np.diag([covariance[0, 0], math.nan]))
        )
    trace = match(injection, qualifier) if qualifier is not None else None
    second = integrate(trace, window, method) if trace is not None else None
    ratio, variance = math.nan, math.nan
    if n_heavy > 3.0 * math.sqrt(covariance[1, 1]):
        ratio = n_light / n_heavy
        g = np.array([1.0, -ratio]) / n_heavy
        variance = float(g @ covariance @ g)
    sample = injection.sample
    return {
        "sample": sample.name,
        "sample_type": sample.type,
        "inj_number": sample.inj_number,
        "experiment": sample.experiment,
        "time_h": sample.time_h,
        "matrix": sample.matrix,
        "replicate": sample.replicate,
        "level": sample.level,
        "analyte": analyte.id,
        "nominal": math.nan,
        "area": n_light,
        "area_sd": math.sqrt(covariance[0, 0]),
        "is_area": n_heavy,
        "ratio": ratio,
        "ratio_sd": math.sqrt(variance),
        **_ion_ratio(light, second),
        "rt_s": window.apex,
        "found": window.found,
        "saturated": light.saturated or bool(heavy and heavy.saturated),
    }


def _ion_ratio(light: Peak, second: Peak | None) -> dict[str, float]:
    if second is None or light.area <= 3.0 * math.sqrt(light.variance):
        return {"ion_ratio": math.nan, "ion_ratio_sd": math.nan}
    ratio = second.area / light.area
    return {"ion_ratio": ratio, "ion_ratio_sd": math.sqrt(second.variance + ratio**2 * light.variance) / light.area}


def _integrate_all(batch: Batch, method: Method, progress: Callable[[int, int], None] | None) -> pd.DataFrame:
    mixing = {analyte.id: mixing_matrix(analyte, method.label_purity) for analyte in method.analytes}
    by_id = {analyte.id: analyte for analyte in method.analytes}
    wanted = [analyte for analyte in method.analytes if not method.lines or analyte.id in method.lines]
    rows = []
    for done, injection in enumerate(batch.injections, start=1):
        found = (_row(injection, analyte, method, mixing[analyte.id], by_id) for analyte in wanted)
        rows += [row for row in found if row is not None]
        if progress is not None:
            progress(done, len(batch.injections))
    if not rows:
        raise DataError(
            f"batch '{batch.name}': no trace fits a transition of {method.name}; is it the method these files were acquired with?"
        )
    return pd.DataFrame.from_records(rows)


def _missing(table: pd.DataFrame, batch: Batch) -> list[str]:
    """Say which vials lack a trace that others of their kind have: such a row would vanish in silence."""
    notes = []
    for (kind, matrix), group in table.groupby(["sample_type", "matrix"], sort=False):
        vials = [i.sample.name for i in batch.injections if (i.sample.type, i.sample.matrix) == (kind, matrix)]
        for analyte, rows in group.groupby("analyte", sort=False):
            lacking = [name for name in vials if name not in set(rows["sample"])]
            if lacking:
                where = f"{kind}{f' ({matrix})' if matrix else ''}"
                names = ", ".join(lacking[:5]) + (" ..." if len(lacking) > 5 else "")
                notes.append(f"note: {analyte} has no trace in {len(lacking)} of {len(vials)} vials of kind {where}: {names}")
    return notes


def _lines(table: pd.DataFrame, batch: Batch, method: Method) -> dict[str, Line]:
    if method.lines:
        out = {}
        for name, line in method.lines.items():
            u = (method.intercept_uncertainty * line.intercept, method.line_uncertainty * line.slope)
            out[name] = Line(line.intercept, line.slope, np.diag(np.square(u)), math.nan, 0.0, method.repeatability)
        return out
    lines = {}
    for name, rows in table.groupby("analyte", sort=False):
        usable = rows[np.isfinite(rows["ratio"]) & (rows["nominal"] > 0)]
        standards, qcs = usable[usable["sample_type"] == "Standard"], usable[usable["sample_type"] == "QC"]
        if len(standards) < 3:
            raise DataError(
                f"batch '{batch.name}', {name}: {len(standards)} usable calibrators; "
                f"the method {method.name} calibrates within the batch and needs Standard "
                "samples with nominal values in concentrations.csv (or a method with published lines)"
            )
        lines[name] = fit_two_component(
            standards["nominal"].to_numpy(),
            standards["ratio"].to_numpy(),
            method.weighting,
            qcs["nominal"].to_numpy(),
            qcs["ratio"].to_numpy(),
        )
    return lines


def _nominal(table: pd.DataFrame, batch: Batch) -> pd.Series:
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


def _errors(
    table: pd.DataFrame, batch: Batch, method: Method, lines: dict[str, Line]
) -> tuple[pd.DataFrame, np.ndarray, tuple[SharedTerm, ...], np.ndarray]:
    """Back-calculate, normalise and split the error of every row into what is its own and what it shares."""
    scales = {injection.sample.name: scale_of(injection.sample, method) for injection in batch.injections}
    samples = {name: index for index, name in enumerate(scales)}
    n, ids = len(table), list(lines)
    x, value, independent, df = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.inf)
    curve = np.zeros((n, 2))
    group, sample_group, own = np.full(n, -1), np.full(n, -1), np.zeros(n)
    causes = {cause: np.zeros(n) for scale in scales.values() for cause in scale.shared}
    units = []
    for index, (name, analyte, ratio, sd) in enumerate(
        zip(table["sample"], table["analyte"], table["ratio"], table["ratio_sd"], strict=True)
    ):
        line, scale = lines[analyte], scales[name]
        units.append(scale.unit)
        if not math.isfinite(ratio):
            continue
        x[index] = (ratio - line.intercept) / line.slope
        value[index] = scale.factor * x[index]
        fitted = float(line.variance(x[index]))
        if method.lines:
            variance = sd**2 + fitted  # a published line says nothing about today's counting noise
        else:  # calibrators carry the same noise as unknowns, but a suppressed or weak vial may count worse
            variance = max(fitted, sd**2)
            df[index] = line.df_at(x[index]) if fitted >= sd**2 else math.inf
        independent[index] = variance * (scale.factor / line.slope) ** 2
        root = np.linalg.cholesky(line.covariance + 1e-30 * np.eye(2))
        curve[index] = scale.factor * line.gradient(x[index]) @ root
        group[index], sample_group[index] = ids.index(analyte), samples[name]
        own[index] = scale.per_sample * value[index]
        for cause, relative in scale.shared.items():
            causes[cause][index] = relative * value[index]
    everyone = np.where(group >= 0, 0, -1)
    # stock solutions are made per analyte; volume, recovery and assays hit all analytes alike
    terms = [
        SharedTerm("curve", group, curve[:, 0]),
        SharedTerm("curve", group, curve[:, 1]),
        SharedTerm("sample", sample_group, own),
    ]
    terms += [SharedTerm(cause, group if cause == "stock" else everyone, loading) for cause, loading in causes.items()]
    total = independent + sum(term.loading**2 for term in terms)
    table = table.assign(concentration=x, value=value, unit=units, sd=np.sqrt(total))
    return table, independent, tuple(terms), df


def _judge(table: pd.DataFrame, method: Method) -> tuple[list, list[str]]:
    checks, flags = [], pd.Series("", index=table.index)
    for name, rows in table.groupby("analyte", sort=False):
        usable = rows[np.isfinite(rows["concentration"])]
        standards, qcs = (
            usable[(usable["sample_type"] == "Standard") & (usable["nominal"] > 0)],
            usable[usable["sample_type"] == "QC"],
        )
        lloq, uloq, carried = math.nan, math.nan, 0.0
        if len(standards) and not method.lines:
            checks += check_calibrators(name, standards, method.rules)
            lloq, uloq = range_of(standards, method.rules)
            found, carried = check_carry_over(name, rows, float(standards["nominal"].min()), method.rules)
            checks += found
        if len(qcs) and not method.lines:
            checks += check_qcs(name, qcs, method.rules)
        for index, row_flags in zip(rows.index, flag_rows(rows, lloq, uloq, carried, method.rules), strict=True):
            if method.lines and rows.loc[index, "concentration"] < 0:
                row_flags.append("below the line's intercept")
            flags[index] = "; ".join(row_flags)
    return checks, flags.tolist()


def quantify(
    batch: Batch,
    method: str | Path | Method = "hilic_mrm",
    confidence: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> Quantification:
    """Quantify a batch: integrate, calibrate, back-calculate, normalise, judge.

    Parameters
    ----------
    batch : Batch
        Real or simulated; its truth table, if any, is not looked at.
    method : str, Path or Method
        Transitions, integration, calibration, uncertainties and rules.
    confidence : float
        Of the intervals, 0 < confidence < 1.
    progress : callable, optional
        Called with (done, total) after each injection.

    Returns
    -------
    Quantification

    Raises
    ------
    DataError
        If no trace fits, a channel is ambiguous, there are too few calibrators, or a needed side assay is missing.

    Notes
    -----
    The interval is value +- q sd, with Student's q at the effective degrees of freedom of Welch and Satterthwaite, because the
    noise variance is estimated from the batch's own calibrators and QCs.
    """
    if not 0.0 < confidence < 1.0:
        raise DataError(f"confidence {confidence} is not between 0 and 1; write 0.95")
    method = Method.load(method)
    table = _integrate_all(batch, method, progress)
    table["nominal"] = _nominal(table, batch)
    lines = _lines(table, batch, method)
    table, independent, shared, df = _errors(table, batch, method, lines)
    total = table["sd"].to_numpy() ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.where(np.isfinite(df), df * (total / independent) ** 2, np.inf)
    quantile = np.where(
        np.isfinite(effective), t.ppf(0.5 + confidence / 2, np.maximum(effective, 1.0)), norm.ppf(0.5 + confidence / 2)
    )
    table["lower"], table["upper"] = table["value"] - quantile * table["sd"], table["value"] + quantile * table["sd"]
    checks, flags = _judge(table, method)
    table["flags"] = flags
    notes = _missing(table, batch)
    if batch.method and batch.method != method.name:
        notes.append(f"note: the batch says it was acquired with {batch.method} but is quantified with {method.name}")
    if method.lines:
        notes.append(
            f"note: calibrated with published lines ({method.line_source}); their uncertainty is assumed: "
            f"{100 * method.line_uncertainty:.0f} % of the slope, {100 * method.intercept_uncertainty:.0f} % of the intercept, "
            f"{100 * method.repeatability:.0f} % repeatability, "
            "plus counting and spray noise"
        )
    return Quantification(batch.name, table, lines, tuple(checks), tuple(notes), independent, shared)

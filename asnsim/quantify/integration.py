"""From chromatograms, or from areas that another program integrated, to one row per vial and analyte."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from asnsim.chromatogram import Analyte, Batch, Injection, Sample
from asnsim.errors import DataError
from asnsim.peaktable import PeakTable
from asnsim.quantify.isotopes import mixing_matrix, unmix
from asnsim.quantify.method import Method
from asnsim.quantify.peaks import Peak, integrate, locate, match

__all__ = ["integrate_batch", "rows_of_table"]


def integrate_batch(
    batch: Batch, method: Method, progress: Callable[[int, int], None] | None
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Integrate every analyte of every vial.

    Returns
    -------
    table : pandas.DataFrame
        One row per vial and analyte that was acquired.
    failures : list of (str, str)
        Vials, and analytes in them, that could not be read, with the reason.

    Raises
    ------
    DataError
        If no trace fits the method, or nothing can be integrated.
    """
    if not method.analytes:
        raise DataError(f"{method.name} has no transitions; it is for tables of areas, name the method of these chromatograms")
    mixing = {analyte.id: mixing_matrix(analyte, method.label_purity) for analyte in method.analytes}
    by_id = {analyte.id: analyte for analyte in method.analytes}
    wanted = [analyte for analyte in method.analytes if not method.lines or analyte.id in method.lines]
    rows, failures = [], []
    for done, injection in enumerate(batch.injections, start=1):
        for analyte in wanted:
            try:
                row = _row(injection, analyte, method, mixing[analyte.id], by_id)
            except DataError as error:
                failures.append((injection.sample.name, str(error)))
                continue
            if row is not None:
                rows.append(row)
        if progress is not None:
            progress(done, len(batch.injections))
    if not rows:
        if failures:
            raise DataError(failures[0][1])
        raise DataError(
            f"batch '{batch.name}': no trace fits a transition of {method.name}; is it the method these files were acquired with?"
        )
    return pd.DataFrame.from_records(rows), failures


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
    return {
        **_vial(injection.sample),
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


def _vial(sample: Sample) -> dict:
    return {
        "sample": sample.name,
        "sample_type": sample.type,
        "inj_number": sample.inj_number,
        "dilution_factor": sample.dilution_factor,
        "experiment": sample.experiment,
        "time_h": sample.time_h,
        "matrix": sample.matrix,
        "replicate": sample.replicate,
        "level": sample.level,
    }


def _ion_ratio(light: Peak, second: Peak | None) -> dict[str, float]:
    if second is None or light.area <= 3.0 * math.sqrt(light.variance):
        return {"ion_ratio": math.nan, "ion_ratio_sd": math.nan}
    ratio = second.area / light.area
    return {"ion_ratio": ratio, "ion_ratio_sd": math.sqrt(second.variance + ratio**2 * light.variance) / light.area}


def rows_of_table(peaks: PeakTable) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return the rows of areas that another program integrated, and what cannot be used of them, with the reason.

    Their counting noise is not known. Without an area of the internal standard above 0 there is no ratio.

    Raises
    ------
    DataError
        If there is no area.
    """
    vials = {sample.name: sample for sample in peaks.samples}
    rows, failures = [], []
    for row in peaks.areas.itertuples(index=False):
        ratio = row.area / row.is_area if row.is_area > 0 else math.nan
        for what, area in (("area", row.area), ("internal standard area", row.is_area)):
            if area < 0 and vials[row.sample].type in ("Unknown", "Standard", "QC"):  # a blank's may well be
                failures.append((row.sample, f"{row.analyte} has a negative {what}, {area:g}; look at its integration"))
        rows.append(
            {
                **_vial(vials[row.sample]),
                "analyte": row.analyte,
                "nominal": math.nan,
                "area": row.area,
                "area_sd": math.nan,
                "is_area": row.is_area,
                "ratio": ratio,
                "ratio_sd": 0.0 if ratio == ratio else math.nan,
                "ion_ratio": row.ion_ratio,
                "ion_ratio_sd": 0.0,
                "rt_s": row.rt_s,
                "found": row.is_area > 0,
                "saturated": False,
            }
        )
    if not rows:
        raise DataError(f"peak table '{peaks.name}' has no area; nothing can be quantified")
    return pd.DataFrame.from_records(rows), failures

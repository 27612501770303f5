"""Acceptance rules as data: ICH M10 for calibrators, QCs and carry-over; CLSI C62-A for ion ratio, retention and IS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Check", "check_calibrators", "check_carry_over", "check_qcs", "flag_rows", "range_of"]


@dataclass(frozen=True, slots=True)
class Check:
    """One judged rule: for which analyte, which rule, what was found, whether it passed, and a sentence that says so."""

    analyte: str
    rule: str
    found: float
    passed: bool
    sentence: str


def _bias(rows: pd.DataFrame) -> np.ndarray:
    return (rows["value"] / rows["nominal"] - 1.0).to_numpy()  # a diluted QC is judged as what it was before


def check_calibrators(analyte: str, rows: pd.DataFrame, rules: Mapping[str, float]) -> list[Check]:
    """Judge the calibrators: number of levels, share within limits (wider at the LLOQ), share of levels with an accepted
    calibrator.

    Parameters
    ----------
    analyte : str
        Analyte.
    rows : pandas.DataFrame
        Calibrators with ``nominal`` and back-calculated ``value``.
    rules : mapping
        Limits.
    """
    limit = np.where(rows["nominal"] <= rows["nominal"].min() * 1.000001, rules["lloq_bias"], rules["calibrator_bias"])
    good = np.abs(_bias(rows)) <= limit
    share, levels = float(good.mean()), int(rows.loc[good, "nominal"].nunique())
    return [
        Check(
            analyte,
            "calibrators",
            share,
            share >= rules["calibrators_passing"],
            f"{analyte}: {int(good.sum())} of {len(rows)} calibrators lie within +-{100 * rules['calibrator_bias']:.0f} % "
            f"(+-{100 * rules['lloq_bias']:.0f} % at the LLOQ)",
        ),
        Check(
            analyte,
            "levels",
            levels,
            levels >= rules["levels"],
            f"{analyte}: {levels} calibrator levels are accepted, {rules['levels']:.0f} are needed",
        ),
    ]


def check_qcs(analyte: str, rows: pd.DataFrame, rules: Mapping[str, float]) -> list[Check]:
    """Judge the QCs: share of all, and share per level; see `check_calibrators`."""
    good = np.abs(_bias(rows)) <= rules["qc_bias"]
    checks = [
        Check(
            analyte,
            "QC",
            float(good.mean()),
            float(good.mean()) >= rules["qc_passing"],
            f"{analyte}: {int(good.sum())} of {len(rows)} QCs lie within +-{100 * rules['qc_bias']:.0f} %",
        )
    ]
    for level in sorted(rows["level"].unique()):
        here = good[(rows["level"] == level).to_numpy()]
        share = float(here.mean())
        checks.append(
            Check(
                analyte,
                f"QC {level}",
                share,
                share >= rules["qc_passing_level"],
                f"{analyte}: {int(here.sum())} of {here.size} {level} pass",
            )
        )
    return checks


def check_carry_over(analyte: str, rows: pd.DataFrame, lloq: float, rules: Mapping[str, float]) -> tuple[list[Check], float]:
    """Judge blanks that follow a calibrator, and estimate the fraction carried over.

    Parameters
    ----------
    analyte : str
        Analyte.
    rows : pandas.DataFrame
        All rows of the analyte in injection order.
    lloq : float
        Nominal LLOQ.
    rules : mapping
        Limits.

    Returns
    -------
    list of Check
    float
        Carry-over as a fraction of the previous area, never negative; 0 if it cannot be told.
    """
    rows = rows.sort_values("inj_number")
    kind, area, standard = rows["sample_type"].to_numpy(), rows["area"].to_numpy(), rows["is_area"].to_numpy()
    at_lloq = rows["area"][(kind == "Standard") & (rows["nominal"] <= lloq * 1.000001)].mean()
    resting = area[np.isin(kind, ["Zero"])]
    rest = float(resting.mean()) if resting.size else 0.0  # unlabelled analyte in the IS is not carry-over
    blank = np.flatnonzero((kind == "Blank") & (np.roll(kind, 1) == "Standard"))
    blank = blank[blank > 0]
    checks, fraction = [], 0.0
    if blank.size and at_lloq > 0:
        extra = area[blank] - rest
        found = float(extra.max() / at_lloq)
        fraction = max(float(np.mean(extra / area[blank - 1])), 0.0)
        checks.append(
            Check(
                analyte,
                "carry-over",
                found,
                found <= rules["carry_over"],
                f"{analyte}: the blank after the top calibrator shows {100 * found:.1f} % of the LLOQ area "
                f"(limit {100 * rules['carry_over']:.0f} %)",
            )
        )
    double = kind == "Double Blank"
    normal = float(np.median(standard[np.isin(kind, ["Standard", "QC"])])) if np.isin(kind, ["Standard", "QC"]).any() else 0.0
    if double.any() and normal > 0:
        found = float(standard[double].max() / normal)
        checks.append(
            Check(
                analyte,
                "carry-over IS",
                found,
                found <= rules["carry_over_is"],
                f"{analyte}: double blanks show {100 * found:.2f} % of the IS area (limit {100 * rules['carry_over_is']:.0f} %)",
            )
        )
    return checks, fraction


def range_of(rows: pd.DataFrame, rules: Mapping[str, float]) -> tuple[float, float]:
    """Return LLOQ and ULOQ: the outermost calibrator levels with an accepted calibrator."""
    lowest = rows["nominal"].min() * 1.000001
    good = np.abs(_bias(rows)) <= np.where(rows["nominal"] <= lowest, rules["lloq_bias"], rules["calibrator_bias"])
    accepted = rows.loc[good, "nominal"]
    return (float(accepted.min()), float(accepted.max())) if len(accepted) else (float("nan"), float("nan"))


def flag_rows(rows: pd.DataFrame, lloq: float, uloq: float, carry_over: float, rules: Mapping[str, float]) -> list[list[str]]:
    """Return the flags of each row of one analyte; values stay as they are.

    Parameters
    ----------
    rows : pandas.DataFrame
        All rows of the analyte.
    lloq, uloq : float
        Range; nan where unknown.
    carry_over : float
        Estimated fraction of the previous area.
    rules : mapping
        Limits; a rule that is not listed is not applied.
    """
    flags: list[list[str]] = [[] for _ in range(len(rows))]
    judged = rows["sample_type"].isin(["Unknown", "QC", "Standard"]).to_numpy()
    with_is = rows["sample_type"].isin(["Unknown", "QC", "Standard", "Zero", "Blank"]).to_numpy()

    def mark(mask: np.ndarray, text: str) -> None:
        for index in np.flatnonzero(mask):
            flags[index].append(text)

    x = rows["concentration"].to_numpy()
    unknown = (rows["sample_type"] == "Unknown").to_numpy()
    mark(unknown & (x < lloq), "below LLOQ")
    mark(unknown & (x > uloq), "above ULOQ")
    mark(judged & ~rows["found"].to_numpy(dtype=bool), "no IS peak")
    mark(rows["saturated"].to_numpy(dtype=bool), "saturated")
    reference = rows["sample_type"].isin(["Standard", "QC"]).to_numpy()
    if "rt" in rules and judged.any():
        mean = float(rows["rt_s"][reference if reference.any() else judged].mean())
        mark(judged & (np.abs(rows["rt_s"].to_numpy() - mean) > rules["rt"] * mean), "RT")
    if "is_area" in rules and reference.any():
        mean = float(rows["is_area"][reference].mean())
        area = rows["is_area"].to_numpy()
        mark(with_is & judged & ((area < (1 - rules["is_area"]) * mean) | (area > (1 + rules["is_area"]) * mean)), "IS area")
    if "ion_ratio" in rules and reference.any():
        ratio, sd = rows["ion_ratio"].to_numpy(), rows["ion_ratio_sd"].to_numpy()
        expected = float(np.nanmedian(ratio[reference])) if np.isfinite(ratio[reference]).any() else np.nan
        off = np.abs(ratio / expected - 1.0)
        # a weak peak's ratio is noise: flag only what counting statistics cannot explain
        mark(judged & (off > rules["ion_ratio"]) & (off > 2.0 * sd / expected), "ion ratio")
    if "carry_over_sample" in rules and carry_over > 0:
        order = np.argsort(rows["inj_number"].to_numpy())
        previous = np.full(len(rows), np.nan)
        area = rows["area"].to_numpy()
        previous[order[1:]] = area[order[:-1]]
        with np.errstate(invalid="ignore"):
            mark(judged & (carry_over * previous > rules["carry_over_sample"] * np.abs(area)), "carry-over")
    return flags

"""Validation of a method: what ICH M10 asks to be shown before results are believed, from designed runs.

A run is a quantified batch with QCs at four levels (``LLOQ QC``, ``LQC``, ``MQC``, ``HQC``) and, where they were made, diluted
QCs (``DQC``), QCs that stood (``LQC stored``) and the matrix sets A, B and C. Real and simulated runs alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from asnsim.errors import DataError
from asnsim.quantify.result import Quantification

__all__ = ["COLUMNS", "validate_method"]

COLUMNS = ("analyte", "characteristic", "level", "n", "found", "unit", "limit", "passed")
_ACCURACY, _AT_LLOQ = 15.0, 20.0  # ICH M10 3.2.5: % of nominal, and CV
_CALIBRATORS = 75.0  # % of them
_MATRIX_CV = 15.0  # ICH M10 3.2.3


def validate_method(runs: Quantification | Sequence[Quantification]) -> pd.DataFrame:
    """Judge accuracy, precision, LLOQ, linearity, carry-over, matrix effect, recovery, dilution and stability.

    Parameters
    ----------
    runs : Quantification or sequence of Quantification
        One per run; precision between runs needs two or more.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; `limit` in words, `passed` True, False or None where nothing is asked.

    Raises
    ------
    DataError
        If no run has QCs of known content.

    Notes
    -----
    Accuracy is the mean in % of nominal; precision within runs is the pooled CV, between runs the root of both variance
    components of a one-way analysis of variance. Matrix effect B/A, recovery C/B and process efficiency C/A are ratios of mean
    areas (Matuszewski 2003, Anal. Chem. 75, 3019); what is judged is the CV of the ratio to the internal standard over lots.
    """
    runs = [runs] if isinstance(runs, Quantification) else list(runs)
    table = pd.concat([run.table.assign(run=k) for k, run in enumerate(runs)], ignore_index=True)
    qcs = table[(table["sample_type"] == "QC") & (table["nominal"] > 0) & np.isfinite(table["value"])]
    if qcs.empty:
        raise DataError("no run has a QC of known content; a validation needs QCs with nominal values")
    rows: list[tuple] = []
    for analyte, own in qcs.groupby("analyte", sort=False):
        for level, group in own.groupby("level", sort=False):
            rows += _qc(analyte, level, group)
        rows += _calibrators(analyte, table[(table["analyte"] == analyte) & (table["sample_type"] == "Standard")])
        rows += [_carry_over(analyte, runs)]
        rows += _matrix(analyte, table[(table["analyte"] == analyte) & (table["sample_type"] == "Matrix")])
    return pd.DataFrame([row for row in rows if row], columns=list(COLUMNS))


def _qc(analyte: str, level: str, group: pd.DataFrame) -> list[tuple]:
    limit = _AT_LLOQ if level.startswith("LLOQ") else _ACCURACY
    share = 100.0 * (group["value"] / group["nominal"])
    mean = float(share.mean())
    diluted = (group["dilution_factor"] > 1).any()
    name = "stability" if level.endswith("stored") else "dilution integrity" if diluted else "accuracy"
    judged = abs(mean - 100.0) <= limit
    rows = [(analyte, name, level, len(group), mean, "% of nominal", f"{100 - limit:.0f}-{100 + limit:.0f}", judged)]
    if name == "stability" or len(group) < 3:
        return rows
    within, between = _components(share.to_numpy(), group["run"].to_numpy())
    cv = 100.0 * within / mean
    rows.append((analyte, "precision within runs", level, len(group), cv, "CV %", f"<= {limit:.0f}", cv <= limit))
    if group["run"].nunique() > 1:
        cv = 100.0 * float(np.hypot(within, between)) / mean
        rows.append((analyte, "precision between runs", level, len(group), cv, "CV %", f"<= {limit:.0f}", cv <= limit))
    return rows


def _components(values: np.ndarray, run: np.ndarray) -> tuple[float, float]:
    """Standard deviation within and between runs, by a one-way analysis of variance."""
    groups = [values[run == k] for k in np.unique(run)]
    residual = sum(((group - group.mean()) ** 2).sum() for group in groups)
    df = len(values) - len(groups)
    within = residual / df if df else 0.0
    if len(groups) == 1:
        return float(np.sqrt(within)), 0.0
    sizes = np.array([len(group) for group in groups])
    typical = (len(values) - (sizes**2).sum() / len(values)) / (len(groups) - 1)
    mean_square = (sizes * (np.array([group.mean() for group in groups]) - values.mean()) ** 2).sum() / (len(groups) - 1)
    return float(np.sqrt(within)), float(np.sqrt(max((mean_square - within) / typical, 0.0)))


def _calibrators(analyte: str, rows: pd.DataFrame) -> list[tuple]:
    rows = rows[(rows["nominal"] > 0) & np.isfinite(rows["value"])]
    if rows.empty:
        return []
    off = 100.0 * (rows["value"] / rows["nominal"] - 1.0).abs()
    limit = np.where(rows["nominal"] <= rows["nominal"].min() * 1.000001, _AT_LLOQ, _ACCURACY)
    share = 100.0 * float((off <= limit).mean())
    span = f"{rows['nominal'].min():g}-{rows['nominal'].max():g}"
    return [(analyte, "calibrators", span, len(rows), share, "% within limits", f">= {_CALIBRATORS:.0f}", share >= _CALIBRATORS)]


def _carry_over(analyte: str, runs: Sequence[Quantification]) -> tuple | None:
    checks = [check for run in runs for check in run.checks if (check.analyte, check.rule) == (analyte, "carry-over")]
    if not checks:
        return None
    worst = max(checks, key=lambda check: check.found)
    found = 100.0 * worst.found
    passed = all(check.passed for check in checks)
    return analyte, "carry-over", "blank", len(checks), found, "% of the LLOQ area", "<= 20", passed


def _matrix(analyte: str, rows: pd.DataFrame) -> list[tuple]:
    """Sets A, B and C of one analyte: levels are called ``A LQC``."""
    if rows.empty:
        return []
    kind, level = rows["level"].str[0], rows["level"].str[2:]
    out = []
    for name, group in rows.groupby(level, sort=False):
        sets = {letter: group[kind[group.index] == letter] for letter in "ABC"}
        if any(part.empty for part in sets.values()):
            continue
        a, b, c = (float(sets[letter]["area"].mean()) for letter in "ABC")
        n = len(group)
        out += [
            (analyte, "matrix effect (B/A)", name, n, 100.0 * b / a, "%", "", None),
            (analyte, "recovery (C/B)", name, n, 100.0 * c / b, "%", "", None),
            (analyte, "process efficiency (C/A)", name, n, 100.0 * c / a, "%", "", None),
        ]
        relative = sets["B"]["ratio"] / sets["A"]["ratio"].mean()
        cv = 100.0 * float(relative.std(ddof=1) / relative.mean())
        limit = f"<= {_MATRIX_CV:.0f}"
        out.append((analyte, "matrix factor over IS, lots", name, len(relative), cv, "CV %", limit, cv <= _MATRIX_CV))
    return out

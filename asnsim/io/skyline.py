"""Skyline: small-molecule transition lists, and the molecule transition report with its areas."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from asnsim.chromatogram import Analyte, Nominal, Sample, Transition
from asnsim.errors import DataError
from asnsim.io.mzml import SYNONYMS
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.tables import Row, read_csv, write_table

__all__ = [
    "is_skyline", "read_skyline_report", "read_transition_list", "write_skyline_report", "write_transition_list",
]  # fmt: skip

_LIST = (
    "Molecule List Name", "Molecule", "Label Type", "Precursor m/z", "Precursor Charge", "Product m/z", "Product Charge",
    "Explicit Collision Energy", "Explicit Retention Time",
)  # fmt: skip
_REPORT = (
    "Molecule Name", "Molecule List Name", "Replicate Name", "Precursor Mz", "Precursor Charge", "Product Mz", "Product Charge",
    "Retention Time", "Area", "Sample Type", "Analyte Concentration", "Sample Dilution Factor",
)  # fmt: skip
_NEEDED = ("Molecule Name", "Replicate Name", "Precursor Mz", "Product Mz", "Retention Time", "Area")
_LABELLED = re.compile(r"(.+?)[ _-]+\(?(?:ISTD|heavy|[dD]\d+|(?:13C|15N|2H)[\w,-]*)\)?$")
_TYPES = {"quality control": "QC", "standard": "Standard", "unknown": "Unknown"}
_TO_SKYLINE = {"QC": "Quality Control", "Zero": "Blank", "Matrix": "Unknown"}
_WINDOW = 30.0  # s, half width around an explicit retention time


def write_transition_list(analytes: Sequence[Analyte], path: str | Path) -> Path:
    """Write the transitions of a method: light and heavy rows, quantifier first, retention times in minutes.

    Parameters
    ----------
    analytes : sequence of Analyte
        Of a method, see `asnsim.chromatogram.load_analytes`.
    path : str or Path
        Ending in ``.csv``.
    """
    rows = []
    for analyte in analytes:
        for role in ("quantifier", "qualifier", "IS"):
            item = analyte.transition(role)
            if item is None:
                continue
            charge, energy = (1 if item.polarity == "+" else -1), item.collision_energy
            label, volts = ("heavy" if role == "IS" else "light"), ("" if math.isnan(energy) else repr(float(energy)))
            rows.append((analyte.method, analyte.id, label, item.q1, charge, item.q3, charge, volts, repr(item.rt / 60.0)))
    return write_table(path, _LIST, rows)


def read_transition_list(path: str | Path) -> tuple[Transition, ...]:
    """Read a transition list: the first light row of a molecule is its quantifier, the second the qualifier, a heavy one the IS.

    Returns
    -------
    tuple of Transition
        Dwell times are not part of a list, nor are windows: 30 s around the retention time are assumed.

    Raises
    ------
    DataError
        If a cell cannot be read, a charge is 0, a label is neither light nor heavy, or a molecule has too many rows.
    """
    out: list[Transition] = []
    for row in read_csv(Path(path), required=(*_LIST[:7], "Explicit Retention Time")):
        name, label, charge = row["Molecule"], row["Label Type"].lower() or "light", row.number("Precursor Charge")
        roles = [item.role for item in out if item.analyte == name]
        free = ["IS"] if label == "heavy" else ["quantifier", "qualifier"]
        left = [role for role in free if role not in roles]
        if not name or label not in ("light", "heavy") or charge == 0:
            got = f"'{name}', '{label}', {charge:g}"
            raise DataError(f"{row.where}: needs a molecule, a label that is light or heavy, and a charge; got {got}")
        if not left:
            raise DataError(f"{row.where}: '{name}' has more {label} rows than a method takes ({len(free)}); keep the best")
        energy, rt = row.number("Explicit Collision Energy", math.nan), 60.0 * row.number("Explicit Retention Time")
        masses, sign = (row.number("Precursor m/z"), row.number("Product m/z")), "+" if charge > 0 else "-"
        out.append(Transition(f"{name}.{left[0]}", name, left[0], *masses, sign, energy, math.nan, rt, _WINDOW))
    return tuple(out)


def is_skyline(path: Path) -> bool:
    """Whether a file is a molecule transition report."""
    with Path(path).open(encoding="utf-8-sig", newline="", errors="replace") as handle:
        header = next(csv.reader(handle), [])
    return {"Molecule Name", "Replicate Name", "Area"} <= {cell.strip() for cell in header}


def read_skyline_report(path: str | Path) -> PeakTable:
    """Read a molecule transition report.

    A molecule named like another with a label behind (``Cortisol D4``, ``Asn 13C4``, ``asn heavy``) is its internal standard. The
    quantifier of a molecule is its transition with the largest sum of areas, the qualifier the next; the same precursor and
    product are used in all replicates. Columns ``Sample Type``, ``Analyte Concentration`` and ``Sample Dilution Factor``, where
    the report has them, say what was prepared, in umol/L.

    Raises
    ------
    DataError
        If a cell cannot be read, or no molecule has an internal standard.
    """
    path = Path(path)
    rows = read_csv(path, required=_NEEDED)
    frame = pd.DataFrame(
        [
            (row["Molecule Name"], row["Replicate Name"], f"{row['Precursor Mz']} > {row['Product Mz']}",
             row.number("Area", math.nan), 60.0 * row.number("Retention Time", math.nan))
            for row in rows
        ],
        columns=["molecule", "sample", "transition", "area", "rt"],
    )  # fmt: skip
    molecules = list(dict.fromkeys(frame["molecule"]))
    standards = {}
    for name in molecules:
        found = _LABELLED.match(name)
        if found and found[1] in molecules:
            standards[found[1]] = name
    if not standards:
        raise DataError(f"{path.name}: no molecule has an internal standard, such as 'Asn heavy' or 'Asn 13C4' for 'Asn'")
    ranks = frame.groupby(["molecule", "transition"])["area"].sum()
    areas = []
    for analyte, standard in standards.items():
        order = ranks[analyte].sort_values(ascending=False, kind="stable").index
        best = ranks[standard].idxmax()
        by = {key: _column(frame, analyte, key) for key in order[:2]}
        heavy = _column(frame, standard, best)
        for sample in dict.fromkeys(frame["sample"]):
            area, rt = by[order[0]].get(sample, (math.nan, math.nan))
            second = by[order[1]].get(sample, (math.nan, math.nan))[0] if len(order) > 1 else math.nan
            areas.append((sample, analyte, area, heavy.get(sample, (math.nan,))[0], rt, second / area if area > 0 else math.nan))
    samples, nominal = _prepared(rows, standards)
    return PeakTable(path.stem, samples, pd.DataFrame(areas, columns=list(COLUMNS)), nominal)


def _column(frame: pd.DataFrame, molecule: str, transition: str) -> dict[str, tuple[float, float]]:
    """Area and retention time of one transition by sample."""
    part = frame[(frame["molecule"] == molecule) & (frame["transition"] == transition)]
    return {row.sample: (row.area, row.rt) for row in part.itertuples()}


def _prepared(rows: list[Row], standards: dict[str, str]) -> tuple[tuple[Sample, ...], tuple[Nominal, ...]]:
    samples: dict[str, Sample] = {}
    nominal: dict[tuple[str, str], Nominal] = {}
    for row in rows:
        name, word = row["Replicate Name"], row["Sample Type"].lower() or "unknown"
        kind = _TYPES.get(word) or SYNONYMS.get(word)
        if kind is None:
            raise DataError(f"{row.where}, column 'Sample Type': '{row['Sample Type']}' is not a type that Skyline writes")
        samples.setdefault(name, Sample(name, kind, len(samples) + 1, row.number("Sample Dilution Factor", 1.0)))
        value = row.number("Analyte Concentration", math.nan)
        if row["Molecule Name"] in standards and kind in ("Standard", "QC") and np.isfinite(value):
            nominal[name, row["Molecule Name"]] = Nominal(name, row["Molecule Name"], value, math.nan)
    return tuple(samples.values()), tuple(nominal.values())


def write_skyline_report(peaks: PeakTable, analytes: Sequence[Analyte], path: str | Path) -> Path:
    """Write areas as a molecule transition report: the analyte's transitions and that of its standard, ``<id> heavy``.

    Parameters
    ----------
    peaks : PeakTable
        In umol/L.
    analytes : sequence of Analyte
        Give the m/z of the transitions.
    path : str or Path
        Ending in ``.csv``.

    Raises
    ------
    DataError
        If an analyte of the areas is not among `analytes`.
    """
    known = {analyte.id: analyte for analyte in analytes}
    stated = {(item.sample_name, item.analyte): item.actual_concentration for item in peaks.nominal}
    vials, rows = {sample.name: sample for sample in peaks.samples}, []
    for row in peaks.areas.itertuples(index=False):
        if row.analyte not in known:
            raise DataError(f"'{row.analyte}' is not an analyte of the method; its transitions are not known")
        analyte, vial = known[row.analyte], vials[row.sample]
        for role, area in (("quantifier", row.area), ("qualifier", row.ion_ratio * row.area), ("IS", row.is_area)):
            item = analyte.transition(role)
            if item is None:
                continue
            charge, value = (1 if item.polarity == "+" else -1), stated.get((row.sample, row.analyte), math.nan)
            name = f"{row.analyte} heavy" if role == "IS" else row.analyte
            numbers = (item.q1, charge, item.q3, charge, _text(row.rt_s / 60.0), _text(area))
            said = (_TO_SKYLINE.get(vial.type, vial.type), _text(value), repr(float(vial.dilution_factor)))
            rows.append((name, analyte.method, row.sample, *numbers, *said))
    return write_table(path, _REPORT, rows)


def _text(value: float) -> str:
    return "" if value != value else repr(float(value))

"""MassHunter Quant's wide export: two header rows, one column group per compound, its qualifiers and its internal standard."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from asnsim.chromatogram import Nominal, Sample
from asnsim.errors import DataError, suggest
from asnsim.io.mzml import SYNONYMS, UNITS
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.tables import read_csv

__all__ = ["is_masshunter", "read_masshunter"]

_RESULTS, _QUALIFIER, _STANDARD = re.compile(r"(.+) Results$"), re.compile(r"Qualifier \("), re.compile(r"\(ISTD\)\s*$")
#: Types as MassHunter itself writes them, beside the words of other programs.
_TYPES = {"calibration": "Standard", "matrixblank": "Blank"}


@dataclass
class _Compound:
    """Where the numbers of a compound stand."""

    name: str
    area: int
    rt: int | None
    qualifiers: list[int] = field(default_factory=list)


def is_masshunter(path: Path) -> bool:
    """Whether a file begins as such an export does."""
    with Path(path).open(encoding="utf-8-sig", newline="", errors="replace") as handle:
        rows = csv.reader(handle)
        first, second = next(rows, []), next(rows, [])
    return bool(first) and first[0].strip() == "Sample" and any(_RESULTS.match(cell) for cell in first) and "Area" in second


def read_masshunter(
    path: str | Path,
    analyses: str | Path | None = None,
    features: str | Path | None = None,
    concentrations: str | Path | None = None,
) -> PeakTable:
    """Read a wide export.

    Parameters
    ----------
    path : str or Path
        The export (CSV). Retention times are in minutes, as MassHunter writes them.
    analyses : str or Path, optional
        Table with Analysis_ID, Sample_Type and Sample_Id: types of the samples in the words of midar, and which prepared sample
        each is; without it the export's own type and level count.
    features : str or Path, optional
        Table with Feature_ID and ISTD_Feature_ID; without it the standard of ``X`` is the only ``X ... (ISTD)``.
    concentrations : str or Path, optional
        Table with Sample_Id, Analyte_Id, Concentration, Concentration_Unit and Include_In_Analysis; a row that is not to be
        included (False) is left out of the calibration. Without it the export's expected concentrations count, in umol/L.

    Returns
    -------
    PeakTable
        In the order of the file.

    Raises
    ------
    DataError
        If the file is no such export, a number cannot be read, an analyte has no or more than one internal standard, or the
        tables do not fit each other.
    """
    path = Path(path)
    compounds, rows, column = _layout(path)
    standards = _standards(compounds, path, features)
    samples, keys = _samples(rows, column, path, analyses)
    areas = []
    for name, where, row in rows:
        for analyte, standard in standards.items():
            one, other = compounds[analyte], compounds[standard]
            area, rt = _number(row, one.area, where), _number(row, one.rt, where)
            second = _number(row, one.qualifiers[0], where) if one.qualifiers else math.nan
            ratio = second / area if area > 0 else math.nan
            areas.append((name, analyte, area, _number(row, other.area, where), 60.0 * rt, ratio))
    nominal, unit = _nominal(keys, set(standards), concentrations)
    if concentrations is None:
        nominal, unit = _expected(rows, samples, standards, column), "umol/L"
    return PeakTable(path.stem, tuple(samples), pd.DataFrame(areas, columns=list(COLUMNS)), nominal, unit)


def _layout(path: Path) -> tuple[dict[str, _Compound], list[tuple[str, str, list[str]]], dict[tuple[str, str], int]]:
    """Compounds, rows as (sample, where, cells), and columns by (group, name)."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name")
    with path.open(encoding="utf-8-sig", newline="") as handle:
        lines = list(csv.reader(handle))
    if not is_masshunter(path) or "Name" not in lines[1]:
        what = "its first row names compounds ('X Results'), its second has 'Name' and 'Area'"
        raise DataError(f"{path.name}: is not a wide export of MassHunter; {what}")
    compounds, column, group, last = {}, {}, "", None
    for index, (title, name) in enumerate(zip(lines[0], lines[1], strict=False)):
        if title.strip():
            group = title.strip()
        column.setdefault((group, name.strip()), index)
        found = _RESULTS.match(group)
        if not found or name.strip() != "Area":
            continue
        if _QUALIFIER.match(group):  # stands behind its compound
            if last is not None:
                last.qualifiers.append(index)
        elif found[1] not in compounds:
            last = compounds[found[1]] = _Compound(found[1], index, None)
    for name, compound in compounds.items():
        compound.rt = column.get((f"{name} Results", "RT"))
    place = lines[1].index("Name")
    rows = [(cells[place].strip(), f"{path.name}, row {k}", cells) for k, cells in enumerate(lines[2:], start=3) if any(cells)]
    if not rows or not compounds:
        raise DataError(f"{path.name}: holds no sample or no compound; export the batch table with results")
    for name, where, _ in rows:
        if not name:
            raise DataError(f"{where}: the sample has no name; every injection needs one")
    return compounds, rows, column


def _standards(compounds: dict[str, _Compound], path: Path, features: str | Path | None) -> dict[str, str]:
    """Analyte -> internal standard."""
    labelled = [name for name in compounds if _STANDARD.search(name)]
    analytes = [name for name in compounds if name not in labelled]
    if not analytes:
        raise DataError(f"{path.name}: every compound is an internal standard; export the results of the analytes too")
    said = {}
    if features is not None:
        for row in read_csv(Path(features), required=("Feature_ID", "ISTD_Feature_ID")):
            if row["Feature_ID"] in analytes:
                if row["ISTD_Feature_ID"] not in compounds:
                    known = suggest(row["ISTD_Feature_ID"], labelled)
                    raise DataError(f"{row.where}: '{row['ISTD_Feature_ID']}' is not a compound of {path.name}{known}")
                said[row["Feature_ID"]] = row["ISTD_Feature_ID"]
    out = {}
    for name in analytes:
        found = [said[name]] if name in said else [standard for standard in labelled if standard.startswith(f"{name} ")]
        if len(found) != 1:
            what = "no internal standard" if not found else f"{len(found)} internal standards ({', '.join(found)})"
            raise DataError(f"{path.name}: '{name}' has {what}; name it in a table of features (Feature_ID, ISTD_Feature_ID)")
        out[name] = found[0]
    return out


def _samples(rows: list, column: dict, path: Path, analyses: str | Path | None) -> tuple[list[Sample], dict[str, str]]:
    """Samples in order, and the prepared sample each is."""
    said = {}
    if analyses is not None:
        for row in read_csv(Path(analyses), required=("Analysis_ID", "Sample_Type")):
            said[row["Analysis_ID"]] = row
    kind, level = column.get(("Sample", "Type")), column.get(("Sample", "Level"))
    samples, keys, counts = [], {}, {}
    for place, (name, where, cells) in enumerate(rows, start=1):
        if analyses is not None and name not in said:
            raise DataError(f"{where}: '{name}' stands not in {Path(analyses).name}{suggest(name, said)}; add its row")
        word = said[name]["Sample_Type"] if name in said else (cells[kind] if kind is not None else "Sample")
        known = SYNONYMS.get(word.strip().lower()) or _TYPES.get(word.strip().lower())
        if known is None:
            raise DataError(f"{where}: sample type '{word}' of '{name}' is not known; write one such as CAL, QC, SPL or SBLK")
        keys[name] = said[name]["Sample_Id"] if name in said else (cells[level].strip() if level is not None else "")
        counts[keys[name]] = counts.get(keys[name], 0) + 1
        samples.append(Sample(name, known, place, level=keys[name], replicate=counts[keys[name]] if keys[name] else 0))
    return samples, keys


def _number(cells: list[str], index: int | None, where: str) -> float:
    text = cells[index].strip() if index is not None and index < len(cells) else ""
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}, column {index + 1}: '{text}' is not a number; export numbers without units") from None


def _nominal(keys: dict[str, str], analytes: set[str], path: str | Path | None) -> tuple[tuple[Nominal, ...], str]:
    """Prepared concentrations of all injections, in one unit."""
    if path is None:
        return (), "umol/L"
    required = ("Sample_Id", "Analyte_Id", "Concentration", "Concentration_Unit")
    rows = [row for row in read_csv(Path(path), required=required) if row["Analyte_Id"] in analytes]
    units = {row["Concentration_Unit"] for row in rows}
    unit = next(iter(units), "umol/L") if len(units) <= 1 else "umol/L"
    if len(units) > 1 and not units <= set(UNITS):
        raise DataError(f"{Path(path).name}: units {', '.join(sorted(units))} cannot be brought together; state one for all")
    out = []
    for row in rows:
        if row["Include_In_Analysis"].lower() == "false":
            continue
        value = row.number("Concentration") * (UNITS[row["Concentration_Unit"]] if len(units) > 1 else 1.0)
        out += [Nominal(name, row["Analyte_Id"], value, math.nan, unit) for name, key in keys.items() if key == row["Sample_Id"]]
    return tuple(out), unit


def _expected(rows: list, samples: list[Sample], standards: dict[str, str], column: dict) -> tuple[Nominal, ...]:
    """What the export itself expects of calibrators and QCs."""
    out = []
    for sample, (name, where, cells) in zip(samples, rows, strict=True):
        for analyte in standards:
            value = _number(cells, column.get((f"{analyte} Method", "Exp. Conc.")), where)
            if sample.type in ("Standard", "QC") and value > 0:
                out.append(Nominal(name, analyte, value, math.nan))
    return tuple(out)

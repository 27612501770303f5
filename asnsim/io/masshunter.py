"""MassHunter Quant's wide export: two header rows, one column group per compound, its qualifiers and its internal standard."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from asnsim.chromatogram import Nominal, Sample
from asnsim.errors import DataError, suggest
from asnsim.io.mzml import SYNONYMS, UNITS
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.tables import Row, read_csv

__all__ = ["UNSTATED", "first_rows", "is_masshunter", "read_masshunter"]

#: Unit of concentrations that come from the export itself, which does not say it: those of the midar example are ng/mL.
UNSTATED = "unit of the export"

_RESULTS, _QUALIFIER, _STANDARD = re.compile(r"(.+) Results$"), re.compile(r"Qualifier \("), re.compile(r"\(ISTD\)\s*$")
#: Types as MassHunter itself writes them, beside the words of other programs.
_TYPES = {"calibration": "Standard", "matrixblank": "Blank"}
_NAME, _ACQUIRED = "Sample Name", "Sample Acq. Date-Time"
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d")
_CLOCKS = ("%I:%M %p", "%I:%M:%S %p", "%H:%M", "%H:%M:%S")


@dataclass
class _Compound:
    """Columns of a compound."""

    area: str = ""
    rt: str = ""
    qualifiers: list[str] = field(default_factory=list)


def first_rows(path: Path, count: int, delimiter: str = ",") -> list[list[str]]:
    """Read the first rows of a table, to tell what it is; empty rows where there are none or no table can be made out."""
    with Path(path).open(encoding="utf-8-sig", newline="", errors="replace") as handle:
        rows = csv.reader(handle, delimiter=delimiter)
        try:
            return [[cell.strip() for cell in next(rows, [])] for _ in range(count)]
        except csv.Error:
            return [[] for _ in range(count)]


def is_masshunter(path: Path) -> bool:
    """Whether a file begins as such an export does."""
    first, second = first_rows(path, 2)
    return bool(first) and first[0] == "Sample" and any(_RESULTS.match(cell) for cell in first) and "Area" in second


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
        each is; without it the export's own type and level count. It may describe more than the export holds.
    features : str or Path, optional
        Table with Feature_ID and ISTD_Feature_ID, and, where known, Quantifier and Analyte_Id (the analyte's name in
        `concentrations`). Without a row there, the standard of ``X`` is the only ``X ... (ISTD)``.
    concentrations : str or Path, optional
        Table with Sample_Id, Analyte_Id, Concentration, Concentration_Unit and Include_In_Analysis. A row that is not to be
        included (False) is no calibrator and no QC of that analyte: the vial keeps its areas and is quantified with the curve of
        the others. One unit is kept as it is; several molar ones become umol/L. Without the table the export's expected
        concentrations count, in `UNSTATED`, because the export does not say their unit.

    Returns
    -------
    PeakTable
        In the order of acquisition, or of the file where it has no times. The ion ratio is that of the first qualifier; an empty
        cell is nan.

    Raises
    ------
    DataError
        If the file is no such export, a number cannot be read, an analyte has no or more than one internal standard, or the
        tables do not fit each other.
    """
    path = Path(path)
    compounds, rows = _layout(path)
    rows = _in_order(rows, path)
    standards, ids = _standards(compounds, path, features)
    samples = _samples(rows, analyses)
    areas = []
    for row in rows:
        for analyte, standard in standards.items():
            one, other = compounds[analyte], compounds[standard]
            area, rt = row.number(one.area, math.nan), row.number(one.rt, math.nan)
            second = row.number(one.qualifiers[0], math.nan) if one.qualifiers else math.nan
            ratio = second / area if area > 0 else math.nan
            areas.append((row[_NAME], analyte, area, row.number(other.area, math.nan), 60.0 * rt, ratio))
    if concentrations is None:
        nominal, unit = _expected(rows, samples, standards), UNSTATED
    else:
        nominal, unit = _nominal(samples, ids, concentrations)
    return PeakTable(path.stem, tuple(samples), pd.DataFrame(areas, columns=list(COLUMNS)), nominal, unit)


def _lines(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name")
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            lines = list(csv.reader(handle))
    except (UnicodeDecodeError, csv.Error, PermissionError) as error:
        raise DataError(f"{path}: cannot be read as a table ({type(error).__name__}); save it as CSV in UTF-8") from None
    if not is_masshunter(path) or "Name" not in [name.strip() for name in lines[1]]:
        what = "its first row names compounds ('X Results'), its second has 'Name' and 'Area'"
        raise DataError(f"{path.name}: is not a wide export of MassHunter; {what}")
    return lines


def _layout(path: Path) -> tuple[dict[str, _Compound], list[Row]]:
    """Compounds, and the samples as rows whose columns are named by both header rows."""
    lines = _lines(path)
    header, compounds = _header(lines, path)
    rows: dict[str, Row] = {}
    for line, cells in enumerate(lines[2:], start=3):
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        row = Row(path, line, {name: cell for name, cell in zip(header, cells, strict=False) if name})
        if any(cells[len(header):]):
            raise DataError(f"{row.where}: {len(cells)} cells but {len(header)} columns; is there a stray separator?")
        if not row[_NAME]:
            raise DataError(f"{row.where}: the sample has no name; every injection needs one")
        if row[_NAME] in rows:
            raise DataError(f"{row.where}: sample '{row[_NAME]}' is there twice; sample names must be unique")
        rows[row[_NAME]] = row
    if not rows:
        raise DataError(f"{path.name}: holds no sample; export the batch table with results")
    return compounds, list(rows.values())


def _header(lines: list[list[str]], path: Path) -> tuple[list[str], dict[str, _Compound]]:
    """Full names of the columns, such as ``X Results Area``, and the compounds."""
    titles, names = ([cell.strip() for cell in line] for line in lines[:2])
    titles += [""] * (len(names) - len(titles))
    header, compounds, group, owner = [], {}, "", ""
    for title, name in zip(titles, names, strict=False):
        if title and title != group:
            group = title
            found = _RESULTS.match(group)
            if found and _QUALIFIER.match(group):  # stands behind its compound
                if not owner:
                    raise DataError(f"{path.name}, row 1: '{group}' stands behind no compound; export the compound's results too")
            elif found:
                owner = found[1]
                if owner in compounds:
                    raise DataError(f"{path.name}, row 1: '{group}' is there twice; keep one group per compound")
                compounds[owner] = _Compound()
        qualifies = bool(_QUALIFIER.match(group))  # two compounds may have a qualifier of the same masses
        full = f"{owner} {group} {name}" if qualifies else f"{group} {name}"
        if name and full in header:
            raise DataError(f"{path.name}, row 2: column '{full}' is there twice; remove one")
        header.append(full if name else "")
        if _RESULTS.match(group) and name == "Area":
            if qualifies:
                compounds[owner].qualifiers.append(full)
            else:
                compounds[owner].area = full
        elif _RESULTS.match(group) and name == "RT" and not qualifies:
            compounds[owner].rt = full
    for name, compound in compounds.items():
        if not compound.area:
            raise DataError(f"{path.name}, row 2: '{name} Results' has no column 'Area'; export areas")
    return header, compounds


def _time(text: str, day: str) -> datetime | None:
    for clock in _CLOCKS:
        try:
            return datetime.strptime(text, f"{day} {clock}")
        except ValueError:
            continue
    return None


def _in_order(rows: list[Row], path: Path) -> list[Row]:
    """Rows by time of acquisition. Day first or month first is not stated: what fits all rows counts, if it gives one order."""
    if not any(row[_ACQUIRED] for row in rows):
        return rows
    read = [[_time(row[_ACQUIRED], day) for row in rows] for day in _DAYS]
    orders = {tuple(sorted(range(len(rows)), key=times.__getitem__)) for times in read if None not in times}
    if not orders:
        nearest = min(read, key=lambda times: times.count(None))
        row = rows[nearest.index(None)]
        raise DataError(f"{row.where}, column '{_ACQUIRED}': '{row[_ACQUIRED]}' is no time; write such as 2024-11-26 15:05")
    if len(orders) > 1:
        what = "gives one order read day first and another month first"
        raise DataError(f"{path.name}, column '{_ACQUIRED}': {what}; write times such as 2024-11-26 15:05")
    return [rows[index] for index in orders.pop()]


def _flag(row: Row, column: str) -> bool:
    """True or False; an empty cell is True."""
    known = {"": True, "true": True, "false": False}.get(row[column].lower())
    if known is None:
        raise DataError(f"{row.where}, column '{column}': '{row[column]}' is neither True nor False")
    return known


def _standards(
    compounds: dict[str, _Compound], path: Path, features: str | Path | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Analyte -> internal standard, and analyte -> its name in the table of concentrations."""
    said: dict[str, Row] = {}
    for row in read_csv(features, required=("Feature_ID", "ISTD_Feature_ID")) if features is not None else ():
        name, standard = row["Feature_ID"], row["ISTD_Feature_ID"]
        if name in said:
            raise DataError(f"{row.where}: '{name}' is there twice; keep one row")
        if name not in compounds:  # a qualifier, or of another method
            continue
        if standard not in compounds:
            known = suggest(standard, compounds) or "; name one of its compounds"
            raise DataError(f"{row.where}, column 'ISTD_Feature_ID': '{standard}' is not a compound of {path.name}{known}")
        if not _flag(row, "Quantifier"):
            raise DataError(f"{row.where}: '{name}' is marked as no quantifier but is a compound of {path.name}; correct one")
        said[name] = row
    labelled = {name for name in compounds if _STANDARD.search(name)}
    labelled |= {row["ISTD_Feature_ID"] for name, row in said.items() if row["ISTD_Feature_ID"] != name}
    analytes = [name for name in compounds if name not in labelled]
    if not analytes:
        raise DataError(f"{path.name}: every compound is an internal standard; export the results of the analytes too")
    out = {}
    for name in analytes:
        found = [standard for standard in compounds if standard in labelled and standard.startswith(f"{name} ")]
        if name in said:
            found = [standard for standard in (said[name]["ISTD_Feature_ID"],) if standard != name]
        if len(found) != 1:
            what = "no internal standard" if not found else f"{len(found)} internal standards ({', '.join(found)})"
            raise DataError(f"{path.name}: '{name}' has {what}; name it in a table of features (Feature_ID, ISTD_Feature_ID)")
        out[name] = found[0]
    return out, {name: (said[name]["Analyte_Id"] if name in said else "") or name for name in analytes}


def _samples(rows: list[Row], analyses: str | Path | None) -> list[Sample]:
    """Samples in order; the level is the prepared sample that a vial holds."""
    said: dict[str, Row] = {}
    for row in read_csv(analyses, required=("Analysis_ID", "Sample_Type")) if analyses is not None else ():
        if row["Analysis_ID"] in said:
            raise DataError(f"{row.where}: '{row['Analysis_ID']}' is there twice; keep one row")
        said[row["Analysis_ID"]] = row
    samples, counts = [], {}
    for place, row in enumerate(rows, start=1):
        name = row[_NAME]
        if analyses is not None and name not in said:
            raise DataError(f"{row.where}: '{name}' stands not in {Path(analyses).name}{suggest(name, said) or '; add its row'}")
        if name in said and not _flag(said[name], "Valid_Analysis"):
            raise DataError(f"{said[name].where}: '{name}' is marked as not valid; take it out of the export to leave it out")
        where, word, level = row, row["Sample Type"] or "Sample", row["Sample Level"]
        if name in said:
            where, word, level = said[name], said[name]["Sample_Type"], said[name]["Sample_Id"]
        known = SYNONYMS.get(word.lower()) or _TYPES.get(word.lower())
        if known is None:
            what = "is not known; write one such as CAL, QC, SPL or SBLK"
            raise DataError(f"{where.where}: sample type '{word}' of '{name}' {what}")
        counts[level] = counts.get(level, 0) + 1
        samples.append(Sample(name, known, place, level=level, replicate=counts[level] if level else 0))
    return samples


def _nominal(samples: list[Sample], ids: dict[str, str], path: str | Path) -> tuple[tuple[Nominal, ...], str]:
    """Prepared concentrations of all injections, in one unit."""
    path = Path(path)
    rows = read_csv(path, required=("Sample_Id", "Analyte_Id", "Concentration", "Concentration_Unit"))
    units = {row["Concentration_Unit"]: row for row in rows}
    if "" in units:
        raise DataError(f"{units[''].where}, column 'Concentration_Unit': is empty; state the unit")
    if len(units) > 1 and not set(units) <= set(UNITS):
        raise DataError(f"{path.name}: units {', '.join(sorted(units))} cannot be brought together; state one for all")
    unit = next(iter(units)) if len(units) == 1 else "umol/L"
    prepared = [sample for sample in samples if sample.type != "Unknown" and sample.level]
    levels, out, seen = {sample.level for sample in prepared}, [], set()
    for row in rows:
        key, value = (row["Sample_Id"], row["Analyte_Id"]), row.number("Concentration")
        if key in seen:
            raise DataError(f"{row.where}: '{key[1]}' of '{key[0]}' is stated twice; keep one concentration")
        seen.add(key)
        for word, known, what in ((key[0], levels, "no prepared sample"), (key[1], ids.values(), "no analyte")):
            if word not in known:
                raise DataError(f"{row.where}: '{word}' is {what} of this run{suggest(word, known) or '; remove its row'}")
        if value < 0:
            raise DataError(f"{row.where}, column 'Concentration': {value:g} is negative")
        if not _flag(row, "Include_In_Analysis"):
            continue
        value *= UNITS[row["Concentration_Unit"]] if len(units) > 1 else 1.0
        names = [name for name, id_ in ids.items() if id_ == key[1]]
        vials = [sample.name for sample in prepared if sample.level == key[0]]
        out += [Nominal(vial, name, value, math.nan, unit) for vial in vials for name in names]
    return tuple(out), unit


def _expected(rows: list[Row], samples: list[Sample], standards: dict[str, str]) -> tuple[Nominal, ...]:
    """What the export itself expects of calibrators and QCs."""
    out = []
    for sample, row in zip(samples, rows, strict=True):
        for analyte in standards:
            value = row.number(f"{analyte} Method Exp. Conc.", math.nan)
            if sample.type in ("Standard", "QC") and value > 0:
                out.append(Nominal(sample.name, analyte, value, math.nan, UNSTATED))
    return tuple(out)

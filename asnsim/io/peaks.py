"""Areas in tables: our own long table, and the choice of a reader for a table of another program."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from asnsim.chromatogram import Nominal, Sample
from asnsim.errors import DataError
from asnsim.io.masshunter import first_rows, is_masshunter, read_masshunter
from asnsim.io.mzml import SAMPLE_TYPES, SYNONYMS, whole_number
from asnsim.io.skyline import check_writable, is_skyline, read_skyline_report
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.tables import Row, read_csv, read_tsv, write_table

__all__ = ["peaks_of", "read_areas", "read_peaks", "write_peaks"]

_OF_SAMPLE = ("sample_type", "inj_number", "dilution_factor", "level", "experiment", "matrix", "time_h", "replicate")
_OF_CELLS = ("cell_count", "cell_volume_pL", "protein_mg", "dna_ug", "recovery")
_HEADER = ("sample", *_OF_SAMPLE, *_OF_CELLS, *COLUMNS[1:], "nominal", "is_nominal", "unit")


def peaks_of(batch, result) -> PeakTable:
    """Return the areas of a quantified batch.

    Parameters
    ----------
    batch : Batch
        Gives samples and prepared concentrations; those of a vial without areas, which the result lists, are left out.
    result : Quantification
        Gives areas.
    """
    areas = result.table[list(COLUMNS)].reset_index(drop=True)
    found = set(zip(areas["sample"], areas["analyte"], strict=True))
    nominal = tuple(item for item in batch.nominal if (item.sample_name, item.analyte) in found)
    return PeakTable(batch.name, tuple(injection.sample for injection in batch.injections), areas, nominal)


def write_peaks(peaks: PeakTable, path: str | Path) -> Path:
    """Write a long table, one row per sample and analyte, which `read_peaks` reads back exactly.

    The batch takes the name of the file, and the names of mzML files are not part of the table.

    Parameters
    ----------
    peaks : PeakTable
    path : str or Path
        Ending in ``.csv`` or ``.tsv``.

    Raises
    ------
    DataError
        If something would be lost or changed: a sample without an area, say, or a name that starts with #.
    """
    check_writable(peaks)
    vials = {sample.name: sample for sample in peaks.samples}
    nominal = {(item.sample_name, item.analyte): item for item in peaks.nominal}
    rows = []
    for row in peaks.areas.itertuples(index=False):
        vial, stated = vials[row.sample], nominal.get((row.sample, row.analyte))
        of_vial = [vial.type, *(getattr(vial, name) for name in (*_OF_SAMPLE[1:], *_OF_CELLS))]
        prepared = [stated.actual_concentration, stated.IS_actual_concentration] if stated else [math.nan, math.nan]
        cells = [row.sample, *of_vial, row.analyte, row.area, row.is_area, row.rt_s, row.ion_ratio, *prepared, peaks.unit]
        rows.append(["" if cell != cell else repr(float(cell)) if isinstance(cell, float) else cell for cell in cells])
    return write_table(path, _HEADER, rows)


def read_peaks(path: str | Path) -> PeakTable:
    """Read a long table of areas; samples come in order of inj_number, or of their first rows.

    Needed are the columns sample, sample_type, analyte, area and is_area; the others as `write_peaks` names them may be there.

    Raises
    ------
    DataError
        If a column is missing, a cell cannot be read, a sample is described in two ways, or units differ.
    """
    path = Path(path)
    read = read_tsv if path.suffix == ".tsv" else read_csv
    rows = read(path, required=("sample", "sample_type", "analyte", "area", "is_area"))
    samples: dict[str, Sample] = {}
    areas, nominal = [], []
    if not rows:
        raise DataError(f"{path.name}: holds no area; its first row names the columns, the next ones hold areas")
    units = {row["unit"] or "umol/L" for row in rows}
    if len(units) > 1:
        raise DataError(f"{path.name}, column 'unit': holds {', '.join(sorted(units))}; one table has one unit")
    for row in rows:
        known = samples.get(row["sample"])
        sample = _sample(row, known.inj_number if known else len(samples) + 1)
        if repr(samples.setdefault(sample.name, sample)) != repr(sample):  # repr, because nan is not nan
            raise DataError(f"{row.where}: sample '{sample.name}' is described in two ways; give all its rows the same")
        numbers = [row.number(name, math.nan) for name in COLUMNS[2:]]
        areas.append((sample.name, row["analyte"], *numbers))
        stated = row.number("nominal", math.nan)
        if stated == stated:
            nominal.append(Nominal(sample.name, row["analyte"], stated, row.number("is_nominal", math.nan), *units))
    unit, order = next(iter(units)), tuple(sorted(samples.values(), key=lambda sample: sample.inj_number))
    return PeakTable(path.stem, order, pd.DataFrame(areas, columns=list(COLUMNS)), tuple(nominal), unit)


def _sample(row: Row, place: int) -> Sample:
    kind = SYNONYMS.get(row["sample_type"].lower())
    if not row["sample"] or not row["analyte"]:
        raise DataError(f"{row.where}: sample and analyte must not be empty")
    if kind is None:
        raise DataError(f"{row.where}, column 'sample_type': '{row['sample_type']}' is not one of {', '.join(SAMPLE_TYPES)}")
    place = whole_number(row, "inj_number") if row["inj_number"] else place
    whole = {"inj_number": place, "replicate": whole_number(row, "replicate")}
    ones = ("dilution_factor", "recovery")
    columns = ("dilution_factor", "time_h", *_OF_CELLS)
    numbers = {name: row.number(name, 1.0 if name in ones else math.nan) for name in columns}
    words = {name: row[name] for name in ("level", "experiment", "matrix")}
    return Sample(row["sample"], kind, **whole, **numbers, **words)


def read_areas(path: str | Path) -> PeakTable:
    """Read areas of whatever program: MassHunter's wide export, Skyline's report or a long table.

    Raises
    ------
    DataError
        If the file is none of them.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name")
    if is_masshunter(path):
        return read_masshunter(path)
    if is_skyline(path):
        return read_skyline_report(path)
    if "is_area" not in first_rows(path, 1, "\t" if path.suffix == ".tsv" else ",")[0]:
        raise DataError(
            f"{path.name}: is no table of areas this reader knows; it takes MassHunter's wide export, Skyline's molecule "
            "transition report, or a long table with columns sample, sample_type, analyte, area, is_area"
        )
    return read_peaks(path)

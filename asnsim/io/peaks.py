"""Areas in tables: our own long table, and the choice of a reader for a table of another program."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd

from asnsim.chromatogram import Nominal, Sample
from asnsim.errors import DataError
from asnsim.io.masshunter import is_masshunter, read_masshunter
from asnsim.io.mzml import SAMPLE_TYPES, SYNONYMS
from asnsim.io.skyline import is_skyline, read_skyline_report
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.tables import Row, read_csv, write_table

__all__ = ["peaks_of", "read_areas", "read_peaks", "write_peaks"]

_OF_SAMPLE = ("sample_type", "inj_number", "dilution_factor", "level", "experiment", "matrix", "time_h", "replicate")
_OF_CELLS = ("cell_count", "cell_volume_pL", "protein_mg", "dna_ug", "recovery")
_HEADER = ("sample", *_OF_SAMPLE, *_OF_CELLS, *COLUMNS[1:], "nominal", "is_nominal", "unit")


def peaks_of(batch, result) -> PeakTable:
    """Return the areas of a quantified batch.

    Parameters
    ----------
    batch : Batch
        Gives samples and prepared concentrations.
    result : Quantification
        Gives areas.
    """
    areas = result.table[list(COLUMNS)].reset_index(drop=True)
    return PeakTable(batch.name, tuple(injection.sample for injection in batch.injections), areas, batch.nominal)


def write_peaks(peaks: PeakTable, path: str | Path) -> Path:
    """Write a long table, one row per sample and analyte, which `read_peaks` reads back exactly.

    Parameters
    ----------
    peaks : PeakTable
    path : str or Path
        Ending in ``.csv`` or ``.tsv``.

    Raises
    ------
    DataError
        If a sample has no area: it would be lost.
    """
    vials = {sample.name: sample for sample in peaks.samples}
    lost = [name for name in vials if name not in set(peaks.areas["sample"])]
    if lost:
        raise DataError(f"sample '{lost[0]}' of '{peaks.name}' has no area and would be lost; leave it out or give its row")
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
    """Read a long table of areas.

    Needed are the columns sample, sample_type, analyte, area and is_area; the others as `write_peaks` names them may be there.

    Raises
    ------
    DataError
        If a column is missing, a cell cannot be read, a sample is described in two ways, or units differ.
    """
    path = Path(path)
    rows = read_csv(path, required=("sample", "sample_type", "analyte", "area", "is_area"))
    samples: dict[str, Sample] = {}
    areas, nominal = [], []
    units = {row["unit"] or "umol/L" for row in rows}
    if len(units) > 1:
        raise DataError(f"{path.name}, column 'unit': holds {', '.join(sorted(units))}; one table has one unit")
    for row in rows:
        sample = _sample(row, len(samples) + 1)
        known = samples.setdefault(sample.name, sample)
        if repr(replace(known, inj_number=0)) != repr(replace(sample, inj_number=0)):  # repr, because nan is not nan
            raise DataError(f"{row.where}: sample '{sample.name}' is described in two ways; give all its rows the same")
        numbers = [row.number(name, math.nan) for name in COLUMNS[2:]]
        areas.append((sample.name, row["analyte"], *numbers))
        stated = row.number("nominal", math.nan)
        if stated == stated:
            nominal.append(Nominal(sample.name, row["analyte"], stated, row.number("is_nominal", math.nan), *units))
    unit = next(iter(units), "umol/L")
    return PeakTable(path.stem, tuple(samples.values()), pd.DataFrame(areas, columns=list(COLUMNS)), tuple(nominal), unit)


def _sample(row: Row, place: int) -> Sample:
    kind = SYNONYMS.get(row["sample_type"].lower())
    if not row["sample"] or not row["analyte"]:
        raise DataError(f"{row.where}: sample and analyte must not be empty")
    if kind is None:
        raise DataError(f"{row.where}, column 'sample_type': '{row['sample_type']}' is not one of {', '.join(SAMPLE_TYPES)}")
    whole = {name: int(row.number(name, default)) for name, default in (("inj_number", place), ("replicate", 0))}
    ones = ("dilution_factor", "recovery")
    numbers = {name: row.number(name, 1.0 if name in ones else math.nan) for name in ("dilution_factor", "time_h", *_OF_CELLS)}
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
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as handle:
        header = next(csv.reader(handle, delimiter="\t" if path.suffix == ".tsv" else ","), [])
    if "is_area" not in header:
        raise DataError(
            f"{path.name}: is no table of areas this reader knows; it takes MassHunter's wide export, Skyline's molecule "
            "transition report, or a long table with columns sample, sample_type, analyte, area, is_area"
        )
    return read_peaks(path)

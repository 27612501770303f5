"""Peaks that another program has already integrated: areas by sample and analyte, with the paperwork of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from asnsim.chromatogram import Nominal, Sample
from asnsim.errors import DataError

__all__ = ["COLUMNS", "PeakTable"]

#: Columns of `PeakTable.areas`.
COLUMNS = ("sample", "analyte", "area", "is_area", "rt_s", "ion_ratio")


@dataclass(frozen=True, slots=True, eq=False)
class PeakTable:
    """Areas as another program integrated them.

    Parameters
    ----------
    name : str
        Batch name.
    samples : tuple of Sample
        In the order they were injected.
    areas : pandas.DataFrame
        Columns `COLUMNS`, one row per sample and analyte: quantifier and internal standard area, retention time in s, qualifier
        over quantifier; nan where not known. A peak that was not found has area 0 or nan; a negative area is taken as it is.
    nominal : tuple of Nominal
        Prepared concentrations of calibrators and QCs, all in `unit`.
    unit : str
        Of the prepared concentrations, hence of the results.
    """

    name: str
    samples: tuple[Sample, ...]
    areas: pd.DataFrame
    nominal: tuple[Nominal, ...] = ()
    unit: str = "umol/L"

    def __post_init__(self):
        lacking = [column for column in COLUMNS if column not in self.areas.columns]
        if lacking:
            raise DataError(f"peak table '{self.name}': column '{lacking[0]}' is missing; it needs {', '.join(COLUMNS)}")
        known = [sample.name for sample in self.samples]
        twice = sorted({name for name in known if known.count(name) > 1}) if len(set(known)) < len(known) else ()
        if twice:
            raise DataError(f"peak table '{self.name}': sample '{twice[0]}' is there twice; sample names must be unique")
        foreign = sorted(set(self.areas["sample"]) - set(known))
        if foreign:
            raise DataError(f"peak table '{self.name}': sample '{foreign[0]}' has areas but stands in no sequence")
        double = self.areas.duplicated(["sample", "analyte"])
        if double.any():
            row = self.areas[double].iloc[0]
            raise DataError(f"peak table '{self.name}': {row['analyte']} of sample '{row['sample']}' is there twice")

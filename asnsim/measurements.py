"""Measurements: the contract between the laboratory and the fit.

A tidy table, one row per measured value, with the covariance of the whole error: independent noise plus what samples share
(calibration line, stock, recovery, cell volume). Treating shared errors as independent makes every interval of a fitted
parameter too narrow.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from asnsim.errors import DataError, suggest
from asnsim.tables import read_csv, write_table

__all__ = ["COLUMNS", "Measurements"]

COLUMNS = ("experiment", "time", "observable", "value", "unit", "sd", "batch", "replicate", "censored")
_DEFAULTS = {"experiment": "", "unit": "", "batch": "", "replicate": 1, "censored": False}


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Measured values with their joint error.

    Parameters
    ----------
    table : pandas.DataFrame, n rows
        Columns `COLUMNS`: experiment, time (h), observable (a name of the model), value, unit, sd, batch, replicate, censored
        (the value is an upper limit).
    covariance : ndarray, shape (n, n)
        Of the errors of ``value``; positive definite, its diagonal is ``sd**2``.

    Raises
    ------
    DataError
        If a column is missing, a value is not finite, or the covariance is not a positive definite n x n matrix.
    """

    table: pd.DataFrame
    covariance: np.ndarray

    def __post_init__(self):
        missing = [name for name in COLUMNS if name not in self.table.columns]
        if missing:
            raise DataError(f"measurements need the column '{missing[0]}'; the columns are {', '.join(COLUMNS)}")
        table = self.table.loc[:, list(COLUMNS)].reset_index(drop=True)
        for name in ("value", "sd"):
            table[name] = table[name].astype(float)
            bad = np.flatnonzero(~np.isfinite(table[name].to_numpy()))
            if bad.size:
                raise DataError(f"measurements, row {bad[0] + 1}: {name} is not a finite number; drop the row")
        bad = np.flatnonzero(table["sd"].to_numpy() <= 0)
        if bad.size:
            raise DataError(f"measurements, row {bad[0] + 1}: sd is {table['sd'][bad[0]]:g}; an error must be positive")
        covariance = np.array(self.covariance, dtype=float)
        n = len(table)
        if covariance.shape != (n, n):
            raise DataError(f"the covariance of {n} measurements must be {n} x {n}, not {' x '.join(map(str, covariance.shape))}")
        if n:
            if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0.0):
                raise DataError("the covariance of the measurements is not symmetric")
            try:
                np.linalg.cholesky(covariance)
            except np.linalg.LinAlgError:
                raise DataError(
                    "the covariance of the measurements is not positive definite; every value needs an independent error > 0"
                ) from None
        covariance.setflags(write=False)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "covariance", covariance)

    def __len__(self) -> int:
        return len(self.table)

    def __str__(self) -> str:
        return self.table.to_string(index=False, float_format=lambda value: f"{value:.4g}")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, covariance: np.ndarray | None = None) -> Measurements:
        """Make measurements of a table; optional columns get defaults, errors are independent unless a covariance is given.

        Parameters
        ----------
        frame : pandas.DataFrame
            At least time, observable, value, sd.
        covariance : ndarray, shape (n, n), optional
            Default ``diag(sd**2)``.
        """
        for name in frame.columns:
            if name not in COLUMNS:
                raise DataError(
                    f"measurements have no column '{name}'{suggest(str(name), COLUMNS)} The columns are {', '.join(COLUMNS)}"
                )
        for name in ("time", "observable", "value", "sd"):
            if name not in frame.columns:
                raise DataError(f"measurements need the column '{name}'; the columns are {', '.join(COLUMNS)}")
        frame = frame.assign(**{name: value for name, value in _DEFAULTS.items() if name not in frame.columns})
        if covariance is None:
            covariance = np.diag(frame["sd"].to_numpy(dtype=float) ** 2)
        return cls(frame, covariance)

    @classmethod
    def concat(cls, parts: Sequence[Measurements]) -> Measurements:
        """Join measurements of different batches, whose errors are independent of each other."""
        sizes = np.cumsum([0] + [len(part) for part in parts])
        covariance = np.zeros((sizes[-1], sizes[-1]))
        for part, low, high in zip(parts, sizes[:-1], sizes[1:], strict=True):
            covariance[low:high, low:high] = part.covariance
        return cls(pd.concat([part.table for part in parts], ignore_index=True), covariance)

    def select(self, mask: Sequence[bool] | None = None, **equal: object) -> Measurements:
        """Return the rows that fit, with their block of the covariance.

        Parameters
        ----------
        mask : sequence of bool, shape (n,), optional
            Rows to keep.
        **equal
            Column = value, or a list of values: ``select(observable="asn_c", experiment=["a", "b"])``.

        Raises
        ------
        DataError
            If a column is unknown.
        """
        keep = np.ones(len(self), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
        for name, value in equal.items():
            if name not in COLUMNS:
                raise DataError(f"measurements have no column '{name}'{suggest(name, COLUMNS)}")
            keep = keep & self.table[name].isin(value if isinstance(value, list | tuple | set) else [value]).to_numpy()
        index = np.flatnonzero(keep)
        return Measurements(self.table.iloc[index], self.covariance[np.ix_(index, index)])

    def to_csv(self, path: str | Path) -> Path:
        """Write the table; a covariance that is not diagonal goes to ``<stem>.covariance.csv`` beside it."""
        path = Path(path)
        write_table(
            path,
            COLUMNS,
            [[_text(item) for item in row] for row in self.table.to_numpy(dtype=object)],
        )
        beside = _beside(path)
        if np.count_nonzero(self.covariance - np.diag(np.diag(self.covariance))):
            rows = [[repr(float(item)) for item in row] for row in self.covariance]
            write_table(beside, [f"r{index}" for index in range(1, len(self) + 1)], rows)
        elif beside.is_file():
            os.unlink(beside)
        return path

    @classmethod
    def from_csv(cls, path: str | Path) -> Measurements:
        """Read what `to_csv` wrote, or any table with at least time, observable, value, sd.

        Raises
        ------
        DataError
            If a column is missing or unknown, or a cell is not a number.
        """
        path = Path(path)
        rows = read_csv(path, required=("time", "observable", "value", "sd"), allowed=COLUMNS)
        text = {"true": True, "false": False, "": False, "1": True, "0": False}
        records = []
        for row in rows:
            censored = text.get(row["censored"].lower())
            if censored is None:
                raise DataError(f"{row.where}, column 'censored': '{row['censored']}' is not true or false")
            records.append(
                {
                    "experiment": row["experiment"],
                    "time": row.number("time", math.nan),  # a real sample may have none
                    "observable": row["observable"],
                    "value": row.number("value"),
                    "unit": row["unit"],
                    "sd": row.number("sd"),
                    "batch": row["batch"],
                    "replicate": int(row.number("replicate", 1)),
                    "censored": censored,
                }
            )
        covariance = None
        if _beside(path).is_file():
            covariance = np.array(
                [[row.number(f"r{index}") for index in range(1, len(records) + 1)] for row in read_csv(_beside(path))]
            )
        return cls.from_frame(pd.DataFrame.from_records(records, columns=list(COLUMNS)), covariance)


def _text(item: object) -> object:
    if isinstance(item, float):
        return "" if math.isnan(item) else repr(float(item))
    return item


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.covariance.csv")

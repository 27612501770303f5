"""Quantification: the results of a batch with their joint error, the calibration lines and what the rules said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from asnsim.errors import DataError
from asnsim.measurements import COLUMNS, Measurements
from asnsim.quantify.calibration import Line
from asnsim.quantify.normalise import SUFFIX
from asnsim.quantify.rules import Check
from asnsim.tables import write_table

__all__ = ["Quantification", "SharedTerm"]


@dataclass(frozen=True, slots=True, eq=False)
class SharedTerm:
    """An error that several results share.

    Parameters
    ----------
    name : str
        Cause, e.g. ``cell_volume``.
    group : ndarray of int, shape (n,)
        Rows with the same number share one draw; -1 has no part in it.
    loading : ndarray, shape (n,)
        Error of each row per standard deviation of that draw.
    """

    name: str
    group: np.ndarray
    loading: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Quantification:
    """Results of a batch.

    Parameters
    ----------
    batch : str
        Batch name.
    table : pandas.DataFrame
        One row per sample and analyte: sample, sample_type, inj_number, dilution_factor, experiment, time_h, matrix, replicate,
        level, analyte, nominal, area, area_sd, is_area, ratio, ratio_sd, ion_ratio, ion_ratio_sd, rt_s, found, saturated,
        concentration (on the calibrators' scale), value, unit, sd, lower, upper, lloq (in the unit of value), flags.
    calibration : mapping of str to Line
        Per analyte.
    checks : tuple of Check
        Judged rules.
    notes : tuple of str
        What else a reader must know.
    independent : ndarray, shape (n,)
        Variance of each row that it shares with no other.
    shared : tuple of SharedTerm
        What rows share.
    failures : tuple of (str, str)
        Vials that could not be read, or an analyte in them, with the reason.
    """

    batch: str
    table: pd.DataFrame
    calibration: Mapping[str, Line]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    independent: np.ndarray
    shared: tuple[SharedTerm, ...]
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def report(self) -> list[str]:
        """One sentence per judged rule and note; what failed comes first.

        ``FAIL`` rejects the run; ``flag`` is carry-over above its limit, whose victims carry a flag of their own.
        """
        verdict = [
            ("pass" if check.passed else "flag" if _flags_only(check) else "FAIL", check.sentence) for check in self.checks
        ]
        ordered = sorted(verdict, key=lambda item: ("FAIL", "flag", "pass").index(item[0]))
        lost = [f"FAIL: injection '{name}': {reason}" for name, reason in self.failures]
        return lost + [f"{word}: {sentence}" for word, sentence in ordered] + list(self.notes)

    @property
    def passed(self) -> bool:
        """Whether calibrators and QCs of every analyte are accepted.

        Carry-over flags samples instead of failing the run; an injection that could not be used is reported and does not fail it.
        """
        return all(check.passed for check in self.checks if not _flags_only(check))

    def __str__(self) -> str:
        unknown = self.table[self.table["sample_type"] == "Unknown"]
        rows = [
            f"{row.sample:<32} {row.analyte:<5} {row.value:10.4g} {row.unit:<8} sd {row.sd:.2g}  "
            f"[{row.lower:.4g}, {row.upper:.4g}]  {row.flags}"
            for row in unknown.itertuples()
        ]
        return "\n".join(rows + self.report)

    def to_csv(self, path: str | Path) -> Path:
        """Write the whole table, one row per sample and analyte."""
        rows = [
            ["" if cell != cell else repr(cell) if isinstance(cell, float) else cell for cell in row]
            for row in self.table.to_numpy(object)
        ]
        return write_table(path, list(self.table.columns), rows)

    def covariance(self, rows: np.ndarray) -> np.ndarray:
        """Return the covariance of the values of some rows: independent plus shared errors.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Positions in `table`.

        Returns
        -------
        ndarray, shape (m, m)
        """
        rows = np.asarray(rows, dtype=int)
        out = np.diag(self.independent[rows])
        for term in self.shared:
            group, loading = term.group[rows], term.loading[rows]
            for number in np.unique(group[group >= 0]):
                member = np.flatnonzero(group == number)
                out[np.ix_(member, member)] += np.outer(loading[member], loading[member])
        return out

    def measurements(self, experiment: str | None = None, censor: bool = False) -> Measurements:
        """Return the unknowns as measurements for a fit.

        Observables are named like the model's pools: ``asn_c`` in cells, ``asn_e`` in medium, ``asn_p`` in plasma; without a
        matrix the analyte's own name.

        Parameters
        ----------
        experiment : str, optional
            Only this experiment.
        censor : bool
            Give results below the LLOQ as censored: their value is the LLOQ, their sd their own; by default they stay plain
            numbers with their own error.

        Raises
        ------
        DataError
            If nothing is left.
        """
        table = self.table
        keep = (table["sample_type"] == "Unknown") & np.isfinite(table["value"]) & np.isfinite(table["sd"])
        if experiment is not None:
            keep &= table["experiment"] == experiment
        rows = np.flatnonzero(keep.to_numpy())
        if not rows.size:
            known = ", ".join(sorted(set(table["experiment"])) or ["none"])
            raise DataError(
                f"batch '{self.batch}' has no result of an unknown in experiment '{experiment}'; its experiments are: {known}"
            )
        chosen, covariance = table.iloc[rows], self.covariance(rows)
        names = [
            f"{analyte}_{SUFFIX[matrix]}" if matrix else analyte
            for analyte, matrix in zip(chosen["analyte"], chosen["matrix"], strict=True)
        ]
        below = censor & chosen["flags"].str.contains("below LLOQ").to_numpy() & np.isfinite(chosen["lloq"].to_numpy())
        frame = pd.DataFrame(
            {
                "experiment": chosen["experiment"].to_numpy(),
                "time": chosen["time_h"].to_numpy(),
                "observable": names,
                "value": np.where(below, chosen["lloq"], chosen["value"]),
                "unit": chosen["unit"].to_numpy(),
                "sd": np.sqrt(np.diag(covariance)),
                "batch": self.batch,
                "replicate": chosen["replicate"].to_numpy(),
                "censored": below,
            },
            columns=list(COLUMNS),
        )
        return Measurements(frame, covariance)


def _flags_only(check: Check) -> bool:
    return check.rule.startswith("carry-over")

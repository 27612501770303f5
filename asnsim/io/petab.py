"""Measurements for PEtab, versions 1 and 2: what a batch's results share goes along as nuisance parameters.

PEtab has no covariance of measurements. An error that results share is therefore written as a parameter of its own, standard
normal a priori, that enters each observable with the loading of that result: with all of them integrated out, the covariance is
that of the `Quantification`. Only what a result has for itself stands in ``noiseParameters``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from asnsim.errors import DataError
from asnsim.quantify.result import Quantification
from asnsim.tables import write_table

__all__ = ["measurement_tables", "write_petab"]

_ID = re.compile(r"[A-Za-z_]\w*\Z")


def measurement_tables(result: Quantification, version: int = 1, experiment: str | None = None) -> dict[str, pd.DataFrame]:
    """Return the tables that a batch contributes to a PEtab problem.

    Parameters
    ----------
    result : Quantification
        Of a batch; its unknowns are written, times in h, values in their own unit.
    version : {1, 2}
        Of PEtab.
    experiment : str, optional
        Only this experiment.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``measurements``, ``observables``, ``parameters``, and ``conditions`` (version 1) or ``experiments`` (version 2).
        ``observed_asn_c`` is the model's ``asn_c`` plus, for each shared error, its loading (a placeholder) times its parameter.

    Raises
    ------
    DataError
        If the version is another, there is no result, or a name cannot be an identifier of PEtab.

    Notes
    -----
    The error that the analytes of one vial share (cell count, lysis, dilution) counts as each result's own, as a parameter per
    vial would be one for every few numbers.
    """
    if version not in (1, 2):
        raise DataError(f"PEtab version {version} is not known; there are 1 and 2")
    data = result.measurements(experiment)
    places = _places(result, experiment)
    for name in (*data.table["observable"].unique(), *data.table["experiment"].unique()):
        if not _ID.match(name):
            raise DataError(f"'{name}' cannot be an identifier of PEtab; use letters, digits and _")
    batch = re.sub(r"\W", "_", result.batch)
    own, factors = result.independent[places].copy(), []
    for k, term in enumerate(result.shared):
        if term.name == "sample":
            own = own + term.loading[places] ** 2
            continue
        for number in np.unique(term.group[places][term.group[places] >= 0]):
            loading = np.where(term.group[places] == number, term.loading[places], 0.0)
            if np.any(loading):
                factors.append((f"z_{batch}_{term.name}_{k}_{number}", loading))
    observables, rows = [], []
    for pool in data.table["observable"].unique():
        mask, name = (data.table["observable"] == pool).to_numpy(), f"observed_{pool}"
        mine = [(parameter, loading) for parameter, loading in factors if np.any(loading[mask])]
        holders = [f"observableParameter{k}_{name}" for k in range(1, len(mine) + 1)]
        formula = " + ".join([pool, *(f"{holder} * {z}" for holder, (z, _) in zip(holders, mine, strict=True))])
        observables.append((name, formula, f"noiseParameter1_{name}", "normal", ";".join(holders), f"noiseParameter1_{name}"))
        for place in np.flatnonzero(mask):
            row = data.table.iloc[place]
            loadings = ";".join(repr(float(loading[place])) for _, loading in mine)
            rows.append((name, row["experiment"], float(row["value"]), float(row["time"]), loadings, float(np.sqrt(own[place]))))
    home = "simulationConditionId" if version == 1 else "experimentId"
    columns = ["observableId", home, "measurement", "time", "observableParameters", "noiseParameters"]
    placeholders = ["observablePlaceholders", "noisePlaceholders"]
    defined = ["observableId", "observableFormula", "noiseFormula", "noiseDistribution", *placeholders]
    tables = {
        "measurements": pd.DataFrame(rows, columns=columns),
        "observables": pd.DataFrame(observables, columns=defined).drop(columns=placeholders if version == 1 else []),
        "parameters": _parameters([name for name, _ in factors], version),
    }
    ids = sorted(set(data.table["experiment"]))
    if version == 1:
        return tables | {"conditions": pd.DataFrame({"conditionId": ids})}
    return tables | {"experiments": pd.DataFrame({"experimentId": ids, "time": 0.0, "conditionId": ""})}


def _places(result: Quantification, experiment: str | None) -> np.ndarray:
    """Rows of the result's table that `Quantification.measurements` takes, in its order."""
    table = result.table
    keep = (table["sample_type"] == "Unknown") & np.isfinite(table["value"]) & np.isfinite(table["sd"])
    if experiment is not None:
        keep &= table["experiment"] == experiment
    return np.flatnonzero(keep.to_numpy())


def _parameters(names: list[str], version: int) -> pd.DataFrame:
    """Nuisance parameters, standard normal a priori."""
    rows = [(name, "lin", -10.0, 10.0, 0.0, 1) for name in names]
    table = pd.DataFrame(rows, columns=["parameterId", "parameterScale", "lowerBound", "upperBound", "nominalValue", "estimate"])
    if version == 1:
        return table.assign(objectivePriorType="normal", objectivePriorParameters="0;1")
    return table.drop(columns="parameterScale").assign(estimate="true", priorDistribution="normal", priorParameters="0;1")


def write_petab(result: Quantification, folder: str | Path, version: int = 1, experiment: str | None = None) -> list[Path]:
    """Write the tables of `measurement_tables` as TSV files: ``measurements.tsv``, ``observables.tsv`` and so on.

    Parameters
    ----------
    result, version, experiment
        As of `measurement_tables`.
    folder : str or Path
        Made if absent; files of these names are replaced.

    Returns
    -------
    list of Path
    """
    folder = Path(folder)
    tables = measurement_tables(result, version, experiment)
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name, table in tables.items():
        cells = table.astype(object).to_numpy().tolist()
        rows = [[repr(cell) if isinstance(cell, float) else cell for cell in row] for row in cells]
        out.append(write_table(folder / f"{name}.tsv", list(table.columns), rows))
    return out

"""Published experiments on cells, as protocols the model can run and problems the fit can take.

A protocol says what was done: medium, seeding, preculture, changes of medium. Cells always come from a preculture and
condition their medium, because pools differ 2-10 fold with their history. Where the publication leaves a setting open, the
protocol's docstring says what is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from asnsim.culture import preculture, seeded
from asnsim.errors import DataError, DoseError, suggest
from asnsim.fit import Experiment, FitProblem, Observable
from asnsim.library import load_model
from asnsim.measurements import Measurements
from asnsim.network import Network
from asnsim.simulation import simulate
from asnsim.tables import models_folder, read_tsv

#: ``load(recipe, *overlays)`` -> Network; `load_model`, or one that puts other numbers under test.
Loader = Callable[..., Network]

__all__ = ["PROTOCOLS", "dmem", "knock_out", "label", "observations", "published_problem", "relative_error", "settled_patient"]

_LOG = (
    "asn_c",
    "asp_c",
    "gln_c",
    "glu_c",
    "ser_c",
    "arg_c",
    "his_c",
    "leu_c",
    "asn_label",
    "asn_translation",
    "growth_rate",
    "eif2p",
    "mtorc1",
    "asns_copies",
)


def _observables() -> dict[str, Observable]:
    return {name: Observable(name, "log") for name in _LOG}


def dmem(asn: float = 0.0, load: Loader = load_model) -> Experiment:
    """143B in DMEM with some Asn, two days from 4e4 cells/mL (assumed seeding), precultured in the same medium."""
    model = seeded(load("cell", "dmem", "solid_143b").with_parameters(asn_e=asn), 4e4)
    return Experiment("dmem_asn" if asn else "dmem", model, preculture(model), _observables())


def label(load: Loader = load_model) -> Experiment:
    """143B from DMEM into fresh DMEM with 1 mM 13C4-Asn at 1e5 cells/mL (concentration and density assumed)."""
    model = seeded(load("tracer", "dmem", "solid_143b").with_parameters(asn_e_u13c=1000.0), 1e5)
    return Experiment("label", model, preculture(model, medium={"asn_e_u13c": 0.0}), _observables())


def knock_out(withdraw: bool, load: Loader = load_model) -> Experiment:
    """143B GOT1/2 double knock-out fed 20 mM Asp, 1e5 cells/mL for a day, then fresh medium without or with Asp."""
    model = seeded(load("cell", "dmem", "solid_143b", "got_dko").with_parameters(asp_e=20000.0), 1e5)
    outside = {name: model.value(name) for name in model.states if name.endswith("_e") and name != "asnase_e"}
    fresh = outside | ({"asp_e": 0.0} if withdraw else {})
    folds = {
        name: Observable(quantity, "log", relative_to=24.0) for name, quantity in (("asp_fold", "asp_c"), ("asn_fold", "asn_c"))
    }
    return Experiment("withdrawal" if withdraw else "fresh", model, preculture(model).change(24.0, fresh), _observables() | folds)


def settled_patient(model: Network) -> Network:
    """Return a `dosing` model whose cells have lived ten days in the unperturbed marrow and fill a twentieth of their niche.

    Raises
    ------
    DoseError
        If body surface or weight is not positive.
    """
    for name in ("bsa", "weight"):
        if not model.value(name) > 0:
            raise DoseError(f"{name} must be positive, not {model.value(name):g}")
    seeding = {"cytosol": 0.05 * model.value("cells_max") * model.value("cell_volume")}
    run = simulate(model.with_parameters(seeding), until="10 d", times=[0.0, 240.0])
    return model.with_parameters(run.end_state() | seeding)


PROTOCOLS: dict[str, Callable[[], Experiment]] = {
    "dmem": dmem,
    "dmem_asn": lambda: dmem(1000.0),
    "label": label,
    "withdrawal": lambda: knock_out(True),
    "fresh": lambda: knock_out(False),
}


def observations(rows: Iterable[str] | None = None) -> tuple[pd.DataFrame, Measurements]:
    """Read ``models/culture_data.tsv``, the rows whose protocol stands here.

    Parameters
    ----------
    rows : iterable of str, optional
        Names in the column `row` to keep; all by default.

    Returns
    -------
    frame : DataFrame
        The table as it stands, numbers converted.
    data : Measurements
        Ready for a fit, one experiment per protocol; sd is ``value * sd_log``.

    Raises
    ------
    DataError
        If a row is asked for that the table lacks.
    """
    table = read_tsv(
        models_folder() / "culture_data.tsv",
        ("row", "protocol", "time", "observable", "value", "unit", "sd_log", "kind", "source"),
    )
    known = dict.fromkeys(row["row"] for row in table)
    for name in rows or ():
        if name not in known:
            raise DataError(f"'{name}' is not a row of culture_data.tsv{suggest(name, known)}")
    kept = [row for row in table if row["protocol"] in PROTOCOLS and (rows is None or row["row"] in set(rows))]
    frame = pd.DataFrame(
        {
            **{name: [row[name] for row in kept] for name in ("row", "protocol", "observable", "unit", "kind", "source")},
            **{name: [row.number(name) for row in kept] for name in ("time", "value", "sd_log")},
        }
    )
    data = pd.DataFrame(
        {
            "experiment": frame["protocol"],
            "time": frame["time"],
            "observable": frame["observable"],
            "value": frame["value"],
            "unit": frame["unit"],
            "sd": frame["value"] * frame["sd_log"],
        }
    )
    return frame, Measurements.from_frame(data)


def published_problem(
    free: Sequence[str], rows: Iterable[str] | None = None, prior: float | None = 0.5, values: dict[str, float] | None = None
) -> FitProblem:
    """Return the fit of the cell model to published 143B numbers.

    Parameters
    ----------
    free : sequence of str
        Parameters to estimate.
    rows : iterable of str, optional
        Rows of the observation table; all by default.
    prior : float, optional
        Log-scale sd of a prior around the shipped value of every free parameter; None for none.
    values : dict of str to float, optional
        Numbers to start from where they differ from the shipped ones.
    """
    _, data = observations(rows)
    experiments = [PROTOCOLS[name]() for name in dict.fromkeys(data.table["experiment"])]
    if values:
        experiments = [
            Experiment(e.name, e.model.with_parameters(values), e.regimen, e.observables, e.fixed) for e in experiments
        ]
    priors = {name: prior for name in free} if prior else None
    return FitProblem(experiments, data, list(free), priors=priors)


def relative_error(result) -> np.ndarray:
    """Return ln(predicted/observed) of every datum of a `FitResult`, shape (n,)."""
    return np.log(result.residuals["predicted"].to_numpy() / result.residuals["value"].to_numpy())

"""Cells before the experiment: a preculture in a clamped medium, because pools differ 2-10 fold with their history."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from asnsim.dosing import Regimen
from asnsim.errors import ModelError, suggest
from asnsim.labelling import LABELS
from asnsim.network import Network
from asnsim.simulation import simulate
from asnsim.units import parse_time

__all__ = ["precondition", "preculture", "seeded"]

#: L; cells that double in 20 h for 50 days still do not change it.
_OCEAN = 1e12


def seeded(model: Network, cells_per_ml: float, medium_ml: float = 2.0) -> Network:
    """Return the model with cells at a density in a volume of medium."""
    litres = medium_ml * 1e-3
    return model.with_parameters(medium=litres, cytosol=cells_per_ml * medium_ml * model.value("cell_volume"))


def preculture(model: Network, hours: float | str = 400.0, medium: Mapping[str, float] | None = None) -> Regimen:
    """Return the changes that let cells live in a clamped medium before time 0 and then meet the model's own.

    Before 0 the medium is so large that cells cannot change it; at 0 volume, medium and seeding become the model's.
    Starting from fed cells matters: pools differ 2-10 fold with their history.

    Parameters
    ----------
    model : Network
        A model with a compartment `medium` and a state `cytosol`.
    hours : float or str
        How long.
    medium : mapping of str to float, optional
        Concentrations outside during the preculture where they differ from the model's initial values, umol/L.

    Raises
    ------
    ModelError
        If the model has no medium or cytosol, or `medium` names something else.
    """
    for name in ("medium", "cytosol"):
        model.check_name(name)
    outside = [name for name in model.states if name in model.species and model.species[name].compartment == "medium"]
    for name in medium or {}:
        if name not in outside:
            raise ModelError(f"'{name}' is not dissolved in the medium of model '{model.name}'{suggest(name, outside)}")
    length = parse_time(hours)
    if not 0 < length < np.inf:
        raise ModelError(f"a preculture of {hours} is not possible; give a positive time, such as '400 h'")
    fresh = {name: model.value(name) for name in (*outside, "cytosol", "medium")}
    # no drug (a species without atoms) and no waste before time 0: cells arrive fed
    absent = {name for name in outside if not (model.species[name].carbon or model.species[name].nitrogen)}
    absent |= {name for name in outside if name == "nh3_e" or name.startswith("protein_e")}
    absent |= {name for name in outside if any(name.endswith(f"_{suffix}") for suffix in LABELS)}  # the tracer comes at 0
    clamped = {name: 0.0 if name in absent else value for name, value in fresh.items()}
    clamped |= {"medium": _OCEAN, **(medium or {})}
    return Regimen().change(-length, clamped).change(0.0, fresh)


def precondition(model: Network, hours: float | str = 400.0, medium: Mapping[str, float] | None = None) -> Network:
    """Return the model with the initial state that cells reach in a clamped medium; see `preculture`."""
    length = parse_time(hours)
    run = simulate(model, preculture(model, length, medium), until=0.0, times=[-length, 0.0])
    return model.with_parameters(run.end_state())

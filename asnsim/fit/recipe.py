"""Fitting problems as TOML files."""

from __future__ import annotations

from pathlib import Path

from asnsim.dosing import Regimen, parse_dose
from asnsim.errors import DataError, FitError, suggest
from asnsim.fit.problem import Experiment, FitProblem, Observable
from asnsim.library import load_model
from asnsim.measurements import Measurements
from asnsim.network import Network
from asnsim.simulation import preculture
from asnsim.tables import read_toml
from asnsim.units import parse_quantity

__all__ = ["read_problem", "with_texts"]

_KEYS = ("title", "data", "free", "bounds", "priors", "experiment")
_EXPERIMENT_KEYS = ("name", "recipe", "overlays", "without", "set", "doses", "changes", "preculture", "observables", "fixed")


def with_texts(model: Network, values: dict[str, str | float]) -> Network:
    """Return the model with numbers given as text with units, checked against the model's own.

    Raises
    ------
    ModelError, UnitError
        If a name is unknown or a unit does not fit.
    """
    return model.with_parameters(
        {name: parse_quantity(value, model.parameters[model.check_name(name)].dimension, name) for name, value in values.items()}
    )


def read_problem(path: str | Path) -> FitProblem:
    """Read a fitting problem.

    The file names the data (a CSV of `Measurements`, relative to the file), the free parameters and one
    ``[[experiment]]`` each with recipe, overlays, numbers to set, doses, and a preculture where wanted.

    Raises
    ------
    DataError, FitError, ModelError, UnitError, DoseError
        One sentence that says what, where and what to do.
    """
    path = Path(path)
    content = read_toml(path)
    _check_keys(path, content, _KEYS)
    for key in ("data", "free", "experiment"):
        if key not in content:
            raise DataError(f"{path.name}: '{key}' is missing; a problem needs data, free and at least one [[experiment]]")
    experiments = [_experiment(path, entry) for entry in content["experiment"]]
    data = Measurements.from_csv(path.parent / content["data"])
    bounds = {name: tuple(pair) for name, pair in content.get("bounds", {}).items()}
    for name, pair in bounds.items():
        if len(pair) != 2:
            raise FitError(f"{path.name}: the bounds of '{name}' must be two numbers")
    return FitProblem(experiments, data, content["free"], bounds, content.get("priors"))


def _experiment(path: Path, entry: dict) -> Experiment:
    _check_keys(path, entry, _EXPERIMENT_KEYS)
    for key in ("name", "recipe"):
        if key not in entry:
            raise DataError(f"{path.name}: an [[experiment]] lacks '{key}'")
    model = load_model(entry["recipe"], *entry.get("overlays", ()), without=entry.get("without", ()))
    model = with_texts(model, entry.get("set", {}))
    regimen = Regimen(tuple(parse_dose(text) for text in entry.get("doses", ())))
    if "preculture" in entry:
        regimen = preculture(model, entry["preculture"]) + regimen
    for change in entry.get("changes", ()):
        values = {k: parse_quantity(v, model.parameters[model.check_name(k)].dimension, k) for k, v in change["set"].items()}
        regimen = regimen.change(change["time"], values)
    observables = {name: Observable(**fields) for name, fields in entry.get("observables", {}).items()}
    return Experiment(entry["name"], model, regimen, observables, tuple(entry.get("fixed", ())))


def _check_keys(path: Path, entry: dict, known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            raise DataError(f"{path.name}: unknown key '{key}'{suggest(key, known)}")

"""Fitting problems as TOML files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asnsim.culture import preculture
from asnsim.dosing import Regimen, parse_dose
from asnsim.errors import DataError, suggest
from asnsim.fit.problem import Experiment, FitProblem, Observable
from asnsim.library import load_model
from asnsim.measurements import Measurements
from asnsim.network import Network
from asnsim.tables import read_toml
from asnsim.units import parse_quantity, parse_time

__all__ = ["read_problem", "with_texts"]

_KEYS = ("title", "data", "free", "bounds", "priors", "experiment")
_EXPERIMENT_KEYS = ("name", "recipe", "overlays", "without", "set", "doses", "changes", "preculture", "observables", "fixed")


_KINDS = {
    "name": "a text",
    "recipe": "a text",
    "overlays": "a list of texts",
    "without": "a list of texts",
    "set": "a table of numbers or texts",
    "doses": "a list of texts",
    "changes": "a list of tables",
    "preculture": "a text",
    "observables": "a table",
    "fixed": "a list of texts",
}


def _expect(path: Path, where: str, value: object, kind: str) -> object:
    """Return the value if it has the kind, or say in one sentence what is wanted."""
    number = lambda v: isinstance(v, (int, float)) and not isinstance(v, bool)  # noqa: E731
    tests: dict[str, Callable[[object], bool]] = {
        "a text": lambda v: isinstance(v, str),
        "a number": number,
        "a list of texts": lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
        "a list of tables": lambda v: isinstance(v, list) and all(isinstance(item, dict) for item in v),
        "a table": lambda v: isinstance(v, dict),
        "a table of numbers": lambda v: isinstance(v, dict) and all(map(number, v.values())),
        "a table of pairs of numbers": lambda v: (
            isinstance(v, dict) and all(isinstance(p, list) and len(p) == 2 and all(map(number, p)) for p in v.values())
        ),
        "a table of numbers or texts": lambda v: isinstance(v, dict) and all(number(x) or isinstance(x, str) for x in v.values()),
    }
    if not tests[kind](value):
        raise DataError(f"{path.name}: '{where}' must be {kind}, not {value!r}")
    return value


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
    experiments = [_experiment(path, entry) for entry in _expect(path, "experiment", content["experiment"], "a list of tables")]
    data = Measurements.from_csv(path.parent / _expect(path, "data", content["data"], "a text"))
    free = _expect(path, "free", content["free"], "a list of texts")
    pairs = _expect(path, "bounds", content.get("bounds", {}), "a table of pairs of numbers")
    priors = _expect(path, "priors", content.get("priors", {}), "a table of numbers")
    return FitProblem(experiments, data, free, {name: tuple(pair) for name, pair in pairs.items()}, priors)


def _experiment(path: Path, entry: dict) -> Experiment:
    _check_keys(path, entry, _EXPERIMENT_KEYS)
    for key in ("name", "recipe"):
        if key not in entry:
            raise DataError(f"{path.name}: an [[experiment]] lacks '{key}'")
    for key, kind in _KINDS.items():
        if key in entry:
            _expect(path, key, entry[key], kind)
    model = load_model(entry["recipe"], *entry.get("overlays", ()), without=entry.get("without", ()))
    model = with_texts(model, entry.get("set", {}))
    regimen = Regimen(tuple(parse_dose(text) for text in entry.get("doses", ())))
    if "preculture" in entry:
        regimen = preculture(model, entry["preculture"]) + regimen
    for change in entry.get("changes", ()):
        _check_keys(path, change, ("time", "set"))
        if set(change) != {"time", "set"}:
            raise DataError(f"{path.name}: a change needs 'time' and 'set', such as {{ time = '24 h', set = {{ asp_e = 0 }} }}")
        values = _expect(path, "set", change["set"], "a table of numbers or texts")
        regimen = regimen.change(
            change["time"],
            {k: parse_quantity(v, model.parameters[model.check_name(k)].dimension, k) for k, v in values.items()},
        )
    return Experiment(entry["name"], model, regimen, _observables(path, entry), tuple(entry.get("fixed", ())))


def _observables(path: Path, entry: dict) -> dict[str, Observable]:
    found = {}
    for name, fields in entry.get("observables", {}).items():
        _expect(path, f"observables.{name}", fields, "a table")
        _check_keys(path, fields, ("quantity", "scale", "relative_to"))
        time = fields.get("relative_to")
        found[name] = Observable(
            _expect(path, f"observables.{name}.quantity", fields.get("quantity", name), "a text"),
            _expect(path, f"observables.{name}.scale", fields.get("scale", "linear"), "a text"),
            None if time is None else parse_time(time, "relative_to"),
        )
    return found


def _check_keys(path: Path, entry: dict, known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            raise DataError(f"{path.name}: unknown key '{key}'{suggest(key, known)}")

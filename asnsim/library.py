"""Recipes and overlays: from names on disk to a composed network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from asnsim.biology import MODULES
from asnsim.biology.protein import residues_per_asparagine
from asnsim.composition import compose
from asnsim.errors import DataError, ModelError, UnitError, suggest
from asnsim.network import Network, Parameter, Species
from asnsim.tables import Row, find_model_file, models_folder, read_toml, read_tsv
from asnsim.units import dimension_text, unit

__all__ = ["Recipe", "list_overlays", "list_recipes", "load_model", "load_species", "read_parameters", "read_recipe"]

STATUSES = ("measured", "derived", "fitted", "assumed")
_COLUMNS = ("name", "value", "unit", "lower", "upper", "spread", "source", "status", "note")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a recipe file says.

    Parameters
    ----------
    name, title : str
        File stem and one line in words.
    modules, tables : tuple of str
        Names in `asnsim.biology.MODULES` and under ``models/parameters/``.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    tables: tuple[str, ...]


def list_recipes() -> list[str]:
    """Return the names of the recipes that come with asnsim."""
    return sorted(path.stem for path in models_folder().glob("*.toml"))


def list_overlays() -> list[str]:
    """Return the names of the parameter tables that come with asnsim."""
    return sorted(path.stem for path in (models_folder() / "parameters").glob("*.tsv"))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by short name or path.

    Raises
    ------
    DataError
        If there is no such recipe or a key is missing or of the wrong kind.
    ModelError
        If it names a module that does not exist.
    """
    path = find_model_file("", name, ".toml")
    content = read_toml(path)
    for key in content:
        if key not in ("title", "modules", "tables"):
            raise DataError(f"{path.name}: unknown key '{key}'{suggest(key, ('title', 'modules', 'tables'))}")
    lists = {}
    for key in ("modules", "tables"):
        value = content.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise DataError(f"{path.name}: '{key}' must be a list of names, such as {key} = [\"...\"]")
        lists[key] = tuple(value)
    for module in lists["modules"]:
        if module not in MODULES:
            raise ModelError(f"{path.name}: '{module}' is not a module{suggest(module, MODULES)}")
    # a table given as a file stands beside its recipe
    lists["tables"] = tuple(
        str(path.parent / table) if table.endswith(".tsv") and not Path(table).is_absolute() else table
        for table in lists["tables"]
    )
    return Recipe(path.stem, str(content.get("title", "")), lists["modules"], lists["tables"])


@lru_cache(maxsize=1)
def load_species() -> dict[str, Species]:
    """Return the species table, with the atoms of protein computed from its composition."""
    columns = ("species", "name", "compartment", "carbon", "nitrogen")
    rows = read_tsv(models_folder() / "species.tsv", required=columns, allowed=columns)
    plain = {row["species"]: row for row in rows}
    totals = {}
    for element in ("carbon", "nitrogen"):
        totals[element] = plain["asn_c"].number(element) + sum(
            number * plain[f"{aa}_c"].number(element) for aa, number in residues_per_asparagine().items()
        )
    return {
        name: Species(
            name,
            row["name"],
            row["compartment"],
            *(totals[element] if row[element] == "residues" else row.number(element) for element in ("carbon", "nitrogen")),
        )
        for name, row in plain.items()
    }


def read_parameters(name: str) -> dict[str, tuple[Row, Parameter]]:
    """Read a parameter table by short name or path, converted to canonical units.

    Raises
    ------
    DataError
        If a row is malformed, a name occurs twice, or a source or status is missing.
    UnitError
        If a unit cannot be parsed.
    """
    path = find_model_file("parameters", name, ".tsv")
    table: dict[str, tuple[Row, Parameter]] = {}
    for row in read_tsv(path, required=("name", "value", "unit", "source", "status"), allowed=_COLUMNS):
        key = row["name"]
        if not re.fullmatch(r"[A-Za-z_]\w*", key):
            raise DataError(f"{row.where}: '{key}' cannot be a name; use letters, digits and underscores")
        if key in table:
            raise DataError(f"{row.where}: '{key}' already stands in row {table[key][0].line}; remove one of the two")
        table[key] = (row, _parameter(row))
    return table


def _parameter(row: Row) -> Parameter:
    try:
        parsed = unit(row["unit"])
    except UnitError as error:
        raise UnitError(f"{row.where}, column 'unit': {error}") from None
    status = row["status"]
    if status not in STATUSES:
        raise DataError(f"{row.where}, column 'status': '{status}' is not one of {', '.join(STATUSES)}")
    if status != "assumed" and not row["source"]:
        raise DataError(f"{row.where}, column 'source': a number that is '{status}' needs its source")
    scale = parsed.factor
    text = row["unit"] if scale == 1.0 else dimension_text(parsed.dimension)
    value, lower, upper = (
        float(f"{row.number(column, default) * scale:.15g}")
        for column, default in (("value", None), ("lower", float("-inf")), ("upper", float("inf")))
    )
    if row.number("spread", 0.0) < 0:
        raise DataError(f"{row.where}, column 'spread': {row['spread']} is negative; a spread is 0 or more")
    if not lower <= value <= upper:
        raise DataError(f"{row.where}: the value {row['value']} lies outside its bounds {row['lower']} to {row['upper']}")
    return Parameter(
        row["name"], value, text, parsed.dimension, lower, upper, row.number("spread", 0.0), row["source"], status, row["note"]
    )


def _overlay(known: dict[str, Parameter], name: str, new_names: bool, elsewhere: Mapping[str, Parameter], model: str) -> None:
    """Lay one table over the known numbers, in place; a name that only another recipe uses may stand, in its own unit."""
    for key, (row, parameter) in read_parameters(name).items():
        old = known.get(key) or elsewhere.get(key)
        if old is None:
            if not new_names:
                raise ModelError(f"{row.where}: '{key}' is not a name of model '{model}'{suggest(key, known)}")
            old = parameter
        if old.dimension != parameter.dimension:
            raise UnitError(
                f"{row.where}: '{key}' is given in {row['unit'] or 'no unit'}, but {dimension_text(old.dimension)} is needed"
            )
        lower, upper = min(old.lower, parameter.value), max(old.upper, parameter.value)
        if row["lower"] or row["upper"]:
            lower, upper = parameter.lower, parameter.upper
        known[key] = replace(parameter, lower=lower, upper=upper, spread=parameter.spread or old.spread)


@lru_cache(maxsize=64)
def _load(recipe: str, overlays: tuple[str, ...], without: tuple[str, ...], stamps: tuple[int, ...]) -> Network:
    plan = read_recipe(recipe)
    for word in without:
        if word not in plan.modules:
            raise ModelError(f"'{word}' is not a module of recipe '{plan.name}'{suggest(word, plan.modules)}")
    known: dict[str, Parameter] = {}
    for table in plan.tables:
        _overlay(known, table, True, {}, plan.name)
    elsewhere = {
        name: parameter for table in ("teaching", "body", "base") for name, (_, parameter) in read_parameters(table).items()
    }
    for overlay in overlays:
        _overlay(known, overlay, False, elsewhere, plan.name)
    modules = [MODULES[word]() for word in plan.modules if word not in without]
    return compose(plan.name, modules, load_species(), known, plan.title)


def load_model(recipe: str, *overlays: str, without: Iterable[str] = ()) -> Network:
    """Assemble a model from a recipe and any number of overlays.

    Parameters
    ----------
    recipe : str
        Name of a recipe that comes with asnsim (``'teaching'``, ``'cell'``, ``'dosing'``) or path of a TOML file.
    *overlays : str
        Names of parameter tables (``'rpmi'``, ``'all_low_asns'``, ``'pegaspargase'``) or paths of TSV files, laid over the
        recipe's numbers in order.
    without : iterable of str
        Modules of the recipe to leave out; their states become constants.

    Returns
    -------
    Network

    Raises
    ------
    ModelError, UnitError, DataError
        One sentence that says what, where and what to do.

    Examples
    --------
    >>> model = load_model("cell", "rpmi", "all_low_asns")
    >>> model.value("asn_e")
    380.0
    """
    if isinstance(without, str):
        without = (without,)
    overlays = tuple(map(str, overlays))
    files = (str(recipe), *read_recipe(str(recipe)).tables, *overlays)
    stamps = tuple(Path(name).stat().st_mtime_ns for name in files if Path(name).is_file())
    return _load(str(recipe), overlays, tuple(without), stamps)

"""Recipes and overlays: from names on disk to a composed network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from asnsim.biology import MODULES
from asnsim.biology.protein import residues_per_asparagine
from asnsim.composition import compose
from asnsim.errors import DataError, ModelError, UnitError, suggest
from asnsim.labelling import labelled
from asnsim.network import Module, Network, Parameter, Species
from asnsim.populations import Population, held, own_names, population_parameters, population_species, renamed
from asnsim.tables import Row, find_model_file, models_folder, read_toml, read_tsv
from asnsim.units import dimension_text, unit

__all__ = [
    "Overlay",
    "Recipe",
    "list_overlays",
    "list_recipes",
    "load_model",
    "load_species",
    "overlay_title",
    "read_overlay",
    "read_parameters",
    "read_recipe",
]

#: Parameter tables that are parts of recipes, or of protocols, and no overlays.
_RECIPE_TABLES = frozenset("base body coculture experiments liver niche_marrow niche_tumour patient teaching".split())
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
    held : tuple of str
        States kept at their initial values.
    labelled : bool
        Whether Asn, Asp and Gln amide are followed as isotopologues.
    populations : tuple of Population
        Cell types that share the rest.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    tables: tuple[str, ...]
    held: tuple[str, ...] = ()
    labelled: bool = False
    populations: tuple[Population, ...] = ()

    @property
    def all_modules(self) -> tuple[str, ...]:
        """Modules of the recipe and of its populations, each once."""
        return tuple(dict.fromkeys((*self.modules, *(m for p in self.populations for m in p.modules))))


@dataclass(frozen=True, slots=True)
class Overlay:
    """What an overlay changes: numbers, and for some also modules.

    Parameters
    ----------
    name, title : str
        File stem and one line in words.
    tables : tuple of str
        Parameter tables laid over.
    without, modules : tuple of str
        Modules of the recipe that it takes out, and modules that it puts in.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    without: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def list_recipes() -> list[str]:
    """Return the names of the recipes that come with asnsim."""
    return sorted(path.stem for path in models_folder().glob("*.toml"))


def list_overlays() -> list[str]:
    """Return the names of the overlays that come with asnsim: lines, media, products, genotypes, drugs, mechanisms.

    Tables that only recipes or other overlays read are left out.
    """
    folder = models_folder()
    changing = {path.stem for path in (folder / "overlays").glob("*.toml")}
    inner = {table for name in changing for table in read_overlay(name).tables if table not in changing}
    tables = {path.stem for path in (folder / "parameters").glob("*.tsv")} - inner - _RECIPE_TABLES
    return sorted(tables | changing)


def _names(path: Path, content: dict, key: str, needed: bool = False) -> tuple[str, ...]:
    value = content.get(key, None if needed else [])
    if not isinstance(value, list) or (needed and not value) or not all(isinstance(item, str) for item in value):
        raise DataError(f"{path.name}: '{key}' must be a list of names, such as {key} = [\"...\"]")
    if key in ("modules", "without"):
        for module in value:
            if module not in MODULES:
                raise ModelError(f"{path.name}: '{module}' is not a module{suggest(module, MODULES)}")
    if key == "tables":  # a table given as a file stands beside the file that names it
        value = [str(path.parent / t) if t.endswith(".tsv") and not Path(t).is_absolute() else t for t in value]
    return tuple(value)


def _check_keys(path: Path, content: dict, known: tuple[str, ...]) -> None:
    for key in content:
        if key not in known:
            raise DataError(f"{path.name}: unknown key '{key}'{suggest(key, known)}")


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
    _check_keys(path, content, ("title", "modules", "tables", "held", "labelled", "populations"))
    groups = content.get("populations", {})
    if not isinstance(groups, dict) or not all(isinstance(group, dict) for group in groups.values()):
        raise DataError(f"{path.name}: 'populations' must be tables, such as [populations.tumour]")
    if not isinstance(content.get("labelled", False), bool):
        raise DataError(f"{path.name}: 'labelled' must be true or false")
    if content.get("labelled") and (groups or content.get("held")):
        raise DataError(f"{path.name}: a labelled recipe has no populations and holds nothing")
    return Recipe(
        path.stem,
        str(content.get("title", "")),
        _names(path, content, "modules", needed=True),
        _names(path, content, "tables", needed=True),
        _names(path, content, "held"),
        content.get("labelled", False),
        tuple(_population(path, name, group) for name, group in groups.items()),
    )


def _population(path: Path, name: str, content: dict) -> Population:
    _check_keys(path, content, ("modules", "tables", "fluid", "held"))
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise DataError(f"{path.name}: '{name}' cannot name a population; use letters, digits and underscores")
    fluid = content.get("fluid", "shared")
    fluids = ("shared", "own", "p", "i", "csf")
    if not isinstance(fluid, str):
        raise DataError(f"{path.name}: 'fluid' of population '{name}' must be 'shared', 'own' or the suffix of a fluid")
    if fluid not in fluids:
        raise DataError(f"{path.name}: population '{name}' faces fluid '{fluid}'; it may be {', '.join(fluids)}")
    modules, tables = (_names(path, content, key, needed=True) for key in ("modules", "tables"))
    return Population(name, modules, tables, fluid, _names(path, content, "held"))


def read_overlay(name: str) -> Overlay:
    """Read an overlay by short name or path: a parameter table, or a TOML file that also changes modules.

    Raises
    ------
    DataError, ModelError
        If there is no such overlay, or it says something it cannot.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = models_folder() / "overlays" / f"{name}.toml"
        if not path.is_file():
            return Overlay(name, "", (name,))
    content = read_toml(path)
    _check_keys(path, content, ("title", "without", "modules", "tables"))
    lists = {key: _names(path, content, key) for key in ("tables", "without", "modules")}
    return Overlay(path.stem, str(content.get("title", "")), **lists)


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


def overlay_title(name: str) -> str:
    """Return what an overlay is, in a line: its title, or the comment its table begins with."""
    overlay = read_overlay(name)
    if overlay.title:
        return overlay.title
    first = find_model_file("parameters", name, ".tsv").read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""


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


@dataclass(slots=True)
class _Plan:
    """A recipe with its overlays, on the way to a network."""

    recipe: Recipe
    modules: list[str]
    numbers: dict[str, Parameter]
    own: dict[str, dict[str, Parameter]] = field(default_factory=dict)  # of each population
    groups: dict[str, list[str]] = field(default_factory=dict)  # its modules
    added: list[tuple[str, str]] = field(default_factory=list)  # overlay and module, where laid over the whole recipe
    laid: list[tuple[str, str, str]] = field(default_factory=list)  # population, number, where it stands


def _base_numbers() -> dict[str, Parameter]:
    """Numbers of all recipes, so that an overlay may say what only another recipe asks for."""
    tables = ("teaching", "body", "base")
    return {name: parameter for table in tables for name, (_, parameter) in read_parameters(table).items()}


def _planned(recipe: Recipe, overlays: tuple[str, ...], without: tuple[str, ...]) -> _Plan:
    plan = _Plan(recipe, list(recipe.modules), {})
    for table in recipe.tables:
        _overlay(plan.numbers, table, True, {}, recipe.name)
    for population in recipe.populations:
        plan.own[population.name], plan.groups[population.name] = {}, list(population.modules)
        for table in population.tables:
            _overlay(plan.own[population.name], table, True, {}, recipe.name)
    elsewhere = _base_numbers()
    for text in overlays:
        _lay(plan, text, elsewhere)
    for word in without:
        if word not in recipe.all_modules:
            raise ModelError(f"'{word}' is not a module of recipe '{recipe.name}'{suggest(word, recipe.all_modules)}")
        _take_out(plan, word)
    return plan


def _lay(plan: _Plan, text: str, elsewhere: Mapping[str, Parameter]) -> None:
    """Lay one overlay, ``name`` or ``population:name``."""
    group, colon, name = text.partition(":")
    if colon and len(group) > 1:  # a single letter is a drive, as in C:\\...
        if group not in plan.own:
            known = ", ".join(plan.own) or "none"
            raise ModelError(f"'{text}': recipe '{plan.recipe.name}' has no population '{group}' (it has: {known})")
        modules = plan.groups[group]
    else:
        group, name, modules = "", text, plan.modules
    overlay = read_overlay(name)
    for word in overlay.without:
        if word not in modules:
            raise ModelError(f"overlay '{overlay.name}' takes out '{word}', which recipe '{plan.recipe.name}' does not have here")
        modules.remove(word)
    modules += [word for word in overlay.modules if word not in modules]
    for table in overlay.tables:
        if group:
            _overlay_population(plan, group, table, bool(overlay.modules))
            continue
        for key, (row, _) in read_parameters(table).items():
            if overlay.modules and key not in plan.numbers and key not in elsewhere and key not in _all_words():
                raise ModelError(f"{row.where}: '{key}' is not a name of model '{plan.recipe.name}'{suggest(key, plan.numbers)}")
            owner = next((name for name, own in plan.own.items() if key in own), None)
            if owner:
                raise ModelError(
                    f"{row.where}: '{key}' is a number of each population of recipe '{plan.recipe.name}'; "
                    f"lay it over one of them, such as {owner}:{overlay.name}"
                )
        _overlay(plan.numbers, table, bool(overlay.modules), elsewhere, plan.recipe.name)
    if not group:
        plan.added += [(overlay.name, word) for word in overlay.modules]


def _overlay_population(plan: _Plan, group: str, table: str, new_names: bool) -> None:
    """Lay a cell line over one population: what differs between cell types is what a line's table says, nothing else."""
    own = plan.own[group]
    for key, (row, parameter) in read_parameters(table).items():
        if key not in own and key not in plan.numbers:
            if not new_names:
                raise ModelError(f"{row.where}: '{key}' is not a name of model '{plan.recipe.name}'{suggest(key, own)}")
            plan.numbers[key] = parameter
        own.setdefault(key, plan.numbers[key])
        if not new_names:
            plan.laid.append((group, key, row.where))
    _overlay(own, table, False, {}, plan.recipe.name)


def _words(modules: Iterable[Module]) -> set[str]:
    """Every name modules read or define."""
    found: set[str] = set()
    for module in modules:
        for reaction in (*module.reactions, *module.exchanges):
            found |= {name for side in reaction.sides for _, name, _ in side}
            found |= {s.name for s in reaction.rate.free_symbols | reaction.reverse.free_symbols}
        for expressions in (module.rules, module.rates, module.algebraic):
            found |= set(expressions) | {s.name for e in expressions.values() for s in e.free_symbols}
    return found


@lru_cache(maxsize=1)
def _all_words() -> frozenset[str]:
    """Every name any module reads or defines: what a table may bring that no table of the recipe knows."""
    return frozenset(_words(make() for make in MODULES.values()))


def _check_population(plan: _Plan, population: Population, parts: list[Module], shared, names, taken) -> None:
    """Refuse what would be ignored or would fall on another's number."""
    recipe, mine, others = plan.recipe.name, _words(parts), _words(shared)
    _check_held(recipe, population.held, parts)
    for group, key, where in plan.laid:
        if group == population.name and (key not in names or (key not in mine and key in others)):
            raise ModelError(f"{where}: all cells of recipe '{recipe}' share '{key}'; lay it over the whole recipe")
    for new in names.values():
        if new in taken and not new.endswith(f"_{population.fluid}"):
            raise ModelError(f"recipe '{recipe}': population '{population.name}' would make a second '{new}'; rename it")
    for overlay, word in plan.added:
        module = _words([MODULES[word]()])
        owned = sorted(name for name in module & mine & set(names) if names[name] != name and name not in others - module)
        if owned:
            raise ModelError(
                f"overlay '{overlay}' reads '{owned[0]}', which every population of recipe '{recipe}' has for itself; "
                f"lay it over one of them, such as {population.name}:{overlay}"
            )


def _check_held(recipe: str, held_names: Iterable[str], parts: Iterable[Module]) -> None:
    moving = {name for module in parts for r in module.reactions for side in r.sides for _, name, _ in side}
    moving |= {name for module in parts for name in module.rates}
    for name in held_names:
        if name not in moving:
            raise ModelError(f"recipe '{recipe}' holds '{name}', which is no state of its modules{suggest(name, moving)}")


def _check_fluids(plan: _Plan) -> None:
    """Refuse a drug in a medium that no cell faces."""
    if plan.recipe.populations and all(population.fluid != "shared" for population in plan.recipe.populations):
        for overlay, word in plan.added:
            if "medium" in _words([MODULES[word]()]):
                raise ModelError(
                    f"overlay '{overlay}' needs a medium, but no population of recipe '{plan.recipe.name}' shares one"
                )


def _take_out(plan: _Plan, word: str) -> None:
    for modules in (plan.modules, *plan.groups.values()):
        if word in modules:
            modules.remove(word)


@lru_cache(maxsize=64)
def _load(recipe: str, overlays: tuple[str, ...], without: tuple[str, ...], stamps: tuple[int, ...]) -> Network:
    plan = _planned(read_recipe(recipe), overlays, without)
    species, numbers = dict(load_species()), dict(plan.numbers)
    modules: list[Module] = [held(MODULES[word](), plan.recipe.held) for word in plan.modules]
    shared = tuple(modules)
    _check_held(plan.recipe.name, plan.recipe.held, [MODULES[word]() for word in plan.modules])
    _check_fluids(plan)
    for population in plan.recipe.populations:
        own = {**numbers, **plan.own[population.name]}
        parts = [held(MODULES[word](), population.held) for word in plan.groups[population.name]]
        names = own_names(population, parts, shared, species, plan.own[population.name])
        _check_population(plan, population, parts, shared, names, {*numbers, *species})
        species |= population_species(species, names, population)
        numbers = population_parameters(own, names) | numbers  # a fluid it shares keeps its numbers
        modules += [renamed(part, names, population.name) for part in parts]
    if plan.recipe.labelled:
        modules, species, numbers = labelled(modules, species, numbers, residues_per_asparagine())
    return compose(plan.recipe.name, modules, species, numbers, plan.recipe.title)


def load_model(recipe: str, *overlays: str, without: Iterable[str] = ()) -> Network:
    """Assemble a model from a recipe and any number of overlays.

    Parameters
    ----------
    recipe : str
        Name of a recipe that comes with asnsim (``'teaching'``, ``'cell'``, ``'coculture'``, ``'patient'`` ...) or path of a
        TOML file.
    *overlays : str
        Names of overlays (``'rpmi'``, ``'all_low_asns'``, ``'pegaspargase'``) or paths of TSV or TOML files, laid over the
        recipe's numbers in order; ``'tumour:mcf7'`` lays one over the population `tumour`.
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
    plan = read_recipe(str(recipe))
    tables = (*plan.tables, *(table for population in plan.populations for table in population.tables))
    files = (str(recipe), *tables, *overlays, *(t for o in overlays for t in _files_of(o)))
    stamps = tuple(Path(name).stat().st_mtime_ns for name in files if Path(name).is_file())
    return _load(str(recipe), overlays, tuple(without), stamps)


def _files_of(overlay: str) -> tuple[str, ...]:
    """Files of the user's own that an overlay reads."""
    name = overlay.partition(":")[2] or overlay
    return read_overlay(name).tables if name.endswith(".toml") else (name,)

"""Cell types that share a model: the modules of a cell written once, taken several times under names of their own.

What a cell type owns (its states, its rules, its compartments, and the numbers of its line) gets the suffix of the
population; what it shares (the medium, drugs, and every kinetic constant) keeps its name. So two cell types differ by what their
tables say and by nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sympy

from asnsim.network import Event, Module, Parameter, Reaction, Species, symbol

__all__ = ["Population", "held", "own_names", "population_parameters", "population_species", "renamed"]

_TERM = re.compile(r"(\$?)\b([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Population:
    """One cell type of a recipe.

    Parameters
    ----------
    name : str
        Its suffix: ``'tumour'`` makes ``asn_c_tumour``.
    modules : tuple of str
        Modules it is made of.
    tables : tuple of str
        Parameter tables whose names are its own numbers.
    fluid : str
        ``'shared'``: all cells lie in one medium; ``'own'``: it has fluid of its own (``asn_e_tumour``); any other word is the
        suffix of the fluid it faces (``'p'``: ``asn_p``).
    held : tuple of str
        States of the cell kept at their initial values.
    """

    name: str
    modules: tuple[str, ...]
    tables: tuple[str, ...]
    fluid: str = "shared"
    held: tuple[str, ...] = ()


def held(module: Module, names: Iterable[str]) -> Module:
    """Return the module with some quantities kept at their values: boundary species, and no rate of change."""
    names = frozenset(names)

    def marked(equation: str) -> str:
        return _TERM.sub(lambda m: f"${m[2]}" if m[2] in names else m[0], equation)

    reactions = tuple(replace(reaction, equation=marked(reaction.equation)) for reaction in module.reactions)
    moving = tuple(r for r in reactions if r.stoichiometry or not r.equation.count("$"))
    rates = {name: rate for name, rate in module.rates.items() if name not in names}
    return replace(module, reactions=moving, rates=rates)


def own_names(
    population: Population,
    modules: Iterable[Module],
    shared: Iterable[Module],
    species: Mapping[str, Species],
    numbers: Iterable[str],
) -> dict[str, str]:
    """Map every name the population owns to its name in the model.

    Parameters
    ----------
    population : Population
        Which one.
    modules, shared : iterable of Module
        Its modules, and those outside every population: a name the latter define is shared.
    species : mapping of str to Species
        The species table.
    numbers : iterable of str
        Names its tables give.
    """
    fluid, suffix = population.fluid, f"_{population.name}"
    defined: dict[str, None] = dict.fromkeys(["cytosol", *numbers])
    for module in modules:
        defined |= dict.fromkeys((*module.rules, *module.rates, *module.algebraic))
        defined |= dict.fromkeys(name for event in module.events for name in event.assignments)
        terms = [term for r in (*module.reactions, *module.exchanges) for side in r.sides for term in side]
        defined |= dict.fromkeys(name for _, name, _ in terms)
    elsewhere = {name for module in shared for name in (*module.rules, *module.rates)}
    names = {}
    for name in defined:
        place = species[name].compartment if name in species else None
        if name in elsewhere:
            continue
        if place == "medium":
            if fluid == "own":
                names[name] = name + suffix
            elif fluid != "shared":
                names[name] = re.sub(r"_e$", f"_{fluid}", name)
        elif place in (None, "cytosol"):
            names[name] = name + suffix
    if fluid == "own":
        names["medium"] = f"medium{suffix}"
    elif fluid != "shared":
        names["medium"] = species[f"asn_{fluid}"].compartment
    return names


def renamed(module: Module, names: Mapping[str, str], suffix: str) -> Module:
    """Return the module under other names; its reactions and events get a suffix."""
    table = {symbol(old): symbol(new) for old, new in names.items()}

    def moved(expression: sympy.Basic) -> sympy.Basic:
        return expression.xreplace(table)

    def reaction(r: Reaction) -> Reaction:
        equation = _TERM.sub(lambda m: m[1] + names.get(m[2], m[2]), r.equation)
        return Reaction(f"{r.id}_{suffix}", equation, moved(r.rate), moved(r.reverse))

    def keyed(expressions: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        return {names.get(name, name): moved(e) for name, e in expressions.items()}

    def event(e: Event) -> Event:
        return replace(
            e, id=f"{e.id}_{suffix}", trigger=moved(e.trigger), assignments=keyed(e.assignments), delay=moved(e.delay),
            priority=moved(e.priority),
        )  # fmt: skip

    return Module(
        f"{module.name}_{suffix}",
        tuple(map(reaction, module.reactions)),
        keyed(module.rules),
        keyed(module.rates),
        keyed(module.algebraic),
        tuple(map(event, module.events)),
        tuple(map(reaction, module.exchanges)),
        module.note,
        {names.get(state, state): names.get(clock, clock) for state, clock in module.restarts.items()},
    )


def population_species(species: Mapping[str, Species], names: Mapping[str, str], population: Population) -> dict[str, Species]:
    """Return the species of a population, in its compartments."""
    found = {}
    for old, new in names.items():
        if old in species and new not in species:
            one = species[old]
            place = names.get(one.compartment, one.compartment)
            found[new] = replace(one, id=new, name=f"{one.name} ({population.name})", compartment=place)
    return found


def population_parameters(numbers: Mapping[str, Parameter], names: Mapping[str, str]) -> dict[str, Parameter]:
    """Return the numbers of a population under their names in the model."""
    return {new: replace(numbers[old], name=new) for old, new in names.items() if old in numbers}

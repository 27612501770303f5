"""Composition: modules and tables of numbers bound into one checked `Network`.

**Binding rule.** A name is bound by its strongest declaration among the chosen modules: state over rule over constant.
Leaving a module out turns its states into constants, so feedback is switched off by leaving a word out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

import sympy

from asnsim import checks
from asnsim.errors import ModelError, suggest
from asnsim.network import TIME, Module, Network, Parameter, Species, is_identifier

__all__ = ["compose"]


def compose(
    name: str,
    modules: Iterable[Module],
    species: Mapping[str, Species],
    parameters: Mapping[str, Parameter],
    title: str = "",
    checked: bool = True,
) -> Network:
    """Bind modules and numbers into a checked network.

    Parameters
    ----------
    name : str
        Name of the result.
    modules : iterable of Module
        What to assemble.
    species : mapping of str to Species
        The species table.
    parameters : mapping of str to Parameter
        The number tables; rows no module asks for are left out.
    title : str
        One line in words.
    checked : bool
        False for a model from elsewhere, of whose units and elements nothing is known; it keeps unused numbers, too.

    Returns
    -------
    Network

    Raises
    ------
    ModelError
        If a name is unknown or declared twice, rules form a loop, or a reaction does not balance.
    UnitError
        If a rate or rule mixes units.
    """
    modules = tuple(modules)
    used_species = _used_species(modules, species)
    states = _collect_states(modules)
    modules = tuple(replace(module, rules={k: v for k, v in module.rules.items() if k not in states}) for module in modules)
    rules = _order_rules(name, modules)
    _check_unique(modules, states, rules, species)
    needed = _needed_names(modules, used_species, states, rules)
    bound = _bind(name, needed, states, rules, parameters)
    for module in modules:
        for reaction in module.reactions:
            if reaction.id in bound:
                raise ModelError(
                    f"{module.name}: the reaction id '{reaction.id}' is also a constant of model '{name}'; choose another"
                )
    if not checked:  # what no equation asks for stays, for formulas of observables may
        bound |= {name: parameters[name] for name in sorted(set(parameters) - set(bound) - set(rules))}
    if checked:
        checks.check_balance(modules, used_species)
        checks.check_units(modules, used_species, states, rules, bound)
    return Network(
        name,
        title,
        modules,
        MappingProxyType(used_species),
        states,
        MappingProxyType(rules),
        MappingProxyType(bound),
        _structure_key(name, states, modules, bound, used_species),
    )


def _structure_key(name: str, states, modules: tuple[Module, ...], bound, species: Mapping[str, Species]) -> str:
    """Hash of all but the numbers."""
    known: dict[sympy.Basic, str] = {}

    def written(expression: sympy.Basic) -> str:  # as sympy.srepr, which takes five times as long
        if expression not in known:
            parts = ",".join(map(written, expression.args))
            known[expression] = f"{expression.func.__name__}({parts})" if parts else sympy.srepr(expression)
        return known[expression]

    def all_written(expressions: Mapping[str, sympy.Basic]) -> list[tuple[str, str]]:
        return [(name, written(expression)) for name, expression in expressions.items()]

    content = [
        (
            m.name,
            [(r.id, r.equation, written(r.rate)) for r in m.reactions],
            *map(all_written, (m.rules, m.rates, m.algebraic)),
            [(e.id, all_written(e.expressions), e.persistent, e.initial, e.at_trigger) for e in m.events],
        )
        for m in modules
    ]
    text = repr((name, states, content, sorted(bound), sorted((s.id, s.compartment) for s in species.values())))
    return hashlib.sha256(text.encode()).hexdigest()


def _used_species(modules: tuple[Module, ...], species: Mapping[str, Species]) -> dict[str, Species]:
    used: dict[str, Species] = {}
    for module in modules:
        for reaction in module.reactions:
            for side in reaction.sides:
                for _, name, _ in side:
                    if name not in species:
                        raise ModelError(
                            f"{module.name}.{reaction.id}: '{name}' is not in the species table{suggest(name, species)}"
                        )
                    used[name] = species[name]
        for name in (*module.rates, *module.algebraic, *(n for event in module.events for n in event.assignments)):
            if name in species:
                used[name] = species[name]
    return used


def _collect_states(modules: tuple[Module, ...]) -> tuple[str, ...]:
    _check_boundaries(modules)
    from_reactions = dict.fromkeys(name for module in modules for reaction in module.reactions for name in reaction.stoichiometry)
    from_rates: dict[str, str] = {}
    for module in modules:
        for name in module.rates:
            if name in from_rates or name in from_reactions:
                raise ModelError(
                    f"{module.name}: '{name}' already has equations in {from_rates.get(name, 'a reaction')}; remove one"
                )
            from_rates[name] = module.name
    return (*from_reactions, *from_rates, *_settled(modules, {**from_reactions, **from_rates}))


def _settled(modules: tuple[Module, ...], moved: Mapping) -> dict[str, None]:
    """States that no flow moves: those of algebraic equations, then those that only events set."""
    found: dict[str, None] = {}
    for module in modules:
        for name in module.algebraic:
            if name in found or name in moved:
                raise ModelError(f"{module.name}: '{name}' has an equation already; an algebraic one needs a state of its own")
            found[name] = None
    for module in modules:
        for event in module.events:
            for name in event.assignments:
                if any(name in other.rules for other in modules) and name not in moved:
                    raise ModelError(f"{module.name}.{event.id} assigns '{name}', which a rule computes; assign something else")
                if name not in moved:
                    found[name] = None
    return found


def _check_boundaries(modules: tuple[Module, ...]) -> None:
    """A species is a boundary species everywhere or nowhere: SBML and this engine could not agree on one that is both."""
    kinds: dict[str, tuple[bool, str]] = {}
    for module in modules:
        for reaction in module.reactions:
            for _, name, boundary in (term for side in reaction.sides for term in side):
                known, place = kinds.setdefault(name, (boundary, f"{module.name}.{reaction.id}"))
                if known != boundary:
                    raise ModelError(
                        f"{module.name}.{reaction.id}: '{name}' is a boundary species ('$') in one of this and {place}, "
                        "but not in the other"
                    )


def _order_rules(model: str, modules: tuple[Module, ...]) -> dict[str, sympy.Expr]:
    rules: dict[str, sympy.Expr] = {}
    for module in modules:
        for name, expression in module.rules.items():
            if name in rules:
                raise ModelError(f"{module.name}: rule '{name}' is declared twice in model '{model}'; remove one")
            rules[name] = expression
    graph = {name: {s.name for s in expr.free_symbols if s.name in rules} for name, expr in rules.items()}
    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ModelError(
            f"the rules of model '{model}' form a loop: {' -> '.join(error.args[1])}; make one of them a state"
        ) from None
    return {name: rules[name] for name in order}


def _check_unique(modules, states, rules, species) -> None:
    for module in modules:
        for name in (*(r.id for r in module.reactions), *module.rules, *module.rates, *(e.id for e in module.events)):
            if not is_identifier(name):
                raise ModelError(
                    f"{module.name}: '{name}' cannot be a name; use letters, digits and underscores, and no reserved word"
                )
    seen: set[str] = set(states) | set(rules) | set(species)
    for module in modules:
        for reaction in module.reactions:
            if reaction.id in seen:
                raise ModelError(f"{module.name}: the reaction id '{reaction.id}' is already in use; choose another")
            seen.add(reaction.id)
        for event in module.events:
            if event.id in seen:
                raise ModelError(f"{module.name}: the event id '{event.id}' is already in use; choose another")
            seen.add(event.id)


def _needed_names(modules, species, states, rules) -> dict[str, str]:
    """Map every name that must be bound to the place that first asks for it."""
    needed = {name: "its initial value" for name in states}
    for module in modules:
        expressions = {r.id: r.rate for r in module.reactions} | dict(module.rules) | dict(module.rates) | dict(module.algebraic)
        expressions |= {f"{event.id} ({part})": e for event in module.events for part, e in event.expressions.items()}
        for place, expression in expressions.items():
            for s in sorted(expression.free_symbols, key=str):
                needed.setdefault(s.name, f"{module.name}.{place}")
    for one in species.values():
        needed.setdefault(one.compartment, f"the volume of {one.id}")
    needed.pop(TIME.name, None)
    return {name: place for name, place in needed.items() if name not in rules}


def _bind(model, needed, states, rules, parameters) -> dict[str, Parameter]:
    known = set(parameters) | set(states) | set(rules)
    for name, place in needed.items():
        if name not in parameters:
            raise ModelError(f"{place} of model '{model}' needs '{name}', which no table gives{suggest(name, known)}")
    return {name: parameters[name] for name in needed}

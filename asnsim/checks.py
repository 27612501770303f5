"""Checks made when a network is composed: element balance of every reaction, units of every rate and rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import sympy

from asnsim.errors import ModelError, UnitError
from asnsim.units import DIMENSIONLESS, Dimension, dimension_text, unit

__all__ = ["Structure", "check_balance", "check_units", "derived_dimensions", "dimension_of"]

_PER_HOUR: Dimension = unit("1/h").dimension
_TIME: Dimension = unit("h").dimension


def check_balance(modules, species) -> None:
    """Check that carbon and nitrogen balance in every reaction.

    Raises
    ------
    ModelError
        Naming module, reaction and what is created or lost.
    """
    for module in modules:
        for reaction in module.reactions:
            excess = {"C": 0.0, "N": 0.0}
            for sign, side in zip((-1.0, 1.0), reaction.sides, strict=True):
                for number, name, _ in side:
                    excess["C"] += sign * number * species[name].carbon
                    excess["N"] += sign * number * species[name].nitrogen
            wrong = {element: round(value, 9) for element, value in excess.items() if abs(value) > 1e-9}
            if wrong:
                raise ModelError(
                    f"{module.name}.{reaction.id}: {reaction.equation} creates {wrong}; C and N must balance. "
                    "Is a product missing?"
                )


def _multiply(a: Dimension, b: Dimension, power: float = 1.0) -> Dimension:
    return tuple(x + power * y for x, y in zip(a, b, strict=True))


def dimension_of(expression: sympy.Expr, dimensions: Mapping[str, Dimension], values: Mapping[str, float]) -> Dimension | None:
    """Return the dimension of an expression; None for a number zero, which fits anywhere.

    Parameters
    ----------
    expression : sympy.Expr
        What to evaluate.
    dimensions : mapping of str to Dimension
        Dimension of every name.
    values : mapping of str to float
        Values of constants, for exponents of quantities that carry a unit.

    Raises
    ------
    UnitError
        If terms of a sum differ or a function is given a dimension it cannot take.
    """
    if expression.is_Number or expression.is_NumberSymbol:
        return None if expression == 0 else DIMENSIONLESS
    if expression.is_Symbol:
        return dimensions[expression.name]
    if isinstance(expression, sympy.Piecewise):
        for relation in (r for _, condition in expression.args for r in condition.atoms(sympy.core.relational.Relational)):
            _same(relation, [dimension_of(side, dimensions, values) for side in relation.args], "compares")
        return _same(expression, [dimension_of(branch, dimensions, values) for branch, _ in expression.args])
    parts = [dimension_of(argument, dimensions, values) for argument in expression.args]
    if expression.is_Add or isinstance(expression, (sympy.Max, sympy.Min)):
        return _same(expression, parts)
    if expression.is_Mul:
        if any(part is None for part in parts):
            return None
        total = DIMENSIONLESS
        for part in parts:
            total = _multiply(total, part)
        return total
    if expression.is_Pow:
        return _power(expression, parts, values)
    if isinstance(expression, (sympy.exp, sympy.log, sympy.tanh)):
        if parts[0] not in (None, DIMENSIONLESS):
            raise UnitError(
                f"{expression.func.__name__}({expression.args[0]}) takes a pure number, not {dimension_text(parts[0])}"
            )
        return DIMENSIONLESS
    raise UnitError(
        f"'{expression.func.__name__}' is not a function asnsim knows; use + - * / powers, exp, log, tanh or Piecewise"
    )


def _same(expression, parts: list[Dimension | None], verb: str = "adds") -> Dimension | None:
    stated = [part for part in parts if part is not None]
    for part in stated[1:]:
        if any(abs(x - y) > 1e-9 for x, y in zip(part, stated[0], strict=True)):
            short = str(expression)
            raise UnitError(
                f"{short if len(short) < 90 else short[:87] + '...'} {verb} {dimension_text(stated[0])} to {dimension_text(part)}"
            )
    return stated[0] if stated else None


def _power(expression, parts: list[Dimension | None], values: Mapping[str, float]) -> Dimension | None:
    base, exponent = parts
    if exponent not in (None, DIMENSIONLESS):
        raise UnitError(f"the exponent of {expression} has the unit {dimension_text(exponent)}; it must be a pure number")
    if base is None or base == DIMENSIONLESS:
        return DIMENSIONLESS
    power = expression.exp
    if not power.is_Number:
        unknown = [s.name for s in power.free_symbols if s.name not in values]
        if unknown:
            raise UnitError(
                f"{expression} raises a quantity with a unit to the variable power {power}; divide by its scale first"
            )
        power = power.subs({s: values[s.name] for s in power.free_symbols})
    return _multiply(DIMENSIONLESS, base, float(power))


@dataclass(frozen=True, slots=True)
class Structure:
    """A network compared by structure alone, as a cache key for what does not depend on its numbers.

    Parameters
    ----------
    key : str
        ``network.structure``.
    network : Network
        Any network of that structure.
    """

    key: str
    network: object = field(compare=False)


def derived_dimensions(network) -> dict[str, Dimension]:
    """Return the dimension of every rule and flux of a composed network."""
    return _derived(Structure(network.structure, network))


@lru_cache(maxsize=64)
def _derived(structure: Structure) -> dict[str, Dimension]:
    network = structure.network
    dimensions = {name: parameter.dimension for name, parameter in network.parameters.items()} | {"time": _TIME}
    values = {name: network.parameters[name].value for name in network.constants}
    found: dict[str, Dimension] = {}
    for name, expression in network.rules.items():
        dimensions[name] = found[name] = dimension_of(expression, dimensions, values) or DIMENSIONLESS
    for reaction in network.reactions:
        found[reaction.id] = dimension_of(reaction.rate, dimensions, values) or DIMENSIONLESS
    return found


def check_units(modules, species, states, rules, parameters) -> None:
    """Check the unit of every rate rule and reaction rate, and that no rule mixes units.

    Raises
    ------
    UnitError
        Naming module and reaction or rule, the unit found and the unit needed.
    """
    dimensions = {name: parameter.dimension for name, parameter in parameters.items()} | {"time": _TIME}
    values = {name: p.value for name, p in parameters.items() if name not in states}
    owner = {name: module.name for module in modules for name in module.rules}
    for name, expression in rules.items():
        dimensions[name] = _evaluate(f"{owner[name]}.{name}", expression, dimensions, values) or DIMENSIONLESS
    for module in modules:
        for name, expression in module.rates.items():
            place, wanted = f"{module.name}: the rate of change of {name}", _multiply(dimensions[name], _PER_HOUR)
            _expect(place, expression, wanted, dimensions, values)
        for reaction in module.reactions:
            for name in reaction.stoichiometry:
                amount = _multiply(dimensions[name], dimensions[species[name].compartment])
                _expect(f"{module.name}.{reaction.id}", reaction.rate, _multiply(amount, _PER_HOUR), dimensions, values)


        for name, expression in module.algebraic.items():
            _evaluate(f"{module.name}.{name}", expression, dimensions, values)
        for event in module.events:
            _check_event(f"{module.name}.{event.id}", event, dimensions, values)


def _check_event(place: str, event, dimensions, values) -> None:
    for relation in sorted(event.trigger.atoms(sympy.core.relational.Relational), key=str):
        sides = [_evaluate(place, side, dimensions, values) for side in relation.args]
        try:
            _same(relation, sides, "compares")
        except UnitError as error:
            raise UnitError(f"{place}: {error}") from None
    _expect(f"the delay of {place}", event.delay, _TIME, dimensions, values)
    _expect(f"the priority of {place}", event.priority, DIMENSIONLESS, dimensions, values)
    for name, expression in event.assignments.items():
        _expect(f"{place}: the new value of {name}", expression, dimensions[name], dimensions, values)


def _evaluate(place, expression, dimensions, values):
    try:
        return dimension_of(expression, dimensions, values)
    except UnitError as error:
        raise UnitError(f"{place}: {error}") from None


def _expect(place, expression, wanted: Dimension, dimensions, values) -> None:
    found = _evaluate(place, expression, dimensions, values)
    if found is not None and any(abs(x - y) > 1e-9 for x, y in zip(found, wanted, strict=True)):
        raise UnitError(
            f"{place} is in {dimension_text(found)}, but {dimension_text(wanted)} is needed; "
            "is a volume or a rate constant missing?"
        )

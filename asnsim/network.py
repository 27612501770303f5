"""Reaction networks: what a model is before it becomes equations.

A `Module` is a handful of reactions and rules written in SymPy; `compose` binds several of them with tables of numbers
into one frozen `Network`. A network knows nothing of equations, solvers or files.

**Binding rule.** A name is bound by its strongest declaration among the chosen modules: state over rule over constant.
Leaving a module out turns its states into constants, so feedback is switched off by leaving a word out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

import sympy

from asnsim import checks
from asnsim.errors import ModelError, suggest
from asnsim.page import antimony_page

__all__ = ["TIME", "Module", "Network", "Parameter", "Reaction", "Species", "compose", "symbol", "symbols"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Words Antimony or SBML give a meaning of their own.
_RESERVED = frozenset("time avogadro pi delay exp ln log log10 sqrt abs floor ceil piecewise true false and or not".split())


@cache
def symbol(name: str) -> sympy.Symbol:
    """Return the one symbol of that name.

    The only constructor of symbols in asnsim: SymPy treats equal names with different assumptions as different symbols.

    Raises
    ------
    ModelError
        If the name is not a plain identifier.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"'{name}' cannot be a name; use letters, digits and underscores, not starting with a digit")
    return sympy.Symbol(name, real=True)


def symbols(names: str) -> tuple[sympy.Symbol, ...]:
    """Return one `symbol` per blank-separated name."""
    return tuple(symbol(name) for name in names.split())


def _expression(value: sympy.Expr | float) -> sympy.Expr:
    """Accept SymPy expressions and plain numbers, never text."""
    if isinstance(value, sympy.Expr):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)
    raise ModelError(f"{value!r} is not an expression; build it from symbol(...) and numbers")


#: Time, h. Named as in Antimony and SBML.
TIME = symbol("time")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of the model: a constant or an initial value, with its origin.

    Parameters
    ----------
    name : str
        Identifier used in the equations.
    value : float
        In canonical units.
    unit : str
        The canonical unit in words, ``'umol/L'``.
    dimension : tuple of float
        See `asnsim.units.Dimension`.
    lower, upper : float
        Bounds for fitting; may be infinite.
    spread : float
        Log-scale standard deviation of prior or population; 0 where not stated.
    source : str
        Where the number comes from.
    status : {'measured', 'derived', 'fitted', 'assumed'}
        How far it can be trusted.
    note : str
        Anything a reader should know.
    """

    name: str
    value: float
    unit: str
    dimension: tuple[float, ...]
    lower: float = float("-inf")
    upper: float = float("inf")
    spread: float = 0.0
    source: str = ""
    status: str = "assumed"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Species:
    """A substance in a compartment.

    Parameters
    ----------
    id : str
        Identifier, e.g. ``'asn_c'``.
    name : str
        In words.
    compartment : str
        Where it is dissolved.
    carbon, nitrogen : float
        Atoms per molecule, for the element balance.
    """

    id: str
    name: str
    compartment: str
    carbon: float = 0.0
    nitrogen: float = 0.0


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction with its rate.

    Parameters
    ----------
    id : str
        Identifier; also the name under which the flux can be read from a trajectory.
    equation : str
        ``'asp_c + gln_c + $atp -> asn_c + glu_c'``. A leading ``$`` marks a boundary species (not a state),
        ``->`` a reversible and ``=>`` an irreversible reaction; stoichiometric numbers stand before the species.
    rate : sympy.Expr
        Amount per time, umol/h (or U/h), positive from left to right.
    """

    id: str
    equation: str
    rate: sympy.Expr

    def __post_init__(self):
        object.__setattr__(self, "rate", _expression(self.rate))

    @property
    def reversible(self) -> bool:
        """Whether the arrow is ``->`` rather than ``=>``."""
        return "=>" not in self.equation

    @property
    def sides(self) -> tuple[tuple[tuple[float, str, bool], ...], tuple[tuple[float, str, bool], ...]]:
        """Left and right side as (stoichiometry, species, is boundary) triples."""
        return _parse_equation(self.id, self.equation)

    @property
    def stoichiometry(self) -> dict[str, float]:
        """Net stoichiometry of every species that is not a boundary species."""
        left, right = self.sides
        net: dict[str, float] = {}
        for sign, side in ((-1.0, left), (1.0, right)):
            for number, name, boundary in side:
                if not boundary:
                    net[name] = net.get(name, 0.0) + sign * number
        return net


@lru_cache(maxsize=4096)
def _parse_equation(reaction: str, equation: str):
    arrow = re.split(r"->|=>", equation)
    if len(arrow) != 2:
        raise ModelError(f"{reaction}: '{equation}' needs exactly one arrow, '->' or '=>'")
    sides = []
    for text in arrow:
        terms = []
        for term in [part.strip() for part in re.split(r"\s\+\s", f" {text} ")] if text.strip() else []:
            match = re.fullmatch(r"(\d+\.?\d*(?:[eE][-+]?\d+)?\s+)?(\$?)([A-Za-z_]\w*)", term)
            if not match:
                raise ModelError(f"{reaction}: '{term}' is not a species with an optional number before it")
            number, dollar, name = match.groups()
            if number is not None and float(number) == 0:
                raise ModelError(f"{reaction}: '{term}' has the stoichiometry 0; leave it out")
            terms.append((float(number or 1.0), name, bool(dollar)))
        sides.append(tuple(terms))
    return tuple(sides)


@dataclass(frozen=True)
class Module:
    """Reactions and rules that belong together: one gene product or mechanism.

    Parameters
    ----------
    name : str
        As a recipe names it.
    reactions : tuple of Reaction
        What moves matter.
    rules : mapping of str to sympy.Expr
        Named intermediates (assignment rules).
    rates : mapping of str to sympy.Expr
        Time derivatives, per h, of states that are not species: fractions, folds, compartment sizes.
    note : str
        One line on what it is and where it comes from.
    """

    name: str
    reactions: tuple[Reaction, ...] = ()
    rules: Mapping[str, sympy.Expr] = field(default_factory=dict)
    rates: Mapping[str, sympy.Expr] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self):
        for kind in ("rules", "rates"):
            object.__setattr__(self, kind, MappingProxyType({k: _expression(v) for k, v in getattr(self, kind).items()}))


@dataclass(frozen=True, eq=False)
class Network:
    """A composed, checked model.

    Parameters
    ----------
    name, title : str
        Recipe name and one line in words.
    modules : tuple of Module
        What was chosen, in order, after the binding rule dropped overridden rules.
    species : mapping of str to Species
        All species that occur, boundary ones included.
    states : tuple of str
        Names of the dynamic quantities: species first, then the states of rate rules.
    rules : mapping of str to sympy.Expr
        In an order in which each can be evaluated.
    parameters : mapping of str to Parameter
        Constants and initial values.
    structure : str
        Hash of everything but the numbers: networks that differ only in numbers share compiled code.
    """

    name: str
    title: str
    modules: tuple[Module, ...]
    species: Mapping[str, Species]
    states: tuple[str, ...]
    rules: Mapping[str, sympy.Expr]
    parameters: Mapping[str, Parameter]
    structure: str

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        """All reactions in module order."""
        return tuple(reaction for module in self.modules for reaction in module.reactions)

    @property
    def rates(self) -> dict[str, sympy.Expr]:
        """Right-hand sides of all rate rules."""
        return {name: rate for module in self.modules for name, rate in module.rates.items()}

    @property
    def compartments(self) -> tuple[str, ...]:
        """Names of the compartments in order of first use."""
        return tuple(dict.fromkeys(species.compartment for species in self.species.values()))

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the parameters that are not initial values of states."""
        return tuple(name for name in self.parameters if name not in set(self.states))

    def __str__(self) -> str:
        return antimony_page(self)

    def __repr__(self) -> str:
        return (
            f"<Network {self.name}: {len(self.states)} states, {len(self.reactions)} reactions, {len(self.constants)} constants>"
        )

    def _identity(self) -> tuple:
        return self.structure, tuple((p.name, p.value) for p in self.parameters.values())

    def __hash__(self) -> int:
        return hash(self._identity())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._identity() == other._identity()

    def value(self, name: str) -> float:
        """Return a constant or initial value in canonical units.

        Raises
        ------
        ModelError
            If it is not a parameter of this model.
        """
        return self.parameters[self.check_name(name)].value

    def check_name(self, name: str) -> str:
        """Return the name if it is a parameter or initial value; raise a `ModelError` with a suggestion if not."""
        if name not in self.parameters:
            raise ModelError(
                f"'{name}' is not a constant or initial value of model '{self.name}'{suggest(name, self.parameters)}"
            )
        return name

    def with_parameters(self, values: Mapping[str, float] | None = None, **more: float) -> Network:
        """Return a copy with other numbers, in canonical units.

        Raises
        ------
        ModelError
            If a name is unknown or a value is not a finite number.
        """
        changed = dict(self.parameters)
        for name, value in {**(values or {}), **more}.items():
            number = float(value)
            if not abs(number) < float("inf"):
                raise ModelError(f"'{name}' of model '{self.name}' cannot be {number}; give a finite number")
            if number < 0 and any(changed[self.check_name(name)].dimension):
                unit = changed[name].unit
                raise ModelError(f"'{name}' of model '{self.name}' cannot be {number:g} {unit}; it must not be negative")
            changed[name] = replace(changed[self.check_name(name)], value=number)
        return replace(self, parameters=MappingProxyType(changed))


def compose(
    name: str,
    modules: Iterable[Module],
    species: Mapping[str, Species],
    parameters: Mapping[str, Parameter],
    title: str = "",
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
    checks.check_balance(modules, used_species)
    checks.check_units(modules, used_species, states, rules, bound)
    text = repr(
        (
            name,
            states,
            [
                (
                    m.name,
                    [(r.id, r.equation, sympy.srepr(r.rate)) for r in m.reactions],
                    [(k, sympy.srepr(v)) for k, v in m.rules.items()],
                    [(k, sympy.srepr(v)) for k, v in m.rates.items()],
                )
                for m in modules
            ],
            sorted(bound),
            sorted((s.id, s.compartment) for s in used_species.values()),
        )
    )
    return Network(
        name,
        title,
        modules,
        MappingProxyType(used_species),
        states,
        MappingProxyType(rules),
        MappingProxyType(bound),
        hashlib.sha256(text.encode()).hexdigest(),
    )


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
    return (*from_reactions, *from_rates)


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
        for name in (*(r.id for r in module.reactions), *module.rules, *module.rates):
            if not _NAME.fullmatch(name) or name in _RESERVED:
                raise ModelError(
                    f"{module.name}: '{name}' cannot be a name; use letters, digits and underscores, and no reserved word"
                )
    seen: set[str] = set(states) | set(rules) | set(species)
    for module in modules:
        for reaction in module.reactions:
            if reaction.id in seen:
                raise ModelError(f"{module.name}: the reaction id '{reaction.id}' is already in use; choose another")
            seen.add(reaction.id)


def _needed_names(modules, species, states, rules) -> dict[str, str]:
    """Map every name that must be bound to the place that first asks for it."""
    needed = {name: "its initial value" for name in states}
    for module in modules:
        expressions = {r.id: r.rate for r in module.reactions} | dict(module.rules) | dict(module.rates)
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

"""Reaction networks: what a model is before it becomes equations.

A `Module` is a handful of reactions, rules and events written in SymPy; `asnsim.composition` binds several of them with tables of
numbers into one frozen `Network`. A network knows nothing of equations, solvers or files.
"""

from __future__ import annotations

import copyreg
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from types import MappingProxyType

import sympy

from asnsim.errors import ModelError, suggest
from asnsim.page import antimony_page

__all__ = ["TIME", "Event", "Module", "Network", "Parameter", "Reaction", "Species", "is_identifier", "symbol", "symbols"]


def _read_only(table: dict) -> MappingProxyType:
    return MappingProxyType(table)


# Networks travel to other processes; read-only tables travel as what they show.
copyreg.pickle(MappingProxyType, lambda table: (_read_only, (dict(table),)))

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Words Antimony or SBML give a meaning of their own.
_RESERVED = frozenset("time avogadro pi delay exp ln log log10 sqrt abs floor ceil piecewise true false and or not".split())


def is_identifier(name: str) -> bool:
    """Whether a name may be given to a reaction, rule, state or event: a plain identifier, and no reserved word."""
    return bool(_NAME.fullmatch(name)) and name not in _RESERVED


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
        Amount per time, umol/h (or U/h), positive from left to right: the net rate.
    reverse : sympy.Expr
        What goes from right to left meanwhile, for what carries label both ways though nothing moves on balance; the gross
        forward rate is ``rate + reverse``.
    """

    id: str
    equation: str
    rate: sympy.Expr
    reverse: sympy.Expr = sympy.Integer(0)

    def __post_init__(self):
        object.__setattr__(self, "rate", _expression(self.rate))
        object.__setattr__(self, "reverse", _expression(self.reverse))

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
class Event:
    """What happens when a condition becomes true: states are set anew, at once or after a delay (SBML Level 3 semantics).

    Parameters
    ----------
    id : str
        Identifier.
    trigger : sympy Boolean
        Comparisons with ``< <= > >=``, joined by ``& | ~``. The event fires when it changes from false to true.
    assignments : mapping of str to sympy.Expr
        New values; what is assigned is a state, and one of constant value if nothing else changes it. Setting a compartment's
        size keeps the amounts in it.
    delay : sympy.Expr or float
        Time, h, between trigger and execution, evaluated at the trigger.
    priority : sympy.Expr or float
        Among events due at one time, larger first; equal ones in the order of their declaration.
    persistent : bool
        Whether an event that has been triggered is executed although its trigger is false again by then.
    initial : bool
        What the trigger counts as before the start: with False, an event whose trigger holds at the start fires there.
    at_trigger : bool
        Whether the new values are computed when it is triggered rather than when it is executed.
    """

    id: str
    trigger: sympy.logic.boolalg.Boolean
    assignments: Mapping[str, sympy.Expr]
    delay: sympy.Expr | float = 0
    priority: sympy.Expr | float = 0
    persistent: bool = True
    initial: bool = True
    at_trigger: bool = True

    def __post_init__(self):
        if isinstance(self.trigger, sympy.Symbol) or not isinstance(self.trigger, sympy.logic.boolalg.Boolean):
            raise ModelError(f"event '{self.id}': its trigger must be a comparison such as x > 1, not {self.trigger!r}")
        for relation in self.trigger.atoms(sympy.core.relational.Relational):
            if isinstance(relation, (sympy.Eq, sympy.Ne)):
                raise ModelError(f"event '{self.id}': '{relation}' holds for no time at all; compare with < <= > or >=")
        if not self.assignments:
            raise ModelError(f"event '{self.id}' assigns nothing; give it assignments")
        table = MappingProxyType({name: _expression(value) for name, value in self.assignments.items()})
        object.__setattr__(self, "assignments", table)
        for name in ("delay", "priority"):
            object.__setattr__(self, name, _expression(getattr(self, name)))

    @property
    def expressions(self) -> dict[str, sympy.Basic]:
        """Everything in it that holds names, by where it stands."""
        return {"trigger": self.trigger, "delay": self.delay, "priority": self.priority, **self.assignments}


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
    algebraic : mapping of str to sympy.Expr
        States that adjust at once so that an expression stays zero: ``{"x": x**2 - y}``. Their table rows are first guesses.
    events : tuple of Event
        What happens when a condition becomes true.
    exchanges : tuple of Reaction
        What swaps like for like: no net rate, so only a model with label has them.
    note : str
        One line on what it is and where it comes from.
    restarts : mapping of str to str
        Clocks by the state whose doses set them to 0: ``{"asnase_central": "asnase_clock"}``.
    """

    name: str
    reactions: tuple[Reaction, ...] = ()
    rules: Mapping[str, sympy.Expr] = field(default_factory=dict)
    rates: Mapping[str, sympy.Expr] = field(default_factory=dict)
    algebraic: Mapping[str, sympy.Expr] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    exchanges: tuple[Reaction, ...] = ()
    note: str = ""
    restarts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for kind in ("rules", "rates", "algebraic"):
            object.__setattr__(self, kind, MappingProxyType({k: _expression(v) for k, v in getattr(self, kind).items()}))
        object.__setattr__(self, "restarts", MappingProxyType(dict(self.restarts)))


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
        Names of the dynamic quantities: species, states of rate rules, algebraic states, what events set and nothing else moves.
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

    @cached_property
    def reactions(self) -> tuple[Reaction, ...]:
        """All reactions in module order."""
        return tuple(reaction for module in self.modules for reaction in module.reactions)

    @cached_property
    def rates(self) -> dict[str, sympy.Expr]:
        """Right-hand sides of all rate rules; zero for what only events change."""
        own = {name: rate for module in self.modules for name, rate in module.rates.items()}
        moved = {name for reaction in self.reactions for name in reaction.stoichiometry} | set(own) | set(self.algebraic)
        return own | {name: sympy.Integer(0) for name in self.states if name not in moved}

    @cached_property
    def algebraic(self) -> dict[str, sympy.Expr]:
        """What stays zero, by the state that sees to it."""
        return {name: e for module in self.modules for name, e in module.algebraic.items()}

    @cached_property
    def restarts(self) -> dict[str, str]:
        """Which clock a dose into a state sets to 0."""
        return {state: clock for module in self.modules for state, clock in module.restarts.items()}

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """All events in module order."""
        return tuple(event for module in self.modules for event in module.events)

    @cached_property
    def compartments(self) -> tuple[str, ...]:
        """Names of the compartments in order of first use."""
        return tuple(dict.fromkeys(species.compartment for species in self.species.values()))

    @cached_property
    def constants(self) -> tuple[str, ...]:
        """Names of the parameters that are not initial values of states."""
        states = set(self.states)
        return tuple(name for name in self.parameters if name not in states)

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

    @cached_property
    def state_values(self) -> tuple[float, ...]:
        """Initial values in the order of `states`."""
        return tuple(self.parameters[name].value for name in self.states)

    @cached_property
    def constant_values(self) -> tuple[float, ...]:
        """Values in the order of `constants`."""
        return tuple(self.parameters[name].value for name in self.constants)

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

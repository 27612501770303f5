"""Foreign SBML through libSBML: what a document says, as a `Network` whose numbers may be formulas of each other.

A state of the engine is a concentration; a species that SBML treats as an amount is written as concentration times size wherever
mathematics mentions it. Names that the engine keeps for itself get a trailing underscore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import libsbml
import numpy as np
import sympy

from asnsim.composition import compose
from asnsim.errors import ModelError, UnsupportedFeatureError
from asnsim.expressions import Graph
from asnsim.formulas import as_condition, as_number
from asnsim.io.mathml import lower
from asnsim.network import TIME, Event, Module, Network, Parameter, Reaction, Species, is_identifier, symbol

__all__ = ["ForeignModel", "ordered", "read_sbml"]

_LARGEST = 100_000_000  # bytes of a document
_PACKAGES = ("fbc", "comp", "distrib", "multi", "qual", "arrays", "dyn", "spatial")
_FROM_TEXT = "read from SBML"


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """A model as a document gives it.

    Parameters
    ----------
    network : Network
        With the document's own numbers.
    initial : mapping of str to sympy.Expr
        Of every constant and initial value of the network, by its name there: a number, or a formula of others.
    names : mapping of str to sympy.Expr
        What each identifier of the document stands for in formulas: a symbol, or symbol times size for an amount.
    ids : mapping of str to str
        Name in the network of each identifier.
    sizes : mapping of str to str
        Compartment of each species, by names in the network.
    amounts : frozenset of str
        Species, by identifiers, that formulas mean as amounts.
    """

    network: Network
    initial: Mapping[str, sympy.Expr]
    names: Mapping[str, sympy.Expr]
    ids: Mapping[str, str]
    sizes: Mapping[str, str]
    amounts: frozenset[str]


def read_sbml(source: str | Path) -> ForeignModel:
    """Read a document.

    Parameters
    ----------
    source : str or Path
        Path of an SBML file.

    Raises
    ------
    ModelError
        If the file is missing, no SBML, or not consistent in itself.
    UnsupportedFeatureError
        If it needs what the engine lacks; the message names it.
    """
    path = Path(source)
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    if path.stat().st_size > _LARGEST:
        raise ModelError(f"{path}: the file is larger than {_LARGEST // 1_000_000} MB")
    text = path.read_bytes().decode("utf-8", errors="replace")
    if "<!ENTITY" in text:
        raise ModelError(f"{path}: the document declares entities, which are not read")
    # libSEDML, which tellurium imports, gives libSBML's trees a class of its own that cannot read them; this takes them back
    libsbml._libsbml.ASTNode_swigregister(libsbml.ASTNode)
    document = libsbml.readSBMLFromString(text)
    fatal = [document.getError(i) for i in range(document.getNumErrors())]
    fatal = [error for error in fatal if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
    if fatal or document.getModel() is None:
        why = " ".join(fatal[0].getMessage().split()) if fatal else "it holds no model"
        raise ModelError(f"{path}: not a readable SBML model: {why[:200]}")
    return _Reader(document.getModel(), path.name).read()


def _all(items) -> list:
    return [items.get(i) for i in range(items.size())]


class _Reader:
    def __init__(self, model, where: str):
        self.model, self.where = model, where
        self.functions = {f.getId(): self._function(f) for f in _all(model.getListOfFunctionDefinitions())}
        self.species = {s.getId(): s for s in _all(model.getListOfSpecies())}
        self.compartments = {c.getId(): c for c in _all(model.getListOfCompartments())}
        self.parameters = {p.getId(): p for p in _all(model.getListOfParameters())}
        self.reactions = _all(model.getListOfReactions())
        self.taken: set[str] = set()
        everything = (*self.species, *self.compartments, *self.parameters, *(r.getId() for r in self.reactions))
        self.ids = {name: self._free(name) for name in everything}
        self.amounts = frozenset(i for i, s in self.species.items() if self._is_amount(s))
        self.names = {name: symbol(own) for name, own in self.ids.items()}
        for name in self.amounts:
            self.names[name] = symbol(self.ids[name]) * self._size(name)
        self.initial: dict[str, sympy.Expr] = {}

    def _function(self, definition) -> tuple:
        math = definition.getMath()
        if math is None:
            raise ModelError(f"{self.where}: function '{definition.getId()}' has no mathematics")
        count = math.getNumChildren()
        return tuple(math.getChild(i).getName() for i in range(count - 1)), math.getChild(count - 1)

    def _free(self, name: str) -> str:
        own = name
        while not is_identifier(own) or own in self.taken:
            own += "_"
        self.taken.add(own)
        return own

    def _is_amount(self, one) -> bool:
        if one.getCompartment() not in self.compartments:
            raise ModelError(f"{self.where}: species '{one.getId()}' lies in '{one.getCompartment()}', which is no compartment")
        flat = self.compartments[one.getCompartment()].getSpatialDimensions() == 0
        return one.getHasOnlySubstanceUnits() or flat

    def _size(self, species: str) -> sympy.Expr:
        return symbol(self.ids[self.species[species].getCompartment()])

    def math(self, element, where: str) -> sympy.Basic:
        return lower(element.getMath(), self.names, self.functions, f"{self.where}: {where}")

    def number(self, element, where: str) -> sympy.Expr:
        return as_number(self.math(element, where))

    def own(self, name: str, value: sympy.Expr) -> sympy.Expr:
        """What the engine's quantity is where the document's is `value`: a concentration where that is an amount."""
        return value / self._size(name) if name in self.amounts else value

    # ---- parts ---------------------------------------------------------------------------------------------------------
    def read(self) -> ForeignModel:
        self._refuse()
        self._initial_values()
        reactions = self._reactions()
        rules, rates = self._rules()
        events = self._events()
        if not (reactions or rates or events):  # the engine needs a state: one that rests
            rest = self._free("resting")
            rates, self.initial[rest] = {rest: sympy.Integer(0)}, sympy.Integer(0)
        module = Module("sbml", reactions, rules, rates, events=events)
        table = {
            self.ids[i]: Species(self.ids[i], s.getName() or i, self.ids[s.getCompartment()]) for i, s in self.species.items()
        }
        values = _evaluated(self.initial, self.where)
        rows = {name: Parameter(name, value, "1", (), source=_FROM_TEXT) for name, value in values.items()}
        for name in rules:
            rows.pop(name, None)
        name = self._free_name()
        network = compose(name, [module], table, rows, self.model.getName(), checked=False)
        initial = {name: self.initial[name] for name in network.parameters}
        sizes = {self.ids[i]: self.ids[s.getCompartment()] for i, s in self.species.items()}
        return ForeignModel(network, initial, self.names, self.ids, sizes, self.amounts)

    def _free_name(self) -> str:
        name = self.model.getId()
        return name if is_identifier(name) else "model"

    def _refuse(self) -> None:
        model = self.model
        found = {
            "an algebraic rule": any(r.isAlgebraic() for r in _all(model.getListOfRules())),
            "a fast reaction": any(r.getFast() for r in self.reactions),
        }
        found |= {f"the package '{name}'": model.getPlugin(name) is not None for name in _PACKAGES}
        for what, present in found.items():
            if present:
                raise UnsupportedFeatureError(f"{self.where}: {what} is not supported")

    def _initial_values(self) -> None:
        for name, one in self.compartments.items():
            self.initial[self.ids[name]] = _real(one.getSize() if one.isSetSize() else 1.0)
        for name, one in self.parameters.items():
            self.initial[self.ids[name]] = _real(one.getValue() if one.isSetValue() else np.nan)
        for name, one in self.species.items():
            own = self.ids[name]
            if one.isSetInitialConcentration():
                self.initial[own] = _real(one.getInitialConcentration())
            elif one.isSetInitialAmount():
                self.initial[own] = _real(one.getInitialAmount()) / self._size(name)
            else:
                self.initial[own] = sympy.nan
        for one in _all(self.model.getListOfInitialAssignments()):
            name = one.getSymbol()
            if name not in self.ids:
                raise UnsupportedFeatureError(f"{self.where}: an initial assignment to '{name}', no species, size or parameter")
            self.initial[self.ids[name]] = self.own(name, self.number(one, f"initial assignment of '{name}'"))

    def _reactions(self) -> tuple[Reaction, ...]:
        return tuple(self._reaction(one) for one in self.reactions)

    def _reaction(self, one) -> Reaction:
        where, law = f"reaction '{one.getId()}'", one.getKineticLaw()
        if law is None:
            raise ModelError(f"{self.where}: {where} has no kinetic law")
        names = dict(self.names)
        locals_ = law.getListOfLocalParameters() if law.getNumLocalParameters() else law.getListOfParameters()
        for parameter in _all(locals_):
            own = self._free(f"{one.getId()}__{parameter.getId()}")
            self.initial[own] = _real(parameter.getValue())
            names[parameter.getId()] = symbol(own)
        rate = as_number(lower(law.getMath(), names, self.functions, f"{self.where}: {where}"))
        net: dict[str, float] = {}
        for sign, side in ((-1.0, one.getListOfReactants()), (1.0, one.getListOfProducts())):
            for reference in _all(side):
                name = reference.getSpecies()
                if name not in self.species:
                    raise ModelError(f"{self.where}: {where} turns over '{name}', which is no species of the model")
                if not self.species[name].getBoundaryCondition() and not self.species[name].getConstant():
                    net[name] = net.get(name, 0.0) + sign * self._stoichiometry(reference, where)
        left, right = ([f"{abs(n)!r} {self.ids[s]}" for s, n in net.items() if n * sign > 0] for sign in (-1, 1))
        arrow = "->" if one.getReversible() else "=>"
        return Reaction(self.ids[one.getId()], f"{' + '.join(left)} {arrow} {' + '.join(right)}", rate)

    def _stoichiometry(self, reference, where: str) -> float:
        name = reference.getId()
        moved = name and (
            self.model.getInitialAssignmentBySymbol(name) is not None or self.model.getRuleByVariable(name) is not None
        )
        if reference.isSetStoichiometryMath() or moved:
            raise UnsupportedFeatureError(f"{self.where}: {where}: a stoichiometry that is computed is not supported")
        for other in (self.model, self.species[reference.getSpecies()]):
            if other.getLevel() > 2 and other.isSetConversionFactor():
                raise UnsupportedFeatureError(f"{self.where}: {where}: conversion factors are not supported")
        value = reference.getStoichiometry() if reference.isSetStoichiometry() or reference.getLevel() < 3 else np.nan
        if not np.isfinite(value):
            raise ModelError(f"{self.where}: {where}: the stoichiometry of '{reference.getSpecies()}' is not given")
        return value

    def _rules(self) -> tuple[dict[str, sympy.Expr], dict[str, sympy.Expr]]:
        rules, rates = {}, {}
        for one in _all(self.model.getListOfRules()):
            name = one.getVariable()
            if name not in self.ids:
                raise UnsupportedFeatureError(f"{self.where}: a rule for '{name}', no species, size or parameter")
            value = self.own(name, self.number(one, f"rule of '{name}'"))
            (rules if one.isAssignment() else rates)[self.ids[name]] = value
        for name in self.amounts:  # of an amount n = C V, dC/dt = (dn/dt - C dV/dt)/V
            size = self.ids[self.species[name].getCompartment()]
            if self.ids[name] in rates and size in rates:
                rates[self.ids[name]] -= symbol(self.ids[name]) * rates[size] / symbol(size)
        return rules, rates

    def _events(self) -> tuple[Event, ...]:
        events = []
        for k, one in enumerate(_all(self.model.getListOfEvents())):
            name = self._free(one.getId() or f"event{k}")
            where, trigger = f"event '{name}'", one.getTrigger()
            assignments = {}
            for assignment in _all(one.getListOfEventAssignments()):
                target = assignment.getVariable()
                if target not in self.ids:
                    raise UnsupportedFeatureError(f"{self.where}: {where} assigns '{target}', no species, size or parameter")
                assignments[self.ids[target]] = self.own(target, self.number(assignment, where))
            condition = as_condition(self.math(trigger, where))
            if not assignments:
                continue
            events.append(
                Event(
                    name,
                    condition,
                    assignments,
                    delay=self.number(one.getDelay(), where) if one.isSetDelay() else 0,
                    priority=self.number(one.getPriority(), where) if one.isSetPriority() else 0,
                    persistent=trigger.getPersistent() if trigger.isSetPersistent() else True,
                    initial=trigger.getInitialValue() if trigger.isSetInitialValue() else True,
                    at_trigger=one.getUseValuesFromTriggerTime(),
                )
            )
        return tuple(events)


def _real(value: float) -> sympy.Expr:
    return sympy.nan if np.isnan(value) else sympy.Float(value)


def _evaluated(initial: Mapping[str, sympy.Expr], where: str) -> dict[str, float]:
    """Numbers of initial values that may be formulas of each other; NaN where a formula asks for what is only known later."""
    graph = Graph()
    nodes = {TIME.name: graph.zero}
    for name in ordered(initial, where):
        for free in initial[name].free_symbols:
            nodes.setdefault(free.name, graph.const(np.nan))
        nodes[name] = graph.lower(initial[name], nodes)
    values = graph.evaluate([nodes[name] for name in initial], 0.0, np.zeros(0), np.zeros(0))
    return dict(zip(initial, map(float, values), strict=True))


def ordered(formulas: Mapping[str, sympy.Expr], where: str) -> list[str]:
    """Names in an order in which each can be evaluated.

    Raises
    ------
    ModelError
        If they go in circles.
    """
    try:
        graph = {n: sorted(s.name for s in e.free_symbols if s.name in formulas) for n, e in formulas.items()}
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ModelError(f"{where}: initial values go in circles: {' -> '.join(error.args[1])}") from None

"""From a network to ordinary differential equations, as one expression graph.

A species of amount n = C V obeys ``dn/dt = sum(stoichiometry * rate)``, so ``dC/dt = (sum(...) + input)/V - C V'/V``;
the last term is the dilution by a compartment that grows and is there only where the compartment is a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import sympy

from asnsim.checks import Structure
from asnsim.derivatives import derivatives
from asnsim.errors import ModelError, UnsupportedFeatureError, suggest
from asnsim.expressions import Graph
from asnsim.network import TIME, Event, Network, symbol
from asnsim.once import once

__all__ = ["ODESystem", "build_equations", "without_rates"]


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event as nodes.

    Parameters
    ----------
    event : Event
        What it was made from.
    condition : tuple
        The trigger over the truths of `ODESystem.roots`: ``('leaf', j)``, ``('not', c)``, ``('and', c, ...)`` or ``('or', ...)``.
    delay, priority : int
        Their values.
    assignments : tuple of (int, int)
        State and new value.
    """

    event: Event
    condition: tuple
    delay: int
    priority: int
    assignments: tuple[tuple[int, int], ...]

    def holds(self, truths: Sequence[bool]) -> bool:
        """Whether the trigger holds, given the truth of every root's condition."""
        return _holds(self.condition, truths)


def _holds(condition: tuple, truths: Sequence[bool]) -> bool:
    kind, *parts = condition
    if kind == "leaf":
        return bool(truths[parts[0]])
    if kind == "not":
        return not _holds(parts[0], truths)
    return (all if kind == "and" else any)(_holds(part, truths) for part in parts)


@dataclass(frozen=True, eq=False)
class ODESystem:
    """Differential equations of a network, without numbers.

    Parameters
    ----------
    key : str
        Hash of the structure.
    states, constants : tuple of str
        Names in the order of the arrays x and c.
    graph : Graph
        Holds every expression.
    rhs : tuple of int
        Node of each dx/dt. After the constants, c holds one input per state: amount per time for a species,
        the state's unit per time otherwise; infusions use it.
    mass : tuple of float
        Per state 1, or 0 where the equation is algebraic: ``rhs = 0``.
    roots : tuple of int
        Nodes whose changes of sign decide the triggers of events.
    root_strict : tuple of bool
        Whether the condition behind each root is ``> 0`` rather than ``>= 0``.
    triggers : tuple of Trigger
        The events.
    divisors : tuple of int
        Per state the node by which an amount given into it is divided: the volume of its compartment, or one.
    observables : mapping of str to int
        Node of every state, rule, reaction flux and constant that can be asked for.
    volumes : mapping of str to str
        Compartment of each species.
    network : Network
        Where it came from (structure only; its numbers do not matter here).
    switches : frozenset of int
        Which roots belong to no event, but are where time switches a rate: steps land there.
    cache : dict
        What has been derived already: the Jacobian, compiled kernels.
    """

    key: str
    states: tuple[str, ...]
    constants: tuple[str, ...]
    graph: Graph
    rhs: tuple[int, ...]
    mass: tuple[float, ...]
    roots: tuple[int, ...]
    root_strict: tuple[bool, ...]
    triggers: tuple[Trigger, ...]
    divisors: tuple[int, ...]
    observables: MappingProxyType
    volumes: MappingProxyType
    network: Network
    switches: frozenset = frozenset()
    cache: dict = field(default_factory=dict, repr=False)

    @property
    def n(self) -> int:
        """Number of states."""
        return len(self.states)

    def jacobian(self) -> dict[tuple[int, int], int]:
        """Return the non-zero entries d(rhs_i)/d(x_j) as nodes, by rows."""
        if "jac" not in self.cache:
            self.cache["jac"] = self.state_derivatives(self.rhs)
        return self.cache["jac"]

    def parameter_derivatives(self, roots: Sequence[int], theta: Sequence[int]) -> dict[tuple[int, int], int]:
        """Return the non-zero explicit derivatives of nodes by chosen constants (indices into c)."""
        column = {j: k for k, j in enumerate(theta)}
        found = derivatives(self.graph, roots, {("c", j) for j in theta})
        return {(i, column[j]): node for (i, _, j), node in found.items()}

    def state_derivatives(self, roots: Sequence[int]) -> dict[tuple[int, int], int]:
        """Return the non-zero explicit derivatives of nodes by the states."""
        found = derivatives(self.graph, roots, {("x", i) for i in range(self.n)})
        return {(i, j): node for (i, _, j), node in found.items()}

    def time_derivatives(self) -> dict[int, int]:
        """Return the non-zero explicit derivatives of the right-hand side by time."""
        return {i: node for (i, _, _), node in derivatives(self.graph, self.rhs, {("t", 0)}).items()}

    def observable(self, name: str) -> int:
        """Return the node of a named quantity.

        Raises
        ------
        ModelError
            If there is no such quantity.
        """
        if name not in self.observables:
            raise ModelError(
                f"'{name}' is not a state, rule or flux of model '{self.network.name}'{suggest(name, self.observables)}"
            )
        return self.observables[name]

    def arrays(self, network: Network) -> tuple[np.ndarray, np.ndarray]:
        """Return initial states (n_x,) and constants with zero inputs (n_c + n_x,) of a network of this structure."""
        return np.array(network.state_values, dtype=float), np.concatenate([network.constant_values, np.zeros(self.n)])

    def symbolic_rhs(self) -> dict[str, sympy.Expr]:
        """Return dx/dt as SymPy expressions with rules written out, for reading and as the oracle of the graph."""
        rules = dict(self.network.rules)
        plain: dict[sympy.Symbol, sympy.Expr] = {}
        for name, expression in rules.items():
            plain[symbol(name)] = expression.xreplace(plain)
        return {name: expression.xreplace(plain) for name, expression in _right_hand_sides(self.network).items()}

    def latex(self) -> str:
        """Return the equations as LaTeX lines, rules as named intermediates."""
        lines = [rf"{sympy.latex(symbol(name))} &:= {sympy.latex(e)} \\" for name, e in self.network.rules.items()]
        for name, expression in _right_hand_sides(self.network).items():
            if name in self.network.algebraic:
                lines.append(rf"0 &= {sympy.latex(expression)} \\")
                continue
            lines.append(rf"\frac{{d}}{{dt}} {sympy.latex(symbol(name))} &= {sympy.latex(expression)} \\")
        return "\n".join([r"\begin{align*}", *lines, r"\end{align*}"])

    def conserved(self) -> list[dict[str, float]]:
        """Return a basis of the conserved moieties: weights of species whose weighted amounts never change.

        The left null space of the stoichiometric matrix, by exact row reduction.
        """
        reactions = self.network.reactions
        species = [name for name in self.states if name in self.volumes]
        matrix = sympy.zeros(len(reactions), len(species))
        for row, reaction in enumerate(reactions):
            for name, number in reaction.stoichiometry.items():
                matrix[row, species.index(name)] = sympy.Rational(str(number))
        return [
            {name: float(weight) for name, weight in zip(species, vector, strict=True) if weight != 0}
            for vector in matrix.nullspace()
        ]


def _right_hand_sides(network: Network) -> dict[str, sympy.Expr]:
    """SymPy right-hand sides with rules as names, and what is zero of algebraic states; inputs left out."""
    rates = network.rates | network.algebraic
    sides: dict[str, sympy.Expr] = {name: sympy.Integer(0) for name in network.states}
    for reaction in network.reactions:
        for name, number in reaction.stoichiometry.items():
            sides[name] += (int(number) if number == int(number) else sympy.Float(number)) * reaction.rate
    for name in network.states:
        if name in rates:
            sides[name] = rates[name]
            continue
        compartment = network.species[name].compartment
        sides[name] = sides[name] / symbol(compartment)
        if compartment in rates:
            sides[name] -= symbol(name) * rates[compartment] / symbol(compartment)
    return sides


def build_equations(network: Network) -> ODESystem:
    """Lower a network to an `ODESystem`; networks of equal structure share one, in all threads.

    Raises
    ------
    UnsupportedFeatureError
        If a compartment's size is a rule that changes in time.
    """
    return _build(Structure(network.structure, network))


def without_rates(system: ODESystem, places: Sequence[int]) -> ODESystem:
    """Return the equations with some states, by their places, that nothing moves."""
    rhs = tuple(system.graph.zero if i in places else node for i, node in enumerate(system.rhs))
    return replace(system, key=f"{system.key} without {sorted(places)}", rhs=rhs, cache={})


@once(64)
def _build(structure: Structure) -> ODESystem:
    network = structure.network
    states, constants = network.states, network.constants
    graph = Graph()
    names = {TIME.name: graph.input("t")}
    names |= {name: graph.input("x", i) for i, name in enumerate(states)}
    names |= {name: graph.input("c", j) for j, name in enumerate(constants)}
    for name, expression in network.rules.items():
        names[name] = graph.lower(expression, names)
    rates = {name: graph.lower(expression, names) for name, expression in network.rates.items()}
    fluxes = {reaction.id: graph.lower(reaction.rate, names) for reaction in network.reactions}
    _check_compartments(network, graph, names)
    rhs = []
    for i, name in enumerate(states):
        inflow = graph.input("c", len(constants) + i)
        if name in network.algebraic:
            rhs.append(graph.lower(network.algebraic[name], names))
            continue
        if name in rates:
            rhs.append(graph.add(rates[name], inflow))
            continue
        total = graph.zero
        for reaction in network.reactions:
            number = reaction.stoichiometry.get(name, 0.0)
            if number:
                total = _accumulate(graph, total, number, fluxes[reaction.id])
        volume = network.species[name].compartment
        side = graph.div(graph.add(total, inflow), names[volume])
        if volume in rates:
            side = graph.sub(side, graph.mul(names[name], graph.div(rates[volume], names[volume])))
        rhs.append(side)
    volumes = {s.id: s.compartment for s in network.species.values()}
    divisors = [names[volumes[name]] if name in volumes and name not in rates else graph.one for name in states]
    relations = _relations(network.events, graph, names)
    switches = [relation for relation in _switches(graph, rhs) if relation not in relations]
    first = len(relations)
    relations += switches
    return ODESystem(
        network.structure,
        states,
        constants,
        graph,
        tuple(rhs),
        tuple(0.0 if name in network.algebraic else 1.0 for name in states),
        tuple(node for node, _ in relations),
        tuple(strict for _, strict in relations),
        tuple(_trigger(event, graph, names, states, relations) for event in network.events),
        tuple(divisors),
        MappingProxyType(names | fluxes),
        MappingProxyType(volumes),
        network,
        frozenset(range(first, len(relations))),
    )


def _switches(graph: Graph, rhs: Sequence[int]) -> list[tuple[int, bool]]:
    """Comparisons with time, apart from those of states, that choose between rates."""
    found = []
    for node in graph.reachable(rhs):
        op, *args = graph.nodes[node]
        if op == "less" and {"t"} == {graph.nodes[i][0] for i in graph.reachable(args[:2])} & {"x", "t"}:
            found.append((graph.sub(args[1], args[0]), True))
    return list(dict.fromkeys(found))


def _relation(relation, graph: Graph, names) -> tuple[int, bool]:
    """A comparison as ``g > 0`` (strict) or ``g >= 0``."""
    left, right = (graph.lower(side, names) for side in relation.args)
    if isinstance(relation, (sympy.Lt, sympy.Le)):
        left, right = right, left
    return graph.sub(left, right), isinstance(relation, (sympy.Gt, sympy.Lt))


def _relations(events, graph: Graph, names) -> list[tuple[int, bool]]:
    """Comparisons of all triggers, each once."""
    atoms = [a for event in events for a in sorted(event.trigger.atoms(sympy.core.relational.Relational), key=str)]
    return list(dict.fromkeys(_relation(atom, graph, names) for atom in atoms))


def _trigger(event: Event, graph: Graph, names, states, relations) -> Trigger:
    def condition(expression) -> tuple:
        if isinstance(expression, sympy.core.relational.Relational):
            return "leaf", relations.index(_relation(expression, graph, names))
        if isinstance(expression, sympy.Not):
            return "not", condition(expression.args[0])
        if isinstance(expression, (sympy.And, sympy.Or)):
            return "and" if isinstance(expression, sympy.And) else "or", *(condition(part) for part in expression.args)
        if expression in (sympy.true, sympy.false):
            return ("and",) if expression == sympy.true else ("or",)
        raise UnsupportedFeatureError(f"event '{event.id}': the trigger '{expression}' is not a comparison or several joined")

    assignments = tuple((states.index(name), graph.lower(value, names)) for name, value in event.assignments.items())
    delay, priority = graph.lower(event.delay, names), graph.lower(event.priority, names)
    return Trigger(event, condition(event.trigger), delay, priority, assignments)


def _accumulate(graph: Graph, total: int, number: float, flux: int) -> int:
    if number == -1.0:
        return graph.sub(total, flux)
    return graph.add(total, graph.mul(graph.const(number), flux))


def _check_compartments(network: Network, graph: Graph, names: dict[str, int]) -> None:
    for compartment in network.compartments:
        if compartment not in network.rules:
            continue
        used = {graph.nodes[index][0] for index in graph.reachable([names[compartment]])}
        if used & {"x", "t"}:
            raise UnsupportedFeatureError(
                f"the size of compartment '{compartment}' is a rule that changes in time; give it an equation of its own instead"
            )

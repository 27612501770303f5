"""Derivatives on the expression graph by vertex elimination.

The linearised graph has one vertex per node and one edge per local partial derivative. Eliminating a vertex joins each of its
arguments to each of its users, with the product of the two edges; what is left at the end are edges from the inputs to the
roots: the Jacobian. Forward and reverse mode are two fixed orders of elimination; taking the vertex with the fewest such joins
next needs about a third of their products on networks whose fluxes share denominators, and a row costs less than its fluxes.

References
----------
.. [1] Griewank & Walther 2008, Evaluating Derivatives, 2nd ed., chapters 9 and 10 (minimal Markowitz degree).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Sequence

from asnsim.expressions import LEAVES, Graph

__all__ = ["Entry", "derivatives"]

#: (row, kind of input, index of input)
Entry = tuple[int, str, int]


def derivatives(graph: Graph, roots: Sequence[int], inputs: Container[tuple] | None = None) -> dict[Entry, int]:
    """Return the structurally non-zero derivatives of nodes by inputs, as nodes.

    The derivative of a power by its exponent is 0 where the base is not positive; that of a choice (``less``) is the one of the
    branch taken.

    Parameters
    ----------
    graph : Graph
        Holds the nodes, and receives those of the derivatives.
    roots : sequence of int
        What to differentiate.
    inputs : container of (str, int), optional
        By which inputs, ``('x', i)``, ``('c', j)`` or ``('t', 0)``; by default all states and constants.

    Returns
    -------
    dict of (int, str, int) to int
        ``(row, kind, index)`` in order of rows, then of inputs as they were made.
    """
    below, above, leaves = _linearise(graph, roots, inputs)
    inner = [v for v in below if v >= 0]
    queue = [(len(below[v]) * len(above[v]), v) for v in inner]
    heapq.heapify(queue)
    done: set[int] = set()
    while queue:
        cost, v = heapq.heappop(queue)
        if v in done:
            continue
        now = len(below[v]) * len(above[v])
        if now > cost:  # it has grown since it was queued
            heapq.heappush(queue, (now, v))
            continue
        done.add(v)
        touched = _eliminate(graph, v, below, above)
        for u in touched:
            if u in below and u >= 0 and u not in done:
                heapq.heappush(queue, (len(below[u]) * len(above[u]), u))
    found: dict[Entry, int] = {}
    for row in range(len(roots)):
        for u, weight in sorted(below[-1 - row].items(), key=lambda pair: leaves[pair[0]]):
            if weight != graph.zero:
                kind, *index = graph.nodes[u]
                found[row, kind, index[0]] = weight
    return found


def _linearise(graph, roots, inputs):
    """Edges of the linearised graph: ``below[v]`` maps arguments to local partials, ``above[v]`` is the set of users.

    A root i is a vertex of its own, -1 - i. Vertices that depend on no input are left out; `leaves` are the inputs met.
    """
    active: set[int] = set()
    leaves: dict[int, tuple] = {}
    below: dict[int, dict[int, int]] = {}
    above: dict[int, set[int]] = {}
    for v in graph.reachable(roots):
        op, *args = graph.nodes[v]
        if op in LEAVES:
            key = (op, args[0] if op != "const" else 0)
            if op != "const" and (op != "t" if inputs is None else key in inputs):
                active.add(v)
                leaves[v] = key
                above[v] = set()
            continue
        edges: dict[int, int] = {}
        for argument, partial in _partials(graph, v, op, args):
            if argument in active:
                edges[argument] = graph.add(edges.get(argument, graph.zero), partial())
        edges = {u: w for u, w in edges.items() if w != graph.zero}
        if edges:
            active.add(v)
            below[v], above[v] = edges, set()
            for u in edges:
                above[u].add(v)
    for row, root in enumerate(roots):
        below[-1 - row] = {root: graph.one} if root in active else {}
        if root in active:
            above[root].add(-1 - row)
    return below, above, leaves


def _eliminate(graph, v, below, above) -> set[int]:
    """Join the arguments of a vertex to its users; return the vertices whose edges have changed."""
    arguments, users = below.pop(v), above.pop(v)
    for s in sorted(users):
        edges = below[s]
        factor = edges.pop(v)
        for u, weight in arguments.items():
            edges[u] = graph.add(edges.get(u, graph.zero), graph.mul(factor, weight))
            above[u].add(s)
    for u in arguments:
        above[u].discard(v)
    return users | set(arguments)


def _partials(graph: Graph, v: int, op: str, args: list[int]) -> list[tuple[int, Callable[[], int]]]:
    """Local partial derivatives of a node by its arguments, made only where they are used."""
    if op == "less":
        a, b, then, otherwise = args
        zero, one = graph.zero, graph.one
        return [(then, lambda: graph.less(a, b, one, zero)), (otherwise, lambda: graph.less(a, b, zero, one))]
    a = args[0]
    b = args[1] if len(args) > 1 else a
    table = {
        "add": [lambda: graph.one, lambda: graph.one],
        "sub": [lambda: graph.one, lambda: graph.minus],
        "mul": [lambda: b, lambda: a],
        "recip": [lambda: graph.neg(graph.mul(v, v))],
        "pow": [lambda: _by_base(graph, v, a, b), lambda: _by_exponent(graph, v, a)],
        "exp": [lambda: v],
        "log": [lambda: graph.recip(a)],
        "sqrt": [lambda: graph.mul(graph.const(0.5), graph.recip(v))],
        "tanh": [lambda: graph.sub(graph.one, graph.mul(v, v))],
        "sin": [lambda: graph.function("cos", a)],
        "cos": [lambda: graph.neg(graph.function("sin", a))],
        "atan": [lambda: graph.recip(graph.add(graph.one, graph.mul(a, a)))],
        "floor": [lambda: graph.zero],
    }
    return list(zip(args, table[op], strict=True))


def _by_base(graph: Graph, v: int, a: int, b: int) -> int:
    """``b a^(b-1)`` as ``b v / a``, which needs no second power; at a = 0 its limit from above."""
    zero, one = graph.zero, graph.one
    away = graph.mul(graph.mul(b, v), graph.recip(a))
    limit = graph.less(one, b, zero, graph.less(b, one, graph.const(float("inf")), one))
    return graph.less(zero, a, away, graph.less(a, zero, away, limit))


def _by_exponent(graph: Graph, v: int, a: int) -> int:
    return graph.less(graph.zero, a, graph.mul(v, graph.function("log", a)), graph.zero)

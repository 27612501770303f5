"""From the expression graph to LLVM IR: one straight line of instructions per kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from asnsim.expressions import LEAVES, Graph
from asnsim.ir import Writer
from asnsim.ir_math import power

__all__ = ["emit"]

_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul"}


def emit(
    graph: Graph, name: str, outputs: Iterable[tuple[int, int]], hoisted: Mapping[int, int] | None = None, width: int = 1
) -> str:
    """Write one kernel as LLVM IR.

    Values are computed where the first output needs them and stored at once, so that few are alive at a time. A product that
    is used only in one sum becomes a fused multiply-add.

    Parameters
    ----------
    graph : Graph
        The expressions.
    name : str
        Name of the function.
    outputs : iterable of (int, int)
        Place in `out` and node to store there.
    hoisted : mapping of int to int, optional
        Nodes that need not be computed, because their values stand in c at these places.
    width : int
        1, or the number of lanes.

    Returns
    -------
    str
        Text of the function.
    """
    outputs, hoisted = list(outputs), hoisted or {}
    walk = _Walk(graph, hoisted, width, Counter(node for _, node in outputs))
    for place, node in outputs:
        walk.writer.store(walk.value(node), "out", place)
    return walk.writer.kernel(name)


class _Walk:
    """Depth-first evaluation of nodes into registers."""

    def __init__(self, graph: Graph, hoisted: Mapping[int, int], width: int, uses: Counter):
        self.graph, self.hoisted, self.writer, self.register = graph, hoisted, Writer(width), {}
        for index in graph.reachable(uses, stop=hoisted):
            if index not in hoisted and graph.nodes[index][0] not in LEAVES:
                uses.update(graph.nodes[index][1:])
        self.uses = uses

    def value(self, root: int) -> str:
        """Return the operand that holds a node, computing what is missing; without recursion, for long sums."""
        stack = [root]
        while stack:
            index = stack[-1]
            if index in self.register:
                stack.pop()
                continue
            missing = [a for a in self._needs(index) if a not in self.register]
            if missing:
                stack.extend(reversed(missing))
                continue
            self.register[index] = self._compute(index)
            stack.pop()
        return self.register[root]

    def _is_leaf(self, index: int) -> bool:
        return index in self.hoisted or self.graph.nodes[index][0] in LEAVES

    def _product(self, index: int) -> bool:
        """Whether a node is a product that only the sum at hand uses."""
        return not self._is_leaf(index) and self.graph.nodes[index][0] == "mul" and self.uses[index] == 1

    def _needs(self, index: int) -> tuple[int, ...]:
        if self._is_leaf(index):
            return ()
        op, *args = self.graph.nodes[index]
        if op in ("add", "sub"):
            a, b = args
            if self._product(b):
                return (a, *self.graph.nodes[b][1:])
            if self._product(a):
                return (b, *self.graph.nodes[a][1:])
        return tuple(args)

    def _compute(self, index: int) -> str:
        writer, node, held = self.writer, self.graph.nodes[index], self.register
        if index in self.hoisted:
            return writer.load("c", self.hoisted[index])
        op, *args = node
        if op == "const":
            return writer.const(args[0])
        if op == "t":
            return "%t"
        if op in ("x", "c"):
            return writer.load(op, args[0])
        if op in ("add", "sub"):
            return self._sum(op, *args)
        if op == "mul":
            if args[0] == self.graph.minus:
                return writer.neg(held[args[1]])
            return writer.op("fmul", held[args[0]], held[args[1]])
        if op == "recip":
            return writer.op("fdiv", writer.const(1.0), held[args[0]])
        if op == "less":
            a, b, then, otherwise = (held[i] for i in args)
            return writer.select(writer.compare("olt", a, b), then, otherwise)
        if op in ("sqrt", "floor"):
            return writer.intrinsic(op, held[args[0]])
        if op == "pow":
            return power(writer, *(held[i] for i in args))
        return writer.call(op, held[args[0]])

    def _sum(self, op: str, a: int, b: int) -> str:
        writer, held = self.writer, self.register
        if self._product(b):
            left, right = (held[i] for i in self.graph.nodes[b][1:])
            return writer.fma(left if op == "add" else writer.neg(left), right, held[a])
        if self._product(a):
            left, right = (held[i] for i in self.graph.nodes[a][1:])
            return writer.fma(left, right, held[b] if op == "add" else writer.neg(held[b]))
        return writer.op(_ARITHMETIC[op], held[a], held[b])

"""Expression graph: SymPy expressions as shared numeric nodes.

Equal sub-expressions are one node, so the right-hand side, its Jacobian and the parameter derivatives share their
intermediates; `asnsim.derivatives` differentiates on the graph. Quotients are products with a reciprocal, so that a shared
denominator is divided by once; signs are moved outwards; factors and terms made of constants come first, so that they can be
hoisted out of the kernels.

Powers follow C's ``pow``: a negative base with a fractional exponent is NaN (never its absolute value), which a solver
answers with a smaller step.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import numpy as np
import sympy

from asnsim.errors import UnsupportedFeatureError

__all__ = ["LEAVES", "Graph"]

#: Operations without arguments that are nodes.
LEAVES = ("const", "x", "c", "t")
_FUNCTIONS = {sympy.exp: "exp", sympy.log: "log", sympy.tanh: "tanh", sympy.sin: "sin", sympy.cos: "cos", sympy.atan: "atan"}
_FUNCTIONS |= {sympy.floor: "floor"}
#: Functions that are written with others before they are lowered; nothing here cancels near zero.
_WRITTEN: Mapping[type, Callable[[sympy.Expr], sympy.Expr]] = {
    sympy.tan: lambda a: sympy.sin(a) / sympy.cos(a),
    sympy.cot: lambda a: sympy.cos(a) / sympy.sin(a),
    sympy.sec: lambda a: 1 / sympy.cos(a),
    sympy.csc: lambda a: 1 / sympy.sin(a),
    sympy.asin: lambda a: sympy.atan(a / sympy.sqrt((1 - a) * (1 + a))),
    sympy.acos: lambda a: 2 * sympy.atan(sympy.sqrt((1 - a) / (1 + a))),
    sympy.acot: lambda a: sympy.atan(1 / a),
    sympy.asec: lambda a: sympy.acos(1 / a),
    sympy.acsc: lambda a: sympy.asin(1 / a),
    sympy.cosh: lambda a: (sympy.exp(a) + sympy.exp(-a)) / 2,
    sympy.sinh: lambda a: sympy.tanh(a) * sympy.cosh(a),
    sympy.coth: lambda a: 1 / sympy.tanh(a),
    sympy.sech: lambda a: 1 / sympy.cosh(a),
    sympy.csch: lambda a: 1 / sympy.sinh(a),
    sympy.asinh: lambda a: sympy.Piecewise(
        (-sympy.log(sympy.sqrt(a * a + 1) - a), a < 0), (sympy.log(sympy.sqrt(a * a + 1) + a), sympy.true), evaluate=False
    ),
    sympy.acosh: lambda a: sympy.log(a + sympy.sqrt((a - 1) * (a + 1))),
    sympy.atanh: lambda a: sympy.log((1 + a) / (1 - a)) / 2,
    sympy.acoth: lambda a: sympy.atanh(1 / a),
    sympy.asech: lambda a: sympy.acosh(1 / a),
    sympy.acsch: lambda a: sympy.asinh(1 / a),
    sympy.ceiling: lambda a: -sympy.floor(-a),
}
_NUMPY: Mapping[str, Callable] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "recip": lambda a: 1.0 / a,
    "pow": np.power,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "atan": np.arctan,
    "floor": np.floor,
}
_FOLD = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "exp": math.exp, "tanh": math.tanh}


class Graph:
    """Hash-consed nodes; a node is an index into `nodes`, whose entries are ``(operation, *arguments)``.

    Operations: ``const`` value; ``x`` i (state), ``c`` j (constant), ``t`` (time); ``add sub mul pow`` a b;
    ``recip exp log sqrt tanh sin cos atan floor`` a; ``less`` a b u v (u where a < b, else v).

    Attributes
    ----------
    nodes : list of tuple
        A node is made after its arguments: index order is evaluation order.
    fixed : list of bool
        Whether each node depends on neither states nor time.

    Notes
    -----
    Threads may build on one graph at the same time: a node is made whole before anyone learns its index.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self.fixed: list[bool] = []
        self._index: dict[tuple, int] = {}
        self._orders: dict[tuple[int, ...], list[int]] = {}
        self._lock = threading.Lock()
        self.zero = self.const(0.0)
        self.one = self.const(1.0)
        self.minus = self.const(-1.0)

    # ---- building -------------------------------------------------------------------------------------------------
    def _node(self, *key) -> int:
        index = self._index.get(key)
        return self._new_node(key) if index is None else index

    def _new_node(self, key: tuple) -> int:
        with self._lock:
            if key not in self._index:
                self.nodes.append(key)
                self.fixed.append(key[0] in ("const", "c") or (key[0] not in LEAVES and all(self.fixed[a] for a in key[1:])))
                self._index[key] = len(self.nodes) - 1
            return self._index[key]

    def const(self, value: float) -> int:
        """Return the node of a number."""
        return self._node("const", float(value) + 0.0)

    def input(self, kind: str, i: int = 0) -> int:
        """Return the node of state ``x``, constant ``c`` or time ``t``."""
        return self._node(kind, i)

    def _value(self, a: int) -> float | None:
        node = self.nodes[a]
        return node[1] if node[0] == "const" else None

    def _opposite(self, a: int) -> int | None:
        """Return b where node `a` is minus b."""
        node = self.nodes[a]
        return node[2] if node[0] == "mul" and node[1] == self.minus else None

    def neg(self, a: int) -> int:
        """Node of ``-a``."""
        value, inner = self._value(a), self._opposite(a)
        if value is not None:
            return self.const(-value)
        return self._node("mul", self.minus, a) if inner is None else inner

    def add(self, a: int, b: int) -> int:
        if a == self.zero:
            return b
        if b == self.zero:
            return a
        if (inner := self._opposite(b)) is not None:
            return self.sub(a, inner)
        if (inner := self._opposite(a)) is not None:
            return self.sub(b, inner)
        one, two = self.nodes[a], self.nodes[b]
        if one[0] == two[0] == "less" and one[1:3] == two[1:3]:
            return self.less(*one[1:3], self.add(one[3], two[3]), self.add(one[4], two[4]))
        return self._binary("add", *sorted((a, b)))

    def sub(self, a: int, b: int) -> int:
        if b == self.zero:
            return a
        if a == b:
            return self.zero
        if (inner := self._opposite(b)) is not None:
            return self.add(a, inner)
        return self.neg(b) if a == self.zero else self._binary("sub", a, b)

    def mul(self, a: int, b: int) -> int:
        if self.zero in (a, b):
            return self.zero
        if self.one in (a, b):
            return b if a == self.one else a
        if self.minus in (a, b):
            return self.neg(b if a == self.minus else a)
        for one, other in ((a, b), (b, a)):
            if (inner := self._opposite(one)) is not None:
                return self.neg(self.mul(inner, other))
            node = self.nodes[one]
            if node[0] == "less" and self.zero in node[3:]:  # the branch not taken may be infinite: never times 0
                return self.less(*node[1:3], self.mul(node[3], other), self.mul(node[4], other))
        return self._binary("mul", *sorted((a, b)))

    def recip(self, a: int) -> int:
        """Node of ``1/a``."""
        value, inner = self._value(a), self._opposite(a)
        if value:
            return self.const(1.0 / value)
        return self._node("recip", a) if inner is None else self.neg(self.recip(inner))

    def div(self, a: int, b: int) -> int:
        return self.zero if a == self.zero else self.mul(a, self.recip(b))

    def _binary(self, op: str, a: int, b: int) -> int:
        u, v = self._value(a), self._value(b)
        if u is not None and v is not None and op in _FOLD:
            return self.const(_FOLD[op](u, v))
        return self._node(op, a, b)

    def pow(self, base: int, exponent: int) -> int:
        power = self._value(exponent)
        if power is not None and power == int(power) and abs(power) <= 8:
            if power < 0:
                return self.recip(self.pow(base, self.const(-power)))
            result = self.one
            for _ in range(int(power)):
                result = self.mul(result, base)
            return result
        return self._node("sqrt", base) if power == 0.5 else self._node("pow", base, exponent)

    def function(self, op: str, a: int) -> int:
        value = self._value(a)
        return self.const(_FOLD[op](value)) if value is not None and op in _FOLD else self._node(op, a)

    def less(self, a: int, b: int, then: int, otherwise: int) -> int:
        """Node that is `then` where a < b, else `otherwise`."""
        if then == otherwise:
            return then
        u, v = self._value(a), self._value(b)
        if u is not None and v is not None:
            return then if u < v else otherwise
        return self._node("less", a, b, then, otherwise)

    # ---- from SymPy ------------------------------------------------------------------------------------------------
    def lower(self, expression: sympy.Expr, names: Mapping[str, int]) -> int:
        """Lower a SymPy expression; `names` maps every free symbol to a node.

        Raises
        ------
        UnsupportedFeatureError
            If it holds a function the engine does not know.
        """
        if expression.is_Symbol:
            return names[expression.name]
        if expression.is_Boolean:
            return self._lower_condition(expression, self.one, self.zero, names)
        if expression.is_number:
            return self._lower_number(expression)
        if expression.is_Add:
            return self._lower_sum(expression, names)
        if expression.is_Mul:
            return self._lower_product(expression, names)
        if expression.is_Pow:
            return self.pow(self.lower(expression.base, names), self.lower(expression.exp, names))
        if expression.func in _FUNCTIONS:
            return self.function(_FUNCTIONS[expression.func], self.lower(expression.args[0], names))
        if expression.func in _WRITTEN:
            return self.lower(_WRITTEN[expression.func](expression.args[0]), names)
        if expression.func in (sympy.Abs, sympy.sign):
            a = self.lower(expression.args[0], names)
            sign = (self.minus, self.less(self.zero, a, self.one, self.zero))
            return self.less(a, self.zero, *((self.neg(a), a) if expression.func is sympy.Abs else sign))
        if isinstance(expression, (sympy.Max, sympy.Min)):
            return self._lower_extreme(expression, names)
        if isinstance(expression, sympy.Piecewise):
            return self._lower_piecewise(expression.args, names)
        raise UnsupportedFeatureError(f"the function '{expression.func.__name__}' is not supported in equations")

    def _lower_number(self, expression) -> int:
        try:
            return self.const(float(expression))
        except TypeError:
            raise UnsupportedFeatureError(f"'{expression}' is not a real number") from None

    def _lower_product(self, expression, names) -> int:
        top, bottom = sympy.fraction(expression)
        if bottom != 1:
            return self.div(self.lower(top, names), self.lower(bottom, names))
        result = self.one
        for factor in sorted((self.lower(factor, names) for factor in expression.args), key=lambda a: not self.fixed[a]):
            result = self.mul(result, factor)
        return result

    def _lower_sum(self, expression, names) -> int:
        terms = [(e.could_extract_minus_sign(), e) for e in expression.args]
        lowered = [(negative, self.lower(-e if negative else e, names)) for negative, e in terms]
        result = self.zero
        for negative, term in sorted(lowered, key=lambda pair: (not self.fixed[pair[1]], pair[0])):
            result = self.sub(result, term) if negative else self.add(result, term)
        return result

    def _lower_extreme(self, expression, names) -> int:
        result, *rest = (self.lower(argument, names) for argument in expression.args)
        for other in rest:
            pair = (other, result) if isinstance(expression, sympy.Max) else (result, other)
            result = self.less(result, other, *pair)
        return result

    def _lower_piecewise(self, pairs, names) -> int:
        (value, condition), *rest = pairs
        then = self.lower(value, names)
        if condition == sympy.true:
            return then
        if not rest:
            raise UnsupportedFeatureError("a Piecewise without a final (value, True) branch is not supported")
        return self._lower_condition(condition, then, self._lower_piecewise(rest, names), names)

    def _lower_condition(self, condition, then: int, otherwise: int, names) -> int:
        if condition in (sympy.true, sympy.false):
            return then if condition == sympy.true else otherwise
        if isinstance(condition, sympy.And):
            for part in condition.args:
                then = self._lower_condition(part, then, otherwise, names)
            return then
        if isinstance(condition, sympy.Or):
            for part in condition.args:
                otherwise = self._lower_condition(part, then, otherwise, names)
            return otherwise
        if isinstance(condition, sympy.Not):
            return self._lower_condition(condition.args[0], otherwise, then, names)
        if isinstance(condition, sympy.Xor):
            for part in condition.args:
                then, otherwise = (
                    self._lower_condition(part, *pair, names) for pair in ((otherwise, then), (then, otherwise))
                )
            return then
        if not isinstance(condition, sympy.core.relational.Relational):
            raise UnsupportedFeatureError(f"the condition '{condition}' is not supported in equations")
        a, b = (self.lower(side, names) for side in (condition.lhs, condition.rhs))
        if isinstance(condition, (sympy.Eq, sympy.Ne)):
            same, other = (then, otherwise) if isinstance(condition, sympy.Eq) else (otherwise, then)
            return self.less(a, b, other, self.less(b, a, other, same))
        if isinstance(condition, sympy.Lt):
            return self.less(a, b, then, otherwise)
        if isinstance(condition, sympy.Gt):
            return self.less(b, a, then, otherwise)
        if isinstance(condition, sympy.Le):
            return self.less(b, a, otherwise, then)
        return self.less(a, b, otherwise, then)

    # ---- reading ---------------------------------------------------------------------------------------------------
    def reachable(self, roots: Iterable[int], stop: Container[int] = ()) -> list[int]:
        """Return the nodes the roots depend on, arguments first; nodes in `stop` are taken without their arguments."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            index = stack.pop()
            if index in seen:
                continue
            seen.add(index)
            op, *args = self.nodes[index]
            if op not in LEAVES and index not in stop:
                stack.extend(args)
        return sorted(seen)  # a node is made after its arguments, so index order is evaluation order

    def _order(self, roots: tuple[int, ...]) -> list[int]:
        """`reachable`, remembered: what lies under a node never changes."""
        if roots not in self._orders:
            self._orders[roots] = self.reachable(roots)
        return self._orders[roots]

    def evaluate(self, roots: Sequence[int], t, x: np.ndarray, c: np.ndarray) -> list:
        """Evaluate nodes with NumPy: the readable form and the oracle of the compiled kernels.

        Parameters
        ----------
        roots : sequence of int
            Nodes wanted.
        t : float or ndarray, shape (m,)
            Time, h.
        x : ndarray, shape (n_x,) or (n_x, m)
            States.
        c : ndarray, shape (n_c,) or (n_c, m)
            Constants.

        Returns
        -------
        list of float or ndarray
        """
        values: dict[int, np.ndarray] = {}
        with np.errstate(all="ignore"):
            for index in self._order(tuple(roots)):
                op, *args = self.nodes[index]
                if op == "const":
                    values[index] = np.float64(args[0])
                elif op == "t":
                    values[index] = t
                elif op in ("x", "c"):
                    values[index] = (x if op == "x" else c)[args[0]]
                elif op == "less":
                    a, b, then, otherwise = (values[i] for i in args)
                    values[index] = np.where(a < b, then, otherwise)
                else:
                    values[index] = _NUMPY[op](*(values[i] for i in args))
        return [values[root] for root in roots]

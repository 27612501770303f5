"""Expression graph: SymPy expressions as shared numeric nodes, with forward automatic differentiation.

Equal sub-expressions are one node, so the right-hand side, its Jacobian and the parameter derivatives share their
intermediates. Derivatives are made on the graph node by node; a test holds them against SymPy's.

Powers follow C's ``pow``: a negative base with a fractional exponent is NaN (never its absolute value), which a solver
answers with a smaller step. The derivative by the exponent is taken as 0 where the base is not positive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import numpy as np
import sympy

from asnsim.errors import UnsupportedFeatureError

__all__ = ["Graph"]

_FUNCTIONS = {sympy.exp: "exp", sympy.log: "log", sympy.tanh: "tanh"}
_NUMPY: Mapping[str, Callable] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
}
_FOLD = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "exp": math.exp, "tanh": math.tanh}


class Graph:
    """Hash-consed nodes; a node is an index into `nodes`, whose entries are ``(operation, *arguments)``.

    Operations: ``const`` value; ``x`` i (state), ``c`` j (constant), ``t`` (time); ``add sub mul div pow`` a b;
    ``exp log sqrt tanh`` a; ``less`` a b u v (u where a < b, else v).
    """

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self._index: dict[tuple, int] = {}
        self._partials: dict[int, dict[tuple, int]] = {}
        self.zero = self.const(0.0)
        self.one = self.const(1.0)

    # ---- building -------------------------------------------------------------------------------------------------
    def _node(self, *key) -> int:
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.nodes)
            self.nodes.append(key)
        return index

    def const(self, value: float) -> int:
        """Return the node of a number."""
        return self._node("const", float(value) + 0.0)

    def input(self, kind: str, i: int = 0) -> int:
        """Return the node of state ``x``, constant ``c`` or time ``t``."""
        return self._node(kind, i)

    def _value(self, a: int) -> float | None:
        node = self.nodes[a]
        return node[1] if node[0] == "const" else None

    def add(self, a: int, b: int) -> int:
        if a == self.zero:
            return b
        if b == self.zero:
            return a
        return self._binary("add", *sorted((a, b)))

    def sub(self, a: int, b: int) -> int:
        if b == self.zero:
            return a
        return self.zero if a == b else self._binary("sub", a, b)

    def mul(self, a: int, b: int) -> int:
        if self.zero in (a, b):
            return self.zero
        if a == self.one:
            return b
        if b == self.one:
            return a
        return self._binary("mul", *sorted((a, b)))

    def div(self, a: int, b: int) -> int:
        if a == self.zero or b == self.one:
            return a
        return self._binary("div", a, b)

    def _binary(self, op: str, a: int, b: int) -> int:
        u, v = self._value(a), self._value(b)
        if u is not None and v is not None and op in _FOLD:
            return self.const(_FOLD[op](u, v))
        return self._node(op, a, b)

    def pow(self, base: int, exponent: int) -> int:
        power = self._value(exponent)
        if power is not None and power == int(power) and abs(power) <= 8:
            if power < 0:
                return self.div(self.one, self.pow(base, self.const(-power)))
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
        return then if then == otherwise else self._node("less", a, b, then, otherwise)

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
        if expression.is_number:
            return self.const(float(expression))
        if expression.is_Add:
            return self._lower_sum(expression, names)
        if expression.is_Mul:
            top, bottom = sympy.fraction(expression)
            if bottom != 1:
                return self.div(self.lower(top, names), self.lower(bottom, names))
            result = self.one
            for factor in expression.args:
                result = self.mul(result, self.lower(factor, names))
            return result
        if expression.is_Pow:
            return self.pow(self.lower(expression.base, names), self.lower(expression.exp, names))
        if expression.func in _FUNCTIONS:
            return self.function(_FUNCTIONS[expression.func], self.lower(expression.args[0], names))
        if isinstance(expression, (sympy.Max, sympy.Min)):
            return self._lower_extreme(expression, names)
        if isinstance(expression, sympy.Piecewise):
            return self._lower_piecewise(expression.args, names)
        raise UnsupportedFeatureError(f"the function '{expression.func.__name__}' is not supported in equations")

    def _lower_sum(self, expression, names) -> int:
        result = self.zero
        for term in sorted(expression.args, key=lambda e: e.could_extract_minus_sign()):
            if term.could_extract_minus_sign():
                result = self.sub(result, self.lower(-term, names))
            else:
                result = self.add(result, self.lower(term, names))
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
        if not isinstance(condition, (sympy.Gt, sympy.Ge, sympy.Lt, sympy.Le)):
            raise UnsupportedFeatureError(f"the condition '{condition}' is not supported in equations")
        a, b = (self.lower(side, names) for side in (condition.lhs, condition.rhs))
        if isinstance(condition, sympy.Lt):
            return self.less(a, b, then, otherwise)
        if isinstance(condition, sympy.Gt):
            return self.less(b, a, then, otherwise)
        if isinstance(condition, sympy.Le):
            return self.less(b, a, otherwise, then)
        return self.less(a, b, otherwise, then)

    # ---- differentiation -------------------------------------------------------------------------------------------
    def partials(self, root: int) -> dict[tuple, int]:
        """Return the non-zero derivatives of a node by every state ``('x', i)`` and constant ``('c', j)``."""
        for index in self.reachable([root]):
            if index not in self._partials:
                self._partials[index] = self._differentiate(index)
        return self._partials[root]

    def _differentiate(self, index: int) -> dict[tuple, int]:
        op, *args = self.nodes[index]
        if op in ("x", "c"):
            return {(op, args[0]): self.one}
        if op in ("const", "t"):
            return {}
        if op == "less":
            a, b, then, otherwise = args
            left, right = self._partials[then], self._partials[otherwise]
            return {
                key: self.less(a, b, left.get(key, self.zero), right.get(key, self.zero))
                for key in dict.fromkeys([*left, *right])
            }
        inner = [self._partials[argument] for argument in args]
        outer = self._local(op, args, index)
        total: dict[tuple, int] = {}
        for local, derivatives in zip(outer, inner, strict=True):
            for key, node in derivatives.items():
                total[key] = self.add(total.get(key, self.zero), self.mul(local(), node))
        return {key: node for key, node in total.items() if node != self.zero}

    def _local(self, op: str, args: list[int], index: int) -> list[Callable[[], int]]:
        """Local derivatives of a node by its arguments, made only where they are used."""
        a = args[0]
        b = args[1] if len(args) > 1 else self.zero
        minus = self.const(-1.0)
        table = {
            "add": [lambda: self.one, lambda: self.one],
            "sub": [lambda: self.one, lambda: minus],
            "mul": [lambda: b, lambda: a],
            "div": [lambda: self.div(self.one, b), lambda: self.mul(minus, self.div(index, b))],
            "pow": [
                lambda: self.mul(b, self.pow(a, self.sub(b, self.one))),
                lambda: self.less(self.zero, a, self.mul(index, self._node("log", a)), self.zero),
            ],
            "exp": [lambda: index],
            "log": [lambda: self.div(self.one, a)],
            "sqrt": [lambda: self.div(self.const(0.5), index)],
            "tanh": [lambda: self.sub(self.one, self.mul(index, index))],
        }
        return table[op]

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
            if op not in ("const", "x", "c", "t") and index not in stop:
                stack.extend(args)
        return sorted(seen)  # a node is made after its arguments, so index order is evaluation order

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
            for index in self.reachable(roots):
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

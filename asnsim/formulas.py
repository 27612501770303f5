"""Formulas as PEtab writes them: text to SymPy by a parser of our own, so that nothing a file holds is ever executed.

PEtab 2.0, section "Math expressions syntax": ``&&`` and ``||`` bind equally, from left to right; ``^`` binds from right to left
and above a sign before it; truth values count as 0 and 1 where a number is wanted, and numbers other than 0 as true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import sympy

from asnsim.errors import ModelError
from asnsim.network import symbol

__all__ = ["as_condition", "as_number", "parse_formula", "piecewise"]

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(rf"\s*(?:({_NUMBER})|([A-Za-z_]\w*)|(\*\*|&&|\|\||[<>=!]=|[-+*/^()<>,!]))")
_DEEPEST = 200  # nested parentheses
_COMPARE = {"<": sympy.Lt, ">": sympy.Gt, "<=": sympy.Le, ">=": sympy.Ge, "==": sympy.Eq, "!=": sympy.Ne}
#: Binding power of what stands between two operands.
_BINARY = {"||": 1, "&&": 1, **dict.fromkeys(_COMPARE, 3), "+": 4, "-": 4, "*": 5, "/": 5, "^": 8, "**": 8}
_SIGN = 6
_WORDS = {"true": sympy.true, "false": sympy.false, "inf": sympy.oo, "nan": sympy.nan}
_ARC = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch")
_UNARY: dict[str, Callable] = {
    "exp": sympy.exp,
    "ln": lambda a: _log(a),
    "log2": lambda a: _log(a) / sympy.log(2),
    "log10": lambda a: _log(a) / sympy.log(10),
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    **{name: getattr(sympy, name) for name in _ARC},
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in _ARC},
    **{f"a{name}": getattr(sympy, f"a{name}") for name in _ARC},
}


def _log(a: sympy.Expr) -> sympy.Expr:
    return -sympy.oo if a.is_zero else sympy.log(a)


def as_number(value: sympy.Basic) -> sympy.Expr:
    """Return a number for a truth value: 1 where it holds, else 0."""
    if value in (sympy.true, sympy.false):
        return sympy.Integer(value == sympy.true)
    return piecewise([(sympy.Integer(1), value)], sympy.Integer(0)) if _is_condition(value) else value


def as_condition(value: sympy.Basic) -> sympy.Basic:
    """Return a truth value for a number: whether it is not 0."""
    return value if _is_condition(value) else sympy.Ne(value, 0)


def _is_condition(value: sympy.Basic) -> bool:
    return isinstance(value, sympy.logic.boolalg.Boolean) and not value.is_Symbol


def piecewise(pairs: list[tuple[sympy.Basic, sympy.Basic]], otherwise: sympy.Basic) -> sympy.Expr:
    """Return the first value whose condition holds; written as it stands, without SymPy's rearrangements."""
    kept = []
    for value, condition in pairs:
        if condition == sympy.true:
            otherwise = value
            break
        if condition != sympy.false:
            kept.append((as_number(value), condition))
    last = as_number(otherwise)
    return sympy.Piecewise(*kept, (last, sympy.true), evaluate=False) if kept else last


def parse_formula(text: str | float, names: Mapping[str, sympy.Expr] | None = None, where: str = "the formula") -> sympy.Basic:
    """Return a formula as a SymPy expression, or condition.

    Parameters
    ----------
    text : str or float
        Written as in PEtab 2.0; ``**`` counts as ``^``. A number stands for itself.
    names : mapping of str to sympy.Expr, optional
        What names stand for; others become symbols.
    where : str
        For messages.

    Raises
    ------
    ModelError
        If it is not a formula.
    """
    return _Parser(str(text), names or {}, where).parse()


class _Parser:
    """Operator precedence parsing (Pratt 1973)."""

    def __init__(self, text: str, names: Mapping[str, sympy.Expr], where: str):
        self.text, self.names, self.where = text, names, where
        self.tokens: list[tuple[str, str]] = []
        self.place, self.depth = 0, 0
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.wrong(f"'{text[at:].strip()[0]}' is not expected")
            kind = ("number", "name", "sign")[match.lastindex - 1]
            self.tokens.append((kind, match.group(match.lastindex)))
            at = match.end()
        self.tokens.append(("end", ""))

    def wrong(self, why: str) -> ModelError:
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        return ModelError(f"{self.where}: '{shown}' is not a formula: {why}")

    def peek(self) -> str:
        return self.tokens[self.place][1]

    def take(self, expected: str = "") -> tuple[str, str]:
        kind, text = self.tokens[self.place]
        if expected and text != expected:
            raise self.wrong(f"'{expected}' is expected " + (f"before '{text}'" if text else "at its end"))
        self.place += kind != "end"
        return kind, text

    def parse(self) -> sympy.Basic:
        value = self.expression(0)
        if self.tokens[self.place][0] != "end":
            raise self.wrong(f"'{self.peek()}' is not expected")
        return value

    def expression(self, power: int) -> sympy.Basic:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong("it is nested too deeply")
        left = self.operand()
        while (binding := _BINARY.get(self.peek(), 0)) > power:
            sign = self.take()[1]
            right = self.expression(binding - 1 if sign in ("^", "**") else binding)
            left = self.join(sign, left, right)
        self.depth -= 1
        return left

    def operand(self) -> sympy.Basic:
        kind, text = self.take()
        if kind == "number":
            return sympy.Integer(text) if text.isdigit() else sympy.Float(text)
        if kind == "name":
            return self.call(text) if self.peek() == "(" else self.word(text)
        if text in ("-", "+"):
            value = as_number(self.expression(_SIGN))
            return -value if text == "-" else value
        if text == "!":
            return sympy.Not(as_condition(self.expression(_SIGN)))
        if text == "(":
            value = self.expression(0)
            self.take(")")
            return value
        raise self.wrong(f"'{text}' is not expected" if text else "it ends too early")

    def word(self, name: str) -> sympy.Basic:
        if name in self.names:
            return self.names[name]
        return _WORDS[name] if name in _WORDS else symbol(name)

    def join(self, sign: str, left: sympy.Basic, right: sympy.Basic) -> sympy.Basic:
        if sign in ("&&", "||"):
            return (sympy.And if sign == "&&" else sympy.Or)(as_condition(left), as_condition(right))
        a, b = as_number(left), as_number(right)
        if sign in _COMPARE:
            return _COMPARE[sign](a, b)
        if sign == "/" and b.is_zero:
            raise self.wrong("it divides by zero")
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}.get(sign, lambda: a**b)()

    def call(self, name: str) -> sympy.Basic:
        self.take("(")
        arguments = [self.expression(0)]
        while self.peek() == ",":
            self.take()
            arguments.append(self.expression(0))
        self.take(")")
        if name == "piecewise":
            if len(arguments) % 2 == 0:
                raise self.wrong("piecewise needs values and conditions in turn, and a last value")
            pairs = [(arguments[i], as_condition(arguments[i + 1])) for i in range(0, len(arguments) - 1, 2)]
            return piecewise(pairs, arguments[-1])
        numbers = [as_number(argument) for argument in arguments]
        if name in ("min", "max") and len(numbers) >= 2:
            return (sympy.Min if name == "min" else sympy.Max)(*numbers)
        if name == "pow" and len(numbers) == 2:
            return numbers[0] ** numbers[1]
        if name == "log" and len(numbers) in (1, 2):
            return _log(numbers[0]) / (_log(numbers[1]) if len(numbers) == 2 else 1)
        if name in _UNARY and len(numbers) == 1:
            return _UNARY[name](numbers[0])
        known = name in _UNARY or name in ("min", "max", "pow", "log")
        raise self.wrong(f"'{name}' does not take {len(numbers)} arguments" if known else f"there is no function '{name}'")

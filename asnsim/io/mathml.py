"""SBML mathematics: libSBML's trees to SymPy, node by node; no text is parsed or executed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libsbml
import sympy

from asnsim.errors import ModelError, UnsupportedFeatureError
from asnsim.formulas import as_condition, as_number, parse_formula, piecewise
from asnsim.network import TIME

__all__ = ["Functions", "lower"]

AVOGADRO = sympy.Float(6.02214179e23)  # as SBML Level 3 fixes it
_DEEPEST = 400
_CONSTANTS = {
    libsbml.AST_NAME_TIME: TIME,
    libsbml.AST_NAME_AVOGADRO: AVOGADRO,
    libsbml.AST_CONSTANT_E: sympy.E,
    libsbml.AST_CONSTANT_PI: sympy.pi,
    libsbml.AST_CONSTANT_TRUE: sympy.true,
    libsbml.AST_CONSTANT_FALSE: sympy.false,
}
_RELATIONS = {
    libsbml.AST_RELATIONAL_LT: "<",
    libsbml.AST_RELATIONAL_GT: ">",
    libsbml.AST_RELATIONAL_LEQ: "<=",
    libsbml.AST_RELATIONAL_GEQ: ">=",
    libsbml.AST_RELATIONAL_EQ: "==",
    libsbml.AST_RELATIONAL_NEQ: "!=",
}
_PAIR = {"<": sympy.Lt, ">": sympy.Gt, "<=": sympy.Le, ">=": sympy.Ge, "==": sympy.Eq, "!=": sympy.Ne}
_LOGIC = {libsbml.AST_LOGICAL_AND: sympy.And, libsbml.AST_LOGICAL_OR: sympy.Or, libsbml.AST_LOGICAL_XOR: sympy.Xor}
_NAMED = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch")
_UNARY: dict[int, Callable] = {
    libsbml.AST_FUNCTION_EXP: sympy.exp,
    libsbml.AST_FUNCTION_LN: sympy.log,
    libsbml.AST_FUNCTION_ABS: sympy.Abs,
    libsbml.AST_FUNCTION_FLOOR: sympy.floor,
    libsbml.AST_FUNCTION_CEILING: sympy.ceiling,
    **{getattr(libsbml, f"AST_FUNCTION_{name.upper()}"): getattr(sympy, name) for name in _NAMED},
    **{getattr(libsbml, f"AST_FUNCTION_ARC{name.upper()}"): getattr(sympy, f"a{name}") for name in _NAMED},
}
_FOLDED: dict[int, Callable] = {
    libsbml.AST_PLUS: lambda *a: sympy.Add(*a),
    libsbml.AST_TIMES: lambda *a: sympy.Mul(*a),
    libsbml.AST_FUNCTION_MAX: lambda *a: sympy.Max(*a),
    libsbml.AST_FUNCTION_MIN: lambda *a: sympy.Min(*a),
    libsbml.AST_DIVIDE: lambda a, b: a / b,
    libsbml.AST_POWER: lambda a, b: a**b,
    libsbml.AST_FUNCTION_POWER: lambda a, b: a**b,
    libsbml.AST_FUNCTION_QUOTIENT: lambda a, b: piecewise([(sympy.ceiling(a / b), a / b < 0)], sympy.floor(a / b)),
    libsbml.AST_FUNCTION_REM: lambda a, b: a - b * _FOLDED[libsbml.AST_FUNCTION_QUOTIENT](a, b),
    libsbml.AST_FUNCTION_ROOT: lambda n, a: a ** (1 / n),
    libsbml.AST_FUNCTION_LOG: lambda b, a: sympy.log(a) / sympy.log(b),
}

#: Function definitions: names of arguments, and body.
Functions = Mapping[str, tuple[tuple[str, ...], "libsbml.ASTNode"]]


def lower(node, names: Mapping[str, sympy.Expr], functions: Functions, where: str, depth: int = 0) -> sympy.Basic:
    """Return the expression, or condition, of a tree.

    Parameters
    ----------
    node : libsbml.ASTNode
    names : mapping of str to sympy.Expr
        What every identifier stands for.
    functions : mapping
        Function definitions, written out where they are called.
    where : str
        For messages.

    Raises
    ------
    ModelError
        If an identifier is unknown or the tree is not well formed.
    UnsupportedFeatureError
        If it holds something the engine does not know: a delay, a rate of change, a distribution.
    """
    if node is None:
        raise ModelError(f"{where} has no mathematics")
    if depth > _DEEPEST:
        raise ModelError(f"{where}: the mathematics is nested too deeply")
    kind = node.getType()
    if kind in _CONSTANTS:
        return _CONSTANTS[kind]
    if node.isNumber():
        return _number(node)
    if kind == libsbml.AST_NAME:
        if node.getName() not in names:
            raise ModelError(f"{where}: '{node.getName()}' is not defined in this model")
        return names[node.getName()]
    if kind == libsbml.AST_FUNCTION:
        return _call(node, names, functions, where, depth)
    parts = [lower(node.getChild(i), names, functions, where, depth + 1) for i in range(node.getNumChildren())]
    try:
        return _join(kind, node, parts, where)
    except (TypeError, IndexError):
        raise ModelError(f"{where}: '{libsbml.formulaToL3String(node)}' does not fit together") from None


def _number(node) -> sympy.Expr:
    if node.getType() == libsbml.AST_INTEGER:
        return sympy.Integer(node.getInteger())
    if node.getType() == libsbml.AST_RATIONAL:
        return sympy.Rational(node.getNumerator(), node.getDenominator())
    return parse_formula(repr(node.getReal()))


def _call(node, names, functions, where, depth) -> sympy.Basic:
    name = node.getName()
    if name not in functions:
        raise UnsupportedFeatureError(f"{where}: there is no function '{name}'")
    arguments, body = functions[name]
    if len(arguments) != node.getNumChildren():
        raise ModelError(f"{where}: '{name}' takes {len(arguments)} arguments, not {node.getNumChildren()}")
    given = [lower(node.getChild(i), names, functions, where, depth + 1) for i in range(node.getNumChildren())]
    return lower(body, dict(zip(arguments, given, strict=True)), functions, f"{where}: function '{name}'", depth + 1)


def _join(kind: int, node, parts: list[sympy.Basic], where: str) -> sympy.Basic:
    if kind == libsbml.AST_FUNCTION_PIECEWISE:
        pairs = [(parts[i], as_condition(parts[i + 1])) for i in range(0, len(parts) - 1, 2)]
        if len(parts) % 2 == 0:
            raise UnsupportedFeatureError(f"{where}: a piecewise without 'otherwise' is not supported")
        return piecewise(pairs, parts[-1])
    if kind in _LOGIC:
        return _LOGIC[kind](*map(as_condition, parts))
    if kind == libsbml.AST_LOGICAL_NOT:
        return sympy.Not(as_condition(parts[0]))
    if kind == libsbml.AST_LOGICAL_IMPLIES:
        return sympy.Or(sympy.Not(as_condition(parts[0])), as_condition(parts[1]))
    numbers = [as_number(part) for part in parts]
    if kind in _RELATIONS:
        pairs = list(zip(numbers, numbers[1:], strict=False))
        return sympy.And(*(_PAIR[_RELATIONS[kind]](a, b) for a, b in pairs))
    if kind == libsbml.AST_MINUS:
        return -numbers[0] if len(numbers) == 1 else numbers[0] - numbers[1]
    if kind in _UNARY:
        return _UNARY[kind](*numbers)
    if kind in _FOLDED:
        return _FOLDED[kind](*numbers)
    raise UnsupportedFeatureError(f"{where}: '{libsbml.formulaToL3String(node)}' holds what this engine does not know")

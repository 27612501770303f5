"""The Antimony page: a network printed for people, and for libAntimony.

Smith, Bergmann, Chandran & Sauro 2009, Bioinformatics 25, 2452-2454 describe the language.
"""

from __future__ import annotations

import sympy
from sympy.printing.str import StrPrinter

__all__ = ["antimony_expression", "antimony_page"]


class _AntimonyPrinter(StrPrinter):
    """SymPy to Antimony infix: ``^`` for powers, SBML's ``piecewise(value, condition, otherwise)``."""

    def _print_Pow(self, expr, rational=False):
        text = super()._print_Pow(expr, rational=rational)
        return text.replace("**", "^")

    def _print_log(self, expr):
        return f"ln({self._print(expr.args[0])})"

    def _print_Float(self, expr):
        return repr(float(expr))

    def _print_Piecewise(self, expr):
        parts = []
        for value, condition in expr.args:
            parts.append(self._print(value) if condition == sympy.true else f"{self._print(value)}, {self._print(condition)}")
        return f"piecewise({', '.join(parts)})"

    def _print_Abs(self, expr):
        return f"abs({self._print(expr.args[0])})"

    def _print_Max(self, expr):
        return self._larger(expr.args, ">=")

    def _print_Min(self, expr):
        return self._larger(expr.args, "<=")

    def _larger(self, arguments, relation):
        """SBML Level 3 Version 1 has neither max nor min."""
        text = self._print(arguments[0])
        for argument in arguments[1:]:
            other = self._print(argument)
            text = f"piecewise({text}, ({text}) {relation} ({other}), {other})"
        return text

    def _print_Not(self, expr):
        return f"!({self._print(expr.args[0])})"

    def _print_And(self, expr):
        return " && ".join(f"({self._print(argument)})" for argument in expr.args)

    def _print_Or(self, expr):
        return " || ".join(f"({self._print(argument)})" for argument in expr.args)


_PRINTER = _AntimonyPrinter()


def antimony_expression(expression) -> str:
    """Print one expression in Antimony's infix."""
    return _PRINTER.doprint(expression).replace("**", "^")


def _comment(parameter) -> str:
    parts = [parameter.unit or "-", f"[{parameter.status}]", parameter.source]
    return " ".join(part for part in parts if part)


def _held(network) -> list[str]:
    """Say that boundary species keep their concentration where a compartment changes size; SBML would keep their amount."""
    held = [one.id for one in network.species.values() if one.id in network.constants and one.compartment in network.rates]
    if not held:
        return []
    return ["", "  // --- held at their concentration while their compartment grows", *(f"  {name}' = 0;" for name in held)]


def _event(event) -> str:
    """Print an event, with what differs from Antimony's defaults."""
    when = f"at {antimony_expression(event.delay)} after " if event.delay != 0 else "at "
    options = [f"t0={'true' if event.initial else 'false'}"]
    options += [f"priority={antimony_expression(event.priority)}"] if event.priority != 0 else []
    options += [f"persistent={'true' if event.persistent else 'false'}"]
    options += [f"fromTrigger={'true' if event.at_trigger else 'false'}"]
    news = ", ".join(f"{name} = {antimony_expression(value)}" for name, value in event.assignments.items())
    return f"  {event.id}: {when}({antimony_expression(event.trigger)}), {', '.join(options)}: {news};"


def antimony_page(network) -> str:
    """Print a network as an Antimony model, module by module, with every number's unit and source.

    Parameters
    ----------
    network : Network
        What to print.

    Returns
    -------
    str
        Text that libAntimony reads back.
    """
    states = set(network.states)
    lines = [
        f"// {network.title}" if network.title else f"// {network.name}",
        "// Printed by: asnsim show " + network.name + ". Units: h, umol, L, umol/L, U/L.",
        f"model {network.name}()",
        "",
    ]
    for compartment in network.compartments:
        lines.append(f"  compartment {compartment};")
    for one in network.species.values():
        kind = "" if one.id in states else "$"
        lines.append(f"  species {kind}{one.id} in {one.compartment};  // {one.name}")
    for module in network.modules:
        lines += ["", f"  // --- {module.name}" + (f": {module.note}" if module.note else "")]
        lines += [f"  {name} := {antimony_expression(expression)};" for name, expression in module.rules.items()]
        for reaction in module.reactions:
            lines.append(f"  {reaction.id}: {reaction.equation.strip()}; {antimony_expression(reaction.rate)};")
        lines += [f"  {name}' = {antimony_expression(expression)};" for name, expression in module.rates.items()]
        lines += [f"  // 0 = {antimony_expression(e)} determines {name}" for name, e in module.algebraic.items()]
        lines += [_event(event) for event in module.events]
    lines += _held(network)
    lines += ["", "  // --- initial values"]
    for name in network.states:
        lines.append(f"  {name} = {network.parameters[name].value!r};  // {_comment(network.parameters[name])}")
    lines += ["", "  // --- constants"]
    for name in network.constants:
        lines.append(f"  {name} = {network.parameters[name].value!r};  // {_comment(network.parameters[name])}")
    lines += ["", "end", ""]
    return "\n".join(lines)

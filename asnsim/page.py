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


_PRINTER = _AntimonyPrinter()


def antimony_expression(expression) -> str:
    """Print one expression in Antimony's infix."""
    return _PRINTER.doprint(expression).replace("**", "^")


def _comment(parameter) -> str:
    parts = [parameter.unit or "-", f"[{parameter.status}]", parameter.source]
    return " ".join(part for part in parts if part)


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
    lines = [f"// {network.title}" if network.title else f"// {network.name}",
             "// Printed by: asnsim show " + network.name + ". Units: h, umol, L, umol/L, U/L.",
             f"model {network.name}()", ""]
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
    lines += ["", "  // --- initial values"]
    for name in network.states:
        lines.append(f"  {name} = {network.parameters[name].value!r};  // {_comment(network.parameters[name])}")
    lines += ["", "  // --- constants"]
    for name in network.constants:
        lines.append(f"  {name} = {network.parameters[name].value!r};  // {_comment(network.parameters[name])}")
    lines += ["", "end", ""]
    return "\n".join(lines)

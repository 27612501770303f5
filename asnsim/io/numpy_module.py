"""A network's equations as a plain NumPy module: what the kernels compute, in a form to read, keep and run elsewhere.

Printed from the same expression graph as the machine code; rules and fluxes keep their names, and what is used more than once is
a line of its own. Nothing here is ever run by asnsim.
"""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from asnsim.equations import ODESystem, build_equations
from asnsim.errors import UnsupportedFeatureError
from asnsim.expressions import LEAVES
from asnsim.network import Network
from asnsim.tables import write_text

__all__ = ["numpy_source", "read", "write"]

_INFIX = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2)}
_LONG = 88  # characters from which an expression becomes a line of its own


def numpy_source(network: Network) -> str:
    """Return the equations of a network as the text of a Python module.

    It holds the names and values of states and constants and the functions ``rhs(t, x, c)`` (n,), ``jac(t, x, c)`` (n, n) and
    ``observables(t, x, c)`` (dict of rules and fluxes); x (n,) and c (n_c,) in the order of the names.
    """
    system = build_equations(network)
    x0, c = system.arrays(network)
    n_c = len(system.constants)
    shown = {name: node for name, node in system.observables.items() if name in network.rules or name in _fluxes(network)}
    jacobian = system.jacobian()
    entries = [(f"J[{i}, {j}]", node) for (i, j), node in jacobian.items()]
    parts = [
        f'"""{network.title or network.name}\n\nPrinted by asnsim from {network.name!r}. Units: h, umol, L, umol/L, U/L.\n"""',
        "import numpy as np",
        _table("STATES", system.states),
        _table("CONSTANTS", system.constants),
        _table("X0", [float(v) for v in x0], "np.array"),
        _table("C", [float(v) for v in c[:n_c]], "np.array"),
        _function(system, "rhs", "f = np.zeros(len(x))", [(f"f[{i}]", node) for i, node in enumerate(system.rhs)], "f", shown),
        _function(system, "jac", "J = np.zeros((len(x), len(x)))", entries, "J", shown),
        _function(system, "observables", "found = {}", [(f"found[{k!r}]", node) for k, node in shown.items()], "found", shown),
    ]
    return "\n\n\n".join(["\n\n".join(parts[:6]), *parts[6:]]) + "\n"


def _fluxes(network: Network) -> set[str]:
    return {reaction.id for reaction in network.reactions}


def _table(name: str, values: Sequence, call: str = "") -> str:
    rows = "\n".join(f"    {value!r}," for value in values)
    opening, closing = (f"{call}([", "])") if call else ("(", ")")
    return f"{name} = {opening}\n{rows}\n{closing}"


def _identifier(name: str) -> str:
    """A name that is no word of Python's and none of this module's."""
    return f"{name}_" if keyword.iskeyword(name) or name in ("np", "x", "c", "t", "f", "J", "found") else name


def _function(system: ODESystem, name: str, first: str, outputs, result: str, shown: Mapping[str, int]) -> str:
    """One function: inputs by name, intermediates, outputs."""
    graph = system.graph
    roots = [node for _, node in outputs]
    reached = graph.reachable(roots)
    uses = Counter(roots)
    for index in reached:
        if graph.nodes[index][0] not in LEAVES:
            uses.update(graph.nodes[index][1:])
    names = {node: _identifier(key) for key, node in shown.items() if graph.nodes[node][0] not in LEAVES}
    lines, text = [], {}
    for index in reached:
        op, *args = graph.nodes[index]
        if op in LEAVES:
            text[index] = _leaf(system, op, args), 9
            continue
        written, rank = _operation(op, [text[a] for a in args])
        if index in names or uses[index] > 1 or len(written) > _LONG:
            own = names.get(index, f"_{index}")
            lines.append(f"{own} = {written}")
            written, rank = own, 9
        text[index] = written, rank
    lines += [f"{target} = {text[node][0]}" for target, node in outputs]
    inputs = [
        f"{_leaf(system, kind, [i])} = {kind}[{i}]"
        for kind, i in (graph.nodes[index] for index in reached if graph.nodes[index][0] in ("x", "c"))
        if kind == "x" or i < len(system.constants)
    ]
    body = [first, *inputs, *lines, f"return {result}"]
    return "\n".join([f"def {name}(t, x, c):", *(f"    {line}" for line in body)])


def _leaf(system: ODESystem, op: str, args: list) -> str:
    if op == "const":
        return repr(float(args[0])) if abs(args[0]) < float("inf") else f"np.{'inf' if args[0] > 0 else 'nan'}"
    if op == "t":
        return "t"
    if op == "c" and args[0] >= len(system.constants):
        return "0.0"  # nothing flows in but by the reactions
    return _identifier((system.states if op == "x" else system.constants)[args[0]])


def _operation(op: str, parts: list[tuple[str, int]]) -> tuple[str, int]:
    """Text and precedence of one operation."""
    if op == "recip":
        return f"1.0 / {_bracketed(parts[0], 3)}", 2
    if op == "less":
        (a, _), (b, _), (then, _), (otherwise, _) = parts
        return f"np.where({a} < {b}, {then}, {otherwise})", 9
    if op == "add" and "0.0" in (parts[0][0], parts[1][0]):
        return parts[1] if parts[0][0] == "0.0" else parts[0]
    if op in _INFIX:
        sign, rank = _INFIX[op]
        # the order of operations is kept: rounding depends on it
        return f"{_bracketed(parts[0], rank)} {sign} {_bracketed(parts[1], rank + 1)}", rank
    if op == "pow":  # not **: of scalars that is another routine, which may round otherwise
        return f"np.power({parts[0][0]}, {parts[1][0]})", 9
    return f"np.{op}({parts[0][0]})", 9


def _bracketed(part: tuple[str, int], least: int) -> str:
    text, rank = part
    return text if rank >= least and not (text.startswith("-") and least > 1) else f"({text})"


def write(network: Network, path: str | Path) -> Path:
    """Write a network as a NumPy module."""
    return write_text(path, numpy_source(network))


def read(path: str | Path) -> Network:
    """Refuse: a module is text that would have to be run."""
    raise UnsupportedFeatureError(f"{path}: a Python module is written for reading and is never run; give a model file")

"""Sparse LU of ``I - beta J`` on a static pattern: ordered once per model, then straight-line code.

Pivots stay on the diagonal, in Markowitz order (least fill first), so the pattern of L and U is known before any number is.
The factorisation reports the smallest ratio of a pivot to the diagonal entry it came from; where elimination has cancelled it
almost away, or anything is not finite, the solver falls back to dense partial pivoting.

References
----------
.. [1] Markowitz 1957, Management Science 3(3), 255-269.
.. [2] Duff, Erisman & Reid 2017, Direct Methods for Sparse Matrices, 2nd ed., chapters 5 and 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["SparseLU", "analyse", "emit_factor", "emit_solve"]


@dataclass(frozen=True, slots=True, eq=False)
class SparseLU:
    """Symbolic factorisation.

    Parameters
    ----------
    n : int
        Size of the matrix.
    order : tuple of int
        Pivot rows (and columns) in order of elimination.
    position : dict of (int, int) to int
        Where each entry of L and U is stored; the diagonal holds reciprocals of the pivots.
    eliminations : tuple of (int, int, tuple, tuple)
        Per stage: pivot k, rows i below it, columns j right of it.
    steps : ndarray of int64, shape (m, 3)
        The solve as a list ``(target, source, position)``: subtract ``lu[position] * b[source]`` from ``b[target]``, or, where
        both are the same, multiply ``b[target]`` by ``lu[position]``.
    """

    n: int
    order: tuple[int, ...]
    position: dict[tuple[int, int], int]
    eliminations: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]
    steps: np.ndarray

    @property
    def size(self) -> int:
        """Number of stored entries."""
        return len(self.position)


def analyse(n: int, pattern: Iterable[tuple[int, int]]) -> SparseLU:
    """Order the elimination and find the fill.

    Parameters
    ----------
    n : int
        Size.
    pattern : iterable of (int, int)
        Structurally non-zero entries of J; the diagonal is added.
    """
    rows = [{i} for i in range(n)]
    columns = [{i} for i in range(n)]
    for i, j in pattern:
        rows[i].add(j)
        columns[j].add(i)
    left = set(range(n))
    position: dict[tuple[int, int], int] = {}
    eliminations, order = [], []
    while left:
        k = min(left, key=lambda i: ((len(rows[i]) - 1) * (len(columns[i]) - 1), i))
        left.remove(k)
        below, right = tuple(sorted(columns[k] - {k})), tuple(sorted(rows[k] - {k}))
        for entry in [(k, k), *((i, k) for i in below), *((k, j) for j in right)]:
            position[entry] = len(position)
        for i in below:
            rows[i].discard(k)
            rows[i].update(right)
        for j in right:
            columns[j].discard(k)
            columns[j].update(below)
        eliminations.append((k, below, right))
        order.append(k)
    forward = [(i, k, position[i, k]) for k, below, _ in eliminations for i in below]
    backward = []
    for k, _, right in reversed(eliminations):
        backward += [(k, j, position[k, j]) for j in right] + [(k, k, position[k, k])]
    steps = np.array(forward + backward, dtype=np.int64).reshape(-1, 3)
    return SparseLU(n, tuple(order), position, tuple(eliminations), steps)


_HEAD = "define void @{name}(double %t, double* noalias readonly %x, double* noalias readonly %c, double* noalias %out) {{"


def emit_factor(lu: SparseLU, pattern: Iterable[tuple[int, int]], name: str = "lu_factor") -> str:
    """Write the factorisation of ``I - t J`` as LLVM IR; x is the dense row-major J, out the entries and then the check.

    Parameters
    ----------
    lu : SparseLU
        From `analyse`.
    pattern : iterable of (int, int)
        The same pattern.
    name : str
        Name of the function.
    """
    lines = [_HEAD.format(name=name), "  %beta = fneg double %t"]
    entry: dict[tuple[int, int], str] = {}
    count = 0

    def new(text: str) -> str:
        nonlocal count
        count += 1
        lines.append(f"  %v{count} = {text}")
        return f"%v{count}"

    present = set(pattern)
    for i, j in sorted(present | {(k, k) for k in range(lu.n)}):
        value = "0.0"
        if (i, j) in present:
            address = new(f"getelementptr double, double* %x, i64 {i * lu.n + j}")
            value = new(f"fmul double %beta, {new(f'load double, double* {address}')}")
        entry[i, j] = new(f"fadd double 1.0, {value}") if i == j else value
    diagonal = {k: entry[k, k] for k in range(lu.n)}
    check = "1.0"
    for k, below, right in lu.eliminations:
        reciprocal = new(f"fdiv double 1.0, {entry[k, k]}")
        if entry[k, k] != diagonal[k]:  # elimination has changed it
            ratio = new(f"call double @llvm.fabs.f64(double {new(f'fdiv double {entry[k, k]}, {diagonal[k]}')})")
        else:
            ratio = new(f"call double @llvm.fabs.f64(double {entry[k, k]})")
        check = new(f"call double @llvm.minimum.f64(double {check}, double {ratio})")  # hands NaN on
        entry[k, k] = reciprocal
        for i in below:
            multiplier = new(f"fmul double {entry[i, k]}, {reciprocal}")
            entry[i, k] = multiplier
            for j in right:
                product = new(f"fmul contract double {multiplier}, {entry[k, j]}")
                old = entry.get((i, j))
                entry[i, j] = new(f"fneg double {product}") if old is None else new(f"fsub contract double {old}, {product}")
    for place, where in lu.position.items():
        address = new(f"getelementptr double, double* %out, i64 {where}")
        lines.append(f"  store double {entry[place]}, double* {address}")
    address = new(f"getelementptr double, double* %out, i64 {lu.size}")
    lines.append(f"  store double {check}, double* {address}")
    return "\n".join([*lines, "  ret void", "}"])


def emit_solve(lu: SparseLU, name: str = "lu_solve") -> str:
    """Write the solve as LLVM IR: x holds the factors, out the right-hand side, overwritten by the solution."""
    lines = [_HEAD.format(name=name)]
    value: dict[int, str] = {}
    count = 0

    def new(text: str) -> str:
        nonlocal count
        count += 1
        lines.append(f"  %v{count} = {text}")
        return f"%v{count}"

    for k in range(lu.n):
        value[k] = new(f"load double, double* {new(f'getelementptr double, double* %out, i64 {k}')}")
    for target, source, where in lu.steps.tolist():
        factor = new(f"load double, double* {new(f'getelementptr double, double* %x, i64 {where}')}")
        if target == source:
            value[target] = new(f"fmul double {value[target]}, {factor}")
        else:
            product = new(f"fmul contract double {factor}, {value[source]}")
            value[target] = new(f"fsub contract double {value[target]}, {product}")
    for k in range(lu.n):
        lines.append(f"  store double {value[k]}, double* {new(f'getelementptr double, double* %out, i64 {k}')}")
    return "\n".join([*lines, "  ret void", "}"])

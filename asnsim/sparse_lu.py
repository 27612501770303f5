"""Sparse LU of ``M - beta J`` on a static pattern: ordered once per model, then straight-line code or a list of steps.

M is diagonal, 1 for a differential and 0 for an algebraic equation. Pivots stay on the diagonal, in Markowitz order (least fill
first), so the pattern is known before any number is. The factors are L D U with unit diagonals in L and U and the reciprocals
of D stored: a solve then multiplies only once per row between its two chains of substitutions. Rows are eliminated one after
the other, so that a row stays in registers while those above it are subtracted.

The factorisation reports whether every pivot has kept more than 1e-8 of the entry it came from; where elimination has
cancelled one further, or anything is not finite, the solver falls back to dense partial pivoting.

References
----------
.. [1] Markowitz 1957, Management Science 3(3), 255-269.
.. [2] Duff, Erisman & Reid 2017, Direct Methods for Sparse Matrices, 2nd ed., chapters 5, 7 and 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from asnsim.ir import Writer

__all__ = ["SparseLU", "analyse", "emit_factor", "emit_multiply", "emit_solve"]

#: A pivot that elimination has cancelled below this share of its diagonal cannot be trusted.
PIVOT_RATIO = 1e-8
#: Rows that a solve or a product works on at once, each in a register of its own.
ROWS_AT_ONCE = 6


@dataclass(frozen=True, slots=True, eq=False)
class SparseLU:
    """Symbolic factorisation.

    Parameters
    ----------
    n : int
        Size of the matrix.
    pattern : tuple of (int, int)
        Entries of J in the order in which their values are stored.
    mass : tuple of float, length n
        Diagonal of M.
    order : tuple of int
        Pivot rows (and columns) in order of elimination.
    lower, upper : tuple of tuple of int, length n
        Columns left and right of the diagonal, per row and in order of elimination.
    position : dict of (int, int) to int
        Where each entry of L, 1/D and U is stored: row by row in order of elimination.
    """

    n: int
    pattern: tuple[tuple[int, int], ...]
    mass: tuple[float, ...]
    order: tuple[int, ...]
    lower: tuple[tuple[int, ...], ...]
    upper: tuple[tuple[int, ...], ...]
    position: dict[tuple[int, int], int]

    @property
    def size(self) -> int:
        """Number of stored entries."""
        return len(self.position)

    def solve_steps(self) -> np.ndarray:
        """Return the solve as a list ``(target, source, position)``, shape (m, 3), int64.

        Subtract ``lu[position] * b[source]`` from ``b[target]``, or, where both are the same, multiply ``b[target]`` by
        ``lu[position]``.
        """
        at = self.position
        forward = [(i, k, at[i, k]) for i in self.order for k in self.lower[i]]
        middle = [(i, i, at[i, i]) for i in self.order]
        backward = [(i, j, at[i, j]) for i in reversed(self.order) for j in self.upper[i]]
        return np.array(forward + middle + backward, dtype=np.int64).reshape(-1, 3)

    def factor_steps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the factorisation as lists, for matrices whose straight-line code would be too long.

        Returns
        -------
        origin : ndarray of int64, shape (size, 2)
            Per stored entry: the place of its value in J or -1, and the row on whose diagonal it lies or -1.
        rows : ndarray of int64, shape (n, 4)
            Per row in order of elimination: first and last + 1 of its eliminations, position of its pivot, end of its entries.
        eliminations : ndarray of int64, shape (n_l, 4)
            Per entry of L: its position, that of its pivot, and first and last + 1 of its updates.
        updates : ndarray of int64, shape (m, 2)
            Positions ``(target, source)``: subtract the entry of L, not yet divided, times the source.
        """
        value, at = {entry: e for e, entry in enumerate(self.pattern)}, self.position
        origin = np.array([(value.get((i, j), -1), i if i == j else -1) for i, j in at], dtype=np.int64).reshape(-1, 2)
        rows, eliminations, updates = [], [], []
        for i in self.order:
            start = len(eliminations)
            for k in self.lower[i]:
                first = len(updates)
                updates += [(at[i, j], at[k, j]) for j in self.upper[k]]
                eliminations.append((at[i, k], at[k, k], first, len(updates)))
            rows.append((start, len(eliminations), at[i, i], at[i, i] + 1 + len(self.upper[i])))
        shaped = [np.array(part, dtype=np.int64).reshape(-1, m) for part, m in ((rows, 4), (eliminations, 4), (updates, 2))]
        return origin, *shaped


def analyse(n: int, pattern: Iterable[tuple[int, int]], mass: Sequence[float] | None = None) -> SparseLU | None:
    """Order the elimination and find the fill.

    Parameters
    ----------
    n : int
        Size.
    pattern : iterable of (int, int)
        Structurally non-zero entries of J, in the order of their values; diagonals are added where `mass` is not 0.
    mass : sequence of float, length n, optional
        Diagonal of M; ones by default.

    Returns
    -------
    SparseLU or None
        None where pivots on the diagonal run out: some algebraic equation needs row exchanges.
    """
    pattern = tuple(pattern)
    mass = (1.0,) * n if mass is None else tuple(mass)
    rows = [{i} if mass[i] else set() for i in range(n)]
    columns = [{i} if mass[i] else set() for i in range(n)]
    for i, j in pattern:
        rows[i].add(j)
        columns[j].add(i)
    left = set(range(n))
    order: list[int] = []
    lower: list[list[int]] = [[] for _ in range(n)]
    upper: list[list[int]] = [[] for _ in range(n)]
    while left:
        ready = [i for i in left if i in rows[i]]
        if not ready:
            return None
        k = min(ready, key=lambda i: ((len(rows[i]) - 1) * (len(columns[i]) - 1), i))
        left.remove(k)
        right, below = rows[k] - {k}, columns[k] - {k}
        for i in below:
            rows[i].discard(k)
            rows[i] |= right
            lower[i].append(k)
        for j in right:
            columns[j].discard(k)
            columns[j] |= below
        upper[k] = list(right)
        order.append(k)
    rank = {k: r for r, k in enumerate(order)}
    position: dict[tuple[int, int], int] = {}
    for i in order:
        upper[i].sort(key=rank.get)
        for j in (*lower[i], i, *upper[i]):
            position[i, j] = len(position)
    return SparseLU(n, pattern, mass, tuple(order), tuple(map(tuple, lower)), tuple(map(tuple, upper)), position)


def emit_factor(lu: SparseLU, width: int = 1, name: str = "lu_factor") -> str:
    """Write the factorisation of ``M - t J`` as LLVM IR.

    x holds the values of J; out receives the factors and, behind them, 1 if every pivot can be trusted and 0 if not.
    """
    w = Writer(width)
    minus = w.neg("%t")
    value = {entry: e for e, entry in enumerate(lu.pattern)}
    sound = None
    for i in lu.order:
        w.break_block()
        row: dict[int, str] = {}
        for j in (*lu.lower[i], i, *lu.upper[i]):
            mass = lu.mass[i] if i == j else 0.0
            if (i, j) in value:
                entry = w.load("x", value[i, j])
                row[j] = w.fma(minus, entry, w.const(mass)) if mass else w.op("fmul", minus, entry)
            elif mass:
                row[j] = w.const(mass)
        first = row.get(i)
        for k in lu.lower[i]:
            multiplier = row[k]
            opposite = w.neg(multiplier)
            for j in lu.upper[k]:
                scaled = w.load("out", lu.position[k, j])
                row[j] = w.fma(opposite, scaled, row[j]) if j in row else w.op("fmul", opposite, scaled)
            w.store(w.op("fmul", multiplier, w.load("out", lu.position[k, k])), "out", lu.position[i, k])
        reciprocal = w.op("fdiv", w.const(1.0), row[i])
        w.store(reciprocal, "out", lu.position[i, i])
        for j in lu.upper[i]:
            w.store(w.op("fmul", row[j], reciprocal), "out", lu.position[i, j])
        sound = _judge(w, sound, row[i], first)
    w.store(w.select(sound, w.const(1.0), w.const(0.0)), "out", lu.size)
    return w.kernel(name)


def _judge(w: Writer, sound: str | None, pivot: str, first: str | None) -> str:
    """Whether all pivots so far can be trusted: not zero, finite, and not cancelled; false for NaN."""
    size = w.intrinsic("fabs", pivot)
    good = w.compare("olt", size, w.const(np.inf))
    least = w.op("fmul", w.intrinsic("fabs", first), w.const(PIVOT_RATIO)) if first and first != pivot else w.const(0.0)
    good = w.logic("and", good, w.compare("ogt", size, least))
    return good if sound is None else w.logic("and", sound, good)


def emit_solve(lu: SparseLU, width: int = 1, name: str = "lu_solve", shared: bool = False) -> str:
    """Write the solve as LLVM IR: x holds the factors, out the right-hand side, overwritten by the solution.

    With `shared`, one matrix serves all lanes, whose right-hand sides differ.
    """
    w = Writer(width)
    at, factor = lu.position, w.load_one if shared else w.load
    value = {i: w.load("out", i) for i in lu.order}

    def substitute(order: Sequence[int], columns: Sequence[tuple[int, ...]]) -> None:
        """Subtract what is known already, a few rows at a time, so that each known value is fetched once for all of them."""
        for first in range(0, len(order), ROWS_AT_ONCE):
            rows = order[first : first + ROWS_AT_ONCE]
            known = order[:first]
            for k in (k for k in known if any(k in columns[i] for i in rows)):
                for i in rows:
                    if k in columns[i]:
                        value[i] = w.fma(w.neg(factor("x", at[i, k])), value[k], value[i])
            for i in rows:
                for k in (k for k in rows if k in columns[i]):
                    value[i] = w.fma(w.neg(factor("x", at[i, k])), value[k], value[i])

    substitute(lu.order, lu.lower)
    for i in lu.order:
        value[i] = w.op("fmul", value[i], factor("x", at[i, i]))
    substitute(lu.order[::-1], lu.upper)
    for i in lu.order:
        w.store(value[i], "out", i)
    return w.kernel(name)


def emit_multiply(lu: SparseLU, width: int, name: str = "multiply") -> str:
    """Write ``out += t J c`` as LLVM IR, for vectors side by side in c and out; x holds the values of J, one for all lanes."""
    w = Writer(width)
    rows: dict[int, dict[int, int]] = {}
    for e, (i, j) in enumerate(lu.pattern):
        rows.setdefault(i, {})[j] = e
    order = list(rows)
    for first in range(0, len(order), ROWS_AT_ONCE):
        some = order[first : first + ROWS_AT_ONCE]
        total = dict.fromkeys(some, w.const(0.0))
        for j in dict.fromkeys(j for i in some for j in sorted(rows[i])):
            column = w.load("c", j)
            for i in some:
                if j in rows[i]:
                    total[i] = w.fma(w.load_one("x", rows[i][j]), column, total[i])
        for i in some:
            w.store(w.fma("%t", total[i], w.load("out", i)), "out", i)
    return w.kernel(name)

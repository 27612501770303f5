"""Vector operations of the integrators as LLVM IR: one pass over memory each, whatever the model.

Arrays are rows of `V` doubles, the registers of this processor. A single trajectory fills its rows one after the other and pads
the last with zeros; trajectories in lanes put one state into each row, one trajectory into each place of it. The operations are
the same: coefficients that vary come as rows too (`numbers`), all equal for a single trajectory, one per trajectory in lanes.

The signature is ``void f(int64 count, double *numbers, double *a, double *b, ...)``, arrays of `count` rows; a matrix holds its
rows one after the other, each of `count` such rows. Each number has `BLOCK` places, of which an operation uses as many as its
rows have; sensitivities go through operations with rows of `BLOCK`.
"""

from __future__ import annotations

import numpy as np

from asnsim.ir import Writer
from asnsim.machine import Code
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, V, vector

__all__ = ["NUMBERS", "Pass", "compile_passes", "fill", "judge", "norm", "total", "weigh"]

NUMBERS = 24  # rows of coefficients and results


class Pass(Writer):
    """Writer of one operation: what comes after `begin` runs for every row.

    Parameters
    ----------
    arrays : str
        Names of the array arguments, separated by blanks.
    width : int
        Length of a row.
    """

    def __init__(self, arrays: str, width: int = V):
        super().__init__(width)
        self.arrays = arrays.split()
        self._rows: dict[tuple[str, int], str] = {}
        self._sums: list[tuple[str, int, str]] = []
        self._loop: int | None = None

    def number(self, k: int) -> str:
        """Coefficient k, read before the loop."""
        address = self.new(f"getelementptr double, double* %numbers, i64 {BLOCK * k}")
        row = self.new(f"bitcast double* {address} to {self.type}*")
        return self.new(f"load {self.type}, {self.type}* {row}, align 8")

    def rows(self, array: str, *indices: int) -> None:
        """Announce, before the loop, the rows of a matrix that will be used."""
        for index in indices:
            offset = self.new(f"mul i64 %count, {index}")
            self._rows[array, index] = self.new(f"getelementptr {self.type}, {self.type}* %{array}, i64 {offset}")

    def begin(self, *sums: int) -> None:
        """Begin the loop; `sums` are the numbers that receive totals over all rows."""
        self._loop = len(self.lines)
        self._sums = [(f"%sum{k}", k, "") for k in sums]

    def add_to(self, k: int, value: str) -> None:
        """Add a row to the total of number k."""
        place = next(i for i, (_, number, _) in enumerate(self._sums) if number == k)
        name, number, _ = self._sums[place]
        self._sums[place] = (name, number, self.op("fadd", name, value))

    def squared(self, k: int, value: str) -> None:
        """Add the squares of a row to the total of number k."""
        place = next(i for i, (_, number, _) in enumerate(self._sums) if number == k)
        name, number, _ = self._sums[place]
        self._sums[place] = (name, number, self.fma(value, value, name))

    def get(self, array: str, index: int = 0) -> str:
        """The present row of an array, or of row `index` of a matrix."""
        base = self._rows.get((array, index), f"%{array}")
        address = self.new(f"getelementptr {self.type}, {self.type}* {base}, i64 %i")
        return self.new(f"load {self.type}, {self.type}* {address}, align 8")

    def put(self, value: str, array: str, index: int = 0) -> None:
        """Write the present row."""
        base = self._rows.get((array, index), f"%{array}")
        address = self.new(f"getelementptr {self.type}, {self.type}* {base}, i64 %i")
        self.add_line(f"store {self.type} {value}, {self.type}* {address}, align 8")

    def dot(self, weights, array: str, first: str | None = None) -> str:
        """``first + sum_j weights_j array_j`` over the rows of a matrix with a weight that is not 0."""
        total = first
        for j, weight in enumerate(weights):
            if isinstance(weight, str) or weight != 0.0:
                total = self.scaled_sum(weight, self.get(array, j), total)
        return self.const(0.0) if total is None else total

    def scaled_sum(self, weight, value: str, total: str | None) -> str:
        """``total + weight value``; a weight is a number or a register."""
        factor = weight if isinstance(weight, str) else self.const(float(weight))
        if total is None:
            return value if weight == 1.0 else self.op("fmul", factor, value)
        return self.op("fadd", total, value) if weight == 1.0 else self.fma(factor, value, total)

    def text(self, name: str) -> str:
        """The whole function."""
        before, body = self.lines[: self._loop], self.lines[self._loop :]
        kind = self.type
        arguments = ", ".join(["double* %numbers", *(f"{kind}* %{array}" for array in self.arrays)])
        head = ["  %i = phi i64 [0, %entry], [%next, %loop]"]
        head += [f"  {name_} = phi {kind} [zeroinitializer, %entry], [{last or name_}, %loop]" for name_, _, last in self._sums]
        tail = []
        for place, (name_, k, last) in enumerate(self._sums):
            tail.append(f"  %at{place} = getelementptr double, double* %numbers, i64 {BLOCK * k}")
            tail.append(f"  %to{place} = bitcast double* %at{place} to {kind}*")
            tail.append(f"  store {kind} {last or name_}, {kind}* %to{place}, align 8")
        return "\n".join(
            [
                f"define void @{name}(i64 %count, {arguments}) {{", "entry:", *before, "  br label %loop", "loop:", *head, *body,
                "  %next = add i64 %i, 1", "  %more = icmp ult i64 %next, %count", "  br i1 %more, label %loop, label %done",
                "done:", *tail, "  ret void", "}",
            ]
        )  # fmt: skip


def compile_passes(texts: dict[str, str]) -> tuple[object, dict[str, int]]:
    """Compile operations, ``{name: text}``.

    Returns
    -------
    owner : object
        To be kept: it owns the addresses.
    addresses : dict of str to int
        Of each operation; for operations ``name0, name1 ...`` that of an array of theirs, under ``name``.
    """
    declarations = [Writer(width).declarations() for width in sorted({V, BLOCK})]
    code = Code("\n\n".join([*declarations, *texts.values()]), thorough=True)
    families: dict[str, list[int]] = {}
    for name in texts:
        families.setdefault(name.rstrip("0123456789"), []).append(code.address(name))
    tables = {name: np.array(found, dtype=np.int64) for name, found in families.items() if f"{name}0" in texts}
    addresses = {name: tables[name].ctypes.data if name in tables else found[0] for name, found in families.items()}
    return (code, tables), addresses


def weigh() -> str:
    """Write ``w = 1 / (rtol |x| + atol)``; number 0 is rtol."""
    p = Pass("x atol w")
    rtol = p.number(0)
    p.begin()
    size = p.fma(rtol, p.intrinsic("fabs", p.get("x")), p.get("atol"))
    p.put(p.op("fdiv", p.const(1.0), size), "w")
    return p.text("weigh")


def judge() -> str:
    """Write number 2 = sum of ``(v w)^2``, number 3 = how many x are suspect.

    A state is suspect that has become negative, or lies under ``last + bound`` if it was negative before.
    """
    p = Pass("v w last x bound")
    zero = p.const(0.0)
    p.begin(2, 3)
    p.squared(2, p.op("fmul", p.get("v"), p.get("w")))
    last = p.get("last")
    floor = p.select(p.compare("olt", last, zero), p.op("fadd", last, p.get("bound")), zero)
    p.add_to(3, p.select(p.compare("olt", p.get("x"), floor), p.const(1.0), zero))
    return p.text("judge")


def norm() -> str:
    """Write number 4 = sum of ``(v w)^2``."""
    p = Pass("v w")
    p.begin(4)
    p.squared(4, p.op("fmul", p.get("v"), p.get("w")))
    return p.text("norm")


@compiled()
def fill(numbers, k, value):
    """Set number k to one value for the whole row."""
    row = vector(numbers + 8 * BLOCK * k, BLOCK)
    for lane in range(BLOCK):
        row[lane] = value


@compiled()
def total(numbers, k):
    """Sum of number k over a row of V."""
    row, result = vector(numbers + 8 * BLOCK * k, V), 0.0
    for lane in range(V):
        result += row[lane]
    return result

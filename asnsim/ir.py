"""LLVM IR as text: one writer for scalar kernels and for kernels that run several trajectories side by side, in lanes.

A scalar kernel is ``void f(double t, const double *x, const double *c, double *out)``. In lanes every number is a vector of
doubles, one per trajectory, also t: ``void f(const lanes *t, const lanes *x, const lanes *c, lanes *out)``; element i of lane l
of an array stands at ``i * width + l``.

No instruction carries a fast-math flag and fused multiply-adds are written out where they are wanted: a kernel gives the same
bits at every level of optimisation, and each lane the same bits as the scalar kernel, whatever its neighbours do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["BLOCK", "Writer", "call_suffix"]

#: Sensitivity parameters side by side: two registers of AVX2, or one of AVX-512, share each entry of a matrix.
BLOCK = 8
_LONG_BLOCK = 1000  # lines


def call_suffix(width: int) -> str:
    """Suffix of the names of functions of that width."""
    return "" if width == 1 else "_lanes"


class Writer:
    """Collects the instructions of one function; methods return the register that holds their result.

    Parameters
    ----------
    width : int
        1, the lanes of the processor (`asnsim.machine.native_lanes`), or `BLOCK`.
    """

    def __init__(self, width: int = 1):
        self.width = width
        self.lines: list[str] = []
        self._count = 0
        self._block, self._begin = "entry", 0
        self.type = self._vector("double")
        self.integer = self._vector("i64")
        self.mask = self._vector("i1")
        self._f64 = "f64" if width == 1 else f"v{width}f64"

    def _vector(self, scalar: str) -> str:
        return scalar if self.width == 1 else f"<{self.width} x {scalar}>"

    def new(self, text: str) -> str:
        """Add an instruction that has a result."""
        self._count += 1
        self.lines.append(f"  %r{self._count} = {text}")
        return f"%r{self._count}"

    def label(self, name: str) -> None:
        """Begin a basic block."""
        self.lines.append(f"{name}:")
        self._block, self._begin = name, len(self.lines)

    def break_block(self) -> None:
        """Begin a new basic block if this one is long: the time that compiling a block takes grows with its square."""
        if len(self.lines) - self._begin > _LONG_BLOCK:
            self._count += 1
            self.add_line(f"br label %part{self._count}")
            self.label(f"part{self._count}")

    def unless(self, mask: str, value: str, rare: Callable[[], str]) -> str:
        """`value`, or, where some lane lacks the mask, what `rare` computes, in a branch of its own."""
        if self.width == 1:
            every = mask
        else:
            packed = self.new(f"bitcast {self.mask} {mask} to i{self.width}")
            every = self.new(f"icmp eq i{self.width} {packed}, -1")
        self._count += 1
        before, branch, after = self._block, f"rare{self._count}", f"join{self._count}"
        self.add_line(f"br i1 {every}, label %{after}, label %{branch}")
        self.label(branch)
        other = rare()
        last = self._block
        self.add_line(f"br label %{after}")
        self.label(after)
        return self.new(f"phi {self.type} [{value}, %{before}], [{other}, %{last}]")

    def add_line(self, text: str) -> None:
        """Add an instruction without result."""
        self.lines.append(f"  {text}")

    # ---- literals --------------------------------------------------------------------------------------------------
    def _splat(self, kind: str, literal: str) -> str:
        return literal if self.width == 1 else f"<{', '.join([f'{kind} {literal}'] * self.width)}>"

    def const(self, value: float) -> str:
        """Literal of a double."""
        return self._splat("double", f"0x{np.float64(value).view(np.uint64):016X}")

    def whole(self, value: int) -> str:
        """Literal of a 64-bit integer."""
        return self._splat("i64", str(value))

    # ---- memory ----------------------------------------------------------------------------------------------------
    def _address(self, array: str, i: int) -> str:
        return self.new(f"getelementptr {self.type}, {self.type}* %{array}, i64 {i}")

    def load(self, array: str, i: int) -> str:
        """Read element i of an argument."""
        address = self._address(array, i)
        return self.new(f"load {self.type}, {self.type}* {address}, align 8")

    def load_one(self, array: str, i: int) -> str:
        """Read element i of an argument that holds single numbers, for all lanes."""
        start = f"%{array}" if self.width == 1 else self.new(f"bitcast {self.type}* %{array} to double*")
        address = self.new(f"getelementptr double, double* {start}, i64 {i}")
        value = self.new(f"load double, double* {address}")
        if self.width == 1:
            return value
        first = self.new(f"insertelement {self.type} poison, double {value}, i32 0")
        return self.new(f"shufflevector {self.type} {first}, {self.type} poison, <{self.width} x i32> zeroinitializer")

    def store(self, value: str, array: str, i: int) -> None:
        """Write element i of an argument."""
        address = self._address(array, i)
        self.add_line(f"store {self.type} {value}, {self.type}* {address}, align 8")

    # ---- arithmetic ------------------------------------------------------------------------------------------------
    def op(self, name: str, a: str, b: str) -> str:
        """Binary operation on doubles: ``fadd fsub fmul fdiv``."""
        return self.new(f"{name} {self.type} {a}, {b}")

    def neg(self, a: str) -> str:
        return self.new(f"fneg {self.type} {a}")

    def fma(self, a: str, b: str, c: str) -> str:
        """``a b + c``, rounded once."""
        kind = self.type
        return self.new(f"call {kind} @llvm.fma.{self._f64}({kind} {a}, {kind} {b}, {kind} {c})")

    def intrinsic(self, name: str, a: str) -> str:
        """Unary intrinsic of LLVM on doubles: ``fabs sqrt floor``."""
        return self.new(f"call {self.type} @llvm.{name}.{self._f64}({self.type} {a})")

    def call(self, name: str, *arguments: str) -> str:
        """Call a function of our own of this width."""
        values = ", ".join(f"{self.type} {a}" for a in arguments)
        return self.new(f"call {self.type} @own_{name}{call_suffix(self.width)}({values})")

    def compare(self, predicate: str, a: str, b: str) -> str:
        """Compare doubles: ``olt ogt oeq une uno ...``."""
        return self.new(f"fcmp {predicate} {self.type} {a}, {b}")

    def logic(self, name: str, a: str, b: str) -> str:
        """Combine masks: ``and or xor``."""
        return self.new(f"{name} {self.mask} {a}, {b}")

    def select(self, mask: str, a: str, b: str) -> str:
        """`a` where the mask is set, `b` elsewhere, lane by lane."""
        return self.new(f"select {self.mask} {mask}, {self.type} {a}, {self.type} {b}")

    # ---- bits ------------------------------------------------------------------------------------------------------
    def bits(self, a: str) -> str:
        """The bits of a double as an integer."""
        return self.new(f"bitcast {self.type} {a} to {self.integer}")

    def double(self, a: str) -> str:
        """The double of these bits."""
        return self.new(f"bitcast {self.integer} {a} to {self.type}")

    def int_op(self, name: str, a: str, b: str) -> str:
        """Binary operation on integers: ``add sub shl lshr or``."""
        return self.new(f"{name} {self.integer} {a}, {b}")

    # ---- functions -------------------------------------------------------------------------------------------------
    def kernel(self, name: str) -> str:
        """Return the whole text as a kernel of that name."""
        kind = self.type
        pointers = ", ".join(f"{kind}* noalias readonly %{array}" for array in ("x", "c"))
        if self.width == 1:
            first, time = "double %t", []
        else:
            first, time = f"{kind}* noalias readonly %time", [f"  %t = load {kind}, {kind}* %time, align 8"]
        head = f"define void @{name}{call_suffix(self.width)}({first}, {pointers}, {kind}* noalias %out) {{"
        return "\n".join([head, "entry:", *time, *self.lines, "  ret void", "}"])

    def function(self, name: str, *arguments: str) -> str:
        """Return the whole text, its ``ret`` included, as a function of doubles for use inside this module."""
        values = ", ".join(f"{self.type} %{a}" for a in arguments)
        head = f"define internal {self.type} @own_{name}{call_suffix(self.width)}({values}) {{"
        return "\n".join([head, "entry:", *self.lines, "}"])

    def declarations(self) -> str:
        """Declare the intrinsics used by kernels of this width."""
        kind = self.type
        lines = [f"declare {kind} @llvm.{name}.{self._f64}({kind})" for name in ("fabs", "sqrt", "floor")]
        return "\n".join([*lines, f"declare {kind} @llvm.fma.{self._f64}({kind}, {kind}, {kind})"])

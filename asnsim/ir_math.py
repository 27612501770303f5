"""exp, log, pow, tanh, sin, cos and atan as LLVM IR, for scalars and lanes alike, without a mathematics library.

They give the same bits everywhere.

Series instead of fitted polynomials: after range reduction the arguments are so small that a dozen Taylor terms reach double
precision. Errors stay below 2 units in the last place (tested against mpmath).

References
----------
.. [1] Muller 2016, Elementary Functions: Algorithms and Implementation, 3rd ed., chapters 5 and 11 (range reduction).
.. [2] Dekker 1971, A floating-point technique for extending the available precision, Numer. Math. 18, 224-242.
"""

from __future__ import annotations

import math
from functools import cache

from asnsim.ir import Writer

__all__ = ["library", "power", "trigonometry"]

LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # ln 2 with 21 zero bits at its end: times a whole exponent it is exact
LN2_LOW = 1.9082149292705877e-10
MAGIC = 1.5 * 2.0**52  # added to a small double, it leaves its nearest whole number in the last bits
MAGIC_LOW = 2.0**52
SQRT_HALF_BITS = 0x3FE6A09E00000000  # where the mantissa is cut: it then lies between sqrt(1/2) and sqrt(2)
ONE_BITS = 1023 << 52
SMALLEST_NORMAL = 2.0**-1022
HALF_PI = (math.pi / 2, 6.123233995736766e-17, -1.4973849048591833e-33)  # pi/2 as a sum of three doubles
TURNS = 2.0**30  # quarter turns up to which sine and cosine are told; beyond, NaN


@cache
def library(width: int) -> str:
    """Return intrinsics and functions that kernels of that width call."""
    return "\n\n".join([Writer(width).declarations(), _exp(width), _log(width), _power(width), _tanh(width)])


@cache
def trigonometry(width: int) -> str:
    """Return the rarer functions: sine, cosine and arc tangent."""
    return "\n\n".join([_sine(width, "sin", 0), _sine(width, "cos", 1), _atan(width)])


def _horner(w: Writer, coefficients, x: str) -> str:
    """Evaluate ``c_0 + c_1 x + ...``."""
    *rest, last = [w.const(value) for value in coefficients]
    result = last
    for coefficient in reversed(rest):
        result = w.fma(result, x, coefficient)
    return result


def _scale(w: Writer, whole: str) -> str:
    """``2^k`` for a double k that is a whole number between -1022 and 1023."""
    shifted = w.int_op("shl", w.bits(w.op("fadd", whole, w.const(MAGIC))), w.whole(52))
    return w.double(w.int_op("add", shifted, w.whole(ONE_BITS)))


def _exp(width: int) -> str:
    """``x = k ln 2 + r``, ``exp(x) = 2^k exp(r)``; in two halves of k, so that the result may be denormal."""
    w = Writer(width)
    top, bottom = w.const(710.0), w.const(-746.0)
    x = w.select(w.compare("ogt", "%x", top), top, "%x")
    x = w.select(w.compare("olt", x, bottom), bottom, x)
    k = w.op("fsub", w.fma(x, w.const(1.0 / math.log(2.0)), w.const(MAGIC)), w.const(MAGIC))
    r = w.fma(k, w.const(-LN2_LOW), w.fma(k, w.const(-LN2_HIGH), x))
    series = _horner(w, [1.0 / math.factorial(j) for j in range(14)], r)
    half = w.op("fsub", w.fma(k, w.const(0.5), w.const(MAGIC)), w.const(MAGIC))
    result = w.op("fmul", w.op("fmul", series, _scale(w, half)), _scale(w, w.op("fsub", k, half)))
    w.add_line(f"ret {w.type} {result}")
    return w.function("exp", "x")


def _log_parts(w: Writer, x: str) -> tuple[str, str]:
    """Logarithm of a positive finite number as a sum of two doubles, the second far below the first.

    ``x = 2^k m``, ``s = (m - 1)/(m + 1)``, ``log m = 2 s + 2 s^3/3 + ...``; s carries its own rounding error along [2]_.
    """
    tiny = w.compare("olt", x, w.const(SMALLEST_NORMAL))
    x = w.select(tiny, w.op("fmul", x, w.const(2.0**54)), x)
    raised = w.bits(x)
    shifted = w.int_op("lshr", w.int_op("add", raised, w.whole((1024 << 52) - SQRT_HALF_BITS)), w.whole(52))
    k = w.op("fsub", w.double(w.int_op("or", shifted, w.whole(0x4330000000000000))), w.const(MAGIC_LOW + 1024.0))
    k = w.select(tiny, w.op("fsub", k, w.const(54.0)), k)
    m = w.double(w.int_op("sub", raised, w.int_op("shl", w.int_op("sub", shifted, w.whole(1024)), w.whole(52))))
    f = w.op("fsub", m, w.const(1.0))
    d = w.op("fadd", f, w.const(2.0))
    lost = w.op("fsub", f, w.op("fsub", d, w.const(2.0)))
    reciprocal = w.op("fdiv", w.const(1.0), d)
    s = w.op("fmul", f, reciprocal)
    minus = w.neg(s)
    rest = w.op("fmul", w.fma(minus, lost, w.fma(minus, d, f)), reciprocal)
    z = w.op("fmul", s, s)
    series = w.op("fmul", z, _horner(w, [2.0 / (2 * j + 1) for j in range(1, 12)], z))
    low = w.fma(s, series, w.op("fmul", w.const(2.0), rest))
    high = w.op("fmul", w.const(2.0), s)
    exact = w.op("fmul", k, w.const(LN2_HIGH))
    total = w.op("fadd", exact, high)
    lost = w.op("fadd", w.op("fsub", exact, total), high)
    rest = w.op("fadd", lost, w.fma(k, w.const(LN2_LOW), low))
    first = w.op("fadd", total, rest)
    return first, w.op("fadd", w.op("fsub", total, first), rest)


def _log(width: int) -> str:
    w = Writer(width)
    result = w.op("fadd", *_log_parts(w, "%x"))
    infinity = w.const(math.inf)
    result = w.select(w.compare("oeq", "%x", infinity), infinity, result)
    result = w.select(w.compare("oeq", "%x", w.const(0.0)), w.const(-math.inf), result)
    result = w.select(w.compare("ult", "%x", w.const(0.0)), w.const(math.nan), result)
    w.add_line(f"ret {w.type} {result}")
    return w.function("log", "x")


def power(w: Writer, x: str, n: str) -> str:
    """Write ``x^n``: products where n is 1, 2, 3 or 4, because Hill exponents are parameters, and nearly always whole numbers."""
    square = w.op("fmul", x, x)
    products = [x, square, w.op("fmul", square, x), w.op("fmul", square, square)]
    masks = [w.compare("oeq", n, w.const(float(k))) for k in (1, 2, 3, 4)]
    easy = w.logic("or", w.logic("or", masks[0], masks[1]), w.logic("or", masks[2], masks[3]))
    quick = products[3]
    for mask, product in reversed(list(zip(masks[:3], products[:3], strict=True))):
        quick = w.select(mask, product, quick)
    return w.unless(easy, quick, lambda: w.select(easy, quick, w.call("power", x, n)))


def _power(width: int) -> str:
    w = Writer(width)
    w.add_line(f"ret {w.type} {_general_power(w)}")
    return w.function("power", "x", "n")


def _general_power(w: Writer) -> str:
    """``exp(n log |x|)`` with the logarithm in two parts, and the special cases of C's ``pow`` that concentrations can meet."""
    zero, one, infinity = w.const(0.0), w.const(1.0), w.const(math.inf)
    size = w.intrinsic("fabs", "%x")
    high, low = _log_parts(w, size)
    product = w.op("fmul", "%n", high)
    correction = w.fma("%n", low, w.fma("%n", high, w.neg(product)))
    plain = w.call("exp", product)
    result = w.select(w.compare("olt", plain, infinity), w.fma(plain, correction, plain), plain)
    down = w.compare("olt", "%n", zero)
    result = w.select(w.compare("oeq", size, zero), w.select(down, infinity, zero), result)
    result = w.select(w.compare("oeq", size, infinity), w.select(down, zero, infinity), result)
    half = w.op("fmul", "%n", w.const(0.5))
    odd = w.compare("une", w.intrinsic("floor", half), half)
    whole = w.compare("oeq", w.intrinsic("floor", "%n"), "%n")
    negative = w.select(whole, w.select(odd, w.neg(result), result), w.const(math.nan))
    result = w.select(w.compare("olt", "%x", zero), negative, result)
    unordered = w.compare("uno", "%x", "%n")
    result = w.select(unordered, w.const(math.nan), result)
    return w.select(w.compare("oeq", "%n", zero), one, result)


def _tanh(width: int) -> str:
    """``(e - 1)/(e + 1)`` with ``e = exp(2 |x|)``; for small x, ``e - 1`` from its own series."""
    w = Writer(width)
    one, two = w.const(1.0), w.const(2.0)
    size = w.intrinsic("fabs", "%x")
    y = w.op("fmul", two, size)
    e = w.call("exp", w.neg(y))
    large = w.op("fdiv", w.op("fsub", one, e), w.op("fadd", one, e))
    near = w.select(w.compare("olt", y, one), y, one)
    less_one = w.op("fmul", near, _horner(w, [1.0 / math.factorial(j) for j in range(1, 20)], near))
    small = w.op("fdiv", less_one, w.op("fadd", less_one, two))
    result = w.select(w.compare("olt", y, one), small, large)
    result = w.select(w.compare("olt", "%x", w.const(0.0)), w.neg(result), result)
    w.add_line(f"ret {w.type} {result}")
    return w.function("tanh", "x")


def _sine(width: int, name: str, ahead: int) -> str:
    """``x = k pi/2 + r``, then by k the sine or cosine of r, and its sign; a cosine is a sine one quarter turn ahead."""
    w = Writer(width)
    turned = w.fma("%x", w.const(2.0 / math.pi), w.const(MAGIC))
    k = w.op("fsub", turned, w.const(MAGIC))
    minus, r = w.neg(k), "%x"
    for part in HALF_PI:
        r = w.fma(minus, w.const(part), r)
    z = w.op("fmul", r, r)
    odd = [(-1.0) ** j / math.factorial(2 * j + 1) for j in range(1, 9)]
    even = [(-1.0) ** j / math.factorial(2 * j) for j in range(9)]
    sine = w.fma(w.op("fmul", r, z), _horner(w, odd, z), r)
    cosine = _horner(w, even, z)
    place = w.int_op("add", w.bits(turned), w.whole(ahead))
    swap = w.new(f"icmp ne {w.integer} {w.int_op('and', place, w.whole(1))}, {_zeros(w)}")
    flip = w.int_op("shl", w.int_op("lshr", w.int_op("and", place, w.whole(2)), w.whole(1)), w.whole(63))
    value = w.double(w.int_op("xor", w.bits(w.select(swap, cosine, sine)), flip))
    near = w.compare("olt", w.intrinsic("fabs", k), w.const(TURNS))
    w.add_line(f"ret {w.type} {w.select(near, value, w.const(math.nan))}")
    return w.function(name, "x")


def _zeros(w: Writer) -> str:
    return "0" if w.width == 1 else "zeroinitializer"


def _atan(width: int) -> str:
    """``atan x = pi/2 - atan 1/x`` above 1, ``pi/4 + atan (x - 1)/(x + 1)`` above tan pi/8, and a series for what is left."""
    w = Writer(width)
    one, size = w.const(1.0), w.intrinsic("fabs", "%x")
    large = w.compare("ogt", size, one)
    y = w.select(large, w.op("fdiv", one, size), size)
    middle = w.compare("ogt", y, w.const(math.tan(math.pi / 8)))
    y = w.select(middle, w.op("fdiv", w.op("fsub", y, one), w.op("fadd", y, one)), y)
    z = w.op("fmul", y, y)
    result = w.fma(w.op("fmul", y, z), _horner(w, [(-1.0) ** j / (2 * j + 1) for j in range(1, 23)], z), y)
    result = w.select(middle, w.op("fadd", w.const(math.pi / 4), result), result)
    result = w.select(large, w.op("fsub", w.const(math.pi / 2), result), result)
    below = w.compare("olt", "%x", w.const(0.0))
    w.add_line(f"ret {w.type} {w.select(below, w.neg(result), result)}")
    return w.function("atan", "x")

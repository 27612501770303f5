"""exp, log, pow, tanh, sin, cos and atan of the kernels against mpmath: every sign, size and special value, in scalars and lanes."""

import ctypes

import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asnsim.ir import Writer
from asnsim.ir_math import library, power, trigonometry
from asnsim.machine import Code, native_lanes

FUNCTIONS = ("exp", "log", "tanh", "sin", "cos", "atan")


def kernels(width):
    parts = []
    for name in FUNCTIONS:
        w = Writer(width)
        w.store(w.call(name, w.load("x", 0)), "out", 0)
        parts.append(w.kernel(name))
    w = Writer(width)
    w.store(power(w, w.load("x", 0), w.load("c", 0)), "out", 0)
    return Code("\n\n".join([library(width), trigonometry(width), *parts, w.kernel("pow")]))


CODE, LANES = kernels(1), kernels(native_lanes())
ONE = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 3)
MANY = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)


def call(name, x, n=0.0):
    x, n, out = (np.array([v], dtype=float) for v in (x, n, 0.0))
    ONE(CODE.address(name))(0.0, x.ctypes.data, n.ctypes.data, out.ctypes.data)
    return out[0]


def in_lanes(name, x, n):
    x, n = (np.array(v, dtype=float) for v in (x, n))
    out = np.zeros(native_lanes())
    MANY(LANES.address(f"{name}_lanes"))(*(a.ctypes.data for a in (x, x, n, out)))
    return out


def units_off(found, exact):
    """Distance in units of the last place; the smallest normal number sets the smallest unit."""
    size = max(abs(float(exact)), 2.0**-1022)
    return float(abs(mpmath.mpf(found) - exact)) / np.spacing(size)


@given(st.floats(-745.0, 709.0))
@example(0.0)
@example(-1e-300)
@example(709.7)
@example(-740.0)
def test_exp(x):
    with mpmath.workprec(200):
        assert units_off(call("exp", x), mpmath.exp(x)) < 1.5


@given(st.floats(5e-324, 1.7e308))
@example(1.0)
@example(0.7071067811865475)
@example(0.7071067811865476)
@example(1.0000000000000002)
@example(0.9999999999999999)
@example(1e-310)
def test_log(x):
    with mpmath.workprec(200):
        exact = mpmath.log(x)
        assert units_off(call("log", x), exact) < 1.5 if exact else call("log", x) == 0.0


@given(st.floats(-30.0, 30.0))
@example(1e-12)
@example(0.5)
@example(-0.5000000000000001)
def test_tanh(x):
    with mpmath.workprec(200):
        assert units_off(call("tanh", x), mpmath.tanh(x)) < 3


@given(st.floats(1e-300, 1e300), st.one_of(st.floats(-12.0, 12.0), st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, 0.5, -1.0])))
@example(1.0000001, 1e6)
@example(1e-5, 61.0)
def test_pow(x, n):
    with mpmath.workprec(300):
        exact = mpmath.power(x, n)
        if 1e-305 < exact < 1e305:
            assert units_off(call("pow", x, n), exact) < 2.5


SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, np.inf, -np.inf, np.nan, 1e-320]
EXPONENTS = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1.0, -2.0, 0.5, 2.5, -0.5, np.nan]


@pytest.mark.parametrize("n", EXPONENTS)
@pytest.mark.parametrize("x", SPECIAL)
def test_pow_at_special_values_follows_c(x, n):
    """But for the sign of zero, which counts for nothing; 1^NaN and a fractional power of -inf, which are NaN here."""
    with np.errstate(all="ignore"):
        want = float(np.power(x + 0.0, n))
    if (x == 1.0 and np.isnan(n)) or (x == -np.inf and n % 1 != 0):
        want = np.nan
    found = call("pow", x, n)
    assert (np.isnan(found) and np.isnan(want)) or found == pytest.approx(want, rel=1e-15)


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("exp", np.inf, np.inf), ("exp", -np.inf, 0.0), ("exp", 1000.0, np.inf), ("exp", -1000.0, 0.0), ("exp", np.nan, np.nan),
        ("log", 0.0, -np.inf), ("log", -1.0, np.nan), ("log", np.inf, np.inf), ("log", np.nan, np.nan), ("log", -np.inf, np.nan),
        ("tanh", np.inf, 1.0), ("tanh", -np.inf, -1.0), ("tanh", 0.0, 0.0), ("tanh", np.nan, np.nan),
    ],
)  # fmt: skip
def test_functions_at_special_values(name, x, want):
    np.testing.assert_equal(call(name, x), want)


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.sampled_from([1.0, 2.0, 2.5, 4.0, -0.7])), min_size=native_lanes(), max_size=native_lanes()))
def test_a_lane_does_not_feel_its_neighbours(pairs):
    """Whole exponents beside fractional ones: each lane has the bits it has alone."""
    x, n = zip(*pairs, strict=True)
    for name in (*FUNCTIONS, "pow"):
        np.testing.assert_array_equal(in_lanes(name, x, n), [call(name, a, b) for a, b in pairs])


@pytest.mark.parametrize("name", ["sin", "cos"])
@given(x=st.floats(-1e6, 1e6))
@example(x=0.0)
@example(x=-1e-300)
@example(x=3.141592653589793)
@example(x=1.5707963267948966)
def test_sine_and_cosine(name, x):
    with mpmath.workprec(300):
        exact = getattr(mpmath, name)(x)
        assert units_off(call(name, x), exact) < 2.0 or abs(call(name, x) - exact) < 1e-22


@given(st.floats(allow_nan=False))
@example(0.0)
@example(1.0)
@example(float("inf"))
@example(0.41421356237309503)
def test_arc_tangent(x):
    with mpmath.workprec(300):
        assert units_off(call("atan", x), mpmath.atan(x)) < 3.0


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_beyond_its_range_is_no_number(name):
    assert np.isnan(call(name, 1e18))
    assert np.isnan(call(name, np.inf))


@pytest.mark.parametrize("name", ["sin", "cos", "atan"])
@given(x=st.lists(st.floats(-1e4, 1e4), min_size=native_lanes(), max_size=native_lanes()))
def test_lanes_of_trigonometry_give_the_bits_of_scalars(name, x):
    together = in_lanes(name, x, x)
    assert [v.hex() for v in together.tolist()] == [float(call(name, v)).hex() for v in x]

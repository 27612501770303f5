"""Units at the door: conversions, what dimensions print as, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnsim.errors import UnitError
from asnsim.units import DIMENSIONLESS, dimension_text, parse_quantity, parse_time, unit

FACTORS = {
    "h": 1.0, "d": 24.0, "min": 1 / 60, "s": 1 / 3600, "1/s": 3600.0, "1/min": 60.0,
    "umol": 1.0, "mol": 1e6, "nmol": 1e-3, "M": 1e6, "mM": 1e3, "uM": 1.0, "µM": 1.0, "μM": 1.0, "nM": 1e-3, "umol/L": 1.0,
    "mM/h": 1e3, "umol/L/min": 60.0, "umol/min/L": 60.0, "1/h/L": 1.0, "1/(h*L)": 1.0, "1/M/s": 3.6e-3,
    "L": 1.0, "mL": 1e-3, "uL": 1e-6, "pL": 1e-12, "pL/cells": 1e-12, "fmol/cell/h": 1e-9, "copies/cells": 1.0,
    "U": 1.0, "IU": 1.0, "U/L": 1.0, "U/mL": 1e3, "IU/mL": 1e3, "U/d": 1 / 24, "U/m^2": 1.0, "U/m2": 1.0, "U/m²": 1.0, "U/kg": 1.0,
    "umol/U/h": 1.0, "umol/U/min": 60.0,
    "kg": 1.0, "g": 1e-3, "L/kg": 1.0, "mL/kg": 1e-3, "L/m^2": 1.0, "1/m^2": 1.0, "L/d/m^2": 1 / 24,
    "%": 0.01, "1/%": 100.0, "%/h": 0.01, "1": 1.0, "-": 1.0, "": 1.0, "fold": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("text", FACTORS)
def test_factor_to_canonical(text):
    assert unit(text).factor == pytest.approx(FACTORS[text], rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("mM", "umol/L"), ("1/h/L", "1/(h*L)"), ("U/m2", "U/m^2"), ("IU/mL", "U/L"), ("%", ""), ("umol/min", "mol/d"),
        ("copies/cell", "copies/cells"), ("pL/cell", "L/cells"), ("1/s", "1/h"), ("m^2", "m²"), ("umol L^-1", "umol/L"),
    ],
)  # fmt: skip
def test_equal_dimensions(a, b):
    assert unit(a).dimension == unit(b).dimension


@pytest.mark.parametrize(("a", "b"), [("U", "umol/min"), ("U/m^2", "U/L"), ("m^2", "dm^2"), ("h", "1/h"), ("cells", "copies"), ("U/kg", "U/m^2")])
def test_different_dimensions(a, b):
    """A unit of enzyme is counted, not a flux of substance; body surface is not a length squared."""
    assert unit(a).dimension != unit(b).dimension


@pytest.mark.parametrize("prefixed", ["mU", "kU", "mU/mL", "kIU"])
def test_prefixed_enzyme_units_are_enzyme(prefixed):
    """Was once wrong: only a bare U or IU is taken as enzyme; kU and mU fall through to pint's U, which is umol/min."""
    assert unit(prefixed).dimension[3] == 1.0


@pytest.mark.parametrize("text", ["m^-2", "U m^-2", "U*m**-2"])
def test_negative_powers_of_body_surface(text):
    """Was once wrong: 'm^-2' becomes a length to the -2 although 'm^2' and '1/m^2' are body surface."""
    assert unit(text).dimension[6] == -1.0


def test_a_product_after_a_quotient_is_not_silently_inverted():
    """Was once wrong: '1/h*L' is read as 1/(h*L), while 'umol/h*L' is (umol/h)*L; refuse it or read both alike."""
    try:
        found = unit("1/h*L").dimension
    except UnitError:
        return
    assert found == unit("L/h").dimension


@pytest.mark.parametrize("text", ["furlong_x", "1/h/banana", "h/", "5 h", "2", "umol;L", "$", "__import__('os')", "cd", "A"])
def test_what_is_not_a_unit_is_refused_by_name(text):
    with pytest.raises(UnitError) as error:
        unit(text)
    assert f"'{text}'" in str(error.value) and "umol/L" in str(error.value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("mM/h", "umol / h / L"), ("IU/mL", "U / L"), ("1/s", "1 / h"), ("L/d", "L / h"), ("U/m^2", "U / m^2"), ("%", "dimensionless"),
        ("mL/min/kg", "L / h / kg"), ("pL/cells", "L / cells"), ("1/h/L", "1 / h / L"), ("umol^2", "umol^2"),
    ],
)  # fmt: skip
def test_dimension_text(text, printed):
    assert dimension_text(unit(text).dimension) == printed


_EXPONENT = st.integers(-3, 3)


@given(st.tuples(*[_EXPONENT] * 9))
def test_printed_dimension_parses_back(exponents):
    """time, substance, length, enzyme, cells, copies, body surface, mass, temperature; 'm^2^-1' style is never printed."""
    dimension = tuple(float(e) for e in exponents)
    parsed = unit(dimension_text(dimension))
    assert parsed.dimension == pytest.approx(dimension)
    assert parsed.factor == pytest.approx(1.0, rel=1e-12)


_WRITABLE = st.sampled_from([text for text in FACTORS if text not in ("", "-", "1")])


@given(st.floats(-1e12, 1e12, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-12), _WRITABLE, st.sampled_from(["", " ", "  "]))
def test_quantity_round_trip(number, text, gap):
    if text[0] in "eE":
        gap = " "
    if text.startswith("1"):
        gap = " "
    assert parse_quantity(f"{number!r}{gap}{text}") == pytest.approx(number * FACTORS[text], rel=1e-12, abs=0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bare_numbers_are_canonical(number):
    assert parse_quantity(number) == number
    assert parse_quantity(repr(number)) == number
    assert parse_time(number) == number


def test_times():
    assert parse_time("14 d") == 336.0
    assert parse_time("-2 d") == -48.0
    assert parse_time("7") == 7.0
    assert parse_time("1e2h") == 100.0


@pytest.mark.parametrize(("text", "hours"), [("30 min", 0.5), ("90 min", 1.5), ("1800 s", 0.5)])
def test_minutes_meet_hours_exactly(text, hours):
    """Was once wrong: factors are cut to 15 digits, so '30 min' is 0.500000000000001 h and never meets a dose at 0.5."""
    assert parse_time(text) == hours


@pytest.mark.parametrize("text", ["", "d", "14 U", "1,5 h", "nan", "inf", "14 d 3 h", "--3 h", "1 2 h"])
def test_bad_times(text):
    with pytest.raises(UnitError):
        parse_time(text, "the end")


def test_error_names_what_was_asked():
    with pytest.raises(UnitError, match=r"the end '14 U' is in U, but h is needed"):
        parse_time("14 U", "the end")
    with pytest.raises(UnitError, match="the end 'soon' is not a number with a unit"):
        parse_time("soon", "the end")


def test_dimensionless():
    assert unit("%").dimension == DIMENSIONLESS == unit("fold").dimension
    assert math.isclose(parse_quantity("77 %"), 0.77)

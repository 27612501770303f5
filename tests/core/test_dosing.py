"""Doses and changes: what is delivered, when, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnsim.delivery import BOLUS, END, SET, START
from asnsim.dosing import Change, Dose, Regimen, parse_dose
from asnsim.errors import DoseError, UnitError
from asnsim.library import load_model

AMT, SPAN = st.floats(1e-3, 1e6), st.floats(1e-2, 500.0)
REPEATS = st.one_of(st.just((0.0, 0)), st.tuples(st.floats(1.0, 1000.0), st.integers(1, 6)))
HOW = st.one_of(st.just({}), SPAN.map(lambda v: {"duration": v}), st.floats(1e-2, 1e5).map(lambda v: {"rate": v}))


@pytest.fixture(scope="module")
def dosing():
    return load_model("dosing")


def delivered(actions):
    """Boluses plus the integral of the infusion rate, and the rate that is left on at the end."""
    total, rate, last = 0.0, 0.0, -math.inf
    for action in actions:
        total += rate * (action.time - last) if rate else 0.0
        last = action.time
        if action.order == BOLUS:
            total += action.value
        elif action.order in (START, END):
            rate += action.value
    return total, rate


@given(amt=AMT, time=st.floats(-100, 1000), f=st.floats(0.01, 1.0), alag=st.floats(0, 50), repeats=REPEATS, how=HOW)
def test_everything_given_is_delivered(one_compartment, amt, time, f, alag, repeats, how):
    ii, addl = repeats
    actions = Regimen.single(amt, "a", time, f=f, alag=alag, ii=ii, addl=addl, **how).actions(one_compartment)
    total, left = delivered(actions)
    assert total == pytest.approx(amt * f * (addl + 1), rel=1e-6)
    assert left == pytest.approx(0.0, abs=1e-6 * max((abs(a.value) for a in actions), default=0))
    starts = [a.time for a in actions if a.order in (BOLUS, START)]
    assert starts == pytest.approx([time + alag + k * ii for k in range(addl + 1)])
    assert [a.time for a in actions] == sorted(a.time for a in actions)


@given(amt=AMT, rate=st.floats(1e-2, 1e5), f=st.floats(0.01, 1.0))
def test_f_shortens_an_infusion_at_a_rate(one_compartment, amt, rate, f):
    start, end = Regimen.single(amt, "a", rate=rate, f=f).actions(one_compartment)
    assert (start.order, end.order) == (START, END)
    assert start.value == rate == -end.value and end.time == pytest.approx(amt * f / rate)


@given(amt=AMT, duration=SPAN, f=st.floats(0.01, 1.0))
def test_f_lowers_the_rate_of_an_infusion_of_a_length(one_compartment, amt, duration, f):
    start, end = Regimen.single(amt, "a", duration=duration, f=f).actions(one_compartment)
    assert end.time == duration and start.value == pytest.approx(amt * f / duration) and end.value == -start.value


@given(amt=AMT, cap=AMT, bsa=st.floats(0.2, 2.5), f=st.floats(0.1, 1))
def test_per_square_metre_capped_before_bioavailability(dosing, amt, cap, bsa, f):
    (action,) = Regimen.single(f"{amt!r} U/m^2", "peg_1", cap=f"{cap!r} U", f=f).actions(dosing.with_parameters(bsa=bsa))
    assert action.value == pytest.approx(min(amt * bsa, cap) * f, rel=1e-9)


def test_units_of_a_dose(dosing):
    def amount(text, into="peg_1"):
        return Regimen.single(text, into).actions(dosing)[0].value

    assert amount("2500 U/m^2") == pytest.approx(2500 * dosing.value("bsa"))
    assert amount("10 U/kg") == pytest.approx(10 * dosing.value("weight"))
    assert amount("1000 IU") == amount(1000) == amount("1000") == 1000.0
    assert amount("1 mmol", "asn_p") == 1000.0
    assert amount("20 umol/kg", "asn_p") == pytest.approx(20 * dosing.value("weight"))


@pytest.mark.parametrize("dose", ["10 umol", "10 h", "10 U/L", "10 U/m^2/h", "10 mg", "10 %"])
def test_a_dose_in_the_wrong_unit(dosing, dose):
    with pytest.raises(UnitError, match="'peg_1' takes U"):
        Regimen.single(dose, "peg_1").actions(dosing)


def test_text_doses_meet_canonical_ones(dosing):
    text = parse_dose("2500 U/m^2 into peg_1 at 1 d over 2 h every 14 d times 3")
    assert (text.time, text.into, text.duration, text.ii, text.addl) == (24.0, "peg_1", 2.0, 336.0, 2)
    regimen = Regimen.repeat("2500 U/m^2", "peg_1", every="14 d", times=3, start="1 d", duration="2 h")
    assert Regimen((text,)).actions(dosing) == regimen.actions(dosing)
    assert parse_dose("5 U into peg_1") == Dose(0.0, "5 U", "peg_1")
    for bad in ("", "5 U", "into peg_1", "5 U in peg_1", "5 U into peg_1 every 3 d", "5 U into peg_1 every 3 d times x"):
        with pytest.raises(DoseError, match="is not a dose"):
            parse_dose(bad)
    with pytest.raises(DoseError, match="asks for 0 doses"):
        parse_dose("5 U into peg_1 every 3 d times 0")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"amt": -1}, "amt -1"), ({"amt": 0}, "must be positive"), ({"amt": "-3 U"}, "must be positive"), ({"amt": math.nan}, "must be positive"),
        ({"rate": 3, "duration": 1}, "both rate and duration"), ({"rate": -3}, "rate -3"), ({"duration": -1}, "duration -1"),
        ({"addl": 2}, "repeats need both"), ({"ii": 24}, "repeats need both"), ({"addl": -1, "ii": 24}, "addl -1"),
        ({"addl": 1.5, "ii": 24}, "whole number"), ({"f": 0}, "f 0"), ({"f": math.inf}, "f inf"), ({"f": math.nan}, "f nan"),
        ({"alag": -2}, "alag -2"), ({"duration": math.inf}, "duration inf"), ({"ii": math.inf, "addl": 1}, "ii inf"),
    ],
)  # fmt: skip
def test_rules_of_a_dose(fields, says):
    with pytest.raises(DoseError, match=says) as error:
        Dose(**({"time": 5, "amt": 100, "into": "peg_1"} | fields))
    assert "the dose into 'peg_1' at 5 h" in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [{"amt": math.inf}, {"rate": math.nan}, {"rate": math.inf}, {"time": math.nan}, {"time": math.inf}, {"cap": -5}, {"cap": math.nan}],
)
def test_more_rules_of_a_dose(fields, dosing):
    """Was once wrong: infinite amounts, NaN rates (a bolus!) and times, and negative caps (a negative dose!) pass."""
    with pytest.raises((DoseError, UnitError)):
        Regimen((Dose(**({"time": 5, "amt": 100, "into": "peg_1"} | fields)),)).actions(dosing)


@pytest.mark.parametrize("rate", ["10 umol/h", "10 U", "10 mg/h", "10 U/m^2/d/d"])
def test_the_unit_of_a_rate_is_checked(dosing, rate):
    """Was once wrong: a rate is converted but its dimension is never looked at."""
    with pytest.raises((UnitError, DoseError)):
        Regimen.single(100, "peg_1", rate=rate).actions(dosing)


def test_a_rate_per_square_metre(dosing):
    """Was once wrong: '10 U/m^2/h' is taken as 10 U/h whatever the body surface; scale it by bsa or refuse it."""
    model = dosing.with_parameters(bsa=2.0)
    try:
        start, _ = Regimen.single(100, "peg_1", rate="10 U/m^2/h").actions(model)
    except (UnitError, DoseError):
        return
    assert start.value == 20.0


@pytest.mark.parametrize("cap", ["10 umol", "10 U/L", "10 %"])
def test_the_unit_of_a_cap(dosing, cap):
    """'10 %' was once let through: it is read as a cap of 0.1 U."""
    with pytest.raises(UnitError, match="the cap"):
        Regimen.single(100, "peg_1", cap=cap).actions(dosing)


def test_an_infusion_shorter_than_a_rounding_still_delivers(one_compartment):
    """Was once wrong: start and end fall on one time, the end is sorted first, and the dose is lost."""
    from asnsim.simulation import simulate

    run = simulate(one_compartment, Regimen.single(100.0, "a", 24.0, duration=1e-16), until=24.5, times=[24.5])
    expected = 100.0 / 4.0 * math.exp(-0.2 * 0.5)
    assert run["a"][-1] == pytest.approx(expected, rel=1e-4)


def test_where_a_dose_may_go(dosing):
    with pytest.raises(DoseError, match="'asnase_p', which is a rule of model 'dosing'"):
        Regimen.single(100, "asnase_p").actions(dosing)
    with pytest.raises(DoseError, match="'peg_15', which is not a state of model 'dosing'; did you mean 'peg_"):
        Regimen.single(100, "peg_15").actions(dosing)
    with pytest.raises(DoseError, match="'weight', which is not a state"):
        Regimen.single(100, "weight").actions(dosing)


def test_a_covariate_that_is_missing(one_compartment):
    with pytest.raises(DoseError, match="needs 'bsa', which model 'one' lacks"):
        Regimen.single("10 U/m^2", "a").actions(one_compartment)


def test_changes(dosing):
    with pytest.raises(DoseError, match="sets 'peg_CLL', which is not a state or constant of model 'dosing'"):
        Regimen().change(0, peg_CLL=1.0).actions(dosing)
    with pytest.raises(DoseError, match="'asnase_p'"):
        Regimen().change(0, asnase_p=1.0).actions(dosing)
    actions = Regimen().change("1 d", {"weight": 30.0}, asn_p=1.0).actions(dosing)
    assert [(a.time, a.order, a.name, a.value) for a in actions] == [(24.0, SET, "weight", 30.0), (24.0, SET, "asn_p", 1.0)]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_change_to_no_number(value):
    """Was once wrong: a change may set NaN; the solver then fails far from the cause."""
    with pytest.raises(DoseError):
        Change(0.0, {"asn_p": value})


def test_order_at_one_time(one_compartment):
    """End of an infusion, then the change, then the bolus, then the next infusion, in whatever order they were written."""
    pieces = [
        Regimen.single(4.0, "a", 5.0, duration=1.0), Regimen.single(7.0, "a", 5.0), Regimen().change(5.0, a=0.0),
        Regimen.single(3.0, "a", 4.0, duration=1.0),
    ]  # fmt: skip
    forward, backward = sum(pieces[1:], pieces[0]), sum(pieces[-2::-1], pieces[-1])
    for regimen in (forward, backward):
        assert [a.order for a in regimen.actions(one_compartment) if a.time == 5.0] == [END, SET, BOLUS, START]


def test_regimens_are_values():
    regimen = Regimen.single(1, "a")
    assert regimen.change(3, a=1.0).doses == regimen.doses and regimen.changes == ()
    assert (regimen + Regimen.single(2, "a")).doses[1].amt == 2
    with pytest.raises(DoseError, match="0 doses"):
        Regimen.repeat(1, "a", every=24, times=0)
    assert Regimen.repeat(1, "a", every=24, times=1).doses[0].ii == 0.0

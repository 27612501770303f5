"""Sensitivities to the parameters of doses: closed forms, and high-order differences on a nonlinear model with everything at once."""

import numpy as np
import pytest

from asnsim.composition import compose
from asnsim.dosing import Dose, Regimen
from asnsim.errors import DoseError
from asnsim.library import load_model
from asnsim.network import Event, Module, Reaction, Species, symbols
from asnsim.simulation import simulate
from asnsim.solvers import NDF

K, V = 0.2, 4.0


def gradient(model, regimen, theta, until, times):
    run = simulate(model, regimen, until=until, times=times, theta=theta, solver=NDF(rtol=1e-11))
    return run, {name: run.sensitivity("a")[:, k] for k, name in enumerate(theta)}


def test_a_bolus(one_compartment):
    """a = F amt/V exp(-k (t - T - lag)) after the dose, nothing before."""
    theta = ("dose1.amt", "dose1.time", "dose1.alag", "dose1.f", "k", "V")
    run, found = gradient(one_compartment, Regimen.single(100.0, "a", time=2.0, alag=0.5, f=0.8), theta, 10, [1.0, 3.0, 7.0])
    a = np.where(run.t > 2.5, 20 * np.exp(-K * (run.t - 2.5)), 0.0)
    for row in np.flatnonzero((run.t != 2.5) & (run.t > 0)):
        t, value = run.t[row], a[row]
        want = {"dose1.amt": value / 100, "dose1.f": value / 0.8, "dose1.time": K * value, "dose1.alag": K * value, "k": -(t - 2.5) * value, "V": -value / V}
        for name, slope in want.items():
            assert found[name][row] == pytest.approx(slope if t > 2.5 else 0.0, rel=1e-8, abs=1e-12), name


@pytest.mark.parametrize("given", ["rate", "duration"])
def test_an_infusion_train(one_compartment, given):
    """All parameters of three overlapping infusions with bioavailability, against complex-step derivatives of the closed form."""
    numbers = {"amt": 90.0, "time": 1.0, "alag": 0.25, "f": 0.7, "ii": 3.0, given: 20.0 if given == "rate" else 4.0}
    regimen = Regimen((Dose(into="a", addl=2, name="drug", **numbers),))
    theta = tuple(f"drug.{name}" for name in numbers)
    run, found = gradient(one_compartment, regimen, theta, 20, [0.5, 2.0, 4.5, 6.0, 11.0, 20.0])

    def level(t, p):
        length = p["f"] * p["amt"] / p["rate"] if given == "rate" else p["duration"]
        total = 0.0
        for repeat in range(3):
            begin, rate = p["time"] + p["alag"] + repeat * p["ii"], p["f"] * p["amt"] / length
            during = (t - begin) if (t - begin).real < length.real else length
            if (t - begin).real <= 0:
                continue
            tail = t - begin - length if (t - begin - length).real > 0 else 0.0
            total += rate / (K * V) * (1 - np.exp(-K * during)) * np.exp(-K * tail)
        return total

    for row in np.flatnonzero(np.isin(run.t, [0.5, 2.0, 4.5, 6.0, 11.0, 20.0])):
        for name, value in numbers.items():
            p = {n: complex(v) for n, v in numbers.items()} | {name: complex(value, 1e-30)}
            want = level(complex(run.t[row]), p).imag / 1e-30 if run.t[row] > 1.25 else 0.0
            assert found[f"drug.{name}"][row] == pytest.approx(want, rel=1e-7, abs=1e-9), (name, run.t[row])


def test_per_square_metre_infusions_follow_the_covariate():
    """Was refused: the rate, or with a fixed rate the length, grows with bsa."""
    model = load_model("dosing")
    for dose in (Dose(1.0, "2500 U/m^2", "peg_1", duration=2.0), Dose(1.0, "2500 U/m^2", "peg_1", rate="1000 U/h")):
        regimen = Regimen((dose,))
        end = lambda bsa, r=regimen: simulate(model.with_parameters(bsa=bsa), r, until=6.0, times=[6.0], solver=NDF(rtol=1e-11))["peg_1"][-1]  # noqa: E731
        run = simulate(model, regimen, until=6.0, times=[6.0], theta=("bsa",), solver=NDF(rtol=1e-11))
        bsa = model.value("bsa")
        step = 1e-3 * bsa
        want = (8 * (end(bsa + step) - end(bsa - step)) - (end(bsa + 2 * step) - end(bsa - 2 * step))) / (12 * step)
        assert run.sensitivity("peg_1")[-1, 0] == pytest.approx(want, rel=1e-6)


def test_a_cap_stops_it():
    model = load_model("dosing").with_parameters(bsa=2.0)
    run = simulate(model, Regimen.single("2500 U/m^2", "peg_1", cap="3750 U"), until=1.0, times=[1.0], theta=("bsa", "dose1.amt"), solver=NDF(rtol=1e-10))
    assert run.sensitivity("peg_1")[-1, 1] == 0.0
    plain = simulate(model, Regimen.single(3750.0, "peg_1"), until=1.0, times=[1.0], theta=("bsa",), solver=NDF(rtol=1e-10))
    np.testing.assert_allclose(run.s[-1, :, 0], plain.s[-1, :, 0], rtol=1e-8, atol=1e-12)


def everything(numbers):
    """Saturable elimination, a growing compartment, an event that changes the rate, a bolus and an infusion with lags."""
    a, b, size, vmax, km, grow, level = symbols("a b size vmax km grow level")
    module = Module(
        "m",
        (Reaction("use", "a => b", vmax * a / (km + a) * size), Reaction("out", "b =>", grow * b * size)),
        rates={"size": grow * size},
        events=(Event("slow", a < level, {"vmax": vmax / 2, "b": b + a / 3}),),
    )
    table = numbers(a=(0.1, "umol/L"), b=(0.0, "umol/L"), size=(2.0, "L"), vmax=(5.0, "umol/L/h"), km=(1.5, "umol/L"), grow=(0.05, "1/h"), level=(2.0, "umol/L"))
    return compose("all", [module], {"a": Species("a", "a", "size"), "b": Species("b", "b", "size")}, table)


PLAN = {"bolus.amt": 30.0, "bolus.time": 0.5, "bolus.alag": 0.3, "drip.amt": 12.0, "drip.time": 2.0, "drip.f": 0.6, "drip.rate": 4.0, "drip.ii": 5.0}


def plan(values):
    bolus = Dose(values["bolus.time"], values["bolus.amt"], "a", alag=values["bolus.alag"], name="bolus")
    drip = Dose(values["drip.time"], values["drip.amt"], "a", rate=values["drip.rate"], f=values["drip.f"], ii=values["drip.ii"], addl=1, name="drip")
    return Regimen((bolus, drip))


def test_everything_at_once_against_differences(numbers):
    """1e-6 relative, with doses, lags, an event and a volume that all move."""
    model, times = everything(numbers), [0.6, 1.5, 3.3, 5.0, 9.4, 12.0]
    constants = ("vmax", "km", "grow", "level", "size")
    theta = (*PLAN, *constants)

    def states(values):
        chosen = model.with_parameters({name: values[name] for name in constants})
        run = simulate(chosen, plan(values), until=12.0, times=times, solver=NDF(rtol=1e-12, max_steps=1_000_000))
        return np.array([[run.at(t)[name] for name in ("a", "b")] for t in times])

    values = PLAN | {name: model.value(name) for name in constants}
    run = simulate(model, plan(values), until=12.0, times=times, theta=theta, solver=NDF(rtol=1e-11))
    rows = [int(np.flatnonzero(run.t == t)[-1]) for t in times]
    assert np.sum((np.diff(run.t) == 0) & (np.diff(run["vmax"]) < 0)) >= 1, "the event happens"
    for k, name in enumerate(theta):
        h = 2e-3 * values[name]
        at = {s: states(values | {name: values[name] + s * h}) for s in (-3, -2, -1, 1, 2, 3)}
        want = (45 * (at[1] - at[-1]) - 9 * (at[2] - at[-2]) + (at[3] - at[-3])) / (60 * h)
        got = np.stack([run.sensitivity(q)[rows, k] for q in ("a", "b")], axis=1)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7 * np.abs(want).max(), err_msg=name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dose2.amt", "a dose 'dose2', which the regimen lacks; did you mean 'dose1'"),
        ("dose1.amount", "a dose has no 'amount'; it has amt, time"),
        ("dose1.rate", "this dose has no rate"),
        ("dose1.ii", "this dose has no ii"),
    ],
)
def test_wrong_names(one_compartment, name, says):
    with pytest.raises(DoseError, match=says):
        simulate(one_compartment, Regimen.single(1.0, "a"), until=1, theta=(name,))


def test_two_doses_cannot_share_a_name(one_compartment):
    with pytest.raises(DoseError, match="two doses are called 'a1'"):
        simulate(one_compartment, Regimen((Dose(0, 1.0, "a", name="a1"), Dose(1, 1.0, "a", name="a1"))), until=2)


def test_infinite_slopes_are_not_invented(one_compartment):
    """At the dose itself both limits stand: no derivative before, the full one after."""
    run = simulate(one_compartment, Regimen.single(100.0, "a", time=1.0), until=2, times=[1.0], theta=("dose1.amt",))
    at = np.flatnonzero(run.t == 1.0)
    assert run.sensitivity("a")[at[0], 0] == 0.0 and run.sensitivity("a")[at[-1], 0] == pytest.approx(1 / V)

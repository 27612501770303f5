"""Events: closed forms, libRoadRunner as oracle of the semantics, sensitivities against high-order differences."""

import numpy as np
import pytest
import sympy

from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.errors import IntegrationError, ModelError, UnitError
from asnsim.network import TIME, Event, Module, Reaction, Species, symbol, symbols
from asnsim.simulation import simulate
from asnsim.solvers import NDF, SOLVERS, Rodas5P, _driver

x, y, k, level, hours = symbols("x y k level hours")
NAMES = {"x": (1.0, "1"), "y": (0.0, "1"), "k": (1.0, "1/h"), "level": (0.5, "1"), "hours": (1.0, "h")}
SOLVER = pytest.mark.parametrize("solver", [make(rtol=1e-9) for make in SOLVERS.values()], ids=list(SOLVERS))


def model(numbers, *events, rates=None, **values):
    table = numbers(**(NAMES | values))
    return compose("e", [Module("m", rates=rates or {"x": -k * x}, events=events)], {}, table)


def after(run, name):
    return run[name][-1]


# ---- closed forms -------------------------------------------------------------------------------------------------------
@SOLVER
def test_a_threshold_is_met_where_it_is(numbers, solver):
    """x = exp(-t) meets 1/2 at ln 2 and is set back to 1: a saw whose teeth are ln 2 wide."""
    saw = model(numbers, Event("back", x < level, {"x": sympy.Integer(1), "y": y + 1}))
    run = simulate(saw, until=5.0, times=np.linspace(0, 5, 51), solver=solver)
    teeth = np.floor(run.t / np.log(2))
    clear = np.abs(run.t / np.log(2) - np.round(run.t / np.log(2))) > 1e-6
    np.testing.assert_allclose(run["x"][clear], np.exp(-(run.t - teeth * np.log(2)))[clear], rtol=1e-7)
    np.testing.assert_array_equal(run["y"][clear], teeth[clear])
    jumps = np.flatnonzero((np.diff(run.t) == 0) & (np.diff(run["y"]) == 1))
    np.testing.assert_allclose(run.t[jumps], np.log(2) * np.arange(1, 8), rtol=1e-8)
    np.testing.assert_allclose(run["x"][jumps], 0.5, rtol=1e-12)
    np.testing.assert_array_equal(run["x"][jumps + 1], 1.0)


@SOLVER
def test_a_bouncing_ball(numbers, solver):
    """Impacts come ever faster; each halves the speed. Times of impact are a geometric series."""
    g, v = symbols("g v")
    table = numbers(x=(1.0, "1"), v=(0.0, "1/h"), g=(2.0, "1/h^2"))
    ball = compose("ball", [Module("m", rates={"x": v, "v": -g}, events=(Event("hit", (x < 0) & (v < 0), {"v": -v / 2, "x": sympy.Integer(0)}),))], {}, table)
    run = simulate(ball, until=2.9, times=[1.5, 2.25, 2.9], solver=solver)
    impacts = run.t[np.flatnonzero((np.diff(run.t) == 0) & (np.diff(run["v"]) > 1e-6))]
    np.testing.assert_allclose(impacts[:4], [1.0, 2.0, 2.5, 2.75], rtol=1e-8)
    assert run.at(1.5)["x"] == pytest.approx(0.25, rel=1e-7)
    assert run.at(2.25)["x"] == pytest.approx(0.0625, rel=1e-6)


@SOLVER
@pytest.mark.parametrize("width", [1e-1, 1e-2, 1e-3])
def test_a_graze_between_two_steps_is_not_missed(numbers, solver, width):
    """x = cos, y counts dips under a level that is passed for a moment only: g has the same sign at both ends of a step."""
    u, w = symbols("u w")
    table = numbers(u=(1.0, "1"), w=(0.0, "1"), y=(0.0, "1"), k=(1.0, "1/h"), level=(-np.cos(width / 2), "1"))
    swing = compose("s", [Module("m", rates={"u": k * w, "w": -k * u}, events=(Event("dip", u < level, {"y": y + 1}),))], {}, table)
    run = simulate(swing, until=4 * np.pi + 1, times=[10.0], solver=type(solver)(rtol=1e-5 * width**2))
    assert after(run, "y") == 2
    first = run.t[np.flatnonzero(np.diff(run["y"]) == 1)[0]]
    assert first == pytest.approx(np.pi - width / 2, abs=0.1 * width)


def test_events_do_not_depend_on_the_output_grid(numbers):
    saw = model(numbers, Event("back", x < level, {"x": sympy.Integer(1), "y": y + 1}))
    few, many = (simulate(saw, until=5.0, times=grid) for grid in ([5.0], np.linspace(0, 5, 3001)))
    assert few["x"][-1] == many["x"][-1] and after(many, "y") == 7


@pytest.mark.parametrize("relation", [TIME >= 2 * hours, TIME > 2 * hours])
def test_a_time_is_landed_on(numbers, relation):
    """The output at the time of an event has both limits, whatever the comparison and however time rounds."""
    for scale in (1.0, 0.1, 1 / 3, 0.7):
        timed = model(numbers, Event("once", relation, {"y": y + 1}), hours=(scale, "h"))
        run = simulate(timed, until=5.0 * scale, times=[0.0, 2 * scale, 4 * scale])
        rows = np.flatnonzero(run.t == 2 * scale)
        assert run["y"][rows[0]] == 0.0 and run["y"][rows[-1]] == 1.0 and after(run, "y") == 1.0


# ---- what happens when (also checked by libRoadRunner below) ------------------------------------------------------------
def test_true_at_the_start(numbers):
    quiet, loud = (model(numbers, Event("ev", x > level, {"y": y + 1}, initial=initial)) for initial in (True, False))
    assert after(simulate(quiet, until=2), "y") == 0 and after(simulate(loud, until=2), "y") == 1
    run = simulate(loud, until=2)
    assert run.t[:2].tolist() == [0, 0] and run["y"][:2].tolist() == [0, 1]
    assert simulate(loud, until=0)["y"].tolist() == [0, 1]


def test_delay_and_the_values_of_the_trigger(numbers):
    late = [Event("ev", x < level, {"y": x}, delay=hours, at_trigger=at_trigger) for at_trigger in (True, False)]
    at_trigger, at_execution = (after(simulate(model(numbers, one), until=3, solver=NDF(rtol=1e-9)), "y") for one in late)
    assert at_trigger == pytest.approx(0.5, rel=1e-8) and at_execution == pytest.approx(0.5 * np.exp(-1), rel=1e-7)
    run = simulate(model(numbers, late[0]), until=3)
    assert run.t[np.flatnonzero(np.diff(run["y"]) > 0)[0]] == pytest.approx(np.log(2) + 1, rel=1e-6)


@pytest.mark.parametrize(("persistent", "count"), [(True, 1), (False, 0)])
def test_what_does_not_persist_is_called_off(numbers, persistent, count):
    """The trigger holds from ln 2 until a dose at 1 h; the event is due at ln 2 + 1 h."""
    fading = model(numbers, Event("ev", x < level, {"y": y + 1}, delay=hours, persistent=persistent))
    run = simulate(fading, Regimen.single(10.0, "x", time=1.0), until=2)
    assert after(run, "y") == count


def test_priorities_and_order(numbers):
    """All fire at once; each writes its digit behind those before it. Equal priorities keep the order of declaration."""
    events = [Event(f"e{digit}", TIME > hours, {"y": 10 * y + digit}, priority=priority, at_trigger=False) for digit, priority in ((1, 0), (2, 5), (3, 0), (4, 9))]
    assert after(simulate(model(numbers, *events), until=2), "y") == 4213


def test_an_event_can_fire_and_cancel_others(numbers):
    """The first lifts x, which fires the second at the same time, and takes the ground from under the third."""
    events = (
        Event("lift", x < level, {"x": sympy.Integer(2)}, priority=2),
        Event("high", x > 3 * level, {"y": y + 1}),
        Event("low", x < level, {"y": y + 100}, priority=1, persistent=False),
    )
    run = simulate(model(numbers, *events), until=1, times=[0.9])
    assert run.at(0.9)["y"] == 1 and run.at(0.9)["x"] == pytest.approx(2 * np.exp(-(0.9 - np.log(2))), rel=1e-5)


def test_a_dose_can_fire_an_event(numbers):
    run = simulate(model(numbers, Event("ev", x > 2, {"y": y + 1})), Regimen.single(5.0, "x", time=1.5), until=2)
    assert run.t[np.flatnonzero(np.diff(run["y"]) == 1)].tolist() == [1.5]


def test_a_compartment_that_changes_size_keeps_its_amounts(numbers):
    a, V = symbols("a V")
    module = Module("m", (Reaction("loss", "a =>", k * a * V),), events=(Event("thaw", TIME > hours, {"V": 2 * V}),))
    table = numbers(a=(8.0, "umol/L"), V=(1.0, "L"), k=(0.0, "1/h"), hours=(1.0, "h"))
    run = simulate(compose("v", [module], {"a": Species("a", "a", "V")}, table), until=2, times=[0.5, 1.5])
    assert run.at(0.5)["a"] == 8.0 and run.at(1.5)["a"] == 4.0 and run.at(1.5)["V"] == 2.0


ORACLE = {
    "threshold": [Event("ev", x < level, {"x": sympy.Integer(1), "y": y + x})],
    "delay": [Event("ev", x < level, {"y": x}, delay=hours), Event("f", TIME > hours, {"x": x + 1}, delay=hours / 4)],
    "at execution": [Event("ev", x < level, {"y": x, "x": x + 1}, delay=hours / 2, at_trigger=False)],
    "start": [Event("ev", x > level, {"y": y + 1, "x": x / 2}, initial=False)],
    "priority": [Event("a", TIME > hours, {"y": 10 * y + 1}, priority=1, at_trigger=False), Event("b", TIME > hours, {"y": 10 * y + 2}, priority=2, at_trigger=False)],
    "cascade": [Event("a", x < level, {"x": 3 * x}, priority=3), Event("b", x > 2 * level, {"y": y + 1}, initial=True), Event("c", x < level, {"y": y + 100}, persistent=False, priority=1)],
    "both": [Event("ev", (x < level) & (TIME > 2 * hours), {"x": x + 1, "y": y + 1})],
    "either": [Event("ev", (x < level) | (TIME > hours / 3), {"y": y + 1, "x": x + 1})],
    "not": [Event("ev", sympy.Not(sympy.Or(x > level, TIME > 2 * hours)), {"y": y + 1, "x": x + 2})],
    "swap": [Event("ev", TIME >= hours, {"x": y + 2, "y": x})],
}


@pytest.mark.parametrize("name", ORACLE)
def test_libroadrunner_agrees(numbers, name):
    """The same page, the same semantics."""
    import roadrunner

    from asnsim.io.antimony import sbml_of_page

    network = model(numbers, *ORACLE[name])
    times = np.linspace(0.0, 4.0, 37)[1:]
    run = simulate(network, until=4.0, times=times, solver=NDF(rtol=1e-9))
    runner = roadrunner.RoadRunner(sbml_of_page(str(network)))
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-10, 1e-13
    runner.timeCourseSelections = ["x", "y"]
    found = runner.simulate(times=[0.0, *times])[1:]
    ours = np.array([[run.at(t)[q] for q in ("x", "y")] for t in times])
    jumps = run.t[np.flatnonzero(np.diff(run.t) == 0)]
    clear = np.array([np.all(np.abs(jumps - t) > 1e-6) for t in times])
    np.testing.assert_allclose(ours[clear], found[clear], rtol=1e-6, atol=1e-8)
    assert np.ptp([0.0, *ours[:, 1]]) > 0


# ---- sensitivities ------------------------------------------------------------------------------------------------------
def difference(run, values, name, step=1e-3):
    """Fourth-order central difference of a run's last x and y by one number."""
    at = {s: run(values | {name: values[name] * (1 + s * step)}) for s in (-2, -1, 1, 2)}
    return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step * values[name])


CASES = {
    "threshold": [Event("ev", x < level, {"x": x + 1, "y": y + x * x})],
    "delay": [Event("ev", x < level, {"y": x * TIME / hours}, delay=hours * level)],
    "delay at execution": [Event("ev", x < level, {"y": k * hours * x, "x": 2 * x}, delay=hours * x, at_trigger=False)],
    "saw": [Event("ev", x < level, {"x": sympy.Integer(1) + level / 10, "y": y + 1 / x})],
    "time": [Event("ev", TIME > hours * level, {"x": x * 3, "y": y + x})],
}


@pytest.mark.parametrize("name", CASES)
def test_sensitivities_jump_with_the_state(numbers, name):
    values = {n: v for n, (v, _) in NAMES.items()} | {"k": 0.9}
    known = model(numbers, *CASES[name]).parameters
    theta = tuple(n for n in ("k", "level", "hours", "x") if n in known)

    def run(values, **more):
        network = model(numbers, *CASES[name], **{n: (v, NAMES[n][1]) for n, v in values.items()})
        return simulate(network, until=3.1, times=[3.1], solver=NDF(rtol=1e-11, max_steps=1_000_000), **more)

    end = lambda values: np.array([run(values)["x"][-1], run(values)["y"][-1]])  # noqa: E731
    found = run(values, theta=theta)
    for k_, parameter in enumerate(theta):
        want = difference(end, values, parameter)
        got = np.array([found.sensitivity("x")[-1, k_], found.sensitivity("y")[-1, k_]])
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7, err_msg=parameter)


# ---- refusals -----------------------------------------------------------------------------------------------------------
def test_events_that_undo_each_other_are_stopped(numbers):
    network = model(numbers, Event("up", x < level, {"x": 2 * level}), Event("down", x >= level, {"x": level / 2}))
    with pytest.raises(IntegrationError, match="without end"):
        simulate(network, until=2)


def test_a_negative_delay_is_said_so(numbers):
    with pytest.raises(IntegrationError, match="'ev' has the delay -1 h"):
        simulate(model(numbers, Event("ev", x < level, {"y": y + 1}, delay=-hours)), until=2)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Event("ev", x, {"y": y}), ModelError, "must be a comparison"),
        (lambda: Event("ev", sympy.Eq(x, y), {"y": y}), ModelError, "holds for no time"),
        (lambda: Event("ev", x > 1, {}), ModelError, "assigns nothing"),
        (lambda: Event("ev", x > hours, {"y": y}), UnitError, "m.ev: .* compares"),
        (lambda: Event("ev", x > 1, {"y": hours}), UnitError, "the new value of y"),
        (lambda: Event("ev", x > 1, {"y": y}, delay=x), UnitError, "the delay of m.ev"),
        (lambda: Event("ev", x > symbol("nowhere"), {"y": y}), ModelError, "'nowhere', which no table gives"),
        (lambda: Event("time", x > 1, {"y": y}), ModelError, "cannot be a name"),
        (lambda: Event("x", x > 1, {"y": y}), ModelError, "already in use"),
    ],
)
def test_wrong_events_are_refused(numbers, make, error, says):
    with pytest.raises(error, match=says):
        model(numbers, make())


def test_a_rule_cannot_be_assigned(numbers):
    module = Module("m", rates={"x": -k * x}, rules={"twice": 2 * x}, events=(Event("ev", x < level, {"twice": x}),))
    with pytest.raises(ModelError, match="'twice', which a rule computes"):
        compose("e", [module], {}, numbers(**NAMES, twice=(1.0, "1")))


def test_rosenbrock_has_no_sensitivities_here_either(numbers):
    with pytest.raises(ModelError, match="Rodas5P has no sensitivities; use NDF"):
        simulate(model(numbers, Event("ev", x < level, {"y": y + 1})), until=1, theta=("k",), solver=Rodas5P())


def test_no_event_is_lost_where_the_solver_pauses(numbers, monkeypatch):
    """A counter of crossings, 159 of them, however often NDF stops to look at its orders."""
    u, w, n, b = symbols("u w n b")
    table = numbers(u=(1.0, "1"), w=(0.0, "1"), n=(0.0, "1"), b=(10.0, "1/h"))
    rates = {"u": b * w, "w": -b * u}
    counting = compose("counting", [Module("m", rates=rates, events=(Event("up", u > 0, {"n": n + 1}),))], {}, table)
    for pause in (3, 7, 1000):
        monkeypatch.setattr(_driver, "PAUSE", pause)
        assert simulate(counting, until=100.0, solver=NDF(rtol=1e-9))["n"][-1] == 159


# ---- rates that time switches -------------------------------------------------------------------------------------------
def pulse():
    """Rate 1 between `hours` and `hours` + 1e-4, a ten-thousandth of a step's length."""
    inside = sympy.Piecewise((k, TIME < hours + symbol("short")), (0 * k, True), evaluate=False)
    return {"x": sympy.Piecewise((0 * k, TIME < hours), (inside, True), evaluate=False)}


@SOLVER
def test_steps_land_where_time_switches_a_rate(numbers, solver):
    switched = model(numbers, rates=pulse(), x=(0.0, "1"), k=(1e4, "1/h"), hours=(7.3, "h"), short=(1e-4, "h"))
    run = simulate(switched, until=20.0, times=[0.0, 7.3, 20.0], solver=solver)
    assert after(run, "x") == pytest.approx(1.0, rel=1e-9)
    assert run.at(7.3, side="after")["x"] == 0.0


def test_sensitivities_jump_where_time_switches_a_rate(numbers):
    switched = model(numbers, rates=pulse(), x=(0.0, "1"), k=(1e4, "1/h"), hours=(7.3, "h"), short=(1e-4, "h"))
    run = simulate(switched, until=20.0, theta=["k", "hours", "short"], solver=NDF(rtol=1e-9))
    assert run.sensitivity("x")[-1] == pytest.approx([1e-4, 0.0, 1e4], rel=1e-8, abs=1e-6)


def test_a_switch_that_is_not_linear_in_time_is_found(numbers):
    """Time squared passes 30 within a step; its derivative by the threshold is that of a square root."""
    rates = {"x": sympy.Piecewise((k, TIME**2 < level), (0 * k, True), evaluate=False)}
    switched = model(numbers, rates=rates, x=(0.0, "1"), level=(30.0, "h^2"))
    run = simulate(switched, until=20.0, theta=["level"], solver=NDF(rtol=1e-9))
    assert after(run, "x") == pytest.approx(np.sqrt(30.0), rel=1e-8)
    assert run.sensitivity("x")[-1, 0] == pytest.approx(0.5 / np.sqrt(30.0), rel=1e-5)

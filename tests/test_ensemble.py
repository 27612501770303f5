"""Many runs: the same numbers as one by one and at any number of threads and neighbours; one failure stays alone; oscillations are marked."""

import csv
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from asnsim import codegen, equations
from asnsim.composition import compose
from asnsim.dosing import Dose, Regimen
from asnsim.errors import IntegrationError, ModelError
from asnsim.library import load_model
from asnsim.network import TIME, Event, Module, Reaction, Species, symbol, symbols
from asnsim.scale import simulate_many
from asnsim.simulation import simulate
from asnsim.solvers import NDF, Rodas4, Rodas5P, _history, lanes, rosenbrock
from asnsim.stability import MANY_TURNS, oscillation_note, turns_of

MODEL = load_model("teaching")
DOSE = Regimen.single("500 U", "asnase_e", time="1 d")
SETS = {"asns_basal": np.linspace(0.02, 0.9, 7), "asnase_e": np.zeros(7), "Vmax_uptake": np.linspace(2000, 6000, 7)}
NAMES = ("asn_c", "cells", "uptake")
TIMES = [0, 12, 24, 48, 72]


def run(threads=1, sets=SETS, **options):
    return simulate_many(MODEL, sets, DOSE, until="3 d", observables=NAMES, times=TIMES, threads=threads, **options)


def alone(model, sets, k, regimen, until, names, times, solver):
    chosen = model.with_parameters({name: float(values[k]) for name, values in sets.items()})
    single = simulate(chosen, regimen, until=until, times=times, solver=solver)
    return np.array([[single.at(t)[name] for name in names] for t in times])


@pytest.mark.parametrize("solver", [Rodas5P(), Rodas4(rtol=1e-8), NDF()], ids=["rodas5p", "rodas4", "ndf"])
def test_same_numbers_as_one_by_one_and_at_any_number_of_threads(solver):
    one, three = run(1, solver=solver), run(3, solver=solver)
    np.testing.assert_array_equal(one.values, three.values)
    assert one.values.shape == (7, 5, 3) and one.success.all() and not one.marked.any() and (one.attempts > 10).all()
    for k in (0, 4):
        expected = alone(MODEL, SETS, k, DOSE, "3 d", NAMES, TIMES, solver)
        np.testing.assert_allclose(one.values[k], expected, rtol=1e-9)
    assert not np.allclose(one["asn_c"][0], one["asn_c"][6])


def test_threads_that_meet_a_model_for_the_first_time_do_not_disturb_each_other():
    """All at once: equations, derivatives and kernels of one structure, single runs with sensitivities of their own and lanes."""

    def work(k):
        theta = (("Vmax_asct2",), ("kcat_asns",), (), ("Vmax_asct2", "kcat_asns"))[k % 4]
        single = simulate(model, until=6.0, times=[3.0, 6.0], theta=theta, solver=NDF() if theta else Rodas5P())
        many = simulate_many(model, {"Vmax_asct2": sizes}, until=6.0, observables=["asn_c"], times=[6.0], threads=1)
        return single.x, single.s, many.values

    model = load_model("cell", "rpmi")
    sizes = model.value("Vmax_asct2") * np.linspace(0.5, 1.5, 5)
    expected = [work(k) for k in range(8)]
    interval = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-6)
        for built in (False, True, True):
            for made in (equations._build, codegen.compile_system, rosenbrock.compile_passes, lanes._own_passes, _history.compile_passes):
                made.cache_clear()
            if built:
                equations.build_equations(model)
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(work, range(8)))
            for arrays, alone_ in zip(found, expected, strict=True):
                for array, wanted in zip(arrays, alone_, strict=True):
                    np.testing.assert_array_equal(array, wanted)
    finally:
        sys.setswitchinterval(interval)


def test_a_run_does_not_depend_on_its_neighbours():
    """Bit by bit: alone, in another order, and beside others that fail or take far longer."""
    whole = run()
    order = np.array([3, 0, 6, 2, 5, 1, 4])
    shuffled = run(sets={name: values[order] for name, values in SETS.items()})
    np.testing.assert_array_equal(whole.values[order], shuffled.values)
    for k in range(7):
        single = run(sets={name: values[k : k + 1] for name, values in SETS.items()})
        np.testing.assert_array_equal(single.values[0], whole.values[k])
        assert single.attempts[0] == whole.attempts[k]
    spoilt = run(sets={name: np.insert(values, 2, -1.0) for name, values in SETS.items()})
    np.testing.assert_array_equal(np.delete(spoilt.values, 2, axis=0), whole.values)
    assert spoilt.success.tolist() == [True, True, False] + [True] * 5


def test_everything_that_can_be_done_to_a_run(numbers):
    """Boluses into amounts and concentrations, infusions, changes of constants and states, per-m^2 doses, a start before 0."""
    a, b, k, V = symbols("a b k V")
    module = Module("m", (Reaction("use", "a => b", k * a * V), Reaction("out", "b =>", k / 3 * b * V)), rates={"V": -k / 50 * V})
    table = numbers(a=(1.0, "umol/L"), b=(0.0, "umol/L"), k=(0.3, "1/h"), V=(2.0, "L"), bsa=(1.5, "m^2"), scale=(1.0, "m^2"))
    module = Module("m", module.reactions, rates=module.rates, rules={"surface": symbol("bsa") / symbol("scale")})
    model = compose("all", [module], {"a": Species("a", "a", "V"), "b": Species("b", "b", "V")}, table)
    doses = (
        Dose(-2.0, "4 umol/m^2", "a"),
        Dose(1.0, "6 umol/m^2", "a", rate="3 umol/h", ii=4.0, addl=2),
        Dose(2.5, 5.0, "b", duration=2.0, alag=0.3),
    )
    regimen = Regimen(doses).change(6.0, {"k": 0.5, "b": 0.25})
    sets = {"k": np.array([0.1, 0.3, 0.9, 0.2, 0.4]), "bsa": np.array([0.5, 1.0, 2.0, 1.5, 0.8]), "a": np.array([0.0, 1.0, 2.0, 3.0, 0.5])}
    times = np.array([0.0, 1.0, 2.0, 2.8, 3.0, 5.0, 6.0, 9.7, 15.0])
    names = ("a", "b", "V", "use", "surface", "k")
    many = simulate_many(model, sets, regimen, until=15.0, observables=names, times=times, solver=Rodas5P(rtol=1e-9))
    assert many.success.all()
    for j in range(5):
        expected = alone(model, sets, j, regimen, 15.0, names, times, NDF(rtol=1e-10))
        np.testing.assert_allclose(many.values[j], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("what", ["events", "algebraic", "time"])
def test_what_lanes_cannot_do_is_done_one_by_one(numbers, what):
    x, y, k = symbols("x y k")
    table = numbers(x=(1.0, "1"), y=(1.0, "1"), k=(0.5, "1/h"), tau=(1.0, "h"))
    module = {
        "events": Module("m", rates={"x": -k * x}, events=(Event("up", x < 0.5, {"x": x + 1, "y": y + 1}),)),
        "algebraic": Module("m", rates={"x": -k * y}, algebraic={"y": y**2 - x}),
        "time": Module("m", rates={"x": -k * x * TIME / symbol("tau")}, rules={"y": x}),
    }[what]
    model = compose("m", [module], {}, table)
    sets = {"k": np.array([0.2, 0.5, 1.0])}
    many = simulate_many(model, sets, until=1.5, observables=["x", "y"], times=[0.5, 1.5])
    assert many.success.all()
    for j in range(3):
        expected = alone(model, sets, j, None, 1.5, ("x", "y"), [0.5, 1.5], NDF(rtol=1e-10))
        np.testing.assert_allclose(many.values[j], expected, rtol=1e-5)


def test_a_failing_run_stays_alone(numbers):
    y, k = symbols("y k")
    blow = compose("blow", [Module("m", rates={"y": k * y * y})], {}, numbers(y=(1.0, "1"), k=(0.01, "1/h")))
    result = simulate_many(blow, {"k": [0.01, 5.0, 0.02, np.nan, -0.1]}, until=10, observables=["y"], times=[0, 10])
    assert result.success.tolist() == [True, False, True, False, False]
    assert "step" in result.messages[1] or "finite" in result.messages[1]
    assert "cannot be nan" in result.messages[3] and "must not be negative" in result.messages[4]
    np.testing.assert_allclose(result["y"][[0, 2], -1], [1 / 0.9, 1 / 0.8], rtol=1e-5)
    assert np.isnan(result["y"][[1, 3, 4]]).all()
    assert result.quantiles("y", [0.0, 1.0])[:, -1] == pytest.approx([1 / 0.9, 1 / 0.8], rel=1e-5)


def test_an_edge_beyond_which_nothing_is_a_number_is_given_up_soon(numbers):
    """x falls through zero under a square root: the right-hand side ends there, and 100 000 attempts would not find more."""
    x, k = symbols("x k")
    model = compose("edge", [Module("m", rates={"x": -k - k * x**0.55})], {}, numbers(x=(1.0, "1"), k=(1.0, "1/h")))
    result = simulate_many(model, {"k": [1.0, 0.01]}, until=5.0, observables=["x"], times=[5.0])
    assert result.success.tolist() == [False, True] and "not finite" in result.messages[0]


def test_a_set_that_rosenbrock_methods_cannot_start_is_run_by_ndf(numbers):
    """The derivative of a power below one is infinite at zero, the power is not."""
    x, y, k, n = symbols("x y k n")
    table = numbers(x=(0.0, "1"), y=(0.0, "1"), k=(1.0, "1/h"), n=(1.0, "1"))
    model = compose("power", [Module("m", rates={"x": k * (1 - x), "y": k * (x**n - y)})], {}, table)
    sets = {"n": np.array([2.0, 0.5, 1.5])}
    many = simulate_many(model, sets, until=5.0, observables=["y"], times=[1.0, 5.0])
    assert many.success.all()
    half = solve_ivp(lambda t, v: [1 - v[0], max(v[0], 0.0) ** 0.5 - v[1]], (0, 5), [0, 0], "DOP853", [1.0, 5.0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(many["y"][1], half.y[1], rtol=1e-5)
    with pytest.raises(IntegrationError, match="not finite"):
        simulate(model.with_parameters(n=0.5), until=5.0, solver=Rodas5P())


def test_volumes_are_checked_for_every_set():
    result = simulate_many(load_model("dosing"), {"plasma_volume_per_kg": [0.045, 0.0, 0.05]}, until=1.0, observables=["asn_p"])
    assert result.success.tolist() == [True, False, True] and "the volume 'plasma'" in result.messages[1]


def test_progress_reaches_the_end():
    seen = []
    simulate_many(MODEL, {"asns_basal": np.full(150, 0.1)}, until=1, observables=["asn_c"], progress=lambda *a: seen.append(a))
    assert seen[-1] == (150, 150) and [done for done, _ in seen] == sorted(done for done, _ in seen) and len(seen) > 1


def test_outputs_do_not_change_a_run():
    few = simulate_many(MODEL, SETS, DOSE, until="3 d", observables=["asn_c"], times=[72.0])
    many = simulate_many(MODEL, SETS, DOSE, until="3 d", observables=MODEL.states, times=np.linspace(0, 72, 1001))
    np.testing.assert_array_equal(few["asn_c"][:, -1], many["asn_c"][:, -1])
    none = simulate_many(MODEL, SETS, DOSE, until="3 d", observables=["asn_c"], times=[])
    assert none.values.shape == (7, 0, 1) and none.success.all()


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 1000))
def test_any_number_of_sets_on_any_number_of_threads(n, threads, seed):
    rng = np.random.default_rng(seed)
    sets = {name: MODEL.value(name) * np.exp(0.5 * rng.normal(size=n)) for name in ("asns_basal", "Vmax_uptake", "k_efflux")}
    result = simulate_many(MODEL, sets, DOSE, until="2 d", observables=["asn_c"], times=[48.0], threads=threads)
    assert result.success.all() and result.values.shape == (n, 1, 1)
    k = int(rng.integers(n))
    expected = alone(MODEL, sets, k, DOSE, "2 d", ("asn_c",), [48.0], Rodas5P())
    np.testing.assert_allclose(result.values[k], expected, rtol=1e-9)


# ---- oscillations -------------------------------------------------------------------------------------------------------
def brusselator(numbers, b):
    x, y, a, b_, k = symbols("x y a b k")
    table = numbers(x=(1.1, "1"), y=(b, "1"), a=(1.0, "1"), b=(b, "1"), k=(1.0, "1/h"))
    return compose("brusselator", [Module("m", rates={"x": k * (a + x * x * y - (b_ + 1) * x), "y": k * (b_ * x - x * x * y)})], {}, table)


def test_a_limit_cycle_is_marked_and_a_focus_is_not(numbers):
    """b > 1 + a^2 is beyond the Hopf bifurcation."""
    result = simulate_many(brusselator(numbers, 1.5), {"b": [1.5, 3.0]}, until=100.0, observables=["x"])
    assert result.success.all() and result.marked.tolist() == [False, True]
    assert "oscillates" in result.notes[1] and result.notes[0] == ""
    by_hand = simulate(brusselator(numbers, 3.0), until=100.0, times=np.linspace(0, 100, 2001))
    assert turns_of(by_hand) >= MANY_TURNS and "oscillates" in oscillation_note(by_hand)
    assert oscillation_note(simulate(brusselator(numbers, 1.5), until=100.0)) == ""


def test_an_unstable_focus_that_nothing_moves_is_marked_by_its_eigenvalues(numbers):
    still = brusselator(numbers, 3.0).with_parameters(x=1.0, y=3.0)
    run = simulate(still, until=20.0, solver=Rodas5P(rtol=1e-4))
    assert np.ptp(run["x"]) < 1e-3, "a long step of an L-stable method damps what should grow"
    assert "an oscillation may grow" in oscillation_note(run)


@pytest.mark.parametrize(("file", "says"), [("dosing_oscillates.tsv", "oscillates"), ("dosing_turns.tsv", "a tenth of rtol moves it")])
def test_a_set_of_the_dosing_model_that_hinges_on_the_tolerance_is_marked(file, says):
    """Two of 10 000 random sets (log-normal, sigma 0.5, every constant); kept as they were found."""
    with (Path(__file__).parent / "data" / file).open() as table:
        values = {row["name"]: float(row["value"]) for row in csv.DictReader(table, delimiter="\t")}
    model = load_model("dosing", "all_low_asns")
    sets = {name: [value, model.value(name)] for name, value in values.items() if name in model.parameters}
    assert len(sets) > 100
    regimen = Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d")
    result = simulate_many(model, sets, regimen, until=2160.0, observables=model.states, times=np.linspace(0, 2160, 301))
    assert result.success.all() and result.marked.tolist() == [True, False]
    assert says in result.notes[0]


@pytest.mark.parametrize(
    ("sets", "names", "says"),
    [
        ({"asns_basa": [1.0]}, ["asn_c"], "did you mean 'asns_basal'"),
        ({"asns_basal": [1.0]}, ["asn_cc"], "did you mean 'asn_c'"),
        ({"asns_basal": [1.0, 2.0], "Vmax_uptake": [1.0]}, ["asn_c"], "differ in length"),
        ({}, ["asn_c"], "differ in length"),
        ({"asns_basal": [[1.0, 2.0]]}, ["asn_c"], "'asns_basal' are not a plain list of numbers"),
        ({"asns_basal": ["a"]}, ["asn_c"], "'asns_basal' are not a plain list of numbers"),
    ],
)
def test_wrong_requests(sets, names, says):
    with pytest.raises(ModelError, match=says):
        simulate_many(MODEL, sets, until=1, observables=names)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threads": 0}, "threads is 0; give at least 1"),
        ({"solver": Rodas5P}, "the solver is .*; give one such as"),
        ({"solver": "NDF"}, "the solver is 'NDF'; give one such as"),
    ],
)
def test_wrong_options(options, says):
    with pytest.raises(ModelError, match=says):
        simulate_many(MODEL, SETS, until=1, observables=["asn_c"], **options)


def test_nothing_asked_and_one_name_asked():
    assert run_of([]).values.shape == (7, 2, 0) and run_of([]).success.all()
    np.testing.assert_array_equal(run_of("asn_c").values, run_of(["asn_c"]).values)


def run_of(observables):
    return simulate_many(MODEL, SETS, until=1, observables=observables, times=[0.5, 1.0])


def test_quantiles_of_nothing_are_refused():
    bad = simulate_many(MODEL, {"Vmax_uptake": [-1.0]}, until=1, observables=["asn_c"])
    with pytest.raises(ModelError, match="no run succeeded"):
        bad.quantiles("asn_c")


def test_wrong_times():
    with pytest.raises(ModelError, match="outside the simulated"):
        simulate_many(MODEL, SETS, until=1, observables=["asn_c"], times=[2.0])
    with pytest.raises(ModelError, match="after the end"):
        simulate_many(MODEL, SETS, DOSE, until=1, observables=["asn_c"])

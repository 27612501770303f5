"""Retention by linear solvent strength: closed forms, and what a changed gradient does to a method."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from asnsim.chromatogram import load_method
from asnsim.errors import DataError
from asnsim.gradient import log_kw_of, retention_time
from asnsim.lcms import Protocol, measure
from asnsim.lcms.gradient import eluting_factor, peak_sigma, plates, relative_width
from asnsim.quantify import Method, quantify


def test_isocratic_retention_is_the_capacity_factor():
    k = math.exp(3.0 - 5.0 * 0.3)
    assert retention_time([[0, 30]], 100.0, 3.0, 5.0) == pytest.approx(100.0 * (1 + k), rel=1e-12)
    assert retention_time([[0, 30], [1, 30], [2, 30]], 100.0, 3.0, 5.0) == pytest.approx(100.0 * (1 + k), rel=1e-12)


def test_linear_gradient_has_snyders_closed_form():
    """t_R = t0 + t0/b ln(b k0 + 1), with the steepness b = S (phi1 - phi0) t0/t_G; natural logarithms."""
    t0, log_kw, S = 60.0, 4.0, 6.0
    steepness = S * 0.5 * t0 / 900.0
    k0 = math.exp(log_kw - S * 0.05)
    expected = t0 + t0 / steepness * math.log(steepness * k0 + 1.0)
    assert retention_time([[0, 5], [15, 55]], t0, log_kw, S) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 6.0), st.floats(2.0, 8.0), st.lists(st.floats(0.0, 90.0), min_size=2, max_size=4))
def test_any_gradient_is_the_integral(log_kw, S, levels):
    gradient, t0 = [[2.0 * k, level] for k, level in enumerate(levels)], 60.0
    found = retention_time(gradient, t0, log_kw, S)
    times, phi = 60.0 * np.array([p[0] for p in gradient]), np.array([p[1] for p in gradient]) / 100

    def reached(t, y):
        return y[0] - 1.0

    reached.terminal = True
    run = solve_ivp(
        lambda t, y: [math.exp(S * np.interp(t, times, phi) - log_kw) / t0], (0, 1e6), [0.0], events=reached, rtol=1e-9, atol=1e-12, max_step=5.0 if found < 5e3 else np.inf
    )
    assert found == pytest.approx(t0 + run.t_events[0][0], rel=1e-5)


@given(st.floats(61.0, 2000.0))
def test_ln_kw_is_the_inverse(rt):
    gradient = [[0, 5], [10, 60], [12, 60]]
    assert retention_time(gradient, 60.0, log_kw_of(gradient, 60.0, 5.0, rt), 5.0) == pytest.approx(rt, rel=1e-9)


def changed(tmp_path, old, new, name="hilic_mrm"):
    """A copy of a method with another text, beside its bench."""
    source = load_method(name)[1]
    text = source.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_listed_times_hold_under_the_listed_gradient():
    assert [analyte.rt for analyte in Method.load("hilic_mrm").analytes][:3] == [828.0, 960.0, 810.0]


def test_a_steeper_gradient_and_a_faster_flow_come_earlier_and_both_sides_know(tmp_path, culture):
    usual = {analyte.id: analyte.rt for analyte in Method.load("hilic_mrm").analytes}
    for old, new in (
        ("gradient = [[0, 15], [15, 60], [18, 60]]             #", "gradient = [[0, 15], [10, 60], [18, 60]]             #"),
        ('\nflow_mL_min = { value = 0.2', '\nflow_mL_min = { value = 0.3'),
    ):
        path = changed(tmp_path, old, new)
        method, protocol = Method.load(path), Protocol.load(path)
        for analyte in method.analytes:
            assert analyte.rt < 0.95 * usual[analyte.id]
        assert [a.rt for a in method.analytes] == [a.rt for a in protocol.analytes]
        order = sorted(usual, key=usual.get)
        assert sorted(usual, key={a.id: a.rt for a in method.analytes}.get) == order
        run = culture({"asn_c": 1000.0, "asn_e": 40.0})
        data = quantify(measure(run, protocol.with_analytes("asn"), [0.0], 1, noise=False), method).measurements().table
        np.testing.assert_allclose(data["value"], [run.pools[name] for name in data["observable"]], rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("gradient = [[0, 15], [15, 60], [18, 60]]             #", "gradient = [[0, 15], [15, 160]] #", "is not a gradient"),
        ("gradient = [[0, 15], [15, 60], [18, 60]]             #", "gradient = [[1, 15], [15, 60]] #", "minutes from 0 on"),
        ('\nflow_mL_min = { value = 0.2', '\nflow_mL_min = { value = 0', "flow_mL_min is 0; it must be positive"),
        ("\nS = {", "\n# S = {", r"\[lc\] S is missing"),
        ("\nS = { value = 5,", '\nS = { value = "steep",', "S is 'steep'; it must be a number"),
        ("\nS = {", "\nslope = 5\nS = {", r"\[lc\] 'slope' is not known"),
        ("dead_time_min = { value = 2,", "dead_time_min = { value = 2,", ""),
    ],
)
def test_wrong_gradients_are_named(tmp_path, old, new, words):
    path = changed(tmp_path, old, new)
    if not words:
        assert Method.load(path)
        return
    with pytest.raises(DataError, match=words):
        Method.load(path)


def test_nothing_retained_comes_before_the_dead_time(tmp_path):
    path = changed(tmp_path, "dead_time_min = { value = 2,", "dead_time_min = { value = 13,")
    path.write_text(path.read_text().replace("gradient = [[0, 15], [15, 60], [18, 60]]             #", "gradient = [[0, 15], [9, 60]] #", 1))
    with pytest.raises(DataError, match="is not after the dead time of 780 s"):
        Method.load(path)


# ---- peak width ------------------------------------------------------------------------------------------------------------
def test_isocratic_width_is_that_of_the_plate_number():
    k = math.exp(3.0 - 5.0 * 0.3)
    assert eluting_factor([[0, 30]], 100.0, 3.0, 5.0) == pytest.approx(k, rel=1e-12)
    assert peak_sigma(100.0, k, 1e4) == pytest.approx(100.0 * (1 + k) / 100.0)  # t_R/sqrt(N)
    assert plates(100.0, k, peak_sigma(100.0, k, 1e4)) == pytest.approx(1e4)


@given(st.floats(2.0, 5.0), st.floats(3.0, 8.0))
def test_linear_gradient_has_snyders_eluting_factor(log_kw, S):
    """k_e = k0/(b k0 + 1); in closed form where the compound leaves within the gradient."""
    t0, steepness = 60.0, S * 0.5 * 60.0 / 3600.0
    k0 = math.exp(log_kw - S * 0.05)
    expected = k0 / (steepness * k0 + 1.0)
    if math.log(steepness * k0 + 1.0) / steepness * t0 < 3600.0:
        assert eluting_factor([[0, 5], [60, 55]], t0, log_kw, S) == pytest.approx(expected, rel=1e-9)


def test_widths_are_the_listed_ones_until_gradient_or_flow_change():
    lc = Protocol.load("hilic_mrm").method["lc"]
    assert relative_width(828.0, lc) == 1.0
    faster = {**lc, "flow_mL_min": 2 * lc["flow_mL_min"]}
    steeper = {**lc, "gradient": [[0, 15], [7.5, 60], [18, 60]]}
    both = {**faster, "gradient": [[0, 15], [7.5, 60], [9, 60]]}  # all times halve: so do the widths
    assert relative_width(414.0, both) == pytest.approx(0.5, rel=1e-9)
    assert relative_width(600.0, faster) < 1.0 and relative_width(500.0, steeper) < 1.0


def test_a_peak_of_the_bench_has_the_width_that_its_gradient_gives(tmp_path, culture):
    """Its standard deviation, read from a trace without noise: sigma^2 + tau^2."""
    path = changed(tmp_path, "\nflow_mL_min = { value = 0.2", "\nflow_mL_min = { value = 0.4")

    def spread(name):
        protocol = Protocol.load(name).with_analytes("asn").with_bench(esi={"saturation": 1e9})
        batch = measure(culture({"asn_c": 1000.0}), protocol, [0.0], 1, noise=False)
        trace = next(t for t in batch["CAL4_1"].chromatograms if t.native_id.endswith("asn.IS"))
        weight = np.gradient(trace.time) * trace.intensity
        weight /= weight.sum()
        return math.sqrt(weight @ (trace.time - weight @ trace.time) ** 2), protocol

    usual, (narrow, protocol) = spread("hilic_mrm")[0], spread(path)
    assert narrow / usual == pytest.approx(relative_width(protocol.analytes[0].rt, protocol.method["lc"]), rel=0.01)

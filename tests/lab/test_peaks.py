"""Integration: trapezoids, windows, matching, noise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim.chromatogram import Chromatogram, Injection, Sample, Transition
from asnsim.errors import DataError
from asnsim.lcms import emg
from asnsim.quantify.method import Method
from asnsim.quantify.peaks import Window, correct_dead_time, infer_dwell, integrate, locate, match, smooth, trapezoid_weights

METHOD = Method.load("hilic_mrm")
CHANNEL = Transition("asn.IS", "asn", "IS", 135.0, 75.0, "+", 17.0, 0.015, 100.0, 20.0)


def peak(area=1e6, centre=100.0, sigma=4.0, tau=1.2, step=1.2, swing=0.25, baseline=0.0, phase=0.0):
    """An EMG sampled with a varying cycle time; 1.2 s is 8 points per FWHM."""
    times, clock = [], 50.0 + phase
    while clock < 150.0:
        times.append(clock)
        clock += step * (1.0 + swing * math.sin(2 * math.pi * clock / 23.0))
    t = np.array(times)
    return Chromatogram("+ SRM", 135.0, 75.0, "+", 17.0, 0.015, t, area * emg(t, centre, sigma, tau) + baseline)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1.2), st.floats(0.1, 1.0), st.floats(0, 1000))
def test_area_bias_below_one_percent_at_eight_points_per_fwhm(phase, ratio, baseline):
    sigma = 4.0
    trace = peak(sigma=sigma, tau=ratio * sigma, phase=phase, baseline=baseline)
    window = locate(trace, CHANNEL, METHOD)
    assert window.found
    # a longer tail than the method's 0.3 sigma is cut by the window; judge what the window holds
    t = np.linspace(window.start, window.stop, 20001)
    inside = 1e6 * np.trapezoid(emg(t, 100.0, sigma, ratio * sigma), t)
    tails = 0.01 if ratio <= 0.35 else 0.03
    assert integrate(trace, window, METHOD).area == pytest.approx(inside, rel=tails)
    if ratio <= 0.35:
        assert inside == pytest.approx(1e6, rel=5e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 2.0), min_size=4, max_size=40), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**31))
def test_trapezoid_weights_integrate_lines_exactly(steps, a, b, seed):
    t = np.cumsum(steps)
    low, high = sorted((t[0] + a * (t[-1] - t[0]), t[0] + b * (t[-1] - t[0])))
    y = np.random.default_rng(seed).normal(size=t.size)
    fine = np.unique(np.concatenate((t[(t > low) & (t < high)], [low, high])))
    expected = np.trapezoid(np.interp(fine, t, y), fine)
    assert trapezoid_weights(t, low, high) @ y == pytest.approx(expected, abs=1e-9)


def test_one_spiked_point_moves_the_apex_but_hardly_the_area():
    clean = peak(step=0.6)
    spiked = clean.intensity.copy()
    top = int(np.argmax(spiked))
    spiked[top] *= 1.7
    trace = Chromatogram("+ SRM", 135.0, 75.0, "+", 17.0, 0.015, clean.time, spiked)
    window = locate(clean, CHANNEL, METHOD)
    ratio = integrate(trace, window, METHOD).area / integrate(clean, window, METHOD).area
    assert spiked.max() / clean.intensity.max() == pytest.approx(1.7)
    assert 1.0 < ratio < 1.06


def test_area_variance_is_the_scatter_of_areas():
    clean = peak(area=2e5, step=0.6, baseline=60.0)
    window = locate(clean, CHANNEL, METHOD)
    rng, areas, predicted = np.random.default_rng(1), [], []
    for _ in range(400):
        mu = clean.intensity * clean.dwell
        spray = np.maximum(1 + METHOD.spray * rng.standard_normal(mu.size), 0)
        f = METHOD.poisson_factor - 1.0
        counts = rng.poisson(rng.gamma(np.maximum(mu * spray, 1e-9) / f, f))
        found = integrate(Chromatogram("+", 135, 75, "+", 17, 0.015, clean.time, counts / 0.015), window, METHOD)
        areas.append(found.area)
        predicted.append(found.variance)
    assert np.std(areas) == pytest.approx(math.sqrt(np.mean(predicted)), rel=0.12)
    assert np.mean(areas) == pytest.approx(2e5, rel=0.01)


def test_a_neighbour_in_one_flank_does_not_lift_the_baseline():
    clean, other = peak(step=0.6), peak(area=3e6, centre=134.0, step=0.6)
    trace = Chromatogram("+ SRM", 135.0, 75.0, "+", 17.0, 0.015, clean.time, clean.intensity + other.intensity)
    window = locate(clean, CHANNEL, METHOD)
    assert integrate(trace, window, METHOD).area == pytest.approx(integrate(clean, window, METHOD).area, rel=0.03)


def test_dead_time_is_undone_exactly_until_half_is_lost():
    true = np.array([1e3, 1e6, 2e7])
    seen = true / (1 + true * 17.5e-9)
    back, saturated = correct_dead_time(seen, 17.5e-9)
    np.testing.assert_allclose(back, true, rtol=1e-12)
    assert not saturated and correct_dead_time(np.array([4e7]), 17.5e-9)[1]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.004, 0.02), st.integers(0, 10**6))
def test_dwell_time_is_read_off_the_grid_of_counts(dwell, seed):
    counts = np.random.default_rng(seed).poisson(6.0, 200)
    found = infer_dwell(np.round(counts / dwell))  # real files round to whole counts/s
    assert found == pytest.approx(dwell, rel=0.06) or found == pytest.approx(dwell / counts[counts > 0].min(), rel=0.06)


def test_smoothing_keeps_constants():
    t = np.cumsum(np.random.default_rng(0).uniform(0.2, 1.0, 50))
    np.testing.assert_allclose(smooth(t, np.full(50, 7.0), 2.0), 7.0)


def test_without_a_peak_the_window_is_the_expected_one():
    flat = peak(area=0.0, baseline=60.0)
    window = locate(flat, CHANNEL, METHOD)
    assert not window.found and window.apex == 100.0 and locate(None, CHANNEL, METHOD) == window


def injection(*traces):
    return Injection(Sample("s"), traces)


def test_match_uses_masses_polarity_and_retention():
    t = np.linspace(80, 120, 50)
    good = Chromatogram("good", 135.2, 74.8, "+", 17, 0.015, t, t)
    wrong = (
        Chromatogram("mass", 136.0, 75.0, "+", 17, 0.015, t, t),
        Chromatogram("sign", 135.0, 75.0, "-", 17, 0.015, t, t),
        Chromatogram("time", 135.0, 75.0, "+", 17, 0.015, t + 100, t),
    )
    assert match(injection(*wrong, good), CHANNEL) is good
    assert match(injection(*wrong), CHANNEL) is None


def test_ambiguous_channel_is_refused():
    t = np.linspace(80, 120, 50)
    twins = [Chromatogram(name, 135.0, 75.0, "+", 17, 0.015, t, t) for name in ("first", "second")]
    with pytest.raises(DataError, match="fits 'first' and 'second'"):
        match(injection(*twins), CHANNEL)


def test_window_edges_are_in_widths_from_the_apex():
    window = locate(peak(step=0.3, swing=0.0), CHANNEL, METHOD)
    assert isinstance(window, Window)
    assert window.fwhm == pytest.approx(4.0 * 2.355 * 1.05, rel=0.08)
    assert window.start == pytest.approx(window.apex - METHOD.left * window.fwhm)

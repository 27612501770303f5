"""The bench against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim.chromatogram import Transition
from asnsim.errors import DataError
from asnsim.lcms import Protocol, emg, film_after_washes, measure
from asnsim.lcms.detection import dead_time_loss
from asnsim.lcms.draws import Draws
from asnsim.lcms.separation import schedule


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 20), st.floats(0.05, 3), st.floats(-100, 100))
def test_emg_has_unit_area_and_known_moments(sigma, ratio, centre):
    tau = ratio * sigma
    t = np.linspace(centre - 10 * sigma, centre + 10 * sigma + 40 * tau, 20001)
    y = emg(t, centre, sigma, tau)
    assert np.all(np.isfinite(y)) and np.all(y >= 0)
    area, mean = np.trapezoid(y, t), np.trapezoid(t * y, t)
    assert area == pytest.approx(1.0, abs=1e-6)
    assert mean == pytest.approx(centre + tau, abs=1e-4 * (sigma + tau))
    assert np.trapezoid((t - mean) ** 2 * y, t) == pytest.approx(sigma**2 + tau**2, rel=1e-4)


def test_emg_without_tail_is_a_gaussian():
    t = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(emg(t, 0.0, 1.0, 0.0), np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi))


@pytest.mark.parametrize(("washes", "percent"), [(0, 945.0), (1, 23.05), (2, 0.562)])
def test_washes_decide_what_is_called_intracellular(washes, percent):
    # 50 uL of RPMI (378 umol/L) on 1e6 cells of 2 pL and 1 mmol/L (2 nmol), washed with 2 mL each time
    film = film_after_washes(378.0 * 50e-6, 50.0, 2000.0, washes)
    assert 100 * film / (1e6 * 2e-12 * 1000.0) == pytest.approx(percent, rel=1e-3)


def test_film_reaches_the_measured_pool(culture):
    quiet = Protocol.load("hilic_mrm").with_analytes("asn").ideal()
    run = culture({"asn_c": 1000.0, "asn_e": 378.0}, cells=1e6, water_per_cell=2e-12)
    for washes, percent in ((0, 945.0), (1, 23.05)):
        batch = measure(run, quiet.with_bench(wash={"film_uL": 50.0, "washes": washes}), times=[0.0], replicates=1, noise=True)
        row = next(row for row in batch.truth if row["sample_name"] == "run_t1_cells_1")
        assert 100 * row["n_film"] / row["n_in"] == pytest.approx(percent, rel=1e-3)


def test_asparaginase_works_on_in_the_tube(tube):
    # 0.01 U/mL is 600 umol/L/h at 37 C; five minutes at 22 C
    protocol = Protocol.load("hilic_mrm").with_analytes("asn").ideal()
    protocol = protocol.with_bench(sampling={"medium_delay_s": 420.0, "scale": {"kcat_asnase": "enzyme"}})
    run = tube(600.0, pools={"asn_e": 50.0})
    row = next(row for row in measure(run, protocol, [0.0], 1).truth if row["sample_name"] == "run_t1_medium_1")
    left, fall = row["at_quench"], 600.0 * 2 ** ((22 - 37) / 10) * 420 / 3600
    assert 50.0 - left + 15.0 * math.log(50.0 / left) == pytest.approx(fall, rel=1e-9)  # integrated Michaelis-Menten
    warm = protocol.with_bench(sampling={"temperature_C": 37.0})
    row = next(row for row in measure(run, warm, [0.0], 1).truth if row["sample_name"] == "run_t1_medium_1")
    assert row["at_quench"] / 50.0 == pytest.approx(0.15, abs=0.01)  # Asselin 1991: under 15 % survives at 0.01 IU/mL


def test_dead_time_is_the_nonparalysable_law():
    assert dead_time_loss(np.array([1e6]), 17.5e-9)[0] == pytest.approx(1e6 / 1.0175)


def test_counts_follow_the_variance_law():
    draws = Draws(3, 0)
    for mean in (0.5, 5.0, 500.0):
        counts = draws.counts(np.full(200_000, mean), 1.58)
        assert np.all(counts == np.round(counts))
        assert counts.mean() == pytest.approx(mean, rel=0.02)
        assert counts.var() == pytest.approx(1.58 * mean, rel=0.03)


def test_cycle_time_varies_and_windows_are_kept():
    channels = tuple(Transition(f"c{i}", "a", "IS", 100, 50, "+", 10, 0.015, 100.0 + 30 * i, 45.0) for i in range(3))
    times = schedule(channels, 0.005, 0.6, 0.25)
    for channel, t in zip(channels, times, strict=True):
        assert channel.rt - 45 <= t[0] and t[-1] <= channel.rt + 45
        assert 0.44 < np.diff(t).min() < 0.5 and 0.7 < np.diff(t).max() < 0.76
    shared = np.intersect1d(times[0], times[1])
    assert shared.size > 50  # channels that are open together share their time stamps


def test_a_schedule_that_cannot_be_run_is_refused():
    crowd = tuple(Transition(f"c{i}", "a", "IS", 100, 50, "+", 10, 0.05, 100.0, 45.0) for i in range(40))
    with pytest.raises(DataError, match="too dense"):
        schedule(crowd, 0.005, 0.6, 0.25)


def test_same_seed_same_numbers_other_seed_other_numbers(culture):
    protocol = Protocol.load("hilic_mrm").with_analytes("asn")
    a, b, c = (measure(culture(), protocol, [0.0], 1, seed=seed) for seed in (4, 4, 5))
    for first, second in zip(a.injections, b.injections, strict=True):
        assert first.sample.name == second.sample.name
        for x, y in zip(first.chromatograms, second.chromatograms, strict=True):
            np.testing.assert_array_equal(x.intensity, y.intensity)
    assert any(
        x.chromatograms[0].intensity.sum() != y.chromatograms[0].intensity.sum()
        for x, y in zip(a.injections, c.injections, strict=True)
    )


def test_noise_is_whole_counts_and_a_batch_has_all_it_needs(culture):
    batch = measure(culture(), "hilic_mrm", [0.0, 24.0], 2, seed=1)
    counts = batch.injections[5].chromatograms[0].counts
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    kinds = {name: len(batch.select(name)) for name in ("Standard", "QC", "Blank", "Double Blank", "Zero", "Solvent", "Unknown")}
    assert kinds["Standard"] >= 14 and kinds["QC"] >= 6 and kinds["Unknown"] == 8 and min(kinds.values()) >= 1
    assert [injection.sample.inj_number for injection in batch.injections] == list(range(1, len(batch) + 1))
    order = [injection.sample.name for injection in batch.select("Unknown")]
    assert order != sorted(order)  # randomised


def test_a_pool_the_model_lacks_is_not_acquired(culture):
    pools = {"asn_c": 100.0, "asn_e": 10.0, "gln_c": 1000.0}
    batch = measure(culture(pools), "hilic_mrm", [0.0], 1, seed=1)
    acquired = {
        injection.sample.matrix: {trace.native_id.split()[-1] for trace in injection.chromatograms}
        for injection in batch.injections
    }
    assert "gln.quantifier" in acquired["cells"] and "gln.quantifier" not in acquired["medium"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"times": []}, "at least one sampling time"),
        ({"times": [1.0, 1.0]}, "all different"),
        ({"replicates": 0}, "one replicate"),
        ({"protocol": "hilic"}, "did you mean 'hilic_mrm'"),
        ({"protocol": "smartpeak_yeast"}, "names its bench"),
        ({"pools": {"glc_c": 1.0}}, "has no pool that hilic_mrm measures"),
    ],
)
def test_wrong_inputs_get_one_clear_sentence(options, words, culture):
    with pytest.raises(DataError, match=words) as caught:
        measure(
            culture(options.get("pools")),
            **{"times": [0.0], **{name: value for name, value in options.items() if name != "pools"}},
        )
    assert "\n" not in str(caught.value)


def test_unknown_analyte_and_bench_value_are_named():
    protocol = Protocol.load("hilic_mrm")
    with pytest.raises(DataError, match="did you mean 'asn'"):
        protocol.with_analytes("asnn")
    with pytest.raises(DataError, match="did you mean 'washes'"):
        protocol.with_bench(wash={"wasches": 1})

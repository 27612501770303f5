"""Many runs: the same numbers as one by one and at any number of threads; one failure stays alone."""

import numpy as np
import pytest

from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.ensemble import simulate_many
from asnsim.errors import ModelError
from asnsim.library import load_model
from asnsim.network import Module, symbols
from asnsim.simulation import simulate

MODEL = load_model("teaching")
DOSE = Regimen.single("500 U", "asnase_e", time="1 d")
SETS = {"asns_basal": np.linspace(0.02, 0.9, 7), "asnase_e": np.zeros(7), "Vmax_uptake": np.linspace(2000, 6000, 7)}
NAMES = ("asn_c", "cells", "uptake")


def run(threads):
    return simulate_many(MODEL, SETS, DOSE, until="3 d", observables=NAMES, times=[0, 12, 24, 48, 72], threads=threads)


def test_same_numbers_as_one_by_one_and_at_any_number_of_threads():
    one, three = run(1), run(3)
    np.testing.assert_array_equal(one.values, three.values)
    assert one.values.shape == (7, 5, 3) and one.success.all()
    for k in (0, 4):
        model = MODEL.with_parameters({name: float(values[k]) for name, values in SETS.items()})
        single = simulate(model, DOSE, until="3 d", times=[0, 12, 24, 48, 72])
        for name in NAMES:
            expected = [single.at(t)[name] for t in (0, 12, 24, 48, 72)]
            np.testing.assert_allclose(one[name][k], expected, rtol=1e-12)
    assert not np.allclose(one["asn_c"][0], one["asn_c"][6])


def test_a_failing_run_stays_alone(numbers):
    y, k = symbols("y k")
    blow = compose("blow", [Module("m", rates={"y": k * y * y})], {}, numbers(y=(1.0, "1"), k=(0.01, "1/h")))
    result = simulate_many(blow, {"k": [0.01, 5.0, 0.02]}, until=10, observables=["y"], times=[0, 10])
    assert result.success.tolist() == [True, False, True]
    assert "step" in result.messages[1] or "finite" in result.messages[1]
    np.testing.assert_allclose(result["y"][[0, 2], -1], [1 / 0.9, 1 / 0.8], rtol=1e-5)
    assert np.isnan(result["y"][1]).all()
    assert result.quantiles("y", [0.0, 1.0])[:, -1] == pytest.approx([1 / 0.9, 1 / 0.8], rel=1e-5)


def test_progress_reaches_the_end():
    seen = []
    simulate_many(MODEL, {"asns_basal": [0.1] * 3}, until=1, observables=["asn_c"], progress=lambda *a: seen.append(a))
    assert seen == [(3, 3)]


@pytest.mark.parametrize(
    ("sets", "names", "says"),
    [
        ({"asns_basa": [1.0]}, ["asn_c"], "did you mean 'asns_basal'"),
        ({"asns_basal": [1.0]}, ["asn_cc"], "did you mean 'asn_c'"),
        ({"asns_basal": [1.0, 2.0], "Vmax_uptake": [1.0]}, ["asn_c"], "differ in length"),
        ({}, ["asn_c"], "differ in length"),
    ],
)
def test_wrong_requests(sets, names, says):
    with pytest.raises(ModelError, match=says):
        simulate_many(MODEL, sets, until=1, observables=names)

"""Balanced growth against long precultures, and its slopes against differences."""

import numpy as np
import pytest

from asnsim.composition import compose
from asnsim.culture import precondition
from asnsim.errors import IntegrationError, ModelError
from asnsim.library import load_model
from asnsim.network import Module, symbols
from asnsim.steady import balanced_state


@pytest.mark.parametrize("overlays", [("dmem",), ("rpmi",), ("rpmi", "all_low_asns")])
def test_balance_is_where_a_preculture_ends(overlays):
    model = load_model("cell", *overlays)
    balance = balanced_state(model)
    grown = precondition(model, "700 h")
    assert balance.stable and balance.eigenvalue < -1e-3
    for name in balance.free:
        if name == "reporter":  # relaxes with the slowest rate of all
            continue
        assert balance[name] == pytest.approx(grown.value(name), rel=1e-3, abs=1e-9), name
    assert balance["asn_e"] == model.value("asn_e") and "cytosol" in balance.held


def test_slopes_agree_with_differences():
    model = load_model("cell", "rpmi")
    theta = ("kcat_asns", "Vmax_snat2", "asn_e")
    balance = balanced_state(model, theta=theta)
    for name in theta:
        step = 1e-4 * model.value(name)
        up, down = (balanced_state(model.with_parameters({name: model.value(name) + s})) for s in (step, -step))
        for state in ("asn_c", "asp_c", "trna_asn", "asns", "mtorc1"):
            difference = (up[state] - down[state]) / (2 * step)
            assert balance.slope(state, name) == pytest.approx(difference, rel=1e-3, abs=1e-9 * abs(up[state]) / step), (state, name)


def test_more_synthesis_more_asparagine():
    low, high = (balanced_state(load_model("cell").with_parameters(asns_capacity=e))["asn_c"] for e in (4e5, 1.6e6))
    assert high > 1.5 * low


def test_an_unstable_point_and_a_missing_one(numbers):
    y, k = symbols("y k")
    runaway = compose("runaway", [Module("m", rates={"y": k * (1 + y * y)})], {}, numbers(y=(0.3, "1"), k=(1.0, "1/h")))
    with pytest.raises(IntegrationError) as caught:
        balanced_state(runaway)
    assert "y" in caught.value.state
    logistic = compose("logistic", [Module("m", rates={"y": k * y * (1 - y)})], {}, numbers(y=(0.3, "1"), k=(2.0, "1/h")))
    balance = balanced_state(logistic, theta=("k",))
    assert balance["y"] == pytest.approx(1.0) and balance.eigenvalue == pytest.approx(-2.0)
    assert balance.slope("y", "k") == pytest.approx(0.0, abs=1e-12)


def test_wrong_requests():
    model = load_model("teaching")
    with pytest.raises(ModelError, match="did you mean 'asn_c'"):
        balanced_state(model, held=("asn_cc",))
    with pytest.raises(ModelError, match="every state is held"):
        balanced_state(model, held=model.states)
    with pytest.raises(ModelError, match="is solved for"):
        balanced_state(model, theta=("asn_c",))
    with pytest.raises(ModelError, match="no slope"):
        balanced_state(model).slope("asn_c", "k_efflux")
    assert np.isfinite(balanced_state(model)["asn_c"])


@pytest.mark.parametrize("line", ["solid_143b", "all_low_asns", "brown_adipocyte"])
def test_the_fed_state_is_one_whatever_the_start(line):
    """Ten random starts (a factor of 4.5 either way in every pool and protein); all lines and 100 starts: make conformance."""
    model, rng = load_model("cell", "rpmi", line, without=("atf4_reporter",)), np.random.default_rng(5)
    inside = [n for n in model.states if n in model.species and model.species[n].compartment == "cytosol"]
    free = [*inside, *(n for n in model.rates if n not in model.compartments)]
    found = []
    for _ in range(10):
        start = {n: model.value(n) * f for n, f in zip(free, np.exp(rng.uniform(-1.5, 1.5, len(free))), strict=True)}
        start |= {"trna_asn": min(start["trna_asn"], 1.4), "eif2p": min(start["eif2p"], 0.9)}
        balance = balanced_state(precondition(model.with_parameters(start), 300.0))
        assert balance.stable
        found.append([balance[n] for n in ("asn_c", "asns", "mtorc1", "protein")])
    assert np.ptp(np.log(found), axis=0).max() < 1e-6

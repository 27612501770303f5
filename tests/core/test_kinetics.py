"""Rate laws: limits, closed forms, zero points and the second law."""

import itertools
import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from asnsim.biology import MODULES
from asnsim.kinetics import antiport_fluxes, hill, michaelis_menten, ordered_ping_pong, saturable_carrier, smooth_positive
from asnsim.library import load_model
from asnsim.network import symbol, symbols

POSITIVE = st.floats(1e-3, 1e5)
x, K, n, Vmax = symbols("x K n Vmax")


def test_michaelis_menten_limits():
    rate = michaelis_menten(x, Vmax, K)
    assert rate.subs(x, 0) == 0
    assert rate.subs(x, K) == Vmax / 2
    assert sympy.limit(rate, x, sympy.oo) == Vmax
    assert sympy.diff(rate, x).subs(x, 0) == Vmax / K


@given(POSITIVE, POSITIVE, st.floats(0.5, 6))
def test_hill(value, half, power):
    rate = float(hill(sympy.Float(value), sympy.Float(half), sympy.Float(power)))
    assert rate == pytest.approx(value**power / (half**power + value**power), rel=1e-9)


def test_hill_half_and_slope():
    assert hill(K, K, n) == sympy.Rational(1, 2)
    slope = sympy.diff(hill(x, K, n), x).subs({x: 2.0, K: 2.0, n: 3.0})
    assert float(slope) == pytest.approx(3.0 / (4 * 2.0))


@given(st.floats(-10, 10), st.floats(1e-6, 1e-2))
def test_smooth_positive_rounds_the_kink(value, width):
    smooth = float(smooth_positive(sympy.Float(value), sympy.Float(width)))
    assert 0 <= smooth
    assert abs(smooth - max(value, 0.0)) <= width / 2 * (1 + 1e-9)
    if abs(value) > 100 * width:
        assert smooth == pytest.approx(max(value, 0.0), abs=width**2 / (2 * abs(value)) + 1e-12)


def test_smooth_positive_at_the_kink():
    assert float(smooth_positive(sympy.Float(0), sympy.Float(0.2))) == pytest.approx(0.1)
    assert float(sympy.diff(smooth_positive(x, K), x).subs({x: 0, K: 1})) == 0.5


@given(POSITIVE, POSITIVE, POSITIVE)
def test_carrier_is_passive_and_odd(outside, inside, half):
    def net(e, c):
        return float(saturable_carrier(sympy.Float(e), sympy.Float(c), sympy.Float(3.0), sympy.Float(half)))

    assert net(outside, outside) == 0.0
    assert net(outside, inside) == pytest.approx(-net(inside, outside), abs=1e-12)
    assert net(outside, inside) * (outside - inside) >= 0
    assert abs(net(outside, inside)) < 3.0


def test_carrier_is_half_saturated_at_K():
    assert float(saturable_carrier(sympy.Float(0), sympy.Float(5), sympy.Float(2), sympy.Float(5))) == pytest.approx(-1.0)


# ---- asparagine synthetase ---------------------------------------------------------------------------------------------
NAMES = "kcat enzyme aspartate glutamine atp asparagine glutamate Km_asp Km_gln Km_atp Ki_asn Ki_glu eps".split()
VALUES = dict(zip(NAMES, (100.0, 0.5, 300.0, 2000.0, 4000.0, 50.0, 9000.0, 330.0, 500.0, 100.0, 5500.0, 5e4, 0.0), strict=True))


def asns(**changes):
    with np.errstate(all="ignore"):
        return float(ordered_ping_pong(**{k: np.float64(v) for k, v in (VALUES | changes).items()}))


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_ping_pong_is_the_published_form(asp, gln, atp, asn, glu):
    v = VALUES
    reference = v["kcat"] * v["enzyme"] / (
        1
        + v["Km_asp"] / asp * (1 + asn / v["Ki_asn"])
        + v["Km_gln"] / gln * (1 + glu / v["Ki_glu"])
        + v["Km_atp"] / atp
        + v["Km_gln"] * v["Km_atp"] / (gln * atp)
    )
    assert asns(aspartate=asp, glutamine=gln, atp=atp, asparagine=asn, glutamate=glu) == pytest.approx(reference, rel=1e-12)


@given(POSITIVE)
def test_ping_pong_reduces_to_michaelis_menten_in_aspartate(asp):
    huge = {"glutamine": 1e14, "atp": 1e14, "glutamate": 0.0}
    apparent = VALUES["Km_asp"] * (1 + VALUES["asparagine"] / VALUES["Ki_asn"])
    assert asns(aspartate=asp, **huge) == pytest.approx(50.0 * asp / (apparent + asp), rel=1e-9)


def test_product_inhibition_is_competitive_with_aspartate():
    assert asns(aspartate=1e12, asparagine=1e4) == pytest.approx(asns(aspartate=1e12, asparagine=0.0), rel=1e-6)
    assert asns(aspartate=1.0, asparagine=VALUES["Ki_asn"]) == pytest.approx(asns(aspartate=1.0, asparagine=0.0) / 2, rel=1e-2)
    assert asns(glutamate=2e5) < asns(glutamate=0.0)


@pytest.mark.parametrize("gone", [s for size in (1, 2, 3) for s in itertools.combinations(("aspartate", "glutamine", "atp"), size)])
def test_exhausted_substrates_give_zero(gone):
    """Was NaN for Asp with Gln or ATP: every term of the denominator holds Asp or (Gln ATP), so 0/0 = NaN."""
    assert asns(eps=1e-12, **dict.fromkeys(gone, 0.0)) == 0.0


# ---- antiporters -------------------------------------------------------------------------------------------------------
ANTIPORTERS = {"asct2": ("asn", "gln", "ser"), "lat1": ("asn", "gln", "his", "leu"), "ylat2": ("arg", "asn", "gln", "leu")}


def net_inward(name, pools, **constants):
    """Net inward flux of each substrate, umol/h, through the shipped module, and the size of its largest pair flux."""
    module, model = MODULES[name](), load_model("cell")
    values = {p.name: p.value for p in model.parameters.values()} | {"lat1_mtor": 1.0, "cytosol": 1.0, "empty_eps": 0.0}
    values |= constants | pools
    for rule, expression in module.rules.items():
        values[rule] = float(expression.subs({s: values[s.name] for s in expression.free_symbols}))
    net, largest = dict.fromkeys(ANTIPORTERS[name], 0.0), 0.0
    for reaction in module.reactions:
        flux = float(reaction.rate.subs({s: values[s.name] for s in reaction.rate.free_symbols}))
        largest = max(largest, abs(flux))
        for species, number in reaction.stoichiometry.items():
            if species.endswith("_c"):
                net[species[:-2]] += number * flux
    return net, largest


def pools_of(name):
    return st.tuples(*[POSITIVE] * (2 * len(ANTIPORTERS[name]))).map(
        lambda v: {f"{aa}_{side}": v[2 * i + j] for i, aa in enumerate(ANTIPORTERS[name]) for j, side in enumerate("ec")}
    )


@pytest.mark.parametrize("name", ANTIPORTERS)
def test_antiport_moves_nothing_on_balance(name):
    for reaction in MODULES[name]().reactions:
        for side in ("_e", "_c"):
            assert sum(number for species, number in reaction.stoichiometry.items() if species.endswith(side)) == 0

    @given(pools_of(name))
    def check(pools):
        net, largest = net_inward(name, pools)
        assert abs(sum(net.values())) <= 1e-13 * max(largest, 1e-300) * len(net)

    check()


@pytest.mark.parametrize("name", ANTIPORTERS)
def test_antiport_obeys_the_second_law(name):
    """Sum of flux times driving force is never negative: with one K_in/K_out no substrate is pumped."""

    @given(pools_of(name))
    def check(pools):
        net, largest = net_inward(name, pools)
        ratio = load_model("cell").value("sodium_ratio")
        force = {
            aa: math.log(pools[f"{aa}_e"] / pools[f"{aa}_c"]) + (math.log(ratio) if name == "ylat2" and aa != "arg" else 0.0) for aa in net
        }
        assert sum(net[aa] * force[aa] for aa in net) >= -1e-12 * largest * 100

    check()


@pytest.mark.parametrize("name", ["asct2", "lat1"])
@given(asymmetry=st.floats(0.01, 1000), gradient=st.floats(0.01, 1000), data=st.data())
def test_equal_gradients_are_an_equilibrium_for_any_asymmetry(name, asymmetry, gradient, data):
    outside = {f"{aa}_e": data.draw(POSITIVE) for aa in ANTIPORTERS[name]}
    pools = outside | {f"{aa}_c": gradient * outside[f"{aa}_e"] for aa in ANTIPORTERS[name]}
    net, _ = net_inward(name, pools, **{f"{name}_asymmetry": asymmetry})
    assert max(map(abs, net.values())) <= 1e-9 * load_model("cell").value(f"Vmax_{name}")


@given(st.tuples(*[POSITIVE] * 6))
def test_pair_fluxes_sum_to_the_closed_form(values):
    e, c = dict(zip("abc", values[:3], strict=True)), dict(zip("abc", values[3:], strict=True))
    E, C = sum(e.values()), sum(c.values())
    free = E * (1 + C) + C * (1 + E)
    both = antiport_fluxes(e, c, free, 7.0)
    assert all(back >= 0 and net + back >= 0 for net, back in both.values())
    pairs = {pair: net for pair, (net, _) in both.items()}
    for i in "abc":
        net = sum(flux if pair[0] == i else -flux for pair, flux in pairs.items() if i in pair)
        scale = 7.0 * (e[i] * C + c[i] * E) / free
        assert net == pytest.approx(7.0 * (e[i] * C - c[i] * E) / free, rel=1e-9, abs=1e-12 * scale)
        assert abs(net) <= 7.0


def test_antiport_exchanges_asparagine_for_serine():
    net, _ = net_inward("asct2", {"asn_c": 5e3, "asn_e": 0.0, "ser_c": 0.0, "ser_e": 400.0, "gln_c": 0.0, "gln_e": 0.0})
    assert net["asn"] < 0 < net["ser"] and net["asn"] == pytest.approx(-net["ser"])


def test_an_empty_antiporter_stands_still():
    nothing = {f"{aa}_{side}": 0.0 for aa in ANTIPORTERS["asct2"] for side in "ec"}
    net, _ = net_inward("asct2", nothing, empty_eps=load_model("cell").value("empty_eps"))
    assert set(net.values()) == {0.0}


# ---- loaders -----------------------------------------------------------------------------------------------------------
def carrier_rate(module, reaction, **pools):
    model = load_model("cell")
    values = {p.name: p.value for p in model.parameters.values()} | {"loader_mtor": 1.0, "cat1_mtor": 1.0, "cytosol": 1.0, "snat2_level": 1.0} | pools
    module = MODULES[module]()
    for rule, expression in module.rules.items():
        values[rule] = float(expression.subs({s: values[s.name] for s in expression.free_symbols}))
    rate = next(r.rate for r in module.reactions if r.id == reaction)
    return float(rate.subs({s: values[s.name] for s in rate.free_symbols}))


@pytest.mark.parametrize("outside", [0.01, 1.0, 50.0, 1e4])
@pytest.mark.parametrize(
    ("module", "reaction", "aa", "ratio"),
    [
        ("snat2", "snat2_asn", "asn", "symport_ratio"), ("snat2", "snat2_gln", "gln", "symport_ratio"),
        ("bulk_loader", "loader_gln", "gln", "symport_ratio"), ("bulk_loader", "loader_ser", "ser", "symport_ratio"),
        ("cat1", "cat1_arg", "arg", "voltage_ratio"), ("asn_leak", "asn_leak_flux", "asn", None),
        ("asn_carrier", "asn_carrier_flux", "asn", None),
    ],
)  # fmt: skip
def test_zero_flux_stands_where_the_driving_force_says(module, reaction, aa, ratio, outside):
    limit = load_model("cell").value(ratio) if ratio else 1.0

    def rate(inside):
        return carrier_rate(module, reaction, **{f"{aa}_e": outside, f"{aa}_c": inside})

    scale = abs(rate(0.0))
    assert abs(rate(limit * outside)) <= 1e-9 * scale
    assert rate(0.99 * limit * outside) > 0 > rate(1.01 * limit * outside)


def test_ratios_are_the_physics_they_claim():
    """145/15 mM sodium, -60 mV, 37 C."""
    model = load_model("cell")
    volts = 0.060 * 96485.33212 / (8.314462618 * 310.15)
    assert model.value("sodium_ratio") == pytest.approx(145 / 15, rel=1e-3)
    assert model.value("voltage_ratio") == pytest.approx(math.exp(volts), rel=2e-3)
    assert model.value("symport_ratio") == pytest.approx(145 / 15 * math.exp(volts), rel=2e-3)


def test_competitors_slow_each_other():
    alone = carrier_rate("snat2", "snat2_asn", asn_e=100.0, asn_c=0.0, gln_e=0.0, gln_c=0.0, ser_e=0.0, ser_c=0.0, his_e=0.0, his_c=0.0)
    crowded = carrier_rate("snat2", "snat2_asn", asn_e=100.0, asn_c=0.0, gln_e=4e3, gln_c=0.0, ser_e=0.0, ser_c=0.0, his_e=0.0, his_c=0.0)
    model = load_model("cell")
    expected = model.value("Vmax_snat2") * 100 / (model.value("Km_snat2_asn") + 100)
    assert alone == pytest.approx(expected) and 0 < crowded < alone


def test_asparaginase_unit_is_sixty_umol_per_hour():
    """1 U/mL empties 380 umol/L of RPMI in about half a minute: (A0 + Km ln(A0/A)) / (60 U) (model.md 7.4)."""
    model = load_model("cell", "rpmi")
    rate = carrier_rate("asparaginase_hydrolysis", "asnase_asn", asnase_e=1000.0, asn_e=1e12, medium=1.0)
    assert rate == pytest.approx(6e4, rel=1e-6)
    Km, start = model.value("Km_asnase_asn"), model.value("asn_e")
    minutes = 60 * (start - 1 + Km * math.log(start)) / 6e4
    assert 0.4 < minutes < 0.55


@pytest.mark.parametrize("name", ["asnase_e", "asn_c"])
def test_symbols_of_modules_are_the_shared_ones(name):
    found = {s for module in MODULES.values() for r in module().reactions for s in r.rate.free_symbols if s.name == name}
    assert found == {symbol(name)}

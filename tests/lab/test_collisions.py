"""The label traps: which molecule shows in whose channel."""

from dataclasses import replace

import pytest

from asnsim.chromatogram import load_analytes
from asnsim.collisions import collisions
from asnsim.isotopes import Species

HILIC = {analyte.id: analyte for analyte in load_analytes("hilic_mrm")}


def with_standard(analyte, formula, product):
    """The analyte with another internal standard, its channel set to the nominal mass."""
    species = Species(formula, product, analyte.polarity)
    own = replace(analyte.transition("IS"), q1=round(species.q1, 1), q3=round(species.q3, 1))
    kept = tuple(own if item.role == "IS" else item for item in analyte.transitions)
    return replace(analyte, is_formula=formula, is_product=product, transitions=kept)


def found(*analytes, **options):
    return {(item.analyte, item.form, item.channel.id): item for item in collisions(analytes, **options)}


def test_fully_labelled_asn_shares_the_channel_of_the_asp_standard():
    trap = with_standard(HILIC["asn"], "[13C]4H8[15N]2O3", "[13C]2H4[15N]O2")
    table = found(trap, HILIC["asp"])
    assert table["asn", "IS", "asp.IS"].share == pytest.approx(1.0) and table["asp", "IS", "asn.IS"].share == pytest.approx(1.0)
    assert ("asn", "IS", "asp.IS") not in found(HILIC["asn"], HILIC["asp"]), "which is why the table has 15N2"


def test_another_path_of_labelled_asn_is_that_of_the_leu_standard():
    trap = with_standard(HILIC["asn"], "[13C]4H8[15N]2O3", "[13C]3H7[15N]2O")  # 139 > 92
    assert found(trap, HILIC["leu"])["asn", "IS", "leu.IS"].share == pytest.approx(1.0)


def test_natural_isotopes_have_the_published_sizes():
    table = found(*HILIC.values())
    asn = table["asn", "light", "asp.quantifier"]
    assert asn.share == pytest.approx(0.0262, abs=2e-4) and asn.apart == 132 and asn.separated
    leu = table["leu", "light", "asn.qualifier"]
    assert leu.share == pytest.approx(0.0591, abs=2e-4) and leu.separated and "5.9 % of its signal" in str(leu)
    assert table["gln", "light", "glu.quantifier"].share == pytest.approx(0.0158, abs=2e-4)


def test_retention_decides_and_the_worst_comes_first():
    close = replace(HILIC["asp"], transitions=tuple(replace(item, rt=835.0) for item in HILIC["asp"].transitions))
    items = collisions([HILIC["asn"], close])
    assert not items[0].separated and str(items[0]).endswith("NOT separated")
    assert [item.separated for item in items] == sorted(item.separated for item in items)


def test_quantification_says_what_is_not_separated(culture):
    from asnsim.lcms import Protocol, measure
    from asnsim.quantify import Method, quantify

    method = Method.load("hilic_mrm")
    batch = measure(culture(), Protocol.load("hilic_mrm").with_analytes("asn"), [0.0], 1, seed=1)
    assert not any("NOT separated" in line for line in quantify(batch, method).report)
    wide = tuple(replace(a, transitions=tuple(replace(t, rt_window=150.0) for t in a.transitions)) for a in method.analytes)
    assert any("NOT separated" in line for line in quantify(batch, replace(method, analytes=wide)).report)


def test_small_shares_are_left_out_and_one_analyte_does_not_collide_with_itself():
    many, few = (collisions(tuple(HILIC.values()), least=least) for least in (1e-4, 0.03))
    assert len(many) > len(few) > 0 and all(item.channel.analyte != item.analyte for item in many)
    assert collisions([HILIC["asn"]], least=0.0) == ()


def test_methods_of_different_polarity_do_not_mix():
    negative = {analyte.id: analyte for analyte in load_analytes("smartpeak_yeast")}
    assert collisions([HILIC["asn"], negative["asp"]]) == ()

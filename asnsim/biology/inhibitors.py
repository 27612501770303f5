"""Drugs against asparagine synthesis, uptake and signalling, as a bench adds them to a medium.

Each drug is a species of the medium, ``<drug>_e`` in umol/L, which one doses in umol and which is lost by first order at
``k_<drug>``. A rule of its module takes the place of the constant through which it acts, so without the module, or without a
dose, nothing changes. The drug is not used up by cells and has the same concentration at its target as in the medium.
"""

from __future__ import annotations

from collections.abc import Mapping

from asnsim.network import Module, Reaction, symbol, symbols

__all__ = [
    "asct2_inhibitor",
    "asx173",
    "carrier_inhibitor",
    "gcn2_inhibitor",
    "glutaminase_inhibitor",
    "lat1_inhibitor",
    "mapk_inhibitor",
    "mtor_inhibitor",
    "snat2_inhibitor",
    "sulfoximine",
]


def _scaled(name: str):
    """Return the drug's concentration over its Ki."""
    return symbol(f"{name}_e") / symbol(f"Ki_{name}")


def _drug(name: str, rules: Mapping, note: str, rates: Mapping | None = None) -> Module:
    """A drug in the medium, what it overrides, and what it binds to."""
    drug, loss, medium = symbols(f"{name}_e k_{name} medium")
    return Module(name, (Reaction(f"{name}_loss", f"{name}_e =>", loss * drug * medium),), rules, rates or {}, note=note)


def asx173() -> Module:
    """ASX-173 binds ASNS that holds Mg-ATP: uncompetitive (cryo-EM and kinetics, bioRxiv 10.1101/2025.10.16.682859, abstract)."""
    return _drug("asx173", {"asns_uncompetitive": _scaled("asx173")}, "uncompetitive inhibitor of ASNS")


def sulfoximine() -> Module:
    """The adenylated sulfoximine, a transition-state analogue that binds ASNS slowly and tightly.

    Gutierrez 2006, Chem Biol 13, 1339 (PMID 17185229). `sulfoximine_asns` is the enzyme that is bound, in the units of `asns`; it
    is lost and diluted as the free enzyme is, while new enzyme arrives free. `sulfoximine_bound` is its share, so it falls
    when ASNS is induced, and with a constant ASNS the law of the share is kon drug (1 - b) - (koff + k_asns + growth) b.
    """
    drug, bound, enzyme, floor = symbols("sulfoximine_e sulfoximine_asns asns asns_floor")
    k_on, k_off, degradation, growth = symbols("kon_sulfoximine koff_sulfoximine k_asns growth_rate")
    rules = {
        "sulfoximine_bound": bound / (enzyme + floor),
        "asns_free": 1 - symbol("sulfoximine_bound"),
    }
    rates = {"sulfoximine_asns": k_on * drug * (enzyme - bound) - (k_off + degradation + growth) * bound}
    return _drug("sulfoximine", rules, "slow, tight inhibitor of ASNS, Gutierrez 2006", rates)


def gcn2_inhibitor() -> Module:
    """An ATP-competitive GCN2 inhibitor, such as a triazolopyrimidine (PMC6197744).

    Traces of such compounds can activate GCN2; this law only inhibits.
    """
    rules = {"gcn2_kinase_activity": 1 / (1 + _scaled("gcn2_inhibitor"))}
    return _drug("gcn2_inhibitor", rules, "blocks the answer to uncharged tRNA")


def mtor_inhibitor() -> Module:
    """A Torin: blocks the kinase site, so S6K and 4E-BP1 both lose their phosphate (Liu 2013, Cancer Res 73, 2574: Torin2).

    Rapamycin spares part of 4E-BP1 and is not this drug.
    """
    rules = {"mtor_kinase_activity": 1 / (1 + _scaled("mtor_inhibitor"))}
    return _drug("mtor_inhibitor", rules, "kinase-site inhibitor of mTOR")


def mapk_inhibitor() -> Module:
    """A MEK inhibitor, trametinib: takes the MNK1-eIF4E arm of ATF4 translation (Pathria 2019, doi 10.1038/s41556-019-0415-1)."""
    return _drug("mapk_inhibitor", {"mapk_activity": 1 / (1 + _scaled("mapk_inhibitor"))}, "trametinib")


def asct2_inhibitor() -> Module:
    """V-9302 (Schulte 2018, doi 10.1038/nm.4464); whether ASCT2 is its only target is contested."""
    return _drug("asct2_inhibitor", {"asct2_activity": 1 / (1 + _scaled("asct2_inhibitor"))}, "V-9302")


def lat1_inhibitor() -> Module:
    """JPH203, which blocks LAT1 without being carried (Okunushi 2019, doi 10.1254/jpssuppl.92.0_1-p-105)."""
    return _drug("lat1_inhibitor", {"lat1_activity": 1 / (1 + _scaled("lat1_inhibitor"))}, "JPH203")


def snat2_inhibitor() -> Module:
    """MMTC (Gauthier-Coles 2022, Front Pharmacol 13, 963066); another laboratory saw no effect (Front Pharmacol 14, 1302445)."""
    return _drug("snat2_inhibitor", {"snat2_activity": 1 / (1 + _scaled("snat2_inhibitor"))}, "MMTC")


def glutaminase_inhibitor() -> Module:
    """CB-839, telaglenastat (Gross 2014, doi 10.1158/1535-7163.MCT-13-0870)."""
    return _drug("glutaminase_inhibitor", {"gls_activity": 1 / (1 + _scaled("glutaminase_inhibitor"))}, "CB-839")


def carrier_inhibitor() -> Module:
    """A blocker of the Asn carrier, as hypothetical as the carrier itself: what would its discovery be worth?"""
    return _drug("carrier_inhibitor", {"asn_carrier_activity": 1 / (1 + _scaled("carrier_inhibitor"))}, "hypothetical")

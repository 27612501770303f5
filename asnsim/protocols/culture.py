"""Pools, label and uptake of cells in culture."""

from __future__ import annotations

import numpy as np

from asnsim.protocols.bench import Load, crossing, cultured, fold, followed, growth, uptake
from asnsim.studies import dmem, knock_out, label
from asnsim.trajectory import Trajectory

__all__ = [
    "double_knock_out", "fed", "v02", "v03", "v04", "v05", "v06", "v07", "v09", "v10", "v11", "v12", "v13", "v14", "v20", "v21",
]  # fmt: skip

_POOLS = ("asn", "asp", "gln", "glu", "ser", "arg", "his", "leu")
#: Serum brings 10 % of its own Asn: 30-50 umol/L in the serum of calves, as in plasma (assumed).
_SERUM_ASN = 4.0


def v02(load: Load) -> dict[str, float]:
    """Asn of fresh DMEM: read from the table."""
    return {"asn_e": load("cell", "dmem").value("asn_e")}


def v03(load: Load) -> dict[str, float]:
    """Asn of fresh RPMI 1640: read from the table."""
    return {"asn_e": load("cell", "rpmi").value("asn_e")}


def v04(load: Load) -> dict[str, float]:
    """Where cell Asn stands among eight amino acids: four breast lines, 48 h from 4e4 cells/mL.

    Media as suppliers of the lines recommend them: MCF10A in DMEM/F12, MCF-7 and MDA-MB-468 in DMEM, SK-BR-3 in McCoy's 5A.
    """
    shares = []
    for line, medium in (("mcf10a", "dmem_f12"), ("mcf7", "dmem"), ("mda_mb_468", "dmem"), ("skbr3", "mccoy5a")):
        end = cultured(load("cell", medium, line), 48.0, 4e4).at(48.0)
        shares.append(end["asn_c"] / float(np.median([end[f"{aa}_c"] for aa in _POOLS])))
    return {"asn_over_median": max(shares)}


def v05(load: Load) -> dict[str, float]:
    """Differentiated brown adipocytes with 1 mM Asn for a day against without, in the medium they had conditioned.

    A confluent dish that does not grow (5e5 cells/mL, assumed) in DMEM with serum, last changed two days before. The row says
    hours to a day; `asn_fold_12` is what half a day gives.
    """
    model = load("cell", "dmem", "brown_adipocyte").with_parameters(asn_e=_SERUM_ASN)
    plain = cultured(model, 72.0, 5e5, times=[48.0, 60.0, 72.0])
    fed = cultured(model, 72.0, 5e5, changes=[(48.0, {"asn_e": plain.at(48.0)["asn_e"] + 1000.0})], times=[60.0, 72.0])
    return {name: fold(fed, "asn_c", t, plain) for name, t in (("asn_fold_12", 60.0), ("asn_fold", 72.0))}


def v06(load: Load) -> dict[str, float]:
    """Least medium Asn that gives nine tenths of the best growth of cells without Gln.

    HeLa moved into DMEM without Gln at 1e4 cells/mL, where medium Asn lasts; growth from 24 to 72 h, over that without Asn.
    """
    levels = (0.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 1000.0)
    model = load("cell", "dmem", "hela")
    rates = np.array(
        [
            growth(cultured(model, 72.0, 1e4, changes=[(0.0, {"gln_e": 0.0, "asn_e": asn})], times=[24.0, 72.0]), 24.0, 72.0)
            for asn in levels
        ]
    )
    rescue = (rates - rates[0]) / max(rates.max() - rates[0], 1e-9)
    return {"asn_for_90": crossing(levels, rescue, 0.9), "best_growth": float(rates.max())}


def fed(load: Load, asn: float) -> Trajectory:
    """Run 143B two days in DMEM with some Asn; `asnsim.studies.dmem`."""
    return followed(dmem(asn, load), [24.0, 48.0])


def v07(load: Load) -> dict[str, float]:
    """Asn of 143B after two days in DMEM without and with 1 mM Asn; see `fed`."""
    return {"asn_0": fed(load, 0.0).at(48.0)["asn_c"] * 1e-3, "asn_1": fed(load, 1000.0).at(48.0)["asn_c"] * 1e-3}


def v09(load: Load) -> dict[str, float]:
    """Other amino acids of 143B with 1 mM Asn over those without; see `fed`. Lys and Thr are not in the model."""
    low, high = (fed(load, asn).at(48.0) for asn in (0.0, 1000.0))
    return {aa: 100.0 * (high[f"{aa}_c"] / low[f"{aa}_c"] - 1) for aa in ("arg", "ser", "leu")}


def _labelled(load: Load) -> Trajectory:
    """Run 143B a day in 1 mM 13C4-Asn; `asnsim.studies.label`."""
    return followed(label(load), [10.0, 24.0])


def v10(load: Load) -> dict[str, float]:
    """Labelled fraction of cell Asn; see `_labelled`."""
    return {"label": _labelled(load).at(24.0)["asn_label"]}


def v11(load: Load) -> dict[str, float]:
    """Asn into protein, mM of cell water per h; see `_labelled`."""
    run = _labelled(load)
    return {f"flux_{t:.0f}": run.at(t)["asn_translation"] * 1e-3 for t in (10.0, 24.0)}


def v12(load: Load) -> dict[str, float]:
    """Gross efflux of Asn, all carriers, mM of cell water per h; see `_labelled`."""
    run = _labelled(load)
    return {f"efflux_{t:.0f}": run.at(t)["asn_gross_efflux"] * 1e-3 for t in (10.0, 24.0)}


def double_knock_out(load: Load, withdraw: bool = False) -> Trajectory:
    """Run the Asp-fed GOT1/2 double knock-out a day, and 2 h after the change of medium; `asnsim.studies.knock_out`."""
    return followed(knock_out(withdraw, load), [0.0, 24.0, 26.0])


def v13(load: Load) -> dict[str, float]:
    """Net secretion of Asn over the first day, per mean cell water, by the double knock-out; see `double_knock_out`."""
    run = double_knock_out(load)
    start, end = run.at(0.0), run.at(24.0, "before")
    gained = (end["asn_e"] - start["asn_e"]) * end["medium"]
    mean_water = (end["cytosol"] - start["cytosol"]) / np.log(end["cytosol"] / start["cytosol"])
    return {"secretion": float(gained / mean_water / 24.0 * 1e-3)}


def v14(load: Load) -> dict[str, float]:
    """Pools 2 h after a change to fresh medium without Asp, over those before; and Asn with Asp. See `double_knock_out`."""
    read = {}
    for withdraw, name in ((True, "withdrawn"), (False, "fresh")):
        run = double_knock_out(load, withdraw)
        before, after = run.at(24.0, "before"), run.at(26.0)
        read[f"asn_{name}"] = after["asn_c"] / before["asn_c"]
        if withdraw:
            read["asp_withdrawn"] = after["asp_c"] / before["asp_c"]
    return read


def v20(load: Load) -> dict[str, float]:
    """Uptake of Ser, Arg, His and Leu, S6K-P and translation 6 h after Asn is taken away, over those with 0.1 mM Asn.

    LPS2 in DMEM with 0.1 mM Asn, fresh medium at time 0, 1e5 cells/mL (assumed); S6K-P and translation per cell.
    """
    model = load("cell", "dmem", "lps2").with_parameters(asn_e=100.0)
    fed = cultured(model, 6.0, 1e5, times=[6.0])
    bare = cultured(model, 6.0, 1e5, changes=[(0.0, {"asn_e": 0.0})], times=[6.0])
    read = {f"uptake_{aa}": uptake(bare, aa, 6.0) / uptake(fed, aa, 6.0) for aa in ("ser", "arg", "his", "leu")}
    read["exchanged_over_leu"] = sum(read[f"uptake_{aa}"] for aa in ("ser", "arg", "his")) / 3 / read["uptake_leu"]
    for name in ("s6kp", "asn_translation"):
        read[name] = bare.at(6.0)[name] / fed.at(6.0)[name]
    return read


def v21(load: Load) -> dict[str, float]:
    """Growth with 0.1 mM Asn, over that of untreated cells: LPS2 without Gln; SUM159PT with CB-839. 24 to 72 h, 2e4 cells/mL."""
    left = load.number("cb839_gls_activity")
    read = {}
    for line, stress in (("lps2", {"gln_e": 0.0}), ("sum159pt", {"gls_activity": left})):
        model = load("cell", "dmem", line)
        rates = [
            growth(cultured(model, 72.0, 2e4, changes=[(0.0, change)], times=[24.0, 72.0]), 24.0, 72.0)
            for change in ({"asn_e": 0.0}, {**stress, "asn_e": 100.0})
        ]
        read[line] = rates[1] / rates[0]
    return read

"""Growth, death and tumours: what cells do under drugs, blocks and knock-outs."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from asnsim.dosing import Regimen
from asnsim.protocols.bench import Load, cultured, fold, growth, solved
from asnsim.simulation import simulate
from asnsim.solvers import NDF

__all__ = ["v19", "v24", "v25", "v45", "v46", "v47", "v48"]


def v19(load: Load) -> dict[str, float]:
    """Growth, S6K-P and ATF4 under a block of electron transport with 1 mM Asn, over untreated cells.

    143B in DMEM, 2e4 cells/mL; the dose of the inhibitor is the one that halves growth without Asn (dose not stated).
    """
    model = load("cell", "dmem", "solid_143b")

    def treated(etc: float, asn: float):
        return cultured(model, 48.0, 2e4, changes=[(0.0, {"etc_activity": etc, "asn_e": asn})], times=[24.0, 48.0])

    control = treated(1.0, 0.0)
    full = growth(control, 24.0, 48.0)
    dose = solved(
        lambda etc: growth(treated(etc, 0.0), 24.0, 48.0) - 0.5 * full, 0.02, 1.0, "no block of electron transport halves growth"
    )
    block, rescued = treated(dose, 0.0), treated(dose, 1000.0)
    read = {"growth_block": growth(block, 24.0, 48.0) / full, "growth_asn": growth(rescued, 24.0, 48.0) / full}
    for name in ("s6kp", "atf4"):
        read |= {f"{name}_block": fold(block, name, 24.0, control), f"{name}_asn": fold(rescued, name, 24.0, control)}
    for name in ("growth", "s6kp"):  # share of what the block took
        read[f"{name}_restored"] = (read[f"{name}_asn"] - read[f"{name}_block"]) / max(1 - read[f"{name}_block"], 1e-9)
    return read


def _expansion(load: Load, fold_asns: float, units_per_ml: float) -> float:
    """Growth rate of MOLT-4 from 24 to 72 h in RPMI with asparaginase, 1e5 cells/mL."""
    model = load("cell", "rpmi", "molt4", "pegaspargase")
    model = model.with_parameters(asns_abundance=model.value("asns_abundance") * fold_asns)
    doses = Regimen.single(units_per_ml * 1000.0 * 2e-3, "asnase_e") if units_per_ml else None
    return growth(cultured(model, 72.0, 1e5, doses=doses, times=[24.0, 72.0]), 24.0, 72.0)


def v24(load: Load) -> dict[str, float]:
    """Growth of MOLT-4 at 0.1 U/mL asparaginase over untreated, parental and ASNS-transduced; see `_expansion`."""
    over = load.number("transduction_fold")
    return {
        "parental": _expansion(load, 1.0, 0.1) / _expansion(load, 1.0, 0.0),
        "transduced": _expansion(load, over, 0.1) / _expansion(load, over, 0.0),
    }


def v25(load: Load) -> dict[str, float]:
    """Rank correlation of ASNS protein before, and of its message, with death by asparaginase over eight virtual ALL lines.

    Promoter openness and translation factor of the lines vary against each other (fixed grid), so message and protein differ.
    """
    base = load("cell", "rpmi", "all_low_asns", "pegaspargase")
    rows = []
    for openness, factor in zip((0.5, 1, 2, 4, 0.5, 1, 2, 4), (8, 2, 4, 0.5, 1, 16, 0.5, 4), strict=True):
        model = base.with_parameters(asns_openness=float(openness), asns_abundance=base.value("asns_abundance") * factor)
        run = cultured(model, 72.0, 1e5, doses=Regimen.single(1000.0 * 2e-3, "asnase_e"), times=[0.0, 72.0])
        before = run.at(0.0, "before")
        rows.append((before["asns"], before["asns_mrna"], -np.log(run.at(72.0)["cytosol"] / run.at(0.0)["cytosol"])))
    protein, message, death = np.array(rows).T
    return {"protein": float(spearmanr(protein, death).statistic), "message": float(spearmanr(message, death).statistic)}


def _patient(load: Load, *overlays: str, until: float = 336.0, dose: str | None = "2500 U/m^2", **values: float):
    """A patient after ten days without drug, then one dose of pegaspargase; times daily."""
    model = load("patient", *overlays).with_parameters(values)
    rest = simulate(model, until=240.0, times=[0.0, 240.0], solver=NDF(rtol=1e-7))
    start = {name: value for name, value in rest.end_state().items() if not name.startswith("cytosol")}
    model = model.with_parameters(start)
    regimen = Regimen.single(dose, "peg_1", duration="2 h") if dose else None
    return simulate(model, regimen, until, times=np.arange(0.0, until + 1, 24.0), solver=NDF(rtol=1e-7))


def v45(load: Load) -> dict[str, float]:
    """Liver ASNS message a week after asparaginase over before, with GCN2 and without (whole-body knock-out)."""
    wild, null = (_patient(load, until=168.0, gcn2_abundance=gcn2) for gcn2 in (1.0, 0.0))
    return {
        name: run.at(168.0)["asns_mrna_liver"] / run.at(0.0, "before")["asns_mrna_liver"]
        for name, run in (("wild_type", wild), ("gcn2_null", null))
    }


def v46(load: Load) -> dict[str, float]:
    """ATF4 and ASNS message of 143B a day after Asn restriction, over before, and what a MAPK inhibitor leaves of both."""
    model = load("cell", "dmem", "solid_143b").with_parameters(asn_e=100.0)
    plain, blocked = (
        cultured(model, 24.0, 1e5, changes=[(0.0, {"asn_e": 0.0, "mapk_activity": mapk})], times=[0.0, 24.0])
        for mapk in (1.0, load.number("mapk_left"))
    )
    read = {f"{n}_restricted": plain.at(24.0)[n] / plain.at(0.0, "before")[n] for n in ("atf4", "asns_mrna")}
    return read | {f"{n}_blocked": fold(blocked, n, 24.0, plain) for n in ("atf4", "asns_mrna")}


def v47(load: Load) -> dict[str, float]:
    """Asn, ATF4 and growth of HEK293 after a day of ASX-173, over vehicle; DMEM, 5e4 cells/mL (assumed)."""
    model, ratio = load("cell", "dmem", "hek293"), load.number("asns_inhibitor_over_Ki")
    vehicle, drug = (
        cultured(model, 48.0, 5e4, changes=[(0.0, {"asns_uncompetitive": x})], times=[24.0, 48.0]) for x in (0.0, ratio)
    )
    read = {name: fold(drug, name, 24.0, vehicle) for name in ("asn_c", "atf4")}
    return read | {"growth": growth(drug, 24.0, 48.0) / growth(vehicle, 24.0, 48.0)}


def v48(load: Load) -> dict[str, float]:
    """Growth of a small solid tumour with intact ASNS over four days after one dose of asparaginase, over untreated.

    Four days, in which it stays far from filling its niche; the activity is at its highest then.
    """
    dosed, plain = (_patient(load, until=96.0, dose=dose) for dose in ("2500 U/m^2", None))
    rates = [np.log(run.at(96.0)["cytosol_tumour"] / run.at(0.0)["cytosol_tumour"]) for run in (dosed, plain)]
    return {"growth": float(rates[0] / rates[1])}

"""The amino acid response and mTORC1: reporters, messages, titrations."""

from __future__ import annotations

import numpy as np

from asnsim.dosing import Regimen
from asnsim.protocols.bench import Load, crossing, cultured, fold, solved

__all__ = ["v15", "v17", "v22", "v23", "v49", "v50"]


def v15(load: Load) -> dict[str, float]:
    """ATF4 reporter of HT1080 GOT1/2 double knock-outs at 2 mM Asp over 20 mM; from 20 mM at time 0, 4e4 cells/mL (assumed)."""
    model = load("cell", "dmem", "ht1080", "got_dko").with_parameters(asp_e=20000.0)
    times = [9.0, 18.0, 27.0, 45.0]
    kept, low = (cultured(model, 45.0, 4e4, changes=[(0.0, {"asp_e": asp})], times=times) for asp in (20000.0, 2000.0))
    return {f"fold_{t:.0f}": fold(low, "reporter", t, kept) for t in times}


def v17(load: Load) -> dict[str, float]:
    """ATF4 reporter of HT1080 after 20 h of rotenone over vehicle, without and with 1 mM Asn; 4e4 cells/mL (assumed)."""
    model, left = load("cell", "dmem", "ht1080"), load.number("rotenone_etc_activity")
    vehicle, drug, rescued = (
        cultured(model, 20.0, 4e4, changes=[(0.0, {"etc_activity": etc, "asn_e": asn})], times=[20.0])
        for etc, asn in ((1.0, 0.0), (left, 0.0), (left, 1000.0))
    )
    return {"rotenone": fold(drug, "reporter", 20.0, vehicle), "with_asn": fold(rescued, "reporter", 20.0, vehicle)}


def v22(load: Load) -> dict[str, float]:
    """ASNS message of HepG2 12 h after glucose is taken away, over before; glucose removal is an eIF2 kinase input."""
    model = load("cell", "dmem", "hepg2")
    run = cultured(
        model,
        16.0,
        1e5,
        changes=[(0.0, {"eif2_kinase_input": load.number("glucose_removal_kinase")})],
        times=[0.0, 8.0, 12.0, 16.0],
    )
    start = run.at(0.0, "before")["asns_mrna"]
    return {f"mrna_{t:.0f}": run.at(t)["asns_mrna"] / start for t in (8.0, 12.0, 16.0)}


def v23(load: Load) -> dict[str, float]:
    """ASNS message and protein of MOLT-4 in RPMI after 12 h of 1 U/mL asparaginase, over before; 3e5 cells/mL (assumed)."""
    model = load("cell", "rpmi", "molt4", "pegaspargase")
    run = cultured(model, 12.0, 3e5, doses=Regimen.single(1000.0 * 2e-3, "asnase_e"), times=[0.0, 12.0])
    before, after = run.at(0.0, "before"), run.at(12.0)
    return {name: after[state] / before[state] for name, state in (("mrna", "asns_mrna"), ("protein", "asns"))}


def v49(load: Load) -> dict[str, float]:
    """Medium Leu that gives half of the S6K-P it can give: HeLa 50 min without Leu, then an hour at some Leu, in fresh DMEM."""
    model = load("cell", "dmem", "hela")
    levels = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 300.0, 800.0)
    signal = []
    for leu in levels:
        run = cultured(model, 2.0, 1e5, changes=[(0.0, {"leu_e": 0.0}), (50 / 60, {"leu_e": leu})], times=[110 / 60, 2.0])
        signal.append(run.at(110 / 60)["s6kp"])
    share = (np.array(signal) - signal[0]) / (signal[-1] - signal[0])
    return {"leu_half": crossing(levels, share, 0.5)}


def v50(load: Load) -> dict[str, float]:
    """When two classes of ISR genes peak under light-activated PKR, kept on: HeLa in DMEM, every quarter of an hour to 24 h.

    The light is as strong as Wong 2025 found it: after 3 h protein synthesis is a quarter of that in the dark.
    """
    model, left = load("isr_programme", "dmem", "hela"), load.number("opto_translation_left")

    def lit(kinase: float, times):
        return cultured(model, 24.0, 4e4, changes=[(0.0, {"eif2_kinase_input": kinase})], times=times)

    def brake(log_kinase: float) -> float:
        run = lit(float(np.exp(log_kinase)), [0.0, 3.0, 24.0])
        return run.at(3.0)["asn_translation"] / run.at(0.0, "before")["asn_translation"] - left

    kinase = float(np.exp(solved(brake, np.log(0.01), np.log(100.0), "no light brakes protein synthesis as it was measured")))
    run = lit(kinase, np.arange(0.0, 24.01, 0.25))
    rows = run.t >= 0
    return {f"{name}_peak": float(run.t[rows][np.argmax(run[f"{name}_mrna"][rows])]) for name in ("transient", "gradual")}

"""Label in the asparagine pool, enough for one labelled medium: the full isotopologue recipe is another module's work."""

from __future__ import annotations

from asnsim.network import Module, symbol, symbols

__all__ = ["asparagine_label"]


def asparagine_label() -> Module:
    """Fraction of cell Asn that came from labelled medium Asn, as in the 143B tracer experiment (V10).

    Every inward path brings the label of the medium, ASNS and old protein bring unlabelled Asn; the fraction relaxes at
    the rate of gross influx over the pool. Exchange carries label even where the net flux is zero, so each carrier
    counts with its gross inward flux, self-exchange included. The medium pool is taken as fully labelled.
    """
    asn_e, asn_c, label = symbols("asn_e asn_c asn_label")
    loaders, level, k_leak = symbols("loader_activity snat2_level k_asn_leak")
    snat2 = symbol("Vmax_snat2") * level * loaders * asn_e / symbol("Km_snat2_asn") / symbol("snat2_occupied")
    carrier = symbol("Vmax_asn_carrier") * asn_e / (symbol("K_asn_carrier") + asn_e)
    exchange = 0
    for name, capacity in (("asct2", 1), ("lat1", loaders), ("ylat2", 1)):
        inside, free, Vmax, K = symbols(f"{name}_inside {name}_free Vmax_{name} K_{name}_asn")
        exchange = exchange + Vmax * capacity * asn_e / K * inside / free
    k_deg, protein = symbols("k_protein_degradation protein")
    rules = {
        "asn_gross_influx": snat2 + carrier + exchange + k_leak * asn_e,
        "asn_unlabelled_influx": symbol("asns_rate") + k_deg * protein,
    }
    gross, fresh = symbols("asn_gross_influx asn_unlabelled_influx")
    rates = {"asn_label": (gross * (1 - label) - fresh * label) / asn_c}
    return Module("asparagine_label", (), rules, rates, note="13C label of cell Asn from fully labelled medium")

"""Amino acid transporters of the plasma membrane.

Fluxes are positive inward. Loaders (SNAT) are driven by sodium and bounded by it, antiporters exchange one for one,
so asparagine that leaves brings serine, arginine or histidine in.
"""

from __future__ import annotations

from asnsim.kinetics import antiport_fluxes, saturable_carrier
from asnsim.network import Module, Reaction, symbol, symbols

__all__ = ["asct2", "asn_carrier", "asn_leak", "asp_entry", "bulk_loader", "cat1", "lat1", "snat2", "ylat2"]


def _symport(name: str, substrates: tuple[str, ...], capacity, note: str) -> Module:
    """Sodium-coupled symport whose substrates compete: ``Vmax (a_e - a_c) / (1 + sum a_e + sum a_c)``.

    ``a_e = A_e/Km`` and ``a_c = A_c/(Km R)`` with R the largest accumulation sodium and voltage allow: literature Km are
    apparent values at physiological sodium and voltage, so these must not be counted a second time.
    """
    ratio, cytosol = symbols("symport_ratio cytosol")
    outside = {aa: symbol(f"{aa}_e") / symbol(f"Km_{name}_{aa}") for aa in substrates}
    inside = {aa: symbol(f"{aa}_c") / (symbol(f"Km_{name}_{aa}") * ratio) for aa in substrates}
    occupied = symbol(f"{name}_occupied")
    rules = {occupied.name: 1 + sum(outside.values()) + sum(inside.values())}
    reactions = tuple(
        Reaction(f"{name}_{aa}", f"{aa}_e -> {aa}_c", capacity * (outside[aa] - inside[aa]) / occupied * cytosol)
        for aa in substrates
    )
    return Module(name, reactions, rules, note=note)


def bulk_loader() -> Module:
    """SNAT1/5-like loader of Gln, Ser and His; Asn is not its substrate, or the pool at 1 mM outside becomes 28 mM."""
    Vmax, loaders = symbols("Vmax_loader loader_activity")
    return _symport("loader", ("gln", "ser", "his"), Vmax * loaders, "SNAT1/5-like sodium symport, capacity follows mTORC1")


def snat2() -> Module:
    """SNAT2, system A: Asn, Gln, Ser, His; its abundance adapts to starvation (`snat2_level`)."""
    Vmax, level, loaders = symbols("Vmax_snat2 snat2_level loader_activity")
    return _symport("snat2", ("asn", "gln", "ser", "his"), Vmax * level * loaders, "system A sodium symport, induced by eIF2-P")


def _antiporter(name: str, substrates: tuple[str, ...], capacity, inside_K, note: str) -> Module:
    """Obligate 1:1 antiport: one reaction per pair of substrates, shared scaled sums as named rules."""
    eps, cytosol = symbols("empty_eps cytosol")
    K = {aa: symbol(f"K_{name}_{aa}") for aa in substrates}
    outside = {aa: symbol(f"{aa}_e") / K[aa] for aa in substrates}
    inside = {aa: symbol(f"{aa}_c") / (K[aa] * inside_K(aa)) for aa in substrates}
    total_out, total_in, free = symbols(f"{name}_outside {name}_inside {name}_free")
    rules = {
        total_out.name: sum(outside.values()),
        total_in.name: sum(inside.values()),
        free.name: total_out * (1 + total_in) + total_in * (1 + total_out) + eps,
    }
    reactions = tuple(
        Reaction(f"{name}_{i}_{j}", f"{i}_e + {j}_c -> {i}_c + {j}_e", flux * cytosol)
        for (i, j), flux in antiport_fluxes(outside, inside, free, capacity).items()
    )
    return Module(name, reactions, rules, note=note)


def asct2() -> Module:
    """ASCT2 (SLC1A5): electroneutral exchange of Asn, Gln, Ser with high affinity outside and mM affinity inside.

    One K_in/K_out for all substrates: a ratio of its own for Asn would be a perpetual-motion machine.
    """
    Vmax, asymmetry = symbols("Vmax_asct2 asct2_asymmetry")
    return _antiporter("asct2", ("asn", "gln", "ser"), Vmax, lambda aa: asymmetry, "SLC1A5, obligate antiport")


def lat1() -> Module:
    """LAT1 (SLC7A5): Leu and His in against Gln and, weakly, Asn; capacity follows mTORC1."""
    Vmax, loaders, asymmetry = symbols("Vmax_lat1 loader_activity lat1_asymmetry")
    return _antiporter("lat1", ("asn", "gln", "his", "leu"), Vmax * loaders, lambda aa: asymmetry, "SLC7A5, obligate antiport")


def ylat2() -> Module:
    """y+LAT2 (SLC7A6): Arg out against a neutral amino acid with sodium in; the sodium factor is on the neutral side only."""
    Vmax, sodium = symbols("Vmax_ylat2 sodium_ratio")
    return _antiporter(
        "ylat2", ("arg", "asn", "gln", "leu"), Vmax, lambda aa: 1 if aa == "arg" else sodium, "SLC7A6, obligate antiport"
    )


def cat1() -> Module:
    """CAT1 (SLC7A1): arginine uniport driven by the membrane voltage; capacity follows mTORC1."""
    Vmax, Km, voltage, loaders, cytosol = symbols("Vmax_cat1 Km_cat1_arg voltage_ratio loader_activity cytosol")
    outside, inside = symbol("arg_e") / Km, symbol("arg_c") / (Km * voltage)
    rate = Vmax * loaders * (outside - inside) / (1 + outside + inside) * cytosol
    return Module("cat1", (Reaction("cat1_arg", "arg_e -> arg_c", rate),), note="SLC7A1 uniport, accumulates by voltage")


def asn_carrier() -> Module:
    """A reversible saturable carrier for Asn: hypothetical, no gene assigned, needed by the 143B data.

    From a pool of 49 umol/L only a carrier that is half saturated there can export 2 mM/h, and a saturating one does not
    empty a pool of 10 mM; it also gives the 4-fold fall of the pool on a change of medium (V14).
    """
    outside, inside, Vmax, K, cytosol = symbols("asn_e asn_c Vmax_asn_carrier K_asn_carrier cytosol")
    rate = saturable_carrier(outside, inside, Vmax, K) * cytosol
    return Module("asn_carrier", (Reaction("asn_carrier_flux", "asn_e -> asn_c", rate),), note="hypothetical, no gene assigned")


def asn_leak() -> Module:
    """Basal first-order leak of Asn."""
    outside, inside, k, cytosol = symbols("asn_e asn_c k_asn_leak cytosol")
    return Module("asn_leak", (Reaction("asn_leak_flux", "asn_e -> asn_c", k * (outside - inside) * cytosol),), note="basal leak")


def asp_entry() -> Module:
    """Entry of aspartate from media that hold mM of it (GOT double knock-outs are kept alive so)."""
    outside, k, cytosol = symbols("asp_e k_asp_entry cytosol")
    return Module(
        "asp_entry", (Reaction("asp_entry_flux", "asp_e => asp_c", k * outside * cytosol),), note="only matters at mM outside"
    )

"""Amino acid transporters of the plasma membrane.

Fluxes are positive inward. Loaders (SNAT) are driven by sodium and bounded by it, antiporters exchange one for one,
so asparagine that leaves brings serine, arginine or histidine in. The capacity of each is ``Vmax x abundance x activity``:
abundance is relative to 143B and belongs to a cell line, activity is 1 unless a drug blocks it.
"""

from __future__ import annotations

from asnsim.kinetics import antiport_fluxes, saturable_carrier
from asnsim.network import Module, Reaction, symbol, symbols

__all__ = [
    "asct2",
    "asn_carrier",
    "asn_leak",
    "asp_entry",
    "atb0",
    "b0at1",
    "bulk_loader",
    "cat1",
    "lat1",
    "snat2",
    "system_n",
    "ylat2",
]


def _capacity(name: str):
    """Return Vmax x abundance x activity of one transporter."""
    return symbol(f"Vmax_{name}") * symbol(f"{name}_abundance") * symbol(f"{name}_activity")


def _symport(name: str, substrates: tuple[str, ...], capacity, ratio, note: str) -> Module:
    """Sodium-coupled symport whose substrates compete: ``Vmax (a_e - a_c) / (1 + sum a_e + sum a_c)``.

    ``a_e = A_e/Km`` and ``a_c = A_c/(Km R)`` with R the largest accumulation sodium and voltage allow: literature Km are
    apparent values at physiological sodium and voltage, so these must not be counted a second time.
    """
    (cytosol,) = symbols("cytosol")
    outside = {aa: symbol(f"{aa}_e") / symbol(f"Km_{name}_{aa}") for aa in substrates}
    inside = {aa: symbol(f"{aa}_c") / (symbol(f"Km_{name}_{aa}") * ratio) for aa in substrates}
    occupied = symbol(f"{name}_occupied")
    rules = {occupied.name: 1 + sum(outside.values()) + sum(inside.values())}
    reactions = tuple(
        Reaction(
            f"{name}_{aa}",
            f"{aa}_e -> {aa}_c",
            capacity * (outside[aa] - inside[aa]) / occupied * cytosol,
            capacity * inside[aa] / occupied * cytosol,
        )
        for aa in substrates
    )
    return Module(name, reactions, rules, note=note)


def bulk_loader() -> Module:
    """SNAT1-like loader of Gln, Ser and His; Asn is not its substrate, or the pool at 1 mM outside becomes 28 mM."""
    capacity = _capacity("loader") * symbol("loader_mtor")
    return _symport(
        "loader", ("gln", "ser", "his"), capacity, symbol("symport_ratio"), "SNAT1-like sodium symport, capacity follows mTORC1"
    )


def snat2() -> Module:
    """SNAT2, system A: Asn, Gln, Ser, His; its abundance adapts to starvation (`snat2_level`)."""
    capacity = _capacity("snat2") * symbol("snat2_level") * symbol("loader_mtor")
    return _symport(
        "snat2",
        ("asn", "gln", "ser", "his"),
        capacity,
        symbol("symport_ratio"),
        "system A sodium symport, induced by eIF2-P, capacity follows mTORC1",
    )


def system_n() -> Module:
    """SNAT3/5, system N: Gln, Asn, His, Ser with one Na in against one H out; electroneutral, so it runs both ways easily.

    Chaudhry 1999 Cell 99, 769. The largest accumulation is ``(Na_e/Na_c) (H_e/H_c)``, without the voltage.
    """
    ratio = symbol("sodium_ratio") * symbol("proton_ratio")
    return _symport(
        "system_n",
        ("asn", "gln", "his", "ser"),
        _capacity("system_n"),
        ratio,
        "SLC38A3/A5: Na symport, H antiport, electroneutral",
    )


def b0at1() -> Module:
    """B0AT1 (SLC6A19): neutral amino acids with one Na, of kidney and gut epithelia; low affinity (Bohmer 2005)."""
    return _symport(
        "b0at1", ("asn", "gln", "leu", "ser"), _capacity("b0at1"), symbol("symport_ratio"), "SLC6A19 sodium symport of epithelia"
    )


def atb0() -> Module:
    """ATB0,+ (SLC6A14): neutral and cationic amino acids with two Na and one Cl, strongly concentrative.

    The largest accumulation is ``(Na_e/Na_c)^2 (Cl_e/Cl_c) exp(-phi)``, taken as of a neutral substrate.
    """
    ratio = symbol("symport_ratio") * symbol("sodium_ratio") * symbol("chloride_ratio")
    return _symport(
        "atb0", ("arg", "asn", "gln", "leu", "ser"), _capacity("atb0"), ratio, "SLC6A14: 2 Na, 1 Cl symport, concentrative"
    )


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
        Reaction(f"{name}_{i}_{j}", f"{i}_e + {j}_c -> {i}_c + {j}_e", net * cytosol, back * cytosol)
        for (i, j), (net, back) in antiport_fluxes(outside, inside, free, capacity).items()
    )
    swaps = tuple(
        Reaction(f"{name}_{aa}_{aa}", f"{aa}_e -> {aa}_c", 0, capacity * outside[aa] * inside[aa] / free * cytosol)
        for aa in substrates
    )
    return Module(name, reactions, rules, exchanges=swaps, note=note)


def asct2() -> Module:
    """ASCT2 (SLC1A5): electroneutral exchange of Asn, Gln, Ser with high affinity outside and mM affinity inside.

    One K_in/K_out for all substrates: a ratio of its own for Asn would be a perpetual-motion machine.
    """
    (asymmetry,) = symbols("asct2_asymmetry")
    return _antiporter("asct2", ("asn", "gln", "ser"), _capacity("asct2"), lambda aa: asymmetry, "SLC1A5, obligate antiport")


def lat1() -> Module:
    """LAT1 (SLC7A5): Leu and His in against Gln and, weakly, Asn; capacity follows mTORC1."""
    (asymmetry,) = symbols("lat1_asymmetry")
    capacity = _capacity("lat1") * symbol("lat1_mtor")
    return _antiporter("lat1", ("asn", "gln", "his", "leu"), capacity, lambda aa: asymmetry, "SLC7A5, obligate antiport")


def ylat2() -> Module:
    """y+LAT2 (SLC7A6): Arg out against a neutral amino acid with sodium in; the sodium factor is on the neutral side only."""
    (sodium,) = symbols("sodium_ratio")
    return _antiporter(
        "ylat2",
        ("arg", "asn", "gln", "leu"),
        _capacity("ylat2"),
        lambda aa: 1 if aa == "arg" else sodium,
        "SLC7A6, obligate antiport",
    )


def cat1() -> Module:
    """CAT1 (SLC7A1): arginine uniport driven by the membrane voltage; capacity follows mTORC1."""
    Km, voltage, cytosol = symbols("Km_cat1_arg voltage_ratio cytosol")
    outside, inside = symbol("arg_e") / Km, symbol("arg_c") / (Km * voltage)
    capacity = _capacity("cat1") * symbol("cat1_mtor")
    rate = capacity * (outside - inside) / (1 + outside + inside) * cytosol
    back = capacity * inside / (1 + outside + inside) * cytosol
    return Module("cat1", (Reaction("cat1_arg", "arg_e -> arg_c", rate, back),), note="SLC7A1 uniport, accumulates by voltage")


def asn_carrier() -> Module:
    """A reversible saturable carrier for Asn: hypothetical, no gene assigned, needed by the 143B data.

    From a pool of 49 umol/L only a carrier that is half saturated there can export 2 mM/h, and a saturating one does not
    empty a pool of 10 mM; it also gives the 4-fold fall of the pool on a change of medium (V14).
    """
    outside, inside, K, cytosol = symbols("asn_e asn_c K_asn_carrier cytosol")
    capacity = _capacity("asn_carrier")
    reaction = Reaction(
        "asn_carrier_flux",
        "asn_e -> asn_c",
        saturable_carrier(outside, inside, capacity, K) * cytosol,
        capacity * inside / (K + inside) * cytosol,
    )
    return Module("asn_carrier", (reaction,), note="hypothetical, no gene assigned")


def asn_leak() -> Module:
    """Basal first-order leak of Asn."""
    outside, inside, k, cytosol = symbols("asn_e asn_c k_asn_leak cytosol")
    reaction = Reaction("asn_leak_flux", "asn_e -> asn_c", k * (outside - inside) * cytosol, k * inside * cytosol)
    return Module("asn_leak", (reaction,), note="basal leak")


def asp_entry() -> Module:
    """Entry of aspartate from media that hold mM of it (GOT double knock-outs are kept alive so)."""
    outside, k, cytosol = symbols("asp_e k_asp_entry cytosol")
    return Module(
        "asp_entry", (Reaction("asp_entry_flux", "asp_e => asp_c", k * outside * cytosol),), note="only matters at mM outside"
    )

"""Asparagine synthetase and the supply of its substrates."""

from __future__ import annotations

from asnsim.kinetics import michaelis_menten, ordered_ping_pong
from asnsim.network import Module, Reaction, symbol, symbols

__all__ = ["asns", "aspartate_glutamate", "catabolism"]


def asns() -> Module:
    """ASNS: Asp + Gln + ATP -> Asn + Glu + AMP + PPi, irreversible, inhibited by its product in competition with Asp.

    `asns_free` and `asns_uncompetitive` are where inhibitors act (`asnsim.biology.inhibitors`).
    """
    enzyme, asp, gln, glu, asn, atp, cytosol = symbols("asns asp_c gln_c glu_c asn_c atp_c cytosol")
    kcat, Km_asp, Km_gln, Km_atp, Ki_asn, Ki_glu = symbols(
        "kcat_asns Km_asns_asp Km_asns_gln Km_asns_atp Ki_asns_asn Ki_asns_glu"
    )
    eps, bound, free = symbols("empty_eps asns_uncompetitive asns_free")
    rate = ordered_ping_pong(
        kcat, enzyme * free, asp, gln, atp, asn, glu, Km_asp, Km_gln, Km_atp, Ki_asn, Ki_glu, eps, uncompetitive=bound
    )
    return Module(
        "asns",
        (Reaction("asns_flux", "asp_c + gln_c + $atp_c => asn_c + glu_c + $amp_c", symbol("asns_rate") * cytosol),),
        {"asns_rate": rate},
        note="ordered bi-uni-uni-ter ping-pong, Markin 1981",
    )


def aspartate_glutamate() -> Module:
    """Aspartate from glutamate by GOT and the electron transport chain; glutaminase, glutamine synthetase; nucleotides.

    Aspartate needs a linear loss to collapse when its supply stops (V14) and a use for nucleotides that follows protein
    synthesis; `etc_activity` and `got_activity` are the switches of rotenone and of the GOT1/2 double knock-out.
    Glutaminase and the oxidation of glutamate follow mTORC1 in part (`asnsim.biology.mtorc1`).
    """
    asp, gln, glu, cytosol, translation = symbols("asp_c gln_c glu_c cytosol asn_translation")
    Vmax_got, K_got, etc, got, k_asp, j_nuc, K_nuc = symbols(
        "Vmax_got Km_got_glu etc_activity got_activity k_asp_loss nucleotide_demand Km_nucleotide_asp"
    )
    Vmax_gls, Km_gls, k_glu, Vmax_gs, K_gs, Km_gs, source = symbols(
        "Vmax_gls Km_gls k_glu_loss Vmax_gs K_gs_repression Km_gs_glu glu_source"
    )
    Vmax_gls = Vmax_gls * symbol("gls_abundance") * symbol("gls_activity") * symbol("glutaminolysis_mtor")
    Vmax_gs = Vmax_gs * symbol("gs_abundance")
    reactions = (
        Reaction("asp_synthesis", "glu_c => asp_c + $carbon", michaelis_menten(glu, Vmax_got * etc * got, K_got) * cytosol),
        Reaction("asp_loss", "asp_c => 4 $carbon + $nitrogen", k_asp * asp * cytosol),
        Reaction(
            "nucleotides",
            "asp_c + gln_c => glu_c + 4 $carbon + 2 $nitrogen",
            j_nuc * michaelis_menten(asp, translation, K_nuc) * cytosol,
        ),
        Reaction("glutaminase", "gln_c => glu_c + $nitrogen", michaelis_menten(gln, Vmax_gls, Km_gls) * cytosol),
        Reaction(
            "gln_synthetase",
            "glu_c + $nitrogen => gln_c",
            michaelis_menten(glu, Vmax_gs, Km_gs) / (1 + gln / K_gs) * cytosol,
        ),
        Reaction("glu_loss", "glu_c => 5 $carbon + $nitrogen", k_glu * symbol("glutaminolysis_mtor") * glu * cytosol),
        Reaction("glu_supply", "5 $carbon + $nitrogen => glu_c", source * cytosol),
    )
    return Module("aspartate_glutamate", reactions, note="GOT and ETC set aspartate; glutaminase and GS set glutamate")


def catabolism() -> Module:
    """First-order use of Ser, Leu, Arg and His outside protein."""
    (cytosol,) = symbols("cytosol")
    atoms = {"ser": (3, 1), "leu": (6, 1), "arg": (6, 4), "his": (6, 3)}
    reactions = []
    for name, (carbon, nitrogen) in atoms.items():
        pool, k = symbols(f"{name}_c k_{name}_loss")
        reactions.append(Reaction(f"{name}_loss", f"{name}_c => {carbon} $carbon + {nitrogen} $nitrogen", k * pool * cytosol))
    return Module("catabolism", tuple(reactions), note="first-order use outside protein")

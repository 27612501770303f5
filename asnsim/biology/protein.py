"""Charging of tRNA, translation and protein degradation, with whole residues accounted for."""

from __future__ import annotations

from asnsim.kinetics import smooth_positive
from asnsim.network import Module, Reaction, symbol, symbols
from asnsim.tables import models_folder, read_tsv

__all__ = ["charging", "residues_per_asparagine", "translation"]


def residues_per_asparagine() -> dict[str, float]:
    """Return residues of each modelled amino acid per Asn residue in cell protein, from ``models/composition.tsv``."""
    rows = read_tsv(models_folder() / "composition.tsv", required=("amino_acid", "fraction"))
    fraction = {row["amino_acid"]: row.number("fraction") for row in rows}
    return {aa: round(value / fraction["asn"], 4) for aa, value in fraction.items() if aa != "asn"}


def charging() -> Module:
    """AsnRS charges tRNA(Asn): saturable in Asn and in uncharged tRNA; the fastest process of the cell.

    Uncharged tRNA is rounded at zero: beyond its pole the law would charge more tRNA than there is, and a root would lie there.
    """
    asn, charged, total, cytosol = symbols("asn_c trna_asn trna_total cytosol")
    uncharged, Vmax, Km, K = symbols("trna_uncharged Vmax_asnrs Km_asnrs_asn K_asnrs_trna")
    rate = Vmax * asn / (Km + asn) * uncharged / (K + uncharged) * cytosol
    return Module(
        "charging",
        (Reaction("asn_charging", "asn_c + $trna => trna_asn", rate),),
        {"trna_uncharged": smooth_positive(total - charged, symbol("trna_floor")), "trna_charged_fraction": charged / total},
        note="asparaginyl-tRNA synthetase",
    )


def translation() -> Module:
    """Protein synthesis in Asn residues: needs charged tRNA, every modelled amino acid, free eIF2B and mTORC1's targets.

    A share is secreted (143B makes matrix); what is degraded returns its residues.
    """
    charged, protein, cytosol, rate = symbols("trna_asn protein cytosol asn_translation")
    jmax, K_tl, eif2p, K_2b, n_2b, basal, s6kp, ebp1p, crowding = symbols(
        "Vmax_translation K_translation_trna eif2p K_eif2b n_eif2b mtor_independent_share s6kp ebp1p crowding"
    )
    secreted, k_deg, half, half_asp = symbols("secreted_share k_protein_degradation K_translation_aa K_translation_asp")
    free = 1 / (1 + (eif2p / K_2b) ** n_2b)
    drive = basal + (1 - basal) * (s6kp + ebp1p) / 2
    supply = 1
    per_asn = residues_per_asparagine()
    for aa in per_asn:
        (pool,) = symbols(f"{aa}_c")
        supply = supply * pool / ((half_asp if aa == "asp" else half) + pool)
    side = "trna_asn + " + " + ".join(f"{number} {aa}_c" for aa, number in per_asn.items())
    back = "asn_c + " + " + ".join(f"{number} {aa}_c" for aa, number in per_asn.items())
    rules = {
        "eif2_brake": free,
        "mtor_drive": drive,
        "amino_acid_supply": supply,
        "asn_translation": jmax
        * symbols("translation_abundance")[0]
        * crowding
        * symbols("eif2_brake")[0]
        * symbols("mtor_drive")[0]
        * symbols("amino_acid_supply")[0]
        * charged
        / (K_tl + charged),
    }
    reactions = (
        Reaction("protein_synthesis", f"{side} => protein + $trna", (1 - secreted) * rate * cytosol),
        Reaction("protein_secretion", f"{side} => protein_e + $trna", secreted * rate * cytosol),
        Reaction("protein_degradation", f"protein => {back}", k_deg * protein * cytosol),
    )
    return Module("translation", reactions, rules, note="protein counted in Asn residues, other residues in proportion")

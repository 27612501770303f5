"""Asparagine from elsewhere: eaten protein, and ammonia in place of glutamine. And what making protein costs."""

from __future__ import annotations

from asnsim.biology.protein import charging, residues_per_asparagine
from asnsim.kinetics import michaelis_menten
from asnsim.network import Module, Reaction, symbols

__all__ = ["asns_ammonia", "energy", "macropinocytosis"]


def macropinocytosis() -> Module:
    """Fluid is drunk with the protein in it, which is degraded to its amino acids; more when mTORC1 is low.

    Ras-transformed cells live on albumin so (Commisso 2013, doi 10.1038/nature12138); that mTORC1 holds back the use of eaten
    protein is Palm 2015 (Cell), from memory. `k_macropinocytosis` is fluid per h over cell water, at full activity. `protein_e`
    starts at zero and holds what cells secrete or leave; give it the protein of serum to feed on that.
    """
    protein, m, cytosol = symbols("protein_e mtorc1 cytosol")
    k, basal, activity = symbols("k_macropinocytosis macropinocytosis_basal macropinocytosis_activity")
    amino_acids = " + ".join(["asn_c", *(f"{number} {aa}_c" for aa, number in residues_per_asparagine().items())])
    rules = {"macropinocytosis_activity": basal + (1 - basal) * (1 - m)}
    reaction = Reaction("macropinocytosis_flux", f"protein_e => {amino_acids}", k * activity * protein * cytosol)
    return Module("macropinocytosis", (reaction,), rules, note="protein of the medium as food, held back by mTORC1")


def asns_ammonia() -> Module:
    """ASNS takes free NH3 where no glutamine is bound; small at the ammonia of cells, so no recipe has it.

    Coricello 2024, Nat Commun 15, 10538: kcat and Km of human ASNS, of free NH3 at pH 8. Bound glutamine
    raises the Km of NH3 as a competitor does; that NH3 in turn takes enzyme from glutamine is left out, as it is far below
    its Km. Inhibitors act as on the glutamine branch.
    """
    enzyme, free, bound, cytosol = symbols("asns asns_free asns_uncompetitive cytosol")
    asp, asn, gln, atp = symbols("asp_c asn_c gln_c atp_c")
    kcat, Km, Km_asp, Km_gln, Km_atp, Ki = symbols("kcat_asns_nh3 Km_asns_nh3 Km_asns_asp Km_asns_gln Km_asns_atp Ki_asns_asn")
    ammonia, share = symbols("ammonia_c nh3_free_share")
    nitrogen = michaelis_menten(ammonia * share, 1, Km * (1 + gln / Km_gln))
    aspartate = asp / (Km_asp * (1 + asn / Ki) + asp * (1 + bound))
    rate = kcat * enzyme * free * nitrogen * aspartate * michaelis_menten(atp, 1, Km_atp) * cytosol
    reaction = Reaction("asns_ammonia_flux", "asp_c + $nitrogen + $atp_c => asn_c + $amp_c", rate)
    return Module("asns_ammonia", (reaction,), note="the ammonia branch of ASNS, Coricello 2024")


def energy() -> Module:
    """`atp_use`: energy-rich bonds spent on asparagine and protein, umol/h per L of cell water; nothing depends on it.

    Two for an Asn made (ATP to AMP), two for a residue charged, two GTP for a residue added to a chain: four per residue of
    protein. The Asn residues are counted as charged where the model charges them. Textbook.
    """
    made, translated, fraction, cytosol = symbols("asns_rate asn_translation asn_fraction_of_protein cytosol")
    (charged,) = (reaction.rate for reaction in charging().reactions)
    residues = translated / fraction
    rules = {"atp_use": 2 * made + 2 * charged / cytosol + 4 * residues - 2 * translated}
    return Module("energy", (), rules, note="cost of asparagine and protein")

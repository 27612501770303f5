"""Asparaginase around cells: hydrolysis of Asn and, more weakly, Gln."""

from __future__ import annotations

from asnsim.kinetics import michaelis_menten
from asnsim.network import Module, Reaction, symbols

__all__ = ["asparaginase_decay", "asparaginase_hydrolysis"]


def asparaginase_hydrolysis() -> Module:
    """Asn -> Asp + NH3 and Gln -> Glu + NH3 in the medium. 1 U is 1 umol/min at 37 C and saturation, 60 umol/h."""
    drug, asn, gln, medium = symbols("asnase_e asn_e gln_e medium")
    per_unit, Km_asn, Km_gln, share = symbols("umol_per_unit_hour Km_asnase_asn Km_asnase_gln glutaminase_share")
    reactions = (
        Reaction("asnase_asn", "asn_e => asp_e + nh3_e", michaelis_menten(asn, per_unit * drug, Km_asn) * medium),
        Reaction("asnase_gln", "gln_e => glu_e + nh3_e", michaelis_menten(gln, per_unit * drug * share, Km_gln) * medium),
    )
    return Module("asparaginase_hydrolysis", reactions, note="U = umol/min at saturation")


def asparaginase_decay() -> Module:
    """First-order loss of enzyme activity in culture; makes `asnase_e` a state one can dose."""
    drug, k, medium = symbols("asnase_e k_asnase_decay medium")
    return Module("asparaginase_decay", (Reaction("asnase_loss", "asnase_e =>", k * drug * medium),), note="activity in culture")

"""mTORC1 with leucine, arginine, asparagine and glutamine as inputs, and its targets."""

from __future__ import annotations

from asnsim.kinetics import hill
from asnsim.network import Module, symbol, symbols

__all__ = ["mtorc1"]


def mtorc1() -> Module:
    """mTORC1, S6K-P, 4E-BP1-P as fractions, and the shares of transport and of glutaminolysis that follow mTORC1.

    Glutaminase and glutamate dehydrogenase both do (Csibi 2014, 2013); were it the loader alone, Gln would double when Asn is
    given, and Leu, driven by Gln through LAT1, would answer Asn more than Ser, Arg and His do.
    Leu and Arg act together through the Rags, Asn and Gln beside them (Meng 2020); the response is cooperative, or
    leucine withdrawal would leave S6K-P at 80 %. Above a coupled share of 0.86 the loop to transport is bistable.
    """
    leu, arg, asn, gln, m, s6kp, ebp1p = symbols("leu_c arg_c asn_c gln_c mtorc1 s6kp ebp1p")
    K_leu, K_arg, K_asn, K_gln, w_asn, w_gln, n, K = symbols(
        "K_mtor_leu K_mtor_arg K_mtor_asn K_mtor_gln w_mtor_asn w_mtor_gln n_mtor K_mtor_drive"
    )
    rate, t_s6k, t_ebp, reference, activity = symbols("k_mtorc1 tau_s6k tau_ebp1 mtorc1_reference mtor_kinase_activity")
    drive = symbols("amino_acid_drive")[0]
    rules = {
        "amino_acid_drive": leu / (K_leu + leu) * arg / (K_arg + arg) + w_asn * asn / (K_asn + asn) + w_gln * gln / (K_gln + gln),
    }
    for protein in ("loader", "lat1", "cat1", "glutaminolysis"):
        share = symbol(f"{protein}_mtor_share")
        rules[f"{protein}_mtor"] = 1 - share + share * m / reference
    rates = {
        "mtorc1": rate * (activity * hill(drive, K, n) - m),
        "s6kp": (m - s6kp) / t_s6k,
        "ebp1p": (m - ebp1p) / t_ebp,
    }
    return Module("mtorc1", (), rules, rates, note="Leu x Arg with Asn and Gln in parallel; drives translation and loaders")

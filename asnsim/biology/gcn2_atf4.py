"""The amino acid response: uncharged tRNA -> GCN2 -> eIF2-P -> ATF4 -> ASNS, SNAT2, GADD34, CHOP/TRIB3."""

from __future__ import annotations

from asnsim.kinetics import hill
from asnsim.network import Module, symbol, symbols

__all__ = ["atf4_reporter", "gcn2_atf4", "isr_programme", "promoter_memory"]


def gcn2_atf4() -> Module:
    """GCN2, ATF4 and what they induce; leave it out of a recipe and ASNS and SNAT2 are constants.

    eIF2 phosphorylation is a fraction; ATF4, its mRNA, the ASNS transcript and SNAT2 are folds of their fed, unstressed
    value. ASNS protein follows translation (Su 2008: message alone does not predict protein) and is diluted by growth; a share
    starvation doubles the life of its message. A share `asns_eif2_escape` of the brake of eIF2-P passes it by, as it passes
    other messages of the response.
    mTORC1 raises ATF4 message and, through 4E-BP, its translation (Park 2017), independently of eIF2-P; MAPK-MNK1-eIF4E
    drives that arm and rises when Asn is short (Pathria 2019). TRIB3 follows CHOP and brakes ATF4.
    """
    eif2p, gadd34, mrna, atf4, chop, trib3, pre, asns_mrna, asns, snat2 = symbols(
        "eif2p gadd34 atf4_mrna atf4 chop trib3 asns_premrna asns_mrna asns snat2_level"
    )
    eif2_brake, escape, privileged = symbols("eif2_brake asns_eif2_escape asns_translation")
    active, memory, gain = symbols("gcn2_kinase_activity promoter_memory memory_gain")
    mapk, signal, feedforward = symbols("mapk_activity mapk_signal mapk_feedforward")
    uncharged, m, ebp1p, translation, growth = symbols("trna_uncharged mtorc1 ebp1p asn_translation growth_rate")
    K_gcn2, n_gcn2, basal, stress, k_on, k_off, gain34 = symbols(
        "K_gcn2_trna n_gcn2 basal_eif2_kinase eif2_kinase_input k_eif2_on k_eif2_off gadd34_gain"
    )
    d_m, b_m, auto, d_p, fold4, K_4, n_4, w_4, m_ref = symbols(
        "k_atf4_mrna mtor_atf4_mrna atf4_autoregulation k_atf4 atf4_translation_fold K_atf4_eif2p n_atf4_eif2p "
        "ebp1_atf4 mtorc1_reference"
    )
    K_34, n_34, t_34, K_chop, n_chop, t_chop, t_trib3, brake = symbols(
        "K_gadd34 n_gadd34 tau_gadd34 K_chop n_chop tau_chop tau_trib3 trib3_brake"
    )
    fold_a, K_a, n_a, lag, d_r, d_e, unit_copies, j_ref, mu_ref = symbols(
        "asns_induction K_asns_atf4 n_asns_atf4 tau_asns_lag k_asns_mrna k_asns asns_capacity translation_reference "
        "growth_reference"
    )
    fold_s, K_s, n_s, t_s = symbols("snat2_induction K_snat2_eif2p n_snat2_eif2p tau_snat2")
    abundance, reference = symbols("asns_abundance cell_volume_reference")
    output, promoter, gcn2, stabilised = symbols("atf4_output asns_promoter gcn2_activity asns_mrna_stabilisation")
    openness, cell_volume, per_copy = symbols("asns_openness cell_volume umol_per_copy")
    rules = {
        "gcn2_activity": symbol("gcn2_abundance") * active * hill(uncharged, K_gcn2, n_gcn2),
        "atf4_output": atf4 * (1 - brake * trib3),
        "asns_promoter": openness * (1 + gain * memory) * (1 + fold_a * hill(output, K_a, n_a)),
        "asns_translation": translation * eif2_brake ** (-escape),
        "mapk_signal": mapk * (1 + feedforward * hill(uncharged, K_gcn2, n_gcn2)),
        "asns_copies": asns * cell_volume / per_copy,
    }
    rates = {
        "eif2p": k_on * (gcn2 + basal + stress) * (1 - eif2p) - k_off * (1 + gain34 * gadd34) * eif2p,
        "gadd34": (hill(atf4, K_34, n_34) - gadd34) / t_34,
        "atf4_mrna": d_m * ((1 + b_m * m) / (1 + b_m * m_ref) * (1 + auto * hill(output, K_a, n_a)) - mrna),
        "atf4": d_p * (mrna * (1 + (fold4 - 1) * hill(eif2p, K_4, n_4)) * (1 + w_4 * signal * ebp1p) / (1 + w_4 * m_ref) - atf4),
        "chop": (hill(atf4, K_chop, n_chop) - chop) / t_chop,
        "trib3": (chop - trib3) / t_trib3,
        "asns_premrna": (promoter - pre) / lag,
        "asns_mrna": d_r * (pre - (1 - stabilised * gcn2) * asns_mrna),
        "asns": abundance * unit_copies * per_copy / reference * (d_e + mu_ref) * privileged / j_ref * asns_mrna
        - (d_e + growth) * asns,
        "snat2_level": (1 + fold_s * hill(eif2p, K_s, n_s) - snat2) / t_s,
    }
    return Module("gcn2_atf4", (), rules, rates, note="GCN2-eIF2-ATF4 and its targets; leave out to switch induction off")


def isr_programme() -> Module:
    """Two classes of ISR genes, as opto-PKR separates them (Batjargal 2023), and the light-driven kinase that sets them off.

    Both follow ATF4. Messages of the transient class are short-lived and shut off by a late repressor that ATF4 itself induces
    (ATF3, C/EBPbeta and CHOP on CARE promoters, as at ASNS: Chen 2004); those of the gradual class wait for CHOP (a coherent
    feed-forward) and live longer. The kinase loses activity while it is lit (Wong 2025 report it without a number).
    """
    output, chop, late, transient, gradual, kinase = symbols(
        "atf4_output chop late_repressor transient_mrna gradual_mrna eif2_kinase_input"
    )
    fold, K, n, K_late, tau_late, K_r, k_t, k_g, k_opto = symbols(
        "programme_induction K_programme n_programme K_late_repressor tau_late_repressor K_repression k_transient_mrna "
        "k_gradual_mrna k_opto_decay"
    )
    drive = hill(output, K, n)
    rates = {
        "late_repressor": (hill(output, K_late, n) - late) / tau_late,
        "transient_mrna": k_t * ((1 + fold * drive) / (1 + (late / K_r) ** 2) - transient),
        "gradual_mrna": k_g * (1 + fold * drive * chop - gradual),
        "eif2_kinase_input": -k_opto * kinase,
    }
    return Module("isr_programme", (), {}, rates, note="transient and gradual ISR genes under a light-driven kinase")


def promoter_memory() -> Module:
    """A slow opening of the ASNS promoter under lasting ATF4: resistant MOLT-4 keep ASNS for weeks (Aslanian 2001)."""
    memory, output, K, tau = symbols("promoter_memory atf4_output K_memory_atf4 tau_memory")
    rate = (hill(output, K, 4) - memory) / tau
    return Module("promoter_memory", (), {}, {"promoter_memory": rate}, note="slow, epigenetic: weeks")


def atf4_reporter() -> Module:
    """A stable fluorescent ATF4 reporter, as read in the 143B and HT1080 experiments: accumulates, diluted by growth."""
    reporter, atf4, growth, fold, K, n, k = symbols(
        "reporter atf4 growth_rate reporter_induction K_reporter n_reporter k_reporter"
    )
    mu_ref = symbols("growth_reference")[0]
    rate = (k + mu_ref) * (1 + fold * hill(atf4, K, n)) - (k + growth) * reporter
    return Module("atf4_reporter", (), {}, {"reporter": rate}, note="stable reporter: slow because it accumulates")

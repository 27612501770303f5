"""Six states for a first lesson: asparagine outside and inside, ATF4, ASNS, the drug, and the cells."""

from __future__ import annotations

from asnsim.kinetics import hill, michaelis_menten
from asnsim.network import Module, Reaction, symbols

__all__ = ["teaching_growth", "teaching_medium", "teaching_response", "teaching_synthesis", "teaching_transport"]


def teaching_medium() -> Module:
    """Fluid outside: supply, use by the rest of the body, and asparaginase that decays."""
    asn, drug, medium, supply, k_use, per_unit, Km, k_drug = symbols(
        "asn_e asnase_e medium asn_supply k_asn_use umol_per_unit_hour Km_asnase_asn k_asnase_decay"
    )
    reactions = (
        Reaction("asn_supply_flux", "$body_asn => asn_e", supply * medium),
        Reaction("asn_use", "asn_e => $body_asn", k_use * asn * medium),
        Reaction("asnase_asn", "asn_e => $asp_e + $ammonia", michaelis_menten(asn, per_unit * drug, Km) * medium),
        Reaction("asnase_loss", "asnase_e =>", k_drug * drug * medium),
    )
    return Module("teaching_medium", reactions, note="supply, use and asparaginase outside the cells")


def teaching_transport() -> Module:
    """Uptake and efflux of Asn lumped into a saturable uptake and a first-order loss."""
    outside, inside, Vmax, Km, k, cytosol = symbols("asn_e asn_c Vmax_uptake Km_uptake k_efflux cytosol")
    reactions = (
        Reaction("uptake", "asn_e => asn_c", michaelis_menten(outside, Vmax, Km) * cytosol),
        Reaction("efflux", "asn_c => asn_e", k * inside * cytosol),
    )
    return Module("teaching_transport", reactions, note="uptake and efflux, lumped")


def teaching_synthesis() -> Module:
    """ASNS with product inhibition; substrates are not limiting here."""
    asn, asns, Vmax, Ki, cytosol = symbols("asn_c asns Vmax_asns Ki_asns_asn cytosol")
    rate = Vmax * asns / (1 + asn / Ki) * cytosol
    return Module("teaching_synthesis", (Reaction("asns_flux", "$body_asn => asn_c", rate),), note="ASNS, substrates in excess")


def teaching_response() -> Module:
    """Low Asn raises ATF4, ATF4 raises ASNS: the amino acid response in two equations.

    `asns_basal` is the promoter's openness: 0.03 in an ALL-like, 0.6 in a solid-tumour-like cell.
    """
    asn, atf4, asns, fold4, K_low, n_low, t_4 = symbols("asn_c atf4 asns atf4_fold K_atf4_asn n_atf4_asn tau_atf4")
    basal, fold_a, K_a, n_a, t_a = symbols("asns_basal asns_fold K_asns_atf4 n_asns_atf4 tau_asns")
    rates = {
        "atf4": (1 + fold4 * (1 - hill(asn, K_low, n_low)) - atf4) / t_4,
        "asns": (basal * (1 + fold_a * hill(atf4 - 1, K_a, n_a)) - asns) / t_a,
    }
    return Module("teaching_response", (), {}, rates, note="amino acid response; leave out to switch induction off")


def teaching_growth() -> Module:
    """Cells grow on Asn and die without it; pools are diluted by growth and released by death."""
    asn, cytosol, j, K_g, mu_max, k_death, K_d, n_d, cell_volume = symbols(
        "asn_c cytosol asn_demand K_growth mu_max k_death K_death n_death cell_volume"
    )
    g, mu, death = symbols("growth_factor growth_rate death_rate")
    rules = {
        "growth_factor": asn / (K_g + asn),
        "growth_rate": mu_max * g,
        "death_rate": k_death * (1 - hill(g, K_d, n_d)),
        "cells": cytosol / cell_volume,
    }
    reactions = (
        Reaction("protein_use", "asn_c => $asn_protein", j * g * cytosol),
        Reaction("asn_release", "asn_c => asn_e", death * asn * cytosol),
    )
    return Module("teaching_growth", reactions, rules, {"cytosol": (mu - death) * cytosol}, note="growth, starvation and death")

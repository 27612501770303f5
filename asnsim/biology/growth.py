"""Growth from the protein balance, starvation, death and the release of what dead cells held."""

from __future__ import annotations

from asnsim.kinetics import hill, smooth_positive
from asnsim.network import Module, Reaction, symbol, symbols

__all__ = ["crowding", "growth"]

#: Cytosolic species and where they go when a cell dies.
_RELEASED = {aa: f"{aa}_c => {aa}_e" for aa in ("asn", "asp", "gln", "glu", "ser", "arg", "his", "leu")}


def growth() -> Module:
    """Cell water grows as protein accumulates and shrinks as cells die; pools are diluted by the compartment's own growth.

    Growth is net protein synthesis over the protein of a unit of cell water, so growth and the residue balance cannot
    contradict each other. Dying cells release pools and protein into the medium, so residues are conserved.
    """
    cytosol, protein, protein_ref, translation = symbols("cytosol protein protein_reference asn_translation")
    secreted, k_deg, width, charged = symbols("secreted_share k_protein_degradation growth_smoothing trna_charged_fraction")
    starvation, chop, k_death, n_death, K_z, n_z, t_z = symbols(
        "starvation chop k_death n_death K_starvation n_starvation tau_starvation"
    )
    mu, death, cell_volume, trna = symbols("growth_rate death_rate cell_volume trna_asn")
    net = ((1 - secreted) * translation - k_deg * protein) / protein_ref
    starved = smooth_positive(starvation, symbol("fraction_floor"))  # dust below zero has no power
    rules = {
        "growth_rate": smooth_positive(net, width),
        "death_rate": k_death * symbol("apoptotic_priming") * starved**n_death * (1 + chop),
        "cells": cytosol / cell_volume,
    }
    reactions = [Reaction(f"{aa}_release", equation, death * symbol(f"{aa}_c") * cytosol) for aa, equation in _RELEASED.items()]
    reactions.append(Reaction("trna_release", "trna_asn => asn_e + $trna", death * trna * cytosol))
    reactions.append(Reaction("protein_release", "protein => protein_e", death * protein * cytosol))
    rates = {
        "starvation": (1 - hill(charged, K_z, n_z) - starvation) / t_z,
        "cytosol": (mu - death) * cytosol,
    }
    return Module("growth", tuple(reactions), rules, rates, note="growth is net protein synthesis; death follows starvation")


def crowding() -> Module:
    """Translation slows as a niche fills up, so that a population in a body reaches a bound."""
    cells, cells_max, n = symbols("cells cells_max n_crowding")
    return Module("crowding", (), {"crowding": 1 / (1 + (cells / cells_max) ** n)}, note="a niche of finite size")

"""Side assays that turn an amount per vial into a concentration: cell count, cell volume, protein (BCA), DNA."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asnsim.lcms.draws import Draws
from asnsim.lcms.protocol import Protocol

__all__ = ["AssayBias", "SideAssays", "assay", "draw_bias"]


@dataclass(frozen=True, slots=True)
class AssayBias:
    """Systematic factors of one batch's assays; 1 is unbiased."""

    cell_volume: float
    protein: float
    dna: float


@dataclass(frozen=True, slots=True)
class SideAssays:
    """Assay results of one sample: cells, pL per cell, mg protein, ug DNA."""

    cell_count: float = math.nan
    cell_volume_pL: float = math.nan
    protein_mg: float = math.nan
    dna_ug: float = math.nan


def draw_bias(protocol: Protocol, draws: Draws) -> AssayBias:
    """Draw the factors that all samples of a batch share: sizing of the cells and the curves of the protein and DNA assays."""
    assays = protocol.bench["assays"]
    return AssayBias(
        draws.lognormal(assays["cell_volume_cv"]), draws.lognormal(assays["protein_bias"]), draws.lognormal(assays["dna_bias"])
    )


def assay(cells: float, cell_volume: float, protocol: Protocol, bias: AssayBias, draws: Draws) -> SideAssays:
    """Measure the side assays of one sample of cells.

    Parameters
    ----------
    cells : float
        True number of cells.
    cell_volume : float
        True volume of one cell, L.
    protocol : Protocol
        Spreads and contents per cell.
    bias : AssayBias
        Shared factors of the batch.
    draws : Draws
        Random numbers of this sample.
    """
    assays = protocol.bench["assays"]
    return SideAssays(
        cells * draws.lognormal(assays["cell_count_cv"]),
        cell_volume * 1e12 * bias.cell_volume,
        cells * assays["protein_pg_per_cell"] * 1e-9 * bias.protein * draws.lognormal(assays["protein_cv"]),
        cells * assays["dna_pg_per_cell"] * 1e-6 * bias.dna * draws.lognormal(assays["dna_cv"]),
    )

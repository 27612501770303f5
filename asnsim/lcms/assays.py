"""Side assays that turn an amount per vial into a concentration: cell count, cell volume, protein (BCA), DNA (dye).

Protein and DNA are read off a curve of the assay's own standards, made once per batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asnsim.lcms.draws import Draws
from asnsim.lcms.protocol import Protocol

__all__ = ["AssayBias", "Reader", "SideAssays", "assay", "draw_bias"]

_LEVELS = np.array([0.0625, 0.125, 0.25, 0.5, 1.0])  # of the top standard
_REPEATS = 2


@dataclass(frozen=True, slots=True)
class Reader:
    """A plate reader with its curve: signal = a c/(1 + c/h), which flattens where the dye runs out.

    Parameters
    ----------
    half : float
        h, true: the concentration at which the signal is half of what a line would give.
    fitted : (float, float)
        a and h as fitted to the standards.
    bias : float
        What the assay makes of the sample's own matrix, 1 is right.
    """

    half: float
    fitted: tuple[float, float]
    bias: float

    def read(self, content: float, cv: float, draws: Draws) -> float:
        """Return what a sample of this content reads, with an error of its signal."""
        signal = content * self.bias / (1.0 + content * self.bias / self.half) * draws.lognormal(cv)
        a, half = self.fitted
        below = 1.0 - signal / (a * half)
        return signal / a / below if below > 0.0 else math.inf

    @classmethod
    def calibrated(cls, top: float, half: float, cv: float, bias: float, draws: Draws) -> Reader:
        """Measure the standards, in duplicate, and fit ``c/signal = 1/a + c/(a h)``, which is linear in c."""
        levels = np.repeat(top * _LEVELS, _REPEATS)
        signal = levels / (1.0 + levels / half) * draws.lognormal(cv, levels.shape)
        slope, intercept = np.polyfit(levels, levels / signal, 1, w=1.0 / levels)
        # a curve that would bend upwards is read as a line
        return cls(half, (1.0 / float(intercept), float(intercept / slope) if slope > 0 else math.inf), bias)


@dataclass(frozen=True, slots=True)
class AssayBias:
    """What one batch's assays share: a factor of the sized cells (1 is unbiased), and the readers of protein and DNA."""

    cell_volume: float
    protein: Reader
    dna: Reader


@dataclass(frozen=True, slots=True)
class SideAssays:
    """Assay results of one sample: cells, pL per cell, mg protein, ug DNA; nan where an assay was beyond its curve."""

    cell_count: float = math.nan
    cell_volume_pL: float = math.nan
    protein_mg: float = math.nan
    dna_ug: float = math.nan


def draw_bias(protocol: Protocol, draws: Draws, standards: Draws) -> AssayBias:
    """Draw what all samples of a batch share.

    Parameters
    ----------
    protocol : Protocol
        Spreads.
    draws, standards : Draws
        Random numbers of the biases, and of the assays' standards.
    """
    assays = protocol.bench["assays"]
    factors = [draws.lognormal(assays[name]) for name in ("cell_volume_cv", "protein_bias", "dna_bias")]
    protein, dna = (
        Reader.calibrated(assays[f"{name}_top"], assays[f"{name}_half"], assays[f"{name}_cv"], bias, standards)
        for name, bias in (("protein", factors[1]), ("dna", factors[2]))
    )
    return AssayBias(factors[0], protein, dna)


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
        What the batch shares.
    draws : Draws
        Random numbers of this sample.
    """
    assays, count = protocol.bench["assays"], cells * draws.lognormal(protocol.bench["assays"]["cell_count_cv"])
    lysate = assays["lysate_mL"]
    protein = bias.protein.read(cells * assays["protein_pg_per_cell"] * 1e-6 / lysate, assays["protein_cv"], draws)  # ug/mL
    dna = bias.dna.read(cells * assays["dna_pg_per_cell"] * 1e-6 / lysate, assays["dna_cv"], draws)
    mg, ug = protein * lysate * 1e-3, dna * lysate
    return SideAssays(
        count, cell_volume * 1e12 * bias.cell_volume, mg if math.isfinite(mg) else math.nan, ug if math.isfinite(ug) else math.nan
    )

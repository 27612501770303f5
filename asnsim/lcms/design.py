"""Design of a batch: calibrators, QCs, blanks and unknowns, and the order in which they are injected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asnsim.chromatogram import Sample
from asnsim.lcms.draws import Draws
from asnsim.lcms.protocol import Protocol

__all__ = ["Standard", "calibrator_levels", "qc_levels", "sequence", "standards"]


@dataclass(frozen=True, slots=True)
class Standard:
    """A prepared vial of known content: label, nominal concentrations (n_analytes,), with or without internal standard."""

    sample: Sample
    nominal: np.ndarray
    with_is: bool


def calibrator_levels(protocol: Protocol) -> np.ndarray:
    """Return nominal calibrators, umol/L, shape (n_levels, n_analytes): geometric from LLOQ to ULOQ."""
    n = int(protocol.method["calibrators"]["levels"])
    return np.array([np.geomspace(analyte.lloq, analyte.uloq, n) for analyte in protocol.analytes]).T


def qc_levels(protocol: Protocol) -> dict[str, np.ndarray]:
    """Return nominal QCs, umol/L: high, middle and low, each of shape (n_analytes,)."""
    qc = protocol.method["qc"]
    low = np.array([analyte.lloq for analyte in protocol.analytes])
    high = np.array([analyte.uloq for analyte in protocol.analytes])
    # from high to low: the next vial is then never preceded by the strongest one
    return {"HQC": qc["high"] * high, "MQC": np.sqrt(low * high), "LQC": qc["low"] * low}


def standards(protocol: Protocol, n_unknown: int) -> dict[str, list[Standard]]:
    """Return the vials of known content by group: opening blanks, first curve, QC sets, last curve, closing blanks."""
    zeros = np.zeros(len(protocol.analytes))
    levels, qcs, qc = calibrator_levels(protocol), qc_levels(protocol), protocol.method["qc"]
    groups: dict[str, list[Standard]] = {
        "open": [
            Standard(Sample("Double_Blank_1", "Double Blank"), zeros, False),
            Standard(Sample("Zero_1", "Zero", level="0"), zeros, True),
        ]
    }
    for replicate in range(1, int(protocol.method["calibrators"]["replicates"]) + 1):
        groups[f"curve{replicate}"] = [
            Standard(Sample(f"CAL{index}_{replicate}", "Standard", level=f"CAL{index}", replicate=replicate), nominal, True)
            for index, nominal in enumerate(levels, start=1)
        ]
        # directly after the top calibrator: what is left of it shows here, then a solvent cleans the needle for what follows
        groups[f"after{replicate}"] = [
            Standard(Sample(f"Blank_{replicate}", "Blank", replicate=replicate), zeros, True),
            Standard(Sample(f"Double_Blank_after_{replicate}", "Double Blank", replicate=replicate), zeros, False),
            Standard(Sample(f"Solvent_{replicate}", "Solvent", replicate=replicate), zeros, False),
        ]
    for replicate in range(1, max(int(qc["minimum"]), -(-n_unknown // int(qc["every"])) + 1) + 1):
        groups[f"qc{replicate}"] = [
            Standard(Sample(f"{level}_{replicate}", "QC", level=level, replicate=replicate), nominal, True)
            for level, nominal in qcs.items()
        ]
    return groups


def sequence(groups: dict[str, list[Standard]], unknowns: list, draws: Draws) -> list:
    """Order the batch: blanks, curve, blank, then unknowns in random order between QC sets, then the last curve.

    Parameters
    ----------
    groups : dict of str to list of Standard
        From `standards`.
    unknowns : list
        Vials of unknowns, in any form.
    draws : Draws
        For the random order.

    Returns
    -------
    list
        Items of `groups` and `unknowns`.
    """
    shuffled = [unknowns[index] for index in draws.permutation(len(unknowns))]
    curves = sorted(name for name in groups if name.startswith("curve"))
    qcs = sorted((name for name in groups if name.startswith("qc")), key=lambda name: int(name[2:]))
    order = list(groups["open"])
    for name in curves[: max(len(curves) - 1, 1)]:
        order += groups[name] + groups[name.replace("curve", "after")]
    blocks = np.array_split(np.arange(len(shuffled)), max(len(qcs) - 1, 1))
    for name, block in zip(qcs, blocks, strict=False):
        order += groups[name] + [shuffled[index] for index in block]
    order += groups[qcs[-1]]
    for name in curves[max(len(curves) - 1, 1) :]:
        order += groups[name] + groups[name.replace("curve", "after")]
    return order


def numbered(sample: Sample, position: int) -> Sample:
    """Return the sample with its place in the sequence and its file name."""
    return replace(sample, inj_number=position, file=f"{position:04d}_{sample.name}.mzML")

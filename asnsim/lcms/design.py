"""Design of a batch: calibrators, QCs, blanks and unknowns, and the order in which they are injected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from asnsim.chromatogram import Sample
from asnsim.errors import DataError, suggest
from asnsim.lcms.draws import Draws
from asnsim.lcms.protocol import Protocol

__all__ = ["EXTRAS", "Standard", "calibrator_levels", "extras", "pooled", "qc_levels", "sequence", "standards", "validation"]

#: Sets of vials that a batch may have beside calibrators, QCs and blanks.
EXTRAS = ("dilution_qc", "pooled_qc", "matrix_sets", "stability")
_LOTS = 6  # of blank matrix; ICH M10
_REPEATS = 5  # of a QC in a validation run; ICH M10


@dataclass(frozen=True, slots=True)
class Standard:
    """A prepared vial of known content.

    Parameters
    ----------
    sample : Sample
        Its label.
    nominal : ndarray, shape (n_analytes,)
        Prepared concentrations, umol/L, before the dilution that the label states; nan for a pool of the unknowns.
    with_is : bool
        Whether it gets internal standard.
    matrix : bool
        Whether it holds extracted matrix; False is neat solvent.
    extracted : bool
        Whether analyte and internal standard went through the extraction; False if they were added afterwards.
    waits_h : float
        Hours that it stands before it is injected, beside its turn in the sequence.
    """

    sample: Sample
    nominal: np.ndarray
    with_is: bool
    matrix: bool = True
    extracted: bool = True
    waits_h: float = 0.0


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


def extras(protocol: Protocol, wanted: tuple[str, ...]) -> list[Standard]:
    """Return the vials of the extra sets, in the order they are injected.

    `dilution_qc`: five times the ULOQ, diluted tenfold, five vials. `pooled_qc`: a pool of all unknowns, see `pooled`.
    `matrix_sets`: A neat, B added after and C before the extraction, at the low and the high QC, in six lots of matrix
    (Matuszewski 2003, Anal. Chem. 75, 3019). `stability`: low and high QCs that stood for a day.

    Raises
    ------
    DataError
        If a set is not one of `EXTRAS`.
    """
    qcs, out = qc_levels(protocol), []
    for name in wanted:
        if name not in EXTRAS:
            raise DataError(f"'{name}' is not a set of vials{suggest(name, EXTRAS)} Known: {', '.join(EXTRAS)}")
    uloq = np.array([analyte.uloq for analyte in protocol.analytes])
    if "dilution_qc" in wanted:
        labels = (Sample(f"DQC_{k}", "QC", dilution_factor=10.0, level="DQC", replicate=k) for k in range(1, _REPEATS + 1))
        out += [Standard(label, 5.0 * uloq, True) for label in labels]
    if "stability" in wanted:
        for level in ("HQC", "LQC"):
            labels = (Sample(f"{level}_stored_{k}", "QC", level=f"{level} stored", replicate=k) for k in range(1, _REPEATS + 1))
            out += [Standard(label, qcs[level], True, waits_h=24.0) for label in labels]
    if "matrix_sets" in wanted:
        for level in ("LQC", "HQC"):
            for kind in "ABC":
                for lot in range(1, _LOTS + 1):
                    label = Sample(f"{kind}_{level}_{lot}", "Matrix", level=f"{kind} {level}", replicate=lot)
                    out.append(Standard(label, qcs[level], True, matrix=kind != "A", extracted=kind == "C"))
    return out


def validation(protocol: Protocol) -> list[Standard]:
    """Return the vials of one validation run: two curves, five QCs at each of four levels, blanks, and all sets but the pool."""
    groups, qcs = standards(protocol, 0), qc_levels(protocol)
    lowest = {"LLOQ QC": np.array([analyte.lloq for analyte in protocol.analytes])}
    order = [*groups["open"], *groups["curve1"], *groups["after1"]]
    for replicate in range(1, _REPEATS + 1):
        for level, nominal in (qcs | lowest).items():
            label = Sample(f"{level.replace(' ', '_')}_{replicate}", "QC", level=level, replicate=replicate)
            order.append(Standard(label, nominal, True))
    order += extras(protocol, ("dilution_qc", "stability", "matrix_sets"))
    return order + [item for name in sorted(groups) if name in ("curve2", "after2") for item in groups[name]]


def pooled(replicates: int = 6) -> list[Sample]:
    """Return the labels of pooled QCs."""
    return [Sample(f"Pool_{k}", "QC", level="Pool", replicate=k) for k in range(1, replicates + 1)]


def sequence(groups: dict[str, list], unknowns: list, draws: Draws, spread: Sequence = (), late: Sequence = ()) -> list:
    """Order the batch: blanks, curve, blank, then unknowns in random order between QC sets, then the last curve.

    Parameters
    ----------
    groups : dict of str to list
        Vials of known content, grouped as by `standards`.
    unknowns : list
        Vials of unknowns, in any form.
    draws : Draws
        For the random order.
    spread : sequence
        Vials that are spread evenly among the unknowns, such as pooled QCs.
    late : sequence
        Vials that are injected between the last QCs and the last curve.

    Returns
    -------
    list
        Items of `groups` and `unknowns`.
    """
    shuffled = [unknowns[index] for index in draws.permutation(len(unknowns))]
    for place, vial in enumerate(spread):
        shuffled.insert(round((place + 0.5) / len(spread) * (len(unknowns) + place)), vial)
    curves = sorted(name for name in groups if name.startswith("curve"))
    qcs = sorted((name for name in groups if name.startswith("qc")), key=lambda name: int(name[2:]))
    order = list(groups["open"])
    for name in curves[: max(len(curves) - 1, 1)]:
        order += groups[name] + groups[name.replace("curve", "after")]
    blocks = np.array_split(np.arange(len(shuffled)), max(len(qcs) - 1, 1))
    for name, block in zip(qcs, blocks, strict=False):
        order += groups[name] + [shuffled[index] for index in block]
    order += [*groups[qcs[-1]], *late]
    for name in curves[max(len(curves) - 1, 1) :]:
        order += groups[name] + groups[name.replace("curve", "after")]
    return order


def numbered(sample: Sample, position: int) -> Sample:
    """Return the sample with its place in the sequence and its file name."""
    return replace(sample, inj_number=position, file=f"{position:04d}_{sample.name}.mzML")

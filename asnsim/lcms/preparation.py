"""From a quenched sample, calibrator or blank to a vial on the autosampler."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asnsim.chromatogram import Sample
from asnsim.lcms.draws import Draws
from asnsim.lcms.extraction import recovered, strength
from asnsim.lcms.protocol import Protocol
from asnsim.lcms.sampling import Collected

__all__ = ["Vial", "occluded", "prepare", "prepare_standard", "unlabelled", "waited"]


@dataclass(frozen=True, slots=True)
class Vial:
    """What is dissolved in one vial.

    Parameters
    ----------
    sample : Sample
        Its label.
    light, heavy : ndarray, shape (n_analytes,)
        Analytes and internal standards as amount over the aliquot volume, umol/L: the scale on which calibrators are prepared.
    latent : dict of str to dict
        Values for the truth table by analyte.
    """

    sample: Sample
    light: np.ndarray
    heavy: np.ndarray
    latent: dict[str, dict[str, float]]


def unlabelled(protocol: Protocol) -> np.ndarray:
    """Return light analyte in the internal standards, over the standard, shape (n_analytes,): the method's or the bench's."""
    usual = protocol.bench["preparation"]["is_unlabelled"]
    return np.array([usual if math.isnan(analyte.is_unlabelled) else analyte.is_unlabelled for analyte in protocol.analytes])


def occluded(protocol: Protocol, matrix: str) -> float:
    """Return the fraction of analyte that the protein pellet holds back.

    Only plasma has much protein. Calibrators and QCs are made in a surrogate without it, because no plasma is free of amino
    acids: an internal standard that is added first is held back alike, and one that is added to the supernatant is not.
    """
    return protocol.bench["precipitation"]["occluded_plasma"] if matrix == "plasma" else 0.0


def _finish(
    sample: Sample,
    light: np.ndarray,
    with_is: bool,
    protocol: Protocol,
    latent: dict,
    draws: Draws,
    standards: dict[str, float],
    extracted: bool = True,
) -> Vial:
    """Add the standard, and take both through precipitation and drying, as far as they went through it.

    Light: ``n_l s r v1 v2 (1 - o)`` with strength s, recovery r, two volume errors v and the occluded fraction o. A standard
    added before shares all of it; one added afterwards is only brought to the same strength, and its unlabelled part with it.
    """
    preparation = protocol.bench["preparation"]
    concentration = protocol.method["preparation"]["is_concentration"] if with_is else 0.0
    heavy = np.array([concentration * draws.lognormal(preparation["is_cv"]) for _ in protocol.analytes])
    impurity = unlabelled(protocol) * heavy
    heavy = heavy * np.array([standards.get(analyte.id, 1.0) for analyte in protocol.analytes])
    cv, late = protocol.bench["precipitation"]["volume_cv"], protocol.is_added == "after_extraction"
    lost = recovered(protocol) * (1.0 - occluded(protocol, sample.matrix)) if extracted else 1.0
    kept = strength(protocol) * lost * draws.lognormal(cv) * draws.lognormal(cv)
    kept_is = strength(protocol) if late else kept
    for analyte, amount, standard in zip(protocol.analytes, light + impurity, heavy, strict=True):
        latent.setdefault(analyte.id, {}).update(vial_light=float(amount), vial_heavy=float(standard))
    return Vial(sample, kept * light + kept_is * impurity, kept_is * heavy, latent)


def prepare(sample: Sample, collected: Collected, protocol: Protocol, draws: Draws) -> Vial:
    """Add internal standard to a sample, precipitate, dry and reconstitute it, in the order the method says.

    A liquid is diluted (where the method says so) and an aliquot taken, each with a pipetting error; of cells the whole extract
    is used.

    Parameters
    ----------
    sample : Sample
        Label of the vial; gives the dilution.
    collected : Collected
        The quenched sample.
    protocol : Protocol
        Method and bench.
    draws : Draws
        Random numbers of this vial.
    """
    cv = protocol.bench["preparation"]["pipetting_cv"]
    if collected.matrix == "cells":
        factor = 1.0 / (protocol.method["preparation"]["aliquot_uL"] * 1e-6)
    else:
        factor = draws.lognormal(cv) * (draws.lognormal(cv) if sample.dilution_factor != 1.0 else 1.0)
    light = np.array([collected.content.get(analyte.id, 0.0) for analyte in protocol.analytes]) * factor / sample.dilution_factor
    latent = {name: dict(row) for name, row in collected.latent.items()}
    return _finish(sample, light, True, protocol, latent, draws, collected.standards)


def prepare_standard(
    sample: Sample,
    nominal: np.ndarray,
    stock: np.ndarray,
    with_is: bool,
    protocol: Protocol,
    draws: Draws,
    extracted: bool = True,
) -> Vial:
    """Prepare a calibrator, QC or blank.

    Parameters
    ----------
    sample : Sample
        Label of the vial.
    nominal : ndarray, shape (n_analytes,)
        Nominal concentrations, umol/L; zeros for blanks.
    stock : ndarray, shape (n_analytes,)
        True over nominal strength of the batch's stock solutions.
    with_is : bool
        Whether internal standard is added.
    protocol : Protocol
        Method and bench.
    draws : Draws
        Random numbers of this vial.
    extracted : bool
        Whether it went through the extraction; what was added afterwards was not lost in it.
    """
    light = nominal * stock * draws.lognormal(protocol.bench["preparation"]["pipetting_cv"])
    latent = {analyte.id: {"pool": float(value)} for analyte, value in zip(protocol.analytes, nominal, strict=True)}
    return _finish(sample, light, with_is, protocol, latent, draws, {}, extracted)


def waited(vial: Vial, hours: float, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Return light and heavy contents after waiting in the autosampler.

    Gln cyclises to pyroglutamate and is lost; Asn becomes Asp, which for the light form adds to light Asp. The labelled forms
    decay alike.

    Parameters
    ----------
    vial : Vial
        Content when it was capped.
    hours : float
        Time until injection, h.
    protocol : Protocol
        First-order rates.
    """
    preparation = protocol.bench["preparation"]
    kept = {
        "gln": math.exp(-preparation["gln_cyclisation_per_h"] * hours),
        "asn": math.exp(-preparation["asn_deamidation_per_h"] * hours),
    }
    ids = [analyte.id for analyte in protocol.analytes]
    factor = np.array([kept.get(name, 1.0) for name in ids])
    light, heavy = vial.light * factor, vial.heavy * factor
    if "asn" in ids and "asp" in ids:
        light[ids.index("asp")] += vial.light[ids.index("asn")] * (1.0 - kept["asn"])
    return light, heavy

"""From a concentration on the calibrators' scale to a result: dilution, amount per cells, protein or DNA."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asnsim.chromatogram import Sample
from asnsim.errors import DataError
from asnsim.quantify.method import Method

__all__ = ["Scale", "scale_of"]

SUFFIX = {"cells": "c", "medium": "e", "plasma": "p", "csf": "csf"}  # matrix -> suffix of the observable


@dataclass(frozen=True, slots=True)
class Scale:
    """How a sample's concentration becomes its result.

    Parameters
    ----------
    factor : float
        Result = factor x concentration on the calibrators' scale.
    unit : str
        Of the result.
    per_sample : float
        Relative standard uncertainty of the factor that this vial's analytes share.
    shared : dict of str to float
        Relative standard uncertainties that the whole batch shares, by cause.
    """

    factor: float
    unit: str
    per_sample: float
    shared: dict[str, float]


def scale_of(sample: Sample, method: Method, unit: str = "umol/L") -> Scale:
    """Return the scale of a sample.

    Cells: the amount n = x D V_aliquot/recovery is divided by N V_cell f_water (a concentration), by mg protein or by ug DNA.
    Liquids: x D.

    Parameters
    ----------
    sample : Sample
        Dilution and side assays.
    method : Method
        Normalisation and uncertainties.
    unit : str
        Of the calibrators.

    Raises
    ------
    DataError
        If the side assay that the method normalises by was not done, or the matrix is unknown.
    """
    if sample.type != "Unknown" or not sample.matrix:
        return Scale(sample.dilution_factor, unit, 0.0, {})
    if sample.matrix not in SUFFIX:
        raise DataError(f"sample '{sample.name}': matrix '{sample.matrix}' is not one of {', '.join(SUFFIX)}")
    stock = {"stock": method.shared.get("stock", 0.0)}
    diluting = method.per_sample.get("pipetting", 0.0) if sample.dilution_factor != 1.0 else 0.0
    if sample.matrix != "cells":
        return Scale(sample.dilution_factor, unit, diluting, stock)
    if not method.aliquot > 0:
        raise DataError(
            f"sample '{sample.name}': {method.name} states no aliquot_uL, which turns a concentration into an amount in cells; "
            "name the method that the cells were prepared with"
        )
    if unit != "umol/L":
        raise DataError(f"sample '{sample.name}': amounts in cells need calibrators in umol/L, not {unit}; convert them")
    amount = sample.dilution_factor * method.aliquot / sample.recovery  # umol per umol/L
    if method.normalise_by == "cell_volume":
        water = _assay(sample.cell_count, sample, "cell_count") * _assay(sample.cell_volume_pL, sample, "cell_volume_pL") * 1e-12
        factor, own, bias = amount / (water * method.water_fraction), "cell_count", "cell_volume"
    elif method.normalise_by == "protein":
        factor, own, bias = 1e3 * amount / _assay(sample.protein_mg, sample, "protein_mg"), "protein", "protein"
    else:
        factor, own, bias = 1e3 * amount / _assay(sample.dna_ug, sample, "dna_ug"), "dna", "dna"
    spread = math.hypot(method.per_sample.get(own, 0.0), method.per_sample.get("lysis", 0.0), diluting)
    shared = {**stock, "recovery": method.shared.get("recovery", 0.0), bias: method.shared.get(bias, 0.0)}
    return Scale(factor, method.unit_in_cells, spread, shared)


def _assay(value: float, sample: Sample, name: str) -> float:
    if not value > 0:
        raise DataError(
            f"sample '{sample.name}': {name} is missing in the sequence; "
            "the method normalises by it, so measure it or normalise otherwise"
        )
    return value

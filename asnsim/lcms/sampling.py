"""From a running culture or patient to a quenched sample: delay, film, washes, leak, lysis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from asnsim.errors import DataError
from asnsim.isotopes import parse_formula
from asnsim.lcms.draws import Draws
from asnsim.lcms.extraction import hydrolysed, hydrolysed_formula
from asnsim.lcms.protocol import MATRICES, Protocol

__all__ = ["Collected", "Moment", "collect_cells", "collect_liquid", "film_after_washes", "known_pools", "moment", "population"]

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Collected:
    """A quenched sample.

    Parameters
    ----------
    matrix : str
        One of `MATRICES`.
    content : dict of str to float
        Analyte to amount in umol (cells) or concentration in umol/L (liquids).
    cells : float
        Number of cells in the sample (nan for liquids).
    cell_volume : float
        Volume of one cell, L (nan for liquids).
    latent : dict of str to dict
        Analyte to the values nobody can see: pool, after the delay, n_in, n_film, recovery.
    standards : dict of str to float
        Analyte to its internal standard when the extraction begins, over what was added; 1 where not named.
    """

    matrix: str
    content: dict[str, float]
    cells: float
    cell_volume: float
    latent: dict[str, dict[str, float]]
    standards: dict[str, float] = field(default_factory=dict)


def film_after_washes(amount: float, film: float, wash: float, washes: int) -> float:
    """Return the amount of medium left in the film after washing.

    Each wash dilutes the film V_f into V_f + V_w and leaves V_f again: n <- n V_f/(V_f + V_w).

    Parameters
    ----------
    amount : float
        Amount in the film before washing, umol.
    film, wash : float
        Volumes, any common unit.
    washes : int
        Number of washes.
    """
    return amount * (film / (film + wash)) ** int(washes) if film > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A run at one sampling time: state when the sample is taken and when it is quenched; water of all cells in L."""

    taken: Mapping[str, float]
    quenched: Mapping[str, float]
    cytosol: float


def moment(run: object, t: float, matrix: str, protocol: Protocol) -> Moment:
    """Look at a run when a sample is taken, and let it run on until the sample is quenched.

    The model's own equations go on for the delay, with transport slowed by f_T, enzymes by Q10^((T - 37)/10) and flows of the
    body switched off: asparaginase keeps on working in the tube (Asselin 1991, Cancer Res. 51, 6568).

    Parameters
    ----------
    run : Trajectory
        Offers ``at``, ``volume``, ``advance`` and ``has``.
    t : float
        Sampling time, h.
    matrix : str
        One of `MATRICES`.
    protocol : Protocol
        Delays and temperatures.
    """
    sampling = protocol.bench["sampling"]
    taken = run.at(t)
    cytosol = float(run.volume("cytosol", t)) if matrix == "cells" else math.nan
    delay = sampling[f"{matrix}_delay_s"] / SECONDS_PER_HOUR
    if delay == 0.0:
        return Moment(taken, taken, cytosol)
    temperature = sampling["body_fluid_temperature_C"] if matrix in ("plasma", "csf") else sampling["temperature_C"]
    factor = {
        "transport": sampling[f"{matrix}_transport"],
        "enzyme": sampling["q10"] ** ((temperature - 37.0) / 10.0),
        "flow": 0.0,
    }
    scale = {}
    for name, kind in sampling["scale"].items():
        if kind not in factor:
            raise DataError(f"[sampling.scale] {name}: '{kind}' is not one of {', '.join(factor)}")
        if run.has(name):
            scale[name] = factor[kind]
    return Moment(taken, run.advance(t, delay, scale=scale), cytosol)


def population(now: Moment, protocol: Protocol) -> float:
    """Return the number of cells: as the model counts them, else from its cell water and its (or the bench's) water per cell."""
    if now.taken.get("cells", math.nan) > 0:
        return float(now.taken["cells"])
    per_cell = now.taken.get("cell_volume", math.nan)
    if not per_cell > 0:
        per_cell = (
            protocol.bench["sampling"]["reference_cell_volume_pL"] * 1e-12 * protocol.method["normalisation"]["water_fraction"]
        )
    return now.cytosol / per_cell


def collect_cells(
    now: Moment, analytes: tuple[str, ...], protocol: Protocol, recovery: float, recovery_cv: float, draws: Draws
) -> Collected:
    """Aspirate, wash, quench and lyse one sample of cells.

    Parameters
    ----------
    now : Moment
        The culture at this time.
    analytes : tuple of str
        Analytes to follow.
    protocol : Protocol
        Method and bench.
    recovery : float
        Mean recovery of the batch's extraction, quench included.
    recovery_cv : float
        Its scatter between wells.
    draws : Draws
        Random numbers of this sample.
    """
    wash, number = protocol.bench["wash"], population(now, protocol)
    taken = min(number, protocol.bench["sampling"]["cells_per_sample"])
    share, minutes = taken / number, wash["washes"] * wash["seconds_each"] / 60.0
    rho = recovery * draws.lognormal(recovery_cv)
    content, latent = {}, {}
    for name in analytes:
        inside, outside = max(now.quenched.get(f"{name}_c", 0.0), 0.0), max(now.quenched.get(f"{name}_e", 0.0), 0.0)
        n_in = inside * now.cytosol * share * math.exp(-wash["leak_per_min"] * minutes)
        n_film = film_after_washes(outside * wash["film_uL"] * 1e-6, wash["film_uL"], 1e3 * wash["wash_mL"], wash["washes"])
        content[name] = (n_in + n_film) * rho
        latent[name] = {
            "pool": now.taken.get(f"{name}_c", math.nan),
            "at_quench": inside,
            "n_in": n_in,
            "n_film": n_film,
            "recovery": rho,
            "cells": taken,
        }
    water = protocol.method["normalisation"]["water_fraction"]
    return Collected("cells", content, taken, now.cytosol / water / number, latent)


def collect_liquid(now: Moment, matrix: str, analytes: tuple[str, ...], protocol: Protocol) -> Collected:
    """Take medium, plasma or CSF and quench it after the delay; see `collect_cells`.

    With internal standard in the tube from the start, light and labelled Asn compete for an enzyme that works on there.

    Raises
    ------
    DataError
        If the method adds its internal standard at a moment that is not known.
    """
    suffix, added = MATRICES[matrix], protocol.is_added
    content = {name: max(float(now.quenched[f"{name}_{suffix}"]), 0.0) for name in analytes}
    standards = _in_the_tube(content, now, matrix, protocol) if added == "at_sampling" and "asn" in analytes else {}
    latent = {
        name: {
            "pool": now.taken[f"{name}_{suffix}"],
            "at_quench": content[name],
            "n_in": math.nan,
            "n_film": 0.0,
            "recovery": 1.0,
            "cells": math.nan,
        }
        for name in analytes
    }
    return Collected(matrix, content, math.nan, math.nan, latent, standards)


def _in_the_tube(content: dict[str, float], now: Moment, matrix: str, protocol: Protocol) -> dict[str, float]:
    """Let light Asn, in `content`, and its standard share the enzyme; return what is left of the standards.

    The model's own light Asn, from start to quench, says how much the enzyme turned over. Of labelled Asn it makes labelled Asp,
    which adds to the Asp standard if that is the same isotopologue.
    """
    start, alone = float(now.taken[f"asn_{MATRICES[matrix]}"]), content["asn"]
    if not start > alone:
        return {}
    Km, preparation = protocol.bench["sampling"]["Km_asnase"], protocol.method["preparation"]
    turnover = start - alone + Km * math.log(start / max(alone, 1e-12 * start))
    added = preparation["is_concentration"] * preparation["dilution"][matrix]
    content["asn"], left = hydrolysed(start, added, turnover, Km)
    if "asp" in content:
        content["asp"] = max(content["asp"] - (content["asn"] - alone), 0.0)
    standards, known = {"asn": left / added}, {analyte.id: analyte for analyte in protocol.analytes}
    if "asp" in known and hydrolysed_formula(known["asn"].is_formula) == parse_formula(known["asp"].is_formula):
        standards["asp"] = 1.0 + (added - left) / added
    return standards


def known_pools(state: Mapping[str, float], analyte: str) -> tuple[str, ...]:
    """Return the matrices in which a model has this analyte."""
    return tuple(matrix for matrix, suffix in MATRICES.items() if f"{analyte}_{suffix}" in state)

"""From a running culture or patient to a quenched sample: delay, film, washes, leak, lysis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from asnsim.lcms.draws import Draws
from asnsim.lcms.protocol import MATRICES, Protocol

__all__ = ["Collected", "after_delay", "collect_cells", "collect_liquid", "film_after_washes"]

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Collected:
    """A quenched sample.

    Parameters
    ----------
    matrix : str
        ``cells``, ``medium`` or ``plasma``.
    content : dict of str to float
        Analyte to amount in umol (cells) or concentration in umol/L (liquids).
    cells : float
        Number of cells in the sample (nan for liquids).
    cell_volume : float
        Volume of one cell, L (nan for liquids).
    latent : dict of str to dict
        Analyte to the values nobody can see: pool, after the delay, n_in, n_film, recovery.
    """

    matrix: str
    content: dict[str, float]
    cells: float
    cell_volume: float
    latent: dict[str, dict[str, float]]


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


def after_delay(run: object, t: float, matrix: str, protocol: Protocol) -> dict[str, float]:
    """Return the state when the sample is quenched.

    The model's own equations run on for the delay, with transport slowed by f_T and enzymes by Q10^((T - 37)/10): asparaginase keeps on
    working in the tube (Asselin 1991, Cancer Res. 51, 6568).

    Parameters
    ----------
    run : Trajectory
        Offers ``at``, ``advance`` and ``has``.
    t : float
        Sampling time, h.
    matrix : str
        One of `MATRICES`.
    protocol : Protocol
        Delays and temperatures.
    """
    sampling = protocol.bench["sampling"]
    delay = sampling[f"{matrix}_delay_s"] / SECONDS_PER_HOUR
    if delay == 0.0:
        return run.at(t)
    temperature = sampling["plasma_temperature_C"] if matrix == "plasma" else sampling["temperature_C"]
    factor = {"transport": sampling[f"{matrix}_transport"], "enzyme": sampling["q10"] ** ((temperature - 37.0) / 10.0)}
    scale = {name: factor[kind] for name, kind in sampling.get("scale", {}).items() if run.has(name)}
    return run.advance(t, delay, scale=scale)


def collect_cells(run: object, t: float, analytes: tuple[str, ...], protocol: Protocol, recovery: float, draws: Draws) -> Collected:
    """Aspirate, wash, quench and lyse one sample of cells.

    Parameters
    ----------
    run : Trajectory
        Offers ``at``, ``volume``, ``advance`` and ``has``.
    t : float
        Time, h.
    analytes : tuple of str
        Analytes to follow.
    protocol : Protocol
        Method and bench.
    recovery : float
        Mean recovery of the batch's extraction.
    draws : Draws
        Random numbers of this sample.
    """
    sampling, wash = protocol.bench["sampling"], protocol.bench["wash"]
    before, state = run.at(t), after_delay(run, t, "cells", protocol)
    cytosol = float(run.volume("cytosol", t))  # L, all cells
    water = protocol.method["normalisation"]["water_fraction"]
    population = float(before.get("cells", math.nan))
    if not population > 0:
        population = cytosol / (sampling["reference_cell_volume_pL"] * 1e-12 * water)
    taken = min(population, sampling["cells_per_sample"])
    share, minutes = taken / population, wash["washes"] * wash["seconds_each"] / 60.0
    rho = recovery * draws.lognormal(protocol.bench["extraction"]["recovery_cv"])
    content, latent = {}, {}
    for name in analytes:
        n_in = state.get(f"{name}_c", 0.0) * cytosol * share * math.exp(-wash["leak_per_min"] * minutes)
        n_film = film_after_washes(state.get(f"{name}_e", 0.0) * wash["film_uL"] * 1e-6, wash["film_uL"], 1e3 * wash["wash_mL"], wash["washes"])
        content[name] = (n_in + n_film) * rho
        latent[name] = {
            "pool": before.get(f"{name}_c", math.nan), "at_quench": state.get(f"{name}_c", math.nan), "n_in": n_in, "n_film": n_film,
            "recovery": rho, "cells": taken,
        }  # fmt: skip
    return Collected("cells", content, taken, cytosol / water / population, latent)


def collect_liquid(run: object, t: float, matrix: str, analytes: tuple[str, ...], protocol: Protocol) -> Collected:
    """Take medium or plasma and quench it after the delay; see `collect_cells`."""
    suffix = MATRICES[matrix]
    before, state = run.at(t), after_delay(run, t, matrix, protocol)
    content = {name: max(float(state.get(f"{name}_{suffix}", 0.0)), 0.0) for name in analytes}
    latent = {
        name: {"pool": before.get(f"{name}_{suffix}", math.nan), "at_quench": content[name], "n_in": math.nan, "n_film": 0.0,
               "recovery": 1.0, "cells": math.nan}
        for name in analytes
    }  # fmt: skip
    return Collected(matrix, content, math.nan, math.nan, latent)


def known_pools(state: Mapping[str, float], analyte: str) -> tuple[str, ...]:
    """Return the matrices in which a model has this analyte."""
    return tuple(matrix for matrix, suffix in MATRICES.items() if f"{analyte}_{suffix}" in state)

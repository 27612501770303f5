"""Lysis, protein precipitation and drying: what of a sample reaches the vial, and how much matrix comes along."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import wrightomega

from asnsim.errors import DataError, suggest
from asnsim.isotopes import parse_formula
from asnsim.lcms.protocol import Protocol

__all__ = ["Lysis", "hydrolysed", "hydrolysed_formula", "lysis", "matrix_factor", "protein_left", "recovered", "strength"]

_SOLVENTS = ("acetonitrile", "methanol")


@dataclass(frozen=True, slots=True)
class Lysis:
    """How cells are opened: mean recovery, its bias between batches, its scatter between wells; fraction lost in the quench."""

    recovery: float
    recovery_bias: float
    recovery_cv: float
    quench_leak: float


def lysis(protocol: Protocol) -> Lysis:
    """Return the numbers of the mode that the bench names in [extraction].

    Adherent cells are quenched where they lie: what leaks stays in the extract. A suspension is spun out of the quench solvent
    and loses what leaked into it (Dietmair 2010, Anal. Biochem. 404, 155: 60 % methanol leaks).

    Raises
    ------
    DataError
        If the mode is not one of [lysis].
    """
    section, modes = protocol.bench["extraction"], protocol.bench["lysis"]
    if section["mode"] not in modes:
        raise DataError(f"[extraction] mode '{section['mode']}' is not a way to open cells{suggest(section['mode'], modes)}")
    numbers = modes[section["mode"]]
    leak = section["quench_leak"] if section["suspension"] else 0.0
    return Lysis(numbers["recovery"], numbers["recovery_bias"], numbers["recovery_cv"], leak)


def strength(protocol: Protocol) -> float:
    """Return what a perfect recovery would give in the vial, over the concentration in the aliquot.

    Solvent in the ratio r dilutes by D = 1 + r; dried and taken up again in a volume v times the aliquot it is 1/v.
    """
    section = protocol.bench["precipitation"]
    return 1.0 / section["reconstituted"] if section["dried"] else 1.0 / (1.0 + section["ratio"])


def recovered(protocol: Protocol) -> float:
    """Return the fraction that the extraction keeps: what is pipetted off the pellet, and what drying leaves.

    It is 1 if nothing is dried: then only the concentration of the supernatant counts.
    """
    preparation = protocol.bench["preparation"]
    return preparation["supernatant"] * preparation["dry_recovery"] if protocol.bench["precipitation"]["dried"] else 1.0


def protein_left(protocol: Protocol, solvent: str | None = None, ratio: float | None = None) -> float:
    """Return the fraction of protein that a precipitation leaves: a power law of the solvent's ratio, through 2:1 and 3:1.

    Raises
    ------
    DataError
        If the solvent is not acetonitrile or methanol, or the ratio is not positive.
    """
    section = protocol.bench["precipitation"]
    solvent, ratio = solvent or section["solvent"], section["ratio"] if ratio is None else ratio
    if solvent not in _SOLVENTS:
        raise DataError(f"[precipitation] solvent '{solvent}' is not one of {', '.join(_SOLVENTS)}")
    if not ratio > 0:
        raise DataError(f"[precipitation] ratio {ratio:g} is not positive; it is volumes of solvent per volume of sample")
    two, three = (section[f"{solvent}_left_{k}"] for k in (2, 3))
    return min(two * (ratio / 2.0) ** (math.log(three / two) / math.log(1.5)), 1.0)


def matrix_factor(protocol: Protocol, matrix: str) -> float:
    """Return the mean matrix factor of ESI: that of cell extracts, or of liquids by the protein that is left.

    What is suppressed grows with the protein left, from the bench's ``matrix_factor`` for acetonitrile 3:1; 0.05 at least.
    """
    esi = protocol.bench["esi"]
    if matrix == "cells":
        return esi["matrix_factor_cells"]
    more = protein_left(protocol) / protein_left(protocol, "acetonitrile", 3.0)
    return max(1.0 - (1.0 - esi["matrix_factor"]) * more, 0.05)


def hydrolysed(light: float, heavy: float, turnover: float, Km: float) -> tuple[float, float]:
    """Let an enzyme work on light and labelled substrate at once.

    Both compete in one Michaelis-Menten term, so both keep the same fraction: that of their sum S, with
    ``dS/dt = -Vmax S/(Km + S)``. Integrated, ``S = Km w(S0/Km + ln(S0/Km) - Vmax t/Km)`` with Wright's omega.

    Parameters
    ----------
    light, heavy : float
        umol/L at the beginning.
    turnover : float
        Vmax times the time, umol/L.
    Km : float
        umol/L.

    Returns
    -------
    light, heavy : float
        umol/L at the end.
    """
    total = light + heavy
    if total <= 0.0:
        return light, heavy
    left = Km * float(wrightomega(total / Km + math.log(total / Km) - turnover / Km)) / total
    return light * left, heavy * left


def hydrolysed_formula(formula: str) -> dict[str, int]:
    """Return the atoms of what asparaginase makes of a (labelled) asparagine: the amide NH2 becomes OH.

    The amide nitrogen of a labelled molecule is taken to be labelled where any nitrogen is.
    """
    atoms = parse_formula(formula)
    amide = "[15N]" if atoms.get("[15N]") else "N"
    atoms[amide] -= 1
    atoms["H"] -= 1
    atoms["O"] += 1
    return {atom: count for atom, count in atoms.items() if count}

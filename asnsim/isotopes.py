"""Formulas, exact masses and natural isotopes of tandem ions: what puts one molecule into another's channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asnsim.errors import DataError

__all__ = ["UNIT_RESOLUTION", "Species", "cross_talk", "ion_mass", "labelled_product", "parse_formula"]

# Monoisotopic masses in u: AME2020 (Wang et al. 2021, Chin. Phys. C 45, 030003). Abundances: CIAAW/IUPAC representative values
# (Meija et al. 2016, Pure Appl. Chem. 88, 293). A heavy isotope is written [13C], [15N].
MASS = {"C": 12.0, "H": 1.0078250319, "N": 14.00307400425, "O": 15.99491461926, "S": 31.97207117354}
MASS |= {"[13C]": 13.00335483534, "[15N]": 15.00010889827, "[2H]": 2.01410177784}
ELECTRON = 0.000548579909065  # u, CODATA 2018
ABUNDANCE = {
    "C": (0.9893, 0.0107),
    "H": (0.999885, 0.000115),
    "N": (0.99636, 0.00364),
}  # fraction of each whole-number mass excess
ABUNDANCE |= {"O": (0.99757, 0.00038, 0.00205), "S": (0.9499, 0.0075, 0.0425)}
LABELS = {"[13C]": "C", "[15N]": "N", "[2H]": "H"}
_TOKEN = re.compile(r"(\[\d+[A-Z][a-z]?\]|[A-Z][a-z]?)(\d*)")
UNIT_RESOLUTION = 0.35  # half width of a quadrupole's pass band at unit resolution, m/z (0.7 FWHM, the vendors' "unit" setting)


def parse_formula(text: str) -> dict[str, int]:
    """Return the atoms of a formula such as ``C4H8[15N]2O3``.

    Raises
    ------
    DataError
        If a part of the text is not an element or a bracketed isotope of `MASS`.
    """
    atoms: dict[str, int] = {}
    position = 0
    for found in _TOKEN.finditer(text):
        if found.start() != position or found[1] not in MASS:
            break
        atoms[found[1]] = atoms.get(found[1], 0) + int(found[2] or 1)
        position = found.end()
    if position != len(text) or not atoms:
        raise DataError(f"'{text}' is not a formula of {', '.join(MASS)}; write it as C4H8[15N]2O3")
    return atoms


def ion_mass(formula: str, polarity: str, protonate: bool = False) -> float:
    """Return the monoisotopic m/z of a singly charged ion.

    Parameters
    ----------
    formula : str
        Formula of the ion itself, or of the neutral molecule if `protonate`.
    polarity : {'+', '-'}
        Sign of the charge.
    protonate : bool
        Add (ESI+) or take away (ESI-) a proton first.
    """
    sign = 1 if polarity == "+" else -1
    mass = sum(MASS[atom] * count for atom, count in parse_formula(formula).items())
    return mass + (sign * MASS["H"] if protonate else 0.0) - sign * ELECTRON


def labelled_product(product: str, labelled: str) -> str | None:
    """Return the formula of a fragment of a labelled molecule, or None where its formula does not say where the label sits.

    Elements that are labelled throughout, or not at all, are so in every fragment; of a partly labelled element nobody knows.

    Parameters
    ----------
    product : str
        Product ion of the light molecule.
    labelled : str
        Neutral labelled molecule.
    """
    molecule, ion = parse_formula(labelled), parse_formula(product)
    for isotope, element in LABELS.items():
        if isotope in molecule and element in molecule:
            return None
        if isotope in molecule and element in ion:
            ion[isotope] = ion.pop(element)
    return "".join(f"{atom}{count}" for atom, count in ion.items())


def _pattern(atoms: Mapping[str, int], purity: float, size: int = 4) -> np.ndarray:
    """Return the probabilities of mass offsets -size..+size, shape (2*size + 1,), from the labelled, otherwise light ion."""
    pattern = np.zeros(2 * size + 1)
    pattern[size] = 1.0
    for atom, count in atoms.items():
        step = np.zeros(2 * size + 1)
        if atom in LABELS:
            step[size], step[size - 1] = purity, 1.0 - purity  # an atom that escaped labelling weighs one unit less
        else:
            step[size : size + len(ABUNDANCE[atom])] = ABUNDANCE[atom]
        for _ in range(count):
            pattern = np.convolve(pattern, step)[size : 3 * size + 1]
    return pattern


@dataclass(frozen=True, slots=True)
class Species:
    """One molecule on one fragmentation path: neutral formula, product-ion formula, polarity, label purity."""

    formula: str
    product: str
    polarity: str
    purity: float = 1.0

    @property
    def q1(self) -> float:
        """Exact precursor m/z."""
        return ion_mass(self.formula, self.polarity, protonate=True)

    @property
    def q3(self) -> float:
        """Exact product m/z."""
        return ion_mass(self.product, self.polarity)


def cross_talk(species: Species, q1: float, q3: float) -> float:
    """Return the signal of a species in a transition, relative to its own monoisotopic transition.

    The natural isotopes of a tandem pair are drawn separately in the product ion (offset b) and in the neutral loss (offset a -
    b): the transition (a, b) has the weight P_product(b) P_loss(a - b). Unit resolution passes what lies within +-0.35 m/z.

    Parameters
    ----------
    species : Species
        Molecule and path.
    q1, q3 : float
        Transition, m/z.

    References
    ----------
    Theory: Rockwood, Kushnir & Nelson 2003, J. Am. Soc. Mass Spectrom. 14, 311 (isotope patterns of dissociated ions).
    """
    a, b = round(q1 - species.q1), round(q3 - species.q3)
    # isotope steps are 1.003 (13C), 0.997 (15N): inside the pass band for the few steps that carry signal
    if abs(q1 - species.q1 - a) > UNIT_RESOLUTION or abs(q3 - species.q3 - b) > UNIT_RESOLUTION or abs(a) > 4 or abs(b) > 4:
        return 0.0
    precursor, product = parse_formula(species.formula), parse_formula(species.product)
    loss = {atom: count - product.get(atom, 0) for atom, count in precursor.items()}
    loss = {
        atom: count for atom, count in loss.items() if count > 0
    }  # the ionising proton may make one H negative: no isotopes there
    if abs(a - b) > 4:
        return 0.0
    in_product, in_loss = _pattern(product, species.purity), _pattern(loss, species.purity)
    return float(in_product[4 + b] * in_loss[4 + a - b] / (in_product[4] * in_loss[4]))

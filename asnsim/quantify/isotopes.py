"""Separate analyte and internal standard where natural isotopes or incomplete labels put one into the other's channel."""

from __future__ import annotations

import numpy as np

from asnsim.chromatogram import Analyte
from asnsim.isotopes import cross_talk

__all__ = ["mixing_matrix", "unmix"]


def mixing_matrix(analyte: Analyte, purity: float) -> np.ndarray:
    """Return M with (quantifier area, IS area) = M (light, heavy), shape (2, 2), from the formulas and the label's purity."""
    light, heavy = analyte.light(), analyte.heavy(purity)
    quantifier, standard = analyte.transition("quantifier"), analyte.transition("IS")
    return np.array(
        [
            [cross_talk(light, quantifier.q1, quantifier.q3), cross_talk(heavy, quantifier.q1, quantifier.q3)],
            [cross_talk(light, standard.q1, standard.q3), cross_talk(heavy, standard.q1, standard.q3)],
        ]
    )


def unmix(areas: np.ndarray, variances: np.ndarray, mixing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the pure signals.

    Parameters
    ----------
    areas, variances : ndarray, shape (2,)
        Measured areas (quantifier, IS) and their variances.
    mixing : ndarray, shape (2, 2)
        From `mixing_matrix`.

    Returns
    -------
    pure : ndarray, shape (2,)
    covariance : ndarray, shape (2, 2)
    """
    inverse = np.linalg.inv(mixing)
    return inverse @ areas, inverse @ np.diag(variances) @ inverse.T

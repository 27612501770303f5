"""Which orders of NDF are stable for a fast oscillation that dies away.

The formulas of order 3 to 5 are stable only in a wedge around the negative real axis. Where the Jacobian has eigenvalues outside,
as of two pools in quick exchange under negative feedback, the step shrinks to the period of an oscillation that nobody sees,
for as long as the run lasts. Hindmarsh's stability limit detection (CVODES) watches the differences for it; here the Jacobian is
at hand, and asking it now and then is cheaper and certain.
"""

from __future__ import annotations

import numpy as np

from asnsim.solvers._kernels import Kernels, python_callable

__all__ = ["stable_order"]

#: Half the opening of the wedge at orders 1 to 5, degrees: table 1 of Shampine & Reichelt 1997, SIAM J. Sci. Comput. 18(1), 1-22.
WEDGE = (90.0, 90.0, 80.0, 66.0, 51.0)
NEAR = (0.05, 20.0)  # steps times eigenvalue between which an oscillation may be what limits the step


def stable_order(kernels: Kernels, t: float, x: np.ndarray, c: np.ndarray, h: float) -> int:
    """Return the highest order that is stable, at any step, for the decaying oscillations that steps of about `h` would notice.

    Parameters
    ----------
    kernels : Kernels
        Of an ODE system; with algebraic equations the answer is 5.
    t : float
        Time.
    x : ndarray, shape (n,)
        State.
    c : ndarray, shape (n_c,)
        Constants.
    h : float
        Typical step.
    """
    if not np.all(kernels.mass == 1.0):
        return len(WEDGE)
    entries, matrix = np.zeros(len(kernels.pattern)), np.zeros((kernels.n, kernels.n))
    python_callable(kernels.jac)(t, x, c, entries)
    matrix[tuple(kernels.pattern.T)] = entries
    if not np.all(np.isfinite(matrix)):
        return len(WEDGE)
    values = np.linalg.eigvals(matrix)
    size = np.abs(values) * h
    values = values[(values.real < 0) & (values.imag > 0) & (size > NEAR[0]) & (size < NEAR[1])]
    angle = np.degrees(np.arctan2(values.imag, -values.real)).max(initial=0.0)
    return max(order for order, wedge in enumerate(WEDGE, 1) if wedge >= angle)

"""Rodas4: 6 stages, order 4, error estimate and dense output of order 3.

References
----------
.. [1] Hairer & Wanner 1996, Solving Ordinary Differential Equations II, 2nd ed., section IV.7 (and the code RODAS, METH=1, whose
   digits these are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from asnsim.solvers.rosenbrock import Rosenbrock, Tableau, make_tableau

__all__ = ["RODAS4", "Rodas4"]

# fmt: off
RODAS4 = make_tableau(
    order=4,
    gamma=0.25,
    a=[1.544, 0.9466785280815826, 0.2557011698983284, 3.314825187068521, 2.896124015972201, 0.9986419139977817,
       1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950],
    c=[-5.6688, -2.430093356833875, -0.2063599157091915, -0.1073529058151375, -9.594562251023355, -20.47028614809616,
       7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160, 8.083246795921522, -7.981132988064893,
       -31.52159432874371, 16.31930543123136, -6.058818238834054],
    alpha=[0.0, 0.386, 0.21, 0.63, 1.0, 1.0],
    gammas=[0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0],
    dense=[10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0,
           -0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0],
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Rodas4(Rosenbrock):
    """Rodas4 (options: `Rosenbrock`): 6 stages, order 4, error and dense output of order 3."""

    tableau: ClassVar[Tableau] = RODAS4

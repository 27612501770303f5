"""Solvers: arrays and functions only, no symbols, units or tables.

One method, one file. `integrate` takes one smooth segment; `steady_state` finds where the right-hand side vanishes.
"""

from __future__ import annotations

from asnsim.solvers._driver import MAX_STEPS, NDF, NOT_FINITE, STEP_TOO_SMALL, SUCCESS, Kernels, Segment, integrate
from asnsim.solvers.steady_state import SteadyState, steady_state

__all__ = [
    "MAX_STEPS",
    "NDF",
    "NOT_FINITE",
    "SOLVERS",
    "STEP_TOO_SMALL",
    "SUCCESS",
    "Kernels",
    "Segment",
    "SteadyState",
    "integrate",
    "steady_state",
]

SOLVERS = {"ndf": NDF}

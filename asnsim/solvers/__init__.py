"""Solvers: arrays and functions only, no symbols, units or tables.

One method, one file. `integrate` takes one smooth segment; `asnsim.solvers.steady_state` finds where the rhs vanishes.
"""

from __future__ import annotations

from asnsim.solvers._driver import (
    MAX_STEPS,
    NDF,
    NOT_FINITE,
    ROOT,
    STEP_TOO_SMALL,
    SUCCESS,
    Integrator,
    Kernels,
    Segment,
    integrate,
)
from asnsim.solvers._kernels import python_callable
from asnsim.solvers._sensitivity import as_blocks, from_blocks
from asnsim.solvers._turns import count_turns
from asnsim.solvers.rodas4 import Rodas4
from asnsim.solvers.rodas5p import Rodas5P

__all__ = [
    "MAX_STEPS",
    "NDF",
    "NOT_FINITE",
    "ROOT",
    "SOLVERS",
    "STEP_TOO_SMALL",
    "SUCCESS",
    "Integrator",
    "Kernels",
    "Rodas4",
    "Rodas5P",
    "Segment",
    "as_blocks",
    "count_turns",
    "from_blocks",
    "integrate",
    "python_callable",
]

SOLVERS = {"ndf": NDF, "rodas4": Rodas4, "rodas5p": Rodas5P}

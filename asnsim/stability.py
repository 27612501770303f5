"""Whether a run oscillates: marks on trajectories that no solver gets for certain.

Near an unstable focus (a pair of complex eigenvalues with positive real part) a method with long steps may damp an oscillation
that is real, and one that is not damped enough may seed one early; then the course depends on the tolerance. Such runs are
marked, never returned in silence.
"""

from __future__ import annotations

import numpy as np

from asnsim.codegen import compile_system
from asnsim.running import floors_of, kernels_of
from asnsim.solvers import count_turns, python_callable
from asnsim.trajectory import Trajectory

__all__ = ["MANY_TURNS", "SOME_TURNS", "note_of_turns", "oscillation_note", "turns_of"]

MANY_TURNS = 16  # of one state between two actions: eight cycles
SOME_TURNS = 8  # from which on a run of an ensemble is made again, tighter, to see whether it stays
_ROTATES = 1e-3  # imaginary part of an eigenvalue, relative to its real part, from which it counts as complex


def note_of_turns(turns: int) -> str:
    """Return the mark of a run that turns so often; empty for few turns."""
    if turns < MANY_TURNS:
        return ""
    return f"oscillates: {turns} turns of one state between two actions; see whether a tighter rtol gives the same course"


def turns_of(run: Trajectory) -> int:
    """Return the most turns of one state between two actions, as far as the output times show them."""
    system, most = run.system, 0
    floors = np.nan_to_num(floors_of(system), nan=1e-15)
    for segment in np.unique(run.segment):
        most = max(most, int(count_turns(np.ascontiguousarray(run.x[run.segment == segment]), floors)))
    return most


def oscillation_note(run: Trajectory) -> str:
    """Return why the course of a run may depend on the tolerance; empty if nothing speaks for it.

    Turns between the output times, and the eigenvalues of the Jacobian at the end of every smooth stretch.
    """
    note = note_of_turns(turns_of(run))
    if note:
        return note
    ends = np.flatnonzero(np.append(np.diff(run.segment) != 0, True))
    for row in ends:
        values = _eigenvalues(run, int(row))
        growing = values[(np.abs(values.imag) > _ROTATES * np.abs(values.real)) & (values.real > 1e-9 * np.abs(values).max())]
        if growing.size:
            one = growing[np.argmax(growing.real)]
            return (
                f"an oscillation may grow at t = {run.t[row]:.4g} h (eigenvalue {one.real:.3g} +- {abs(one.imag):.3g}i 1/h); "
                "see whether a tighter rtol gives the same course"
            )
    return ""


def _eigenvalues(run: Trajectory, row: int) -> np.ndarray:
    """Eigenvalues of the Jacobian at one row of a run."""
    code = compile_system(run.system)
    kernels, n = kernels_of(code), run.system.n
    entries, jacobian = np.zeros(len(kernels.pattern)), np.zeros((n, n))
    c = code.prepare(run.constants[run.segment[row]])
    python_callable(kernels.jac)(float(run.t[row]), np.ascontiguousarray(run.x[row]), c, entries)
    jacobian[tuple(kernels.pattern.T)] = entries
    free = kernels.mass > 0
    return np.linalg.eigvals(jacobian[np.ix_(free, free)]) if free.any() else np.zeros(1, dtype=complex)

"""Turns of a course: how often it goes back by more than a share of its size. Many turns are an oscillation."""

from __future__ import annotations

from asnsim.solvers._linalg import compiled

__all__ = ["SWING", "count_turns"]

SWING = 0.05  # of a state's size: what counts as a turn


@compiled()
def count_turns(x, floors):
    """Return the most turns that one column makes.

    Parameters
    ----------
    x : ndarray, shape (m, n)
        States over time.
    floors : ndarray, shape (n,)
        What counts as nothing, per state; added to its size.
    """
    most = 0
    for i in range(x.shape[1]):
        extreme, way, turns = x[0, i], 1.0, 0
        for row in range(x.shape[0]):
            ahead = way * (x[row, i] - extreme)
            if ahead > 0.0:
                extreme = x[row, i]
            elif ahead < -SWING * (abs(extreme) + floors[i]):
                extreme, way, turns = x[row, i], -way, turns + 1
        most = max(most, turns)
    return most

"""The state that repeats itself every period: a fixed point of the map over one period, by Newton's method.

With P(x) the state one period after x and M its derivative, the step is ``(I - M)^-1 (P(x) - x)``: exact at once for a linear
model, quadratic otherwise. Derivatives by parameters follow from the implicit function theorem, ``S = (I - M)^-1 dP/dtheta``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from asnsim.errors import IntegrationError

__all__ = ["accumulators", "periodic_state"]

_MOST_STEPS = 30
_SINGULAR = 1e-9  # distance of a factor over one period from 1 below which nothing pulls the state back


def accumulators(n: int, entries: Mapping[tuple[int, int], object]) -> np.ndarray:
    """Return which states only count what has passed: nothing depends on them but other such states, shape (n,).

    Parameters
    ----------
    n : int
        Number of states.
    entries : mapping of (int, int)
        Non-zero entries (row, column) of the Jacobian.
    """
    counting = np.zeros(n, dtype=bool)
    while True:
        used = {j for i, j in entries if not counting[i]}
        found = np.array([j not in used for j in range(n)])
        if np.array_equal(found, counting):
            return counting
        counting = found


def periodic_state(
    follow: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    x0: np.ndarray,
    free: np.ndarray,
    atol: np.ndarray,
    rtol: float,
    signed: np.ndarray,
    fail: Callable[[str], IntegrationError],
) -> tuple[np.ndarray, np.ndarray]:
    """Find the periodic state.

    Parameters
    ----------
    follow : callable
        ``follow(x)`` -> state after one period, shape (n,), and its derivatives by the free states at the start, (n, n_free).
    x0 : ndarray, shape (n,)
        Where to begin; states that are not free keep their value.
    free : ndarray of int, shape (n_free,)
        States to be found.
    atol, rtol : ndarray of shape (n,), float
        When a step is nothing.
    signed : ndarray of bool, shape (n,)
        States that may be negative.
    fail : callable
        Makes the error of a message.

    Returns
    -------
    x : ndarray, shape (n,)
        The state at the start of a period.
    M : ndarray, shape (n_free, n_free)
        Derivatives over one period there.

    Raises
    ------
    IntegrationError
        If there is none, or it was not reached.
    """
    x = x0.copy()
    for _ in range(_MOST_STEPS):
        after, slopes = follow(x)
        M = slopes[free]
        gap = after[free] - x[free]
        _check_pull(M, fail)
        step = np.linalg.solve(np.eye(len(free)) - M, gap)
        wanted = x[free] + step
        x[free] = np.where(signed[free], wanted, np.maximum(wanted, 0.1 * np.maximum(x[free], 0.0)))
        if np.all(np.abs(step) <= rtol * np.abs(x[free]) + atol[free]):
            if np.abs(np.linalg.eigvals(M)).max(initial=0.0) > 1:
                raise fail("no steady state of repeated doses would be reached: something grows from period to period")
            return x, M
    raise fail(f"the steady state of repeated doses was not reached in {_MOST_STEPS} steps; does something oscillate?")


def _check_pull(M: np.ndarray, fail: Callable[[str], IntegrationError]) -> None:
    if not np.all(np.isfinite(M)):
        raise fail("the steady state of repeated doses cannot be found: derivatives over one period are not finite")
    if np.any(np.linalg.svd(np.eye(len(M)) - M, compute_uv=False) < _SINGULAR):
        raise fail("there is no single steady state of repeated doses: something is kept for ever or grows on")

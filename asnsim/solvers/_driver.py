"""Segment driver: from numpy arrays and a `Kernels` to one smooth piece of a trajectory.

Doses, infusion boundaries and switches of parameters lie between segments and are the caller's business; each segment restarts
at order 1 and lands on its end exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asnsim.solvers import ndf, rosenbrock
from asnsim.solvers._kernels import Kernels
from asnsim.solvers._system import MAX_STEPS, NOT_FINITE, ROOT, STEP_TOO_SMALL, SUCCESS
from asnsim.solvers.ndf import NDF
from asnsim.solvers.rosenbrock import Rosenbrock

__all__ = ["MAX_STEPS", "NDF", "NOT_FINITE", "ROOT", "STEP_TOO_SMALL", "SUCCESS", "Kernels", "Segment", "integrate"]

_MESSAGES = {
    SUCCESS: "reached the end of the segment",
    ROOT: "a condition changed at t = {t:.9g}",
    MAX_STEPS: "max_steps ({max_steps}) attempted steps were used up at t = {t:.9g}; raise max_steps or loosen rtol",
    STEP_TOO_SMALL: "the step became too small at t = {t:.9g}; the solution may run to infinity or jump there",
    NOT_FINITE: "the right-hand side or a derivative of it is not finite near t = {t:.9g}; check the rate laws at that state",
}
_STATS = ("steps", "rejected", "rhs", "jac", "factorizations", "newton_failures")


@dataclass(frozen=True, slots=True)
class Segment:
    """Result of integrating one smooth piece.

    Parameters
    ----------
    t : ndarray, shape (m,)
        The requested output times, exactly.
    x : ndarray, shape (m, n)
        States there; NaN at times that were not reached.
    s : ndarray, shape (m, n, n_theta), or None
        Sensitivities dx/dtheta there; NaN likewise.
    x_end : ndarray, shape (n,)
        State at `t_reached`.
    s_end : ndarray, shape (n, n_theta), or None
        Sensitivities at `t_reached`.
    status : int
        SUCCESS, ROOT (a condition of the kernels' `roots` has changed just before `t_reached`), MAX_STEPS, STEP_TOO_SMALL or
        NOT_FINITE.
    message : str
        The status in words.
    t_reached : float
        The end of the segment, or the last accepted time before a failure.
    stats : dict of str to int
        Counts: steps, rejected, rhs, jac, factorizations, newton_failures.
    """

    t: np.ndarray
    x: np.ndarray
    s: np.ndarray | None
    x_end: np.ndarray
    s_end: np.ndarray | None
    status: int
    message: str
    t_reached: float
    stats: dict[str, int]


def integrate(
    solver: NDF | Rosenbrock,
    kernels: Kernels,
    t0: float,
    t1: float,
    x0: np.ndarray,
    c: np.ndarray,
    t_out: np.ndarray,
    atol: np.ndarray,
    s0: np.ndarray | None = None,
    p_scale: np.ndarray | None = None,
) -> Segment:
    """Integrate one smooth segment from `t0` to `t1`.

    Parameters
    ----------
    solver : NDF, Rodas4 or Rodas5P
        Method and options; only NDF has sensitivities.
    kernels : Kernels
        Compiled model.
    t0, t1 : float
        Start and end, t0 <= t1.
    x0 : ndarray, shape (n,)
        State at `t0`.
    c : ndarray, shape (n_c,)
        Constants of the model.
    t_out : ndarray, shape (m,)
        Sorted output times within [t0, t1].
    atol : ndarray, shape (n,), or float
        Absolute tolerance per state, positive. None takes ``solver.atol``.
    s0 : ndarray, shape (n, n_theta), optional
        Sensitivities at `t0`; zero if not given.
    p_scale : ndarray, shape (n_theta,), optional
        Typical sizes of the parameters; the absolute tolerance of dx_i/dp_k is atol_i/\\|p_k\\|. A zero counts as 1.

    Returns
    -------
    Segment

    Raises
    ------
    ValueError
        If shapes, times or tolerances do not fit together, or sensitivities are asked of a method that has none. Numerical
        failure is a status, not an exception.
    """
    n, n_theta = kernels.n, kernels.n_theta
    if n_theta and isinstance(solver, Rosenbrock):
        raise ValueError(f"{type(solver).__name__} has no sensitivities; use NDF for the {n_theta} asked for")
    t0, t1 = float(t0), float(t1)
    # Fresh contiguous writable copies: the compiled function exists for exactly one set of argument types.
    x0, c, t_out = (np.array(a, dtype=np.float64, order="C", ndmin=1) for a in (x0, c, t_out))
    atol = np.array(np.broadcast_to(solver.atol if atol is None else atol, (n,)), dtype=np.float64, order="C")
    s0 = np.zeros((n, n_theta)) if s0 is None else np.array(s0, dtype=np.float64, order="C").reshape(n, n_theta)
    p_scale = np.ones(n_theta) if p_scale is None else np.abs(np.array(p_scale, dtype=np.float64, ndmin=1))
    _check(n, n_theta, t0, t1, x0, t_out, atol, p_scale)
    x_out, s_out = np.full((t_out.size, n), np.nan), np.full((t_out.size, n * n_theta), np.nan)
    if t1 == t0:  # nothing to integrate: all outputs are the start
        status, t, x_end, s_end, counts = SUCCESS, t0, x0, s0, np.zeros(len(_STATS), dtype=np.int64)
        x_out[:], s_out[:] = x0, s0.ravel()
    elif isinstance(solver, Rosenbrock):
        status, t, x_end, counts = rosenbrock.run(solver, kernels, t0, t1, x0, c, t_out, atol, x_out)
        s_end = s0
    else:
        inverse_p = 1.0 / np.where(p_scale > 0, p_scale, 1.0)
        status, t, x_end, s_end, counts = ndf.run(solver, kernels, t0, t1, x0, c, t_out, atol, x_out, s0, inverse_p, s_out)
    return Segment(
        t=t_out,
        x=x_out,
        s=s_out.reshape(-1, n, n_theta) if n_theta else None,
        x_end=x_end,
        s_end=s_end.reshape(n, n_theta) if n_theta else None,
        status=int(status),
        message=_MESSAGES[status].format(t=t, max_steps=solver.max_steps),
        t_reached=float(t),
        stats=dict(zip(_STATS, counts.tolist(), strict=True)),
    )


def _check(n, n_theta, t0, t1, x0, t_out, atol, p_scale):
    """Raise ValueError where the compiled code would read out of bounds or loop on nonsense."""
    if x0.shape != (n,):
        raise ValueError(f"x0 has shape {x0.shape}; the model has {n} states")
    if p_scale.shape != (n_theta,):
        raise ValueError(f"p_scale has shape {p_scale.shape}; the model has {n_theta} sensitivity parameters")
    if not (np.isfinite(t0) and np.isfinite(t1) and t0 <= t1):
        raise ValueError(f"a segment from t0 = {t0} to t1 = {t1} is not an interval")
    if t_out.size and not (t_out[0] >= t0 and t_out[-1] <= t1 and np.all(np.diff(t_out) >= 0)):
        raise ValueError(f"output times must be sorted and lie within [{t0}, {t1}]")
    if not (np.all(atol > 0) and np.all(np.isfinite(atol))):
        raise ValueError("atol must be positive and finite for every state")

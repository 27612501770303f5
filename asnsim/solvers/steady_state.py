r"""Steady states: where the right-hand side vanishes, and whether a trajectory would stay there.

Damped Newton first; where it fails, meets a singular Jacobian (conserved totals) or lands on a root that a trajectory from `x0`
would not reach (negative concentrations, an unstable point), pseudo-transient continuation follows the flow instead: implicit
Euler steps :math:`(I - \delta J)\,\Delta = \delta f` whose :math:`\delta` grows until they are Newton steps. Like the flow itself
they keep every conserved total at its value in `x0`.

References
----------
.. [1] Deuflhard 2011, Newton Methods for Nonlinear Problems, algorithm NLEQ-ERR (natural monotonicity test).
.. [2] Kelley & Keyes 1998, Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35(2), 508-523.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asnsim.solvers._kernels import Kernels, python_callable

__all__ = ["SteadyState", "steady_state"]

_NEWTON_STEPS, _FLOW_STEPS = 60, 1000
_SINGULAR = 1e-13  # smallest singular value of the equilibrated Jacobian that still counts
_FLOW_LIMIT = 1e12  # delta * |J| where an Euler step is a Newton step for every rate that double precision can tell from zero
_ROUNDING = 1e3  # a correction that stagnates within this multiple of the tolerance is rounding error


@dataclass(frozen=True, slots=True)
class SteadyState:
    """A point where the right-hand side vanishes.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The point; the best one reached if `converged` is False.
    converged : bool
        Whether the last correction was within the tolerances.
    residual : float
        Largest \\|dx/dt\\| among the free states there.
    eigenvalues_max_real : float
        Largest real part among the eigenvalues of the free block of the Jacobian, zeros of conserved totals left out.
        Negative: the point is stable. NaN if not converged.
    message : str
        Method, verdict and what to do next, in words.
    """

    x: np.ndarray
    converged: bool
    residual: float
    eigenvalues_max_real: float
    message: str

    @property
    def stable(self) -> bool:
        """Whether small disturbances die out."""
        return self.converged and self.eigenvalues_max_real < 0


class _Model:
    """rhs and Jacobian of the free states at a fixed time, the other states held."""

    def __init__(self, kernels: Kernels, x0, c, free, t):
        self._rhs, self._jac = python_callable(kernels.rhs), python_callable(kernels.jac)
        self._c, self._free, self._t = c, free, t
        self._x, self._f, self._J = x0.copy(), np.zeros(kernels.n), np.zeros((kernels.n, kernels.n))
        self._rows, self._columns = kernels.pattern.T
        self._entries = np.zeros(len(kernels.pattern))

    def f(self, y):
        self._x[self._free] = y
        self._rhs(self._t, self._x, self._c, self._f)
        return self._f[self._free].copy()

    def J(self, y):
        self._x[self._free] = y
        self._jac(self._t, self._x, self._c, self._entries)
        self._J[self._rows, self._columns] = self._entries
        return self._J[np.ix_(self._free, self._free)].copy()

    def full(self, y):
        self._x[self._free] = y
        return self._x.copy()


def steady_state(
    kernels: Kernels,
    x0: np.ndarray,
    c: np.ndarray,
    atol: np.ndarray,
    rtol: float = 1e-10,
    free: np.ndarray | None = None,
    t: float = 0.0,
) -> SteadyState:
    """Find a steady state near `x0`, preferring one that a trajectory from `x0` would reach.

    Parameters
    ----------
    kernels : Kernels
        Compiled model; `dfdp` is not used.
    x0 : ndarray, shape (n,)
        Starting point. It also sets the conserved totals. A state that starts at or above zero stays there.
    c : ndarray, shape (n_c,)
        Constants of the model.
    atol : ndarray, shape (n,), or float
        Absolute tolerance of each state, positive.
    rtol : float
        Relative tolerance of the last correction.
    free : ndarray of int or bool, optional
        States to solve for; the others are held at `x0`. None frees all.
    t : float
        Time at which an explicitly time-dependent right-hand side is frozen.

    Returns
    -------
    SteadyState
    """
    n = kernels.n
    x0, c = np.array(x0, dtype=np.float64, ndmin=1), np.array(c, dtype=np.float64, ndmin=1)
    if x0.shape != (n,):
        raise ValueError(f"x0 has shape {x0.shape}; the model has {n} states")
    free = np.arange(n) if free is None else np.arange(n)[np.asarray(free)]
    atol = np.broadcast_to(np.asarray(atol, dtype=np.float64), (n,))[free]
    if not np.all(atol > 0):
        raise ValueError("atol must be positive for every free state")
    model, y0 = _Model(kernels, x0, c, free, float(t)), x0[free]
    if free.size == 0:
        return SteadyState(x0, True, 0.0, -np.inf, "no state is free: nothing to solve")
    with np.errstate(all="ignore"):  # trial points may overflow; they are judged by isfinite
        y, found, reason = _newton(model, y0, atol, rtol)
        if found and np.any((y < -atol) & (y0 >= 0)):
            found, reason = False, "Newton's root is negative"
        top = _largest_real_part(model.J(y))[0] if found else np.nan
        if found and not top < 0:
            found, reason = False, "Newton's root is unstable"
        method = "damped Newton"
        if not found:
            newton = (y, reason)
            y, found, stop = _follow_flow(model, y0, atol, rtol)
            method = f"pseudo-transient continuation ({reason})"
            if not found and reason == "Newton's root is unstable":  # the unstable point is all there is
                y, found, method = newton[0], True, "damped Newton; the flow from x0 does not settle"
            elif not found:
                method = f"{method}; {stop}"
        residual = float(np.max(np.abs(model.f(y))))
    if not found:
        message = f"no steady state found by {method}; start from the end of a long simulation"
        return SteadyState(model.full(y), False, residual, np.nan, message)
    top, neutral = _largest_real_part(model.J(y))
    verdict = "stable" if top < 0 else "unstable: a simulation will leave it" if top > 0 else "of undecided stability"
    totals = f", {neutral} conserved total(s) or neutral direction(s)" if neutral else ""
    return SteadyState(model.full(y), True, residual, float(top), f"found by {method}; {verdict}{totals}")


def _newton(model, y, atol, rtol):
    """Damped Newton with the natural monotonicity test; return the point, success and the reason of failure."""
    previous = np.inf
    for _ in range(_NEWTON_STEPS):
        f, J = model.f(y), model.J(y)
        if not (np.all(np.isfinite(f)) and np.all(np.isfinite(J))):
            return y, False, "the right-hand side is not finite"
        scaled, rows, columns = _equilibrate(J)
        if np.linalg.svd(scaled, compute_uv=False)[-1] < _SINGULAR:
            return y, False, "the Jacobian is singular"
        inverse = np.linalg.inv(scaled)

        def solve(b, inverse=inverse, rows=rows, columns=columns):
            return columns * (inverse @ (rows * b))

        step = solve(-f)
        size = np.max(np.abs(step) / (rtol * np.abs(y) + atol))
        if size <= 1.0 or (size <= _ROUNDING and size > 0.5 * previous):
            return y + step, True, ""
        weight = 1.0 / (np.abs(y) + atol / rtol)
        damping, length = 1.0, np.linalg.norm(weight * step)
        while True:
            trial = y + damping * step
            simplified = np.linalg.norm(weight * solve(-model.f(trial)))
            if simplified <= (1 - damping / 4) * length:
                break
            damping /= 2
            if damping < 1e-4:
                return y, False, "Newton made no progress"
        y, previous = trial, size
    return y, False, "Newton used up its steps"


def _follow_flow(model, y, atol, rtol):
    """Pseudo-transient continuation; return the point, success and the reason of failure."""
    f, eye = model.f(y), np.eye(y.size)
    positive = y >= 0
    speed = np.max(np.abs(f) / (np.abs(y) + atol / rtol))
    delta = 0.1 / speed if speed > 0 else 1.0
    previous = np.inf
    for _ in range(_FLOW_STEPS):
        J = model.J(y)
        if not (np.all(np.isfinite(f)) and np.all(np.isfinite(J))) or delta < 1e-300:
            return y, False, "the right-hand side is not finite"
        limit = _FLOW_LIMIT / max(np.max(np.sum(np.abs(J), axis=1)), 1e-300)
        if (growth := _largest_real_part(J)[0]) > 0:
            limit = min(limit, 0.5 / growth)  # a longer step would turn a repelling direction into an attracting one
        delta = min(delta, limit)
        inverse = np.linalg.inv(eye - delta * J)
        step = inverse @ (delta * f)
        trial = y + step
        correction = inverse @ (delta * model.f(trial) - step)  # of the implicit Euler equation, once more
        size = np.max(np.abs(step) / (rtol * np.abs(y) + atol))
        if delta == limit and (size <= 1.0 or (size <= _ROUNDING and size > 0.5 * previous)):
            return trial, True, ""
        weight = 1.0 / (np.abs(y) + atol / rtol)
        ratio = np.linalg.norm(weight * correction) / max(np.linalg.norm(weight * step), 1e-300)
        trial = trial + correction
        good = ratio <= 0.25 or size <= 1.0
        if good and not np.any((trial < -atol) & positive):
            y, f, previous = trial, model.f(trial), size
            delta *= 10.0 if ratio < 0.02 or size <= 1.0 else 2.0
        else:
            delta /= 4.0
    return y, False, "the flow does not settle"


def _equilibrate(J):
    """Scale rows and columns to largest entry 1; return the scaled matrix and both scales."""
    rows = 1.0 / np.where((size := np.abs(J).max(axis=1)) > 0, size, 1.0)
    columns = 1.0 / np.where((size := np.abs(J * rows[:, None]).max(axis=0)) > 0, size, 1.0)
    return J * rows[:, None] * columns, rows, columns


def _largest_real_part(J):
    """Return the largest real part of the eigenvalues without those of the null space, and the dimension of that space."""
    neutral = int(np.sum(np.linalg.svd(_equilibrate(J)[0], compute_uv=False) < _SINGULAR * J.shape[0]))
    eigenvalues = np.linalg.eigvals(J)
    kept = eigenvalues[np.argsort(np.abs(eigenvalues))[neutral:]]
    return (np.max(kept.real) if kept.size else 0.0), neutral

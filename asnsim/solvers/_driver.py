"""Segment driver: from numpy arrays and `Kernels` to one smooth piece of a trajectory.

Doses, infusion boundaries and switches of parameters lie between segments and are the caller's business; each segment restarts
at order 1 and lands on its end exactly.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import numpy as np

from asnsim.solvers import ndf, rosenbrock
from asnsim.solvers._kernels import Kernels
from asnsim.solvers._memory import address, aligned, padded
from asnsim.solvers._orders import stable_order
from asnsim.solvers._sensitivity import as_blocks, from_blocks
from asnsim.solvers._system import EPS, MAX_STEPS, NOT_FINITE, ROOT, STEP_TOO_SMALL, SUCCESS, first_bound, make_problem, pad
from asnsim.solvers.ndf import NDF
from asnsim.solvers.rosenbrock import Rosenbrock

__all__ = [
    "MAX_STEPS", "NDF", "NOT_FINITE", "ROOT", "STEP_TOO_SMALL", "SUCCESS", "Integrator", "Kernels", "Segment", "integrate",
]  # fmt: skip

_MESSAGES = {
    SUCCESS: "reached the end of the segment",
    ROOT: "a condition changed at t = {t:.9g}",
    MAX_STEPS: "max_steps ({max_steps}) attempted steps were used up at t = {t:.9g}; raise max_steps or loosen rtol",
    STEP_TOO_SMALL: "the step became too small at t = {t:.9g}; the solution may run to infinity or jump there",
    NOT_FINITE: "the right-hand side or a derivative of it is not finite near t = {t:.9g}; check the rate laws at that state",
}
_NOTHING = np.zeros(0)
_STATS = ("steps", "rejected", "rhs", "jac", "factorizations", "newton_failures")

#: Number of output times; addresses of the times, of the states there in whole rows, of the sensitivities in blocks.
Outputs = namedtuple("Outputs", "n t x s")
PAUSE = 1000  # attempts after which NDF is asked whether other orders would do better


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
    roots : tuple of int
        Conditions that changed at `t_reached`.
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
    roots: tuple[int, ...] = ()


class _Workspace:
    """Buffers of one method for one model, with views of what the driver reads and writes."""

    def __init__(self, kernels: Kernels, method: type):
        self.module = rosenbrock if issubclass(method, Rosenbrock) else ndf
        self._layout = self.module.layout(kernels, method)
        self._block = aligned(self._layout.size)
        self.addresses = self._layout.addresses(self._block)
        self.work = self.module.make_work(method, self.addresses)
        self.bound, self.counts, self.numbers = self.array("bound"), self.array("counts", np.int64), self.array("numbers")
        self.first = self.array("D").reshape(-1, padded(kernels.n))[0]
        if self.module is ndf:
            self.sensitivities, self.inverse_p, wide = self.array("DS")[:, 0], self.array("inverse_p"), self.array("wide_mass")
            wide[:] = kernels.mass[: len(wide), None]
        self.atol, self.mass = pad(np.ones(kernels.n), 1.0), pad(kernels.mass, 0.0)
        self.problem = make_problem(kernels, self.atol, self.mass)

    def array(self, name: str, dtype=np.float64) -> np.ndarray:
        """One of the buffers."""
        return self._layout.array(self._block, name, dtype)


def _outputs(t: np.ndarray, x: np.ndarray, s: np.ndarray) -> Outputs:
    return Outputs(t.size, *map(address, (t, x, s)))


class Integrator:
    r"""A solver with the buffers for one model, for segment after segment.

    Parameters
    ----------
    solver : NDF, Rodas4 or Rodas5P
        Method and options; only NDF has sensitivities.
    kernels : Kernels
        Compiled model.
    atol : ndarray, shape (n,), or float, optional
        Absolute tolerance per state, positive; ``solver.atol`` by default.
    p_scale : ndarray, shape (n_theta,), optional
        Typical sizes of the parameters; the absolute tolerance of dx_i/dp_k is atol_i/\|p_k\|. A zero counts as 1.

    Raises
    ------
    ValueError
        If shapes or tolerances do not fit, or sensitivities are asked of a method that has none.
    """

    def __init__(
        self,
        solver: NDF | Rosenbrock,
        kernels: Kernels,
        atol: np.ndarray | float | None = None,
        p_scale: np.ndarray | None = None,
    ):
        n, n_theta, method = kernels.n, kernels.n_theta, type(solver)
        if n_theta and isinstance(solver, Rosenbrock):
            raise ValueError(f"{method.__name__} has no sensitivities; use NDF for the {n_theta} asked for")
        if atol is None and solver.atol is None:
            raise ValueError("no absolute tolerance is given; give atol, or a solver with one")
        self.solver, self.kernels = solver, kernels
        self._free = kernels.workspaces.setdefault(method, [])
        try:
            self._own = self._free.pop()
        except IndexError:
            self._own = _Workspace(kernels, method)
        own = self._own
        own.atol[:n] = solver.atol if atol is None else atol
        if not (np.all(own.atol > 0) and np.all(np.isfinite(own.atol))):
            raise ValueError("atol must be positive and finite for every state")
        own.numbers[0] = solver.rtol
        self._problem = own.problem._replace(rtol=float(solver.rtol))
        if own.module is ndf:
            p_scale = np.ones(n_theta) if p_scale is None else np.abs(np.array(p_scale, dtype=np.float64, ndmin=1))
            if p_scale.shape != (n_theta,):
                raise ValueError(f"p_scale has shape {p_scale.shape}; the model has {n_theta} sensitivity parameters")
            own.inverse_p[:] = 1.0
            own.inverse_p.ravel()[:n_theta] = 1.0 / np.where(p_scale > 0, p_scale, 1.0)
            test, inverse_p = bool(solver.sens_error_test), own.addresses["inverse_p"]
            self._options = ndf.Options(solver.max_order, test, solver.max_steps, False, len(own.inverse_p), inverse_p)

    def release(self) -> None:
        """Leave the buffers to the next integrator of the same model and method; this one is of no use afterwards."""
        if self._own is not None:
            self._free.append(self._own)
            self._own = None

    def run(
        self, t0: float, t1: float, x0: np.ndarray, c: np.ndarray, t_out: np.ndarray, s0: np.ndarray | None = None
    ) -> Segment:
        """Integrate one smooth segment from `t0` to `t1`.

        Parameters
        ----------
        t0, t1 : float
            Start and end, t0 <= t1.
        x0 : ndarray, shape (n,)
            State at `t0`.
        c : ndarray, shape (n_c,)
            Constants of the model.
        t_out : ndarray, shape (m,)
            Sorted output times within [t0, t1].
        s0 : ndarray, shape (n, n_theta), optional
            Sensitivities at `t0`; zero if not given.

        Raises
        ------
        ValueError
            If shapes or times do not fit together. Numerical failure is a status, not an exception.
        """
        n, n_theta, t0, t1 = self.kernels.n, self.kernels.n_theta, float(t0), float(t1)
        x0, c, t_out = (np.ascontiguousarray(a, dtype=np.float64) for a in (x0, c, t_out))
        _check(n, t0, t1, x0, t_out)
        start = as_blocks(np.zeros((n, n_theta)) if s0 is None else np.reshape(s0, (n, n_theta))) if n_theta else _NOTHING
        x_out, s_out = np.empty((t_out.size, padded(n))), np.empty((t_out.size, start.size))
        self._own.counts[:] = 0
        if t1 == t0:  # nothing to integrate: all outputs are the start
            status, t, x_end, s_end = SUCCESS, t0, x0, start
            x_out[:, :n], s_out[:] = x0, start
        else:
            status, t, x_end, s_end = self._integrate(t0, t1, x0, c, (t_out, x_out, s_out), start)
            if status != SUCCESS:
                reached = max(np.searchsorted(t_out, t), np.searchsorted(t_out, t0, side="right"))
                x_out[reached:], s_out[reached:] = np.nan, np.nan
        return Segment(
            t=t_out,
            x=x_out[:, :n],
            s=from_blocks(s_out, n, n_theta) if n_theta else None,
            x_end=x_end,
            s_end=from_blocks(s_end, n, n_theta) if n_theta else None,
            status=int(status),
            message=_MESSAGES[status].format(t=t, max_steps=self.solver.max_steps),
            t_reached=float(t),
            stats=dict(zip(_STATS, self._own.counts.tolist(), strict=True)),
            roots=self._changed() if status == ROOT else (),
        )

    def _integrate(self, t0, t1, x0, c, out, start):
        """Run the compiled integrator; return status, time, state and sensitivities in blocks."""
        n, own = self.kernels.n, self._own
        p = self._problem._replace(t0=t0, t1=t1, c=address(c))
        own.bound[:n] = first_bound(x0, own.atol[:n])
        own.bound[n:] = -np.inf
        own.first[:n] = x0
        if own.module is rosenbrock:
            status, t = rosenbrock.integrate_segment(p, self.solver.tableau, own.work, self.solver.max_steps, _outputs(*out))
            return status, t, own.first[:n].copy(), start
        own.sensitivities[:] = start.reshape(own.sensitivities.shape)
        status, t = self._run_ndf(p, c, out)
        return status, t, own.first[:n].copy(), own.sensitivities.ravel()

    def _run_ndf(self, p, c: np.ndarray, out: tuple[np.ndarray, ...]) -> tuple[int, float]:
        """Run NDF; after many steps, and then ever more rarely, try the orders that are stable there, and keep them if faster."""
        own, left, pause, order = self._own, self.solver.max_steps, PAUSE, self.solver.max_order
        before, refused, resumes = None, 0, False  # before: the order and speed to go back to after a trial
        while True:
            some = min(PAUSE if before else pause, left)
            options = self._options._replace(max_steps=some, max_order=order, resumes=resumes)
            status, t = ndf.integrate_segment(p, options, own.work, _outputs(*out))
            left -= some
            if status != MAX_STEPS or left == 0:
                return status, t
            speed = (t - p.t0) / some
            if before:
                if speed < before[1]:
                    refused, order = order, before[0]
                before = None
            else:
                wanted = min(self.solver.max_order, stable_order(self.kernels, t, own.first[: self.kernels.n].copy(), c, speed))
                if wanted not in (order, refused):
                    before, order = (order, speed), wanted
                pause *= 2
            first = np.searchsorted(out[0], t - 4 * EPS * abs(t))  # what lies on t, to rounding, is written again
            p, out, resumes = p._replace(t0=t), tuple(array[first:] for array in out), True

    def _changed(self) -> tuple[int, ...]:
        """Which conditions hold at the end and did not at the start, or the other way round."""
        values, before = self._own.array("roots_now"), self._own.array("roots_truth", np.int64)
        now = (values > 0) | ((values == 0) & (self.kernels.root_strict == 0))
        return tuple(np.flatnonzero(now != (before > 0)).tolist())


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
    """Integrate one smooth segment; parameters and errors as of `Integrator` and its `run`."""
    return Integrator(solver, kernels, atol, p_scale).run(t0, t1, x0, c, t_out, s0)


def _check(n, t0, t1, x0, t_out):
    """Raise ValueError where the compiled code would read out of bounds or loop on nonsense."""
    if x0.shape != (n,):
        raise ValueError(f"x0 has shape {x0.shape}; the model has {n} states")
    if not (np.isfinite(t0) and np.isfinite(t1) and t0 <= t1):
        raise ValueError(f"a segment from t0 = {t0} to t1 = {t1} is not an interval")
    if t_out.size and not (t_out[0] >= t0 and t_out[-1] <= t1 and np.all(t_out[1:] >= t_out[:-1])):
        raise ValueError(f"output times must be sorted and lie within [{t0}, {t1}]")

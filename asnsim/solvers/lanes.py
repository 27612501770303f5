"""A Rosenbrock method for many parameter sets of one model: V trajectories side by side, one in each place of a register.

Each lane has its own time, step, constants and schedule; all lanes try a step together, each decides alone whether it has
succeeded, and one that has reached its end takes the next job. Every operation works lane by lane, so what happens in one lane
(a failure, a number that is not finite) never touches the others, and no result depends on which jobs ran side by side.

Steps are those of ``rosenbrock.py``, with its operations over rows of a register. What is rare (a matrix that needs row
exchanges, a right-hand side that moves with time, events) is left to that method one by one: a lane that fails says so, and the
caller repeats it there.

A Numba cache is keyed to the file of the outermost function: after a change in ``_system.py`` and the like, touch this file.
"""

from __future__ import annotations

import numpy as np

from asnsim.once import once
from asnsim.solvers import rosenbrock
from asnsim.solvers._kernels import call_lanes, call_vector
from asnsim.solvers._lane_jobs import (
    BOLUS,
    FLOW,
    IDLE,
    RUNNING,
    SET_CONSTANT,
    SET_STATE,
    STARTING,
    Jobs,
    Model,
    Work,
    close,
    count_turns,
    go_on,
    has_output,
    leaves_domain,
    load_job,
    make_jobs,
    take_job,
    write_between,
)
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, Layout, V, aligned, matrix, vector, whole, whole_matrix
from asnsim.solvers._system import EPS, MAX_STEPS, NOT_FINITE, STEP_TOO_SMALL, SUCCESS, is_hopeless
from asnsim.solvers._turns import SWING
from asnsim.solvers._vectors import NUMBERS, Pass, compile_passes
from asnsim.solvers.rosenbrock import BETA, BETA_H, ERROR_FLOOR, GROWTH_MAX, SAFETY, SHRINK_MAX

__all__ = ["BOLUS", "FLOW", "Jobs", "Lanes", "Model", "SET_CONSTANT", "SET_STATE", "make_jobs"]

ACCEPTED = 6  # number of the passes that says which lanes have made a step, beside those of ``rosenbrock.py``


def _take() -> str:
    """Write ``last = x`` in the lanes that have made a step."""
    p = Pass("last x")
    mask = p.compare("ogt", p.number(ACCEPTED), p.const(0.0))
    p.begin()
    p.put(p.select(mask, p.get("x"), p.get("last")), "last")
    return p.text("take")


def _turn() -> str:
    """Follow each state from extreme to extreme, in lanes that have made a step: a turn is a way back of SWING of its size."""
    p = Pass("x w extreme way turned")
    rtol, zero, one = p.number(0), p.const(0.0), p.const(1.0)
    moved = p.compare("ogt", p.number(ACCEPTED), zero)
    p.begin()
    x, extreme, way = p.get("x"), p.get("extreme"), p.get("way")
    ahead = p.op("fmul", way, p.op("fsub", x, extreme))  # positive: further on the same way
    relative = p.op("fmul", ahead, p.op("fmul", p.get("w"), rtol))
    turns = p.logic("and", moved, p.compare("olt", relative, p.const(-SWING)))
    further = p.logic("and", moved, p.logic("or", turns, p.compare("ogt", ahead, zero)))
    p.put(p.select(further, x, extreme), "extreme")
    p.put(p.select(turns, p.neg(way), way), "way")
    p.put(p.op("fadd", p.get("turned"), p.select(turns, one, zero)), "turned")
    return p.text("turn")


@once()
def _own_passes():
    return compile_passes({"take": _take(), "turn": _turn()})


class Lanes:
    """Buffers of one thread, and the loop over its share of the jobs.

    Parameters
    ----------
    method : type
        A method of ``rosenbrock.py``.
    model : Model
    """

    def __init__(self, method: type[rosenbrock.Rosenbrock], model: Model):
        m, n = method.tableau, model.n
        names = ("last", "x", "f", "w", "bound", "atol", "mass", "slope", "extreme", "way", "turned")
        rows = dict.fromkeys(names, (n, V))
        lanes = dict.fromkeys(Work._fields[Work._fields.index("tau") :], (V,))
        self._layout = Layout(
            numbers=(NUMBERS, BLOCK), **rows, c=(model.n_full, V), J=(max(model.n_entries, 1), V), lu=(model.lu_size + 1, V),
            u=(m.alpha.size, n, V), k=(len(m.dense), n, V), own=(V, model.n_full), one=(n,), two=(n,), **lanes,
        )  # fmt: skip
        self._block = aligned(self._layout.size)
        self._layout.array(self._block, "mass")[:] = 1.0
        (_, passes), (_, own) = rosenbrock.compile_passes(method), _own_passes()
        self._work = Work(passes=passes, **own, **self._layout.addresses(self._block))
        self.tableau, self.model = m, model

    def run(self, jobs: Jobs, first: int, last: int) -> None:
        """Do the jobs from `first` up to `last`."""
        run_jobs(self.model, self.tableau, self._work, jobs, first, last)


# ---- one lane ----


@compiled()
def first_step(q, m, w, jobs, lane):
    """First step of a lane from f and J at its state, as in ``rosenbrock.py``; 0 if f is not finite."""
    f, J, weights = matrix(w.f, q.n, V), matrix(w.J, q.n_entries, V), matrix(w.w, q.n, V)
    second, pattern = vector(w.one, q.n), whole_matrix(q.pattern, q.n_entries, 2)
    span, speed, bend = vector(w.goal, V)[lane] - vector(w.origin, V)[lane], 0.0, 0.0
    second[:] = 0.0
    for e in range(q.n_entries):
        second[pattern[e, 0]] += J[e, lane] * f[pattern[e, 1], lane]
    for i in range(q.n):
        speed += (f[i, lane] * weights[i, lane]) ** 2
        bend += (second[i] * weights[i, lane]) ** 2
    speed, bend, h = np.sqrt(speed / q.n), np.sqrt(bend / q.n), 0.1 * span
    if not speed < np.inf:
        return 0.0
    if h * speed * jobs.rtol > 0.1:
        h = 0.1 / (speed * jobs.rtol)
    if h * bend > speed * (0.25 * bend / speed**2) ** (1.0 / m.order):  # false for NaN: the first attempt will judge
        h = speed / bend * (0.25 * bend / speed**2) ** (1.0 / m.order)
    return h


@compiled()
def prepare_step(q, m, w, jobs, lane):
    """Choose the step of a lane; return SUCCESS, or why it cannot go on."""
    mode, tau, goal, origin, h = whole(w.mode, V), vector(w.tau, V), vector(w.goal, V), vector(w.origin, V), vector(w.h, V)
    tries, finite, span = whole(w.tries, V), whole(w.finite, V), goal[lane] - origin[lane]
    if mode[lane] == STARTING:
        h[lane] = first_step(q, m, w, jobs, lane)
        mode[lane] = RUNNING
        if h[lane] == 0.0:
            return NOT_FINITE
    if tries[lane] >= jobs.max_steps:
        return MAX_STEPS
    if is_hopeless(whole(w.bad, V)[lane], tries[lane]):
        return NOT_FINITE
    if tau[lane] + h[lane] <= tau[lane] * (1 + 16 * EPS) and tau[lane] + h[lane] < span:
        return STEP_TOO_SMALL if finite[lane] > 0 else NOT_FINITE
    if 1.001 * h[lane] >= span - tau[lane]:  # stretched a little rather than left with a sliver
        h[lane] = span - tau[lane]
    return SUCCESS


@compiled()
def try_step(q, m, w):
    """Let all lanes try their steps; f and J at the last states are there already."""
    v, numbers, stages = w.passes, w.numbers, m.alpha.size
    arg, side, size = whole(v.arg, stages + 1), whole(v.side, stages), 8 * V * q.n
    beta, row, timed = vector(w.beta, V), vector(numbers + 8 * BLOCK * BETA, V), vector(numbers + 8 * BLOCK * BETA_H, V)
    for lane in range(V):
        row[lane], timed[lane] = beta[lane], 0.0
    call_lanes(q.lu_factor_lanes, w.beta, w.J, w.c, w.lu)
    for i in range(stages):
        if i > 0:
            call_vector(arg[i], q.n, numbers, w.last, w.u, w.x)
            call_lanes(q.rhs_lanes, w.tau, w.x, w.c, w.f)
        call_vector(side[i], q.n, numbers, w.f, w.mass, w.slope, w.u)
        call_lanes(q.lu_solve_lanes, w.tau, w.lu, w.c, w.u + i * size)
    call_vector(arg[stages], q.n, numbers, w.last, w.u, w.x)
    call_vector(v.judge, q.n, numbers, w.u + (stages - 1) * size, w.w, w.last, w.x, w.bound)


@compiled()
def decide(q, m, w, lane):
    """Whether the step that a lane has tried counts; sets the next one."""
    tau, goal, origin, h = vector(w.tau, V), vector(w.goal, V), vector(w.origin, V), vector(w.h, V)
    finite, retry, h_last, error_last = whole(w.finite, V), whole(w.retry, V), vector(w.h_last, V), vector(w.error_last, V)
    sums, suspects = vector(w.numbers + 8 * BLOCK * 2, V), vector(w.numbers + 8 * BLOCK * 3, V)
    power, error = 1.0 / m.order, np.sqrt(sums[lane] / q.n)
    sound = matrix(w.lu, q.lu_size + 1, V)[q.lu_size, lane] > 0.0
    finite[lane] = 1 if sound and error < np.inf else 0
    bad = whole(w.bad, V)
    bad[lane] += 1 - finite[lane]
    if finite[lane] == 0 or (error <= 1.0 and suspects[lane] > 0.0 and leaves_domain(q, w, lane, goal[lane])):
        h[lane], retry[lane] = 0.25 * h[lane], 1
        return False
    error = max(error, 1e-10)
    factor = SAFETY / error**power
    if error > 1.0:
        h[lane], retry[lane] = h[lane] * max(factor, 1.0 / SHRINK_MAX), 1
        return False
    if h_last[lane] > 0.0:  # the trend of the error, as far as it warns
        factor = min(factor, SAFETY * h[lane] / h_last[lane] * (error_last[lane] / error**2) ** power)
    factor = min(max(factor, 1.0 / SHRINK_MAX), 1.0 if retry[lane] > 0 else GROWTH_MAX)
    h_last[lane], error_last[lane], retry[lane] = h[lane], max(error, ERROR_FLOOR), 0
    landed = h[lane] == goal[lane] - origin[lane] - tau[lane]
    tau[lane] = goal[lane] - origin[lane] if landed else tau[lane] + h[lane]
    h[lane] *= factor
    return True


# ---- all lanes ----


@compiled()
def begin_step(q, m, w, jobs, j, last):
    """Evaluate f and J at the last states and choose all steps; lanes that cannot go on take other jobs. Returns the next job."""
    mode, beta, tries, job, ready = whole(w.mode, V), vector(w.beta, V), whole(w.tries, V), whole(w.job, V), False
    while not ready:
        ready = True
        call_vector(w.passes.weigh, q.n, w.numbers, w.last, w.atol, w.w)
        call_lanes(q.rhs_lanes, w.tau, w.last, w.c, w.f)
        call_lanes(q.jac_lanes, w.tau, w.last, w.c, w.J)
        for lane in range(V):
            if mode[lane] != IDLE:
                status = prepare_step(q, m, w, jobs, lane)
                if status != SUCCESS:
                    close(w, jobs, lane, status, vector(w.origin, V)[lane] + vector(w.tau, V)[lane])
                    j = take_job(q, w, jobs, lane, j, last)
                    ready = False
    for lane in range(V):
        beta[lane] = 0.0
        if mode[lane] != IDLE:
            beta[lane] = vector(w.h, V)[lane] * m.gamma
            tries[lane] += 1
            attempts = whole(jobs.attempts, job[lane] + 1)
            attempts[job[lane]] += 1
    return j


@compiled()
def end_step(q, m, w, jobs, before):
    """Take the steps that count, and write the outputs within them; `before` holds the times at which they began."""
    mode, tau, h, h_last = whole(w.mode, V), vector(w.tau, V), vector(w.h, V), vector(w.h_last, V)
    accepted, began, dense = vector(w.numbers + 8 * BLOCK * ACCEPTED, V), vector(before, V), False
    for lane in range(V):
        began[lane] = tau[lane]
        accepted[lane] = 1.0 if mode[lane] == RUNNING and decide(q, m, w, lane) else 0.0
        dense = dense or (accepted[lane] > 0.0 and has_output(w, jobs, lane, tau[lane]))
    if dense:
        call_vector(w.passes.dense, q.n, w.numbers, w.u, w.k)
        for lane in range(V):
            if accepted[lane] > 0.0:
                end, following = tau[lane], h[lane]
                tau[lane], h[lane] = began[lane], h_last[lane]  # of the step just made
                write_between(q, m, w, jobs, lane, end)
                tau[lane], h[lane] = end, following
    call_vector(w.turn, q.n, w.numbers, w.x, w.w, w.extreme, w.way, w.turned)
    call_vector(w.take, q.n, w.numbers, w.last, w.x)


@compiled()
def run_jobs(q, m, w, jobs, first, last):
    """Do the jobs from `first` up to `last`."""
    mode, tau, goal, origin, j, busy = whole(w.mode, V), vector(w.tau, V), vector(w.goal, V), vector(w.origin, V), first, True
    rtol, accepted = vector(w.numbers, V), vector(w.numbers + 8 * BLOCK * ACCEPTED, V)
    for lane in range(V):
        rtol[lane] = jobs.rtol
        load_job(q, w, jobs, lane, first)  # finite numbers for lanes that find no job
        j = take_job(q, w, jobs, lane, j, last)
    while busy:
        j = begin_step(q, m, w, jobs, j, last)
        try_step(q, m, w)
        end_step(q, m, w, jobs, w.beta)
        busy = False
        for lane in range(V):
            if accepted[lane] > 0.0 and tau[lane] == goal[lane] - origin[lane]:
                count_turns(q, w, jobs, lane)
                if not go_on(q, w, jobs, lane, goal[lane]):
                    close(w, jobs, lane, SUCCESS, goal[lane])
                    j = take_job(q, w, jobs, lane, j, last)
            busy = busy or mode[lane] != IDLE

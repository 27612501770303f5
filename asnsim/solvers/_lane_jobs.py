"""What a lane of ``lanes.py`` has to do: jobs, their schedules, and the outputs they leave.

A Numba cache is keyed to the file of the outermost function: after a change here, touch ``lanes.py``.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from asnsim.solvers._kernels import call_kernel
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import V, address, matrix, vector, whole
from asnsim.solvers._system import SUCCESS

__all__ = [
    "BOLUS", "FLOW", "IDLE", "RUNNING", "SET_CONSTANT", "SET_STATE", "STARTING", "Jobs", "Model", "Work", "close", "count_turns",
    "go_on", "has_output", "leaves_domain", "load_job", "make_jobs", "take_job", "write_between",
]  # fmt: skip

SET_CONSTANT, SET_STATE, BOLUS, FLOW = 0, 1, 2, 3  # kinds of actions
IDLE, STARTING, RUNNING = 0, 1, 2  # what a lane is doing

#: Sizes, and addresses of the kernels of a model.
Model = namedtuple(
    "Model",
    "n n_entries lu_size n_base n_full pattern "
    "rhs_lanes jac_lanes lu_factor_lanes lu_solve_lanes rhs volumes prepare_constants selected",
)

#: What is to be done: sizes, and addresses of the arrays that `asnsim.ensemble` fills. Job j takes `base` (n_base) and `x0` (n)
#: with ``values[j]`` put in `places` (a constant i as i, a state i as -1 - i), and the actions ``first[j]`` to ``last[j]``, in
#: order of time. It leaves ``out[j]`` (n_out, n_obs), its status, the time it reached and its attempts, and the most turns of one
#: state between two actions.
Jobs = namedtuple(
    "Jobs",
    "n_values n_out n_obs n_needed begin end rtol max_steps base x0 floors values places times needed "
    "first last action_time action_kind action_place action_value out status reached attempts turns",
)

#: Addresses of the buffers. Rows of V: last, x, f, w, bound, atol, mass, slope, and for turns extreme, way, turned (n),
#: c (n_full), J, lu, u (s, n), k (l, n). One
#: after the other, for scalar kernels: own (V, n_full) constants, one and two (n). Per lane: tau since origin, goal of the
#: segment, step h, the last one and its error, beta; whether it retries and was finite, what it does, its job, what comes next,
#: and how often it has tried and met no number.
Work = namedtuple(
    "Work",
    "passes take turn numbers last x f w bound atol mass slope extreme way turned c J lu u k own one two "
    "tau origin goal h h_last error_last beta "
    "retry finite mode job next_action next_out tries bad",
)


def make_jobs(**arrays) -> Jobs:
    """Gather jobs: numbers as they are, arrays by address; the caller keeps them alive.

    The sizes follow from the arrays; see `Jobs` for their shapes.
    """
    sizes = {
        "n_values": arrays["values"].shape[1],
        "n_out": arrays["times"].size,
        "n_obs": arrays["out"].shape[2],
        "n_needed": arrays["needed"].size,
    }
    return Jobs(**sizes, **{name: address(a) if isinstance(a, np.ndarray) else a for name, a in arrays.items()})


@compiled()
def gather(rows, n, lane, target):
    """Copy one lane of rows (n, V) to a vector (n,)."""
    source, one = matrix(rows, n, V), vector(target, n)
    for i in range(n):
        one[i] = source[i, lane]


@compiled()
def scatter(source, n, lane, rows):
    """Copy a vector (n,) into one lane of rows (n, V)."""
    one, target = vector(source, n), matrix(rows, n, V)
    for i in range(n):
        target[i, lane] = one[i]


@compiled()
def own_constants(q, w, lane):
    """Address of a lane's constants."""
    return w.own + 8 * lane * q.n_full


@compiled()
def refresh(q, w, lane):
    """Compute what depends on a lane's constants anew."""
    own = own_constants(q, w, lane)
    call_kernel(q.prepare_constants, 0.0, own, own, own + 8 * q.n_base)
    scatter(own, q.n_full, lane, w.c)


@compiled()
def load_job(q, w, jobs, lane, j):
    """Put the start of job j into a lane."""
    own, base = vector(own_constants(q, w, lane), q.n_full), vector(jobs.base, q.n_base)
    values, places = vector(jobs.values + 8 * j * jobs.n_values, jobs.n_values), whole(jobs.places, jobs.n_values)
    x, x0 = vector(w.one, q.n), vector(jobs.x0, q.n)
    for i in range(q.n_base):
        own[i] = base[i]
    for i in range(q.n):
        x[i] = x0[i]
    for k in range(jobs.n_values):
        if places[k] >= 0:
            own[places[k]] = values[k]
        else:
            x[-1 - places[k]] = values[k]
    refresh(q, w, lane)
    scatter(w.one, q.n, lane, w.last)
    atol, floors = matrix(w.atol, q.n, V), vector(jobs.floors, q.n)
    for i in range(q.n):
        floor = floors[i]
        if floor != floor:  # as `asnsim.running` has it: relative to the start
            floor = 1e-9 * abs(x[i]) if x[i] != 0.0 else 1e-15
        atol[i, lane] = jobs.rtol * floor
    job, next_action, next_out = whole(w.job, V), whole(w.next_action, V), whole(w.next_out, V)
    job[lane], next_action[lane], next_out[lane] = j, whole(jobs.first, j + 1)[j], 0
    attempts, turns = whole(jobs.attempts, j + 1), whole(jobs.turns, j + 1)
    attempts[j], turns[j] = 0, 0


@compiled()
def act(q, w, jobs, lane, t):
    """Carry out a lane's actions that are due at t."""
    job, next_action = whole(w.job, V), whole(w.next_action, V)
    last = whole(jobs.last, job[lane] + 1)[job[lane]]
    own, x = vector(own_constants(q, w, lane), q.n_full), matrix(w.last, q.n, V)
    while next_action[lane] < last:
        k = next_action[lane]
        if vector(jobs.action_time, k + 1)[k] > t:
            break
        kind, place = whole(jobs.action_kind, k + 1)[k], whole(jobs.action_place, k + 1)[k]
        value = vector(jobs.action_value, k + 1)[k]
        if kind == SET_CONSTANT:
            own[place] = value
            refresh(q, w, lane)
        elif kind == SET_STATE:
            x[place, lane] = value
        elif kind == BOLUS:
            gather(w.last, q.n, lane, w.one)
            call_kernel(q.volumes, t, w.one, own_constants(q, w, lane), w.two)
            x[place, lane] += value / vector(w.two, q.n)[place]
        else:
            flow = own[place] + value
            own[place] = 0.0 if abs(flow) < 1e-9 * abs(value) else flow
            matrix(w.c, q.n_full, V)[place, lane] = own[place]
        next_action[lane] += 1


@compiled()
def begin_segment(q, w, jobs, lane, t):
    """Set a lane going from t to its next action or end."""
    j, k = whole(w.job, V)[lane], whole(w.next_action, V)[lane]
    end = jobs.end
    if k < whole(jobs.last, j + 1)[j]:
        end = min(end, vector(jobs.action_time, k + 1)[k])
    tau, origin, goal, h_last, error_last = (
        vector(w.tau, V), vector(w.origin, V), vector(w.goal, V), vector(w.h_last, V), vector(w.error_last, V),
    )  # fmt: skip
    tau[lane], origin[lane], goal[lane], h_last[lane], error_last[lane] = 0.0, t, end, 0.0, 1.0
    retry, finite, tries, mode = whole(w.retry, V), whole(w.finite, V), whole(w.tries, V), whole(w.mode, V)
    retry[lane], finite[lane], tries[lane], mode[lane] = 0, 1, 0, STARTING
    bad = whole(w.bad, V)
    bad[lane] = 0
    bound, x, atol = matrix(w.bound, q.n, V), matrix(w.last, q.n, V), matrix(w.atol, q.n, V)
    extreme, way, turned = matrix(w.extreme, q.n, V), matrix(w.way, q.n, V), matrix(w.turned, q.n, V)
    for i in range(q.n):
        bound[i, lane] = -np.inf if x[i, lane] < 0.0 else -atol[i, lane]
        extreme[i, lane], way[i, lane], turned[i, lane] = x[i, lane], 1.0, 0.0


@compiled()
def write_state(q, w, jobs, lane, t, place):
    """Write the observables of the state in ``w.one``."""
    job = whole(w.job, V)[lane]
    target = jobs.out + 8 * (job * jobs.n_out + place) * jobs.n_obs
    call_kernel(q.selected, t, w.one, own_constants(q, w, lane), target)


@compiled()
def write_due(q, w, jobs, lane, t):
    """Write the outputs up to t from the last state."""
    next_out, times = whole(w.next_out, V), vector(jobs.times, jobs.n_out)
    if next_out[lane] < jobs.n_out and times[next_out[lane]] <= t:
        gather(w.last, q.n, lane, w.one)
        while next_out[lane] < jobs.n_out and times[next_out[lane]] <= t:
            write_state(q, w, jobs, lane, t, next_out[lane])
            next_out[lane] += 1


@compiled()
def has_output(w, jobs, lane, end):
    """Whether an output lies before `end`, counted from the start of the segment."""
    k = whole(w.next_out, V)[lane]
    return k < jobs.n_out and vector(jobs.times, jobs.n_out)[k] - vector(w.origin, V)[lane] < end


@compiled()
def write_between(q, m, w, jobs, lane, end):
    """Write the outputs of the step a lane has just made, from its dense output; what lies at its end belongs to the next."""
    next_out, times, origin = whole(w.next_out, V), vector(jobs.times, jobs.n_out), vector(w.origin, V)[lane]
    tau, h, needed = vector(w.tau, V)[lane], vector(w.h, V)[lane], whole(jobs.needed, jobs.n_needed)
    rows = m.dense.shape[0]
    last, x, k, one = matrix(w.last, q.n, V), matrix(w.x, q.n, V), matrix(w.k, rows * q.n, V), vector(w.one, q.n)
    while has_output(w, jobs, lane, end):
        t = times[next_out[lane]]
        theta = (t - origin - tau) / h
        for a in range(jobs.n_needed):
            i, inner = needed[a], 0.0
            for degree in range(rows - 1, -1, -1):
                inner = theta * inner + k[degree * q.n + i, lane]
            one[i] = last[i, lane] + theta * (x[i, lane] - last[i, lane] + (1.0 - theta) * inner)
        write_state(q, w, jobs, lane, t, next_out[lane])
        next_out[lane] += 1


@compiled()
def leaves_domain(q, w, lane, t):
    """As `asnsim.solvers._system.leaves_domain`, for one lane."""
    last, x, bound = matrix(w.last, q.n, V), matrix(w.x, q.n, V), matrix(w.bound, q.n, V)
    clipped, f = vector(w.one, q.n), vector(w.two, q.n)
    for i in range(q.n):
        clipped[i] = max(x[i, lane], 0.0) if bound[i, lane] > -np.inf else x[i, lane]
    call_kernel(q.rhs, t, w.one, own_constants(q, w, lane), w.two)
    for i in range(q.n):
        if x[i, lane] < min(last[i, lane], 0.0) + bound[i, lane]:
            if f[i] >= 0.0:
                return True
            bound[i, lane] = -np.inf
    for i in range(q.n):
        clipped[i] = x[i, lane]
    call_kernel(q.rhs, t, w.one, own_constants(q, w, lane), w.two)
    for i in range(q.n):
        if not np.isfinite(f[i]):
            return True
    return False


@compiled()
def go_on(q, w, jobs, lane, t):
    """Carry out what is due at t and begin the next segment; False if the job is done."""
    act(q, w, jobs, lane, t)
    write_due(q, w, jobs, lane, t)
    if t >= jobs.end:
        return False
    begin_segment(q, w, jobs, lane, t)
    return True


@compiled()
def count_turns(q, w, jobs, lane):
    """Keep the most turns that a state has made in the segment of a lane."""
    j, turned, most = whole(w.job, V)[lane], matrix(w.turned, q.n, V), 0.0
    for i in range(q.n):
        most = max(most, turned[i, lane])
    turns = whole(jobs.turns, j + 1)
    turns[j] = max(turns[j], int(most))


@compiled()
def close(w, jobs, lane, status, t):
    """Leave the outcome of a lane's job."""
    j = whole(w.job, V)[lane]
    states, reached = whole(jobs.status, j + 1), vector(jobs.reached, j + 1)
    states[j], reached[j] = status, t


@compiled()
def take_job(q, w, jobs, lane, j, last):
    """Give a lane the next job that has anything to integrate, or let it idle; return the job after."""
    mode = whole(w.mode, V)
    mode[lane] = IDLE
    while j < last:
        load_job(q, w, jobs, lane, j)
        j += 1
        if go_on(q, w, jobs, lane, jobs.begin):
            return j
        close(w, jobs, lane, SUCCESS, jobs.begin)
    return j

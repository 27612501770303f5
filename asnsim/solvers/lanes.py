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

from collections import namedtuple
from functools import cache

import numpy as np

from asnsim.solvers import rosenbrock
from asnsim.solvers._kernels import call_kernel, call_lanes, call_vector
from asnsim.solvers._linalg import compiled
from asnsim.solvers._memory import BLOCK, Layout, V, address, aligned, matrix, vector, whole, whole_matrix
from asnsim.solvers._system import EPS, MAX_STEPS, NOT_FINITE, STEP_TOO_SMALL, SUCCESS
from asnsim.solvers._vectors import NUMBERS, Pass, compile_passes
from asnsim.solvers.rosenbrock import BETA, BETA_H, ERROR_FLOOR, GROWTH_MAX, SAFETY, SHRINK_MAX

__all__ = ["BOLUS", "FLOW", "Jobs", "Lanes", "Model", "SET_CONSTANT", "SET_STATE", "make_jobs"]

SET_CONSTANT, SET_STATE, BOLUS, FLOW = 0, 1, 2, 3  # kinds of actions
IDLE, STARTING, RUNNING = 0, 1, 2  # what a lane is doing
ACCEPTED = 6  # number of the passes that says which lanes have made a step, beside those of ``rosenbrock.py``

#: Sizes, and addresses of the kernels of a model.
Model = namedtuple(
    "Model",
    "n n_entries lu_size n_base n_full pattern "
    "rhs_lanes jac_lanes lu_factor_lanes lu_solve_lanes rhs volumes prepare_constants selected",
)

#: What is to be done: sizes, and addresses of the arrays that `asnsim.ensemble` fills. Job j takes `base` (n_base) and `x0` (n)
#: with ``values[j]`` put in `places` (a constant i as i, a state i as -1 - i), and the actions ``first[j]`` to ``last[j]``, in
#: order of time. It leaves ``out[j]`` (n_out, n_obs), its status, the time it reached and its attempts.
Jobs = namedtuple(
    "Jobs",
    "n_values n_out n_obs n_needed begin end rtol max_steps base x0 floors values places times needed "
    "first last action_time action_kind action_place action_value out status reached attempts",
)

#: Addresses of the buffers. Rows of V: last, x, f, w, bound, atol, mass, slope (n), c (n_full), J, lu, u (s, n), k (l, n). One
#: after the other, for scalar kernels: own (V, n_full) constants, one and two (n). Per lane: tau since origin, goal of the
#: segment, step h, the last one and its error, beta; whether it retries and was finite, what it does, its job, what comes next.
Work = namedtuple(
    "Work",
    "passes take numbers last x f w bound atol mass slope c J lu u k own one two "
    "tau origin goal h h_last error_last beta retry finite mode job next_action next_out tries",
)


def _take() -> str:
    """Write ``last = x`` in the lanes that have made a step."""
    p = Pass("last x")
    mask = p.compare("ogt", p.number(ACCEPTED), p.const(0.0))
    p.begin()
    p.put(p.select(mask, p.get("x"), p.get("last")), "last")
    return p.text("take")


@cache
def _own_passes():
    return compile_passes({"take": _take()})


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
        rows = dict.fromkeys(("last", "x", "f", "w", "bound", "atol", "mass", "slope"), (n, V))
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


# ---- one lane ----


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
    attempts = whole(jobs.attempts, j + 1)
    attempts[j] = 0


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
    bound, x, atol = matrix(w.bound, q.n, V), matrix(w.last, q.n, V), matrix(w.atol, q.n, V)
    for i in range(q.n):
        bound[i, lane] = -np.inf if x[i, lane] < 0.0 else -atol[i, lane]


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
    return False


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
def go_on(q, w, jobs, lane, t):
    """Carry out what is due at t and begin the next segment; False if the job is done."""
    act(q, w, jobs, lane, t)
    write_due(q, w, jobs, lane, t)
    if t >= jobs.end:
        return False
    begin_segment(q, w, jobs, lane, t)
    return True


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
            if accepted[lane] > 0.0 and tau[lane] == goal[lane] - origin[lane] and not go_on(q, w, jobs, lane, goal[lane]):
                close(w, jobs, lane, SUCCESS, goal[lane])
                j = take_job(q, w, jobs, lane, j, last)
            busy = busy or mode[lane] != IDLE

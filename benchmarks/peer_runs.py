"""How each peer runs a scenario: ``run(rtol)`` returns (its own milliseconds or None, states on the grid)."""

import ctypes
import os
import sys
import time
from contextlib import contextmanager

import numpy as np
import roadrunner
from common import HERE
from numba import njit
from peers.client import Peer
from scipy.integrate import solve_ivp

from asnsim.codegen import compile_system
from asnsim.equations import build_equations
from asnsim.io.sbml import sbml_text
from asnsim.running import absolute_tolerances
from asnsim.solvers._kernels import call_kernel, python_callable

for level in ("ERROR", "WARNING"):  # libRoadRunner's integrator tells each small step at length
    os.environ.setdefault(f"SUNLOGGER_{level}_FILENAME", os.devnull)


def all_peers(scenario):
    """Return {peer: run} of those that are installed, and {peer: why it is not}."""
    ours = Ours(scenario)
    peers = {"libRoadRunner": RoadRunner(scenario).run}
    missing = {}
    for name, runner in (("AMICI", "amici"), ("COPASI", "copasi")):
        try:
            peer = Peer(runner, scenario)
            peers[name] = lambda rtol, p=peer: (lambda ms, _, x: (ms, x))(*p.run(rtol, keep=True))
        except RuntimeError as error:
            missing[name] = str(error)
    try:
        peers["numbalsoda"] = NumbaLSODA(ours).run
    except (ImportError, OSError) as error:
        missing["numbalsoda"] = f"not installed ({error}): make bench-peers builds it where there is a Fortran compiler"
    for method in ("LSODA", "BDF"):
        peers[f"scipy {method}"] = lambda rtol, m=method: (None, ours.scipy(rtol, m))
    return peers, missing


class RoadRunner:
    """libRoadRunner, stopped at every dose."""

    def __init__(self, scenario):
        self.scenario, model = scenario, scenario.model
        self.runner = roadrunner.RoadRunner(sbml_text(model))
        self.runner.timeCourseSelections = ["time", *(f"[{s}]" if s in model.species else s for s in model.states)]

    def dose(self, action):
        """Give one dose; an amount for a species, the state's own unit otherwise."""
        model = self.scenario.model
        volume = 1.0 if action.name in model.rates else model.value(model.species[action.name].compartment)
        key = f"[{action.name}]" if action.name in model.species else action.name
        self.runner[key] = self.runner[key] + action.value / volume

    def run(self, rtol, values=None):
        """Run at a relative tolerance, with other values of constants if any are given."""
        self.runner.reset()
        for name, value in (values or {}).items():
            self.runner[name] = value
        self.runner.integrator.relative_tolerance = rtol
        self.runner.integrator.absolute_tolerance = rtol * 1e-6
        grid, parts, times, start = self.scenario.grid, [], [], 0.0
        for action in [*self.scenario.actions, None]:
            end = self.scenario.until if action is None else action.time
            points = [start, *grid[(grid > start) & (grid < end)], end]
            rows = self.runner.simulate(times=points)
            last = None if action is None else -1
            parts.append(np.array(rows[:last, 1:]))
            times += points[:last]
            if action is not None:
                self.dose(action)
            start = end
        return None, np.vstack(parts)[np.searchsorted(times, grid, side="right") - 1]


class Ours:
    """Our compiled right-hand side and Jacobian as other integrators take them."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.system = build_equations(scenario.model)
        self.code = compile_system(self.system)
        self.code.improve()
        self.x0, constants = self.system.arrays(scenario.model)
        self.c = self.code.prepare(constants)
        self.rhs = python_callable(self.code.address("rhs"))
        self.jac = python_callable(self.code.address("jac"))

    def stretches(self):
        """Yield (begin, end, output times inside [begin, end), what is done at the end)."""
        start, grid = 0.0, self.scenario.grid
        for action in [*self.scenario.actions, None]:
            end = self.scenario.until if action is None else action.time
            yield start, end, grid[(grid >= start) & (grid < end)], action
            start = end

    def give(self, x, action):
        """Add a dose to a state."""
        model = self.scenario.model
        volume = 1.0 if action.name in model.rates else model.value(model.species[action.name].compartment)
        x[self.system.states.index(action.name)] += action.value / volume

    def follow(self, integrate):
        """Run ``integrate(begin, end, times, x)``, which returns the rows at the times and at the end, over all stretches."""
        x, parts = self.x0.copy(), []
        for begin, end, times, action in self.stretches():
            rows = integrate(begin, end, times, x)
            parts.append(rows[:-1])
            x = rows[-1].copy()
            if action is not None:
                self.give(x, action)
        return np.vstack([*parts, x[None]])

    def scipy(self, rtol, method):
        """scipy's solve_ivp."""
        n, entries, rows, columns = self.system.n, np.zeros(len(self.code.pattern)), *self.code.pattern.T
        slope, matrix = np.zeros(n), np.zeros((n, n))
        atol = absolute_tolerances(self.scenario.model, rtol)

        def f(t, y):
            self.rhs(t, np.ascontiguousarray(y), self.c, slope)
            return slope.copy()

        def j(t, y):
            self.jac(t, np.ascontiguousarray(y), self.c, entries)
            matrix[rows, columns] = entries
            return matrix.copy()

        def integrate(begin, end, times, x):
            return solve_ivp(f, (begin, end), x, method, t_eval=[*times, end], rtol=rtol, atol=atol, jac=j).y.T

        return self.follow(integrate)


class NumbaLSODA:
    """numbalsoda (LSODA, compiled) on our compiled right-hand side; it takes one absolute tolerance and no Jacobian."""

    def __init__(self, ours):
        beside = str(HERE / "peers" / "beside")
        if beside not in sys.path:
            sys.path.append(beside)
        import numbalsoda
        from numba import carray, cfunc

        self.ours, self.lsoda, address = ours, numbalsoda.lsoda, ours.code.address("rhs")
        n, n_c = ours.x0.size, ours.c.size

        @cfunc(numbalsoda.lsoda_sig)
        def rhs(t, x, slope, c):
            call_kernel(address, t, carray(x, n).ctypes.data, carray(c, n_c).ctypes.data, carray(slope, n).ctypes.data)

        self.rhs = rhs

    def run(self, rtol):
        """Run at a relative tolerance."""

        def integrate(begin, end, times, x):
            points = np.array([*([] if times.size and times[0] == begin else [begin]), *times, end])
            rows, success = self.lsoda(self.rhs.address, x, points, data=self.ours.c, rtol=rtol, atol=rtol * 1e-6, mxstep=100_000)
            if not success:
                raise RuntimeError("LSODA gave up")
            return rows[len(points) - 1 - len(times) :]

        with muted():
            return None, self.ours.follow(integrate)


@contextmanager
def muted():
    """Throw away what a library writes to the terminal: LSODA tells each small step at length."""
    sys.stdout.flush()
    nowhere, kept = os.open(os.devnull, os.O_WRONLY), [os.dup(descriptor) for descriptor in (1, 2)]
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        for descriptor, own in zip((1, 2), kept, strict=True):
            os.dup2(own, descriptor)
            os.close(own)
        os.close(nowhere)


def kernel_times(scenario):
    """Seconds of one call of each kernel at the start of a scenario, in cache."""
    ours = Ours(scenario)
    n, code = ours.system.n, ours.code
    entries, factors, slope = np.zeros(len(code.pattern)), np.zeros(code.lu.size + 1), np.ones(n)
    arguments = {
        "rhs": (0.0, ours.x0, ours.c, slope.copy()),
        "jac": (0.0, ours.x0, ours.c, entries),
        "lu_factor": (0.01, entries, ours.c, factors),
        "lu_solve": (0.0, factors, ours.c, slope),
    }
    return {name: _best(code.address(name), *given) for name, given in arguments.items()}


def _best(address, t, x, c, out, calls=3000):
    _repeat(address, t, x, c, out, 10)
    seconds = []
    for _ in range(7):
        begin = time.perf_counter()
        _repeat(address, t, x, c, out, calls)
        seconds.append(time.perf_counter() - begin)
    return min(seconds) / calls


@njit
def _repeat(address, t, x, c, out, calls):
    for _ in range(calls):
        call_kernel(address, t, x.ctypes.data, c.ctypes.data, out.ctypes.data)

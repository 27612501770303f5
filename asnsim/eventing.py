"""Events: when triggers fire, what waits, and in which order it happens (SBML Level 3 Version 2, section 4.11).

A trigger fires when it changes from false to true. The new values are computed then or at execution; execution waits for the
delay; among what is due at one time the largest priority comes first, then what was triggered first; each execution may fire or
cancel others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asnsim.derivatives import derivatives
from asnsim.equations import ODESystem
from asnsim.running import Run

__all__ = ["Events"]

_MOST_AT_ONCE = 10_000
_ULPS = 50
_BEFORE = 1e-9  # of the time: near enough to a switch to tell what the rates were before it


@dataclass(slots=True, eq=False)
class _Waiting:
    """An event between trigger and execution.

    Parameters
    ----------
    time : float
        When it is due, h.
    place : int
        Which event.
    dtau : ndarray, shape (n_theta,)
        Derivative of `time`.
    values, slopes : list, or None
        New values and their derivatives along with the trigger, where they were computed then.
    """

    time: float
    place: int
    dtau: np.ndarray
    values: list[float] | None
    slopes: list[np.ndarray] | None


@dataclass(frozen=True, slots=True)
class _Switch:
    """Where time switches a rate: the first number at which it has, the last at which it has not, and which root tells."""

    at: float
    before: float
    root: int


def _linear_switches(system: ODESystem) -> list[tuple[int, tuple[int, int]]]:
    """Switches whose comparison is linear in time: root, node and its constant slope."""
    if "linear switches" not in system.cache:
        found = []
        for root in sorted(system.switches):
            node = system.roots[root]
            slope = derivatives(system.graph, [node], {("t", 0)}).get((0, "t", 0))
            if slope is not None and system.graph.fixed[slope]:
                found.append((root, (node, slope)))
        system.cache["linear switches"] = found
    return system.cache["linear switches"]


class Events:
    """The events of one run.

    Parameters
    ----------
    run : Run
        Its state is read and set.
    """

    def __init__(self, run: Run):
        self.run = run
        self.triggers = run.system.triggers
        self._truth = [trigger.event.initial for trigger in self.triggers]
        self._waiting: list[_Waiting] = []

    def next_time(self) -> float:
        """When the next execution is due; infinite if none waits."""
        return min((one.time for one in self._waiting), default=np.inf)

    def crossing(self, t: float, roots: tuple[int, ...]) -> np.ndarray:
        """Derivative of the time at which a condition has just changed, by the implicit function theorem, (n_theta,).

        Raises
        ------
        IntegrationError
            If the condition is only touched: its time then has no derivative.
        """
        run = self.run
        if not run.theta or not roots:
            return np.zeros(len(run.theta))
        decisive = [root for root in roots if root not in run.system.switches] or list(roots)
        node = run.system.roots[decisive[0]]
        rate = run.total(node, t, run.slope(t)[:, None] * np.ones(len(run.theta)), 1.0)
        by_theta = run.total(node, t, run.s)
        explicit = run.total(node, t, np.zeros_like(run.s))
        speed = rate - explicit  # the part by x and t alone, the same for every parameter
        if not np.all(np.abs(speed) > 0):
            raise run.failure(f"an event's condition is only touched at t = {t:g} h; sensitivities do not exist there", t)
        return -by_theta / speed

    def next_switch(self, t: float) -> _Switch | None:
        """The next moment after `t` at which time itself switches a rate, where it can be told ahead."""
        run, known = self.run, _linear_switches(self.run.system)
        if not known:
            return None
        nodes = [node for _, pair in known for node in pair]
        numbers = run.system.graph.evaluate(nodes, t, run.x, run.c)
        found = None
        for k, (root, (node, _)) in enumerate(known):
            ahead, pace = float(numbers[2 * k]), float(numbers[2 * k + 1])
            now = ahead > 0
            if not (pace < 0 if now else pace > 0) or not np.isfinite(ahead / pace):  # never again
                continue
            at = t - ahead / pace
            for _ in range(_ULPS):  # on the very first number at which the comparison turns out otherwise
                if (run.value(node, at) > 0) == now:
                    at = np.nextafter(at, np.inf)
                elif (run.value(node, np.nextafter(at, -np.inf)) > 0) != now:
                    at = np.nextafter(at, -np.inf)
                else:
                    break
            if at > t and (found is None or at < found.at):
                found = _Switch(at, float(np.nextafter(at, -np.inf)), root)
        return found

    def cross(self, switch: _Switch) -> None:
        """Let sensitivities jump where a rate is switched at a time that depends on parameters."""
        run = self.run
        if run.theta:
            before, dtau = run.slope(switch.before), self.crossing(switch.at, (switch.root,))
            run.s = run.s + np.outer(before - run.slope(switch.at), dtau)

    def cross_found(self, t: float, roots: tuple[int, ...]) -> None:
        """The same for a switch that the solver has found, just past it."""
        run = self.run
        for root in set(roots) & run.system.switches:
            here, short = run.x, _BEFORE * max(abs(t), 1.0)
            run.x = here - short * run.slope(t)
            before = run.slope(t - short)
            run.x = here
            run.s = run.s + np.outer(before - run.slope(t), self.crossing(t, (root,)))

    def fire(self, t: float, dtau: np.ndarray | None = None) -> bool:
        """Let everything happen that is due at `t`; return whether anything did.

        Parameters
        ----------
        t : float
            Time, h.
        dtau : ndarray, shape (n_theta,), optional
            Derivative of `t`, where a condition or a dose at a moving time is the cause.

        Raises
        ------
        IntegrationError
            If events keep firing each other, or a delay is negative.
        """
        if not self.triggers:
            return False
        dtau = np.zeros(len(self.run.theta)) if dtau is None else dtau
        for done in range(_MOST_AT_ONCE):
            self._look(t, dtau)
            due = [one for one in self._waiting if one.time <= t]
            if not due:
                return done > 0
            first = max(due, key=lambda one: self.run.value(self.triggers[one.place].priority, t))  # the earliest of equals
            self._waiting.remove(first)
            self._execute(first, t)
        raise self.run.failure(f"events fire each other without end at t = {t:g} h", t)

    def _look(self, t: float, dtau: np.ndarray) -> None:
        """Note which triggers have fired, and cancel what does not persist."""
        truths = self.run.truths(t)
        for place, trigger in enumerate(self.triggers):
            holds = trigger.holds(truths)
            if holds and not self._truth[place]:
                self._schedule(place, t, dtau)
            elif not holds and self._truth[place] and not trigger.event.persistent:
                self._waiting = [one for one in self._waiting if one.place != place]
            self._truth[place] = holds

    def _schedule(self, place: int, t: float, dtau: np.ndarray) -> None:
        run, trigger = self.run, self.triggers[place]
        delay = run.value(trigger.delay, t)
        if not 0.0 <= delay < np.inf:
            raise run.failure(f"event '{trigger.event.id}' has the delay {delay:g} h at t = {t:g} h; it must not be negative", t)
        values = slopes = None
        T = run.s + np.outer(run.slope(t), dtau) if np.any(dtau) else run.s
        if trigger.event.at_trigger:
            values = [run.value(node, t) for _, node in trigger.assignments]
            slopes = [run.total(node, t, T, dtau) for _, node in trigger.assignments] if run.theta else None
        later = dtau + run.total(trigger.delay, t, T, dtau) if run.theta else dtau
        self._waiting.append(_Waiting(t + delay, place, later, values, slopes))

    def _execute(self, one: _Waiting, t: float) -> None:
        run, trigger = self.run, self.triggers[one.place]

        def assign(T: np.ndarray) -> None:
            values, slopes = one.values, one.slopes
            if values is None:
                values = [run.value(node, t) for _, node in trigger.assignments]
                slopes = [run.total(node, t, T, one.dtau) for _, node in trigger.assignments] if run.theta else None
            for place, (i, _) in enumerate(trigger.assignments):
                self._keep_amounts(i, values[place], T, slopes[place] if slopes else None)
            for place, (i, _) in enumerate(trigger.assignments):
                run.x[i] = values[place]
                if slopes:
                    T[i] = slopes[place]

        run.jump(t, one.dtau, assign)
        run.settle(t)

    def _keep_amounts(self, i: int, size: float, T: np.ndarray, slope: np.ndarray | None) -> None:
        """Where state i is a compartment that takes a new size, its concentrations change so that amounts do not."""
        run = self.run
        name = run.system.states[i]
        for species, compartment in run.system.volumes.items():
            if compartment == name and species in run.system.states:
                j = run.system.states.index(species)
                old, concentration = run.x[i], run.x[j]
                if slope is not None:
                    T[j] = (T[j] * old + concentration * T[i]) / size - concentration * old / size**2 * slope
                run.x[j] = concentration * old / size

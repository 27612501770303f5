"""From doses in numbers to what the driver does and when: repeats, lags, infusions and steady states of a train of doses.

The rules are those of NONMEM's event records. A steady state (SS 1 or 3) forgets what was given before it: running infusions
are cut there and what was still to come is left out; SS 2 adds to what there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["BOLUS", "END", "SET", "START", "STEADY", "SWITCH", "Action", "Given", "Steady", "deliveries", "tidy"]

#: Kinds of actions, in their order at one time.
END, SET, SWITCH, STEADY, BOLUS, START = range(6)

#: h; the period over which a constant condition is followed to find its steady state.
_ANY_PERIOD = 24.0
#: Infusions that overlap at a steady state, at most.
_MOST_AT_ONCE = 1001


@dataclass(frozen=True, slots=True)
class Steady:
    """The steady state of a train of doses that has always been going on.

    Parameters
    ----------
    cycle : tuple of Action
        One period, from time 0.
    period : float
        h.
    phase : float
        Where in the period the state is taken, h; at the period itself it is the state just before a dose.
    adds : bool
        Whether the state is added to what there is (SS 2) instead of replacing it.
    from_present : bool
        Whether the search begins at the present state (SS 3) instead of the model's initial values.
    label : str
        The dose, for messages.
    """

    cycle: tuple[Action, ...]
    period: float
    phase: float
    adds: bool
    from_present: bool
    label: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the driver does at one time, resolved against a model.

    Parameters
    ----------
    time : float
        h.
    order : int
        Among actions at one time: end of an infusion, change, switch, steady state, bolus, start of an infusion.
    name : str
        State or constant.
    value : float
        New value, amount, amount per h (negative at the end of an infusion), or 1 and 0 for on and off.
    slopes : mapping of str to (float, float)
        Derivatives of `time` and `value` by the parameters of doses (``'dose1.amt'``) and covariates that they depend on.
    steady : Steady, optional
        Which steady state is set.
    late : bool
        Whether it waits for everything else at that time.
    """

    time: float
    order: int
    name: str
    value: float
    slopes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    steady: Steady | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A dose in canonical numbers, and how the amount follows its own value and a covariate.

    Parameters
    ----------
    label, into : str
        Its name, and the state that receives it.
    time, amount, rate, duration, ii, alag, f : float
        As in `asnsim.dosing.Dose`: h, canonical amounts.
    addl, ss : int
        Repeats, and the kind of steady state.
    covariate : str
        What the amount is scaled by; empty for an absolute one.
    clock : str
        State that each administration sets to 0; empty for none.
    own, growth : float
        Derivatives of the amount by itself (0 where it is capped or rounded to vials) and by the covariate.
    """

    label: str
    into: str
    time: float
    amount: float
    rate: float
    duration: float
    ii: float
    addl: int
    alag: float
    f: float
    ss: int
    clock: str
    covariate: str
    own: float
    growth: float

    @property
    def delivered(self) -> float:
        """What arrives."""
        return self.amount * self.f

    @property
    def length(self) -> float:
        """Length of the infusion, h."""
        return self.delivered / self.rate if self.rate > 0 else self.duration

    @property
    def constant(self) -> bool:
        """Whether it asks for the steady state of a constant infusion, or of no dose at all."""
        return self.ss > 0 and not self.ii


def tidy(time: float) -> float:
    """Drop the dust of adding times: 0.2 + 0.1 h meets an output at 0.3 h."""
    short = float(f"{time:.13g}")
    return short if abs(short - time) <= 4 * math.ulp(time) else time


def deliveries(doses: Sequence[Given]) -> list[Action]:
    """Return what is done for some doses in the order of their records, not yet sorted."""
    actions: list[Action] = []
    for place, dose in enumerate(doses):
        forgotten = min(
            (other.time for k, other in enumerate(doses) if other.ss in (1, 3) and (other.time, k) > (dose.time, place)),
            default=math.inf,
        )
        for one in _administrations(dose):
            actions += _until(one, forgotten)
        if dose.ss:
            actions.append(Action(dose.time, STEADY, dose.into, 0.0, {}, _steady(dose)))
    return actions


def _until(one: tuple[Action, ...], end: float) -> Iterable[Action]:
    """One administration as far as it comes before `end`."""
    if one[0].time >= end:
        return ()
    return (replace(action, time=end, slopes={}) if action.time > end else action for action in one)


def _administrations(dose: Given) -> Iterable[tuple[Action, ...]]:
    """The doses of a record, those of the past included that are still being infused at its steady state."""
    if dose.constant:
        return
    if dose.ss:
        yield from (_running(dose, begin) for begin in _begun_before(dose))
    for repeat in range(dose.addl + 1):
        yield _deliver(dose, repeat)


def _begun_before(dose: Given) -> Iterable[float]:
    """When infusions of a steady train began that still run at its record."""
    first = dose.time + dose.alag
    for k in range(1, _MOST_AT_ONCE + 1):
        begin = first - k * dose.ii
        if not begin + dose.length > dose.time + 1e-12 * max(dose.length, abs(dose.time)):
            return
        yield begin


def _running(dose: Given, begin: float) -> tuple[Action, ...]:
    rate = dose.delivered / dose.length
    return Action(dose.time, START, dose.into, rate), Action(tidy(begin + dose.length), END, dose.into, -rate)


def _deliver(dose: Given, repeat: int) -> tuple[Action, ...]:
    """One administration, with the derivatives of its times and values."""
    rate, begin, delivered, length = dose.rate, tidy(dose.time + dose.alag + repeat * dose.ii), dose.delivered, dose.length
    end = begin + length
    moves = {"time": 1.0, "alag": 1.0, "ii": float(repeat)}
    grows = {"amt": dose.f * dose.own, "f": dose.amount, dose.covariate: dose.growth * dose.f * dose.own}
    clock = (Action(begin, SET, dose.clock, 0.0),) if dose.clock else ()
    if end == begin:  # a bolus, or an infusion shorter than time can tell
        return (*clock, Action(begin, BOLUS, dose.into, delivered, _slopes(dose, moves, grows)))
    if not rate or abs((end - begin) - length) > 1e-9 * length:  # what is delivered counts, not a rate over a rounded time
        rate = delivered / (end - begin)
    if dose.rate > 0:
        rates = {"rate": 1.0}
        longer = {name: slope / rate for name, slope in grows.items()} | {"rate": -length / rate}
    else:
        rates = {name: slope / length for name, slope in grows.items()} | {"duration": -rate / length}
        longer = {"duration": 1.0}
    ends = moves | longer
    return (
        *clock,
        Action(begin, START, dose.into, rate, _slopes(dose, moves, rates)),
        Action(end, END, dose.into, -rate, _slopes(dose, ends, {name: -slope for name, slope in rates.items()})),
    )


def _slopes(dose: Given, times: Mapping[str, float], values: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Derivatives under the names of sensitivities: ``'dose1.amt'``, or a covariate's own."""
    found = {}
    for name in dict.fromkeys([*times, *values]):
        if name:
            full = name if name == dose.covariate else f"{dose.label}.{name}"
            found[full] = times.get(name, 0.0), values.get(name, 0.0)
    return found


def _steady(dose: Given) -> Steady:
    """One period of the train that a record asks for, and where in it the record lies."""
    kind = {"adds": dose.ss == 2, "from_present": dose.ss == 3, "label": dose.label}
    if dose.constant:
        cycle = (Action(0.0, START, dose.into, dose.rate),) if dose.rate > 0 else ()
        return Steady(cycle, _ANY_PERIOD, _ANY_PERIOD, **kind)
    if not dose.length > 0:
        slopes = {name: (0.0, slope[1]) for name, slope in _deliver(dose, 0)[-1].slopes.items()}
        cycle = (Action(0.0, BOLUS, dose.into, dose.delivered, slopes),)
    else:
        cycle = _overlapping(dose)
    if dose.clock:
        cycle = (Action(0.0, SET, dose.clock, 0.0), *cycle)
    return Steady(cycle, dose.ii, dose.ii - dose.alag, **kind)


def _overlapping(dose: Given) -> tuple[Action, ...]:
    """A period of infusions, of which several run at a time where they last longer than the period."""
    rate, always = dose.delivered / dose.length, math.floor(dose.length / dose.ii * (1 + 1e-14))
    left = max(dose.length - always * dose.ii, 0.0)
    cycle = [Action(0.0, START, dose.into, always * rate)] if always else []
    if left > 1e-12 * dose.length:
        cycle += [Action(0.0, START, dose.into, rate), Action(left, END, dose.into, -rate)]
    return tuple(cycle)

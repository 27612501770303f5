"""Doses and changes of condition, in the words of NONMEM event records."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from asnsim.errors import DoseError, UnitError, suggest
from asnsim.network import Network
from asnsim.units import dimension_text, parse_quantity, parse_time, unit

__all__ = ["Action", "Change", "Dose", "Regimen", "parse_dose"]

_MOST_REPEATS = 100_000
_PER = (("bsa", unit("m^2").dimension), ("weight", unit("kg").dimension))


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose record.

    Parameters
    ----------
    time : float or str
        When it is given, h or text such as ``'14 d'``.
    amt : float or str
        Amount in canonical units (U or umol), or text; ``'2500 U/m^2'`` and ``'... /kg'`` are resolved with the model's
        `bsa` and `weight`.
    into : str
        The state that receives it (NONMEM's CMT, by name).
    rate : float or str
        Amount per h; 0 is a bolus.
    duration : float or str
        Length of the infusion, h; an alternative to `rate` (NONMEM's extension DUR).
    ii : float or str
        Interval between repeats, h.
    addl : int
        Additional doses every `ii`.
    f : float
        Bioavailable fraction. With `rate` it shortens the infusion, with `duration` it lowers the rate.
    alag : float or str
        Lag, h, for this dose and all its repeats.
    cap : float or str
        Largest amount, U or umol; infinite if not given (3750 U for pegaspargase in BFM protocols).
    name : str
        By which sensitivities refer to it: ``theta=('NAME.amt', 'NAME.time')``; by default dose1, dose2, ... in the order of the
        regimen.

    Raises
    ------
    DoseError
        If a field breaks a rule: the message names it.
    """

    time: float | str
    amt: float | str
    into: str
    rate: float | str = 0.0
    duration: float | str = 0.0
    ii: float | str = 0.0
    addl: int = 0
    f: float = 1.0
    alag: float | str = 0.0
    cap: float | str = math.inf
    name: str = ""

    def __post_init__(self):
        for name in ("time", "duration", "ii", "alag"):
            object.__setattr__(self, name, parse_time(getattr(self, name), f"the dose's {name}"))
        if not math.isfinite(self.time):
            raise DoseError(f"a dose into '{self.into}' has time {self.time:g}; give a number of hours")
        who = f"the dose into '{self.into}' at {self.time:g} h"
        amount, _ = _amount(self.amt)
        if not 0 < amount < math.inf:
            raise DoseError(f"{who} has amt {self.amt}; an amount must be positive and finite")
        if not _amount(self.cap)[0] > 0:
            raise DoseError(f"{who} has cap {self.cap}; a cap must be positive")
        for name in ("duration", "ii", "alag"):
            if not 0 <= getattr(self, name) < math.inf:
                raise DoseError(f"{who} has {name} {getattr(self, name):g} h; it must not be negative")
        rate, _ = _amount(self.rate)
        if not 0 <= rate < math.inf:
            raise DoseError(f"{who} has rate {self.rate}; a rate must be a finite number and not negative")
        if rate > 0 and self.duration > 0:
            raise DoseError(f"{who} has both rate and duration; give one of them")
        if not isinstance(self.addl, int) or isinstance(self.addl, bool) or not 0 <= self.addl <= _MOST_REPEATS:
            raise DoseError(f"{who} has addl {self.addl}; it must be a whole number from 0 to {_MOST_REPEATS}")
        if (self.addl > 0) != (self.ii > 0):
            raise DoseError(f"{who} has addl {self.addl} and ii {self.ii:g} h; repeats need both, a single dose neither")
        if not isinstance(self.f, (int, float)) or not 0 < self.f <= 1:
            raise DoseError(f"{who} has f {self.f}; a bioavailable fraction lies between 0 and 1")


_DOSE_TEXT = re.compile(
    r"\s*(?P<amt>.+?)\s+into\s+(?P<into>\w+)(?:\s+at\s+(?P<time>.+?))?(?:\s+over\s+(?P<duration>.+?))?"
    r"(?:\s+every\s+(?P<ii>.+?)\s+times\s+(?P<times>\d+))?\s*"
)


def parse_dose(text: str) -> Dose:
    """Read a dose written as ``'2500 U/m^2 into peg_1 at 1 d over 2 h every 14 d times 3'``; all after the state may be left out.

    Raises
    ------
    DoseError
        If the text has another form or a field breaks a rule.
    """
    match = _DOSE_TEXT.fullmatch(text)
    if not match:
        raise DoseError(f"'{text}' is not a dose; write for example '1000 U into asnase_e at 24 h over 1 h every 7 d times 2'")
    fields = match.groupdict()
    times = int(fields["times"] or 1)
    if times < 1:
        raise DoseError(f"'{text}' asks for {times} doses; give 1 or more")
    repeats = {"ii": fields["ii"], "addl": times - 1} if times > 1 else {}
    return Dose(fields["time"] or 0.0, fields["amt"], fields["into"], duration=fields["duration"] or 0.0, **repeats)


def _amount(text: float | str) -> tuple[float, tuple[float, ...] | None]:
    """Return the number and, for text with a unit, its dimension."""
    if isinstance(text, (int, float)):
        return float(text), None
    value = parse_quantity(text, what="dose")
    suffix = str(text).strip().lstrip("+-0123456789.eE ")
    return value, unit(suffix).dimension if suffix else None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of condition: constants and states set to new values at a time (a new medium, a drug, a new occasion).

    Parameters
    ----------
    time : float or str
        When, h.
    values : mapping of str to float
        New values in canonical units. A state is set, and forgets what it was; a constant holds from then on.
    """

    time: float | str
    values: Mapping[str, float]

    def __post_init__(self):
        object.__setattr__(self, "time", parse_time(self.time, "the change's time"))
        for name, value in self.values.items():
            if isinstance(value, (str, bool)):
                raise DoseError(f"the change at {self.time:g} h sets '{name}' to {value!r}; give a number in canonical units")
        object.__setattr__(self, "values", MappingProxyType({name: float(value) for name, value in self.values.items()}))
        for name, value in self.values.items():
            if not math.isfinite(value):
                raise DoseError(f"the change at {self.time:g} h sets '{name}' to {value:g}; give a finite number")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the driver does at one time, resolved against a model.

    Parameters
    ----------
    time : float
        h.
    order : int
        Among actions at one time: 0 end of an infusion, 1 change, 2 bolus, 3 start of an infusion.
    name : str
        State or constant.
    value : float
        New value, amount, or amount per h (negative at the end of an infusion).
    slopes : mapping of str to (float, float)
        Derivatives of `time` and `value` by the parameters of doses (``'dose1.amt'``) and covariates that they depend on.
    """

    time: float
    order: int
    name: str
    value: float
    slopes: Mapping[str, tuple[float, float]] = field(default_factory=dict)


END, SET, BOLUS, START = range(4)

#: Parameters of a dose that sensitivities can be taken by.
DOSE_PARAMETERS = ("amt", "time", "alag", "f", "rate", "duration", "ii")


@dataclass(frozen=True, slots=True)
class Regimen:
    """Doses and changes of condition.

    Examples
    --------
    >>> regimen = Regimen.repeat("2500 U/m^2", into="peg_1", every="14 d", times=3, duration="1 h")
    >>> len(regimen.doses), regimen.doses[0].addl
    (1, 2)
    """

    doses: tuple[Dose, ...] = ()
    changes: tuple[Change, ...] = field(default=())

    @classmethod
    def single(cls, amt: float | str, into: str, time: float | str = 0.0, **fields) -> Regimen:
        """Return a regimen of one dose; further fields as in `Dose`."""
        return cls((Dose(time, amt, into, **fields),))

    @classmethod
    def repeat(cls, amt: float | str, into: str, every: float | str, times: int, start: float | str = 0.0, **fields) -> Regimen:
        """Return `times` equal doses `every` so often; further fields as in `Dose`.

        Raises
        ------
        DoseError
            If `times` is not a positive whole number or a field breaks a rule.
        """
        if not isinstance(times, int) or times < 1:
            raise DoseError(f"a regimen of {times} doses is not possible; give a whole number, 1 or more")
        repeats = {"ii": every, "addl": times - 1} if times > 1 else {}
        return cls((Dose(start, amt, into, **repeats, **fields),))

    def change(self, time: float | str, values: Mapping[str, float] | None = None, **more: float) -> Regimen:
        """Return a regimen with one more change of condition."""
        return replace(self, changes=(*self.changes, Change(time, {**(values or {}), **more})))

    def __add__(self, other: Regimen) -> Regimen:
        return Regimen(self.doses + other.doses, self.changes + other.changes)

    def labels(self) -> tuple[str, ...]:
        """Names of the doses: their own, or dose1, dose2, ... by their place.

        Raises
        ------
        DoseError
            If two doses have the same name.
        """
        found = tuple(dose.name or f"dose{k}" for k, dose in enumerate(self.doses, start=1))
        for name in found:
            if found.count(name) > 1:
                raise DoseError(f"two doses are called '{name}'; give each its own name")
        return found

    def parameter(self, name: str, model: Network) -> float:
        """Return the value of a parameter of a dose, ``'dose1.amt'``: canonical units, an amount per m^2 or kg resolved.

        Raises
        ------
        DoseError
            If there is no such dose, it has no such parameter, or does not use it.
        """
        label, _, part = name.partition(".")
        labels = self.labels()
        if label not in labels:
            raise DoseError(f"'{name}' asks for a dose '{label}', which the regimen lacks{suggest(label, labels)}")
        dose = self.doses[labels.index(label)]
        if part not in DOSE_PARAMETERS:
            raise DoseError(f"'{name}': a dose has no '{part}'; it has {', '.join(DOSE_PARAMETERS)}")
        if part in ("amt", "rate"):
            dimension = amount_dimension(model, dose.into)
            if part == "rate":
                dimension = tuple(x - y for x, y in zip(dimension, unit("h").dimension, strict=True))
            value, _ = _resolve(f"the {part} '{getattr(dose, part)}'", getattr(dose, part), dimension, model, dose.into)
        else:
            value = getattr(dose, part)
        if part in ("rate", "duration", "ii") and not value:
            raise DoseError(f"'{name}': this dose has no {part}")
        return value

    def actions(self, model: Network) -> list[Action]:
        """Resolve against a model: per-m^2 and per-kg doses, repeats, lags, infusions; sorted by time and order.

        Raises
        ------
        DoseError
            If a dose goes into something that is not a state, or a change names something unknown.
        UnitError
            If a dose is in the wrong unit.
        """
        actions: list[Action] = []
        for label, dose in zip(self.labels(), self.doses, strict=True):
            dimension = amount_dimension(model, dose.into)
            amount, scaled_by = _resolve(f"the dose '{dose.amt}'", dose.amt, dimension, model, dose.into)
            cap, _ = _resolve(f"the cap '{dose.cap}'", dose.cap, dimension, model, dose.into)
            per_hour = tuple(x - y for x, y in zip(dimension, unit("h").dimension, strict=True))
            rate, _ = _resolve(f"the rate '{dose.rate}'", dose.rate, per_hour, model, dose.into)
            if scaled_by and any(scaled_by in change.values for change in self.changes):
                raise DoseError(
                    f"the dose '{dose.amt}' follows '{scaled_by}', which a change of condition sets anew; give absolute amounts"
                )
            growth = amount / model.parameters[scaled_by].value if scaled_by else 0.0
            given = _Given(label, dose, min(amount, cap), rate, scaled_by, 0.0 if amount > cap else 1.0, growth)
            for repeat in range(dose.addl + 1):
                actions += _deliver(given, repeat)
        for change in self.changes:
            for name, value in change.values.items():
                if name not in model.parameters:
                    raise DoseError(
                        f"the change at {change.time:g} h sets '{name}', which is not a state or constant of model "
                        f"'{model.name}'{suggest(name, model.parameters)}"
                    )
                actions.append(Action(change.time, SET, name, value))
        return sorted(actions, key=lambda action: (action.time, action.order))


def _tidy(time: float) -> float:
    """Drop the dust of adding times: 0.2 + 0.1 h meets an output at 0.3 h."""
    short = float(f"{time:.13g}")
    return short if abs(short - time) <= 4 * math.ulp(time) else time


@dataclass(frozen=True, slots=True)
class _Given:
    """A dose in canonical numbers: what is given, at which rate, and how the amount follows its own value and a covariate."""

    label: str
    dose: Dose
    amount: float
    rate: float
    covariate: str
    own: float
    growth: float


def _deliver(given: _Given, repeat: int) -> list[Action]:
    """One administration, with the derivatives of its times and values."""
    dose, rate = given.dose, given.rate
    begin = _tidy(dose.time + dose.alag + repeat * dose.ii)
    delivered = given.amount * dose.f
    length = delivered / rate if rate > 0 else dose.duration
    end = begin + length
    moves = {"time": 1.0, "alag": 1.0, "ii": float(repeat)}
    grows = {"amt": dose.f * given.own, "f": given.amount, given.covariate: given.growth * dose.f * given.own}
    if end == begin:  # a bolus, or an infusion shorter than time can tell
        return [Action(begin, BOLUS, dose.into, delivered, _slopes(given, moves, grows))]
    if not rate or abs((end - begin) - length) > 1e-9 * length:  # what is delivered counts, not a rate over a rounded time
        rate = delivered / (end - begin)
    if given.rate > 0:
        rates = {"rate": 1.0}
        longer = {name: slope / rate for name, slope in grows.items()} | {"rate": -length / rate}
    else:
        rates = {name: slope / length for name, slope in grows.items()} | {"duration": -rate / length}
        longer = {"duration": 1.0}
    ends = moves | longer
    return [
        Action(begin, START, dose.into, rate, _slopes(given, moves, rates)),
        Action(end, END, dose.into, -rate, _slopes(given, ends, {name: -slope for name, slope in rates.items()})),
    ]


def _slopes(given: _Given, times: Mapping[str, float], values: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Derivatives under the names of sensitivities: ``'dose1.amt'``, or a covariate's own."""
    found = {}
    for name in dict.fromkeys([*times, *values]):
        if name:
            full = name if name == given.covariate else f"{given.label}.{name}"
            found[full] = times.get(name, 0.0), values.get(name, 0.0)
    return found


def amount_dimension(model: Network, state: str) -> tuple[float, ...]:
    """Return the dimension of an amount that goes into a state: a species takes its amount, another state its own unit."""
    if state not in model.states:
        kind = "a rule" if state in model.rules else "not a state"
        raise DoseError(f"a dose goes into '{state}', which is {kind} of model '{model.name}'{suggest(state, model.states)}")
    own = model.parameters[state].dimension
    if state in model.rates:
        return own
    return tuple(x + y for x, y in zip(own, unit("L").dimension, strict=True))


def _resolve(what: str, text: float | str, wanted: tuple[float, ...], model: Network, into: str) -> tuple[float, str]:
    """Return a quantity in canonical units, with the covariate it was scaled by where it is per m^2 or per kg."""
    number, dimension = _amount(text)
    if dimension is None or dimension == wanted:
        return number, ""
    for covariate, size in _PER:
        if tuple(x + y for x, y in zip(dimension, size, strict=True)) == wanted:
            if covariate not in model.parameters:
                raise DoseError(f"{what} needs '{covariate}', which model '{model.name}' lacks; give the absolute amount")
            size_of = model.parameters[covariate].value
            if not size_of > 0:
                raise DoseError(f"{what} needs a positive '{covariate}', not {size_of:g}")
            return number * size_of, covariate
    raise UnitError(
        f"{what} is in {dimension_text(dimension)}, but '{into}' takes {dimension_text(wanted)} (or that per m^2 or per kg)"
    )

"""Doses and changes of condition, in the words of NONMEM event records."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from asnsim.delivery import SET, SWITCH, Action, Given, deliveries, tidy
from asnsim.errors import DoseError, UnitError, suggest
from asnsim.network import Network
from asnsim.units import dimension_text, parse_quantity, parse_time, unit

__all__ = ["Change", "Dose", "Regimen", "Switch", "parse_dose"]

_MOST_REPEATS = 100_000
_MOST_AT_ONCE = 1000  # infusions that overlap at a steady state
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
        `bsa` and `weight`. 0 only for the steady state of a constant infusion (with `rate`) or of no dose at all.
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
        Bioavailable fraction, or what arrives relative to a reference. With `rate` it shortens the infusion, with `duration` it
        lowers the rate.
    alag : float or str
        Lag, h, for this dose and all its repeats.
    ss : {0, 1, 2, 3}
        1: this dose has always been given every `ii`, and nothing else was; 2: the same, added to what there is, for linear
        models; 3: as 1, the search begins at the present state. What only accumulates keeps its value. With `addl` the train
        goes on. The steady state is that without lag; with one, the record lies at ``ii - alag`` in its period.
    cap : float or str
        Largest amount, U or umol; infinite if not given (3750 U for pegaspargase in BFM protocols).
    vial : float or str
        Content of a vial: the amount is rounded to the nearest number of whole vials within the cap, at least one; 0 for none.
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
    ss: int = 0
    cap: float | str = math.inf
    vial: float | str = 0.0
    name: str = ""

    def __post_init__(self):
        for name in ("time", "duration", "ii", "alag"):
            object.__setattr__(self, name, parse_time(getattr(self, name), f"the dose's {name}"))
        object.__setattr__(self, "time", tidy(self.time))
        if not math.isfinite(self.time):
            raise DoseError(f"a dose into '{self.into}' has time {self.time:g}; give a number of hours")
        who = f"the dose into '{self.into}' at {self.time:g} h"
        if self.ss not in (0, 1, 2, 3) or isinstance(self.ss, bool):
            raise DoseError(f"{who} has ss {self.ss}; it must be 0, 1, 2 or 3")
        amount, _ = _amount(self.amt)
        if not (0 < amount < math.inf or (amount == 0 and self.ss)):
            raise DoseError(f"{who} has amt {self.amt}; an amount must be positive and finite")
        if not _amount(self.cap)[0] > 0:
            raise DoseError(f"{who} has cap {self.cap}; a cap must be positive")
        if not 0 <= _amount(self.vial)[0] < math.inf:
            raise DoseError(f"{who} has vial {self.vial}; the content of a vial must be finite and not negative")
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
        if not isinstance(self.f, (int, float)) or not 0 < self.f < math.inf:
            raise DoseError(f"{who} has f {self.f}; what arrives must be positive and finite")
        self._check_repeats(who, amount)

    def _check_repeats(self, who: str, amount: float) -> None:
        """The rules of ADDL, II and SS among each other."""
        if not self.ss:
            if (self.addl > 0) != (self.ii > 0):
                raise DoseError(f"{who} has addl {self.addl} and ii {self.ii:g} h; repeats need both, a single dose neither")
        elif amount > 0:
            if not self.ii > 0:
                raise DoseError(f"{who} has ss {self.ss} and ii 0; the steady state of repeated doses needs their interval ii")
            if self.alag > self.ii:
                raise DoseError(f"{who} has ss {self.ss} and lags {self.alag:g} h, more than its interval ii of {self.ii:g} h")
        elif self.ii or self.addl or self.alag or self.duration:
            raise DoseError(
                f"{who} has ss {self.ss} and amt 0, the steady state of a constant infusion or of none; "
                "ii, addl, alag and duration must be 0"
            )


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
    late : bool
        Whether it comes after the doses at that time instead of before them.
    """

    time: float | str
    values: Mapping[str, float]
    late: bool = False

    def __post_init__(self):
        object.__setattr__(self, "time", tidy(parse_time(self.time, "the change's time")))
        for name, value in self.values.items():
            if isinstance(value, (str, bool)):
                raise DoseError(f"the change at {self.time:g} h sets '{name}' to {value!r}; give a number in canonical units")
        object.__setattr__(self, "values", MappingProxyType({name: float(value) for name, value in self.values.items()}))
        for name, value in self.values.items():
            if not math.isfinite(value):
                raise DoseError(f"the change at {self.time:g} h sets '{name}' to {value:g}; give a finite number")


@dataclass(frozen=True, slots=True)
class Switch:
    """A state turned off (emptied, and nothing moves it) or on again, as NONMEM turns compartments; a dose into it turns it on.

    Parameters
    ----------
    time : float or str
        When, h.
    state : str
        Which.
    on : bool
        To what.
    """

    time: float | str
    state: str
    on: bool

    def __post_init__(self):
        object.__setattr__(self, "time", tidy(parse_time(self.time, "the switch's time")))
        if not math.isfinite(self.time):
            raise DoseError(f"the switch of '{self.state}' has time {self.time:g}; give a number of hours")


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
    switches: tuple[Switch, ...] = field(default=())

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

    def switch(self, time: float | str, state: str, on: bool) -> Regimen:
        """Return a regimen that turns a state off or on; see `Switch`."""
        return replace(self, switches=(*self.switches, Switch(time, state, on)))

    def __add__(self, other: Regimen) -> Regimen:
        return Regimen(self.doses + other.doses, self.changes + other.changes, self.switches + other.switches)

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
        if dose.ss and (part not in ("amt", "f") or dose.rate or dose.duration):
            raise DoseError(
                f"'{name}': of a dose at steady state (ss {dose.ss}) sensitivities are known by amt and f of a bolus only"
            )
        if dose.into in model.restarts and part in ("time", "alag", "ii"):
            raise DoseError(f"'{name}': the dose sets '{model.restarts[dose.into]}' to 0; it has no sensitivities by its time")
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
        actions = deliveries(self.given(model))
        for change in self.changes:
            for name, value in change.values.items():
                if name not in model.parameters:
                    raise DoseError(
                        f"the change at {change.time:g} h sets '{name}', which is not a state or constant of model "
                        f"'{model.name}'{suggest(name, model.parameters)}"
                    )
                actions.append(Action(change.time, SET, name, value, late=change.late))
        for switch in self.switches:
            amount_dimension(model, switch.state, "a switch turns")
            actions.append(Action(switch.time, SWITCH, switch.state, float(switch.on)))
        return sorted(actions, key=lambda action: (action.time, action.late, action.order))

    def before(self, end: float) -> Regimen:
        """Return what of it has an effect up to a time: doses that begin, changes and switches until then, h."""
        return Regimen(
            tuple(kept for dose in self.doses if (kept := _begun(dose, end))),
            tuple(change for change in self.changes if change.time <= end),
            tuple(switch for switch in self.switches if switch.time <= end),
        )

    def dose_times(self) -> tuple[float, ...]:
        """Times of all doses, repeats included, each once; without lags, and without steady states of a constant condition."""
        times = {tidy(d.time + k * d.ii) for d in self.doses if not (d.ss and not d.ii) for k in range(d.addl + 1)}
        return tuple(sorted(times))

    def given(self, model: Network) -> list[Given]:
        """Return the doses in canonical numbers: per-m^2 and per-kg amounts, caps and vials resolved.

        Raises
        ------
        DoseError
            If a dose goes into something that is not a state.
        UnitError
            If a dose is in the wrong unit.
        """
        return [self._given(label, dose, model) for label, dose in zip(self.labels(), self.doses, strict=True)]

    def _given(self, label: str, dose: Dose, model: Network) -> Given:
        """Resolve a dose against a model."""
        dimension = amount_dimension(model, dose.into)
        amount, scaled_by = _resolve(f"the dose '{dose.amt}'", dose.amt, dimension, model, dose.into)
        cap, _ = _resolve(f"the cap '{dose.cap}'", dose.cap, dimension, model, dose.into)
        vial, _ = _resolve(f"the vial of '{dose.vial}'", dose.vial, dimension, model, dose.into)
        per_hour = tuple(x - y for x, y in zip(dimension, unit("h").dimension, strict=True))
        rate, _ = _resolve(f"the rate '{dose.rate}'", dose.rate, per_hour, model, dose.into)
        if scaled_by and any(scaled_by in change.values for change in self.changes):
            raise DoseError(
                f"the dose '{dose.amt}' follows '{scaled_by}', which a change of condition sets anew; give absolute amounts"
            )
        growth = amount / model.parameters[scaled_by].value if scaled_by else 0.0
        given = _in_vials(amount, cap, vial)
        free = 1.0 if given == amount and not vial else 0.0
        numbers = (dose.time, given, rate, dose.duration, dose.ii, dose.addl, dose.alag, dose.f, dose.ss)
        found = Given(label, dose.into, *numbers, model.restarts.get(dose.into, ""), scaled_by, free, growth)
        if dose.ss and dose.ii and found.length > _MOST_AT_ONCE * dose.ii:
            raise DoseError(
                f"an infusion of {found.length:g} h every {dose.ii:g} h never ends a steady state of over {_MOST_AT_ONCE} at once"
            )
        return found


def _begun(dose: Dose, end: float) -> Dose | None:
    """A dose without the repeats that begin after a time."""
    first = dose.time + dose.alag
    if (dose.time if dose.ss else first) > end:
        return None
    if not dose.addl:
        return dose
    repeats = 0 if first > end else min(dose.addl, int((end - first) / dose.ii * (1 + 1e-12)))
    return replace(dose, addl=repeats, ii=dose.ii if repeats or dose.ss else 0.0)


def _in_vials(amount: float, cap: float, vial: float) -> float:
    """What is given: at most the cap; where it comes in vials, the nearest number of whole ones, half up, at least one."""
    if not vial:
        return min(amount, cap)
    most = max(1, math.floor(cap / vial * (1 + 1e-12))) if math.isfinite(cap) else math.inf
    return min(max(1, math.floor(min(amount, cap) / vial + 0.5)), most) * vial


def amount_dimension(model: Network, state: str, what: str = "a dose goes into") -> tuple[float, ...]:
    """Return the dimension of an amount that goes into a state: a species takes its amount, another state its own unit."""
    if state not in model.states:
        kind = "a rule" if state in model.rules else "not a state"
        raise DoseError(f"{what} '{state}', which is {kind} of model '{model.name}'{suggest(state, model.states)}")
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

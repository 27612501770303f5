"""NONMEM-style event tables: CSV with one record per row, names in either case, every record checked against the rules.

Columns: ID, TIME, DV, MDV, EVID, CMT, AMT, RATE, DUR, II, ADDL, SS, and as extensions F, ALAG, CAP and VIAL. A unit may stand
behind a name, ``AMT [U/m^2]`` or ``TIME [d]``, or behind a number. What else is named after a constant of the model is a
covariate. ``.`` is an empty cell.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from asnsim.delivery import tidy
from asnsim.dosing import Dose, Regimen, amount_dimension
from asnsim.errors import AsnsimError, DataError, DoseError, suggest
from asnsim.network import Network
from asnsim.records import Record, Subject, episodes_of
from asnsim.tables import Row, read_csv
from asnsim.units import parse_quantity, unit

__all__ = ["read_events"]

_COLUMNS = ("ID", "TIME", "DV", "MDV", "EVID", "CMT", "AMT", "RATE", "DUR", "II", "ADDL", "SS", "F", "ALAG", "CAP", "VIAL")
_DOSE_ITEMS = ("AMT", "RATE", "DUR", "II", "ADDL", "SS")
_TIMES = ("TIME", "DUR", "II", "ALAG")
_HEADER = re.compile(r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\]]*)\])?")
_MODELLED = {-1.0: "R", -2.0: "D"}


@dataclass(frozen=True)
class _Table:
    """How the cells of a file are read against a model."""

    model: Network
    compartments: tuple[str, ...]
    observe: Mapping[str, str]
    names: Mapping[str, str]  # upper-case column or covariate -> column of the file
    units: Mapping[str, str]
    covariates: tuple[str, ...]
    constants: Mapping[str, float]
    warned: set = field(default_factory=set)

    def text(self, row: Row, name: str) -> str:
        """A cell; empty where there is none."""
        cell = row[self.names[name]] if name in self.names else ""
        return "" if cell == "." else cell

    def number(self, row: Row, name: str, default: float = 0.0) -> float:
        """A cell as a number in canonical units; times may carry one of their own."""
        text = self.text(row, name)
        if not text:
            return default
        own = self.units.get(name, "")
        try:
            if own and re.fullmatch(r"[-+.\deE]+", text):
                return row.number(self.names[name]) * unit(own).factor
            return parse_quantity(text, what=name) if re.search(r"[A-Za-z]\s*$", text) else row.number(self.names[name])
        except AsnsimError as error:
            raise DataError(_at(row, str(error))) from None

    def whole(self, row: Row, name: str, allowed: Sequence[int] | None = None) -> int:
        """A cell as a whole number."""
        value = self.number(row, name)
        if value != int(value) or (allowed and int(value) not in allowed):
            wanted = f"one of {', '.join(map(str, allowed))}" if allowed else "a whole number"
            raise DataError(_at(row, f"{name} is {self.text(row, name)}; it must be {wanted}"))
        return int(value)

    def own(self, model: Network, part: str, state: str, default: float = np.nan) -> float:
        """What the doses of a compartment share; constants of the model are those of the record."""
        name = f"{part}_{state}"
        if name in self.constants:
            return self.constants[name]
        return model.value(name) if name in model.constants else default

    def amount(self, row: Row, name: str) -> str | float:
        """An amount with the unit that the cell or the column gives it."""
        text = self.text(row, name)
        if not text or re.search(r"[^-+.\deE\s]", text):
            return text or 0.0
        value = row.number(self.names[name])
        coded = name == "RATE" and value in _MODELLED
        return f"{text} {self.units[name]}" if self.units.get(name) and value and not coded else value


def _at(row: Row, words: str) -> str:
    return words if words.startswith(row.where) else f"{row.where}: {words}"


def read_events(
    path: str | Path,
    model: Network,
    *,
    compartments: Sequence[str] = (),
    observe: Mapping[str, str] | str = "",
    constants: Mapping[str, float | str] | None = None,
    locf: bool = False,
    drop: Sequence[str] = (),
) -> list[Subject]:
    """Read an event table.

    Parameters
    ----------
    path : str or Path
        The CSV file. Rows of one ID stand together, in the order of time or with resets between.
    model : Network
        For which model: its states are the compartments.
    compartments : sequence of str
        States that CMT 1, 2, ... mean; by default the states of the model in their order. CMT 0 is the first.
    observe : mapping of str to str, or str
        What is seen where a state is observed, such as ``{'central': 'cp'}``; a plain name for all.
    constants : mapping of str to float or str, optional
        What records of a compartment share: ``F_state`` bioavailable fraction, ``ALAG_state`` lag, ``R_state`` rate and
        ``D_state`` duration of infusions whose RATE is -1 or -2. A constant of the model that has such a name counts too; a
        column F or ALAG goes before both.
    locf : bool
        See `asnsim.records.episodes_of`.
    drop : sequence of str
        Columns to leave aside.

    Returns
    -------
    list of Subject

    Raises
    ------
    DataError
        If a record breaks a rule; the message says which row and which rule.
    """
    rows = read_csv(path)
    if not rows:
        raise DataError(f"{Path(path).name}: the table has no records")
    table = _table(rows[0], model, tuple(compartments), observe, constants or {}, drop)
    subjects, seen = [], set()
    for who, group in groupby(rows, key=lambda row: table.text(row, "ID") or "1"):
        members = list(group)
        if who in seen:
            raise DataError(_at(members[0], f"ID {who} comes again after another one; rows of one ID must stand together"))
        seen.add(who)
        records = [_record(table, row) for row in members]
        subjects.append(Subject(who, episodes_of(records, locf)))
    return subjects


def _table(first: Row, model: Network, compartments: tuple[str, ...], observe, constants, drop: Sequence[str]) -> _Table:
    """Sort the columns of the file into those of NONMEM, covariates and what is dropped."""
    for name in compartments:
        amount_dimension(model, name, "the list of compartments names")
    names, units, covariates = {}, {}, []
    for column in first.cells:
        match = _HEADER.fullmatch(column)
        name = match["name"].strip() if match else column
        if column in drop or name in drop:
            continue
        known = name.upper() if name.upper() in _COLUMNS else _constant(model, name)
        if not known:
            known_names = (*_COLUMNS, *model.constants)
            raise DataError(
                f"{first.path.name}: column '{column}' is neither an item of event records nor a constant of model '{model.name}'"
                f"{suggest(name, known_names)}; name it among those to drop if it is not needed"
            )
        if known in names:
            raise DataError(f"{first.path.name}: columns '{names[known]}' and '{column}' mean the same; keep one")
        names[known], units[known] = column, (match["unit"] or "").strip() if match else ""
        covariates += [known] if known not in _COLUMNS else []
    if "TIME" not in names:
        raise DataError(f"{first.path.name}: there is no column TIME; it has {', '.join(first.cells)}")
    for column in drop:
        if column not in first.cells and column not in {_HEADER.fullmatch(c)["name"].strip() for c in first.cells}:
            raise DataError(f"{first.path.name}: there is no column '{column}' to drop{suggest(column, first.cells)}")
    seen = dict.fromkeys(compartments or model.states, observe) if isinstance(observe, str) else dict(observe)
    known = (*model.states, *model.rules, *(reaction.id for reaction in model.reactions))
    for state, what in seen.items():
        if state not in model.states or (what and what not in known):
            wrong = state if state not in model.states else what
            raise DataError(f"what is observed names '{wrong}', which model '{model.name}' lacks{suggest(wrong, known)}")
    own = {name: _dosing_constant(model, name, value) for name, value in constants.items()}
    return _Table(model, compartments or model.states, seen, names, units, tuple(covariates), own)


def _dosing_constant(model: Network, name: str, value: float | str) -> float:
    part, _, state = name.partition("_")
    if part not in ("F", "ALAG", "R", "D") or state not in model.states:
        known = [f"{p}_{s}" for p in ("F", "ALAG", "R", "D") for s in model.states]
        raise DoseError(f"'{name}' is not F, ALAG, R or D of a state of model '{model.name}'{suggest(name, known)}")
    return parse_quantity(value, what=name) if isinstance(value, str) else float(value)


def _constant(model: Network, name: str) -> str:
    """The constant of the model that a column is named after, in its own or another case; empty for none."""
    if name in model.constants:
        return name
    found = [constant for constant in model.constants if constant.lower() == name.lower()]
    return found[0] if len(found) == 1 else ""


def _counts(text: str) -> bool:
    """Whether a cell says something other than zero."""
    try:
        return bool(text) and float(text) != 0
    except ValueError:
        return True


def _evid(table: _Table, row: Row) -> int:
    if table.text(row, "EVID"):
        return table.whole(row, "EVID", (0, 1, 2, 3, 4))
    if any(_counts(table.text(row, name)) for name in _DOSE_ITEMS):
        return 1
    return 2 if table.whole(row, "MDV", (0, 1)) else 0


def _record(table: _Table, row: Row) -> Record:
    evid = _evid(table, row)
    if not table.text(row, "TIME"):
        raise DataError(_at(row, "TIME is empty; every record has a time"))
    time = tidy(table.number(row, "TIME"))
    given = [name for name in _DOSE_ITEMS if _counts(table.text(row, name))]
    if evid in (0, 2, 3) and given:
        kind = {0: "an observation", 2: "an other-type record", 3: "a reset"}[evid]
        raise DataError(_at(row, f"{given[0]} is {table.text(row, given[0])} on {kind} (EVID {evid}); it must be 0 there"))
    values = _covariates(table, row)
    mdv = table.whole(row, "MDV", (0, 1))
    dv = table.number(row, "DV", np.nan) if evid == 0 and not mdv else np.nan
    if evid in (1, 4):
        if not given:
            raise DataError(_at(row, f"a dose (EVID {evid}) needs one of AMT, RATE, II, ADDL or SS that is not 0"))
        dose = _dose(table, row, time, values)
        return Record(row.where, time, evid, table.observe.get(dose.into) or dose.into, dose, covariates=values)
    place, sign = _compartment(table, row, evid)
    switch = None if evid != 2 or not table.text(row, "CMT").strip("0") else sign > 0
    if switch is not None:
        return Record(row.where, time, evid, place, switch=switch, covariates=values)
    seen = table.observe.get(place) or place
    return Record(row.where, time, evid, seen, dv=dv, covariates=values)


def _compartment(table: _Table, row: Row, evid: int) -> tuple[str, int]:
    """What CMT means: a name, and its sign."""
    text = table.text(row, "CMT")
    if not re.fullmatch(r"[-+]?\d+", text):
        name, sign = text.lstrip("-"), -1 if text.startswith("-") else 1
        if not name:
            return table.compartments[0], 1
        known = table.model.states if evid else (*table.model.states, *table.model.rules, *(r.id for r in table.model.reactions))
        if name not in known:
            raise DataError(_at(row, f"CMT '{name}' is not known to model '{table.model.name}'{suggest(name, known)}"))
        return name, sign
    number = int(text)
    if abs(number) > len(table.compartments):
        raise DataError(_at(row, f"CMT is {number}, but there are {len(table.compartments)} compartments"))
    if number < 0 and evid != 2:
        raise DataError(_at(row, f"CMT is {number}; a negative one turns a compartment off and belongs to EVID 2"))
    return table.compartments[max(abs(number), 1) - 1], -1 if number < 0 else 1


def _covariates(table: _Table, row: Row) -> dict[str, float]:
    found = {}
    for name in table.covariates:
        if not table.text(row, name):
            raise DataError(_at(row, f"covariate '{name}' is empty; give its value on every record"))
        found[name] = table.number(row, name)
    return found


def _dose(table: _Table, row: Row, time: float, covariates: Mapping[str, float]) -> Dose:
    """Build the dose of a record; what depends on covariates is resolved with those of the record."""
    into, sign = _compartment(table, row, 1)
    if sign < 0:
        raise DataError(_at(row, f"CMT is {table.text(row, 'CMT')}; a dose goes into a compartment, not out of the list"))
    model = table.model.with_parameters(dict(covariates))
    ss, addl = table.whole(row, "SS", (0, 1, 2, 3)), table.whole(row, "ADDL")
    f = table.number(row, "F", table.own(model, "F", into, 1.0))
    alag = table.number(row, "ALAG", table.own(model, "ALAG", into, 0.0))
    rate, duration = _infusion(table, row, model, into)
    amt = table.amount(row, "AMT")
    if ss and not amt and not table.text(row, "ALAG"):
        alag = 0.0  # what has always been going on has no lag
    items = {"rate": rate, "duration": duration, "ii": table.number(row, "II"), "addl": addl, "f": f, "alag": alag, "ss": ss}
    items |= {name.lower(): table.amount(row, name) for name in ("CAP", "VIAL") if table.text(row, name)}
    try:
        dose = Dose(time, amt, into, **items)
        (given,) = Regimen((dose,)).given(model)
        return Dose(time, given.amount, into, **(items | {"rate": given.rate, "cap": np.inf, "vial": 0.0}))
    except AsnsimError as error:
        raise DataError(_at(row, str(error))) from None


def _infusion(table: _Table, row: Row, model: Network, into: str) -> tuple[float | str, float]:
    """Rate and duration of a record: 0 bolus, above 0 a rate, -1 and -2 modelled; DUR instead."""
    rate, duration = table.amount(row, "RATE"), table.number(row, "DUR")
    if rate in (-1.0, -2.0):
        if duration:
            raise DataError(_at(row, f"RATE is {rate:g} and DUR is {duration:g} h; give one of them"))
        part = _MODELLED[rate]
        own = table.own(model, part, into)
        if np.isnan(own):
            raise DataError(_at(row, f"RATE is {rate:g}, but nothing gives '{part}_{into}'"))
        if not own > 0:
            raise DataError(_at(row, f"RATE is {rate:g} and '{part}_{into}' is {own:g}; it must be positive"))
        return (own, 0.0) if rate == -1.0 else (0.0, own)
    for code, part in _MODELLED.items():
        name = f"{part}_{into}"
        if not np.isnan(table.own(model, part, into)) and not rate and not duration and name not in table.warned:
            table.warned.add(name)
            warnings.warn(f"{row.where}: there is a '{name}' but RATE is not {code:g}: the dose is a bolus", stacklevel=2)
    return rate, duration

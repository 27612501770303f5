"""What was done to subjects and what was seen, record by record, in the sense of NONMEM; simulated episode by episode.

A reset (EVID 3 and 4) ends an episode: the next one starts from the model's initial state, with a clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from asnsim.dosing import Change, Dose, Regimen, Switch
from asnsim.errors import DataError, DoseError, IntegrationError, ModelError
from asnsim.network import Network
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.solvers.rosenbrock import Rosenbrock
from asnsim.trajectory import Trajectory

__all__ = ["Episode", "Record", "Subject", "episodes_of", "predictions"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record, checked and in canonical units.

    Parameters
    ----------
    where : str
        File and row, for messages.
    time : float
        h.
    evid : int
        0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose.
    what : str
        State, rule or flux that is observed; of EVID 2 the state that is switched, empty for none.
    dose : Dose, optional
        Of EVID 1 and 4.
    switch : bool, optional
        On or off, of EVID 2.
    dv : float
        What was measured; NaN where there is no observation (MDV 1).
    covariates : mapping of str to float
        Constants of the model at this record.
    """

    where: str
    time: float
    evid: int
    what: str = ""
    dose: Dose | None = None
    switch: bool | None = None
    dv: float = np.nan
    covariates: Mapping[str, float] = field(default_factory=dict)

    @property
    def acts(self) -> bool:
        """Whether it does something at its own time."""
        return self.switch is not None or (self.dose is not None and (not self.dose.alag or self.dose.ss > 0))


@dataclass(frozen=True, slots=True)
class Episode:
    """What happens from a start or a reset to the next one.

    Parameters
    ----------
    records : tuple of Record
        In order.
    regimen : Regimen
        Doses, switches and changes of covariates.
    covariates : mapping of str to float
        Constants at its start.
    locf : bool
        As of `episodes_of`.
    """

    records: tuple[Record, ...]
    regimen: Regimen
    covariates: Mapping[str, float]
    locf: bool = False

    @property
    def span(self) -> tuple[float, float]:
        """First and last time, h."""
        return self.records[0].time, self.records[-1].time

    def up_to(self, place: int) -> Episode:
        """Return the episode as if it ended with a record: what stands further down is not done, not even at the same time."""
        return _episode(self.records[: place + 1], self.locf)

    def simulate(self, model: Network, solver: NDF | Rosenbrock | None = None) -> Trajectory:
        """Simulate it, with output at the times of its records."""
        start, end = self.span
        own = model.with_parameters(dict(self.covariates))
        until = max([end, *(action.time for action in self.regimen.actions(own))])
        return simulate(own, self.regimen, until, start=start, times=[record.time for record in self.records], solver=solver)


@dataclass(frozen=True, slots=True)
class Subject:
    """One individual.

    Parameters
    ----------
    id : str
        As it stands in the table.
    episodes : tuple of Episode
    """

    id: str
    episodes: tuple[Episode, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, in order."""
        return tuple(record for episode in self.episodes for record in episode.records)


def episodes_of(records: Sequence[Record], locf: bool = False) -> tuple[Episode, ...]:
    """Cut the records of a subject at its resets.

    Parameters
    ----------
    records : sequence of Record
        In the order of the data.
    locf : bool
        Whether a covariate keeps its last value until the next record; by default the next record's value holds already from
        the record before on, as in NONMEM.

    Raises
    ------
    DataError
        If time goes backwards without a reset, or at one and the same time covariates differ between things done, or a state is
        switched after a dose into it.
    """
    parts: list[list[Record]] = []
    for record in records:
        if not parts or record.evid in (3, 4):
            parts.append([])
        elif record.time < parts[-1][-1].time:
            raise DataError(
                f"{record.where}: time goes back from {parts[-1][-1].time:g} to {record.time:g} h; "
                "only a reset (EVID 3 or 4) may do that"
            )
        parts[-1].append(record)
    return tuple(_episode(part, locf) for part in parts)


def _episode(records: Sequence[Record], locf: bool) -> Episode:
    end = records[-1].time
    doses = tuple(record.dose for record in records if record.dose)
    switches = tuple(Switch(record.time, record.what, record.switch) for record in records if record.switch is not None)
    current, changes = dict(records[0].covariates), []
    for before, record in zip(records, records[1:], strict=False):
        new = {name: value for name, value in record.covariates.items() if value != current[name]}
        if new:
            tied = record.time == before.time
            if tied and before.acts and record.acts:
                raise DataError(
                    f"{record.where}: it acts at {record.time:g} h as the record before it does, with other covariates; "
                    "give it a time of its own"
                )
            changes.append(Change(record.time, new) if locf else Change(before.time, new, late=not tied))
            current |= new
    for place, record in enumerate(records):
        if record.switch is not None and (other := _dose_above(records, place)):
            raise DataError(
                f"{record.where}: it switches '{record.what}' at {record.time:g} h, after the dose of {other.where} at the same "
                "time, and switches come first here; give it a time of its own"
            )
    regimen = Regimen(doses, tuple(changes), switches).before(end)
    return Episode(tuple(records), regimen, MappingProxyType(dict(records[0].covariates)), locf)


def _dose_above(records: Sequence[Record], place: int) -> Record | None:
    """A dose that stands above a switch of the same time, and would not give the same below it."""
    here = records[place]
    same = (record for record in records[:place] if record.time == here.time and record.acts and record.dose)
    return next((record for record in same if record.dose.ss or record.dose.into == here.what), None)


def _side(records: Sequence[Record], place: int) -> str:
    """Whether a record sees what is done at its time: nothing of it (before), all (after), or what stands above it (between)."""
    record = records[place]
    same = [k for k, other in enumerate(records) if other.time == record.time and other.acts]
    if not any(k > place for k in same):
        return "after"
    return "between" if record.evid in (3, 4) or any(k <= place for k in same) else "before"


def predictions(
    model: Network,
    subjects: Sequence[Subject],
    solver: NDF | Rosenbrock | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate subjects and return what the model says at every record.

    Parameters
    ----------
    model : Network
        The model; its numbers are the typical ones.
    subjects : sequence of Subject
        Who.
    solver : NDF or Rosenbrock, optional
        ``NDF(rtol=1e-6)`` by default.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    DataFrame
        Columns ID, TIME, EVID, WHAT, DV, PRED; one row per record, in order; canonical units. At one time the order
        of the data counts: PRED is the value after what stands at or above the record and before what stands below.

    Raises
    ------
    AsnsimError
        If a subject cannot be simulated; the message names it.
    """
    rows = []
    for done, subject in enumerate(subjects, start=1):
        for episode in subject.episodes:
            try:
                rows += _rows(model, subject.id, episode, solver)
            except IntegrationError as error:
                raise IntegrationError(f"subject {subject.id}: {error}", error.t, error.state) from None
            except (ModelError, DoseError) as error:
                raise type(error)(f"subject {subject.id}: {error}") from None
        if progress:
            progress(done, len(subjects))
    return pd.DataFrame(rows, columns=["ID", "TIME", "EVID", "WHAT", "DV", "PRED"])


def _rows(model: Network, who: str, episode: Episode, solver) -> list[tuple]:
    run, rows = episode.simulate(model, solver), []
    for place, record in enumerate(episode.records):
        predicted = np.nan
        if record.what:
            side = _side(episode.records, place)
            if side == "between":
                predicted = _read(episode.up_to(place).simulate(model, solver), record, "after")
            else:
                predicted = _read(run, record, side)
        rows.append((who, record.time, record.evid, record.what, record.dv, predicted))
    return rows


def _read(run: Trajectory, record: Record, side: str) -> float:
    """What the model says at a record, which sees its own covariates."""
    x, c = run.state_at(record.time, side)
    c = c.copy()
    for name, value in record.covariates.items():
        c[run.system.constants.index(name)] = value
    return float(run.system.graph.evaluate([run.system.observable(record.what)], record.time, x, c)[0])

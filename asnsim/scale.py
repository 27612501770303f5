"""Many runs of one scenario: in this process or on a Dask cluster, to memory or to a store.

Large jobs are cut into blocks. A block of a population is drawn from its own seed, and each is simulated by itself, so the
numbers do not depend on who makes it, in which order, or how often the job was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asnsim.dosing import Regimen
from asnsim.ensemble import Ensemble, check_sets, checked_columns, simulate_sets
from asnsim.errors import MissingExtraError, ModelError
from asnsim.network import Network
from asnsim.population import BLOCK, Population
from asnsim.simulation import checked_solver, output_times, span_of
from asnsim.solvers import NDF, Rodas5P
from asnsim.solvers.rosenbrock import Rosenbrock
from asnsim.stores import ResultStore

__all__ = ["simulate_many"]

_AHEAD = 3  # blocks handed out per thread of the cluster
_RETRIES = 5  # of a block whose worker was lost


@dataclass(frozen=True, eq=False)
class _Columns:
    """Parameter sets that are given, in blocks as a population has them."""

    columns: Mapping[str, np.ndarray]

    @property
    def n(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def blocks(self) -> range:
        return range(-(-self.n // BLOCK))

    def rows(self, block: int) -> range:
        return range(block * BLOCK, min((block + 1) * BLOCK, self.n))

    def draw(self, model: Network, regimen: Regimen, block: int, until: float) -> dict[str, np.ndarray]:
        rows = self.rows(block)
        return {name: column[rows.start : rows.stop] for name, column in self.columns.items()}


@dataclass(frozen=True)
class _Job:
    """Everything that determines the numbers, but for who."""

    model: Network
    regimen: Regimen
    until: float
    observables: tuple[str, ...]
    times: np.ndarray
    solver: NDF | Rosenbrock

    def sets(self, who: Population | _Columns, number: int) -> dict[str, np.ndarray]:
        """Draw one block."""
        return who.draw(self.model, self.regimen, number, self.until)

    def run(self, sets: Mapping[str, np.ndarray], threads: int | None = 1) -> Ensemble:
        """Simulate one block."""
        return simulate_sets(
            self.model, sets, self.regimen, self.until, observables=self.observables, times=self.times, solver=self.solver,
            threads=threads,
        )  # fmt: skip

    def manifest(self, who: Population | _Columns) -> dict[str, str]:
        """What the store remembers, so that only the same job goes on with it."""
        numbers = {name: self.model.value(name) for name in self.model.parameters}
        return {
            "model": self.model.structure,
            "numbers": _hash(numbers),
            **_said(who),
            "regimen": _hash(repr(self.regimen)),
            "times": _hash([self.until, self.times.tolist()]),
            "observables": ", ".join(self.observables),
            "solver": repr(self.solver),
        }


def _said(who: Population | _Columns) -> dict[str, str]:
    if isinstance(who, _Columns):
        return {"parameters": _hash({name: column.tolist() for name, column in who.columns.items()})}
    columns = who.covariates if isinstance(who.covariates, Mapping) else {}
    drawn = {name: np.asarray(values, dtype=float).tolist() for name, values in columns.items()}
    return {"population": _hash([repr(who), drawn])}


def _hash(what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _block_of(job: _Job, sets: Mapping[str, np.ndarray]) -> Ensemble:
    return job.run(sets)


def simulate_many(
    model: Network,
    parameters: Population | Mapping[str, Sequence[float]],
    regimen: Regimen | None = None,
    until: float | str = 48.0,
    *,
    observables: Sequence[str],
    times: Sequence[float] | None = None,
    solver: NDF | Rosenbrock | None = None,
    executor=None,
    store: str | Path | None = None,
    resume: bool = False,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ensemble | ResultStore:
    """Simulate one scenario for a population, or for many parameter sets.

    Parameters
    ----------
    model : Network
        The model; what `parameters` does not name keeps its value.
    parameters : Population, or mapping of str to sequence of float, each of length n
        Who: virtual patients, or values of constants or initial values, canonical units; ``'name@336'`` are those from 336 h on.
    regimen : Regimen, optional
        Doses per m^2 or kg are resolved for each run.
    until : float or str
        End, h.
    observables : sequence of str
        States, rules or fluxes to keep.
    times : sequence of float, optional
        Output times, h; by default 401 evenly spaced from 0.
    solver : Rodas5P, Rodas4 or NDF, optional
        As of `asnsim.ensemble.simulate_sets`, which makes the runs.
    executor : dask.distributed.Client, optional
        A cluster to run on; without one, threads of this process.
    store : str or Path, optional
        Folder of a Zarr store for the results; needed for what does not fit into memory.
    resume : bool
        Go on with a store that an interrupted job left; the numbers are those of an uninterrupted one, bit by bit.
    threads : int, optional
        Threads of this process; by default one per processor. The numbers do not depend on it.
    progress : callable, optional
        Called with (runs done, n).

    Returns
    -------
    Ensemble
        Without a store. One failing run is reported by its message and leaves the others alone.
    ResultStore
        With one.

    Raises
    ------
    ModelError
        If the request does not fit the model, or parameter sets differ in length.
    DataError
        If the store cannot be used.
    """
    regimen = regimen or Regimen()
    if resume and store is None:
        raise ModelError("resume needs the store that the interrupted job wrote to")
    if isinstance(parameters, Population):
        who = parameters
    elif executor is None and store is None:
        options = {"times": times, "solver": solver, "threads": threads, "progress": progress}
        return simulate_sets(model, parameters, regimen, until, observables=observables, **options)
    else:
        who = _Columns(checked_columns(parameters))
    job = _job(model, who, regimen, until, observables, times, solver)
    place = _store_of(job, who, store, resume) if store is not None else None
    waiting = [k for k in who.blocks if place is None or not place.done[k]]
    parts: dict[int, Ensemble] = {}
    done = who.n - sum(len(who.rows(k)) for k in waiting)
    blocks = ((k, job.sets(who, k)) for k in waiting)
    runs = _on_cluster(job, blocks, executor) if executor is not None else ((k, job.run(sets, threads)) for k, sets in blocks)
    for number, part in runs:
        if place is None:
            parts[number] = part
        else:
            place.write(number, part.values, part.messages, part.notes, part.attempts)
        done += len(who.rows(number))
        if progress:
            progress(done, who.n)
    return place if place is not None else _joined([parts[k] for k in who.blocks])


def _job(model, who, regimen, until, observables, times, solver) -> _Job:
    """Check a request against the first runs, before anything is handed out."""
    chosen = (observables,) if isinstance(observables, str) else tuple(observables)
    begin, end = span_of(regimen.actions(model), until, None)
    grid = np.linspace(0.0, end, 401) if times is None else output_times(times, begin, end)
    check_sets(model, who.draw(model, regimen, 0, end), regimen, chosen)
    return _Job(model, regimen, end, chosen, grid, checked_solver(solver or Rodas5P()))


def _store_of(job: _Job, who: Population | _Columns, path: str | Path, resume: bool) -> ResultStore:
    if resume and Path(path).exists():
        return ResultStore.open(path, job.manifest(who), write=True)
    return ResultStore.create(path, job.manifest(who), who.n, BLOCK, job.times, job.observables)


def _on_cluster(job: _Job, blocks: Iterator[tuple[int, dict]], client) -> Iterator[tuple[int, Ensemble]]:
    """Hand blocks out, a few ahead, and yield them as they come.

    Each goes out with all it needs, some 100 KB: data left on workers (`scatter`) would be lost with them.
    """
    try:
        from dask.distributed import Client, as_completed
    except ImportError:
        raise MissingExtraError("dask", "cluster") from None
    if not isinstance(client, Client):
        raise ModelError(f"executor is {client!r}; give a dask.distributed Client, or None for threads")
    numbers: dict[str, int] = {}

    def hand_out():
        for number, sets in blocks:
            future = client.submit(_block_of, job, sets, retries=_RETRIES, pure=False)
            numbers[future.key] = number
            return future
        return None

    ahead = max(1, _AHEAD * sum(client.nthreads().values()))
    running = as_completed([future for _ in range(ahead) if (future := hand_out())])
    for future in running:
        yield numbers.pop(future.key), future.result()
        future.release()
        more = hand_out()
        if more:
            running.add(more)


def _joined(parts: Sequence[Ensemble]) -> Ensemble:
    first = parts[0]
    if len(parts) == 1:
        return first
    values, attempts = np.concatenate([part.values for part in parts]), np.concatenate([part.attempts for part in parts])
    values.flags.writeable = False
    messages, notes = (tuple(text for part in parts for text in getattr(part, kind)) for kind in ("messages", "notes"))
    return Ensemble(first.t, first.observables, values, messages, notes, attempts)

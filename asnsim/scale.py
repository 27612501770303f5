"""Populations too large for one process: blocks of patients on threads or on a Dask cluster, to memory or to a store.

Every block is drawn from its own seed and simulated by itself, so the numbers do not depend on who makes it, in which order, or
how often the job was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asnsim.dosing import Regimen
from asnsim.ensemble import Ensemble, simulate_many
from asnsim.errors import MissingExtraError, ModelError
from asnsim.network import Network
from asnsim.population import BLOCK, Population
from asnsim.simulation import checked_solver, output_times, span_of
from asnsim.solvers import NDF, Rodas5P
from asnsim.solvers.rosenbrock import Rosenbrock
from asnsim.stores import ResultStore

__all__ = ["simulate_population"]

_AHEAD = 3  # blocks handed out per thread of the cluster
_RETRIES = 5  # of a block whose worker was lost


@dataclass(frozen=True)
class _Job:
    """Everything that determines the numbers."""

    model: Network
    population: Population
    regimen: Regimen
    until: float
    observables: tuple[str, ...]
    times: np.ndarray
    solver: NDF | Rosenbrock

    def block(self, number: int, threads: int | None = 1) -> Ensemble:
        """Draw and simulate one block."""
        sets = self.population.draw(self.model, self.regimen, number, self.until)
        return simulate_many(
            self.model, sets, self.regimen, self.until, observables=self.observables, times=self.times, solver=self.solver,
            threads=threads,
        )  # fmt: skip

    def manifest(self) -> dict[str, str]:
        """What the store remembers, so that only the same job goes on with it."""
        numbers = {name: self.model.value(name) for name in self.model.parameters}
        columns = self.population.covariates if isinstance(self.population.covariates, Mapping) else {}
        drawn = {name: np.asarray(values, dtype=float).tolist() for name, values in columns.items()}
        return {
            "model": self.model.structure,
            "numbers": _hash(numbers),
            "population": _hash([repr(self.population), drawn]),
            "regimen": _hash(repr(self.regimen)),
            "times": _hash([self.until, self.times.tolist()]),
            "observables": ", ".join(self.observables),
            "solver": repr(self.solver),
        }


def _hash(what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _block_of(job: _Job, number: int) -> Ensemble:
    return job.block(number)


def simulate_population(
    model: Network,
    population: Population,
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
    """Simulate a population, block by block.

    Parameters
    ----------
    model : Network
        The typical patient.
    population : Population
        Who.
    regimen, until, observables, times, solver, threads
        As of `asnsim.ensemble.simulate_many`.
    executor : dask.distributed.Client, optional
        A cluster to run on; without one, threads of this process.
    store : str or Path, optional
        Folder of a Zarr store for the results; needed for populations that do not fit into memory.
    resume : bool
        Go on with a store that an interrupted job left; the numbers are those of an uninterrupted one, bit by bit.
    progress : callable, optional
        Called with (patients done, n).

    Returns
    -------
    Ensemble
        Without a store.
    ResultStore
        With one.

    Raises
    ------
    ModelError
        If the request does not fit the model.
    DataError
        If the store cannot be used.
    """
    job = _job(model, population, regimen or Regimen(), until, observables, times, solver)
    if resume and store is None:
        raise ModelError("resume needs the store that the interrupted job wrote to")
    place = _store_of(job, store, resume) if store is not None else None
    waiting = [k for k in population.blocks if place is None or not place.done[k]]
    parts: dict[int, Ensemble] = {}
    done = population.n - sum(len(population.rows(k)) for k in waiting)
    run = _on_cluster(job, waiting, executor) if executor is not None else ((k, job.block(k, threads)) for k in waiting)
    for number, part in run:
        if place is None:
            parts[number] = part
        else:
            place.write(number, part.values, part.messages, part.notes, part.attempts)
        done += len(population.rows(number))
        if progress:
            progress(done, population.n)
    return place if place is not None else _joined([parts[k] for k in population.blocks])


def _job(model, population, regimen, until, observables, times, solver) -> _Job:
    """Check a request against the first patients, before anything is handed out."""
    chosen = (observables,) if isinstance(observables, str) else tuple(observables)
    begin, end = span_of(regimen.actions(model), until, None)
    grid = np.linspace(0.0, end, 401) if times is None else output_times(times, begin, end)
    population.draw(model, regimen, 0, end)
    return _Job(model, population, regimen, end, chosen, grid, checked_solver(solver or Rodas5P()))


def _store_of(job: _Job, path: str | Path, resume: bool) -> ResultStore:
    if resume and Path(path).exists():
        return ResultStore.open(path, job.manifest(), write=True)
    n = job.population.n
    return ResultStore.create(path, job.manifest(), n, BLOCK, job.times, job.observables)


def _on_cluster(job: _Job, blocks: Sequence[int], client) -> Iterator[tuple[int, Ensemble]]:
    """Hand blocks out, a few ahead, and yield them as they come."""
    try:
        from dask.distributed import Client, as_completed
    except ImportError:
        raise MissingExtraError("dask", "cluster") from None
    if not isinstance(client, Client):
        raise ModelError(f"executor is {client!r}; give a dask.distributed Client, or None for threads")
    shared = client.scatter(job, broadcast=True)
    left, numbers = iter(blocks), {}

    def hand_out():
        for number in left:
            future = client.submit(_block_of, shared, number, retries=_RETRIES, pure=False)
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

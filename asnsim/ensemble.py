"""Ensembles: the same scenario for many parameter sets, on threads, with the same numbers for any number of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.errors import IntegrationError, ModelError
from asnsim.network import Network
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.units import parse_time

__all__ = ["Ensemble", "simulate_many"]


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Requested quantities of many runs.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        Output times, h; at a dose or change of condition the value after it.
    observables : tuple of str
        Names.
    values : ndarray, shape (n, n_t, n_obs)
        NaN for a run that failed.
    messages : tuple of str, length n
        Why each failed run failed; empty for a success.
    """

    t: np.ndarray
    observables: tuple[str, ...]
    values: np.ndarray
    messages: tuple[str, ...]

    @property
    def success(self) -> np.ndarray:
        """Whether each run reached the end, shape (n,)."""
        return np.array([not message for message in self.messages], dtype=bool)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one observable, shape (n, n_t)."""
        if name not in self.observables:
            raise ModelError(f"'{name}' was not asked for; this ensemble holds {', '.join(self.observables)}")
        return self.values[:, :, self.observables.index(name)]

    def quantiles(self, name: str, levels: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Return quantiles over the runs that succeeded, shape (n_levels, n_t)."""
        return np.quantile(self[name][self.success], levels, axis=0)


def simulate_many(
    model: Network,
    parameters: Mapping[str, Sequence[float]],
    regimen: Regimen | None = None,
    until: float | str = 48.0,
    *,
    observables: Sequence[str],
    times: Sequence[float] | None = None,
    solver: NDF | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ensemble:
    """Simulate one scenario for many parameter sets.

    Parameters
    ----------
    model : Network
        The model; what `parameters` does not name keeps its value.
    parameters : mapping of str to sequence of float, each of length n
        Values of constants or initial values, canonical units.
    regimen : Regimen, optional
        Doses per m^2 or kg are resolved for each set.
    until : float or str
        End, h.
    observables : sequence of str
        States, rules or fluxes to keep.
    times : sequence of float, optional
        Output times, h; by default 401 evenly spaced from 0.
    solver : NDF, optional
        Method and tolerances.
    threads : int, optional
        Threads; by default one per processor. The numbers do not depend on it.
    progress : callable, optional
        Called with (done, total) now and then.

    Returns
    -------
    Ensemble
        One failing run is reported by its message and leaves the others alone.

    Raises
    ------
    ModelError
        If names are unknown or the parameter sets differ in length.
    """
    names = tuple(parameters)
    for name in names:
        model.check_name(name)
    system = build_equations(model)
    for name in observables:
        system.observable(name)
    columns = [np.asarray(parameters[name], dtype=float) for name in names]
    sizes = {column.size for column in columns}
    if len(sizes) != 1:
        lengths = ", ".join(f"{name} {column.size}" for name, column in zip(names, columns, strict=True))
        raise ModelError(f"the parameter sets differ in length or are empty: {lengths or 'none is given'}")
    n = sizes.pop()
    grid = np.linspace(0.0, parse_time(until), 401) if times is None else np.unique(np.asarray(times, dtype=float))
    values = np.full((n, grid.size, len(observables)), np.nan)
    messages = [""] * n

    def run(k: int) -> None:
        try:
            chosen = model.with_parameters({name: float(column[k]) for name, column in zip(names, columns, strict=True)})
            one = simulate(chosen, regimen, until=until, times=grid, solver=solver)
        except (IntegrationError, ModelError) as error:
            messages[k] = str(error)
            return
        rows = np.searchsorted(one.t, grid, side="right") - 1
        for place, name in enumerate(observables):
            values[k, :, place] = one[name][rows]

    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as pool:
        for done, _ in enumerate(pool.map(run, range(n)), start=1):
            if progress and (done % 50 == 0 or done == n):
                progress(done, n)
    values.flags.writeable = False
    grid.flags.writeable = False
    return Ensemble(grid, tuple(observables), values, tuple(messages))

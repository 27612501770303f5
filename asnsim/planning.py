"""What to measure before measuring it: the precision that samples, replicates, washes and calibrators buy.

Every candidate is acquired on the simulated bench and quantified; the joint error of the result says how well a pool is known,
and the information that it holds on kinetic parameters (Fisher's, ``J' C^-1 J``) how well those will be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from asnsim.dosing import Regimen
from asnsim.errors import DataError, FitError
from asnsim.fit import Experiment, FitProblem, Observable
from asnsim.lcms import Protocol, measure
from asnsim.network import Network
from asnsim.quantify import Method, quantify
from asnsim.quantify.normalise import SUFFIX
from asnsim.simulation import simulate

__all__ = ["Plan", "candidates", "precision"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to measure.

    Parameters
    ----------
    times : tuple of float
        Sampling times, h.
    replicates : int
        Vials per time and matrix.
    washes : int
        Of the cells.
    levels : int
        Calibrators of a curve.
    """

    times: tuple[float, ...]
    replicates: int = 3
    washes: int = 3
    levels: int = 8

    @property
    def vials(self) -> int:
        """Number of unknowns per matrix."""
        return len(self.times) * self.replicates

    def protocol(self, protocol: Protocol) -> Protocol:
        """Return the protocol with these washes and calibrators."""
        method = {**protocol.method, "calibrators": {**protocol.method["calibrators"], "levels": self.levels}}
        return replace(protocol, method=method).with_bench(wash={"washes": self.washes})


def candidates(
    times: Sequence[Sequence[float]], replicates: Sequence[int], washes: Sequence[int], levels: Sequence[int]
) -> list[Plan]:
    """Return all combinations, those with the fewest injections first.

    Raises
    ------
    DataError
        If a number is impossible: no time, no replicate, negative washes, or fewer than 3 calibrators.
    """
    for what, values, least in (("replicates", replicates, 1), ("washes", washes, 0), ("calibrators", levels, 3)):
        for value in values:
            if int(value) != value or value < least:
                raise DataError(f"{value:g} {what} are not possible; give whole numbers, {least} or more")
    if not times or not all(len(one) for one in times):
        raise DataError("a plan needs at least one sampling time")
    numbers = [(int(r), int(w), int(c)) for r in replicates for w in washes for c in levels]
    plans = [Plan(tuple(map(float, one)), *rest) for one in times for rest in numbers]
    return sorted(plans, key=lambda plan: (plan.vials, plan.levels, plan.washes))


def precision(
    model: Network,
    regimen: Regimen,
    plans: Sequence[Plan],
    *,
    protocol: str | Protocol = "hilic_mrm",
    free: Sequence[str] = (),
    seeds: Sequence[int] = (1, 2, 3),
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return how well each plan tells pools and kinetic parameters.

    Parameters
    ----------
    model : Network
        What is believed of the cells.
    regimen : Regimen
        What is done to them.
    plans : sequence of Plan
    protocol : str or Protocol
        Method that names a bench.
    free : sequence of str
        Kinetic parameters to be fitted to all pools; none if only pools matter.
    seeds : sequence of int
        Batches that are averaged.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    pandas.DataFrame
        One row per plan and quantity: times, replicates, washes, levels, injections, what, kind (``pool`` or ``parameter``), cv
        (of a pool: of the mean of the replicates, at the worst time; of a parameter: of its estimate), bias (of a pool: what
        film, leak and delay do to it, at the worst time; nan of a parameter).

    Raises
    ------
    FitError
        If the measured pools do not determine the parameters at all.
    DataError
        If there is no plan, or the method measures no pool of the model.
    """
    if not plans:
        raise DataError("there is no plan to compare")
    known, end = Protocol.load(protocol), max(max(plan.times) for plan in plans)
    run, rows = simulate(model, regimen, until=max([end, 1e-6, *(action.time for action in regimen.actions(model))])), []
    for done, plan in enumerate(plans, start=1):
        found = [_one(run, model, regimen, plan, plan.protocol(known), tuple(free), seed) for seed in seeds]
        for what, kind in found[0]:
            cv, bias = (float(np.sqrt(np.mean([one[what, kind][k] ** 2 for one in found]))) for k in (0, 1))
            sign = np.sign(np.mean([one[what, kind][1] for one in found]))
            injections = int(np.mean([one["", "injections"][0] for one in found]))
            if kind != "injections":
                shown = ", ".join(f"{time:g}" for time in plan.times)
                rows.append((shown, plan.replicates, plan.washes, plan.levels, injections, what, kind, cv, sign * bias))
        if progress:
            progress(done, len(plans))
    columns = ["times", "replicates", "washes", "levels", "injections", "what", "kind", "cv", "bias"]
    return pd.DataFrame(rows, columns=columns)


def _one(run, model: Network, regimen: Regimen, plan: Plan, protocol: Protocol, free: tuple[str, ...], seed: int) -> dict:
    """(cv, bias) by (name, kind) of one simulated batch."""
    batch = measure(run, protocol, plan.times, plan.replicates, seed=seed, experiment="plan")
    data = quantify(batch, Method.load(protocol.name)).measurements()
    out = {("", "injections"): (float(len(batch)), 0.0)}
    for name, rows in data.table.groupby("observable", sort=False):
        cvs = []
        for _, group in rows.groupby("time"):
            places = group.index.to_numpy()
            covariance = data.covariance[np.ix_(places, places)]
            truth = abs(run.at(float(group["time"].iloc[0]))[name])
            cvs.append(math.sqrt(covariance.sum()) / len(places) / truth if truth else math.nan)
        out[name, "pool"] = float(np.nanmax(cvs)), _bias(batch, protocol, name)
    if free:
        kept = data.select(data.table["value"] > 0)
        observables = {name: Observable(name, "log") for name in set(kept.table["observable"])}
        problem = FitProblem([Experiment("plan", model, regimen, observables)], kept, free)
        _, jacobian = problem.residuals(np.log(problem.nominal))
        information = jacobian.T @ jacobian
        if np.linalg.cond(information) > 1e14:
            raise FitError(f"the pools of {protocol.name} do not determine {', '.join(free)} together; free fewer of them")
        for name, variance in zip(free, np.diag(np.linalg.inv(information)), strict=True):
            out[name, "parameter"] = math.sqrt(variance), math.nan
    return out


def _bias(batch, protocol: Protocol, name: str) -> float:
    """What delay, leak and film do to a pool, relative, at the worst time; from the truth table."""
    wash, worst = protocol.bench["wash"], 0.0
    kept = math.exp(-wash["leak_per_min"] * wash["washes"] * wash["seconds_each"] / 60.0)
    for row in batch.truth:
        matrix = next((m for m, suffix in SUFFIX.items() if name == f"{row['analyte']}_{suffix}"), None)
        if matrix is None or f"_{matrix}_" not in row["sample_name"] or not row["pool"] > 0:
            continue
        share = row["at_quench"] / row["pool"]
        if matrix == "cells":
            share *= kept * (1.0 + row["n_film"] / row["n_in"])
        worst = max(worst, share - 1.0, key=abs)
    return worst

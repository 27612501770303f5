"""Which dose, which interval, which product: regimens compared by how probably they keep patients on target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asnsim.dosing import Regimen
from asnsim.errors import ModelError
from asnsim.exposure import days_where
from asnsim.fit.individual import Individual
from asnsim.fit.mixture import Mixture
from asnsim.network import Network
from asnsim.population import Population
from asnsim.scale import simulate_many

__all__ = ["Goal", "compare", "propose", "switch_product"]

_KINETICS = ("asnase_", "peg_", "ada_")  # numbers of a product, which another does not share
_Z = 1.645  # of the Wilson interval: 90 %


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to hold, all the time from `start` to `end`.

    Parameters
    ----------
    observable : str
        State, rule or flux: ``'asnase_p'``, or asparagine itself, ``'asn_p'`` and ``'asn_csf'``.
    start, end : float
        h; equal for one moment, such as the trough: at the time of a dose the value before it counts.
    at_least, at_most : float
        In the unit of the observable; one of them.
    every : float
        h between the moments looked at.
    """

    observable: str
    start: float
    end: float
    at_least: float = -np.inf
    at_most: float = np.inf
    every: float = 12.0

    def __post_init__(self):
        if not self.every > 0:
            raise ModelError(f"the goal for '{self.observable}' is looked at every {self.every:g} h; give a positive time")
        if not self.start <= self.end:
            raise ModelError(f"the goal for '{self.observable}' ends at {self.end:g} h, before it starts at {self.start:g} h")
        if np.isinf(self.at_least) == np.isinf(self.at_most):
            raise ModelError(f"the goal for '{self.observable}' needs one of at_least and at_most")

    @property
    def times(self) -> np.ndarray:
        """Moments looked at, h; a shade early, so that one at a dose is before it."""
        return np.unique(np.append(np.arange(self.start, self.end, self.every), self.end)) * (1 - 1e-9)

    def met(self, values: np.ndarray) -> np.ndarray:
        """Return whether each run (n, n_t) keeps it."""
        return ((values >= self.at_least) & (values <= self.at_most)).all(axis=1)


def compare(
    who: Individual | Mixture | Population,
    regimens: Mapping[object, Regimen],
    goal: Goal,
    *,
    model: Network | None = None,
    n: int = 400,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return how probably each regimen meets a goal.

    The same draws are used for all regimens, so their differences are not those of chance.

    Parameters
    ----------
    who : Individual, Mixture or Population
        A patient known by samples, or a population; of the latter `model` must be given.
    regimens : mapping of label to Regimen
        Candidates, each whole: past doses included.
    goal : Goal
    model : Network, optional
        The typical patient of a population.
    n, seed : int
        Draws of an individual.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    DataFrame
        Columns regimen, probability, low, high (90 % interval by Wilson's formula for so many draws), median (of the observable
        at the end of the goal).

    Raises
    ------
    ModelError
        If a population comes without a model, or no run succeeds.
    """
    if isinstance(who, Population) and model is None:
        raise ModelError("a population needs the model of its typical patient")
    rows = []
    for label, regimen in regimens.items():
        values = _values(who, regimen, goal, model, n, seed)
        if not len(values):
            raise ModelError(f"no run of regimen '{label}' succeeded")
        rows.append((label, *_share(goal.met(values)), float(np.median(values[:, -1]))))
        if progress:
            progress(len(rows), len(regimens))
    return pd.DataFrame(rows, columns=["regimen", "probability", "low", "high", "median"])


def _values(who, regimen: Regimen, goal: Goal, model, n: int, seed: int) -> np.ndarray:
    """The observable of the goal, runs that succeeded by times."""
    end = float(goal.times[-1])
    if not isinstance(who, Population):
        return who.forecast(regimen, end, goal.times, (goal.observable,), n, seed)[goal.observable]
    runs = simulate_many(model, who, regimen.before(end), end, observables=(goal.observable,), times=goal.times)
    return runs[goal.observable][runs.success]


def _share(met: np.ndarray) -> tuple[float, float, float]:
    """A share with its Wilson interval."""
    n, share = len(met), float(np.mean(met))
    centre, width = share + _Z**2 / (2 * n), _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return share, (centre - width) / (1 + _Z**2 / n), (centre + width) / (1 + _Z**2 / n)


def propose(
    who: Individual | Mixture | Population,
    make: Callable[[float], Regimen],
    candidates: Sequence[float],
    goal: Goal | Callable[[float], Goal],
    *,
    probability: float = 0.9,
    prefer: str = "smallest",
    model: Network | None = None,
    n: int = 400,
    seed: int = 1,
) -> tuple[float | None, pd.DataFrame]:
    """Search a dose, or an interval, that keeps a goal with a probability.

    Parameters
    ----------
    who, model, n, seed
        As of `compare`.
    make : callable
        ``make(candidate)`` -> the whole regimen.
    candidates : sequence of float
        Amounts, or intervals in h.
    goal : Goal, or callable
        ``goal(candidate)`` where it moves with the candidate, as the next trough does with the interval.
    probability : float
        That is asked for.
    prefer : {'smallest', 'largest'}
        Which of the candidates that do: the smallest dose, the largest interval.

    Returns
    -------
    candidate : float or None
        None if none keeps the goal.
    table : DataFrame
        As of `compare`, one row per candidate.

    Raises
    ------
    ModelError
        If there are no candidates or `prefer` is neither word.
    """
    if prefer not in ("smallest", "largest"):
        raise ModelError(f"prefer is '{prefer}'; it must be 'smallest' or 'largest'")
    if not len(candidates):
        raise ModelError("there are no candidates to choose from")
    rows = []
    for value in sorted(candidates):
        aim = goal(value) if callable(goal) else goal
        rows.append(compare(who, {value: make(value)}, aim, model=model, n=n, seed=seed))
    table = pd.concat(rows, ignore_index=True)
    good = table.regimen[table.probability >= probability]
    if good.empty:
        return None, table
    return float(good.min() if prefer == "smallest" else good.max()), table


def switch_product(
    first: tuple[Network, Regimen],
    second: tuple[Network, Regimen],
    population: Population,
    *,
    check: float,
    threshold: float,
    until: float,
    depleted: float = 0.5,
    carried: Sequence[str] = ("asn_p", "asn_i", "asn_csf", "gln_p", "gln_i"),
) -> pd.DataFrame:
    """Simulate what monitoring is worth: who is below a threshold at the check gets another product from then on.

    Parameters
    ----------
    first, second : (Network, Regimen)
        Models of the products and what is given; the clock of the second regimen begins at the check.
    population : Population
        Of the first product; in the second the same patients, typical in its kinetics.
    check : float
        When activity is measured, h.
    threshold : float
        U/L; below it the patient changes.
    until : float
        End, h after the first dose.
    depleted : float
        umol/L; plasma Asn at or below it counts.
    carried : sequence of str
        States that the second model takes over. What is left of the first enzyme is not among them: it is below the threshold.

    Returns
    -------
    DataFrame
        One row per patient: activity at the check, changed, days_without and days_with the change on which Asn is depleted.
    """
    model, regimen = first
    other, follow_up = second
    times = np.unique(np.append(np.arange(0.0, until, 12.0), [check, until]))
    names = ("asnase_p", *carried)
    runs = simulate_many(model, population, regimen.before(until), until, observables=names, times=times)
    at = int(np.searchsorted(times, check))
    activity, asn = runs["asnase_p"][:, at], runs["asn_p"]
    frame = pd.DataFrame(
        {"activity": activity, "changed": activity < threshold, "days_without": days_where(times, asn <= depleted)}
    )
    frame["days_with"] = frame.days_without
    changed = np.flatnonzero(frame.changed & runs.success)
    if changed.size:
        drawn = [population.draw(model, regimen, block, until) for block in population.blocks]
        shared = [name for name in drawn[0] if name in other.constants and not name.startswith(_KINETICS)]
        who = {name: np.concatenate([part[name] for part in drawn])[changed] for name in shared}
        who |= {name: np.maximum(runs[name][changed, at], 0.0) for name in carried if name in other.states}
        later = np.unique(np.append(np.arange(0.0, until - check, 12.0), until - check))
        rescued = simulate_many(other, who, follow_up.before(later[-1]), later[-1], observables=("asn_p",), times=later)
        before = days_where(times[: at + 1], asn[changed, : at + 1] <= depleted)
        frame.loc[changed, "days_with"] = before + days_where(later, rescued["asn_p"] <= depleted)
    return frame

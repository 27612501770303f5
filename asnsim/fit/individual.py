"""One patient from a few samples: the most probable effects, draws from their posterior, and what is to be expected.

The prior is the published variability of a `Population`; what is measured is compared with its residual error, and a value below
the limit of quantification counts as the probability of lying there (M3 of Beal 2001, J Pharmacokinet Pharmacodyn 28, 481). Draws
come from a t distribution around the mode, weighted by the exact posterior and drawn again (sampling importance resampling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, log_ndtr, logsumexp, ndtr

from asnsim.dosing import Regimen
from asnsim.ensemble import simulate_sets
from asnsim.errors import FitError, ModelError
from asnsim.network import Network
from asnsim.population import Population, ResidualError, antibody_columns, at_rest
from asnsim.solvers import Rodas5P
from asnsim.units import parse_time

__all__ = ["Forecast", "Individual", "Sample", "map_estimate"]

_STEP = 0.05  # of a standard deviation of the prior, for differences
_MOST_STEPS = 40
_DEGREES = 6  # of freedom of the proposal
_WIDER = 1.15
_ROUNDS = 5  # of draws
_ENOUGH = 0.15  # of the draws must matter


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Parameters
    ----------
    time : float
        h; a sample at the time of a dose is one taken before it.
    what : str
        State or rule of the model, such as ``'asnase_p'`` (U/L) or ``'asn_measured'`` (umol/L).
    value : float
        In canonical units; of a value below the limit, the limit.
    blq : bool
        Whether it is below the limit of quantification.
    """

    time: float
    what: str
    value: float
    blq: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What is to be expected of a patient.

    Parameters
    ----------
    t : ndarray, shape (n_t,)
        h.
    observables : tuple of str
    values : ndarray, shape (n, n_t, n_obs)
        True values of equally probable draws.
    residual : mapping of str to ResidualError
        Of what can be measured.
    seed : int
        Of the residual errors.
    """

    t: np.ndarray
    observables: tuple[str, ...]
    values: np.ndarray
    residual: Mapping[str, ResidualError]
    seed: int

    def __getitem__(self, name: str) -> np.ndarray:
        """Return true values of one observable, shape (n, n_t)."""
        if name not in self.observables:
            raise ModelError(f"'{name}' was not asked for; this forecast holds {', '.join(self.observables)}")
        return self.values[:, :, self.observables.index(name)]

    def measured(self, name: str) -> np.ndarray:
        """Return what would be measured, residual error included, shape (n, n_t)."""
        if name not in self.residual:
            raise FitError(f"no residual error is known for '{name}'; give one to the estimate")
        rng = np.random.default_rng([self.seed, self.observables.index(name)])
        return self.residual[name].measured(self[name], rng)

    def interval(self, name: str, level: float = 0.9, measured: bool = True) -> np.ndarray:
        """Return lower end, median and upper end, shape (3, n_t)."""
        if not 0 < level < 1:
            raise FitError(f"the level of an interval is {level}; give a share between 0 and 1")
        values = self.measured(name) if measured else self[name]
        return np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class Individual:
    """A patient as far as the samples tell.

    Parameters
    ----------
    model : Network
        With the patient's covariates.
    population : Population
        The prior.
    regimen : Regimen
        What was given up to the last sample.
    samples : tuple of Sample
    residual : mapping of str to ResidualError
    names : tuple
        Effects: a constant, or a pair of an occasion constant and its occasion; ``'ada_onset'`` last where antibodies are formed.
    mode : ndarray, shape (p,)
        Most probable effects, in standard deviations of the prior.
    covariance : ndarray, shape (p, p)
        At the mode, in the same unit.
    objective : float
        Minus the logarithm of prior times likelihood at the mode, without constants.
    antibodies : bool or None
        Whether the patient is taken to form antibodies; None where the population has none.
    """

    model: Network
    population: Population
    regimen: Regimen
    samples: tuple[Sample, ...]
    residual: Mapping[str, ResidualError]
    names: tuple
    mode: np.ndarray
    covariance: np.ndarray
    objective: float
    antibodies: bool | None = None

    @property
    def _last(self) -> float:
        """Time of the last sample."""
        return max((sample.time for sample in self.samples), default=0.0)

    def constants(self) -> dict[str, float]:
        """Return the most probable constants of the patient."""
        sets = self._sets(self.mode[None], self.regimen, self._last)
        return {name: float(values[0]) for name, values in sets.items()}

    def _sets(self, z: np.ndarray, regimen: Regimen, until: float, seed: int | None = None) -> dict[str, np.ndarray]:
        """Constants for effects (n, p); effects of later occasions are 0, or drawn where there is a seed."""
        omega, n = len(self.population.omega), len(z)
        eta, kappa = self.population.scaled(z[:, :omega]), {}
        known = {name: k for k, name in enumerate(self.names)}
        rng = np.random.default_rng([seed or 0, 7])
        for key in self.population.occasions_of(regimen, until):
            if key in known:
                kappa[key] = self.population.iov[key[0]] * z[:, known[key]]
            elif seed is not None:
                kappa[key] = self.population.iov[key[0]] * rng.normal(size=n)
        sets = self.population.with_effects(self.model, regimen, n, eta, kappa, until=until)
        if self.antibodies is not None:
            first, last = self.population.onset
            onset = first + (last - first) * (ndtr(z[:, -1]) if self.antibodies else np.full(n, 0.5))
            sets |= antibody_columns(self.model, regimen, np.full(n, self.antibodies), onset)
        return at_rest(self.model, sets)

    def _predicted(self, z: np.ndarray) -> np.ndarray:
        """Predicted samples (n, n_samples)."""
        times = np.unique([_just_before(sample.time) for sample in self.samples])
        what = tuple(dict.fromkeys(sample.what for sample in self.samples))
        sets = self._sets(z, self.regimen, float(times[-1]))
        if not sets:
            sets = {self.model.constants[0]: np.full(len(z), self.model.value(self.model.constants[0]))}
        runs = simulate_sets(
            self.model, sets, self.regimen, float(times[-1]), observables=what, times=times, solver=Rodas5P(rtol=1e-6), threads=1
        )
        places = [(int(np.searchsorted(times, _just_before(s.time))), what.index(s.what)) for s in self.samples]
        return np.stack([runs.values[:, i, j] for i, j in places], axis=1)

    def _misfit(self, f: np.ndarray) -> np.ndarray:
        """Minus log likelihood (n,) of predictions (n, n_samples); infinite where a run failed."""
        total = np.zeros(len(f))
        for k, sample in enumerate(self.samples):
            total += _misfit(sample, self.residual[sample.what], f[:, k])
        return np.where(np.isfinite(total), total, np.inf)

    def draws(self, n: int = 400, seed: int = 1) -> tuple[np.ndarray, float]:
        """Return equally probable effects, shape (n, p), and the effective sample size they came from.

        Raises
        ------
        FitError
            If the proposal misses the posterior (an effective size below 20).
        """
        if not len(self.mode) or not self.samples:
            return np.random.default_rng([seed, 11]).normal(size=(n, len(self.mode))), float(n)
        z, log_weight, rng = self._proposed(max(2 * n, 400), seed)
        size = _size(log_weight)
        if not size >= 20:
            many = f"effective size {size:.0f} of {len(z)}"
            raise FitError(f"the draws around the most probable patient miss the posterior ({many})")
        weight = np.exp(log_weight - np.max(log_weight))
        places = np.searchsorted(np.cumsum(weight / weight.sum()), (np.arange(n) + rng.random()) / n).clip(max=len(z) - 1)
        return z[rng.permutation(places)], size

    def _proposed(self, many: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
        """Draws (many, p), logarithms of prior times likelihood over their density, and the generator to go on with.

        From around the mode; where few of them matter, from around those that do, and again.
        """
        p, rng = len(self.mode), np.random.default_rng([seed, 11])
        centre, root = self.mode, _WIDER * np.linalg.cholesky(self.covariance)
        for _ in range(_ROUNDS):
            normal, spread = rng.normal(size=(many, p)), rng.chisquare(_DEGREES, size=many) / _DEGREES
            standard = normal / np.sqrt(spread)[:, None]
            z = centre + standard @ root.T
            target = -0.5 * np.sum(z**2, axis=1) - 0.5 * p * np.log(2 * np.pi) - self._misfit(self._predicted(z))
            density = -0.5 * (_DEGREES + p) * np.log1p(np.sum(standard**2, axis=1) / _DEGREES) - np.log(np.diag(root)).sum()
            density += gammaln((_DEGREES + p) / 2) - gammaln(_DEGREES / 2) - 0.5 * p * np.log(_DEGREES * np.pi)
            log_weight = target - density
            if not np.isfinite(log_weight).any() or _size(log_weight) >= _ENOUGH * many:
                break
            power = 1.0  # flattens the weights until enough draws have one
            while _size(power * log_weight) < _ENOUGH * many:
                power *= 0.8
            weight = np.exp(power * (log_weight - log_weight.max()))
            centre = weight @ z / weight.sum()
            covariance = np.cov(z.T, aweights=weight).reshape(p, p) + 1e-6 * np.eye(p)
            root = _WIDER * np.linalg.cholesky(covariance)
        return z, log_weight, rng

    def log_evidence(self, n: int = 800, seed: int = 1) -> float:
        """Return the logarithm of the likelihood integrated over the prior, without the constants of the samples.

        By importance sampling from the proposal of `draws`.
        """
        if not self.samples:
            return 0.0
        if not len(self.mode):
            return float(-self._misfit(self._predicted(self.mode[None]))[0])
        _, log_weight, _ = self._proposed(n, seed)
        return float(logsumexp(log_weight) - np.log(n))

    def forecast(
        self,
        regimen: Regimen,
        until: float | str,
        times: Sequence[float],
        observables: Sequence[str] = ("asnase_p",),
        n: int = 400,
        seed: int = 1,
    ) -> Forecast:
        """Simulate what is to be expected under a regimen, given the samples.

        Parameters
        ----------
        regimen : Regimen
            All doses from the beginning, those to come included; it must begin as that of the estimate.
        until : float or str
            End, h.
        times : sequence of float
            Output times, h.
        observables : sequence of str
        n, seed : int
            Draws; effects of occasions to come are drawn from the prior.

        Raises
        ------
        FitError
            If the regimen gives other doses than the patient has had.
        """
        until = parse_time(until, "the end")
        given, said = (_done(part, self.model) for part in (self.regimen, _before(regimen, self._last)))
        if given != said:
            raise FitError(f"the regimen has other doses up to {self._last:g} h than the patient was given")
        z, _ = self.draws(n, seed)
        sets = self._sets(z, regimen.before(until), until, seed)
        grid = np.asarray(times, dtype=float)
        runs = simulate_sets(self.model, sets, regimen.before(until), until, observables=tuple(observables), times=grid)
        return Forecast(runs.t, runs.observables, runs.values[runs.success], self.residual, seed)


def _size(log_weight: np.ndarray) -> float:
    """Effective number of weighted draws."""
    weight = np.exp(log_weight - np.max(log_weight))
    return float(weight.sum() ** 2 / np.sum(weight**2))


def _just_before(time: float) -> float:
    """A sample taken at the time of a dose is taken before it."""
    return time * (1 - 1e-9)


def _before(regimen: Regimen, time: float) -> Regimen:
    """What was given before a sample."""
    return regimen.before(_just_before(time))


def _done(regimen: Regimen, model: Network) -> list[tuple]:
    """What is done, for comparison."""
    return [(round(a.time, 6), a.order, a.name, float(f"{a.value:.9g}")) for a in regimen.actions(model)]


def _misfit(sample: Sample, error: ResidualError, f: np.ndarray) -> np.ndarray:
    """Minus log likelihood of one sample."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if error.log:
            distance = (np.log(sample.value) - np.log(f)) / error.log
            return -log_ndtr(distance) if sample.blq else 0.5 * distance**2
        sd = error.sd(f)
        distance = (sample.value - f) / sd
        return -log_ndtr(distance) if sample.blq else 0.5 * distance**2 + np.log(sd)


def map_estimate(
    model: Network,
    population: Population,
    regimen: Regimen,
    samples: Sequence[Sample],
    residual: Mapping[str, ResidualError],
    *,
    antibodies: bool | None = None,
) -> Individual:
    """Find the most probable effects of a patient.

    Parameters
    ----------
    model : Network
        With the patient's covariates (weight, bsa, age ...).
    population : Population
        Published variability, such as ``Population.of('pegaspargase', 1)``; its covariates are not used, the model has them.
    regimen : Regimen
        What was given; doses after the last sample may be there.
    samples : sequence of Sample
        What was measured; none gives the prior.
    residual : mapping of str to ResidualError
        Of everything that was measured.
    antibodies : bool, optional
        Whether the patient forms antibodies, where a share of the population does; the day of their onset is then an effect.
        `asnsim.mixture_estimate` weighs both.

    Returns
    -------
    Individual

    Raises
    ------
    FitError
        If a sample cannot be compared, or the patient cannot be simulated.
    """
    samples = tuple(sorted(samples, key=lambda sample: sample.time))
    for sample in samples:
        if sample.what not in residual:
            raise FitError(f"a sample of '{sample.what}' needs its residual error; known are {', '.join(residual) or 'none'}")
        error = residual[sample.what]
        if not sample.value > 0 or not np.isfinite(sample.value):
            raise FitError(f"the sample of '{sample.what}' at {sample.time:g} h is {sample.value:g}; give a positive one or blq")
        if not (error.log or error.prop or error.add):
            raise FitError(f"the residual error of '{sample.what}' is zero")
    if population.uncertainty:
        raise FitError("uncertainty of a population is not estimated; take a prior without it")
    if (antibodies is None) != (not population.antibodies):
        raise FitError("say by antibodies whether the patient forms any where a share of the population does, and only there")
    if antibodies is not None and "ada_clearance_fold" not in model.parameters:
        raise FitError(f"model '{model.name}' has no antibodies; load it with overlay 'antibodies'")
    last = samples[-1].time if samples else 0.0
    past = _before(regimen, last)
    names = (*population.omega, *population.occasions_of(past, last), *(("ada_onset",) if antibodies else ()))
    p = len(names)
    blank = Individual(model, population, past, samples, residual, names, np.zeros(p), np.eye(p), 0.0, antibodies)
    return _search(blank) if samples and p else blank


def _search(one: Individual) -> Individual:
    """Damped Gauss-Newton steps from the typical patient."""
    p, z = len(one.names), one.mode.copy()
    f, slopes = _with_slopes(one, z)
    value, damping = 0.5 * z @ z + one._misfit(f)[0], 1e-3
    if not np.isfinite(value):
        raise FitError("the typical patient cannot be simulated up to the last sample")
    for _ in range(_MOST_STEPS):
        gradient, curvature = _expansion(one, z, f[0], slopes)
        while True:
            move = -np.linalg.solve(curvature + damping * np.eye(p), gradient)
            trial = one._predicted((z + move)[None])
            reached = 0.5 * (z + move) @ (z + move) + one._misfit(trial)[0]
            if reached <= value or damping > 1e8:
                break
            damping *= 8
        small = np.abs(move).max() < 1e-3
        z, value, damping = z + move, min(reached, value), max(damping / 8, 1e-6)
        f, slopes = _with_slopes(one, z)
        if small:
            break
    _, curvature = _expansion(one, z, f[0], slopes)
    return replace(one, mode=z, covariance=np.linalg.inv(curvature), objective=float(value))


def _with_slopes(one: Individual, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (1, n_samples) and their derivatives (n_samples, p), by one batch of runs."""
    p = len(z)
    moves = np.vstack([np.zeros(p), _STEP * np.eye(p), -_STEP * np.eye(p)])
    found = one._predicted(z + moves)
    return found[:1], ((found[1 : p + 1] - found[p + 1 :]) / (2 * _STEP)).T


def _expansion(one: Individual, z: np.ndarray, f: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Gauss-Newton curvature of the objective."""
    gradient, curvature = z.copy(), np.eye(len(z))
    for k, sample in enumerate(one.samples):
        error = one.residual[sample.what]
        h = 1e-4 * max(abs(f[k]), 1e-9)
        ends = _misfit(sample, error, np.array([f[k] - h, f[k], f[k] + h]))
        gradient += (ends[2] - ends[0]) / (2 * h) * slopes[k]
        second = (ends[2] - 2 * ends[1] + ends[0]) / h**2
        if not sample.blq:
            sd = error.log * f[k] if error.log else error.sd(f[k])
            second = 1 / sd**2  # what is expected of it, never negative
        curvature += max(second, 0.0) * np.outer(slopes[k], slopes[k])
    return gradient, curvature

"""Posterior of the fitted parameters: draws by an ensemble of walkers, whether to trust them, and what they predict.

The density is that of `FitProblem`: normal errors with the covariance of the data, log-normal priors where given, and else a
uniform density of the logarithm; the bounds cut both. Diagnostics follow Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021
(Bayesian Analysis 16, 667-718).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
import scipy.fft
import scipy.special
import scipy.stats

from asnsim.errors import FitError, IntegrationError, MissingExtraError
from asnsim.fit.optimise import FitResult
from asnsim.fit.problem import FitProblem
from asnsim.measurements import Measurements

__all__ = ["Posterior", "bulk_ess", "predictive_bands", "r_hat", "sample_posterior", "tail_ess"]

#: What Vehtari et al. 2021 ask of R-hat and of the effective sample size, section 4; R-hat of single walkers, short chains.
_R_HAT, _ESS, _R_HAT_WALKERS = 1.01, 400.0, 1.1
#: Share of a prior's (or of the bounds') width above which the posterior is not the data's work, as in `fit`.
_HELD = 0.7
#: A bound cuts if over this share of the draws lies within a tenth of a posterior sd of it (a bound 1.6 sd from a normal's mean).
_CUT = 0.01
#: Fewest draws of a chain: halves of four, the least with a variance and a lag.
_FEWEST = 8
#: Attempts to place a walker, each nearer the best fit, and new measurements drawn per parameter draw.
_TRIES, _NOISES = 40, 20


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Draws of the free parameters.

    Parameters
    ----------
    free : tuple of str
        Names.
    draws : ndarray, shape (n_chain, n_draw, n_p)
        Parameter values, units as in `units`; the walkers are the chains.
    log_posterior : ndarray, shape (n_chain, n_draw)
        Of the logarithms of the parameters, up to a constant.
    units : tuple of str
        Of the parameters.
    acceptance : ndarray, shape (n_chain,)
        Share of accepted proposals, 0-1.
    lower, upper : ndarray, shape (n_p,)
        Bounds of the parameters.
    priors : mapping of str to float
        Log-scale standard deviations of the priors, where there is one.
    data : Measurements
        What was fitted.
    failed, evaluated : int
        Simulations that failed, which count as impossible, and simulations in all, burn-in included.

    Raises
    ------
    FitError
        If the shapes do not fit together, a draw is not finite, or a chain has fewer than 8 draws.
    """

    free: tuple[str, ...]
    draws: np.ndarray
    log_posterior: np.ndarray
    units: tuple[str, ...]
    acceptance: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    priors: Mapping[str, float]
    data: Measurements
    failed: int = 0
    evaluated: int = 0

    def __post_init__(self):
        shape = np.shape(self.draws)
        if len(shape) != 3 or shape[2] != len(self.free):
            raise FitError(f"draws of {len(self.free)} parameters need the shape (chains, draws, {len(self.free)}), not {shape}")
        for what, found, wanted in (
            ("log_posterior", np.shape(self.log_posterior), shape[:2]),
            ("acceptance", np.shape(self.acceptance), shape[:1]),
            ("units", (len(self.units),), shape[2:]),
        ):
            if found != wanted:
                raise FitError(f"{what} has the shape {found}; draws of the shape {shape} need {wanted}")
        for k in range(shape[2]):
            _checked(self.draws[:, :, k])

    @property
    def flat(self) -> np.ndarray:
        """All draws in one table, shape (n_chain * n_draw, n_p)."""
        return self.draws.reshape(-1, len(self.free))

    def summary(self) -> pd.DataFrame:
        """Return one row per parameter.

        Returns
        -------
        pandas.DataFrame
            parameter, mean, median, lower and upper (2.5 and 97.5 %), unit, r_hat (each walker a chain), ess_bulk, ess_tail,
            verdict. That judges R-hat of the walkers in four groups: one walker's few draws scatter by themselves.
        """
        low, median, high = np.quantile(self.flat, (0.025, 0.5, 0.975), axis=0)
        chains = [self.draws[:, :, k] for k in range(len(self.free))]
        table = pd.DataFrame(
            {
                "parameter": self.free,
                "mean": self.flat.mean(axis=0),
                "median": median,
                "lower": low,
                "upper": high,
                "unit": self.units,
                "r_hat": [r_hat(x) for x in chains],
                "ess_bulk": [bulk_ess(x) for x in chains],
                "ess_tail": [tail_ess(x) for x in chains],
            }
        )
        rows = table[["r_hat", "ess_bulk", "ess_tail"]].to_numpy(float)
        return table.assign(verdict=[self._verdict(k, *row) for k, row in enumerate(rows)])

    def _verdict(self, k: int, rhat: float, bulk: float, tail: float) -> str:
        if not np.isfinite(rhat):
            return "not sampled: no walker moved"
        for value, limit in ((rhat, _R_HAT_WALKERS), (r_hat(_grouped(self.draws[:, :, k])), _R_HAT)):
            if value > limit:
                return f"not converged: walkers disagree (R-hat {value:.3f} is over {limit}); take more steps, a longer burn-in"
        if min(bulk, tail) < _ESS:
            where = "of the centre" if bulk <= tail else "of the ends"
            return f"too few independent draws {where}: {min(bulk, tail):.0f}, not {_ESS:.0f}; take more steps"
        logs = np.log(self.flat[:, k])
        low, high, sd = np.log(self.lower[k]), np.log(self.upper[k]), logs.std()
        prior, uniform = self.priors.get(self.free[k], np.inf), (high - low) / np.sqrt(12)  # both as sd
        if sd > _HELD * min(prior, uniform):
            return "converged; " + ("held by its prior" if prior < uniform else "as wide as its bounds: the data hardly tell it")
        said = ["converged"]
        if np.mean(logs < low + 0.1 * sd) > _CUT:
            said.append(f"cut by its lower bound {self.lower[k]:.4g}")
        if np.mean(logs > high - 0.1 * sd) > _CUT:
            said.append(f"cut by its upper bound {self.upper[k]:.4g}")
        return "; ".join(said)

    def to_xarray_groups(self) -> dict:
        """Return the groups of ArviZ as plain xarray Datasets.

        Returns
        -------
        dict of str to xarray.Dataset
            ``posterior`` (one variable per parameter, chain x draw, with units), ``sample_stats`` (``lp``, chain x draw, and
            ``acceptance``, chain), ``observed_data`` (``value`` and ``sd`` by measurement, units as in the data).

        Raises
        ------
        MissingExtraError
            If xarray is not installed.
        """
        try:
            import xarray as xr
        except ImportError:
            raise MissingExtraError("xarray", "inference") from None
        axes = {name: np.arange(n) for name, n in zip(("chain", "draw"), self.draws.shape, strict=False)}
        about = {"inference_library": "emcee", "failed_simulations": self.failed, "simulations": self.evaluated}
        parameters = {
            name: (("chain", "draw"), self.draws[:, :, k], {"units": self.units[k]}) for k, name in enumerate(self.free)
        }
        stats = {"lp": (("chain", "draw"), self.log_posterior), "acceptance": ("chain", self.acceptance)}
        table = self.data.table
        # plain numpy text, because pandas' own string types cannot be stored in NetCDF or zarr
        labels = {n: ("measurement", table[n].to_numpy().astype(str)) for n in ("experiment", "observable", "unit")}
        observed = {name: ("measurement", table[name].to_numpy(float)) for name in ("value", "sd")}
        places = {**labels, "time": ("measurement", table["time"].to_numpy(float), {"units": "h"})}
        return {
            "posterior": xr.Dataset(parameters, axes, about),
            "sample_stats": xr.Dataset(stats, axes, about),
            "observed_data": xr.Dataset(observed, places),
        }

    def to_arviz(self):
        """Return an `arviz.InferenceData` (ArviZ 0.x) or an `xarray.DataTree` (ArviZ 1.x), whichever ArviZ is installed.

        Raises
        ------
        MissingExtraError
            If ArviZ is not installed.
        """
        try:
            import arviz
        except ImportError:
            raise MissingExtraError("arviz", "inference") from None
        groups = self.to_xarray_groups()
        # the version decides: ArviZ 1.x answers to InferenceData too, with a warning and another class
        if int(arviz.__version__.split(".")[0]) < 1:
            return arviz.InferenceData(**groups)
        import xarray as xr

        return xr.DataTree.from_dict(groups)

    def __str__(self) -> str:
        chains, draws, _ = self.draws.shape
        head = f"{draws} draws of {chains} walkers, {self.acceptance.mean():.0%} of the proposals accepted"
        if self.failed:
            head += f"; {self.failed} of {self.evaluated} simulations failed"
        return head + "\n" + self.summary().to_string(index=False, float_format=lambda value: f"{value:.4g}")


def sample_posterior(
    problem: FitProblem,
    start: FitResult,
    walkers: int | None = None,
    steps: int = 1000,
    burn: int = 300,
    thin: int = 1,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Draw from the posterior with an ensemble of walkers that learn their steps from each other (emcee; PASP 2013, 125, 306).

    Parameters
    ----------
    problem : FitProblem
        What was fitted.
    start : FitResult
        Its answer; the walkers begin scattered around it as its covariance says.
    walkers : int, optional
        At least 2 n_p + 2; by default 4 n_p, but at least 8.
    steps, burn : int
        Of every walker: after the burn-in, and of the burn-in, which is dropped.
    thin : int
        Every so many-th step is kept.
    seed : int
        The same seed gives the same draws, bit by bit.
    progress : callable, optional
        Called with (done, total) after each step of the ensemble.

    Returns
    -------
    Posterior

    Raises
    ------
    FitError
        If a count is too small, the result is of other parameters, or nothing near the fit can be simulated.
    MissingExtraError
        If emcee is not installed.
    """
    size = len(problem.free)
    walkers = max(4 * size, 8) if walkers is None else walkers
    _counts(problem, start, walkers, steps, burn, thin, seed)
    try:
        import emcee
    except ImportError:
        raise MissingExtraError("emcee", "inference") from None
    # emcee takes the state of a legacy RandomState only: one child of the seed seeds the Mersenne twister under it, the other
    # a Generator that places the walkers. numpy's global state, emcee's default, stays out of it.
    places, moves = np.random.SeedSequence(int(seed)).spawn(2)
    twister = np.random.RandomState(np.random.MT19937(moves))
    density = _Density(problem)
    first, heights = _scattered(density, start, walkers, np.random.default_rng(places))
    # Differential evolution (ter Braak 2006, Stat. Comput. 16, 239) gives three to five times the effective draws of the stretch
    # move alone; full steps between walkers let them change modes. Not emcee's snooker: with 3.1.6 the variances of a Gaussian
    # came out a tenth too small.
    mixture = [(emcee.moves.DEMove(), 0.7), (emcee.moves.DEMove(gamma0=1.0), 0.1), (emcee.moves.StretchMove(), 0.2)]
    sampler = emcee.EnsembleSampler(walkers, size, density, moves=mixture)
    kept = steps // thin
    total = burn + kept * thin
    chain, values, accepted = np.empty((kept, walkers, size)), np.empty((kept, walkers)), np.zeros(walkers)
    before, begin = first, emcee.State(first, log_prob=heights, random_state=twister.get_state())
    for done, state in enumerate(sampler.sample(begin, iterations=total, store=False), start=1 - burn):
        if done > 0:
            accepted += np.any(state.coords != before, axis=1)
            if done % thin == 0:
                chain[done // thin - 1], values[done // thin - 1] = state.coords, state.log_prob
        before = state.coords.copy()  # emcee moves the walkers in place
        if progress:
            progress(burn + done, total)
    draws, values = np.exp(chain.transpose(1, 0, 2)), np.ascontiguousarray(values.T)
    return Posterior(
        problem.free, draws, values, problem.units, accepted / (kept * thin), problem.lower, problem.upper,
        MappingProxyType(dict(problem.priors)), problem.data, density.failed, density.evaluated,
    )  # fmt: skip


def _counts(problem: FitProblem, start: FitResult, walkers: int, steps: int, burn: int, thin: int, seed: int) -> None:
    """Refuse what cannot be sampled."""
    if start.free != problem.free:
        raise FitError(
            f"the result is of {', '.join(start.free)}, but the problem frees {', '.join(problem.free)}; give its own result"
        )
    for name, value, lowest in (("burn", burn, 0), ("thin", thin, 1), ("seed", seed, 0)):
        _whole(name, value, lowest)
    _whole("walkers", walkers, 2 * len(problem.free) + 2)
    _whole("steps", steps, _FEWEST * thin)


def _whole(name: str, value: int, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
        raise FitError(f"{name} must be a whole number of at least {lowest}, not {value}")


class _Density:
    """Log density of log(p) up to a constant; counts the simulations, and those that failed."""

    def __init__(self, problem: FitProblem):
        self.problem, self.low, self.high = problem, np.log(problem.lower), np.log(problem.upper)
        self.evaluated = self.failed = 0
        self.why = "a prediction is not finite"

    def __call__(self, log_p: np.ndarray) -> float:
        if np.any(log_p < self.low) or np.any(log_p > self.high):
            return -np.inf
        self.evaluated += 1
        try:
            residual, _ = self.problem.residuals(log_p, gradient=False)
        except IntegrationError as error:
            self.why, value = str(error), np.nan
        else:
            value = -0.5 * float(residual @ residual)
        if np.isfinite(value):
            return value
        self.failed += 1
        return -np.inf


def _scattered(density: _Density, start: FitResult, walkers: int, rng: np.random.Generator):
    """Places (walkers, n_p) of finite log density (walkers,), around the fit; over the bounds where that tells nothing."""
    low, span = density.low, density.high - density.low
    best = np.clip(np.log(start.x), low, density.high)
    free = ~(start.sd_log < span / 4) | (np.diag(start.covariance) < (1e-9 * span) ** 2)
    variances, axes = np.linalg.eigh(np.where(free[:, None] | free, 0.0, start.covariance))
    factor = axes * np.sqrt(np.maximum(variances, 0.0))
    places, heights = [], []
    for _ in range(walkers):
        for attempt in range(_TRIES):
            shift = np.where(free, low + rng.random(best.size) * span - best, factor @ rng.normal(size=best.size))
            turn = np.mod(best + 0.8**attempt * shift - low, 2 * span)  # reflected at the bounds, where clipping would pile up
            place = low + np.minimum(turn, 2 * span - turn)
            height = density(place)
            if np.isfinite(height):
                places.append(place)
                heights.append(height)
                break
        else:
            raise FitError(f"nothing around the fit can be simulated: {density.why}; fit again, or within other bounds")
    return np.array(places), np.array(heights)


def predictive_bands(
    problem: FitProblem,
    posterior: Posterior,
    draws: int = 200,
    seed: int = 1,
    levels: Sequence[float] = (0.5, 0.95),
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """What the posterior predicts at each measurement: the model's value, and a new measurement with the joint error of the data.

    Parameters
    ----------
    problem : FitProblem
        Whose data are predicted.
    posterior : Posterior
        Of the same free parameters.
    draws : int
        Draws to simulate, without replacement; all if there are fewer.
    seed : int
        Of their choice and of the errors.
    levels : sequence of float
        Probabilities of the central intervals, 0-1.
    progress : callable, optional
        Called with (done, total) after each simulation.

    Returns
    -------
    pandas.DataFrame
        One row per measurement, all in its own unit: experiment, time, observable, unit, value, sd, model_median and new_median,
        and for each level, as 95 for 0.95, model_lower_95, model_upper_95, new_lower_95, new_upper_95.

    Raises
    ------
    FitError
        If the posterior is of other parameters, or a level or count is out of range.
    IntegrationError
        If a simulation fails, which a posterior of the same problem rules out.
    """
    if posterior.free != problem.free:
        raise FitError(f"the posterior is of {', '.join(posterior.free)}, but the problem frees {', '.join(problem.free)}")
    _whole("draws", draws, 2)
    _whole("seed", seed, 0)
    if not len(levels):
        raise FitError("there is no level to draw bands at; write levels=(0.5, 0.95)")
    for level in levels:
        if not 0 < level < 1:
            raise FitError(f"level {level} is not between 0 and 1; write levels=(0.5, 0.95)")
    rng, flat = np.random.default_rng(np.random.SeedSequence(int(seed))), posterior.flat
    chosen = flat[rng.choice(len(flat), size=min(draws, len(flat)), replace=False)]
    distinct, back = np.unique(chosen, axis=0, return_inverse=True)  # a rejected proposal repeats a draw: simulate it once
    runs = np.empty((len(distinct), problem.n))
    for k, p in enumerate(distinct):
        runs[k] = problem.predict(p).values
        if progress:
            progress(k + 1, len(distinct))
    model = runs[back.ravel()]
    repeated = np.repeat(model, _NOISES, axis=0)
    new = problem.with_errors(repeated, rng)
    frame = problem.data.table[["experiment", "time", "observable", "unit", "value", "sd"]].copy()
    found = {"model": model / problem.factors, "new": new / problem.factors}
    for what, values in found.items():
        frame[f"{what}_median"] = np.median(values, axis=0)
    for level in levels:
        for what, values in found.items():
            ends = np.quantile(values, (0.5 - level / 2, 0.5 + level / 2), axis=0)
            frame[f"{what}_lower_{100 * level:g}"], frame[f"{what}_upper_{100 * level:g}"] = ends
    return frame


def r_hat(draws: np.ndarray) -> float:
    """Rank-normalised split R-hat of chains (n_chain, n_draw), the larger of draws and folded draws (section 4.1).

    Near 1 where the chains agree in place and spread; nan where nothing moves. Raises FitError for fewer than 8 draws.
    """
    halves = _split(_checked(draws))
    return float(np.fmax(*(_potential(_normal_scores(x)) for x in (halves, np.abs(halves - np.median(halves))))))


def bulk_ess(draws: np.ndarray) -> float:
    """Effective sample size for the centre, of rank-normalised split chains; shape, nan and FitError as of `r_hat`."""
    return _effective(_normal_scores(_split(_checked(draws))))


def tail_ess(draws: np.ndarray) -> float:
    """Effective sample size for the ends, the smaller of the 5 and 95 % quantiles' (section 4.3); otherwise as `bulk_ess`."""
    draws = _checked(draws)
    return min(_effective(_split((draws <= np.quantile(draws, share)).astype(float))) for share in (0.05, 0.95))


def _checked(draws: np.ndarray) -> np.ndarray:
    draws = np.asarray(draws, dtype=float)
    if draws.ndim != 2 or draws.shape[0] < 1 or draws.shape[1] < _FEWEST:
        raise FitError(f"chains need the shape (chains, draws) with at least {_FEWEST} draws, not {draws.shape}")
    if not np.all(np.isfinite(draws)):
        raise FitError("a draw is not a finite number; diagnostics need finite draws")
    return draws


def _grouped(draws: np.ndarray) -> np.ndarray:
    """Walkers dealt into four chains, time running along each: nested R-hat (Margossian 2024, Bayesian Analysis)."""
    size, n = draws.shape[0] // 4, draws.shape[1]
    return draws if size < 2 else draws[: 4 * size].reshape(size, 4, n).transpose(1, 2, 0).reshape(4, n * size)


def _split(draws: np.ndarray) -> np.ndarray:
    """First and last halves as chains of their own, shape (2 n_chain, n_draw // 2); a middle draw is dropped."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _normal_scores(draws: np.ndarray) -> np.ndarray:
    """Ranks over all chains turned into normal quantiles, with Blom's offsets (equation 14)."""
    ranks = scipy.stats.rankdata(draws, method="average").reshape(draws.shape)
    return scipy.special.ndtri((ranks - 0.375) / (draws.size + 0.25))


def _potential(x: np.ndarray) -> float:
    """Root of the ratio of total to within-chain variance (equations 1-4)."""
    n = x.shape[1]
    within, between = x.var(axis=1, ddof=1).mean(), x.mean(axis=1).var(ddof=1)
    still = 1e-28 * np.mean(x**2)  # what rounding leaves of no variance
    if within <= still:
        return np.inf if between > still else np.nan
    return float(np.sqrt((n - 1) / n + between / within))


def _effective(x: np.ndarray) -> float:
    """Effective sample size by Geyer's initial monotone sequence of the autocorrelations of all chains (section 3.2)."""
    chains, n = x.shape
    centred = x - x.mean(axis=1, keepdims=True)
    power = np.abs(scipy.fft.rfft(centred, scipy.fft.next_fast_len(2 * n), axis=1)) ** 2
    lags = scipy.fft.irfft(power, scipy.fft.next_fast_len(2 * n), axis=1)[:, :n].mean(axis=0) / n
    within = lags[0] * n / (n - 1)
    total = lags[0] + (x.mean(axis=1).var(ddof=1) if chains > 1 else 0.0)
    if not total > 1e-15 * np.mean(x**2):
        return np.nan
    rho = 1 - (within - lags) / total
    rho[0] = 1.0
    pairs = rho[0 : n - 1 : 2] + rho[1:n:2]
    stop = min([*np.flatnonzero(pairs <= 0)[:1], max((n - 3) // 2, 1)])  # of the last lags, few products, nothing is known
    # the pair that ends the sum still gives its first half, where positive
    tau = 2 * np.minimum.accumulate(pairs[:stop]).sum() - 1 + max(rho[2 * stop], 0.0)
    # antithetic chains may beat independent draws, but not without limit: the paper's cap of n log10(n)
    return float(chains * n / max(tau, 1 / np.log10(chains * n)))

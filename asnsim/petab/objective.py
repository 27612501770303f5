"""Likelihood of a PEtab problem and its gradient, by the definitions of PEtab 2.0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asnsim.errors import DataError
from asnsim.petab.problem import Observable, PetabProblem
from asnsim.petab.simulate import Simulator, _Formulas
from asnsim.solvers import NDF

__all__ = ["Evaluation", "Objective"]

_TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A problem at one set of parameters.

    Parameters
    ----------
    llh, chi2 : float
        Logarithm of the likelihood; sum of squared residuals over noise.
    simulation, noise : ndarray, shape (n_data,)
        What each measurement should have been, and its noise; in the order of the measurements.
    residuals : ndarray, shape (n_data,)
        Measurement less simulation, on the observable's scale, over noise.
    gradient : ndarray, shape (n_p,), or None
        Of llh, by the estimated parameters on their scales.
    information : ndarray, shape (n_p, n_p), or None
        Expected (Fisher) information.
    """

    llh: float
    chi2: float
    simulation: np.ndarray
    noise: np.ndarray
    residuals: np.ndarray
    gradient: np.ndarray | None = None
    information: np.ndarray | None = None


class _Plan:
    """The data of one experiment: which formula at which time."""

    def __init__(self, simulator: Simulator, problem: PetabProblem, experiment: str, table):
        self.experiment = problem.experiments[experiment]
        self.places = table.index.to_numpy()
        self.times, self.at = np.unique(table["time"].to_numpy(), return_inverse=True)
        nodes: dict[tuple, int] = {}
        wanted: list[int] = []
        pairs = []
        for row in table.itertuples():
            key = (row.observable, row.observable_parameters, row.noise_parameters)
            if key not in nodes:
                nodes[key] = len(nodes)
                wanted += _nodes(simulator, problem.observables[row.observable], *key[1:])
            pairs.append(nodes[key])
        self.rows = np.array(pairs)
        self.formulas = _Formulas(simulator.graph, wanted)


def _curvature(prior, linear: float, scaled: float, slope: float) -> float:
    """Second derivative of a prior's logarithm by the scaled parameter, by a difference."""
    step = 1e-5 * max(abs(scaled), 1e-3)
    ratio = 1.0 + slope / linear * step if linear else 1.0
    moved = linear * ratio if linear else step
    return (prior.derivative(moved, scaled + step, slope * ratio) - prior.derivative(linear, scaled, slope)) / step


def _nodes(simulator: Simulator, one: Observable, own, noisy) -> list[int]:
    filled = {name: simulator.lower(value) for name, value in zip(one.placeholders, own, strict=True)}
    filled |= {name: simulator.lower(value) for name, value in zip(one.noise_placeholders, noisy, strict=True)}
    return [simulator.lower(one.formula, filled), simulator.lower(one.noise, filled)]


class Objective:
    """Evaluates a problem.

    Parameters
    ----------
    problem : PetabProblem
    solver : NDF, optional
        By default with rtol 1e-8.
    """

    def __init__(self, problem: PetabProblem, solver: NDF | None = None):
        self.problem = problem
        self.simulator = Simulator(problem, solver)
        data = problem.measurements
        self.plans = [_Plan(self.simulator, problem, name, table) for name, table in data.groupby("experiment", sort=False)]
        observables = [problem.observables[name] for name in data["observable"]]
        self.scales = np.array([one.scale for one in observables], dtype=object)
        self.laplace = np.array([one.distribution == "laplace" for one in observables], dtype=bool)
        self.data = data["measurement"].to_numpy(dtype=float)
        self._nominal = np.array([problem.parameters[name].nominal for name in self.simulator.theta])

    def values(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All parameters on linear scale (n_theta,), and d(linear)/d(scaled) of the estimated ones (n_p,)."""
        values, slopes = self._nominal.copy(), np.ones(len(p))
        for k, (name, place) in enumerate(zip(self.problem.estimated, self.simulator.places, strict=True)):
            scale = self.problem.parameters[name].scale
            values[place] = {"lin": lambda v: v, "log": np.exp, "log10": lambda v: 10.0**v}[scale](p[k])
            slopes[k] = {"lin": 1.0, "log": values[place], "log10": values[place] * np.log(10.0)}[scale]
        return values, slopes

    def __call__(self, p: np.ndarray | None = None, gradient: bool = False) -> Evaluation:
        """Evaluate.

        Parameters
        ----------
        p : ndarray, shape (n_p,), optional
            Estimated parameters on their scales; by default the nominal ones.
        gradient : bool
            Whether to compute gradient and information.

        Raises
        ------
        IntegrationError, ModelError
            If the model cannot be simulated there.
        DataError
            If a noise is not positive.
        """
        p = self.problem.nominal() if p is None else np.asarray(p, dtype=float)
        if gradient and not len(p):
            return replace(self(p), gradient=np.zeros(0), information=np.zeros((0, 0)))
        values, slopes = self.values(p)
        n = len(self.data)
        y, sigma = np.zeros(n), np.zeros(n)
        dy, dsigma = (np.zeros((n, len(p))) for _ in range(2))
        for plan in self.plans:
            course = self.simulator.run(plan.experiment, values, plan.times, gradient)
            z = np.vstack([np.repeat(values[:, None], len(course.t), axis=1), course.c])
            table = plan.formulas.values(course.t, z, course.x)
            y[plan.places], sigma[plan.places] = (table[2 * plan.rows + i, plan.at] for i in (0, 1))
            if gradient:
                dz = np.zeros((*z.shape, len(p)))
                dz[self.simulator.places, :, np.arange(len(p))] = 1.0
                dz[len(values) :] = course.dc
                total = plan.formulas.total(course.t, z, course.x, dz, course.dx)
                dy[plan.places], dsigma[plan.places] = (total[2 * plan.rows + i, plan.at] for i in (0, 1))
        return self.judge(y, sigma, (dy * slopes, dsigma * slopes) if gradient else None)

    def log_priors(self, p: np.ndarray | None = None) -> dict[str, float]:
        """Return the logarithm of the prior density of every estimated parameter that has one."""
        p = self.problem.nominal() if p is None else np.asarray(p, dtype=float)
        values, _ = self.values(p)
        rows = zip(self.problem.estimated, self.simulator.places, p, strict=True)
        priors = ((name, self.problem.parameters[name].prior, values[place], scaled) for name, place, scaled in rows)
        return {name: prior.log_density(linear, scaled) for name, prior, linear, scaled in priors if prior is not None}

    def log_posterior(self, p: np.ndarray) -> float:
        """Return the logarithm of likelihood times priors; -inf outside of these."""
        priors = sum(self.log_priors(p).values())
        return self(p).llh + priors if np.isfinite(priors) else -np.inf

    def posterior(self, p: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the logarithm of likelihood times priors, its gradient (n_p,) and the expected information (n_p, n_p)."""
        result = self(p, gradient=True)
        value, slope, information = result.llh, result.gradient.copy(), result.information.copy()
        values, slopes = self.values(p)
        for k, (name, place) in enumerate(zip(self.problem.estimated, self.simulator.places, strict=True)):
            prior = self.problem.parameters[name].prior
            if prior is None:
                continue
            here = prior.log_density(values[place], p[k])
            if not np.isfinite(here):
                return -np.inf, slope, information
            value += here
            steep = prior.derivative(values[place], p[k], slopes[k])
            slope[k] += steep
            kink = "laplace" in prior.name.lower()
            information[k, k] += steep**2 if kink else abs(_curvature(prior, values[place], p[k], slopes[k]))
        return value, slope, information

    def judge(self, y: np.ndarray, sigma: np.ndarray, slopes: tuple[np.ndarray, np.ndarray] | None = None) -> Evaluation:
        """Compare simulations with the data.

        Parameters
        ----------
        y, sigma : ndarray, shape (n_data,)
            Simulations and noise.
        slopes : tuple of ndarray, shape (n_data, n_p), optional
            Their derivatives by the scaled parameters.

        Raises
        ------
        DataError
            If a noise is not positive.
        """
        bad = np.flatnonzero(~(sigma > 0))
        if bad.size:
            row = self.problem.measurements.iloc[bad[0]]
            where = f"'{row['observable']}' of experiment '{row['experiment']}' at time {row['time']:g}"
            raise DataError(f"the noise of {where} is {sigma[bad[0]]:g}; it must be positive")
        h, dh, jacobian = self._on_scale(y)
        m, _, jacobian = self._on_scale(self.data)
        r = (m - h) / sigma
        each = np.where(self.laplace, -np.log(2.0 * sigma) - np.abs(r), -0.5 * np.log(2.0 * np.pi * sigma**2) - 0.5 * r * r)
        llh, chi2 = float(np.sum(each - jacobian)), float(np.sum(r * r))
        if slopes is None:
            return Evaluation(llh, chi2, y, sigma, r)
        dy, dsigma = slopes
        dr = -(dh[:, None] * dy + r[:, None] * dsigma) / sigma[:, None]
        weight = np.where(self.laplace, np.sign(r), r)
        slope = -np.sum(dsigma / sigma[:, None], axis=0) - weight @ dr
        rows = dh[:, None] * dy / sigma[:, None]
        noisy = dsigma / sigma[:, None] * np.where(self.laplace, 1.0, np.sqrt(2.0))[:, None]
        return Evaluation(llh, chi2, y, sigma, r, slope, rows.T @ rows + noisy.T @ noisy)

    def _on_scale(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values on the scale of their noise, derivatives of that, and the logarithm of the Jacobian of the data."""
        lin, ten = self.scales == "lin", self.scales == "log10"
        base = np.where(ten, np.log(10.0), 1.0)
        with np.errstate(all="ignore"):
            logs = np.where(y > 0, np.log(np.maximum(y, _TINY)), np.where(lin, 0.0, -np.inf))
            h = np.where(lin, y, logs / base)
            dh = np.where(lin, 1.0, 1.0 / (y * base))
        return h, dh, np.where(lin, 0.0, logs + np.log(base))

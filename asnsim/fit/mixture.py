"""A patient who may have formed antibodies without a sign: both cases estimated, and weighed by the samples.

A population of which a share forms antibodies is a mixture of two. The samples decide how probably a patient belongs to which:
prior share times evidence, the likelihood integrated over what differs between patients (the individual probability, IPk, of
NONMEM's $MIXTURE: Carlsson 2009, AAPS J).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asnsim.dosing import Regimen
from asnsim.errors import FitError
from asnsim.fit.individual import Forecast, Individual, Sample, map_estimate
from asnsim.network import Network
from asnsim.population import Population, ResidualError

__all__ = ["Mixture", "mixture_estimate"]


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A patient with or without antibodies.

    Parameters
    ----------
    without, affected : Individual
        The most probable patient of either kind.
    probability : float
        Of antibodies, given the samples.
    """

    without: Individual
    affected: Individual
    probability: float

    @property
    def likely(self) -> Individual:
        """The more probable of both."""
        return self.affected if self.probability > 0.5 else self.without

    @property
    def model(self) -> Network:
        """With the patient's covariates."""
        return self.without.model

    def forecast(
        self,
        regimen: Regimen,
        until: float | str,
        times: Sequence[float],
        observables: Sequence[str] = ("asnase_p",),
        n: int = 400,
        seed: int = 1,
    ) -> Forecast:
        """Simulate what is to be expected, antibodies in their share of the draws; see `Individual.forecast`."""
        many = int(round(n * self.probability))
        shares = [(one, k) for one, k in ((self.without, n - many), (self.affected, many)) if k]
        parts = [one.forecast(regimen, until, times, observables, k, seed) for one, k in shares]
        return replace(parts[0], values=np.concatenate([part.values for part in parts]))


def mixture_estimate(
    model: Network,
    population: Population,
    regimen: Regimen,
    samples: Sequence[Sample],
    residual: Mapping[str, ResidualError],
) -> Mixture:
    """Estimate a patient with and without antibodies, and how probable these are.

    Parameters
    ----------
    model : Network
        With the patient's covariates and overlay ``antibodies``.
    population : Population
        With a share `antibodies`, the prior probability, and their `onset`.
    regimen, samples, residual
        As of `asnsim.map_estimate`.

    Raises
    ------
    FitError
        As `asnsim.map_estimate`; if nobody or everybody in the population forms antibodies; or if the samples fit neither kind.
    """
    share = population.antibodies
    if not 0 < share < 1:
        raise FitError(f"the share of patients with antibodies is {share:g}; a mixture needs one between 0 and 1")
    kinds = [map_estimate(model, population, regimen, samples, residual, antibodies=kind) for kind in (False, True)]
    weight = np.array([one.log_evidence() for one in kinds]) + np.log([1 - share, share])
    if not np.isfinite(weight).any():
        raise FitError("the samples fit a patient neither with nor without antibodies")
    chance = np.exp(weight - weight.max())
    return Mixture(*kinds, float(chance[1] / chance.sum()))

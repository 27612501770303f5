"""Fitting: experiments and data in, parameters with intervals and a plain verdict out."""

from asnsim.callables import make_callable
from asnsim.fit.optimal import Candidate, Design, candidates_at, choose_samples, information
from asnsim.fit.optimise import FitResult, Start, fit
from asnsim.fit.posterior import Posterior, bulk_ess, predictive_bands, r_hat, sample_posterior, tail_ess
from asnsim.fit.problem import Experiment, FitProblem, Observable
from asnsim.fit.profile import Profile, profile
from asnsim.fit.recipe import read_problem
from asnsim.fit.surface import Surface, profile_surface

__all__ = [
    "Candidate", "Design", "Experiment", "FitProblem", "FitResult", "Observable", "Posterior", "Profile", "Start", "Surface",
    "bulk_ess", "candidates_at", "choose_samples", "fit", "information", "predictive_bands", "profile", "profile_surface",
    "r_hat", "read_problem", "sample_posterior", "tail_ess",
]  # fmt: skip

make_callable(__name__, fit)

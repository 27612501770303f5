"""Fitting: experiments and data in, parameters with intervals and a plain verdict out."""

from asnsim.callables import make_callable
from asnsim.fit.optimal import Candidate, Design, candidates_at, choose_samples, information
from asnsim.fit.optimise import FitResult, Start, fit
from asnsim.fit.problem import Experiment, FitProblem, Observable
from asnsim.fit.profile import Profile, profile
from asnsim.fit.recipe import read_problem

__all__ = [
    "Candidate", "Design", "Experiment", "FitProblem", "FitResult", "Observable", "Profile", "Start", "candidates_at",
    "choose_samples", "fit", "information", "profile", "read_problem",
]  # fmt: skip

make_callable(__name__, fit)

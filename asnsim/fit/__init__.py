"""Fitting: experiments and data in, parameters with intervals and a plain verdict out."""

from asnsim.callables import make_callable
from asnsim.fit.optimise import FitResult, Start, fit
from asnsim.fit.problem import Experiment, FitProblem, Observable
from asnsim.fit.profile import Profile, profile
from asnsim.fit.recipe import read_problem

__all__ = ["Experiment", "FitProblem", "FitResult", "Observable", "Profile", "Start", "fit", "profile", "read_problem"]

make_callable(__name__, fit)

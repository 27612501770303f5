"""Our likelihood as an objective of pyPESTO, so that its optimisers, samplers, profiles and plots work on it."""

from __future__ import annotations

import math

import numpy as np

from asnsim.errors import AsnsimError, MissingExtraError
from asnsim.petab.objective import Objective
from asnsim.petab.problem import PetabProblem

__all__ = ["to_pypesto"]


class _Negative:
    """Minus log posterior, its gradient and the expected information; what is asked for at one point is computed once."""

    def __init__(self, objective: Objective):
        self.objective = objective
        self._point: np.ndarray | None = None
        self._answer: tuple[float, np.ndarray, np.ndarray] = (math.inf, np.zeros(0), np.zeros((0, 0)))

    def __deepcopy__(self, memo) -> _Negative:
        return _Negative(self.objective)  # pyPESTO copies objectives; compiled kernels are shared

    def _at(self, p: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        if self._point is None or not np.array_equal(self._point, p):
            self._point, n = np.array(p, dtype=float), len(p)
            try:
                value, slope, information = self.objective.posterior(self._point)
                self._answer = -value, -slope, information
            except AsnsimError:  # pyPESTO steps back from infinity
                self._answer = math.inf, np.full(n, np.nan), np.full((n, n), np.nan)
        return self._answer

    def value(self, p: np.ndarray) -> float:
        return self._at(p)[0]

    def slope(self, p: np.ndarray) -> np.ndarray:
        return self._at(p)[1]

    def information(self, p: np.ndarray) -> np.ndarray:
        return self._at(p)[2]


def to_pypesto(problem: PetabProblem | Objective):
    """Return a problem as pyPESTO's, on the parameters' scales, with gradient, expected information as Hessian, and bounds.

    Parameters
    ----------
    problem : PetabProblem or Objective

    Returns
    -------
    pypesto.Problem
        Its objective includes the priors.

    Raises
    ------
    MissingExtraError
        If pyPESTO is not installed.
    """
    try:
        import pypesto
    except ImportError:
        raise MissingExtraError("pypesto", "pypesto") from None
    objective = problem if isinstance(problem, Objective) else Objective(problem)
    names, (low, high) = objective.problem.estimated, objective.problem.bounds()
    negative = _Negative(objective)
    wrapped = pypesto.Objective(fun=negative.value, grad=negative.slope, hess=negative.information, x_names=list(names))
    scales = [objective.problem.parameters[name].scale for name in names]
    return pypesto.Problem(wrapped, lb=low, ub=high, x_names=list(names), x_scales=scales)

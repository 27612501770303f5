"""PEtab problems of versions 1 and 2: read, checked, simulated, compared with their data, and fitted."""

from asnsim.petab.fitting import PetabFit, PetabStart, fit_problem
from asnsim.petab.objective import Evaluation, Objective
from asnsim.petab.problem import PetabProblem
from asnsim.petab.pypesto import to_pypesto
from asnsim.petab.reading import read_problem

__all__ = ["Evaluation", "Objective", "PetabFit", "PetabProblem", "PetabStart", "fit_problem", "read_problem", "to_pypesto"]

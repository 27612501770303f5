"""Blind quantification: chromatograms in, concentrations with their joint error out.

``quantify(batch, method)`` works alike on a real instrument's files and on the simulated bench's; it imports neither the bench
nor the model.
"""

from asnsim.callables import make_callable
from asnsim.quantify.calibration import Line, fit_line, fit_two_component
from asnsim.quantify.method import Method
from asnsim.quantify.montecarlo import monte_carlo
from asnsim.quantify.quantify import quantify
from asnsim.quantify.result import Quantification
from asnsim.quantify.validation import validate_method

__all__ = ["Line", "Method", "Quantification", "fit_line", "fit_two_component", "monte_carlo", "quantify", "validate_method"]

make_callable(__name__, quantify)

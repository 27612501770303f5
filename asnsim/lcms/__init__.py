"""A simulated LC-MS/MS bench: samples of a running model become the chromatograms a laboratory would see.

``measure(run, protocol, times)`` samples, washes, quenches, extracts, prepares, injects, separates, ionises and counts. Every
latent value goes into the batch's truth table, which is written beside the data and never read by the quantifier.
"""

from asnsim.lcms.faults import Faults, parse_faults
from asnsim.lcms.measure import measure, measure_validation
from asnsim.lcms.protocol import Protocol
from asnsim.lcms.sampling import film_after_washes
from asnsim.lcms.separation import emg

__all__ = ["Faults", "Protocol", "emg", "film_after_washes", "measure", "measure_validation", "parse_faults"]

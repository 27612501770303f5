"""asnsim: asparagine inside and outside cells, from model and dose to LC-MS/MS data and back to kinetics.

>>> import asnsim
>>> model = asnsim.load_model("cell", "rpmi", "all_low_asns")
>>> run = asnsim.simulate(model, asnsim.Regimen.single("2 U", into="asnase_e"), until="72 h")
>>> run["asn_c"].shape
(402,)

Names are imported when first used, so ``import asnsim`` is quick.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "AsnsimError": "asnsim.errors",
    "Batch": "asnsim.chromatogram",
    "Change": "asnsim.dosing",
    "Dose": "asnsim.dosing",
    "Ensemble": "asnsim.ensemble",
    "Event": "asnsim.network",
    "Experiment": "asnsim.fit",
    "FitProblem": "asnsim.fit",
    "FitResult": "asnsim.fit",
    "Goal": "asnsim.regimens",
    "IntegrationError": "asnsim.errors",
    "Measurements": "asnsim.measurements",
    "Module": "asnsim.network",
    "NDF": "asnsim.solvers",
    "Network": "asnsim.network",
    "Population": "asnsim.population",
    "Reaction": "asnsim.network",
    "Regimen": "asnsim.dosing",
    "Rodas4": "asnsim.solvers",
    "Rodas5P": "asnsim.solvers",
    "Sample": "asnsim.fit.individual",
    "Trajectory": "asnsim.trajectory",
    "balanced_state": "asnsim.steady",
    "compare": "asnsim.regimens",
    "compose": "asnsim.composition",
    "crosscheck": "asnsim.io.crosscheck",
    "list_overlays": "asnsim.library",
    "list_recipes": "asnsim.library",
    "load_model": "asnsim.library",
    "map_estimate": "asnsim.fit.individual",
    "mixture_estimate": "asnsim.fit.mixture",
    "measure": "asnsim.lcms",
    "oscillation_note": "asnsim.stability",
    "precondition": "asnsim.culture",
    "preculture": "asnsim.culture",
    "profile": "asnsim.fit",
    "predictions": "asnsim.records",
    "propose": "asnsim.regimens",
    "read": "asnsim.io",
    "read_events": "asnsim.io.nonmem",
    "read_residual": "asnsim.population",
    "simulate": "asnsim.simulation",
    "simulate_many": "asnsim.scale",
    "symbol": "asnsim.network",
    "write": "asnsim.io",
}

#: Packages that are functions too.
_CALLABLE = ("fit", "quantify")

__all__ = ["__version__", *sorted([*_HOMES, *_CALLABLE])]


def __getattr__(name: str):
    if name in _CALLABLE:
        return import_module(f"asnsim.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'asnsim' has no attribute '{name}'")


def __dir__():
    return __all__

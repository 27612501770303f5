"""A method as the quantifier sees it: transitions, integration, calibration, uncertainty, rules. It never sees the bench."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asnsim.chromatogram import Analyte, check_keys, load_method, method_analytes
from asnsim.errors import DataError, suggest

__all__ = ["ExternalLine", "Method"]

_WEIGHTS = ("1/x^2", "1/x", "1")  # the preferred first
_ORDERS = {"linear": (1,), "quadratic": (2,), "auto": (1, 2)}
_CALIBRATION = {
    **dict.fromkeys(_ORDERS, ("model", "weighting")),
    "external": ("model", "source", "line_uncertainty", "intercept_uncertainty", "repeatability", "lines"),
}
_INTEGRATION = ("fwhm_s", "left_fwhm", "right_fwhm", "flank_s", "smooth_s")
_UNITS = {"cell_volume": "umol/L", "protein": "nmol/mg", "dna": "nmol/ug"}


@dataclass(frozen=True, slots=True)
class ExternalLine:
    """A published calibration line, ratio = slope c + intercept, with the analyte whose IS it was made with."""

    slope: float
    intercept: float
    internal_standard: str


@dataclass(frozen=True, slots=True)
class Method:
    """What the quantifier needs to know.

    Parameters
    ----------
    name : str
        Method name.
    analytes : tuple of Analyte
        Transitions and formulas; none where areas come from elsewhere.
    fwhm, left, right, flank, smooth : float
        Expected peak width (s), window edges (in FWHM from the apex), baseline stretch (s), smoothing before the apex is
        located (s).
    poisson_factor, spray : float
        Variance of a point of mu counts: F mu + (s mu)^2.
    dead_time : float
        Detector dead time, s; 0 leaves intensities as they are.
    label_purity : float
        Atom fraction of the label.
    weightings : tuple of str
        Among ``1``, ``1/x`` and ``1/x^2`` the curve is chosen by its error at the LLOQ and the QCs; one where it is prescribed.
    orders : tuple of int
        The same: 1 for a line, 2 for a quadratic.
    lines : mapping of str to ExternalLine
        Published lines; empty when the batch brings its own calibrators.
    line_uncertainty, intercept_uncertainty, repeatability : float
        Relative standard uncertainties of published lines and of an injection against them.
    aliquot : float
        Volume that the calibrators' scale refers to, L; 0 where amounts are not computed.
    normalise_by, water_fraction : str, float
        What turns an amount in cells into a result.
    shared, per_sample : mapping of str to float
        Relative uncertainties of the batch and of a vial.
    rules : mapping of str to float
        Acceptance limits.
    """

    name: str
    analytes: tuple[Analyte, ...]
    fwhm: float
    left: float
    right: float
    flank: float
    smooth: float
    poisson_factor: float
    spray: float
    dead_time: float = 0.0
    label_purity: float = 1.0
    weightings: tuple[str, ...] = ("1/x^2",)
    orders: tuple[int, ...] = (1,)
    lines: Mapping[str, ExternalLine] = field(default_factory=dict)
    line_uncertainty: float = 0.0
    intercept_uncertainty: float = 0.0
    repeatability: float = 0.0
    line_source: str = ""
    aliquot: float = 0.0
    normalise_by: str = "cell_volume"
    water_fraction: float = 1.0
    shared: Mapping[str, float] = field(default_factory=dict)
    per_sample: Mapping[str, float] = field(default_factory=dict)
    rules: Mapping[str, float] = field(default_factory=dict)

    @property
    def unit_in_cells(self) -> str:
        """Unit of a result in cells."""
        return _UNITS[self.normalise_by]

    @classmethod
    def load(cls, name: str | Path | Method) -> Method:
        """Read a method by name or path.

        Raises
        ------
        DataError
            If a section or value is missing, or names something unknown.
        """
        if isinstance(name, Method):
            return name
        data, path = load_method(name)

        def need(section: str, key: str) -> object:
            if section not in data or key not in data[section]:
                raise DataError(
                    f"{path.parent.name}/{path.name}: [{section}] {key} is missing; "
                    "a method to quantify with needs it (see hilic_mrm.toml)"
                )
            return data[section][key]

        for_areas = "transitions" not in data and "rules" in data  # integrated elsewhere: nothing to match or integrate
        analytes = () if for_areas else method_analytes(data, path)
        template = {name: section for name, section in load_method("hilic_mrm")[0].items() if name != "calibration"}
        check_keys(data, template, path, required=False)
        acquisition, calibration = data.get("acquisition", {}), data.get("calibration", {})
        weighting = calibration.get("weighting", "1/x^2")
        if weighting not in (*_WEIGHTS, "auto"):
            raise DataError(f"{path.name}: weighting '{weighting}' is not one of {', '.join(_WEIGHTS)}, auto")
        model = calibration.get("model", "linear")
        if model not in _CALIBRATION:
            raise DataError(f"{path.name}: calibration model '{model}' is not one of {', '.join(_CALIBRATION)}")
        for key in calibration:
            if key not in _CALIBRATION[model]:
                raise DataError(
                    f"{path.name}: [calibration] '{key}' is not known{suggest(key, _CALIBRATION[model]) or '; remove it'}"
                )
        if model in _ORDERS:
            check_keys(data, {"rules": template["rules"]}, path, required=True)
        normalisation = data.get("normalisation", {})
        by = normalisation.get("by", "cell_volume")
        if by not in _UNITS:
            raise DataError(f"{path.name}: normalisation by '{by}' is not one of {', '.join(_UNITS)}")
        known = [analyte.id for analyte in analytes]
        lines = {}
        for analyte, row in (need("calibration", "lines") if model == "external" else {}).items():
            for used in (analyte, row.get("is", analyte)):
                if used not in known:
                    raise DataError(
                        f"{path.name}: [calibration.lines] '{used}' is not an analyte of the method{suggest(used, known)}"
                    )
            lines[analyte] = ExternalLine(float(row["slope"]), float(row["intercept"]), row.get("is", analyte))
        uncertainty = data.get("uncertainty", {})
        return cls(
            data.get("name", path.stem),
            analytes,
            *(math.nan if for_areas else need("integration", key) for key in _INTEGRATION),
            *(math.nan if for_areas else need("noise", key) for key in ("poisson_factor", "spray")),
            acquisition.get("dead_time_ns", 0.0) * 1e-9,
            acquisition.get("label_purity", 1.0),
            _WEIGHTS if weighting == "auto" else (weighting,),
            _ORDERS.get(model, (1,)),
            lines,
            calibration.get("line_uncertainty", 0.0),
            calibration.get("intercept_uncertainty", 0.0),
            calibration.get("repeatability", 0.0),
            calibration.get("source", ""),
            data.get("preparation", {}).get("aliquot_uL", 0.0) * 1e-6,
            by,
            normalisation.get("water_fraction", 1.0),
            uncertainty.get("shared", {}),
            uncertainty.get("per_sample", {}),
            data.get("rules", {}),
        )

    def internal_standard(self, analyte: str) -> str:
        """Return the analyte whose internal standard is used for this one."""
        return self.lines[analyte].internal_standard if analyte in self.lines else analyte

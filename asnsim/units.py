"""Canonical units: h, umol, L, U (enzyme), cell, copy, kg, m^2 of body surface. The only importer of pint.

Inside asnsim every number is a bare float in these units (so concentrations are umol/L, activities U/L, fluxes umol/h);
text with units is converted once, at the door.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import pint

from asnsim.errors import UnitError

__all__ = ["DIMENSIONLESS", "Dimension", "Unit", "dimension_text", "parse_quantity", "parse_time", "unit"]

#: What a laboratory or a clinic writes, and nothing that could be taken for it: pint's own thousand units take 0.2 s to read.
_DEFINITIONS = """
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = µ- = μ- = u- = mc-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
second = [time] = s = sec
minute = 60 * second = min
hour = 60 * minute = h = hr
day = 24 * hour = d
week = 7 * day
month = year / 12
year = 365.25 * day = yr
meter = [length] = m = metre
centimeter = 0.01 * meter = cm = centimetre
decimeter = 0.1 * meter = dm = decimetre
liter = 1e-3 * meter ** 3 = l = L = litre
deciliter = 0.1 * liter = dl = dL
gram = [mass] = g
mole = [substance] = mol
molar = mole / liter = M
dalton = gram / mole = Da
katal = mole / second = kat
kelvin = [temperature]; offset: 0 = K = degK
degree_Celsius = kelvin; offset: 273.15 = degC
enzyme_unit = [enzyme] = U = IU
cell = [cells] = cells
copy = [copies] = copies
body_m2 = [body_surface]
fold = 1
percent_ = 0.01 = _ = percent
ppm = 1e-6
count = 1 = _ = counts
cps = 1 / second
"""
#: Order of the base dimensions in a `Dimension`, and the canonical unit of each.
_BASES = ("[time]", "[substance]", "[length]", "[enzyme]", "[cells]", "[copies]", "[body_surface]", "[mass]", "[temperature]")
_CANONICAL = ("h", "umol", "dm", "U", "cells", "copies", "m^2", "kg", "K")

Dimension = tuple[float, ...]
DIMENSIONLESS: Dimension = (0.0,) * len(_BASES)


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry:
    return pint.UnitRegistry(_DEFINITIONS.strip().splitlines(), autoconvert_offset_to_baseunit=True)


@dataclass(frozen=True, slots=True)
class Unit:
    """A parsed unit.

    Parameters
    ----------
    text : str
        As written.
    factor : float
        Canonical value of one such unit: 1 mM has factor 1000 (umol/L).
    dimension : Dimension
        Exponents of time, substance, length, enzyme, cells, copies, body surface, mass, temperature.
    """

    text: str
    factor: float
    dimension: Dimension


@lru_cache(maxsize=1024)
def unit(text: str) -> Unit:
    """Parse a unit such as ``'umol/L/h'``, ``'1/h'``, ``'mM'``, ``'U/m^2'`` or ``''`` (dimensionless).

    Raises
    ------
    UnitError
        If the text is not a unit.
    """
    cleaned = text.strip()
    if cleaned in ("", "-", "1"):
        return Unit(text, 1.0, DIMENSIONLESS)
    if not re.fullmatch(r"[A-Za-z0-9_ /*^().%µμ²-]+", cleaned) or "//" in cleaned:
        raise UnitError(f"'{text}' is not a unit; write for example umol/L, 1/h, U/L or h")
    readable = cleaned.replace("m²", "m^2").replace("%", "percent_")
    readable = re.sub(r"\bm\s*(?:\^|\*\*)?\s*2\b", "body_m2", readable)
    readable = re.sub(r"\bm\s*(?:\^|\*\*)\s*-2\b", "body_m2**-1", readable)
    readable = re.sub(r"^1\s*/", "dimensionless/", readable).replace("^", "**")
    powers = re.findall(r"(?:\^|\*\*)\s*\(?\s*(-?\d+)", cleaned)
    if any(abs(int(power)) > 9 for power in powers) or re.search(r"\d\s*(?:\^|\*\*)", cleaned.replace("m^2)", "")):
        raise UnitError(f"'{text}' is not a unit; powers are whole numbers up to 9, one to a unit")
    registry = _registry()
    try:
        if not registry.Quantity(1.0, registry.parse_units(readable))._is_multiplicative:
            raise UnitError("an offset such as degC")
        base = registry.Quantity(1.0, registry.parse_units(readable)).to_base_units()
    except Exception as error:  # pint raises many kinds; all mean the same to the user
        raise UnitError(f"'{text}' is not a unit ({type(error).__name__}); write for example umol/L, 1/h, U/L or h") from None
    dimension = tuple(float(base.dimensionality.get(name, 0.0)) for name in _BASES)
    if set(base.dimensionality) - set(_BASES):
        raise UnitError(f"'{text}' has a dimension this project does not use; write for example umol/L, 1/h, U/L or h")
    factor = float(base.magnitude)
    scale = {"[time]": 1 / 3600.0, "[substance]": 1e6, "[length]": 10.0, "[mass]": 1e-3}
    for name, exponent in zip(_BASES, dimension, strict=True):
        factor *= scale.get(name, 1.0) ** exponent
    if any(dimension[1:]):  # 1 mM is 1000 umol/L, not 1000.0000000000001; times stay as they are, so that 30 min meet 0.5 h
        factor = float(f"{factor:.15g}")
    return Unit(text, factor, dimension)


def dimension_text(dimension: Dimension) -> str:
    """Write a dimension in canonical units, lengths in threes as litres: ``'umol / L / h'``."""
    exponents = dict(zip(_CANONICAL, dimension, strict=True))
    litres, exponents["dm"] = divmod(exponents["dm"], 3) if exponents["dm"] % 3 == 0 else (0.0, exponents["dm"])
    exponents["L"] = litres
    names = {name: f"({name})" if "^" in name else name for name in exponents}
    above = [name if power == 1 else f"{names[name]}^{power:g}" for name, power in exponents.items() if power > 0]
    below = [name if power == -1 else f"{names[name]}^{-power:g}" for name, power in exponents.items() if power < 0]
    return " / ".join(["*".join(above) or "1", *below]) if (above or below) else "dimensionless"


_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)")


def parse_quantity(text: str | float, dimension: Dimension | None = None, what: str = "value", default: str = "") -> float:
    """Return a quantity such as ``'2500 U/m^2'`` as a float in canonical units.

    Parameters
    ----------
    text : str or float
        A number is taken in canonical units as it stands; so is text without a unit.
    dimension : Dimension, optional
        The dimension it must have.
    what : str
        How the error names it.
    default : str
        Unit assumed where the text has none, written into the error as the example.

    Raises
    ------
    UnitError
        If it is not a quantity or has another dimension.
    """
    if isinstance(text, (int, float)):
        return float(text)
    match = _QUANTITY.fullmatch(str(text))
    if not match:
        raise UnitError(f"{what} '{text}' is not a number with a unit; write for example '14 {default or 'umol/L'}'")
    number, suffix = match.groups()
    parsed = unit(suffix or default)
    if dimension is not None and suffix and parsed.dimension != dimension:
        raise UnitError(f"{what} '{text}' is in {dimension_text(parsed.dimension)}, but {dimension_text(dimension)} is needed")
    value = float(number) * parsed.factor
    if not math.isfinite(value):
        raise UnitError(f"{what} '{text}' is too large to be a number; write it in another unit")
    return value


def parse_time(text: str | float, what: str = "time") -> float:
    """Return a time such as ``'14 d'`` in h; a bare number is hours."""
    return parse_quantity(text, unit("h").dimension, what, "h")

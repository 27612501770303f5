"""Faults of the bench that can be switched on: what quality control is for.

A fault happens to vials by the name they carry in the sequence; what stands in the sequence, the paperwork, knows nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from asnsim.errors import DataError, suggest
from asnsim.lcms.preparation import Vial

__all__ = ["Faults", "parse_faults"]

_WORDS = {
    "swap": "swap VIAL VIAL",
    "no_is": "no_is VIAL",
    "dilution": "dilution VIAL FACTOR",
    "overload": "overload VIAL FACTOR",
    "late_wash": "late_wash VIAL MINUTES",
    "carry_over": "carry_over FRACTION",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in a batch.

    Parameters
    ----------
    swap : sequence of (str, str)
        Vials whose contents are exchanged.
    no_is : sequence of str
        Vials that get no internal standard.
    dilution : mapping of str to float
        True over stated dilution, before the internal standard is added.
    overload : mapping of str to float
        Factor on all that is injected: analyte and internal standard, into the detector's saturation.
    late_wash : mapping of str to float
        Minutes that washed cells stand before the quench, leaking.
    carry_over : float
        Fraction of each injection that the needle carries into the next; nan for what the bench has.

    Raises
    ------
    DataError
        If a number is not positive, or the carried fraction is not below 1.
    """

    swap: Sequence[tuple[str, str]] = ()
    no_is: Sequence[str] = ()
    dilution: Mapping[str, float] = field(default_factory=dict)
    overload: Mapping[str, float] = field(default_factory=dict)
    late_wash: Mapping[str, float] = field(default_factory=dict)
    carry_over: float = math.nan

    def __post_init__(self):
        for what in ("dilution", "overload", "late_wash"):
            for name, value in getattr(self, what).items():
                if not 0.0 < value < math.inf:
                    raise DataError(f"fault {what} of '{name}' is {value}; give a positive number")
        if self.carry_over < 0.0 or self.carry_over >= 1.0:
            raise DataError(f"fault carry_over is {self.carry_over}; give a fraction from 0 to below 1")

    @property
    def vials(self) -> tuple[str, ...]:
        """Names of all vials that something happens to."""
        pairs = [name for pair in self.swap for name in pair]
        return tuple(dict.fromkeys([*pairs, *self.no_is, *self.dilution, *self.overload, *self.late_wash]))

    def said(self, name: str) -> str:
        """Return in words what happens to a vial."""
        words = [f"swapped with {other}" for pair in self.swap if name in pair for other in pair if other != name]
        words += ["no internal standard"] if name in self.no_is else []
        tables = {what: getattr(self, what) for what in ("dilution", "overload", "late_wash")}
        words += [f"{what} {table[name]:g}" for what, table in tables.items() if name in table]
        return ", ".join(words)

    def applied(self, vials: Sequence[Vial], leak_per_min: float, unlabelled: float | np.ndarray) -> list[Vial]:
        """Return the vials as they end up on the tray, in the same order.

        Parameters
        ----------
        vials : sequence of Vial
            As prepared.
        leak_per_min : float
            Rate at which washed cells lose their pools, k: n <- n exp(-k t).
        unlabelled : float or ndarray, shape (n_analytes,)
            Light analyte in the internal standard, as a fraction of it.

        Raises
        ------
        DataError
            If a vial is not one of the batch, or a late wash is told of a vial that holds no cells.
        """
        known = [vial.sample.name for vial in vials]
        for name in self.vials:
            if name not in known:
                raise DataError(f"fault of '{name}': no such vial in the batch{suggest(name, known)}")
        changed = {vial.sample.name: self._of(vial, leak_per_min, unlabelled) for vial in vials}
        moved = dict(changed)
        for one, other in self.swap:
            a, b = moved[one], moved[other]
            moved[one], moved[other] = _relabelled(b, a), _relabelled(a, b)
        return [moved[name] for name in known]

    def _of(self, vial: Vial, leak_per_min: float, unlabelled: float | np.ndarray) -> Vial:
        name = vial.sample.name
        heavy = vial.heavy * (name not in self.no_is)
        light = vial.light - unlabelled * vial.heavy
        if name in self.late_wash:
            if vial.sample.matrix != "cells":
                raise DataError(f"fault late_wash of '{name}': it holds no cells; name a vial of cells")
            light = light * math.exp(-leak_per_min * self.late_wash[name])
        light = light / self.dilution.get(name, 1.0) + unlabelled * heavy
        factor = self.overload.get(name, 1.0)
        return replace(vial, light=light * factor, heavy=heavy * factor)


def _relabelled(content: Vial, label: Vial) -> Vial:
    """What one vial holds under the label, and with the latent values, of another."""
    return replace(label, light=content.light, heavy=content.heavy)


def parse_faults(texts: Sequence[str]) -> Faults:
    """Read faults from words.

    They are ``swap A B``, ``no_is A``, ``dilution A 5``, ``overload A 50``, ``late_wash A 10`` and ``carry_over 0.02``.

    Raises
    ------
    DataError
        If a fault is not one of these, or is told twice of one vial.
    """
    swap, no_is, maps, carry = [], [], {"dilution": {}, "overload": {}, "late_wash": {}}, math.nan
    for text in texts:
        word, *rest = text.split() or [""]
        if word not in _WORDS or len(rest) != _WORDS[word].count(" "):
            form = _WORDS.get(word)
            raise DataError(f"fault '{text}': write {form!r}" if form else f"fault '{text}': know {'; '.join(_WORDS.values())}")
        try:
            number = float(rest[-1]) if word not in ("swap", "no_is") else math.nan
        except ValueError:
            raise DataError(f"fault '{text}': '{rest[-1]}' is not a number; write '{_WORDS[word]}'") from None
        if word == "swap":
            swap.append((rest[0], rest[1]))
        elif word == "no_is":
            no_is.append(rest[0])
        elif word == "carry_over":
            carry = number
        elif rest[0] in maps[word]:
            raise DataError(f"fault '{text}': {word} of '{rest[0]}' is told twice; keep one")
        else:
            maps[word][rest[0]] = number
    return Faults(tuple(swap), tuple(no_is), **maps, carry_over=carry)

"""A protocol: the method as the laboratory wrote it, joined with the nature of the bench it is run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path

from asnsim.chromatogram import Analyte, check_keys, load_method, method_analytes
from asnsim.errors import DataError, suggest

__all__ = ["IS_ADDED", "MATRICES", "Protocol"]

MATRICES = {"cells": "c", "medium": "e", "plasma": "p", "csf": "csf"}  # matrix -> suffix of the model's pools

# What an ideal bench changes: nothing is lost, carried over, delayed or biased; only the optics of LC and MS stay.
_IDEAL = {
    "sampling": {f"{matrix}_delay_s": 0.0 for matrix in MATRICES},
    "wash": {"film_uL": 0.0, "leak_per_min": 0.0},
    "extraction": {"mode": "perfect", "suspension": 0},
    "precipitation": {"occluded_plasma": 0.0},
    "preparation": {"gln_cyclisation_per_h": 0.0, "asn_deamidation_per_h": 0.0},
    "injection": {"carry_over": 0.0},
    "detector": {"baseline_cps": 0.0, "dark_cps": 0.0},
}

#: When the internal standard meets the sample: liquids in the tube; before, or only after, precipitation and drying.
IS_ADDED = ("at_sampling", "at_extraction", "after_extraction")
_PREPARED = ("extraction", "lysis", "precipitation", "preparation", "assays")  # sections whose numbers are never negative
_POSITIVE = ("recovery", "ratio", "reconstituted", "supernatant", "dry_recovery", "lysate_mL")
_POSITIVE += ("protein_top", "protein_half", "dna_top", "dna_half")
_AT_MOST_ONE = ("recovery", "supernatant", "dry_recovery", "quench_leak", "is_unlabelled", "occluded_plasma")
_AT_MOST_ONE += tuple(f"{solvent}_left_{ratio}" for solvent in ("acetonitrile", "methanol") for ratio in (2, 3))


def _check_numbers(section: str, values: Mapping) -> None:
    """Refuse what no preparation can have: a negative number, a ratio or recovery of 0, a fraction above 1."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            _check_numbers(f"{section}.{name}", value)
        elif isinstance(value, Real):
            low = "positive" if name in _POSITIVE else "0 or more"
            if not value >= 0 or (name in _POSITIVE and value == 0):
                raise DataError(f"[{section}] {name} {value:g} is not {low}")
            if name in _AT_MOST_ONE and value > 1:
                raise DataError(f"[{section}] {name} {value:g} is above 1; it is a fraction")


@dataclass(frozen=True, slots=True)
class Protocol:
    """Everything a batch needs to be designed, prepared and acquired.

    Parameters
    ----------
    name : str
        Method name.
    analytes : tuple of Analyte
        In the order of the table.
    method : mapping
        The method file, numbers stripped to values.
    bench : mapping
        The bench file, numbers stripped to values.
    method_text : str
        The method file as written; copied beside the data.
    """

    name: str
    analytes: tuple[Analyte, ...]
    method: Mapping
    bench: Mapping
    method_text: str = ""

    @classmethod
    def load(cls, name: str | Path | Protocol) -> Protocol:
        """Read a protocol by name or path.

        Raises
        ------
        DataError
            If the method names no bench, or a key is missing or unknown.
        """
        if isinstance(name, Protocol):
            return name
        method, path = load_method(name)
        analytes = method_analytes(method, path)
        if "bench" not in method:
            raise DataError(f"{path.name}: cannot be measured with; a protocol names its bench (see hilic_mrm.toml)")
        beside = path.parent / f"{method['bench']}.toml"  # a method of the user's own may bring its own bench
        bench, bench_path = load_method(beside if beside.is_file() else method["bench"])
        check_keys(bench, load_method("bench_qtrap")[0], bench_path, required=True, open_to=("scale",))
        needed = ("integration", "acquisition", "preparation", "calibrators", "qc", "normalisation")
        template = {name: section for name, section in load_method("hilic_mrm")[0].items() if name in needed}
        check_keys(method, template, path, required=True)
        for section in _PREPARED:
            _check_numbers(section, bench[section])
        protocol = cls(method.get("name", path.stem), analytes, method, bench, path.read_text(encoding="utf-8"))
        _ = protocol.is_added  # refused here, not at the first liquid
        return protocol

    @property
    def is_added(self) -> str:
        """When the internal standard is added, one of `IS_ADDED`.

        Raises
        ------
        DataError
            If the method names another moment.
        """
        added = self.method["preparation"]["is_added"]
        if added not in IS_ADDED:
            raise DataError(f"[preparation] is_added '{added}' is not one of {', '.join(IS_ADDED)}")
        return added

    def with_analytes(self, *ids: str) -> Protocol:
        """Return the protocol for these analytes only.

        Raises
        ------
        DataError
            If an analyte is not one of the method.
        """
        known = [analyte.id for analyte in self.analytes]
        for name in ids:
            if name not in known:
                raise DataError(f"'{name}' is not an analyte of {self.name}{suggest(name, known)} Known: {', '.join(known)}")
        return replace(self, analytes=tuple(analyte for analyte in self.analytes if analyte.id in ids))

    def with_bench(self, **sections: Mapping) -> Protocol:
        """Return the protocol with bench values changed, e.g. ``with_bench(wash={"washes": 1})``.

        Raises
        ------
        DataError
            If a section or value is unknown, or a value is not what it can be.
        """
        bench = {name: dict(section) if isinstance(section, Mapping) else section for name, section in self.bench.items()}
        for section, values in sections.items():
            if section not in bench:
                raise DataError(f"the bench has no section '{section}'{suggest(section, bench)}")
            for name, value in values.items():
                if name not in bench[section]:
                    raise DataError(f"the bench's section '{section}' has no '{name}'{suggest(name, bench[section])}")
                for kind, words in ((str, "a word"), (Real, "a number")):
                    if isinstance(bench[section][name], kind) and not isinstance(value, kind):
                        raise DataError(f"the bench's [{section}] {name} is '{value}'; it must be {words}")
                bench[section][name] = value
            if section in _PREPARED:
                _check_numbers(section, bench[section])
        return replace(self, bench=bench)

    def ideal(self) -> Protocol:
        """Return the same protocol on an ideal bench: no delay, film, leak, loss, decay, carry-over or baseline.

        Chromatography, isotopes, unlabelled impurity of the IS, source saturation and detector dead time stay: the quantifier
        undoes them exactly. Random spreads need no change here, because an ideal batch draws nothing.
        """
        return self.with_bench(**_IDEAL)

"""Skyline: small-molecule transition lists, and the molecule transition report with its areas."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median

import pandas as pd

from asnsim.chromatogram import Analyte, Nominal, Sample, Transition
from asnsim.errors import DataError, suggest
from asnsim.io.masshunter import first_rows
from asnsim.io.mzml import SAMPLE_TYPES, SYNONYMS, UNITS, check_sequence, sample_of
from asnsim.peaktable import COLUMNS, PeakTable
from asnsim.tables import Row, read_csv, write_table

__all__ = [
    "check_writable", "is_skyline", "read_skyline_report", "read_transition_list", "write_skyline_report",
    "write_transition_list",
]  # fmt: skip

_LIST = (
    "Molecule List Name", "Molecule", "Label Type", "Precursor m/z", "Precursor Charge", "Product m/z", "Product Charge",
    "Explicit Collision Energy", "Explicit Retention Time",
)  # fmt: skip
_REPORT = (
    "Molecule Name", "Molecule List Name", "Replicate Name", "Precursor Mz", "Precursor Name", "Precursor Adduct",
    "Precursor Charge", "Fragment Ion", "Product Mz", "Product Name", "Product Adduct", "Product Charge", "Retention Time",
    "Area", "Background", "Peak Rank", "Sample Type", "Analyte Concentration", "Sample Dilution Factor",
)  # fmt: skip
_NEEDED = ("Molecule Name", "Replicate Name", "Precursor Mz", "Product Mz", "Retention Time", "Area")
_LABELLED = re.compile(r"(.+?)[ _-]+\(?(?:ISTD|heavy|[dD]\d+|(?:13C|15N|2H)[\w,-]*)\)?$")
_TYPES = {"quality control": "QC"}
_MISSING = ("", "#N/A", "NaN")  # Skyline's words for a peak that is not there
_WINDOW = 30.0  # s, half width around an explicit retention time


def _minutes(seconds: float) -> str:
    """Minutes as text from which `_seconds` gives the same number; a binary quotient does not always reach it."""
    text = repr(float(seconds) / 60.0)
    return text if float(Decimal(text) * 60) == seconds else format(Decimal(float(seconds)) / 60, ".20g")


def _seconds(row: Row, column: str, default: float | None = None) -> float:
    value = row.number(column, default)
    return float(Decimal(row[column]) * 60) if value else value  # not of 0, nan or what is too small for a float


def write_transition_list(analytes: Sequence[Analyte], path: str | Path) -> Path:
    """Write the transitions of a method: light and heavy rows, quantifier first, retention times in minutes.

    Parameters
    ----------
    analytes : sequence of Analyte
        Of a method, see `asnsim.chromatogram.load_analytes`.
    path : str or Path
        Ending in ``.csv``.
    """
    rows = []
    for analyte in analytes:
        for role in ("quantifier", "qualifier", "IS"):
            item = analyte.transition(role)
            if item is None:
                continue
            charge, label = (1 if item.polarity == "+" else -1), ("heavy" if role == "IS" else "light")
            numbers = (item.q1, charge, item.q3, charge, _text(item.collision_energy), _minutes(item.rt))
            rows.append((analyte.method, analyte.id, label, *numbers))
    return write_table(path, _LIST, rows)


def read_transition_list(path: str | Path) -> tuple[Transition, ...]:
    """Read a transition list: the first light row of a molecule is its quantifier, the second the qualifier, a heavy one the IS.

    Returns
    -------
    tuple of Transition
        Dwell times are not part of a list, nor are windows: 30 s around the retention time are assumed.

    Raises
    ------
    DataError
        If a cell cannot be read, charges are 0 or of two signs, an m/z is not positive, a label is neither light nor heavy, a
        molecule has too many rows or no light one, or there is no row.
    """
    out: dict[tuple[str, str], Transition] = {}
    for row in read_csv(Path(path), required=(*_LIST[:7], "Explicit Retention Time")):
        name, label, charge = row["Molecule"], row["Label Type"].lower() or "light", row.number("Precursor Charge")
        free = ["IS"] if label == "heavy" else ["quantifier", "qualifier"]
        role = next((role for role in free if (name, role) not in out), None)
        if not name or label not in ("light", "heavy") or charge == 0:
            got = f"'{name}', '{label}', {charge:g}"
            raise DataError(f"{row.where}: needs a molecule, a label that is light or heavy, and a charge; got {got}")
        if role is None:
            raise DataError(f"{row.where}: '{name}' has more {label} rows than a method takes ({len(free)}); keep the best")
        if charge * row.number("Product Charge") <= 0:
            raise DataError(f"{row.where}, column 'Product Charge': must have the sign of the precursor's, {charge:g}")
        energy, rt = row.number("Explicit Collision Energy", math.nan), _seconds(row, "Explicit Retention Time")
        masses, sign = (row.number("Precursor m/z"), row.number("Product m/z")), "+" if charge > 0 else "-"
        if min(masses) <= 0:
            raise DataError(f"{row.where}: an m/z of {min(masses):g} is not positive; correct it")
        out[name, role] = Transition(f"{name}.{role}", name, role, *masses, sign, energy, math.nan, rt, _WINDOW)
    if not out:
        raise DataError(f"{Path(path).name}: holds no transition; export the list again")
    for name, _ in out:
        if (name, "quantifier") not in out:
            raise DataError(f"{Path(path).name}: '{name}' has no light row; add its quantifier")
    return tuple(out.values())


def is_skyline(path: Path) -> bool:
    """Whether a file is a molecule transition report."""
    return {"Molecule Name", "Replicate Name", "Area"} <= set(first_rows(path, 1)[0])


def read_skyline_report(
    path: str | Path,
    internal_standards: Mapping[str, str] | None = None,
    sequence: str | Path | None = None,
    quantifiers: Mapping[str, str] | None = None,
) -> PeakTable:
    """Read a molecule transition report.

    Parameters
    ----------
    path : str or Path
        The report (CSV); retention times are in minutes.
    internal_standards : mapping of str to str, optional
        Analyte -> its standard's molecule name. For an analyte that is not there, the molecule of the same name with a label
        behind it (``Cortisol D4``, ``Asn 13C4``, ``asn heavy``, ``Cortisol D4 (ISTD)``) or with Label Type heavy, which is called
        ``<name> heavy`` here. A molecule without any, and that is nobody's, is an analyte with an is_area of nan.
    sequence : str or Path, optional
        Table with the columns of ``sequence.csv``, whose samples are those of the report. Without it the columns Sample Type and
        Sample Dilution Factor count, where the report has them, and the order of the replicates.
    quantifiers : mapping of str to str, optional
        Molecule -> its quantifier, as ``361.2 > 343.1``. Otherwise it is the transition that `write_skyline_report` calls so, or
        that with the largest median area over all replicates, where one that is missing counts 0. The qualifier is the next of
        the same precursor, or else of another.

    Returns
    -------
    PeakTable
        Prepared concentrations are those of the column Analyte Concentration, where there is one, in umol/L.

    Raises
    ------
    DataError
        If a cell cannot be read, a peak is there twice, a sample or concentration is stated in two ways, a name given here is not
        in the report, or no molecule has an internal standard.
    """
    path, peaks, owners = Path(path), {}, []
    for row in read_csv(path, required=_NEEDED):
        name, sample = _molecule(row), row["Replicate Name"]
        transition = f"{row['Precursor Mz']} > {row['Product Mz']}" if row["Product Mz"] else row["Fragment Ion"]
        if not (row["Molecule Name"] and sample and transition):
            raise DataError(f"{row.where}: needs a molecule, a replicate and a product m/z; fill the cell")
        known = peaks.setdefault(name, {}).setdefault(transition, {})
        if sample in known:
            raise DataError(f"{row.where}: {transition} of '{name}' in '{sample}' is there twice; keep one row")
        known[sample] = row
        owners.append((name, row))
    if not peaks:
        raise DataError(f"{path.name}: holds no peak; export the report again")
    standards = _standards(list(peaks), internal_standards or {}, path)
    for name, transition in (quantifiers or {}).items():
        if transition not in peaks.get(name, {}):
            known = suggest(transition, peaks.get(name, {})) or suggest(name, peaks) or "; write such as '361.2 > 343.1'"
            raise DataError(f"{path.name}: '{transition}' is not a transition of '{name}'{known}")
    owners = [(name, row) for name, row in owners if name not in standards.values()]
    samples, nominal = _prepared([row for by in peaks.values() for part in by.values() for row in part.values()], owners)
    if sequence is not None:
        samples = _sequence(Path(sequence), [sample.name for sample in samples], path)
    ranked = {name: _ranked(by, samples, (quantifiers or {}).get(name)) for name, by in peaks.items()}
    areas = []
    for name, sample in dict.fromkeys((name, row["Replicate Name"]) for name, row in owners):
        first, second = ranked[name][0].get(sample), ranked[name][1].get(sample) if len(ranked[name]) > 1 else None
        heavy = ranked[standards[name]][0].get(sample) if name in standards else None
        rt = math.nan if first is None or first["Retention Time"] in _MISSING else _seconds(first, "Retention Time")
        areas.append((sample, name, _area(first), _area(heavy), rt, _ratio(second, first)))
    return PeakTable(path.stem, tuple(samples), pd.DataFrame(areas, columns=list(COLUMNS)), nominal)


def _molecule(row: Row) -> str:
    return f"{row['Molecule Name']} heavy" if row["Label Type"].lower() == "heavy" else row["Molecule Name"]


def _area(row: Row | None) -> float:
    return math.nan if row is None or row["Area"] in _MISSING else row.number("Area")


def _ratio(second: Row | None, first: Row | None) -> float:
    """Qualifier over quantifier, of the digits as they stand: a ratio that was written comes back to the last bit."""
    if math.isnan(_area(second)) or _area(first) == 0.0 or math.isnan(_area(first)):
        return math.nan
    return float(Decimal(second["Area"]) / Decimal(first["Area"]))


def _standards(molecules: list[str], stated: Mapping[str, str], path: Path) -> dict[str, str]:
    """Analyte -> internal standard."""
    for name in (*stated, *stated.values()):
        if name not in molecules:
            known = suggest(name, molecules) or f"; there are {', '.join(molecules)}"
            raise DataError(f"{path.name}: '{name}' of the internal standards is not in the report{known}")
    found: dict[str, list[str]] = {}
    for name in molecules:
        base, labelled = name, _LABELLED.match(name)
        while labelled and base not in set(molecules) - {name}:
            base, labelled = labelled[1], _LABELLED.match(labelled[1])
        if base != name and base in molecules:
            found.setdefault(base, []).append(name)
    out = {}
    for name, several in found.items():
        if len(several) > 1 and name not in stated:
            what = f"{len(several)} internal standards ({', '.join(several)})"
            raise DataError(f"{path.name}: '{name}' has {what}; name one in internal_standards")
        out[name] = several[0]
    out |= stated
    if not out:
        raise DataError(f"{path.name}: no molecule has an internal standard, such as 'Asn heavy' or 'Asn 13C4' for 'Asn'")
    return out


def _ranked(by: dict[str, dict[str, Row]], samples: Sequence[Sample], stated: str | None) -> list[dict[str, Row]]:
    """Transitions of a molecule, each by sample: the quantifier, the qualifier, the others."""

    def rank(item: tuple[str, dict[str, Row]]) -> tuple:
        transition, rows = item
        areas = [_area(rows.get(sample.name)) for sample in samples]
        called = any(row["Fragment Ion"] == "quantifier" for row in rows.values())
        return transition != stated, not called, -median(area if area == area else 0.0 for area in areas)

    first, *others = [rows for _, rows in sorted(by.items(), key=rank)]
    return [first, *sorted(others, key=lambda rows: _precursor(rows) != _precursor(first))]


def _precursor(rows: dict[str, Row]) -> tuple[str, str]:
    row = next(iter(rows.values()))
    return row["Precursor Mz"], row["Precursor Charge"]


def _sequence(path: Path, replicates: list[str], report: Path) -> list[Sample]:
    rows = read_csv(path, required=("sample_name", "sample_type"))
    samples = [sample_of(row) for row in rows]
    check_sequence(samples)
    names = [sample.name for sample in samples]
    for name in replicates:
        if name not in names:
            raise DataError(f"{path.name}: has no sample '{name}' of {report.name}{suggest(name, names) or '; add its row'}")
    for row in rows:
        if row["sample_name"] not in replicates:
            raise DataError(f"{row.where}: '{row['sample_name']}' has no row in {report.name}; export it or remove it here")
    return sorted(samples, key=lambda sample: sample.inj_number)


def _prepared(rows: list[Row], owners: list[tuple[str, Row]]) -> tuple[list[Sample], tuple[Nominal, ...]]:
    """Samples and prepared concentrations as the report states them."""
    samples: dict[str, Sample] = {}
    nominal: dict[tuple[str, str], Nominal] = {}
    for row in sorted(rows, key=lambda row: row.line):
        name, word = row["Replicate Name"], row["Sample Type"].lower() or "unknown"
        kind = _TYPES.get(word) or SYNONYMS.get(word)
        if kind is None:
            raise DataError(f"{row.where}, column 'Sample Type': '{row['Sample Type']}' is not a type that Skyline writes")
        dilution = 1.0 if row["Sample Dilution Factor"] in _MISSING else row.number("Sample Dilution Factor")
        known = samples.setdefault(name, Sample(name, kind, len(samples) + 1, dilution))
        if (known.type, known.dilution_factor) != (kind, dilution):
            raise DataError(f"{row.where}: sample '{name}' is described in two ways; give all its rows the same")
    for analyte, row in owners:
        if row["Analyte Concentration"] in _MISSING:
            continue
        stated = Nominal(row["Replicate Name"], analyte, row.number("Analyte Concentration"), math.nan)
        known = nominal.setdefault((stated.sample_name, analyte), stated)
        if known.actual_concentration != stated.actual_concentration:
            what = "has two concentrations; give all its rows the same"
            raise DataError(f"{row.where}: '{analyte}' of '{stated.sample_name}' {what}")
    return list(samples.values()), tuple(nominal.values())


def check_writable(peaks: PeakTable) -> None:
    """Refuse what a table of one row per sample and analyte would lose or change.

    Raises
    ------
    DataError
        If a sample has no area, a concentration has no area beside it, a number is infinite, or a word does not survive in a
        table: with outer blanks or line breaks, or a name that is empty or starts with #.
    """
    name, pairs = peaks.name, set(zip(peaks.areas["sample"], peaks.areas["analyte"], strict=True))
    present = {sample for sample, _ in pairs}
    lost = [sample.name for sample in peaks.samples if sample.name not in present]
    if lost:
        raise DataError(f"sample '{lost[0]}' of '{name}' has no area and would be lost; leave it out or give its row")
    for key, count in Counter((item.sample_name, item.analyte) for item in peaks.nominal).items():
        if key not in pairs or count > 1:
            what = "is there twice" if key in pairs else "has no area beside it and would be lost"
            raise DataError(f"the concentration of '{key[1]}' in sample '{key[0]}' of '{name}' {what}; correct it")
    for sample in peaks.samples:
        if sample.type not in SAMPLE_TYPES:
            raise DataError(f"sample '{sample.name}' of '{name}': type '{sample.type}' is not one of {', '.join(SAMPLE_TYPES)}")
    names = [word for pair in sorted(pairs) for word in pair]
    words = [word for item in peaks.samples for word in (item.level, item.experiment, item.matrix)]
    for word in (*names, peaks.unit, *words):
        if word != word.strip() or len(word.splitlines()) > 1:
            raise DataError(f"{word!r} of '{name}' would not survive in a table; write it without line breaks and outer blanks")
    for word in (*names, peaks.unit):
        if not word or word.startswith("#"):  # a row that starts with # is a comment
            raise DataError(f"'{word}' of '{name}' would not survive in a table; give a name or unit that does not start with #")
    for column in COLUMNS[2:]:
        endless = peaks.areas[peaks.areas[column].abs() == math.inf]
        if len(endless):
            row = endless.iloc[0]
            raise DataError(f"{column} of {row['analyte']} in sample '{row['sample']}' of '{name}' is infinite; write nan")


def write_skyline_report(peaks: PeakTable, path: str | Path, analytes: Sequence[Analyte] | None = None) -> Path:
    """Write areas as a molecule transition report: the analyte's transitions and that of its standard, ``<id> heavy``.

    `read_skyline_report` reads the same areas back, with names, types and dilutions of the samples in order of their first rows,
    and the concentrations in umol/L. The rest of a sample is in a sequence; amounts of internal standard are lost.

    Parameters
    ----------
    peaks : PeakTable
        In a molar unit.
    path : str or Path
        Ending in ``.csv``.
    analytes : sequence of Analyte, optional
        Give the m/z of the transitions, which are left empty without.

    Raises
    ------
    DataError
        If an analyte of the areas is not among `analytes`, the unit is not molar, or something would be lost.
    """
    check_writable(peaks)
    if peaks.unit not in UNITS:
        what = f"and a report states no unit; convert it to one of {', '.join(UNITS)}"
        raise DataError(f"'{peaks.name}' is in {peaks.unit}, {what}")
    known = {analyte.id: analyte for analyte in analytes or ()}
    stated = {(item.sample_name, item.analyte): item.actual_concentration * UNITS[peaks.unit] for item in peaks.nominal}
    vials = {sample.name: sample for sample in peaks.samples}
    qualified = {row.analyte for row in peaks.areas.itertuples() if row.ion_ratio == row.ion_ratio}
    rows = []
    for row in peaks.areas.itertuples(index=False):
        if analytes is not None and row.analyte not in known:
            raise DataError(f"'{row.analyte}' is not an analyte of the method; its transitions are not known")
        analyte, vial = known.get(row.analyte), vials[row.sample]
        said = (
            {"QC": "Quality Control"}.get(vial.type, vial.type),
            _text(stated.get((row.sample, row.analyte), math.nan)),
            repr(float(vial.dilution_factor)),
        )
        for role, area in (("quantifier", _text(row.area)), ("qualifier", _second(row)), ("IS", _text(row.is_area))):
            item = analyte.transition(role) if analyte else None
            if role == "qualifier" and row.analyte not in qualified and item is None:
                continue
            if analyte and item is None:
                raise DataError(f"'{row.analyte}' has no {role} in the method but one in '{peaks.name}'; correct one of them")
            q1, charge, q3 = (item.q1, 1 if item.polarity == "+" else -1, item.q3) if item else ("", "", "")
            name = f"{row.analyte} heavy" if role == "IS" else row.analyte
            rt = "" if role == "IS" or row.rt_s != row.rt_s else _minutes(row.rt_s)  # where the standard's peak lay is not known
            method = analyte.method if analyte else ""
            rows.append((name, method, row.sample, q1, "", "", charge, role, q3, "", "", charge, rt, area, "", "", *said))
    return write_table(path, _REPORT, rows)


def _second(row) -> str:
    """Area of the qualifier, in digits that give back the ratio."""
    if row.ion_ratio != row.ion_ratio:
        return ""
    if not row.area or row.area != row.area:
        raise DataError(f"{row.analyte} in sample '{row.sample}' has an ion ratio but no area; write nan for its ratio")
    text, area = _text(row.area * row.ion_ratio), Decimal(_text(row.area))
    same = float(Decimal(text) / area) == row.ion_ratio
    return text if same else format(area * Decimal(float(row.ion_ratio)), ".20g")


def _text(value: float) -> str:
    return "" if value != value else repr(float(value))

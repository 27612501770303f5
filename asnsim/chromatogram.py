"""What a mass spectrometer hands over: transitions, chromatograms, injections, batches; real and simulated alike.

An `Analyte` is a row of ``models/analytes.tsv``: formulas of the light molecule and of its labelled internal standard (IS), the
product ions, and the instrument's numbers for one method. Masses and isotope patterns are derived from the formulas, so that a
wrong m/z in the table is caught. The bench (`asnsim.lcms`) and the quantifier (`asnsim.quantify`) share these words and nothing
else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from asnsim.errors import DataError, suggest
from asnsim.gradient import shifted
from asnsim.isotopes import LABELS, UNIT_RESOLUTION, Species, parse_formula
from asnsim.tables import Row, find_model_file, models_folder, read_toml, read_tsv

__all__ = [
    "Analyte",
    "Batch",
    "Chromatogram",
    "Injection",
    "Nominal",
    "Sample",
    "Transition",
    "check_keys",
    "load_analytes",
    "load_method",
    "method_analytes",
    "plain_values",
]


_STANDARD = ("formula", "product", "purity", "unlabelled")  # keys of a row of [internal_standards]


@dataclass(frozen=True, slots=True)
class Transition:
    """A selected-reaction-monitoring channel.

    Parameters
    ----------
    id : str
        Name, e.g. ``asn.quantifier``.
    analyte : str
        Analyte it belongs to.
    role : {'quantifier', 'qualifier', 'IS'}
        What it is for.
    q1, q3 : float
        Precursor and product, m/z as set on the instrument.
    polarity : {'+', '-'}
        ESI mode.
    collision_energy : float
        eV; nan where not stated.
    dwell : float
        s; nan where not stated.
    rt, rt_window : float
        Expected retention time and half width of the window around it, s.
    """

    id: str
    analyte: str
    role: str
    q1: float
    q3: float
    polarity: str
    collision_energy: float
    dwell: float
    rt: float
    rt_window: float


@dataclass(frozen=True, slots=True)
class Analyte:
    """A row of ``analytes.tsv``: one analyte of one method.

    Parameters
    ----------
    id, method, name : str
        Short name (also the stem of the model's pools: ``asn`` for ``asn_c``, ``asn_e``), method, full name.
    polarity : {'+', '-'}
        ESI mode.
    formula, product, qualifier_product : str
        Neutral molecule, quantifier product ion, qualifier product ion (empty if none).
    is_formula, is_product : str
        The same of the internal standard.
    transitions : tuple of Transition
        Quantifier, IS and, where there is one, qualifier.
    response : float
        Area in counts (counts/s x s) per umol/L; what the bench's ion source gives, not used in quantification.
    lloq, uloq : float
        Designed calibration range, umol/L.
    is_purity, is_unlabelled : float
        Atom fraction of the label, and light analyte in the standard as a fraction of it, where the method file states them for
        this standard; nan leaves them to the method and to the bench.
    """

    id: str
    method: str
    name: str
    polarity: str
    formula: str
    product: str
    qualifier_product: str
    is_formula: str
    is_product: str
    transitions: tuple[Transition, ...]
    response: float
    qualifier_ratio: float
    lloq: float
    uloq: float
    is_purity: float = math.nan
    is_unlabelled: float = math.nan

    def transition(self, role: str) -> Transition | None:
        """Return the transition of a role, or None."""
        return next((item for item in self.transitions if item.role == role), None)

    @property
    def rt(self) -> float:
        """Expected retention time, s."""
        return self.transitions[0].rt

    def light(self, qualifier: bool = False) -> Species:
        """The unlabelled molecule on its quantifier (or qualifier) path."""
        return Species(self.formula, self.qualifier_product if qualifier else self.product, self.polarity)

    def heavy(self, purity: float = 1.0) -> Species:
        """The internal standard, with the atom fraction of its label: its own if it is stated, else the method's."""
        own = self.is_purity if self.is_purity == self.is_purity else purity
        return Species(self.is_formula, self.is_product, self.polarity, own)


def _row_to_analyte(row: Row) -> Analyte:
    name, polarity, nan = row["id"], row["polarity"], math.nan
    if polarity not in ("+", "-"):
        raise DataError(f"{row.where}, column 'polarity': '{polarity}' is not + or -")
    energy = row.number("collision_energy", nan)
    roles = [("quantifier", "q1", "q3", energy), ("IS", "is_q1", "is_q3", energy)]
    if row["qualifier_q3"]:
        roles.append(("qualifier", "q1", "qualifier_q3", row.number("qualifier_energy", energy)))
    dwell, rt, rt_window = row.number("dwell_ms", nan) / 1000.0, row.number("rt_s"), row.number("rt_window_s")
    transitions = tuple(
        Transition(f"{name}.{role}", name, role, row.number(q1), row.number(q3), polarity, volts, dwell, rt, rt_window)
        for role, q1, q3, volts in roles
    )
    formulas = (row[column] for column in ("formula", "product", "qualifier_product", "is_formula", "is_product"))
    numbers = (row.number(column, nan) for column in ("response", "qualifier_ratio", "lloq", "uloq"))
    return Analyte(name, row["method"], row["name"], polarity, *formulas, transitions, *numbers)


def load_analytes(method: str, path: str | Path | None = None) -> tuple[Analyte, ...]:
    """Read the analytes of a method.

    Parameters
    ----------
    method : str
        Value of the column ``method``.
    path : str or Path, optional
        A table of the user's own; default ``models/analytes.tsv``.

    Raises
    ------
    DataError
        If the method has no rows, or an analyte is there twice.
    """
    path = Path(path) if path is not None else models_folder() / "analytes.tsv"
    rows = read_tsv(path, required=("id", "method", "polarity", "formula", "product", "q1", "q3", "is_q1", "is_q3", "rt_s"))
    analytes = tuple(_row_to_analyte(row) for row in rows if row["method"] == method)
    if not analytes:
        known = sorted({row["method"] for row in rows})
        raise DataError(f"{path.name}: no analyte of method '{method}'{suggest(method, known)} Known: {', '.join(known)}")
    ids = [analyte.id for analyte in analytes]
    twice = sorted({item for item in ids if ids.count(item) > 1})
    if twice:
        raise DataError(f"{path.name}: analyte '{twice[0]}' of method '{method}' is there twice; keep one row")
    return analytes


def plain_values(section: object) -> object:
    """Strip ``{ value, unit, source, status }`` tables of a method file down to their values, at any depth."""
    if isinstance(section, Mapping):
        if "value" in section:
            return section["value"]
        return {name: plain_values(item) for name, item in section.items()}
    if isinstance(section, list):
        return [plain_values(item) for item in section]
    return section


def load_method(name: str | Path) -> tuple[dict, Path]:
    """Read a method or bench file by short name or path; numbers are stripped to their values."""
    path = find_model_file("methods", str(name), ".toml")
    return plain_values(read_toml(path)), path


def check_keys(data: Mapping, template: Mapping, path: Path, required: bool, open_to: tuple[str, ...] = ()) -> None:
    """Compare the sections and keys of a method or bench file with those of a complete one.

    Parameters
    ----------
    data, template : mapping
        The file, and one that has every key.
    path : Path
        For the message.
    required : bool
        Whether every key of the template must be there.
    open_to : tuple of str
        Sections whose keys are free.

    Raises
    ------
    DataError
        If a key is unknown, missing, or holds no number where the template has one.
    """
    where = f"{path.parent.name}/{path.name}"
    for section, keys in template.items():
        if not isinstance(keys, Mapping) or section in open_to:
            continue
        given = data.get(section, {})
        for key in given:
            if key not in keys:
                raise DataError(f"{where}: [{section}] '{key}' is not known{suggest(key, keys) or '; remove it'}")
        for key, example in keys.items():
            if key not in given:
                if required:
                    raise DataError(f"{where}: [{section}] {key} is missing; see the files that come with asnsim")
            elif isinstance(example, Mapping):
                check_keys({key: given[key]}, {key: example}, path, required, open_to)
            elif isinstance(example, int | float) and (isinstance(given[key], bool) or not isinstance(given[key], int | float)):
                raise DataError(f"{where}: [{section}] {key} is '{given[key]}'; it must be a number")


def method_analytes(method: Mapping, path: Path) -> tuple[Analyte, ...]:
    """Read the analytes a method names: rows ``transitions`` of ``models/analytes.tsv``, or of its own ``analytes`` table.

    ``[internal_standards]`` may replace the isotopologue of the table (formula and product; its own label purity and share of
    unlabelled analyte, if stated), and ``[lc]`` moves the listed retention times where its
    gradient or flow are not those they were listed with.
    """
    if "transitions" not in method:
        raise DataError(f"{path.parent.name}/{path.name}: 'transitions' is missing; this is not a method (see hilic_mrm.toml)")
    own = path.parent / method["analytes"] if "analytes" in method else None
    analytes = load_analytes(method["transitions"], own)
    standards = method.get("internal_standards", {})
    if not isinstance(standards, Mapping):
        raise DataError(f"{path.name}: [internal_standards] must be a table, such as asn = {{ formula = ..., product = ... }}")
    for name in standards:
        if name not in {analyte.id for analyte in analytes}:
            known = suggest(name, [analyte.id for analyte in analytes])
            raise DataError(f"{path.name}: [internal_standards] '{name}' is not an analyte of the method{known}")
    analytes = tuple(_restandardised(analyte, standards.get(analyte.id), path) for analyte in analytes)
    if "lc" not in method:
        return analytes
    check_keys({"lc": method["lc"]}, {"lc": load_method("hilic_mrm")[0]["lc"]}, path, required=True)
    return tuple(_moved(analyte, shifted(analyte.rt, method["lc"], path.name)) for analyte in analytes)


def _moved(analyte: Analyte, rt: float) -> Analyte:
    return replace(analyte, transitions=tuple(replace(item, rt=rt) for item in analyte.transitions))


def _restandardised(analyte: Analyte, standard: Mapping | None, path: Path) -> Analyte:
    """The analyte with another isotopologue as internal standard; its channel is set to the masses of the formulas."""
    if standard is None:
        return analyte
    where = f"{path.name}: [internal_standards] {analyte.id}"
    if not isinstance(standard, Mapping) or not all(isinstance(standard.get(key), str) for key in ("formula", "product")):
        raise DataError(f"{where} needs formula and product, such as '[13C]4H8N2O3'")
    for key in standard:
        if key not in _STANDARD:
            raise DataError(f"{where} '{key}' is not known{suggest(key, _STANDARD) or '; remove it'}")
    formula, product = standard["formula"], standard["product"]
    for name, labelled, light in (("formula", formula, analyte.formula), ("product", product, analyte.product)):
        if _without_label(labelled) != _without_label(light):
            raise DataError(f"{where} {name} '{labelled}' is not an isotopologue of {light}")
    molecule = parse_formula(formula)
    if any(count > molecule.get(atom, 0) for atom, count in parse_formula(product).items() if atom in LABELS):
        raise DataError(f"{where} product '{product}' has more label than '{formula}'")
    for key, low, high in (("purity", 0.5, 1.0), ("unlabelled", 0.0, 0.5)):
        value = standard.get(key, low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise DataError(f"{where} {key} is '{value}'; it must be a number from {low:g} to {high:g}")
    species, light = Species(formula, product, analyte.polarity), analyte.light()
    if abs(species.q1 - light.q1) <= UNIT_RESOLUTION and abs(species.q3 - light.q3) <= UNIT_RESOLUTION:
        raise DataError(f"{where} '{formula}' shares the channel of {analyte.id} itself; it must be heavier")
    own = replace(analyte.transition("IS"), q1=round(species.q1, 1), q3=round(species.q3, 1))
    return replace(
        analyte,
        is_formula=formula,
        is_product=product,
        transitions=tuple(own if item.role == "IS" else item for item in analyte.transitions),
        is_purity=standard.get("purity", math.nan),
        is_unlabelled=standard.get("unlabelled", math.nan),
    )


def _without_label(formula: str) -> dict[str, int]:
    """Atoms by element, whatever their isotope."""
    atoms: dict[str, int] = {}
    for atom, count in parse_formula(formula).items():
        element = LABELS.get(atom, atom)
        atoms[element] = atoms.get(element, 0) + count
    return atoms


def _read_only(values: object) -> np.ndarray:
    array = np.array(values, dtype=float)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Chromatogram:
    """One recorded SRM trace.

    Parameters
    ----------
    native_id : str
        Name in the file.
    q1, q3 : float
        Isolation targets, m/z.
    polarity : {'+', '-', ''}
        ESI mode; empty where the file does not say.
    collision_energy, dwell : float
        eV and s; nan where the file does not say.
    time : ndarray, shape (n,)
        s, strictly increasing, usually irregular.
    intensity : ndarray, shape (n,)
        counts/s.
    """

    native_id: str
    q1: float
    q3: float
    polarity: str
    collision_energy: float
    dwell: float
    time: np.ndarray
    intensity: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "time", _read_only(self.time))
        object.__setattr__(self, "intensity", _read_only(self.intensity))
        if self.time.ndim != 1 or self.time.shape != self.intensity.shape:
            raise DataError(
                f"chromatogram '{self.native_id}': {self.time.size} times, {self.intensity.size} intensities; they must pair up"
            )
        if not (np.all(np.isfinite(self.time)) and np.all(np.isfinite(self.intensity))):
            raise DataError(f"chromatogram '{self.native_id}': a time or intensity is not finite; the file is damaged")
        if np.any(np.diff(self.time) <= 0):
            raise DataError(f"chromatogram '{self.native_id}': times do not increase; the file is damaged")

    @property
    def counts(self) -> np.ndarray:
        """Ion counts per point, shape (n,); nan where the dwell time is unknown."""
        return self.intensity * self.dwell


@dataclass(frozen=True, slots=True)
class Sample:
    """What a laboratory knows about one vial.

    Parameters
    ----------
    name, type : str
        Vial name; one of Unknown, Standard, QC, Blank, Double Blank, Zero, Solvent.
    inj_number : int
        Place in the sequence, from 1.
    dilution_factor : float
        Dilution before the aliquot was taken.
    level : str
        Calibrator or QC level.
    experiment, matrix : str
        Experiment name; ``cells``, ``medium``, ``plasma`` or ``csf`` (empty for standards).
    time_h : float
        Sampling time, h (nan for standards).
    replicate : int
        Biological or technical replicate, from 1 (0 for standards).
    cell_count, cell_volume_pL, protein_mg, dna_ug : float
        Side assays as measured; nan where not done.
    recovery : float
        Validated recovery of the extraction (1 for liquids).
    file : str
        Name of the mzML file.
    """

    name: str
    type: str = "Unknown"
    inj_number: int = 0
    dilution_factor: float = 1.0
    level: str = ""
    experiment: str = ""
    matrix: str = ""
    time_h: float = math.nan
    replicate: int = 0
    cell_count: float = math.nan
    cell_volume_pL: float = math.nan
    protein_mg: float = math.nan
    dna_ug: float = math.nan
    recovery: float = 1.0
    file: str = ""

    def __post_init__(self):
        for name in ("dilution_factor", "recovery"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise DataError(f"sample '{self.name}': {name} {getattr(self, name):g} is not a positive number")


@dataclass(frozen=True, slots=True)
class Injection:
    """One vial's run: sample and chromatograms."""

    sample: Sample
    chromatograms: tuple[Chromatogram, ...]


@dataclass(frozen=True, slots=True)
class Nominal:
    """A prepared concentration: sample, analyte, concentration of analyte and of internal standard, unit."""

    sample_name: str
    analyte: str
    actual_concentration: float
    IS_actual_concentration: float
    concentration_units: str = "umol/L"


@dataclass(frozen=True, slots=True)
class Batch:
    """A sequence of injections with its paperwork.

    Parameters
    ----------
    name : str
        Batch name.
    injections : tuple of Injection
        In the order they were run.
    nominal : tuple of Nominal
        Prepared concentrations of calibrators and QCs.
    method : str
        Name of the method it was acquired with; empty if unknown.
    method_text : str
        The method file as written beside the data; may be empty.
    truth : tuple of mapping
        Latent values of a simulated batch, one mapping per injection and analyte; empty for real batches and for every batch
        that was read.
    failures : tuple of (str, str)
        Vials of the sequence whose file could not be read, with the reason.
    """

    name: str
    injections: tuple[Injection, ...]
    nominal: tuple[Nominal, ...] = ()
    method: str = ""
    method_text: str = ""
    truth: tuple[Mapping, ...] = field(default=(), repr=False)
    failures: tuple[tuple[str, str], ...] = ()

    def __post_init__(self):
        names = [injection.sample.name for injection in self.injections]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else ()
        if twice:
            raise DataError(f"batch '{self.name}': sample '{twice[0]}' is there twice; sample names must be unique")
        object.__setattr__(self, "truth", tuple(MappingProxyType(dict(row)) for row in self.truth))

    def __len__(self) -> int:
        return len(self.injections)

    def __getitem__(self, name: str) -> Injection:
        for injection in self.injections:
            if injection.sample.name == name:
                return injection
        raise DataError(
            f"batch '{self.name}' has no sample '{name}'{suggest(name, [item.sample.name for item in self.injections])}"
        )

    def select(self, sample_type: str) -> tuple[Injection, ...]:
        """Return the injections of one sample type, in order."""
        return tuple(injection for injection in self.injections if injection.sample.type == sample_type)

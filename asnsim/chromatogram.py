"""What a mass spectrometer hands over: transitions, chromatograms, injections, batches; real and simulated alike.

An `Analyte` is a row of ``models/analytes.tsv``: formulas of the light molecule and of its labelled internal standard (IS), the
product ions, and the instrument's numbers for one method. Masses and isotope patterns are derived from the formulas, so that a
wrong m/z in the table is caught. The bench (`asnsim.lcms`) and the quantifier (`asnsim.quantify`) share these words and nothing
else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from asnsim.errors import DataError, suggest
from asnsim.tables import Row, find_model_file, models_folder, read_toml, read_tsv

__all__ = [
    "Analyte",
    "Batch",
    "Chromatogram",
    "Injection",
    "Nominal",
    "Sample",
    "Transition",
    "cross_talk",
    "ion_mass",
    "load_analytes",
    "load_method",
    "method_analytes",
    "parse_formula",
    "plain_values",
]

# Monoisotopic masses in u: AME2020 (Wang et al. 2021, Chin. Phys. C 45, 030003). Abundances: CIAAW/IUPAC representative values
# (Meija et al. 2016, Pure Appl. Chem. 88, 293). A heavy isotope is written [13C], [15N].
MASS = {"C": 12.0, "H": 1.0078250319, "N": 14.00307400425, "O": 15.99491461926, "S": 31.97207117354}
MASS |= {"[13C]": 13.00335483534, "[15N]": 15.00010889827, "[2H]": 2.01410177784}
ELECTRON = 0.000548579909065  # u, CODATA 2018
ABUNDANCE = {
    "C": (0.9893, 0.0107),
    "H": (0.999885, 0.000115),
    "N": (0.99636, 0.00364),
}  # fraction of each whole-number mass excess
ABUNDANCE |= {"O": (0.99757, 0.00038, 0.00205), "S": (0.9499, 0.0075, 0.0425)}
LABELS = {"[13C]": "C", "[15N]": "N", "[2H]": "H"}
_TOKEN = re.compile(r"(\[\d+[A-Z][a-z]?\]|[A-Z][a-z]?)(\d*)")
UNIT_RESOLUTION = 0.35  # half width of a quadrupole's pass band at unit resolution, m/z (0.7 FWHM, the vendors' "unit" setting)


def parse_formula(text: str) -> dict[str, int]:
    """Return the atoms of a formula such as ``C4H8[15N]2O3``.

    Raises
    ------
    DataError
        If a part of the text is not an element or a bracketed isotope of `MASS`.
    """
    atoms: dict[str, int] = {}
    position = 0
    for found in _TOKEN.finditer(text):
        if found.start() != position or found[1] not in MASS:
            break
        atoms[found[1]] = atoms.get(found[1], 0) + int(found[2] or 1)
        position = found.end()
    if position != len(text) or not atoms:
        raise DataError(f"'{text}' is not a formula of {', '.join(MASS)}; write it as C4H8[15N]2O3")
    return atoms


def ion_mass(formula: str, polarity: str, protonate: bool = False) -> float:
    """Return the monoisotopic m/z of a singly charged ion.

    Parameters
    ----------
    formula : str
        Formula of the ion itself, or of the neutral molecule if `protonate`.
    polarity : {'+', '-'}
        Sign of the charge.
    protonate : bool
        Add (ESI+) or take away (ESI-) a proton first.
    """
    sign = 1 if polarity == "+" else -1
    mass = sum(MASS[atom] * count for atom, count in parse_formula(formula).items())
    return mass + (sign * MASS["H"] if protonate else 0.0) - sign * ELECTRON


def _pattern(atoms: Mapping[str, int], purity: float, size: int = 4) -> np.ndarray:
    """Return the probabilities of mass offsets -size..+size, shape (2*size + 1,), from the labelled, otherwise light ion."""
    pattern = np.zeros(2 * size + 1)
    pattern[size] = 1.0
    for atom, count in atoms.items():
        step = np.zeros(2 * size + 1)
        if atom in LABELS:
            step[size], step[size - 1] = purity, 1.0 - purity  # an atom that escaped labelling weighs one unit less
        else:
            step[size : size + len(ABUNDANCE[atom])] = ABUNDANCE[atom]
        for _ in range(count):
            pattern = np.convolve(pattern, step)[size : 3 * size + 1]
    return pattern


@dataclass(frozen=True, slots=True)
class Species:
    """One molecule on one fragmentation path: neutral formula, product-ion formula, polarity, label purity."""

    formula: str
    product: str
    polarity: str
    purity: float = 1.0

    @property
    def q1(self) -> float:
        """Exact precursor m/z."""
        return ion_mass(self.formula, self.polarity, protonate=True)

    @property
    def q3(self) -> float:
        """Exact product m/z."""
        return ion_mass(self.product, self.polarity)


def cross_talk(species: Species, q1: float, q3: float) -> float:
    """Return the signal of a species in a transition, relative to its own monoisotopic transition.

    The natural isotopes of a tandem pair are drawn separately in the product ion (offset b) and in the neutral loss (offset a -
    b): the transition (a, b) has the weight P_product(b) P_loss(a - b). Unit resolution passes what lies within +-0.35 m/z.

    Parameters
    ----------
    species : Species
        Molecule and path.
    q1, q3 : float
        Transition, m/z.

    References
    ----------
    Theory: Rockwood, Kushnir & Nelson 2003, J. Am. Soc. Mass Spectrom. 14, 311 (isotope patterns of dissociated ions).
    """
    a, b = round(q1 - species.q1), round(q3 - species.q3)
    # isotope steps are 1.003 (13C), 0.997 (15N): inside the pass band for the few steps that carry signal
    if abs(q1 - species.q1 - a) > UNIT_RESOLUTION or abs(q3 - species.q3 - b) > UNIT_RESOLUTION or abs(a) > 4 or abs(b) > 4:
        return 0.0
    precursor, product = parse_formula(species.formula), parse_formula(species.product)
    loss = {atom: count - product.get(atom, 0) for atom, count in precursor.items()}
    loss = {
        atom: count for atom, count in loss.items() if count > 0
    }  # the ionising proton may make one H negative: no isotopes there
    if abs(a - b) > 4:
        return 0.0
    in_product, in_loss = _pattern(product, species.purity), _pattern(loss, species.purity)
    return float(in_product[4 + b] * in_loss[4 + a - b] / (in_product[4] * in_loss[4]))


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
        """The internal standard, with the atom fraction of its label."""
        return Species(self.is_formula, self.is_product, self.polarity, purity)


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


def method_analytes(method: Mapping, path: Path) -> tuple[Analyte, ...]:
    """Read the analytes a method names: rows ``transitions`` of ``models/analytes.tsv``, or of its own ``analytes`` table."""
    if "transitions" not in method:
        raise DataError(f"{path.parent.name}/{path.name}: 'transitions' is missing; this is not a method (see hilic_mrm.toml)")
    return load_analytes(method["transitions"], path.parent / method["analytes"] if "analytes" in method else None)


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
    """

    name: str
    injections: tuple[Injection, ...]
    nominal: tuple[Nominal, ...] = ()
    method: str = ""
    method_text: str = ""
    truth: tuple[Mapping, ...] = field(default=(), repr=False)

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

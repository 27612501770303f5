"""mzML with SRM chromatograms, and the folder of a batch: one mzML per injection, sequence.csv, concentrations.csv, truth.csv,
method.toml.

mzML goes through pyopenms, the field's library, with what it drops taken from the XML itself: the polarity of a chromatogram
and the unit and order of things are read in the same pass that checks the file for damage. Schema-invalid but well-formed files
are accepted, because real ones are often schema-invalid. Intensities are 32-bit inside pyopenms, as in most instruments; times
are 64-bit.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import tempfile
import xml.parsers.expat
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asnsim.chromatogram import Batch, Chromatogram, Injection, Nominal, Sample
from asnsim.errors import DataError, MissingExtraError, suggest
from asnsim.tables import Row, read_csv, read_toml, write_table, written_whole

__all__ = ["check_sequence", "read_batch", "read_mzml", "sample_of", "whole_number", "write_batch", "write_mzml"]

SEQUENCE = (
    "sample_name",
    "sample_type",
    "original_filename",
    "inj_number",
    "dilution_factor",
    "level",
    "experiment",
    "matrix",
    "time_h",
    "replicate",
    "cell_count",
    "cell_volume_pL",
    "protein_mg",
    "dna_ug",
    "recovery",
)
CONCENTRATIONS = ("sample_name", "analyte", "actual_concentration", "IS_actual_concentration", "concentration_units")
SAMPLE_TYPES = ("Unknown", "Standard", "QC", "Blank", "Double Blank", "Zero", "Solvent", "Matrix")
# words of other programs (MassHunter, midar) for the same types
SYNONYMS = {
    "sample": "Unknown",
    "spl": "Unknown",
    "cal": "Standard",
    "calibrator": "Standard",
    "hqc": "QC",
    "mqc": "QC",
    "lqc": "QC",
}
SYNONYMS |= {"pblk": "Blank", "ublk": "Double Blank", "doubleblank": "Double Blank", "sblk": "Solvent", "iblk": "Solvent"}
SYNONYMS |= {name.lower(): name for name in SAMPLE_TYPES}
UNITS = {"umol/L": 1.0, "uM": 1.0, "nmol/L": 1e-3, "nM": 1e-3, "mmol/L": 1e3, "mM": 1e3, "pmol/L": 1e-6, "pM": 1e-6}  # to umol/L
_CLOSED = re.compile(rb"</(indexedmzML|mzML)>\s*$")
_NATIVE_SIGN = re.compile(r"^\s*([+-])\s*SRM")


def _pyopenms():
    try:
        import pyopenms
    except ImportError:
        raise MissingExtraError("pyopenms", "lab") from None
    return pyopenms


def write_mzml(chromatograms: tuple[Chromatogram, ...], path: str | Path) -> Path:
    """Write SRM chromatograms to one mzML file: whole, to a temporary name first.

    Parameters
    ----------
    chromatograms : tuple of Chromatogram
        Traces of one injection.
    path : str or Path
        Target, ending in ``.mzML``.

    Raises
    ------
    MissingExtraError
        If pyopenms is not installed.
    """
    oms = _pyopenms()
    path = Path(path)
    experiment = oms.MSExperiment()
    instrument = experiment.getInstrument()
    instrument.setName("asnsim simulated triple quadrupole")
    experiment.setInstrument(instrument)
    traces = []
    for item in chromatograms:
        trace = oms.MSChromatogram()
        trace.setNativeID(item.native_id)
        trace.setChromatogramType(oms.ChromatogramSettings.ChromatogramType.SELECTED_REACTION_MONITORING_CHROMATOGRAM)
        trace.set_peaks((item.time.copy(), item.intensity.copy()))  # it refuses read-only arrays
        precursor, product = oms.Precursor(), oms.Product()
        precursor.setMZ(item.q1)
        precursor.setActivationMethods({oms.Precursor.ActivationMethod.CID})
        if not math.isnan(item.collision_energy):
            precursor.setMetaValue(
                "collision energy", float(item.collision_energy)
            )  # becomes MS:1000045, which pyopenms itself reads back
        product.setMZ(item.q3)
        trace.setPrecursor(precursor)
        trace.setProduct(product)
        if item.polarity:
            trace.setMetaValue(
                "positive scan" if item.polarity == "+" else "negative scan", ""
            )  # becomes the CV term of that name
        if not math.isnan(item.dwell):
            trace.setMetaValue("MS_dwell_time", float(item.dwell))
        traces.append(trace)
    experiment.setChromatograms(traces)
    writer = oms.MzMLFile()
    options = writer.getOptions()
    options.setCompression(True)
    options.setMz32Bit(False)
    options.setIntensity32Bit(False)
    options.setWriteIndex(True)
    writer.setOptions(options)
    with written_whole(path) as temporary:
        writer.store(str(temporary), experiment)
    return path


class _Survey:
    """One pass over the XML: well formed? mzML? how many chromatograms and spectra, and the polarity of each chromatogram."""

    def __init__(self):
        self.root = ""
        self.spectra = 0
        self.srm_spectra = 0
        self.polarity: list[str] = []
        self.collision_energy: list[float] = []
        self.dwell: list[float] = []

    def start(self, name: str, attributes: dict) -> None:
        name = name.rsplit(":", 1)[-1]
        self.root = self.root or name
        if name == "chromatogram":
            found = _NATIVE_SIGN.match(attributes.get("id", ""))
            self.polarity.append(found[1] if found else "")
            self.collision_energy.append(math.nan)
            self.dwell.append(math.nan)
        elif name == "spectrum":
            self.spectra += 1
        elif name in ("cvParam", "userParam"):
            self._parameter(attributes.get("accession", ""), attributes.get("name", ""), attributes.get("value", ""))

    def _parameter(self, accession: str, name: str, value: str) -> None:
        if accession == "MS:1000583":  # "SRM spectrum"
            self.srm_spectra += 1
        if not self.polarity:
            return
        if accession in ("MS:1000129", "MS:1000130"):
            self.polarity[-1] = "-" if accession == "MS:1000129" else "+"
        elif accession in ("MS:1000045", "MS:1000509") or name == "MS_dwell_time":
            try:
                number = float(value)
            except ValueError:
                return
            if number > 0.0:  # real files carry the placeholders 0.0 eV and -0.001 s: not stated
                (self.dwell if name == "MS_dwell_time" else self.collision_energy)[-1] = number


def _refuse_doctype(*_: object) -> None:
    raise DataError("it declares a DOCTYPE, which mzML never does")


def _survey(path: Path) -> _Survey:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name") from None
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give an mzML file")
    found = _Survey()
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = found.start
    parser.StartDoctypeDeclHandler = _refuse_doctype  # no entities, hence no expansion bombs
    with path.open("rb") as handle:
        head = handle.read(512)
        if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise DataError(f"{path.name}: is not XML; an mzML file starts with <?xml or <mzML")
        handle.seek(max(size - 256, 0))
        tail = handle.read()
        complete = bool(_CLOSED.search(tail))
        handle.seek(0)
        try:
            parser.ParseFile(handle)
        except DataError as error:
            raise DataError(f"{path.name}: refused, because {error}") from None
        except xml.parsers.expat.ExpatError as error:
            why = "is damaged" if complete else "ends before its closing tag; the copy was cut off"
            raise DataError(f"{path.name}: {why} ({error}); fetch or convert it again") from None
    if found.root not in ("mzML", "indexedmzML"):
        raise DataError(f"{path.name}: is XML but its root is <{found.root}>, not <mzML>; convert the raw file with msconvert")
    return found


def read_mzml(path: str | Path) -> tuple[Chromatogram, ...]:
    """Read the SRM chromatograms of an mzML file; total ion currents are passed over.

    Parameters
    ----------
    path : str or Path
        The file. It must be well-formed XML; schema errors are tolerated.

    Returns
    -------
    tuple of Chromatogram
        Times in s whatever the file's unit.

    Raises
    ------
    DataError
        If the file is missing, not mzML, cut off, or has no SRM chromatograms.
    MissingExtraError
        If pyopenms is not installed.
    """
    path = Path(path)
    survey = _survey(path)
    if not survey.polarity:
        if survey.spectra:
            kind = "SRM spectra" if survey.srm_spectra else "spectra"
            raise DataError(
                f"{path.name}: holds {survey.spectra} {kind} and no chromatograms; "
                "convert with msconvert without --srmAsSpectra to get SRM chromatograms"
            )
        raise DataError(f"{path.name}: holds no chromatograms; was the acquisition empty?")
    oms = _pyopenms()
    experiment = oms.MSExperiment()
    try:
        oms.MzMLFile().load(str(path), experiment)
    except RuntimeError as error:
        raise DataError(f"{path.name}: pyopenms cannot decode it; the file is damaged, convert the raw file again") from error
    traces = experiment.getChromatograms()
    if len(traces) != len(survey.polarity):
        raise DataError(
            f"{path.name}: {len(survey.polarity)} chromatograms are declared but {len(traces)} can be decoded; "
            "convert the raw file again"
        )
    out = []
    wanted = oms.ChromatogramSettings.ChromatogramType.SELECTED_REACTION_MONITORING_CHROMATOGRAM
    for trace, polarity, energy, dwell in zip(traces, survey.polarity, survey.collision_energy, survey.dwell, strict=True):
        if trace.getChromatogramType() != wanted:
            continue
        time, intensity = trace.get_peaks()
        if len(time) == 0:
            continue
        out.append(
            Chromatogram(
                trace.getNativeID(),
                trace.getPrecursor().getMZ(),
                trace.getProduct().getMZ(),
                polarity,
                energy,
                dwell,
                np.asarray(time, dtype=float),
                np.asarray(intensity, dtype=float),
            )
        )
    if not out:
        raise DataError(
            f"{path.name}: has chromatograms but none of selected reaction monitoring; this reader needs SRM (MRM) traces"
        )
    return tuple(out)


def _text(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    return value


def write_batch(batch: Batch, folder: str | Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write a batch as a folder: mzML files, ``sequence.csv``, ``concentrations.csv``, ``method.toml`` and, if simulated,
    ``truth.csv``.

    Everything is written under a temporary name beside the target and renamed at the end: a folder that is there is whole.

    Parameters
    ----------
    batch : Batch
        What to write.
    folder : str or Path
        Target; must not exist or be empty.
    progress : callable, optional
        Called with (done, total) after each file.

    Raises
    ------
    DataError
        If the folder is there and not empty, or a sample has no safe file name.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is there and not empty; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        rows = []
        for done, injection in enumerate(batch.injections, start=1):
            sample = injection.sample
            name = sample.file or f"{sample.name}.mzML"
            if Path(name).name != name or name.startswith(".") or sample.name.startswith("#"):  # '#' begins a comment in tables
                raise DataError(f"sample '{sample.name}': '{name}' is not a plain file name; rename the sample")
            if injection.chromatograms:  # none in a design that is still to be acquired
                write_mzml(injection.chromatograms, temporary / name)
            values = {
                "sample_name": sample.name,
                "sample_type": sample.type,
                "original_filename": name,
                **{column: getattr(sample, column) for column in SEQUENCE[3:]},
            }
            rows.append([_text(values[column]) for column in SEQUENCE])
            if progress is not None:
                progress(done, len(batch.injections))
        write_table(temporary / "sequence.csv", SEQUENCE, rows)
        write_table(
            temporary / "concentrations.csv",
            CONCENTRATIONS,
            [[_text(getattr(item, name)) for name in CONCENTRATIONS] for item in batch.nominal],
        )
        if batch.method_text:
            (temporary / "method.toml").write_text(batch.method_text, encoding="utf-8")
        if batch.truth:
            header = list(batch.truth[0])
            write_table(temporary / "truth.csv", header, [[_text(row[name]) for name in header] for row in batch.truth])
        temporary.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def sample_of(row: Row) -> Sample:
    """Read one row of a sequence."""
    sample_type = SYNONYMS.get((row["sample_type"] or "Unknown").lower())
    if not row["sample_name"]:
        raise DataError(f"{row.where}, column 'sample_name': is empty; every vial needs a name")
    if sample_type is None:
        raise DataError(f"{row.where}, column 'sample_type': '{row['sample_type']}' is not one of {', '.join(SAMPLE_TYPES)}")
    nan = math.nan
    file = row["original_filename"] or row["sample_name"]
    if Path(file).name != file or file in (".", ".."):
        raise DataError(f"{row.where}, column 'original_filename': '{file}' must be a plain name in this folder")
    return Sample(
        row["sample_name"],
        sample_type,
        whole_number(row, "inj_number"),
        row.number("dilution_factor", 1.0),
        row["level"],
        row["experiment"],
        row["matrix"],
        row.number("time_h", nan),
        whole_number(row, "replicate"),
        row.number("cell_count", nan),
        row.number("cell_volume_pL", nan),
        row.number("protein_mg", nan),
        row.number("dna_ug", nan),
        row.number("recovery", 1.0),
        file if file.lower().endswith(".mzml") else f"{file}.mzML",
    )


def check_sequence(samples: list[Sample]) -> None:
    """One vial, one file, one place in the order: what is believed here decides carry-over and calibration."""
    for what, values in (
        ("original_filename", [sample.file for sample in samples]),
        ("sample_name", [sample.name for sample in samples]),
        ("inj_number", [sample.inj_number for sample in samples if sample.inj_number]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise DataError(f"sequence.csv, column '{what}': '{twice}' stands there twice; each vial has its own")


def whole_number(row: Row, column: str) -> int:
    """Read a cell that holds a whole number, not negative; 0 where it is empty."""
    value = row.number(column, 0)
    if value != int(value) or value < 0:
        raise DataError(f"{row.where}, column '{column}': {row[column]} is not a whole number")
    return int(value)


def _nominal(path: Path, names: list[str]) -> tuple[tuple[Nominal, ...], list[tuple[str, str]]]:
    """Prepared concentrations, in umol/L, and vials that an unknown unit loses; every row must name a vial of the sequence."""
    if not path.is_file():
        return (), []
    out, lost, seen = [], [], set()
    for row in read_csv(path, required=CONCENTRATIONS[:3]):
        key = (row["sample_name"], row["analyte"])
        if key in seen:
            raise DataError(f"{row.where}: '{key[1]}' of '{key[0]}' is stated twice; keep one concentration")
        seen.add(key)
        unit = row["concentration_units"] or "umol/L"
        if row["sample_name"] not in names:
            known = suggest(row["sample_name"], names)
            raise DataError(f"{row.where}: '{row['sample_name']}' is not a sample of the sequence{known or '; check the name'}")
        value, standard = row.number("actual_concentration"), row.number("IS_actual_concentration", math.nan)
        if unit not in UNITS:
            lost.append((key[0], f"{row.where}, column 'concentration_units': '{unit}' is not one of {', '.join(UNITS)}"))
            continue
        out.append(Nominal(row["sample_name"], row["analyte"], value * UNITS[unit], standard * UNITS[unit]))
    if lost and not out:
        raise DataError(lost[0][1])
    return tuple(out), lost


def read_batch(folder: str | Path, progress: Callable[[int, int], None] | None = None) -> Batch:
    """Read a folder of mzML files with its paperwork; ``truth.csv`` is never opened.

    Without ``sequence.csv`` every mzML file is an Unknown, in the order of the names.

    Parameters
    ----------
    folder : str or Path
        The folder, or one mzML file.
    progress : callable, optional
        Called with (done, total) after each file.

    Raises
    ------
    DataError
        If there is nothing to read, or no file of the sequence can be read. A file that is missing or damaged while others are
        sound stands in the batch's `failures`, as does a prepared concentration whose unit is not known.
    """
    folder = Path(folder)
    if folder.is_file():
        sample = Sample(folder.stem, file=folder.name, inj_number=1)
        return Batch(folder.stem, (Injection(sample, read_mzml(folder)),))
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; check the name")
    sequence = folder / "sequence.csv"
    if sequence.is_file():
        samples = [sample_of(row) for row in read_csv(sequence, required=("sample_name", "sample_type"))]
        check_sequence(samples)
        samples.sort(key=lambda sample: sample.inj_number)
    else:
        names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".mzml" and not path.name.startswith("."))
        samples = [Sample(Path(name).stem, inj_number=index, file=name) for index, name in enumerate(names, start=1)]
    if not samples:
        raise DataError(f"{folder}: holds no mzML file and no sequence.csv; name the folder of a batch")
    injections, failures = [], []
    for done, sample in enumerate(samples, start=1):
        try:
            if not (folder / sample.file).is_file():
                raise DataError(
                    f"{folder.name}/sequence.csv names '{sample.file}', which is not in the folder; restore it or remove its row"
                )
            injections.append(Injection(sample, read_mzml(folder / sample.file)))
        except DataError as error:
            failures.append((sample.name, str(error)))
        if progress is not None:
            progress(done, len(samples))
    if not injections:
        raise DataError(failures[0][1])
    nominal, lost = _nominal(folder / "concentrations.csv", [sample.name for sample in samples])
    method = folder / "method.toml"
    name, text = "", ""
    if method.is_file():
        name, text = str(read_toml(method).get("name", "")), method.read_text(encoding="utf-8")
    return Batch(folder.name, tuple(injections), nominal, name, text, failures=(*failures, *lost))

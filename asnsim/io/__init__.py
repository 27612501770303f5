"""Files of other people's formats: `write` and `read` choose the format by the object and the suffix."""

from __future__ import annotations

from pathlib import Path

from asnsim.errors import DataError, UnsupportedFeatureError, suggest
from asnsim.io import antimony, numpy_module, sbml

__all__ = ["FORMATS", "read", "write"]

#: Suffix -> module with ``write(network, path)`` and ``read(path)``.
FORMATS = {".ant": antimony, ".txt": antimony, ".xml": sbml, ".sbml": sbml, ".py": numpy_module}


def _format_of(path: Path):
    if path.suffix.lower() not in FORMATS:
        raise UnsupportedFeatureError(
            f"{path}: '{path.suffix}' is not a format of models{suggest(path.suffix, FORMATS)}; known are {', '.join(FORMATS)}"
        )
    return FORMATS[path.suffix.lower()]


def write(obj: object, path: str | Path) -> Path:
    """Write a model, a run, measurements, a fit or a batch.

    Parameters
    ----------
    obj : Network, Trajectory, Measurements, FitResult or Batch
        A network is written as Antimony, SBML or a NumPy module by the suffix of `path`, a batch as a folder of mzML files and
        tables, and everything else as CSV.
    path : str or Path
        Target: a file, or a folder for a batch.

    Returns
    -------
    Path

    Raises
    ------
    UnsupportedFeatureError
        If there is no such format for this kind of object.
    """
    from asnsim.chromatogram import Batch
    from asnsim.network import Network

    path = Path(path)
    if isinstance(obj, Network):
        return _format_of(path).write(obj, path)
    if isinstance(obj, Batch):
        from asnsim.io.mzml import write_batch

        return Path(write_batch(obj, path))
    if not hasattr(obj, "to_csv"):
        raise UnsupportedFeatureError(f"{path}: a {type(obj).__name__} object has no file format; give a model, run or batch")
    if path.suffix.lower() != ".csv":
        raise UnsupportedFeatureError(f"{path}: {type(obj).__name__} objects are written as CSV; give a name that ends in .csv")
    return obj.to_csv(path)


def read(path: str | Path):
    """Read the folder of a batch, or a table of measurements (.csv).

    Parameters
    ----------
    path : str or Path
        A folder as `write` or an instrument's converter leaves it, or a CSV of `Measurements`.

    Returns
    -------
    Batch or Measurements

    Raises
    ------
    DataError
        If there is no such file or folder, or it cannot be read as what it claims to be.
    UnsupportedFeatureError
        If it is a model (not supported yet) or of an unknown format.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the name")
    if path.is_dir():
        from asnsim.io.mzml import read_batch

        return read_batch(path)
    if path.suffix.lower() == ".csv":
        from asnsim.measurements import Measurements

        return Measurements.from_csv(path)
    return _format_of(path).read(path)

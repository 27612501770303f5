"""Tables and recipes on disk: TSV and TOML, read with errors that name file, row and column.

Also finds the ``models/`` folder, which lies beside the package in a checkout and inside it in an installed wheel.
"""

from __future__ import annotations

import csv
import math
import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from asnsim.errors import DataError, suggest

__all__ = [
    "Row",
    "find_model_file",
    "models_folder",
    "read_csv",
    "read_toml",
    "read_tsv",
    "write_table",
    "write_text",
    "written_whole",
]


def _short(path: Path) -> str:
    """Folder and file."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, which knows where it stands.

    Parameters
    ----------
    path : Path
        File it was read from.
    line : int
        Line number in that file, counted from 1.
    cells : dict of str to str
        Column name to stripped text.
    """

    path: Path
    line: int
    cells: dict[str, str]

    @property
    def where(self) -> str:
        """``folder/file.tsv, row 7``: how an error names this row."""
        return f"{_short(self.path)}, row {self.line}"

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def number(self, column: str, default: float | None = None) -> float:
        """Return a cell as a float.

        Raises
        ------
        DataError
            If the cell is empty and no default is given, or is not a finite number.
        """
        text = self[column]
        if not text and default is not None:
            return default
        try:
            value = float(text.replace("_", "?"))  # Python would read 1_0 as 10
        except ValueError:
            raise DataError(f"{self.where}, column '{column}': '{text}' is not a number; write digits such as 0.015") from None
        if not math.isfinite(value):
            raise DataError(f"{self.where}, column '{column}': '{text}' is not a finite number; remove the row or give a number")
        return value


def _read_delimited(path: str | Path, delimiter: str, required: Sequence[str], allowed: Sequence[str]) -> list[Row]:
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name") from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: cannot be read as text ({type(error).__name__}); save it as UTF-8") from None
    header: list[str] | None = None
    rows: list[Row] = []
    if any(len(line) > 100_000 for line in text.splitlines()):
        raise DataError(f"{_short(path)}: a line is longer than 100000 characters; this is no table of ours")
    for line, cells in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), start=1):
        if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_header(path, header, required, allowed)
            continue
        if len(cells) > len(header):
            raise DataError(
                f"{_short(path)}, row {line}: {len(cells)} cells but {len(header)} columns; "
                "is there a stray separator?"
            )
        rows.append(Row(path, line, {name: cell.strip() for name, cell in zip(header, cells, strict=False)}))
    if header is None:
        raise DataError(f"{_short(path)}: the table is empty; its first line must name the columns")
    return rows


def _check_header(path: Path, header: list[str], required: Sequence[str], allowed: Sequence[str]) -> None:
    for column in required:
        if column not in header:
            raise DataError(
                f"{_short(path)}, row 1: column '{column}' is missing; the table has {', '.join(header)}"
            )
    for column in header:
        if column and header.count(column) > 1:
            raise DataError(f"{_short(path)}, row 1: column '{column}' stands there twice; remove one")
        if allowed and column not in allowed:
            raise DataError(f"{_short(path)}, row 1: unknown column '{column}'{suggest(column, allowed)}")


def read_tsv(path: str | Path, required: Sequence[str] = (), allowed: Sequence[str] = ()) -> list[Row]:
    """Read a tab-separated table; lines that start with ``#`` and blank lines are skipped.

    Parameters
    ----------
    path : str or Path
        The file.
    required : sequence of str
        Columns that must be there.
    allowed : sequence of str
        Where given, the only columns that may be there.

    Returns
    -------
    list of Row

    Raises
    ------
    DataError
        If the file is missing, not text, or its columns are not the expected ones.
    """
    return _read_delimited(path, "\t", required, allowed)


def read_csv(path: str | Path, required: Sequence[str] = (), allowed: Sequence[str] = ()) -> list[Row]:
    """Read a comma-separated table; see `read_tsv`."""
    return _read_delimited(path, ",", required, allowed)


def read_toml(path: str | Path) -> dict:
    """Read a TOML file.

    Raises
    ------
    DataError
        If the file is missing or is not valid TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid TOML ({error})") from None


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; it takes the real name when all went well and is gone otherwise.

    Raises
    ------
    DataError
        If the place cannot be written to.
    """
    path = Path(path)
    if not path.name:
        raise DataError("a file to write needs a name")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file whole."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_table(path: str | Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """Write a CSV (or, for a name ending in .tsv, TSV) table whole."""
    path = Path(path)
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def models_folder() -> Path:
    """Return the folder of recipes, parameter tables and method files."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "models", package.parent / "models"):
        if (candidate / "parameters").is_dir():
            return candidate
    raise DataError("the models folder was not found beside or inside the package; reinstall asnsim")


_WORDS = {"": "recipes", "parameters": "overlays"}


def find_model_file(kind: str, name: str, suffix: str) -> Path:
    """Find a file of ``models/`` by its short name, or take a path as it stands.

    Parameters
    ----------
    kind : {'', 'parameters', 'methods'}
        Sub-folder of ``models/``.
    name : str
        Short name such as ``'cell'``, or a path to a file of the user's own.
    suffix : str
        Ending of the files in that folder, with the dot.

    Raises
    ------
    DataError
        If there is no such file; the message lists or suggests what there is.
    """
    as_path = Path(name)
    if as_path.suffix == suffix or os.sep in name:
        if as_path.is_file():
            return as_path
        raise DataError(f"{name}: no such file; give a path that exists or one of: {', '.join(_names(kind, suffix))}")
    path = models_folder() / kind / f"{name}{suffix}"
    if not path.is_file():
        known = _names(kind, suffix)
        raise DataError(
            f"'{name}' is not among the {_WORDS.get(kind, kind)} that come with asnsim{suggest(name, known)} "
            f"(known: {', '.join(known)})"
        )
    return path


def _names(kind: str, suffix: str) -> list[str]:
    return sorted(path.stem for path in (models_folder() / kind).glob(f"*{suffix}"))

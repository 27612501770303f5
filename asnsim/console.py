"""What the command line says and how: tables, errors, progress, targets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asnsim.errors import DataError

__all__ = ["check_targets", "console", "fail", "progress_bar", "show_table", "wrote"]


def console() -> Console:
    """Return a console on stdout: as wide as the terminal, or wide enough for a table in a file."""
    return Console(width=None if sys.stdout.isatty() else 150, highlight=False)


def fail(message: str, code: int = 2) -> int:
    """Write one line on stderr and return the exit code."""
    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(' '.join(message.split()))}", soft_wrap=True)
    return code


def _text(cell: object) -> str:
    """Four digits for a number; a solver's dust around zero is zero."""
    if isinstance(cell, float):
        return f"{(0.0 if abs(cell) < 1e-15 else cell):.4g}"
    return str(cell)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table; columns of numbers are set to the right."""
    table = Table(title=escape(title) or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    rows = [[_text(cell) for cell in row] for row in rows]
    for k, column in enumerate(columns):
        numeric = bool(rows) and all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?|nan|-?inf|", row[k]) for row in rows)
        table.add_column(escape(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def check_targets(csv: Path | None = None, *figures: Path | None) -> None:
    """Refuse a target that cannot be written before the work begins."""
    for path, endings in ((csv, None), *((figure, (".png", ".svg", ".pdf")) for figure in figures)):
        if path is None:
            continue
        if not path.name or path.is_dir():
            raise DataError(f"'{path}' is not a file to write; give a name")
        if endings and path.suffix.lower() not in endings:
            raise DataError(f"{path}: a figure is written as {', '.join(endings)}; give a name that ends in one of them")
        if path.parent.exists() and not os.access(path.parent, os.W_OK):
            raise DataError(f"{path}: cannot be written there; choose another place")


def wrote(path: Path | None) -> None:
    """Say what was written."""
    if path is not None:
        typer.echo(f"wrote {path}")


@contextmanager
def progress_bar(words: str):
    """Give a callback (done, total): a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

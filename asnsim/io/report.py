"""A batch as one page to read: verdict first, then tables and figures. One HTML file, which asks nobody for anything."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from asnsim import __version__
from asnsim.chromatogram import Batch
from asnsim.errors import DataError
from asnsim.plots_laboratory import plot_calibration, plot_peaks, plot_sequence
from asnsim.quantify import Method, Quantification
from asnsim.tables import write_text

__all__ = ["write_report"]

_STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #666; --line: #ddd; --back: #fff; --bad: #a4262c;
  --warn: #8a5a00; --good: #1b6b3a }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #aaa; --line: #444; --back: #181818; --bad: #ff8a80;
  --warn: #ffcc66; --good: #7fd6a0 } img { background: #fff; border-radius: 6px } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 0 auto; padding: 1rem;
  max-width: 70rem }
h1 { font-size: 1.5rem; margin: .5rem 0 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
.sub { color: var(--soft); margin: 0 0 1rem } .verdict { font-size: 1.2rem; font-weight: 600; margin: 1rem 0 }
.fail { color: var(--bad) } .flag { color: var(--warn) } .pass { color: var(--good) }
ul { padding-left: 1.2rem; margin: .3rem 0 } li { margin: .15rem 0 }
.scroll { overflow-x: auto; max-height: 34rem; overflow-y: auto; border: 1px solid var(--line); border-radius: 6px }
table { border-collapse: collapse; width: 100%; font-size: .88rem }
th, td { padding: .3rem .6rem; text-align: left; white-space: nowrap } td { border-bottom: 1px solid var(--line) }
th { position: sticky; top: 0; background: var(--back); border-bottom: 2px solid var(--line) }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } td.w { white-space: normal }
img { max-width: 100%; height: auto } details { margin: .5rem 0 } summary { cursor: pointer }
@media print { .scroll { max-height: none; overflow: visible } body { max-width: none } details > * { display: block } }
"""
_MOST = 1500  # rows of results on the page; all are in the CSV


def write_report(
    batch: Batch | None, result: Quantification, path: str | Path, method: str | Path | Method = "hilic_mrm", title: str = ""
) -> Path:
    """Write a self-contained page about a quantified batch.

    Parameters
    ----------
    batch : Batch or None
        For the chromatograms; None where only areas are known.
    result : Quantification
        What was found.
    path : str or Path
        Ending in ``.html`` or ``.htm``.
    method : str, Path or Method
        Of the quantification.
    title : str
        Heading; by default the name of the batch.

    Raises
    ------
    DataError
        If the name ends otherwise, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{path}: a report is written as .html; give a name that ends so")
    method = Method.load(method)
    heading = escape(title or result.batch)
    parts = [
        f'<h1>{heading}</h1><p class="sub">method {escape(method.name)}, {len(set(result.table["sample"]))} injections, '
        f"asnsim {escape(__version__)}</p>",
        _verdict(result), _calibration(result), _results(result), _flagged(result), *_figures(batch, result, method),
    ]  # fmt: skip
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body>{''.join(parts)}</body></html>\n"
    )
    return write_text(path, page)


def _verdict(result: Quantification) -> str:
    groups: dict[str, list[str]] = {"FAIL": [], "flag": [], "pass": [], "note": []}
    for sentence in result.report:
        word, _, rest = sentence.partition(": ")
        groups[word if word in groups else "note"].append(rest if word in groups else sentence)
    if result.passed:
        words = '<p class="verdict pass">ACCEPTED: calibrators and QCs of every analyte are within their limits.</p>'
    else:
        words = '<p class="verdict fail">NOT ACCEPTED: see what failed.</p>'
    out = [f"<section><h2>Verdict</h2>{words}"]
    for word, title, style in (("FAIL", "Failed", "fail"), ("flag", "Flagged", "flag"), ("note", "Notes", "")):
        if groups[word]:
            items = "".join(f"<li>{escape(text)}</li>" for text in groups[word])
            out.append(f'<h3 class="{style}">{title} ({len(groups[word])})</h3><ul>{items}</ul>')
    items = "".join(f"<li>{escape(text)}</li>" for text in groups["pass"])
    out.append(f'<details><summary class="pass">Passed ({len(groups["pass"])})</summary><ul>{items}</ul></details></section>')
    return "".join(out)


def _number(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if value != value else f"{value:.4g}"
    return str(value)


def _table(columns: tuple[str, ...], rows: list[tuple]) -> str:
    """Numbers to the right, their headings too; every cell escaped."""
    numeric = [any(isinstance(row[k], int | float | np.number) for row in rows) for k in range(len(columns))]
    right = {True: ' class="n"', False: ""}
    titles = zip(columns, numeric, strict=True)
    head = "".join(f'<th scope="col"{right[is_number]}>{escape(name)}</th>' for name, is_number in titles)
    body = []
    for row in rows:
        cells = []
        for cell, is_number in zip(row, numeric, strict=True):
            style = ' class="w"' if len(str(cell)) > 40 and not is_number else right[is_number]
            cells.append(f"<td{style}>{escape(_number(cell))}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _calibration(result: Quantification) -> str:
    rows, table = [], result.table
    for name, line in result.calibration.items():
        own = table[(table["analyte"] == name) & (table["sample_type"] == "Standard") & (table["nominal"] > 0)]
        span = f"{own['nominal'].min():g} to {own['nominal'].max():g}" if len(own) else "published line"
        kind = ("quadratic" if line.order == 2 else "line") + (f", {line.weighting}" if line.weighting else "")
        rows.append((name, kind, line.intercept, line.slope, line.curvature, span, 100 * line.proportional, line.additive))
    columns = ("analyte", "curve", "intercept", "slope", "curvature", "calibrated", "scatter [%]", "scatter at 0 [ratio]")
    out = f"<section><h2>Calibration</h2>{_table(columns, rows)}</section>"
    qcs = table[(table["sample_type"] == "QC") & (table["nominal"] > 0) & np.isfinite(table["value"])]
    share = qcs["value"] / qcs["nominal"]
    per_level = [
        (analyte, level, len(group), 100 * float(group.mean()), _cv(group))
        for (analyte, level), group in share.groupby([qcs["analyte"], qcs["level"]], sort=False)
    ]
    if per_level:
        head = ("analyte", "level", "n", "% of nominal", "CV [%]")
        out += f"<section><h2>Quality controls</h2>{_table(head, per_level)}</section>"
    return out


def _cv(values: pd.Series) -> float:
    return 100 * float(values.std(ddof=1) / values.mean()) if len(values) > 1 else float("nan")


def _results(result: Quantification) -> str:
    table = result.table[result.table["sample_type"] == "Unknown"]
    columns = ("sample", "analyte", "value", "lower", "upper", "unit", "flags")
    rows = [tuple(row) for row in table.loc[:, list(columns)].astype(object).head(_MOST).itertuples(index=False, name=None)]
    cut = f"<p>The first {_MOST} of {len(table)} results; the CSV has all.</p>" if len(table) > _MOST else ""
    head = ("sample", "analyte", "value", "95 % from", "to", "unit", "flags")
    return f"<section><h2>Results</h2>{cut}{_table(head, rows)}</section>"


def _flagged(result: Quantification) -> str:
    table = result.table[result.table["flags"] != ""]
    if table.empty:
        return "<section><h2>Flagged injections</h2><p>None.</p></section>"
    rows = []
    for (place, sample), group in table.groupby(["inj_number", "sample"], sort=True):
        reasons: dict[str, list[str]] = {}
        for row in group.itertuples():
            for flag in row.flags.split("; "):
                reasons.setdefault(flag, []).append(row.analyte)
        words = "; ".join(f"{flag} ({', '.join(names)})" for flag, names in reasons.items())
        rows.append((int(place), sample, group["sample_type"].iloc[0], words))
    return f"<section><h2>Flagged injections</h2>{_table(('place', 'sample', 'type', 'why'), rows)}</section>"


def _figures(batch: Batch | None, result: Quantification, method: Method) -> list[str]:
    out = []
    if any(line.weighting for line in result.calibration.values()):
        out.append(_figure("Calibration and accuracy", plot_calibration(result)))
        out.append(_figure("Over the sequence", plot_sequence(result)))
    if batch is not None and batch.injections:
        out.append(_figure("Chromatograms of a few injections, flagged ones first", plot_peaks(batch, result, method)))
    return out


def _figure(title: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<section><h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{data}"></section>'

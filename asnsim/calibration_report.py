"""What a calibration leaves behind: fitted rows, the covariance of their logarithms, and a report that names sloppy sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asnsim.calibration import Calibration, read_priors
from asnsim.library import load_model
from asnsim.simulation import simulate
from asnsim.tables import write_table, write_text
from asnsim.units import unit

__all__ = ["to_markdown", "write_back", "write_rest"]

_REST = "rest of this recipe without drug"
_TABLES = ("base", "body", "experiments")
_SOURCE = "make calibrate: fit to the calibrate rows of observations.tsv and to culture_data.tsv; prior in priors.tsv"


def write_back(result: Calibration, folder: Path) -> list[Path]:
    """Write fitted values into the tables of ``models/``, the covariance and the report beside them.

    Parameters
    ----------
    result : Calibration
        What `calibrate` found.
    folder : Path
        A models folder.

    Returns
    -------
    list of Path
        Files written, each whole.
    """
    values = dict(zip(result.names, result.values, strict=True))
    sds = dict(zip(result.names, result.sd_log, strict=True))
    written = [
        write_text(path, _with_values(path, values, sds)) for path in (folder / "parameters" / f"{t}.tsv" for t in _TABLES)
    ]
    rows = [
        [n, f"{v:.8g}", *(f"{x:.6g}" for x in line)]
        for n, v, line in zip(result.names, result.values, result.covariance, strict=True)
    ]
    written.append(write_table(folder / "calibration.tsv", ("name", "value", *result.names), rows))
    written.append(write_text(folder / "calibration.md", to_markdown(result)))
    return written


def write_rest(folder: Path) -> list[Path]:
    """Write the rest of recipe ``patient`` without drug into the rows of its tables that say they hold it.

    Fitted numbers move it; a patient that starts elsewhere would drift before the first dose.
    """
    run = simulate(load_model("patient"), until="60 d", times=[0.0, 1440.0])
    end, written = run.at(1440.0), []
    for table, ending in (("patient", ""), ("liver", "_liver")):
        path = folder / "parameters" / f"{table}.tsv"
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            cells = line.split("\t")
            if _REST in line:
                scale = unit(cells[2]).factor
                cells[1] = f"{end[cells[0] + ending] / scale:.8g}"
            lines.append("\t".join(cells))
        written.append(write_text(path, "\n".join(lines) + "\n"))
    return written


def _with_values(path: Path, values: dict[str, float], sds: dict[str, float]) -> str:
    """Text of a parameter table in which the fitted rows carry their new values."""
    lines = path.read_text(encoding="utf-8").splitlines()
    columns: list[str] = []
    priors = read_priors()
    for k, line in enumerate(lines):
        cells = line.split("\t")
        if line.startswith("#") or not line.strip():
            continue
        if not columns:
            columns = cells
            continue
        row = dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True))
        if row["name"] not in values:
            continue
        value, sd, prior = values[row["name"]], sds[row["name"]], priors[row["name"]]
        scale = unit(row["unit"]).factor
        row |= {
            "value": f"{value / scale:.5g}",
            "lower": f"{prior.lower / scale:.4g}",
            "upper": f"{prior.upper / scale:.4g}",
            "spread": row["spread"] if path.stem == "body" else f"{sd:.2g}",  # there it is between patients
            "source": _SOURCE,
            "status": "fitted",
            "note": f"95 % {value * np.exp(-1.96 * sd) / scale:.3g} to {value * np.exp(1.96 * sd) / scale:.3g}; "
            f"{_held(sd, prior.sd_log)}",
        }
        lines[k] = "\t".join(row[column] for column in columns)
    return "\n".join(lines) + "\n"


def _held(sd: float, prior: float) -> str:
    share = sd / prior
    return "held by its prior" if share > 0.9 else "narrowed by the data" if share > 0.5 else "set by the data"


def to_markdown(result: Calibration) -> str:
    """Return the report: every number with its interval and what holds it, the strongest pairs, the sloppiest combinations."""
    priors = read_priors()
    lines = [
        "# Calibration",
        "",
        f"`make calibrate` fitted {len(result.names)} numbers; cost {result.cost:.3g} (half the squares, priors included).",
        "Values are in canonical units (h, umol, L); `sd` is of the logarithm, from the curvature at the optimum with priors.",
        "",
        "| number | stage | prior | sd | fitted | 95 % | sd | what holds it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, value, sd in zip(result.names, result.values, result.sd_log, strict=True):
        p = priors[name]
        near = min(abs(np.log(value / p.lower)), abs(np.log(value / p.upper))) < 0.02
        lines.append(
            f"| {name} | {p.stage} | {p.centre:.4g} | {p.sd_log:g} | {value:.4g} | {value * np.exp(-1.96 * sd):.3g} to "
            f"{value * np.exp(1.96 * sd):.3g} | {sd:.2f} | {_held(sd, p.sd_log)}{', at its bound' if near else ''} |"
        )
    lines += ["", "## Strongest pairs", "", "| correlation | number | number |", "|---|---|---|"]
    lines += [f"| {r:+.2f} | {a} | {b} |" for r, a, b in result.correlations()[:15]]
    lines += [
        "",
        "## Sloppiest combinations",
        "",
        "Posterior over prior width of a combination; near 1 the data say nothing about it.",
        "",
    ]
    for width, parts in result.sloppy(priors):
        lines.append(f"- {width:.2f}: " + ", ".join(f"{weight:+.2f} {name}" for name, weight in parts))
    return "\n".join(lines) + "\n"

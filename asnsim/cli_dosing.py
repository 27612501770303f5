"""Commands about doses: a patient, and a table of event records.

See `asnsim.cli` for how errors are said.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_options import Csv, Figure, Overlays, Recipe, Set, model_of
from asnsim.console import check_targets, progress_bar, show_table, wrote
from asnsim.errors import DataError

__all__ = ["dose", "events"]


def _patient(line: str, product: str, settings: Sequence[str]):
    """Return a patient with cells of one line, settled."""
    from asnsim.library import read_parameters
    from asnsim.studies import settled_patient

    for option, overlay, mark in (("line", line, "cell_volume"), ("product", product, "glutaminase_share")):
        if mark not in read_parameters(overlay):
            raise DataError(f"--{option} '{overlay}' is not the overlay of a {option}: it does not say '{mark}'")
    return settled_patient(model_of("dosing", (product, line), (), settings))


def dose(
    amount: Annotated[str, typer.Option(help="U, or per m^2 or kg.")] = "2500 U/m^2",
    every: Annotated[str, typer.Option(help="Interval.")] = "14 d",
    times: Annotated[int, typer.Option(min=1, max=200, help="Number of doses.")] = 3,
    duration: Annotated[str, typer.Option(help="Length of the infusion; 0 h is a bolus.")] = "1 h",
    until: Annotated[str, typer.Option(help="End; by default 30 d after the last dose.", show_default=False)] = "",
    cap: Annotated[str, typer.Option(help="Largest single dose, such as '3750 U'.", show_default=False)] = "",
    into: Annotated[str, typer.Option(help="peg_1 is intravenous, peg_depot intramuscular.")] = "peg_1",
    bsa: Annotated[str, typer.Option(help="Body surface, such as '1.0 m^2'.", show_default=False)] = "",
    weight: Annotated[str, typer.Option(help="Body weight, such as '28 kg'.", show_default=False)] = "",
    set_: Set = None,
    product: Annotated[str, typer.Option(help="Overlay of the asparaginase product.")] = "pegaspargase",
    line: Annotated[list[str] | None, typer.Option(help="Overlay of a cell line; repeatable.", show_default=False)] = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Dose a patient with asparaginase and see what cells do."""
    check_targets(csv, figure)
    import numpy as np

    from asnsim.dosing import Regimen
    from asnsim.simulation import simulate
    from asnsim.tables import write_table
    from asnsim.units import parse_time

    settings = [*(set_ or ()), *(f"{name}={text}" for name, text in (("bsa", bsa), ("weight", weight)) if text)]
    regimen = Regimen.repeat(amount, into=into, every=every, times=times, duration=duration, **({"cap": cap} if cap else {}))
    interval = parse_time(every, "the interval")
    last = (times - 1) * interval
    end = parse_time(until, "the end") if until else last + 720.0
    rows, runs = [], {}
    for name in line or ("all_low_asns", "solid_143b"):
        grid = np.linspace(0.0, end, int(min(max(end, 400.0), 20_000.0)) + 1) if end > 0 else None
        run = runs[name] = simulate(_patient(name, product, settings), regimen, until=end, times=grid)
        activity = run["asnase_p"]
        repeats = [k * interval for k in range(1, times) if k * interval <= end]
        trough = min((run.at(t, "before")["asnase_p"] for t in repeats), default=float(activity[-1]))
        cells = run["cells"]
        days = (run.duration(activity > 100.0) / 24, run.duration(run["asn_p"] < 1.0) / 24)
        levels = (float(activity.max()), float(trough), float(run["asn_p"].min()))
        rows.append((name, *days, *levels, float(cells[0]), float(cells.min()), float(cells[-1])))
    columns = (
        "cells of",
        "days activity > 100 U/L",
        "days plasma Asn < 1 umol/L",
        "peak U/L",
        "trough U/L",
        "lowest Asn umol/L",
        "cells at start",
        "cells lowest",
        "cells at end",
    )
    show_table(columns, rows, f"{times} x {amount} into {into}, until {end / 24:g} d")
    typer.echo("trough: before a repeat, or at the end where there is none")
    if bsa and not weight:
        typer.echo("note: --bsa moves dose, volume and clearance of the drug; body fluids follow --weight, which stays as it is")
    if any(row[7] < 1 for row in rows):
        typer.echo("note: less than one cell is left at the lowest point; a real population would be gone for good")
    if csv:
        wrote(write_table(csv, columns, rows))
    if figure:
        from asnsim.plots import plot_depletion

        plot_depletion(runs, figure)
        wrote(figure)


def events(
    table: Annotated[Path, typer.Argument(help="CSV with one record per row: ID, TIME, EVID, CMT, AMT, RATE, II, ADDL, SS, ...")],
    recipe: Recipe,
    overlays: Overlays = None,
    compartments: Annotated[str, typer.Option(help="States that CMT 1, 2, ... mean, by commas.", show_default=False)] = "",
    observe: Annotated[str, typer.Option(help="What is read where a state is observed.", show_default=False)] = "",
    constant: Annotated[
        list[str] | None, typer.Option(help="F_state, ALAG_state, R_state or D_state = value; repeatable.", show_default=False)
    ] = None,
    locf: Annotated[bool, typer.Option("--locf", help="Covariates keep their last value instead of taking the next.")] = False,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave aside; repeatable.", show_default=False)] = None,
    set_: Set = None,
    csv: Csv = None,
) -> None:
    """Simulate a NONMEM-style event table; print, or write, what the model says at every record."""
    check_targets(csv)
    from asnsim.io.nonmem import read_events
    from asnsim.records import predictions

    model = model_of(recipe, overlays, (), set_)
    constants = {}
    for text in constant or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise DataError(f"'{text}' does not set anything; write for example --constant 'ALAG_peg_depot=2 h'")
        constants[name.strip()] = value.strip()
    states = tuple(name.strip() for name in compartments.split(",") if name.strip())
    subjects = read_events(
        table, model, compartments=states, observe=observe, constants=constants, locf=locf, drop=tuple(drop or ())
    )
    with progress_bar("simulating") as progress:
        found = predictions(model, subjects, progress=progress)
    shown = found.head(40)
    show_table(
        tuple(found.columns), [tuple(row) for row in shown.itertuples(index=False)], f"{table.name}: {len(subjects)} subjects"
    )
    if len(found) > len(shown):
        typer.echo(f"... {len(found) - len(shown)} more records; --csv writes all")
    if csv:
        from asnsim.tables import write_table

        rows = [[repr(x) if isinstance(x, float) else x for x in row] for row in found.itertuples(index=False)]
        wrote(write_table(csv, tuple(found.columns), rows))

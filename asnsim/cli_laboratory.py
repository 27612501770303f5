"""Commands of the laboratory: measure, quantify, validate a method. See `asnsim.cli` for how errors are said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_options import (
    Csv,
    Doses,
    Figure,
    Overlays,
    Preculture,
    Recipe,
    Set,
    Without,
    model_of,
    parse_times,
    regimen_of,
    simulated,
)
from asnsim.console import check_targets, progress_bar, show_table, wrote
from asnsim.errors import DataError, suggest

__all__ = ["measure", "plan", "quantify", "transitions", "validate_method"]

_TABLES = (".csv", ".tsv", ".txt")


def measure(
    recipe: Recipe,
    out: Annotated[Path, typer.Option("--out", help="Folder for the batch; must be new or empty.")],
    overlays: Overlays = None,
    times: Annotated[str, typer.Option(help="Sampling times, '0:48:12 h' or '0, 6, 24 h'.")] = "0:48:12 h",
    until: Annotated[str, typer.Option(help="End of the run; by default the last sample.", show_default=False)] = "",
    dose: Doses = None,
    set_: Set = None,
    without: Without = None,
    preculture: Preculture = "",
    protocol: Annotated[str, typer.Option(help="Method of the laboratory.")] = "hilic_mrm",
    replicates: Annotated[int, typer.Option(min=1, max=1000, help="Vials per time and matrix.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same batch.")] = 7,
    noise: Annotated[bool, typer.Option("--noise/--no-noise", help="Without noise the pools come back exactly.")] = True,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help="'swap A B', 'no_is A', 'dilution A 5', 'overload A 50', 'late_wash A 10', 'carry_over 0.02'; repeatable.",
            show_default=False,
        ),
    ] = None,
    vials: Annotated[
        str,
        typer.Option("--vials", help="More sets: dilution_qc, pooled_qc, matrix_sets, stability.", show_default=False),
    ] = "",
    design: Annotated[bool, typer.Option("--design", help="Lay the batch out and acquire nothing.")] = False,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Sample a run and acquire a simulated LC-MS/MS batch; --csv writes the truth table apart from the batch."""
    check_targets(csv, figure)
    from asnsim.io.mzml import write_batch
    from asnsim.lcms import measure as acquire
    from asnsim.lcms import parse_faults
    from asnsim.tables import write_table

    if design and (fault or csv or figure):
        raise DataError("--design acquires nothing: leave --fault, --csv and --figure out")
    moments, faults, sets = parse_times(times), parse_faults(fault or ()), _words(vials)
    run = simulated(model_of(recipe, overlays, without, set_), dose, until or f"{max(moments)!r} h", preculture)
    for moment in moments:
        if not run.t[0] <= moment <= run.t[-1]:
            raise DataError(f"a sample at {moment:g} h lies outside the run, {run.t[0]:g} to {run.t[-1]:g} h; set --until later")
    with progress_bar("acquiring") as progress:
        batch = acquire(
            run, protocol, times=moments, replicates=replicates, seed=seed, noise=noise, progress=progress, faults=faults,
            sets=sets, design_only=design,
        )  # fmt: skip
    with progress_bar("writing") as progress:
        write_batch(batch, out, progress)
    if design:
        _show_design(batch)
        typer.echo(f"wrote the sequence of {len(batch)} injections, their prepared concentrations and the method to {out}")
        return
    typer.echo(f"wrote {len(batch.injections)} injections to {out}")
    if csv:
        wrote(write_table(csv, list(batch.truth[0]), [list(row.values()) for row in batch.truth]))
    if figure:
        from asnsim.plots import plot_batch

        plot_batch(batch, figure)
        wrote(figure)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _show_design(batch) -> None:
    rows = []
    for injection in batch.injections:
        sample = injection.sample
        time = "" if sample.time_h != sample.time_h else f"{sample.time_h:g} h"
        what = sample.level or sample.matrix
        rows.append((sample.inj_number, sample.name, sample.type, what, time, f"{sample.dilution_factor:g}"))
    show_table(("place", "vial", "type", "level or matrix", "time", "dilution"), rows, f"{batch.name}: {batch.method}")


def quantify(
    source: Annotated[
        Path, typer.Argument(help="Folder of a batch (mzML files, sequence.csv, concentrations.csv), or a table of areas (CSV).")
    ],
    method: Annotated[str, typer.Option(help="Method; by default the one named in the folder.", show_default=False)] = "",
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of the intervals.")] = 0.95,
    data: Annotated[Path | None, typer.Option(help="Write the unknowns as data for a fit (CSV).", show_default=False)] = None,
    petab: Annotated[Path | None, typer.Option(help="Write PEtab tables into a folder.", show_default=False)] = None,
    peaks: Annotated[Path | None, typer.Option(help="Write the areas as a table (.csv).", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page to read (.html).", show_default=False)] = None,
    monte_carlo: Annotated[int, typer.Option("--monte-carlo", min=0, max=1_000_000, help="Draws that check the errors.")] = 0,
    validation: Annotated[bool, typer.Option("--validation", help="Judge the batch as a run of a method's validation.")] = False,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Quantify a batch, real or simulated, blind; or areas that another program integrated."""
    check_targets(csv, figure)
    from asnsim.quantify import monte_carlo as by_draws
    from asnsim.quantify import quantify as evaluate
    from asnsim.quantify import validate_method as judge
    from asnsim.tables import write_table

    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{report}: a report is written as .html; give a name that ends so")
    batch = _source(source)
    method = method or ("area_table" if source.is_file() else batch.method or "hilic_mrm")
    with progress_bar("integrating") as progress:
        result = evaluate(batch, method, confidence, progress)
    unknown = result.table[result.table["sample_type"] == "Unknown"]
    columns = ["sample", "analyte", "value", "unit", "sd", "lower", "upper", "flags"]
    show_table(columns, unknown[columns].astype(object).to_numpy().tolist(), f"{batch.name}: {len(unknown)} results")
    for sentence in result.report:
        typer.echo(sentence)
    if validation:
        _show_validation(judge(result))
    if monte_carlo:
        drawn = by_draws(result, monte_carlo, confidence=confidence)
        title = f"errors by {monte_carlo} draws beside those by derivatives"
        show_table(list(drawn.columns), drawn.astype(object).to_numpy().tolist(), title)
    if csv:
        wrote(write_table(csv, list(result.table.columns), result.table.astype(object).to_numpy().tolist()))
    if data:
        wrote(result.measurements().to_csv(data))
    if peaks:
        from asnsim.io.peaks import peaks_of, write_peaks

        wrote(write_peaks(batch if source.is_file() else peaks_of(batch, result), peaks))
    if petab:
        from asnsim.io.petab import write_petab

        for path in write_petab(result, petab):
            wrote(path)
    if report:
        from asnsim.io.report import write_report

        wrote(write_report(None if source.is_file() else batch, result, report, method))
    if figure:
        from asnsim.plots import plot_quantification

        plot_quantification(result, figure)
        wrote(figure)


def _source(source: Path):
    """A batch, or a table of areas."""
    if source.is_dir():
        from asnsim.io.mzml import read_batch

        with progress_bar("reading") as progress:
            return read_batch(source, progress)
    if not source.is_file():
        raise DataError(f"{source}: no such folder or file; give the folder of a batch or a table of areas")
    if source.suffix.lower() not in _TABLES:
        raise DataError(f"{source}: a table of areas is {', '.join(_TABLES)}; of mzML files give the folder")
    from asnsim.io.peaks import read_areas

    return read_areas(source)


def validate_method(
    protocol: Annotated[str, typer.Argument(help="Method that names a bench.")] = "hilic_mrm",
    runs: Annotated[int, typer.Option(min=1, max=100, help="Runs, on as many days.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same runs.")] = 7,
    csv: Csv = None,
) -> None:
    """Simulate a method's validation: accuracy, precision, LLOQ, carry-over, matrix effect, recovery, dilution, stability."""
    check_targets(csv)
    from asnsim.lcms import Protocol, measure_validation
    from asnsim.quantify import quantify as evaluate
    from asnsim.quantify import validate_method as judge
    from asnsim.tables import write_table

    known = Protocol.load(protocol)
    with progress_bar("validating") as progress:
        found = []
        for run in range(1, runs + 1):
            found.append(evaluate(measure_validation(known, run, seed), protocol))
            if progress:
                progress(run, runs)
    table = judge(found)
    _show_validation(table)
    if csv:
        wrote(write_table(csv, list(table.columns), table.astype(object).to_numpy().tolist()))


def _show_validation(table) -> None:
    words = {True: "ok", False: "FAILS"}
    rows = [(*row[:-1], words.get(row[-1], "")) for row in table.astype(object).itertuples(index=False, name=None)]
    show_table(tuple(table.columns), rows, "validation of the method")
    failed = int((table["passed"] == False).sum())  # noqa: E712  (None is neither)
    typer.echo(f"{failed} of {int(table['passed'].notna().sum())} criteria fail" if failed else "all criteria are met")


def plan(
    recipe: Recipe,
    times: Annotated[list[str], typer.Option("--times", help="Sampling times, '1, 4, 24 h'; repeatable, one candidate each.")],
    overlays: Overlays = None,
    replicates: Annotated[str, typer.Option(help="Candidates: vials per time and matrix.")] = "1, 3, 6",
    washes: Annotated[str, typer.Option(help="Candidates: washes of the cells.")] = "1, 2, 3",
    calibrators: Annotated[str, typer.Option(help="Candidates: levels of a curve.")] = "8",
    free: Annotated[str, typer.Option(help="Kinetic parameters to be fitted, separated by commas.", show_default=False)] = "",
    of: Annotated[str, typer.Option(help="Pool or parameter the target is for.", show_default=False)] = "",
    target: Annotated[float, typer.Option(min=0, help="Relative standard uncertainty, and bias of a pool, asked for.")] = 0.1,
    dose: Doses = None,
    set_: Set = None,
    without: Without = None,
    protocol: Annotated[str, typer.Option(help="Method of the laboratory.")] = "hilic_mrm",
    csv: Csv = None,
) -> None:
    """Compare ways to measure before measuring: precision of pools and kinetic parameters against the number of injections."""
    check_targets(csv)
    from asnsim.planning import candidates, precision
    from asnsim.tables import write_table

    plans = candidates([parse_times(one) for one in times], *map(_numbers, (replicates, washes, calibrators)))
    model = model_of(recipe, overlays, without, set_)
    with progress_bar(f"{len(plans)} plans") as progress:
        table = precision(model, regimen_of(dose), plans, protocol=protocol, free=_words(free), progress=progress)
    known = list(dict.fromkeys(table["what"]))
    if of and of not in known:
        raise DataError(f"'{of}' is not among what is measured or fitted{suggest(of, known)} There is {', '.join(known)}")
    rows = table if not of else table[table["what"] == of]
    title = f"relative standard uncertainty and bias, {protocol}"
    show_table(list(table.columns), rows.astype(object).to_numpy().tolist(), title)
    if of:
        good = rows[(rows["cv"] <= target) & ~(rows["bias"].abs() > target)]
        if good.empty:
            typer.echo(f"none of these plans tells {of} to {100 * target:g} %")
        else:
            best = good.loc[good["injections"].idxmin()]
            typer.echo(
                f"fewest injections that tell {of} to {100 * target:g} %: {best.injections} (times {best.times} h, "
                f"{best.replicates} replicates, {best.washes} washes, {best.levels} calibrators): {100 * best.cv:.1f} %"
            )
    if csv:
        wrote(write_table(csv, list(table.columns), table.astype(object).to_numpy().tolist()))


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)] or [math.nan]
    except ValueError:
        raise DataError(f"'{text}' is not a list of numbers; write for example '1, 3, 6'") from None


def transitions(
    method: Annotated[str, typer.Argument(help="Method; see: asnsim models.")] = "hilic_mrm",
    least: Annotated[float, typer.Option(min=0, max=1, help="Smallest share of a signal that counts as a collision.")] = 0.01,
    csv: Csv = None,
) -> None:
    """Show the channels of a method and what shows in whose channel; --csv writes a transition list for Skyline."""
    check_targets(csv)
    from asnsim.collisions import collisions
    from asnsim.io.skyline import write_transition_list
    from asnsim.quantify import Method

    known = Method.load(method)
    if not known.analytes:
        raise DataError(f"{known.name} has no transitions; it is for tables of areas")
    rows = [
        (item.id, f"{item.q1:g}", f"{item.q3:g}", item.polarity, item.collision_energy, item.rt, item.rt_window)
        for analyte in known.analytes
        for item in analyte.transitions
    ]
    show_table(("channel", "Q1", "Q3", "", "CE [eV]", "RT [s]", "+- [s]"), rows, f"{known.name}: {len(rows)} channels")
    found = collisions(known.analytes, known.label_purity, least)
    for item in found:
        typer.echo(str(item))
    if not found:
        typer.echo("no collisions")
    if csv:
        wrote(write_transition_list(known.analytes, csv))

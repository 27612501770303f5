"""The command `petab`: check, simulate, differentiate and fit a PEtab problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_options import Csv, Figure
from asnsim.console import check_targets, progress_bar, show_table, wrote
from asnsim.errors import DataError

__all__ = ["petab"]


def petab(
    problem: Annotated[Path, typer.Argument(help="PEtab problem (.yaml), version 1 or 2, with its model in SBML.")],
    simulate: Annotated[bool, typer.Option("--simulate", help="List every measurement beside its simulation.")] = False,
    gradient: Annotated[bool, typer.Option("--gradient", help="The gradient of the log likelihood.")] = False,
    fit: Annotated[bool, typer.Option("--fit", help="Estimate the parameters from many starts.")] = False,
    starts: Annotated[int, typer.Option(min=1, max=100_000, help="Starts of a fit.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same answer, at any number of workers.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes of a fit.")] = 1,
    optimiser: Annotated[str, typer.Option(help="'fides', or 'cma' for an evolution before it: slower, finds more.")] = "fides",
    history: Annotated[
        Path | None,
        typer.Option(help="File of ended starts; a fit that was cut off goes on from it.", show_default=False),
    ] = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Read a PEtab problem and compare its nominal parameters with its data; or fit them.

    Example: asnsim petab problem.yaml --fit --starts 50 --workers 2 --history starts.jsonl --figure waterfall.png
    """
    if simulate + gradient + fit > 1:
        raise DataError("--simulate, --gradient and --fit exclude each other; give one")
    if (csv or figure) and not (simulate or gradient or fit):
        raise DataError("--csv and --figure write a result; say which, with --simulate, --gradient or --fit")
    if history and not fit:
        raise DataError("--history belongs to --fit")
    if figure and gradient:
        raise DataError("--gradient has no figure; leave --figure out")
    check_targets(csv, figure)
    if fit:
        _fit(problem, (starts, seed, workers, optimiser), history, csv, figure)
        return
    from asnsim.petab import Objective, read_problem

    task = read_problem(problem)
    objective = Objective(task)
    result = objective(gradient=gradient)
    network = task.model.network
    typer.echo(
        f"{task.name}: PEtab {task.version}; {len(network.states)} states, {len(task.experiments)} experiments, "
        f"{len(objective.data)} measurements, {len(task.estimated)} of {len(task.parameters)} parameters to estimate"
    )
    priors = sum(objective.log_priors().values())
    words = f"log likelihood {result.llh:.8g}, chi2 {result.chi2:.8g}"
    typer.echo(words + (f", log prior {priors:.8g}" if any(row.prior for row in task.parameters.values()) else ""))
    if simulate:
        _show_simulation(task, result, csv, figure)
    if gradient:
        rows = list(zip(task.estimated, task.nominal(), result.gradient, strict=True))
        _table(("parameter", "value on its scale", "d(log likelihood)"), rows, csv)


def _table(columns, rows, csv: Path | None, title: str = "") -> None:
    if csv:  # files first: a reader of the table may leave
        from asnsim.tables import write_table

        write_table(csv, columns, rows)
    show_table(columns, [[float(v) if not isinstance(v, str) else v for v in row] for row in rows], title)
    wrote(csv)


def _show_simulation(task, result, csv: Path | None, figure: Path | None) -> None:
    data = task.measurements
    known = (data[column] for column in ("observable", "experiment", "time", "measurement"))
    rows = list(zip(*known, result.simulation, result.noise, result.residuals, strict=True))
    if figure:
        from asnsim.plots_petab import plot_residuals

        plot_residuals(task, result, figure)
    _table(("observable", "experiment", "time", "measurement", "simulation", "noise", "residual"), rows, csv)
    wrote(figure)


def _fit(problem: Path, settings, history, csv: Path | None, figure: Path | None) -> None:
    from asnsim.petab import fit_problem
    from asnsim.tables import write_table

    with progress_bar("fitting") as progress:
        starts, seed, workers, optimiser = settings
        result = fit_problem(problem, starts, seed, workers, optimiser=optimiser, history=history, progress=progress)
    table = result.table()
    if csv:
        write_table(csv, list(table.columns), table.astype(object).to_numpy().tolist())
    if figure:
        from asnsim.plots_petab import plot_waterfall

        plot_waterfall(result, figure)
    columns = ["start", "objective", "nfev", "seconds", "message"]
    shown = table[columns].head(10).astype(object).to_numpy().tolist()
    words = f"{len(result.starts)} starts; {result.agreeing} found the best objective, {result.best.objective:.8g}"
    show_table(columns, shown, words)
    show_table(("parameter", "estimate"), list(result.values().items()), "estimates, on linear scale")
    wrote(csv)
    wrote(figure)

"""The command line. Thin: every command loads, calls one function of the package, prints a table and writes what was asked for.

Whatever goes wrong is one line on stderr and exit code 2; Ctrl-C is exit code 130. Heavy imports stand inside the commands so
that ``asnsim --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_dosing import dose, events
from asnsim.cli_laboratory import measure, plan, quantify, transitions, validate_method
from asnsim.cli_models import calibrate, export, models, show, validate
from asnsim.cli_options import (
    Csv,
    Doses,
    Figure,
    Names,
    Overlays,
    Preculture,
    Recipe,
    Rtol,
    Set,
    Without,
    model_of,
    regimen_of,
    simulated,
)
from asnsim.cli_patients import forecast, population, regimen
from asnsim.cli_petab import petab
from asnsim.console import check_targets, fail, progress_bar, show_table, wrote
from asnsim.errors import AsnsimError

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Simulate asparagine pools, dose them, measure them on a simulated LC-MS/MS, quantify and fit. "
    "Times and doses take units: '48 h', '14 d', '2500 U/m^2 into peg_1 at 1 d'.",
)

_PREFERRED = ("asn_e", "asn_c", "asn_p", "asn_csf", "asnase_p", "asnase_e", "cells")


def _chosen(run, names: str) -> tuple[str, ...]:
    """Return the names asked for, or what is usually looked at first."""
    wanted = tuple(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        wanted = tuple(name for name in _PREFERRED if run.has(name)) or run.model.states[:6]
    for name in wanted:
        run[name]  # an unknown name fails here, with a suggestion
    return wanted


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False
) -> None:
    if version:
        from asnsim import __version__

        typer.echo(f"asnsim {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _command in (
    models, show, validate, calibrate, export, dose, events, population, regimen, forecast, measure, quantify,
    validate_method, plan, transitions, petab,
):  # fmt: skip
    app.command()(_command)


@app.command()
def simulate(
    recipe: Recipe,
    overlays: Overlays = None,
    until: Annotated[str, typer.Option(help="End, with unit.")] = "48 h",
    dose: Doses = None,
    set_: Set = None,
    without: Without = None,
    preculture: Preculture = "",
    names: Names = "",
    csv: Csv = None,
    figure: Figure = None,
    rtol: Rtol = 1e-6,
) -> None:
    """Run a model, with doses; print, draw or write quantities."""
    check_targets(csv, figure)
    run = simulated(model_of(recipe, overlays, without, set_), dose, until, preculture, rtol=rtol)
    chosen = _chosen(run, names)
    rows = []
    for name in chosen:
        values = run[name]
        rows.append((name, float(values[0]), float(values.min()), float(values.max()), float(values[-1]), run.unit(name)))
    title = f"{run.model.name}: {run.t[0]:g} to {run.t[-1]:g} h"
    show_table(("quantity", "start", "lowest", "highest", "end", "unit"), rows, title)
    if csv:
        wrote(run.to_csv(csv, chosen))
    if figure:
        run.plot(*chosen, path=figure)
        wrote(figure)


@app.command()
def fit(
    problem: Annotated[Path, typer.Argument(help="Fitting problem (.toml).")],
    starts: Annotated[int, typer.Option(min=1, max=10_000, help="Number of starts.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same answer.")] = 1,
    profiles: Annotated[
        Path | None, typer.Option(help="Profile every parameter, print what is known of it, and draw it.", show_default=False)
    ] = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Fit parameters to data, with intervals and verdicts."""
    check_targets(csv, figure, profiles)
    from asnsim.fit import fit as optimise
    from asnsim.fit import read_problem
    from asnsim.tables import write_table

    task = read_problem(problem)
    with progress_bar("fitting") as progress:
        result = optimise(task, starts=starts, seed=seed, progress=progress)
    table = result.table()
    rows = table.astype(object).to_numpy().tolist()
    show_table(list(table.columns), rows, f"cost {result.cost:.4g} for {result.n} data; {result.message}")
    if csv:
        wrote(write_table(csv, list(table.columns), rows))
    if figure:
        from asnsim.plots import plot_fit

        plot_fit(result, figure)
        wrote(figure)
    if profiles:
        _profile(task, result, profiles)


def _profile(task, result, path: Path) -> None:
    """Profile a fit, print intervals and verdicts, draw them."""
    from asnsim.fit import profile
    from asnsim.plots_inference import plot_profiles

    with progress_bar("profiling") as progress:
        found = profile(task, result, progress=progress)
    rows = [(one.name, float(x), one.lower, one.upper, one.unit, one.verdict) for one, x in zip(found, result.x, strict=True)]
    show_table(("parameter", "estimate", "lower", "upper", "unit", "verdict"), rows, "95 % intervals of the profile likelihood")
    plot_profiles(found, path)
    wrote(path)


@app.command()
def crosscheck(
    recipe: Recipe,
    overlays: Overlays = None,
    until: Annotated[str, typer.Option(help="End; by default 7 d, 48 h or 28 d by recipe.", show_default=False)] = "",
    rtol: Rtol = 1e-8,
    dose: Doses = None,
    without: Without = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Compare every state with libRoadRunner."""
    from asnsim.io.crosscheck import crosscheck as check

    result = check(model_of(recipe, overlays, without), regimen_of(dose) if dose else None, until or None, rtol)
    table = result.table()
    show_table(list(table.columns), table.head(10).astype(object).to_numpy().tolist(), "ten worst states")
    typer.echo(str(result))
    if csv:
        wrote(result.to_csv(csv))
    if figure:
        from asnsim.plots import plot_crosscheck

        plot_crosscheck(result, figure)
        wrote(figure)


@app.command()
def demo(out: Annotated[Path, typer.Option("--out", help="Folder for figures and tables.")] = Path("demo_output")) -> None:
    """Run the whole loop: dose, fit, measure, quantify, fit."""
    from asnsim.demo import run_demo

    report = run_demo(out, lambda words: typer.echo(f"... {words}", err=True))
    show_table(("part", "quantity", "reported or true", "found", "comment"), report.rows)
    wrote(out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for an error with its one line on stderr, 130 for Ctrl-C.

    An error nobody foresaw is one line too, with exit code 1; ``ASNSIM_TRACEBACK=1`` shows where it came from.
    """
    try:
        code = app(list(sys.argv[1:] if arguments is None else arguments), prog_name="asnsim", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:  # a reader such as head has gone; leave a stdout that can be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except AsnsimError as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror or error}; choose another place")
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong option or argument
            return fail(error.format_message())
        if os.environ.get("ASNSIM_TRACEBACK"):
            raise
        words = f"unexpected {type(error).__name__}: {error}; this is a bug, please report it (ASNSIM_TRACEBACK=1 shows where)"
        return fail(words, 1)
    return fail("interrupted", 130) if code == 130 else int(code or 0)


if __name__ == "__main__":
    sys.exit(main())

"""Commands about models themselves: list, show, validate, calibrate, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_options import Csv, Figure, Overlays, Recipe, Set, Without, model_of
from asnsim.console import check_targets, progress_bar, show_table, wrote
from asnsim.errors import DataError, ModelError

__all__ = ["calibrate", "export", "models", "show", "validate"]


def models(csv: Csv = None, figure: Figure = None) -> None:
    """List recipes, overlays and methods; --figure draws how large the recipes are."""
    check_targets(csv, figure)
    from asnsim.library import list_overlays, list_recipes, load_model, overlay_title, read_recipe
    from asnsim.tables import models_folder, write_table

    folder = models_folder()
    rows = [("recipe", name, read_recipe(name).title) for name in list_recipes()]
    rows += [("overlay", name, overlay_title(name)) for name in list_overlays()]
    methods = sorted(path.stem for path in (folder / "methods").glob("*.toml"))
    rows += [("method", name, "LC-MS/MS method") for name in methods if not name.startswith("bench_")]
    show_table(("kind", "name", "what it is"), rows)
    if csv:
        wrote(write_table(csv, ("kind", "name", "what it is"), rows))
    if figure:
        from asnsim.plots_structure import plot_sizes

        loaded = [load_model(name) for name in list_recipes()]
        plot_sizes({m.name: (len(m.states), len(m.reactions), len(m.constants)) for m in loaded}, figure)
        wrote(figure)


def _numbers_and_structure(model, csv: Path | None, figure: Path | None) -> None:
    """Write a model's numbers as CSV and its stoichiometry as a figure, where asked."""
    if csv:
        from asnsim.tables import write_table

        columns = ("name", "value", "unit", "lower", "upper", "spread", "status", "source", "note")
        write_table(csv, columns, [[getattr(p, column) for column in columns] for p in model.parameters.values()])
    if figure:
        from asnsim.plots_structure import plot_structure

        plot_structure(model, figure)


def show(
    recipe: Recipe,
    overlays: Overlays = None,
    without: Without = None,
    latex: Annotated[bool, typer.Option("--latex", help="The differential equations as LaTeX instead.")] = False,
    sources: Annotated[bool, typer.Option("--sources", help="Every number with unit, status and source instead.")] = False,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Print a model as Antimony or LaTeX, or its numbers with their sources; --csv writes them, --figure draws its structure."""
    check_targets(csv, figure)
    if latex and sources:
        raise ModelError("--latex and --sources are two things to print; choose one")
    model = model_of(recipe, overlays, without)
    if sources:
        rows = [(p.name, p.value, p.unit, p.status, p.source, p.note) for p in model.parameters.values()]
        count = {status: sum(row[3] == status for row in rows) for status in ("measured", "derived", "fitted", "assumed")}
        show_table(("name", "value", "unit", "status", "source", "note"), rows, f"{model.name}: {len(rows)} numbers")
        typer.echo(", ".join(f"{number} {status}" for status, number in count.items()))
    elif latex:
        from asnsim.equations import build_equations

        typer.echo(build_equations(model).latex())
    else:
        typer.echo(str(model), nl=False)
    _numbers_and_structure(model, csv, figure)


def export(
    words: Annotated[list[str], typer.Argument(metavar="RECIPE [OVERLAY]... PATH", help="Model; .ant, .xml or .py to write.")],
    without: Without = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Write a model as Antimony, SBML or NumPy; --csv writes its numbers, --figure draws its stoichiometry."""
    check_targets(csv, figure)
    from asnsim.io import write

    if len(words) < 2:
        raise ModelError("export needs a recipe and a path, such as: asnsim export cell rpmi cell.xml")
    model = model_of(words[0], words[1:-1], without)
    wrote(write(model, words[-1]))
    _numbers_and_structure(model, csv, figure)
    for path in (csv, figure):
        wrote(path)


def validate(
    only: Annotated[str, typer.Option("--only", help="Ids separated by commas, such as V07,V10; all by default.")] = "",
    draws: Annotated[int, typer.Option(min=0, max=1000, help="Draws of the calibrated numbers for the intervals.")] = 20,
    set_: Set = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a Markdown report.", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the findings as JSON.", show_default=False)] = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Simulate every published observation, print reported against simulated and count what agrees; exit code 0 either way.

    Example: asnsim validate --report validation.md --figure validation.png
    """
    check_targets(csv, figure)
    for path in (report, json):
        check_targets(path)
    from asnsim.plots_validation import plot_validation
    from asnsim.tables import write_table, write_text
    from asnsim.validation import counts, interval, to_json, to_markdown
    from asnsim.validation import validate as judge

    ids = tuple(word.strip().upper() for word in only.split(",") if word.strip())
    if only and not ids:
        raise DataError("--only names no observation; write for example --only V07,V10")
    values = _settings(set_ or ())
    with progress_bar("simulating observations") as progress:
        findings = judge(ids or None, draws, progress, values)
    rows = [
        (
            f.observation.id, f.observation.use, t.readout, t.reported, interval(t), f.simulated.get(t.readout, float("nan")),
            f.low.get(t.readout, float("nan")), f.high.get(t.readout, float("nan")), t.unit,
            "agrees" if t.agrees(f.simulated.get(t.readout, float("nan"))) else "MISSES", f.observation.source,
        )
        for f in findings
        for t in f.observation.targets
    ]  # fmt: skip
    columns = ("id", "use", "read-out", "reported", "tolerance", "simulated", "low", "high", "unit", "verdict", "source")
    show_table(columns, rows, "published against simulated (low, high: 90 % of draws)")
    for finding in findings:
        if finding.failure:
            typer.echo(f"{finding.observation.id} failed: {finding.failure}")
    for use, (good, total) in counts(findings).items():
        missed = ", ".join(f.observation.id for f in findings if f.observation.use == use and f.verdict != "agrees")
        typer.echo(f"{use}: {good} of {total} agree" + (f"; not: {missed}" if missed else ""))
    if csv:
        wrote(write_table(csv, columns, rows))
    if json:
        wrote(write_text(json, to_json(findings)))
    if report:
        wrote(write_text(report, to_markdown(findings)))
    if figure:
        plot_validation(findings, figure)
        wrote(figure)


def _settings(texts) -> dict[str, float]:
    """Numbers of --set for a validation, in canonical units."""
    from asnsim.protocols.bench import shipped
    from asnsim.units import parse_quantity

    known, values = shipped(), {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in known:
            raise DataError(f"'{text}' does not set a number of the models; write for example --set 'w_mtor_asn=0'")
        if name in values:
            raise DataError(f"'{name}' is set twice; give one value")
        values[name] = parse_quantity(value, known[name].dimension, name)
        if values[name] < 0:
            raise DataError(f"'{name}' cannot be negative here")
    return values


def calibrate(
    write: Annotated[bool, typer.Option("--write", help="Put the result into the tables of models/.")] = False,
    starts: Annotated[int, typer.Option(min=1, max=100, help="Starting points; the best result counts.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=500, help="Most steps of the joint fit.")] = 30,
    report: Annotated[Path | None, typer.Option("--report", help="Write the report.", show_default=False)] = None,
) -> None:
    """Fit the assumed and weakly known numbers to the calibrate observations; takes a quarter of an hour.

    Example: asnsim calibrate --report calibration.md
    """
    check_targets(report)
    from asnsim.calibration import calibrate as fit
    from asnsim.calibration import read_priors
    from asnsim.calibration_report import to_markdown, write_back, write_rest
    from asnsim.tables import models_folder, write_text

    result = fit(starts, rounds, step=lambda words: typer.echo(f"... {words}", err=True))
    priors = read_priors()
    rows = [
        (name, priors[name].centre, value, sd, sd / priors[name].sd_log)
        for name, value, sd in zip(result.names, map(float, result.values), map(float, result.sd_log), strict=True)
    ]
    show_table(("number", "prior", "fitted", "sd of log", "over prior"), rows, f"cost {result.cost:.4g}")
    for r, one, other in result.correlations()[:5]:
        typer.echo(f"correlation {r:+.2f}: {one}, {other}")
    if report:
        wrote(write_text(report, to_markdown(result)))
    if write:
        for path in (*write_back(result, models_folder()), *write_rest(models_folder())):
            wrote(path)

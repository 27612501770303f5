"""Options the commands share, and how a model is named on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from asnsim.errors import DataError, ModelError

__all__ = [
    "Csv", "Doses", "Figure", "Names", "Overlays", "Preculture", "Recipe", "Rtol", "Set", "Without",
    "model_of", "parse_times", "regimen_of", "simulated",
]  # fmt: skip

Recipe = Annotated[str, typer.Argument(help="Recipe (see: asnsim models) or path of a .toml file.")]
Overlays = Annotated[list[str] | None, typer.Argument(help="Parameter tables over the recipe, in order.", show_default=False)]
Without = Annotated[list[str] | None, typer.Option("--without", help="Module to leave out; repeatable.", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="name=value with unit; repeatable.", show_default=False)]
Doses = Annotated[
    list[str] | None,
    typer.Option("--dose", help="'1000 U into asnase_e at 24 h over 1 h every 7 d times 2'; repeatable.", show_default=False),
]
Preculture = Annotated[str, typer.Option(help="Time in the clamped medium before 0, such as '400 h'; none if empty.")]
Names = Annotated[str, typer.Option(help="States, rules or fluxes, separated by commas.", show_default=False)]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the numbers as CSV.", show_default=False)]
Figure = Annotated[Path | None, typer.Option("--figure", help="Write a figure (.png, .svg, .pdf).", show_default=False)]
Rtol = Annotated[float, typer.Option(min=1e-12, max=1e-2, help="Relative tolerance of the solver.")]


def model_of(recipe: str, overlays: Sequence[str] | None, without: Sequence[str] | None, settings: Sequence[str] | None = None):
    """Load a recipe with overlays, and with the numbers of --set."""
    from asnsim.library import load_model

    model = load_model(recipe, *(overlays or ()), without=tuple(without or ()))
    if not settings:
        return model
    from asnsim.fit.recipe import with_texts

    values = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ModelError(f"'{text}' does not set anything; write for example --set 'asn_e=50 umol/L'")
        if name.strip() in values:
            raise ModelError(f"'{name.strip()}' is set twice; give one value")
        values[name.strip()] = value.strip()
    return with_texts(model, values)


def regimen_of(doses: Sequence[str] | None):
    """Read the doses of --dose."""
    from asnsim.dosing import Regimen, parse_dose

    return Regimen(tuple(parse_dose(text) for text in doses or ()))


def simulated(model, doses, until: str, preculture: str = "", times: Sequence[float] | None = None, rtol: float = 1e-6):
    """Simulate a model under the doses of --dose, and say on stderr if it oscillates."""
    from asnsim.culture import preculture as before
    from asnsim.simulation import simulate
    from asnsim.solvers import NDF
    from asnsim.stability import oscillation_note

    regimen = regimen_of(doses)
    if preculture:
        regimen = before(model, preculture) + regimen
    run = simulate(model, regimen, until=until, times=times, solver=NDF(rtol=rtol))
    if note := oscillation_note(run):
        typer.echo(f"note: {note}", err=True)
    return run


def parse_times(text: str) -> list[float]:
    """Read times in h: ``'0:48:12 h'`` (start:stop:step, both ends included) or ``'0, 0.5, 24 h'``.

    Raises
    ------
    DataError
        If the text has another form, a step is not positive, or there are more than 10 000 times.
    """
    from asnsim.units import parse_time

    match = re.fullmatch(r"\s*([-+.\deE:,;\s]*[\d.])\s*([A-Za-z]*)\s*", text)
    if not match:
        raise DataError(f"'{text}' is not a list of times; write for example '0:48:12 h' or '0, 6, 24 h'")
    numbers, unit = match.groups()
    if ":" not in numbers:
        return [parse_time(f"{part} {unit}") for part in re.split(r"[,;\s]+", numbers.strip())]
    parts = numbers.split(":")
    if len(parts) != 3:
        raise DataError(f"'{text}' needs start:stop:step, such as '0:48:12 h'")
    start, stop, step = (parse_time(f"{part.strip()} {unit}") for part in parts)
    if not step > 0 or stop < start:
        raise DataError(f"'{text}' has no times; the step must be positive and the stop not before the start")
    count = int((stop - start) / step * (1 + 1e-12)) + 1
    if count > 10_000:
        raise DataError(f"'{text}' makes {count} times; take a longer step")
    return [start + k * step for k in range(count)]

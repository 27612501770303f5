"""Options the commands share, and how a model is named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from asnsim.errors import ModelError

__all__ = ["Csv", "Doses", "Figure", "Names", "Overlays", "Preculture", "Recipe", "Rtol", "Set", "Without", "model_of"]

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

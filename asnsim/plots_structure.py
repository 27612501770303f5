"""Figures of models themselves: who takes part in which reaction, and how large the recipes are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from asnsim.plots import OKABE_ITO, dress, finish

__all__ = ["plot_sizes", "plot_structure"]


def plot_structure(model, path: str | Path | None = None) -> Figure:
    """Draw the stoichiometry: one column per reaction, a dot where a state is consumed or made, larger for larger numbers.

    Parameters
    ----------
    model : Network
        Read: ``name``, ``states``, ``species``, ``reactions``.
    path : str or Path, optional
        Where to write the figure.
    """
    rows = [name for name in model.states if name in model.species]
    reactions = model.reactions
    entries = [(k, rows.index(name), number) for k, r in enumerate(reactions) for name, number in r.stoichiometry.items()]
    figure = Figure(figsize=(0.17 * len(reactions) + 2.4, 0.17 * len(rows) + 2.4), layout="constrained")
    axes = figure.subplots()
    dress(axes, f"{model.name}: {len(model.states)} states, {len(reactions)} reactions")
    for sign, colour, label in ((-1, OKABE_ITO[0], "consumed"), (1, OKABE_ITO[1], "made")):
        chosen = [(k, i, abs(number)) for k, i, number in entries if sign * number > 0]
        sizes = [22 * np.sqrt(number) for *_, number in chosen]
        axes.scatter([k for k, *_ in chosen], [i for _, i, _ in chosen], s=sizes, color=colour, label=label)
    axes.set_xticks(np.arange(len(reactions)), [r.id for r in reactions], rotation=90, fontsize=6)
    axes.set_yticks(np.arange(len(rows)), rows, fontsize=6)
    axes.set_ylim(len(rows) - 0.3, -0.7)
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside upper right")
    return finish(figure, path)


def plot_sizes(sizes: Mapping[str, tuple[int, int, int]], path: str | Path | None = None) -> Figure:
    """Draw the number of states, reactions and constants of several models.

    Parameters
    ----------
    sizes : mapping of str to (int, int, int)
        Model name to counts.
    path : str or Path, optional
        Where to write the figure.
    """
    figure = Figure(figsize=(6.4, 0.6 * len(sizes) + 1.2), layout="constrained")
    axes = figure.subplots()
    dress(axes, "recipes")
    place = np.arange(len(sizes))
    for k, label in enumerate(("states", "reactions", "constants")):
        axes.barh(place + 0.26 * (k - 1), [counts[k] for counts in sizes.values()], 0.24, color=OKABE_ITO[k], label=label)
    axes.set_yticks(place, list(sizes))
    axes.invert_yaxis()
    axes.set_xlabel("number")
    axes.legend(frameon=False, fontsize=8)
    return finish(figure, path)

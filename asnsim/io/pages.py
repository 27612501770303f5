"""Print the Antimony page of every recipe into ``models/*.ant``: ``python -m asnsim.io.pages`` (or ``make pages``)."""

from __future__ import annotations

from asnsim.library import list_recipes, load_model
from asnsim.tables import models_folder, write_text

__all__ = ["print_pages", "stale_pages"]


def stale_pages() -> list[str]:
    """Return the recipes whose printed page is missing or differs from the recipe."""
    return [
        name
        for name in list_recipes()
        if not (path := models_folder() / f"{name}.ant").is_file() or path.read_text(encoding="utf-8") != str(load_model(name))
    ]


def print_pages() -> list[str]:
    """Print every stale page anew and return their names."""
    names = stale_pages()
    for name in names:
        write_text(models_folder() / f"{name}.ant", str(load_model(name)))
    return names


if __name__ == "__main__":
    printed = print_pages()
    print(f"printed {', '.join(printed)}" if printed else "all pages are up to date")

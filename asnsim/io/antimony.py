"""Antimony: the printed page of a network as a file."""

from __future__ import annotations

from pathlib import Path

from asnsim.errors import ModelError, UnsupportedFeatureError
from asnsim.network import Network
from asnsim.tables import write_text

__all__ = ["read", "sbml_of_page", "write"]


def write(network: Network, path: str | Path) -> Path:
    """Write a network as its Antimony page.

    Parameters
    ----------
    network : Network
        What to write.
    path : str or Path
        Target.

    Returns
    -------
    Path
    """
    return write_text(path, str(network))


def read(path: str | Path) -> Network:
    """Refuse by name: foreign Antimony is not read into a `Network` yet."""
    raise UnsupportedFeatureError(
        f"{path}: reading Antimony into a network is not supported yet; write the model as a recipe of modules and export it"
    )


def sbml_of_page(page: str) -> str:
    """Translate an Antimony page to SBML with libAntimony.

    Raises
    ------
    ModelError
        If libAntimony does not accept the page; the message is libAntimony's.
    """
    import antimony

    antimony.clearPreviousLoads()
    try:
        if antimony.loadAntimonyString(page) < 0:
            raise ModelError(f"libAntimony refuses the page: {' '.join(antimony.getLastError().split())}")
        return antimony.getSBMLString(antimony.getMainModuleName())
    finally:
        antimony.clearPreviousLoads()

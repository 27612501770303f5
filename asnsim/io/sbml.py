"""SBML Level 3 Version 1: a network through its Antimony page and libAntimony.

Hucka et al. 2019, J Integr Bioinform 16(2), 20190021 describe SBML Level 3.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from asnsim.errors import ModelError, UnsupportedFeatureError
from asnsim.io.antimony import sbml_of_page
from asnsim.network import Network
from asnsim.tables import write_text

__all__ = ["consistency", "read", "sbml_text", "write"]


def sbml_text(network: Network) -> str:
    """Return a network as SBML Level 3 Version 1.

    Raises
    ------
    ModelError
        If libAntimony refuses the page or libSBML finds an error in the result.
    UnsupportedFeatureError
        If the network has algebraic states.
    """
    import libsbml

    if network.algebraic:
        raise UnsupportedFeatureError(
            f"model '{network.name}' has algebraic states ({', '.join(network.algebraic)}); Antimony, the way to SBML, has none"
        )
    document = libsbml.readSBMLFromString(sbml_of_page(str(network)))
    if not document.setLevelAndVersion(3, 1, False):
        raise ModelError(f"model '{network.name}' does not fit into SBML Level 3 Version 1; write it as Antimony instead")
    model = document.getModel()
    if network.title:
        model.setName(network.title)
    text = libsbml.writeSBMLToString(document)
    errors, _ = consistency(text)
    if errors:
        raise ModelError(f"model '{network.name}' is not consistent SBML: {errors[0]}")
    return text


def consistency(text: str) -> tuple[list[str], Counter]:
    """Check SBML with libSBML.

    Parameters
    ----------
    text : str
        An SBML document.

    Returns
    -------
    errors : list of str
        Messages of severity error and fatal, one line each.
    warnings : Counter
        How often each kind of warning occurs, by libSBML's short message.
    """
    import libsbml

    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    errors: list[str] = []
    warnings: Counter = Counter()
    for index in range(document.getNumErrors()):
        one = document.getError(index)
        if one.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            errors.append(" ".join(one.getMessage().split()))
        else:
            warnings[one.getShortMessage()] += 1
    return errors, warnings


def write(network: Network, path: str | Path) -> Path:
    """Write a network as SBML.

    Parameters
    ----------
    network : Network
        What to write.
    path : str or Path
        Target, by custom ending in ``.xml``.

    Returns
    -------
    Path
    """
    return write_text(path, sbml_text(network))


def read(path: str | Path) -> Network:
    """Refuse by name: foreign SBML is not read into a `Network` yet."""
    raise UnsupportedFeatureError(
        f"{path}: reading SBML into a network is not supported yet; write the model as a recipe of modules and export it"
    )

"""Every error asnsim raises on purpose.

::

    AsnsimError
    ├── ModelError               a recipe, module, reaction or name does not fit together
    │   └── UnitError            a quantity has the wrong dimension
    ├── DataError                a table or instrument file cannot be read as what it claims to be
    ├── DoseError                a dose or event record breaks a rule
    ├── FitError                 a fitting problem is badly posed
    ├── IntegrationError         the solver stopped before the end (carries time and state)
    ├── UnsupportedFeatureError  a construct asnsim refuses by name
    └── MissingExtraError        an optional dependency is not installed

Each message is one sentence that says what, where and what to do next; the command line prints it and leaves with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AsnsimError",
    "DataError",
    "DoseError",
    "FitError",
    "IntegrationError",
    "MissingExtraError",
    "ModelError",
    "UnitError",
    "UnsupportedFeatureError",
    "suggest",
]


class AsnsimError(Exception):
    """Base of all errors raised on purpose."""


class ModelError(AsnsimError):
    """A model does not fit together."""


class UnitError(ModelError):
    """A quantity has the wrong dimension or an unknown unit."""


class DataError(AsnsimError):
    """A file cannot be read as what it claims to be."""


class DoseError(AsnsimError):
    """A dose breaks a rule of event records."""


class FitError(AsnsimError):
    """A fitting problem is badly posed."""


class UnsupportedFeatureError(AsnsimError):
    """A construct that asnsim refuses by name."""


class MissingExtraError(AsnsimError):
    """An optional dependency is not installed.

    Parameters
    ----------
    package : str
        The package that could not be imported.
    extra : str
        The extra of asnsim that brings it.
    """

    def __init__(self, package: str, extra: str):
        super().__init__(f"this needs {package}, which is not installed; add it with: pip install 'asnsim[{extra}]'")


class IntegrationError(AsnsimError):
    """The solver stopped before the end of the requested interval.

    Parameters
    ----------
    message : str
        What happened.
    t : float
        Time reached, h.
    state : dict of str to float, optional
        The state at that time.
    """

    def __init__(self, message: str, t: float, state: dict[str, float] | None = None):
        super().__init__(message)
        self.t = t
        self.state = dict(state or {})


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""

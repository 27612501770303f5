"""Packages that can be called: ``asnsim.fit(problem)`` and ``asnsim.fit.FitProblem`` live under one name.

Importing a sub-package binds its module to that name in `asnsim`, whatever a lazy attribute would have returned; giving the
module a class with ``__call__`` (Python data model, "Customizing module attribute access") makes both right at any time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

__all__ = ["make_callable"]


def make_callable(module: str, function: Callable) -> None:
    """Let the module of that name be called like `function`."""

    class CallableModule(ModuleType):
        __doc__ = function.__doc__

        def __call__(self, *arguments, **options):
            return function(*arguments, **options)

    sys.modules[module].__class__ = CallableModule

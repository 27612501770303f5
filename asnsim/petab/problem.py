"""What a PEtab problem says, in one form for both versions: experiments of periods, each of which changes the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sympy

from asnsim.io.sbml_reader import ForeignModel
from asnsim.network import symbol
from asnsim.petab.priors import Prior

__all__ = ["Experiment", "Observable", "Period", "PetabParameter", "PetabProblem", "leaf"]


def leaf(parameter: str) -> sympy.Symbol:
    """Symbol of a row of the parameter table, apart from the model's quantity of that name."""
    return symbol(f"theta__{parameter}")


@dataclass(frozen=True, slots=True)
class PetabParameter:
    """A row of the parameter table.

    Parameters
    ----------
    id : str
    scale : {'lin', 'log', 'log10'}
        On which it is estimated.
    lower, upper, nominal : float
        On linear scale; the nominal value may be NaN where it is estimated.
    estimate : bool
    prior : Prior, optional
    """

    id: str
    scale: str
    lower: float
    upper: float
    nominal: float
    estimate: bool
    prior: Prior | None = None


@dataclass(frozen=True, slots=True)
class Observable:
    """A row of the observable table.

    Parameters
    ----------
    id : str
    formula, noise : sympy.Expr
        Of what is observed, and of the scale of its noise.
    scale : {'lin', 'log', 'log10'}
        On which the noise is additive.
    distribution : {'normal', 'laplace'}
    placeholders, noise_placeholders : tuple of str
        Names that each measurement fills.
    """

    id: str
    formula: sympy.Expr
    noise: sympy.Expr
    scale: str
    distribution: str
    placeholders: tuple[str, ...]
    noise_placeholders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of an experiment.

    Parameters
    ----------
    time : float
        When it begins; -inf: it runs until nothing changes any more.
    changes : tuple of (str, sympy.Expr)
        Quantities of the network that are set at its beginning, and to what, as the document counts them (amounts as amounts);
        all are computed before any is set.
    """

    time: float
    changes: tuple[tuple[str, sympy.Expr], ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """Periods in order of time."""

    id: str
    periods: tuple[Period, ...]


@dataclass(frozen=True, eq=False)
class PetabProblem:
    """A problem as its files give it.

    Parameters
    ----------
    name : str
    version : int
    model : ForeignModel
    parameters : mapping of str to PetabParameter
    observables : mapping of str to Observable
    experiments : mapping of str to Experiment
    measurements : pandas.DataFrame
        Columns observable, experiment, time, measurement, observable_parameters, noise_parameters (tuples of sympy.Expr).
    """

    name: str
    version: int
    model: ForeignModel
    parameters: Mapping[str, PetabParameter]
    observables: Mapping[str, Observable]
    experiments: Mapping[str, Experiment]
    measurements: pd.DataFrame

    @property
    def amounts(self) -> dict[str, str]:
        """Species of the network that the document counts as amounts, and their compartments."""
        own = (self.model.ids[name] for name in self.model.amounts)
        return {name: self.model.sizes[name] for name in own}

    @property
    def estimated(self) -> tuple[str, ...]:
        """Parameters to estimate, in the table's order."""
        return tuple(name for name, row in self.parameters.items() if row.estimate)

    def nominal(self) -> np.ndarray:
        """Return the nominal values of the estimated parameters, on their scales."""
        return np.array([scaled(self.parameters[name].nominal, self.parameters[name].scale) for name in self.estimated])

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the estimated parameters, on their scales."""
        rows = [self.parameters[name] for name in self.estimated]
        low, high = ([scaled(getattr(row, end), row.scale) for row in rows] for end in ("lower", "upper"))
        return np.array(low), np.array(high)


def scaled(value: float, scale: str) -> float:
    """A number on a scale."""
    with np.errstate(all="ignore"):
        return float({"lin": float, "log": np.log, "log10": np.log10}[scale](value))

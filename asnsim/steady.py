"""Steady states of a model: balanced growth in a held medium, its stability, and how it moves with the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asnsim.codegen import compile_system
from asnsim.equations import build_equations
from asnsim.errors import IntegrationError, ModelError, suggest
from asnsim.network import Network
from asnsim.running import absolute_tolerances, kernels_of
from asnsim.solvers import as_blocks, from_blocks, python_callable
from asnsim.solvers.steady_state import steady_state as solve

__all__ = ["Balance", "balanced_state"]


@dataclass(frozen=True, slots=True, eq=False)
class Balance:
    """A steady state of the states that were set free.

    Parameters
    ----------
    model : Network
        The model with this state as its initial values.
    free, held : tuple of str
        States solved for, and states kept at their values.
    eigenvalue : float
        Largest real part among the eigenvalues of the free block of the Jacobian, 1/h; negative: stable.
    message : str
        Method and verdict in words.
    theta : tuple of str
        Parameters of `slopes`.
    slopes : ndarray, shape (n_free, n_theta), or None
        d(state)/d(parameter), by the implicit function theorem: ``-J^-1 df/dtheta``.
    """

    model: Network
    free: tuple[str, ...]
    held: tuple[str, ...]
    eigenvalue: float
    message: str
    theta: tuple[str, ...] = ()
    slopes: np.ndarray | None = None

    @property
    def stable(self) -> bool:
        """Whether small disturbances die out."""
        return self.eigenvalue < 0

    def __getitem__(self, name: str) -> float:
        """Return a state's value."""
        return self.model.value(name)

    def slope(self, state: str, parameter: str) -> float:
        """Return d(state)/d(parameter)."""
        if self.slopes is None or parameter not in self.theta or state not in self.free:
            raise ModelError(f"there is no slope of '{state}' by '{parameter}'; ask for theta=('{parameter}',), of a free state")
        return float(self.slopes[self.free.index(state), self.theta.index(parameter)])


def _default_held(model: Network) -> tuple[str, ...]:
    """Everything outside the cytosol, the compartments themselves, and what only accumulates."""
    outside = [name for name in model.states if name in model.species and model.species[name].compartment != "cytosol"]
    sizes = [name for name in model.states if name in model.compartments]
    return (*outside, *sizes)


def balanced_state(model: Network, held: Sequence[str] | None = None, theta: Sequence[str] = ()) -> Balance:
    """Find the state in which pools and proteins of a cell stand still while it grows.

    Parameters
    ----------
    model : Network
        Starting point and numbers.
    held : sequence of str, optional
        States that keep their values; by default everything outside the cytosol and the compartments' sizes, so that cells
        grow in balance in a medium that does not change.
    theta : sequence of str
        Constants, or held states, to differentiate by.

    Returns
    -------
    Balance

    Raises
    ------
    ModelError
        If a name is unknown or nothing is left to solve for.
    IntegrationError
        If no steady state was found; carries the best point.
    """
    held = _default_held(model) if held is None else tuple(held)
    for name in held:
        if name not in model.states:
            raise ModelError(f"'{name}' is not a state of model '{model.name}'{suggest(name, model.states)}")
    free = tuple(name for name in model.states if name not in held)
    if not free:
        raise ModelError("every state is held; leave some to solve for")
    for name in theta:
        model.check_name(name)
        if name in free:
            raise ModelError(f"'{name}' is solved for; differentiate by constants or held states")
    system = build_equations(model)
    code = compile_system(system, tuple(theta))
    kernels = kernels_of(code)
    x0, c = system.arrays(model)
    index = np.array([system.states.index(name) for name in free])
    answer = solve(kernels, x0, code.prepare(c), absolute_tolerances(model, 1e-8), free=index)
    state = dict(zip(system.states, map(float, answer.x), strict=True))
    if not answer.converged:
        raise IntegrationError(f"model '{model.name}': {answer.message}", 0.0, state)
    slopes = _slopes(system, code, answer.x, code.prepare(c), index, tuple(theta)) if theta else None
    found = model.with_parameters({name: max(value, 0.0) if name in model.species else value for name, value in state.items()})
    return Balance(found, free, held, answer.eigenvalues_max_real, answer.message, tuple(theta), slopes)


def _slopes(system, code, x, c, index, theta) -> np.ndarray:
    n = system.n
    entries, jacobian, blocks = np.zeros(len(code.pattern)), np.zeros((n, n)), as_blocks(np.zeros((n, len(theta))))
    python_callable(code.address("jac"))(0.0, x, c, entries)
    jacobian[tuple(code.pattern.T)] = entries
    python_callable(code.address("dfdp"))(0.0, x, c, blocks)
    explicit = from_blocks(blocks, n, len(theta))
    for k, name in enumerate(theta):
        if name in system.states:
            explicit[:, k] = jacobian[:, system.states.index(name)]
    return -np.linalg.solve(jacobian[np.ix_(index, index)], explicit[index])

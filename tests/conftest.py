"""What all tests share: a repeatable hypothesis profile, numbers with units, and a tiny network to check against closed forms."""

import pytest
from hypothesis import settings

from asnsim.composition import compose
from asnsim.network import Module, Parameter, Reaction, Species, symbols
from asnsim.solvers import NDF
from asnsim.units import unit

settings.register_profile("asnsim", deadline=None, max_examples=60, derandomize=True, database=None)
settings.load_profile("asnsim")


def _numbers(**values):
    """``a=(10.0, 'umol/L')`` -> Parameter, the number taken as canonical."""
    return {name: Parameter(name, value, text, unit(text).dimension) for name, (value, text) in values.items()}


@pytest.fixture(scope="session")
def numbers():
    return _numbers


@pytest.fixture(scope="session")
def one_compartment():
    """A drug in one compartment: amount A = C V, dC/dt = -k C. Closed forms are textbook."""
    a, k, V = symbols("a k V")
    module = Module("elimination", (Reaction("loss", "a =>", k * a * V),))
    return compose("one", [module], {"a": Species("a", "drug", "V")}, _numbers(a=(0.0, "U/L"), k=(0.2, "1/h"), V=(4.0, "L")))


@pytest.fixture(scope="session")
def tight():
    return NDF(rtol=1e-10)

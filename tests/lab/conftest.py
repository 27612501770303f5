"""What the laboratory's tests share: runs with known pools, and where the real files are."""

import math
import os
from pathlib import Path

import pytest
from scipy.special import lambertw

POOLS = {
    "asn_c": 1000.0,
    "asp_c": 3000.0,
    "gln_c": 5000.0,
    "glu_c": 10000.0,
    "ser_c": 1200.0,
    "arg_c": 300.0,
    "his_c": 310.0,
    "leu_c": 400.0,
    "orn_c": 200.0,
    "asn_e": 378.0,
    "asp_e": 150.0,
    "gln_e": 2000.0,
    "glu_e": 100.0,
    "ser_e": 280.0,
    "arg_e": 1000.0,
    "his_e": 90.0,
    "leu_e": 380.0,
    "orn_e": 80.0,
}


class ConstantRun:
    """A culture whose pools never change: what comes back must be what went in."""

    def __init__(self, pools=None, cells=1e6, water_per_cell=1.4e-12):
        self.pools, self.cells, self.water = dict(pools or POOLS), cells, water_per_cell

    def at(self, t):
        return {**self.pools, "cells": self.cells}

    def has(self, name):
        return False

    def volume(self, compartment, t):
        return self.cells * self.water if compartment == "cytosol" else 2e-3

    def advance(self, t, duration, scale=None):
        return self.at(t)


class MichaelisMentenTube(ConstantRun):
    """A culture with asparaginase: on the bench, asn_e falls by Michaelis-Menten until the quench (closed form: Lambert W)."""

    def __init__(self, vmax_per_hour, km=15.0, **options):
        super().__init__(**options)
        self.vmax, self.km = vmax_per_hour, km

    def has(self, name):
        return name == "kcat_asnase"

    def advance(self, t, duration, scale=None):
        state = self.at(t)
        start = state["asn_e"]
        fall = self.vmax * scale["kcat_asnase"] * duration
        state["asn_e"] = self.km * float(lambertw(start / self.km * math.exp((start - fall) / self.km)).real)
        return state


@pytest.fixture(scope="session")
def pools():
    """True pools, umol/L."""
    return dict(POOLS)


@pytest.fixture(scope="session")
def culture():
    """Class of runs whose pools never change."""
    return ConstantRun


@pytest.fixture(scope="session")
def tube():
    """Class of runs in which asparaginase works on."""
    return MichaelisMentenTube


@pytest.fixture(scope="session")
def lcms_data():
    """The folder of real LC-MS files, or a skip that says why."""
    folder = Path(os.environ.get("ASNSIM_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "lcms"
    if not folder.is_dir():
        pytest.skip("the real LC-MS files are not here; set ASNSIM_SHARED to the folder that holds data/lcms")
    return folder

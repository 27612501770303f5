"""The public face: names, import time, printed pages, published experiments."""

import math
import subprocess
import sys

import numpy as np
import pytest

import asnsim
from asnsim.errors import DataError
from asnsim.io.pages import stale_pages
from asnsim.library import list_overlays, list_recipes, load_model
from asnsim.studies import PROTOCOLS, observations, published_problem


def test_every_public_name_exists_and_the_list_is_sorted():
    names = [name for name in asnsim.__all__ if name != "__version__"]
    assert names == sorted(names)
    for name in names:
        assert getattr(asnsim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'simulte'"):
        _ = asnsim.simulte


def test_fit_and_quantify_are_packages_and_functions():
    import asnsim.fit
    import asnsim.quantify

    assert callable(asnsim.fit) and asnsim.fit.FitProblem is asnsim.FitProblem
    assert callable(asnsim.quantify) and asnsim.quantify.Method


def test_import_is_light():
    """Nothing heavy is imported; a list of modules, not a stopwatch."""
    code = (
        "import sys, asnsim; print([m for m in ('numpy', 'sympy', 'numba', 'pandas', 'tellurium', 'pint') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_simulation_needs_no_extra():
    code = (
        "import sys, asnsim; m = asnsim.load_model('teaching'); asnsim.simulate(m, until=1.0); "
        "print([x for x in ('pyopenms', 'tellurium', 'roadrunner', 'antimony', 'libsbml', 'distributed', 'zarr', 'matplotlib') if x in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_printed_pages_are_fresh():
    assert stale_pages() == [], "the printed pages are stale; print them again with: make pages"


def test_the_issue_of_overlays_is_there():
    assert {"teaching", "cell", "dosing"} <= set(list_recipes())
    assert {"dmem", "rpmi", "all_low_asns", "solid_143b", "pegaspargase"} <= set(list_overlays())


def test_143b_overlay_agrees_with_the_base_it_was_fitted_with():
    base, line = load_model("cell"), load_model("cell", "solid_143b")
    for name in ("asns_abundance", "translation_abundance", "cell_volume", "cytosol", "apoptotic_priming", "asns"):
        assert base.value(name) == pytest.approx(line.value(name), rel=1e-12)


def test_shipped_cell_model_meets_the_rows_it_was_fitted_to():
    frame, data = observations()
    problem = published_problem(["Vmax_got"], prior=None)
    predicted = problem.predict(problem.nominal).values
    log_ratio = np.log(predicted / data.table["value"].to_numpy())
    assert np.all(np.abs(log_ratio) <= 2 * frame["sd_log"].to_numpy()), frame.assign(predicted=predicted).to_string()
    steps = frame[frame["row"] == "V07"].index
    assert math.log2(predicted[steps[1]] / predicted[steps[0]]) == pytest.approx(math.log2(10270 / 49), abs=0.5)


def test_observation_rows_have_sources_and_protocols():
    frame, _ = observations()
    assert (frame["source"].str.len() > 5).all()
    assert set(frame["protocol"]) == set(PROTOCOLS)
    with pytest.raises(DataError, match="did you mean 'V07'"):
        observations(["V077"])

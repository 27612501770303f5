"""Figures: what is drawn, its units and axes, and files written whole."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

import asnsim
from asnsim import plots
from asnsim.errors import AsnsimError, DataError, ModelError


@pytest.fixture(scope="module")
def run():
    regimen = asnsim.Regimen.single("1000 U", into="asnase_e", time="1 d")
    return asnsim.simulate(asnsim.load_model("teaching"), regimen, until="7 d")


def _good_png(path):
    with Image.open(path) as picture:
        picture.load()
        assert min(picture.size) > 200
        assert len(set(picture.convert("L").tobytes())) > 20, "the picture is not blank"


def test_trajectory_axes(run, tmp_path):
    figure = plots.plot_trajectory(run, ["asn_e", "asn_c", "asnase_e", "atf4", "asn_e"], tmp_path / "new/run.png")
    panels = [axes for axes in figure.axes if axes.axison]
    titles = [axes.get_title("left") for axes in panels]
    assert titles == ["asn_e", "asn_c", "asnase_e", "atf4"], "a name asked twice is drawn once"
    assert [axes.get_ylabel() for axes in panels] == ["µmol/L", "µmol/L", "U/L", "fold"]
    assert panels[-1].get_xlabel() == "time [d]", "seven days are shown in days"
    assert panels[0].get_yscale() == "log", "depletion spans more than three decades"
    assert panels[1].get_yscale() == "linear"
    assert panels[2].get_yscale() == "linear", "a quantity that is zero has no logarithm"
    curve, dose = panels[0].lines[-1], panels[0].lines[0]
    np.testing.assert_allclose(curve.get_ydata(), run["asn_e"])
    assert list(dose.get_xdata()) == [1.0, 1.0], "a thin line marks the dose"
    _good_png(tmp_path / "new/run.png")
    assert [item.name for item in (tmp_path / "new").iterdir()] == ["run.png"]


def test_time_in_hours_and_minutes():
    model = asnsim.load_model("teaching")
    for until, words in (("48 h", "time [h]"), ("30 min", "time [min]")):
        figure = plots.plot_trajectory(asnsim.simulate(model, until=until, times=[0.0, 0.25]), ["asn_c"])
        assert figure.axes[0].get_xlabel() == words


def test_constant_is_drawn_flat(run):
    figure = plots.plot_trajectory(run, ["medium"])
    low, high = figure.axes[0].get_ylim()
    assert low < 1.0 < high and high - low < 0.5


def test_names_are_checked(run):
    with pytest.raises(ModelError, match="did you mean 'asn_e'"):
        plots.plot_trajectory(run, ["asn_ee"])
    with pytest.raises(AsnsimError, match="at least one name"):
        plots.plot_trajectory(run, [])


@pytest.mark.parametrize("name", ["a.gif", "a"])
def test_wrong_format(run, tmp_path, name):
    with pytest.raises(DataError, match="a figure is written as .png"):
        plots.plot_trajectory(run, ["asn_e"], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        plots.save(Figure(), tmp_path / "file/a.png")


def _fake_dosing(cells, activity=1.0):
    """A run as plot_depletion reads it."""
    t = np.array([0.0, 24.0, 24.0, 240.0, 720.0])
    drug = activity * np.array([0.0, 0, 1400, 300, 5])
    values = {"asnase_p": drug, "asn_p": np.array([50.0, 50, 50, 0.05, 20]), "cells": cells}

    class Run(dict):
        pass

    one = Run(values)
    one.t = t
    return one


def test_depletion(tmp_path):
    runs = {"dies": _fake_dosing(np.array([5e7, 6e7, 6e7, 1e5, 0.0])), "lives": _fake_dosing(np.array([5e7, 6e7, 6e7, 8e8, 1e9]))}
    figure = plots.plot_depletion(runs, tmp_path / "d.png")
    activity, plasma, cells = figure.axes
    solid = [line for line in activity.lines if len(line.get_xdata()) == 5]
    assert len(solid) == 1, "runs that share the drug share one line"
    assert len([line for line in cells.lines if len(line.get_xdata()) == 5]) == 2
    assert [text.get_text() for text in cells.get_legend().get_texts()] == ["dies", "lives"]
    assert cells.get_ylim()[0] > 0.1, "fewer cells than one is gone"
    assert plasma.get_yscale() == "log" and cells.get_xlim() == (0.0, 30.0)
    _good_png(tmp_path / "d.png")
    runs["other drug"] = _fake_dosing(np.array([5e7, 6e7, 6e7, 8e8, 1e9]), activity=0.5)
    figure = plots.plot_depletion(runs)
    assert len([line for line in figure.axes[0].lines if len(line.get_xdata()) == 5]) == 3
    with pytest.raises(AsnsimError):
        plots.plot_depletion({})


def _fake_fit(**more):
    table = pd.DataFrame({
        "experiment": ["a", "a", "b", "b"], "time": [0.0, 24.0, 0.0, 24.0], "observable": ["asn_c", "asn_e", "asn_c", "asn_c"],
        "value": [50.0, 10.0, 60.0, 40.0], "sd": [5.0, 1.0, 6.0, 4.0], "predicted": [52.0, 13.0, 55.0, 41.0],
    })
    return SimpleNamespace(
        free=("Vmax", "Km", "k"), x=np.array([3000.0, 20.0, 0.1]), lower=np.array([2500.0, 15.0, 0.0]),
        upper=np.array([3600.0, 28.0, np.inf]), residuals=table, units=("umol/L/h", "umol/L", "1/h"), **more,
    )


def test_fit(tmp_path):
    figure = plots.plot_fit(_fake_fit(), tmp_path / "f.png", truth={"Vmax": 3300.0})
    scatter, residuals, intervals = figure.axes
    assert scatter.get_xscale() == "log"
    largest = max(abs(y) for line in residuals.lines if line.get_marker() != "None" for y in line.get_ydata())
    assert largest == pytest.approx(3.0), "without a residual column it is (predicted - value)/sd"
    assert [label.get_text().split("\n")[0] for label in intervals.get_yticklabels()] == ["Vmax", "Km", "k"]
    crosses = [line for line in intervals.lines if line.get_marker() == "x"]
    assert len(crosses) == 1 and crosses[0].get_xdata()[0] == pytest.approx(1.1)
    low, high = intervals.get_xlim()
    assert 0 < low < 15 / 20 and 28 / 20 < high < 100, "an interval without end does not stretch the axis"
    _good_png(tmp_path / "f.png")


def test_fit_takes_truth_and_residuals_from_the_result():
    result = _fake_fit(truth={"Km": 18.0})
    result.residuals["residual"] = [0.1, -4.0, 0.2, 0.3]
    result.residuals.loc[0, "predicted"] = -1.0
    figure = plots.plot_fit(result)
    assert figure.axes[0].get_xscale() == "linear", "a negative prediction has no logarithm"
    assert figure.axes[1].get_ylim()[0] < -4.0
    assert any(line.get_marker() == "x" for line in figure.axes[2].lines)


def _injection(name, kind, matrix="", height=1e4, ids=("asn.quantifier", "asn.IS", "asp.quantifier")):
    time = np.linspace(780.0, 870.0, 90)
    peak = np.exp(-0.5 * ((time - 828) / 5) ** 2)
    heights = [2e4 if one.endswith("IS") else height for one in ids]
    traces = tuple(
        SimpleNamespace(native_id=f"+ SRM {one}", time=time, intensity=top * peak) for one, top in zip(ids, heights, strict=True)
    )
    return SimpleNamespace(sample=SimpleNamespace(name=name, type=kind, matrix=matrix, level=""), chromatograms=traces)


def test_batch(tmp_path):
    batch = SimpleNamespace(injections=(
        _injection("Blank_1", "Blank", height=10.0), _injection("high", "Standard", height=1e6),
        _injection("low", "Standard", height=1e3), _injection("middle", "Standard"),
        _injection("c1", "Unknown", "cells"), _injection("c2", "Unknown", "cells"),
        _injection("m1", "Unknown", "medium"),
    ))
    figure = plots.plot_batch(batch, tmp_path / "b.png")
    rows = [axes.get_ylabel().split("\n")[0] for axes in figure.axes if axes.get_ylabel()]
    assert rows[:3] == ["Blank_1", "low", "high"] and set(rows[3:]) == {"c1", "m1"}
    assert len(figure.axes) == 2 * 5, "one column per analyte"
    assert figure.axes[0].get_yscale() == "log" and len(figure.axes[0].lines) == 2 and len(figure.axes[1].lines) == 1
    _good_png(tmp_path / "b.png")
    assert len(plots.plot_batch(batch, samples=["c2"], analytes=["asp"]).axes) == 1
    with pytest.raises(DataError, match="none of the injections"):
        plots.plot_batch(batch, samples=["c3"])
    foreign = SimpleNamespace(injections=(_injection("x", "Unknown", ids=("Q1=133 Q3=74",)),))
    assert len(plots.plot_batch(foreign).axes) == 1, "traces without a role are drawn as they come"


def test_quantification_and_crosscheck(tmp_path):
    table = pd.DataFrame({
        "sample_type": ["Unknown", "Unknown", "QC"], "analyte": ["asn", "asn", "asn"], "matrix": ["cells", "medium", ""],
        "time_h": [1.0, np.nan, np.nan], "value": [5.0, 6.0, 7.0], "lower": [4.0, 5.0, 6.0], "upper": [7.0, 7.0, 8.0],
        "unit": ["umol/L"] * 3,
    })
    figure = plots.plot_quantification(SimpleNamespace(table=table), tmp_path / "q.png")
    assert [axes.get_title("left") for axes in figure.axes] == ["asn, cells", "asn, medium"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["time [h]", "sample"]
    with pytest.raises(DataError, match="no quantified unknown"):
        plots.plot_quantification(SimpleNamespace(table=table[2:]))
    check = SimpleNamespace(
        model="m", rtol=1e-8, table=lambda: pd.DataFrame({"state": ["a", "b"], "deviation": [1e-6, 0.0]})
    )
    figure = plots.plot_crosscheck(check, tmp_path / "c.png")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["b", "a"], "worst on top"
    _good_png(tmp_path / "c.png")


def test_no_global_state():
    code = "import sys, asnsim.plots; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"

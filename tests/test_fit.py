"""Fits against closed forms, and what they say when the data cannot tell."""

import math

import numpy as np
import pandas as pd
import pytest

from asnsim.composition import compose
from asnsim.culture import preculture
from asnsim.errors import AsnsimError, DataError, DoseError, FitError, ModelError, UnitError
from asnsim.fit import Experiment, FitProblem, Observable, fit, read_problem
from asnsim.library import load_model
from asnsim.measurements import Measurements
from asnsim.network import Module, Parameter, symbols
from asnsim.solvers import NDF
from asnsim.units import unit


def parameter(name, value, text="1/h", **more):
    return Parameter(name, value, text, unit(text).dimension, **more)


def decay(k=0.3, y0=2.0, with_product=False):
    """y' = -k y (or -a b y, where only the product can be known)."""
    y, rate, a, b, unused = symbols("y k a b unused")
    rates = {"y": -(a * b if with_product else rate) * y, "z": unused * 0 - unused * symbols("z")[0]}
    numbers = {
        "y": parameter("y", y0, "1"),
        "z": parameter("z", 1.0, "1"),
        "unused": parameter("unused", 1.0),
        "k": parameter("k", k),
        "a": parameter("a", k),
        "b": parameter("b", 1.0, "1"),
    }
    return compose("decay", [Module("decay", rates=rates)], {}, numbers)


TIMES = np.array([0.5, 1.0, 2.0, 4.0, 8.0])


def data_of(values, sd=0.01, name="y", experiment="one", covariance=None):
    frame = pd.DataFrame({"experiment": experiment, "time": TIMES, "observable": name, "value": values, "sd": sd, "unit": "1"})
    return Measurements.from_frame(frame, covariance)


def exact(k=0.3, y0=2.0):
    return y0 * np.exp(-k * TIMES)


def test_rate_constant_and_its_interval_match_the_linearised_closed_form():
    problem = FitProblem([Experiment("one", decay(k=0.9))], data_of(exact()), ["k"], solver=NDF(rtol=1e-10))
    result = fit(problem, starts=3, seed=2)
    assert result.x[0] == pytest.approx(0.3, rel=1e-6)
    slope = -TIMES * exact() * 0.3  # d y / d log k
    assert result.sd_log[0] == pytest.approx(0.01 / np.linalg.norm(slope), rel=1e-5)
    assert result.lower[0] < 0.3 < result.upper[0]
    assert result.verdicts == ("identifiable",)
    assert result.success and result.cost < 1e-8
    assert len(result.starts) == 3 and all(start.message for start in result.starts)


def test_initial_value_is_fitted_too():
    problem = FitProblem([Experiment("one", decay(k=0.5, y0=1.0))], data_of(exact()), ["k", "y"], solver=NDF(rtol=1e-10))
    result = fit(problem, starts=1)
    assert result.values() == pytest.approx({"k": 0.3, "y": 2.0}, rel=1e-6)


def test_only_a_product_is_identifiable_and_the_verdict_names_the_partner():
    result = fit(FitProblem([Experiment("one", decay(with_product=True))], data_of(exact()), ["a", "b"]), starts=1)
    assert "b" in result.verdicts[0] and "not identifiable" in result.verdicts[0]
    assert "a" in result.verdicts[1]
    assert np.prod(result.x) == pytest.approx(0.3, rel=1e-4)
    assert math.isinf(result.upper[0])


def test_a_parameter_without_influence_is_named():
    result = fit(FitProblem([Experiment("one", decay())], data_of(exact()), ["k", "unused"]), starts=1)
    assert result.verdicts[0] == "identifiable"
    assert "do not depend" in result.verdicts[1]
    assert result.lower[1] == 0.0 and math.isinf(result.upper[1])


def test_an_estimate_at_its_bound_is_named():
    problem = FitProblem([Experiment("one", decay(k=0.7))], data_of(exact()), ["k"], bounds={"k": (0.5, 2.0)})
    assert fit(problem, starts=1).verdicts == ("at its lower bound",)


def test_loose_data_and_priors_are_told_apart():
    loose = data_of(exact(), sd=50.0)
    assert "practically" in fit(FitProblem([Experiment("one", decay())], loose, ["k"]), starts=1).verdicts[0]
    held = fit(FitProblem([Experiment("one", decay())], loose, ["k"], priors={"k": 0.2}), starts=1)
    assert "held by its prior" in held.verdicts[0]
    assert held.sd_log[0] == pytest.approx(0.2, rel=1e-3)


def test_shared_error_widens_the_interval_of_what_it_touches():
    sd = 0.02
    independent = FitProblem([Experiment("one", decay())], data_of(exact(), sd), ["y"])
    shared = data_of(exact(), covariance=np.diag(np.full(5, sd**2)) + np.outer(0.05 * exact(), 0.05 * exact()))
    wide = fit(FitProblem([Experiment("one", decay())], shared, ["y"]), starts=1)
    narrow = fit(independent, starts=1)
    assert wide.sd_log[0] == pytest.approx(math.hypot(narrow.sd_log[0], 0.05), rel=1e-3)


def test_log_scale_and_fold_changes():
    fold = exact() / 2.0
    observables = {"fold": Observable("y", "log", relative_to=0.0)}
    problem = FitProblem(
        [Experiment("one", decay(k=0.6, y0=7.0), observables=observables)],
        data_of(fold, 0.1 * fold, "fold"),
        ["k", "y"],
        solver=NDF(rtol=1e-10),
    )
    result = fit(problem, starts=1)
    assert result.x[0] == pytest.approx(0.3, rel=1e-6)
    assert "do not depend" in result.verdicts[1]  # a fold change cannot know the initial value
    assert result.sd_log[0] == pytest.approx(0.1 / np.linalg.norm(0.3 * TIMES), rel=1e-5)


def test_two_experiments_share_a_parameter_unless_it_is_fixed():
    parts = Measurements.concat([data_of(exact(0.3)), data_of(exact(0.6), experiment="two")])
    one, two = Experiment("one", decay()), Experiment("two", decay(k=0.6), fixed=("k",))
    assert fit(FitProblem([one, two], parts, ["k"]), starts=1).x[0] == pytest.approx(0.3, rel=1e-5)
    compromise = fit(FitProblem([one, Experiment("two", decay())], parts, ["k"]), starts=1).x[0]
    assert 0.31 < compromise < 0.59


def test_gradient_of_the_cell_problem_agrees_with_differences():
    model = load_model("cell", "rpmi")
    free = ["Vmax_snat2", "Vmax_asn_carrier", "asns_capacity", "Km_asns_asp"]
    frame = pd.DataFrame(
        {
            "experiment": "c",
            "time": [1.0, 6.0, 6.0],
            "observable": ["asn_c", "asn_e", "asn_translation"],
            "value": [1000.0, 300.0, 1500.0],
            "sd": [100.0, 10.0, 100.0],
        }
    )
    experiment = Experiment("c", model, preculture(model, "20 h"), {"asn_c": Observable("asn_c", "log")})
    problem = FitProblem([experiment], Measurements.from_frame(frame), free, solver=NDF(rtol=1e-10))
    point = np.log(problem.nominal)
    _, jacobian = problem.residuals(point)
    for k in range(len(free)):
        step = np.zeros(len(free))
        step[k] = 1e-4
        difference = (problem.residuals(point + step, False)[0] - problem.residuals(point - step, False)[0]) / 2e-4
        assert difference == pytest.approx(jacobian[:, k], rel=1e-4, abs=1e-5 * np.abs(jacobian).max())


def test_same_seed_same_answer():
    def run(seed):
        problem = FitProblem([Experiment("one", decay(k=0.9))], data_of(exact()), ["k", "y"])
        return np.array([start.x0 for start in fit(problem, starts=4, seed=seed).starts])

    assert np.array_equal(run(5), run(5))
    assert not np.array_equal(run(5), run(6))


def test_a_failing_simulation_is_a_refused_step_not_a_crash():
    y, k = symbols("y k")
    blow = compose("blow", [Module("m", rates={"y": k * y * y})], {}, {"y": parameter("y", 1.0, "1"), "k": parameter("k", 0.05)})
    values = 1 / (1 - 0.05 * TIMES)
    problem = FitProblem([Experiment("one", blow)], data_of(values), ["k"], bounds={"k": (1e-3, 10.0)})
    result = fit(problem, starts=6, seed=3, spread=1.0)
    assert result.x[0] == pytest.approx(0.05, rel=1e-4)
    assert any("failed" in start.message for start in result.starts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(free=["kk"]), "did you mean 'k'"),
        (dict(free=[]), "at least one free parameter"),
        (dict(free=["k", "k"]), "twice"),
        (dict(data=data_of(exact(), name="asn_x")), "does not compute"),
        (dict(data=data_of(exact(), experiment="ones")), "did you mean 'one'"),
        (dict(priors={"y": 1.0}), "not free"),
        (dict(bounds={"k": (2.0, 1.0)}), "below the upper"),
        (dict(experiments=[Experiment("one", decay()), Experiment("one", decay())]), "same name"),
        (dict(experiments=[Experiment("one", decay()), Experiment("two", decay())]), "no data"),
        (dict(experiments=[Experiment("one", decay(k=0.0))]), "only positive"),
    ],
)
def test_badly_posed_problems_are_one_sentence(change, words):
    fields = dict(experiments=[Experiment("one", decay())], data=data_of(exact()), free=["k"]) | change
    with pytest.raises(AsnsimError, match=words) as caught:
        FitProblem(**fields)
    assert "\n" not in str(caught.value)


def test_negative_values_have_no_logarithm():
    experiment = Experiment("one", decay(), observables={"y": Observable("y", "log")})
    with pytest.raises(FitError, match="no logarithm"):
        FitProblem([experiment], data_of(exact() - 1.9), ["k"])


PROBLEM = """
data = "data.csv"
free = ["Vmax_uptake"]
[[experiment]]
name = "lesson"
recipe = "teaching"
set = {{ asn_e = "30 uM" }}
doses = ["{dose}"]
"""


def write_problem(folder, text, dose="100 U into asnase_e at 2 h", observable="asn_c"):
    (folder / "problem.toml").write_text(text.format(dose=dose))
    (folder / "data.csv").write_text(
        f"experiment,time,observable,value,sd\nlesson,1,{observable},700,10\nlesson,6,{observable},500,10\n"
    )
    return folder / "problem.toml"


def test_problem_file_is_read(tmp_path):
    problem = read_problem(write_problem(tmp_path, PROBLEM))
    experiment = problem.experiments[0]
    assert experiment.model.value("asn_e") == 30.0
    assert experiment.regimen.doses[0].time == 2.0
    assert fit(problem, starts=1).n == 2


@pytest.mark.parametrize(
    ("text", "more", "error", "words"),
    [
        (PROBLEM.replace("free", "fre"), {}, DataError, "did you mean 'free'"),
        (PROBLEM.replace('"30 uM"', '"30 h"'), {}, UnitError, "umol / L is needed"),
        (PROBLEM.replace("asn_e =", "asn_ee ="), {}, ModelError, "did you mean 'asn_e'"),
        (PROBLEM, {"dose": "-5 U into asnase_e"}, DoseError, "must be positive"),
        (PROBLEM, {"dose": "5 U asnase_e"}, DoseError, "is not a dose"),
        (PROBLEM, {"observable": "gnl_c"}, FitError, "does not compute"),
        (PROBLEM.replace("data.csv", "nothing.csv"), {}, DataError, "no such file"),
        (PROBLEM.replace('recipe = "teaching"', ""), {}, DataError, "lacks 'recipe'"),
    ],
)
def test_wrong_problem_files_are_one_sentence(tmp_path, text, more, error, words):
    with pytest.raises(error, match=words) as caught:
        read_problem(write_problem(tmp_path, text, **more))
    assert "\n" not in str(caught.value)

"""Designs against closed forms, brute force and the information of a fit; their plan is one that the laboratory can follow."""

import itertools

import numpy as np
import pandas as pd
import pytest
from commands import good, is_png, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from asnsim import Regimen, load_model
from asnsim.composition import compose
from asnsim.errors import FitError
from asnsim.fit import Candidate, Experiment, FitProblem, Observable, candidates_at, choose_samples, fit, information
from asnsim.fit.exchange import Parts, Search
from asnsim.fit.optimal import SEQUENCE
from asnsim.measurements import Measurements
from asnsim.network import Module, Parameter, symbols
from asnsim.plots_design import plot_design
from asnsim.solvers import NDF
from asnsim.units import unit

TIGHT = NDF(rtol=1e-10)


def parameter(name, value, text="1"):
    return Parameter(name, value, text, unit(text).dimension)


def decay(k=0.25, y0=2.0):
    """y' = -k y."""
    y, rate = symbols("y k")
    return compose("decay", [Module("decay", rates={"y": -rate * y})], {}, {"y": parameter("y", y0), "k": parameter("k", k, "1/h")})


def line(slope=0.5, y0=1.0):
    """y' = b."""
    b = symbols("b")[0]
    return compose("line", [Module("line", rates={"y": b})], {}, {"y": parameter("y", y0), "b": parameter("b", slope, "1/h")})


def product():
    """y' = -a b y: the product alone can be known."""
    y, a, b = symbols("y a b")
    numbers = {"y": parameter("y", 2.0), "a": parameter("a", 0.25, "1/h"), "b": parameter("b", 1.0)}
    return compose("product", [Module("product", rates={"y": -a * b * y})], {}, numbers)


GRID = np.arange(0.0, 12.25, 0.5)
ONE = Experiment("one", decay())
CONSTANT = candidates_at(ONE, GRID, ("y",), absolute=0.01, replicates=4)


def taken(design):
    return [(one.time, n) for one, n in design.chosen]


def test_d_optimal_for_a_decay_is_the_start_and_one_time_constant_later():
    """Box & Lucas 1959, Biometrika 46, 77: t1 = 0 and t2 = t1 + 1/k; more samples are repeats of these."""
    assert taken(choose_samples(CONSTANT, ["k", "y"], 2)) == [(0.0, 1), (4.0, 1)]
    assert taken(choose_samples(CONSTANT, ["k", "y"], 6)) == [(0.0, 3), (4.0, 3)]
    later = [one for one in CONSTANT if one.time >= 1.0]
    design = choose_samples(later, ["k", "y"], 2, solver=TIGHT)
    assert taken(design) == [(1.0, 1), (5.0, 1)]
    y = 2.0 * np.exp(-0.25 * np.array([1.0, 5.0]))
    jacobian = np.column_stack([-0.25 * np.array([1.0, 5.0]) * y, y]) / 0.01
    assert design.value == pytest.approx(np.linalg.slogdet(jacobian.T @ jacobian)[1], rel=1e-7)
    assert design.covariance == pytest.approx(np.linalg.inv(jacobian.T @ jacobian), rel=1e-5)
    assert choose_samples(CONSTANT, ["k"], 3).chosen[0][0].time == 4.0  # with the start known, all at 1/k


def test_proportional_errors_put_the_samples_at_the_ends():
    assert taken(choose_samples(candidates_at(ONE, GRID, ("y",), relative=0.1, replicates=4), ["k", "y"], 6)) == [(0.0, 3), (12.0, 3)]


def test_c_optimal_for_a_line():
    some = candidates_at(Experiment("line", line()), np.arange(0.0, 6.1), ("y",), absolute=0.1, replicates=8)
    design = choose_samples(some, ["b", "y"], 8, "c", "b")
    assert taken(design) == [(0.0, 4), (6.0, 4)]
    assert design.value == pytest.approx(0.1**2 / (8 * 3.0**2) / 0.5**2, rel=1e-6)  # sigma^2 over the sum of squares of t, log scale
    start = choose_samples(some, ["b", "y"], 8, "c", {"y": 1.0})  # singular, and yet the best: the slope is not asked for
    assert taken(start) == [(0.0, 8)] and start.value == pytest.approx(0.1**2 / 8, rel=1e-6)
    assert np.isinf(start.sd_log[0]) and start.sd_log[1] == pytest.approx(0.1 / np.sqrt(8), rel=1e-6)
    # the value at 3 h is y + 3 b: any design centred there tells it as well as 8 samples at 3 h, and none better
    middle = choose_samples(some, ["b", "y"], 8, "c", {"y": 1.0, "b": 1.5})
    assert middle.value == pytest.approx(0.1**2 / 8, rel=1e-6)
    assert np.average([time for time, _ in taken(middle)], weights=[n for _, n in taken(middle)]) == pytest.approx(3.0)


def worth(found, criterion, weights):
    """The criterion, larger is better, from information by plain linear algebra."""
    if criterion == "D":
        return np.mean([np.linalg.slogdet(one)[1] for one in found])
    covariances = [np.linalg.inv(one) for one in found]
    return -np.mean([np.trace(one) if criterion == "A" else weights @ one @ weights for one in covariances])


TEACHING = Experiment("teaching", load_model("teaching"), Regimen.single("20 U", "asnase_e", 2.0))
FREE = ("Vmax_uptake", "Vmax_asns", "k_efflux")
ERRORS = dict(relative={"asn_c": 0.1, "asn_e": 0.05}, absolute={"asn_c": 1.0, "asn_e": 0.5}, shared={"asn_c": 0.2, "asn_e": 0.1})
LAB = candidates_at(TEACHING, (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 24.0), ("asn_c", "asn_e"), replicates=3, **ERRORS)


@pytest.mark.parametrize("criterion", ["D", "A", "c"])
@pytest.mark.parametrize("several", [False, True])
def test_exchange_finds_the_best_of_all_subsets(criterion, several):
    once = [Candidate(one.experiment, one.time, one.observables, 1, **ERRORS) for one in LAB]
    nominal = np.array([TEACHING.model.value(name) for name in FREE])
    draws = nominal * np.exp(0.4 * np.random.default_rng(3).standard_normal((3, 3))) if several else nominal[None]
    weights, target = np.array([1.0, -1.0, 0.0]), {"Vmax_uptake": 1.0, "Vmax_asns": -1.0} if criterion == "c" else None
    design = choose_samples(once, FREE, 3, criterion, target, {"k_efflux": 1.0}, draws if several else None)
    values = {}
    for some in itertools.combinations(range(len(once)), 3):
        values[some] = worth([information([once[k] for k in some], FREE, priors={"k_efflux": 1.0}, p=p) for p in draws], criterion, weights)
    assert tuple(np.flatnonzero(design.counts)) == max(values, key=values.get)
    sign = 1.0 if criterion == "D" else -1.0
    assert sign * design.value == pytest.approx(max(values.values()), rel=1e-6)


def joint_problem(experiments, candidates, counts, sd_of, observables_log=(), **options):
    """The fit of the same samples, its covariance written down element by element."""
    records, vectors, own = [], {}, []
    for one, n in zip(candidates, counts, strict=True):
        for _ in range(n):
            for name in one.observables:
                value = sd_of(one, name)
                own.append((one.error("relative", name) * value) ** 2 + one.error("absolute", name) ** 2)
                vectors.setdefault((one.batch, name), {})[len(records)] = one.error("shared", name) * value
                records.append((one.experiment.name, one.time, name, value))
    covariance = np.diag(own)
    for vector in vectors.values():
        dense = np.zeros(len(own))
        dense[list(vector)] = list(vector.values())
        covariance += np.outer(dense, dense)
    frame = pd.DataFrame(records, columns=["experiment", "time", "observable", "value"]).assign(sd=np.sqrt(np.diag(covariance)))
    return FitProblem(experiments, Measurements.from_frame(frame, covariance), FREE, **options)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_information_is_that_of_a_fit_with_shared_errors(scale):
    from asnsim import simulate

    observables = {name: Observable(name, scale) for name in ("asn_c", "asn_e")}
    first = Experiment("dosed", TEACHING.model, TEACHING.regimen, observables)
    second = Experiment("plain", TEACHING.model.with_parameters(asn_e=400.0), observables=observables, fixed=("k_efflux",))
    runs = {one.name: simulate(one.model, one.regimen, until=24.0, times=[0.0, 1.0, 5.0, 24.0], solver=NDF(rtol=1e-7)) for one in (first, second)}
    some = [
        *candidates_at(first, (1.0, 5.0, 24.0), ("asn_c", "asn_e"), **ERRORS),
        *candidates_at(second, (1.0, 24.0), ("asn_e",), relative=0.03, shared=0.1),
        *candidates_at(second, (5.0,), ("asn_c",), absolute=3.0, shared=0.3, batch="another day"),
    ]
    counts, priors = (2, 1, 3, 1, 2, 2), {"k_efflux": 0.5}
    problem = joint_problem([first, second], some, counts, lambda one, name: runs[one.experiment.name].at(one.time)[name], priors=priors)
    _, jacobian = problem.residuals(np.log(problem.nominal))
    found = information(some, FREE, counts, priors=priors)
    assert found == pytest.approx(jacobian.T @ jacobian, rel=1e-5)
    alone = [Candidate(one.experiment, one.time, one.observables, 1, one.relative, one.absolute) for one in some]
    more = information(alone, FREE, counts, priors=priors) - found
    assert np.linalg.eigvalsh(more).max() > 0.1 * np.trace(found) and np.linalg.eigvalsh(more).min() > -1e-9 * np.trace(more)


def test_a_design_promises_the_scatter_of_fits():
    """The initial value, known no better than the calibration that all samples share; the rate, which does not feel it."""
    some = candidates_at(ONE, (0.0, 4.0, 12.0), ("y",), replicates=4, relative=0.05, shared=0.1)
    design, rng, found = choose_samples(some, ["k", "y"], 6), np.random.default_rng(5), []
    t = np.repeat([one.time for one, _ in design.chosen], [n for _, n in design.chosen])
    y = 2.0 * np.exp(-0.25 * t)
    for _ in range(60):
        drawn = y * np.exp(0.1 * rng.standard_normal()) * np.exp(0.05 * rng.standard_normal(len(t)))
        frame = pd.DataFrame({"experiment": "one", "time": t, "observable": "y", "value": drawn, "sd": np.hypot(0.05, 0.1) * drawn})
        covariance = np.outer(drawn, drawn) * (0.1**2 + 0.05**2 * np.eye(len(t)))
        problem = FitProblem([Experiment("one", decay(), observables={"y": Observable("y", "log")})], Measurements.from_frame(frame, covariance), ["k", "y"])
        found.append(np.log(fit(problem, starts=1, max_nfev=10).x))
    assert np.std(found, axis=0, ddof=1) == pytest.approx(design.sd_log, rel=0.3)  # a deviation of 60 is known to 9 %
    assert design.sd_log[1] > 0.1 > 2 * design.sd_log[0]


def test_draws_spread_the_samples_and_are_those_that_were_given():
    fast = choose_samples(CONSTANT, ["k", "y"], 4, draws=[[0.5, 2.0]])
    assert taken(fast) == [(0.0, 2), (2.0, 2)]  # 1/k of the draw, not of the model
    wide = choose_samples(CONSTANT, ["k", "y"], 8, draws=np.column_stack([np.geomspace(0.08, 1.0, 9), np.full(9, 2.0)]))
    assert len(wide.chosen) > 2
    local = choose_samples(CONSTANT, ["k", "y"], 8)
    means = [np.mean([np.linalg.slogdet(information(CONSTANT, ["k", "y"], one.counts, p=[k, 2.0]))[1] for k in np.geomspace(0.08, 1.0, 9)]) for one in (wide, local)]
    assert means[0] == pytest.approx(wide.value, rel=1e-8) and means[0] > means[1]


def test_same_seed_same_design_and_more_starts_are_never_worse():
    one, same = (choose_samples(LAB, FREE, 6, "A", seed=4) for _ in range(2))
    assert np.array_equal(one.counts, same.counts) and one.ends == same.ends and one.table().equals(same.table())
    few = choose_samples(LAB, FREE, 6, "A", seed=4, starts=1)
    assert one.uncertainty <= few.uncertainty * (1 + 1e-9) and len(few.ends) == 1 and len(one.ends) == 5
    assert min(one.ends) == pytest.approx(one.uncertainty, rel=1e-6)


@pytest.mark.parametrize("criterion", ["D", "A", "c"])
def test_a_design_knows_what_it_is_worth(criterion):
    design = choose_samples(LAB, FREE, 9, criterion, "Vmax_asns" if criterion == "c" else None)
    assert design.counts.sum() == 9 and design.counts.max() <= 3 and design.efficiency >= 1
    found = information(LAB, FREE, design.counts)
    covariance = np.linalg.inv(found)
    value = {"D": np.linalg.slogdet(found)[1], "A": np.trace(covariance), "c": covariance[1, 1]}[criterion]
    assert design.value == pytest.approx(value, rel=1e-8) and design.covariance == pytest.approx(covariance, rel=1e-8)
    one_sd = {"D": np.linalg.det(covariance) ** (1 / 6), "A": np.sqrt(np.trace(covariance) / 3), "c": design.sd_log[1]}[criterion]
    assert design.uncertainty == pytest.approx(one_sd, rel=1e-8)
    table = design.table()
    assert list(table.columns) == ["experiment", "time", "observables", "replicates", "gain"] and (table["gain"] > 0).all()
    rest = np.where(np.arange(8) == np.flatnonzero(design.counts)[0], 0, design.counts)
    less = np.linalg.inv(information(LAB, FREE, rest))
    lost = {"D": np.linalg.slogdet(less)[1] + value, "A": np.log(np.trace(less) / value), "c": np.log(less[1, 1] / value)}[criterion]
    assert table["gain"][0] == pytest.approx(lost, rel=1e-6)
    assert list(design.curve["cost"]) == list(range(1, 10)) and design.curve["chosen"].iloc[-1] == design.uncertainty
    assert (np.diff(design.curve["chosen"][np.isfinite(design.curve["chosen"])]) <= 1e-12).all()
    assert (design.curve["equal"].iloc[-1] / design.uncertainty) ** 2 == pytest.approx(design.efficiency)
    assert "9 samples" in str(design) and "\n" in str(design)


def test_costs_are_a_budget():
    costs = [10.0 if one.time == 4.0 else 1.0 for one in CONSTANT]
    design = choose_samples(CONSTANT, ["k", "y"], 6, cost=costs)
    assert all(one.time != 4.0 for one, _ in design.chosen) and design.counts @ costs == 6.0
    assert {one.time for one, _ in design.chosen} <= {0.0, 3.5, 4.5}
    even = choose_samples(CONSTANT, ["k", "y"], 12.0, cost=np.full(len(GRID), 2.0))
    assert np.array_equal(even.counts, choose_samples(CONSTANT, ["k", "y"], 6).counts)
    assert list(even.curve["cost"]) == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]


def test_which_experiment_and_matrix_is_worth_it():
    """A slow and a fast decay with a rate each: both are sampled, each at its own time constant."""
    slow, fast = Experiment("slow", decay(0.125), fixed=("k",)), Experiment("fast", decay(0.5))
    some = [*candidates_at(slow, GRID, ("y",), absolute=0.01), *candidates_at(fast, GRID, ("y",), absolute=0.01)]
    design = choose_samples(some, ["k", "y"], 2)
    assert [(one.experiment.name, one.time) for one, _ in design.chosen] in ([("slow", 0.0), ("fast", 2.0)], [("fast", 0.0), ("fast", 2.0)])
    assert information(some, ["k"])[0, 0] == pytest.approx(information(some[len(GRID) :], ["k"])[0, 0])  # the slow one tells nothing of k


def test_equal_spacing_is_fair_to_experiments_and_to_equals():
    def spaced(n, homes, times, limits):
        many = len(times)
        parts = Parts(np.ones((1, many, 1, 1)), np.zeros((1, many, 0, 1)), np.zeros((1, many, 0)), np.zeros((1, 1)), np.ones(1))
        search = Search(parts, "D", np.zeros(1), np.array(limits, float), np.ones(many), float(n), np.array(homes), np.array(times, float))
        return search.spaced(float(n)).astype(int).tolist()

    assert spaced(3, [0] * 5, [0, 1, 2, 3, 4], [1] * 5) == [1, 0, 1, 0, 1]
    assert spaced(1, [0] * 5, [0, 1, 2, 3, 4], [1] * 5) == [0, 0, 1, 0, 0]
    assert spaced(5, [0, 0, 0, 1, 1, 1], [0, 4, 8, 0, 1, 2], [9] * 6) == [1, 1, 1, 1, 0, 1]
    assert spaced(2, [0, 0, 1, 1], [0, 8, 3, 5], [9] * 4) == [1, 0, 1, 0]  # one each, though the other's lie nearer to the middle
    assert spaced(4, [0, 0, 1, 1], [0, 8, 0, 8], [1, 0.0, 2, 2]) == [1, 0, 1, 2]  # what one experiment has no room for, the other takes
    assert spaced(4, [0] * 4, [0, 0, 8, 8], [2] * 4) == [1, 1, 1, 1]  # two kinds of sample at each time


@st.composite
def searches(draw):
    """A small search over random sensitivities."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, p, g, d = draw(st.integers(3, 7)), draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(1, 2))
    slopes = rng.standard_normal((d, n, p))
    home, u = rng.integers(0, max(g, 1), n), rng.exponential(1.0, (d, n))
    cross, common = np.zeros((d, n, g, p)), np.zeros((d, n, g))
    for k in range(n if g else 0):
        cross[:, k, home[k]], common[:, k, home[k]] = slopes[:, k] * u[:, k, None], u[:, k] ** 2
    parts = Parts(slopes[..., None] * slopes[..., None, :], cross, common, draw(st.sampled_from([0.0, 0.3])) * np.eye(p), np.ones(p))
    limits = rng.integers(1, 3, n).astype(float)
    criterion, target = draw(st.sampled_from("DAc")), rng.standard_normal(p)
    budget = float(draw(st.integers(1, int(limits.sum()))))
    return Search(parts.scaled(limits), criterion, target, limits, np.ones(n), budget, np.zeros(n, int), np.arange(n, dtype=float)), slopes, home, u


@settings(max_examples=40)
@given(searches())
def test_properties_of_any_search(case):
    search, slopes, home, u = case
    counts = search.filled(np.zeros(len(search.limits)))[-1]
    assert counts.sum() == search.budget == search.spaced(search.budget).sum() and np.all(counts <= search.limits)
    # what is added up without shared errors equals the dense J' C^-1 J
    d, n, p = slopes.shape
    vials = np.repeat(np.arange(n), counts.astype(int))
    for k, found in enumerate(search.parts.information(counts)):
        covariance = np.eye(len(vials))
        if search.parts.cross.shape[2]:
            covariance += np.outer(u[k, vials], u[k, vials]) * (home[vials][:, None] == home[vials])
        jacobian = slopes[k, vials]
        dense = jacobian.T @ np.linalg.solve(covariance, jacobian) / np.outer(search.parts.scale, search.parts.scale) + search.parts.prior
        assert found == pytest.approx(dense, rel=1e-8, abs=1e-10)
    # one more sample never tells less
    more = search.parts.information(counts, one_more=True) - search.parts.information(counts)[:, None]
    assert np.linalg.eigvalsh(more).min() > -1e-9
    begin = search.random(np.random.default_rng(1))
    design, value = search.exchanged(begin)
    assert begin.sum() == design.sum() == search.budget and np.all((0 <= design) & (design <= search.limits)) and value >= search.rough(begin) - 1e-9
    for i, j in itertools.product(range(n), repeat=2):
        other = design - (np.arange(n) == i) + (np.arange(n) == j)
        if np.all((0 <= other) & (other <= search.limits)):
            assert search.rough(other) <= value + 1e-6


def test_the_plan_is_what_the_laboratory_reads(tmp_path, capsys):
    pytest.importorskip("pyopenms", reason="the reader of sequences lives beside that of mzML")
    from asnsim.io import mzml
    from asnsim.tables import read_csv

    assert SEQUENCE == mzml.SEQUENCE
    design = choose_samples(LAB, FREE, 7)
    path = design.to_sequence(tmp_path / "plan" / "sequence.csv")
    samples = [mzml.sample_of(row) for row in read_csv(path, required=mzml.SEQUENCE, allowed=mzml.SEQUENCE)]
    mzml.check_sequence(samples)
    assert len(samples) == 14 and {sample.type for sample in samples} == {"Unknown"}
    assert {(s.time_h, s.matrix): s.replicate for s in samples} == {(one.time, m): n for one, n in design.chosen for m in ("cells", "medium")}
    mine, made = {(s.matrix, s.time_h, s.replicate, s.dilution_factor, s.recovery) for s in samples}, set()
    for k, order in enumerate(design.orders().itertuples()):
        folder = tmp_path / f"batch{k}"
        good(capsys, "measure", "teaching", "--dose", "20 U into asnase_e at 2 h", "--times", order.times, "--replicates", order.replicates, "--design", "--out", folder)
        table = rows(folder / "sequence.csv")
        assert tuple(table[0]) == SEQUENCE
        made |= {(s.matrix, s.time_h, s.replicate, s.dilution_factor, s.recovery) for s in map(mzml.sample_of, read_csv(folder / "sequence.csv")) if s.type == "Unknown"}
    assert mine == made


def test_a_plan_of_what_no_laboratory_measures(tmp_path):
    design = choose_samples(CONSTANT, ["k", "y"], 2)
    with pytest.raises(FitError, match="does not measure 'y'"):
        design.to_sequence(tmp_path / "s.csv")
    with pytest.raises(FitError, match="written as .csv"):
        design.to_sequence(tmp_path / "s.xlsx")
    odd = candidates_at(Experiment("a/b", TEACHING.model), (1.0,), ("asn_c",), relative=0.1)
    with pytest.raises(FitError, match="gives its name to vials"):
        choose_samples(odd, ["Vmax_asns"], 1).to_sequence(tmp_path / "s.csv")
    assert not list(tmp_path.iterdir())


def test_orders_count_vials_not_readings():
    apart = [*candidates_at(TEACHING, (1.0, 8.0), ("asn_c",), relative=0.1, replicates=2), *candidates_at(TEACHING, (8.0,), ("asn_e",), relative=0.1)]
    design = choose_samples(apart, ["Vmax_asns"], 5)
    assert design.orders().to_numpy().tolist() == [["teaching", "1.0, 8.0 h", 2]]


def test_the_figure(tmp_path):
    design = choose_samples(LAB, FREE, 7)
    figure = plot_design(design, tmp_path / "d.png")
    assert is_png(tmp_path / "d.png") and len(figure.axes) == 3
    assert sorted(round(dots.get_sizes()[0] / 26) for dots in figure.axes[0].collections) == sorted(n for _, n in design.chosen)
    fold = Experiment("fold", decay(), observables={"f": Observable("y", "log", relative_to=0.0)})
    design = choose_samples(candidates_at(fold, (1.0, 4.0, 8.0), ("f",), relative=0.1), ["k"], 1)
    axes = plot_design(design).axes[0]
    assert taken(design) == [(8.0, 1)] and tuple(axes.collections[0].get_offsets()[0]) == pytest.approx([8.0, np.exp(-2.0)], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(time=np.nan), "no finite time"),
        (dict(observables=()), "at least one observable"),
        (dict(observables=("y", "y")), "each named once"),
        (dict(replicates=0), "0 replicates"),
        (dict(replicates=1.5), "1.5 replicates"),
        (dict(absolute=0.0), "without an error of its own"),
        (dict(absolute=-1.0), "absolute error -1"),
        (dict(shared=np.inf), "shared error inf"),
        (dict(relative={"yy": 0.1}), "did you mean 'y'"),
    ],
)
def test_candidates_that_cannot_be(change, words):
    with pytest.raises(FitError, match=words) as caught:
        Candidate(**dict(experiment=ONE, time=1.0, observables=("y",), absolute=0.01) | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(candidates=[]), "no candidate"),
        (dict(candidates=candidates_at(ONE, [1.0], ("x",), absolute=1.0)), "measures 'x', which model 'decay' does not compute"),
        (dict(candidates=[*candidates_at(ONE, [1.0], ("y",), absolute=1.0), *candidates_at(Experiment("one", decay(9.0)), [1.0], ("y",), absolute=1.0)]), "same name"),
        (dict(candidates=candidates_at(Experiment("empty", decay(y0=0.0)), GRID, ("y",), relative=0.1), free=["k"]), "'y' of experiment 'empty' is 0 at 0 h"),
        (dict(free=["kk"]), "did you mean 'k'"),
        (dict(n=0), "0 samples cannot be chosen"),
        (dict(n=2.5), "2.5 samples"),
        (dict(n=101), "candidates that allow 100"),
        (dict(n=1), r"1 sample cannot tell what is asked: nothing is known of .*log\(k\)"),
        (dict(criterion="E"), "'E' is not a criterion"),
        (dict(criterion="c"), "needs a target"),
        (dict(criterion="c", target={"k": 0.0}), "not all 0"),
        (dict(criterion="c", target="kk"), "did you mean 'k'"),
        (dict(target="k"), "a target is for criterion c, not D"),
        (dict(priors={"y0": 1.0}), "not free"),
        (dict(draws=[1.0, 2.0]), r"shape \(n, 2\)"),
        (dict(draws=[[0.3, 2.0], [-1.0, 2.0]]), "draw 2 of 'k' is -1"),
        (dict(starts=0), "at least one start"),
        (dict(cost=[1.0]), "25 positive numbers"),
        (dict(cost=np.zeros(25)), "25 positive numbers"),
        (dict(cost=np.full(25, 7.0)), "buys no sample; the cheapest costs 7"),
    ],
)
def test_requests_that_cannot_be(change, words):
    with pytest.raises(FitError, match=words) as caught:
        choose_samples(**dict(candidates=CONSTANT, free=["k", "y"], n=2) | change)
    assert "\n" not in str(caught.value)


def test_what_stays_open_is_named_and_a_prior_closes_it():
    some = candidates_at(Experiment("p", product()), GRID, ("y",), absolute=0.01)
    with pytest.raises(FitError, match=r"all candidates together cannot tell what is asked: nothing is known of .*log\(a\).*log\(b\)"):
        choose_samples(some, ["a", "b", "y"], 4)
    assert choose_samples(some, ["a", "b", "y"], 4, "c", {"a": 1.0, "b": 1.0}).uncertainty < 0.02  # the product is known
    with pytest.raises(FitError, match="all candidates together"):
        choose_samples(some, ["a", "b", "y"], 4, "c", "a")
    known = choose_samples(some, ["a", "b", "y"], 4, priors={"b": 0.5})
    assert np.isfinite(known.value) and known.sd_log[1] == pytest.approx(0.5, rel=1e-3)
    for counts, words in (([1, 1], "whole numbers"), (np.full(len(GRID), -1), "whole numbers"), (np.full(len(GRID), 0.5), "whole numbers")):
        with pytest.raises(FitError, match=words):
            information(some, ["a"], counts)

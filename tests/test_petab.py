"""PEtab problems: closed forms, the official cases, faults told in one sentence, fits that repeat and resume."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from petab_suites import SUITE, math_cases, official
from scipy import stats
from scipy.integrate import quad

from asnsim.cli import main
from asnsim.derivatives import derivatives
from asnsim.errors import AsnsimError, DataError, FitError, MissingExtraError, ModelError, UnsupportedFeatureError
from asnsim.expressions import Graph
from asnsim.formulas import as_number, parse_formula
from asnsim.io.sbml_reader import read_sbml
from asnsim.petab import Objective, fit_problem, read_problem, to_pypesto
from asnsim.petab.priors import PRIORS, make_prior
from asnsim.plots_petab import plot_residuals, plot_waterfall
from asnsim.solvers import NDF

TIGHT = NDF(rtol=1e-11)
MATH = 'xmlns="http://www.w3.org/1998/Math/MathML"'
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">time</csymbol>'


def apply(op, *parts):
    return f"<apply><{op}/>{''.join(parts)}</apply>"


def ci(name):
    return f"<ci>{name}</ci>"


def cn(value):
    return f"<cn>{value}</cn>"


def rate_rule(name, body):
    return f'<rateRule variable="{name}"><math {MATH}>{body}</math></rateRule>'


def sbml(rules="", species="", parameters=(), reactions="", events="", more=""):
    """A document of level 3 version 1."""
    listed = "".join(f'<parameter id="{name}" value="{value}" constant="false"/>' for name, value in parameters)
    parts = [
        '<listOfCompartments><compartment id="cell" spatialDimensions="3" size="2" constant="true"/></listOfCompartments>',
        f"<listOfSpecies>{species}</listOfSpecies>" if species else "",
        f"<listOfParameters>{listed}</listOfParameters>",
        more,
        f"<listOfRules>{rules}</listOfRules>" if rules else "",
        f"<listOfReactions>{reactions}</listOfReactions>" if reactions else "",
        f"<listOfEvents>{events}</listOfEvents>" if events else "",
    ]
    head = '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="m">'
    return head + "".join(parts) + "</model></sbml>"


def species(name, **more):
    given_ = {"compartment": "cell", "hasOnlySubstanceUnits": "false", "boundaryCondition": "false", "constant": "false"} | more
    return f'<species id="{name}" ' + " ".join(f'{k}="{v}"' for k, v in given_.items()) + "/>"


def reaction(name, reactant, product, law):
    def side(kind, one):
        return f'<listOf{kind}><speciesReference species="{one}" stoichiometry="1" constant="true"/></listOf{kind}>' if one else ""

    body = side("Reactants", reactant) + side("Products", product) + f"<kineticLaw><math {MATH}>{law}</math></kineticLaw>"
    return f'<reaction id="{name}" reversible="false" fast="false">{body}</reaction>'


def decay_model():
    """A turns into B in a compartment of size 2: the amount k A per time and size."""
    law = apply("times", ci("cell"), ci("k"), ci("A"))
    made = species("A", initialConcentration=8) + species("B", initialConcentration=0)
    return sbml(species=made, parameters=[("k", 0.3)], reactions=reaction("r", "A", "B", law))


TABLES = {
    "parameters": [
        "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate",
        "k\tlog10\t0.01\t10\t0.5\t1",
        "sd\tlog\t0.01\t10\t0.2\t1",
        "scale\tlin\t0.1\t10\t2\t1",
    ],
    "conditions": ["conditionId\tA", "low\t4", "high\t10"],
    "observables": [
        "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\tnoiseDistribution",
        "a\tscale * A\tsd\tlin\tnormal",
        "b\tlog10(B + 1) + observableParameter1_b\tnoiseParameter1_b * sd\tlin\tlaplace",
    ],
    "measurements": [
        "observableId\tsimulationConditionId\tmeasurement\ttime\tobservableParameters\tnoiseParameters",
        "a\tlow\t8.1\t0\t\t",
        "a\tlow\t4.7\t1\t\t",
        "a\thigh\t12.3\t1\t\t",
        "b\thigh\t0.9\t2\t0.1\t0.5",
        "b\tlow\t0.4\t2\tscale\t1",
    ],
}


def write_first(folder, model=None, **tables):
    """A problem of version 1; returns the path of its YAML file."""
    (folder / "model.xml").write_text(model or decay_model())
    for name, rows in (TABLES | tables).items():
        (folder / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    files = {f"{name[:-1]}_files": [f"{name}.tsv"] for name in ("conditions", "observables", "measurements")}
    content = {"format_version": 1, "parameter_file": "parameters.tsv", "problems": [{**files, "sbml_files": ["model.xml"]}]}
    (folder / "problem.yaml").write_text(yaml.safe_dump(content))
    return folder / "problem.yaml"


def write_second(folder, model, experiments, conditions, measurements, parameters, observables):
    """A problem of version 2."""
    (folder / "model.xml").write_text(model)
    tables = {
        "condition": ["conditionId\ttargetId\ttargetValue", *conditions],
        "experiment": ["experimentId\ttime\tconditionId", *experiments],
        "measurement": ["observableId\texperimentId\ttime\tmeasurement", *measurements],
        "parameter": ["parameterId\tlowerBound\tupperBound\tnominalValue\testimate", *parameters],
        "observable": ["observableId\tobservableFormula\tnoiseFormula\tnoiseDistribution", *observables],
    }
    for name, rows in tables.items():
        (folder / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    content = {f"{name}_files": [f"{name}.tsv"] for name in tables}
    content |= {"format_version": "2.0.0", "model_files": {"m": {"language": "sbml", "location": "model.xml"}}}
    (folder / "problem.yaml").write_text(yaml.safe_dump(content))
    return folder / "problem.yaml"


def slope_error(objective, p):
    """Largest difference between the gradient of the likelihood and central differences."""
    gradient = objective(p, gradient=True).gradient
    numbers = []
    for k in range(len(p)):
        step = np.zeros(len(p))
        step[k] = 1e-5
        numbers.append((objective(p + step).llh - objective(p - step).llh) / 2e-5)
    return float(np.max(np.abs(gradient - numbers) / np.maximum(np.abs(numbers), 1.0)))


# ---- formulas --------------------------------------------------------------------------------------------------------------


def value_of(text, **names):
    graph = Graph()
    inputs = {name: graph.input("c", k) for k, name in enumerate(names)}
    node = graph.lower(as_number(parse_formula(text)), inputs)
    return float(graph.evaluate([node], 0.0, np.zeros(0), np.array(list(names.values()), dtype=float))[0])


@pytest.mark.skipif(not SUITE.exists(), reason="no shared folder")
def test_the_suite_of_mathematics():
    wrong = [text for text, judge in math_cases() if not judge()]
    assert not wrong


FUNCTIONS = {
    "sin": (math.sin, (-3.0, 3.0)), "cos": (math.cos, (-3.0, 3.0)), "tan": (math.tan, (-1.4, 1.4)),
    "arcsin": (math.asin, (-0.95, 0.95)), "arccos": (math.acos, (-0.95, 0.95)), "arctan": (math.atan, (-9.0, 9.0)),
    "sinh": (math.sinh, (-3.0, 3.0)), "cosh": (math.cosh, (-3.0, 3.0)), "tanh": (math.tanh, (-3.0, 3.0)),
    "arcsinh": (math.asinh, (-3.0, 3.0)), "arccosh": (math.acosh, (1.1, 5.0)), "arctanh": (math.atanh, (-0.9, 0.9)),
    "exp": (math.exp, (-3.0, 3.0)), "ln": (math.log, (0.1, 9.0)), "log10": (math.log10, (0.1, 9.0)),
    "log2": (math.log2, (0.1, 9.0)), "sqrt": (math.sqrt, (0.1, 9.0)), "abs": (abs, (-3.0, 3.0)),
    "floor": (math.floor, (-3.0, 3.0)), "ceil": (math.ceil, (-3.0, 3.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@given(share=st.floats(0.01, 0.99))
@settings(max_examples=20)
def test_functions_and_their_derivatives(name, share):
    function, (low, high) = FUNCTIONS[name]
    x = low + share * (high - low)
    assert value_of(f"{name}(a)", a=x) == pytest.approx(function(x), rel=1e-13, abs=1e-13)
    if abs(x - round(x)) < 1e-3 and name in ("floor", "ceil", "abs"):
        return  # at a jump or a kink there is no derivative
    graph = Graph()
    node = graph.lower(as_number(parse_formula(f"{name}(a)")), {"a": graph.input("c", 0)})
    slope = derivatives(graph, [node]).get((0, "c", 0), graph.zero)
    number = (function(x + 1e-6) - function(x - 1e-6)) / 2e-6
    assert float(graph.evaluate([slope], 0.0, np.zeros(0), np.array([x]))[0]) == pytest.approx(number, rel=1e-5, abs=1e-7)


@given(a=st.floats(0.1, 9.0), b=st.floats(0.1, 9.0), c=st.floats(-2.0, 2.0))
def test_precedence(a, b, c):
    assert value_of("a - b - c", a=a, b=b, c=c) == pytest.approx((a - b) - c)
    assert value_of("a / b * c", a=a, b=b, c=c) == pytest.approx(a / b * c)
    assert value_of("-a ^ c", a=a, b=b, c=c) == pytest.approx(-(a**c))
    assert value_of("a + b * c ^ 2", a=a, b=b, c=c) == pytest.approx(a + b * c * c)
    assert value_of("piecewise(a, a < b && b < 3 || c == c, b)", a=a, b=b, c=c) == a
    assert value_of("(a > b) + 2 * (a <= b)", a=a, b=b, c=c) == (1.0 if a > b else 2.0)


@pytest.mark.parametrize("text", ["1 +", "(1", "1)", "sin()", "sin(1, 2)", "frob(1)", "a $ b", "piecewise(1, 2)", "1 / 0", "", "(" * 300])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(ModelError, match="is not a formula"):
        parse_formula(text, where="here")


@pytest.mark.parametrize("text", ["__import__('os')", "a.b", "lambda: 1", "[1]", "{}"])
def test_formulas_execute_nothing(text):
    with pytest.raises(ModelError):
        parse_formula(text)


# ---- likelihood ------------------------------------------------------------------------------------------------------------


def test_likelihood_of_version_1_in_closed_form(tmp_path):
    objective = Objective(read_problem(write_first(tmp_path)), TIGHT)
    result = objective()
    k, sd, scale = 0.5, 0.2, 2.0
    a = [scale * 4, scale * 4 * math.exp(-k), scale * 10 * math.exp(-k)]
    b = [math.log10(10 * (1 - math.exp(-2 * k)) + 1) + 0.1, math.log10(4 * (1 - math.exp(-2 * k)) + 1) + scale]
    assert result.simulation == pytest.approx([*a, *b], rel=1e-9)
    llh = stats.norm.logpdf([8.1, 4.7, 12.3], a, sd).sum() + stats.laplace.logpdf([0.9, 0.4], b, [0.5 * sd, sd]).sum()
    assert result.llh == pytest.approx(llh, abs=1e-7)
    assert slope_error(objective, objective.problem.nominal() + 0.01) < 1e-6


@pytest.mark.parametrize(("scale", "base"), [("log", 1.0), ("log10", math.log(10.0))])
def test_noise_on_a_logarithm(tmp_path, scale, base):
    rows = [*TABLES["observables"][:1], f"a\tA\tsd\t{scale}\tnormal"]
    data = [TABLES["measurements"][0], "a\tlow\t2.5\t1\t\t"]
    objective = Objective(read_problem(write_first(tmp_path, observables=rows, measurements=data)), TIGHT)
    y = 4 * math.exp(-0.5)
    expected = stats.norm.logpdf(math.log(2.5) / base, math.log(y) / base, 0.2) - math.log(2.5 * base)
    assert objective().llh == pytest.approx(expected, abs=1e-8)
    assert slope_error(objective, objective.problem.nominal()) < 1e-6


def test_preequilibration_and_later_periods_in_closed_form(tmp_path):
    """dx/dt = v - k x: at first at rest at v0/k0, then towards v1/k1; the estimated v0 acts through the equilibrium alone."""
    rule = rate_rule("x", apply("minus", ci("v"), apply("times", ci("k"), ci("x"))))
    path = write_second(
        tmp_path,
        sbml(rules=rule, parameters=[("x", 0), ("v", 1), ("k", 1)]),
        ["e\t-inf\tbefore", "e\t0\tafter", "e\t3\tlast"],
        ["before\tv\tv0 * 2", "before\tk\t0.5", "after\tv\tv1", "after\tk\tkk", "last\tx\tx + v1", "last\tv\t0"],
        ["o\te\t0\t4", "o\te\t2\t4", "o\te\t4\t4", "o\te\tinf\t0.1"],
        ["v0\t0\t10\t1.5\ttrue", "v1\t0\t10\t3\ttrue", "kk\t0\t10\t0.7\ttrue"],
        ["o\tx\t1\tnormal"],
    )
    objective = Objective(read_problem(path), TIGHT)
    start, rest = 2 * 1.5 / 0.5, 3 / 0.7

    def moved(t):
        return rest + (start - rest) * math.exp(-0.7 * t)

    expected = [start, moved(2), (moved(3) + 3) * math.exp(-0.7), 0.0]
    assert objective().simulation == pytest.approx(expected, rel=1e-7, abs=1e-9)
    assert slope_error(objective, objective.problem.nominal()) < 1e-6


def switched_model(relation="lt"):
    """dx/dt is k before the time T, and 0 after."""
    condition = apply(relation, TIME, ci("T"))
    body = f"<piecewise><piece>{ci('k')}{condition}</piece><otherwise>{cn(0)}</otherwise></piecewise>"
    return sbml(rules=rate_rule("x", body), parameters=[("x", 0), ("k", 2), ("T", 3)])


@pytest.mark.parametrize("relation", ["lt", "leq"])
@pytest.mark.parametrize("moment", [3.0, 2.7182, 1e-9, 4.999999])
def test_a_switch_at_an_estimated_time(tmp_path, relation, moment):
    path = write_second(
        tmp_path,
        switched_model(relation),
        ["e\t0\t"],
        [],
        ["o\te\t1\t0", "o\te\t3\t0", "o\te\t5\t0"],
        [f"T\t0\t10\t{moment!r}\ttrue", "k\t0\t10\t2\ttrue"],
        ["o\tx\t1\tnormal"],
    )
    result = Objective(read_problem(path), TIGHT)(gradient=True)
    x = np.array([2 * min(moment, t) for t in (1.0, 3.0, 5.0)])
    assert result.simulation == pytest.approx(x, rel=1e-10, abs=1e-14)
    if moment == 3.0:
        return  # measured at the switch itself: the derivatives from the left and from the right differ
    by_t = -np.sum(x * np.array([2.0 * (moment < t) for t in (1.0, 3.0, 5.0)]))
    by_k = -np.sum(x * x / 2.0)
    assert result.gradient == pytest.approx([by_t, by_k], rel=1e-8, abs=1e-12)


def test_an_event_at_an_estimated_time(tmp_path):
    """x grows at rate 1 and is halved at time T: afterwards T/2 + (t - T)."""
    trigger = f"<trigger initialValue='true' persistent='true'><math {MATH}>{apply('geq', TIME, ci('T'))}</math></trigger>"
    halved = f"<math {MATH}>{apply('divide', ci('x'), cn(2))}</math>"
    event = (
        f"<event id='E' useValuesFromTriggerTime='true'>{trigger}<listOfEventAssignments>"
        f"<eventAssignment variable='x'>{halved}</eventAssignment></listOfEventAssignments></event>"
    )
    model = sbml(rules=rate_rule("x", cn(1)), parameters=[("x", 0), ("T", 3)], events=event)
    path = write_second(
        tmp_path, model, ["e\t0\t"], [], ["o\te\t4\t0"], ["T\t0\t10\t2.5\ttrue"], ["o\tx\t1\tnormal"]
    )  # fmt: skip
    result = Objective(read_problem(path), TIGHT)(gradient=True)
    assert result.simulation == pytest.approx([1.25 + 1.5], rel=1e-9)
    assert result.gradient == pytest.approx([0.5 * 2.75], rel=1e-7)


def test_amounts_and_concentrations(tmp_path):
    """An amount is a concentration times a size, also where a size changes: the amount stays."""
    made = species("n", hasOnlySubstanceUnits="true", initialAmount=6) + species("c", initialConcentration=6)
    law = apply("times", ci("k"), ci("n"))
    model = sbml(
        species=made, parameters=[("k", 0.4)], reactions=reaction("r", "n", "", law) + reaction("q", "c", "", cn(0))
    )  # fmt: skip
    path = write_second(
        tmp_path,
        model,
        ["e\t0\t", "e\t1\tgrow"],
        ["grow\tcell\t5"],
        ["n\te\t2\t0", "c\te\t2\t0"],
        ["k\t0\t10\t0.4\ttrue"],
        ["n\tn\t1\tnormal", "c\tc\t1\tnormal"],
    )
    objective = Objective(read_problem(path), TIGHT)
    assert objective().simulation == pytest.approx([6 * math.exp(-0.8), 6.0], rel=1e-9)
    assert slope_error(objective, objective.problem.nominal()) < 1e-6


@pytest.mark.skipif(not SUITE.exists(), reason="no shared folder")
@pytest.mark.parametrize("case", [f"v1/sbml/{k:04d}" for k in range(1, 21)] + [f"v2/sbml/{k:04d}" for k in range(1, 33) if k != 19])
def test_official_cases(case):
    assert official(SUITE / case)


# ---- priors ----------------------------------------------------------------------------------------------------------------

NUMBERS = {"loc": 0.7, "scale": 1.3, "dof": 4.0, "shape": 2.5, "lower": 0.5, "upper": 6.0}


@pytest.mark.parametrize("name", PRIORS)
def test_priors_are_densities_between_the_bounds(name):
    prior = make_prior(name, tuple(NUMBERS[field] for field in PRIORS[name]), 0.3, 5.0, 2, "row")
    kinks = [NUMBERS["loc"], math.exp(NUMBERS["loc"]), NUMBERS["lower"]]
    mass, _ = quad(lambda v: math.exp(prior.log_density(v, v)), 0.3, 5.0, points=kinks)
    assert mass == pytest.approx(1.0, abs=1e-6)
    assert prior.log_density(0.2, 0.2) == prior.log_density(5.1, 5.1) == -math.inf
    for v in (0.9, 2.2):
        number = (prior.log_density(v + 1e-6, 0) - prior.log_density(v - 1e-6, 0)) / 2e-6
        assert prior.derivative(v, v, 1.0) == pytest.approx(number, abs=1e-6)


def test_priors_of_version_1_stand_on_either_scale():
    on_scale = make_prior("parameterScaleNormal", (0.3, 0.5), 0.0, math.inf, 1, "row")
    linear = make_prior("logNormal", (0.3, 0.5), 0.0, math.inf, 1, "row")
    assert on_scale.log_density(2.0, 0.4) == pytest.approx(stats.norm.logpdf(0.4, 0.3, 0.5))
    assert linear.log_density(2.0, 0.4) == pytest.approx(stats.lognorm.logpdf(2.0, 0.5, scale=math.exp(0.3)))


@pytest.mark.parametrize(
    ("name", "numbers", "words"),
    [
        ("normal", (1.0,), "takes 2 parameters"),
        ("normal", (1.0, -1.0), "scale of the prior 'normal' cannot be -1"),
        ("uniform", (3.0, 2.0), "the lower must be below"),
        ("uniform", (8.0, 9.0), "nothing of the prior"),
        ("student", (1.0,), "is not known; there are"),
        ("log-uniform", (-1.0, 2.0), "must be positive"),
    ],
)
def test_wrong_priors_are_refused(name, numbers, words):
    with pytest.raises(DataError, match=words):
        make_prior(name, numbers, 0.1, 5.0, 2, "row")


# ---- faults ----------------------------------------------------------------------------------------------------------------


def changed(table, row, old, new):
    rows = list(TABLES[table])
    assert old in rows[row]
    rows[row] = rows[row].replace(old, new)
    return {table: rows}


FAULTS = {
    "unknown observable": (changed("measurements", 1, "a\t", "aa\t"), "measurements.tsv, row 2: observable 'aa' is not in"),
    "negative time": (changed("measurements", 2, "\t1\t", "\t-1\t"), "row 3: the time -1 lies before"),
    "no number": (changed("measurements", 2, "4.7", "much"), "row 3: measurement is 'much', which is not a number"),
    "unknown condition": (changed("measurements", 1, "low", "lower"), "condition 'lower' is not defined"),
    "double parameter": ({"parameters": [*TABLES["parameters"], TABLES["parameters"][1]]}, "'k' is given twice"),
    "double observable": ({"observables": [*TABLES["observables"], TABLES["observables"][1]]}, "'a' is given twice"),
    "estimated and overridden": (
        {"conditions": ["conditionId\tA\tk", "low\t4\t1", "high\t10\t1"]},
        "'k' is both estimated and set by a condition",
    ),
    "no such quantity": ({"conditions": ["conditionId\tAA", "low\t4", "high\t10"]}, "'AA' is not a quantity of the model"),
    "bounds on a logarithm": (changed("parameters", 1, "0.01", "-1"), "its bounds -1 and 10 must be positive"),
    "bounds crossed": (changed("parameters", 1, "0.01", "20"), "the lower must be below the upper"),
    "nominal on a logarithm": (changed("parameters", 1, "0.5", "-2"), "does not exist on log10 scale"),
    "nominal outside": (changed("parameters", 1, "0.5", "20"), "nominal value 20 of 'k' lies outside of its bounds 0.01 and 10"),
    "missing column": (changed("parameters", 0, "estimate", "estimated"), "the column 'estimate' is missing"),
    "unknown symbol": (changed("observables", 1, "scale * A", "scale * AB"), "'AB' is neither in the model nor"),
    "broken formula": (changed("observables", 1, "scale * A", "scale * * A"), "is not a formula"),
    "unknown noise": (changed("observables", 1, "normal", "cauchy"), "noise 'cauchy' on scale 'lin' is not known"),
    "missing override": (changed("measurements", 4, "\t0.1\t0.5", "\t\t0.5"), "gives 0 values where 'b' asks for 1"),
    "ragged row": (changed("measurements", 2, "4.7", "4.7\t3\t3\t3"), "not a table of tab-separated columns"),
    "short head": (changed("measurements", 0, "\tnoiseParameters", ""), "a row has more cells than the first line has names"),
    "logarithm of data": (
        {"observables": [TABLES["observables"][0], "a\tA\tsd\tlog\tnormal", TABLES["observables"][2]],
         "measurements": [TABLES["measurements"][0], "a\tlow\t-8.1\t0\t\t"]},
        "does not exist on the log scale",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_sentence(tmp_path, fault, capfd):
    tables, words = FAULTS[fault]
    path = write_first(tmp_path, **tables)
    with pytest.raises(AsnsimError, match=words.replace("*", r"\*")):
        read_problem(path)
    assert main(["petab", str(path)]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error:")
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_nothing_to_estimate(tmp_path):
    rows = [TABLES["parameters"][0], *(row[:-1] + "0" for row in TABLES["parameters"][1:])]
    path = write_first(tmp_path, parameters=rows)
    result = Objective(read_problem(path))(gradient=True)
    assert np.isfinite(result.llh)
    assert result.gradient.shape == (0,)
    with pytest.raises(FitError, match="no parameter is to be estimated"):
        fit_problem(path)


@pytest.mark.parametrize("value", ["0", "-1"])
def test_noise_that_is_not_positive(tmp_path, value):
    path = write_first(tmp_path, **changed("measurements", 4, "0.5", value))
    with pytest.raises(DataError, match="the noise of 'b' of experiment 'high' at time 2 is"):
        Objective(read_problem(path))()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a PEtab problem"),
        ("[1, 2", "not a YAML file"),
        ("format_version: 7", "version 7 is not known"),
        ("format_version: 1\nproblems: []", "a file with 0 problems"),
        ("format_version: 1\nproblems: [3]", "the problem is 3, not a list of files"),
        ("format_version: 1\nproblems: [{sbml_files: [{a: b}]}]", "which is not the name of a file"),
        ("format_version: 2.0.0\nmodel_files: [a]", "model_files is not a list of named entries"),
    ],
)
def test_a_file_that_is_no_problem(tmp_path, content, words):
    (tmp_path / "problem.yaml").write_text(content)
    with pytest.raises(AsnsimError, match=words):
        read_problem(tmp_path / "problem.yaml")
    with pytest.raises(DataError, match="no such file"):
        read_problem(tmp_path / "other.yaml")


ALGEBRAIC = f"<algebraicRule><math {MATH}>{apply('minus', ci('x'), cn(1))}</math></algebraicRule>"
DELAYED = (
    '<apply><csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay">delay</csymbol>'
    f"{ci('x')}{cn(1)}</apply>"
)


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (sbml(rules=ALGEBRAIC, parameters=[("x", 1)]), UnsupportedFeatureError, "an algebraic rule is not supported"),
        (sbml(rules=rate_rule("x", DELAYED), parameters=[("x", 1)]), UnsupportedFeatureError, "does not know"),
        (sbml(rules=rate_rule("x", ci("y")), parameters=[("x", 1)]), ModelError, "y"),
        (decay_model().replace('species="B"', 'species="C"'), ModelError, "'C', which is no species"),
        (decay_model().replace('id="cell"', 'id="cel"'), ModelError, "which is no compartment"),
        ("<sbml/>", ModelError, "not a readable SBML model"),
        ("plain text", ModelError, "not a readable SBML model"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><sbml/>', ModelError, "entities"),
    ],
)
def test_models_that_cannot_be_read(tmp_path, model, error, words):
    (tmp_path / "model.xml").write_text(model)
    with pytest.raises(error, match=words):
        read_sbml(tmp_path / "model.xml")


def test_reading_after_tellurium(tmp_path):
    """Its libSEDML takes over the classes of libSBML's mathematics."""
    import tellurium

    assert tellurium
    (tmp_path / "model.xml").write_text(decay_model())
    assert read_sbml(tmp_path / "model.xml").network.states == ("A", "B")


def test_names_the_engine_keeps_for_itself(tmp_path):
    model = sbml(rules=rate_rule("exp", apply("minus", ci("time"))), parameters=[("exp", 2), ("time", 3)])
    (tmp_path / "model.xml").write_text(model)
    read = read_sbml(tmp_path / "model.xml")
    assert read.ids == {"cell": "cell", "exp": "exp_", "time": "time_"}
    assert read.network.states == ("exp_",)


# ---- fits ------------------------------------------------------------------------------------------------------------------


def bits(result):
    return [(start.index, start.objective, start.p, start.nfev, start.message) for start in result.starts]


def test_a_fit_finds_the_optimum_and_repeats_at_any_number_of_workers(tmp_path):
    path = write_first(tmp_path)
    one = fit_problem(path, starts=4, seed=3)
    two = fit_problem(path, starts=4, seed=3, workers=2)
    assert bits(one) == bits(two)
    objective = Objective(one.problem)
    slope = objective.posterior(np.array(one.best.p))[1]
    low, high = one.problem.bounds()
    inside = (np.array(one.best.p) > low + 1e-6) & (np.array(one.best.p) < high - 1e-6)
    assert np.all(np.abs(slope[inside]) < 0.02)
    assert -one.best.objective >= objective().llh
    assert one.values()["k"] == pytest.approx(10.0 ** one.best.p[0])


def test_a_fit_that_was_cut_off_goes_on(tmp_path):
    path, history = write_first(tmp_path), tmp_path / "starts.jsonl"
    whole = fit_problem(path, starts=4, seed=3, history=history)
    lines = history.read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1, 2, 3]
    history.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])  # killed while the third was being written
    seen = []
    again = fit_problem(path, starts=4, seed=3, history=history, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 4), (4, 4)]
    assert bits(again) == bits(whole)
    assert bits(fit_problem(path, starts=4, seed=3, history=history)) == bits(whole)
    for place in (tmp_path, tmp_path / "none" / "h.jsonl"):
        with pytest.raises(FitError, match="give a file in a folder that exists"):
            fit_problem(path, history=place)
    with pytest.raises(FitError, match="belongs to another fit"):
        fit_problem(path, starts=4, seed=4, history=history)


def test_an_evolution_before_the_search(tmp_path):
    path = write_first(tmp_path)
    one, two = (fit_problem(path, starts=2, seed=3, max_nfev=12, optimiser="cma", workers=workers) for workers in (1, 2))
    assert bits(one) == bits(two)
    assert one.best.objective == pytest.approx(fit_problem(path, starts=2, seed=3).best.objective, abs=1e-3)
    with pytest.raises(FitError, match="there are fides and cma"):
        fit_problem(path, optimiser="newton")


def test_a_start_that_cannot_be_integrated_leaves_the_others(tmp_path):
    """dx/dt = x^2 from 1 runs to infinity at t = 1: only what stops it in time can be integrated."""
    body = apply("minus", apply("times", ci("x"), ci("x")), apply("times", ci("k"), ci("x")))
    model = sbml(rules=rate_rule("x", body), parameters=[("x", 1), ("k", 0)])
    common = (["e\t0\t"], [], ["o\te\t5\t0.3"])
    path = write_second(tmp_path, model, *common, ["k\t0\t4\t2\ttrue"], ["o\tx\t0.1\tnormal"])
    result = fit_problem(path, starts=6)
    assert all(np.isfinite(start.objective) for start in result.starts)
    assert result.best.objective == pytest.approx(math.log(4.0) - stats.norm.logpdf(0, 0, 0.1), abs=1e-6)  # the prior's share
    path = write_second(tmp_path, model, *common, ["k\t0\t0.1\t0.05\ttrue"], ["o\tx\t0.1\tnormal"])
    with pytest.raises(FitError, match=r"no start could be integrated; the first ended with: no point of 50 could be integrated"):
        fit_problem(path, starts=2)


def test_pypesto_sees_the_same_objective(tmp_path):
    objective = Objective(read_problem(write_first(tmp_path)))
    try:
        import pypesto.optimize
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"asnsim\[pypesto\]"):
            to_pypesto(objective)
        return
    problem = to_pypesto(objective)
    p = objective.problem.nominal() + 0.05
    value, slope, information = objective.posterior(p)
    answer = problem.objective(p, sensi_orders=(0, 1, 2), return_dict=True)
    assert answer["fval"] == -value
    assert np.array_equal(answer["grad"], -slope)
    assert np.array_equal(answer["hess"], information)
    result = pypesto.optimize.minimize(problem, n_starts=4, progress_bar=False)
    ours = fit_problem(tmp_path / "problem.yaml", starts=4).best.objective
    assert result.optimize_result.fval[0] == pytest.approx(ours, abs=1e-3)


def test_bounds_must_be_finite_for_many_starts(tmp_path):
    path = write_first(tmp_path, **changed("parameters", 3, "\t10\t", "\tinf\t"))
    with pytest.raises(DataError, match="needs finite bounds"):
        fit_problem(path, starts=2)


# ---- command line and figures ------------------------------------------------------------------------------------------------


def test_command(tmp_path, capfd):
    path, table, figure = write_first(tmp_path), tmp_path / "out.csv", tmp_path / "out.png"
    assert main(["petab", str(path)]) == 0
    assert "PEtab 1; 2 states, 2 experiments, 5 measurements, 3 of 3 parameters" in capfd.readouterr().out
    assert main(["petab", str(path), "--simulate", "--csv", str(table), "--figure", str(figure)]) == 0
    assert table.read_text().splitlines()[0] == "observable,experiment,time,measurement,simulation,noise,residual"
    assert figure.stat().st_size > 10_000
    assert main(["petab", str(path), "--gradient"]) == 0
    assert "d(log likelihood)" in capfd.readouterr().out
    assert main(["petab", str(path), "--fit", "--starts", "3", "--history", str(tmp_path / "h.jsonl"), "--csv", str(table)]) == 0
    assert "3 starts" in capfd.readouterr().out
    assert len(table.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "options",
    [["--fit", "--gradient"], ["--csv", "a.csv"], ["--history", "h"], ["--gradient", "--figure", "a.png"]],
)
def test_options_that_do_not_fit_together(tmp_path, options, capfd):
    assert main(["petab", str(write_first(tmp_path)), *options]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_figures(tmp_path):
    path = write_first(tmp_path)
    objective = Objective(read_problem(path))
    figure = plot_residuals(objective.problem, objective())
    assert len(figure.axes) == 3
    assert sum(len(c.get_offsets()) for c in figure.axes[0].collections) == 5
    fit = fit_problem(path, starts=3)
    figure = plot_waterfall(fit)
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == list(fit.problem.estimated)


@pytest.mark.skipif(not Path(os.environ.get("ASNSIM_SHARED", "")).exists(), reason="no shared folder")
def test_a_published_problem():
    folder = SUITE.parent / "petab-benchmark" / "Boehm_JProteomeRes2014"
    if not folder.exists():
        pytest.skip("no benchmark collection")
    assert Objective(read_problem(folder / "Boehm_JProteomeRes2014.yaml"))().llh == pytest.approx(-138.22200, abs=1e-3)

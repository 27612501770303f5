"""The expression graph against SymPy: values and derivatives, of random expressions and of every shipped model."""

import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from asnsim.derivatives import derivatives
from asnsim.equations import build_equations
from asnsim.errors import UnsupportedFeatureError
from asnsim.expressions import Graph
from asnsim.library import list_recipes, load_model
from asnsim.network import TIME, symbols

x, y, k = SYMBOLS = symbols("x y k")


def lowered(expression, graph=None):
    graph = graph or Graph()
    names = {"x": graph.input("x", 0), "y": graph.input("x", 1), "k": graph.input("c", 0), "time": graph.input("t")}
    return graph, graph.lower(expression, names)


def partials_of(graph, node):
    """Derivatives of one node by its inputs, ``('x', i)`` or ``('c', j)``."""
    return {(kind, i): found for (_, kind, i), found in derivatives(graph, [node]).items()}


def value(expression, at=(0.7, 1.9, 2.3), t=0.0):
    graph, node = lowered(expression)
    return float(graph.evaluate([node], t, np.array(at[:2]), np.array(at[2:]))[0])


def _combine(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] - p[1]),
        pair.map(lambda p: p[0] * p[1]),
        pair.map(lambda p: p[0] / (2 + p[1] ** 2)),
        pair.map(lambda p: (1 + p[0] ** 2) ** sympy.tanh(p[1])),
        pair.map(lambda p: sympy.Max(*p)),
        pair.map(lambda p: sympy.Min(*p)),
        pair.map(lambda p: sympy.Piecewise((p[0], x < y), (p[1], True))),
        pair.map(lambda p: sympy.Piecewise((p[0], (x >= 1) & (y > k)), (p[1], True))),
        st.tuples(inner, st.integers(-3, 4)).map(lambda p: (1.5 + sympy.tanh(p[0])) ** p[1]),
        inner.map(lambda e: sympy.sqrt(1 + e**2)),
        inner.map(lambda e: sympy.exp(-(sympy.tanh(e) ** 2))),
        inner.map(lambda e: sympy.log(1 + e**2)),
        inner.map(sympy.tanh),
    )


_LEAF = st.one_of(st.sampled_from(SYMBOLS), st.integers(-3, 3).map(sympy.Integer), st.floats(0.1, 9.9).map(lambda v: sympy.Float(round(v, 3))))
EXPRESSIONS = st.recursive(_LEAF, _combine, max_leaves=8)
POINTS = st.tuples(*[st.floats(0.05, 5.0).map(lambda v: round(v, 6))] * 3)


def exact(expression, at):
    """30 digits, with Heaviside steps of Max and Min resolved; None on a tie."""
    numbers = dict(zip(SYMBOLS, (sympy.Float(v, 30) for v in at), strict=True))
    result = sympy.sympify(expression).subs(numbers).doit().evalf(30)
    return float(result) if result.is_number and result.is_real else None


@given(EXPRESSIONS, POINTS)
def test_random_expressions_and_their_derivatives(expression, at):
    graph, root = lowered(expression)
    states, constants = np.array(at[:2]), np.array(at[2:])
    partials = partials_of(graph, root)
    keys = {x: ("x", 0), y: ("x", 1), k: ("c", 0)}
    intermediate = graph.evaluate(graph.reachable([root, *partials.values()]), 0.0, states, constants)
    scale = 1e-12 * max(1.0, *(float(abs(v)) for v in intermediate))
    want = exact(expression, at)
    if want is not None:
        assert float(graph.evaluate([root], 0.0, states, constants)[0]) == pytest.approx(want, rel=1e-10, abs=scale)
    if len(set(at)) < 3 or 1.0 in at:
        return  # on a kink
    for s, key in keys.items():
        want = exact(sympy.diff(expression, s), at)
        if want is not None and math.isfinite(want):
            found = float(graph.evaluate([partials[key]], 0.0, states, constants)[0]) if key in partials else 0.0
            assert found == pytest.approx(want, rel=1e-10, abs=scale), (expression, s)


@pytest.mark.parametrize("at", [(0.5, 2.0, 1.0), (2.0, 0.5, 1.0), (1.0, 1.0, 1.0), (3.0, 3.0, 0.1)])
@pytest.mark.parametrize(
    "expression",
    [
        sympy.Max(x, y), sympy.Min(x, y), sympy.Max(x, y, k), sympy.Min(x, y, k), sympy.Max(x, 1),
        sympy.Piecewise((x, x < y), (y**2, True)), sympy.Piecewise((x, x <= y), (y**2, True)), sympy.Piecewise((x, x > y), (y**2, True)),
        sympy.Piecewise((x, x >= y), (y**2, True)), sympy.Piecewise((1, (x > y) | (k > 0.5)), (2, True)),
        sympy.Piecewise((1, (x > y) & (k > 0.5)), (2, True)), sympy.Piecewise((1, sympy.Not(sympy.And(x > y, k > 2))), (2, True)),
        sympy.Piecewise((1, x < 1), (2, x < 2.5), (3, True)),
    ],
)  # fmt: skip
def test_branches_at_and_beside_their_edges(expression, at):
    assert value(expression, at) == float(expression.subs(dict(zip(SYMBOLS, map(sympy.Float, at), strict=True))))


def test_equal_parts_are_one_node():
    graph, one = lowered(x * y + k)
    size = len(graph.nodes)
    names = {"x": graph.input("x", 0), "y": graph.input("x", 1), "k": graph.input("c", 0)}
    assert graph.lower(k + y * x, names) == one and len(graph.nodes) == size


def test_constants_fold_and_zeros_vanish():
    graph, node = lowered(sympy.Integer(0) * x + sympy.exp(sympy.Integer(0)))
    assert graph.nodes[node] == ("const", 1.0)
    assert partials_of(graph, lowered(x - x + 3, graph)[1]) == {}
    assert graph.sub(node, node) == graph.zero


def test_time_is_an_input_without_derivative():
    graph, node = lowered(TIME * x)
    assert float(graph.evaluate([node], 5.0, np.array([2.0, 0.0]), np.array([0.0]))[0]) == 10.0
    assert set(partials_of(graph, node)) == {("x", 0)}


@pytest.mark.parametrize("power", [sympy.Rational(1, 3), sympy.Float(2.5), -sympy.Rational(1, 3)])
def test_negative_base_with_fractional_power_is_nan(power):
    """Documented: never the absolute value, so that a solver takes a smaller step."""
    graph, node = lowered(x**power)
    with np.errstate(all="ignore"):
        assert math.isnan(graph.evaluate([node], 0.0, np.array([-2.0, 0.0]), np.array([0.0]))[0])


@pytest.mark.parametrize("power", [2, 3, 4.0, -1, -2])
def test_negative_base_with_whole_power(power):
    assert value(x**power, (-2.0, 0.0, 0.0)) == pytest.approx((-2.0) ** power)
    assert value(x**k, (-2.0, 0.0, float(power))) == pytest.approx((-2.0) ** power)


def test_zero_base_has_finite_derivatives():
    graph, node = lowered(x**k)
    partials = partials_of(graph, node)
    at = np.array([0.0, 0.0]), np.array([2.0])
    assert float(graph.evaluate([partials["x", 0]], 0.0, *at)[0]) == 0.0
    assert float(graph.evaluate([partials["c", 0]], 0.0, *at)[0]) == 0.0


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (sympy.erf(x), "'erf' is not supported"),
        (sympy.gamma(x), "'gamma'"),
        (sympy.Piecewise((x, x > 1)), "without a final"),
        (sympy.Piecewise((x, sympy.Contains(x, sympy.Interval(0, y))), (y, True)), "condition"),
    ],
)
def test_unknown_functions_are_refused_by_name(expression, says):
    with pytest.raises(UnsupportedFeatureError, match=says):
        lowered(expression)


# ---- every shipped model ------------------------------------------------------------------------------------------------
def random_point(model, seed):
    """Positive values around the shipped ones; ATF4 above 1 and charged tRNA below its total, where the laws are defined."""
    draw = np.random.default_rng(seed)
    values = {}
    for name, parameter in model.parameters.items():
        charged = name.startswith("trna_asn")
        low, high = (0.0, 1.0) if name.startswith("atf4") else (-1.0, 0.0) if charged else (-1.0, 1.0) if name in model.states else (-0.1, 0.1)
        values[name] = (parameter.value or (0.1 if charged else 0.3)) * math.exp(draw.uniform(low, high))
    return values


class Chain:
    """Values and derivatives of a network by SymPy alone: every law is differentiated by itself, rules enter by the chain rule.

    Each result is (value, slope, size); size sums the absolute terms of the slope, the yardstick of its rounding error.
    """

    def __init__(self, model, values, t=3.0):
        self.model, self.index = model, {name: i for i, name in enumerate(model.parameters)}
        unit = np.eye(len(self.index))
        self.known = {name: (values[name], unit[i], unit[i]) for name, i in self.index.items()}
        self.known["time"] = (t, 0 * unit[0], 0 * unit[0])
        for name, expression in model.rules.items():
            self.known[name] = self(expression)

    def __call__(self, expression):
        free = sorted(expression.free_symbols, key=str)
        terms = [expression, *(sympy.diff(expression, s) for s in free)]
        inner = [self.known[s.name] for s in free]
        first, *partials = sympy.lambdify(free, terms, "math", cse=True)(*(v for v, _, _ in inner))
        nothing = np.zeros(len(self.index))
        slope = sum((p * d for p, (_, d, _) in zip(partials, inner, strict=True)), nothing)
        return float(first), slope, sum((abs(p) * m for p, (_, _, m) in zip(partials, inner, strict=True)), nothing)

    def side(self, name, fluxes, rates):
        """dx/dt of a state: its rate rule, or what flows in over the volume less dilution."""
        if name in rates:
            return rates[name]
        volume = self.model.species[name].compartment
        V, dV, mV = self.known[volume]
        flows = [(n, fluxes[r.id]) for r in self.model.reactions if (n := r.stoichiometry.get(name, 0.0))]
        if volume in rates:
            q, dq, mq = rates[volume]
            C, dC, mC = self.known[name]
            flows.append((-1.0, (C * q, C * dq + q * dC, abs(C) * mq + abs(q) * mC)))
        f = sum(n * v for n, (v, _, _) in flows)
        slope = sum(n * d for n, (_, d, _) in flows) / V - f * dV / V**2
        size = sum(abs(n) * (m / V + abs(v) * mV / V**2) for n, (v, _, m) in flows)
        return f / V, slope, size


@pytest.mark.parametrize("recipe", list_recipes())
def test_jacobian_and_parameter_derivatives_of_recipes(recipe):
    model = load_model(recipe)
    system = build_equations(model)
    values = random_point(model, seed=1)
    chain = Chain(model, values)
    fluxes = {r.id: chain(r.rate) for r in model.reactions}
    rates = {name: chain(e) for name, e in model.rates.items()}
    states = np.array([values[name] for name in system.states])
    constants = np.array([values[name] for name in system.constants] + [0.0] * system.n)
    entries = {("x", *k): v for k, v in system.jacobian().items()}
    entries |= {("c", *k): v for k, v in system.parameter_derivatives(system.rhs, range(len(system.constants))).items()}
    found = dict(zip(entries, system.graph.evaluate(list(entries.values()), 3.0, states, constants), strict=True))
    assert len(found) > 3 * system.n
    for i, name in enumerate(system.states):
        _, slope, size = chain.side(name, fluxes, rates)
        largest = max(size[k] * abs(values[other]) for other, k in chain.index.items())
        for kind, names in (("x", system.states), ("c", system.constants)):
            for j, other in enumerate(names):
                at = chain.index[other]
                rounding = 1e-13 * (size[at] + largest / abs(values[other]))
                assert float(found.get((kind, i, j), 0.0)) == pytest.approx(slope[at], rel=1e-10, abs=rounding), (name, other)


@pytest.mark.parametrize("recipe", list_recipes())
def test_right_hand_side_written_out(recipe):
    model = load_model(recipe)
    system = build_equations(model)
    values = random_point(model, seed=2)
    states = np.array([values[name] for name in system.states])
    constants = np.array([values[name] for name in system.constants] + [0.0] * system.n)
    rhs = system.graph.evaluate(system.rhs, 0.0, states, constants)
    sides = system.symbolic_rhs()
    assert tuple(sides) == system.states
    names = sorted({s for e in sides.values() for s in e.free_symbols}, key=str)
    written = sympy.lambdify(names, list(sides.values()), "math", cse=True)(*(values.get(s.name, 0.0) for s in names))
    np.testing.assert_allclose(np.array(rhs, float), written, rtol=1e-8, atol=1e-7)


def test_inputs_enter_as_amounts():
    model = load_model("teaching")
    system = build_equations(model)
    states, constants = system.arrays(model)
    base = np.array(system.graph.evaluate(system.rhs, 0.0, states, constants), float)
    i = system.states.index("asn_c")
    constants[len(system.constants) + i] = 5e-9
    fed = np.array(system.graph.evaluate(system.rhs, 0.0, states, constants), float)
    assert fed[i] - base[i] == pytest.approx(5e-9 / model.value("cytosol"), rel=1e-6)
    assert np.delete(fed - base, i).any() == np.False_

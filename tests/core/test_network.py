"""Composing networks: the binding rule, balance and units as gates, names that suggest, equality by structure and numbers."""

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from asnsim.biology import MODULES
from asnsim.composition import compose
from asnsim.errors import ModelError, UnitError
from asnsim.library import list_recipes, load_model, load_species
from asnsim.network import Module, Reaction, Species, symbol, symbols

a, b, k, V = symbols("a b k V")
SPECIES = {
    "a": Species("a", "a", "V", 4, 2), "b": Species("b", "b", "V", 4, 1), "n": Species("n", "ammonia", "V", 0, 1),
    "c": Species("c", "twice a", "V", 8, 4),
}  # fmt: skip


@pytest.fixture
def table(numbers):
    return numbers(
        a=(10.0, "umol/L"), b=(0.0, "umol/L"), c=(0.0, "umol/L"), n=(0.0, "umol/L"), k=(0.1, "1/h"), V=(2.0, "L"), r=(3.0, "1/h"),
        z=(1.0, ""),
    )  # fmt: skip


def one(equation="a => b + n", rate=k * a * V, rules=None, rates=None, name="m", id="r1"):
    return Module(name, (Reaction(id, equation, rate),), rules or {}, rates or {})


# ---- equations ---------------------------------------------------------------------------------------------------------
_NAMES = st.sampled_from(["asn_e", "x", "_y", "B2", "trna_asn"])
_NUMBER = st.one_of(st.none(), st.integers(1, 99), st.floats(0.001, 1e6).map(lambda v: float(f"{v:.6g}")))
_TERM = st.tuples(_NUMBER, st.booleans(), _NAMES)
_SIDE = st.lists(_TERM, max_size=4)


def _write(side):
    return " + ".join(("" if number is None else f"{number} ") + ("$" if boundary else "") + name for number, boundary, name in side)


@given(_SIDE, _SIDE, st.sampled_from(["->", "=>"]))
def test_equations_round_trip(left, right, arrow):
    reaction = Reaction("r", f"{_write(left)} {arrow} {_write(right)}", k)
    for written, read in zip((left, right), reaction.sides, strict=True):
        assert read == tuple((1.0 if number is None else float(number), name, boundary) for number, boundary, name in written)
    assert reaction.reversible == (arrow == "->")
    for name in {t[2] for t in left + right}:
        net = sum((n or 1) * s for s, side in ((-1, left), (1, right)) for n, boundary, t in side if t == name and not boundary)
        assert reaction.stoichiometry.get(name, 0.0) == pytest.approx(net, abs=1e-9)


@pytest.mark.parametrize("text", ["a", "a -> b -> a", "a b -> n", "2a -> b", "a -> 3", "a+b -> n", "a -> b*2", "-1 a -> b", "a <=> b"])
def test_bad_equations_name_the_reaction(text):
    with pytest.raises(ModelError, match="^r1: "):
        _ = Reaction("r1", text, k).sides


def test_a_dangling_plus_is_a_missing_species():
    """Was once wrong: an empty term is dropped in silence, so 'a + => b' reads as 'a => b'."""
    with pytest.raises(ModelError):
        _ = Reaction("r1", "a + => b", k).sides


def test_rates_are_expressions_not_text():
    with pytest.raises(ModelError, match="build it from symbol"):
        Reaction("r", "a => b", "k*a")
    with pytest.raises(ModelError, match="build it from symbol"):
        Module("m", (), {"x": True})
    assert Reaction("r", "a => b", 2).rate == sympy.Integer(2)


def test_one_symbol_per_name():
    assert symbol("x") is symbol("x") and symbol("x").is_real
    for name in ("2x", "a b", "", "a-b", "é"):
        with pytest.raises(ModelError, match="cannot be a name"):
            symbol(name)


# ---- gates -------------------------------------------------------------------------------------------------------------
def test_unbalanced_reaction_says_what_it_creates(table):
    with pytest.raises(ModelError) as error:
        compose("t", [one("a => b")], SPECIES, table)
    assert "m.r1" in str(error.value) and "creates {'N': -1" in str(error.value) and "must balance" in str(error.value)


def test_stoichiometric_numbers_count_in_the_balance(table):
    assert compose("t", [one("2 a => c")], SPECIES, table)
    with pytest.raises(ModelError, match=r"\{'C': -8.0, 'N': -4.0\}"):
        compose("t", [one("4 a => c")], SPECIES, table)


@pytest.mark.parametrize("name", list(MODULES))
def test_every_module_balances_carbon_and_nitrogen(name):
    species = load_species()
    for reaction in MODULES[name]().reactions:
        left, right = reaction.sides
        for element in ("carbon", "nitrogen"):
            sums = [sum(n * getattr(species[s], element) for n, s, _ in side) for side in (left, right)]
            assert sums[0] == pytest.approx(sums[1], abs=1e-9), reaction.id


@pytest.mark.parametrize(
    ("rate", "says"),
    [
        (k * a, "umol / h / L, but umol / h is needed"),
        (a * V, "umol, but umol / h is needed"),
        (k * V * (a + k), "adds"),
        (k * a * V + a, "adds"),
        (k * a * V * sympy.exp(k), "takes a pure number, not 1 / h"),
        (k * a * V * sympy.log(V), "takes a pure number"),
        (k * V * a * 2**a, "exponent"),
        (k * V * a * sympy.sin(symbol("z")), "'sin' is not a function"),
        (sympy.Piecewise((k * a * V, a > 0), (k, True)), "adds"),
        (k * V * sympy.Max(a, k), "adds"),
    ],
)
def test_wrong_units_block_the_build(table, rate, says):
    with pytest.raises(UnitError, match=says) as error:
        compose("t", [one(rate=rate)], SPECIES, table)
    assert "m.r1" in str(error.value)


def test_a_constant_exponent_is_taken_at_its_value(table, numbers):
    rate = k * a ** symbol("z") * V
    assert compose("t", [one(rate=rate)], SPECIES, table)
    with pytest.raises(UnitError, match="umol / h is needed"):
        compose("t", [one(rate=rate)], SPECIES, table | numbers(z=(2.0, "")))
    with pytest.raises(UnitError, match="variable power"):
        compose("t", [one(rate=rate, rates={"z": k * symbol("z")})], SPECIES, table)


def test_zero_fits_every_unit(table):
    assert compose("t", [one(rate=sympy.Integer(0))], SPECIES, table)
    assert compose("t", [one(rate=sympy.Piecewise((k * a * V, symbol("z") > 1), (0, True)))], SPECIES, table)


def test_conditions_of_a_piecewise_are_checked_too(table):
    """Was once wrong: only branches are checked, so a concentration may be compared with a rate constant."""
    with pytest.raises(UnitError):
        compose("t", [one(rate=sympy.Piecewise((k * a * V, a > k), (0, True)))], SPECIES, table)


def test_rules_and_rate_rules_are_checked(table):
    with pytest.raises(UnitError, match=r"m\.x: .* adds"):
        compose("t", [one(rules={"x": a + k})], SPECIES, table)
    with pytest.raises(UnitError, match="m: the rate of change of z is in"):
        compose("t", [one(rates={"z": a})], SPECIES, table)
    assert compose("t", [one(rates={"z": k * (1 - symbol("z"))})], SPECIES, table).states == ("a", "b", "n", "z")


def test_rules_carry_their_unit_into_rates(table):
    rules = {"flux": k * a}
    assert compose("t", [one(rate=symbol("flux") * V, rules=rules)], SPECIES, table)
    with pytest.raises(UnitError, match="m.r1 is in umol / h / L"):
        compose("t", [one(rate=symbol("flux"), rules=rules)], SPECIES, table)


def test_loops_of_rules_are_named(table):
    x, y = symbols("x y")
    with pytest.raises(ModelError, match="form a loop: .*x.* -> .*; make one of them a state"):
        compose("t", [one(rules={"x": y, "y": x})], SPECIES, table)


def test_duplicates(table):
    with pytest.raises(ModelError, match="'r1' is already in use"):
        compose("t", [one(), one(name="m2")], SPECIES, table)
    with pytest.raises(ModelError, match="'a' is already in use"):
        compose("t", [one(id="a")], SPECIES, table)
    with pytest.raises(ModelError, match="rule 'x' is declared twice"):
        compose("t", [one(rules={"x": k}), one(rules={"x": k}, id="r2", name="m2")], SPECIES, table)
    with pytest.raises(ModelError, match="'z' already has equations in m"):
        compose("t", [one(rates={"z": k}), one(rates={"z": k}, id="r2", name="m2")], SPECIES, table)
    with pytest.raises(ModelError, match="'a' already has equations in a reaction"):
        compose("t", [one(rates={"a": k * a})], SPECIES, table)


def test_a_reaction_may_not_take_the_name_of_a_constant(table):
    """Was once wrong: the flux then hides the constant: run['k'] and run.at(t)['k'] return the flux."""
    with pytest.raises(ModelError, match="'k'"):
        compose("t", [one(id="k")], SPECIES, table)


def test_unknown_names_suggest(table):
    with pytest.raises(ModelError, match=r"m\.r1 of model 't' needs 'kk', which no table gives"):
        compose("t", [one(rate=symbol("kk") * a * V)], SPECIES, table)
    with pytest.raises(ModelError, match=r"m\.r1: 'bb' is not in the species table; did you mean 'b'"):
        compose("t", [one("a => bb + n")], SPECIES, table)
    model = load_model("cell")
    with pytest.raises(ModelError, match="'kcat_asn' is not a constant or initial value of model 'cell'; did you mean 'kcat_asns'"):
        model.with_parameters(kcat_asn=1.0)
    with pytest.raises(ModelError, match="did you mean 'asn_c'"):
        model.value("asn_cc")


# ---- binding rule ------------------------------------------------------------------------------------------------------
def test_state_over_rule_over_constant(table):
    z = symbol("z")
    use = one(rate=k * a * V * z)
    rule = Module("rule", (), {"z": 1 + a / (a + symbol("b"))})
    state = Module("state", (), {}, {"z": k * (1 - z)})
    constant = compose("t", [use], SPECIES, table)
    assert "z" in constant.constants and "z" not in constant.states
    ruled = compose("t", [use, rule], SPECIES, table)
    assert "z" in ruled.rules and "z" not in ruled.parameters
    for order in ([use, rule, state], [state, rule, use]):
        stated = compose("t", order, SPECIES, table)
        assert "z" in stated.states and "z" not in stated.rules and stated.value("z") == 1.0 and "z" not in stated.constants
        assert all("z" not in module.rules for module in stated.modules)


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_name_is_bound_once(recipe):
    model = load_model(recipe)
    kinds = [set(model.states), set(model.rules), set(model.constants)]
    assert not (kinds[0] & kinds[1] or kinds[0] & kinds[2] or kinds[1] & kinds[2])
    asked = {s.name for r in model.reactions for s in r.rate.free_symbols} | {s.name for e in model.rules.values() for s in e.free_symbols}
    assert asked - {"time"} <= set.union(*kinds)


def test_leaving_the_response_out_turns_states_into_constants():
    whole, cut = load_model("cell"), load_model("cell", without="gcn2_atf4")
    for name in ("asns", "eif2p", "snat2_level", "chop"):
        assert name in whole.states and name in cut.constants and whole.value(name) == cut.value(name)
    assert "atf4_mrna" not in cut.parameters, "rows no module asks for are left out"


def test_leaving_a_rule_out_falls_back_to_the_table():
    assert "loader_mtor" in load_model("cell").rules
    cut = load_model("cell", without="mtorc1")
    assert cut.value("loader_mtor") == 1.0 and "loader_mtor" in cut.constants and "s6kp" in cut.constants


def test_boundary_species_are_not_states(table):
    model = compose("t", [one("a + $n => b + 2 $n")], SPECIES, table)
    assert model.states == ("a", "b") and "n" in model.species
    assert Reaction("r", "a + $n => b + 2 $n", k).stoichiometry == {"a": -1.0, "b": 1.0}


# ---- identity ----------------------------------------------------------------------------------------------------------
def test_with_parameters_returns_a_copy(table):
    model = compose("t", [one()], SPECIES, table)
    other = model.with_parameters(k=0.5)
    assert model.value("k") == 0.1 and other.value("k") == 0.5 and other.parameters["k"].unit == "1/h"
    assert model.structure == other.structure and model != other and hash(model) != hash(other)
    assert other.with_parameters({"k": 0.1}) == model and hash(other.with_parameters(k=0.1)) == hash(model)
    with pytest.raises(TypeError):
        model.parameters["k"] = 3
    with pytest.raises(AttributeError):
        model.name = "x"
    for value in (float("nan"), float("inf")):
        with pytest.raises(ModelError, match="give a finite number"):
            model.with_parameters(k=value)


def test_structure_depends_on_equations_alone(table, numbers):
    plain = compose("t", [one()], SPECIES, table)
    assert plain.structure == compose("t", [one()], SPECIES, table | numbers(k=(7.0, "1/h"))).structure
    assert plain.structure != compose("t", [one(rate=2 * k * a * V)], SPECIES, table).structure
    assert plain.structure != compose("t", [one("a -> b + n")], SPECIES, table).structure
    assert plain != "t"


def test_page_prints_each_part(table):
    page = str(compose("t", [one(rules={"x": k**2}, rates={"z": k * (1 - symbol("z"))})], SPECIES, table, title="a title"))
    for line in ("// a title", "compartment V;", "species a in V", "x := k^2;", "r1: a => b + n; V*a*k;", "z' = k*", "k = 0.1;  // 1/h"):
        assert line in page, line
    assert "**" not in page

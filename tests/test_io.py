"""Pages, SBML and the crosscheck against libRoadRunner; `write` and `read`."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pytest

import asnsim
from asnsim import page
from asnsim.equations import build_equations
from asnsim.errors import AsnsimError, DataError, ModelError, UnsupportedFeatureError
from asnsim.io import FORMATS, read, write
from asnsim.io.antimony import sbml_of_page
from asnsim.io.crosscheck import crosscheck, default_regimen
from asnsim.io.sbml import consistency, sbml_text
from asnsim.network import Species, symbol

RECIPES = asnsim.list_recipes()


@pytest.fixture(scope="module")
def sbml():
    """SBML of every recipe, made once."""
    return {name: sbml_text(asnsim.load_model(name)) for name in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES)
def test_sbml_is_consistent(recipe, sbml):
    errors, _ = consistency(sbml[recipe])
    assert errors == []
    assert 'level="3" version="1"' in sbml[recipe][:300]


def test_consistency_sees_an_error():
    broken = sbml_of_page("model a()\n compartment c; c = 1; species A in c; A = 1; J: A => ; k*A; k = 2;\nend").replace(
        'compartment="c"', 'compartment="nowhere"'
    )
    errors, _ = consistency(broken)
    assert errors


@pytest.mark.parametrize("recipe", RECIPES)
def test_page_survives_libantimony(recipe, sbml):
    """What libRoadRunner makes of the page has our initial values, constants and reaction rates."""
    tellurium = pytest.importorskip("tellurium")
    model = asnsim.load_model(recipe)
    # some enzyme, so that no reaction is silent
    dosed = model.with_parameters(asnase_e=70.0) if "asnase_e" in model.states else model
    engine = tellurium.loadSBMLModel(sbml_text(dosed))
    for name in (*model.states, *model.constants):
        key = f"[{name}]" if name in model.species else name
        assert engine[key] == pytest.approx(dosed.value(name), rel=1e-14, abs=0), name
    start = asnsim.simulate(dosed, until=0.0).at(0.0)
    ours = np.array([start[reaction.id] for reaction in model.reactions])
    theirs = np.array([engine[reaction.id] for reaction in model.reactions])
    assert tuple(engine.getReactionIds()) == tuple(reaction.id for reaction in model.reactions)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-14 * np.abs(theirs).max())


@pytest.mark.parametrize("recipe", ["teaching", "cell", "dosing", "tracer", "coculture", "isr_programme", "body_pk", "patient"])
def test_crosscheck_with_default_dose(recipe):
    model = asnsim.load_model(recipe)
    result = crosscheck(model, rtol=1e-8)
    assert default_regimen(model, 48.0).doses, "every shipped recipe is dosed"
    assert result.overall <= 1e-5, str(result)
    assert result.states == model.states and np.all(np.isfinite(result.deviation))


def test_crosscheck_follows_our_tolerance():
    """The deviation is our solver's: it falls with our rtol, so libRoadRunner is the more exact side."""
    model = asnsim.load_model("cell")
    loose, tight = (crosscheck(model, rtol=rtol).overall for rtol in (1e-6, 1e-10))
    assert tight < 1e-7 and tight < loose / 100


def test_crosscheck_sees_atp_diluted_by_growth(monkeypatch):
    """SBML keeps the amount of a boundary species, we its concentration; without its line in the page ATP is diluted."""
    model = asnsim.load_model("cell")
    assert "atp_c' = 0;" in str(model)
    monkeypatch.setattr(page, "_held", lambda network: [])
    assert crosscheck(model, until=24.0).overall > 1e-3


def test_crosscheck_with_infusions_and_changes():
    dosing = asnsim.load_model("dosing", "all_low_asns")
    infusions = asnsim.Regimen.repeat("2500 U/m^2", into="peg_1", every="7 d", times=2, duration="2 h", start="1 d")
    assert crosscheck(dosing, infusions, until="14 d").overall <= 1e-5
    cell = asnsim.load_model("cell", "rpmi")
    mixed = asnsim.Regimen.single("2 U", into="asnase_e", time=5, duration="3 h")
    mixed = mixed.change(20.0, {"asn_e": 300.0, "medium": 0.004, "cytosol": 1e-6, "atp_c": 3000.0, "k_asp_entry": 0.1})
    assert crosscheck(cell, mixed, until=40.0).overall <= 1e-5
    assert crosscheck(cell, asnsim.preculture(cell, 100.0), until=24.0).overall <= 1e-5


def test_crosscheck_names_a_species_with_and_without_dollar(numbers):
    a, k, V = (symbol(name) for name in "akV")
    reactions = (asnsim.Reaction("r1", "$a => b", k * a * V), asnsim.Reaction("r2", "a =>", k * a * V))
    table = {name: Species(name, name, "V") for name in "ab"}
    values = numbers(a=(10.0, "umol/L"), b=(0.0, "umol/L"), k=(1.0, "1/h"), V=(1.0, "L"))
    try:
        model = asnsim.compose("mixed", [asnsim.Module("m", reactions)], table, values)
    except ModelError:
        return  # refused earlier, which is better
    with pytest.raises(ModelError, match="with or without"):
        crosscheck(model, asnsim.Regimen(), until=1.0)


def test_crosscheck_table(tmp_path):
    result = crosscheck(asnsim.load_model("teaching"), asnsim.Regimen(), until="1 d", times=[0.0, 6.0, 24.0])
    table = result.table()
    assert list(table["state"])[0] == result.worst and table["deviation"].is_monotonic_decreasing
    assert table["deviation"][0] == result.overall and result.points == 3
    assert (result.to_csv(tmp_path / "c.csv").read_text().splitlines()[0]) == "state,unit,largest,deviation,time_h"


def test_printing_of_comparisons():
    x, y = symbol("x"), symbol("y")
    import sympy

    text = page.antimony_expression(sympy.Piecewise((sympy.Max(x, y), sympy.And(x > 1, y > 1)), (abs(x), True)))
    document = sbml_of_page(f"model a()\n x = 3; y = 2; z := {text};\nend")
    assert consistency(document)[0] == []
    tellurium = pytest.importorskip("tellurium")
    engine = tellurium.loadSBMLModel(document)
    for values, expected in (((3.0, 2.0), 3.0), ((2.0, 5.0), 5.0), ((-4.0, 2.0), 4.0), ((2.0, 0.5), 2.0)):
        engine["x"], engine["y"] = values
        assert engine["z"] == expected


def test_libantimony_refuses():
    with pytest.raises(ModelError, match="libAntimony refuses the page"):
        sbml_of_page("model a()\n J: A -> ; k*(A;\nend")


@pytest.mark.parametrize("suffix", FORMATS)
def test_write_models(tmp_path, suffix):
    model = asnsim.load_model("teaching")
    path = write(model, tmp_path / f"deeper/model{suffix}")
    text = path.read_text(encoding="utf-8")
    assert {".ant": text == str(model), ".txt": text == str(model), ".py": "def rhs(t, x, c):" in text}.get(suffix, "<sbml" in text)
    assert [item.name for item in path.parent.iterdir()] == [path.name], "no half-written file stays behind"
    with pytest.raises(UnsupportedFeatureError, match="never run" if suffix == ".py" else "not supported yet"):
        read(path)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_numpy_module_says_what_the_kernels_compute(tmp_path, recipe):
    """The readable form is the oracle: bit by bit the graph's, and so within rounding the machine code's."""
    model = asnsim.load_model(recipe)
    module = SimpleNamespace(**runpy.run_path(str(write(model, tmp_path / "model.py"))))
    system = build_equations(model)
    x, c = system.arrays(model)
    x = np.where(x == 0, 0.3, x)
    assert module.STATES == system.states and module.CONSTANTS == system.constants
    np.testing.assert_array_equal(module.X0, system.arrays(model)[0])
    np.testing.assert_array_equal(module.C, c[: len(system.constants)])
    x = np.where(np.array([name == "atf4" for name in system.states]), x + 1.0, x)
    np.testing.assert_array_equal(module.rhs(1.5, x, module.C), np.array(system.graph.evaluate(system.rhs, 1.5, x, c), float))
    jacobian = module.jac(1.5, x, module.C)
    for (i, j), value in zip(system.jacobian(), system.graph.evaluate(list(system.jacobian().values()), 1.5, x, c), strict=True):
        assert jacobian[i, j] == float(value)
        jacobian[i, j] = 0.0
    assert not jacobian.any()
    found = module.observables(1.5, x, module.C)
    assert set(found) == set(model.rules) | {reaction.id for reaction in model.reactions}
    for name, value in found.items():
        assert value == float(system.graph.evaluate([system.observable(name)], 1.5, x, c)[0]), name


def test_write_run_and_batch(tmp_path):
    run = asnsim.simulate(asnsim.load_model("teaching"), until=2.0, times=[0.0, 1.0, 2.0])
    assert len(write(run, tmp_path / "run.csv").read_text().splitlines()) == 4
    pytest.importorskip("pyopenms")
    batch = asnsim.measure(run, times=[1.0], replicates=1)
    write(batch, tmp_path / "batch")
    again = read(tmp_path / "batch")
    assert [i.sample.name for i in again.injections] == [i.sample.name for i in batch.injections]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda folder: write(asnsim.load_model("teaching"), folder / "a.xmll"), UnsupportedFeatureError, "did you mean '.xml'"),
        (lambda folder: write(asnsim.load_model("teaching"), folder / "a"), UnsupportedFeatureError, "not a format of models"),
        (lambda folder: write(3, folder / "a.csv"), UnsupportedFeatureError, "a int object has no file format"),
        (lambda folder: read(folder / "absent.xml"), DataError, "no such file"),
        (lambda folder: crosscheck(asnsim.load_model("teaching"), until="3 kg"), AsnsimError, "3 kg"),
    ],
)
def test_wrong_requests(tmp_path, call, error, words):
    with pytest.raises(error, match=words) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)

"""What an independent reviewer could slip past us once: wrong numbers that looked right, hangs, and answers that were no sentence."""

import math

import numpy as np
import pandas as pd
import pytest

from asnsim.composition import compose
from asnsim.culture import preculture
from asnsim.dosing import Dose, Regimen, parse_dose
from asnsim.errors import DataError, DoseError, FitError, ModelError, UnitError
from asnsim.fit import Experiment, FitProblem, fit
from asnsim.library import load_model
from asnsim.measurements import Measurements
from asnsim.network import Module, Reaction, Species, symbol
from asnsim.simulation import simulate
from asnsim.units import unit

TEACHING = load_model("teaching")


def data(unit_text, factor=1.0):
    run = simulate(TEACHING.with_parameters(k_efflux=2.0), until=12, times=[2, 6, 12])
    rows = [{"experiment": "e", "time": t, "observable": "asn_c", "unit": unit_text, "value": run.at(t)["asn_c"] * factor,
             "sd": 5.0 * factor} for t in (2, 6, 12)]
    return Measurements.from_frame(pd.DataFrame(rows))


@pytest.mark.parametrize(("text", "factor"), [("umol/L", 1.0), ("mM", 1e-3), ("nmol/L", 1e3), ("", 1.0)])
def test_a_fit_converts_the_unit_of_its_data(text, factor):
    result = fit(FitProblem([Experiment("e", TEACHING)], data(text, factor), ["k_efflux"]), starts=1)
    assert result.x[0] == pytest.approx(2.0, rel=1e-4)
    assert result.residuals["value"].iloc[0] == pytest.approx(result.residuals["predicted"].iloc[0], rel=1e-3)
    assert result.residuals["sd"].to_numpy() == pytest.approx([5.0] * 3)


@pytest.mark.parametrize("text", ["kg", "1/h", "umol/kg"])
def test_a_fit_refuses_data_in_another_dimension(text):
    with pytest.raises(FitError, match="measurement 1: 'asn_c' is given in"):
        FitProblem([Experiment("e", TEACHING)], data(text), ["k_efflux"])


def test_misspelt_options_of_a_fit_are_refused():
    experiment = Experiment("e", TEACHING)
    with pytest.raises(FitError, match="a bound for 'k_eflux'.*did you mean 'k_efflux'"):
        FitProblem([experiment], data(""), ["k_efflux"], bounds={"k_eflux": (0.1, 2)})
    with pytest.raises(FitError, match="fixes 'nix'"):
        FitProblem([Experiment("e", TEACHING, fixed=("nix",))], data(""), ["k_efflux"])
    with pytest.raises(FitError, match="positive log-scale"):
        FitProblem([experiment], data(""), ["k_efflux"], priors={"k_efflux": -1})
    with pytest.raises(DataError, match="must be positive"):
        Measurements.from_frame(data("").table.assign(sd=-5.0), np.eye(3))


@pytest.mark.parametrize("hours", ["-5 h", 0, math.nan, math.inf])
def test_a_preculture_takes_time(hours):
    with pytest.raises(ModelError, match="preculture of"):
        preculture(TEACHING, hours)


def test_cells_arrive_fed_whatever_waits_for_them():
    model = load_model("cell", "rpmi", "all_low_asns").with_parameters(asnase_e=1000.0)
    run = simulate(model, preculture(model), until=0.0, times=[-1.0, 0.0])
    assert run.at(-1.0)["asnase_e"] == 0.0 and run.at(-1.0)["asn_e"] == pytest.approx(380, rel=1e-3)
    assert run.at(0.0)["asnase_e"] == 1000.0 and run.at(0.0)["asn_c"] > 1000


def test_a_dose_after_the_end_is_not_dropped_in_silence():
    with pytest.raises(ModelError, match="'asnase_e' is dosed or changed at 480 h, after the end at 48 h"):
        simulate(TEACHING, Regimen.single("5 U", "asnase_e", time=480), until=48)


def test_a_dose_that_follows_a_covariate_cannot_outlive_its_change():
    regimen = Regimen.single("2500 U/m^2", "peg_1", time=24).change(12, bsa=2.0)
    with pytest.raises(DoseError, match="follows 'bsa'"):
        simulate(load_model("dosing"), regimen, until=48)


def test_negative_quantities_are_refused_where_they_have_a_unit():
    with pytest.raises(ModelError, match="must not be negative"):
        TEACHING.with_parameters(k_efflux=-1.0)
    assert load_model("dosing").with_parameters(peg_CL_female=-0.2).value("peg_CL_female") == -0.2
    with pytest.raises(ModelError, match="the volume 'peg_V'.*must be positive"):
        simulate(load_model("dosing").with_parameters(peg_V_occasion=-1.5), until=1)
    with pytest.raises(ModelError, match="starts at -5"):
        simulate(TEACHING, Regimen().change(0.0, asn_e=-5.0), until=1)


def test_times_that_only_differ_by_dust_meet():
    run = simulate(TEACHING, Regimen((Dose(0.2, "100 U", "asnase_e", alag=0.1),)), until=1, times=[0.1, 0.3, 1.0])
    assert run.at(0.3)["asnase_e"] == pytest.approx(100.0, rel=1e-3) and run.at("0.3 h", "before")["asnase_e"] == 0.0


def test_a_tiny_infusion_delivers_its_amount():
    run = simulate(TEACHING, Regimen.single(100.0, "asnase_e", time=1000, duration=1e-12), until=1000.001, times=[1000.001])
    assert run["asnase_e"][-1] == pytest.approx(100.0, rel=1e-3)


@pytest.mark.parametrize("text", ["h^9^9^9^9", "1/h**9**9", "U^12", "umol/L^99"])
def test_units_cannot_hang_the_process(text):
    with pytest.raises(UnitError):
        unit(text)


def test_repeats_have_a_limit():
    with pytest.raises(DoseError, match="100000"):
        parse_dose("5 U into asnase_e every 2 h times 999999999")


def test_a_table_beside_its_recipe_is_found_and_read_again(tmp_path):
    recipe, table = tmp_path / "mine.toml", tmp_path / "mine.tsv"
    head = "name\tvalue\tunit\tsource\tstatus\n"
    table.write_text(head + "k_efflux\t1.5\t1/h\t\tassumed\n")
    recipe.write_text(
        'modules = ["teaching_medium", "teaching_transport", "teaching_synthesis", "teaching_response", "teaching_growth"]\n'
        'tables = ["teaching", "mine.tsv"]\n'
    )
    assert load_model(str(recipe)).value("k_efflux") == 1.5
    table.write_text(head + "k_efflux\t9.25\t1/h\t\tassumed\n")
    assert load_model(str(recipe)).value("k_efflux") == 9.25


def test_names_and_numbers_that_mean_something_else(tmp_path, numbers):
    k, a, V = (symbol(n) for n in "kaV")
    for bad in ("r 1", "9r", "time", "exp"):
        with pytest.raises(ModelError, match="cannot be a name"):
            compose("m", [Module("m", (Reaction(bad, "a =>", k * a * V),))], {"a": Species("a", "a", "V")}, numbers(a=(1.0, "umol/L"), k=(1.0, "1/h"), V=(1.0, "L")))
    with pytest.raises(ModelError, match="stoichiometry 0"):
        assert Reaction("r", "0 a => 0 b", k).sides
    path = tmp_path / "overlay.tsv"
    path.write_text("name\tvalue\tunit\tsource\tstatus\nk_efflux\t1_0\t1/h\t\tassumed\n")
    with pytest.raises(DataError, match="'1_0' is not a number"):
        load_model("teaching", str(path))
    path.write_text("name\tvalue\tvalue\tunit\tsource\tstatus\nk_efflux\t1\t2\t1/h\t\tassumed\n")
    with pytest.raises(DataError, match="'value' stands there twice"):
        load_model("teaching", str(path))


@pytest.mark.parametrize("column", ["original_filename", "inj_number", "sample_name"])
def test_a_sequence_is_not_believed_blindly(tmp_path, column):
    pytest.importorskip("pyopenms", reason="needs the extra lab")
    from asnsim.io import mzml
    from asnsim.lcms import measure

    folder = mzml.write_batch(measure(simulate(TEACHING, until=4), times=[1.0], replicates=1, noise=False), tmp_path / "batch")
    path = tmp_path / "batch" / "sequence.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[1, column] = frame.loc[0, column]
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=f"column '{column}': .* stands there twice"):
        mzml.read_batch(folder)


def test_a_vial_without_its_trace_is_named(tmp_path):
    pytest.importorskip("pyopenms", reason="needs the extra lab")
    from dataclasses import replace

    from asnsim.lcms import measure
    from asnsim.quantify import quantify

    batch = measure(simulate(TEACHING, until=4), times=[1.0], replicates=2, noise=False)
    assert not [note for note in quantify(batch).notes if "no trace" in note]
    k = next(i for i, injection in enumerate(batch.injections) if injection.sample.type == "Standard")
    injections = list(batch.injections)
    injections[k] = replace(injections[k], chromatograms=())
    notes = [note for note in quantify(replace(batch, injections=tuple(injections))).notes if "no trace" in note]
    assert len(notes) == 1 and "asn has no trace in 1 of" in notes[0] and notes[0].endswith(injections[k].sample.name)

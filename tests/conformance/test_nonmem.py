"""Event records: scenarios against closed forms, and records that break a rule."""

import math
import re

import numpy as np
import pytest
from nonmem import KE, TIMES, Infusion, Plateau, Train, V, more_scenarios, oral_model, scenarios

from asnsim.dosing import Dose, Regimen
from asnsim.errors import DataError, DoseError, IntegrationError, ModelError
from asnsim.io.nonmem import read_events
from asnsim.library import load_model
from asnsim.records import predictions
from asnsim.simulation import simulate


@pytest.mark.parametrize("scenario", scenarios() + more_scenarios(), ids=lambda s: s.name)
def test_scenario(scenario, tmp_path, tight):
    path = tmp_path / "events.csv"
    path.write_text(scenario.table())
    model = oral_model()
    observe = {"central": "cp"}
    subjects = read_events(path, model, compartments=("depot", "central"), observe=observe, constants=scenario.constants)
    found = predictions(model, subjects, tight)
    seen = found[found.EVID == 0]
    assert list(seen.TIME) == list(TIMES)
    expected = np.array([scenario.central(t) for t in TIMES]) / V
    np.testing.assert_allclose(seen.PRED, expected, rtol=1e-6, atol=1e-9 * expected.max())


HEAD = "ID,TIME,EVID,CMT,AMT,RATE,DUR,II,ADDL,SS,DV"


def events(tmp_path, text, model=None, **options):
    path = tmp_path / "events.csv"
    path.write_text(text)
    return read_events(path, model or oral_model(), **({"compartments": ("depot", "central")} | options))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,0,1,1,100,.,.,.,3,.,.", "addl 3 and ii 0 h; repeats need both"),
        ("1,0,1,1,100,.,.,12,.,.,.", "addl 0 and ii 12 h; repeats need both"),
        ("1,0,0,2,.,20,.,.,.,.,5", "RATE is 20 on an observation (EVID 0)"),
        ("1,0,0,2,100,.,.,.,.,.,5", "AMT is 100 on an observation (EVID 0)"),
        ("1,0,2,2,.,.,.,12,.,.,.", "II is 12 on an other-type record (EVID 2)"),
        ("1,0,3,2,100,.,.,.,.,.,.", "AMT is 100 on a reset (EVID 3)"),
        ("1,0,1,1,100,.,.,0,.,1,.", "ss 1 and ii 0"),
        ("1,0,1,1,100,.,.,.,.,4,.", "SS is 4; it must be one of 0, 1, 2, 3"),
        ("1,0,1,1,.,20,.,12,.,1,.", "ii, addl, alag and duration must be 0"),
        ("1,0,1,7,100,.,.,.,.,.,.", "CMT is 7, but there are 2 compartments"),
        ("1,0,1,gut,100,.,.,.,.,.,.", "CMT 'gut' is not known"),
        ("1,0,1,-1,100,.,.,.,.,.,.", "CMT is -1; a negative one turns a compartment off"),
        ("1,0,1,1,-100,.,.,.,.,.,.", "amt -100"),
        ("1,0,1,1,.,.,.,.,.,.,.", "needs one of AMT, RATE, II, ADDL or SS"),
        ("1,0,1,1,100,-3,.,.,.,.,.", "rate -3"),
        ("1,0,1,1,100,-2,.,.,.,.,.", "RATE is -2, but nothing gives 'D_depot'"),
        ("1,0,1,1,100,20,5,.,.,.,.", "both rate and duration"),
        ("1,0,1,1,100 mg,.,.,.,.,.,.", "row 2"),
        ("1,0,5,1,100,.,.,.,.,.,.", "EVID is 5; it must be one of 0, 1, 2, 3, 4"),
        ("1,.,1,1,100,.,.,.,.,.,.", "TIME is empty"),
        ("1,zero,1,1,100,.,.,.,.,.,.", "zero"),
        ("1,0,1,1,100,.,.,12,1.5,.,.", "ADDL is 1.5; it must be a whole number"),
        ("1,0,1,1,100,.,.,12,-1,.,.", "addl -1"),
    ],
)
def test_a_record_that_breaks_a_rule(tmp_path, row, words):
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        events(tmp_path, f"{HEAD}\n{row}\n")
    assert "events.csv, row 2" in str(caught.value)


def test_time_goes_back_only_by_a_reset(tmp_path):
    rows = ["1,0,1,1,100,.,.,.,.,.,.", "1,5,0,2,.,.,.,.,.,.,1", "1,3,0,2,.,.,.,.,.,.,1"]
    with pytest.raises(DataError, match=r"row 4: time goes back from 5 to 3 h; only a reset"):
        events(tmp_path, "\n".join([HEAD, *rows]))
    rows[2] = "1,0,4,1,50,.,.,.,.,.,."
    (subject,) = events(tmp_path, "\n".join([HEAD, *rows, "1,5,0,2,.,.,.,.,.,.,1"]))
    assert [episode.span for episode in subject.episodes] == [(0.0, 5.0), (0.0, 5.0)]
    seen = predictions(oral_model(), [subject]).query("EVID == 0").PRED.to_numpy()
    assert seen[1] == pytest.approx(seen[0] / 2, rel=1e-5)


def test_ids_stand_together_and_columns_mean_something(tmp_path):
    with pytest.raises(DataError, match="ID 1 comes again"):
        events(tmp_path, "ID,TIME,AMT\n1,0,5\n2,0,5\n1,3,0\n")
    with pytest.raises(DataError, match="column 'WEIHGT' is neither an item"):
        events(tmp_path, "ID,TIME,AMT,WEIHGT\n1,0,5,70\n")
    with pytest.raises(DataError, match="mean the same"):
        events(tmp_path, "ID,TIME,AMT,amt\n1,0,5,5\n")
    with pytest.raises(DataError, match="no column TIME"):
        events(tmp_path, "ID,AMT\n1,5\n")
    assert events(tmp_path, "id,time,amt,note\n1,0,5,hello\n", drop=("note",))[0].records[0].dose.amt == 5


def test_ss_2_is_refused_where_the_model_is_not_linear(tmp_path):
    model = oral_model(saturable=True)
    subjects = events(tmp_path, f"{HEAD}\n1,0,1,1,100,.,.,24,.,2,.\n1,5,0,2,.,.,.,.,.,.,.\n", model)
    with pytest.raises(ModelError, match=r"subject 1: 'dose1' has ss 2, .* linear models only"):
        predictions(model, subjects)


def test_ss_1_of_a_saturable_model_is_the_end_of_a_long_train(tmp_path, tight):
    model = oral_model(saturable=True)
    table = f"{HEAD}\n1,0,1,2,15,5,.,8,2,1,.\n1,3,0,2,.,.,.,.,.,.,.\n1,22,0,2,.,.,.,.,.,.,.\n"
    at_once = predictions(model, events(tmp_path, table, model), tight).PRED.to_numpy()
    train = Regimen((Dose(-8.0 * 400, 15, "central", rate=5, ii=8, addl=402),))
    long = simulate(model, train, until=30, times=[0, 3, 22], solver=tight)
    assert at_once == pytest.approx([long.at(t)["central"] for t in (0, 3, 22)], rel=1e-6)


def test_a_clearance_that_cannot_keep_up_has_no_steady_state(tmp_path):
    model = oral_model(saturable=True)  # removes at most CL/V Km = 2.75 U/h
    subjects = events(tmp_path, f"{HEAD}\n1,0,1,2,90,.,.,8,2,1,.\n1,3,0,2,.,.,.,.,.,.,.\n", model)
    with pytest.raises(IntegrationError, match="subject 1"):
        predictions(model, subjects)


def test_sensitivities_at_steady_state_are_those_of_a_long_train(tight):
    model, theta = oral_model(), ("CL", "ka", "dose1.amt", "dose1.f")
    once = Regimen((Dose(0, 100, "depot", ii=12, addl=1, alag=2, ss=1),))
    train = Regimen((Dose(-480, 100, "depot", ii=12, addl=41, alag=2),))
    slopes = [
        simulate(model, regimen, until=20, times=[20], theta=theta, solver=tight).sensitivity("cp")[-1]
        for regimen in (once, train)
    ]
    np.testing.assert_allclose(*slopes, rtol=1e-5)
    with pytest.raises(DoseError, match="by amt and f of a bolus only"):
        simulate(model, once, until=20, theta=("dose1.ii",))


def test_endogenous_steady_state_is_the_baseline():
    model = load_model("body_pk").with_parameters(asn_p=5.0, asn_i=1.0, asn_csf=0.0)
    run = simulate(model, Regimen((Dose(0, 0, "peg_1", ss=1),)), until=10, times=[0, 10])
    inside = model.value("Ra_asn") / model.value("CL_tissue_asn")
    assert run.at(0)["asn_i"] == pytest.approx(inside, rel=1e-5)
    assert run.at(10)["asn_p"] == pytest.approx(run.at(0)["asn_p"], rel=1e-5)


def test_covariates_hold_back_to_the_record_before_or_forward(tmp_path, tight):
    table = "TIME,EVID,CMT,AMT,CL\n0,1,2,100,1\n10,0,2,.,2\n20,0,2,.,4\n"
    for locf, clearances in ((False, (2, 4)), (True, (1, 2))):
        found = predictions(oral_model(), events(tmp_path, table, locf=locf), tight).PRED.to_numpy()
        first = 100 * math.exp(-clearances[0] / V * 10)
        assert found == pytest.approx([100, first, first * math.exp(-clearances[1] / V * 10)], rel=1e-7)
    with pytest.raises(DataError, match="row 3: covariate 'CL' is empty"):
        events(tmp_path, "TIME,EVID,CMT,AMT,CL\n0,1,2,100,1\n10,0,2,.,.\n")


def test_a_record_sees_its_own_covariates(tmp_path, tight):
    table = "TIME,EVID,CMT,AMT,V\n0,1,2,100,10\n5,0,2,.,20\n"
    found = predictions(oral_model(), events(tmp_path, table, observe={"central": "cp"}), tight).PRED.to_numpy()
    assert found[0] == pytest.approx(10.0)  # 100 over the volume of the dose record, not of the next one
    assert found[1] == pytest.approx(5 * math.exp(-1.1 / 20 * 5), rel=1e-7)


def test_doses_per_square_metre_follow_the_record_and_its_cap(tmp_path):
    model = load_model("body_pk")
    table = "TIME [d],EVID,CMT,AMT [U/m^2],CAP,bsa\n0,1,peg_1,2500,3750,1.0\n14,4,peg_1,2500,3750 U,1.7\n14,0,asnase_p,.,.,1.7\n"
    (subject,) = events(tmp_path, table, model, compartments=())
    assert [record.dose.amt for record in subject.records if record.dose] == [2500.0, 3750.0]
    assert subject.records[1].time == 336.0
    with pytest.raises(DataError, match=r"row 2: the dose '5 mg' is in .*'peg_1' takes"):
        events(tmp_path, "TIME,EVID,CMT,AMT\n0,1,peg_1,5 mg\n", model, compartments=())


def test_vials_round_to_the_nearest_whole_one():
    model = load_model("body_pk")
    for amount, given in ((5000, 3750), (5700, 7500), (100, 3750)):
        (action,) = Regimen.single(amount, "peg_1", vial="3750 U").actions(model)
        assert action.value == given


def test_a_compartment_off_and_on(tmp_path, tight):
    table = f"{HEAD}\n1,0,1,1,100,.,.,.,.,.,.\n1,4,2,-2,.,.,.,.,.,.,.\n1,6,0,2,.,.,.,.,.,.,.\n1,8,2,2,.,.,.,.,.,.,.\n1,9,0,2,.,.,.,.,.,.,.\n"
    found = predictions(oral_model(), events(tmp_path, table), tight).PRED.to_numpy()
    depot = 100 * math.exp(-1.5 * 8)
    central = depot * 1.5 / (1.5 - KE) * (math.exp(-KE) - math.exp(-1.5))
    assert found[2] == 0 and found[4] == pytest.approx(central, rel=1e-6)
    run = simulate(oral_model(), Regimen.single(10, "central").switch(2, "central", False), until=6, times=[1, 3, 5])
    assert run.at(4)["central"] == 0 and run.at(1.5)["central"] == pytest.approx(10 * math.exp(-KE * 1.5), rel=1e-5)
    with pytest.raises(ModelError, match="has no sensitivities"):
        simulate(oral_model(), Regimen().switch(2, "central", False), until=6, theta=("CL",))


def test_at_one_time_the_order_of_the_data_counts(tmp_path, tight):
    """Each record shows what stands at or above it: the first dose, an observation, another dose, a steady state, a dose."""
    rows = ["1,0,0,2,.,.,.,.,.,.,.", "1,0,1,2,100,.,.,.,.,.,.", "1,0,0,2,.,.,.,.,.,.,.", "1,0,1,2,50,.,.,.,.,.,."]
    steady = ["1,0,1,2,70,.,.,12,.,1,.", "1,0,0,2,.,.,.,.,.,.,.", "1,0,1,2,30,.,.,.,.,.,.", "1,2,0,2,.,.,.,.,.,.,."]
    found = predictions(oral_model(), events(tmp_path, "\n".join([HEAD, *rows, *steady])), tight).PRED.to_numpy()
    plateau = 70 / (1 - math.exp(-KE * 12))
    assert found == pytest.approx([0, 100, 100, 150, plateau, plateau, plateau + 30, (plateau + 30) * math.exp(-2 * KE)], rel=1e-6)
    for above in ("1,0,1,2,100,.,.,.,.,.,.", "1,0,1,1,100,.,.,12,.,1,."):
        with pytest.raises(DataError, match="row 3: it switches 'central' at 0 h, after the dose of .*row 2"):
            events(tmp_path, f"{HEAD}\n{above}\n1,0,2,-2,.,.,.,.,.,.,.\n")
    commute = f"{HEAD}\n1,0,1,1,100,.,.,.,.,.,.\n1,0,2,-2,.,.,.,.,.,.,.\n1,3,0,2,.,.,.,.,.,.,.\n"
    assert predictions(oral_model(), events(tmp_path, commute), tight).PRED.to_numpy()[2] == 0


def test_a_modelled_duration_that_no_record_uses_warns(tmp_path):
    with pytest.warns(UserWarning, match=r"row 2: there is a 'D_depot' but RATE is not -2"):
        events(tmp_path, f"{HEAD}\n1,0,1,1,100,.,.,.,.,.,.\n", constants={"D_depot": "3 h"})
    with pytest.raises(DoseError, match="'D_gut' is not F, ALAG, R or D of a state"):
        events(tmp_path, f"{HEAD}\n1,0,1,1,100,.,.,.,.,.,.\n", constants={"D_gut": 3})


# ---- what a review found ------------------------------------------------------------------------------------------
def test_times_in_days_are_as_good_as_in_hours(tight):
    """1.1 d is 26.400000000000002 h: a steady state once came a shade after the dose it should precede."""
    seen = [
        simulate(oral_model(), Regimen((Dose(0.0, 50, "central"), Dose(t, 100, "central", ii=12.0, ss=1))), 30.0, times=[30.0], solver=tight)["central"][-1]
        for t in (26.4, "1.1 d")
    ]
    assert seen[0] == pytest.approx(seen[1], rel=1e-9)
    dosed = Regimen((Dose("1.1 d", 100, "central"),)).change("1.1 d", central=0.0)
    assert simulate(oral_model(), dosed, 26.5, times=[26.5])["central"][-1] > 90


def test_a_table_in_days_may_begin_anywhere(tmp_path):
    found = predictions(oral_model(), events(tmp_path, "TIME [d],EVID,CMT,AMT,II,SS\n1.1,1,2,100,12,1\n1.2,0,2,.,.,.\n"))
    assert found.PRED[1] == pytest.approx(Train(26.4, 100, 12).at(28.8), rel=1e-5)


def test_the_covariates_of_a_steady_state_are_those_of_its_record(tmp_path, tight):
    rows = ["0,0,2,.,.,.,1.0", "24,0,2,.,.,.,1.0", "24,1,2,100,12,1,2.0", "30,0,2,.,.,.,2.0"]
    head = "TIME,EVID,CMT,AMT,II,SS,CL\n"
    with_row, without = (
        predictions(oral_model(), events(tmp_path, head + "\n".join(part)), tight).PRED.to_numpy()[-2:] for part in (rows, [rows[0], *rows[2:]])
    )
    assert with_row == pytest.approx(without, rel=1e-9)
    assert without[0] == pytest.approx(100 / (1 - math.exp(-2 / V * 12)), rel=1e-7)
    with pytest.raises(DataError, match=r"row 4: it acts at 24 h as the record before it does, with other covariates"):
        events(tmp_path, head + "\n".join([rows[0], "24,1,2,100,12,1,1.0", "24,1,1,100,.,.,2.0"]))


def test_units_in_the_head_do_not_hide_codes_and_zeros(tmp_path, tight):
    head = "TIME,EVID,CMT,AMT [U],RATE [U/h],II,SS\n"
    modelled = predictions(oral_model(), events(tmp_path, head + "0,1,2,100,-2,.,.\n2,0,2,.,.,.,.\n", constants={"D_central": "4 h"}), tight)
    assert modelled.PRED[1] == pytest.approx(Infusion(0, 25, 4).at(2), rel=1e-7)
    plateau = predictions(oral_model(), events(tmp_path, head + "0,1,2,0,12,.,1\n2,0,2,.,.,.,.\n", constants={"ALAG_central": 2.0}), tight)
    assert plateau.PRED[1] == pytest.approx(Plateau(0, 12).at(2), rel=1e-7)


def test_names_that_are_not_there_are_refused(tmp_path):
    for options, words in (({"observe": {"centrall": "cp"}}, "names 'centrall'"), ({"observe": "cpp"}, "names 'cpp'"), ({"drop": ("colour",)}, "no column 'colour' to drop")):
        with pytest.raises(DataError, match=words):
            events(tmp_path, "TIME,EVID,CMT,AMT\n0,1,2,100\n", **options)


def test_vials_stay_within_the_cap_and_halves_go_up():
    model = load_model("body_pk")
    given = [Regimen.single(amount, "peg_1", vial="1000 U", cap="3700 U").given(model)[0].amount for amount in (2500, 3500, 3750)]
    assert given == [3000, 3000, 3000]

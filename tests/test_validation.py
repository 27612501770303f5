"""Observations, protocols, verdicts and reports; and that nothing held out can reach the fit."""

import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from asnsim import calibration, validation
from asnsim.calibration import Calibration, Target, read_calibration, read_observations, read_priors
from asnsim.calibration_report import to_markdown as calibration_report
from asnsim.calibration_report import write_back
from asnsim.cli import main
from asnsim.errors import DataError
from asnsim.library import list_overlays, list_recipes, load_model, read_overlay, read_parameters
from asnsim.protocols import PROTOCOLS
from asnsim.protocols.bench import Load, crossing
from asnsim.tables import models_folder, read_tsv

LITERATURE = Path(os.environ.get("ASNSIM_SHARED", "../shared")) / "data" / "literature" / "observations.csv"


def test_every_observation_has_a_protocol_and_every_protocol_an_observation():
    ids = [o.id for o in read_observations()]
    assert len(ids) == len(set(ids)) == 40 and set(ids) == set(PROTOCOLS)
    uses = [o.use for o in read_observations()]
    assert (uses.count("calibrate"), uses.count("holdout"), uses.count("input")) == (16, 22, 2)
    assert all(PROTOCOLS[one].__doc__ for one in ids)


@pytest.mark.skipif(not LITERATURE.is_file(), reason="the literature table is not here")
def test_uses_and_tolerances_are_those_of_the_literature_table():
    with LITERATURE.open(encoding="utf-8") as handle:
        rows = {row["id"]: row for row in csv.DictReader(handle)}
    for one in read_observations():
        assert rows[one.id]["use"].replace("input check", "input") == one.use
        assert rows[one.id]["suggested_tolerance"] == one.tolerance


def test_no_holdout_is_fitted():
    fitted = {row for rows, _ in calibration.STAGES.values() for row in rows}
    uses = {o.id: o.use for o in read_observations()}
    assert all(uses[row] == "calibrate" for row in fitted)
    assert all(math.isnan(t.sd_log) for o in read_observations() if o.use != "calibrate" for t in o.targets)


def test_a_holdout_with_a_width_is_refused(tmp_path, monkeypatch):
    folder = models_folder()
    text = (folder / "observations.tsv").read_text(encoding="utf-8").splitlines()
    k = next(i for i, line in enumerate(text) if line.startswith("V09\t"))
    cells = text[k].split("\t")
    cells[7] = "0.1"
    text[k] = "\t".join(cells)
    (tmp_path / "observations.tsv").write_text("\n".join(text) + "\n", encoding="utf-8")
    monkeypatch.setattr(calibration, "models_folder", lambda: tmp_path)
    read_observations.cache_clear()
    try:
        with pytest.raises(DataError, match="V09 is 'holdout' and must not be fitted"):
            read_observations()
    finally:
        read_observations.cache_clear()


def test_every_calibrated_number_is_a_fitted_row_and_the_covariance_belongs_to_it():
    result, priors = read_calibration(), read_priors()
    assert list(result.names) == list(priors)
    rows = {name: row for table in ("base", "body", "experiments") for name, (_, row) in read_parameters(table).items()}
    for name, value in zip(result.names, result.values, strict=True):
        assert rows[name].status == "fitted"
        assert rows[name].value == pytest.approx(value, rel=1e-4)
        assert priors[name].lower <= value <= priors[name].upper
    assert np.allclose(result.covariance, result.covariance.T, rtol=1e-4, atol=1e-7)
    assert np.linalg.eigvalsh(result.covariance).min() > 0
    assert np.all(result.sd_log <= 1.05 * np.array([priors[name].sd_log for name in result.names]))


def test_draws_are_reproducible_and_stay_in_bounds():
    result, priors = read_calibration(), read_priors()
    one, two = (result.draws(5, 7, priors) for _ in range(2))
    assert one == two and one != result.draws(5, 8, priors)
    for draw in one:
        assert all(priors[name].lower <= value <= priors[name].upper for name, value in draw.items())


def test_numbers_under_test_yield_to_what_a_line_says():
    load = Load({"apoptotic_priming": 0.5, "kcat_asns": 3000.0})
    assert load("cell", "solid_143b").value("apoptotic_priming") == 0.5
    assert load("cell", "all_low_asns").value("apoptotic_priming") == 1.0
    assert load("cell", "all_low_asns").value("kcat_asns") == 3000.0
    assert load("patient").value("apoptotic_priming_tumour") == 0.5


def test_a_target_agrees_at_its_ends():
    target = Target("x", "1", 0.5, 2.0, "1", math.nan)
    assert target.agrees(0.5) and target.agrees(2.0) and not target.agrees(2.01) and not target.agrees(math.nan)


def test_crossings():
    assert crossing([0, 1, 10], [0.0, 0.5, 1.0], 0.75) == pytest.approx(math.sqrt(10))
    assert crossing([1, 2], [0.0, 0.1], 0.9) == math.inf


def test_findings_and_their_json():
    findings = validation.validate(["V03", "V07", "V49"], draws=2)
    assert [f.verdict for f in findings] == ["agrees"] * 3
    entries = json.loads(validation.to_json(findings))
    assert [e["id"] for e in entries] == ["V03", "V07", "V49"]
    for entry in entries:
        assert set(entry) >= {"id", "use", "reported", "simulated", "low", "high", "verdict", "source"}
        assert entry["low"] <= entry["high"]
    seven = entries[1]["targets"]
    assert seven[0]["low"] < seven[0]["high"]  # draws move what they can move


def test_a_wrong_number_misses():
    finding = validation.validate(["V07"], values={"asns_capacity": 1e5})[0]
    assert finding.verdict == "misses" and finding.missed()


def test_an_impossible_number_fails_with_a_reason():
    finding = validation.validate(["V07"], values={"Vmax_translation": 1e9})[0]
    assert finding.verdict in ("failed", "misses")
    if finding.failure:
        assert "\n" not in finding.failure and json.loads(validation.to_json([finding]))[0]["simulated"] is None


def test_unknown_ids_are_one_sentence(capsys):
    assert main(["validate", "--only", "V99"]) == 2
    assert "V99" in capsys.readouterr().err


def test_validate_writes_what_it_is_asked_for(tmp_path, capsys):
    words = ["validate", "--only", "V07,V49", "--draws", "0"]
    for option, name in (("--json", "v.json"), ("--csv", "v.csv"), ("--report", "v.md"), ("--figure", "v.png")):
        words += [option, str(tmp_path / name)]
    assert main(words) == 0
    assert "calibrate: 2 of 2 agree" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "v.json").read_text())) == 2
    assert "| V07 |" in (tmp_path / "v.md").read_text() and (tmp_path / "v.png").stat().st_size > 5000
    assert (tmp_path / "v.csv").read_text().count("\n") == 4


def test_validate_with_another_number(capsys):
    said = []
    for setting in ((), ("--set", "w_mtor_asn=0")):
        assert main(["validate", "--only", "V20", "--draws", "0", *setting]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] != said[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--only", "V20", "--set", "w_mtor_asnn=0"), "w_mtor_asnn"),
        (("--only", "V03", "--set", "asn_e=7 umol/L"), "changes nothing"),
        (("--only", "V07", "--set", "Vmax_got=1 mM/h", "--set", "Vmax_got=2 mM/h"), "set twice"),
        (("--only", "V07", "--set", "Vmax_got=-1 mM/h"), "negative"),
        (("--only", ","), "names no observation"),
    ],
)
def test_wrong_requests_are_one_sentence(capsys, words, says):
    assert main(["validate", "--draws", "0", *words]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_a_treatment_that_cannot_work_is_said(capsys):
    finding = validation.validate(["V19"], values={"Vmax_translation": 0.0})[0]
    assert finding.verdict == "failed" and "halves growth" in finding.failure


def test_only_names_of_populations_are_endings():
    """Was once wrong: cell_volume also moved cell_volume_reference."""
    model = Load({"cell_volume": 3e-12, "mtorc1": 0.5})("cell", "dmem", "solid_143b")
    assert model.value("cell_volume") == 3e-12 and model.value("cell_volume_reference") == pytest.approx(5.1e-12)
    assert model.value("mtorc1_reference") == 0.8


#: Tolerances as the literature table words them, in numbers; written here anew so that a bent interval is seen.
BOUNDS = {
    "V01 asn_p": (15, 75), "V05 asn_fold": (1.2, 2.0), "V06 asn_for_90": (5, 50), "V07 asn_0": (0.0245, 0.098),
    "V09 arg": (5, 80), "V09 ser": (5, 80), "V09 leu": (5, 80), "V10 label": (0.70, 0.84), "V12 efflux_10": (2.26 / 1.7, 2.26 * 1.7),
    "V12 efflux_24": (2.42 / 1.7, 2.42 * 1.7), "V13 secretion": (2.69 / 1.7, 2.69 * 1.7), "V15 fold_45": (10 / 1.7, 17.0),
    "V17 rotenone": (10, 20), "V22 mrna_12": (7, 20), "V28 minutes": (0.5, 5), "V30 last_negative_visit": (18, 32),
    "V31 threshold": (0.02, 0.1), "V32 peg": (7, 15), "V32 cal": (14, 22), "V33 Cmax": (1.62 * 0.8, 1.62 * 1.2), "V34 day_4": (0.1, 0.4),
    "V35 fall": (75, 100), "V36 below_0.2": (16, 40), "V36 from_1": (11, 35), "V40 trough": (0.46 * 0.7, 0.46 * 1.3),
    "V43 native_hours": (26 * 0.8, 26 * 1.2), "V43 peg_days": (4.4, 6.6), "V48 growth": (0.8, 1.2), "V49 leu_half": (10, 40),
    "V50 transient_peak": (2, 6), "V50 gradual_peak": (8, 12),
}  # fmt: skip


def test_intervals_are_the_tolerances():
    found = {f"{o.id} {t.readout}": (t.low, t.high) for o in read_observations() for t in o.targets}
    for name, bounds in BOUNDS.items():
        assert found[name] == pytest.approx(bounds, rel=1e-4), name


def test_every_miss_is_explained():
    known = {row["id"]: row for row in read_tsv(models_folder() / "misses.tsv", required=("id", "lacking", "experiment"))}
    missing = [f for f in validation.validate(draws=0) if f.verdict != "agrees"]
    assert {f.observation.id for f in missing} <= set(known)
    assert all(row["lacking"] and row["experiment"] for row in known.values())
    good = validation.counts(validation.validate(["V01", "V07", "V10", "V11", "V22", "V49"], draws=0))["calibrate"]
    assert good == (6, 6)


def test_calibration_finds_its_way_back(tmp_path):
    """Two numbers started wrong return to where data and prior put them."""
    priors = [read_priors()[name] for name in ("Vmax_asn_carrier", "asns_capacity")]
    shipped = dict(zip(read_calibration().names, map(float, read_calibration().values), strict=True))
    objective = calibration._Objective(priors, shipped, ("V07", "V14"), False)
    ends = []
    for factor in (0.7, 1.4):
        start = {p.name: shipped[p.name] * factor for p in priors}
        ends.append(objective.values(calibration._solve(objective, start, 20, lambda words: None).x))
    assert ends[0]["asns_capacity"] == pytest.approx(ends[1]["asns_capacity"], rel=0.05)
    assert ends[0]["Vmax_asn_carrier"] == pytest.approx(ends[1]["Vmax_asn_carrier"], rel=0.05)


def test_writing_back_changes_only_fitted_rows(tmp_path):
    source = models_folder()
    (tmp_path / "parameters").mkdir()
    for table in ("base", "body", "experiments"):
        text = (source / "parameters" / f"{table}.tsv").read_text(encoding="utf-8")
        (tmp_path / "parameters" / f"{table}.tsv").write_text(text, encoding="utf-8")
    result = read_calibration()
    moved = Calibration(result.names, result.values * 1.1, result.covariance, 1.0)
    assert len(write_back(moved, tmp_path)) == 5
    before = (source / "parameters" / "base.tsv").read_text(encoding="utf-8").splitlines()
    after = (tmp_path / "parameters" / "base.tsv").read_text(encoding="utf-8").splitlines()
    changed = {a.split("\t")[0] for a, b in zip(after, before, strict=True) if a != b}
    assert changed == {name for name in result.names if name in {row.split("\t")[0] for row in before}}
    assert "Sloppiest combinations" in calibration_report(moved)


@pytest.mark.parametrize("name", list_overlays())
def test_every_overlay_says_what_it_is(name):
    overlay = read_overlay(name)
    assert overlay.title or (models_folder() / "parameters" / f"{name}.tsv").read_text(encoding="utf-8").startswith("# ")


def test_sources_are_printed(capsys):
    assert main(["show", "cell", "--sources"]) == 0
    out = capsys.readouterr().out
    assert "kcat_asns" in out and "Coricello" in out and "assumed" in out
    assert main(["show", "cell", "--sources", "--latex"]) == 2
    assert len(list_recipes()) >= 8 and load_model("cell")

"""Commands about doses: tables, populations, forecasts; and the pictures they draw."""

import numpy as np
import pandas as pd
import pytest
from commands import good, is_png, rows, run

from asnsim.plots_dosing import plot_bands, plot_calendar, plot_response

GIVEN = ("--given", "2500 U/m^2 into peg_1 over 2 h")


def test_population(capsys, tmp_path):
    options = ("population", "pegaspargase", "--n", 60, "--cap", "3750 U", "--antibodies", 0.1)
    out = good(capsys, *options, "--csv", tmp_path / "p.csv", "--figure", tmp_path / "p.png", "--calendar", tmp_path / "c.png", "--store", tmp_path / "p.zarr")
    assert "patients with >= 100 U/L 14 d after the last dose" in out and is_png(tmp_path / "p.png") and is_png(tmp_path / "c.png")
    table = {row[0]: row[1:] for row in rows(tmp_path / "p.csv")[1:]}
    low, median, high = (float(table["Cmax of activity"][k]) for k in (1, 0, 2))
    assert 800 < low < median < high < 2200
    code, _, err = run(capsys, *options, "--store", tmp_path / "p.zarr")
    assert code == 2 and "go on with it by resume" in err
    again = good(capsys, *options, "--store", tmp_path / "p.zarr", "--resume", "--csv", tmp_path / "again.csv")
    assert rows(tmp_path / "again.csv") == rows(tmp_path / "p.csv") and "wrote" in again
    code, _, err = run(capsys, *options[:-1], 0.2, "--store", tmp_path / "p.zarr", "--resume")
    assert code == 2 and "it holds another run" in err


def test_regimen(capsys, tmp_path):
    options = ("regimen", "pegaspargase", "--n", 60, "--times", 2, "--cap", "3750 U", "--amounts", "2500, 500 U/m^2")
    out = good(capsys, *options, "--intervals", "7, 14, 21 d", "--csv", tmp_path / "r.csv", "--figure", tmp_path / "r.png")
    assert "least drug with a chance of 0.9" in out and is_png(tmp_path / "r.png")
    table = {(float(row[0]), float(row[1])): float(row[2]) for row in rows(tmp_path / "r.csv")[1:]}
    assert len(table) == 6 and table[2500, 7] == 1.0 and table[2500, 7] >= table[2500, 21] > table[500, 21]
    for one in (("--intervals", "14 d"), ("--amounts", "2500 U/m^2", "--intervals", "7, 21 d")):
        good(capsys, *options, *one, "--figure", tmp_path / "one.png")
    out = good(capsys, *options, "--deplete", "csf", "--target", 0.001)
    assert "csf Asn <= 0.001 umol/L all the time" in " ".join(out.split()) and "none keeps it with a chance of 0.9" in out


def test_forecast(capsys, tmp_path):
    samples = ("--sample", "asnase_p=420 U/L at 7 d", "--sample", "asnase_p<5 U/L at 20 d")
    out = good(capsys, "forecast", "pegaspargase", *GIVEN, *samples, "--next", "21 d", "--figure", tmp_path / "f.png", "--csv", tmp_path / "f.csv")
    assert "smallest dose with a chance of 0.9" in out and "peg_CL_reference" in out and is_png(tmp_path / "f.png")
    chances = [float(row[1]) for row in rows(tmp_path / "f.csv")[1:]]
    assert chances == sorted(chances) and chances[0] < chances[-1]
    out = good(capsys, "forecast", "pegaspargase", *GIVEN, "--next", "14 d", "--deplete", "--target", 1)
    assert "Asn <= 1 umol/L from 15 to 28 d" in out
    gone = ("--sample", "asnase_p=900 U/L at 4 d", "--sample", "asnase_p<5 U/L at 14 d")
    out = good(capsys, "forecast", "pegaspargase", *GIVEN, *gone, "--next", "14 d", "--antibodies", 0.05)
    assert "antibodies: probability 1.000 (0.05 before" in out and "ada_onset" in out and "none of these" in out


def test_events(capsys, tmp_path):
    table = tmp_path / "e.csv"
    table.write_text("ID,TIME [d],EVID,CMT,AMT [U/m^2],DV,bsa\na,0,1,peg_1,2500,.,0.8\na,7,0,asnase_p,.,400,0.8\n")
    out = good(capsys, "events", table, "body_pk", "pegaspargase", "--csv", tmp_path / "out.csv")
    assert "1 subjects" in out
    found = rows(tmp_path / "out.csv")
    assert found[0] == ["ID", "TIME", "EVID", "WHAT", "DV", "PRED"] and float(found[2][5]) == pytest.approx(875.8, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("population", "teaching"), "no variability is published for 'teaching'"),
        (("population", "rylaze", "--amount", "25 mg/m^2"), "but 'asnase_site' takes U"),
        (("population", "pegaspargase", "--resume"), "resume needs the store"),
        (("population", "pegaspargase", "--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler answers"),
        (("regimen", "pegaspargase", "--amounts", "some"), "'some' are no amounts"),
        (("regimen", "pegaspargase", "--intervals", "7,-14 d"), "are no intervals"),
        (("regimen", "pegaspargase", "--deplete", "brain"), "it must be plasma or csf"),
        (("regimen", "pegaspargase", "--amounts", "5 mg"), "but 'peg_1' takes U"),
        (("forecast", "pegaspargase", "--given", "much"), "'much' is not a dose"),
        (("forecast", "pegaspargase", *GIVEN, "--sample", "high"), "'high' is not a sample"),
        (("forecast", "pegaspargase", *GIVEN, "--sample", "asn_csf=3 umol/L at 3 d"), "a sample of 'asn_csf' needs its residual error"),
        (("forecast", "pegaspargase", *GIVEN, "--sample", "asnase_p=3 mg at 3 d"), "is in kg, but U / L is needed"),
        (("forecast", "pegaspargase", *GIVEN, "--csv", "T"), "say with --next when one may be given"),
        (("forecast", "pegaspargase", *GIVEN, "--next", "5 d", "--trough", "-3 d"), "--trough must be positive"),
        (("forecast", "pegaspargase", *GIVEN, "--sample", "asnase_p=3 U/L at 14 d", "--next", "7 d"), "must not lie before the last dose or sample"),
        (("events", "nowhere.csv", "body_pk"), "no such file"),
        (("events", "E", "body_pk", "--constant", "F"), "'F' does not set anything"),
        (("events", "E", "body_pk", "--constant", "F_gut=1"), "'F_gut' is not F, ALAG, R or D of a state"),
        (("events", "E", "body_pk", "--compartments", "gut"), "which is not a state"),
        (("events", "E", "body_pk"), "row 2: the dose '5 mg' is in kg"),
    ],
)
def test_wrong_input_is_one_sentence(capsys, tmp_path, arguments, words):
    table = tmp_path / "e.csv"
    table.write_text("TIME,EVID,CMT,AMT\n0,1,peg_1,5 mg\n")
    code, out, err = run(capsys, *({"E": table, "T": tmp_path / "t.csv"}.get(part, part) for part in arguments))
    assert code == 2 and not out and words in err and err.count("\n") == 1


def test_pictures(tmp_path):
    t, rng = np.arange(0.0, 240.0, 24.0), np.random.default_rng(1)
    values = np.exp(rng.normal(size=(30, 1)) - t / 100)
    plot_bands(t, {"asnase_p": values}, {"asnase_p": "U/L"}, {"asnase_p": 0.5}, tmp_path / "b.png")
    plot_calendar(t, values > 0.5, "above 0.5", tmp_path / "c.png")
    table = pd.DataFrame({"regimen": [1.0, 2.0, 3.0], "probability": [0.1, 0.5, 0.9], "low": [0, 0.4, 0.8], "high": [0.2, 0.6, 1.0]})
    plot_response(table, "dose [U]", path=tmp_path / "r.png")
    surface = pd.concat([table.assign(interval=hours, probability=table.probability * 100 / hours) for hours in (168.0, 336.0)])
    plot_response(surface, "dose [U]", path=tmp_path / "s.png")
    assert all(is_png(tmp_path / f"{name}.png") for name in "bcrs")


def test_exposure_of_a_short_lived_product_is_read_closely(capsys, tmp_path):
    good(capsys, "population", "crisantaspase", "--n", 30, "--amount", "20000 U/m^2", "--every", "48 h", "--times", 3, "--until", "10 d", "--csv", tmp_path / "p.csv")
    table = {row[0]: float(row[1]) for row in rows(tmp_path / "p.csv")[1:]}
    assert table["Cmax of activity"] > 9000 and table["trough of activity"] < 400 and 8 < table["AUC of activity"] < 14

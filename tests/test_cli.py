"""The command line: happy paths write what was asked for; every wrong input is one line on stderr and exit code 2."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time

import pytest
from commands import good, is_png, rows, run
from typer.testing import CliRunner

from asnsim import cli, cli_options
from asnsim.errors import DataError
from asnsim.units import parse_time


def test_models(capsys, tmp_path):
    out = good(capsys, "models", "--csv", tmp_path / "m.csv")
    assert all(name in out for name in ("teaching", "dosing", "all_low_asns", "hilic_mrm"))
    assert "bench_" not in out, "benches are not methods a user names"
    assert ["recipe", "teaching"] in [row[:2] for row in rows(tmp_path / "m.csv")]


def test_show(capsys, tmp_path):
    out = good(capsys, "show", "teaching", "--csv", tmp_path / "p.csv")
    assert "asnase_asn: asn_e => $asp_e + $ammonia;" in out and out.rstrip().endswith("end")
    table = rows(tmp_path / "p.csv")
    assert table[0][:3] == ["name", "value", "unit"] and ["mu_max", "0.02476"] in [row[:2] for row in table]
    assert r"\frac{d}{dt} atf_{4}" in good(capsys, "show", "teaching", "--latex")
    assert "atf4' =" not in good(capsys, "show", "teaching", "--without", "teaching_response")


def test_simulate(capsys, tmp_path):
    table, figure = tmp_path / "new/run.csv", tmp_path / "new/run.png"
    out = good(
        capsys, "simulate", "teaching", "teaching_all", "--until", "2 d", "--dose", "1000 U into asnase_e at 24 h",
        "--set", "asn_e=0.05 mM", "--names", "asn_e, asnase_e,cells", "--csv", table, "--figure", figure,
    )
    assert "teaching: 0 to 48 h" in out and is_png(figure)
    content = rows(table)
    assert content[0] == ["time [h]", "asn_e [umol/L]", "asnase_e [U/L]", "cells [cells]"]
    numbers = [[float(cell) for cell in row] for row in content[1:]]
    assert numbers[0][1] == 50.0 and numbers[-1][0] == 48.0
    at_dose = [row for row in numbers if row[0] == 24.0]
    assert [row[2] for row in at_dose] == [pytest.approx(0.0, abs=1e-9), pytest.approx(1000.0)]
    assert numbers[-1][1] < 0.1


def test_simulate_doses_repeat_and_preculture(capsys, tmp_path):
    good(capsys, "simulate", "teaching", "--until", "3 d", "--dose", "10 U into asnase_e at 1 h every 1 d times 2",
         "--dose", "1 U into asnase_e at 2 d over 2 h", "--names", "asnase_e", "--csv", tmp_path / "a.csv")
    times = [float(row[0]) for row in rows(tmp_path / "a.csv")[1:]]
    assert sorted({t for t in times if times.count(t) == 2}) == [1.0, 25.0, 48.0, 50.0]
    out = good(capsys, "simulate", "teaching", "--preculture", "2 d", "--until", "6 h")
    assert "teaching: -48 to 6 h" in out


def test_dose(capsys, tmp_path):
    out = good(capsys, "dose", "--amount", "2500 U/m^2", "--times", 2, "--every", "14 d", "--bsa", "0.8 m^2", "--weight", "20 kg",
               "--csv", tmp_path / "d.csv", "--figure", tmp_path / "d.png")
    assert "2 x 2500 U/m^2 into peg_1, until 44 d" in out and is_png(tmp_path / "d.png")
    header, dies, lives = rows(tmp_path / "d.csv")
    found = {line[0]: dict(zip(header, line, strict=True)) for line in (dies, lives)}
    sick, solid = found["all_low_asns"], found["solid_143b"]
    assert 20 < float(sick["days activity > 100 U/L"]) < 44
    assert 20 < float(sick["days plasma Asn < 1 umol/L"]) < 44
    assert float(sick["peak U/L"]) > 1000 > float(sick["trough U/L"]) > 100
    assert float(sick["cells lowest"]) < 0.01 * float(sick["cells at start"]), "ALL-like cells die"
    assert float(solid["cells at end"]) > float(solid["cells at start"]), "cells with ASNS live"


def test_dose_cap(capsys, tmp_path):
    peaks = []
    for extra in ((), ("--cap", "1000 U")):
        good(capsys, "dose", "--times", 1, "--duration", "0 h", "--until", "1 d", "--line", "all_low_asns", *extra,
             "--csv", tmp_path / "d.csv")
        header, line = rows(tmp_path / "d.csv")
        peaks.append(float(dict(zip(header, line, strict=True))["peak U/L"]))
    assert peaks[1] == pytest.approx(peaks[0] * 1000 / 2500, rel=1e-6)


def test_measure_and_quantify(capsys, tmp_path):
    pytest.importorskip("pyopenms")
    folder = tmp_path / "batch"
    out = good(capsys, "measure", "cell", "dmem", "--times", "0:24:24 h", "--out", folder, "--replicates", 1, "--no-noise",
               "--figure", tmp_path / "b.png")
    assert "injections" in out and is_png(tmp_path / "b.png") and (folder / "sequence.csv").is_file()
    out = good(capsys, "quantify", folder, "--csv", tmp_path / "q.csv", "--data", tmp_path / "data.csv",
               "--figure", tmp_path / "q.png")
    assert "pass: " in out and is_png(tmp_path / "q.png")
    data = rows(tmp_path / "data.csv")
    assert {"asn_c", "gln_e"} <= {row[data[0].index("observable")] for row in data[1:]}
    code, _, err = run(capsys, "measure", "cell", "dmem", "--times", "0 h", "--out", folder)
    assert code == 2 and "not empty" in err


def test_fit(capsys, tmp_path):
    lines = [f"e,{t},asnase_e,{1000 * math.exp(-0.01 * t)},1" for t in (0, 20, 60)]
    (tmp_path / "data.csv").write_text("\n".join(["experiment,time,observable,value,sd", *lines]))
    (tmp_path / "problem.toml").write_text(
        'data = "data.csv"\nfree = ["k_asnase_decay"]\n'
        '[[experiment]]\nname = "e"\nrecipe = "teaching"\nset = { asnase_e = "1000 U/L" }\n'
    )
    out = good(capsys, "fit", tmp_path / "problem.toml", "--starts", 1, "--csv", tmp_path / "f.csv",
               "--figure", tmp_path / "f.png", "--profiles", tmp_path / "p.png")
    assert "identifiable" in out and is_png(tmp_path / "f.png") and is_png(tmp_path / "p.png")
    assert "intervals of the profile likelihood" in " ".join(out.split())
    header, line = rows(tmp_path / "f.csv")
    assert float(line[header.index("estimate")]) == pytest.approx(0.01, rel=1e-3)


def test_crosscheck(capsys, tmp_path):
    pytest.importorskip("tellurium")
    out = good(capsys, "crosscheck", "teaching", "--until", "1 d", "--csv", tmp_path / "c.csv", "--figure", tmp_path / "c.png")
    assert "largest relative deviation" in out and len(rows(tmp_path / "c.csv")) == 7 and is_png(tmp_path / "c.png")


def test_export(capsys, tmp_path):
    good(capsys, "export", "cell", "rpmi", tmp_path / "cell.xml")
    assert "<sbml" in (tmp_path / "cell.xml").read_text()
    good(capsys, "export", "teaching", tmp_path / "t.ant", "--without", "teaching_response")
    text = (tmp_path / "t.ant").read_text()
    assert "asns = 0.6;" in text and "atf4" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("simulate", "tecahing"), "did you mean 'teaching'"),
        (("simulate", "absent/recipe.toml"), "no such file"),
        (("simulate", "cell", "all_low_asn"), "did you mean 'all_low_asns'"),
        (("simulate", "teaching", "--dose", "-5 U into asnase_e"), "an amount must be positive"),
        (("simulate", "teaching", "--dose", "5 kg into asnase_e"), "is in kg"),
        (("simulate", "teaching", "--dose", "5 U into asnase"), "did you mean 'asnase_e'"),
        (("simulate", "teaching", "--dose", "much"), "is not a dose"),
        (("simulate", "teaching", "--until", "soon"), "the end 'soon'"),
        (("simulate", "teaching", "--until", "5 kg"), "5 kg"),
        (("simulate", "teaching", "--until", "-5 h"), "before it starts"),
        (("simulate", "teaching", "--set", "asn_e=5 kg"), "5 kg"),
        (("simulate", "teaching", "--set", "asn_e"), "does not set anything"),
        (("simulate", "teaching", "--set", "asn_ee=5"), "did you mean 'asn_e'"),
        (("simulate", "teaching", "--names", "asn_ee"), "did you mean 'asn_e'"),
        (("simulate", "teaching", "--without", "growth"), "is not a module of recipe"),
        (("simulate", "teaching", "--until", "1 h", "--figure", "a.gif"), "a figure is written as"),
        (("simulate", "teaching", "--rtol", "fast"), "--rtol"),
        (("simulate", "teaching", "--rtol", "5"), "--rtol"),
        (("simulate", "teaching", "--unitl", "5 h"), "--unitl"),
        (("simulate",), "'recipe'"),
        (("simulat", "teaching"), "simulat"),
        (("dose", "--times", "0"), "--times"),
        (("dose", "--amount", "-1 U"), "an amount must be positive"),
        (("dose", "--bsa", "1 kg"), "bsa"),
        (("dose", "--every", "often"), "often"),
        (("dose", "--into", "plasma"), "which is a rule of model"),
        (("dose", "--bsa", "-1 m^2"), "must not be negative"),
        (("dose", "--weight", "0 kg"), "weight must be positive"),
        (("dose", "--line", "lin"), "'lin' is not among"),
        (("dose", "--line", "rpmi"), "not the overlay of a line"),
        (("dose", "--product", "rpmi"), "not the overlay of a product"),
        (("simulate", "teaching", "--set", "asn_e=1 mM", "--set", "asn_e=2 mM"), "set twice"),
        (("simulate", "teaching", "--until", "1 h^9^9^9"), "is not a unit"),
        (("simulate", "teaching", "--csv", "."), "is not a file to write"),
        (("simulate", "teaching", "--dose", "5 U into asnase_e at 480 h"), "after the end"),
        (("measure", "teaching", "--out", "x", "--times", "0:48 h"), "start:stop:step"),
        (("measure", "teaching", "--out", "x", "--times", "0:10:0 h"), "step must be positive"),
        (("measure", "teaching", "--out", "x", "--until", "5 h", "--times", "6 h"), "outside"),
        (("quantify", "absent"), "no such folder"),
        (("fit", "absent.toml"), "no such file"),
        (("crosscheck", "teaching", "--until", "x"), "the end 'x'"),
        (("export", "teaching"), "a recipe and a path"),
        (("export", "teaching", "model.docx"), "not a format of models"),
    ],
)
def test_wrong_input_is_one_line(capsys, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    assert words in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Vmax_asct22\t5\tumol/L/h\t\tassumed", "row 2: 'Vmax_asct22' is not a name of model 'cell'; did you mean 'Vmax_asct2'"),
        ("Vmax_asct2\t5\tkg\t\tassumed", "row 2: 'Vmax_asct2' is given in kg"),
        ("Vmax_asct2\tfive\tumol/L/h\t\tassumed", "column 'value': 'five' is not a number"),
        ("Vmax_asct2\t5\tumol/L/h\t\tmeasured", "needs its source"),
    ],
)
def test_wrong_overlay(capsys, tmp_path, row, words):
    path = tmp_path / "mine.tsv"
    path.write_text(f"name\tvalue\tunit\tsource\tstatus\n{row}\n")
    code, _, err = run(capsys, "simulate", "cell", path)
    assert code == 2 and err.count("\n") == 1 and words in err


def test_unwritable_csv(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "simulate", "teaching", "--until", "1 h", "--csv", tmp_path / "file/a.csv")
    assert code == 2 and err.count("\n") == 1


def test_unforeseen_error_is_one_line(capsys, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division\nby zero [bold]")

    monkeypatch.setattr(cli, "model_of", broken)
    code, _, err = run(capsys, "simulate", "teaching")
    assert code == 1 and err.count("\n") == 1 and "ZeroDivisionError: division by zero [bold]; this is a bug" in err
    monkeypatch.setenv("ASNSIM_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["simulate", "teaching"])


def test_interrupt(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "model_of", interrupted)
    assert run(capsys, "simulate", "teaching") == (130, "", "error: interrupted\n")


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("0:48:12 h", [0.0, 12.0, 24.0, 36.0, 48.0]),
        ("0:14:7 d", [0.0, 168.0, 336.0]),
        ("0:0.3:0.1 h", [0.0, 0.1, 0.2, 0.30000000000000004]),
        ("0, 0.5,24 h", [0.0, 0.5, 24.0]),
        ("30 min", [0.5]),
        ("0 6", [0.0, 6.0]),
    ],
)
def test_parse_times(text, hours):
    assert cli_options.parse_times(text) == pytest.approx(hours, rel=1e-12)


@pytest.mark.parametrize("text", ["", "h", "0:48 h", "0:48:-1 h", "48:0:1 h", "0:1:1e-9 h", "0:48:12 kg", "a:b:c h", "1,,x h"])
def test_parse_times_refuses(text):
    from asnsim.errors import AsnsimError

    with pytest.raises(AsnsimError):
        cli_options.parse_times(text)
    assert issubclass(DataError, AsnsimError) and parse_time("1 d") == 24.0


def test_help_of_every_command():
    runner = CliRunner()
    result = runner.invoke(cli.app, ["--help"])
    assert result.exit_code == 0
    names = [info.callback.__name__ for info in cli.app.registered_commands]
    assert names == [
        "models", "show", "validate", "calibrate", "export", "dose", "events", "population", "regimen", "forecast",
        "measure", "quantify", "validate_method", "plan", "transitions", "petab", "simulate", "fit", "crosscheck",
        "demo",
    ]  # fmt: skip
    for name in names:
        assert name.replace("_", "-") in result.stdout
        one = runner.invoke(cli.app, [name.replace("_", "-"), "--help"])
        assert one.exit_code == 0 and "Usage" in one.stdout


def _process(*arguments, **more):
    command = [sys.executable, "-m", "asnsim.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_process_exit_codes_and_import_time():
    started = time.perf_counter()
    help_text, errors = _process("--help").communicate()
    assert "crosscheck" in help_text and errors == ""
    assert time.perf_counter() - started < 3.0, "about 0.2 s on an idle machine"
    heavy = ("sympy", "numba", "pandas", "pint", "matplotlib", "scipy", "numpy")
    code = f"import sys, asnsim.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    wrong = _process("simulate", "teching")
    out, errors = wrong.communicate()
    assert wrong.returncode == 2 and out == "" and errors.count("\n") == 1


def test_reader_that_leaves():
    """``asnsim show cell | head -1`` ends quietly."""
    process = _process("show", "dosing")
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 0 and errors == ""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c():
    heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  a shell's background jobs do not hear it
    process = _process("fit", "/dev/stdin", stdin=subprocess.PIPE, preexec_fn=heard)  # waits for its problem
    time.sleep(6.0)  # imports of a busy machine
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130 and errors == "error: interrupted\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("show", "cell"),
        ("export", "teaching", "model.ant"),
        ("simulate", "teaching", "--until", "5 h"),
        ("measure", "teaching", "--times", "1 h", "--replicates", "1", "--out", "batch"),
        ("crosscheck", "teaching", "--until", "5 h"),
        ("dose", "--times", "1", "--until", "3 d", "--line", "solid_143b"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_writes_a_table_and_a_figure(capsys, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good(capsys, *arguments, "--csv", tmp_path / "t.csv", "--figure", tmp_path / "f.png")
    content = rows(tmp_path / "t.csv")
    assert len(content) > 1 and len({len(row) for row in content}) == 1 and is_png(tmp_path / "f.png")

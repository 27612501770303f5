"""Commands of the laboratory: designs, faults, validation, errors by draws; wrong input is one sentence."""

import pytest
from commands import good, rows, run

pytest.importorskip("pyopenms", reason="mzML needs pyopenms")
MEASURE = ("measure", "teaching", "--times", "0:12:12 h", "--replicates", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from asnsim import cli

    target = tmp_path_factory.mktemp("lab") / "batch"
    assert cli.main([*map(str, MEASURE), "--out", str(target), "--fault", "dilution run_t1_medium_2 5", "--vials", "dilution_qc"]) == 0
    return target


def test_design_lays_out_and_acquires_nothing(capsys, tmp_path):
    out = good(capsys, *MEASURE, "--out", tmp_path / "d", "--design", "--vials", "pooled_qc, matrix_sets")
    assert "Pool_1" in out and "A_LQC_1" in out and "run_t2_cells_3" in out
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["concentrations.csv", "method.toml", "sequence.csv"]
    table = rows(tmp_path / "d" / "sequence.csv")
    vials = [row[0] for row in table[1:] if row[1] == "Unknown"]
    assert len(vials) == 12 and vials != sorted(vials), "unknowns stand in random order"
    code, _, err = run(capsys, "quantify", tmp_path / "d")
    assert code == 2 and "is not in the folder" in err.replace("\n", " ") or "not in the folder" in err


def test_quantify_flags_the_fault_and_checks_its_errors(capsys, folder, tmp_path):
    out = good(capsys, "quantify", folder, "--monte-carlo", 300, "--csv", tmp_path / "q.csv")
    assert "errors by 300 draws" in out
    table = rows(tmp_path / "q.csv")
    column = {name: k for k, name in enumerate(table[0])}
    flags = {row[column["sample"]]: row[column["flags"]] for row in table[1:]}
    assert "differs from its replicates" in flags["run_t1_medium_2"] and "differs" not in flags["run_t1_medium_1"]
    out = good(capsys, "quantify", folder, "--validation")
    assert "dilution integrity" in out and "validation of the method" in out


def test_confidence_is_that_asked_for(capsys, folder, tmp_path):
    widths = []
    for level in (0.68, 0.99):
        good(capsys, "quantify", folder, "--confidence", level, "--csv", tmp_path / "c.csv")
        table = rows(tmp_path / "c.csv")
        low, high = (table[0].index(name) for name in ("lower", "upper"))
        widths.append([float(row[high]) - float(row[low]) for row in table[1:] if row[low] not in ("", "nan")])
    assert all(b > 1.5 * a for a, b in zip(*widths, strict=True))


def test_validation_of_a_method(capsys, tmp_path):
    out = good(capsys, "validate-method", "--runs", 1, "--csv", tmp_path / "v.csv")
    assert "matrix effect (B/A)" in out and ("criteria are met" in out or "criteria fail" in out)
    assert len(rows(tmp_path / "v.csv")) > 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*MEASURE, "--out", "X", "--fault", "swap A"), "write 'swap VIAL VIAL'"),
        ((*MEASURE, "--out", "X", "--fault", "no_is run_t9_cells_1"), "no such vial in the batch"),
        ((*MEASURE, "--out", "X", "--vials", "pool"), "'pool' is not a set of vials"),
        ((*MEASURE, "--out", "X", "--design", "--csv", "t.csv"), "--design acquires nothing"),
        (("quantify", "nowhere"), "no such folder or file"),
        (("quantify", "E.mzML"), "of mzML files give the folder"),
        (("quantify", ".", "--report", "r.pdf"), "a report is written as .html"),
        (("validate-method", "hilik"), "not among the methods"),
        (("validate-method", "smartpeak_yeast"), "cannot be measured with"),
    ],
)
def test_wrong_input_is_one_sentence(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "E.mzML").write_text("x")
    code, out, err = run(capsys, *arguments)
    assert code == 2 and words in " ".join(err.split()) and "Traceback" not in out + err
    assert not (tmp_path / "X").exists()

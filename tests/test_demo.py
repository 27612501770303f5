"""The main job and its parts: what the demo claims is what the demo does."""

import pandas as pd
import pytest

from asnsim.errors import DataError

pytest.importorskip("pyopenms", reason="the demo writes mzML; needs the extra lab")

from asnsim.demo import RECOVERED, dose_child, fit_published, recover, recovery_experiment, run_demo  # noqa: E402


def test_one_clinical_dose_kills_the_low_and_spares_the_high():
    low, high = dose_child("all_low_asns"), dose_child("solid_143b")
    assert 24 < low.duration(low["asnase_p"] > 100) / 24 < 28
    assert 18 <= low.duration(low["asn_p"] < 1.0) / 24 <= 32
    assert low["cells"].min() < 0.01 * low["cells"][0]
    assert high["cells"].min() > 0.5 * high["cells"][0]
    assert high.at("7 d")["asnase_p"] == pytest.approx(low.at("7 d")["asnase_p"], rel=1e-6)


def test_published_fit_comes_back_from_elsewhere():
    result = fit_published(starts=1)
    assert result.residuals["residual"].abs().max() < 2.0
    assert result.starts[0].cost < 10


def test_noise_free_loop_returns_the_kinetics(tmp_path):
    _, result, truth = recover(recovery_experiment(), tmp_path / "batch", seed=1, noise=False)
    for name, value in zip(RECOVERED, result.x, strict=True):
        assert value == pytest.approx(truth.value(name), rel=1e-4)
    assert set(result.verdicts) == {"identifiable"}


def test_demo_runs_twice_into_one_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ASNSIM_SHARED", str(tmp_path / "nowhere"))
    steps = []
    run_demo(tmp_path, steps.append)
    report = run_demo(tmp_path)
    assert len(steps) >= 4
    parts = {row[0] for row in report.rows}
    assert parts == {"dose", "published", "recovered", "real files"}
    assert not [row for row in report.rows if row[4] == "MISS"]
    for name in ("dosing", "published_fit", "chromatograms", "recovered", "culture"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "summary.csv")) == len(report.rows)
    assert (tmp_path / "virtual_batch" / "sequence.csv").is_file()


def test_demo_does_not_touch_a_batch_it_did_not_make(tmp_path):
    mine = tmp_path / "virtual_batch"
    mine.mkdir()
    (mine / "truth.csv").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        run_demo(tmp_path)
    assert (mine / "truth.csv").read_text() == "mine"

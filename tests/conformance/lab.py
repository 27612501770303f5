"""The laboratory's round trip, judged: one line each, ``LAB <what> value=<v> bound=<b> ok|MISS``; ends with 1 if a line misses.

``make conformance-lab`` runs all; name parts on the command line to run only those. Seeds are fixed. Lines over real files need
the folder ``ASNSIM_SHARED``; where it is absent one line says so.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import norm, t

import asnsim
from asnsim.chromatogram import Chromatogram
from asnsim.errors import AsnsimError
from asnsim.fit import Experiment, FitProblem, Observable, fit
from asnsim.io.mzml import read_batch, read_mzml, write_batch, write_mzml
from asnsim.io.peaks import peaks_of
from asnsim.lcms import Faults, Protocol, emg, film_after_washes, measure
from asnsim.quantify import Method, fit_line, quantify
from asnsim.quantify.peaks import Window, integrate
from asnsim.tables import read_csv

Line = tuple[str, object, str, bool]
POOLS = {"asn_c": 1000.0, "gln_c": 5000.0, "asn_e": 40.0, "gln_e": 600.0}
SUFFIX = {"cells": "c", "medium": "e"}


class Culture:
    """Constant pools, 1e6 cells of 1.4 pL water."""

    def __init__(self, pools):
        self.pools = pools

    def at(self, t):
        """State at any time."""
        return {**self.pools, "cells": 1e6}

    def has(self, name):
        """No constant of a model."""
        return False

    def volume(self, compartment, t):
        """Water of all cells, L."""
        return 1.4e-6

    def advance(self, t, duration, scale=None):
        """Nothing happens in the tube."""
        return self.at(t)


def within(what: str, value: float, low: float, high: float) -> Line:
    """A line that is ok between two bounds."""
    return what, f"{value:.4g}", f"{low:g}..{high:g}", bool(low <= value <= high)


def files() -> Iterator[Line]:
    """Without noise everything comes back; mzML is what was stored; other readers see the same."""
    import pymzml.run
    from pyteomics import mzml as pyteomics

    run = asnsim.simulate(asnsim.load_model("cell", "rpmi"), until="24 h")
    batch = measure(run, times=[0.0, 6.0, 24.0], replicates=2, noise=False)
    with tempfile.TemporaryDirectory() as folder:
        back = read_batch(write_batch(batch, Path(folder) / "batch"))
        data = quantify(back).measurements().table
        truth = np.array([run.at(time)[name] for time, name in zip(data["time"], data["observable"], strict=True)])
        yield within("noise-free round trip, largest relative error", np.abs(data["value"] / truth - 1).max(), 0, 1e-6)
        same = all(
            np.array_equal(a.time, b.time) and np.array_equal(a.intensity, b.intensity) and (a.q1, a.q3) == (b.q1, b.q3)
            for one, other in zip(batch.injections, back.injections, strict=True)
            for a, b in zip(one.chromatograms, other.chromatograms, strict=True)
        )
        yield "mzML written and read is equal", same, "True", same
        noisy = measure(run, times=[6.0], replicates=1, seed=2)
        path = write_mzml(noisy.injections[-1].chromatograms, Path(folder) / "one.mzML")
        ours = {trace.native_id: trace for trace in read_mzml(path)}
        for name, seen in (("pymzml", _by_pymzml(pymzml, path)), ("pyteomics", _by_pyteomics(pyteomics, path))):
            equal = seen.keys() == ours.keys() and all(
                np.array_equal(time, ours[key].time) and np.array_equal(values, ours[key].intensity)
                for key, (time, values) in seen.items()
            )
            yield f"our files read by {name}, chromatograms equal", f"{len(seen)}", f"{len(ours)}", equal


def _by_pymzml(pymzml, path: Path) -> dict:
    reader = pymzml.run.Reader(str(path))
    return {trace.native_id: (reader[trace.native_id].time, reader[trace.native_id].i) for trace in read_mzml(path)}


def _by_pyteomics(pyteomics, path: Path) -> dict:
    with pyteomics.MzML(str(path)) as reader:
        return {
            entry["id"]: (np.asarray(entry["time array"], float), np.asarray(entry["intensity array"], float))
            for entry in reader.iterfind("chromatogram")
        }


def areas() -> Iterator[Line]:
    """Trapezoids: peaks of 3e4 to 3e6 counts, at least 8 points in the width at half height, cycle times that swing."""
    rng, method = np.random.default_rng(31), Method.load("hilic_mrm")
    errors = []
    for _ in range(2000):
        sigma = rng.uniform(2.5, 6.0)
        step = 2.355 * sigma / rng.uniform(8.0, 14.0)
        time = 100.0 + np.cumsum(step * (1 + 0.25 * np.sin(np.arange(int(120 / step)) / 7.0 + rng.uniform(0, 6))))
        counts, dwell = 10 ** rng.uniform(4.5, 6.5), 0.015
        mean = counts * step * emg(time, 155.0, sigma, 0.3 * sigma)  # of a point; the points of the peak add up to `counts`
        trace = Chromatogram("x", 133.1, 74.0, "+", 17.0, dwell, time, rng.poisson(mean) / dwell)
        width = 2.355 * sigma
        peak = integrate(trace, Window(155 - 1.4 * width, 155 + 1.8 * width, 155.0, width, True), replace(method, dead_time=0.0))
        errors.append(peak.area / (counts * step / dwell) - 1.0)
    yield within("trapezoid area bias, %", 100 * np.mean(errors), -1, 1)


def rounds(batches: int = 110) -> Iterator[Line]:
    """Unknowns over the whole range: bias, acceptance, coverage, batch means; the control drops the shared errors."""
    protocol, rng = Protocol.load("hilic_mrm").with_analytes("asn", "gln"), np.random.default_rng(0)
    rows, means, passed = [], [], 0
    for seed in range(batches):
        pools = {name: value * 10 ** rng.uniform(-1.3, 0.7) for name, value in POOLS.items()}
        result = quantify(measure(Culture(pools), protocol, [0.0], 6, seed=seed))
        passed += result.passed
        unknown = result.table[result.table["sample_type"] == "Unknown"]
        for (matrix, analyte), group in unknown.groupby(["matrix", "analyte"]):
            true = pools[f"{analyte}_{SUFFIX[matrix]}"]
            rows += [(row.concentration, row.value / true - 1, row.lower <= true <= row.upper) for row in group.itertuples()]
            covariance, off = result.covariance(group.index.to_numpy()), abs(group["value"].mean() - true)
            sums = (covariance.sum(), np.trace(covariance))
            means.append([off <= norm.ppf(0.975) * math.sqrt(total) / len(group) for total in sums])
    rows, (full, naive) = np.array(rows, dtype=float), np.mean(means, axis=0)
    yield within("unknowns", len(rows), 2000, math.inf)
    yield within("concentration bias, %", 100 * rows[:, 1].mean(), -2, 2)
    yield within("runs that pass ICH M10", passed / batches, 0.95, 1)
    yield within("95 % intervals cover", rows[:, 2].mean(), 0.93, 0.97)
    for name, part in zip(("low", "middle", "high"), np.array_split(np.argsort(rows[:, 0]), 3), strict=True):
        yield within(f"95 % intervals cover, {name} third", rows[part, 2].mean(), 0.90, 0.98)
    yield within("95 % intervals of batch means cover", full, 0.92, 0.98)
    yield within("the same without shared errors (control: must miss)", naive, 0, 0.90)


def lloq(batches: int = 60) -> Iterator[Line]:
    """Medium at 1.0 to 1.3 times the LLOQ of the vial: bias and coverage."""
    protocol, rng, found = Protocol.load("hilic_mrm").with_analytes("asn"), np.random.default_rng(1), []
    protocol = protocol.with_bench(injection={"carry_over": 0.0})
    dilution, lowest = protocol.method["preparation"]["dilution"]["medium"], protocol.analytes[0].lloq
    for seed in range(batches):
        true = dilution * lowest * rng.uniform(1.0, 1.3)
        result = quantify(measure(Culture({"asn_e": true}), protocol, [0.0], 6, seed=1000 + seed))
        rows = result.table[result.table["sample_type"] == "Unknown"]
        found += [(row.value / true - 1, row.lower <= true <= row.upper) for row in rows.itertuples()]
    bias, covered = np.mean(found, axis=0)
    yield within("bias at the LLOQ, %", 100 * bias, -5, 5)
    yield within("95 % intervals cover at the LLOQ", covered, 0.90, 0.98)


def faults(batches: int = 40) -> Iterator[Line]:
    """Each batch once with every fault: the vials it happens to, or for carry-over the batch, must be flagged."""
    protocol, rng = Protocol.load("hilic_mrm").with_analytes("asn", "gln", "ser"), np.random.default_rng(2)
    counts: dict[str, list[bool]] = {}
    sound: list[bool] = []
    for seed in range(batches):
        pools = {f"{name}_{s}": v * 10 ** rng.uniform(-0.4, 0.4) for s, v in (("c", 2000.0), ("e", 200.0)) for name in ("asn", "gln", "ser")}
        one, two, three, four, five = rng.integers(1, 5, 5)
        plan = Faults(  # never two in one group of replicates: of two wrong ones among four nobody can say which
            no_is=(f"run_t1_cells_{one}",), dilution={f"run_t1_medium_{two}": float(rng.choice([2.0, 5.0, 0.5]))},
            swap=((f"run_t2_cells_{three}", f"run_t2_medium_{four}"),), overload={f"run_t3_medium_{five}": 60.0},
        )  # fmt: skip
        run = _Changing(pools, 0.35)
        found = quantify(measure(run, protocol, [0.0, 5.0, 10.0], 4, seed=seed, faults=plan))
        table = found.table.groupby("sample")["flags"].apply("; ".join)
        for kind, names in (("no IS", plan.no_is), ("dilution", plan.dilution), ("saturation", plan.overload), ("swap", plan.swap[0])):
            counts.setdefault(kind, []).extend(bool(table[name].strip("; ")) for name in names)
        sound += ["differs" in text for name, text in table.items() if name.startswith("run_") and name not in plan.vials]
        report = quantify(measure(run, protocol, [0.0], 2, seed=seed, faults=Faults(carry_over=0.01))).report
        counts.setdefault("carry-over", []).append(any(line.startswith("flag") and "blank after" in line for line in report))
    for kind, hits in counts.items():
        yield within(f"fault flagged: {kind} ({len(hits)})", np.mean(hits), 0.99, 1)
    yield within("all faults flagged", np.mean([hit for hits in counts.values() for hit in hits]), 0.99, 1)
    yield within("sound vials beside them said to differ", np.mean(sound), 0, 0.01)


class _Changing(Culture):
    """Pools that fall with time."""

    def __init__(self, pools, rate):
        super().__init__(pools)
        self.rate = rate

    def at(self, t):
        return {**{name: value * math.exp(-self.rate * t) for name, value in self.pools.items()}, "cells": 1e6}


def kinetics(seeds: int = 150) -> Iterator[Line]:
    """Two kinetic parameters of the teaching model from its cells' Asn after the whole laboratory; the control drops what results share."""
    free, times = ("Vmax_uptake", "Vmax_asns"), (1.0, 4.0, 8.0, 16.0, 24.0)
    model = asnsim.load_model("teaching").with_parameters(cytosol=1e-4)
    regimen = asnsim.Regimen.single("20 U", "asnase_e", 2.0)
    run, protocol = asnsim.simulate(model, regimen, until=24), Protocol.load("hilic_mrm").with_analytes("asn")
    observables = {"asn_c": Observable("asn_c", "log")}
    wrong = model.with_parameters({name: model.value(name) * factor for name, factor in zip(free, (1.3, 0.8), strict=True)})
    hits: dict[bool, list] = {True: [], False: []}
    for seed in range(seeds):
        data = quantify(measure(run, protocol, times, 3, seed=seed, experiment="c")).measurements()
        data = data.select(data.table["observable"] == "asn_c")
        for shared in (True, False):
            used = data if shared else replace(data, covariance=np.diag(np.diag(data.covariance)))
            found = fit(FitProblem([Experiment("c", wrong, regimen, observables)], used, free), starts=1, seed=seed, max_nfev=40)
            hits[shared].append([a <= model.value(n) <= b for n, a, b in zip(free, found.lower, found.upper, strict=True)])
    yield within(f"kinetic parameters covered ({2 * seeds})", np.mean(hits[True]), 0.92, 0.98)
    yield within("the same without shared errors (control: must miss)", np.mean(hits[False]), 0, 0.90)


def published() -> Iterator[Line]:
    """Answers printed in books: DIN 32645 and Massart 1997."""
    x, y = np.arange(0.0, 60.0, 10.0), np.array([4.0, 21.2, 44.6, 61.8, 78.0, 105.2])
    line = fit_line(x, y)
    value, u = line.inverse(15.0, line.sigma**2)
    yield "Massart 1997 example 1", f"{value:.5f} u {u:.6f}", "6.09381 u 1.767278", f"{value:.5f} {u:.6f}" == "6.09381 1.767278"
    folder = _shared()
    if folder is None:
        return
    rows = read_csv(folder / "chemcal" / "massart97ex3.csv", required=("x", "y"))
    table = np.array([row.number("y") for row in rows]).reshape(5, 6)
    weights = np.round(1.0 / np.round(table.std(axis=0, ddof=1), 2) ** 2, 3)  # rounded as in the book; 1.67 at the unknown
    line = fit_line(x, table.mean(axis=0), weights)
    value, u = line.inverse(15.0, line.sigma**2 / 1.67)
    yield "Massart 1997 example 3", f"{value:.6f} u {u:.7f}", "5.865367 u 0.8926109", f"{value:.6f} {u:.7f}" == "5.865367 0.8926109"
    rows = read_csv(folder / "chemcal" / "din32645.csv", required=("x", "y"))
    line = fit_line(np.array([row.number("x") for row in rows]), np.array([row.number("y") for row in rows]))
    half = line.inverse(3500.0, line.sigma**2)[1] * t.ppf(0.995, line.df)
    yield "DIN 32645, 99 % half width", f"{half:.5f}", "0.07434", f"{half:.5f}" == "0.07434"


def _shared() -> Path | None:
    folder = Path(os.environ.get("ASNSIM_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "lcms"
    if folder.is_dir():
        return folder
    print("LAB real files skipped: set ASNSIM_SHARED to the folder that holds data/lcms")
    return None


def real() -> Iterator[Line]:
    """Files of real instruments: read like pyopenms reads them, quantified with the published lines, judged as published."""
    import pyopenms

    from asnsim.io.masshunter import read_masshunter

    folder = _shared()
    if folder is None:
        return
    equal = total = 0
    for path in sorted((folder / "smartpeak").glob("*.mzML")):
        experiment = pyopenms.MSExperiment()
        pyopenms.MzMLFile().load(str(path), experiment)
        raw = {trace.getNativeID(): trace.get_peaks() for trace in experiment.getChromatograms()}
        for trace in read_mzml(path):
            time, intensity = raw[trace.native_id]
            total, equal = total + 1, equal + (np.array_equal(trace.time, time) and np.array_equal(trace.intensity, intensity))
    yield "real SRM chromatograms equal to pyopenms' arrays", equal, f"{total}", equal == total == 80
    table = quantify(read_batch(folder / "smartpeak"), "smartpeak_yeast").table
    yeast = table[table["sample"].str.startswith("yeast")]
    asn = yeast[yeast["analyte"] == "asn"]
    for row, value in zip(asn.itertuples(), (3.37, 7.94, 3.11), strict=True):
        yield within(f"Asn of {row.sample}, umol/L ({row.lower:.2f} to {row.upper:.2f})", row.value, 0.97 * value, 1.03 * value)
    for analyte, rows in yeast.groupby("analyte"):
        print(f"lab: CV of {analyte} in the three extracts: {100 * rows['value'].std() / rows['value'].mean():.1f} %")
    serine = yeast[yeast["analyte"] == "ser"]["value"]
    yield within("triplicates of Ser, CV in %", 100 * serine.std() / serine.mean(), 0, 6)
    platelets = table[table["sample"].str.startswith("platelet")].set_index("analyte")
    flagged = "below the line's intercept" in platelets.loc["arg", "flags"]
    yield "platelet QC: Arg below the line is flagged", flagged, "True", flagged
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "wk.mzML"
        path.write_bytes(gzip.decompress((folder / "rams" / "wk_chrom.mzML.gz").read_bytes()))
        traces = read_mzml(path)
    yield "RaMS file, chromatograms", len(traces), "7", len(traces) == 7
    midar = folder / "midar"
    peaks = read_masshunter(
        midar / "QuantLCMS_Example_MassHunter.csv", midar / "QuantLCMS_analyses.csv", midar / "QuantLCMS_features.csv",
        midar / "QuantLCMS_qcconcentrations.csv",
    )  # fmt: skip
    result = quantify(peaks, "area_table")
    for analyte, accepted in (("Cortisone", True), ("Corticosterone", True), ("Aldosterone", False), ("Cortisol", False)):
        passes = all(check.passed for check in result.checks if check.analyte == analyte and check.rule.startswith("QC"))
        yield f"midar {analyte}: QCs pass", passes, f"{accepted}", passes == accepted


def ex_vivo() -> Iterator[Line]:
    """What happens between patient and quench."""
    model = asnsim.load_model("body_pk", "pegaspargase").with_parameters(asn_p=40.0, asn_i=40.0)

    def dosed(amount: float):
        return asnsim.simulate(model, asnsim.Regimen.single(f"{amount!r} U", "peg_1", 0.0), until=24.0)

    run = dosed(100.0 / dosed(1.0).at(0.0)["asnase_p"])
    level = run.at(0.0)
    protocol = Protocol.load("hilic_mrm").with_analytes("asn")
    warm = protocol.with_bench(sampling={"plasma_delay_s": 600.0, "body_fluid_temperature_C": 22.0})
    cold = protocol.with_bench(sampling={"plasma_delay_s": 0.0})
    found = {}
    for name, bench in (("warm", warm), ("cold", cold)):
        tables = [quantify(measure(run, bench, [0.0], 6, seed=seed)).table for seed in range(20)]
        plasma = [table[(table["matrix"] == "plasma") & (table["sample_type"] == "Unknown")]["value"] for table in tables]
        found[name] = np.mean([values.mean() for values in plasma])
    print(f"lab: activity {level['asnase_p']:.0f} U/L, true plasma Asn {level['asn_p']:.1f} umol/L")
    yield within("plasma Asn at 0.1 IU/mL after 10 min at 22 C, % of true", 100 * found["warm"] / level["asn_p"], -2, 2)
    yield within("the same inactivated at once, % of true", 100 * found["cold"] / level["asn_p"], 95, 105)
    for washes, percent in ((0, 945.0), (1, 23.05), (2, 0.562)):
        film = film_after_washes(378.0 * 50e-6, 50.0, 2000.0, washes)
        share = 100 * film / (1e6 * 2e-12 * 1000.0)
        yield within(f"film after {washes} washes, % of the cell pool", share, 0.999 * percent, 1.001 * percent)


def _file(kind: str, path: Path) -> None:
    """Spoil one mzML file."""
    import pyopenms as oms

    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "MRM stored as spectra":
        spectrum = '<spectrum index="0" id="s" defaultArrayLength="0"><cvParam cvRef="MS" accession="MS:1000583" name="SRM spectrum"/></spectrum>'
        head = data[: data.index(b"<chromatogramList")].decode()
        path.write_text(head + f'<spectrumList count="1">{spectrum}</spectrumList></run></mzML>'.replace("</mzML>", "</mzML></indexedmzML>" if "<indexedmzML" in head else "</mzML>"))
    elif kind == "duplicate transitions":
        traces = read_mzml(path)
        write_mzml((*traces, replace(traces[0], native_id=traces[0].native_id + " again")), path)
    elif kind == "numpress":
        experiment, writer = oms.MSExperiment(), oms.MzMLFile()
        writer.load(str(path), experiment)
        options = writer.getOptions()
        for name, setter in (("linear", options.setNumpressConfigurationMassTime), ("slof", options.setNumpressConfigurationIntensity)):
            config = oms.NumpressConfig()
            config.setCompression(name.encode())
            config.estimate_fixed_point = True
            setter(config)
        writer.setOptions(options)
        writer.store(str(path), experiment)


def bad() -> Iterator[Line]:
    """One spoilt file or sheet among good ones: one sentence about it, everything else quantified."""
    protocol = Protocol.load("hilic_mrm").with_analytes("asn", "gln")
    batch = measure(Culture(POOLS), protocol, [0.0], 3, seed=4)
    whole = quantify(batch)
    vial = next(injection.sample for injection in batch.injections if injection.sample.type == "Unknown")

    def unknowns(result) -> int:
        return int(np.isfinite(result.table.query("sample_type == 'Unknown'")["value"]).sum())

    with tempfile.TemporaryDirectory() as scratch:
        for kind in ("truncated", "empty", "MRM stored as spectra", "duplicate transitions", "numpress"):
            folder = write_batch(batch, Path(scratch) / kind)
            _file(kind, folder / vial.file)
            result = quantify(read_batch(folder))
            said = [line for line in result.report if vial.name in line and line.startswith("FAIL")]
            lost = {"numpress": 0, "duplicate transitions": 1}.get(kind, 2)
            good = unknowns(result) == unknowns(whole) - lost and len(said) == (kind != "numpress") and not any("\n" in line for line in said)
            yield f"bad file, {kind}: the rest is quantified, one sentence", said[0] if said else "read", "1 sentence or read", good
        for kind, words in (("missing calibrators", "0 usable calibrators"), ("unit mismatch in the sheet", "is not one of umol/L")):
            folder = write_batch(batch, Path(scratch) / kind)
            sheet = folder / "concentrations.csv"
            text = sheet.read_text()
            sheet.write_text("".join(line for line in text.splitlines(True) if ",asn," not in line) if "calib" in kind else text.replace("umol/L", "mg/dL", 1))
            yield _said(kind, lambda folder=folder: quantify(read_batch(folder)), words)
    high = tuple(item for item in batch.nominal if not item.sample_name.startswith("CAL") or item.actual_concentration > 100)
    result = quantify(replace(batch, nominal=high))
    flags = result.table.query("sample_type == 'Unknown'")["flags"].str.contains("below LLOQ").sum()
    yield "all calibrators above the samples: unknowns flagged below LLOQ", int(flags), ">= 1", bool(flags >= 1)
    areas = peaks_of(batch, whole)
    for kind, column, value, words in (
        ("zero IS", "is_area", 0.0, "no IS peak"), ("negative areas", "area", -5.0, "negative area"),
    ):  # fmt: skip
        table = areas.areas.copy()
        table.loc[(table["sample"] == vial.name) & (table["analyte"] == "asn"), column] = value
        result = quantify(replace(areas, areas=table), "hilic_mrm")
        text = "; ".join([*result.report, *result.table[result.table["sample"] == vial.name]["flags"]])
        rest = unknowns(result) >= unknowns(whole) - 1
        yield f"bad areas, {kind}: said, the rest quantified", words, "said", words in text and rest


def _said(kind: str, make: Callable, words: str) -> Line:
    """Whether words stand in the report, or in the one sentence of a refusal."""
    try:
        text = "; ".join(make().report)
    except AsnsimError as error:
        text = str(error)
    return f"bad sheet, {kind}: one sentence", next((part for part in text.split("; ") if words in part), "nothing"), "said", words in text


PARTS: dict[str, Callable[[], Iterator[Line]]] = {
    "files": files, "areas": areas, "rounds": rounds, "lloq": lloq, "faults": faults, "kinetics": kinetics,
    "published": published, "real": real, "ex_vivo": ex_vivo, "bad": bad,
}  # fmt: skip


def main(names: list[str]) -> int:
    """Run the named parts, or all."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"'{unknown[0]}' is not a part; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    missed = total = 0
    for name in names or PARTS:
        try:
            for what, value, bound, ok in PARTS[name]():
                print(f"LAB {re.sub(chr(10), ' ', what)} value={value} bound={bound} {'ok' if ok else 'MISS'}", flush=True)
                missed, total = missed + (not ok), total + 1
        except AsnsimError as error:
            print(f"LAB {name} value={error} bound=runs MISS", flush=True)
            missed, total = missed + 1, total + 1
    print(f"TOTAL lab ok={total - missed} missed={missed} of={total}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How often profile-likelihood intervals hold the truth after the whole laboratory: synthetic data sets of `teaching` and `cell`.

    python benchmarks/bench_coverage.py [--quick] [teaching] [cell]

Each data set: simulate, measure with every artefact of the bench (three replicates), quantify blind, fit from wrong numbers,
profile every parameter at 95 %. The control repeats it with the errors that results share (curve, stocks, recovery, cell volume)
counted as each result's own; its intervals must fail. A data set whose fit or profile fails counts as not covered.
"""

import multiprocessing
import sys
import time

import numpy as np
from common import record, table

from asnsim import Regimen, simulate
from asnsim.demo import RECOVERED, SAMPLE_TIMES, recovery_experiment
from asnsim.errors import AsnsimError
from asnsim.fit import Experiment, FitProblem, Observable, fit, profile
from asnsim.lcms import measure
from asnsim.library import load_model
from asnsim.measurements import Measurements
from asnsim.quantify import quantify

CONFIDENCE = 0.95


def teaching_plan():
    """Cells in 5 mL, a dose of asparaginase at 12 h, eight samples: experiment, times, free parameters and their wrong start."""
    model = load_model("teaching").with_parameters(cytosol=3e-6, medium=0.005)
    regimen = Regimen.single(0.002, "asnase_e", time=12.0)
    observables = {name: Observable(name, "log") for name in ("asn_c", "asn_e")}
    times = [0.0, 6.0, 11.0, 14.0, 18.0, 24.0, 36.0, 48.0]
    return Experiment("culture", model, regimen, observables), times, {"Vmax_uptake": 1.5, "Vmax_asns": 0.7}


def cell_plan():
    """The demo's experiment: 143B move into a medium with asparagine."""
    return recovery_experiment(), list(SAMPLE_TIMES), dict(zip(RECOVERED, (1.6, 0.6, 1.5), strict=True))


PLANS = {"teaching": teaching_plan, "cell": cell_plan}
_ready = {}


def one_data_set(job):
    """Which parameters' intervals hold the truth: with the joint covariance, and with shared errors as each result's own."""
    name, seed = job
    if name not in _ready:
        experiment, times, wrong = PLANS[name]()
        _ready[name] = experiment, times, wrong, simulate(experiment.model, experiment.regimen, until=times[-1])
    experiment, times, wrong, run = _ready[name]
    truth = experiment.model
    batch = measure(run, "hilic_mrm", times=times, replicates=3, seed=seed, experiment=experiment.name)
    data = quantify(batch).measurements()
    keep = (data.table["observable"].isin(experiment.observables) & (data.table["value"] > 0)).to_numpy()
    data = data.select(keep)
    start = truth.with_parameters({key: truth.value(key) * factor for key, factor in wrong.items()})
    own = [Experiment(experiment.name, start, experiment.regimen, experiment.observables)]
    found = []
    for covariance in (data.covariance, np.diag(np.diag(data.covariance))):
        try:
            problem = FitProblem(own, Measurements(data.table, covariance), tuple(wrong))
            result = fit(problem, starts=1, max_nfev=60)
            profiles = profile(problem, result, confidence=CONFIDENCE)
            found.append([one.lower <= truth.value(one.name) <= one.upper for one in profiles])
        except AsnsimError:
            found.append([False] * len(wrong))
    return found


def main(names, quick):
    """Run, print and record."""
    rows = []
    for name in names:
        number = (6 if quick else 200) if name == "teaching" else (2 if quick else 100)
        begin = time.perf_counter()
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            found = np.array(pool.map(one_data_set, [(name, seed) for seed in range(1, number + 1)], chunksize=5))
        seconds = time.perf_counter() - begin
        parameters = list(PLANS[name]()[2])
        for k, parameter in enumerate(parameters):
            joint, control = found[:, 0, k].mean(), found[:, 1, k].mean()
            rows.append((name, number, parameter, f"{joint:.3f}", f"{control:.3f}"))
        joint, control = found[:, 0].mean(), found[:, 1].mean()
        rows.append((name, number, "all", f"{joint:.3f}", f"{control:.3f}"))
        print(f"{name}: {number} data sets in {seconds:.0f} s", flush=True)
    text = table(("model", "data sets", "parameter", "share covered at 95 %", "control: shared errors ignored"), rows)
    print(text)
    if not quick:
        record("coverage", {f"{row[0]} {row[2]}": {"covered": row[3], "control": row[4], "of": row[1]} for row in rows}, text)


if __name__ == "__main__":
    chosen = [argument for argument in sys.argv[1:] if argument in PLANS]
    main(chosen or list(PLANS), "--quick" in sys.argv)

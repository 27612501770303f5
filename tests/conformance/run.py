"""The long suites: one line each, ``TOTAL <suite> passed=<n> refused=<n> wrong=<n> of=<n>``.

``make conformance`` runs all of them; name suites on the command line to run only those. A case is `passed`, `refused`
(with a reason, by an AsnsimError) or `wrong`. A suite whose data are absent says so and counts nothing.
"""

import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from nonmem import TIMES, V, more_scenarios, oral_model, scenarios
from numpy.random import default_rng
from petab_suites import benchmark_cases, math_cases, official_cases

from asnsim.calibration import read_observations
from asnsim.culture import precondition
from asnsim.demo import dose_child
from asnsim.dosing import Dose, Regimen
from asnsim.errors import AsnsimError, IntegrationError, ModelError
from asnsim.exposure import days_where, exposure, half_life
from asnsim.fit.individual import Sample, map_estimate
from asnsim.fit.mixture import mixture_estimate
from asnsim.io.crosscheck import crosscheck
from asnsim.io.nonmem import read_events
from asnsim.library import list_overlays, load_model, read_overlay, read_parameters
from asnsim.population import Children, Population, read_residual
from asnsim.protocols import PROTOCOLS
from asnsim.protocols.bench import Load
from asnsim.records import predictions
from asnsim.scale import simulate_many
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.steady import balanced_state
from asnsim.studies import observations, published_problem
from asnsim.validation import explanations, validate

Case = tuple[str, Callable[[], bool]]
_SETS = 10_000
_STARTS = 100
_PRODUCTS = ("calaspargase", "native_ecoli", "recombinant_ecoli", "crisantaspase", "rylaze", "antibodies")
_MORE_PRODUCTS = ("siebel_2022", "wuerthwein_2025", "pkpdsim", "kloos_2021", "lin_2021")


def crosscheck_cases() -> Iterator[Case]:
    """Every recipe under media, lines and doses against libRoadRunner: at most 1e-5 relative at rtol 1e-9.

    One decade tighter than the `crosscheck` command, because a collapsing pool of an ASNS-low line multiplies errors.
    """

    def agree(model) -> bool:
        return crosscheck(model, rtol=1e-9).overall <= 1e-5

    plans = {
        "teaching": [(), ("teaching_all",)],
        "cell": [(), ("rpmi",), ("rpmi", "all_low_asns"), ("dmem", "solid_143b"), ("rpmi", "all_low_asns", "pegaspargase")],
        "tracer": [("rpmi",)],
        "isr_programme": [("dmem", "hela")],
        "coculture": [("dmem",), ("hplm", "tumour:all_low_asns", "stroma:hek293")],
        "body_pk": [(), *((name,) for name in (*_PRODUCTS, *_MORE_PRODUCTS))],
        "dosing": [("all_low_asns",), ("solid_143b", "pegaspargase")],
        "patient": [("pegaspargase",), ("leukaemia:all_resistant", "tumour:mda_mb_468")],
    }
    for recipe, stacks in plans.items():
        for overlays in stacks:
            yield f"{recipe} {' '.join(overlays)}", lambda r=recipe, o=overlays: agree(load_model(r, *o))
    for module in ("gcn2_atf4", "mtorc1", "asn_carrier"):
        yield f"cell without {module}", lambda m=module: agree(load_model("cell", "rpmi", without=m))


def _agrees(scenario) -> bool:
    """Whether a scenario of event records meets its closed form to 1e-6 relative."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        path.write_text(scenario.table())
        observe = {"central": "cp"}
        subjects = read_events(path, oral_model(), compartments=("depot", "central"), observe=observe, constants=scenario.constants)
    found = predictions(oral_model(), subjects, NDF(rtol=1e-10)).query("EVID == 0").PRED.to_numpy()
    expected = np.array([scenario.central(t) for t in TIMES]) / V
    return bool(np.allclose(found, expected, rtol=1e-6, atol=1e-9 * expected.max()))


def nonmem_cases() -> Iterator[Case]:
    """The 29 scenarios of event records on a one-compartment oral model."""
    for scenario in scenarios():
        yield scenario.name, lambda s=scenario: _agrees(s)


def more_nonmem_cases() -> Iterator[Case]:
    """Steady state, lag and overlapping infusions at once; and SS 2, refused where the model is not linear."""
    for scenario in more_scenarios():
        yield scenario.name, lambda s=scenario: _agrees(s)

    def refused() -> bool:
        try:
            simulate(oral_model(saturable=True), Regimen((Dose(0, 10, "central", ii=24, ss=2),)), until=5)
        except ModelError as error:
            return "linear models only" in str(error)
        return False

    yield "SS 2 of a saturable model is refused", refused


def steady_cases() -> Iterator[Case]:
    """Every cell line fed in RPMI: a balanced state from 100 random starts, stable and always the same one (to 1e-3).

    A start lives 300 h in the clamped medium first: a long step of the root finder may leave what is physical (more charged
    tRNA than there is), where another root lies.
    """
    for line in (name for name in list_overlays() if "cell_volume" in _rows(name)):
        model, rng = load_model("cell", "rpmi", line, without="atf4_reporter"), default_rng(7)
        free = [n for n in model.states if n in model.species and model.species[n].compartment == "cytosol" or n in model.rates]
        free = [n for n in free if n not in model.compartments]

        def unique(model=model, rng=rng, free=free) -> bool:
            found, unsettled = [], 0
            for _ in range(_STARTS):
                factors = np.exp(rng.uniform(-1.5, 1.5, len(free)))
                start = {n: model.value(n) * f + 1e-9 for n, f in zip(free, factors, strict=True)}
                start |= {n: min(start[n], cap) for n, cap in (("trna_asn", 0.99 * model.value("trna_total")), ("eif2p", 0.99)) if n in start}
                try:
                    balance = balanced_state(precondition(model.with_parameters(start), 300.0))
                except IntegrationError:
                    unsettled += 1
                    continue
                if not balance.stable:
                    return False
                found.append([balance[n] for n in ("asn_c", "gln_c", "asns", "mtorc1", "protein")])
            spread = np.ptp(np.log(found), axis=0).max()
            print(f"steady: {len(found)} starts settle, {unsettled} do not within the solver's steps, largest spread {spread:.1e}")
            return spread < 1e-3 and unsettled <= _STARTS // 10

        yield f"{line} in RPMI", unique


def _rows(name: str) -> dict:
    return read_parameters(name) if not read_overlay(name).title else {}


def observation_cases() -> Iterator[Case]:
    """All 40 observations simulated; each agrees or is a miss that `models/misses.tsv` explains."""
    for finding in validate(draws=0):
        known = finding.observation.id in explanations()
        yield f"{finding.observation.id} {finding.verdict}", lambda f=finding, k=known: f.verdict == "agrees" or (k and not f.failure)


def published_cases() -> Iterator[Case]:
    """The shipped cell model, not refitted, against the published 143B rows: within twice the row's log tolerance."""
    frame, data = observations()
    problem = published_problem(["Vmax_got"], prior=None)
    predicted = problem.predict(problem.nominal).values
    for (_, row), value in zip(frame.iterrows(), predicted, strict=True):
        name = f"{row['row']} {row['protocol']} {row['observable']} at {row['time']:g} h"
        yield name, lambda r=row, v=value: abs(math.log(v / r["value"])) <= 2 * r["sd_log"]


def clinical_cases() -> Iterator[Case]:
    """One pegaspargase dose: depletion inside V30's 18-32 d, ASNS-low cells die, ASNS-high cells live."""
    low, high = dose_child("all_low_asns"), dose_child("solid_143b")
    yield "V30 days of depletion", lambda: 18 <= low.duration(low["asn_p"] < 1.0) / 24 <= 32
    yield "ASNS-low dies", lambda: low["cells"].min() < 0.05 * low["cells"][0]
    yield "ASNS-high lives", lambda: high["cells"].min() > 0.5 * high["cells"][0]
    dose = Regimen.single("2500 U/m^2", "peg_1").doses[0]
    yield "per m^2 dose", lambda: math.isclose(Regimen((dose,)).actions(low.model)[0].value, 2500.0)


def ensemble_cases() -> Iterator[Case]:
    """Log-normal sets (sigma 0.5, cut at the bounds of the tables) of every positive constant of `dosing`, four doses, 90 days.

    Every failure has a reason; 300 random ones of those that reach the end are within 1e-3 of a run at rtol 1e-10, relative to
    |x| + 1e-3 max|x| of each state and a millionth of its unit, or carry a note.
    """
    model, rng = load_model("dosing", "all_low_asns"), default_rng(2026)
    regimen = Regimen.repeat("2500 U/m^2", "peg_1", "21 d", 4, start="1 d")
    names = [name for name in model.constants if model.value(name) > 0 and name not in ("bsa", "weight")]
    rows = model.parameters
    sets = {n: np.clip(rows[n].value * np.exp(0.5 * rng.normal(size=_SETS)), rows[n].lower, rows[n].upper) for n in names}

    def many(rows, observables, solver=None):
        chosen = {name: values[rows] for name, values in sets.items()}
        times = np.linspace(0.0, 2160.0, 301)
        return simulate_many(model, chosen, regimen, 2160.0, observables=observables, times=times, solver=solver)

    all_of_them = many(slice(None), ["asn_p"])
    failed = ~all_of_them.success
    reasons = Counter(re.sub(r"[-+.\d]+(e[-+]\d+)?", "#", message) for message in all_of_them.messages if message)
    print(f"ensemble: {_SETS - failed.sum()} of {_SETS} sets reach the end, {all_of_them.marked.sum()} of them marked")
    for reason, count in reasons.most_common():
        print(f"ensemble: {count} failed: {reason}")
    yield "every failure has a reason, and nothing but NaN", lambda: bool(np.isnan(all_of_them.values[failed]).all())
    rows = rng.choice(np.flatnonzero(~failed), 300, replace=False)
    found, tight = many(rows, model.states), many(rows, model.states, NDF(rtol=1e-10))
    dust = np.array([1e-30 if name in model.compartments else 1e-6 for name in model.states])  # L; umol/L, 1
    scale = np.abs(tight.values) + 1e-3 * np.abs(tight.values).max(axis=1, keepdims=True) + dust
    worst = (np.abs(found.values - tight.values) / scale).max(axis=(1, 2))
    print(f"ensemble: largest deviation of 300: {np.nanmax(worst):.1e}, median {np.nanmedian(worst):.1e}")
    for place, k in enumerate(rows):
        yield f"set {k} deviates by {worst[place]:.1e}", lambda i=place: worst[i] <= 1e-3 or bool(found.marked[i])


def population_cases() -> Iterator[Case]:
    """Published outcomes with populations of 2,000: median with its 90 % range beside what was reported, and whether it agrees.

    Native against pegylated half-life, calaspargase, Rylaze, days of activity and of depletion; agreement as in `observations.tsv`.
    """
    every, daily = 24.0 * np.arange(0, 43), ("asnase_p", "asn_measured", "asn_csf")

    def run(product, regimen, until, times=None, age=5.7, **fields):
        model = load_model("body_pk", product)
        spread = {name: model.parameters[name].spread for name in ("Ra_asn", "csf_source")}
        who = Population.of(product, 2000, 3, covariates=Children(age), omega=spread)
        grid = np.unique(every[every <= until] if times is None else times)
        return grid, simulate_many(model, who, regimen, until, observables=daily, times=grid, **fields)

    def shown(words, reported, values, low, high) -> Case:
        q = np.quantile(values, [0.05, 0.5, 0.95])
        line = f"{words}: reported {reported}, simulated {q[1]:.3g} ({q[0]:.3g} to {q[2]:.3g})"
        print(f"populations: {line}")
        return line, lambda: bool(low <= q[1] <= high)

    t, peg = run("pegaspargase", Regimen.single("2500 U/m^2", "peg_1", duration="2 h", cap="3750 U"), 1008.0)
    yield shown("pegaspargase 2500/m2, days >= 100 U/L", "25.8", days_where(t, peg["asnase_p"] >= 100), 20.6, 31.0)
    yield shown("V30 days Asn undetectable", "22-29", days_where(t, peg["asn_measured"] <= 0.5), 18, 32)
    fine = np.unique(np.concatenate([np.arange(0.0, 48.0, 0.5), np.arange(48.0, 3841.0, 24.0)]))
    t, cal = run("calaspargase", Regimen.single("2500 U/m^2", "asnase_central", duration="1 h"), 3840.0, fine)
    read = exposure(t, cal["asnase_p"] / 1000)
    yield shown("V33 calaspargase Cmax, U/mL", "1.62", read.Cmax, 1.3, 1.94)
    yield shown("V33 calaspargase AUC, d U/mL", "25.5", read.AUC, 20.4, 30.6)
    slope = [half_life(t / 24, row, 30, 60) for row in cal["asnase_p"][:, :]]
    yield shown("V33 calaspargase half-life, d", "16.1", slope, 12.9, 19.3)
    times = np.unique(np.concatenate([np.arange(0.0, 289.0, 24.0), np.linspace(288, 336, 97)]))
    t, ryl = run("rylaze", Regimen.repeat("16750 U/m^2", "asnase_site", "48 h", 7), 336.0, times)
    late = ryl["asnase_p"][:, t >= 288] / 1000
    yield shown("V40 Rylaze 25 mg/m2 Cmax, U/mL", "2.3", late.max(axis=1), 1.61, 2.99)
    yield shown("V40 Rylaze trough, U/mL", "0.46", late[:, -1], 0.32, 0.6)
    days = np.arange(0.0, 27.0)
    t, nat = run("native_ecoli", Regimen.single("6000 U/m^2", "asnase_depot"), 144.0, np.arange(0.0, 145.0, 6.0))
    yield shown("V43 native IM half-life, h", "26", [24 * half_life(t / 24, row, 1, 5) for row in nat["asnase_p"]], 20.8, 31.2)
    t, iv = run("pegaspargase", Regimen.single("2500 U/m^2", "peg_1"), 624.0, 24 * days)
    yield shown("V43 pegylated IV half-life, d", "5.5", [half_life(days, row, 5, 26) for row in iv["asnase_p"]], 4.4, 6.6)
    two = Regimen.repeat("1500 U/m^2", "peg_1", "14 d", 2, duration="2 h", cap="3750 U")
    t, csf = run("pegaspargase", two, 600.0, np.arange(0.0, 601.0, 24.0))
    yield shown("V35 CSF fall on day 25, %", "85", 100 * (1 - csf["asn_csf"][:, -1] / csf["asn_csf"][:, 0]), 75, 100)
    yield from _cohort_cases(2000)


def _cohort_cases(n: int) -> Iterator[Case]:
    """The dosing rows whose read-out is a number of a whole cohort, each by its own protocol with n patients."""
    known = {observation.id: observation for observation in read_observations()}
    for row in ("V31", "V32", "V34", "V36", "V38", "V44"):
        read = PROTOCOLS[row](Load(), n=n)
        for target in known[row].targets:
            name, value = target.readout, read[target.readout]
            band = f" ({read[f'{name}_5']:.3g} to {read[f'{name}_95']:.3g})" if f"{name}_5" in read else ""
            agrees = target.agrees(value)
            verdict = "" if agrees else " MISS, explained in models/misses.tsv" if row in explanations() else " MISS"
            line = f"{row} {name}, {target.unit}: reported {target.reported}, simulated {value:.3g}{band}{verdict}"
            print(f"populations: {line}")
            yield line, lambda a=agrees, r=row: a or r in explanations()


def forecast_cases() -> Iterator[Case]:
    """Patients with two samples each: 90 % predictive intervals of the next trough cover 86-94 %.

    500 without antibodies; 300 of whom three in ten form some, where the probability of it must also be right: on average, and with
    a Brier score below half of that of the share alone.
    """
    yield from _forecasts(500, 0.0)
    yield from _forecasts(300, 0.3)


def _forecasts(n: int, share: float) -> Iterator[Case]:
    model = load_model("body_pk", "pegaspargase", *(["antibodies"] if share else []))
    error, estimate = {"asnase_p": read_residual("pegaspargase")}, mixture_estimate if share else map_estimate
    two = Regimen.repeat("2500 U/m^2", "peg_1", "14 d", 2, duration="2 h", cap="3750 U")
    population, prior = (Population.of("pegaspargase", k, 9, antibodies=share) for k in (n, 1))
    moments = [168.0, 335.0, 672.0]
    truth = simulate_many(model, population, two, 672.0, observables="asnase_p", times=moments)["asnase_p"]
    sets, rng, inside, seconds, chances = population.draw(model, two, 0), default_rng(0), 0, [], []
    for k in range(n):
        child = model.with_parameters({name: float(sets[name][k]) for name in ("age", "female", "weight", "bsa")})
        seen = error["asnase_p"].measured(truth[k], rng)
        samples = [Sample(t, "asnase_p", max(y, 5.0), bool(y < 5.0)) for t, y in zip(moments[:2], seen, strict=False)]
        begin = time.perf_counter()
        fit = estimate(child, prior, two, samples, error)
        seconds.append(time.perf_counter() - begin)
        chances.append(fit.probability if share else 0.0)
        low, _, high = fit.forecast(two, 672.0, [672.0], seed=k).interval("asnase_p")[:, 0]
        inside += low <= seen[2] <= high
    words = f"{n}, {100 * share:.0f} % with antibodies"
    print(f"forecast: 90 % intervals cover {100 * inside / n:.1f} % of {words}; estimate {1000 * np.median(seconds):.0f} ms per patient")
    yield f"coverage {inside / n:.3f} of {words}", lambda: 0.86 <= inside / n <= 0.94
    if share:
        formed, said = sets["ada_clearance_fold"] > 1, np.array(chances)
        brier, naive = np.mean((said - formed) ** 2), formed.mean() * (1 - formed.mean())
        print(f"forecast: antibodies formed by {formed.mean():.3f}, said {said.mean():.3f}; Brier score {brier:.3f}, share alone {naive:.3f}")
        yield "antibodies", lambda: abs(said.mean() - formed.mean()) < 0.05 and brier < naive / 2


def kill_cases() -> Iterator[Case]:
    """20,000 patients on two Dask workers, a worker and then the client killed, resumed; and 1, 2, 3 workers: stores bit by bit."""
    import kill

    with TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole.zarr", Path(folder) / "killed.zarr"
        simulate_many(**kill.job(20_000), store=whole)
        left = kill.killed_twice(20_000, killed)
        print(f"kill: blocks done when the worker died {left[0]}, when the client died {left[1]}, at the end {left[2]} of 20")
        yield "killed and resumed", lambda: 0 < left[1] < 20 and kill.files_of(whole) == kill.files_of(killed)
        small = Path(folder) / "small.zarr"
        simulate_many(**kill.job(3500), store=small)
        for workers in (1, 2, 3):
            path = Path(folder) / f"{workers}.zarr"
            with kill.cluster(workers) as local, kill.Client(local) as client:
                simulate_many(**kill.job(3500), store=path, executor=client)
            yield f"{workers} workers", lambda p=path: kill.files_of(small) == kill.files_of(p)


SUITES: dict[str, Callable[[], Iterator[Case]]] = {
    "crosscheck": crosscheck_cases,
    "published-143b": published_cases,
    "observations": observation_cases,
    "nonmem": nonmem_cases,
    "nonmem-more": more_nonmem_cases,
    "steady-states": steady_cases,
    "clinical": clinical_cases,
    "populations": population_cases,
    "forecast": forecast_cases,
    "kill": kill_cases,
    "ensemble": ensemble_cases,
    "petab-v1": partial(official_cases, 1),
    "petab-v2": partial(official_cases, 2),
    "petab-math": math_cases,
    "petab-benchmark": benchmark_cases,
}


def run_suite(name: str, cases: Iterator[Case]) -> int:
    """Run one suite, print what failed and the TOTAL line, return the number of wrong cases."""
    counts = {"passed": 0, "refused": 0, "wrong": 0}
    for case, judge in cases:
        try:
            verdict = "passed" if judge() else "wrong"
        except AsnsimError as error:
            verdict = "refused"
            print(f"{name}: {case} refused: {error}")
        if verdict == "wrong":
            print(f"{name}: {case} WRONG")
        counts[verdict] += 1
    print(
        f"TOTAL {name} " + " ".join(f"{key}={value}" for key, value in counts.items()) + f" of={sum(counts.values())}", flush=True
    )
    return counts["wrong"]


def main(names: list[str]) -> int:
    """Run the named suites, or all."""
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"'{unknown[0]}' is not a suite; there are: {', '.join(SUITES)}", file=sys.stderr)
        return 2
    return 1 if sum(run_suite(name, SUITES[name]()) for name in names or SUITES) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

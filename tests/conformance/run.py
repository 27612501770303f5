"""The long suites: one line each, ``TOTAL <suite> passed=<n> refused=<n> wrong=<n> of=<n>``.

``make conformance`` runs all of them; name suites on the command line to run only those. A case is `passed`, `refused`
(with a reason, by an AsnsimError) or `wrong`. A suite whose data are absent says so and counts nothing.
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from nonmem import TIMES, V, more_scenarios, oral_model, scenarios
from numpy.random import default_rng

from asnsim.culture import precondition
from asnsim.demo import dose_child
from asnsim.dosing import Dose, Regimen
from asnsim.ensemble import simulate_many
from asnsim.errors import AsnsimError, IntegrationError, ModelError
from asnsim.io.crosscheck import crosscheck
from asnsim.io.nonmem import read_events
from asnsim.library import list_overlays, load_model, read_overlay, read_parameters
from asnsim.records import predictions
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


SUITES: dict[str, Callable[[], Iterator[Case]]] = {
    "crosscheck": crosscheck_cases,
    "published-143b": published_cases,
    "observations": observation_cases,
    "nonmem": nonmem_cases,
    "nonmem-more": more_nonmem_cases,
    "steady-states": steady_cases,
    "clinical": clinical_cases,
    "ensemble": ensemble_cases,
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

"""Published experiments on the drug and on asparagine of plasma and CSF: one function per row of observations.

Each takes ``load(recipe, *overlays, without=())``, which gives a network, and returns what the row reports, in its unit; rows
about many patients take their number `n` too, and add ``name_5`` and ``name_95``, percentiles of patients.

Where the papers are silent: children are drawn by `asnsim.population.Children` with fixed seeds, pegaspargase is infused over 2 h
and capped at 3750 U, a second dose changes its volume and clearance as Wuerthwein 2021 found, and measured plasma Asn is what is
left in the sample tube. Differences between patients are the `spread` of clearance and volumes, of the appearance of asparagine
and of its source in the CSF; the share with antibodies is assumed: 3.5 % where a row speaks of all patients (V30, V32), 10 % in
V38, none elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from asnsim.dosing import Regimen
from asnsim.ensemble import simulate_sets
from asnsim.exposure import half_life, hydrolysed_in_tube
from asnsim.network import Network
from asnsim.population import Children, Population
from asnsim.simulation import simulate

__all__ = [
    "Cohort", "cohort",
    "v01", "v28", "v30", "v31", "v32", "v33", "v34", "v35", "v36", "v38", "v40", "v43", "v44",
]  # fmt: skip

#: Detection limit of plasma Asn, umol/L; assumed, as in the published thresholds.
LLOQ = 0.5
#: Days of sampling in AALL07P4, read off the day numbers of its reports: day 4, then weekly.
VISITS = tuple(range(4, 54, 7))
#: Second dose of pegaspargase, Wuerthwein 2021 Table 3: changes of volume and clearance.
SECOND_DOSE = {"peg_V_occasion": -0.159, "peg_CL_occasion": -0.110}
#: Share of first courses inactivated without a sign; assumed.
SILENT = 0.035  # the middle of 2-5 % in first-line courses; at 2 % V32 is a coin toss

_DRUG = ("peg_CL_reference", "peg_V_reference", "asnase_CL_reference", "asnase_V1_reference", "asnase_V2_reference")

#: Takes a recipe, overlays and ``without=()``; see `asnsim.protocols.bench.Load`.
Load = Callable[..., Network]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Patients at some days.

    Parameters
    ----------
    days : ndarray, shape (n_t,)
        Days from the first dose.
    activity, asn, csf : ndarray, shape (n, n_t)
        Enzyme in plasma (U/L), Asn of plasma as measured after the tube and of CSF (umol/L).
    csf_before : ndarray, shape (n,)
        Asn of CSF before the first dose.
    """

    days: np.ndarray
    activity: np.ndarray
    asn: np.ndarray
    csf: np.ndarray
    csf_before: np.ndarray

    def __add__(self, other: Cohort) -> Cohort:
        joined = (np.concatenate([getattr(self, k), getattr(other, k)]) for k in ("activity", "asn", "csf", "csf_before"))
        return Cohort(self.days, *joined)


def cohort(
    load: Load,
    product: str,
    regimen: Regimen,
    days: Sequence[float],
    *,
    n: int = 200,
    seed: int = 1,
    antibodies: float = 0.0,
    age: float = 5.7,
) -> Cohort:
    """Simulate children on a regimen, a share of them with antibodies from about the seventh day on.

    Parameters
    ----------
    load : callable
        Gives a network.
    product : str
        Overlay of recipe ``body_pk``.
    regimen : Regimen
        Doses.
    days : sequence of float
        When to look.
    n : int
        Children.
    seed : int
        Seed of their draw.
    antibodies : float
        Share with antibodies.
    age : float
        Median age, years.
    """
    affected = round(n * antibodies)
    groups = ((n - affected, seed, ()), (affected, seed + 1000, ("antibodies",)))
    found = [_simulated(load("body_pk", product, *more), regimen, days, k, own, age) for k, own, more in groups if k]
    return found[0] if len(found) == 1 else found[0] + found[1]


def patients(model: Network, n: int, seed: int, age: float = 5.7) -> dict[str, np.ndarray]:
    """Return covariates, and constants and initial values that differ between patients, for `simulate_sets`.

    The spread of a product's table joins that between patients and that between doses: a study of one course sees their sum.
    """
    omega = {name: model.parameters[name].spread for name in (*_DRUG, "Ra_asn", "csf_source") if name in model.parameters}
    return Population(n, seed, Children(age), omega=omega).draw(model, Regimen(), 0)


def _simulated(model: Network, regimen: Regimen, days: Sequence[float], n: int, seed: int, age: float) -> Cohort:
    sets = patients(model, n, seed, age)
    times = 24.0 * np.asarray(days, dtype=float)
    runs = simulate_sets(model, sets, regimen, until=times[-1], times=times, observables=("asnase_p", "asn_p", "asn_csf"))
    activity, asn, csf = (runs[name][runs.success] for name in runs.observables)
    activity = np.maximum(activity, 0.0)
    measured = hydrolysed_in_tube(asn, activity, 60 * model.value("tube_minutes"), model.value("Km_asnase_asn"))
    return Cohort(times / 24, activity, measured, csf, sets["asn_csf"][runs.success])


def pegaspargase_iv(amount: str = "2500 U/m^2", *, second: bool = False) -> Regimen:
    """Return pegaspargase over 2 h on day 0, and on day 14 if there is a second dose, capped at 3750 U."""
    times = 2 if second else 1
    regimen = Regimen.repeat(amount, "peg_1", "14 d", times, duration="2 h", cap="3750 U")
    return regimen.change("14 d", SECOND_DOSE) if second else regimen


def v01(load: Load) -> dict[str, float]:
    """Plasma Asn without drug: ten days of recipe ``body_pk``, one child of 28 kg; umol/L."""
    run = simulate(load("body_pk", "pegaspargase"), until="10 d")
    return {"asn_p": float(run["asn_p"][-1])}


def v28(load: Load) -> dict[str, float]:
    """Minutes until 1 U/mL has taken the Asn of RPMI from 380 to 1 umol/L.

    Recipe ``cell`` in RPMI with a hundred cells, too few to matter; 37 C is assumed.
    """
    model = load("cell", "rpmi")
    model = model.with_parameters(asnase_e=1000.0, cytosol=100 * model.value("cell_volume"))
    run = simulate(model, until="10 min", times=np.linspace(0, 1 / 6, 2001))
    return {"minutes": float(60 * np.interp(0.0, -np.log(run["asn_e"]), run.t))}


def v30(load: Load, n: int = 200) -> dict[str, float]:
    """Days that plasma Asn is undetectable after one dose of 2500 U/m^2 pegaspargase IV (AALL07P4, Schore 2019).

    A share SILENT of the children has antibodies. The end point is the last visit (day 4, then weekly) of an unbroken series with
    measured Asn below 0.5 umol/L, its mean over the cohort; `crossing` is the mean day on which it rises above that, which no
    study sees.
    """
    days = np.arange(1, VISITS[-1] + 1)
    group = cohort(load, "pegaspargase", pegaspargase_iv(), days, n=n, antibodies=SILENT)
    lasts = last_negative(group, VISITS)
    returned = np.where((group.asn < LLOQ).all(axis=1), days[-1], days[np.argmin(group.asn < LLOQ, axis=1)])
    means = {"last_negative_visit": float(lasts.mean()), "crossing": float(returned.mean())}
    return means | _percentiles("last_negative_visit", lasts)


def _percentiles(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name}_{level}": float(np.percentile(values, level)) for level in (5, 95)}


def last_negative(group: Cohort, visits: Sequence[float]) -> np.ndarray:
    """Return each patient's last visit of an unbroken series with undetectable Asn; 0 if the first is positive."""
    columns = np.searchsorted(group.days, visits)
    unbroken = np.cumprod(group.asn[:, columns] < LLOQ, axis=1).sum(axis=1)
    return np.concatenate([[0.0], visits])[unbroken]


def v31(load: Load, n: int = 200) -> dict[str, float]:
    """Activity above which measured plasma Asn is below 0.5 umol/L (Schore 2019), IU/mL.

    The cohort of V30 without antibodies, every 6 h of the decline: `threshold` is the median of the patients' activities when
    Asn rises above 0.5 umol/L, `worst` the largest; `asn_at_0.02` and `asn_at_0.1` are medians of Asn at those activities.
    """
    days = np.arange(8, 4 * 56 + 1) / 4
    group = cohort(load, "pegaspargase", pegaspargase_iv(), days, n=n)
    activity = group.activity / 1000
    at = {level: [np.interp(-level, -e, n) for e, n in zip(activity, group.asn, strict=True)] for level in (0.02, 0.1)}
    threshold = [np.interp(np.log(LLOQ), np.log(n + 1e-9), e) for e, n in zip(activity, group.asn, strict=True)]
    return {
        "threshold": float(np.median(threshold)),
        "worst": float(np.max(threshold)),
        "asn_at_0.02": float(np.median(at[0.02])),
        "asn_at_0.1": float(np.median(at[0.1])),
    } | _percentiles("threshold", np.array(threshold))


def v32(load: Load, n: int = 200) -> dict[str, float]:
    """Days that plasma Asn stays undetectable in all patients after pegaspargase or calaspargase 2500 U/m^2 (Angiolillo 2014).

    Trials of 50 patients drawn from n without and, 3.5 % of the time, from n/2 with antibodies; visits on days 4, 11, 18 and 25
    (inferred from the reports): the last one at which all are undetectable, median of 2000 trials, and the shares of trials in
    which it is day 11, and day 18 or later. A 25 means "at least 25", nobody was seen later. `half_life_ratio` is that of
    calaspargase over pegaspargase in one child, days 5-26.
    """
    visits, rng, found, half = (4, 11, 18, 25), np.random.default_rng(32), {}, {}
    for product, regimen in {"pegaspargase": pegaspargase_iv(), "calaspargase": calaspargase_iv()}.items():
        groups = (cohort(load, product, regimen, visits, n=many, antibodies=share) for many, share in ((n, 0.0), (n // 2, 1.0)))
        well, silent = (last_negative(group, visits)[rng.integers(0, len(group.asn), (2000, 50))] for group in groups)
        trials = np.where(rng.random(well.shape) < SILENT, silent, well).min(axis=1)
        found[product[:3]] = float(np.median(trials))
        found |= _percentiles(product[:3], trials)
        found[f"{product[:3]}_share_11"] = float((trials == 11).mean())
        found[f"{product[:3]}_share_18_or_later"] = float((trials >= 18).mean())
        run = simulate(load("body_pk", product), regimen, until="26 d")
        half[product] = half_life(run.t / 24, run["asnase_p"], 5, 26)
    return found | {"half_life_ratio": half["calaspargase"] / half["pegaspargase"]}


def calaspargase_iv() -> Regimen:
    """Return one dose of 2500 U/m^2 calaspargase over 1 h."""
    return Regimen.single("2500 U/m^2", "asnase_central", duration="1 h")


def v33(load: Load) -> dict[str, float]:
    """Calaspargase 2500 U/m^2 IV: Cmax, AUC to day 25 and to infinity, terminal half-life (label; U/mL, d U/mL, d).

    The typical patient; activity does not depend on body surface, as dose, volumes and clearances all follow it. Infinity is
    ten half-lives, the half-life is read from day 30 on.
    """
    times = np.concatenate([np.linspace(0, 48, 961), np.arange(49, 24 * 160 + 1)])
    run = simulate(load("body_pk", "calaspargase"), calaspargase_iv(), until=times[-1], times=times)
    days, activity = run.t / 24, run["asnase_p"] / 1000
    early = days <= 25
    return {
        "Cmax": float(activity.max()),
        "AUC_25": float(np.trapezoid(activity[early], days[early])),
        "AUC": float(np.trapezoid(activity, days)),
        "half_life": half_life(days, activity, 30, 120),
    }


def v34(load: Load, n: int = 200) -> dict[str, float]:
    """CSF Asn before, 4 and 25 days after calaspargase 2500 U/m^2 IV (label), means, ug/mL."""
    group = cohort(load, "calaspargase", calaspargase_iv(), (4, 25), n=n)
    per_umol = 132.12e-3  # ug/mL in 1 umol/L of asparagine
    found: dict[str, float] = {}
    for name, values in zip(("before", "day_4", "day_25"), (group.csf_before, *group.csf.T), strict=True):
        found |= {name: float(per_umol * values.mean())} | _percentiles(name, per_umol * values)
    return found


def v35(load: Load, n: int = 200) -> dict[str, float]:
    """CSF Asn 11 days after the second of two doses of pegaspargase: fall (%) and share below 0.5 umol/L (%), Dutch study 2022.

    Doses on days 4 and 18 of induction are days 0 and 14 here; 1500 U/m^2 as in the Dutch protocols (the abstract names no
    amount). `fall` is the median, as the abstract's other numbers.
    """
    group = cohort(load, "pegaspargase", pegaspargase_iv("1500 U/m^2", second=True), (25,), n=n)
    csf = group.csf[:, 0]
    return {
        "fall": float(100 * (1 - np.median(csf / group.csf_before))),
        "left": float(100 * np.median(csf / group.csf_before)),
        "below_0.5": float(100 * (csf < 0.5).mean()),
        "correlation_with_activity": float(np.corrcoef(np.log(group.activity[:, 0]), np.log(csf))[0, 1]),
    } | _percentiles("fall", 100 * (1 - csf / group.csf_before))


def v36(load: Load, n: int = 400) -> dict[str, float]:
    """Shares of CSF samples below 0.2 and from 1 umol/L on after pegaspargase 2500 U/m^2 twice (Rizzari 2019), %.

    Doses on days 12 and 26 of induction, samples on days 33 and 45: days 21 and 33 after the first dose, weighted by their
    numbers, 686 and 217. `low` and `high` are shares below 0.2 umol/L where activity is below 100 and from 1500 U/L on.
    """
    group = cohort(load, "pegaspargase", pegaspargase_iv(second=True), (21, 33), n=n)
    weight = np.broadcast_to([686.0, 217.0], group.csf.shape)
    depleted = group.csf < 0.2

    def share(which, of=np.True_) -> float:
        total = (weight * of).sum()
        return float(100 * (weight * (which & of)).sum() / total) if total else float("nan")

    return {
        "below_0.2": share(depleted),
        "from_1": share(group.csf >= 1),
        "low": share(depleted, group.activity < 100),
        "high": share(depleted, group.activity >= 1500),
    }


def v38(load: Load, n: int = 400) -> dict[str, float]:
    """Median CSF Asn during and after native E. coli enzyme 10000 U/m^2 IM three times a week (Woo 1999), umol/L.

    Nine doses in three weeks (Monday, Wednesday, Friday), 10 % with antibodies (assumed). `during` joins samples before the
    doses of days 7 and 14; then 8 and 35 days after the last dose, for "6 to 10" and "more than 30" days.
    """
    regimen = Regimen()
    for day in (0, 2, 4):
        regimen += Regimen.repeat("10000 U/m^2", "asnase_depot", "7 d", 3, start=f"{day} d")
    group = cohort(load, "native_ecoli", regimen, (6.99, 13.99, 26, 53), n=n, antibodies=0.1)
    parts = (group.csf_before, group.csf[:, :2], group.csf[:, 2], group.csf[:, 3])
    found: dict[str, float] = {}
    for name, values in zip(("before", "during", "6_to_10_d", "over_30_d"), parts, strict=True):
        found |= {name: float(np.median(values))} | _percentiles(name, values)
    return found


def v40(load: Load) -> dict[str, float]:
    """Rylaze 25 mg/m^2 IM every 48 h: Cmax and trough of the seventh dose (label), U/mL, in the typical patient of 1.2 m^2."""
    model = load("body_pk", "rylaze").with_parameters(bsa=1.2)
    dose = 25e-6 * model.value("asnase_specific_activity") * model.value("bsa")  # 25 mg/m^2
    times = np.linspace(6 * 48, 7 * 48, 961)
    run = simulate(model, Regimen.repeat(dose, "asnase_site", "48 h", 7), until=times[-1], times=times)
    activity = run["asnase_p"] / 1000
    return {"Cmax": float(activity.max()), "trough": float(activity[-1])}


def v43(load: Load) -> dict[str, float]:
    """Half-lives of native (h) and pegylated (d) E. coli enzyme after one IM dose of 6000 and 2500 U/m^2 (Avramis 2002).

    A child of 5 years, 18.5 kg and 0.745 m^2, as standard-risk patients are 1 to 9 years old; straight lines through log activity
    of days 1-5 (native) and 5-26 (pegaspargase): the windows are not in the abstract. `peg_iv_days` is the same after an IV dose.
    """
    child = {"weight": 18.5, "bsa": 0.745}
    model = load("body_pk", "native_ecoli").with_parameters(child)
    native = simulate(model, Regimen.single("6000 U/m^2", "asnase_depot"), until="6 d")
    model = load("body_pk", "pegaspargase").with_parameters(child, age=5)
    im, iv = (simulate(model, Regimen.single("2500 U/m^2", into), until="26 d") for into in ("peg_depot", "peg_1"))
    return {
        "native_hours": 24 * half_life(native.t / 24, native["asnase_p"], 1, 5),
        "peg_days": half_life(im.t / 24, im["asnase_p"], 5, 26),
        "peg_iv_days": half_life(iv.t / 24, iv["asnase_p"], 5, 26),
    }


def v44(load: Load, n: int = 200) -> dict[str, float]:
    """Antibodies against pegaspargase: ratios, with over without, of clearance and of CSF Asn on day 21 (Panetta 2009: above 1).

    The same children with and without, 2500 U/m^2 IV, antibodies from about day 7; medians. Clearance is dose over AUC to day 21.
    """
    days = np.linspace(0, 21, 169)
    without = cohort(load, "pegaspargase", pegaspargase_iv(), days, n=n, seed=1001)
    with_ = cohort(load, "pegaspargase", pegaspargase_iv(), days, n=n, antibodies=1.0)  # drawn with seed 1 + 1000
    area, less = (np.trapezoid(group.activity, days, axis=1) for group in (without, with_))
    ratios = {"clearance_ratio": area / less, "csf_ratio": with_.csf[:, -1] / without.csf[:, -1]}
    found: dict[str, float] = {}
    for name, values in ratios.items():
        found |= {name: float(np.median(values))} | _percentiles(name, values)
    return found

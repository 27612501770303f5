"""Commands about patients: a population, a regimen for it, and what to expect of one patient.

See `asnsim.cli` for how errors are said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_options import Csv, Figure, Set, model_of
from asnsim.console import check_targets, progress_bar, show_table, wrote
from asnsim.errors import DataError, suggest

__all__ = ["forecast", "population", "regimen"]

_TARGET = 100.0  # U/L, the usual one: 0.1 IU/mL
_DEPLETED = 0.5  # umol/L
_GOALS = {"": "asnase_p", "plasma": "asn_p", "csf": "asn_csf"}


def _entry(model, into: str) -> str:
    """Where the usual dose of a product goes."""
    if into:
        return into
    found = [name for name in ("peg_1", "asnase_site", "asnase_central") if name in model.states]
    if not found:
        raise DataError(f"model '{model.name}' takes no asparaginase; say where the dose goes with --into")
    return found[0]


def population(
    product: Annotated[str, typer.Argument(help="Overlay of the product; variability from models/products.tsv.")],
    n: Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="Patients.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same patients.")] = 1,
    age: Annotated[float, typer.Option(min=1, max=18, help="Median age, years.")] = 5.7,
    amount: Annotated[str, typer.Option(help="U, or per m^2 or kg.")] = "2500 U/m^2",
    every: Annotated[str, typer.Option(help="Interval.")] = "14 d",
    times: Annotated[int, typer.Option(min=1, max=200, help="Number of doses.")] = 1,
    duration: Annotated[str, typer.Option(help="Length of the infusion; 0 h is a bolus.")] = "1 h",
    cap: Annotated[str, typer.Option(help="Largest single dose, such as '3750 U'.", show_default=False)] = "",
    into: Annotated[
        str, typer.Option(help="State that takes the dose; by default that of the product.", show_default=False)
    ] = "",
    until: Annotated[str, typer.Option(help="End; by default 30 d after the last dose.", show_default=False)] = "",
    antibodies: Annotated[float, typer.Option(min=0, max=1, help="Share of patients who form antibodies.")] = 0.0,
    store: Annotated[Path | None, typer.Option(help="Zarr store for all patients.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted store.")] = False,
    scheduler: Annotated[str, typer.Option(help="Address of a Dask cluster, such as tcp://host:8786.", show_default=False)] = "",
    csv: Csv = None,
    figure: Figure = None,
    calendar: Annotated[
        Path | None, typer.Option(help="Figure of who is without plasma Asn when, as measured.", show_default=False)
    ] = None,
) -> None:
    """Dose virtual children; print exposure, days on target and days without asparagine, with their 90 % ranges."""
    check_targets(csv, figure, calendar)
    import numpy as np

    from asnsim.dosing import Regimen
    from asnsim.scale import simulate_many
    from asnsim.units import parse_time

    model, who = _children(product, n, seed, age, antibodies)
    given = Regimen.repeat(amount, _entry(model, into), every, times, duration=duration, **({"cap": cap} if cap else {}))
    last = given.dose_times()[-1]
    end = parse_time(until, "the end") if until else last + 720.0
    grid = _moments(given, model, end)
    names = ("asnase_p", "asn_p", "asn_measured", "asn_csf")
    with progress_bar(f"{n} patients") as progress, _client(scheduler) as client:
        runs = simulate_many(
            model, who, given, end, observables=names, times=grid, executor=client, store=store, resume=resume, progress=progress
        )
    rows = _summary(runs, grid, given.dose_times())
    show_table(("quantity", "median", "5 %", "95 %", "unit"), rows, f"{n} patients, {times} x {amount} {product}, {end / 24:g} d")
    failed = int(n - runs.success.sum())
    if failed:
        typer.echo(f"note: {failed} of {n} runs failed and are left out")
    if store:
        wrote(store)
    if csv:
        from asnsim.tables import write_table

        wrote(write_table(csv, ("quantity", "median", "low", "high", "unit"), rows))
    if figure:
        from asnsim.plots_dosing import plot_bands

        good = np.flatnonzero(runs.success)[:2000]
        panels = {name: runs[name][good] for name in names}
        units = {"asnase_p": "U/L", **dict.fromkeys(names[1:], "umol/L")}
        plot_bands(grid, panels, units, {"asnase_p": _TARGET, "asn_measured": _DEPLETED}, figure)
        wrote(figure)
    if calendar:
        from asnsim.plots_dosing import plot_calendar

        chosen = np.flatnonzero(runs.success)[:2000]
        words = f"with measured Asn <= {_DEPLETED:g} umol/L"
        plot_calendar(grid, runs["asn_measured"][chosen] <= _DEPLETED, words, calendar)
        wrote(calendar)


def _children(product: str, n: int, seed: int, age: float, antibodies: float):
    """Model of the typical child, and a population with the published variability of the product."""
    from asnsim.library import load_model
    from asnsim.population import Children, read_variability

    published = read_variability(product)
    model = load_model("body_pk", product, *(("antibodies",) if antibodies else ()))
    spread = {name: model.parameters[name].spread for name in ("Ra_asn", "csf_source")}
    omega = {**published.omega, **spread}
    return model, replace(published, n=n, seed=seed, antibodies=antibodies, covariates=Children(age), omega=omega)


def _numbers(text: str, what: str) -> tuple[list[float], str]:
    """``'1000, 1500, 2500 U/m^2'`` -> numbers, and the unit behind the last."""
    match = re.fullmatch(r"\s*([-+.\deE]+(?:\s*,\s*[-+.\deE]+)*)\s*(.*?)\s*", text)
    try:
        numbers = [float(part) for part in match[1].split(",")] if match else []
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number < float("inf") for number in numbers):
        raise DataError(f"'{text}' are no {what}; write positive numbers with the unit behind the last, such as '7, 14, 21 d'")
    return sorted(set(numbers)), match[2]


def regimen(
    product: Annotated[str, typer.Argument(help="Overlay of the product; variability from models/products.tsv.")],
    amounts: Annotated[str, typer.Option(help="Candidates, with their unit.")] = "500, 1000, 1500, 2000, 2500 U/m^2",
    intervals: Annotated[str, typer.Option(help="Candidates, with their unit.")] = "14 d",
    times: Annotated[int, typer.Option(min=1, max=200, help="Number of doses.")] = 3,
    duration: Annotated[str, typer.Option(help="Length of the infusion; 0 h is a bolus.")] = "1 h",
    cap: Annotated[str, typer.Option(help="Largest single dose, such as '3750 U'.", show_default=False)] = "",
    into: Annotated[
        str, typer.Option(help="State that takes the dose; by default that of the product.", show_default=False)
    ] = "",
    deplete: Annotated[str, typer.Option(help="Aim at asparagine instead of activity: plasma or csf.", show_default=False)] = "",
    target: Annotated[
        float | None,
        typer.Option(min=0, help="Activity, U/L (100), or with --deplete Asn, umol/L (0.5).", show_default=False),
    ] = None,
    probability: Annotated[float, typer.Option(min=0, max=1, help="Chance that is asked for.")] = 0.9,
    n: Annotated[int, typer.Option("--n", min=1, max=100_000, help="Patients.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same patients.")] = 1,
    age: Annotated[float, typer.Option(min=1, max=18, help="Median age, years.")] = 5.7,
    antibodies: Annotated[float, typer.Option(min=0, max=1, help="Share of patients who form antibodies.")] = 0.0,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Search dose and interval for a population: the chance to be on target from day 1 to the end of the last interval."""
    check_targets(csv, figure)
    from asnsim.dosing import Regimen
    from asnsim.tables import write_table

    if deplete not in _GOALS:
        raise DataError(f"--deplete is '{deplete}'; it must be plasma or csf")
    target = (_DEPLETED if deplete else _TARGET) if target is None else target
    model, who = _children(product, n, seed, age, antibodies)
    state, (sizes, size), (spans, span) = _entry(model, into), _numbers(amounts, "amounts"), _numbers(intervals, "intervals")
    fields = {"times": times, "duration": duration, **({"cap": cap} if cap else {})}
    aim = (_GOALS[deplete], {"at_most": target} if deplete else {"at_least": target})
    with progress_bar(f"{len(sizes) * len(spans)} regimens") as progress:
        table = _search(
            who, model, sizes, [f"{length!r} {span}" for length in spans],
            lambda amount, interval: Regimen.repeat(f"{amount!r} {size}", state, interval, **fields), times, aim, progress,
        )  # fmt: skip
    what = f"{deplete} Asn <= {target:g} umol/L" if deplete else f"activity >= {target:g} U/L"
    columns = (f"amount [{size or 'U'}]", "every [d]", "chance", "low", "high", "median at the end")
    rows = [(row.regimen, row.interval / 24, row.probability, row.low, row.high, row.median) for row in table.itertuples()]
    show_table(columns, rows, f"{times} doses of {product}, {n} patients: {what} all the time")
    good = table[table.probability >= probability]
    if good.empty:
        typer.echo(f"none keeps it with a chance of {probability:g}")
    else:
        best = good.loc[(good.regimen / good.interval).idxmin()]
        typer.echo(
            f"least drug with a chance of {probability:g}: {best.regimen:g} {size or 'U'} every {best.interval / 24:g} d "
            f"({best.probability:.3f})"
        )
    if csv:
        wrote(write_table(csv, columns, rows))
    if figure:
        _draw_search(table, size or "U", f"{times} doses; {what}", probability, figure)
        wrote(figure)


def _search(who, model, sizes, intervals, make, times: int, aim, progress):
    """Chances of every pair of candidates; columns regimen (amount), interval (h), probability, low, high, median."""
    import pandas as pd

    from asnsim.regimens import Goal, compare
    from asnsim.units import parse_time

    tables = []
    for text in intervals:
        hours = parse_time(text, "the interval")
        goal = Goal(aim[0], min(24.0, times * hours), times * hours, **aim[1])

        def report(done, _):
            if progress:
                progress(len(tables) * len(sizes) + done, len(intervals) * len(sizes))

        found = compare(who, {amount: make(amount, hours) for amount in sizes}, goal, model=model, progress=report)
        found.insert(1, "interval", hours)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


def _draw_search(table, unit: str, words: str, probability: float, path: Path) -> None:
    """A surface of both candidates, or the curve of the one that varies."""
    from asnsim.plots_dosing import plot_response

    if table.regimen.nunique() > 1 and table.interval.nunique() > 1:
        plot_response(table, f"dose [{unit}], {words}", probability, path)
    elif table.interval.nunique() > 1:
        by_days = table.assign(regimen=table.interval / 24).drop(columns="interval")
        plot_response(by_days, f"interval [d] of {table.regimen[0]:g} {unit}, {words}", probability, path)
    else:
        plot_response(table.drop(columns="interval"), f"dose [{unit}], {words}", probability, path)


def _moments(given, model, end: float):
    """Days, or quarters of them, and what exposure is read from: just before every dose, and closely after it."""
    import numpy as np

    doses = np.array(given.dose_times())
    length = given.given(model)[0].length
    close = length + np.array([0.0, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21])
    usual = np.arange(0.0, end, 24.0 if end > 240 else 6.0)
    every = np.concatenate([usual, doses, doses * (1 - 1e-9), np.add.outer(doses, close).ravel(), [end]])
    return np.unique(every[every <= end])


class _client:
    """A Dask client where an address is given, None otherwise."""

    def __init__(self, address: str):
        self.address, self.client = address, None

    def __enter__(self):
        if self.address:
            try:
                from dask.distributed import Client
            except ImportError:
                from asnsim.errors import MissingExtraError

                raise MissingExtraError("dask", "cluster") from None
            try:
                self.client = Client(self.address, timeout="5s")
            except (OSError, ValueError) as error:
                raise DataError(f"no Dask scheduler answers at '{self.address}' ({error})") from None
        return self.client

    def __exit__(self, *_):
        if self.client is not None:
            self.client.close()


def _summary(runs, t, doses: Sequence[float]) -> list[tuple]:
    """Rows of the table of a population: medians and 5-95 % ranges, shares on target."""
    import numpy as np

    from asnsim.exposure import days_where, exposure

    good = runs.success
    activity = runs["asnase_p"][good]
    read = exposure(t, activity, doses)
    rows = [
        ("Cmax of activity", read.Cmax, "U/L"),
        ("trough of activity", read.trough, "U/L"),
        ("AUC of activity", read.AUC / 1000, "d U/mL"),
        ("late half-life", read.half_life.dropna(), "d"),
        (f"days with activity >= {_TARGET:g} U/L", days_where(t, activity >= _TARGET), "d"),
        (
            f"days with plasma Asn <= {_DEPLETED:g} umol/L, as measured",
            days_where(t, runs["asn_measured"][good] <= _DEPLETED),
            "d",
        ),
        (f"days with plasma Asn <= {_DEPLETED:g} umol/L, true", days_where(t, runs["asn_p"][good] <= _DEPLETED), "d"),
        (f"days with CSF Asn <= {_DEPLETED:g} umol/L", days_where(t, runs["asn_csf"][good] <= _DEPLETED), "d"),
    ]
    table = [(name, *map(float, np.quantile(values, [0.5, 0.05, 0.95])), unit) for name, values, unit in rows if len(values)]
    for day in (7, 14, 18, 21, 25):
        place = int(np.searchsorted(t, doses[-1] + 24 * day - 1e-9))
        if place < len(t) and abs(t[place] - doses[-1] - 24 * day) < 1e-6:
            share = 100 * float(np.mean(activity[:, place] >= _TARGET))
            table.append((f"patients with >= {_TARGET:g} U/L {day} d after the last dose", share, "", "", "%"))
    return table


_SAMPLE = re.compile(r"\s*(?P<what>\w+)\s*(?P<blq>[<=])\s*(?P<value>.+?)\s+at\s+(?P<time>.+?)\s*")


def _sample(text: str, model):
    """``'asnase_p=420 U/L at 7 d'``, or ``<`` for below the limit."""
    from asnsim.checks import derived_dimensions
    from asnsim.fit.individual import Sample
    from asnsim.units import parse_quantity, parse_time

    match = _SAMPLE.fullmatch(text)
    if not match:
        raise DataError(
            f"'{text}' is not a sample; write for example 'asnase_p=420 U/L at 7 d' or 'asn_measured<0.5 umol/L at 7 d'"
        )
    known = {name: parameter.dimension for name, parameter in model.parameters.items()} | derived_dimensions(model)
    if match["what"] not in known:
        raise DataError(f"the sample '{text}' names '{match['what']}', which the model lacks{suggest(match['what'], known)}")
    value = parse_quantity(match["value"], known[match["what"]], f"the sample of {match['what']}")
    return Sample(parse_time(match["time"], "the sample's time"), match["what"], value, match["blq"] == "<")


def forecast(
    product: Annotated[str, typer.Argument(help="Overlay of the product; variability from models/products.tsv.")],
    given: Annotated[list[str], typer.Option("--given", help="'2500 U/m^2 into peg_1 at 0 h over 2 h'; repeatable.")],
    sample: Annotated[
        list[str] | None,
        typer.Option(
            "--sample", help="'asnase_p=420 U/L at 7 d', 'asn_measured<0.5 umol/L at 7 d'; repeatable.", show_default=False
        ),
    ] = None,
    next_: Annotated[str, typer.Option("--next", help="When the next dose may be given.", show_default=False)] = "",
    trough: Annotated[str, typer.Option(help="How long after it the target must still hold.")] = "14 d",
    target: Annotated[
        float | None,
        typer.Option(min=0, help="Activity, U/L (100), or with --deplete Asn, umol/L (0.5).", show_default=False),
    ] = None,
    deplete: Annotated[bool, typer.Option("--deplete", help="Aim at plasma asparagine itself instead of activity.")] = False,
    probability: Annotated[float, typer.Option(min=0, max=1, help="Chance that is asked for.")] = 0.9,
    antibodies: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of patients who form antibodies; the samples say whether this one does.")
    ] = 0.0,
    asn_error: Annotated[float, typer.Option(min=0, help="Relative residual error of measured asparagine.")] = 0.2,
    set_: Set = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same draws.")] = 1,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Estimate one patient from samples, forecast, and propose the smallest next dose that keeps a target."""
    check_targets(csv, figure)
    import numpy as np

    from asnsim.dosing import Regimen, parse_dose
    from asnsim.population import Population, ResidualError, read_residual
    from asnsim.units import parse_time

    model = model_of("body_pk", (product, *(("antibodies",) if antibodies else ())), (), set_)
    past = Regimen(tuple(parse_dose(text) for text in given))
    samples = [_sample(text, model) for text in sample or ()]
    begin = max([*past.dose_times(), *(s.time for s in samples)])
    start, wait = parse_time(next_, "the next dose") if next_ else begin, parse_time(trough, "the trough")
    if start < begin or not wait > 0:
        raise DataError(
            f"the next dose ({start / 24:g} d) must not lie before the last dose or sample ({begin / 24:g} d), "
            "and --trough must be positive"
        )
    if csv and not next_:
        raise DataError("--csv writes the table of next doses; say with --next when one may be given")
    target = (_DEPLETED if deplete else _TARGET) if target is None else target
    spread = {"Ra_asn": model.parameters["Ra_asn"].spread} if any(s.what != "asnase_p" for s in samples) or deplete else {}
    residual = {"asnase_p": read_residual(product), "asn_measured": ResidualError(prop=asn_error, add=0.1)}
    one = _estimate(model, Population.of(product, 1, antibodies=antibodies, omega=spread), past, samples, residual)
    end = start + wait
    grid = np.unique([*np.arange(0.0, end, 12.0), *(t + 2.0 for t in past.dose_times()), start, end])
    expected = one.forecast(past, end, grid, ("asnase_p", "asn_p"), seed=seed)
    low, middle, high = expected.interval("asnase_p")[:, np.searchsorted(grid, start)]
    typer.echo(
        f"without another dose, activity at {start / 24:g} d would be measured as {middle:.0f} U/L "
        f"(90 %: {low:.0f} to {high:.0f})"
    )
    if next_:
        best = _next_dose(one, past, start, end, target, deplete, probability, seed, csv)
        if best:
            expected = one.forecast(best, end, grid, ("asnase_p", "asn_p"), seed=seed)
    if figure:
        from asnsim.plots_dosing import plot_forecast

        plot_forecast(expected, "asnase_p", "U/L", samples, None if deplete else target, figure)
        wrote(figure)


def _estimate(model, prior, past, samples, residual):
    """Estimate a patient, with and without antibodies where the prior has some, and print what was found."""
    from asnsim.fit.individual import map_estimate
    from asnsim.fit.mixture import mixture_estimate

    mixed = mixture_estimate(model, prior, past, samples, residual) if prior.antibodies else None
    one = mixed.likely if mixed else map_estimate(model, prior, past, samples, residual)
    rows = [
        (str(name if isinstance(name, str) else f"{name[0]}, dose {name[1]}"), float(z))
        for name, z in zip(one.names, one.mode, strict=True)
    ]
    if mixed:
        typer.echo(f"antibodies: probability {mixed.probability:.3f} ({prior.antibodies:g} before the samples)")
    show_table(("effect", "standard deviations from typical"), rows, f"most probable patient, {len(samples)} samples")
    return mixed or one


def _next_dose(
    one, past, start: float, end: float, target: float, deplete: bool, probability: float, seed: int, csv: Path | None
):
    """Print, and write, how probably candidates keep the target; return the regimen with the smallest that does, or None."""
    from asnsim.dosing import Regimen
    from asnsim.regimens import Goal, propose
    from asnsim.tables import write_table

    first, usual = past.doses[0], past.given(one.model)[0].amount
    goal = Goal("asn_p", start + 24.0, end, at_most=target) if deplete else Goal("asnase_p", end, end, at_least=target)
    amounts = [float(f"{usual * share:.3g}") for share in (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.25, 1.5)]

    def following(amount: float) -> Regimen:
        return past + Regimen.single(amount, first.into, start, duration=first.duration)

    best, table = propose(one, following, amounts, goal, probability=probability, seed=seed)
    if deplete:
        what = f"Asn <= {target:g} umol/L from {start / 24 + 1:g} to {end / 24:g} d"
    else:
        what = f"activity >= {target:g} U/L at {end / 24:g} d"
    typer.echo(f"next dose (U) at {start / 24:g} d: {what}")
    show_table(tuple(table.columns), [tuple(row) for row in table.itertuples(index=False)])
    typer.echo(f"smallest dose with a chance of {probability:g}: " + (f"{best:g} U" if best else "none of these"))
    if csv:
        wrote(write_table(csv, tuple(table.columns), table.to_numpy().tolist()))
    return following(best) if best else None

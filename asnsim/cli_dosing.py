"""Commands about doses: a patient, a table of event records, a population, and what to expect of one patient.

See `asnsim.cli` for how errors are said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from asnsim.cli_options import Csv, Figure, Overlays, Recipe, Set, model_of
from asnsim.console import check_targets, progress_bar, show_table, wrote
from asnsim.errors import DataError, suggest

__all__ = ["dose", "events", "forecast", "population"]

_TARGET = 100.0  # U/L, the usual one: 0.1 IU/mL
_DEPLETED = 0.5  # umol/L


def _patient(line: str, product: str, settings: Sequence[str]):
    """Return a patient with cells of one line, settled."""
    from asnsim.library import read_parameters
    from asnsim.studies import settled_patient

    for option, overlay, mark in (("line", line, "cell_volume"), ("product", product, "glutaminase_share")):
        if mark not in read_parameters(overlay):
            raise DataError(f"--{option} '{overlay}' is not the overlay of a {option}: it does not say '{mark}'")
    return settled_patient(model_of("dosing", (product, line), (), settings))


def dose(
    amount: Annotated[str, typer.Option(help="U, or per m^2 or kg.")] = "2500 U/m^2",
    every: Annotated[str, typer.Option(help="Interval.")] = "14 d",
    times: Annotated[int, typer.Option(min=1, max=200, help="Number of doses.")] = 3,
    duration: Annotated[str, typer.Option(help="Length of the infusion; 0 h is a bolus.")] = "1 h",
    until: Annotated[str, typer.Option(help="End; by default 30 d after the last dose.", show_default=False)] = "",
    cap: Annotated[str, typer.Option(help="Largest single dose, such as '3750 U'.", show_default=False)] = "",
    into: Annotated[str, typer.Option(help="peg_1 is intravenous, peg_depot intramuscular.")] = "peg_1",
    bsa: Annotated[str, typer.Option(help="Body surface, such as '1.0 m^2'.", show_default=False)] = "",
    weight: Annotated[str, typer.Option(help="Body weight, such as '28 kg'.", show_default=False)] = "",
    set_: Set = None,
    product: Annotated[str, typer.Option(help="Overlay of the asparaginase product.")] = "pegaspargase",
    line: Annotated[list[str] | None, typer.Option(help="Overlay of a cell line; repeatable.", show_default=False)] = None,
    csv: Csv = None,
    figure: Figure = None,
) -> None:
    """Dose a patient with asparaginase and see what cells do."""
    check_targets(csv, figure)
    import numpy as np

    from asnsim.dosing import Regimen
    from asnsim.simulation import simulate
    from asnsim.tables import write_table
    from asnsim.units import parse_time

    settings = [*(set_ or ()), *(f"{name}={text}" for name, text in (("bsa", bsa), ("weight", weight)) if text)]
    regimen = Regimen.repeat(amount, into=into, every=every, times=times, duration=duration, **({"cap": cap} if cap else {}))
    interval = parse_time(every, "the interval")
    last = (times - 1) * interval
    end = parse_time(until, "the end") if until else last + 720.0
    rows, runs = [], {}
    for name in line or ("all_low_asns", "solid_143b"):
        grid = np.linspace(0.0, end, int(min(max(end, 400.0), 20_000.0)) + 1) if end > 0 else None
        run = runs[name] = simulate(_patient(name, product, settings), regimen, until=end, times=grid)
        activity = run["asnase_p"]
        repeats = [k * interval for k in range(1, times) if k * interval <= end]
        trough = min((run.at(t, "before")["asnase_p"] for t in repeats), default=float(activity[-1]))
        cells = run["cells"]
        days = (run.duration(activity > 100.0) / 24, run.duration(run["asn_p"] < 1.0) / 24)
        levels = (float(activity.max()), float(trough), float(run["asn_p"].min()))
        rows.append((name, *days, *levels, float(cells[0]), float(cells.min()), float(cells[-1])))
    columns = (
        "cells of",
        "days activity > 100 U/L",
        "days plasma Asn < 1 umol/L",
        "peak U/L",
        "trough U/L",
        "lowest Asn umol/L",
        "cells at start",
        "cells lowest",
        "cells at end",
    )
    show_table(columns, rows, f"{times} x {amount} into {into}, until {end / 24:g} d")
    typer.echo("trough: before a repeat, or at the end where there is none")
    if bsa and not weight:
        typer.echo("note: --bsa moves dose, volume and clearance of the drug; body fluids follow --weight, which stays as it is")
    if any(row[7] < 1 for row in rows):
        typer.echo("note: less than one cell is left at the lowest point; a real population would be gone for good")
    if csv:
        wrote(write_table(csv, columns, rows))
    if figure:
        from asnsim.plots import plot_depletion

        plot_depletion(runs, figure)
        wrote(figure)


def events(
    table: Annotated[Path, typer.Argument(help="CSV with one record per row: ID, TIME, EVID, CMT, AMT, RATE, II, ADDL, SS, ...")],
    recipe: Recipe,
    overlays: Overlays = None,
    compartments: Annotated[str, typer.Option(help="States that CMT 1, 2, ... mean, by commas.", show_default=False)] = "",
    observe: Annotated[str, typer.Option(help="What is read where a state is observed.", show_default=False)] = "",
    constant: Annotated[
        list[str] | None, typer.Option(help="F_state, ALAG_state, R_state or D_state = value; repeatable.", show_default=False)
    ] = None,
    locf: Annotated[bool, typer.Option("--locf", help="Covariates keep their last value instead of taking the next.")] = False,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave aside; repeatable.", show_default=False)] = None,
    set_: Set = None,
    csv: Csv = None,
) -> None:
    """Simulate a NONMEM-style event table; print, or write, what the model says at every record."""
    check_targets(csv)
    from asnsim.io.nonmem import read_events
    from asnsim.records import predictions

    model = model_of(recipe, overlays, (), set_)
    constants = {}
    for text in constant or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise DataError(f"'{text}' does not set anything; write for example --constant 'ALAG_peg_depot=2 h'")
        constants[name.strip()] = value.strip()
    states = tuple(name.strip() for name in compartments.split(",") if name.strip())
    subjects = read_events(
        table, model, compartments=states, observe=observe, constants=constants, locf=locf, drop=tuple(drop or ())
    )
    with progress_bar("simulating") as progress:
        found = predictions(model, subjects, progress=progress)
    shown = found.head(40)
    show_table(
        tuple(found.columns), [tuple(row) for row in shown.itertuples(index=False)], f"{table.name}: {len(subjects)} subjects"
    )
    if len(found) > len(shown):
        typer.echo(f"... {len(found) - len(shown)} more records; --csv writes all")
    if csv:
        from asnsim.tables import write_table

        rows = [[repr(x) if isinstance(x, float) else x for x in row] for row in found.itertuples(index=False)]
        wrote(write_table(csv, tuple(found.columns), rows))


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
) -> None:
    """Dose virtual children; print exposure, days on target and days without asparagine, with their 90 % ranges."""
    check_targets(csv, figure)
    import numpy as np

    from asnsim.dosing import Regimen
    from asnsim.library import load_model
    from asnsim.population import Children, read_variability
    from asnsim.scale import simulate_many
    from asnsim.units import parse_time

    published = read_variability(product)
    model = load_model("body_pk", product, *(("antibodies",) if antibodies else ()))
    given = Regimen.repeat(amount, _entry(model, into), every, times, duration=duration, **({"cap": cap} if cap else {}))
    last = given.dose_times()[-1]
    end = parse_time(until, "the end") if until else last + 720.0
    spread = {name: model.parameters[name].spread for name in ("Ra_asn", "csf_source")}
    omega = {**published.omega, **spread}
    who = replace(published, n=n, seed=seed, antibodies=antibodies, covariates=Children(age), omega=omega)
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
                self.client = Client(self.address, timeout="10s")
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
    from asnsim.fit.individual import map_estimate
    from asnsim.population import Population, ResidualError, read_residual
    from asnsim.units import parse_time

    model = model_of("body_pk", (product,), (), set_)
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
    residual = {"asnase_p": read_residual(product), "asn_measured": ResidualError(prop=asn_error, add=0.1)}
    spread = {"Ra_asn": model.parameters["Ra_asn"].spread} if any(s.what != "asnase_p" for s in samples) or deplete else {}
    one = map_estimate(model, Population.of(product, 1, omega=spread), past, samples, residual)
    rows = [
        (str(name if isinstance(name, str) else f"{name[0]}, dose {name[1]}"), float(z))
        for name, z in zip(one.names, one.mode, strict=True)
    ]
    show_table(("effect", "standard deviations from typical"), rows, f"most probable patient, {len(samples)} samples")
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

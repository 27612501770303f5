"""Validation: every published observation simulated and judged, with the uncertainty of the calibrated numbers.

Nothing is tuned here. The verdict rests on the simulation at the shipped numbers; draws from the calibration's covariance show
how far it moves (5th to 95th percentile).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from asnsim.calibration import Observation, Target, read_calibration, read_observations, read_priors
from asnsim.errors import AsnsimError, DataError, suggest
from asnsim.protocols import PROTOCOLS
from asnsim.protocols.bench import Load
from asnsim.tables import models_folder, read_tsv

__all__ = ["Finding", "counts", "explanations", "interval", "to_json", "to_markdown", "validate"]

_SEED = 2026
#: Observations that no calibrated number touches: draws would only repeat them.
_UNTOUCHED = frozenset("V01 V02 V03 V28 V30 V31 V32 V33 V40 V43".split())


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One observation against its simulation.

    Parameters
    ----------
    observation : Observation
        What was published.
    simulated : dict of str to float
        Read-outs at the shipped numbers; empty if the simulation failed.
    low, high : dict of str to float
        5th and 95th percentile over draws of the calibrated numbers; the value itself where draws cannot move it.
    failure : str
        Why it could not be simulated, else empty.
    """

    observation: Observation
    simulated: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    failure: str = ""

    @property
    def verdict(self) -> str:
        """``'agrees'``, ``'misses'`` or ``'failed'``."""
        if self.failure:
            return "failed"
        return "agrees" if all(t.agrees(self.simulated[t.readout]) for t in self.observation.targets) else "misses"

    def missed(self) -> tuple[Target, ...]:
        """Read-outs outside their interval."""
        return tuple(t for t in self.observation.targets if not t.agrees(self.simulated.get(t.readout, math.nan)))


def validate(
    rows: Iterable[str] | None = None,
    draws: int = 20,
    progress: Callable[[int, int], None] | None = None,
    values: Mapping[str, float] | None = None,
) -> list[Finding]:
    """Simulate and judge observations.

    Parameters
    ----------
    rows : iterable of str, optional
        Ids, such as ``('V07', 'V10')``; all by default.
    draws : int
        Draws of the calibrated numbers for the intervals; 0 for none.
    progress : callable, optional
        Told (done, total) after every simulation of an observation.
    values : mapping of str to float, optional
        Numbers that replace the shipped ones, as a user's question; the draws are then left out.

    Returns
    -------
    list of Finding

    Raises
    ------
    DataError
        If an id is unknown, or an observation has no protocol.
    """
    known, rows = {o.id: o for o in read_observations()}, None if rows is None else tuple(rows)
    for name in rows or ():
        if name not in known:
            raise DataError(f"'{name}' is not an observation of models/observations.tsv{suggest(name, known)}")
    chosen = [o for o in known.values() if rows is None or o.id in set(rows)]
    for observation in chosen:
        if observation.id not in PROTOCOLS:
            raise DataError(f"observation {observation.id} has no protocol; add a function to asnsim.protocols")
    sets = [] if values or draws <= 0 else read_calibration().draws(draws, _SEED, read_priors())
    total = sum(1 + (len(sets) if o.id not in _UNTOUCHED else 0) for o in chosen)
    findings, done = [], 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    used: set[str] = set()
    for observation in chosen:
        findings.append(_judge(observation, values or {}, [] if observation.id in _UNTOUCHED else sets, tick, used))
    for name in values or ():
        if name not in used:
            raise DataError(f"'{name}' changes nothing here: no model of these observations has it, or an overlay says another")
    return findings


def _judge(observation: Observation, values: Mapping[str, float], sets, tick: Callable[[], None], used: set[str]) -> Finding:
    protocol, load = PROTOCOLS[observation.id], Load(values)
    try:
        read = {name: float(value) for name, value in protocol(load).items()}
    except AsnsimError as error:
        used |= load.used
        tick()
        return Finding(observation, {}, {}, {}, " ".join(str(error).split()))
    used |= load.used
    tick()
    for target in observation.targets:
        if target.readout not in read:
            raise DataError(f"the protocol of {observation.id} does not read '{target.readout}'{suggest(target.readout, read)}")
    spread: dict[str, list[float]] = {name: [] for name in read}
    for one in sets:
        try:
            for name, value in protocol(Load(one)).items():
                spread[name].append(float(value))
        except (AsnsimError, ValueError):  # a draw may lie where a dose cannot be found; it is left out of the interval
            pass
        tick()
    low, high = ({name: float(np.nanpercentile(v, q)) if v else read[name] for name, v in spread.items()} for q in (5, 95))
    return Finding(observation, read, low, high)


def counts(findings: Iterable[Finding]) -> dict[str, tuple[int, int]]:
    """Return (agreeing, all) by use."""
    table: dict[str, tuple[int, int]] = {}
    for finding in findings:
        good, total = table.get(finding.observation.use, (0, 0))
        table[finding.observation.use] = good + (finding.verdict == "agrees"), total + 1
    return table


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def to_json(findings: Iterable[Finding]) -> str:
    """Return a list of {id, use, reported, simulated, low, high, verdict, source}, with every read-out under `targets`.

    Of an observation with several read-outs the first stands at the top.
    """
    entries = []
    for finding in findings:
        targets = [
            {
                "readout": t.readout,
                "reported": _number(t.reported),
                "tolerance": [_finite(t.low), _finite(t.high)],
                "unit": t.unit,
                "simulated": _finite(finding.simulated.get(t.readout)),
                "low": _finite(finding.low.get(t.readout)),
                "high": _finite(finding.high.get(t.readout)),
                "agrees": t.agrees(finding.simulated.get(t.readout, math.nan)),
            }
            for t in finding.observation.targets
        ]
        top = targets[0]
        source = f"{finding.observation.source} ({finding.observation.source_id})"
        entries.append(
            {
                "id": finding.observation.id,
                "use": finding.observation.use,
                **{key: top[key] for key in ("reported", "simulated", "low", "high")},
                "verdict": finding.verdict,
                "source": source,
                "failure": finding.failure,
                "targets": targets,
            }
        )
    return json.dumps(entries, indent=1, allow_nan=False) + "\n"


def explanations() -> dict[str, tuple[str, str]]:
    """Return what mechanism a miss lacks and what experiment would settle it, by observation (``models/misses.tsv``)."""
    rows = read_tsv(models_folder() / "misses.tsv", required=("id", "lacking", "experiment"))
    return {row["id"]: (row["lacking"], row["experiment"]) for row in rows}


def to_markdown(findings: list[Finding]) -> str:
    """Return the report as Markdown: counts, the table, every miss with what is lacking, what was done."""
    lines = ["# Simulated against published", ""]
    lines += [f"- {use}: {good} of {total} inside their tolerance" for use, (good, total) in counts(findings).items()]
    lines += [
        "",
        "`low` and `high`: 5th and 95th percentile over draws of the calibrated numbers. An observation agrees when all its",
        "read-outs at the shipped numbers lie in their intervals.",
        "",
        "| id | use | read-out | reported | tolerance | simulated | low | high | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for finding in findings:
        for t in finding.observation.targets:
            value = finding.simulated.get(t.readout, math.nan)
            cells = (
                finding.observation.id, finding.observation.use, t.readout, t.reported, interval(t), f"{value:.4g} {t.unit}",
                f"{finding.low.get(t.readout, math.nan):.3g}", f"{finding.high.get(t.readout, math.nan):.3g}",
                "agrees" if t.agrees(value) else "**misses**",
            )  # fmt: skip
            lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    known = explanations()
    misses = [finding for finding in findings if finding.verdict != "agrees"]
    lines += ["", "## Misses", ""]
    for finding in misses:
        lacking, experiment = known.get(finding.observation.id, ("not explained yet", "none proposed yet"))
        why = finding.failure or ", ".join(f"{t.readout} {finding.simulated[t.readout]:.3g}" for t in finding.missed())
        lines.append(
            f"- **{finding.observation.id}** ({finding.observation.use}; {why}). Lacking: {lacking} Experiment: {experiment}"
        )
    lines += ["", "## What was done", ""]
    for finding in findings:
        words = " ".join((PROTOCOLS[finding.observation.id].__doc__ or "").split())
        lines.append(f"- **{finding.observation.id}** {words} *Source: {finding.observation.source}.*")
    return "\n".join(lines) + "\n"


def interval(target: Target) -> str:
    """Return the tolerance in words."""
    low, high = math.isfinite(target.low), math.isfinite(target.high)
    if low and high:
        return f"{target.low:.3g} to {target.high:.3g}"
    return f">= {target.low:.3g}" if low else f"<= {target.high:.3g}" if high else "shown only"

"""measure(): a run of the model becomes a batch of chromatograms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from asnsim.chromatogram import Batch, Injection, Nominal, Sample
from asnsim.errors import DataError
from asnsim.lcms.assays import assay, draw_bias
from asnsim.lcms.design import Standard, extras, numbered, pooled, sequence, standards, validation
from asnsim.lcms.detection import Channels, acquire, conditions
from asnsim.lcms.draws import Draws
from asnsim.lcms.extraction import lysis, matrix_factor
from asnsim.lcms.faults import Faults
from asnsim.lcms.preparation import Vial, prepare, prepare_standard, unlabelled, waited
from asnsim.lcms.protocol import MATRICES, Protocol
from asnsim.lcms.sampling import collect_cells, collect_liquid, known_pools, moment

__all__ = ["measure", "measure_validation"]

# places in the seed tree
_BATCH, _VIAL, _STANDARD, _INJECTION, _ORDER, _MATRIX = range(6)


def _plan(run: object, protocol: Protocol, times: Sequence[float]) -> tuple[Protocol, dict[str, tuple[str, ...]]]:
    """Keep the analytes that the model has, and say in which matrix each is found."""
    state = run.at(float(times[0]))
    found = {analyte.id: known_pools(state, analyte.id) for analyte in protocol.analytes}
    keep = [name for name, matrices in found.items() if matrices]
    if not keep:
        raise DataError(f"the run has no pool that {protocol.name} measures; it looks for names such as asn_c, asn_e or asn_p")
    plan = {matrix: tuple(name for name in keep if matrix in found[name]) for matrix in MATRICES}
    return protocol.with_analytes(*keep), {matrix: names for matrix, names in plan.items() if names}


def _unknowns(
    run: object, plan: dict, protocol: Protocol, times: Sequence[float], replicates: int, seed: int | None, experiment: str
) -> list[Vial]:
    shared = Draws(seed, _BATCH)
    bias = draw_bias(protocol, shared, Draws(seed, _BATCH, 2))
    opened = lysis(protocol)
    recovery = opened.recovery * (1.0 - opened.quench_leak) * shared.lognormal(opened.recovery_bias)
    vials, index = [], 0
    for place, t in enumerate(times, start=1):
        for matrix, names in plan.items():
            now = moment(run, float(t), matrix, protocol)
            for replicate in range(1, replicates + 1):
                draws, index = Draws(seed, _VIAL, index), index + 1
                sample = Sample(
                    f"{experiment}_t{place}_{matrix}_{replicate}",
                    "Unknown",
                    dilution_factor=float(protocol.method["preparation"]["dilution"][matrix]),
                    experiment=experiment,
                    matrix=matrix,
                    time_h=float(t),
                    replicate=replicate,
                )
                if matrix == "cells":
                    taken = collect_cells(now, names, protocol, recovery, opened.recovery_cv, draws)
                    sides = asdict(assay(taken.cells, taken.cell_volume, protocol, bias, draws))
                    sample = replace(sample, recovery=opened.recovery, **{name: float(value) for name, value in sides.items()})
                else:
                    taken = collect_liquid(now, matrix, names, protocol)
                vials.append(prepare(sample, taken, protocol, draws))
    return vials


class _Bench:
    """Prepares vials of known content, one after the other, with the batch's stock solutions."""

    def __init__(self, protocol: Protocol, seed: int | None):
        self.protocol, self.seed, self.made, self.nominal = protocol, seed, {}, []
        cv, shape = protocol.bench["preparation"]["stock_cv"], (len(protocol.analytes),)
        self.stock = Draws(seed, _BATCH, 1).lognormal(cv, shape)

    def prepare(self, item: Standard) -> Vial:
        """Prepare one; its content is stated in `nominal`, what it is in `made`."""
        protocol, draws = self.protocol, Draws(self.seed, _STANDARD, len(self.made))
        self.made[item.sample.name] = item
        content = item.nominal / item.sample.dilution_factor
        vial = prepare_standard(item.sample, content, self.stock, item.with_is, protocol, draws, item.extracted)
        if item.sample.type in ("Standard", "QC", "Matrix"):
            concentration = float(protocol.method["preparation"]["is_concentration"])
            self.nominal += [
                Nominal(item.sample.name, analyte.id, float(value), concentration)
                for analyte, value in zip(protocol.analytes, item.nominal, strict=True)
            ]
        return vial


def _pooled(unknowns: list[Vial]) -> list[Vial]:
    """Vials of a pool of equal parts of all unknowns."""
    if not unknowns:
        return []
    light, heavy = (np.mean([getattr(vial, name) for vial in unknowns], axis=0) for name in ("light", "heavy"))
    return [Vial(sample, light, heavy, {}) for sample in pooled()]


def _truth(
    vial: Vial, position: int, protocol: Protocol, injected: tuple, carried: tuple, state: object, fault: str
) -> list[dict]:
    rows = []
    for i, analyte in enumerate(protocol.analytes):
        rows.append(
            {
                "sample_name": vial.sample.name,
                "inj_number": position,
                "analyte": analyte.id,
                "fault": fault,
                **{
                    name: math.nan
                    for name in ("pool", "at_quench", "n_in", "n_film", "recovery", "cells", "vial_light", "vial_heavy")
                },
                **vial.latent.get(analyte.id, {}),
                "injected_light": float(injected[0][i]),
                "injected_heavy": float(injected[1][i]),
                "carried_light": float(carried[0][i]),
                "carried_heavy": float(carried[1][i]),
                "rt_s": float(state.retention[i]),
                "sigma_s": float(state.sigma * state.width[i]),
                "tau_s": float(state.tau * state.width[i]),
                "matrix_factor": float(state.matrix_factor[i]),
                "matrix_residual": float(state.residual[i]),
                "gain": float(state.gain),
            }
        )
    return rows


def measure(
    run: object,
    protocol: str | Path | Protocol = "hilic_mrm",
    times: Sequence[float] = (0.0,),
    replicates: int = 3,
    seed: int = 7,
    noise: bool = True,
    progress: Callable[[int, int], None] | None = None,
    experiment: str = "run",
    faults: Faults | None = None,
    sets: Sequence[str] = (),
    design_only: bool = False,
) -> Batch:
    """Take samples of a run, prepare them and acquire a whole LC-MS/MS batch.

    Parameters
    ----------
    run : Trajectory
        Offers ``at(t)``, ``volume(compartment, t)``, ``advance(t, duration, scale=...)`` and ``has(name)``. Pools are named
        ``asn_c`` (cells), ``asn_e`` (medium), ``asn_p`` (plasma), umol/L; ``cells`` is the number of cells.
    protocol : str, Path or Protocol
        Method that names a bench.
    times : sequence of float
        Sampling times, h.
    replicates : int
        Vials per time and matrix.
    seed : int
        Same seed, same batch.
    noise : bool
        False takes the ideal bench (`Protocol.ideal`): no random draws, no losses, continuous counts. The pools then come back
        exactly.
    progress : callable, optional
        Called with (done, total) after each injection.
    experiment : str
        Name carried through the sequence.
    faults : Faults, optional
        What goes wrong; the truth table says to whom.
    sets : sequence of str
        Vials beside calibrators, QCs and blanks: `asnsim.lcms.design.EXTRAS`.
    design_only : bool
        Lay the batch out, with order and prepared concentrations, and acquire nothing.

    Returns
    -------
    Batch
        Blanks, calibrators, QCs and unknowns in injection order, with the truth table.

    Raises
    ------
    DataError
        If no time is given, replicates is not positive, the run has no pool that the method measures, or a fault is told of a
        vial that is not in the batch.
    """
    times = tuple(float(t) for t in np.atleast_1d(np.asarray(times, dtype=float)))
    if not times or replicates < 1 or len(set(times)) < len(times):
        raise DataError(
            f"a batch needs at least one sampling time, all different, and one replicate; "
            f"got {len(times)} times and {replicates} replicates"
        )
    protocol = Protocol.load(protocol)
    protocol = protocol if noise else protocol.ideal()
    root = int(seed) if noise else None
    protocol, plan = _plan(run, protocol, times)
    unknowns, bench = _unknowns(run, plan, protocol, times, replicates, root, experiment), _Bench(protocol, root)
    groups = {name: [bench.prepare(item) for item in items] for name, items in standards(protocol, len(unknowns)).items()}
    late = [bench.prepare(item) for item in extras(protocol, tuple(sets))]
    spread = _pooled(unknowns) if "pooled_qc" in sets else []
    order = sequence(groups, unknowns, Draws(root, _ORDER), spread, late)
    if design_only:
        injections, truth = tuple(Injection(numbered(vial.sample, k), ()) for k, vial in enumerate(order, start=1)), ()
    else:
        injections, truth = _acquire(order, bench, plan, faults or Faults(), progress)
    name = f"{experiment}_{seed}"
    return Batch(name, injections, tuple(bench.nominal), protocol.name, protocol.method_text, truth)


def measure_validation(
    protocol: str | Path | Protocol = "hilic_mrm", run: int = 1, seed: int = 7, progress: Callable[[int, int], None] | None = None
) -> Batch:
    """Acquire one run of a method's validation: see `asnsim.lcms.design.validation`.

    Parameters
    ----------
    protocol : str, Path or Protocol
        Method that names a bench.
    run : int
        Number of the run; another day has other stock solutions.
    seed : int
        Same seed and run, same batch.
    progress : callable, optional
        Called with (done, total) after each injection.

    Returns
    -------
    Batch
        For `asnsim.quantify` and `asnsim.quantify.validate_method`.
    """
    protocol = Protocol.load(protocol)
    bench = _Bench(protocol, int(seed) * 1000 + int(run))
    order = [bench.prepare(item) for item in validation(protocol)]
    injections, truth = _acquire(order, bench, {}, Faults(), progress)
    name = f"validation_{seed}_run{run}"
    return Batch(name, injections, tuple(bench.nominal), protocol.name, protocol.method_text, truth)


def _acquire(
    order: list[Vial], bench: _Bench, plan: dict, faults: Faults, progress: Callable[[int, int], None] | None
) -> tuple[tuple[Injection, ...], tuple[dict, ...]]:
    """Inject the tray in its order."""
    protocol, root = bench.protocol, bench.seed
    if faults.carry_over == faults.carry_over:
        protocol = protocol.with_bench(injection={"carry_over": faults.carry_over})
    order = faults.applied(order, protocol.bench["wash"]["leak_per_min"], unlabelled(protocol))
    channels, injection = Channels.of(protocol), protocol.bench["injection"]
    held = (np.zeros(len(protocol.analytes)), np.zeros(len(protocol.analytes)))
    injections, truth = [], []
    for position, vial in enumerate(order, start=1):
        known = bench.made.get(vial.sample.name)
        light, heavy = waited(vial, position * injection["minutes"] / 60.0 + (known.waits_h if known else 0.0), protocol)
        carried = tuple(injection["carry_over"] * part for part in held)
        held = (light + carried[0], heavy + carried[1])
        factor = matrix_factor(protocol, vial.sample.matrix)
        state = conditions(position - 1, protocol, factor, Draws(root, _MATRIX, position), Draws(root, _INJECTION, position))
        if known is not None and not known.matrix:
            state = replace(state, matrix_factor=np.ones_like(state.matrix_factor), residual=np.ones_like(state.residual))
        traces = acquire(*held, state, channels, protocol, Draws(root, _INJECTION, position, 1))
        wanted = plan.get(vial.sample.matrix)
        if wanted is not None:  # a pool the model does not have is not acquired in that matrix
            traces = tuple(
                trace for trace, channel in zip(traces, channels.transitions, strict=True) if channel.analyte in wanted
            )
        injections.append(Injection(numbered(vial.sample, position), traces))
        truth += [
            row
            for row in _truth(vial, position, protocol, held, carried, state, faults.said(vial.sample.name))
            if wanted is None or row["analyte"] in wanted
        ]
        if progress is not None:
            progress(position, len(order))
    return tuple(injections), tuple(truth)

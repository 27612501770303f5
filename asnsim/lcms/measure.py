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
from asnsim.lcms.design import numbered, sequence, standards
from asnsim.lcms.detection import Channels, acquire, conditions
from asnsim.lcms.draws import Draws
from asnsim.lcms.faults import Faults
from asnsim.lcms.preparation import Vial, prepare, prepare_standard, waited
from asnsim.lcms.protocol import MATRICES, Protocol
from asnsim.lcms.sampling import collect_cells, collect_liquid, known_pools, moment

__all__ = ["measure"]

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
    bias = draw_bias(protocol, shared)
    extraction = protocol.bench["extraction"]
    recovery = extraction["recovery"] * shared.lognormal(extraction["recovery_bias"])
    vials, index = [], 0
    for place, t in enumerate(times, start=1):
        for matrix, names in plan.items():
            now = moment(run, float(t), matrix, protocol)
            for replicate in range(1, replicates + 1):
                draws, index = Draws(seed, _VIAL, index), index + 1
                sample = Sample(
                    f"{experiment}_t{place}_{matrix}_{replicate}",
                    "Unknown",
                    dilution_factor=protocol.method["preparation"]["dilution"][matrix],
                    experiment=experiment,
                    matrix=matrix,
                    time_h=float(t),
                    replicate=replicate,
                )
                if matrix == "cells":
                    taken = collect_cells(now, names, protocol, recovery, draws)
                    sides = asdict(assay(taken.cells, taken.cell_volume, protocol, bias, draws))
                    sample = replace(
                        sample, recovery=extraction["recovery"], **{name: float(value) for name, value in sides.items()}
                    )
                else:
                    taken = collect_liquid(now, matrix, names)
                vials.append(prepare(sample, taken, protocol, draws))
    return vials


def _standards(protocol: Protocol, n_unknown: int, seed: int | None) -> tuple[dict[str, list[Vial]], list[Nominal]]:
    stock = Draws(seed, _BATCH, 1).lognormal(protocol.bench["preparation"]["stock_cv"], (len(protocol.analytes),))
    concentration = protocol.method["preparation"]["is_concentration"]
    groups, nominal, index = {}, [], 0
    for name, items in standards(protocol, n_unknown).items():
        groups[name] = []
        for item in items:
            groups[name].append(
                prepare_standard(item.sample, item.nominal, stock, item.with_is, protocol, Draws(seed, _STANDARD, index))
            )
            index += 1
            if item.sample.type in ("Standard", "QC"):
                nominal += [
                    Nominal(item.sample.name, analyte.id, float(value), concentration)
                    for analyte, value in zip(protocol.analytes, item.nominal, strict=True)
                ]
    return groups, nominal


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
                "sigma_s": float(state.sigma),
                "tau_s": float(state.tau),
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
    unknowns = _unknowns(run, plan, protocol, times, replicates, root, experiment)
    groups, nominal = _standards(protocol, len(unknowns), root)
    order = sequence(groups, unknowns, Draws(root, _ORDER))
    faults = faults or Faults()
    if faults.carry_over == faults.carry_over:
        protocol = protocol.with_bench(injection={"carry_over": faults.carry_over})
    order = faults.applied(order, protocol.bench["wash"]["leak_per_min"], protocol.bench["preparation"]["is_unlabelled"])
    channels, injection = Channels.of(protocol), protocol.bench["injection"]
    held = (np.zeros(len(protocol.analytes)), np.zeros(len(protocol.analytes)))
    injections, truth = [], []
    for position, vial in enumerate(order, start=1):
        light, heavy = waited(vial, position * injection["minutes"] / 60.0, protocol)
        carried = tuple(injection["carry_over"] * part for part in held)
        held = (light + carried[0], heavy + carried[1])
        state = conditions(position - 1, protocol, Draws(root, _MATRIX, position), Draws(root, _INJECTION, position))
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
    return Batch(f"{experiment}_{seed}", tuple(injections), tuple(nominal), protocol.name, protocol.method_text, tuple(truth))

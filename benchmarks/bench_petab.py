"""The PEtab benchmark collection: time of likelihood and gradient for every problem, and fits of four of them from many starts.

    python benchmarks/bench_petab.py [--quick] [--alone | --fits]

Times are medians of evaluations at the nominal parameters, in one process, without the first (which compiles). AMICI (``make
bench-peers``) evaluates likelihood and forward gradient of the same problem, rtol 1e-8 too, in turns with ours, its data and
mapping kept between calls; the difference of gradients is relative to the largest entry. ``--alone`` leaves it out; ``--fits``
only fits. A fit counts as good where it ends within 0.05 of the likelihood of the published parameters, or better.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from common import record, table
from peers.client import PetabPeer

from asnsim.errors import AsnsimError
from asnsim.petab import Objective, fit_problem, read_problem
from asnsim.solvers import NDF

COLLECTION = Path(os.environ.get("ASNSIM_SHARED", Path(__file__).parents[2] / "shared")) / "conformance" / "petab-benchmark"
FITTED = ("Boehm_JProteomeRes2014", "Crauste_CellSystems2017", "Fujita_SciSignal2010", "Bruno_JExpBot2016")


def timed(call, rounds):
    """Median time of calls, ms."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times[1:])


def beside_amici(path, objective, rounds):
    """AMICI's evaluations in turns with ours: median ms of ours and of its call and core, and largest relative differences."""
    peer = PetabPeer(path)
    try:
        ours, calls, cores = [], [], []
        for _ in range(rounds + 1):
            answer = peer.evaluate()
            begin = time.perf_counter()
            mine = objective(gradient=True)
            ours.append(1e3 * (time.perf_counter() - begin))
            calls.append(answer["ms"])
            cores.append(answer["cpu_ms"])
        theirs = np.array([answer["sllh"].get(name, np.nan) for name in objective.problem.estimated])
        gap = np.nanmax(np.abs(theirs - mine.gradient)) / max(np.nanmax(np.abs(theirs)), 1e-300)
        off = abs(answer["llh"] - mine.llh) / abs(answer["llh"])
        return *(statistics.median(times[1:]) for times in (ours, calls, cores)), off, gap, peer.seconds
    finally:
        peer.close()


def evaluations(folders, rounds, alone):
    """One row per problem."""
    rows = []
    for folder in folders:
        path = next(folder.glob("*.yaml"))
        begin = time.perf_counter()
        try:
            objective = Objective(read_problem(path), NDF(rtol=1e-8))
            first = objective()
        except AsnsimError as error:
            rows.append((folder.name, *[""] * 5, str(error), *[""] * 4))
            continue
        ready = time.perf_counter() - begin
        plain, slope = timed(objective, rounds), timed(lambda o=objective: o(gradient=True), rounds)
        peer = ("", "", "", "", "")
        if not alone:
            try:
                ours, call, core, off, gap, seconds = beside_amici(path, objective, rounds)
                peer = (f"{call / ours:.1f}", f"{core / ours:.1f}", f"{off:.0e}", f"{gap:.0e}", f"{seconds:.0f}")
            except RuntimeError as error:
                peer = (str(error)[:60], "", "", "", "")
        figures = (f"{first.llh:.3f}", f"{ready:.2f}", f"{plain:.1f}", f"{slope:.1f}")
        rows.append((folder.name, len(objective.problem.estimated), len(objective.plans), *figures, *peer))
        print(*rows[-1], flush=True)
    return rows


def fits(starts):
    """One row per problem that is fitted."""
    rows = []
    for name in FITTED:
        folder = COLLECTION / name
        if not folder.exists():
            continue
        path = next(folder.glob("*.yaml"))
        published = -Objective(read_problem(path))().llh
        begin = time.perf_counter()
        result = fit_problem(path, starts, workers=min(2, os.cpu_count() or 1))
        seconds = time.perf_counter() - begin
        tight = -Objective(result.problem, NDF(rtol=1e-11))(np.array(result.best.p)).llh
        reached = f"{result.reached(published)} of {starts}"
        row = (name, f"{published:.4f}", f"{result.best.objective:.4f}", f"{tight:.4f}", reached, f"{seconds:.0f}")
        rows.append(row)
        print(*row, flush=True)
    return rows


def main(quick, fitted):
    """Run, print and record."""
    folders = sorted(path for path in COLLECTION.glob("*") if path.is_dir())
    if not folders:
        print(f"{COLLECTION} is absent; nothing to measure")
        return
    if not fitted:
        columns = ("problem", "estimated", "experiments", "llh", "first, s", "llh, ms", "gradient, ms")
        columns += ("AMICI's call over ours", "its C++ alone over ours", "llh differs by", "gradient differs by")
        columns += ("AMICI builds, s",)
        rows = evaluations(folders, 3 if quick else 7, "--alone" in sys.argv)
        text = table(columns, rows)
        print(text)
        if not quick:
            record("petab", {row[0]: dict(zip(columns[1:], row[1:], strict=True)) for row in rows}, text)
    else:
        columns = ("problem", "published", "best", "best at rtol 1e-11", "starts that reach it", "s, 2 workers")
        rows = fits(5 if quick else 50)
        text = table(columns, rows)
        print(text)
        if not quick:
            record("petab_fits", {row[0]: dict(zip(columns[1:], row[1:], strict=True)) for row in rows}, text)


if __name__ == "__main__":
    main("--quick" in sys.argv, "--fits" in sys.argv)

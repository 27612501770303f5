"""A batch of 500 injections with 20 transitions: simulate, write, read, quantify; and what pyteomics and pymzml take to read it.

    python benchmarks/bench_lab.py [injections]

Prints seconds per step, the peak memory of the process, and the same files read by three readers in turns, three times over.
"""

import math
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from asnsim.console import progress_bar
from asnsim.io.mzml import read_batch, read_mzml, write_batch
from asnsim.lcms import Protocol, measure
from asnsim.quantify import quantify

POOLS = {"asn": 1000.0, "asp": 3000.0, "gln": 5000.0, "glu": 8000.0, "ser": 1200.0, "arg": 300.0, "his": 310.0}


class Culture:
    """Constant pools in 1e6 cells of 1.4 pL water and their medium."""

    def at(self, t):
        """State at any time."""
        return {f"{name}_{s}": value * f for name, value in POOLS.items() for s, f in (("c", 1.0), ("e", 0.1))} | {"cells": 1e6}

    def has(self, name):
        """No constant of a model."""
        return False

    def volume(self, compartment, t):
        """Water of all cells, L."""
        return 1.4e-6

    def advance(self, t, duration, scale=None):
        """Nothing happens in the tube."""
        return self.at(t)


@contextmanager
def timed(words: str, steps: dict[str, float]):
    """Time one step, with a progress bar on a terminal."""
    with progress_bar(words) as progress:
        start = time.perf_counter()
        yield progress
        steps[words] = time.perf_counter() - start


def by_asnsim(path: Path) -> int:
    """Read all chromatograms of a file."""
    return sum(trace.time.size for trace in read_mzml(path))


def by_pyteomics(path: Path) -> int:
    """Read all chromatograms of a file."""
    from pyteomics import mzml

    with mzml.MzML(str(path)) as reader:
        return sum(len(entry["time array"]) for entry in reader.iterfind("chromatogram"))


def by_pymzml(path: Path) -> int:
    """Read all chromatograms of a file, by the names that the first reader found."""
    from pymzml.run import Reader

    reader = Reader(str(path))
    return sum(len(reader[name].time) for name in NAMES[path.name])


NAMES: dict[str, list[str]] = {}


def main(injections: int = 500) -> None:
    """Run the batch and print."""
    protocol, steps = Protocol.load("hilic_mrm").with_analytes(*POOLS), {}
    replicates = 12
    times = 2.0 * np.arange(math.ceil((injections - 85) / (2 * replicates)))
    with timed("simulate", steps) as progress:
        batch = measure(Culture(), protocol, times, replicates, seed=1, progress=progress)
    traces = {len(injection.chromatograms) for injection in batch.injections}
    points = sum(trace.time.size for injection in batch.injections for trace in injection.chromatograms)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "batch"
        with timed("write", steps) as progress:
            write_batch(batch, folder, progress)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        with timed("read", steps) as progress:
            back = read_batch(folder, progress)
        with timed("quantify", steps) as progress:
            result = quantify(back, progress=progress)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{len(batch)} injections, {max(traces)} transitions, {points / 1e6:.1f} million points, {size:.0f} MiB of mzML")
        print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items()) + f"; peak memory {peak:.2f} GiB")
        print(f"{(result.table['sample_type'] == 'Unknown').sum()} results, run accepted: {result.passed}")
        files = sorted(folder.glob("*.mzML"))[:100]
        for path in files:
            NAMES[path.name] = [trace.native_id for trace in read_mzml(path)]
        _readers(files)


def _readers(files: list[Path]) -> None:
    """Three readers in turns."""
    readers = {"asnsim": by_asnsim, "pyteomics": by_pyteomics, "pymzml": by_pymzml}
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(3):
        points = set()
        for name, read in readers.items():
            start = time.perf_counter()
            points.add(sum(read(path) for path in files))
            seconds[name].append(time.perf_counter() - start)
        if len(points) != 1:
            print(f"the readers do not agree on the number of points: {points}")
    ours = min(seconds["asnsim"])
    for name, values in seconds.items():
        print(f"{len(files)} files read by {name}: {min(values):.2f} s, {min(values) / ours:.1f} times ours")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)

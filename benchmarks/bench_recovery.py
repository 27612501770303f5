"""How often three fitted kinetic parameters lie inside their 95 % intervals after the whole laboratory, over 20 seeds.

    python benchmarks/bench_recovery.py [first seed] [number of seeds]

Each seed: simulate, measure with every artefact of the bench, write mzML, read it back, quantify blind, fit. Prints one line
per seed and the count.
"""

import sys
import tempfile
from pathlib import Path

from asnsim.demo import RECOVERED, recover, recovery_experiment


def main() -> None:
    """Run the seeds and print the count."""
    first, number = (int(text) for text in (sys.argv[1:] + ["1", "20"][len(sys.argv) - 1 :])[:2])
    experiment = recovery_experiment()
    all_inside, single = 0, 0
    for seed in range(first, first + number):
        with tempfile.TemporaryDirectory() as folder:
            _, result, truth = recover(experiment, Path(folder), seed)
        inside = [low <= truth.value(name) <= high for name, low, high in zip(RECOVERED, result.lower, result.upper, strict=True)]
        all_inside += all(inside)
        single += sum(inside)
        shown = ", ".join(
            f"{name} {x / truth.value(name):.3f} of truth{'' if ok else ' OUTSIDE'}"
            for name, x, ok in zip(RECOVERED, result.x, inside, strict=True)
        )
        print(f"seed {seed}: {shown}", flush=True)
    print(f"all three inside their 95 % intervals in {all_inside} of {number} seeds; single intervals {single} of {3 * number}")


if __name__ == "__main__":
    main()

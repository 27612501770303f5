"""How well the laboratory's circle closes: bias, coverage of 95 % intervals, acceptance, over many seeds.

Run: python benchmarks/bench_laboratory.py [number of batches]

Prints one line per matrix and analyte, and one per third of the range. Intervals are judged against the true pool; batch means
use the full covariance, and the last column shows what happens when shared errors are taken as independent.
"""

import sys
import time

import numpy as np
from scipy.stats import norm

from asnsim.lcms import Protocol, measure
from asnsim.quantify import quantify

POOLS = {"asn_c": 1000.0, "gln_c": 5000.0, "asn_e": 40.0, "gln_e": 600.0}


class Culture:
    """Constant pools, 1e6 cells of 1.4 pL water."""

    def __init__(self, pools):
        self.pools = pools

    def at(self, t):
        return {**self.pools, "cells": 1e6}

    def has(self, name):
        return False

    def volume(self, compartment, t):
        return 1.4e-6

    def advance(self, t, duration, scale=None):
        return self.at(t)


def main(batches: int = 100) -> None:
    protocol = Protocol.load("hilic_mrm").with_analytes("asn", "gln")
    start, rows, means, passed = time.perf_counter(), [], [], 0
    rng = np.random.default_rng(0)
    for seed in range(batches):
        # pools move with the seed, so that the whole range is seen
        pools = {name: value * 10 ** rng.uniform(-1.3, 0.7) for name, value in POOLS.items()}
        result = quantify(measure(Culture(pools), protocol, times=[0.0], replicates=6, seed=seed))
        passed += result.passed
        unknown = result.table[result.table["sample_type"] == "Unknown"]
        suffix = {"cells": "c", "medium": "e"}
        for (matrix, analyte), group in unknown.groupby(["matrix", "analyte"]):
            true = pools[f"{analyte}_{suffix[matrix]}"]
            for row in group.itertuples():
                rows.append((matrix, analyte, row.concentration, row.value / true - 1, row.lower <= true <= row.upper))
            covariance = result.covariance(group.index.to_numpy())
            mean, n = group["value"].mean(), len(group)
            z = norm.ppf(0.975)
            means.append(
                (
                    abs(mean - true) <= z * np.sqrt(covariance.sum()) / n,
                    abs(mean - true) <= z * np.sqrt(np.diag(covariance).sum()) / n,
                )
            )
    rows = np.array(rows, dtype=object)
    print(
        f"{batches} batches, {len(rows)} results, {time.perf_counter() - start:.0f} s; "
        f"runs that pass ICH M10: {passed / batches:.3f}"
    )
    for matrix in ("cells", "medium"):
        for analyte in ("asn", "gln"):
            part = rows[(rows[:, 0] == matrix) & (rows[:, 1] == analyte)]
            bias, covered = 100 * part[:, 3].astype(float).mean(), part[:, 4].astype(float).mean()
            print(f"{matrix:7s} {analyte}: bias {bias:+.2f} %, coverage {covered:.3f}")
    order = np.argsort(rows[:, 2].astype(float))
    for name, part in zip(("low", "middle", "high"), np.array_split(order, 3), strict=True):
        low, high = rows[part[0], 2], rows[part[-1], 2]
        print(f"{name:6s} third ({low:.3g}-{high:.3g} umol/L in the vial): coverage {rows[part, 4].astype(float).mean():.3f}")
    full, naive = np.array(means, dtype=float).mean(axis=0)
    print(f"overall coverage {rows[:, 4].astype(float).mean():.3f}")
    print(f"batch means: full covariance {full:.3f}, shared errors ignored {naive:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

"""Take samples of a simulated culture through the whole bench, and quantify them without seeing the truth."""

from pathlib import Path

import asnsim
from asnsim.plots import plot_batch

OUT = Path("demo_output")


def main() -> None:
    """Measure, write mzML, read back, quantify, compare."""
    model = asnsim.precondition(asnsim.load_model("cell", "rpmi", "solid_143b"))
    run = asnsim.simulate(model, until="24 h")
    batch = asnsim.measure(run, protocol="hilic_mrm", times=[1.0, 24.0], replicates=2, seed=7)
    asnsim.write(batch, OUT / "03_batch")
    result = asnsim.quantify(asnsim.read(OUT / "03_batch"))
    for row in result.measurements().select(observable=["asn_c", "asn_e", "gln_e"]).table.itertuples():
        truth = run.at(row.time)[row.observable]
        print(f"{row.observable} at {row.time:4.1f} h: {row.value:8.1f} +- {row.sd:6.1f} umol/L, truth {truth:8.1f}")
    print(*result.report[:4], sep="\n")
    plot_batch(batch, OUT / "03_chromatograms.png")


if __name__ == "__main__":
    main()

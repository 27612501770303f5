"""Two thousand children after pegaspargase, and the next dose of one of them; drawn in demo_output."""

from pathlib import Path

import numpy as np

import asnsim
from asnsim.exposure import days_where
from asnsim.plots_dosing import plot_bands

OUT = Path("demo_output")


def main() -> None:
    """Simulate a population, read days of depletion, then choose the next dose of a patient known by two samples."""
    model = asnsim.load_model("body_pk", "pegaspargase")
    first = asnsim.Regimen.single("2500 U/m^2", "peg_1", duration="2 h", cap="3750 U")
    spread = {name: model.parameters[name].spread for name in ("Ra_asn", "csf_source")}
    children = asnsim.Population.of("pegaspargase", n=2000, seed=1, omega=spread)
    t = np.arange(0.0, 1009.0, 12.0)
    names = ("asnase_p", "asn_p", "asn_measured", "asn_csf")
    runs = asnsim.simulate_many(model, children, first, 1008.0, observables=names, times=t)
    true, measured = (np.median(days_where(t, runs[name] <= 0.5)) for name in ("asn_p", "asn_measured"))
    print(f"asparagine at most 0.5 umol/L: {true:.1f} days in the patient, {measured:.1f} days in the tube (medians)")

    child = model.with_parameters(bsa=0.8, weight=20.0, age=5.0)
    error = {"asnase_p": asnsim.read_residual("pegaspargase")}
    samples = [asnsim.Sample(168.0, "asnase_p", 420.0), asnsim.Sample(336.0, "asnase_p", 60.0)]
    patient = asnsim.map_estimate(child, asnsim.Population.of("pegaspargase", 1), first, samples, error)
    trough = asnsim.Goal("asnase_p", 672.0, 672.0, at_least=100.0)

    def second(amount: float) -> asnsim.Regimen:
        return first + asnsim.Regimen.single(amount, "peg_1", 336.0, duration="2 h")

    best, table = asnsim.propose(patient, second, range(500, 3001, 250), trough)
    print(table.to_string(index=False))
    print(f"smallest dose at day 14 that keeps 100 U/L to day 28 with a chance of 0.9: {best:g} U")

    units = dict(zip(names, ("U/L", "umol/L", "umol/L", "umol/L"), strict=True))
    shown = {name: runs[name] for name in names}
    plot_bands(t, shown, units, {"asnase_p": 100.0, "asn_measured": 0.5, "asn_p": 0.5}, OUT / "06_population.png")


if __name__ == "__main__":
    main()

"""Fit two kinetic constants to data and read the verdicts, including one parameter the data cannot tell."""

from pathlib import Path

import pandas as pd

import asnsim
from asnsim.plots import plot_fit

OUT = Path("demo_output")


def main() -> None:
    """Make data with a known truth, fit from elsewhere, print and draw."""
    truth = asnsim.load_model("teaching")
    dose = asnsim.Regimen.single("500 U", into="asnase_e", time="6 h")
    times = [1.0, 4.0, 7.0, 9.0, 12.0, 24.0, 48.0]
    run = asnsim.simulate(truth, dose, until="48 h", times=times)
    rows = [{"experiment": "lesson", "time": t, "observable": "asn_c", "value": run.at(t)["asn_c"], "sd": 10.0} for t in times]
    data = asnsim.Measurements.from_frame(pd.DataFrame(rows))
    start = truth.with_parameters(Vmax_uptake=2500.0, Vmax_asns=3500.0)
    problem = asnsim.FitProblem([asnsim.Experiment("lesson", start, dose)], data, free=["Vmax_uptake", "Vmax_asns", "k_death"])
    best = asnsim.fit(problem, starts=4, seed=1)
    print(best)
    plot_fit(best, OUT / "04_fit.png")


if __name__ == "__main__":
    main()

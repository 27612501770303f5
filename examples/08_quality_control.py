"""A batch with faults, found by quality control; the method's validation; how many vials a kinetic parameter needs."""

from pathlib import Path

import asnsim
from asnsim.io.report import write_report
from asnsim.lcms import Faults, Protocol, measure_validation
from asnsim.planning import candidates, precision
from asnsim.plots_laboratory import plot_calibration, plot_peaks, plot_sequence
from asnsim.quantify import monte_carlo, validate_method

OUT = Path("demo_output")


def main() -> None:
    """Measure a culture badly, and see what is found."""
    protocol = Protocol.load("hilic_mrm").with_analytes("asn", "gln")
    run = asnsim.simulate(asnsim.load_model("cell", "rpmi", "solid_143b"), until="24 h")
    wrong = Faults(no_is=("run_t2_cells_1",), dilution={"run_t1_medium_2": 5.0}, swap=(("run_t3_cells_1", "run_t3_medium_1"),))
    sets = ("dilution_qc", "pooled_qc")
    batch = asnsim.measure(run, protocol, times=[1.0, 6.0, 24.0], replicates=4, seed=3, faults=wrong, sets=sets)
    result = asnsim.quantify(batch)
    table = result.table[(result.table["sample_type"] == "Unknown") & (result.table["flags"] != "")]
    print(table[["sample", "analyte", "value", "unit", "flags"]].to_string(index=False))
    print("\n".join(result.report[:3]))
    print("page:", write_report(batch, result, OUT / "08_report.html"))

    plot_peaks(batch, result, "hilic_mrm", OUT / "08_peaks.png")
    plot_calibration(result, OUT / "08_calibration.png")
    plot_sequence(result, OUT / "08_sequence.png")
    drawn = monte_carlo(result, 2000)
    print(f"errors by drawing over errors by derivatives: {(drawn['mc_sd'] / drawn['sd']).median():.2f}")

    runs = [asnsim.quantify(measure_validation(protocol, run=day)) for day in (1, 2, 3)]
    judged = validate_method(runs).query("analyte == 'asn'")
    print(judged[["characteristic", "level", "found", "unit", "limit", "passed"]].round(1).to_string(index=False))

    model = asnsim.load_model("teaching").with_parameters(cytosol=1e-4)
    dose = asnsim.Regimen.single("20 U", "asnase_e", 2.0)
    plans = candidates([(1.0, 24.0), (1.0, 4.0, 8.0, 24.0)], replicates=[1, 6], washes=[3], levels=[8])
    found = precision(model, dose, plans, free=("Vmax_uptake", "Vmax_asns"), seeds=(1, 2))
    wide = found.pivot(index=["injections", "times", "replicates", "washes"], columns="what", values="cv")
    print((100 * wide).round(1).to_string())


if __name__ == "__main__":
    main()

"""Dose a child with pegaspargase and see activity, asparagine and two cell populations."""

from pathlib import Path

import asnsim
from asnsim.plots import plot_depletion

OUT = Path("demo_output")


def main() -> None:
    """Simulate two doses two weeks apart for two lines and draw them together."""
    regimen = asnsim.Regimen.repeat("2500 U/m^2", into="peg_1", every="14 d", times=2, duration="2 h", cap="3750 U")
    runs = {}
    for line in ("all_low_asns", "solid_143b"):
        model = asnsim.load_model("dosing", "pegaspargase", line).with_parameters(bsa=0.8, weight=20.0)
        model = model.with_parameters(cytosol=5e7 * model.value("cell_volume"))
        runs[line] = asnsim.simulate(model, regimen, until="60 d")
        run = runs[line]
        print(
            f"{line}: trough before dose 2 {run.at('14 d', side='before')['asnase_p']:.0f} U/L, "
            f"plasma Asn below 1 umol/L for {run.duration(run['asn_p'] < 1.0) / 24:.1f} d, "
            f"cells x {run['cells'][-1] / run['cells'][0]:.2g}"
        )
    plot_depletion(runs, OUT / "02_two_doses.png")


if __name__ == "__main__":
    main()

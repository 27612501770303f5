"""Dose and interval, monitoring with a change of product, and an ASNS inhibitor beside the enzyme; drawn in demo_output."""

from pathlib import Path

import pandas as pd

import asnsim
from asnsim.plots_dosing import plot_response
from asnsim.regimens import Goal, compare, switch_product
from asnsim.studies import settled_patient

OUT = Path("demo_output")


def main() -> None:
    """Compare regimens by how probably they keep children on target."""
    peg = asnsim.load_model("body_pk", "pegaspargase")
    children = asnsim.Population.of("pegaspargase", n=200, seed=1)
    rows = []
    for days in (7.0, 14.0, 21.0, 28.0):
        again = {
            amount: asnsim.Regimen.repeat(f"{amount} U/m^2", "peg_1", f"{days} d", 3, duration="2 h", cap="3750 U")
            for amount in (500, 1000, 1500, 2000, 2500, 3500)
        }
        trough = Goal("asnase_p", 72.0 * days, 72.0 * days, at_least=100.0)  # before a fourth dose
        rows.append(compare(children, again, trough, model=peg).assign(interval=24.0 * days))
    table = pd.concat(rows)
    print(table.pivot(index="interval", columns="regimen", values="probability").round(2))
    plot_response(table, "three doses [U/m²], cap 3750 U; trough of the third at 100 U/L", path=OUT / "07_dose_and_interval.png")

    immune = asnsim.Population.of("pegaspargase", n=400, seed=2, antibodies=0.1)
    first = asnsim.Regimen.single("2500 U/m^2", "peg_1", duration="2 h", cap="3750 U")
    other = asnsim.Regimen.repeat("20000 U/m^2", "asnase_central", "48 h", 7, duration="1 h")
    models = (asnsim.load_model("body_pk", "pegaspargase", "antibodies"), asnsim.load_model("body_pk", "crisantaspase"))
    watched = switch_product((models[0], first), (models[1], other), immune, check=240.0, threshold=100.0, until=600.0)
    print(watched.groupby("changed")[["days_without", "days_with"]].mean().round(1))

    resistant = settled_patient(asnsim.load_model("dosing", "all_resistant", "asx173"))
    few = asnsim.Population.of("pegaspargase", n=16, seed=3)
    kill = Goal("cells", 672.0, 672.0, at_most=0.01 * resistant.value("cytosol") / resistant.value("cell_volume"))
    daily = {amount: first + asnsim.Regimen.repeat(amount, "asx173_e", "24 h", 14) for amount in (0.01, 0.1, 1.0)}
    print(compare(few, {"enzyme alone": first} | daily, kill, model=resistant).to_string(index=False))


if __name__ == "__main__":
    main()

"""Fit the cell model to the published 143B numbers and print, or write, the calibrated rows.

    python benchmarks/calibrate_cell.py            # print reported against fitted
    python benchmarks/calibrate_cell.py --write    # and write the values into models/parameters/base.tsv and solid_143b.tsv

Twenty parameters with log-normal priors around their present values against nineteen data: an existence proof with stated
priors, not an identification. The starting values came from a feasibility fit that also used HT1080, HepG2 and MOLT-4 data.
"""

import sys
from pathlib import Path

import numpy as np

from asnsim.fit import fit
from asnsim.studies import published_problem, relative_error
from asnsim.tables import models_folder, write_text

FREE = (
    "Km_asns_asp Ki_asns_asn Vmax_got k_asp_loss Vmax_gls k_glu_loss k_ser_loss k_leu_loss k_arg_loss Vmax_loader Vmax_snat2 "
    "Vmax_asct2 Vmax_lat1 Vmax_cat1 Vmax_asn_carrier K_asn_carrier Vmax_asnrs Vmax_translation asns_capacity K_mtor_drive"
).split()
SOURCE = "fit to V07, V10, V11, V14, 143B pools and anchors of observations.tsv (benchmarks/calibrate_cell.py)"
SCALE = {"mM": 1e3, "mM/h": 1e3}


def rewrite(path: Path, values: dict[str, float]) -> None:
    """Replace value, source and status of the fitted rows, keeping their units; written whole."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if cells[0] in values:
            cells[1] = f"{values[cells[0]] / SCALE.get(cells[2], 1.0):.4g}"
            cells[6:8] = [SOURCE, "fitted"]
        lines.append("\t".join(cells))
    write_text(path, "\n".join(lines) + "\n")


def main() -> None:
    """Fit, print, and write where asked."""
    problem = published_problem(FREE, prior=0.7)
    result = fit(problem, starts=1, max_nfev=60)
    frame = result.residuals.assign(ln_ratio=np.round(relative_error(result), 3))
    print(frame.drop(columns=["sd", "residual"]).to_string(index=False, float_format=lambda v: f"{v:.4g}"))
    print(result)
    if "--write" in sys.argv:
        for name in ("base", "solid_143b"):
            rewrite(models_folder() / "parameters" / f"{name}.tsv", result.values())


if __name__ == "__main__":
    main()

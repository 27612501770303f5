"""A leukaemia cell that hardly makes asparagine, beside cells that do: how many neighbours does it take?"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import asnsim

OUT = Path("demo_output")
SHARES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)  # cell water of neighbours per cell water of tumour
TUMOUR = 2e-7  # L of cell water in 2 mL of medium


def main() -> None:
    """Simulate three days in medium without Asn for several mixtures and draw what neighbours leave and what it does."""
    model = asnsim.load_model("coculture", "dmem", "tumour:all_low_asns", "stroma:solid_143b")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
    ends = []
    for share, colour in zip(SHARES, plt.cm.viridis(np.linspace(0, 0.9, len(SHARES))), strict=True):
        seeding = {"cytosol_tumour": TUMOUR, "cytosol_stroma": max(share, 1e-6) * TUMOUR}
        run = asnsim.simulate(model.with_parameters(seeding), until="72 h")
        left.plot(run.t, run["asn_e"], color=colour, label=f"{share:g}")
        ends.append(run["cytosol_tumour"][-1] / TUMOUR)
    left.set(xlabel="time [h]", ylabel="Asn in the medium [µmol/L]", title="what neighbours leave outside")
    left.legend(title="neighbours per tumour", fontsize=7, title_fontsize=7, frameon=False)
    right.plot(SHARES, ends, "o-", color="#0072B2")
    right.axhline(1.0, color="0.6", lw=0.8)
    right.set(xlabel="neighbours per tumour (cell water)", ylabel="tumour after 72 h / start")
    right.set_title("a few feed the tumour, many eat its glutamine")
    OUT.mkdir(exist_ok=True)
    figure.savefig(OUT / "05_neighbours.png", dpi=130)
    best = int(np.argmax(ends))
    print(f"tumour after 72 h: x {ends[0]:.2f} alone, {ends[best]:.2f} with {SHARES[best]:g} neighbours, {ends[-1]:.2f} with 20")


if __name__ == "__main__":
    main()

"""Read a model: its page, one number with its source, and what a switched-off feedback does."""

from pathlib import Path

import asnsim

OUT = Path("demo_output")


def main() -> None:
    """Print, simulate, draw."""
    model = asnsim.load_model("cell", "rpmi")
    print("\n".join(str(model).splitlines()[:12]))
    number = model.parameters["Ki_asns_asn"]
    print(f"{number.name} = {number.value:g} {number.unit} [{number.status}] {number.source}")

    dose = asnsim.Regimen.single(1000 * model.value("medium"), into="asnase_e", time="12 h")  # 1000 U/L of asparaginase
    fed = asnsim.precondition(model)
    with_response = asnsim.simulate(fed, dose, until="72 h")
    silent = asnsim.load_model("cell", "rpmi", without="gcn2_atf4").with_parameters(
        {
            name: fed.value(name)
            for name in fed.parameters
            if name in asnsim.load_model("cell", "rpmi", without="gcn2_atf4").parameters
        }
    )
    without = asnsim.simulate(silent, dose, until="72 h")
    print(f"ASNS, fold after 60 h of asparaginase: {with_response['asns'][-1] / fed.value('asns'):.2f}")
    print(f"the same without GCN2-ATF4:           {without.at('72 h')['asns'] / fed.value('asns'):.2f}")
    with_response.plot("asn_e", "asn_c", "trna_charged_fraction", "eif2p", "atf4", "asns_copies", path=OUT / "01_response.png")


if __name__ == "__main__":
    main()

"""Derivatives and draws agree where the problem is nearly linear; near the LLOQ Fieller's interval is the one that follows."""

from dataclasses import replace

import numpy as np
import pytest

from asnsim.errors import DataError
from asnsim.lcms import Protocol, measure
from asnsim.quantify import Method, monte_carlo, quantify

ASN = Protocol.load("hilic_mrm").with_analytes("asn")


@pytest.mark.parametrize("model", ["linear", "quadratic"])
def test_draws_agree_with_derivatives(culture, model):
    method = replace(Method.load("hilic_mrm"), orders=(1 if model == "linear" else 2,))
    result = quantify(measure(culture({"asn_c": 1000.0, "asn_e": 40.0}), ASN, [0.0], 3, seed=5), method)
    table = monte_carlo(result, 4000)
    assert len(table) == 6
    np.testing.assert_allclose(table["mc_sd"], table["sd"], rtol=0.08)
    width = (table["mc_upper"] - table["mc_lower"]) / (table["upper"] - table["lower"])
    assert width.between(0.7, 1.1).all()  # Student's quantile knows that the noise is estimated, draws do not
    again = monte_carlo(result, 4000)
    assert again.equals(table) and not monte_carlo(result, 4000, seed=2).equals(table)


def test_without_noise_the_counting_law_is_drawn(culture):
    method = replace(Method.load("hilic_mrm"), shared={}, per_sample={})
    result = quantify(measure(culture({"asn_e": 40.0}), ASN, [0.0], 1, noise=False), method)
    row = monte_carlo(result, 4000).iloc[0]
    assert row["mc_sd"] == pytest.approx(row["sd"], rel=0.05) and row["sd"] < 0.05 * row["value"]


def test_what_cannot_be_drawn(culture):
    result = quantify(measure(culture({"asn_e": 40.0}), ASN, [0.0], 1, seed=1))
    with pytest.raises(DataError, match="take 100 or more"):
        monte_carlo(result, 5)
    published = {name: replace(line, weighting="") for name, line in result.calibration.items()}
    with pytest.raises(DataError, match="published lines"):
        monte_carlo(replace(result, calibration=published))

"""PEtab tables of a batch: the covariance of the results survives as nuisance parameters."""

import re

import numpy as np
import pandas as pd
import pytest

from asnsim.errors import DataError
from asnsim.io.petab import measurement_tables, write_petab
from asnsim.lcms import Protocol, measure
from asnsim.quantify import quantify


@pytest.fixture(scope="module")
def result(culture):
    protocol = Protocol.load("hilic_mrm").with_analytes("asn", "gln")
    return quantify(measure(culture(), protocol, [0.0, 6.0], 3, seed=2))


@pytest.mark.parametrize("version", [1, 2])
def test_integrating_the_parameters_out_gives_the_covariance(result, version):
    tables, data = measurement_tables(result, version), result.measurements()
    rows = tables["measurements"]
    formula = tables["observables"].set_index("observableId")["observableFormula"]
    names = list(tables["parameters"]["parameterId"])
    loadings = np.zeros((len(rows), len(names)))
    for place, row in enumerate(rows.itertuples()):
        used = re.findall(r"\* (z_\w+)", formula[row.observableId])
        values = [float(text) for text in row.observableParameters.split(";")]
        assert len(values) == len(used) and formula[row.observableId].startswith(row.observableId.removeprefix("observed_") + " + ")
        for name, value in zip(used, values, strict=True):
            loadings[place, names.index(name)] = value
    found = np.diag(rows["noiseParameters"] ** 2) + loadings @ loadings.T
    order = [  # the tables go observable by observable
        int(np.flatnonzero((data.table["value"] == row.measurement) & (data.table["observable"] == row.observableId[9:]))[0])
        for row in rows.itertuples()
    ]
    wanted = data.covariance[np.ix_(order, order)]
    np.testing.assert_allclose(np.diag(found), np.diag(wanted), rtol=1e-9)
    same_vial = {}
    for place, k in enumerate(order):
        record = data.table.iloc[k]
        same_vial.setdefault((record["time"], record["replicate"], record["observable"][-1]), []).append(place)
    apart = np.ones_like(found, dtype=bool)
    for places in same_vial.values():
        apart[np.ix_(places, places)] = False  # what the analytes of one vial share counts as their own
    np.testing.assert_allclose(found[apart], wanted[apart], rtol=1e-7, atol=1e-12 * wanted.max())


def test_columns_of_both_versions(result, tmp_path):
    first, second = (measurement_tables(result, version) for version in (1, 2))
    assert "simulationConditionId" in first["measurements"] and "experimentId" in second["measurements"]
    assert first["conditions"]["conditionId"].tolist() == ["run"] == second["experiments"]["experimentId"].tolist()
    holders = second["observables"]["observablePlaceholders"].str.split(";").str.len()
    assert holders.tolist() == second["observables"]["observableFormula"].str.count("observableParameter").tolist()
    assert set(first["parameters"]["objectivePriorParameters"]) == {"0;1"} == set(second["parameters"]["priorParameters"])
    paths = write_petab(result, tmp_path / "petab", 2)
    assert [path.name for path in paths] == ["measurements.tsv", "observables.tsv", "parameters.tsv", "experiments.tsv"]
    back = pd.read_csv(paths[0], sep="\t")
    np.testing.assert_array_equal(back["measurement"], second["measurements"]["measurement"])


def test_what_cannot_be_written(result):
    with pytest.raises(DataError, match="version 3 is not known"):
        measurement_tables(result, 3)
    with pytest.raises(DataError, match="its experiments are"):
        measurement_tables(result, 1, "other")
    table = result.table.assign(experiment="my run")
    import dataclasses

    with pytest.raises(DataError, match="'my run' cannot be an identifier"):
        measurement_tables(dataclasses.replace(result, table=table))

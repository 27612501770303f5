"""The contract with the fit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asnsim.errors import DataError
from asnsim.measurements import COLUMNS, Measurements


def table(n=3):
    columns = {"experiment": ["a"] * n, "time": np.arange(n) / 3.0, "observable": [f"x{i % 2}" for i in range(n)]}
    columns |= {"value": np.arange(n) + 0.1, "unit": "umol/L", "sd": 0.5, "batch": "b", "replicate": 1, "censored": False}
    return pd.DataFrame(columns)


def covariance(n=3):
    return 0.25 * (0.3 * np.ones((n, n)) + 0.7 * np.eye(n))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 6), st.integers(0, 2**31), st.booleans())
def test_csv_round_trip_is_exact(tmp_path, n, seed, shared):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n))
    matrix = root @ root.T + np.eye(n) if shared else np.diag(rng.uniform(0.1, 2, n))
    matrix = (matrix + matrix.T) / 2
    frame = table(n).assign(value=rng.normal(size=n), sd=np.sqrt(np.diag(matrix)), censored=rng.random(n) < 0.5)
    first = Measurements(frame, matrix)
    second = Measurements.from_csv(first.to_csv(tmp_path / "data.csv"))
    pd.testing.assert_frame_equal(first.table, second.table, check_dtype=False)
    np.testing.assert_allclose(first.covariance, second.covariance, rtol=1e-15)
    assert len(second) == n


def test_select_keeps_the_block_of_the_covariance():
    data = Measurements(table(), covariance())
    part = data.select(observable="x0")
    np.testing.assert_array_equal(part.covariance, data.covariance[np.ix_([0, 2], [0, 2])])
    assert len(data.select([True, False, False])) == 1 and len(data.select(observable=["x0", "x1"], experiment="a")) == 3
    with pytest.raises(DataError, match="did you mean 'observable'"):
        data.select(observables="x0")


def test_defaults_and_independent_errors():
    data = Measurements.from_frame(pd.DataFrame({"time": [0.0], "observable": ["asn_c"], "value": [1.0], "sd": [0.2]}))
    assert tuple(data.table.columns) == COLUMNS and data.covariance[0, 0] == pytest.approx(0.04)
    assert not data.covariance.flags.writeable


def test_batches_are_independent_of_each_other():
    joined = Measurements.concat([Measurements(table(2), covariance(2)), Measurements(table(3), covariance(3))])
    assert len(joined) == 5 and np.all(joined.covariance[:2, 2:] == 0)


@pytest.mark.parametrize(
    ("frame", "matrix", "words"),
    [
        (table().drop(columns="unit"), covariance(), "need the column 'unit'"),
        (table().assign(value=[1.0, np.nan, 2.0]), covariance(), "row 2: value is not a finite number"),
        (table(), covariance(2), "must be 3 x 3"),
        (table(), np.ones((3, 3)), "not positive definite"),
        (table(), covariance() + np.triu(np.ones((3, 3)), 1), "not symmetric"),
    ],
)
def test_wrong_tables_are_refused(frame, matrix, words):
    with pytest.raises(DataError, match=words):
        Measurements(frame, matrix)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,observable,value\n0,x,1\n", "'sd' is missing"),
        ("time,observable,value,sd,colour\n0,x,1,1,red\n", "unknown column 'colour'"),
        ("time,observable,value,sd\n0,x,one,1\n", "'one' is not a number"),
        ("time,observable,value,sd,censored\n0,x,1,1,maybe\n", "'maybe' is not true or false"),
    ],
)
def test_wrong_csv_is_refused(tmp_path, text, words):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        Measurements.from_csv(path)

"""PEtab suites: the official test cases of versions 1 and 2, its mathematics, and any folder of benchmark problems."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from asnsim.expressions import Graph
from asnsim.formulas import as_number, parse_formula
from asnsim.petab import Objective, read_problem
from asnsim.solvers import NDF

Case = tuple[str, Callable[[], bool]]
SHARED = Path(os.environ.get("ASNSIM_SHARED", Path(__file__).parents[3] / "shared"))
SUITE, BENCHMARK = SHARED / "conformance" / "petab", SHARED / "conformance" / "petab-benchmark"
_GRADIENT = 1e-5  # largest relative difference between gradient and differences of the likelihood


def central(function, p, v, steps=(1.0, 0.5)) -> float:
    """Derivative along v by central differences, extrapolated."""
    wide, narrow = ((function(p + h * v) - function(p - h * v)) / (2 * h) for h in steps)
    return (4 * narrow - wide) / 3


def gradient_error(problem, objective, p) -> float:
    """Largest difference between the gradient and differences, over the larger of it, a thousandth of the largest, and 0.01."""
    gradient = objective(p, gradient=True).gradient
    numbers = []
    for k in range(len(p)):
        v = np.zeros(len(p))
        v[k] = 1e-4 * max(abs(p[k]), 1.0)
        numbers.append(central(lambda q: objective(q).llh, p, v) / v[k])
    scale = np.maximum(np.abs(numbers), max(1e-3 * np.max(np.abs(numbers), initial=0.0), 1e-2))
    return float(np.max(np.abs(np.array(numbers) - gradient) / scale, initial=0.0))


def official(folder: Path) -> bool:
    """Simulations, chi2, likelihood and priors within the case's own tolerances; the gradient against differences."""
    number = folder.name
    solution = yaml.safe_load((folder / f"_{number}_solution.yaml").read_text())
    problem = read_problem(folder / f"_{number}.yaml")
    objective = Objective(problem, NDF(rtol=1e-11))
    found = objective()
    expected = pd.concat([pd.read_csv(folder / name, sep="\t") for name in solution["simulation_files"]])
    good = np.all(np.abs(found.simulation - expected["simulation"].to_numpy()) <= solution["tol_simulations"])
    good &= abs(found.llh - solution["llh"]) <= solution["tol_llh"] and abs(found.chi2 - solution["chi2"]) <= solution["tol_chi2"]
    priors = objective.log_priors()
    for name, value in solution.get("log_prior", {}).items():
        good &= abs(priors[name] - value) <= 1e-12  # the suite states 14 decimals and a tolerance of 1e-14
    if "unnorm_log_posterior" in solution:
        total = found.llh + sum(priors.values())
        good &= abs(total - solution["unnorm_log_posterior"]) <= solution["tol_unnorm_log_posterior"]
    return bool(good) and gradient_error(problem, objective, problem.nominal()) <= _GRADIENT


def official_cases(version: int) -> Iterator[Case]:
    """Every case of one version, in SBML."""
    for folder in sorted((SUITE / f"v{version}" / "sbml").glob("[0-9]*")):
        yield folder.name, partial(official, folder)


def same_value(text: str, expected) -> bool:
    """Whether a formula has the value, or, where that is a formula, means the same."""
    formula = as_number(parse_formula(text))
    try:
        number = float(expected)
    except ValueError:
        return formula == parse_formula(expected)
    graph = Graph()
    (value,) = graph.evaluate([graph.lower(formula, {})], 0.0, np.zeros(0), np.zeros(0))
    return bool(value == number or abs(value - number) <= 1e-12)


def math_cases() -> Iterator[Case]:
    """Formulas and their values."""
    file = SUITE / "v2" / "math" / "math_tests.yaml"
    for case in yaml.safe_load(file.read_text())["cases"] if file.exists() else []:
        yield str(case["expression"]), partial(same_value, str(case["expression"]), case["expected"])


def published_likelihood(folder: Path, objective: Objective) -> float:
    """Likelihood of the simulations that the collection publishes; NaN where it publishes none."""
    tables = [pd.read_csv(path, sep="\t") for path in sorted(folder.glob("simulatedData*.tsv"))]
    ours = pd.concat([pd.read_csv(path, sep="\t") for path in sorted(folder.glob("measurementData*.tsv"))])
    if not tables or len(table := pd.concat(tables)) != len(ours):
        return float("nan")
    keys = [k for k in ("observableId", "preequilibrationConditionId", "simulationConditionId", "time", "datasetId") if k in ours]
    keys = [k for k in keys if k in table]
    one, two = (frame.assign(**{k: frame[k].fillna("").astype(str) for k in keys if k != "time"}) for frame in (ours, table))
    one, two = (frame.assign(again=frame.groupby(keys).cumcount()) for frame in (one, two))
    joined = one[[*keys, "again"]].merge(two[[*keys, "again", "simulation"]], on=[*keys, "again"], how="left")
    return objective.judge(joined["simulation"].to_numpy(), objective().noise).llh


def benchmark(folder: Path) -> bool:
    """A problem at its nominal parameters: likelihood, and gradient against differences near there."""
    problem = read_problem(next(folder.glob("*.yaml")))
    objective = Objective(problem, NDF(rtol=1e-11))
    here, published = objective(), published_likelihood(folder, objective)
    p, (low, high) = problem.nominal(), problem.bounds()
    rng = np.random.default_rng(1)
    size = 1e-3 * np.maximum(np.abs(p), 0.1)
    q = np.clip(p + size * rng.normal(size=len(p)), low + 4e-2 * size, high - 4e-2 * size)
    v = 1e-2 * size * rng.choice([-1.0, 1.0], len(p))
    number = central(lambda r: objective(r).llh, q, v)
    gradient = objective(q, gradient=True).gradient
    error = abs(gradient @ v - number) / np.linalg.norm(gradient * v)
    print(
        f"petab-benchmark: {folder.name}: llh {here.llh:.4f}, of the published simulations {published:.4f}, "
        f"gradient off by {error:.0e}"
    )
    return bool(np.isfinite(here.llh)) and error <= _GRADIENT


def benchmark_cases() -> Iterator[Case]:
    """Every folder of problems."""
    for folder in sorted(path for path in BENCHMARK.glob("*") if path.is_dir()):
        yield folder.name, partial(benchmark, folder)

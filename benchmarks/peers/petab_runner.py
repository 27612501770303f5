"""AMICI on a PEtab problem: answers one evaluation of likelihood and gradient at a time. Runs in the peers' environment.

    python petab_runner.py PROBLEM.yaml FOLDER

Prints, in JSON, the seconds it took to import and build; then, for every line that comes in, the log likelihood, the gradient and
the milliseconds of one call. What AMICI can keep between calls (mapping of parameters, data) is kept.
"""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("AMICI_EXTRACT_CSE", "1")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # swig, cmake, ninja

import petab.v1 as petab  # noqa: E402
from amici.importers.petab.v1 import import_petab_problem  # noqa: E402
from amici.sim.sundials import SensitivityMethod, SensitivityOrder  # noqa: E402
from amici.sim.sundials.petab.v1 import PetabProblem, simulate_petab  # noqa: E402


def main(path, folder):
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    problem = petab.Problem.from_yaml(path)
    model = import_petab_problem(problem, output_dir=folder, model_name="peer", verbose=False)
    solver = model.create_solver()
    solver.set_relative_tolerance(1e-8)
    solver.set_sensitivity_order(SensitivityOrder.first)
    solver.set_sensitivity_method(SensitivityMethod.forward)
    kept = PetabProblem(problem, amici_model=model, store_edatas=True)
    edatas = kept.get_edatas()
    logging.disable(logging.CRITICAL)
    print(json.dumps({"seconds": time.perf_counter() - begin}), flush=True)
    values = {name: float(v) for name, v in zip(problem.x_ids, problem.x_nominal_scaled, strict=True)}
    for _ in sys.stdin:
        start = time.perf_counter()
        answer = simulate_petab(
            problem, amici_model=model, solver=solver, edatas=edatas, problem_parameters=values, scaled_parameters=True,
            scaled_gradients=True,
        )  # fmt: skip
        ms = 1e3 * (time.perf_counter() - start)
        slope = {name: float(v) for name, v in (answer["sllh"] or {}).items()}
        inside = sum(rdata.cpu_time for rdata in answer["rdatas"])
        print(json.dumps({"llh": float(answer["llh"]), "sllh": slope, "ms": ms, "cpu_ms": inside}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

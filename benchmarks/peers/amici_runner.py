"""AMICI (CVODES) with doses and forward sensitivities, in an environment of its own.

    python amici_runner.py MODEL.xml JOB.json

JOB.json: ``states`` (order of the columns), ``times`` (an output on a dose shows the state after it), ``doses`` as
``[[time, name, value], ...]`` (an amount for a species, the state's own unit otherwise), ``parameters`` (for sensitivities; may
be empty). Requests as in `serving`: ``x`` (n_t, n) or ``s`` (n_t, n, n_p), dx/dp; ``ms`` is run_simulation, its result in C++.

Doses become SBML events, so sensitivities are carried across them. One compiled model serves plain runs and sensitivities; the
other parameters are AMICI's fixed parameters. The settings are the fastest found: KLU, staggered, S in the error test.
"""

import hashlib
import json
import logging
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("AMICI_EXTRACT_CSE", "1")  # common subexpressions computed once: up to 13 per cent faster here
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # swig, cmake, ninja

import amici  # noqa: E402
import libsbml  # noqa: E402
import numpy as np  # noqa: E402
import peer_sbml  # noqa: E402
import serving  # noqa: E402
from amici.importers.sbml import SbmlImporter  # noqa: E402
from amici.sim import sundials as sim  # noqa: E402

BUILD = Path(__file__).resolve().parent / ".build"


def prepare(path, job):
    """Return the SBML document with doses as events, and the AMICI names of the sensitivity parameters."""
    document = peer_sbml.read(path)
    model = document.getModel()
    peer_sbml.settle_constants(model, job["parameters"])
    peer_sbml.add_doses(model, job["doses"])
    own = {p.getId() for p in model.getListOfParameters()}
    return document, [name + peer_sbml.VALUE if name + peer_sbml.VALUE in own else name for name in job["parameters"]]


def load(path, job):
    """Compile a model, or take it from the build folder: the model, its sensitivity parameters and the seconds of compilation."""
    document, parameters = prepare(path, job)
    key = "\n".join([libsbml.writeSBMLToString(document), *parameters, amici.__version__, sys.version])
    name = "m" + hashlib.sha256(key.encode()).hexdigest()[:16]
    folder, seconds = BUILD / name, 0.0
    if not (folder / "complete").exists():
        begin = time.perf_counter()
        constant = [p.getId() for p in document.getModel().getListOfParameters() if p.getConstant()]
        SbmlImporter(document.getModel()).sbml2amici(
            name,
            folder,
            fixed_parameters=[p for p in constant if p not in parameters],
            observation_model=[],
            generate_sensitivity_code=bool(parameters),
        )
        seconds = time.perf_counter() - begin
        (folder / "complete").write_text(f"{seconds!r}\n")
    return amici.import_model_module(name, folder).get_model(), parameters, float((folder / "complete").read_text())


def main():
    """Load, then answer requests."""
    answers = serving.quiet_stdout()
    job = json.loads(Path(sys.argv[2]).read_text())
    sim._swig_wrappers.logger.setLevel(logging.CRITICAL)  # CVODES warns of small steps after each dose
    model, parameters, compiled = load(sys.argv[1], job)
    columns = [list(model.get_state_ids()).index(name) for name in job["states"]]
    model.set_timepoints(job["times"])
    solver = model.create_solver()
    solver.set_linear_solver(sim.LinearSolver.KLU)
    solver.set_max_steps(10**6)  # the default, 10 000, ends sensitivities of a long run at tight tolerances
    solver.set_sensitivity_method(sim.SensitivityMethod.forward)
    solver.set_internal_sensitivity_method(sim.InternalSensitivityMethod.staggered)
    names = list(model.get_free_parameter_ids())
    chosen = [names.index(name) for name in parameters]

    def run(kind, rtol, atol):
        solver.set_sensitivity_order(sim.SensitivityOrder.first if kind == "s" else sim.SensitivityOrder.none)
        model.set_parameter_list(chosen if kind == "s" else [])  # a plain run with a list pays for empty arrays
        solver.set_relative_tolerance(rtol)
        solver.set_absolute_tolerance(atol)
        begin = time.perf_counter()
        answer = sim.run_simulation(model, solver)
        middle = time.perf_counter()
        if answer["status"] != sim.AMICI_SUCCESS:
            raise RuntimeError(f"AMICI ended with status {answer['status']}")
        found = np.asarray(answer["x" if kind == "x" else "sx"])
        end = time.perf_counter()
        found = found[..., columns] if kind == "x" else np.swapaxes(found, 1, 2)[:, columns]
        return 1e3 * (middle - begin), 1e3 * (end - begin), found

    serving.serve(answers, {"compile_s": compiled, "version": amici.__version__}, run)


if __name__ == "__main__":
    main()

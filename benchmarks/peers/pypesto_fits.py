"""Fits of a PEtab problem by pyPESTO with AMICI and fides, from many starts. Runs in the peers' environment.

    python pypesto_fits.py PROBLEM.yaml STARTS

Prints one JSON object: sorted objectives, seconds without the building of the model, gradients taken; one process, as AMICI's
objects travel to others only where it was built with HDF5.
"""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # swig, cmake, ninja

import fides  # noqa: E402
import numpy as np  # noqa: E402
import petab.v1 as petab  # noqa: E402
import pypesto.optimize  # noqa: E402
import pypesto.petab  # noqa: E402


def main(path, starts):
    warnings.simplefilter("ignore")
    importer = pypesto.petab.PetabImporter(petab.Problem.from_yaml(path), simulator_type="amici")
    problem = importer.create_problem()
    logging.disable(logging.CRITICAL)
    options = {fides.Options.MAXITER: 1000, fides.Options.FATOL: 1e-8, fides.Options.FRTOL: 0.0, fides.Options.GATOL: 1e-6}
    optimizer = pypesto.optimize.FidesOptimizer(options=options, verbose=logging.CRITICAL, hessian_update=fides.HybridFixed())
    np.random.seed(1)
    begin = time.perf_counter()
    engine = pypesto.engine.SingleCoreEngine()
    result = pypesto.optimize.minimize(problem, optimizer, n_starts=int(starts), engine=engine, progress_bar=False)
    seconds = time.perf_counter() - begin
    found = result.optimize_result
    print(json.dumps({"objectives": [float(v) for v in found.fval], "seconds": seconds, "n_grad": int(np.nansum(found.n_grad))}))


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""COPASI (LSODA) with doses, in an environment of its own.

    python copasi_runner.py MODEL.xml JOB.json

JOB.json as for `amici_runner`, without parameters; output times from 0 in equal steps. Requests as in `serving`: ``x`` (n_t, n).
``ms`` is initialise and process. COPASI takes atol times the smaller of 1 and the initial value.

Driven without basico, whose run_time_course builds a table cell by cell. Doses are SBML events; concentrations are rate rules,
which is the faster form here.
"""

import json
import sys
import time
from pathlib import Path

import COPASI
import libsbml
import numpy as np
import peer_sbml
import serving

MAX_STEPS = 20_000  # between two outputs; the default is 10 000


def load(path, job):
    """Return a COPASI data model with doses as events."""
    document = peer_sbml.read(path)
    model = document.getModel()
    model.setSubstanceUnits("item")  # in moles COPASI counts particles, 6e23 of them, and LSODA stalls
    model.setExtentUnits("item")
    model.setTimeUnits("second")  # a label: the numbers stay hours
    model.setVolumeUnits("litre")
    peer_sbml.settle_constants(model)
    peer_sbml.add_doses(model, job["doses"])
    peer_sbml.as_rates(model)
    data = COPASI.CRootContainer.addDatamodel()
    if not data.importSBMLFromString(libsbml.writeSBMLToString(document)):
        raise ValueError(COPASI.CCopasiMessage.getAllMessageText())
    return data


def time_course(data, times):
    """Return the LSODA time course task, set to the output times."""
    steps = np.diff(times)
    if times[0] != 0 or not np.allclose(steps, steps[0]):
        raise ValueError("output times have to start at 0 and be equally spaced")
    task = data.getTask("Time-Course")
    task.setMethodType(COPASI.CTaskEnum.Method_deterministic)
    task.getMethod().getParameter("Max Internal Steps").setUIntValue(MAX_STEPS)
    problem = task.getProblem()
    problem.setTimeSeriesRequested(True)
    problem.setOutputEvent(False)
    problem.setAutomaticStepSize(False)
    problem.setDuration(times[-1])
    problem.setStepNumber(len(steps))
    return task


def main():
    """Load, then answer requests."""
    answers = serving.quiet_stdout()
    job = json.loads(Path(sys.argv[2]).read_text())
    begin = time.perf_counter()
    data = load(sys.argv[1], job)
    task = time_course(data, job["times"])
    imported = time.perf_counter() - begin
    COPASI.CCopasiMessage.clearDeque()
    method = task.getMethod()

    def run(kind, rtol, atol):
        method.getParameter("Relative Tolerance").setDblValue(rtol)
        method.getParameter("Absolute Tolerance").setDblValue(atol)
        begin = time.perf_counter()
        done = task.initializeRaw(task.ONLY_TIME_SERIES) and task.processRaw(True)
        middle = time.perf_counter()
        series = task.getTimeSeries()
        if not done or series.getRecordedSteps() != len(job["times"]):
            lines = COPASI.CCopasiMessage.getAllMessageText().strip().splitlines()
            raise RuntimeError(" ".join(lines[-2:]) or "COPASI did not finish")
        names = [series.getSBMLId(j, data) for j in range(series.getNumVariables())]
        columns = [names.index(name) for name in job["states"]]
        fetch = time.perf_counter()
        # cell by cell: the bindings offer no more (getConcentrationDataForIndex is broken on Python 3)
        x = np.array([[series.getConcentrationData(i, j) for j in columns] for i in range(series.getRecordedSteps())])
        end = time.perf_counter()
        return 1e3 * (middle - begin), 1e3 * (middle - begin + end - fetch), x

    serving.serve(answers, {"import_s": imported, "version": COPASI.__version__}, run)


if __name__ == "__main__":
    main()

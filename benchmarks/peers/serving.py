"""The peer's side of a benchmark in two processes: one request a line, one answer a line.

A runner loads its model, then calls `serve`. A request is ``{"kind": "x" or "s", "rtol": ..., "atol": ..., "save": path or
null}``; the answer ``{"ms": ..., "numpy_ms": ..., "error": null or text}``. Whatever a library prints goes to the standard error.
"""

import json
import os
import sys

import numpy as np


def quiet_stdout():
    """Return the true standard output; from here on everything else that is printed, also by C++, goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def serve(answers, facts, run):
    """Answer requests until the input ends.

    Parameters
    ----------
    answers : file
        From `quiet_stdout`.
    facts : dict
        The first line: what loading cost.
    run : callable
        ``run(kind, rtol, atol)`` returns milliseconds of the call, milliseconds with the array in numpy, and the array; it raises
        RuntimeError where the run does not finish.
    """
    print(json.dumps(facts), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            ms, numpy_ms, found = run(request["kind"], request["rtol"], request["atol"])
        except RuntimeError as error:
            print(json.dumps({"error": str(error)}), file=answers)
            continue
        if request["save"]:
            np.save(request["save"], found)
        print(json.dumps({"ms": ms, "numpy_ms": numpy_ms, "error": None}), file=answers)

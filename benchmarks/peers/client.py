"""Our side: a peer in its own environment that answers one run at a time, so that its runs interleave with ours."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from asnsim.io.sbml import sbml_text

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"


class PetabPeer:
    """AMICI on a PEtab problem: one evaluation of likelihood and gradient at a time.

    Parameters
    ----------
    problem : Path
        YAML file.

    Raises
    ------
    RuntimeError
        If AMICI is not installed or cannot import the problem.
    """

    def __init__(self, problem: Path):
        if not PYTHON.exists():
            raise RuntimeError("not installed: run make bench-peers")
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._log = (folder / "log").open("w+")
        command = [PYTHON, HERE / "petab_runner.py", problem, folder / "model"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.seconds = self._answer()["seconds"]

    def _answer(self) -> dict:
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._log.seek(0)
        raise RuntimeError(f"AMICI gave up: {(self._log.read().strip().splitlines() or ['it ended'])[-1]}")

    def evaluate(self) -> dict:
        """Evaluate once: ``llh``, ``sllh`` by parameter, ``ms`` of the call and ``cpu_ms`` inside of C++."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the other program."""
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()


class Peer:
    """A model in another program.

    Parameters
    ----------
    runner : str
        ``'amici'`` or ``'copasi'``.
    scenario : common.Scenario
        Model, doses and output times.
    theta : sequence of str
        Sensitivity parameters.

    Raises
    ------
    RuntimeError
        If the peer is not installed or cannot load the model.
    """

    def __init__(self, runner: str, scenario, theta=()):
        if not PYTHON.exists():
            raise RuntimeError("not installed: run make bench-peers")
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "model.xml").write_text(sbml_text(scenario.model))
        job = {
            "states": list(scenario.model.states),
            "times": scenario.grid.tolist(),
            "doses": [[a.time, a.name, a.value] for a in scenario.actions],
            "parameters": list(theta),
        }
        (folder / "job.json").write_text(json.dumps(job))
        self._log = (folder / "log").open("w+")
        command = [PYTHON, HERE / f"{runner}_runner.py", folder / "model.xml", folder / "job.json"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.facts = self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"gave up: {(self._log.read().strip().splitlines() or ['it ended'])[-1]}")
        return json.loads(line)

    def run(self, rtol: float, kind: str = "x", keep: bool = False) -> tuple[float, float, np.ndarray | None]:
        """Run once: milliseconds of the call, milliseconds with the array in numpy, and the array if it is to be kept."""
        path = Path(self._folder.name) / "found.npy"
        request = {"kind": kind, "rtol": rtol, "atol": rtol * 1e-3, "save": str(path) if keep else None}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer["error"]:
            raise RuntimeError(answer["error"])
        return answer["ms"], answer["numpy_ms"], np.load(path) if keep else None

    def close(self) -> None:
        """End the other program."""
        self._process.stdin.close()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

"""Install the peers that need an environment of their own, and say what could not be installed and why.

    python benchmarks/peers/install.py        (make bench-peers)

AMICI and COPASI go into ``peers/.venv``: they bring libraries of their own. numbalsoda calls our compiled kernels in our process
and goes, alone, into ``peers/beside``. AMICI needs a C++ compiler, numbalsoda a Fortran compiler (FC).
"""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT, BESIDE = HERE / ".venv", HERE / "beside"
OWN = ("amici>=1.0.1", "petab>=0.5", "pypesto>=0.5", "fides>=0.7", "python-copasi>=4.48.311")
SHARED = ("numbalsoda>=0.3.4",)


def install(python: Path | str, requirement: str, *options: str) -> str:
    """Return what was installed, or why nothing was."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--upgrade", *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return "installed"
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if "CMake Error" in line or "could be found" in line or line.startswith("ERROR")]
    return f"NOT installed: {'; '.join(dict.fromkeys(telling[:3] or lines[-2:]))}"


def main() -> None:
    """Install one after another; a peer that cannot be built stops none of the others."""
    if not (ENVIRONMENT / "bin" / "python").exists():
        venv.create(ENVIRONMENT, with_pip=True)
    for requirement in OWN:
        print(f"{requirement}: {install(ENVIRONMENT / 'bin' / 'python', requirement)}", flush=True)
    for requirement in SHARED:
        print(f"{requirement}: {install(sys.executable, requirement, '--no-deps', '--target', str(BESIDE))}", flush=True)


if __name__ == "__main__":
    main()

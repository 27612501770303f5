"""The examples run from an empty folder, print something, and leave a figure each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example(script, tmp_path):
    if "quantify" in script.stem:
        pytest.importorskip("pyopenms", reason="needs the extra lab")
    environment = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stdout.strip()
    figures = list((tmp_path / "demo_output").glob("*.png"))
    assert figures and all(path.stat().st_size > 10_000 for path in figures)
    assert len(script.read_text().splitlines()) < 60

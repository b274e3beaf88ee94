"""The soak of `benchmarks/harness/soak.py` in a few runs, with kills."""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "harness" / "soak.py"


@pytest.mark.parametrize(("engine", "kills"), [("netns", "netbench"), ("docker", "dockerd")])
def test_a_soak_of_few_runs_leaves_nothing(root: None, engine: str, kills: str) -> None:
    del root
    argv = (sys.executable, str(SOAK), "--engine", engine, "--runs", "3", "--kill", kills)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=400, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"kills of {kills}: " in done.stdout
    assert "runs that ended: complete" in done.stdout

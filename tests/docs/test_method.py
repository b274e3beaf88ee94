"""The tables of docs/method.md against the committed campaigns."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_tables_are_those_of_the_committed_results() -> None:
    argv = (sys.executable, str(ROOT / "benchmarks" / "calibration" / "tables.py"), "--check")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)

    assert done.returncode == 0, done.stderr


def test_every_table_has_rows() -> None:
    page = (ROOT / "docs" / "method.md").read_text()
    tables = re.findall(r"<!-- table ([\w-]+) -->\n(.*?)<!-- end -->", page, re.DOTALL)

    assert tables
    for name, text in tables:
        assert text.count("\n") > 2, f"the table {name} is empty"

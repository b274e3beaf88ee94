"""The commands, one file each. `COMMANDS` has them in order, with what `--help` says of each."""

from collections.abc import Mapping
from typing import Final

COMMANDS: Final[Mapping[str, str]] = {
    "run": "Measure drivers against a baseline, prove each path, write a report.",
    "report": "Write report.html and summary.md, .csv and .json anew from a run folder alone.",
    "export": "Write a run for other programs, as CSV, Parquet, JSON or OpenMetrics.",
    "compare": "Say what differs between runs, and what changed, regressions first.",
    "verify": "Check what drivers promise, and who reaches whom by real connects.",
    "inspect": "Show namespaces, links and paths of a driver's pair, or of a container.",
    "drivers": "List the drivers: which can run here, and why not.",
    "doctor": "Check everything that is needed; say what is missing and the command that fixes it.",
    "runs": "List the run folders, the newest first.",
    "clean": "List, then remove, what netbench left: only what carries its label.",
    "version": "Print netbench's version.",
}

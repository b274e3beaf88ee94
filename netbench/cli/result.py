"""The result of a run on the terminal, for `run` and `report` alike."""

from pathlib import Path

from netbench import report
from netbench.cli.output import print_json, print_rich, say
from netbench.workflow.reporting import ReportedRun


def show_run(path: Path, reported: ReportedRun, *, as_json: bool) -> int:
    """Print a run's result, as a table or as the JSON document, and return the exit code."""
    info, analysis = reported.info, reported.analysis
    for note in reported.notes:
        say(f"netbench: {note}")
    if as_json:
        print_json(reported.document | {"folder": str(path)})
    else:
        print_rich(report.terminal(info, analysis, reported.digest, str(path)))
        print_rich(f"\nreport: {reported.page}")
    if not analysis.budgets_kept:
        say(f"netbench: budgets are not kept. {report.budgets_told(info, analysis)}")
    return reported.exit_code

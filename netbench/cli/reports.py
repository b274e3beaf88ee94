"""From a run folder to its reports, for `run` and `report` alike."""

from pathlib import Path

from netbench import analysis, report
from netbench.cli.output import print_json, print_rich, say
from netbench.store import RunFolder, load


def write_reports(path: Path, *, as_json: bool, exit_code: int | None = None) -> int:
    """Write report.html, summary.md and summary.csv into a run folder and show the result.

    Args:
        path: of the run folder.
        as_json: print the JSON document instead of the table.
        exit_code: to print and return; None for the one the records call for.

    Raises:
        RunFolderError: the folder cannot be read or written.
    """
    run = load(path)
    judged = analysis.analyse(run.info, run.records())
    for note in run.notes:
        say(f"netbench: {note}")
    digest = report.digest(judged, load(path).records())
    folder = RunFolder(path)
    page = folder.write("report.html", report.html(run.info, judged, digest))
    folder.write("summary.md", report.markdown(run.info, judged, digest))
    folder.write("summary.csv", report.csv(judged))
    code = judged.tally.exit_code if exit_code is None else exit_code
    if as_json:
        print_json(report.json_document(run.info, judged, str(path), code))
    else:
        print_rich(report.terminal(run.info, judged, digest))
        print_rich(f"\nreport: {page}")
    return code

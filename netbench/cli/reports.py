"""From a run folder to its reports, for `run` and `report` alike."""

from dataclasses import replace
from pathlib import Path

from netbench import analysis, report
from netbench.cli.output import print_json, print_rich, say
from netbench.errors import NOT_KEPT, ConfigurationError, Interrupted
from netbench.plan import offered_by, read_budgets
from netbench.record import RunInfo
from netbench.store import RunFolder, load


def write_reports(
    path: Path,
    *,
    as_json: bool,
    exit_code: int | None = None,
    require: tuple[str, ...] = (),
    allow_undecided: bool = False,
) -> int:
    """Write report.html, summary.md and summary.csv into a run folder and show the result.

    Args:
        path: of the run folder.
        as_json: print the JSON document instead of the table.
        exit_code: to print and return unless a budget is not kept; None for the one the records
            call for.
        require: budgets to judge by instead of the run's own.
        allow_undecided: let budgets that are not decided pass, as the run itself may.

    Raises:
        ConfigurationError: with everything that is wrong with the budgets.
        RunFolderError: the folder cannot be read or written.
    """
    run = load(path)
    info = _budgeted(run.info, require, allow_undecided=allow_undecided)
    judged = analysis.analyse(info, run.records())
    for note in run.notes:
        say(f"netbench: {note}")
    digest = report.digest(judged, load(path).records())
    folder = RunFolder(path)
    page = folder.write("report.html", report.html(info, judged, digest))
    folder.write("summary.md", report.markdown(info, judged, digest))
    folder.write("summary.csv", report.csv(judged))
    code = judged.tally.exit_code if exit_code is None else exit_code
    if not judged.budgets_kept and code != Interrupted.exit_code:
        code = NOT_KEPT
    if as_json:
        print_json(report.json_document(info, judged, str(path), code))
    else:
        print_rich(report.terminal(info, judged, digest))
        print_rich(f"\nreport: {page}")
    if not judged.budgets_kept:
        say(f"netbench: budgets are not kept. {report.budgets_told(info, judged)}")
    return code


def _budgeted(info: RunInfo, require: tuple[str, ...], *, allow_undecided: bool) -> RunInfo:
    """Return a run with these budgets in place of its own, where there are any."""
    problems: list[str] = []
    budgets = read_budgets(require, offered_by(info.plan), problems)
    if problems:
        raise ConfigurationError(*problems)
    allowed = allow_undecided or info.plan.allow_undecided
    plan = replace(info.plan, require=budgets or info.plan.require, allow_undecided=allowed)
    return replace(info, plan=plan)

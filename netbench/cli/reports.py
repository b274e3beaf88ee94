"""From a run folder to its reports, for `run` and `report` alike."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from netbench import analysis, report
from netbench.cli.aside import aside
from netbench.cli.index import renew_index
from netbench.cli.output import json_text, print_json, print_rich, say
from netbench.cli.taking import take
from netbench.errors import NOT_KEPT, ConfigurationError, Interrupted
from netbench.plan import offered_by, read_budgets
from netbench.record import RunInfo
from netbench.report import DECISION
from netbench.store import SUMMARY, RunFolder, load


def write_reports(
    path: Path,
    *,
    as_json: bool,
    exit_code: int | None = None,
    require: tuple[str, ...] = (),
    allow_undecided: bool = False,
    adr: bool = False,
) -> int:
    """Write report.html and the summaries into a run folder and show the result.

    Args:
        path: of the run folder.
        as_json: print the JSON document instead of the table.
        exit_code: to print and return unless a budget is not kept; None for the one the records
            call for.
        require: budgets to judge by instead of the run's own.
        allow_undecided: let budgets that are not decided pass, as the run itself may.
        adr: write a decision record too, for its author to go on with.

    Raises:
        ConfigurationError: with everything that is wrong with the budgets, or there is a decision
            record already.
        RunFolderError: the folder cannot be read or written.
    """
    run = load(path)
    if adr:
        _refuse_to_overwrite(path / DECISION)
    info = _budgeted(run.info, require, allow_undecided=allow_undecided)
    taken = take(run)
    judged = analysis.analyse(info, taken.collector)
    for note in taken.notes:
        say(f"netbench: {note}")
    digest = taken.gathering.digest(judged, taken.whole(run, taken.gathering.wanted(judged)))
    code = judged.exit_code if exit_code is None else exit_code
    if not judged.budgets_kept and code != Interrupted.exit_code:
        code = NOT_KEPT
    folder = RunFolder(path)
    summary = report.json_document(info, judged, ".", code, report.lead(judged, digest))

    def sum_up() -> None:
        folder.write("summary.md", report.markdown(info, judged, digest, path.absolute().name))
        folder.write("summary.csv", report.csv(judged))
        folder.write(SUMMARY, json_text(summary))

    def draw() -> Path:
        return folder.write("report.html", report.html(info, judged, digest))

    page = _both(draw, sum_up, much=len(run.parts()) > 1)
    if adr:
        for name, text in report.decision(info, judged, digest).items():
            folder.write(name, text)
        say(f"netbench: decision record: {path / DECISION}; its outcome is yours to write")
    if as_json:
        print_json(summary | {"folder": str(path)})
    else:
        print_rich(report.terminal(info, judged, digest, str(path)))
        print_rich(f"\nreport: {page}")
    renew_index(path.absolute().parent)
    if not judged.budgets_kept:
        say(f"netbench: budgets are not kept. {report.budgets_told(info, judged)}")
    return code


def _both(first: Callable[[], Path], second: Callable[[], None], *, much: bool) -> Path:
    """Do both and return what the first gives; where there is much to do, at the same time."""
    if not much:
        page = first()
        second()
        return page
    with aside(second) as done:
        page = first()
        if not done():
            second()  # and it says why, or is done this time
    return page


def _refuse_to_overwrite(path: Path) -> None:
    """Raise where a decision record is there: an author may have gone on with it."""
    if path.exists():
        raise ConfigurationError(
            f"--adr: {path} is there already, and may hold its author's words",
            hint="move it away, or remove it",
        )


def _budgeted(info: RunInfo, require: tuple[str, ...], *, allow_undecided: bool) -> RunInfo:
    """Return a run with these budgets in place of its own, where there are any."""
    problems: list[str] = []
    budgets = read_budgets(require, offered_by(info.plan), problems)
    if problems:
        raise ConfigurationError(*problems)
    allowed = allow_undecided or info.plan.allow_undecided
    plan = replace(info.plan, require=budgets or info.plan.require, allow_undecided=allowed)
    return replace(info, plan=plan)

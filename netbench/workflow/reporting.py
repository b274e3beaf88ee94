"""From a run folder to its reports."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from netbench import report
from netbench.analysis import Analysis, Collector, analyse
from netbench.errors import NOT_KEPT, ConfigurationError, EngineLost, Interrupted, RunFolderError
from netbench.plan import read_budgets, scope_of
from netbench.record import Ending, RunInfo
from netbench.report import DECISION, Digest, DigestCollector
from netbench.report.index import MARK, IndexEntry, index
from netbench.store import (
    SUMMARY,
    ListedRun,
    LoadedRun,
    RunFolder,
    json_text,
    list_runs,
    load,
    write_whole,
)

INDEX: Final = "index.html"
_CUT_OFF: Final = {"interrupted": Interrupted.exit_code, "engine-lost": EngineLost.exit_code}
"""Exit codes of runs that did not come to their end, unless a budget is not kept."""
_HEAD: Final = 2000  # bytes at the beginning of a page that hold its mark


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """A run that was judged, and whose reports are written."""

    info: RunInfo
    analysis: Analysis
    digest: Digest
    page: Path  # report.html
    document: dict[str, Any]  # what `--json` prints
    exit_code: int
    notes: tuple[str, ...]  # what could not be read or written
    pictures: tuple[Path, ...] = ()  # answer.svg and answer.png, as far as they were asked for


def report_run(
    path: Path,
    *,
    ending: Ending | None = None,
    require: tuple[str, ...] = (),
    allow_undecided: bool = False,
    adr: bool = False,
    picture: bool = False,
) -> ReportedRun:
    """Judge a run, write report.html and the summaries into its folder, and return all of it.

    `ending` is that of a run that has just been measured; `require` are budgets in place of the
    run's own; `adr` asks for a decision record, too, and `picture` for the answer as a picture.

    Raises:
        ConfigurationError: with everything that is wrong with the budgets, or there is a decision
            record already.
        RunFolderError: the folder cannot be read or written.
    """
    run = load(path)
    if adr and (path / DECISION).exists():
        raise ConfigurationError(
            f"--adr: {path / DECISION} is there already, and may hold its author's words",
            hint="move it away, or remove it",
        )
    info = _budgeted(run.info, require, allow_undecided=allow_undecided)
    analysis, digest = judge_run(run, info)
    code = _CUT_OFF.get(ending or "", analysis.exit_code)
    if not analysis.budgets_kept and code != Interrupted.exit_code:
        code = NOT_KEPT
    folder = RunFolder(path)
    document = report.json_document(info, analysis, digest, ".", code)
    page = folder.write("report.html", report.html(info, analysis, digest))
    folder.write("summary.md", report.markdown(info, analysis, digest, path.absolute().name))
    folder.write("summary.csv", report.csv(analysis))
    folder.write(SUMMARY, json_text(document))
    if adr:
        for name, text in report.decision(info, analysis, digest).items():
            folder.write(name, text)
    pictures, notes = _pictures(folder, info, analysis, digest) if picture else ((), ())
    notes = (*run.notes, *_renew_index(path.absolute().parent), *notes)
    return ReportedRun(info, analysis, digest, page, document, code, notes, pictures)


def _pictures(
    folder: RunFolder, info: RunInfo, analysis: Analysis, digest: Digest
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the answer as SVG, and as PNG where that is possible; return what was written, or why.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    drawn = report.answer_picture(info, analysis, digest)
    svg = folder.write(report.PICTURE, drawn)
    try:
        content = report.png(drawn)
    except ConfigurationError as exc:
        return (svg,), (f"{exc.message}: {exc.hint}",)
    return (svg, write_whole(folder.path / report.PNG, content)), ()


def judge_run(run: LoadedRun, info: RunInfo) -> tuple[Analysis, Digest]:
    """Return what can be said of a run, and what a report shows of its records."""
    collector, gathering = Collector(), DigestCollector()
    for record in run.records():
        collector.take(record)
        gathering.take(record)
    analysis = analyse(info, collector)
    return analysis, gathering.digest(analysis, run.selected(gathering.wanted(analysis)))


def _budgeted(info: RunInfo, require: tuple[str, ...], *, allow_undecided: bool) -> RunInfo:
    """Return a run with these budgets in place of its own, where there are any."""
    problems: list[str] = []
    budgets = read_budgets(require, scope_of(info.plan), problems)
    if problems:
        raise ConfigurationError(*problems)
    allowed = allow_undecided or info.plan.allow_undecided
    plan = replace(info.plan, require=budgets or info.plan.require, allow_undecided=allowed)
    return replace(info, plan=plan)


def write_index(parent: Path, found: Sequence[ListedRun]) -> Path:
    """Write the page of a folder of runs and return its path; another's page is left alone."""
    path = parent / INDEX
    if path.exists() and not _is_index(path):
        raise ConfigurationError(
            f"--html: {path} is not netbench's, and is left as it is", hint="move it away"
        )
    entries = [
        IndexEntry(
            folder=run.path.name,
            info=run.info,
            problem=run.problem,
            records=run.records,
            lead=run.lead,
            reported=(run.path / "report.html").is_file(),
        )
        for run in found
    ]
    return write_whole(path, index(entries).encode("utf-8", "replace"))


def _renew_index(parent: Path) -> tuple[str, ...]:
    """Write the page anew if netbench wrote one; return why that was not possible."""
    path = parent / INDEX
    try:
        if path.is_file() and _is_index(path):
            write_index(parent, list_runs(parent))
    except (OSError, RunFolderError) as exc:
        return (f"{path} could not be renewed: {exc}",)
    return ()


def _is_index(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(_HEAD)

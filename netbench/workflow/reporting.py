"""From a run folder to its reports."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from netbench import report
from netbench.analysis import Analysis, Collector, judged
from netbench.analysis.digest import DigestCollector, chosen_trials
from netbench.errors import (
    NOT_KEPT,
    ConfigurationError,
    EngineLost,
    Interrupted,
    RunFolderError,
    cut,
)
from netbench.plan import scope_of, sound_budgets
from netbench.record import Ending, RunInfo
from netbench.report import DECISION, Digest
from netbench.report.gallery import LINKED, MARK, index
from netbench.store import (
    RUN,
    SUMMARY,
    LoadedRun,
    RunFolder,
    folder_problem,
    json_text,
    load,
    runs_below,
    standing,
    write_whole,
)
from netbench.system.files import open_regular
from netbench.workflow.confirmation import with_confirmations

INDEX: Final = "index.html"
_CUT_OFF: Final = {"interrupted": Interrupted.exit_code, "engine-lost": EngineLost.exit_code}
"""Exit codes of runs that did not come to their end, unless a budget is not kept."""
_PLACE: Final = ("driver", "replica", "path", "probe", "placement")  # what tells cells apart
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
    Raises ConfigurationError for what is wrong with those, RunFolderError for the folder.
    """
    run = load(path)
    if adr and (path / DECISION).exists():
        raise ConfigurationError(
            f"--adr: {path / DECISION} is there already, and may hold its author's words",
            hint="move it away, or remove it",
        )
    info = _budgeted(run.shown, require, allow_undecided=allow_undecided)
    analysis, digest = judge_run(run, info)
    analysis, unread = with_confirmations(run, info, analysis)
    code = _CUT_OFF.get(ending or "", analysis.exit_code)
    if not analysis.budgets_kept and code != Interrupted.exit_code:
        code = NOT_KEPT
    folder = RunFolder(path)
    document = report.json_document(info, analysis, digest, ".", code)
    name, kept = _named(run, analysis, document)
    page = folder.write(name("report.html"), report.html(info, analysis, digest))
    markdown = report.markdown(info, analysis, digest, path.absolute().name)
    folder.write(name("summary.md"), markdown)
    folder.write(name("summary.csv"), report.csv(analysis))
    folder.write(name(SUMMARY), json_text(document))
    if adr:
        for decision, text in report.decision(info, analysis, digest).items():
            folder.write(decision, text)
    drawn = _pictures(folder, info, analysis, digest, name) if picture else ((), ())
    notes = (*run.notes, *unread, *kept, *_renew_index(path.absolute().parent), *drawn[1])
    return ReportedRun(info, analysis, digest, page, document, code, notes, drawn[0])


def _named(
    run: LoadedRun, analysis: Analysis, document: Mapping[str, Any]
) -> tuple[Callable[[str], str], tuple[str, ...]]:
    """Return what names the files of a report, and why they are not the usual ones, if so.

    A report never replaces one that says more: where fewer records can be read than those that
    the report in the folder was made of, the new one is written beside it, `report.damaged.html`.
    """
    try:
        before = recounted(standing(run.path))
    except FileNotFoundError:
        before = 0
    except (OSError, ValueError):
        before = None
    now = recounted(document) + run.reading.being_replaced
    # How many blocks a run has begun that its time ended, only its records tell.
    lost = bool(run.damage.lines) and run.info.status == "out-of-time"
    lacking = bool(analysis.missing) or lost
    unknown = before is None and lacking and (run.path / "report.html").exists()
    if not unknown and (before or 0) <= now:
        return str, ()
    counted = "an unknown number of" if before is None else f"{before:,}"
    why = (
        f"the report in the folder was made of {counted} records, and {now:,} can be read now: it "
        "stays as it is, and the new one is report.damaged.html (with summary.damaged.*)"
    )
    return _damaged, (why,)


def _damaged(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{stem}.damaged.{ending}"


def recounted(document: Mapping[str, Any]) -> int:
    """Return how many records a `RunDocument` was made of, by its cells; 0 of any other."""
    counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for part in ("cells", "baseline_again"):
        rows = document.get(part)
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                continue
            place = (part, *(str(row.get(key)) for key in _PLACE))
            numbers = [row.get(key) for key in ("trials", "failures", "skips")]
            known = sum(number for number in numbers if isinstance(number, int))
            counts[place] = max(counts[place], known)
    return sum(counts.values())


def _pictures(
    folder: RunFolder, info: RunInfo, analysis: Analysis, digest: Digest, name: Callable[[str], str]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the answer as SVG, and as PNG if possible; return what was written, or why not."""
    drawn = report.answer_picture(info, analysis, digest)
    svg = folder.write(name(report.PICTURE), drawn)
    try:
        content = report.png(drawn)
    except ConfigurationError as exc:
        return (svg,), (f"{exc.message}: {exc.hint}",)
    return (svg, write_whole(folder.path / name(report.PNG), content)), ()


def judge_run(run: LoadedRun, info: RunInfo) -> tuple[Analysis, Digest]:
    """Return what can be said of a run, and what a report shows of its records."""
    collector, gathering = Collector(), DigestCollector()
    for record in run.records():
        collector.take(record)
        gathering.take(record)
    analysis = judged(info, collector.frames(info.plan), run.damage)
    chosen = chosen_trials(analysis)
    return analysis, gathering.digest(chosen, run.selected(chosen))


def _budgeted(info: RunInfo, require: tuple[str, ...], *, allow_undecided: bool) -> RunInfo:
    budgets = sound_budgets(require, scope_of(info.plan))
    allowed = allow_undecided or info.plan.allow_undecided
    plan = replace(info.plan, require=budgets or info.plan.require, allow_undecided=allowed)
    return replace(info, plan=plan)


def write_index(parent: Path) -> Path:
    """Write the page of the runs below a folder and return its path; others' pages are left alone.

    Raises ConfigurationError for a page that is not netbench's, RunFolderError if it fails.
    """
    path = parent / INDEX
    if path.exists() and not _is_index(path):
        raise ConfigurationError(
            f"{path} is not netbench's, and is left as it is", hint="move it away"
        )
    found = runs_below(parent) if parent.is_dir() else ()
    files = {run.path: [name for name in LINKED if (run.path / name).is_file()] for run in found}
    return write_whole(path, index(parent, found, files).encode("utf-8", "replace"))


def index_runs(folder: Path) -> tuple[Path, int]:
    """Write the page of the runs below a folder; return its path and how many runs there are.

    Raises ConfigurationError where there are none, or the folder is itself that of a run.
    """
    if problem := folder_problem(folder) or _no_folder_of_runs(folder):
        raise ConfigurationError(f"DIR: {problem}", hint="name a folder that holds run folders")
    return write_index(folder), len(runs_below(folder))


def _no_folder_of_runs(folder: Path) -> str:
    """Return why a folder gets no page of runs; empty if it does."""
    named, whole = cut(str(folder)), folder.resolve()
    if not folder.is_dir():
        return f"{named} does not exist"
    if whole == whole.parent:
        return f"{named} is the root of the file system"
    if os.path.lexists(folder / RUN):
        return f"{named} is itself a run folder"
    return "" if runs_below(folder) else f"{named} holds no run folder"


def _renew_index(parent: Path) -> tuple[str, ...]:
    """Write the page anew if netbench wrote one; return why that was not possible."""
    path = parent / INDEX
    try:
        if path.is_file() and _is_index(path):
            write_index(parent)
    except (OSError, RunFolderError) as exc:
        return (f"{path} could not be renewed: {exc}",)
    return ()


def _is_index(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return MARK.encode() in file.read(_HEAD)
    except OSError:  # a FIFO, or somebody else's
        return False

"""Confirming: measure missed budgets again, with a fresh seed, in a run folder of its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from netbench.analysis import BudgetResult
from netbench.analysis.budgets import missed
from netbench.engines.base import Engine
from netbench.errors import Interrupted, NetbenchError, RunFolderError
from netbench.plan import Plan, confirming, restore
from netbench.record import Ending, LinkedRun, RunInfo
from netbench.report.labels import counted
from netbench.spec import Cell
from netbench.spec import Path as TrafficPath
from netbench.store import LoadedRun, RunFolder, load
from netbench.workflow.confirmation import linked
from netbench.workflow.options import Observer, RunOptions
from netbench.workflow.preflight import PreparedEngine
from netbench.workflow.reporting import ReportedRun, report_run
from netbench.workflow.resume import FINISHED, changed_since, remembered, resume
from netbench.workflow.resume_checks import refuse
from netbench.workflow.run import measure_plan

OPTION: Final = "confirm"
_KEPT: Final = ("context", "image", "parent", "parent-in-use", "init-swarm", "identify")
"""Options of a run that its confirmation has too: where it is measured, and what is recorded."""


def unconfirmable(info: RunInfo) -> str:
    """Return where `--confirm` has no effect on a run that goes on; empty where it has one."""
    if info.confirms is not None:
        return f"on a run that is itself the confirmation of {info.confirms.folder}"
    return "" if info.plan.require else "on a run without budgets"


def asked_before(info: RunInfo) -> bool:
    """Tell whether a run began with `--confirm`, which then holds when it goes on."""
    return dict(info.options).get(OPTION) is True


def confirm(
    reported: ReportedRun,
    path: Path,
    options: RunOptions,
    observer: Observer,
    *,
    force: bool = False,
) -> ReportedRun:
    """Measure the missed budgets of a run again, and report it with what became of them.

    A run that was cut off, or has kept its budgets, is returned as it is. An earlier confirmation
    that was cut off is resumed. What keeps it from being measured is a note of the run, and the
    budgets stay missed; so does what has changed since the run began, unless `force`.
    """
    run = load(path)
    if run.info.status not in FINISHED or reported.analysis.budgets_kept:
        return reported
    options = replace(remembered(run.info, options), asked=(), keep=False)
    try:
        ending = _measured_again(run, reported, options, observer, force=force)
    except Interrupted as exc:
        observer.say(f"netbench: {exc.message} before anything was measured again")
        ending = "interrupted"
    except NetbenchError as exc:
        problems = "; ".join(exc.problems)
        observer.say(f"netbench: --confirm: not measured again: {problems}")
        if exc.hint:
            observer.say(f"  fix: {exc.hint}")
        _note(run.path, f"Missed budgets could not be measured again: {problems}.")
        ending = None
    return report_run(path, ending=ending if ending == "interrupted" else None)


def _measured_again(
    run: LoadedRun,
    reported: ReportedRun,
    options: RunOptions,
    observer: Observer,
    *,
    force: bool,
) -> Ending | None:
    """Resume what was cut off, else measure what is owed; return how it ended, if it began."""
    for link in run.info.confirmed_by:
        try:
            earlier = linked(run, link)
        except RunFolderError:  # the report has told it; what it held is measured again
            continue
        if earlier.info.status not in FINISHED:
            observer.say(f"netbench: --confirm: going on with {earlier.path.name}")
            ending = resume(earlier, options, observer, force=force)
            report_run(earlier.path, ending=ending)
            return ending
    allowed = reported.info.plan.allow_undecided
    found = missed(reported.analysis, allow_undecided=allowed)
    owed = tuple(one for one in found if one.again is None)
    if not owed:
        observer.say("netbench: --confirm: no missed budget can be measured again")
        return None
    cells = counted(len(owed), "budgeted cell")
    observer.say(f"netbench: {cells} missed; measuring again with a fresh seed (--confirm)")
    folder, ending = _new(run, owed, options, observer, force=force)
    report_run(folder, ending=ending)
    return ending


def _new(
    run: LoadedRun,
    owed: Sequence[BudgetResult],
    options: RunOptions,
    observer: Observer,
    *,
    force: bool,
) -> tuple[Path, Ending]:
    """Measure in a new folder beside the run's, which names it before anything is measured."""
    info, beside = run.info, run.path.resolve()
    wanted = [
        (one.budget, Cell(one.budget.driver, TrafficPath(one.path), one.probe, one.placement))
        for one in owed
    ]
    most = max(one.blocks for one in owed)

    def check(engine: Engine, plan: Plan, prepared: PreparedEngine) -> None:
        refuse((), changed_since(info, engine, plan, prepared, {}), force=force)

    def begun(folder: RunFolder, made: RunInfo) -> None:
        first = RunFolder(beside)
        with first.held():
            now = load(beside).info
            link = LinkedRun(made.id, folder.path.name)
            first.finish(replace(now, confirmed_by=(*now.confirmed_by, link)))

    how = replace(
        options,
        output=beside.parent,
        asked=tuple((name, value) for name, value in info.options if name in _KEPT),
        notes=(f"It measures missed budgets of run {info.id} again, with a fresh seed.",),
        confirms=LinkedRun(info.id, beside.name),
    )
    return measure_plan(
        info.engine,
        lambda topology: confirming(restore(info.plan, topology), wanted, most),
        how,
        observer,
        check=check,
        begun=begun,
    )


def _note(path: Path, text: str) -> None:
    folder = RunFolder(path)
    with folder.held():
        info = load(path).info
        folder.finish(replace(info, notes=(*info.notes, text)))

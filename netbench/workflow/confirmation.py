"""What became of missed budgets that were measured again, read from the runs beside a run."""

from collections.abc import Iterator
from dataclasses import replace

from netbench.analysis import Analysis, Confirmation
from netbench.analysis.budgets import confirmed, judge_budgets, kept
from netbench.analysis.frame import framed
from netbench.errors import RunFolderError
from netbench.record import LinkedRun, RunInfo
from netbench.store import LoadedRun, load


def with_confirmations(
    run: LoadedRun, info: RunInfo, analysis: Analysis
) -> tuple[Analysis, tuple[str, ...]]:
    """Return the analysis of a run with what its confirmations say, and which cannot be read.

    `info` has the budgets that the run is judged by, its own or others.
    """
    if analysis.budgets_kept or not info.confirmed_by:
        return analysis, ()
    found: list[Confirmation] = []
    problems = []
    for link in info.confirmed_by:
        try:
            found += _confirmations(linked(run, link))
        except RunFolderError as exc:
            problems.append(f"the confirmation {link.folder} is not counted: {exc.message}")
    allowed = info.plan.allow_undecided
    budgets = confirmed(analysis.budgets, found, allow_undecided=allowed)
    judged = replace(analysis, budgets=budgets, budgets_kept=kept(budgets, allow_undecided=allowed))
    return judged, tuple(problems)


def linked(run: LoadedRun, link: LinkedRun) -> LoadedRun:
    """Return a run that another one names; RunFolderError if it is not there, or another one."""
    found = load(run.path.resolve().parent / link.folder)
    if found.info.id != link.id:
        raise RunFolderError(f"{found.path} is run {found.info.id}, not {link.id}")
    return found


def _confirmations(run: LoadedRun) -> Iterator[Confirmation]:
    plan = run.shown.plan
    for result in judge_budgets(plan, framed(plan, run.records())):
        yield Confirmation(run.path.name, plan.seed, result)

"""What a terminal shows of a run: the answer first, in a screen.

In this order: the engine, the answer, what limits it, the table of drivers, how sure it is, what
went wrong, budgets, and what would decide the rest. Everything else is shown on demand.
"""

from collections.abc import Iterator
from typing import Final

from rich.console import Group

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report import budgets
from netbench.report.answer import headline
from netbench.report.caveats import Badges
from netbench.report.console_long import everything
from netbench.report.console_text import (
    CopyableCommand,
    FittingLine,
    Paragraph,
    budget_lines,
    paragraphs,
)
from netbench.report.driver_table import DriverTable
from netbench.report.labels import counted, joined, shared_by
from netbench.report.sentences import baseline_check, engine_line, primaries
from netbench.report.stopping import extension
from netbench.report.validity import FAILED, OF_FOLDER, SHORT, doubts, lacking

_NAMED: Final = 3  # reasons why there is no number that are given


def terminal(
    info: RunInfo,
    analysis: Analysis,
    digest: Digest,
    folder: str = "",
    *,
    verbose: bool = False,
    engine: bool = True,
) -> Group:
    """Return what a terminal shows at the end of a run.

    Args:
        info: of the run.
        analysis: of its records.
        digest: of its records.
        folder: of the run, as the user names it; the last line says how to go on with it.
        verbose: whether everything is shown that is known of the run.
        engine: whether the engine is named; not where the progress of the run has named it.
    """
    more = extension(info, analysis, folder)
    return Group(
        *paragraphs([engine_line(info)] if engine else []),
        Paragraph(headline(info, analysis, digest), "bold", indent=""),
        *paragraphs(["; ".join(Badges(info, analysis, digest).lines())]),
        DriverTable.of(info, analysis, digest),
        FittingLine(_certainty(analysis)),
        *paragraphs([*lacking(analysis), *_without_number(analysis, digest)], "red"),
        *(everything(info, analysis, digest) if verbose else ()),
        *paragraphs(_all_warnings(analysis) if verbose else _warnings(analysis), "yellow"),
        *budget_lines(budgets.outcome(info, analysis), budgets.ordered(analysis)),
        *([CopyableCommand(more.why, more.command)] if more else []),
    )


def _certainty(analysis: Analysis) -> tuple[str, ...]:
    """Return what the intervals hold, and whether the baseline differs from itself."""
    intervals = (f"Intervals {shared_by(analysis)}.",) if primaries(analysis) else ()
    return (*intervals, f"{baseline_check(analysis)}.")


def _without_number(analysis: Analysis, digest: Digest) -> Iterator[str]:
    """Yield how many records failed or were not possible here, and the first reasons."""
    tally = analysis.tally
    closed = {way.key for view in digest.drivers for way in view.ways if way.closed is not None}
    for kind, number, what in (
        ("failure", tally.failures, f"of {digest.total} records failed"),
        ("skip", tally.impossible, "records not possible here"),
    ):
        drivers = grouped(
            (problem.reason.split("; ")[0], problem.driver)
            for problem in digest.problems
            if problem.kind == kind and f"{problem.driver}, {problem.cell.path}" not in closed
        )
        named = [f"{joined([*dict.fromkeys(who)])} ({why})" for why, who in drivers.items()]
        left = len(named) - _NAMED
        rest = f", and for {counted(left, 'more reason')} (--verbose)" if left > 0 else ""
        if number:
            yield plain(f"{number} {what}: {', '.join(named[:_NAMED])}{rest}")


def _warnings(analysis: Analysis) -> Iterator[str]:
    """Yield how many warnings there are, and each kind in a few words."""
    found = [doubt for doubt in doubts(analysis) if doubt.kind not in (FAILED, *OF_FOLDER)]
    kinds = dict.fromkeys(doubt.kind for doubt in found)
    if kinds:
        named = ", ".join(SHORT.get(kind, kind.replace("-", " ")) for kind in kinds)
        yield f"{counted(len(found), 'warning')}: {named}; --verbose shows what to do"


def _all_warnings(analysis: Analysis) -> list[str]:
    return [f"! {doubt.text}" for doubt in doubts(analysis)]

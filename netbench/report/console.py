"""What a terminal shows of a run: the answer first, in a screen; the rest on demand.

In this order: the engine, the answer, what limits it, the table of drivers, how sure it is, what
went wrong, budgets, and what would decide the rest.
"""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report import budgets, console_text, labels, sentences
from netbench.report.answer import headline
from netbench.report.conditions import Badges
from netbench.report.console_text import STYLES, FittingTable, paragraph, paragraphs
from netbench.report.costs import ceiling_sentences, cost_notes, cost_rows
from netbench.report.driver_costs import described_costs, driver_costs
from netbench.report.driver_table import DriverTable
from netbench.report.matrix import MeasureEntry, measures, others
from netbench.report.stopping import ending, extension, stop_words
from netbench.report.validity import FAILED, OF_FOLDER, doubts, lacking, short

_NAMED: Final = 3  # reasons why there is no number that are given
_SHORT: Final = {"byte": "B", "transaction": "t"}
"""What CPU time is divided by, as a table writes it."""


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

    The last line says how to go on with the run in `folder`. `engine` is False where the progress
    of the run has named it.
    """
    more = extension(info, analysis, folder)
    return Group(
        *paragraphs([sentences.engine_line(info)] if engine else []),
        paragraph(headline(info, analysis, digest), "bold", indent=""),
        *paragraphs(["; ".join(Badges(info, analysis, digest).lines())]),
        DriverTable.of(driver_costs(info, analysis, digest), info, analysis, digest),
        console_text.one_line(*_certainty(analysis)),
        *(() if verbose else _described(info, analysis, digest)),
        *paragraphs([*lacking(analysis), *_without_number(analysis, digest)], "red"),
        *(_everything(info, analysis, digest) if verbose else ()),
        *paragraphs(_warnings(analysis, verbose=verbose), "yellow"),
        *console_text.budget_lines(budgets.outcome(info, analysis), budgets.ordered(analysis)),
        *([console_text.copyable(more.why, more.command)] if more else []),
    )


def _certainty(analysis: Analysis) -> tuple[str, ...]:
    """Return what the intervals hold, and whether the baseline differs from itself."""
    intervals = (
        (f"Intervals {labels.shared_by(analysis)}.",) if sentences.primaries(analysis) else ()
    )
    return (*intervals, f"{sentences.baseline_check(analysis)}.")


def _described(info: RunInfo, analysis: Analysis, digest: Digest) -> Iterator[RenderableType]:
    """Yield the measures that only describe and in which drivers differ, and how many do not."""
    found = described_costs(info, analysis, digest, differing=True)
    more = "more " if found.drivers else ""
    if found.drivers:
        title = "Only described, each interval by itself 95 % or more"
        yield from console_text.styled([title], "bold")
        yield DriverTable.of(found.drivers, info, analysis, digest).figures_alone
    if found.left:
        what = f"{labels.counted(found.left, f'{more}measure')} only described"
        yield from paragraphs([f"{what}: --verbose shows {'it' if found.left == 1 else 'them'}"])


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
        named = [f"{labels.joined([*dict.fromkeys(who)])} ({why})" for why, who in drivers.items()]
        left = len(named) - _NAMED
        rest = f", and for {labels.counted(left, 'more reason')} (--verbose)" if left > 0 else ""
        if number:
            yield plain(f"{number} {what}: {', '.join(named[:_NAMED])}{rest}")


def _warnings(analysis: Analysis, *, verbose: bool) -> list[str]:
    """Return each warning, or how many there are and each kind in a few words."""
    if verbose:
        return [f"! {doubt.text}" for doubt in doubts(analysis)]
    found = [doubt for doubt in doubts(analysis) if doubt.kind not in (FAILED, *OF_FOLDER)]
    named = ", ".join(map(short, dict.fromkeys(doubt.kind for doubt in found)))
    said = f"{labels.counted(len(found), 'warning')}: {named}; --verbose shows what to do"
    return [said] if found else []


def _everything(info: RunInfo, analysis: Analysis, digest: Digest) -> Iterator[RenderableType]:
    yield from _comparisons(info, analysis)
    yield from _beside(info, analysis)
    yield from _uncompared(analysis)
    yield from _costs(analysis, digest)
    yield from paragraphs(cost_notes(info, digest) if digest.cpu else (), "dim")
    lines = [
        *(sentences.isolation_sentence(view) for view in digest.drivers if view.isolated),
        *sentences.closed_sentences(digest),
        *sentences.published_sentences(digest),
    ]
    yield from paragraphs(["", *lines] if lines else [])
    yield from paragraphs(sentences.unmeasured(digest), "red")
    yield from paragraphs(filter(None, [sentences.published_in_short(info, analysis)]))
    yield from paragraphs(ceiling_sentences(analysis), "dim")
    yield from paragraphs([plain(ending(info, analysis))], "dim")


def _comparisons(info: RunInfo, analysis: Analysis) -> Iterator[RenderableType]:
    """Yield what each comparison says, by how many blocks, and when it stopped."""
    found, aim = sentences.primaries(analysis), info.plan.precision
    yield from console_text.styled(["\nEvery comparison"] if found else [], "bold")
    for one in found:
        measure = sentences.measure(labels.key_of(one), one.metric)
        said = f"{measure} {labels.judgement(one, analysis.margin)}"
        ratio = labels.ratio_text(one).replace(" ", console_text.GLUE)
        how = f"{ratio}, {labels.counted(one.blocks, 'block')}, {stop_words(one, aim)}"
        yield paragraph(f"{plain(one.driver)}: {said} ({how})", STYLES[one.verdict])


def _beside(info: RunInfo, analysis: Analysis) -> Iterator[FittingTable]:
    rows = measures(info, analysis)
    drivers = (analysis.baseline, *others(info, analysis))
    if rows:
        yield FittingTable(
            "Other measures, with the ratio to the baseline",
            ("measure", "probe", *map(plain, drivers)),
            [
                (
                    f"{row.title} {row.key.place}",
                    plain(row.key.probe),
                    row.baseline,
                    *map(_entry, row.entries),
                )
                for row in rows
            ],
            keys=2,
        )


def _entry(entry: MeasureEntry | None) -> str | Text:
    if entry is None:
        return units.MISSING
    if entry.contrast is None:
        return entry.value
    verdict = entry.contrast.verdict
    mark = f"{units.ratio(entry.contrast.ratio)} {verdict}"
    return Text(f"{entry.value} ").append(mark, style=STYLES[verdict])


def _uncompared(analysis: Analysis) -> Iterator[FittingTable]:
    found = sentences.uncompared(analysis)
    if found:
        yield FittingTable(
            f"Without a counterpart: {plain(analysis.baseline)} has no such path",
            ("driver", "measure", "median", "quartiles", "values"),
            [
                (
                    plain(cell.driver),
                    f"{labels.metric_title(cell.metric)} {labels.key_of(cell).place}",
                    units.quantity(cell.median, cell.unit),
                    " to ".join(units.quantity(end, cell.unit) for end in (cell.p25, cell.p75)),
                    str(cell.trials),
                )
                for cell in found
            ],
            keys=2,
        )


def _costs(analysis: Analysis, digest: Digest) -> Iterator[FittingTable]:
    rows: list[console_text.Cells] = [
        (
            plain(f"{row.key.probe} {row.key.place}"),
            plain(row.driver),
            f"{row.cost}/{_SHORT.get(row.per, row.per)}",
            row.ratio,
            *row.means,
        )
        for row in cost_rows(analysis, digest)
    ]
    figures = ("CPU time", "ratio", "busy", "client", "server", "rest", "softirq")
    if rows:
        title = "CPU time (busy, client, server and the rest in CPUs)"
        yield FittingTable(title, ("probe", "driver", *figures), rows, keys=2)

"""A comparison at a terminal: the answer, what changed, what differs."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.compare.model import Pairing, RunComparison, RunContrast
from netbench.report.budgets import ordered
from netbench.report.compare import differences, labels
from netbench.report.console_text import STYLES, GroupedTable, Row, budget_lines, paragraphs, styled
from netbench.report.labels import DECIDED, capital
from netbench.report.validity import lacking

_MOST: Final = 12  # rows of a table; of more, those without a change are only counted
_HOLDS: Final = "the interval holds 1"
_BESIDE: Final = 4  # rows of a table of measures that runs are not judged by


def terminal(comparison: RunComparison) -> Group:
    """Return everything, for people at a terminal."""
    said = differences.accepted_line(comparison)
    return Group(
        *styled(map(labels.answer, comparison.pairings), "bold"),
        *budget_lines(labels.budgets_told(comparison), ordered(comparison)),
        *(part for one in comparison.pairings for part in _changes(one, comparison.margin)),
        Text(""),
        *styled(map(labels.run_line, labels.every_run(comparison)), "dim"),
        *styled(
            (
                f"! {run.label}: {one}"
                for run in labels.every_run(comparison)
                for one in lacking(run.analysis)
            ),
            "yellow",
        ),
        *(part for one in comparison.pairings for part in _differences(one)),
        *styled([said] if said else [], "yellow"),
        *paragraphs(filter(None, [labels.history_line(comparison)])),
        *styled([labels.caution(comparison)], "dim"),
    )


def _changes(pairing: Pairing, margin: float) -> Iterator[RenderableType]:
    primary = [one for one in pairing.contrasts if one.primary]
    shown = primary
    if len(primary) > _MOST:
        shown = [one for one in primary if one.verdict in DECIDED]
    if not shown and all(one.withheld for one in primary):
        return  # the answer says why
    heading = f"{plain(pairing.right.label)} against {plain(pairing.left.label)}"
    order = ", slower first" if any(one.ratio for one in shown) else ""
    yield from styled([f"\n{heading}{order}"], "bold")
    yield from [_table(pairing, shown, margin)] if shown else []
    drivers = {one.driver for one in primary}
    yield from _counted([one for one in primary if one not in shown], drivers, margin)
    beside = [one for one in pairing.contrasts if not one.primary and one.verdict in DECIDED]
    if beside:
        more = len(beside) - _BESIDE
        yield from styled(["\nOther measures that changed"], "bold")
        yield _table(pairing, beside[:_BESIDE], margin)
        yield from styled([f"and {more} more on the page"] if more > 0 else [], "dim")


def _table(pairing: Pairing, found: Sequence[RunContrast], margin: float) -> GroupedTable:
    left, right = plain(pairing.left.label), plain(pairing.right.label)
    compared = any(one.ratio for one in found)
    rows = []
    for one in found:
        levels = labels.level(one.left, one), labels.level(one.right, one)
        verdict, subject = labels.verdict(one, margin), labels.subject(one)
        ratio = (labels.figures(one),) if compared else ()
        brief = f"{subject}: {levels[1]} after {levels[0]}"
        cells = (subject, *levels, *ratio, verdict)
        rows.append(Row(capital(labels.measured(one)), cells, brief, verdict, STYLES[one.verdict]))
    return GroupedTable(
        heads=("", left, right, *((f"{right} / {left}",) if compared else ()), "verdict"),
        rows=tuple(rows),
        figures=range(1, 4 if compared else 3),
        spare=3 if compared else None,
    )


def _counted(
    found: Sequence[RunContrast], drivers: Collection[str], margin: float
) -> Iterator[Text]:
    """Yield how many have each verdict, and why or of which drivers: `31 undecided: ... (23)`."""
    for said, own in grouped((labels.short(one, margin), one) for one in found).items():
        # All intervals that leave it open are one reason.
        whys = [(labels.why(one), one) for one in own]
        reasons = grouped((_HOLDS if why.endswith(" holds 1") else why, one) for why, one in whys)
        parts = [f"{why} ({len(of)})" if len(reasons) > 1 else why for why, of in reasons.items()]
        more = "; ".join(parts) or differences.some((x.driver for x in own), drivers, "driver")
        yield Text(f"{len(own)} {said}: {more}", style=STYLES[own[0].verdict])


def _differences(pairing: Pairing) -> Iterator[RenderableType]:
    left, right = plain(pairing.left.label), plain(pairing.right.label)
    rows = differences.rows(pairing)
    if rows:
        heading = f"What differs between {left} and {right}, and may be a cause"
        yield from styled([f"\n{heading}"], "bold")
        yield GroupedTable(
            heads=("fact", left, right, "of"),
            rows=tuple(_difference(row, left, right) for row in rows),
            figures=range(0),
        )
    else:
        yield from styled([f"\nNo confounder differs between {left} and {right}"], "bold")
    yield from styled(differences.notes(pairing), "dim")


def _difference(row: differences.DifferingFact, left: str, right: str) -> Row:
    where = ", ".join(part for part in (row.of, "accepted" if row.accepted else "") if part)
    of = f" ({where})" if where else ""
    brief = f"{row.fact}{of}: {row.left} in {left}, {row.right} in {right}"
    return Row("", (row.fact, row.left, row.right, where), brief, below="")

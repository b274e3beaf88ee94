"""The table at the end of a run, for people at a terminal."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from netbench import units
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, BudgetResult, Contrast, Standing, Verdict
from netbench.record import RunInfo
from netbench.report import budgets
from netbench.report.costs import ceiling_sentences, cost_notes, cost_rows
from netbench.report.labels import (
    SIGNS,
    concerns,
    key_of,
    metric_title,
    ratio_text,
    shared_by,
    signed,
)
from netbench.report.matrix import MeasureEntry, measures, others
from netbench.report.sentences import (
    baseline_check,
    closed_sentences,
    engine_line,
    isolated_drivers,
    isolation_sentence,
    primaries,
    primary_measures,
    published_in_short,
    published_sentences,
    uncompared,
    unmeasured,
)
from netbench.report.stopping import ending, extension
from netbench.report.validity import doubts

_SHORT: Final = {"byte": "B", "transaction": "t"}
"""What CPU time is divided by, as a table writes it."""
_WIDE: Final = 4  # drivers that still have room for their medians beside the ratios
STYLES: Final[dict[Verdict, str]] = {
    Verdict.FASTER: "green",
    Verdict.SLOWER: "red",
    Verdict.EQUIVALENT: "blue",
    Verdict.UNDECIDED: "yellow",
}
STANDINGS: Final[dict[Standing, str]] = {
    Standing.NOT_MET: "red",
    Standing.UNDECIDED: "yellow",
    Standing.MET: "green",
}
FIGURE: Final[dict[str, Any]] = {"justify": "right", "no_wrap": True}
"""How a column of figures is set."""
Cells = Sequence[str | Text]
Column = tuple[str, dict[str, Any]]  # a name with what rich's `add_column` takes


def terminal(info: RunInfo, analysis: Analysis, digest: Digest, folder: str = "") -> Group:
    """Return the final table: engine first, rows per cell, then warnings, then what to do next.

    Args:
        info: of the run.
        analysis: of its records.
        digest: of its records.
        folder: of the run, as the user names it; the last line says how to go on with it.
    """
    found = primaries(analysis)
    head = [Text(engine_line(info), style="bold")]
    head += styled([f"Intervals: {shared_by(analysis)}"] if found else [], "dim")
    said = [isolation_sentence(view).rstrip(".") for view in isolated_drivers(digest)]
    notes = cost_notes(info, digest) if digest.cpu else ()
    literature = published_in_short(info, analysis)
    more = extension(info, analysis, folder)
    return Group(
        *head,
        *(
            _cell(key, metric, analysis, [c for c in found if concerns(c, key, metric)])
            for key, metric in primary_measures(analysis)
        ),
        *_beside(info, analysis),
        *_uncompared(analysis),
        *_costs(analysis, digest),
        *styled([*said, *closed_sentences(digest), *published_sentences(digest)]),
        *styled(unmeasured(digest), "red"),
        *styled((f"CPU time: {note}" for note in notes), "dim"),
        *styled([literature] if literature else []),
        *styled([f"{plain(analysis.baseline)}: {baseline_check(analysis)}"], "dim"),
        *styled(ceiling_sentences(analysis), "dim"),
        *styled((f"! {doubt.text}" for doubt in doubts(analysis)), "yellow"),
        *styled([plain(ending(info, analysis))], "dim"),
        *budget_lines(budgets.outcome(info, analysis), budgets.ordered(analysis)),
        *styled([str(more)] if more else [], "bold"),
    )


def styled(lines: Iterable[str], style: str = "") -> list[Text]:
    """Return lines in one style; marks of rich's in them are letters."""
    return [Text(line, style=style) for line in lines]


def budget_lines(said: str, results: tuple[BudgetResult, ...]) -> list[Text]:
    """Return a headline and a line for each budget; nothing where nothing is said."""
    lines = [Text(budgets.line(one), style=STANDINGS[one.standing]) for one in results]
    return [Text(f"\n{said}", style="bold"), *lines] if said else []


def plain_table(
    title: str | Text, columns: Iterable[Column], rows: Iterable[Cells], gap: int = 1
) -> Table:
    """Return a table without lines: its title on the left, `gap` spaces between its columns.

    Texts are shown letter by letter.
    """
    heading = Text(title, style="bold") if isinstance(title, str) else title
    result = Table(
        title=heading,
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, gap, 0, 0),
    )
    for name, look in columns:
        result.add_column(name, **look)
    for row in rows:
        result.add_row(*(Text(value) if isinstance(value, str) else value for value in row))
    return result


def _titled(title: str, more: str) -> Text:
    return Text(title, style="bold").append(more, style="dim")


def _cell(key: CellKey, metric: str, analysis: Analysis, contrasts: list[Contrast]) -> Table:
    return plain_table(
        _titled(
            f"\n{metric_title(metric)} {key.place} ",
            f"({key.probe}, {key.placement}, {key.path})",
        ),
        (
            ("driver", {"min_width": 11}),
            ("median", FIGURE | {"min_width": 11}),
            (plain(analysis.baseline), FIGURE | {"min_width": 11}),
            ("ratio", FIGURE | {"min_width": 20}),
            ("n", FIGURE),
            ("verdict", {"min_width": 11, "overflow": "fold"}),
        ),
        (
            (
                plain(c.driver),
                units.quantity(c.driver_median, c.unit),
                units.quantity(c.baseline_median, c.unit),
                ratio_text(c),
                str(c.blocks),
                Text(signed(c, analysis.margin), style=STYLES[c.verdict]),
            )
            for c in contrasts
        ),
    )


def _beside(info: RunInfo, analysis: Analysis) -> list[Table]:
    """Return the measures that the run is not judged by, a row each."""
    rows = measures(info, analysis)
    drivers = (analysis.baseline, *others(info, analysis))
    look = {"justify": "right", "overflow": "fold"}
    table = plain_table(
        "\nOther measures, with the ratio to the baseline",
        (
            ("measure", {"min_width": 20}),
            ("probe", {"min_width": 8}),
            *((plain(name), look) for name in drivers),
        ),
        (
            (
                f"{row.title} {row.key.place}",
                plain(row.key.probe),
                row.baseline,
                *(_entry(entry, narrow=len(row.entries) > _WIDE) for entry in row.entries),
            )
            for row in rows
        ),
        gap=2,
    )
    return [table] if rows else []


def _entry(entry: MeasureEntry | None, *, narrow: bool) -> str | Text:
    if entry is None:
        return units.MISSING
    if entry.contrast is None:
        return entry.value
    verdict = entry.contrast.verdict
    mark = f"{SIGNS[verdict]} {units.ratio(entry.contrast.ratio)}"
    return Text("" if narrow else f"{entry.value} ").append(mark, style=STYLES[verdict])


def _uncompared(analysis: Analysis) -> list[Table]:
    """Return the cells that were measured where the baseline has no such path."""
    found = uncompared(analysis)
    table = plain_table(
        f"\nWithout a counterpart: {plain(analysis.baseline)} has no such path",
        (
            *(("driver", {}), ("measure", {})),
            *((name, {"justify": "right"}) for name in ("median", "quartiles", "values")),
        ),
        (
            (
                plain(cell.driver),
                f"{metric_title(cell.metric)} {key_of(cell).place}",
                units.quantity(cell.median, cell.unit),
                f"{units.quantity(cell.p25, cell.unit)} to {units.quantity(cell.p75, cell.unit)}",
                str(cell.trials),
            )
            for cell in found
        ),
    )
    return [table] if found else []


def _costs(analysis: Analysis, digest: Digest) -> list[Table]:
    """Return the CPU time of every driver in every cell."""
    rows: list[Cells] = []
    for (key, per), group in groupby(cost_rows(analysis, digest), lambda row: (row.key, row.per)):
        where = plain(f"{key.probe} {key.place}")
        for row in group:
            cost = f"{row.cost}/{_SHORT.get(per, per)}"
            parts = (row.busy, row.client, row.server, row.rest, row.softirq)
            rows.append((where, plain(row.driver), cost, row.ratio, *parts))
            where = ""
    figures = ("CPU time", "ratio", "busy", "client", "server", "rest", "softirq")
    table = plain_table(
        _titled("\nCPU time ", "(busy, client, server and the rest in CPUs)"),
        (
            *(("probe", {"no_wrap": True}), ("driver", {"min_width": 11})),
            *((name, FIGURE) for name in figures),
        ),
        rows,
    )
    return [table] if rows else []

"""The table at the end of a run, for people at a terminal."""

from itertools import groupby
from typing import TYPE_CHECKING, Final

from netbench import units
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, BudgetResult, Contrast, Standing, Verdict
from netbench.record import RunInfo
from netbench.report import budgets
from netbench.report.ceiling import ceiling_sentences
from netbench.report.costs import cost_notes, cost_rows
from netbench.report.labels import concerns, interval, key_of, metric_title
from netbench.report.literature import in_short
from netbench.report.matrix import MeasureEntry, measures, others
from netbench.report.sentences import (
    baseline_check,
    closed_sentences,
    engine_line,
    isolated_drivers,
    isolation_sentence,
    published_sentences,
    uncompared,
    unmeasured,
)
from netbench.report.stopping import ending, extension
from netbench.report.verdict_text import shared_by, signed
from netbench.report.warnings import doubts

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

_SHORT: Final = {"byte": "B", "transaction": "t"}
"""What CPU time is divided by, as a table writes it."""
_WIDE: Final = 4
"""Drivers that still have room for their medians beside the ratios."""
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


def table(info: RunInfo, analysis: Analysis, digest: Digest, folder: str = "") -> "Group":
    """Return the final table: engine first, rows per cell, then warnings, then what to do next.

    Args:
        info: of the run.
        analysis: of its records.
        digest: of its records.
        folder: of the run, as the user names it; the last line says how to go on with it.
    """
    from rich.console import Group  # noqa: PLC0415 - keeps `netbench --help` instant
    from rich.text import Text  # noqa: PLC0415 - same

    shown = [c for c in analysis.contrasts if c.primary]
    keys = dict.fromkeys((key_of(c), c.metric) for c in shown)
    tables = [
        _cell(key, metric, analysis, [c for c in shown if concerns(c, key, metric)])
        for key, metric in keys
    ]
    tables += _beside(info, analysis)
    tables += _uncompared(analysis)
    tables += _costs(analysis, digest)
    said = [isolation_sentence(view).rstrip(".") for view in isolated_drivers(digest)]
    lines = [
        Text(line) for line in (*said, *closed_sentences(digest), *published_sentences(digest))
    ]
    lines += [Text(line, style="red") for line in unmeasured(digest)]
    costs = cost_notes(info, digest) if digest.cpu else ()
    lines += [Text(f"CPU time: {note}", style="dim") for note in costs]
    literature = in_short(info, analysis)
    lines += [Text(literature)] if literature else []
    check = baseline_check(analysis)
    lines.append(Text(f"{plain(analysis.baseline)}: {check}", style="dim"))
    lines += [Text(line, style="dim") for line in ceiling_sentences(analysis)]
    lines += [Text(f"! {doubt.text}", style="yellow") for doubt in doubts(analysis)]
    lines.append(Text(plain(ending(info, analysis)), style="dim"))
    lines += _budgets(info, analysis)
    more = extension(info, analysis, folder)
    lines += [Text(str(more), style="bold")] if more else []
    return Group(Text(engine_line(info), style="bold"), *_intervals(analysis), *tables, *lines)


def _intervals(analysis: Analysis) -> list["Text"]:
    """Return what the intervals of the verdicts hold; nothing where there is no verdict."""
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    if not any(contrast.primary for contrast in analysis.contrasts):
        return []
    return [Text(f"Intervals: {shared_by(analysis)}", style="dim")]


def _budgets(info: RunInfo, analysis: Analysis) -> list["Text"]:
    """Return what became of all budgets, and a line for each, those not met first."""
    return budget_lines(budgets.told(info, analysis), budgets.ordered(analysis))


def budget_lines(said: str, results: tuple[BudgetResult, ...]) -> list["Text"]:
    """Return a headline and a line for each budget; nothing where nothing is said."""
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    lines = [Text(budgets.line(one), style=STANDINGS[one.standing]) for one in results]
    return [Text(f"\n{said}", style="bold"), *lines] if said else []


def plain_table(title: "Text", gap: int = 1) -> "Table":
    """Return an empty table without lines, its title on the left; `gap` spaces between columns."""
    from rich.table import Table as RichTable  # noqa: PLC0415 - keeps `netbench --help` instant

    return RichTable(
        title=title,
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, gap, 0, 0),
    )


def _cell(key: CellKey, metric: str, analysis: Analysis, contrasts: list[Contrast]) -> "Table":
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    title = Text(f"\n{metric_title(metric)} {key.place} ", style="bold")
    title.append(f"({key.probe}, {key.placement}, {key.path})", style="dim")
    result = plain_table(title)
    result.add_column("driver", min_width=11)
    result.add_column("median", justify="right", min_width=11, no_wrap=True)
    result.add_column(plain(analysis.baseline), justify="right", min_width=11, no_wrap=True)
    result.add_column("ratio", justify="right", min_width=20, no_wrap=True)
    result.add_column("n", justify="right", no_wrap=True)
    result.add_column("verdict", min_width=11, overflow="fold")
    for c in contrasts:
        result.add_row(
            Text(plain(c.driver)),
            units.quantity(c.driver_median, c.unit),
            units.quantity(c.baseline_median, c.unit),
            Text(f"{units.ratio(c.ratio)} {interval(c.low, c.high)}"),
            str(c.blocks),
            Text(signed(c, analysis.margin), style=STYLES[c.verdict]),
        )
    return result


def _beside(info: RunInfo, analysis: Analysis) -> list["Table"]:
    """Return the measures that the run is not judged by, a row each."""
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    rows = measures(info, analysis)
    if not rows:
        return []
    result = plain_table(
        Text("\nOther measures, with the ratio to the baseline", style="bold"), gap=2
    )
    result.add_column("measure", min_width=20)
    result.add_column("probe", min_width=8)
    for name in (analysis.baseline, *others(info, analysis)):
        result.add_column(plain(name), justify="right", overflow="fold")
    for row in rows:
        result.add_row(
            Text(f"{row.title} {row.key.place}"),
            Text(plain(row.key.probe)),
            row.baseline,
            *(_entry(entry, narrow=len(row.entries) > _WIDE) for entry in row.entries),
        )
    return [result]


def _entry(entry: MeasureEntry | None, *, narrow: bool) -> "Text":
    from rich.text import Text as RichText  # noqa: PLC0415 - keeps `netbench --help` instant

    if entry is None:
        return RichText(units.MISSING)
    if not entry.ratio:
        return RichText(entry.value)
    mark = f"{entry.sign} {entry.ratio.partition(' ')[0]}"
    found = RichText("" if narrow else f"{entry.value} ")
    return found.append(mark, style=STYLES[Verdict(entry.verdict)])


def _uncompared(analysis: Analysis) -> list["Table"]:
    """Return the cells that were measured where the baseline has no such path."""
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    found = uncompared(analysis)
    if not found:
        return []
    why = f"\nWithout a counterpart: {plain(analysis.baseline)} has no such path"
    result = plain_table(Text(why, style="bold"))
    for name in ("driver", "measure", "median", "quartiles", "values"):
        result.add_column(name, justify="left" if name in ("driver", "measure") else "right")
    for cell in found:
        place = CellKey(cell.path, cell.probe, cell.placement).place
        result.add_row(
            Text(plain(cell.driver)),
            f"{metric_title(cell.metric)} {place}",
            units.quantity(cell.median, cell.unit),
            f"{units.quantity(cell.p25, cell.unit)} to {units.quantity(cell.p75, cell.unit)}",
            str(cell.trials),
        )
    return [result]


def _costs(analysis: Analysis, digest: Digest) -> list["Table"]:
    """Return the CPU time of every driver in every cell."""
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    rows = cost_rows(analysis, digest)
    if not rows:
        return []
    title = Text("\nCPU time ", style="bold")
    title.append("(busy, client, server and the rest in CPUs)", style="dim")
    result = plain_table(title)
    result.add_column("probe", no_wrap=True)
    result.add_column("driver", min_width=11)
    for name in ("CPU time", "ratio", "busy", "client", "server", "rest", "softirq"):
        result.add_column(name, justify="right", no_wrap=True)
    for (key, per), group in groupby(rows, lambda row: (row.key, row.per)):
        where = f"{key.probe} {key.place}"
        for row in group:
            parts = (f"{row.cost}/{_SHORT.get(per, per)}", row.ratio, row.busy, row.client)
            more = (row.server, row.rest, row.softirq)
            result.add_row(Text(plain(where)), Text(plain(row.driver)), *map(Text, parts + more))
            where = ""
    return [result]

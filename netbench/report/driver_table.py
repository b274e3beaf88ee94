"""The table of drivers on a terminal, in as many columns as it has.

Nothing is cut. In a row a driver stands with all its measures. Where that is too wide, what limits
its figures goes first, which stands above the table too; then what would decide the undecided,
which stands beneath. If it is too wide still, the table is turned: a block of lines for each
driver, a line for each measure; at last two lines for each measure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Verdict
from netbench.record import RunInfo
from netbench.report import console_text
from netbench.report.answer import answer_of, way_title
from netbench.report.driver_costs import DriverCost, MeasureCost
from netbench.report.labels import joined

_NARROWEST: Final = 20
_BY_DESIGN: Final = "by design"


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One driver on one path."""

    driver: str
    figures: tuple[MeasureCost, ...]
    said: str  # what takes the place of all figures, where there is none
    badges: tuple[str, ...]
    """What limits its figures: its own caveats between containers, and those of single figures."""

    @classmethod
    def of(cls, own: DriverCost, figures: Sequence[MeasureCost], said: str) -> "MetricRow":
        """Return a driver's row; `said` is what its design says of all figures, else empty."""
        same = {(figure.strong, figure.rest) for figure in figures}
        if not said and len(same) == 1 and all(figure.missing for figure in figures):
            word, why = same.pop()
            said = why if _BY_DESIGN in why else ": ".join(filter(None, (word, why)))
        badges = (*own.badges[figures[0].key.path], *_of_figures(figures))
        return cls(plain(own.driver), tuple(figures), said, badges)


def _of_figures(costs: Sequence[MeasureCost]) -> Iterator[str]:
    """Yield what limits single figures, and which if a metric was measured in several ways."""
    for cost in costs:
        alone = sum(other.metric == cost.metric for other in costs) == 1
        yield from (badge if alone else f"{badge} ({cost.name})" for badge in cost.badges)


@dataclass(frozen=True, slots=True)
class DriverTable:
    """All drivers on all paths; a path is named unless it is the usual one alone."""

    paths: dict[str, list[MetricRow]]

    @classmethod
    def of(
        cls, costs: Sequence[DriverCost], info: RunInfo, analysis: Analysis, digest: Digest
    ) -> "DriverTable":
        """Return the table of these drivers, of which the baseline is the first."""
        rows = []
        for own in costs:
            paths = grouped((cost.key.path, cost) for cost in own.costs.values())
            answer = answer_of(info, analysis, digest, own.driver)
            said = answer.said if own.isolated else ""
            rows += [(path, MetricRow.of(own, here, said)) for path, here in paths.items()]
        return cls(grouped(rows))

    @property
    def figures_alone(self) -> "DriverTable":
        """The table without what isolates drivers and what limits their figures."""
        return DriverTable(
            {
                path: [replace(row, badges=()) for row in rows if not row.said]
                for path, rows in self.paths.items()
            }
        )

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit."""
        for path, rows in self.paths.items():
            if len(self.paths) > 1 or path != "east-west":
                yield Text(way_title(path), style="bold")
            yield from lines(rows, options.max_width)


def lines(rows: Sequence[MetricRow], width: int) -> Sequence[Text | console_text.FittingLines]:
    """Return the rows in the first form that is not wider than `width`."""
    for badges, more in ((True, True), (False, True), (False, False)):
        form = _in_rows(rows, badges=badges, more=more)
        if max(line.cell_len for line in form) <= width:
            return form
    return list(_turned(rows, max(width, _NARROWEST)))


def _in_rows(rows: Sequence[MetricRow], *, badges: bool, more: bool) -> list[Text]:
    """Return a line for each driver beneath the names of the measures."""
    first = max(len(row.driver) for row in rows)
    head = [Text(" " * first)]
    for column in zip(*(row.figures for row in rows), strict=True):
        against = f", against {rows[0].driver}" if any(one.contrast for one in column) else ""
        head.append(Text(f"{column[0].name}{against}", style="bold"))
    shown = [row for row in rows if not row.said]
    columns = [_column(column) for column in zip(*(row.figures for row in shown), strict=True)]
    table = [[*head, Text()]]
    for row, *cells in zip(shown, *columns, strict=True):
        tail = [*_reasons(row.figures, more=more), *(row.badges if badges else ())]
        table.append([Text(row.driver.ljust(first)), *cells, Text("; ".join(tail))])
    lines = iter(console_text.aligned(table, ()))
    instead = (f"{row.driver.ljust(first)}  {row.said}" if row.said else "" for row in rows)
    return [next(lines), *(Text(said) if said else next(lines) for said in instead)]


def _column(figures: Sequence[MeasureCost]) -> list[Text]:
    """Return the cells of a measure, their medians set to the right."""
    medians = max((len(figure.median) for figure in figures), default=0)
    cells = []
    for figure in figures:
        cell = Text(figure.strong if figure.missing else figure.median.rjust(medians))
        cells.append(cell.append(" ").append(_judged(figure)) if figure.contrast else cell)
    return cells


def _judged(figure: MeasureCost) -> Text:
    """Return `26 % less [16 to 34]` in the colour of the verdict; of an undecided one the word."""
    if figure.verdict is None:
        return Text()
    said = figure.strong
    if figure.verdict is not Verdict.UNDECIDED:
        said = f"{said} {figure.rest}".strip()
    return Text(said, style=console_text.STYLES[figure.verdict])


def _reasons(figures: Sequence[MeasureCost], *, more: bool) -> list[str]:
    """Return why figures are undecided or missing, measures of one reason together."""
    if common := _common(figures, more=more):
        return [common]
    why = grouped((_why(figure, more=more), figure.name) for figure in figures if _open(figure))
    return [f"{joined(measures)}: {said}" for said, measures in why.items()]


def _common(figures: Sequence[MeasureCost], *, more: bool) -> str:
    """Return the reason that all figures have; empty where they differ."""
    reasons = {_why(figure, more=more) for figure in figures}
    return reasons.pop() if len(reasons) == 1 else ""


def _open(figure: MeasureCost) -> str:
    """Return why a figure has no verdict; empty where it has one."""
    return figure.rest if figure.verdict in (None, Verdict.UNDECIDED) else ""


def _why(figure: MeasureCost, *, more: bool) -> str:
    return "; ".join(filter(None, (_open(figure), figure.more if more else "")))


def _turned(rows: Sequence[MetricRow], width: int) -> Iterator[Text | console_text.FittingLines]:
    """Yield a block of lines for each driver, the baseline's medians beside its own."""
    baseline, *others = rows
    blocks = [row for row in others if not row.said] or [baseline]
    beside = [_text(figure) for figure in baseline.figures]
    texts = [(figure.name, figure.median, *beside) for row in blocks for figure in row.figures]
    name, median, *most = (max(map(len, column)) for column in zip(*texts, strict=True))
    lined = [
        [_line(*pair, (name, median, max(most))) for pair in zip(row.figures, beside, strict=True)]
        for row in blocks
    ]
    fits = all(line.cell_len <= width for lines in lined for line in lines)
    for row, lines in zip(blocks, lined, strict=True):
        against = "" if row is baseline else f" against {baseline.driver}"
        common = _common(row.figures, more=True)
        said = "; ".join(filter(None, (common, *row.badges)))
        yield console_text.paragraph(f"{row.driver}{against}{f': {said}' if said else ''}", "bold")
        for figure, line, other in zip(row.figures, lines, beside, strict=True):
            why = "" if common else _why(figure, more=True)
            yield from _explained(line, why, width) if fits else _stacked(figure, other, why, width)
    yield from (console_text.paragraph(f"{row.driver}: {row.said}") for row in rows if row.said)


def _line(figure: MeasureCost, beside: str, widths: tuple[int, int, int]) -> Text:
    """Return a figure, and the baseline's beside it, on one line."""
    line = Text(f" {figure.name.ljust(widths[0])} ")
    if figure.missing:
        return line.append(figure.strong)
    line.append(figure.median.rjust(widths[1]))
    if figure.beside_baseline:
        line.append(f" {beside.rjust(widths[2])} ").append(_judged(figure))
    line.rstrip()
    return line


def _stacked(figure: MeasureCost, beside: str, why: str, width: int) -> list[Text]:
    """Return the effect on one line, the medians and the reason beneath."""
    verdict, against = _judged(figure), f" against {beside}" if figure.beside_baseline else ""
    medians = f"{_text(figure)}{against}".replace(" ", console_text.GLUE)
    rest = "; ".join(filter(None, (medians, why)))
    head = Text(f" {figure.name}: ").append(verdict)
    head.rstrip()
    found = [head]
    if head.cell_len > width:
        found = [
            *map(Text, console_text.wrapped(f" {figure.name}:", width)),
            Text(console_text.INDENT) + verdict,
        ]
    return [*found, *map(Text, console_text.wrapped(f"{console_text.INDENT}{rest}", width))]


def _text(figure: MeasureCost) -> str:
    """Return its median, or in a word or two why there is none."""
    return figure.strong if figure.missing else figure.median


def _explained(line: Text, why: str, width: int) -> list[Text]:
    """Return a line with the reason behind it, or beneath where there is no room."""
    if not why:
        return [line]
    whole = line.copy().append(f": {why}")
    if whole.cell_len <= width:
        return [whole]
    return [line, *map(Text, console_text.wrapped(f"{console_text.INDENT}{why}", width))]

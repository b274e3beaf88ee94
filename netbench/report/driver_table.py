"""The table of drivers on a terminal, in as many columns as it has.

Nothing is cut. In a row a driver stands with all its measures. Where that is too wide, what limits
its figures goes first, which stands above the table too; then what would decide the undecided,
which stands beneath. If it is too wide still, the table is turned: a block of lines for each
driver, a line for each measure; at last two lines for each measure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from netbench.analysis.block_pairs import grouped
from netbench.report.answer import way_title
from netbench.report.console_text import GLUE, INDENT, STYLES, Paragraph, padded, wrapped
from netbench.report.driver_metrics import MetricFigure, MetricRow, PathRows
from netbench.report.labels import joined

_GAP: Final = 2  # spaces between the columns of a row
_NARROWEST: Final = 20


@dataclass(frozen=True, slots=True)
class DriverTable:
    """All drivers on all paths; a path is named unless it is the usual one alone."""

    paths: Sequence[PathRows]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit."""
        for one in self.paths:
            title = way_title(one.path)
            if len(self.paths) > 1 or one.path != "east-west":
                yield Text(title, style="bold")
            yield from lines(one.rows, options.max_width)


def lines(rows: Sequence[MetricRow], width: int) -> Sequence[Text | Paragraph]:
    """Return the rows in the first form that is not wider than `width`."""
    for badges, more in ((True, True), (False, True), (False, False)):
        form = _in_rows(rows, badges=badges, more=more)
        if max(line.cell_len for line in form) <= width:
            return form
    return list(_turned(rows, max(width, _NARROWEST)))


def _in_rows(rows: Sequence[MetricRow], *, badges: bool, more: bool) -> list[Text]:
    """Return a line for each driver beneath the names of the measures."""
    columns = list(zip(*(row.figures for row in rows), strict=True))
    against = f", against {rows[0].driver}"
    cells = [_column(column, [bool(row.said) for row in rows], against) for column in columns]
    first = max(len(row.driver) for row in rows) + _GAP
    head = Text(" " * first, style="bold")
    for column in cells:
        head.append(padded(column[0], _wide(column)))
    result = [head]
    for number, row in enumerate(rows):
        line = Text(row.driver.ljust(first))
        if row.said:
            result.append(line.append(row.said))
            continue
        for column in cells:
            line.append(padded(column[number + 1], _wide(column)))
        tail = [*_reasons(row.figures, more=more), *(row.badges if badges else ())]
        result.append(line.append("; ".join(tail)))
    for line in result:
        line.rstrip()
    return result


def _wide(column: Sequence[Text]) -> int:
    return max(cell.cell_len for cell in column) + _GAP


def _column(figures: Sequence[MetricFigure], said: Sequence[bool], against: str) -> list[Text]:
    """Return the name of a measure and its cells; a row that says something else has none."""
    shown = [f for f, instead in zip(figures, said, strict=True) if not instead and not f.missing]
    medians = max((len(figure.median) for figure in shown), default=0)
    compared = any(figure.effect for figure in shown)
    cells = [Text(f"{figures[0].measure}{against if compared else ''}", style="bold")]
    for figure, instead in zip(figures, said, strict=True):
        cell = Text("" if instead else figure.median)
        if not instead and not figure.missing:
            cell = Text(figure.median.rjust(medians))
            if figure.effect:
                cell.append(" ").append(_judged(figure))
        cells.append(cell)
    return cells


def _judged(figure: MetricFigure) -> Text:
    """Return `26 % less [16 to 34]` in the colour of the verdict."""
    return Text(figure.effect, style=STYLES[figure.verdict] if figure.verdict else "")


def _reasons(figures: Sequence[MetricFigure], *, more: bool) -> list[str]:
    """Return why figures are undecided or missing, measures of one reason together."""
    if common := _common(figures, more=more):
        return [common]
    why = grouped((_why(figure, more=more), figure.measure) for figure in figures if figure.why)
    return [f"{joined(measures)}: {said}" for said, measures in why.items()]


def _common(figures: Sequence[MetricFigure], *, more: bool) -> str:
    """Return the reason that all figures have; empty where they differ."""
    reasons = {_why(figure, more=more) for figure in figures}
    return reasons.pop() if len(reasons) == 1 else ""


def _why(figure: MetricFigure, *, more: bool) -> str:
    return "; ".join(filter(None, (figure.why, figure.more if more else "")))


def _turned(rows: Sequence[MetricRow], width: int) -> Iterator[Text | Paragraph]:
    """Yield a block of lines for each driver, the baseline's medians beside its own."""
    baseline, *others = rows
    blocks = [row for row in others if not row.said] or [baseline]
    pairs = {row: _Pair.of(row, baseline) for row in blocks}
    every = [pair for own in pairs.values() for pair in own]
    measure, median, beside = (
        max(map(len, column)) for column in zip(*(pair.texts for pair in every), strict=True)
    )
    lined = {pair: pair.line(measure, median, beside) for pair in every}
    fits = all(line.cell_len <= width for line in lined.values())
    for row in blocks:
        against = "" if row is baseline else f" against {baseline.driver}"
        common = _common(row.figures, more=True)
        said = "; ".join(filter(None, (common, *row.badges)))
        head = f"{row.driver}{against}{f': {said}' if said else ''}"
        yield Paragraph(head, "bold")
        for pair in pairs[row]:
            why = "" if common else _why(pair.figure, more=True)
            made = _explained(lined[pair], why, width) if fits else pair.stacked(why, width)
            yield from made
    for row in rows:
        if row.said:
            yield Paragraph(f"{row.driver}: {row.said}")


@dataclass(frozen=True, slots=True)
class _Pair:
    """A figure, and the baseline's median of the same measure."""

    figure: MetricFigure
    beside: str

    @classmethod
    def of(cls, row: MetricRow, baseline: MetricRow) -> list["_Pair"]:
        """Return those of a row; beside the baseline itself stands nothing."""
        medians = ["" if row is baseline else figure.median for figure in baseline.figures]
        return list(map(cls, row.figures, medians))

    @property
    def texts(self) -> tuple[str, str, str]:
        """What stands in columns."""
        figure = self.figure
        return figure.measure, "" if figure.missing else figure.median, self.beside

    def line(self, measure: int, median: int, beside: int) -> Text:
        """Return it on one line, its parts so wide."""
        figure = self.figure
        line = Text(f" {figure.measure.ljust(measure)} ")
        if figure.missing:
            return line.append(figure.median)
        line.append(figure.median.rjust(median))
        if figure.effect:
            line.append(f" {self.beside.rjust(beside)} ").append(_judged(figure))
        return line

    def stacked(self, why: str, width: int) -> list[Text]:
        """Return the effect on one line, the medians and the reason beneath."""
        figure, verdict = self.figure, _judged(self.figure)
        against = f" against {self.beside}" if figure.effect else ""
        medians = f"{figure.median}{against}".replace(" ", GLUE)
        rest = "; ".join(filter(None, (medians, why)))
        head = Text(f" {figure.measure}: ").append(verdict)
        head.rstrip()
        found = [head]
        if head.cell_len > width:
            found = [*map(Text, wrapped(f" {figure.measure}:", width)), Text(INDENT) + verdict]
        return [*found, *map(Text, wrapped(f"{INDENT}{rest}", width))]


def _explained(line: Text, why: str, width: int) -> list[Text]:
    """Return a line with the reason behind it, or beneath where there is no room."""
    if not why:
        return [line]
    whole = line.copy().append(f": {why}")
    if whole.cell_len <= width:
        return [whole]
    return [line, *map(Text, wrapped(f"{INDENT}{why}", width))]

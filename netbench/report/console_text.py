"""What the forms for the terminal share: colours, lines and tables."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from netbench.analysis.block_pairs import grouped
from netbench.analysis.model import BudgetResult, Standing, Verdict
from netbench.report import budgets

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
INDENT: Final = "    "  # of what is wrapped
GLUE: Final = "\N{NO-BREAK SPACE}"  # stands for a space at which `wrapped` breaks no line
_BEHIND_NUMBER: Final = re.compile(r"(?<=[0-9]) (?=[\w%])")
_GAP: Final = 2  # columns between two columns of a table
_LEAST: Final = 24  # columns in which a verdict still reads well
Cells = Sequence[str | Text]


def styled(lines: Iterable[str], style: str = "") -> list[Text]:
    """Return lines in one style; marks of rich's in them are letters."""
    return [Text(line, style=style) for line in lines]


def budget_lines(said: str, results: tuple[BudgetResult, ...]) -> list[RenderableType]:
    """Return a headline and a line for each budget; nothing where nothing is said."""
    lines = [paragraph(budgets.line(one), STANDINGS[one.final]) for one in results]
    return [Text(), paragraph(said, "bold"), *lines] if said else []


def wrapped(text: str, width: int, indent: str = INDENT) -> list[str]:
    """Return a text in lines that are no wider; words, and numbers with their units, stay whole."""
    if len(text) <= width:
        return [text.replace(GLUE, " ")]
    glued = _BEHIND_NUMBER.sub(GLUE, text)
    parts = wrap(
        glued, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [part.replace(GLUE, " ") for part in parts]


@dataclass(frozen=True, slots=True)
class FittingLines:
    """Lines that are made for the width of the terminal."""

    made: Callable[[int], Iterable[RenderableType]]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        yield from self.made(options.max_width)


def whole(lines: Iterable[str], style: str) -> list[Text]:
    """Return lines that rich does not wrap again."""
    return [Text(line, style=style, no_wrap=True, overflow="ignore") for line in lines]


def paragraph(text: str, style: str = "", indent: str = INDENT) -> FittingLines:
    """Return a sentence in as many lines as it takes."""
    return FittingLines(lambda width: whole(wrapped(text, width, indent), style))


def paragraphs(texts: Iterable[str], style: str = "") -> list[FittingLines]:
    """Return sentences in one style."""
    return [paragraph(text, style) for text in texts]


def one_line(*sentences: str) -> FittingLines:
    """Return sentences on one line, or a line each where that is too wide."""
    line = " ".join(sentences)
    return FittingLines(lambda w: paragraphs([line] if cell_len(line) <= w else sentences))


def copyable(why: str, command: str) -> FittingLines:
    """Return why one would run a command, and the command, whole: so that it can be copied."""

    def lines(width: int) -> list[Text]:
        if len(f"{why}: {command}") <= width:
            return whole([f"{why}: {command}"], "bold")
        parts = [f"  {command}"]
        if len(parts[0]) > width:
            parts = parts[0].replace(" --", " \\\n    --").splitlines()
        return whole([*wrapped(f"{why}:", width), *parts], "bold")

    return FittingLines(lines)


@dataclass(frozen=True, slots=True)
class FittingTable:
    """A table that is never cut; where it is too wide, each row is a sentence."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Cells]
    keys: int  # columns that name a row, set to the left; the others are set to the right

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit."""
        if self.title:
            yield Text("")
            yield from styled(wrapped(self.title, options.max_width), "bold")
        head = [Text(name, style="bold") for name in self.columns]
        rows = [
            [Text(cell) if isinstance(cell, str) else cell for cell in row] for row in self.rows
        ]
        made = aligned([head, *rows], range(self.keys, len(self.columns)))
        fits = all(line.cell_len <= options.max_width for line in made)
        yield from made if fits else self._sentences(rows, options.max_width)

    def _sentences(self, rows: Iterable[Sequence[Text]], width: int) -> list[Text]:
        found = []
        for row in rows:
            texts = [cell.plain.replace(" ", GLUE) for cell in row]
            named = zip(self.columns[self.keys :], texts[self.keys :], strict=True)
            figures = ", ".join(
                f"{name.replace(' ', GLUE)}{GLUE}{text}" for name, text in named if text
            )
            who = ", ".join(filter(None, (cell.plain for cell in row[: self.keys])))
            found += styled(wrapped(f"{who}: {figures}", width))
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """One row: cells of which the last may wrap, and the lines that it becomes without room."""

    group: str  # what stands above it, once for all that share it; empty for nothing
    cells: tuple[str, ...]
    brief: str
    below: str  # beneath `brief` on a narrow terminal; empty for nothing
    style: str = ""


@dataclass(frozen=True, slots=True)
class GroupedTable:
    """A table as wide as it may be: whole, without one column, or as a line or two for each row."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    figures: range  # columns that are set to the right
    spare: int | None = None  # the column that a narrow terminal does without

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        for spare in (None, self.spare):
            made = self._table(console, options.max_width, spare)
            if made:
                yield from made
                return
        yield from self._blocks(console, options.max_width)

    @property
    def _indent(self) -> int:
        return _GAP if any(row.group for row in self.rows) else 0

    def _table(self, console: Console, width: int, spare: int | None) -> list[Text]:
        """Return the table without the column `spare`; empty where that does not fit either."""
        texts = [self.heads, *(row.cells for row in self.rows)]
        widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
        shown = [at for at in range(len(widths)) if at != spare]
        last = width - self._indent - sum(widths[at] + _GAP for at in shown[:-1])
        if last < min(widths[-1], _LEAST):
            return []
        table, groups = [self._cells(self.heads, shown, "bold dim", "bold dim")], {0: ""}
        for group, rows in grouped((row.group, row) for row in self.rows).items():
            groups[len(table)] = group
            for row in rows:
                first, *more = _folded(console, row.cells[-1], last)
                blank = [""] * (len(widths) - 1)
                parts = ([*row.cells[:-1], first], *([*blank, line] for line in more))
                table += [self._cells(cells, shown, "", row.style) for cells in parts]
        lines = aligned(table, [place for place, at in enumerate(shown) if at in self.figures])
        headed = [[Text(groups[n])] if groups.get(n) else [] for n in range(len(lines))]
        return [part for head, line in zip(headed, lines, strict=True) for part in (*head, line)]

    def _cells(self, texts: Sequence[str], shown: list[int], style: str, last: str) -> list[Text]:
        """Return one row of the columns that are shown; `last` is the style of its last cell."""
        found = [Text().append(texts[at], style) for at in shown[:-1]]
        found = [*found, Text().append(texts[-1], last)]
        return [Text(" " * self._indent) + found[0], *found[1:]]

    def _blocks(self, console: Console, width: int) -> Iterator[Text]:
        for group, rows in grouped((row.group, row) for row in self.rows).items():
            parts = [(group, 0, "")] if group else []
            for row in rows:
                parts.append((row.brief, self._indent, ""))
                parts += [(row.below, self._indent + _GAP, row.style)] if row.below else []
            for text, indent, style in parts:
                for line in _folded(console, text, width - indent):
                    yield Text(" " * indent + line, style=style)


def _folded(console: Console, text: str, width: int) -> list[str]:
    """Return lines that break between words; within one only where it is longer than a line."""
    return [line.plain.rstrip() for line in Text(text).wrap(console, max(width, 1))] or [""]


def aligned(table: Sequence[Sequence[Text]], right: Collection[int]) -> list[Text]:
    """Return rows of cells in columns; those in `right` are set to the right."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        spaces = [Text(" " * (w - cell.cell_len)) for cell, w in zip(row, widths, strict=True)]
        cells = enumerate(zip(row, spaces, strict=True))
        parts = (space + cell if at in right else cell + space for at, (cell, space) in cells)
        line = Text(" " * _GAP).join(parts)
        line.rstrip()
        lines.append(line)
    return lines

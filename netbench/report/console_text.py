"""What the forms for the terminal share: colours, lines and tables."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

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
INDENT: Final = "    "
"""Of what is wrapped."""
GLUE: Final = "\N{NO-BREAK SPACE}"
"""Stands for a space at which `wrapped` breaks no line."""
_BEHIND_NUMBER: Final = re.compile(r"(?<=[0-9]) (?=[\w%])")
Cells = Sequence[str | Text]


def styled(lines: Iterable[str], style: str = "") -> list[Text]:
    """Return lines in one style; marks of rich's in them are letters."""
    return [Text(line, style=style) for line in lines]


def budget_lines(said: str, results: tuple[BudgetResult, ...]) -> list[RenderableType]:
    """Return a headline and a line for each budget; nothing where nothing is said."""
    lines = [Paragraph(budgets.line(one), STANDINGS[one.standing]) for one in results]
    return [Text(), Paragraph(said, "bold"), *lines] if said else []


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
class Paragraph:
    """A sentence in as many lines as it takes."""

    text: str
    style: str = ""
    indent: str = INDENT

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        lines = wrapped(self.text, options.max_width, self.indent)
        yield from (Text(line, style=self.style, no_wrap=True, overflow="ignore") for line in lines)


def paragraphs(texts: Iterable[str], style: str = "") -> list[Paragraph]:
    """Return sentences in one style."""
    return [Paragraph(text, style) for text in texts]


@dataclass(frozen=True, slots=True)
class FittingLine:
    """Sentences on one line, or a line each where that is too wide."""

    parts: Sequence[str]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit."""
        whole = " ".join(self.parts)
        fits = Text(whole).cell_len <= options.max_width
        yield from paragraphs([whole] if fits else self.parts)


@dataclass(frozen=True, slots=True)
class CopyableCommand:
    """Why one would run a command, and the command, whole: so that it can be copied."""

    why: str
    command: str

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield it on one line, or the command beneath, its options a line each if need be."""
        lines = [f"{self.why}: {self.command}"]
        if len(lines[0]) > options.max_width:
            lines = [f"  {self.command}"]
            if len(lines[0]) > options.max_width:
                lines = lines[0].replace(" --", " \\\n    --").splitlines()
            lines = [*wrapped(f"{self.why}:", options.max_width), *lines]
        yield from (Text(line, style="bold", no_wrap=True, overflow="ignore") for line in lines)


@dataclass(frozen=True, slots=True)
class FittingTable:
    """A table without lines that is never cut.

    Where it is too wide, each row is a sentence: its first cells, then the others by their columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Cells]
    keys: int
    """Columns that name a row, set to the left; the others are set to the right."""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit."""
        if self.title:
            yield Text("")
            yield from styled(wrapped(self.title, options.max_width), "bold")
        made = self._aligned()
        fits = all(line.cell_len <= options.max_width for line in made)
        yield from made if fits else self._sentences(options.max_width)

    def _aligned(self) -> list[Text]:
        head = [Text(name, style="bold") for name in self.columns]
        table = [head, *([as_text(cell) for cell in row] for row in self.rows)]
        widths = [max(cell.cell_len for cell in column) for column in zip(*table, strict=True)]
        lines = []
        for row in table:
            cells = list(zip(row, widths, strict=True))
            parts = [padded(cell, width) for cell, width in cells[: self.keys]]
            parts += [padded(cell, width, left=True) for cell, width in cells[self.keys :]]
            line = Text("  ").join(parts)
            line.rstrip()
            lines.append(line)
        return lines

    def _sentences(self, width: int) -> list[Text]:
        found = []
        for row in self.rows:
            texts = [as_text(cell).plain.replace(" ", GLUE) for cell in row]
            named = zip(self.columns[self.keys :], texts[self.keys :], strict=True)
            figures = ", ".join(
                f"{name.replace(' ', GLUE)}{GLUE}{text}" for name, text in named if text
            )
            who = ", ".join(filter(None, (as_text(cell).plain for cell in row[: self.keys])))
            found += styled(wrapped(f"{who}: {figures}", width))
        return found


def as_text(cell: str | Text) -> Text:
    """Return a cell as text, letter by letter."""
    return Text(cell) if isinstance(cell, str) else cell


def padded(text: Text, width: int, *, left: bool = False) -> Text:
    """Return a text with spaces behind it, or before it where `left`."""
    space = Text(" " * (width - text.cell_len))
    return space + text if left else text + space

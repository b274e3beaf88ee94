"""Tables that fit any terminal: whole, with a column less, or as lines; nothing is ever cut."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from netbench.analysis.block_pairs import grouped

_GAP: Final = 2  # columns between two columns of a table
_INDENT: Final = 2
_LEAST: Final = 24  # columns in which a verdict still reads well


@dataclass(frozen=True, slots=True)
class Row:
    """One row: cells of which the last may wrap, and the lines that it becomes without room."""

    group: str
    """What stands above it, once for all neighbours that share it; empty for nothing."""
    cells: tuple[str, ...]
    brief: str
    below: str
    """Beneath `brief` on a narrow terminal; empty for nothing."""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table as wide as it may be: whole, without one column, or as a line or two for each row."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    figures: range
    """Columns that are set to the right."""
    spare: int | None = None
    """The column that a narrow terminal does without."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        widths = [
            max(map(cell_len, column))
            for column in zip(self.heads, *(row.cells for row in self.rows), strict=True)
        ]
        columns = range(len(widths))
        for chosen in (list(columns), [at for at in columns if at != self.spare]):
            fixed = self._indent() + sum(widths[at] + _GAP for at in chosen[:-1])
            if options.max_width - fixed >= min(widths[-1], _LEAST):
                yield from self._table(console, {at: widths[at] for at in chosen}, fixed, options)
                return
        yield from self._blocks(console, options.max_width)

    def _indent(self) -> int:
        return _INDENT if any(row.group for row in self.rows) else 0

    def _table(
        self, console: Console, widths: Mapping[int, int], fixed: int, options: ConsoleOptions
    ) -> Iterable[Text]:
        """Yield the columns of these widths; all but the last take `fixed`."""
        yield self._line(self.heads, widths, "bold dim", "bold dim")
        for group, rows in grouped((row.group, row) for row in self.rows).items():
            yield from [Text(group)] if group else []
            for row in rows:
                first, *more = _wrapped(console, row.cells[-1], options.max_width - fixed)
                yield self._line((*row.cells[:-1], first), widths, "", row.style)
                yield from (Text(" " * fixed + line, style=row.style) for line in more)

    def _line(self, cells: Sequence[str], widths: Mapping[int, int], style: str, last: str) -> Text:
        """Return one line; `last` is the style of its last cell."""
        line = Text(" " * self._indent())
        for at, width in widths.items():
            padding = " " * (width - cell_len(cells[at]))
            before, after = (padding, "") if at in self.figures else ("", padding)
            line.append(before)
            line.append(cells[at], style=last if at == len(cells) - 1 else style)
            line.append(after + " " * _GAP)
        line.rstrip()
        return line

    def _blocks(self, console: Console, width: int) -> Iterable[Text]:
        """Yield each row as lines of text."""
        for group, rows in grouped((row.group, row) for row in self.rows).items():
            yield from _lines(console, group, width, 0, "") if group else ()
            indent = self._indent()
            for row in rows:
                yield from _lines(console, row.brief, width, indent, "")
                below = _lines(console, row.below, width, indent + _INDENT, row.style)
                yield from below if row.below else ()


def _lines(console: Console, text: str, width: int, indent: int, style: str) -> Iterable[Text]:
    for line in _wrapped(console, text, width - indent):
        yield Text(" " * indent + line, style=style)


def _wrapped(console: Console, text: str, width: int) -> list[str]:
    """Return lines that break between words; within one only where it is longer than a line."""
    return [line.plain.rstrip() for line in Text(text).wrap(console, max(width, 1))] or [""]

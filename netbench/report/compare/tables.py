"""Tables that fit any terminal: whole, with a column less, or as lines; nothing is ever cut."""

from collections.abc import Iterable, Sequence
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
        columns = list(range(len(self.heads)))
        shorter = [at for at in columns if at != self.spare]
        for chosen in (columns, shorter):
            room = options.max_width - self._fixed(chosen)
            if room >= self._least():
                yield from self._table(console, chosen, room)
                return
        yield from self._blocks(console, options.max_width)

    def _width(self, at: int) -> int:
        return max(cell_len(cells[at]) for cells in (self.heads, *(row.cells for row in self.rows)))

    def _fixed(self, chosen: Sequence[int]) -> int:
        """Return the columns that all but the last column take."""
        return self._indent() + sum(self._width(at) + _GAP for at in chosen[:-1])

    def _least(self) -> int:
        return min(self._width(len(self.heads) - 1), _LEAST)

    def _indent(self) -> int:
        return _INDENT if any(row.group for row in self.rows) else 0

    def _table(self, console: Console, chosen: Sequence[int], room: int) -> Iterable[Text]:
        yield self._line(self.heads, chosen, "", "bold dim")
        for group, rows in grouped((row.group, row) for row in self.rows).items():
            if group:
                yield Text(group)
            for row in rows:
                wrapped = _wrapped(console, row.cells[-1], room)
                yield self._line((*row.cells[:-1], wrapped[0]), chosen, row.style)
                for more in wrapped[1:]:
                    yield Text(" " * self._fixed(chosen) + more, style=row.style)

    def _line(
        self, cells: Sequence[str], chosen: Sequence[int], style: str, head: str = ""
    ) -> Text:
        line = Text(" " * self._indent())
        for at in chosen:
            padding = " " * (self._width(at) - cell_len(cells[at]))
            right = at in self.figures
            last = at == chosen[-1]
            line.append(padding if right else "")
            line.append(cells[at], style=head or (style if last else ""))
            line.append("" if last else ("" if right else padding) + " " * _GAP)
        line.rstrip()
        return line

    def _blocks(self, console: Console, width: int) -> Iterable[Text]:
        """Yield each row as lines of text."""
        for group, rows in grouped((row.group, row) for row in self.rows).items():
            yield from _lines(console, group, width, 0, "") if group else ()
            for row in rows:
                yield from _lines(console, row.brief, width, self._indent(), "")
                if row.below:
                    yield from _lines(
                        console, row.below, width, self._indent() + _INDENT, row.style
                    )


def _lines(console: Console, text: str, width: int, indent: int, style: str) -> Iterable[Text]:
    for line in _wrapped(console, text, width - indent):
        yield Text(" " * indent + line, style=style)


def _wrapped(console: Console, text: str, width: int) -> list[str]:
    """Return lines that break between words; within one only where it is longer than a line."""
    return [line.plain.rstrip() for line in Text(text).wrap(console, max(width, 1))] or [""]

"""Tables that may be long: their first rows stand in the page, all of them in its packed data."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netbench.report.document import Json
from netbench.report.figures import Figure

FIRST: Final = 15
"""Rows that stand in the page itself, for readers without scripts."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column."""

    title: str
    kind: str = ""
    """Style class: `num` for figures, `mono` for text of tools, `wrap` for long text."""


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table as the page shows it."""

    id: str
    caption: str
    """What it holds, for readers who do not see it."""
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    """All that the page carries."""
    driver: int | None = None
    """Column of the driver's name, by which the page filters."""
    metric: int | None = None
    """Column of the metric's name, by which the page filters."""
    keys: tuple[str, ...] = ()
    """An id for each row, where rows can be linked to; empty for a row that cannot."""
    first: int = FIRST
    left: int = 0
    """Rows that only records.jsonl has."""

    @property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """The rows that stand in the page itself."""
        return self.rows[: self.first]


def of_figure(figure: Figure) -> DataTable:
    """Return the data of a figure as a table."""
    headers = figure.headers
    return DataTable(
        id=f"data-{figure.id}",
        caption=f"Data of: {figure.title}",
        columns=tuple(TableColumn(header) for header in headers),
        rows=figure.rows,
        driver=headers.index("driver") if "driver" in headers else None,
        first=6,
        left=figure.left,
    )


def packed_rows(tables: Iterable[DataTable]) -> dict[str, Json]:
    """Return what the page's script needs of each table that has more rows than it shows.

    Column by column: what is alike stands together and packs to less.
    """
    return {
        table.id: {
            "columns": [list(column) for column in _columns(table)],
            "keys": list(table.keys),
        }
        for table in tables
    }


def _columns(table: DataTable) -> list[tuple[str, ...]]:
    return list(zip(*table.rows, strict=True)) or [() for _ in table.columns]

"""Plain tables for the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table(*headings: str) -> "Table":
    """Return an empty table without rules, whose cells wrap and read no markup."""
    from rich.table import Table as RichTable  # noqa: PLC0415 -- rich is slow to import

    made = RichTable(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made

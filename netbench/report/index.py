"""index.html: the runs of a folder on one page, the newest first, each with its outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from netbench.analysis.cell_key import plain
from netbench.record import RunInfo
from netbench.report.conditions import engine_named, host_text, kernel_text
from netbench.report.html_env import environment

MARK: Final = '<meta name="generator" content="netbench runs">'
"""Marks a page of netbench's, as opposed to another one of the same name."""
_DRIVERS: Final = 8  # drivers that are named of one run


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A run folder as the list shows it."""

    folder: str  # its name, relative to the page
    info: RunInfo | None
    problem: str  # why there is no `info`, else empty
    records: int
    lead: str | None
    """The outcome in one sentence; None if there is no report yet."""
    reported: bool  # whether there is a report to open

    @property
    def link(self) -> str:
        """Return where its report lies."""
        return f"{quote(self.folder, errors='replace')}/report.html"


def _drivers(info: RunInfo) -> str:
    """Return the drivers, the first few by name."""
    named = info.plan.drivers
    left = len(named) - _DRIVERS
    return plain(", ".join(named[:_DRIVERS]) + (f" and {left} more" if left > 0 else ""))


def index(entries: Sequence[IndexEntry]) -> str:
    """Return the page; it loads nothing and runs nothing."""
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            entries=entries,
            mark=MARK,
            drivers=_drivers,
            engine_named=engine_named,
            host_text=host_text,
            kernel_text=kernel_text,
        )
    )

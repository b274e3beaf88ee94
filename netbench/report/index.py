"""index.html: the runs of a folder on one page, the newest first, each with its outcome."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from netbench.analysis.cell_key import plain
from netbench.record import RunInfo
from netbench.report import conditions
from netbench.report.html_env import environment
from netbench.store import ListedRun

MARK: Final = '<meta name="generator" content="netbench runs">'
"""Marks a page of netbench's, as opposed to another one of the same name."""
_DRIVERS: Final = 8  # drivers that are named of one run


def _drivers(info: RunInfo) -> str:
    named = info.plan.drivers
    left = len(named) - _DRIVERS
    return plain(", ".join(named[:_DRIVERS]) + (f" and {left} more" if left > 0 else ""))


def index(entries: Sequence[ListedRun], reported: Container[Path]) -> str:
    """Return the page of run folders beside it; of those `reported` there is a report to open."""
    template = environment().get_template("index.html.j2")
    return template.render(
        entries=entries,
        reported=reported,
        mark=MARK,
        drivers=_drivers,
        quote=quote,
        conditions=conditions,
    )

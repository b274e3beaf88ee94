"""index.html: the runs of a folder on one page, the newest first, each with its outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.record import RunInfo
from netbench.report.labels import counted
from netbench.report.sections import engine_named, fact_text, host_text
from netbench.report.sentences import fact

MARK: Final = '<meta name="generator" content="netbench runs">'
"""What tells a page of ours from one that happens to have the same name."""
_DRIVERS: Final = 8
"""Drivers that are named of one run."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A run folder as the list shows it."""

    folder: str
    """Its name, relative to the page."""
    info: RunInfo | None
    problem: str
    """Why there is no `info`, else empty."""
    records: int
    lead: str | None
    """The outcome in one sentence; None where there is no report yet."""
    reported: bool
    """Whether there is a report to open."""

    @property
    def link(self) -> str:
        """Where its report lies."""
        return f"{quote(self.folder, errors='replace')}/report.html"

    @property
    def date(self) -> str:
        """`2026-01-14 10:15`, UTC."""
        return plain(self.info.created[:16].replace("T", " ")) if self.info else ""

    @property
    def drivers(self) -> str:
        """The drivers, the first few by name."""
        named = self.info.plan.drivers if self.info else ()
        left = len(named) - _DRIVERS
        more = f" and {left} more" if left > 0 else ""
        return plain(", ".join(named[:_DRIVERS]) + more)

    @property
    def where(self) -> str:
        """Engine, kernel and host."""
        if self.info is None:
            return ""
        kernel = fact_text(fact(self.info, "kernel.release"))
        return f"{engine_named(self.info)}, kernel {kernel}; {host_text(self.info)}"

    @property
    def what(self) -> str:
        """Suite, size and seed."""
        if self.info is None:
            return ""
        plan = self.info.plan
        took = "" if self.info.wall is None else f" in {units.duration(self.info.wall)}"
        most = "at most " if plan.adaptive else ""
        return plain(
            f"suite {plan.suite}, {most}{counted(plan.blocks, 'block')}, "
            f"{counted(self.records, 'record')}{took}, seed {plan.seed}, baseline {plan.baseline}"
        )


def index(entries: Sequence[IndexEntry]) -> str:
    """Return the page; it loads nothing and runs nothing."""
    environment = Environment(
        loader=PackageLoader("netbench.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    css = files("netbench.report").joinpath("templates", "page.css").read_text(encoding="utf-8")
    return environment.get_template("index.html.j2").render(entries=entries, mark=MARK, css=css)

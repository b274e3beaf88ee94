"""Reports: what the analysis says, as text. Pure functions, values in, text out.

Each takes the run's records once, in order, or the `Digest` of an earlier pass over them: where
several forms are written, `digest(analysis, records)` once and hand it to each.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netbench.analysis.model import Analysis
from netbench.record import Record, RunInfo
from netbench.report.collect import digest
from netbench.report.document import Json
from netbench.report.views import Digest

if TYPE_CHECKING:
    from rich.console import Group

__all__ = [
    "Digest",
    "budgets_told",
    "csv",
    "digest",
    "html",
    "json_document",
    "markdown",
    "terminal",
]


def _digest(analysis: Analysis, records: Iterable[Record] | Digest) -> Digest:
    return records if isinstance(records, Digest) else digest(analysis, records)


def budgets_told(info: RunInfo, analysis: Analysis) -> str:
    """Return what became of all budgets in one or two sentences; empty where there are none."""
    from netbench.report.budgets import told  # noqa: PLC0415 - only when asked for

    return told(info, analysis)


def html(info: RunInfo, analysis: Analysis, records: Iterable[Record] | Digest) -> str:
    """Return report.html: one file that needs nothing else, and no network."""
    from netbench.report.page import page  # noqa: PLC0415 - plotly and jinja2 are slow to import

    return page(info, analysis, _digest(analysis, records))


def markdown(info: RunInfo, analysis: Analysis, records: Iterable[Record] | Digest) -> str:
    """Return summary.md, short enough for the comment of a pull request."""
    from netbench.report.summary import summary  # noqa: PLC0415 - only when asked for

    return summary(info, analysis, _digest(analysis, records))


def csv(analysis: Analysis) -> str:
    """Return summary.csv: a row for each contrast and for each cell without one."""
    from netbench.report.tables import csv_text  # noqa: PLC0415 - only when asked for

    return csv_text(analysis)


def terminal(info: RunInfo, analysis: Analysis, records: Iterable[Record] | Digest) -> "Group":
    """Return the final table as something that a rich console prints."""
    from netbench.report.console import table  # noqa: PLC0415 - rich is slow to import

    return table(info, analysis, _digest(analysis, records))


def json_document(
    info: RunInfo, analysis: Analysis, folder: str, exit_code: int
) -> dict[str, Json]:
    """Return the document that `--json` prints for `run` and `report`."""
    from netbench.report.document import document  # noqa: PLC0415 - only when asked for

    return document(info, analysis, folder, exit_code)

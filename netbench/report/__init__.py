"""Reports: what the analysis says, as text. Pure functions, values in, text out.

Each takes the run's records once, in order, or the `Digest` of an earlier pass over them: where
several forms are written, `digest(analysis, records)` once and hand it to each. A `DigestCollector`
takes records before they are judged, in the pass that the analysis needs anyway.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from netbench.analysis.digest import DigestCollector, digest
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import Record, RunInfo

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Group


DECISION: Final = "decision.md"
"""The decision record's name in a run folder."""

__all__ = [
    "DECISION",
    "Digest",
    "DigestCollector",
    "budgets_told",
    "csv",
    "csv_of",
    "decision",
    "digest",
    "html",
    "json_document",
    "lead",
    "markdown",
    "openmetrics",
    "parquet_of",
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


def markdown(
    info: RunInfo, analysis: Analysis, records: Iterable[Record] | Digest, folder: str = ""
) -> str:
    """Return summary.md, short enough for the comment of a pull request.

    `folder` is the run folder as the command names it that goes on with an undecided run.
    """
    from netbench.report.summary import summary  # noqa: PLC0415 - only when asked for

    return summary(info, analysis, _digest(analysis, records), folder)


def csv(analysis: Analysis) -> str:
    """Return summary.csv: a row for each contrast and for each cell without one."""
    from netbench.report.tables import csv_text  # noqa: PLC0415 - only when asked for

    return csv_text(analysis)


def terminal(
    info: RunInfo, analysis: Analysis, records: Iterable[Record] | Digest, folder: str = ""
) -> "Group":
    """Return the final table as something that a rich console prints; `folder` as `markdown`."""
    from netbench.report.console import table  # noqa: PLC0415 - rich is slow to import

    return table(info, analysis, _digest(analysis, records), folder)


def decision(info: RunInfo, analysis: Analysis, digest: Digest) -> dict[str, str]:
    """Return the files of a decision record by name: the record, and the figure that it shows."""
    from netbench.report import contrast_plot  # noqa: PLC0415 - only when asked for
    from netbench.report.madr import FIGURE  # noqa: PLC0415 - same
    from netbench.report.madr import decision as record  # noqa: PLC0415 - same

    return {
        FIGURE: contrast_plot.contrast_plot(info, analysis),
        DECISION: record(info, analysis, digest),
    }


def csv_of(frame: "DataFrame") -> str:
    """Return a frame as CSV that no spreadsheet takes for formulas."""
    from netbench.report.exports import csv_of as written  # noqa: PLC0415 - only when asked for

    return written(frame)


def parquet_of(frame: "DataFrame") -> bytes:
    """Return a frame as a Parquet file.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    from netbench.report.exports import parquet_of as written  # noqa: PLC0415 - as above

    return written(frame)


def openmetrics(info: RunInfo, analysis: Analysis) -> str:
    """Return a run's figures as OpenMetrics text."""
    from netbench.report.openmetrics_text import openmetrics as written  # noqa: PLC0415 - as above

    return written(info, analysis)


def lead(analysis: Analysis, digest: Digest) -> str:
    """Return the run's outcome in one sentence."""
    from netbench.report.sentences import lead as sentence  # noqa: PLC0415 - as above

    return sentence(analysis, digest)


def json_document(
    info: RunInfo, analysis: Analysis, folder: str, exit_code: int, lead: str | None = None
) -> dict[str, Any]:
    """Return the document that `--json` prints for `run` and `report`."""
    from netbench.report.document import document  # noqa: PLC0415 - only when asked for

    return document(info, analysis, folder, exit_code, lead)

"""Reports: what the analysis says, as text. Pure functions, values in, text out.

Where several forms of a run are written, its `Digest` is made once and handed to each.
"""

from netbench.analysis.digest import digest
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report.answer import headline
from netbench.report.answer_picture import PICTURE, PNG, answer_picture, png
from netbench.report.budgets import outcome as budgets_told
from netbench.report.console import terminal
from netbench.report.document import document as json_document
from netbench.report.madr import DECISION, decision, decision_text
from netbench.report.page import page as html
from netbench.report.summary import summary as markdown
from netbench.report.tables import csv_of, parquet_of
from netbench.report.tables import csv_text as csv

__all__ = [
    "DECISION",
    "PICTURE",
    "PNG",
    "Digest",
    "answer_picture",
    "budgets_told",
    "csv",
    "csv_of",
    "decision",
    "decision_text",
    "digest",
    "headline",
    "html",
    "json_document",
    "markdown",
    "openmetrics",
    "parquet_of",
    "png",
    "terminal",
]


def openmetrics(info: RunInfo, analysis: Analysis) -> str:
    """Return a run's figures as OpenMetrics text."""
    from netbench.report import openmetrics_text  # noqa: PLC0415 - few ask for it

    return openmetrics_text.openmetrics(info, analysis)

"""Reports: what the analysis says, as text. Pure functions, values in, text out."""

from netbench.analysis.digest import digest
from netbench.analysis.digest_model import Digest
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
    "parquet_of",
    "png",
    "terminal",
]

"""Runs beside each other, as text. Pure functions, values in, text out."""

from netbench.report.compare.console import terminal
from netbench.report.compare.differences import accept_line
from netbench.report.compare.document import document as json_document
from netbench.report.compare.labels import budgets_told
from netbench.report.compare.page import page as html

__all__ = ["accept_line", "budgets_told", "html", "json_document", "terminal"]

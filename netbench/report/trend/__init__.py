"""Many runs over time, as text. Pure functions, values in, text out."""

from netbench.report.trend.console import terminal
from netbench.report.trend.document import document as json_document
from netbench.report.trend.page import page as html

__all__ = ["html", "json_document", "terminal"]

"""Runs beside each other, as text. Pure functions, values in, text out."""

from typing import TYPE_CHECKING, Any

from netbench.analysis.compare.model import RunComparison

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["budgets_told", "html", "json_document", "terminal"]


def budgets_told(comparison: RunComparison) -> str:
    """Return what became of all budgets in one or two sentences; empty where there are none."""
    from netbench.report.compare.labels import budgets_told as told  # noqa: PLC0415 - when asked

    return told(comparison)


def html(comparison: RunComparison) -> str:
    """Return the page: one file that needs nothing else, and no network."""
    from netbench.report.compare.page import page  # noqa: PLC0415 - jinja2 is slow to import

    return page(comparison)


def terminal(comparison: RunComparison) -> "Group":
    """Return what a rich console prints."""
    from netbench.report.compare.console import shown  # noqa: PLC0415 - rich is slow to import

    return shown(comparison)


def json_document(comparison: RunComparison, page: str, exit_code: int) -> dict[str, Any]:
    """Return the document that `compare --json` prints."""
    from netbench.report.compare.document import document  # noqa: PLC0415 - only when asked for

    return document(comparison, page, exit_code)

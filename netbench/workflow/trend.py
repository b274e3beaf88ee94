"""Runs over time: which count, and how that ends."""

from collections.abc import Sequence
from pathlib import Path

from netbench.analysis.trend import trend
from netbench.analysis.trend.model import Trend
from netbench.errors import INCOMPLETE, ConfigurationError
from netbench.report.trend import html
from netbench.store import RUN, file_problem, write_whole
from netbench.workflow.compare import accept_problems
from netbench.workflow.history import directory_problems, read_history
from netbench.workflow.options import Observer

DEFAULT_PAGE = "trend.html"


def trend_folders(
    directories: Sequence[Path],
    *,
    accept: Sequence[str],
    output: Path | None,
    observer: Observer,
) -> tuple[Trend, Path, int]:
    """Read a history and write the page; return the result, the page's path and the exit code.

    Exit code 3 where a folder cannot be read, or a run lacks records. Raises
    ConfigurationError with all that is wrong, RunFolderError for the page.
    """
    problems = [*directory_problems(directories, "DIRECTORIES")]
    target = output or _default_page(directories)
    if problem := file_problem(target):
        problems.append(f"--output: {problem}")
    if problems:
        raise ConfigurationError(*problems)
    runs, skipped = read_history(directories, observer)
    if wrong := accept_problems(accept, (run.info for run in runs)):
        raise ConfigurationError(*wrong)
    result = trend(runs, accept, skipped)
    page = write_whole(target, html(result).encode("utf-8", "replace"))
    lost = any(one.damaged for one in skipped) or any(run.missing for run in runs)
    return result, page, INCOMPLETE if lost else 0


def _default_page(directories: Sequence[Path]) -> Path:
    """Return `trend.html` in the first directory, beside it where that is a run folder."""
    first = directories[0].absolute()
    return (first.parent if (first / RUN).exists() else first) / DEFAULT_PAGE

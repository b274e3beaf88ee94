"""The page of a comparison: one file with everything in it, as the report of one run."""

from importlib.resources import files
from typing import Final

from markupsafe import Markup

from netbench.analysis.compare.model import RunComparison
from netbench.report import budgets
from netbench.report.compare import labels
from netbench.report.compare.charts import changes, spreads
from netbench.report.html_env import render
from netbench.report.labels import joined
from netbench.report.palette import driver_colours
from netbench.report.sections import engine_named, fact_text, host_text
from netbench.report.sentences import fact

_STYLE: Final = "templates/compare.css"


def page(comparison: RunComparison) -> str:
    """Return the whole page; each run has a colour, the first that of a baseline."""
    names = tuple(run.label for run in comparison.runs)
    style = files("netbench.report").joinpath(_STYLE).read_text(encoding="utf-8")
    return render(
        "compare.html.j2",
        driver_colours(names, names[0]),
        comparison=comparison,
        style=Markup(style),  # noqa: S704 - the project's own file
        accepted=labels.accepted_line(comparison),
        honest=labels.HONEST,
        joined=joined,
        labels=labels,
        budgets_told=labels.budgets_told(comparison),
        budget_results=budgets.ordered(comparison),
        budget=budgets,
        changes=changes,
        spreads=spreads,
        fact=fact,
        fact_text=fact_text,
        host_text=host_text,
        engine_named=engine_named,
    )

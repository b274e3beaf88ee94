"""decision.md: a decision record in MADR's sections, its outcome left to its author.

MADR 4.0, https://adr.github.io/madr/. What was measured is filled in; what is a matter of judgement
is marked for the author.
"""

import re
import shlex
from typing import Final

from markupsafe import Markup

from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Verdict
from netbench.record import METRICS, RunInfo
from netbench.report import budgets
from netbench.report.answer import headline
from netbench.report.conditions import engine_named, host_text, kernel_text, limits
from netbench.report.costs import cost_rows
from netbench.report.html_env import environment
from netbench.report.intervals import forest
from netbench.report.labels import capital, joined
from netbench.report.palette import BAND, INK, PAPER, QUIET, driver_colours
from netbench.report.sentences import (
    baseline_check,
    clause,
    declared_driver,
    engine_line,
    isolation_sentence,
    measure,
    primaries,
    primary_measures,
    trouble,
    way_sentences,
)
from netbench.report.sharing import network_isolation
from netbench.report.stopping import ending
from netbench.report.summary import markdown
from netbench.report.validity import doubts

DECISION: Final = "decision.md"  # the decision record's name in a run folder
FIGURE: Final = "decision.svg"  # the figure's name beside the record
WARNINGS: Final = 20  # warnings that are listed; the report has all
_WORTH: Final[dict[Verdict, str]] = {
    Verdict.FASTER: "Good",
    Verdict.SLOWER: "Bad",
    Verdict.EQUIVALENT: "Neutral",
    Verdict.UNDECIDED: "Neutral",
}


def decision(info: RunInfo, analysis: Analysis, digest: Digest) -> dict[str, str]:
    """Return the files of a decision record by name: the record, and the figure that it shows."""
    found = primaries(analysis)
    text = markdown(
        "decision.md.j2",
        analysis,
        info=info,
        paths=joined(sorted({cell.path.value for cell in info.plan.cells})),
        engine=engine_named(info),
        engine_line=engine_line(info),
        kernel=kernel_text(info),
        host=host_text(info),
        measures=[
            (capital(measure(key, metric)), METRICS[metric].better)
            for key, metric in primary_measures(analysis)
        ],
        known=_known(info),
        figure=FIGURE,
        headline=headline(info, analysis, digest),
        contrasts=found,
        costs=cost_rows(analysis, digest),
        said=budgets.outcome(info, analysis),
        results=budgets.ordered(analysis),
        undecided=sum(c.verdict is Verdict.UNDECIDED for c in found),
        ending=ending(info, analysis),
        views={driver: digest.view(driver) for driver in info.plan.drivers},
        isolation=isolation_sentence,
        network=network_isolation,
        check=baseline_check(analysis),
        trouble=trouble,
        clause=clause,
        worth=_WORTH,
        records=digest.total,
        command=_code(shlex.join(info.command)),
        conditions=_conditions(info, analysis, digest),
    )
    return {FIGURE: _figure(info, analysis), DECISION: text}


def _known(info: RunInfo) -> dict[str, tuple[str, str]]:
    """Return (summary, what it isolates) of each driver, by its name without the variant."""
    unknown = ("as its plug-in or its configuration makes it", "")
    found = {name: declared_driver(name) for name in info.plan.drivers}
    return {name: (d.summary, d.isolates) if d else unknown for name, d in found.items()}


def _conditions(info: RunInfo, analysis: Analysis, digest: Digest) -> list[str]:
    found = [doubt.text for doubt in doubts(analysis)]
    left = len(found) - WARNINGS
    return [
        *limits(info, analysis, digest),
        *(line for sentences in way_sentences(digest) for line in sentences),
        *found[:WARNINGS],
        *([f"and {left} more warnings in the report"] if left > 0 else []),
    ]


def _code(text: str) -> Markup:
    """Return a block that shows `text` as it is, whatever marks are in it."""
    clean = plain(text)
    longest = max(map(len, re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}sh\n{clean}\n{fence}")  # noqa: S704 - within a fence


def _figure(info: RunInfo, analysis: Analysis) -> str:
    """Return the contrasts with their intervals as an SVG file that stands alone.

    On white, in light colours, so that it is the same in a review, in a document and on paper.
    """
    colours = driver_colours(info.plan.drivers, analysis.baseline)
    template = environment().get_template("decision.svg.j2")
    drawn = template.render(
        forest=forest(analysis),
        baseline=plain(analysis.baseline),
        colours={driver: colour.light for driver, colour in colours.items()},
        better={name: metric.better for name, metric in METRICS.items()},
        ink=INK.light,
        paper=PAPER.light,
        quiet=QUIET.light,
        band=BAND.light,
    )
    return f"{drawn.strip()}\n"

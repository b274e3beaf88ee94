"""summary.md: what matters first, and short enough for the comment of a pull request."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from markupsafe import Markup

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Contrast, Standing, Verdict
from netbench.record import RunInfo
from netbench.report import budgets
from netbench.report.answer import headline
from netbench.report.costs import cost_rows
from netbench.report.html_env import environment
from netbench.report.labels import counted, joined
from netbench.report.sentences import (
    baseline_check,
    engine_line,
    fact,
    isolated_drivers,
    isolation_sentence,
    primaries,
    published_in_short,
    way_sentences,
)
from netbench.report.stopping import ending, extension
from netbench.report.validity import doubts

ROWS: Final = 20
"""Contrasts in the table; beyond that only those with a verdict."""
BUDGETS: Final = 8
NAMED: Final = 6  # drivers in the heading
NAME: Final = 60  # characters of a driver's name
DOUBTS: Final = 3
"""Warnings given in full; the others are counted, and stand in the page."""
LISTED: Final = 4  # sentences of one kind
SENTENCE: Final = 400  # characters of one sentence
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~$@])")
_APART: Final = re.compile(r"\n{3,}")


def escaped(text: str) -> str:
    """Return `text` so that Markdown shows it letter by letter."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def shortened(text: str, most: int = SENTENCE) -> str:
    """Return `text`, cut at a word where it is longer than `most` characters."""
    clean = plain(text)
    if len(clean) <= most:
        return clean
    return f"{clean[:most].rsplit(' ', 1)[0]} …"


def markdown(
    template: str,
    analysis: Analysis,
    *,
    cut: Callable[[str], str] = plain,
    name: Callable[[str], str] = plain,
    **values: Any,
) -> str:
    """Return a Markdown text from a template that passes names through `md`.

    `cut` and `name` shorten sentences and names of drivers.
    """
    page = environment().get_template(template)
    text = page.render(
        md=lambda text: Markup(escaped(text)),  # noqa: S704 - Markdown of letters
        analysis=analysis,
        cut=cut,
        name=name,
        **values,
    )
    return _APART.sub("\n\n", text).strip() + "\n"


def summary(info: RunInfo, analysis: Analysis, digest: Digest, folder: str = "") -> str:
    """Return the summary: verdict, budgets, table, costs, isolation, warnings, where and how.

    Args:
        info: of the run.
        analysis: of its records.
        digest: of its records.
        folder: of the run, for the command that goes on with it.
    """
    found, results = primaries(analysis), budgets.ordered(analysis)
    shown = _shown(found)
    left = [c for c in found if c not in shown]
    return markdown(
        "summary.md.j2",
        analysis,
        cut=shortened,
        name=partial(shortened, most=NAME),
        drivers=_drivers(info),
        engine_line=engine_line(info),
        headline=headline(info, analysis, digest),
        said=budgets.outcome(info, analysis),
        results=results[:BUDGETS],
        results_left=len(results[BUDGETS:]),
        results_open=sum(r.standing is not Standing.MET for r in results[BUDGETS:]),
        contrasts=shown,
        left=len(left),
        undecided=sum(c.verdict is Verdict.UNDECIDED for c in left),
        costs=_some(_costs(analysis, digest)),
        sentences=[
            *_some([isolation_sentence(view) for view in isolated_drivers(digest)]),
            *(line for sentences in way_sentences(digest) for line in _some(sentences)),
            f"{analysis.baseline}: {baseline_check(analysis)}.",
            published_in_short(info, analysis),
            ending(info, analysis),
        ],
        warnings=_counted_doubts(analysis),
        doubts=_some([doubt.text for doubt in doubts(analysis)], DOUBTS, ", with what to do"),
        extension=extension(info, analysis, folder),
        footer=_footer(info, digest),
    )


def _drivers(info: RunInfo) -> str:
    named = [shortened(driver, NAME) for driver in info.plan.drivers]
    left = len(named) - NAMED
    return ", ".join(named[:NAMED]) + (f" and {left} more" if left > 0 else "")


def _some(lines: Sequence[str], most: int = LISTED, more: str = "") -> list[str]:
    """Return the first few lines, and how many more there are."""
    left = len(lines) - most
    return [*lines[:most], *([f"and {left} more in report.html{more}"] if left > 0 else [])]


def _shown(found: Sequence[Contrast]) -> Sequence[Contrast]:
    if len(found) <= ROWS:
        return found
    return [c for c in found if c.verdict is not Verdict.UNDECIDED][:ROWS]


def _costs(analysis: Analysis, digest: Digest) -> list[str]:
    """Return a sentence for each cell: CPU time of the baseline, and how much more others use."""
    cells = grouped(((row.per, row.key.words), row) for row in cost_rows(analysis, digest))
    lines = []
    for (per, where), rows in cells.items():
        own = [f"{row.driver} {row.cost}" for row in rows if row.driver == analysis.baseline]
        others = [
            f"{row.driver} {row.ratio} times"
            for row in rows
            if row.driver != analysis.baseline and row.ratio != units.MISSING
        ]
        lines.append(f"CPU time per {per}, {where}: {joined([*own, *others])}.")
    return lines


def _counted_doubts(analysis: Analysis) -> str:
    """Return how many numbers each kind of warning stands beside; empty where there is none."""
    kinds = Counter(w.kind for w in analysis.warnings)
    kinds.update(w.kind for c in primaries(analysis) for w in c.warnings)
    counts = [f"{kind} {number}×" for kind, number in kinds.most_common()]
    return f"{counted(kinds.total(), 'warning')}: {', '.join(counts)}." if counts else ""


def _footer(info: RunInfo, digest: Digest) -> str:
    where = [f"run {info.id}", info.created, f"netbench {info.version}"]
    kernel = fact(info, "kernel.release")
    where += [f"kernel {kernel}"] if isinstance(kernel, str) else []
    where += [f"{digest.total} records", f"seed {info.plan.seed}"]
    where += [f"status {info.status}"] if info.status != "complete" else []
    return " · ".join(where)

"""summary.md: what matters first, and short enough for the comment of a pull request."""

import re
import shlex
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import Any, Final

from markupsafe import Markup

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Standing, Verdict
from netbench.record import RunInfo
from netbench.report import answer, budgets, sentences
from netbench.report.conditions import Badges, where
from netbench.report.costs import cost_sentences
from netbench.report.driver_costs import DriverCost, described_costs, driver_costs
from netbench.report.html_env import environment
from netbench.report.labels import capital, counted, joined, key_of, shared_by
from netbench.report.stopping import ending, extension
from netbench.report.validity import lacking, short

ROWS: Final = 20  # drivers in a table
BUDGETS: Final = 8
REASON: Final = 100  # characters of why a record failed
NAME: Final = 60  # characters of a driver's name
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


def inline_code(text: str) -> Markup:
    """Return a span that shows `text` as it is, whatever marks are in it."""
    clean = plain(text)
    ticks = "`" * (max(map(len, re.findall(r"`+", clean)), default=0) + 1)
    pad = " " if "`" in clean else ""
    return Markup(f"{ticks}{pad}{clean}{pad}{ticks}")  # noqa: S704 - within a span of code


def markdown(template: str, **values: Any) -> str:
    """Return a Markdown text from a template that passes names through `md`."""
    page = environment().get_template(template)
    text = page.render(
        md=lambda text: Markup(escaped(text)),  # noqa: S704 - Markdown of letters
        code=inline_code,
        **values,
    )
    return _APART.sub("\n\n", text).strip() + "\n"


def summary(info: RunInfo, analysis: Analysis, digest: Digest, folder: str = "") -> str:
    """Return the summary; the command that goes on with the run names its `folder`."""
    results = budgets.ordered(analysis)
    drivers = _ranked(driver_costs(info, analysis, digest))
    paths = grouped((one[0].path, one) for one in sentences.primary_measures(analysis))
    described = described_costs(info, analysis, digest, differing=False)
    return markdown(
        "summary.md.j2",
        analysis=analysis,
        cut=shortened,
        answer=answer,
        driver_name=_name,
        title=answer.title(info, analysis),
        headline=answer.headline(info, analysis, digest),
        caveats="; ".join(Badges(info, analysis, digest).lines()),
        said=budgets.outcome(info, analysis),
        results=results[:BUDGETS],
        results_left=len(results[BUDGETS:]),
        results_open=sum(r.final is not Standing.MET for r in results[BUDGETS:]),
        tables=paths,
        drivers=drivers[:ROWS],
        left=max(len(drivers) - ROWS, 0),
        described=described.drivers,
        described_paths=grouped((one[0].path, one) for one in described.measures),
        notes=[
            *lacking(analysis),
            _uncompared(info, analysis, digest),
            _certainty(analysis, described=bool(described.drivers)),
            *_without_baseline(analysis, shown=described.measures),
            *cost_sentences(analysis),
            _failed(analysis, digest),
            sentences.published_in_short(info, analysis),
            _warned(analysis),
        ],
        extension=extension(info, analysis, folder),
        command=shortened(shlex.join(info.command)),
        ending=ending(info, analysis).partition(";")[0].rstrip("."),
        footer=where(info, digest),
    )


def _ranked(drivers: Sequence[DriverCost]) -> Sequence[DriverCost]:
    """Return drivers, of too many those with a verdict before others; the baseline first."""
    if len(drivers) <= ROWS:
        return drivers
    open_ = (None, Verdict.UNDECIDED)
    decided = {d.driver for d in drivers if any(c.verdict not in open_ for c in d.costs.values())}
    return [*drivers[:1], *sorted(drivers[1:], key=lambda own: own.driver not in decided)]


def _name(own: DriverCost, path: str, analysis: Analysis) -> str:
    """Return `host (baseline; over loopback, MTU 65536)`, `bridge (published port, nat)`."""
    more = ["baseline"] if own.driver == analysis.baseline else []
    more += [*own.served(path), *own.badges[path]]
    beside = f" ({'; '.join(more)})" if more else ""
    return f"{shortened(own.driver, NAME)}{beside}"


def _uncompared(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the baseline's figures where no driver could be compared with it."""
    if sentences.primaries(analysis) or len(info.plan.drivers) == 1:
        return ""
    return f"{answer.answers(info, analysis, digest)[0]}."


def _without_baseline(
    analysis: Analysis, *, shown: Container[tuple[CellKey, str]]
) -> Iterator[str]:
    """Yield for each path what drivers reach there of which the baseline has no figure.

    What a table has `shown` is left out.
    """
    has = {c.path for c in analysis.cells if c.driver == analysis.baseline and c.trials}
    for path, cells in grouped(
        (cell.path, cell)
        for cell in sentences.uncompared(analysis)
        if (key_of(cell), cell.metric) not in shown
    ).items():
        figures = grouped(
            (c.driver, f"{units.quantity(c.median, c.unit)} {answer.what(key_of(c), c.metric)}")
            for c in cells
        )
        said = "; ".join(f"{driver} {', '.join(own)}" for driver, own in figures.items())
        without = "of which {} has none" if path in has else "where {} has no path"
        yield f"{answer.way_title(path)}, {without.format(analysis.baseline)}: {said}."


def _certainty(analysis: Analysis, *, described: bool) -> str:
    """Return what the intervals hold, and whether the baseline agrees with itself."""
    check = capital(sentences.baseline_check(analysis))
    if not sentences.primaries(analysis):
        return f"{check}."
    timed = any(metric == "rtt_p50" for _, metric in sentences.primary_measures(analysis))
    beside = ", each by itself 95 % or more of what is only described" if described else ""
    return (
        f"Intervals: {shared_by(analysis)}{beside}; differences are taken block by block, medians "
        f"over all sessions.{' A round trip is the median one.' if timed else ''} {check}."
    )


def _failed(analysis: Analysis, digest: Digest) -> str:
    """Return how many records gave no number, of which drivers, and why; empty if all did."""
    tally, parts = analysis.tally, []
    found = [problem for problem in digest.problems if problem.kind == "failure"]
    if tally.failures:
        whose = joined([*dict.fromkeys(problem.driver for problem in found)])
        parts.append(f"{tally.failures} of {counted(digest.total, 'record')} failed ({whose})")
    if found:
        most = max(found, key=lambda problem: problem.times)
        parts.append(f"most often: {shortened(most.reason, REASON)}")
    if tally.impossible:
        parts.append(f"{counted(tally.impossible, 'record')} not possible here")
    return f"{'; '.join(parts)}. All reasons are in report.html." if parts else ""


def _warned(analysis: Analysis) -> str:
    """Return how many numbers each kind of warning stands beside; empty where there is none."""
    kinds = Counter(w.kind for w in analysis.warnings)
    kinds.update(w.kind for c in sentences.primaries(analysis) for w in c.warnings)
    counts = [
        f"{short(kind)}{f' {number}×' if number > 1 else ''}"
        for kind, number in kinds.most_common()
    ]
    said = f"{counted(kinds.total(), 'warning')}: {', '.join(counts)}."
    return f"{said} What to do about them is in report.html." if counts else ""

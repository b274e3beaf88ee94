"""decision.md: a decision record in MADR's sections, its outcome left to its author.

MADR 4.0, https://adr.github.io/madr/. What was measured is filled in; what is a matter of judgement
is marked for the author.
"""

import re
import shlex
from collections.abc import Iterable
from typing import Final

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.drivers import DRIVERS
from netbench.record import METRICS, RunInfo
from netbench.report import budgets
from netbench.report.costs import cost_rows
from netbench.report.labels import capital, interval, joined, key_of
from netbench.report.limits import limits
from netbench.report.sections import engine_named, fact_text, host_text
from netbench.report.sentences import (
    baseline_check,
    clause,
    closed_sentences,
    engine_line,
    fact,
    isolation_sentence,
    lead,
    measure,
    primaries,
    published_sentences,
    trouble,
    unmeasured,
)
from netbench.report.sharing import network_isolation
from netbench.report.stopping import ending
from netbench.report.summary import escaped
from netbench.report.verdict_text import details, shared_by, signed
from netbench.report.warnings import doubts

FIGURE: Final = "decision.svg"
"""The figure's name beside the record."""
WARNINGS: Final = 20
"""Warnings that are listed; the report has all."""
_FRONT: Final = """---
status: proposed
date: # of the decision, YYYY-MM-DD
decision-makers:
consulted:
informed:
---"""
_TITLED: Final = 4
"""Options that fit into the title."""
_WORTH: Final[dict[Verdict, str]] = {
    Verdict.FASTER: "Good",
    Verdict.SLOWER: "Bad",
    Verdict.EQUIVALENT: "Neutral",
    Verdict.UNDECIDED: "Neutral",
}


def decision(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the record; the figure that it shows is `FIGURE`, beside it."""
    parts = [
        _FRONT,
        f"# {escaped(_title(info))}",
        *_context(info),
        *_drivers(analysis),
        "## Considered Options",
        _bullets(f"**{escaped(d)}**: {escaped(_what(d))}" for d in info.plan.drivers),
        "## Decision Outcome",
        _asked('Chosen option: "…", because …', "the figures say what it costs, not its worth"),
        *_consequences(info, analysis, digest),
        *_confirmation(info, analysis),
        "## Pros and Cons of the Options",
        *(part for d in info.plan.drivers for part in _option(analysis, digest, d)),
        *_more(info, analysis, digest),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _asked(what: str, why: str) -> str:
    """Return a place that the author fills in, which readers do not see."""
    return f"<!-- For the author: {what} ({why}). -->"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"* {line}" for line in lines if line)


def _title(info: RunInfo) -> str:
    drivers = info.plan.drivers
    if len(drivers) > _TITLED:
        return f"Choose one of {len(drivers)} network drivers for a container"
    if len(drivers) == 1:
        return f"Use the network driver {drivers[0]} or not"
    return f"Choose the network driver of a container: {', '.join(drivers[:-1])} or {drivers[-1]}"


def _context(info: RunInfo) -> list[str]:
    kernel = fact_text(fact(info, "kernel.release"))
    paths = joined(sorted({cell.path.value for cell in info.plan.cells}))
    return [
        "## Context and Problem Statement",
        escaped(
            "Which network driver should this service use, and what does it cost? netbench "
            f"measured {len(info.plan.drivers)} options on {paths} traffic, each against "
            f"{info.plan.baseline}, with {engine_named(info)} on kernel {kernel}; host: "
            f"{host_text(info)}."
        ),
        _asked("which service, what load, what it must reach", "one or two sentences"),
    ]


def _drivers(analysis: Analysis) -> list[str]:
    found = dict.fromkeys((key_of(c), c.metric) for c in primaries(analysis))
    lines = [
        f"{escaped(capital(measure(key, metric)))} ({METRICS[metric].better} is better)"
        for key, metric in found
    ]
    lines += ["CPU time that the network costs", "What each option isolates, and who reaches it"]
    return [
        "## Decision Drivers",
        _bullets(lines),
        _asked("which of these matter, and how much", "strike out what does not"),
    ]


def _what(driver: str) -> str:
    """Return what a driver is, by its name without the variant."""
    known = DRIVERS.get(driver.partition("@")[0])
    return known.summary if known else "as its plug-in or its configuration makes it"


def _consequences(info: RunInfo, analysis: Analysis, digest: Digest) -> list[str]:
    parts = ["### Consequences", escaped(lead(analysis, digest))]
    found = primaries(analysis)
    if found:
        baseline = escaped(analysis.baseline)
        lines = [
            f"| option | measure | verdict | ratio to {baseline} | median | {baseline} | blocks |",
            "|---|---|---|---|--:|--:|--:|",
            *(_row(contrast, analysis.margin) for contrast in found),
        ]
        parts += [
            "\n".join(lines),
            f"![Ratio of each option to {baseline} with its interval and verdict]({FIGURE})",
            (
                f"A ratio is option over {baseline} of the raw metric: below 1 is less throughput, "
                f"or less time. Intervals: {shared_by(analysis)}, at every planned look. "
                f"Equivalent: within {analysis.margin * 100:g} %."
            ),
        ]
    return [*parts, _costs(analysis, digest), _budgets(info, analysis)]


def _row(contrast: Contrast, margin: float) -> str:
    return (
        f"| {escaped(contrast.driver)} | {escaped(measure(key_of(contrast), contrast.metric))} "
        f"| {escaped(signed(contrast, margin))} | {units.ratio(contrast.ratio)} "
        f"{interval(contrast.low, contrast.high)} "
        f"| {units.quantity(contrast.driver_median, contrast.unit)} "
        f"| {units.quantity(contrast.baseline_median, contrast.unit)} | {contrast.blocks} |"
    )


def _costs(analysis: Analysis, digest: Digest) -> str:
    rows = cost_rows(analysis, digest)
    if not rows:
        return ""
    lines = ["| option | CPU time | median | ratio |", "|---|---|--:|---|"]
    lines += [
        f"| {escaped(row.driver)} | per {row.per}, {escaped(row.key.words)} | {row.cost} "
        f"| {row.ratio} |"
        for row in rows
    ]
    return "\n".join(lines)


def _budgets(info: RunInfo, analysis: Analysis) -> str:
    said = budgets.told(info, analysis)
    if not said:
        return ""
    lines = (escaped(budgets.line(result)) for result in budgets.ordered(analysis))
    return f"{escaped(said)}\n\n{_bullets(lines)}"


def _confirmation(info: RunInfo, analysis: Analysis) -> list[str]:
    found = primaries(analysis)
    ended = escaped(ending(info, analysis))
    open_ = sum(c.verdict is Verdict.UNDECIDED for c in found)
    told = f"{open_} of {len(found)} contrasts are undecided. " if open_ else ""
    return [
        "### Confirmation",
        (
            f"{told}{ended} The command below measures again; with `--require` it holds the "
            "figures that this decision rests on in continuous integration."
        ),
    ]


def _option(analysis: Analysis, digest: Digest, driver: str) -> list[str]:
    """Return what speaks for and against one option, as far as it was measured."""
    view = digest.view(driver)
    heading = f"### {escaped(driver)}"
    if view is not None and view.isolated is not None:
        told = capital(isolation_sentence(view).partition(": ")[2])
        return [heading, _bullets([f"Neutral, because it carries nothing: {escaped(told)}"])]
    known = DRIVERS.get(driver.partition("@")[0])
    lines = [f"Its ends: {escaped(network_isolation(view))}."]
    lines += [f"Isolates {escaped(known.isolates)}."] if known else []
    if view is not None and view.paths_held + view.paths_broken:
        proved = f"{view.paths_held} of {view.paths_held + view.paths_broken}"
        lines.append(f"The path was proved in {proved} records.")
    if driver == analysis.baseline:
        lines.append(f"It is the baseline; {escaped(baseline_check(analysis))}.")
    elif not primaries(analysis, driver):
        lines.append(f"No contrast: {escaped(trouble(view))}.")
    lines += [
        f"{_WORTH[c.verdict]}, because {escaped(clause(c, analysis.margin))}: "
        f"{units.ratio(c.ratio)} {interval(c.low, c.high)}, {details(c)}"
        for c in primaries(analysis, driver)
    ]
    return [heading, _bullets(lines)]


def _more(info: RunInfo, analysis: Analysis, digest: Digest) -> list[str]:
    found = [doubt.text for doubt in doubts(analysis)]
    left = len(found) - WARNINGS
    conditions = [
        *limits(info, analysis, digest),
        *closed_sentences(digest),
        *published_sentences(digest),
        *unmeasured(digest),
        *found[:WARNINGS],
        *([f"and {left} more warnings in the report"] if left > 0 else []),
    ]
    facts = [
        ("Run", f"{info.id}, {info.created}, status {info.status}, {digest.total} records"),
        ("Plan", f"suite {info.plan.suite}, seed {info.plan.seed}"),
        ("netbench", info.version),
        ("Engine", f"{engine_named(info)}. {engine_line(info)}"),
        ("Kernel", fact_text(fact(info, "kernel.release"))),
        ("Host", host_text(info)),
        *((name, version) for name, version in info.tools),
    ]
    return [
        "## More Information",
        (
            "The evidence is in the folder of this file: [report.html](report.html), its records "
            "in [records.jsonl](records.jsonl), what was asked and where in [run.json](run.json)."
        ),
        _bullets(f"{escaped(name)}: {escaped(value)}" for name, value in facts),
        "Measured by this command:",
        _code(shlex.join(info.command)),
        "It holds under these conditions:",
        _bullets(map(escaped, conditions)),
    ]


def _code(text: str) -> str:
    """Return a block that shows `text` as it is, whatever marks are in it."""
    clean = plain(text)
    longest = max(map(len, re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{clean}\n{fence}"

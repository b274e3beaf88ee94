"""summary.md: short enough for the comment of a pull request."""

import re
from typing import Final

from netbench import units
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report import budgets, literature
from netbench.report.ceiling import ceiling_sentences
from netbench.report.console import doubts
from netbench.report.costs import cost_notes, cost_rows
from netbench.report.sentences import (
    baseline_check,
    closed_sentences,
    engine_line,
    fact,
    isolated_drivers,
    isolation_sentence,
    lead,
    measure,
    primaries,
    published_sentences,
    unmeasured,
)
from netbench.report.stops import WORDS, ending
from netbench.report.views import Digest
from netbench.report.words import SIGNS, interval, key_of, plain

DOUBTS: Final = 12
"""Warnings that are listed; the rest stand in the page."""
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~$@])")


def escaped(text: str) -> str:
    """Return `text` so that Markdown shows it letter by letter."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def summary(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the summary: verdict, table, isolation, warnings, where it was measured."""
    parts = [
        f"### netbench: {escaped(', '.join(info.plan.drivers))}",
        escaped(engine_line(info)),
        f"**{escaped(lead(analysis, digest))}**",
        _budgets(info, analysis),
        _table(analysis),
        escaped(ending(info, analysis)),
        _costs(info, analysis, digest),
        *(escaped(isolation_sentence(view)) for view in isolated_drivers(digest)),
        "\n".join(
            f"- {escaped(line)}"
            for line in (
                *closed_sentences(digest),
                *published_sentences(digest),
                *unmeasured(digest),
            )
        ),
        f"{escaped(analysis.baseline)}: {escaped(baseline_check(analysis))}.",
        "\n".join(f"- {escaped(line)}" for line in ceiling_sentences(analysis)),
        _literature(info, analysis),
        _doubts(analysis),
        _footer(info, digest),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(analysis: Analysis) -> str:
    found = primaries(analysis)
    if not found:
        return ""
    baseline = escaped(analysis.baseline)
    lines = [
        f"| driver | measure | ratio | interval | median | {baseline} | verdict | state |",
        "|---|---|--:|---|--:|--:|---|---|",
    ]
    lines += [
        f"| {escaped(c.driver)} | {escaped(measure(key_of(c), c.metric))} "
        f"| {units.ratio(c.ratio)} | {interval(c.low, c.high)} "
        f"| {units.quantity(c.driver_median, c.unit)} "
        f"| {units.quantity(c.baseline_median, c.unit)} "
        f"| {SIGNS[c.verdict]} {c.verdict} "
        f"| {escaped(c.state)}, {c.blocks} blocks: {WORDS[c.stopped]} |"
        for c in found
    ]
    return "\n".join(lines)


def _budgets(info: RunInfo, analysis: Analysis) -> str:
    """Return what became of all budgets, and a row for each, those not met first."""
    said = budgets.told(info, analysis)
    if not said:
        return ""
    lines = [
        f"{escaped(said)}",
        "",
        "| budget | cell | measured | bound | standing |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {escaped(str(r.budget))} | {escaped(budgets.place(r))} | {escaped(budgets.figures(r))} "
        f"| {escaped(budgets.bound(r))} | {budgets.SIGNS[r.standing]} {r.standing}"
        f"{escaped(f': {r.reason}') if r.reason else ''} |"
        for r in budgets.ordered(analysis)
    ]
    return "\n".join(lines)


def _costs(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    rows = cost_rows(analysis, digest)
    if not rows:
        return ""
    lines = [
        "| driver | CPU time | | ratio | busy CPUs | client | server | unattributed | softirq |",
        "|---|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {escaped(row.driver)} | per {row.per}, {escaped(row.key.words)} | {row.cost} "
        f"| {row.ratio} | {row.busy} | {row.client} | {row.server} | {row.rest} | {row.softirq} |"
        for row in rows
    ]
    return "\n".join((*lines, "", " ".join(map(escaped, cost_notes(info, digest)))))


def _literature(info: RunInfo, analysis: Analysis) -> str:
    """Return what others published beside what this run measured, a line for each comparison."""
    short = literature.in_short(info, analysis)
    if not short:
        return ""
    found = (f"- {escaped(line.text)}" for line in literature.lines(info, analysis))
    return "\n".join([f"{escaped(short)}.", "", *found])


def _doubts(analysis: Analysis) -> str:
    found = doubts(analysis)
    lines = [f"- {escaped(line)}" for line in found[:DOUBTS]]
    if len(found) > DOUBTS:
        lines.append(f"- and {len(found) - DOUBTS} more in report.html")
    return "\n".join(lines)


def _footer(info: RunInfo, digest: Digest) -> str:
    where = [f"run {info.id}", info.created, f"netbench {info.version}"]
    kernel = fact(info, "kernel.release")
    if isinstance(kernel, str):
        where.append(f"kernel {kernel}")
    where += [f"{digest.total} records", f"seed {info.plan.seed}"]
    if info.status != "complete":
        where.append(f"status {info.status}")
    return f"<sub>{escaped(' · '.join(where))}</sub>"

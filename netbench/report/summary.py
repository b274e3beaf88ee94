"""summary.md: what matters first, and short enough for the comment of a pull request."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Contrast, Standing, Verdict
from netbench.record import RunInfo
from netbench.report import budgets, literature
from netbench.report.costs import CostRow, cost_rows
from netbench.report.labels import counted, interval, joined, key_of
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
from netbench.report.stopping import ending, extension
from netbench.report.verdict_text import shared_by, signed
from netbench.report.warnings import doubts

ROWS: Final = 20
"""Contrasts in the table; beyond that only those with a verdict."""
BUDGETS: Final = 8
NAMED: Final = 6
"""Drivers in the heading."""
NAME: Final = 60
"""Characters of a driver's name."""
DOUBTS: Final = 3
"""Warnings told in full; the others are counted, and stand in the page."""
LISTED: Final = 4
"""Sentences of one kind."""
SENTENCE: Final = 400
"""Characters of one sentence."""
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~$@])")


def escaped(text: str) -> str:
    """Return `text` so that Markdown shows it letter by letter."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def shortened(text: str, most: int = SENTENCE) -> str:
    """Return `text`, cut at a word where it is longer than `most` characters."""
    clean = plain(text)
    if len(clean) <= most:
        return clean
    return f"{clean[:most].rsplit(' ', 1)[0]} …"


def summary(info: RunInfo, analysis: Analysis, digest: Digest, folder: str = "") -> str:
    """Return the summary: verdict, budgets, table, costs, isolation, warnings, where and how.

    Args:
        info: of the run.
        analysis: of its records.
        digest: of its records.
        folder: of the run, for the command that goes on with it.
    """
    parts = [
        f"### netbench: {escaped(_drivers(info))}",
        escaped(shortened(engine_line(info))),
        f"**{escaped(shortened(lead(analysis, digest), 2 * SENTENCE))}**",
        _budgets(info, analysis),
        _table(analysis),
        _list(_costs(analysis, digest)),
        _list(
            [
                *_some([isolation_sentence(view) for view in isolated_drivers(digest)]),
                *_some(closed_sentences(digest)),
                *_some(published_sentences(digest)),
                *_some(unmeasured(digest)),
                f"{analysis.baseline}: {baseline_check(analysis)}.",
                *_some([literature.in_short(info, analysis)]),
                ending(info, analysis),
            ]
        ),
        _doubts(analysis),
        _extension(info, analysis, folder),
        _footer(info, digest),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _drivers(info: RunInfo) -> str:
    named = [shortened(driver, NAME) for driver in info.plan.drivers]
    left = len(named) - NAMED
    return ", ".join(named[:NAMED]) + (f" and {left} more" if left > 0 else "")


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(shortened(line))}" for line in lines if line)


def _some(lines: Sequence[str]) -> list[str]:
    """Return the first few lines, and how many more there are."""
    left = len(lines) - LISTED
    return [*lines[:LISTED], *([f"and {left} more in report.html"] if left > 0 else [])]


def _table(analysis: Analysis) -> str:
    found = primaries(analysis)
    if not found:
        return ""
    lines = [
        f"| driver | measure | verdict | ratio | median | {escaped(analysis.baseline)} | blocks |",
        "|---|---|---|---|--:|--:|--:|",
    ]
    shown = _shown(found)
    lines += [
        f"| {escaped(shortened(c.driver, NAME))} | {escaped(measure(key_of(c), c.metric))} "
        f"| {escaped(shortened(signed(c, analysis.margin)))} "
        f"| {units.ratio(c.ratio)} {interval(c.low, c.high)} "
        f"| {units.quantity(c.driver_median, c.unit)} "
        f"| {units.quantity(c.baseline_median, c.unit)} | {c.blocks} |"
        for c in shown
    ]
    left = [c for c in found if c not in shown]
    if left:
        undecided = sum(c.verdict is Verdict.UNDECIDED for c in left)
        which = "all of them" if undecided == len(left) else f"{undecided} of them"
        lines += ["", f"{len(left)} more in report.html, {which} undecided."]
    lines += ["", f"Intervals: {shared_by(analysis)}."]
    return "\n".join(lines)


def _shown(found: Sequence[Contrast]) -> Sequence[Contrast]:
    if len(found) <= ROWS:
        return found
    return [c for c in found if c.verdict is not Verdict.UNDECIDED][:ROWS]


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
    found = budgets.ordered(analysis)
    lines += [
        f"| {escaped(str(r.budget))} | {escaped(budgets.place(r))} | {escaped(budgets.figures(r))} "
        f"| {escaped(budgets.bound(r))} | {budgets.SIGNS[r.standing]} {r.standing}"
        f"{escaped(shortened(f': {r.reason}')) if r.reason else ''} |"
        for r in found[:BUDGETS]
    ]
    left = found[BUDGETS:]
    if left:
        open_ = sum(r.standing is not Standing.MET for r in left)
        lines += ["", f"{len(left)} more in report.html, {open_} of them not met or not decided."]
    return "\n".join(lines)


def _costs(analysis: Analysis, digest: Digest) -> list[str]:
    """Return a sentence for each cell: CPU time of the baseline, and how much more others use."""
    cells: dict[tuple[str, str], list[CostRow]] = {}
    for row in cost_rows(analysis, digest):
        cells.setdefault((row.per, row.key.words), []).append(row)
    told = []
    for (per, where), rows in cells.items():
        own = [f"{row.driver} {row.cost}" for row in rows if row.driver == analysis.baseline]
        others = [
            f"{row.driver} {row.ratio} times"
            for row in rows
            if row.driver != analysis.baseline and row.ratio != units.MISSING
        ]
        told.append(f"CPU time per {per}, {where}: {joined([*own, *others])}.")
    return _some(told)


def _doubts(analysis: Analysis) -> str:
    """Return how many numbers each warning stands beside, and the first few in full."""
    kinds = Counter(w.kind for w in analysis.warnings)
    kinds.update(w.kind for c in analysis.contrasts if c.primary for w in c.warnings)
    if not kinds:
        return ""
    counts = [f"{kind} {number}×" for kind, number in kinds.most_common()]
    found = [doubt.text for doubt in doubts(analysis)]
    left = len(found) - DOUBTS
    whole = f"{counted(kinds.total(), 'warning')}: {', '.join(counts)}."
    more = [f"and {left} more in report.html, with what to do"] if left > 0 else []
    return f"{escaped(shortened(whole))}\n\n{_list([*found[:DOUBTS], *more])}"


def _extension(info: RunInfo, analysis: Analysis, folder: str) -> str:
    """Return the command that would decide what is undecided; empty where there is none."""
    found = extension(info, analysis, folder)
    if found is None:
        return ""
    return f"{escaped(found.why)}: `{found.command.replace('`', '')}`"


def _footer(info: RunInfo, digest: Digest) -> str:
    where = [f"run {info.id}", info.created, f"netbench {info.version}"]
    kernel = fact(info, "kernel.release")
    if isinstance(kernel, str):
        where.append(f"kernel {kernel}")
    where += [f"{digest.total} records", f"seed {info.plan.seed}"]
    if info.status != "complete":
        where.append(f"status {info.status}")
    return f"<sub>{escaped(shortened(' · '.join(where)))}</sub>"

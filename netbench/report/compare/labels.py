"""What a comparison says, in words that terminal and page share."""

import math
from collections.abc import Sequence
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.compare.differences import fact_of
from netbench.analysis.compare.model import (
    Basis,
    ComparedSide,
    Pairing,
    RunComparison,
    RunContrast,
    Side,
)
from netbench.analysis.model import Verdict
from netbench.report import labels
from netbench.report.budgets import summed
from netbench.report.compare.differences import some
from netbench.report.conditions import engine_named, fact_text
from netbench.report.sentences import SUBJECTS, fact, measure

WITHHELD: Final = "withheld"
CAUTION: Final = (
    "Two runs are two days of one machine: a ratio to the baseline cancels what touched both "
    "alike, a figure of its own does not."
)
KNOWN_CAUTION: Final = (
    "Intervals hold the scatter between runs where the history has enough of them; where not, only "
    "what differs within the two runs."
)
_OTHERS: Final = (Verdict.EQUIVALENT, Verdict.UNDECIDED, WITHHELD)
"""What a contrast may be beside slower and faster."""
_FEW: Final = 2  # changed measures that a sentence names


def caution(comparison: RunComparison) -> str:
    """Return what limits every figure of a comparison."""
    return KNOWN_CAUTION if comparison.history else CAUTION


def history_line(comparison: RunComparison) -> str:
    """Return what the intervals hold of a history; empty without one."""
    if comparison.history is None:
        return ""
    primary = [one for p in comparison.pairings for one in p.contrasts if one.primary and one.ratio]
    known = sorted((one.history for one in primary if one.history), key=lambda one: one.between)
    total = labels.counted(len(primary), "comparison")
    read = f"History: {labels.counted(comparison.history.runs, 'run')}"
    if not known:
        return f"{read}; no comparison has a scatter between runs by it."
    spans = [
        _from_to([units.share(math.expm1(math.sqrt(one.between)), 1) for one in known]),
        _from_to([str(one.runs) for one in sorted(known, key=lambda one: one.runs)]),
        _from_to([str(one.freedom) for one in sorted(known, key=lambda one: one.freedom)]),
    ]
    short = len(primary) - len(known)
    lacking = f"; too short for {short} of them" if short else ""
    return (
        f"{read}. The intervals of {len(known)} of {total} hold a scatter between runs of "
        f"{spans[0]} (standard deviation, by {spans[1]} runs, {spans[2]} degrees of freedom)"
        f"{lacking}."
    )


def _from_to(texts: Sequence[str]) -> str:
    """Return `5`, or `5 to 8`."""
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def run_line(run: ComparedSide) -> str:
    """Return a run in one line: label, folder, when, on what."""
    info = run.info
    kernel = fact(info, "kernel.release")
    at = f", kernel {fact_text(kernel)}" if isinstance(kernel, str) else ""
    return plain(
        f"{run.label}: {run.folder} ({info.created[:16].replace('T', ' ')} UTC, "
        f"{engine_named(info)}{at}, suite {info.plan.suite})"
    )


def answer(pairing: Pairing) -> str:
    """Return `B against A: 2 of 9 comparisons slower (...), ...`, or why there is no verdict."""
    opening = plain(f"{pairing.right.label} against {pairing.left.label}")
    found = [one for one in pairing.contrasts if one.primary]
    if not found:
        return f"{opening}: no measure in common that runs are judged by."
    total = labels.counted(len(found), "comparison")
    kinds = grouped((WITHHELD if one.withheld else one.verdict, one) for one in found)
    if len(kinds) == 1 and WITHHELD in kinds:
        return f"{opening}: no verdict, because {_differing(found)}."
    everywhere = f"in all {total}" if len(found) > 1 else "in the only comparison"
    if len(kinds) == 1 and Verdict.EQUIVALENT in kinds:
        return f"{opening}: nothing got slower or faster: equivalent {everywhere}."
    if len(kinds) == 1 and Verdict.UNDECIDED in kinds:
        return f"{opening}: undecided {everywhere}{_because(found)}."
    rest = [
        f"{len(kinds[kind])} {kind}{_because(kinds[kind])}" for kind in _OTHERS if kind in kinds
    ]
    if not any(kind in kinds for kind in labels.DECIDED):
        return f"{opening}: nothing found slower or faster: of {total}, {labels.joined(rest)}."
    slower, faster = (kinds.get(kind, []) for kind in labels.DECIDED)
    parts = (
        f"{len(slower) or 'none'} of {total} slower{_largest(slower)}",
        f"{len(faster) or 'none'} faster{_largest(faster)}",
    )
    return f"{opening}: {labels.joined((*parts, *rest))}."


def _largest(found: Sequence[RunContrast]) -> str:
    """Return what changed most: ` (bridge: throughput on two cores 8 to 12 %)`."""
    measures = grouped(((one.driver, labels.key_of(one), one.metric), one) for one in found)
    largest = [max(own, key=_relative) for own in measures.values()]
    sizes = [(one, labels.sized(one).removesuffix(f" {one.verdict}")) for one in largest[:_FEW]]
    named = [f"{one.driver}: {measured(one)} {size}{_against(one)}" for one, size in sizes]
    more = "most: " if len(largest) > _FEW else ""
    return f" ({more}{plain('; '.join(named))})" if named else ""


def _because(found: Sequence[RunContrast]) -> str:
    """Return ` (only 4 of 6 needed blocks)` where all have one reason; empty where they differ."""
    if found[0].withheld:
        return f" ({_differing(found)})"
    reasons = {why(one) for one in found}
    return f" ({reasons.pop()})" if len(reasons) == 1 and any(reasons) else ""


def _differing(found: Sequence[RunContrast]) -> str:
    """Return which facts keep contrasts from being compared: `kernel.release differs`."""
    facts = dict.fromkeys(fact_of(name) for one in found for name in one.withheld)
    return f"{some(facts, (), 'fact')} {'differs' if len(facts) == 1 else 'differ'}"


def news(pairing: Pairing) -> tuple[tuple[Verdict, str], ...]:
    """Return what changed, one line a measure of a driver, regressions first."""
    lines = grouped(
        ((one.verdict, one.driver, labels.key_of(one), one.metric), one)
        for one in pairing.contrasts
        if one.primary and one.verdict in labels.DECIDED
    )
    return tuple((verdict, _news(found)) for (verdict, *_), found in lines.items())


def _news(found: Sequence[RunContrast]) -> str:
    """Return `bridge: median round trip on one core 17 to 22 % slower (20.4 µs after 17.1 µs)`."""
    said = []
    for one in sorted(found, key=_relative):
        after = f" ({level(one.right, one)} after {level(one.left, one)})"
        said.append(f"{labels.sized(one)}{_against(one) or after}")
    return plain(f"{found[0].driver}: {measured(found[0])} {labels.joined(said)}")


def _against(one: RunContrast) -> str:
    return f" against {one.baseline}" if _relative(one) else ""


def _relative(one: RunContrast) -> bool:
    return one.basis is Basis.RELATIVE


def every_run(comparison: RunComparison) -> tuple[ComparedSide, ...]:
    """Return the runs, and the one that confirms the last of them, if any."""
    return (*comparison.runs, *filter(None, [comparison.confirmation]))


def budgets_told(comparison: RunComparison) -> str:
    """Return what became of all budgets; empty where there are none."""
    return summed(comparison.budgets, allow_undecided=comparison.allow_undecided)


def subject(contrast: RunContrast) -> str:
    """Return what is compared: `bridge`, or `bridge / host`."""
    both = f"{contrast.driver} / {contrast.baseline}"
    return plain(both if _relative(contrast) else contrast.driver)


def measured(contrast: RunContrast) -> str:
    """Return the measure within a sentence."""
    key = labels.key_of(contrast)
    if contrast.metric in SUBJECTS:
        return measure(key, contrast.metric)
    return f"{labels.metric_title(contrast.metric)} of {key.probe} {key.place}"


def level(side: Side, contrast: RunContrast) -> str:
    """Return one run's figure: a ratio to the baseline, or the driver's median."""
    if _relative(contrast):
        return units.ratio(side.level)
    return units.quantity(side.median, contrast.unit)


def figures(contrast: RunContrast) -> str:
    """Return `0.953 [0.921, 0.986]`, where there is a ratio."""
    return units.MISSING if contrast.ratio is None else labels.ratio_text(contrast)


def verdict(contrast: RunContrast, margin: float) -> str:
    """Return the verdict with its size, or an undecided one with its reason."""
    said = short(contrast, margin)
    undecided = not contrast.withheld and contrast.verdict is Verdict.UNDECIDED
    return f"{said}: {why(contrast)}" if undecided else said


def short(contrast: RunContrast, margin: float) -> str:
    """Return the verdict with its size: `3.5 to 6.1 % slower`; without a reason."""
    if contrast.withheld:
        return WITHHELD
    if contrast.verdict in labels.DECIDED:
        return labels.sized(contrast)
    if contrast.verdict is Verdict.EQUIVALENT:
        return f"equivalent within {margin * 100:g} %"
    return contrast.verdict.value


def why(contrast: RunContrast) -> str:
    """Return what kept a contrast from a verdict; empty where it has one."""
    if contrast.withheld:
        return _differing([contrast])
    sides = (contrast.left, contrast.right)
    absent = [f"{side.run}: {side.reason}" for side in sides if side.reason]
    if absent:
        return plain("; ".join(absent))
    if contrast.verdict is not Verdict.UNDECIDED:
        return ""
    return plain(contrast.reason) or "no reason was kept"

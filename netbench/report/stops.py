"""Why a run ended and why each of its contrasts stopped, in words."""

import math
from collections.abc import Iterable
from typing import Final

from netbench import units
from netbench.analysis.model import Analysis, Contrast, Stopped
from netbench.analysis.points import TrialPoint, in_columns
from netbench.record import PlanSummary, RunInfo
from netbench.report.sentences import primaries, subject
from netbench.report.words import counted, joined, key_of

WORDS: Final[dict[Stopped, str]] = {
    Stopped.PRECISE: "precise",
    Stopped.DECIDED: "decided",
    Stopped.NO_CONTRAST: "without numbers",
    Stopped.LEADING: "left with its cell",
    Stopped.FOR_BUDGET: "settled, kept for a budget",
    Stopped.OUT_OF_TIME: "out of time",
    Stopped.OUT_OF_BLOCKS: "out of blocks",
    Stopped.FIXED_PLAN: "fixed plan",
    Stopped.INTERRUPTED: "interrupted",
    Stopped.ENGINE_LOST: "engine lost",
    Stopped.UNFINISHED: "unfinished",
}
SETTLED: Final = (Stopped.PRECISE, Stopped.DECIDED, Stopped.FOR_BUDGET, Stopped.NO_CONTRAST)
_NAMED: Final = 4
"""Contrasts that are named one by one; each tells for itself too."""
_LONGER: Final = 1.05
"""Times a limit from which on it is told that a run took longer."""
FAR: Final = 1000
"""Blocks from which on a forecast only says that no run will do."""


def stop_words(contrast: Contrast) -> str:
    """Return `decided after block 8`, or `out of time, 23 blocks would do at most`."""
    word = WORDS[contrast.stopped]
    if contrast.stopped_after is not None:
        return f"{word} after block {contrast.stopped_after}"
    return f"{word}, {_forecast(contrast)}" if contrast.forecast is not None else word


def ending(info: RunInfo, analysis: Analysis) -> str:
    """Return why the run ended, what was settled by then and what was not, in a few sentences."""
    plan = info.plan
    blocks = int(in_columns(analysis.points, TrialPoint).numbers("block").max(initial=0))
    found = primaries(analysis)
    if not plan.adaptive:
        how = "as was asked" if blocks == plan.blocks else f"of {plan.blocks}"
        return f"Fixed plan: {counted(blocks, 'block')} {how}; no contrast leaves such a run."
    open_ = [c for c in found if c.stopped not in SETTLED]
    timed = Stopped.OUT_OF_TIME if info.status == "out-of-time" else Stopped.OUT_OF_BLOCKS
    why = "Nothing was left to settle"
    if open_:
        why = _why(open_[0].stopped, plan)
    elif any(c.stopped is Stopped.FOR_BUDGET for c in found):
        why = _why(timed, plan)
    parts = [f"{why} after {counted(blocks, 'block')}{_longer(info, blocks)}"]
    parts += [
        f"{WORDS[word]}: {_named(group, found)}"
        for word in SETTLED
        if (group := [c for c in found if c.stopped is word])
    ]
    if open_:
        few = len(open_) <= _NAMED
        parts.append(f"not settled: {_named(open_, found) if few else _counted(open_, len(found))}")
    advice = _advice(info, open_, blocks)
    return ". ".join([f"{'; '.join(parts)}", *([advice] if advice else [])]) + "."


def _why(stopped: Stopped, plan: PlanSummary) -> str:
    match stopped:
        case Stopped.OUT_OF_TIME:
            limit = "" if plan.max_time is None else f" of {units.duration(plan.max_time)}"
            return f"The time{limit} was up"
        case Stopped.OUT_OF_BLOCKS:
            return f"The most blocks, {plan.blocks}, were done"
        case Stopped.FOR_BUDGET:
            return "It was settled; its cell stayed for a budget that is not decided"
        case Stopped.INTERRUPTED:
            return "The run was interrupted"
        case Stopped.ENGINE_LOST:
            return "The engine stopped answering"
        case _:
            return "The run has no end"


def _longer(info: RunInfo, blocks: int) -> str:
    """Return how long the least blocks took where that was more than the suite's own limit."""
    limit, wall = info.plan.max_time, info.wall
    if info.status != "out-of-time" or blocks != info.plan.unhurried:
        return ""
    if limit is None or wall is None or wall <= _LONGER * limit:
        return ""
    return f", the least that a verdict needs, which took {units.duration(wall)}"


def _forecast(contrast: Contrast) -> str:
    blocks = contrast.forecast or 0
    if blocks > FAR:
        return f"more than {FAR} blocks would be needed at this spread"
    return f"{blocks} blocks would do at most"


def _named(contrasts: list[Contrast], of: Iterable[Contrast]) -> str:
    """Return `bridge in throughput on two cores and median round trip on one core`.

    A metric that several probes of the run measure is told with its probe.
    """
    probes: dict[str, set[str]] = {}
    for contrast in of:
        probes.setdefault(contrast.metric, set()).add(contrast.probe)
    cells: dict[str, list[str]] = {}
    for contrast in contrasts:
        by = f" by {contrast.probe}" if len(probes[contrast.metric]) > 1 else ""
        cell = f"{subject(contrast.metric)}{by} {key_of(contrast).place}"
        if contrast.stopped not in SETTLED and contrast.forecast is not None:
            cell += f" ({_forecast(contrast)})"
        cells.setdefault(contrast.driver, []).append(cell)
    return ", ".join(f"{driver} in {joined(where)}" for driver, where in cells.items())


def _counted(contrasts: list[Contrast], of: int) -> str:
    """Return `12 of 15 contrasts, which 11 to 790 blocks would settle at most`."""
    text = f"{len(contrasts)} of {of} contrasts"
    known = [c.forecast for c in contrasts if c.forecast is not None]
    if not known:
        return text
    fewest, most = min(known), max(known)
    if fewest > FAR:
        return f"{text}, for each of which more than {FAR} blocks would be needed at this spread"
    upper = f"more than {FAR}" if most > FAR else f"{most}"
    return f"{text}, which {fewest} to {upper} blocks would settle at most"


def _advice(info: RunInfo, open_: list[Contrast], blocks: int) -> str:
    """Return the option that gives what is left the blocks it needs, by the pace of this run."""
    needed = max((c.forecast for c in open_ if c.forecast is not None), default=0)
    if not blocks < needed <= FAR or info.wall is None:
        return ""
    seconds = math.ceil(info.wall / blocks * needed / 10) * 10
    return f"For all of them: --blocks {needed}, at most {units.duration(seconds)}"

"""Why a run ended and why each of its contrasts stopped, in words."""

import math
from typing import Final

from netbench import units
from netbench.analysis.model import Analysis, Contrast, Stopped
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
FAR: Final = 1000
"""Blocks from which on a forecast only says that no run will do."""


def stop_words(contrast: Contrast) -> str:
    """Return `decided after block 8`, or `out of time, 23 blocks would do at most`."""
    word = WORDS[contrast.stopped]
    if contrast.stopped_after is not None:
        return f"{word} after block {contrast.stopped_after}"
    return f"{word}, {_forecast(contrast)}" if contrast.forecast is not None else word


def stop_sentence(contrast: Contrast, plan: PlanSummary) -> str:
    """Return why a contrast got no more blocks, as one sentence."""
    after = f"after block {contrast.stopped_after}"
    match contrast.stopped:
        case Stopped.PRECISE:
            width = f"{plan.precision * 100:g} %"
            return f"Its interval was within {width} of the ratio {after}, and the cell left."
        case Stopped.DECIDED:
            return f"A verdict stood {after}, and the cell left."
        case Stopped.NO_CONTRAST:
            return f"One side had given no number {after}, and the cell left."
        case Stopped.LEADING:
            return f"The contrast of its cell's leading metric was settled {after}."
        case Stopped.FIXED_PLAN:
            return f"The plan was fixed: {counted(plan.blocks, 'block')}, whatever they show."
        case _:
            return f"{_why(contrast.stopped, plan)}{_outlook(contrast)}."


def ending(info: RunInfo, analysis: Analysis) -> str:
    """Return why the run ended, what was settled by then and what was not, in a few sentences."""
    plan = info.plan
    blocks = max((point.block for point in analysis.points), default=0)
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
    parts = [f"{why} after {counted(blocks, 'block')}"]
    parts += [
        f"{WORDS[word]}: {_named(group)}"
        for word in SETTLED
        if (group := [c for c in found if c.stopped is word])
    ]
    parts += [f"not settled: {_named(open_)}"] if open_ else []
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


def _outlook(contrast: Contrast) -> str:
    return "" if contrast.forecast is None else f"; {_forecast(contrast)}"


def _forecast(contrast: Contrast) -> str:
    blocks = contrast.forecast or 0
    if blocks > FAR:
        return f"more than {FAR} blocks would be needed at this spread"
    return f"{blocks} blocks would do at most"


def _named(contrasts: list[Contrast]) -> str:
    """Return `bridge in throughput on two cores and median round trip on one core`."""
    cells: dict[str, list[str]] = {}
    for contrast in contrasts:
        cell = f"{subject(contrast.metric)} {key_of(contrast).place}"
        if contrast.stopped not in SETTLED and contrast.forecast is not None:
            cell += f" ({_forecast(contrast)})"
        cells.setdefault(contrast.driver, []).append(cell)
    return ", ".join(f"{driver} in {joined(where)}" for driver, where in cells.items())


def _advice(info: RunInfo, open_: list[Contrast], blocks: int) -> str:
    """Return the option that gives what is left the blocks it needs, by the pace of this run."""
    needed = max((c.forecast for c in open_ if c.forecast is not None), default=0)
    if not blocks < needed <= FAR or info.wall is None:
        return ""
    seconds = math.ceil(info.wall / blocks * needed / 10) * 10
    return f"For all of them: --blocks {needed}, at most {units.duration(seconds)}"

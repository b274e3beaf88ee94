"""Why a run ended and why each of its contrasts stopped, in words."""

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, Contrast, Stopped, Verdict
from netbench.plan.suite import LEAST_BLOCKS
from netbench.record import RunInfo
from netbench.report.labels import bounded, counted, joined, key_of
from netbench.report.sentences import SUBJECTS, primaries

WORDS: Final[dict[Stopped, str]] = {
    Stopped.PRECISE: "precise",
    Stopped.DECIDED: "decided",
    Stopped.DESCRIBED: "described in the first blocks",
    Stopped.NO_CONTRAST: "without numbers",
    Stopped.LEADING: "ended with its cell",
    Stopped.FOR_BUDGET: "settled, kept for a budget",
    Stopped.OUT_OF_TIME: "out of time",
    Stopped.OUT_OF_BLOCKS: "out of blocks",
    Stopped.FIXED_PLAN: "fixed plan",
    Stopped.INTERRUPTED: "interrupted",
    Stopped.ENGINE_LOST: "engine lost",
    Stopped.UNFINISHED: "unfinished",
}
SETTLED: Final = (
    Stopped.PRECISE,
    Stopped.DECIDED,
    Stopped.FOR_BUDGET,
    Stopped.DESCRIBED,
    Stopped.NO_CONTRAST,
)
_WHY: Final = {
    Stopped.OUT_OF_TIME: "The time limit{} was reached",
    Stopped.OUT_OF_BLOCKS: "The block limit was reached",
    Stopped.FOR_BUDGET: "A budget was not decided",
    Stopped.INTERRUPTED: "The run was interrupted",
    Stopped.ENGINE_LOST: "The engine stopped answering",
}
_NAMED: Final = 4  # contrasts that are named one by one; each has its own words too
_LONGER: Final = 1.05  # times a limit from which on the report says that a run took longer
_ENDED: Final = ("complete", "out-of-time")
_TENS: Final = 10  # seconds that a forecast of time is rounded up to
_MINUTE, _HOUR = 60, 3600
FAR: Final = 1000  # blocks from which on a forecast names no number


def stop_words(contrast: Contrast, precision: float | None = None) -> str:
    """Return `decided after block 8`, or `out of time, about 23 blocks needed for ±3 %`.

    `precision` is the half-width that the forecast is for, if it is to be said.
    """
    word = WORDS[contrast.stopped]
    if contrast.stopped_after is not None:
        return f"{word} after block {contrast.stopped_after}"
    if contrast.forecast is None:
        return word
    return f"{word}, {_needed(contrast.forecast, precision)}"


def ending(info: RunInfo, analysis: Analysis) -> str:
    """Return why the run ended, what was settled by then and what was not, in a few sentences."""
    plan = info.plan
    blocks = _done(analysis)
    found = primaries(analysis)
    if not plan.adaptive:
        how = "as was asked" if blocks == plan.blocks else f"of {plan.blocks}"
        return f"Fixed plan: {counted(blocks, 'block')} {how}, every cell in each."
    open_ = [c for c in found if c.stopped not in SETTLED]
    why = "Nothing was left to settle"
    if open_ or any(c.stopped is Stopped.FOR_BUDGET for c in found):
        timed = Stopped.OUT_OF_TIME if info.status == "out-of-time" else Stopped.OUT_OF_BLOCKS
        limit = "" if plan.max_time is None else f" of {units.duration(plan.max_time)}"
        stopped = open_[0].stopped if open_ else timed
        why = _WHY.get(stopped, "The run has not ended").format(limit)
    parts = [f"{why} after {counted(blocks, 'block')}{_longer(info, blocks)}"]
    parts += [
        f"{WORDS[word]}: {_named(group, found, plan.precision)}"
        for word in SETTLED
        if (group := [c for c in found if c.stopped is word])
    ]
    if open_:
        few, aim = len(open_) <= _NAMED, plan.precision
        said = _named(open_, found, aim) if few else _counted(open_, len(found), aim)
        parts.append(f"not settled: {said}")
    return f"{'; '.join(parts)}."


def _longer(info: RunInfo, blocks: int) -> str:
    """Return how long the least blocks took where that was more than the suite's own limit."""
    limit, wall = info.plan.max_time, info.wall
    least = info.status == "out-of-time" and blocks == info.plan.unhurried
    if not least or limit is None or wall is None or wall <= _LONGER * limit:
        return ""
    return f", the least that a verdict needs, which took {units.duration(wall)}"


def _needed(blocks: int, precision: float | None, about: str = "about ") -> str:
    number = f"more than {FAR}" if blocks > FAR else f"{about}{blocks}"
    of = "" if precision is None else f" for ±{precision * 100:g} %"
    return f"{number} blocks needed{of}"


def _named(contrasts: list[Contrast], of: Iterable[Contrast], precision: float) -> str:
    """Return `bridge in throughput on two cores`, by probe where several measure the metric."""
    probes = grouped((contrast.metric, contrast.probe) for contrast in of)

    def cell(contrast: Contrast) -> str:
        by = f" by {contrast.probe}" if len(set(probes[contrast.metric])) > 1 else ""
        text = f"{SUBJECTS.get(contrast.metric, contrast.metric)}{by} {key_of(contrast).place}"
        if contrast.stopped in SETTLED or contrast.forecast is None:
            return text
        return f"{text} ({_needed(contrast.forecast, precision)})"

    cells = grouped((contrast.driver, cell(contrast)) for contrast in contrasts)
    return ", ".join(f"{driver} in {joined(where)}" for driver, where in cells.items())


def _counted(contrasts: list[Contrast], of: int, precision: float) -> str:
    """Return `12 of 15 contrasts, 11 to 790 blocks needed for ±3 %`."""
    text = f"{len(contrasts)} of {of} contrasts"
    known = [c.forecast for c in contrasts if c.forecast is not None]
    if not known:
        return text
    fewest, most = min(known), max(known)
    if fewest > FAR:
        return f"{text}, {_needed(fewest, precision)} each"
    return f"{text}, {fewest} to {_needed(most, precision, about='')}"


@dataclass(frozen=True, slots=True)
class SuggestedExtension:
    """What would decide the contrasts of a run that are undecided."""

    why: str  # `1 of 3 comparisons undecided; about 12 more blocks needed (2 min)`
    command: str


def extension(info: RunInfo, analysis: Analysis, folder: str) -> SuggestedExtension | None:
    """Return the command that extends a run until all is decided; None if none would."""
    blocks = _done(analysis)
    found = primaries(analysis)
    open_ = [c for c in found if c.verdict is Verdict.UNDECIDED]
    forecasts = [c.forecast_verdict or c.forecast for c in open_]
    known = [n for n in forecasts if n is not None and n <= FAR]
    needed = max([*known, *(_least(info, c) for c in open_)], default=0)
    if not open_ or not blocks or (needed <= blocks and info.status in _ENDED):
        return None
    more = max(needed - blocks, 0)
    seconds = _time_of(info, analysis, more)
    why = f"{len(open_)} of {counted(len(found), 'comparison')} undecided"
    if more:
        why += f"; about {counted(more, 'more block')} needed"
        why += f" ({units.duration(seconds)})" if seconds else ""
    command = ["netbench run --resume", shlex.quote(plain(folder)) if folder else "FOLDER"]
    if info.status == "out-of-time" and seconds:
        command.append(f"--max-time +{seconds}")
    elif info.status in _ENDED:
        command.append(f"--blocks +{more}")
    return SuggestedExtension(why, " ".join(command))


def needed(info: RunInfo, analysis: Analysis, contrast: Contrast) -> str:
    """Return what would decide a contrast: `about 34 more blocks, 18 min`; empty if not known."""
    forecast = contrast.forecast_verdict or contrast.forecast
    more = max(forecast or 0, _least(info, contrast)) - _done(analysis)
    if forecast is not None and forecast > FAR:
        return f"more than {FAR} blocks needed"
    if more <= 0 or (forecast is None and contrast.blocks >= _least(info, contrast)):
        return ""
    seconds = _time_of(info, analysis, more)
    return f"about {counted(more, 'more block')}{f', {rough(seconds)}' if seconds else ''}"


def _least(info: RunInfo, contrast: Contrast) -> int:
    """Return the fewest blocks that can give a contrast a verdict; a fixed plan may have fewer."""
    return info.plan.least if bounded(contrast) else max(info.plan.least, LEAST_BLOCKS)


def rough(seconds: float) -> str:
    """Return a forecast of time as people say it: `50 s`, `18 min`, `6.5 h`."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{math.ceil(seconds / _MINUTE)} min"
    return f"{seconds / _HOUR:.1f} h"


def _time_of(info: RunInfo, analysis: Analysis, blocks: int) -> int:
    """Return how many seconds more blocks take at the run's pace, in tens; 0 if not known."""
    done = _done(analysis)
    return math.ceil(info.wall / done * blocks / _TENS) * _TENS if info.wall and done else 0


def _done(analysis: Analysis) -> int:
    return max((point.block for point in analysis.points), default=0)

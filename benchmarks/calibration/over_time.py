"""The tables of docs/method.md about many runs: made-up histories, and real upgrades."""

import math
from collections.abc import Iterable, Sequence
from statistics import median

from histories import Compared, Row, Told
from proportions import Proportion
from upgrades import COSTS, Judged, Upgrade

Cells = tuple[Sequence[str], list[Sequence[str]]]


def histories(rows: Iterable[Row]) -> Cells:
    """Return how made-up histories were read."""
    head = (
        "steps",
        "drift",
        "change with the kernel",
        "noise of runs",
        "steps found within one run",
        "missed",
        "histories with a false step",
        "steps at the change of kernel",
        "change of kernel told as a break",
        "drift told",
        "other drifts told",
    )
    return head, [_told(row) for row in rows if isinstance(row, Told)]


def _told(row: Told) -> Sequence[str]:
    story = row.story
    return (
        f"two of {story.steps * 100:.0f} %" if story.steps else "none",
        f"{story.drift * 100:.0f} %" if story.drift else "none",
        f"{story.kernel * 100:.0f} %" if story.kernel else "none",
        "t, 3 degrees of freedom" if story.odd else "normal",
        str(Proportion(row.found, row.known)) if row.known else "-",
        f"{(1 - row.found / row.known) * 100:.1f} %" if row.known else "-",
        str(Proportion(row.spoiled, row.histories)),
        str(row.at_kernel),
        f"{row.breaks} of {row.histories}",
        f"{(row.drifts / row.histories) * 100:.0f} %" if story.drift else "-",
        str(row.other_drifts),
    )


def intervals(rows: Iterable[Row]) -> Cells:
    """Return what intervals between two runs are worth, with a history and without."""
    head = (
        "history",
        "no change: called one",
        "interval holds the truth",
        "change of 6 %: found",
        "interval holds the truth",
        "half-width, median",
    )
    found: dict[int, list[Compared]] = {}
    for row in rows:
        if isinstance(row, Compared):
            found.setdefault(row.history, []).append(row)
    return head, [_held(history, own) for history, own in found.items()]


def _held(history: int, own: list[Compared]) -> Sequence[str]:
    still = next(one for one in own if not one.change)
    moved = next(one for one in own if one.change)
    return (
        f"{history} runs" if history else "none",
        str(Proportion(still.differs, still.pairs)),
        f"{(still.covered / still.pairs) * 100:.1f} %",
        f"{(moved.differs / moved.pairs) * 100:.1f} %",
        f"{(moved.covered / moved.pairs) * 100:.1f} %",
        f"{(math.expm1(still.half_width)) * 100:.1f} %",
    )


def upgrades(rows: Sequence[Upgrade]) -> Cells:
    """Return how often a real upgrade was caught, and one that costs nothing was not."""
    head = (
        "upgrade",
        "compare",
        "runs",
        "measured again",
        "called slower",
        "called faster",
        "equivalent",
        "undecided",
        "interval holds the truth",
        "half-width, median",
    )
    made = []
    for kind, cost in COSTS.items():
        own = [row for row in rows if row.kind == kind]
        ways = {
            "with the history": [one.with_history for one in own],
            "without": [one.alone for one in own],
        }
        again = str(sum(row.again for row in own))
        made += [_judged(kind, cost, way, again, found) for way, found in ways.items() if found]
    return head, made


def _judged(kind: str, cost: float, way: str, again: str, found: list[Judged]) -> Sequence[str]:
    verdicts = ("slower", "faster", "equivalent", "undecided")
    known = [one for one in found if one.low and one.high]
    held = sum((one.low or 0) <= cost <= (one.high or math.inf) for one in found)
    half = median(math.sqrt((x.high or 1) / (x.low or 1)) - 1 for x in known) if known else 0.0
    return (
        f"{kind}: {cost * 100:.0f} % of the rate",
        way,
        str(len(found)),
        again,
        *(str(sum(one.verdict == verdict for one in found)) for verdict in verdicts),
        f"{held} of {len(found)}",
        f"{half * 100:.1f} %",
    )

"""The words and signs that every form of the report shares: of contrasts, verdicts and cells."""

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.compare.model import RunContrast
from netbench.analysis.model import (
    Analysis,
    BudgetResult,
    CellSummary,
    Contrast,
    NullContrast,
    TrialPoint,
    Verdict,
)
from netbench.analysis.trend.model import LevelStep, TrendSeries
from netbench.record import METRICS, RunInfo
from netbench.spec import Cell

CONFIDENCE: Final = 95
"""Percent, of all intervals of the primary contrasts together, and of each unshared one."""
DECIDED: Final = (Verdict.SLOWER, Verdict.FASTER)
_WHOLE_FROM: Final = 10  # percent from which on no decimal is shown
_DIGITS: Final = 4  # decimals at most

Placed = (
    Contrast
    | NullContrast
    | CellSummary
    | BudgetResult
    | TrialPoint
    | RunContrast
    | Cell
    | TrendSeries
)
"""What belongs to a cell."""


AnyContrast = TypeVar("AnyContrast", Contrast, RunContrast)


def key_of(thing: Placed) -> CellKey:
    """Return the cell that something is of."""
    return CellKey(thing.path, thing.probe, thing.placement)


def baseline_first(info: RunInfo) -> list[str]:
    """Return the drivers of a run in its order, but for the baseline, which comes first."""
    return sorted(info.plan.drivers, key=lambda driver: driver != info.plan.baseline)


def contrast_id(contrast: Contrast) -> str:
    """Return a name for HTML ids, the same in every report of the same comparison."""
    driver = slug(contrast.driver)
    return f"contrast-{driver}-{key_of(contrast).slug}-{slug(contrast.metric)}"


def slug(text: str) -> str:
    """Return a name of letters, digits, hyphens and underscores, another one for another text."""
    made = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "-" for c in text)
    if made == text.replace(":", "-") and "-" not in text:
        return made
    return f"{made[:60]}-{zlib.crc32(text.encode()):08x}"


def concerns(contrast: Contrast, key: CellKey, metric: str) -> bool:
    """Return whether a contrast is of this cell and metric."""
    return contrast.metric == metric and key_of(contrast) == key


def by_verdict(contrasts: Iterable[AnyContrast]) -> list[tuple[Verdict, list[AnyContrast]]]:
    """Return contrasts by verdict: the slower, the faster, the equivalent, the undecided ones."""
    groups = grouped((contrast.verdict, contrast) for contrast in contrasts)
    order = (*DECIDED, Verdict.EQUIVALENT, Verdict.UNDECIDED)
    return [(verdict, groups[verdict]) for verdict in order if verdict in groups]


def cell_of(analysis: Analysis, driver: str, key: CellKey, metric: str) -> CellSummary | None:
    """Return what a driver measured in a cell, of the baseline its first arm."""
    own = (driver, 0, metric)
    cells = (c for c in analysis.cells if (c.driver, c.replica, c.metric) == own)
    return next((cell for cell in cells if key_of(cell) == key), None)


def metric_title(metric: str) -> str:
    """Return the metric's title, or its name where it is not in the table."""
    return METRICS[metric].title if metric in METRICS else metric


def bounded(contrast: Contrast) -> bool:
    """Return whether the contrast has an interval with two ends."""
    return contrast.low is not None and contrast.high is not None


def interval(low: float | None, high: float | None) -> str:
    """Return `[0.751, 0.812]`, or `unbounded` where there are too few blocks for an interval."""
    return "unbounded" if low is None and high is None else units.interval(low, high)


def ratio_text(contrast: Contrast | RunContrast) -> str:
    """Return `0.783 [0.751, 0.812]`."""
    return f"{units.ratio(contrast.ratio)} {interval(contrast.low, contrast.high)}"


def shortened(text: str, most: int) -> str:
    """Return `text` with its middle left out where it is longer: variants differ at the end."""
    if len(text) <= most:
        return text
    tail = most // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def capital(text: str) -> str:
    """Return `text` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """Return `1 failure`, `2 failures`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    if len(parts) < 2:  # noqa: PLR2004 - one part needs no "and"
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def few(names: Sequence[str], most: int) -> str:
    """Return `a`, `a and b`, or of more than `most` the first and `5 more`."""
    shown = [plain(name) for name in names]
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1} more"]
    return joined(shown)


def judgement(contrast: Contrast, margin: float) -> str:
    """Return `22 to 26 % slower`, `equivalent within 5 %` or `undecided: <reason>` (METHOD §2)."""
    match contrast.verdict:
        case Verdict.EQUIVALENT:
            return f"equivalent within {margin * 100:g} %"
        case Verdict.UNDECIDED:
            return f"undecided: {plain(contrast.reason) or 'no reason was kept'}"
        case Verdict.FASTER | Verdict.SLOWER if contrast.by_sign:
            blocks = counted(contrast.blocks, "block")
            return f"{contrast.verdict} in each of {blocks}; size not known"
        case Verdict.FASTER | Verdict.SLOWER:
            return sized(contrast)


def sized(judged: Contrast | RunContrast | LevelStep) -> str:
    """Return `22 to 26 % slower` of a decided one; `at least 0.7 % slower` where one end is open.

    Percent are those of the metric: of throughput that is lost or won, of time that is added or
    saved. Without an interval there is only the word.
    """
    size = _span(judged)
    return f"{size} {judged.verdict}" if size else judged.verdict.value


def brief(contrast: Contrast) -> str:
    """Return a verdict for a place with little room: `22 to 26 %`, `equivalent`, `undecided`."""
    if contrast.verdict in DECIDED and not contrast.by_sign:
        return _span(contrast) or contrast.verdict.value
    return contrast.verdict.value


def _span(judged: Contrast | RunContrast | LevelStep) -> str:
    """Return `22 to 26 %`, or `at least 22 %`; empty without an interval that leaves out 1."""
    ends = interval_ends(judged)
    if len(ends) < 2:  # noqa: PLR2004 -- an interval has two ends
        return at_least(judged)
    low, high = rounded(ends)
    return f"{low} to {high} %" if low != high else f"{low} %"


def at_least(judged: Contrast | RunContrast | LevelStep) -> str:
    """Return `at least 22 %` where the interval has one end that leaves out 1, else nothing."""
    ends = interval_ends(judged)
    return f"at least {rounded(ends)[0]} %" if ends else ""


def interval_ends(judged: Contrast | RunContrast | LevelStep) -> list[float]:
    """Return how far the finite ends are from 1 in percent, sorted; none where it is within."""
    if (judged.low or 0) <= 1 <= (math.inf if judged.high is None else judged.high):
        return []
    ends = [end for end in (judged.low, judged.high) if end is not None and math.isfinite(end)]
    return sorted(abs(end - 1) * 100 for end in ends if end > 0)


def rounded(sizes: Sequence[float]) -> list[str]:
    """Return numbers with as few decimals as tell the first from the last, and each from 0."""
    digits = 0 if sizes[-1] >= _WHOLE_FROM else 1
    while digits < _DIGITS and f"{sizes[0]:.{digits}f}" == f"{sizes[-1]:.{digits}f}":
        if sizes[0] == sizes[-1]:
            break
        digits += 1
    return [_above_zero(size, digits) for size in sizes]


def _above_zero(size: float, digits: int) -> str:
    """Return a size with so many decimals, or with as many as it takes to be more than 0."""
    places = range(digits, _DIGITS + 1)
    texts = [f"{size:.{place}f}" for place in places]
    return next((text for text in texts if float(text)), texts[0])


def shared_by(analysis: Analysis) -> str:
    """Return what the intervals hold: `95 %, shared by all 15 comparisons`."""
    number = analysis.primary_contrasts
    if number < 2:  # noqa: PLR2004 -- one comparison shares with none
        return f"{CONFIDENCE} %"
    return f"{CONFIDENCE} %, shared by all {number} comparisons"


def details(contrast: Contrast) -> str:
    """Return the unshared interval and the median ratio: what the headline leaves out."""
    low, high = contrast.unshared or (None, None)
    parts = [f"{CONFIDENCE} % for this one alone {interval(low, high)}"]
    if contrast.median_ratio is not None:
        parts.append(f"median ratio {units.ratio(contrast.median_ratio)}")
    return ", ".join(parts)

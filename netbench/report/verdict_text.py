"""Verdicts in words, always with their size or their reason (METHOD §2)."""

import math
from collections.abc import Sequence
from typing import Final, Protocol

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.report.labels import SIGNS, counted, interval

CONFIDENCE: Final = 95
"""Percent, of all intervals of the primary contrasts together, and of each unshared one."""
_WHOLE_FROM: Final = 10
"""Percent from which on no decimal is told."""
_DIGITS: Final = 4
"""Decimals at most."""
_DECIDED: Final = (Verdict.FASTER, Verdict.SLOWER)


class JudgedContrast(Protocol):
    """What a verdict is told from: a contrast within a run, or of two runs."""

    @property
    def verdict(self) -> Verdict: ...  # noqa: D102 -- as the fields of `Contrast`
    @property
    def ratio(self) -> float | None: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


def judgement(contrast: Contrast, margin: float) -> str:
    """Return `22 to 26 % slower`, `equivalent within 5 %` or `undecided: <reason>`."""
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


def signed(contrast: Contrast, margin: float) -> str:
    """Return the same behind its sign: `▼ 22 to 26 % slower`."""
    return f"{SIGNS[contrast.verdict]} {judgement(contrast, margin)}"


def sized(judged: JudgedContrast) -> str:
    """Return `22 to 26 % slower` of a decided one; `at least 0.7 % slower` where one end is open.

    Percent are those of the metric: of throughput that is lost or won, of time that is added or
    saved. Without an interval only the word is told.
    """
    size = span(judged)
    return f"{size} {judged.verdict}" if size else judged.verdict.value


def brief(contrast: Contrast) -> str:
    """Return a verdict for a place with little room: `22 to 26 %`, `equivalent`, `undecided`."""
    if contrast.verdict in _DECIDED and not contrast.by_sign:
        return span(contrast) or contrast.verdict.value
    return contrast.verdict.value


def span(judged: JudgedContrast) -> str:
    """Return `22 to 26 %`, or `at least 22 %`; empty without an interval that leaves out 1."""
    ends = [end for end in (judged.low, judged.high) if end is not None and math.isfinite(end)]
    sizes = sorted(abs(end - 1) * 100 for end in ends if end > 0)
    if not sizes or (judged.low or 0) <= 1 <= (math.inf if judged.high is None else judged.high):
        return ""
    if len(sizes) == 1:
        return f"at least {_rounded(sizes)[0]} %"
    low, high = _rounded(sizes)
    return f"{low} to {high} %" if low != high else f"{low} %"


def _rounded(sizes: Sequence[float]) -> list[str]:
    """Return numbers with as few decimals as tell them apart from each other and from 0."""
    digits = 0 if sizes[-1] >= _WHOLE_FROM else 1
    told = [f"{size:.{digits}f}" for size in sizes]
    while digits < _DIGITS and not (float(told[0]) and len(set(told)) == len(set(sizes))):
        digits += 1
        told = [f"{size:.{digits}f}" for size in sizes]
    return told


def shared_by(analysis: Analysis) -> str:
    """Return what the intervals hold: `95 %, shared by all 15 comparisons`."""
    number = analysis.primary_contrasts
    if number < 2:  # noqa: PLR2004 -- one comparison shares with none
        return f"{CONFIDENCE} %"
    return f"{CONFIDENCE} %, shared by all {number} comparisons"


def details(contrast: Contrast) -> str:
    """Return the unshared interval and the median ratio: what the headline does not tell."""
    low, high = contrast.unshared or (None, None)
    parts = [f"{CONFIDENCE} % for this one alone {interval(low, high)}"]
    if contrast.median_ratio is not None:
        parts.append(f"median ratio {units.ratio(contrast.median_ratio)}")
    return ", ".join(parts)

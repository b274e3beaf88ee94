"""How large an effect is, in words: `26 % less`, `2.9 µs longer`, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.record import METRICS
from netbench.report.labels import (
    DECIDED,
    at_least,
    concerns,
    counted,
    interval_ends,
    key_of,
    rounded,
)

_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_WHOLE_FROM: Final = 10  # from here on the ends of a range have no decimals
_WIDER: Final = 1.5  # times that the interval of a difference may be wider than that of its ratio


@dataclass(frozen=True, slots=True)
class EffectSize:
    """How far a decided contrast is from no effect, without its sign."""

    value: float  # seconds where it is timed, else percent of the baseline
    low: float
    high: float
    timed: bool

    @property
    def width(self) -> float:
        """The interval's width over the size."""
        return (self.high - self.low) / self.value

    @property
    def words(self) -> tuple[str, str]:
        """`1.9 µs` and `[1.8 to 2.0]`, or `1.2 to 2.3 µs` alone if the interval leaves it out."""
        scale, unit = _unit(self.high) if self.timed else (1.0, "%")
        low, point, high = rounded([part / scale for part in (self.low, self.value, self.high)])
        # A median over blocks stands beside the interval of a mean.
        if self.low <= self.value <= self.high:
            return f"{point} {unit}", f"[{low} to {high}]"
        return f"{low} to {high} {unit}", ""


def effect(analysis: Analysis, contrast: Contrast) -> tuple[str, str]:
    """Return what a contrast says, and what bounds that: `26 % less` and `[16 to 34]`."""
    if contrast.verdict is Verdict.EQUIVALENT:
        return "equivalent", f"within {analysis.margin * 100:g} %"
    if contrast.verdict is Verdict.UNDECIDED:
        return "undecided", plain(contrast.reason) or "no reason was kept"
    if contrast.by_sign:
        blocks = counted(contrast.blocks, "block")
        return direction(contrast), f"in each of {blocks} (size not known)"
    size = _size(analysis, contrast)
    if size is None:
        return f"{at_least(contrast)} {direction(contrast)}".strip(), ""
    said, interval = size.words
    return f"{said} {direction(contrast)}", interval


def effects(analysis: Analysis, contrasts: Sequence[Contrast]) -> str:
    """Return what contrasts of one measure and verdict say: `24 to 27 % less`, `undecided`."""
    first = contrasts[0]
    if first.verdict not in DECIDED:
        strong, rest = effect(analysis, first)
        return f"{strong} {rest}" if first.verdict is Verdict.EQUIVALENT else strong
    sizes = [size for c in contrasts if (size := _size(analysis, c)) is not None]
    if len(sizes) < len(contrasts):
        return direction(first)
    least, most = min(size.value for size in sizes), max(size.value for size in sizes)
    scale, unit = _unit(most) if sizes[0].timed else (1.0, "%")
    low, high = _range(least / scale, most / scale)
    return f"{low if low == high else f'{low} to {high}'} {unit} {direction(first)}"


def direction(contrast: Contrast) -> str:
    """Return `less`, `more`, `longer` ... for what a decided contrast says of its metric."""
    known = METRICS[contrast.metric]
    above = (contrast.verdict is Verdict.FASTER) == (known.better == "higher")
    if contrast.unit == units.SECONDS:
        return "longer" if above else "shorter"
    fewer = "fewer" if contrast.unit == units.PER_SECOND else "less"
    return "more" if above else fewer


def percent_size(contrast: Contrast) -> EffectSize | None:
    """Return the size in percent of the baseline; None if the interval gives none."""
    ends = interval_ends(contrast)
    if contrast.by_sign or contrast.ratio is None or len(ends) < 2:  # noqa: PLR2004 -- two ends
        return None
    return EffectSize(abs(contrast.ratio - 1) * 100, ends[0], ends[1], timed=False)


def _size(analysis: Analysis, contrast: Contrast) -> EffectSize | None:
    """Return a size: of times the difference where each driver's is clear, else percent."""
    key = key_of(contrast)
    decided = (c for c in analysis.contrasts if c.verdict in DECIDED)
    own = [c for c in decided if concerns(c, key, contrast.metric)]
    if own and all(map(_time_size, own)):
        return _time_size(contrast)
    return percent_size(contrast)


def _time_size(contrast: Contrast) -> EffectSize | None:
    """Return the size of a contrast of times as a difference.

    None if the interval of the mean difference does not lie on the verdict's side of 0, or is
    much wider than that of the ratio, as it can be in few blocks.
    """
    percent, ratio = percent_size(contrast), contrast.ratio or 1.0
    low, high, point = contrast.difference_low, contrast.difference_high, contrast.difference
    if percent is None or contrast.unit != units.SECONDS or not point:
        return None
    if low is None or high is None or not (min(low, ratio - 1) > 0 or max(high, ratio - 1) < 0):
        return None
    near, far = sorted((abs(low), abs(high)))
    size = EffectSize(abs(point), near, far, timed=True)
    return size if size.width <= _WIDER * percent.width else None


def _unit(seconds: float) -> tuple[float, str]:
    """Return the unit of a time, in seconds, and its name; 0.4 µs rather than 400 ns."""
    return next((unit for unit in _TIMES if seconds >= unit[0] / 10), _TIMES[-1])


def _range(least: float, most: float) -> tuple[str, str]:
    """Return two sizes with the decimals that the larger one needs, or as many as tell from 0."""
    digits = 0 if most >= _WHOLE_FROM else 1
    first, last = (f"{size:.{digits}f}" for size in (least, most))
    if not float(first):
        first, last = rounded((least, most))
    return first, last

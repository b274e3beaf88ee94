"""Quantities in base SI and how they are shown. Stored values are never scaled; only text is."""

import math
from typing import Final

BITS_PER_SECOND: Final = "bit/s"
SECONDS: Final = "s"
PER_SECOND: Final = "1/s"
RATIO: Final = "ratio"
BYTES: Final = "B"
COUNT: Final = "count"

_WHOLE_FROM = 100
"""From here on rates are shown without decimals."""
_MINUTE, _HOUR = 60, 3600
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
MISSING: Final = "–"
"""Shown where there is no value; never a zero."""


def significant(value: float, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits and no exponent."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def quantity(value: float | None, unit: str) -> str:
    """Return value and unit for people: `quantity(2.31e10, "bit/s")` is `23.1 Gbit/s`."""
    if value is None or not math.isfinite(value):
        return MISSING
    if unit == SECONDS:
        scale, name = next(
            ((s, n) for s, n in _SMALL if abs(value) >= s), _SMALL[-1] if value else _SMALL[0]
        )
        return f"{significant(value / scale)} {name}"
    if unit in (BITS_PER_SECOND, BYTES):
        scale, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= s), (1.0, ""))
        return f"{significant(value / scale)} {prefix}{unit}"
    if unit == PER_SECOND:
        return f"{value:,.0f}/s" if abs(value) >= _WHOLE_FROM else f"{significant(value)}/s"
    if unit == COUNT:
        return f"{value:,.0f}"
    return significant(value)


def ratio(value: float | None) -> str:
    """Return a ratio with three decimals, `0.783`."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """Return `[0.751, 0.812]`; an unbounded side is shown as infinity, an absent one as missing."""
    if low is None and high is None:
        return f"[{MISSING}]"
    lower = "0" if low is None else f"{low:.3f}"
    upper = "∞" if high is None else f"{high:.3f}"
    return f"[{lower}, {upper}]"


def percent(ratio_value: float) -> str:
    """Return a ratio as a signed change: `percent(0.78)` is `-22.0 %`."""
    return f"{(ratio_value - 1) * 100:+.1f} %"


def cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers of the kernel's list format: `0-2,8` is (0, 1, 2, 8).

    Raises:
        ValueError: it is not one.
    """
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def duration(seconds: float) -> str:
    """Return `2 min 05 s` or `41 s`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"

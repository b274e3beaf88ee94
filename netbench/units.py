"""How quantities and texts are shown. Stored values are in base SI and never scaled."""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

BITS_PER_SECOND: Final = "bit/s"
SECONDS: Final = "s"
PER_SECOND: Final = "1/s"
RATIO: Final = "ratio"
BYTES: Final = "B"
COUNT: Final = "count"
CPUS: Final = "s/s"  # CPU seconds per second: how many CPUs are busy
SPELLINGS: Final[dict[str, dict[str, Decimal]]] = {  # of users, each in the base unit
    BITS_PER_SECOND: {
        f"{prefix}bit/s": Decimal(10) ** power
        for prefix, power in (("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12))
    },
    SECONDS: {
        unit: Decimal(10) ** power
        for unit, power in (("s", 0), ("ms", -3), ("us", -6), ("µs", -6), ("ns", -9))
    },
    PER_SECOND: {"/s": Decimal(1), "1/s": Decimal(1), "k/s": Decimal(1000)},
    RATIO: {"%": Decimal("0.01"), "": Decimal(1)},
    COUNT: {"": Decimal(1)},
}
_WHOLE_FROM = 100  # from here on rates are shown without decimals
_MINUTE, _HOUR = 60, 3600
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_RATE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kKMGT]?)")
_CPUS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")  # Linux has fewer than 100,000 CPUs
_THOUSANDS: Final = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
MISSING: Final = "–"  # shown where there is no value; never a zero


def escaped(text: str, escape: Callable[[str], str]) -> str:
    """Return a text with each character that is not printable escaped; line ends stay."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else escape(c) for c in text)


def some(parts: Sequence[str], most: int = 6) -> str:
    """Return a list in words, of a long one the beginning: `a, b and 4 more`."""
    more = len(parts) - most
    return ", ".join(parts[:most]) + (f" and {more:,} more" if more > 0 else "")


def numbered(noun: str, numbers: Sequence[int], most: int | None = None) -> str:
    """Return ascending numbers: `lines 3, 5 to 8 and 4 more`, of which `most` spans are named."""
    breaks = [at for at in range(1, len(numbers)) if numbers[at] != numbers[at - 1] + 1]
    spans = [numbers[a:b] for a, b in pairwise([0, *breaks, len(numbers)])]
    shown = [f"{s[0]}" if len(s) == 1 else f"{s[0]} to {s[-1]}" for s in spans[:most]]
    more = len(numbers) - sum(map(len, spans[:most]))
    rest = f" and {more:,} more" if more else ""
    return f"{noun}{'s' * (len(numbers) > 1)} {', '.join(shown)}{rest}"


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
    if unit in (SECONDS, BITS_PER_SECOND, BYTES):
        scales = _SMALL if unit == SECONDS else _PREFIXES
        smallest = scales[-1] if value else (1.0, "")
        scale, prefix = next((one for one in scales if abs(value) >= one[0]), smallest)
        return f"{significant(value / scale)} {prefix}{unit}"
    if unit == PER_SECOND:
        return f"{value:,.0f}/s" if abs(value) >= _WHOLE_FROM else f"{significant(value)}/s"
    if unit == COUNT:
        return f"{value:,.0f}"
    return significant(value)


def bit_rate(text: str) -> float:
    """Return bit/s of iperf3's `250M` or `1.5G`; raises `ValueError` unless it is above 0."""
    found = _RATE.fullmatch(text)
    value = float(found[1]) * _THOUSANDS[found[2].upper()] if found else 0.0
    if not value:
        raise ValueError(f"{text!r} is no rate")
    return value


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
    """Return a ratio as a signed change: `percent(0.78)` is `-22.0 %`, and no zero is negative."""
    change = round((ratio_value - 1) * 100, 1)
    return f"{change:+.1f} %" if change else "0.0 %"


def share(value: float, decimals: int = 1) -> str:
    """Return a part of a whole: `share(0.021)` is `2.1 %`."""
    return f"{value * 100:.{decimals}f} %"


def cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers of the kernel's list `0-2,8`: (0, 1, 2, 8); raises `ValueError`."""
    numbers: set[int] = set()
    for part in text.split(","):
        found = _CPUS.fullmatch(part.strip())
        if found is None or int(found[1]) > int(found[2] or found[1]):
            raise ValueError(f"{text!r} is no list of CPUs")
        numbers.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return tuple(sorted(numbers))


def spelled(value: float, unit: str) -> str:
    """Return a value as users write it, exactly: `spelled(2e-05, "s")` is `20us`.

    In the largest spelling of the unit that leaves at least 1, without a rounded digit.
    """
    exact, words = Decimal(repr(value)), SPELLINGS[unit]
    fits = [name for name, scale in words.items() if abs(exact) >= scale and name.isascii()]
    name = max(fits, key=words.__getitem__) if fits else min(words, key=words.__getitem__)
    return digits(exact / words[name]) + name


def digits(value: float | Decimal) -> str:
    """Return every digit of a number that matters, without an exponent."""
    return f"{Decimal(str(value)).normalize():f}"


def duration(seconds: float) -> str:
    """Return `2 min 05 s` or `41 s`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"

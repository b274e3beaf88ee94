"""The words and signs that every form of the report shares."""

import zlib
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import Contrast, NullContrast, Verdict
from netbench.record import METRICS

SIGNS: Final[dict[Verdict, str]] = {
    Verdict.FASTER: "▲",
    Verdict.SLOWER: "▼",
    Verdict.EQUIVALENT: "=",
    Verdict.UNDECIDED: "?",
}


def key_of(thing: Contrast | NullContrast) -> CellKey:
    """Return the cell that a contrast is of."""
    return CellKey(thing.path, thing.probe, thing.placement)


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
    """Tell whether a contrast is of this cell and metric."""
    return key_of(contrast) == key and contrast.metric == metric


def metric_title(metric: str) -> str:
    """Return the metric's title, or its name where it is not in the table."""
    return METRICS[metric].title if metric in METRICS else metric


def bounded(contrast: Contrast) -> bool:
    """Tell whether the contrast has an interval with two ends."""
    return contrast.low is not None and contrast.high is not None


def interval(low: float | None, high: float | None) -> str:
    """Return `[0.751, 0.812]`, or `unbounded` where there are too few blocks for an interval."""
    return "unbounded" if low is None and high is None else units.interval(low, high)


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


def joined(parts: list[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    if len(parts) < 2:  # noqa: PLR2004 - one part needs no "and"
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"

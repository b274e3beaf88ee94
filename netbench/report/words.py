"""The words and signs that every form of the report shares."""

import zlib
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.model import Contrast, NullContrast, Verdict
from netbench.record import METRICS
from netbench.spec import Path, Placement

PLACEMENTS: Final[dict[Placement, str]] = {
    Placement.CROSS: "on two cores",
    Placement.SAME: "on one core",
    Placement.NONE: "unpinned",
}
PATHS: Final[dict[str, str]] = {
    Path.EAST_WEST: "",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
}
"""Added to a measure's name; container to container is what one thinks of without a word."""
TRIED: Final = ("connect to", "a second endpoint")
"""Beginnings of the evidence of paths that were tried, not only read from facts."""
SIGNS: Final[dict[Verdict, str]] = {
    Verdict.FASTER: "▲",
    Verdict.SLOWER: "▼",
    Verdict.EQUIVALENT: "=",
    Verdict.UNDECIDED: "?",
}


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """What figures and tables are grouped by: everything of a cell but its driver."""

    path: str
    probe: str
    placement: Placement

    @property
    def place(self) -> str:
        """`on one core`, `on two cores from the LAN`."""
        return f"{PLACEMENTS[self.placement]} {PATHS.get(self.path, self.path)}".strip()

    @property
    def words(self) -> str:
        """`tcp-rr on one core, east-west`."""
        return f"{self.probe} {PLACEMENTS[self.placement]}, {self.path}"

    @property
    def slug(self) -> str:
        """A name for HTML ids: letters, digits and hyphens only."""
        raw = f"{self.path}-{self.probe}-{self.placement}"
        return "".join(c if c.isascii() and c.isalnum() else "-" for c in raw)


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


def plain(text: str) -> str:
    """Return `text` on one line without control characters: tool output is not trusted."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.strip()


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

"""One colour per driver through all figures, after Okabe and Ito, tuned for contrast.

Every pair holds a colour for a light page and one for a dark page. A test holds each to WCAG's
3:1 against its page. Colour never speaks alone: names, signs and shapes stand beside it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour on both pages, as `#rrggbb`."""

    light: str
    dark: str


PAPER: Final = Colour("#ffffff", "#14181c")
INK: Final = Colour("#1b2127", "#e8ecef")
QUIET: Final = Colour("#55606b", "#a5b0ba")
LINE: Final = Colour("#d5dbe1", "#333c45")
BAND: Final = Colour("#8a96a3", "#76828e")
BASELINE: Final = Colour("#3c4650", "#c9d1d8")
DRIVERS: Final = (
    Colour("#0072b2", "#56b4e9"),
    Colour("#d55e00", "#f0883e"),
    Colour("#008f68", "#2fc398"),
    Colour("#a8447f", "#df93bd"),
    Colour("#9a6a00", "#e6a817"),
    Colour("#5b57c2", "#a8a4f5"),
    Colour("#7a5c3e", "#c9a684"),
    Colour("#00808a", "#3cc5cf"),
    Colour("#b3123c", "#ff7a93"),
    Colour("#5f7a00", "#a9c83a"),
    Colour("#2f4fb5", "#8aa4ff"),
    Colour("#8a2fa8", "#d58cf0"),
    Colour("#7f1d1d", "#f2a3a3"),
)
THEMED: Final = (PAPER, INK, QUIET, LINE, BAND, BASELINE, *DRIVERS)


_OWN: Final = {
    "bridge": 0,
    "bridge:user": 2,
    "container": 3,
    "none": 6,
    "host": 5,
    "macvlan:bridge": 1,
    "macvlan:private": 4,
    "macvlan:vepa": 7,
    "macvlan:passthru": 8,
    "ipvlan:l2": 9,
    "ipvlan:l3": 10,
    "ipvlan:l3s": 11,
    "overlay": 12,
}
"""Hues that belong to a driver, so that two reports show it alike; a variant takes a free one."""


def driver_colours(drivers: tuple[str, ...], baseline: str) -> dict[str, Colour]:
    """Return a colour for each driver: neutral for the baseline, else its own or a free hue."""
    others = [driver for driver in drivers if driver != baseline]
    hues = {driver: _OWN[driver] for driver in others if driver in _OWN}
    free = [hue for hue in range(len(DRIVERS)) if hue not in hues.values()] or [0]
    strangers = [driver for driver in others if driver not in hues]
    hues |= {driver: free[i % len(free)] for i, driver in enumerate(strangers)}
    return {baseline: BASELINE, **{driver: DRIVERS[hues[driver]] for driver in others}}

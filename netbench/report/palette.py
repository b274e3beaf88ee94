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
_OWN: Final = {
    "bridge": Colour("#0072b2", "#56b4e9"),
    "macvlan:bridge": Colour("#d55e00", "#f0883e"),
    "bridge:user": Colour("#008f68", "#2fc398"),
    "container": Colour("#a8447f", "#df93bd"),
    "macvlan:private": Colour("#9a6a00", "#e6a817"),
    "host": Colour("#5b57c2", "#a8a4f5"),
    "none": Colour("#7a5c3e", "#c9a684"),
    "macvlan:vepa": Colour("#00808a", "#3cc5cf"),
    "macvlan:passthru": Colour("#b3123c", "#ff7a93"),
    "ipvlan:l2": Colour("#5f7a00", "#a9c83a"),
    "ipvlan:l3": Colour("#2f4fb5", "#8aa4ff"),
    "ipvlan:l3s": Colour("#8a2fa8", "#d58cf0"),
    "overlay": Colour("#7f1d1d", "#f2a3a3"),
    "netkit": Colour("#3d6b1f", "#86c46a"),
    "pasta": Colour("#c0187e", "#ff8fd0"),
    "slirp4netns": Colour("#4f5d2f", "#c3cf9a"),
}
"""Fixed colours, so that two reports show a driver alike; a variant takes a free one."""
DRIVERS: Final = tuple(_OWN.values())
PALETTE: Final = (BASELINE, *DRIVERS)
"""Colours as the style sheet numbers them: `.d0` is the baseline's."""
THEMED: Final = (PAPER, INK, QUIET, LINE, BAND, *PALETTE)


def driver_colours(drivers: tuple[str, ...], baseline: str) -> dict[str, Colour]:
    """Return a colour for each driver: neutral for the baseline, else its own or a free one."""
    others = [driver for driver in drivers if driver != baseline]
    found = {driver: _OWN[driver] for driver in others if driver in _OWN}
    free = [colour for colour in DRIVERS if colour not in found.values()] or [DRIVERS[0]]
    strangers = [driver for driver in others if driver not in found]
    found |= {driver: free[i % len(free)] for i, driver in enumerate(strangers)}
    return {baseline: BASELINE, **{driver: found[driver] for driver in others}}

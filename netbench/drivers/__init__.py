"""The drivers: one file each, one line each in the table."""

from difflib import get_close_matches
from typing import Final

from netbench.drivers.base import Driver, Hop, Promise
from netbench.drivers.bridge import BRIDGE, BRIDGE_USER
from netbench.drivers.container import CONTAINER
from netbench.drivers.host import HOST
from netbench.drivers.none import NONE

DRIVERS: Final[dict[str, Driver]] = {
    driver.name: driver for driver in (NONE, HOST, BRIDGE, BRIDGE_USER, CONTAINER)
}

__all__ = ["DRIVERS", "Driver", "Hop", "Promise", "unknown"]


def unknown(name: str) -> str | None:
    """Return what is wrong with a driver's name, with the nearest known one; None if nothing."""
    if name in DRIVERS:
        return None
    family, _, mode = name.partition(":")
    modes = [known.partition(":")[2] for known in DRIVERS if known.partition(":")[0] == family]
    if mode and modes:
        offered = ", ".join(m for m in modes if m) or "none"
        return f"driver {family!r} has no mode {mode!r}; its modes: {offered}"
    near = get_close_matches(name, DRIVERS, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown driver {name!r}{hint} Known: {', '.join(DRIVERS)}"

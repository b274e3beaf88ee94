"""The drivers: each described in a file of its family, and one entry in the table.

Other distributions add theirs by entry points of the group `netbench.drivers`.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from netbench.drivers.base import Caveat as Caveat
from netbench.drivers.base import Closed as Closed
from netbench.drivers.base import Driver as Driver
from netbench.drivers.base import Hop as Hop
from netbench.drivers.base import PathClaim as PathClaim
from netbench.drivers.base import Proof as Proof
from netbench.drivers.base import ReachPlace as ReachPlace
from netbench.drivers.bridge import BRIDGE, BRIDGE_USER, CONTAINER, NETKIT
from netbench.drivers.cni import cni as cni
from netbench.drivers.cni import plugin as plugin
from netbench.drivers.host import HOST, NONE
from netbench.drivers.links import ESP as ESP
from netbench.drivers.links import FIREWALL as FIREWALL
from netbench.drivers.macvlan_ipvlan import IPVLANS, MACVLANS
from netbench.drivers.overlay import OVERLAY
from netbench.drivers.pasta_slirp4netns import PASTA, SLIRP4NETNS
from netbench.drivers.variants import no_congestion_control as no_congestion_control
from netbench.drivers.variants import varied as varied
from netbench.spec import Path
from netbench.system.entry_points import Registry

OPEN: Final = {"plugin:": "NAME", "cni:": "CONFLIST"}  # starts of names, and what follows them
_USUAL: Final = {"macvlan": "macvlan:bridge", "ipvlan": "ipvlan:l2"}  # of names without a mode
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}(:[a-z0-9][a-z0-9_.-]{0,39})?")


def unsound(name: str, driver: object) -> Iterator[str]:
    """Yield what keeps a driver out of the table under a name."""
    if not isinstance(driver, Driver):
        yield f"it is no netbench.drivers.Driver but a {type(driver).__name__}"
        return
    if driver.name != name:
        yield f"the driver's own name is {driver.name!r}"
    if not _NAME.fullmatch(name) or name in _USUAL or name.startswith(tuple(OPEN)):
        yield "a driver's name is NAME or NAME:MODE in lower case, which no other stands for"
    if not driver.promises:
        yield "it promises nothing that facts could show"
    missing = [path.value for path in Path if path not in driver.ways]
    if missing:
        yield f"it does not say whether these paths are open: {', '.join(missing)}"


DRIVERS: Final = Registry(  # by name with mode; `plugin` and `cni` make others
    "netbench.drivers",
    {
        driver.name: driver
        for driver in (
            *(NONE, HOST, BRIDGE, BRIDGE_USER, CONTAINER),
            *(*MACVLANS, *IPVLANS, OVERLAY, NETKIT, PASTA, SLIRP4NETNS),
        )
    },
    unsound,
)


def full_name(name: str) -> str:
    """Return a driver's name with its usual mode, where it was given without one."""
    return _USUAL.get(name, name)


def unknown(name: str) -> str | None:
    """Return what is wrong with a driver's name, with the nearest known one; None if nothing."""
    if full_name(name) in DRIVERS:
        return None
    family, colon, mode = name.partition(":")
    modes = [known.partition(":")[2] for known in DRIVERS if known.partition(":")[0] == family]
    if colon and modes:
        offered = ", ".join(m for m in modes if m) or "none"
        return f"driver {family!r} has no mode {mode!r}; its modes: {offered}"
    known = [*DRIVERS, *(start + rest for start, rest in OPEN.items())]
    near = get_close_matches(name, DRIVERS, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown driver {name!r}{hint} Known: {', '.join(known)}"

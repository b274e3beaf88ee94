"""What a probe asks of a path, held against the path before anything is made."""

from collections.abc import Iterator
from typing import Final

from netbench.drivers import Driver, PathClaim
from netbench.plan.suite import Suite
from netbench.probes import UdpRate
from netbench.spec import USUAL_MTU, VXLAN_HEADERS, Path, Via

_LOOPBACK: Final = 65536
_OPEN: Final = ("cni", "plugin")
"""Kinds of network whose links' MTU is for others to say."""


def unfit(
    suite: Suite, drivers: tuple[Driver, ...], paths: tuple[Path, ...], parent: str | None
) -> Iterator[str]:
    """Yield every probe whose datagrams cannot pass a path.

    Args:
        suite: whose cells are measured.
        drivers: that claim the paths.
        paths: that are measured.
        parent: the link that the user named for networks on the LAN; its MTU is unknown.
    """
    for name in dict.fromkeys(name for name, _ in suite.cells):
        probe = suite.probes[name]
        if not isinstance(probe, UdpRate):
            continue
        for driver in drivers:
            for path in paths:
                mtu = _mtu(driver, path, parent)
                problem = probe.unfit(mtu, driver.recipe.family) if mtu else None
                if problem:
                    yield f"probes.{name}: {problem} (driver {driver.name}, {path})"


def _mtu(driver: Driver, path: Path, parent: str | None) -> int | None:
    """Return the MTU of a path, None where it is closed, or known to nobody yet."""
    way, network = driver.ways[path], driver.recipe.network
    if not isinstance(way, PathClaim) or driver.name.partition(":")[0] in _OPEN:
        return None
    if way.via is Via.LOOPBACK:
        return _LOOPBACK
    if network is None:
        return USUAL_MTU
    if network.mtu is None and network.on_lan and parent:
        return None
    own = network.mtu or (USUAL_MTU - VXLAN_HEADERS if network.driver == "overlay" else USUAL_MTU)
    return own if way.via is Via.ADDRESS else min(own, USUAL_MTU)

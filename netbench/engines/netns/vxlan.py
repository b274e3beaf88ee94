"""VXLAN links between two hosts."""

from dataclasses import dataclass
from typing import Any

from netbench.engines.netns import wiring


@dataclass(frozen=True, slots=True)
class VxlanTunnel:
    """One end of a VXLAN between two hosts."""

    link: str
    number: int
    """VXLAN network identifier."""
    port: int
    under: str
    """Link that carries it."""
    local: str
    remote: str
    mtu: int


def add_tunnel(place: int, tunnel: VxlanTunnel, *, into: int, bridge: str) -> None:
    """Make a tunnel's end where its packets leave, and put it into a bridge of another namespace.

    Args:
        place: process in whose namespace its packets are sent and received.
        tunnel: what it is.
        into: process in whose namespace the link will be.
        bridge: its bridge there.
    """

    def make(route: Any) -> None:
        route.link(
            "add",
            ifname=tunnel.link,
            kind="vxlan",
            mtu=tunnel.mtu,
            vxlan_id=tunnel.number,
            vxlan_port=tunnel.port,
            vxlan_link=wiring.index_of(route, tunnel.under),
            vxlan_local=tunnel.local,
            vxlan_group=tunnel.remote,
            net_ns_pid=into,
        )

    def join(route: Any) -> None:
        index = wiring.index_of(route, tunnel.link)
        route.link("set", index=index, master=wiring.index_of(route, bridge), state="up")

    wiring.netlink(place, f"add the tunnel {tunnel.link} over {tunnel.under}", make)
    wiring.netlink(into, f"join {tunnel.link} to the bridge {bridge}", join)

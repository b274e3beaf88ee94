"""Links, addresses and routes of the netns engine, by netlink."""

from dataclasses import dataclass
from ipaddress import IPv4Network

from pyroute2 import IPRoute

from netbench.setns import in_netns


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge in the world's host namespace."""

    name: str
    subnet: IPv4Network

    @property
    def gateway(self) -> str:
        """The bridge's own address, the first of the subnet."""
        return str(self.subnet[1])


def loopback_up(pid: int) -> None:
    """Bring `lo` up in a namespace."""

    def work() -> None:
        with IPRoute() as route:
            route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")

    in_netns(pid, work)


def add_bridge(world: int, bridge: Bridge) -> None:
    """Make a bridge with its gateway address in the world's host namespace."""

    def work() -> None:
        with IPRoute() as route:
            route.link("add", ifname=bridge.name, kind="bridge")
            index = route.link_lookup(ifname=bridge.name)[0]
            route.addr(
                "add", index=index, address=bridge.gateway, prefixlen=bridge.subnet.prefixlen
            )
            route.link("set", index=index, state="up")

    in_netns(world, work)


def delete_link(world: int, name: str) -> None:
    """Remove a link of the world's host namespace with its peer; nothing where it is gone."""

    def work() -> None:
        with IPRoute() as route:
            for index in route.link_lookup(ifname=name):
                route.link("del", index=index)

    in_netns(world, work)


def attach(world: int, endpoint: int, bridge: Bridge, port: str, address: str) -> None:
    """Join an endpoint to a bridge: veth, address, default route by the gateway."""

    def host_side() -> None:
        with IPRoute() as route:
            peer = {"ifname": "eth0", "net_ns_pid": endpoint}
            route.link("add", ifname=port, kind="veth", peer=peer)
            index = route.link_lookup(ifname=port)[0]
            master = route.link_lookup(ifname=bridge.name)[0]
            route.link("set", index=index, master=master, state="up")

    def inside() -> None:
        with IPRoute() as route:
            index = route.link_lookup(ifname="eth0")[0]
            route.addr("add", index=index, address=address, prefixlen=bridge.subnet.prefixlen)
            route.link("set", index=index, state="up")
            route.route("add", dst="default", gateway=bridge.gateway)

    in_netns(world, host_side)
    in_netns(endpoint, inside)

"""`ipvlan:MODE`: a link with its parent's MAC address and IP addresses of its own."""

from typing import Final

from netbench.drivers.addressing import ADDRESS_IN_SUBNET, DEFAULT_ROUTE, ROUTED_BY_DEVICE
from netbench.drivers.base import NO_NETWORK_CARD, Driver, PathClaim, Promise, everywhere, reach
from netbench.drivers.links import between_children, lan_to_child
from netbench.drivers.macvlan import NO_PORT, OPTIONS
from netbench.drivers.promises import OWN_NETNS, PARENT_MAC, child_of_parent
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via

_NEIGHBOURS = "CONTAINER>PAIR PAIR>PAIR CONTAINER>LAN PAIR>LAN LAN>PAIR"


def _ipvlan(mode: str, isolates: str, route: Promise, *, bridged: bool) -> Driver:
    network = NetworkSpec("ipvlan", mode=mode)
    promised = (
        reach(
            yes=f"{_NEIGHBOURS} CONTAINER>GATEWAY PAIR>GATEWAY",
            no="CONTAINER>HOST PAIR>HOST HOST>PAIR",
        )
        if bridged
        else reach(yes=_NEIGHBOURS)
    )
    return Driver(
        name=f"ipvlan:{mode}",
        summary=f"a link that shares its parent's MAC address, ipvlan in mode {mode}",
        isolates=isolates,
        recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=network),
        promises=(
            OWN_NETNS,
            child_of_parent("ipvlan", mode),
            PARENT_MAC,
            ADDRESS_IN_SUBNET,
            route,
        ),
        ways={
            Path.EAST_WEST: PathClaim(Via.ADDRESS, between_children),
            Path.NORTH_SOUTH: PathClaim(Via.ADDRESS, lan_to_child),
            Path.HAIRPIN: NO_PORT,
        },
        reach=everywhere(promised),
        options=OPTIONS,
        other=network,
        caveats=(NO_NETWORK_CARD,),
    )


IPVLANS: Final[tuple[Driver, ...]] = (
    _ipvlan("l2", "from its own host; no MAC address of its own", DEFAULT_ROUTE, bridged=True),
    _ipvlan(
        "l3",
        "broadcast and multicast: routed by the parent, past the host's firewall",
        ROUTED_BY_DEVICE,
        bridged=False,
    ),
    _ipvlan(
        "l3s",
        "broadcast and multicast: routed by the parent, through the host's firewall",
        ROUTED_BY_DEVICE,
        bridged=False,
    ),
)

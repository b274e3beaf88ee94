"""`bridge` and `bridge:user`: a veth pair from the container into a bridge of the host."""

from collections.abc import Mapping
from typing import Final

from netbench.drivers.addressing import ADDRESS_IN_SUBNET, DEFAULT_ROUTE
from netbench.drivers.base import Closed, Driver, PathClaim, Reach, reach
from netbench.drivers.links import across_bridge, lan_to_published
from netbench.drivers.promises import OWN_NETNS, VETH_INTO_BRIDGE
from netbench.spec import Attach, Family, NetworkSpec, Path, Recipe, Via

_PROMISES = (OWN_NETNS, VETH_INTO_BRIDGE, ADDRESS_IN_SUBNET, DEFAULT_ROUTE)

PUBLISHING: Final[Mapping[Path, PathClaim | Closed]] = {
    Path.EAST_WEST: PathClaim(Via.ADDRESS, across_bridge),
    Path.NORTH_SOUTH: PathClaim(Via.PUBLISHED, lan_to_published),
    Path.HAIRPIN: PathClaim(Via.PUBLISHED, across_bridge),
}
"""The ways of whoever sits on a bridge of the host's."""

REACH: Final[Mapping[Family, Reach]] = {
    Family.V4: reach(
        yes="CONTAINER>PAIR PAIR>PAIR CONTAINER>HOST PAIR>HOST CONTAINER>GATEWAY PAIR>GATEWAY "
        "CONTAINER>LAN PAIR>LAN HOST>PAIR HOST>GATEWAY CONTAINER>PUBLISHED HOST>PUBLISHED "
        "LAN>PUBLISHED",
        no="CONTAINER>OTHER PAIR>OTHER OTHER>PAIR",
    ),
    Family.V6: reach(yes="CONTAINER>PAIR PAIR>PAIR CONTAINER>GATEWAY PAIR>GATEWAY HOST>PAIR"),
}
"""IPv6 between bridges, and beyond the host, is filtered and translated by some engines only."""

BRIDGE = Driver(
    name="bridge",
    summary="the engine's default bridge network (docker0)",
    isolates="interfaces, ports and addresses; from outside only published ports",
    recipe=Recipe(client=Attach.DEFAULT, server=Attach.DEFAULT),
    promises=_PROMISES,
    ways=PUBLISHING,
    reach=REACH,
    options=frozenset({"family", "cc", "published"}),
    other=NetworkSpec("bridge"),
)

BRIDGE_USER = Driver(
    name="bridge:user",
    summary="a user-defined bridge network",
    isolates="as bridge, and from containers of other networks; names resolve",
    recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=NetworkSpec("bridge")),
    promises=_PROMISES,
    ways=PUBLISHING,
    reach=REACH,
    options=frozenset({"family", "cc", "published", "mtu", "icc", "internal", "-o"}),
    other=NetworkSpec("bridge"),
)

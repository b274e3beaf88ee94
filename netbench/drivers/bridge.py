"""`bridge`, `bridge:user`, `netkit`, `container`: a pair of links into a bridge of the host's."""

from dataclasses import replace
from typing import Final

from netbench.drivers.base import (
    NOT_BEYOND_NETNS,
    OVER_LOOPBACK,
    Closed,
    Driver,
    PathClaim,
    Proof,
    reach,
)
from netbench.drivers.links import (
    across_bridge,
    bridge_to_machine,
    bridge_to_published,
    lan_to_published,
    machine_to_published,
    over_loopback,
)
from netbench.drivers.promises import (
    ADDRESS_IN_SUBNET,
    DEFAULT_ROUTE,
    OWN_NETNS,
    OWN_OTHERS,
    PAIR_NETNS,
    into_bridge,
)
from netbench.spec import Attach, Family, NetworkSpec, Path, Recipe, Via

BRIDGE: Final = Driver(
    name="bridge",
    summary="the engine's default bridge network (docker0)",
    isolates="interfaces, ports and addresses; from outside only published ports",
    recipe=Recipe(client=Attach.DEFAULT, server=Attach.DEFAULT),
    promises=(OWN_NETNS, into_bridge("veth"), ADDRESS_IN_SUBNET, DEFAULT_ROUTE),
    ways={
        Path.EAST_WEST: PathClaim(Via.ADDRESS, across_bridge),
        Path.NORTH_SOUTH: PathClaim(Via.PUBLISHED, lan_to_published),
        Path.HAIRPIN: PathClaim(Via.PUBLISHED, across_bridge),
        Path.ACROSS: PathClaim(Via.PUBLISHED, bridge_to_published),
        Path.OUTSIDE: PathClaim(Via.PUBLISHED, machine_to_published),
        Path.TO_OUTSIDE: PathClaim(Via.MACHINE, bridge_to_machine),
    },
    # IPv6 between bridges, and beyond the host, is filtered and translated by some engines only.
    reach={
        Family.V4: reach(
            yes="CONTAINER>PAIR PAIR>PAIR CONTAINER>HOST PAIR>HOST CONTAINER>GATEWAY PAIR>GATEWAY "
            "CONTAINER>LAN PAIR>LAN HOST>PAIR HOST>GATEWAY CONTAINER>PUBLISHED HOST>PUBLISHED "
            "LAN>PUBLISHED",
            no="CONTAINER>OTHER PAIR>OTHER OTHER>PAIR",
        ),
        Family.V6: reach(yes="CONTAINER>PAIR PAIR>PAIR CONTAINER>GATEWAY PAIR>GATEWAY HOST>PAIR"),
    },
    options=frozenset({"family", "cc", "runtime", "published"}),
    other=NetworkSpec("bridge"),
)

BRIDGE_USER: Final = replace(
    BRIDGE,
    name="bridge:user",
    summary="a user-defined bridge network",
    isolates="as bridge, and from containers of other networks; names resolve",
    recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=NetworkSpec("bridge")),
    options=frozenset(
        {
            *("family", "cc", "runtime", "published", "mtu", "icc", "internal", "gateway"),
            *("rules", "-o"),
        }
    ),
)

NETKIT: Final = replace(
    BRIDGE_USER,
    name="netkit",
    summary="a bridge network with netkit pairs in place of veth pairs (netns engine)",
    isolates="as bridge:user",
    recipe=replace(BRIDGE_USER.recipe, network=NetworkSpec("netkit")),
    promises=(OWN_NETNS, into_bridge("netkit"), ADDRESS_IN_SUBNET, DEFAULT_ROUTE),
    ways={**BRIDGE.ways, **NOT_BEYOND_NETNS},
    options=BRIDGE_USER.options - {"gateway", "runtime", "-o"},
    other=NetworkSpec("netkit"),
)

CONTAINER: Final = replace(
    BRIDGE,
    name="container",
    summary="shares the network namespace of the other container",
    isolates="as that container's network; nothing between the two, ports included",
    recipe=Recipe(client=Attach.PEER, server=Attach.DEFAULT),
    promises=(PAIR_NETNS, OWN_OTHERS),
    ways={
        **BRIDGE.ways,
        Path.EAST_WEST: PathClaim(Via.LOOPBACK, over_loopback),
        Path.ACROSS: Closed(
            "one machine by design: both ends share one network namespace", Proof.PROMISES
        ),
    },
    caveats=(OVER_LOOPBACK,),
)

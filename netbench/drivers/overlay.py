"""`overlay`: a network that spans hosts, its frames carried in VXLAN."""

from netbench.drivers.base import Caveat, Closed, Driver, PathClaim, Proof, reach
from netbench.drivers.links import (
    across_overlay,
    between_sandboxes,
    lan_to_published,
    machine_to_published,
)
from netbench.drivers.promises import (
    ADDRESS_IN_SUBNET,
    OVERLAY_MTU,
    OWN_NETNS,
    VETH_INTO_SANDBOX,
)
from netbench.spec import Attach, Family, NetworkSpec, Path, Recipe, Via

_NETWORK = NetworkSpec("overlay")

OVERLAY = Driver(
    name="overlay",
    summary="a network across hosts: a bridge in a namespace of its own, VXLAN between hosts",
    isolates="as a user-defined bridge, on every host; from outside only published ports",
    recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=_NETWORK),
    promises=(OWN_NETNS, VETH_INTO_SANDBOX, OVERLAY_MTU, ADDRESS_IN_SUBNET),
    ways={
        Path.EAST_WEST: PathClaim(Via.ADDRESS, across_overlay),
        Path.NORTH_SOUTH: PathClaim(Via.PUBLISHED, lan_to_published),
        Path.HAIRPIN: Closed(
            "a published port of an overlay is on another bridge than the overlay", Proof.PROMISES
        ),
        Path.ACROSS: PathClaim(Via.ADDRESS, between_sandboxes),
        Path.OUTSIDE: PathClaim(Via.PUBLISHED, machine_to_published),
        Path.TO_OUTSIDE: Closed(
            "what leaves an overlay does so by another bridge than the overlay", Proof.PROMISES
        ),
    },
    reach={
        Family.V4: reach(
            yes="CONTAINER>PAIR PAIR>PAIR LAN>PUBLISHED",
            no="CONTAINER>OTHER PAIR>OTHER OTHER>PAIR HOST>PAIR LAN>PAIR",
        ),
        Family.V6: reach(yes="CONTAINER>PAIR PAIR>PAIR"),
    },
    options=frozenset({"mtu", "family", "cc", "runtime", "internal", "encrypted", "-o"}),
    other=_NETWORK,
    caveats=(
        Caveat(
            "VXLAN not crossed",
            "VXLAN not crossed. Both ends were on one node, where an overlay is a bridge; between "
            "nodes each frame is wrapped, sent and unwrapped as well.",
            unless_kind="vxlan",
        ),
    ),
)

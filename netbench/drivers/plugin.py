"""`plugin:NAME`: any network plug-in that the engine lists, recorded as it is found."""

from netbench.drivers.base import Closed, Driver, PathClaim, Proof
from netbench.drivers.links import ends_only, lan_to_end
from netbench.drivers.promises import LINK_APPEARS, OWN_NETNS
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via


def plugin(name: str) -> Driver:
    """Return the driver for a plug-in by the name that the engine lists it under."""
    network = NetworkSpec(name)
    return Driver(
        name=f"plugin:{name}",
        summary=f"the engine's network plug-in {name}",
        isolates="as the plug-in does: see what was measured",
        recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=network),
        promises=(OWN_NETNS, LINK_APPEARS),
        ways={
            Path.EAST_WEST: PathClaim(Via.ADDRESS, ends_only),
            Path.NORTH_SOUTH: PathClaim(Via.PUBLISHED, lan_to_end),
            Path.HAIRPIN: Closed("what a plug-in publishes is its own affair", Proof.PROMISES),
        },
        options=frozenset({"mtu", "family", "cc", "internal", "-o"}),
        other=network,
    )

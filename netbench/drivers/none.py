"""`none`: a network namespace with nothing in it but loopback."""

from netbench.drivers.addressing import NO_ROUTES
from netbench.drivers.base import Closed, Driver, Proof, everywhere, reach
from netbench.drivers.promises import ONLY_LOOPBACK, OWN_NETNS
from netbench.spec import Attach, Path, Recipe

NONE = Driver(
    name="none",
    summary="own network namespace with only lo, no routes",
    isolates="everything: not even its pair can be reached",
    recipe=Recipe(client=Attach.NONE, server=Attach.NONE),
    promises=(OWN_NETNS, ONLY_LOOPBACK, NO_ROUTES),
    ways={
        Path.EAST_WEST: Closed("isolated by design", Proof.CONNECT),
        Path.NORTH_SOUTH: Closed("isolated by design: it has no address", Proof.PROMISES),
        Path.HAIRPIN: Closed("isolated by design: it publishes no port", Proof.PROMISES),
    },
    reach=everywhere(
        reach(no="CONTAINER>PAIR PAIR>PAIR CONTAINER>HOST CONTAINER>LAN PAIR>HOST PAIR>LAN")
    ),
)

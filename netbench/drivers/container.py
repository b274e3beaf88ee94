"""`container`: the network namespace of the pair's other container."""

from netbench.drivers.base import OVER_LOOPBACK, Driver, PathClaim
from netbench.drivers.bridge import PUBLISHING, REACH
from netbench.drivers.links import over_loopback
from netbench.drivers.promises import OWN_OTHERS, PAIR_NETNS
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via

CONTAINER = Driver(
    name="container",
    summary="shares the network namespace of the other container",
    isolates="as that container's network; nothing between the two, ports included",
    recipe=Recipe(client=Attach.PEER, server=Attach.DEFAULT),
    promises=(PAIR_NETNS, OWN_OTHERS),
    ways={**PUBLISHING, Path.EAST_WEST: PathClaim(Via.LOOPBACK, over_loopback)},
    reach=REACH,
    options=frozenset({"family", "cc", "published"}),
    other=NetworkSpec("bridge"),
    caveats=(OVER_LOOPBACK,),
)

"""`container`: the network namespace of the pair's other container."""

from netbench.drivers.base import Driver, hops_over_loopback
from netbench.drivers.promises import OWN_OTHERS, PAIR_NETNS
from netbench.spec import Attach, Recipe

CONTAINER = Driver(
    name="container",
    summary="shares the network namespace of the other container",
    isolates="as that container's network; nothing between the two, ports included",
    recipe=Recipe(client=Attach.PEER, server=Attach.DEFAULT),
    promises=(PAIR_NETNS, OWN_OTHERS),
    path=hops_over_loopback,
)

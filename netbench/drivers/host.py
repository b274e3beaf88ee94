"""`host`: the namespace of the engine's host itself."""

from netbench.drivers.base import Driver, hops_over_loopback
from netbench.drivers.promises import HOST_LINKS, HOST_NETNS
from netbench.spec import Attach, Recipe

HOST = Driver(
    name="host",
    summary="the engine host's network namespace, its interfaces and ports",
    isolates="nothing of the network: ports contend with the host's, loopback included",
    recipe=Recipe(client=Attach.HOST, server=Attach.HOST),
    promises=(HOST_NETNS, HOST_LINKS),
    path=hops_over_loopback,
)

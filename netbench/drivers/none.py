"""`none`: a network namespace with nothing in it but loopback."""

from netbench.drivers.base import Driver
from netbench.drivers.promises import NO_ROUTES, ONLY_LOOPBACK, OWN_NETNS
from netbench.spec import Attach, Recipe

NONE = Driver(
    name="none",
    summary="own network namespace with only lo, no routes",
    isolates="everything: not even its pair can be reached",
    recipe=Recipe(client=Attach.NONE, server=Attach.NONE),
    promises=(OWN_NETNS, ONLY_LOOPBACK, NO_ROUTES),
    path=lambda _: (),
    isolated=True,
)

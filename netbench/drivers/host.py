"""`none` and `host`: a network namespace with nothing but loopback, and that of the host itself."""

from netbench.drivers.base import OVER_LOOPBACK, Closed, Driver, PathClaim, Proof, everywhere, reach
from netbench.drivers.links import (
    between_hosts,
    host_to_machine,
    lan_to_host,
    machine_to_host,
    over_loopback,
)
from netbench.drivers.promises import HOST_LINKS, HOST_NETNS, NO_ROUTES, ONLY_LOOPBACK, OWN_NETNS
from netbench.spec import Attach, Path, Recipe, Via

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
        Path.ACROSS: Closed("isolated by design", Proof.CONNECT),
        Path.OUTSIDE: Closed("isolated by design: it publishes no port", Proof.PROMISES),
        Path.TO_OUTSIDE: Closed("isolated by design: it has no route", Proof.PROMISES),
    },
    reach=everywhere(
        reach(no="CONTAINER>PAIR PAIR>PAIR CONTAINER>HOST CONTAINER>LAN PAIR>HOST PAIR>LAN")
    ),
    options=frozenset({"runtime"}),
)

HOST = Driver(
    name="host",
    summary="the engine host's network namespace, its interfaces and ports",
    isolates="nothing of the network: ports contend with the host's, loopback included",
    recipe=Recipe(client=Attach.HOST, server=Attach.HOST),
    promises=(HOST_NETNS, HOST_LINKS),
    ways={
        Path.EAST_WEST: PathClaim(Via.LOOPBACK, over_loopback),
        Path.NORTH_SOUTH: PathClaim(Via.HOST, lan_to_host),
        Path.HAIRPIN: Closed("publishes no port: its ports are the host's", Proof.PROMISES),
        Path.ACROSS: PathClaim(Via.HOST, between_hosts),
        Path.OUTSIDE: PathClaim(Via.HOST, machine_to_host),
        Path.TO_OUTSIDE: PathClaim(Via.MACHINE, host_to_machine),
    },
    reach=everywhere(
        reach(
            yes="CONTAINER>PAIR CONTAINER>HOST CONTAINER>LAN PAIR>PAIR PAIR>HOST PAIR>LAN "
            "HOST>PAIR LAN>PAIR"
        )
    ),
    options=frozenset({"family", "cc", "runtime"}),
    caveats=(OVER_LOOPBACK,),
)

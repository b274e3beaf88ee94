"""`host`: the namespace of the engine's host itself."""

from netbench.drivers.base import OVER_LOOPBACK, Closed, Driver, PathClaim, Proof, everywhere, reach
from netbench.drivers.links import lan_to_host, over_loopback
from netbench.drivers.promises import HOST_LINKS, HOST_NETNS
from netbench.spec import Attach, Path, Recipe, Via

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
    },
    reach=everywhere(
        reach(
            yes="CONTAINER>PAIR CONTAINER>HOST CONTAINER>LAN PAIR>PAIR PAIR>HOST PAIR>LAN "
            "HOST>PAIR LAN>PAIR"
        )
    ),
    options=frozenset({"family", "cc"}),
    caveats=(OVER_LOOPBACK,),
)

"""`macvlan:MODE`: a link of its own MAC address beneath a link of the host's."""

from typing import Final

from netbench.drivers.addressing import address_in_subnet, default_route
from netbench.drivers.base import (
    NO_NETWORK_CARD,
    Closed,
    Driver,
    PathClaim,
    Proof,
    Reach,
    everywhere,
    reach,
)
from netbench.drivers.links import between_children, lan_to_child
from netbench.drivers.promises import OWN_NETNS, child_of_parent, own_mac
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via

NO_PORT: Final = Closed("publishes no port: it has addresses of its own on the LAN", Proof.PROMISES)
OPTIONS: Final = frozenset({"mtu", "family", "cc", "internal", "-o"})

_OPEN = PathClaim(Via.ADDRESS, between_children)
_SHUT_OFF = "CONTAINER>HOST PAIR>HOST HOST>PAIR"
"""A macvlan and its own host never see each other's frames."""
_LAN = "CONTAINER>LAN PAIR>LAN CONTAINER>GATEWAY PAIR>GATEWAY LAN>PAIR"


def _macvlan(
    mode: str, isolates: str, east_west: PathClaim | Closed, promised: Reach, client: Attach
) -> Driver:
    network = NetworkSpec("macvlan", mode=mode)
    alone = client is Attach.NONE
    return Driver(
        name=f"macvlan:{mode}",
        summary=f"a link with a MAC address of its own on the LAN, macvlan in mode {mode}",
        isolates=isolates,
        recipe=Recipe(client=client, server=Attach.NETWORK, network=network),
        promises=(
            OWN_NETNS,
            child_of_parent("macvlan", mode, alone=alone),
            own_mac(alone=alone),
            address_in_subnet(alone=alone),
            default_route(alone=alone),
        ),
        ways={
            Path.EAST_WEST: east_west,
            Path.NORTH_SOUTH: PathClaim(Via.ADDRESS, lan_to_child),
            Path.HAIRPIN: NO_PORT,
        },
        reach=everywhere(promised),
        options=OPTIONS,
        other=network,
        caveats=(NO_NETWORK_CARD,),
    )


def _closed(reason: str) -> Closed:
    return Closed(reason, Proof.CONNECT)


MACVLANS: Final[tuple[Driver, ...]] = (
    _macvlan(
        "bridge",
        "from its own host; on the LAN it is a neighbour like any other",
        _OPEN,
        reach(yes=f"CONTAINER>PAIR PAIR>PAIR {_LAN}", no=_SHUT_OFF),
        Attach.NETWORK,
    ),
    _macvlan(
        "private",
        "from its own host and from every other container on the same parent",
        _closed("isolated by design: private lets no frame pass between children"),
        reach(yes=_LAN, no=f"CONTAINER>PAIR PAIR>PAIR {_SHUT_OFF}"),
        Attach.NETWORK,
    ),
    _macvlan(
        "vepa",
        "from its own host; from its pair, unless the switch sends frames back (hairpin)",
        _closed("isolated by design: the LAN's switch does not send frames back (no hairpin)"),
        reach(yes=_LAN, no=f"CONTAINER>PAIR PAIR>PAIR {_SHUT_OFF}"),
        Attach.NETWORK,
    ),
    _macvlan(
        "passthru",
        "from its own host; it takes the whole parent, so there is no second one beside it",
        Closed("one endpoint by design: passthru takes the whole parent", Proof.SECOND),
        reach(yes="PAIR>LAN PAIR>GATEWAY LAN>PAIR", no="PAIR>HOST HOST>PAIR"),
        Attach.NONE,
    ),
)

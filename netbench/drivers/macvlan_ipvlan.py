"""`macvlan:MODE` and `ipvlan:MODE`: links beneath a link of the host's, on its LAN."""

from dataclasses import replace
from typing import Final

from netbench.drivers.base import (
    NO_NETWORK_CARD,
    Closed,
    Driver,
    PathClaim,
    Promise,
    Proof,
    Reach,
    everywhere,
    reach,
)
from netbench.drivers.links import between_children, child_to_child, lan_to_child
from netbench.drivers.promises import (
    ADDRESS_IN_SUBNET,
    DEFAULT_ROUTE,
    OWN_MAC,
    OWN_NETNS,
    PARENT_MAC,
    ROUTED_BY_DEVICE,
    child_of_parent,
)
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via

_SUMMARY: Final = {
    "macvlan": "a link with a MAC address of its own on the LAN, macvlan in mode",
    "ipvlan": "a link that shares its parent's MAC address, ipvlan in mode",
}
_MACS: Final = {"macvlan": OWN_MAC, "ipvlan": PARENT_MAC}
_PAIR: Final = "CONTAINER>PAIR PAIR>PAIR"
_LAN: Final = "CONTAINER>LAN PAIR>LAN LAN>PAIR"
_GATEWAY: Final = "CONTAINER>GATEWAY PAIR>GATEWAY"
_OWN_HOST: Final = "CONTAINER>HOST PAIR>HOST HOST>PAIR"  # ruled out in modes that bridge
_BRIDGED: Final = reach(yes=f"{_PAIR} {_LAN} {_GATEWAY}", no=_OWN_HOST)
_APART: Final = reach(yes=f"{_LAN} {_GATEWAY}", no=f"{_PAIR} {_OWN_HOST}")
_NEIGHBOURS: Final = PathClaim(Via.ADDRESS, child_to_child)
_UNROUTED: Final = Closed(
    "between machines its subnet needs a route on the other one, which is its administrator's",
    Proof.PROMISES,
)
_WHOLE: Final = Closed(
    "passthru takes the whole link that joins the machines, addresses included", Proof.PROMISES
)
_NOT_ITS_HOST: Final = Closed(
    "beside its own host by design: it is a neighbour on the LAN, and publishes no port",
    Proof.PROMISES,
)
_ROUTED: Final = reach(yes=f"{_PAIR} {_LAN}")


def _child(
    kind: str,
    mode: str,
    isolates: str,
    promised: Reach,
    *,
    apart: Closed | None = None,
    route: Promise = DEFAULT_ROUTE,
    across: PathClaim | Closed = _NEIGHBOURS,
) -> Driver:
    network = NetworkSpec(kind, mode=mode)
    return Driver(
        name=f"{kind}:{mode}",
        summary=f"{_SUMMARY[kind]} {mode}",
        isolates=isolates,
        recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=network),
        promises=(OWN_NETNS, child_of_parent(kind, mode), _MACS[kind], ADDRESS_IN_SUBNET, route),
        ways={
            Path.EAST_WEST: apart or PathClaim(Via.ADDRESS, between_children),
            Path.NORTH_SOUTH: PathClaim(Via.ADDRESS, lan_to_child),
            Path.HAIRPIN: Closed(
                "publishes no port: it has addresses of its own on the LAN", Proof.PROMISES
            ),
            Path.ACROSS: across,
            Path.OUTSIDE: _NOT_ITS_HOST,
            Path.TO_OUTSIDE: _NOT_ITS_HOST,
        },
        reach=everywhere(promised),
        options=frozenset({"mtu", "family", "cc", "runtime", "internal", "-o"}),
        other=network,
        caveats=(NO_NETWORK_CARD,),
    )


def _of_server(promise: Promise) -> Promise:
    return Promise(promise.text, lambda facts: promise.check(replace(facts, client=facts.server)))


def _alone(driver: Driver) -> Driver:
    """Return a driver whose server takes the whole parent, MAC address included."""
    own_netns, child, _, *others = driver.promises
    parent_mac = Promise("it has its parent's MAC address", PARENT_MAC.check)
    return replace(
        driver,
        recipe=replace(driver.recipe, client=Attach.NONE),
        promises=(own_netns, *map(_of_server, (child, parent_mac, *others))),
    )


MACVLANS: Final[tuple[Driver, ...]] = (
    _child(
        "macvlan",
        "bridge",
        "from its own host; on the LAN it is a neighbour like any other",
        _BRIDGED,
    ),
    _child(
        "macvlan",
        "private",
        "from its own host and from every other container on the same parent",
        _APART,
        apart=Closed(
            "isolated by design: private lets no frame pass between children", Proof.CONNECT
        ),
    ),
    _child(
        "macvlan",
        "vepa",
        "from its own host; from its pair, unless the switch has hairpin mode",
        _APART,
        apart=Closed(
            "isolated by design: the LAN's switch does not send frames back (no hairpin mode)",
            Proof.CONNECT,
        ),
    ),
    _alone(
        _child(
            "macvlan",
            "passthru",
            "from its own host; it takes the whole parent, so there is no second one beside it",
            reach(yes="PAIR>LAN PAIR>GATEWAY LAN>PAIR", no="PAIR>HOST HOST>PAIR"),
            apart=Closed("one endpoint by design: passthru takes the whole parent", Proof.SECOND),
            across=_WHOLE,
        )
    ),
)
IPVLANS: Final[tuple[Driver, ...]] = (
    _child("ipvlan", "l2", "from its own host; no MAC address of its own", _BRIDGED),
    *(
        _child(
            "ipvlan",
            mode,
            f"broadcast and multicast; routed by the parent, {firewall}",
            _ROUTED,
            route=ROUTED_BY_DEVICE,
            across=_UNROUTED,
        )
        for mode, firewall in (
            ("l3", "incoming packets skip the host's firewall"),
            ("l3s", "through the host's firewall both ways"),
        )
    ),
)

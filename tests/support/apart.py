"""Pairs on two machines, of each driver that has a way from one to the other.

Both machines number alike what is on them (processes, namespaces, links), as two that were just
started do: what mixes them up shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from support.facts import (
    CLIENT_NSID,
    GATEWAY,
    HOST_NSID,
    SERVER,
    SERVER_NSID,
    bridge_pair,
    host_pair,
    with_end,
    with_link,
)
from support.pairs import children_pair, overlay_pair

from netbench.record import (
    Address,
    ClientSide,
    EndpointFacts,
    Ipam,
    LinkCounters,
    PairFacts,
    Route,
)
from netbench.spec import Node, Role

FIRST_ADDRESS, PEER_ADDRESS = "192.0.2.1", "192.0.2.2"
"""Of the machine of the client, and of that of the server."""
UPLINK: Final = "eth0"
UPLINK_MAC: Final = "02:00:00:00:00:02"
_NOTHING: Final = LinkCounters(0, 0, 0, 0, 0, 0)


def apart(facts: PairFacts, target: str) -> PairFacts:
    """The client of a pair of one machine on another one that is just like it."""
    inside = facts.client.namespaces.net == facts.host.namespaces.net
    own = facts.host.namespaces if inside else facts.server.namespaces
    client = replace(
        facts.client,
        pid=facts.server.pid,
        namespaces=own,
        nsids=((Role.CLIENT_HOST.value, HOST_NSID),),
        node=Node.FIRST,
    )
    sandbox = facts.sandbox and _half(facts.sandbox, Role.SANDBOX, "vethc")
    there = facts.sandbox and _half(facts.sandbox, Role.CLIENT_SANDBOX, "veths")
    return replace(
        facts,
        client=client,
        server=replace(facts.server, node=Node.PEER),
        host=_half(facts.host, Role.HOST, "vethc", "vethgc"),
        lan=None,
        sandbox=sandbox,
        uplink=UPLINK,
        target=target,
        client_side=ClientSide(
            host=_half(facts.host, Role.CLIENT_HOST, "veths", "vethgs"),
            sandbox=there,
            uplink=UPLINK,
            ipam=facts.ipam,
        ),
    )


def _half(place: EndpointFacts, role: Role, *gone: str) -> EndpointFacts:
    """A place as it is on one of two machines: without the other one's ports."""
    clients = role in (Role.CLIENT_HOST, Role.CLIENT_SANDBOX)
    known = ("client", CLIENT_NSID) if clients else ("server", SERVER_NSID)
    return replace(
        place,
        role=role,
        node=Node.FIRST if clients else Node.PEER,
        links=tuple(x for x in place.links if not x.name.startswith(gone)),
        nsids=(known,),
    )


def host_apart() -> PairFacts:
    return apart(host_pair(), PEER_ADDRESS)


def bridge_apart() -> PairFacts:
    """Each end in a bridge of its own machine, with subnets of their own."""
    facts = apart(bridge_pair(), PEER_ADDRESS)
    assert facts.client_side
    facts = with_end(
        facts,
        "client",
        addresses=(Address("lo", "127.0.0.1", 8), Address("eth0", "198.18.7.3", 24)),
        routes=(Route("default", "198.18.7.1", "eth0"), Route("198.18.7.0/24", None, "eth0")),
    )
    ipam = Ipam("bridge", "198.18.7.0/24", "198.18.7.1", "docker0")
    assert facts.client_side
    return replace(facts, client_side=replace(facts.client_side, ipam=ipam))


def children_apart(kind: str, mode: str) -> PairFacts:
    """Each end a child of its machine's link to the other one, in a half of one subnet."""
    facts = children_pair(kind, mode)
    for role in ("client", "server"):
        mac = {"mac": UPLINK_MAC} if kind == "ipvlan" else {}
        facts = with_link(facts, role, "eth0", parent=2, **mac)
    ipam = Ipam("lan", "198.18.0.0/24", GATEWAY, None, parent=UPLINK)
    return apart(replace(facts, ipam=ipam), SERVER)


def overlay_apart() -> PairFacts:
    """Each end in a sandbox of its own machine, with a VXLAN link between the two."""
    return apart(overlay_pair(), SERVER)


def overlay_apart_unread() -> PairFacts:
    """The same for a user who may not enter the sandboxes."""
    facts = overlay_apart()
    assert facts.client_side
    side = replace(facts.client_side, sandbox=None)
    return replace(facts, sandbox=None, client_side=side)


def encrypted_apart(facts: PairFacts | None = None) -> PairFacts:
    """An overlay that was asked to encrypt, on machines whose ESP is read."""
    facts = facts or overlay_apart()
    assert facts.client_side
    assert facts.ipam
    ipam = replace(facts.ipam, encrypted=True)
    facts = replace(facts, ipam=ipam, client_side=replace(facts.client_side, ipam=ipam))
    for role in (Role.HOST, Role.CLIENT_HOST):
        facts = with_end(facts, role.value, esp=_NOTHING)
    return facts


ACROSS: Final[Mapping[str, Callable[[], PairFacts]]] = {
    "host": host_apart,
    "bridge": bridge_apart,
    "bridge:user": bridge_apart,
    "macvlan:bridge": lambda: children_apart("macvlan", "bridge"),
    "macvlan:private": lambda: children_apart("macvlan", "private"),
    "macvlan:vepa": lambda: children_apart("macvlan", "vepa"),
    "ipvlan:l2": lambda: children_apart("ipvlan", "l2"),
    "overlay": overlay_apart,
}
"""One of each driver that has a path from machine to machine."""

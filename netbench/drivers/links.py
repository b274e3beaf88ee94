"""Links that drivers claim for the client's bytes, found in facts; empty where one is missing.

A bridge device counts what its own host sends and receives through it, not what it forwards
between ports, and a macvlan or ipvlan in bridge mode hands frames from child to child past its
parent: such a link is a hop that is shown but not counted.
"""

from netbench.drivers.base import Hop, host_end, other_end
from netbench.record import EndpointFacts, Link, PairFacts
from netbench.spec import Role

Hops = tuple[Hop, ...]


def over_loopback(facts: PairFacts) -> Hops:
    """Return the one hop of a pair that shares a namespace: its `lo`, which counts every byte."""
    loopback = facts.client.link("lo")
    return (Hop(Role.CLIENT, loopback, "tx"),) if loopback else ()


def across_bridge(facts: PairFacts) -> Hops:
    """Return client's eth0, its port, the bridge, the server's port, the server's eth0."""
    source, sink = facts.client.link("eth0"), facts.server.link("eth0")
    if source is None or sink is None:
        return ()
    ingress = host_end(facts.client, facts, source)
    egress = host_end(facts.server, facts, sink)
    bridge = _master(facts.host, ingress)
    if ingress is None or egress is None or bridge is None or egress.master != bridge.name:
        return ()
    return (
        Hop(Role.CLIENT, source, "tx"),
        Hop(Role.HOST, ingress, "rx"),
        Hop(Role.HOST, bridge, "none"),
        Hop(Role.HOST, egress, "tx"),
        Hop(Role.SERVER, sink, "rx"),
    )


def lan_to_host(facts: PairFacts) -> Hops:
    """Return the LAN client's link and the host's end of it."""
    uplink = facts.host.link(facts.uplink) if facts.uplink else None
    return _from_lan(facts, uplink)


def lan_to_published(facts: PairFacts) -> Hops:
    """Return the LAN, the host's link to it, the bridge, the server's port, the server's link."""
    first = lan_to_host(facts)
    for sink in facts.server.links:
        egress = host_end(facts.server, facts, sink) if sink.kind == "veth" else None
        bridge = _master(facts.host, egress)
        if first and egress is not None and bridge is not None:
            return (
                *first,
                Hop(Role.HOST, bridge, "none"),
                Hop(Role.HOST, egress, "tx"),
                Hop(Role.SERVER, sink, "rx"),
            )
    return ()


def between_children(facts: PairFacts) -> Hops:
    """Return client's eth0, the parent that both are children of, the server's eth0."""
    source, sink = facts.client.link("eth0"), facts.server.link("eth0")
    parent = parent_of(facts.client, facts)
    if source is None or sink is None or parent is None:
        return ()
    if parent != parent_of(facts.server, facts):
        return ()
    return (
        Hop(Role.CLIENT, source, "tx"),
        Hop(Role.HOST, parent, "none"),
        Hop(Role.SERVER, sink, "rx"),
    )


def lan_to_child(facts: PairFacts) -> Hops:
    """Return the LAN, the parent that it ends in, and the server's eth0, child of that parent."""
    sink, parent = facts.server.link("eth0"), parent_of(facts.server, facts)
    first = _from_lan(facts, parent)
    return (*first, Hop(Role.SERVER, sink, "rx")) if first and sink is not None else ()


def across_overlay(facts: PairFacts) -> Hops:
    """Return the links of an overlay: within one sandbox, or from node to node by VXLAN.

    Where the sandbox may not be read, only the two ends of the path are known.
    """
    source, sink = facts.client.link("eth0"), facts.server.link("eth0")
    if source is None or sink is None:
        return ()
    first, last = Hop(Role.CLIENT, source, "tx"), Hop(Role.SERVER, sink, "rx")
    if facts.sandbox is None:
        return (first, last)
    egress = other_end(facts.server, facts.sandbox, sink)
    bridge = _master(facts.sandbox, egress)
    if egress is None or bridge is None:
        return ()
    leaving = (Hop(Role.SANDBOX, bridge, "none"), Hop(Role.SANDBOX, egress, "tx"), last)
    ingress = other_end(facts.client, facts.sandbox, source)
    if ingress is not None:
        within = (first, Hop(Role.SANDBOX, ingress, "rx"), *leaving)
        return within if ingress.master == bridge.name else ()
    entering = _into_tunnel(facts, first)
    tunnel = _port(facts.sandbox, bridge, "vxlan")
    if not entering or tunnel is None:
        return ()
    return (*entering, Hop(Role.SANDBOX, tunnel, "rx"), *leaving)


def _into_tunnel(facts: PairFacts, first: Hop) -> Hops:
    """Return the hops from a client on the other node to the host's link of the underlay."""
    if facts.lan is None:
        return ()
    ingress = other_end(facts.client, facts.lan, first.link)
    bridge = _master(facts.lan, ingress)
    tunnel = _port(facts.lan, bridge, "vxlan") if bridge else None
    under = lan_to_host(facts)
    if ingress is None or bridge is None or tunnel is None or not under:
        return ()
    return (
        first,
        Hop(Role.LAN, ingress, "rx"),
        Hop(Role.LAN, bridge, "none"),
        Hop(Role.LAN, tunnel, "tx"),
        *under,
    )


def ends_only(facts: PairFacts) -> Hops:
    """Return the eth0 of both ends, where nothing is known of what lies between."""
    source, sink = facts.client.link("eth0"), facts.server.link("eth0")
    if source is None or sink is None:
        return ()
    return (Hop(Role.CLIENT, source, "tx"), Hop(Role.SERVER, sink, "rx"))


def lan_to_end(facts: PairFacts) -> Hops:
    """Return the LAN, the host's link to it, and the server's eth0, whatever lies between."""
    first, sink = lan_to_host(facts), facts.server.link("eth0")
    return (*first, Hop(Role.SERVER, sink, "rx")) if first and sink is not None else ()


def parent_of(end: EndpointFacts, facts: PairFacts) -> Link | None:
    """Return the host's link whose child an endpoint's eth0 is.

    The child names its parent by index, and by the id under which its own namespace knows the
    parent's; where the reader knows that id of the host, the two must agree.
    """
    child = end.link("eth0")
    if child is None or child.parent is None or child.peer_nsid is None:
        return None
    known = dict(end.nsids).get(Role.HOST.value)
    if known is not None and known != child.peer_nsid:
        return None
    return facts.host.by_index(child.parent)


def _from_lan(facts: PairFacts, ingress: Link | None) -> Hops:
    """Return the LAN's end of a veth and the host's, in the direction of the host."""
    if facts.lan is None or ingress is None or ingress.kind != "veth":
        return ()
    if ingress.peer_nsid is None:
        return ()
    lan = facts.lan
    for link in lan.links:
        if link.kind == "veth" and link.index == ingress.peer and link.peer == ingress.index:
            known = dict(facts.host.nsids).get(Role.LAN.value)
            if known is None or known == ingress.peer_nsid:
                return (Hop(Role.LAN, link, "tx"), Hop(Role.HOST, ingress, "rx"))
    return ()


def _master(place: EndpointFacts, port: Link | None) -> Link | None:
    return place.link(port.master) if port is not None and port.master else None


def _port(place: EndpointFacts, bridge: Link, kind: str) -> Link | None:
    found = (x for x in place.links if x.kind == kind and x.master == bridge.name)
    return next(found, None)

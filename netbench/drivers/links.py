"""Links that drivers claim for the client's bytes, found in facts; empty where one is missing.

A bridge device counts what its own host sends and receives through it, not what it forwards
between ports, and a macvlan or ipvlan in bridge mode hands frames from child to child past its
parent: such a link is a hop that is shown but not counted.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from netbench.drivers.base import Hop, known_as, other_end
from netbench.record import PAIRED, EndpointFacts, Link, LinkCounters, PairFacts
from netbench.spec import Role

Hops = tuple[Hop, ...]
ESP: Final = "esp"  # what stands for a machine's ESP among links
TAP: Final = "tun"  # the kind of a tap, in the kernel's words
FIREWALL: Final = "firewall"  # what stands for a host's rules among them; its kind is the backend


def past_rules(hops: Callable[[PairFacts], Hops]) -> Callable[[PairFacts], Hops]:
    """Return a claim without the host's rules: what a proxy serves is not forwarded."""
    return lambda facts: tuple(hop for hop in hops(facts) if hop.link.name != FIREWALL)


def over_loopback(facts: PairFacts) -> Hops:
    """Return the one hop of a pair that shares a namespace: its `lo`, which counts every byte."""
    loopback = facts.client.link("lo")
    return (Hop(Role.CLIENT, loopback, "tx"),) if loopback else ()


def ends_only(facts: PairFacts) -> Hops:
    """Return the eth0 of both ends, where nothing is known of what lies between."""
    source, sink = facts.client.link("eth0"), facts.server.link("eth0")
    if source is None or sink is None:
        return ()
    return (Hop(Role.CLIENT, source, "tx"), Hop(Role.SERVER, sink, "rx"))


def across_bridge(facts: PairFacts) -> Hops:
    """Return client's eth0, its port, the bridge, the server's port, the server's eth0."""
    return _across(facts.host, facts)


def _across(place: EndpointFacts, facts: PairFacts) -> Hops:
    entering = _into_bridge(place, facts)
    leaving = _out_of_bridge(place, facts, facts.server.link("eth0"))
    if not entering or not leaving or entering[-1] != leaving[0]:
        return ()
    return (*entering, *leaving[1:])


def _into_bridge(place: EndpointFacts, facts: PairFacts) -> Hops:
    """Return the client's eth0, its port in a namespace, and the bridge there."""
    source = facts.client.link("eth0")
    port = other_end(facts.client, place, source) if source else None
    bridge = _master(place, port)
    if source is None or port is None or bridge is None:
        return ()
    ingress = Hop(place.role, port, "rx")
    return (Hop(Role.CLIENT, source, "tx"), ingress, Hop(place.role, bridge, "none"))


def _out_of_bridge(place: EndpointFacts, facts: PairFacts, sink: Link | None) -> Hops:
    """Return a bridge of a namespace, its port to the server, and the server's link."""
    port = other_end(facts.server, place, sink) if sink else None
    bridge = _master(place, port)
    if sink is None or port is None or bridge is None:
        return ()
    egress = Hop(place.role, port, "tx")
    rules = _rules(place, bridge)
    return (Hop(place.role, bridge, "none"), *rules, egress, Hop(Role.SERVER, sink, "rx"))


def _rules(place: EndpointFacts, bridge: Link) -> Hops:
    """Return the rules that a bridge's packets pass, as if they were a link, if they are read."""
    found = place.rules
    if found is None or found.backend == "none":
        return ()
    return (Hop(place.role, _instead(bridge, FIREWALL, found.backend, found.carried), "tx"),)


def _leaving(facts: PairFacts) -> Hops:
    """Return the host's bridge that one of the server's links ends in, with port and link."""
    ends = (link for link in facts.server.links if link.kind in PAIRED)
    return next(filter(None, (_out_of_bridge(facts.host, facts, end) for end in ends)), ())


def _master(place: EndpointFacts, port: Link | None) -> Link | None:
    return place.link(port.master) if port is not None and port.master else None


def lan_to_host(facts: PairFacts) -> Hops:
    """Return the LAN client's link and the host's end of it."""
    return _from_lan(facts, facts.host.link(facts.uplink) if facts.uplink else None)


def lan_to_published(facts: PairFacts) -> Hops:
    """Return the LAN, the host's link to it, the bridge, the server's port, the server's link.

    Routed into the bridge, this traffic is counted by it (net/bridge/br_device.c, `br_dev_xmit`).
    """
    first, last = lan_to_host(facts), _leaving(facts)
    if not first or not last:
        return ()
    return (*first, replace(last[0], counted="tx"), *last[1:])


def machine_to_published(facts: PairFacts) -> Hops:
    """Return the machine's `lo` if it is outside, the bridge, the server's port, and its link.

    Instead of these the server's own link of `PairFacts.entry`, where bytes come in by that.
    """
    outside = _outside(facts)
    if facts.entry is not None:
        inner = facts.server.link(facts.entry)
        return (*outside, Hop(Role.SERVER, inner, "rx")) if inner and outside else ()
    leaving = _leaving(facts)
    if facts.machine is None or not leaving:
        return ()
    return (*outside, replace(leaving[0], counted="tx"), *leaving[1:])


def machine_to_end(facts: PairFacts) -> Hops:
    """Return the machine's `lo` if it is outside, and the server's eth0, whatever lies between."""
    sink = facts.server.link("eth0")
    return (*_outside(facts), Hop(Role.SERVER, sink, "rx")) if facts.machine and sink else ()


def machine_to_host(facts: PairFacts) -> Hops:
    """Return the `lo` of the host, which is the machine itself."""
    loopback = facts.host.link("lo")
    if facts.machine is None or loopback is None or _outside(facts):
        return ()
    return (Hop(Role.HOST, loopback, "tx"),)


def host_to_machine(facts: PairFacts) -> Hops:
    """Return the host's link to what is outside and the machine's `lo`, or its own `lo`."""
    outside = _outside(facts)
    return (*_way_out(facts), *outside) if outside else machine_to_host(facts)


def bridge_to_machine(facts: PairFacts) -> Hops:
    """Return the client's link, its port, the bridge, and what leads from there to the machine.

    What a bridge's own host takes in or routes on is counted by it.
    """
    entering, outside = _into_bridge(facts.host, facts), _outside(facts)
    onward = (*_way_out(facts), *outside) if outside else ()
    if facts.machine is None or not entering or len(onward) == 1:
        return ()
    return (*entering[:-1], replace(entering[-1], counted="rx"), *onward)


def end_to_machine(facts: PairFacts) -> Hops:
    """Return the client's eth0, and what is known of the way from there to the machine."""
    source = facts.client.link("eth0")
    return (Hop(Role.CLIENT, source, "tx"), *_outside(facts)) if facts.machine and source else ()


def tap_to_machine(facts: PairFacts) -> Hops:
    """Return the client's tap, whose other side is a process, and the machine's `lo`."""
    tap, outside = next((x for x in facts.client.links if x.kind == TAP), None), _outside(facts)
    return (Hop(Role.CLIENT, tap, "tx"), *outside) if tap and outside else ()


def _outside(facts: PairFacts) -> Hops:
    """Return the machine's `lo`, which user-mode networks use; nothing if it is the host."""
    loopback = facts.outside.link("lo") if facts.outside else None
    return (Hop(Role.MACHINE, loopback, "tx"),) if loopback else ()


def _way_out(facts: PairFacts) -> Hops:
    """Return the link of the default route of a host that is not the machine: `tap0`."""
    found = (route.link for route in facts.host.routes if route.destination == "default")
    link = facts.host.link(next(found, ""))
    return (Hop(Role.HOST, link, "tx"),) if link else ()


def lan_to_end(facts: PairFacts) -> Hops:
    """Return the LAN, the host's link to it, and the server's eth0, whatever lies between."""
    return _to_server(lan_to_host(facts), facts)


def lan_to_child(facts: PairFacts) -> Hops:
    """Return the LAN, the parent that it ends in, and the server's eth0, child of that parent."""
    return _to_server(_from_lan(facts, parent_of(facts.server, facts)), facts)


def _to_server(first: Hops, facts: PairFacts) -> Hops:
    sink = facts.server.link("eth0")
    return (*first, Hop(Role.SERVER, sink, "rx")) if first and sink is not None else ()


def between_children(facts: PairFacts) -> Hops:
    """Return client's eth0, the parent that both are children of, the server's eth0."""
    ends, parent = ends_only(facts), parent_of(facts.client, facts)
    if not ends or parent is None or parent != parent_of(facts.server, facts):
        return ()
    return (ends[0], Hop(Role.HOST, parent, "none"), ends[1])


def across_overlay(facts: PairFacts) -> Hops:
    """Return the links of an overlay: in a sandbox, from node to node, or both ends if unread."""
    ends, sandbox, lan = ends_only(facts), facts.sandbox, facts.lan
    if sandbox is None or not ends:
        return ends
    if lan is None or other_end(facts.client, sandbox, ends[0].link) is not None:
        return _across(sandbox, facts)
    entering, under = _into_bridge(lan, facts), lan_to_host(facts)
    leaving = _out_of_bridge(sandbox, facts, ends[-1].link)
    if not entering or not under or not leaving:
        return ()
    first, last = _vxlan(lan, entering[-1]), _vxlan(sandbox, leaving[0])
    if first is None or last is None:
        return ()
    tunnel = (Hop(Role.LAN, first, "tx"), *under, Hop(Role.SANDBOX, last, "rx"))
    return (*entering, *tunnel, *leaving)


def between_hosts(facts: PairFacts) -> Hops:
    """Return the link by which the client's machine sends to the server's, and that one's."""
    side = facts.client_side
    first = side.host.link(side.uplink) if side and side.uplink else None
    last = facts.host.link(facts.uplink) if facts.uplink else None
    if first is None or last is None:
        return ()
    return (Hop(Role.CLIENT_HOST, first, "tx"), Hop(Role.HOST, last, "rx"))


def bridge_to_published(facts: PairFacts) -> Hops:
    """Return the client's bridge, the links between the machines, the server's bridge and port.

    What a bridge's own host routes on is counted by it (net/bridge/br_input.c,
    `br_pass_frame_up`).
    """
    side, wire = facts.client_side, between_hosts(facts)
    entering = _into_bridge(side.host, facts) if side else ()
    leaving = _leaving(facts)
    if not entering or not wire or not leaving:
        return ()
    out, into = replace(entering[-1], counted="rx"), replace(leaving[0], counted="tx")
    return (*entering[:-1], out, *wire, into, *leaving[1:])


def child_to_child(facts: PairFacts) -> Hops:
    """Return client's eth0, its parent, the server's parent, the server's eth0."""
    ends, side = ends_only(facts), facts.client_side
    if not ends or side is None:
        return ()
    first = parent_of(facts.client, facts)
    last = parent_of(facts.server, facts)
    if first is None or last is None:
        return ()
    wire = (Hop(Role.CLIENT_HOST, first, "tx"), Hop(Role.HOST, last, "rx"))
    return (ends[0], *wire, ends[1])


def between_ends(facts: PairFacts) -> Hops:
    """Return client's eth0, the links between the machines, the server's eth0."""
    ends, wire = ends_only(facts), between_hosts(facts)
    return (ends[0], *wire, ends[1]) if ends and wire else ()


def between_sandboxes(facts: PairFacts) -> Hops:
    """Return an overlay's links from node to node; without its tunnel where that is unread.

    Of an encrypted one the machines' ESP counts among them: no option proves what was sent.
    """
    ends, side, wire = ends_only(facts), facts.client_side, _sent(facts)
    if side is None or side.sandbox is None or facts.sandbox is None:
        return (ends[0], *wire, ends[1]) if ends and wire else ()
    if not ends or not wire:
        return ()
    entering = _into_bridge(side.sandbox, facts)
    leaving = _out_of_bridge(facts.sandbox, facts, ends[-1].link)
    first = _vxlan(side.sandbox, entering[-1]) if entering else None
    last = _vxlan(facts.sandbox, leaving[0]) if leaving else None
    if first is None or last is None:
        return ()
    tunnel = Hop(side.sandbox.role, first, "tx"), Hop(Role.SANDBOX, last, "rx")
    return (*entering, tunnel[0], *wire, tunnel[1], *leaving)


def _sent(facts: PairFacts) -> Hops:
    """Return the links between the machines, with ESP before and after where it must be."""
    wire, side = between_hosts(facts), facts.client_side
    if facts.ipam is None or not facts.ipam.encrypted or side is None:
        return wire
    if not wire or side.host.esp is None or facts.host.esp is None:
        return ()
    sealed = Hop(Role.CLIENT_HOST, _esp(wire[0].link, side.host.esp), "tx")
    opened = Hop(Role.HOST, _esp(wire[1].link, facts.host.esp), "rx")
    return (sealed, *wire, opened)


def _esp(uplink: Link, carried: LinkCounters) -> Link:
    """Return ESP as if it were a link above the one that leads to the other machine."""
    return _instead(uplink, ESP, ESP, carried)


def _instead(link: Link, name: str, kind: str, carried: LinkCounters) -> Link:
    """Return what is no link, but counts what passes beside one, as a link."""
    return replace(link, name=name, index=0, kind=kind, counters=carried, offloads=None, mac="")


def _vxlan(place: EndpointFacts, bridge: Hop) -> Link | None:
    found = (x for x in place.links if x.kind == "vxlan" and x.master == bridge.link.name)
    return next(found, None)


def parent_of(end: EndpointFacts, facts: PairFacts) -> Link | None:
    """Return the host's link whose child an endpoint's eth0 is, by index and namespace id."""
    child = end.link("eth0")
    side = facts.client_side
    host = side.host if side and side.host.node == end.node else facts.host
    if child is None or child.parent is None or not known_as(end, host.role, child.peer_nsid):
        return None
    return host.by_index(child.parent)


def _from_lan(facts: PairFacts, ingress: Link | None) -> Hops:
    """Return the LAN's end of a veth and the host's, in the direction of the host."""
    if facts.lan is None or ingress is None:
        return ()
    for link in facts.lan.links:
        if link.kind == "veth" and other_end(facts.lan, facts.host, link) == ingress:
            return (Hop(Role.LAN, link, "tx"), Hop(Role.HOST, ingress, "rx"))
    return ()

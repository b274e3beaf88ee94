"""Path proof: which links carried what was measured, and that they are the driver's (METHOD §4)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from netbench.drivers import Driver, Hop
from netbench.facts.base import Heard
from netbench.record import EndpointFacts, HopProof, PairFacts, PathProof, Route, Slice
from netbench.spec import Path, Role

_SOME = 5  # changes of one link that a proof names
_BUFFERED = 16 * 1024**2  # bytes that a client's receive buffers hold; TCP's grow to 6 MB each


def prove(
    driver: Driver,
    path: Path,
    target: str,
    facts: tuple[PairFacts, PairFacts],
    required: int,
    *,
    returned: int = 0,
    slices: Sequence[Slice] = (),
    heard: Heard | None = None,
) -> PathProof:
    """Return whether the driver's links, and no others, can have carried so many bytes.

    They can if every link of the claimed path is the same before and after, no link event in
    between differs (`heard`), and its counter moved by at least the bytes received: for a session
    in each slice by itself, in which all other arms were held. `facts` are of before and after;
    `required` and `returned` are the payload bytes that server and client counted.
    """
    before, after = facts
    callers = {Path.NORTH_SOUTH: after.lan, Path.OUTSIDE: after.machine}
    caller = callers.get(path) or after.client
    now = driver.hops(path, after)
    hops, problems = _compare(driver.hops(path, before), now, (required, returned))
    if not now:
        problems = ["links of the claimed path are missing"]
    problems += _passing(driver.hops(path, before), heard)
    hops = [_in_slices(hop, at, slices) for at, hop in enumerate(hops)]
    problems += [p for one in slices for p in _short_slice(hops, one, kept=_kept(now))]
    return PathProof(
        held=not problems,
        required=required,
        hops=tuple(hops),
        route=route_to(caller, target),
        reader=after.reader,
        problems=tuple(problems),
        returned=returned,
        read_once=after.read_once,
        listened=heard.by if heard else "",
    )


def _compare(
    before: tuple[Hop, ...], after: tuple[Hop, ...], payload: tuple[int, int]
) -> tuple[list[HopProof], list[str]]:
    """Return the claimed links with what moved on them, and all that speaks against them."""
    then = {(hop.role, hop.link.index): hop for hop in before}
    kept = {(hop.role, hop.link.index) for hop in after}
    problems = [
        f"{hop.role} {hop.link.name} is not on the path any more"
        for key, hop in then.items()
        if key not in kept
    ]
    hops = []
    for hop in after:
        earlier = then.get((hop.role, hop.link.index))
        if earlier is None:
            problems.append(f"{hop.role} {hop.link.name} was not there before the trial")
            continue
        proof = _hop(earlier, hop)
        hops.append(proof)
        problems += _changes(earlier, hop)
        if hop.counted != "none":
            name = f"{proof.namespace} {proof.link}"
            problems += _short(name, proof.moved, proof.back, payload)
    return hops, problems


def _short(
    name: str,
    moved: int | None,
    back: int | None,
    payload: tuple[int, int],
    at_least: tuple[str, str] = ("", ""),
) -> Iterator[str]:
    """Yield the directions in which a link moved less than server and client received."""
    received, returned = payload
    if moved is not None and moved < received:
        yield f"{name} moved {moved} bytes, the receiver got {at_least[0]}{received}"
    if back is not None and back < returned:
        yield f"{name} moved {back} bytes back, the client got {at_least[1]}{returned}"


def _in_slices(hop: HopProof, at: int, slices: Sequence[Slice]) -> HopProof:
    """Return a hop with what it moved in the slices alone, where that was read."""
    ways = [
        [counted[at] for one in slices if at < len(counted := getattr(one, way))]
        for way in ("moved", "back")
    ]
    moved, back = ([count for count in way if count is not None] for way in ways)
    return replace(hop, moved=sum(moved), back=sum(back)) if moved else hop


def _kept(hops: Sequence[Hop]) -> bool:
    """Tell whether a user-mode network lies on the path, which passes on what it has when it can.

    What it had got before a slice then comes in with that slice: of what is received, as of what
    comes back, so much is not counted on every link.
    """
    return any(hop.role is Role.MACHINE for hop in hops)


def _short_slice(hops: Sequence[HopProof], one: Slice, *, kept: bool) -> Iterator[str]:
    """Yield links that moved less in a slice than received, but for a full receive buffer."""
    received, returned = (
        count - min(_BUFFERED, count // 2) if buffered else count
        for count, buffered in ((one.received, kept), (one.returned, True))
    )
    payload = received, returned
    for at, hop in enumerate(hops):
        name = f"round {one.round}: {hop.namespace} {hop.link}"
        moved, back = (way[at] if at < len(way) else None for way in (one.moved, one.back))
        yield from _short(name, moved, back, payload, ("at least " if kept else "", "at least "))


def _hop(before: Hop, after: Hop) -> HopProof:
    old, new = before.link.counters, after.link.counters
    came, went = new.rx_bytes - old.rx_bytes, new.tx_bytes - old.tx_bytes
    moved, back = {"rx": (came, went), "tx": (went, came), "none": (0, 0)}[after.counted]
    link = after.link
    return HopProof(
        namespace=after.role.value,
        link=link.name,
        index=link.index,
        kind=link.kind,
        mode=link.mode,
        mtu=link.mtu,
        mac=link.mac,
        peer=link.peer,
        master=link.master,
        qdisc=link.qdisc,
        offloads=link.offloads,
        rx_before=old.rx_bytes,
        rx_after=new.rx_bytes,
        tx_before=old.tx_bytes,
        tx_after=new.tx_bytes,
        counted=after.counted,
        moved=moved,
        back=back,
    )


def _changes(before: Hop, after: Hop) -> list[str]:
    """Return what is no longer the same about a link, its counters apart."""
    old = replace(before.link, counters=after.link.counters)
    if old == after.link:
        return []
    return [f"{after.role} {after.link.name} changed during the trial: {old} -> {after.link}"]


def _passing(before: Sequence[Hop], heard: Heard | None) -> list[str]:
    """Return how links of the path differed for a time, by their events."""
    known = {(hop.role, hop.link.index): hop.link for hop in before}
    found: dict[str, dict[str, None]] = {}
    for event in heard.events if heard else ():
        if (link := known.get((event.role, event.index))) and (words := event.differs(link)):
            found.setdefault(f"{event.role} {link.name}", {})[words] = None
    return [
        f"{name} was changed between the readings: {'; '.join([*words][:_SOME])}"
        for name, words in found.items()
    ]


def route_to(client: EndpointFacts, target: str | None) -> str:
    """Return the client's route to an address in words, by longest prefix."""
    if target is None:
        return "no address to reach"
    wanted = ip_address(target)
    if wanted.is_loopback:
        return f"{target} local, dev lo"
    if any(ip_address(a.address) == wanted for a in client.addresses):
        return f"{target} is the client's own, dev lo"
    matching = [r for r in client.routes if wanted in _destination(r)]
    if not matching:
        return f"no route to {target}"
    best = max(matching, key=lambda r: _destination(r).prefixlen)
    via = f" via {best.gateway}" if best.gateway else ""
    return f"{target}{via} dev {best.link} ({best.destination})"


def _destination(route: Route) -> IPv4Network | IPv6Network:
    return ip_network("0.0.0.0/0" if route.destination == "default" else route.destination)

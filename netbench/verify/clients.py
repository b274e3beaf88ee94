"""Which client address a server sees: the client's own, or one of the host's that stands for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

from netbench.drivers import ReachPlace
from netbench.record import EndpointFacts
from netbench.verify.places import ReachScene

Whose = Literal["own", "host", "other"]
WORDS: Final[dict[Whose, str]] = {
    "own": "the client's own",
    "host": "one of the host's",
    "other": "another one",
}
PATHS: Final = (  # who calls whom on the paths of a service, in the order they are shown
    (ReachPlace.CONTAINER, ReachPlace.PAIR),
    (ReachPlace.LAN, ReachPlace.PAIR),
    (ReachPlace.LAN, ReachPlace.PUBLISHED),
    (ReachPlace.CONTAINER, ReachPlace.PUBLISHED),
    (ReachPlace.HOST, ReachPlace.PUBLISHED),
)


@dataclass(frozen=True, slots=True)
class SeenClient:
    """Which client the server of one connect saw; nothing where it was not reached."""

    source: ReachPlace
    target: ReachPlace
    kind: str  # `tcp4`
    client: str | None
    client_is: Whose | None


def whose(places: ReachScene, source: ReachPlace, client: str) -> Whose:
    """Return whose address a server saw that was called from a place."""
    facts, seen = places.live.facts, ip_address(client)
    ends = {ReachPlace.CONTAINER: facts.client, ReachPlace.PAIR: facts.server}
    ends |= {ReachPlace.LAN: facts.lan} if facts.lan else {}
    own = facts.host if places.in_host(source) else ends.get(source)
    known = set(_addresses(own)) if own else set()
    other = places.endpoint(source)
    given = (other.address, other.address6) if other else ()
    if seen in known | {ip_address(address) for address in given if address}:
        return "own"
    return "host" if seen in set(_addresses(facts.host)) else "other"


def _addresses(end: EndpointFacts) -> Iterator[IPv4Address | IPv6Address]:
    return (ip_address(known.address) for known in end.addresses)


def client_lines(rows: Iterable[SeenClient]) -> Iterator[str]:
    """Yield, for each path of a service, whose address the server saw, in words."""
    seen = [row for row in rows if row.client_is is not None]
    for path in PATHS:
        found: dict[str, list[str]] = {}
        for row in seen:
            if (row.source, row.target) == path and row.client_is is not None:
                words = WORDS[row.client_is]
                words += "" if row.client_is == "own" else f", {row.client}"
                found.setdefault(words, []).append(row.kind)
        if found:
            parts = "; ".join(f"{words} ({' '.join(kinds)})" for words, kinds in found.items())
            yield f"client address seen, {path[0]} -> {path[1]}: {parts}"

"""What a driver is: a recipe, its promises, and the ways it claims. All of it pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from netbench.record import PAIRED, EndpointFacts, Link, PairFacts, PromiseCheck
from netbench.spec import MACHINE_PATHS, Family, NetworkSpec, Path, Recipe, Role, Via


@dataclass(frozen=True, slots=True)
class Hop:
    """A link of the claimed path, in the direction client to server."""

    role: Role  # whose namespace it is seen from
    link: Link
    counted: Literal["rx", "tx", "none"]  # which of its counters the client's bytes must move


@dataclass(frozen=True, slots=True)
class Promise:
    """Something a driver promises, and how facts show it."""

    text: str
    check: Callable[[PairFacts], tuple[bool, str]]  # whether it holds, and what shows it

    def judge(self, facts: PairFacts) -> PromiseCheck:
        """Return the promise with its verdict on these facts, on each machine for itself."""
        found = [(part.host.node, *self.check(part)) for part in facts.by_machine]
        if len(found) == 1:
            return PromiseCheck(self.text, *found[0][1:])
        evidence = "; ".join(f"on the {node} machine {seen}" for node, _, seen in found)
        return PromiseCheck(self.text, all(held for _, held, _ in found), evidence)


@dataclass(frozen=True, slots=True)
class PathClaim:
    """How a client reaches the service on one path."""

    via: Via
    hops: Callable[[PairFacts], tuple[Hop, ...]]  # the claimed links; empty if one is missing


class Proof(StrEnum):
    """What shows that a path is closed."""

    CONNECT = "connect"  # connections to the pair's listening server fail
    SECOND = "second"  # the engine refuses a second endpoint on the network
    PROMISES = "promises"  # the promises alone: there is no address or port to connect to


@dataclass(frozen=True, slots=True)
class Closed:
    """A path that the driver rules out by design."""

    reason: str
    proof: Proof


NOT_BEYOND_NETNS: Final[Mapping[Path, Closed]] = dict.fromkeys(
    (Path.ACROSS, *MACHINE_PATHS),
    Closed("it is for the netns engine, whose host nothing joins to a machine", Proof.PROMISES),
)
"""The ways that no driver of the netns engine alone can have."""


class ReachPlace(StrEnum):
    """Where a connection of the reach matrix starts or ends."""

    CONTAINER = "container"
    PAIR = "pair"  # the container beside it; seen from elsewhere, the pair's server
    OTHER = "other network"  # a container on another network of the same driver
    HOST = "host"
    GATEWAY = "gateway"
    LAN = "LAN"
    PUBLISHED = "published port"


@dataclass(frozen=True, slots=True)
class Caveat:
    """What a reader must know of a driver's figures that were measured on one machine."""

    badge: str
    text: str  # a sentence without its subject, the driver
    unless_kind: str = ""  # it does not apply where a link of this kind was proved


OVER_LOOPBACK: Final = Caveat(
    "over loopback, MTU 65536",
    "on one machine this traffic takes lo (MTU 65536, no queueing discipline), which a client on "
    "another machine would not.",
)
NO_NETWORK_CARD: Final = Caveat(
    "virtual LAN, no network card",
    "from container to container the kernel hands frames over beneath the parent, so no network "
    "card, switch or port security was involved.",
)
Reach = Mapping[tuple[ReachPlace, ReachPlace], bool]  # True if promised, False if ruled out


def reach(*, yes: str = "", no: str = "") -> Reach:
    """Return promises written as words such as `CONTAINER>PAIR`, by names of `ReachPlace`."""
    return {
        (ReachPlace[word.partition(">")[0]], ReachPlace[word.partition(">")[2]]): promised
        for words, promised in ((yes, True), (no, False))
        for word in words.split()
    }


def everywhere(promised: Reach) -> Mapping[Family, Reach]:
    """Return a promise that is the same for IPv4 and IPv6."""
    return {Family.V4: promised, Family.V6: promised}


@dataclass(frozen=True, slots=True)
class Driver:
    """A network driver under test. Describes; an engine makes it real."""

    name: str  # as users write it, with mode and variant: `bridge:user@mtu=9000`
    summary: str
    isolates: str  # what it isolates and what it leaves open, one line
    recipe: Recipe
    promises: tuple[Promise, ...]
    ways: Mapping[Path, PathClaim | Closed]
    reach: Mapping[Family, Reach] = field(default_factory=dict)  # as far as it is promised
    options: frozenset[str] = frozenset()  # of variants; `-o`: options of the engine's own
    other: NetworkSpec | None = None  # another of its kind, for the reach matrix
    caveats: tuple[Caveat, ...] = ()  # of its figures between containers

    @property
    def isolated(self) -> bool:
        """Tell whether it carries no traffic at all."""
        return not any(isinstance(way, PathClaim) for way in self.ways.values())

    def publishes(self, path: Path) -> bool:
        """Tell whether a path leads to the server through published ports."""
        way = self.ways[path]
        return isinstance(way, PathClaim) and way.via.publishes

    def hops(self, path: Path, facts: PairFacts) -> tuple[Hop, ...]:
        """Return the claimed links of one path; none where it is closed."""
        way = self.ways[path]
        return way.hops(facts) if isinstance(way, PathClaim) else ()


def other_end(end: EndpointFacts, place: EndpointFacts, link: Link) -> Link | None:
    """Return the end of an endpoint's veth or netkit in `place`, by both indices and nsid."""
    other = place.by_index(link.peer)
    if other is None or other.kind not in PAIRED or other.peer != link.index:
        return None
    return other if known_as(place, end.role, other.peer_nsid) else None


def known_as(place: EndpointFacts, role: Role, nsid: int | None) -> bool:
    """Tell whether a namespace may know another one by this id; none means its own."""
    return nsid is not None and dict(place.nsids).get(role.value) in (None, nsid)

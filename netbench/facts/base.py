"""What both readers share: what they read, and how the facts of a pair are put together."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final, Literal, TypeVar

from netbench.errors import FactError
from netbench.facts.pair import FarClient, NamespaceSet, Pair, Where
from netbench.facts.procfs import tcp_ports
from netbench.facts.registry import ENDPOINT_LINKS
from netbench.record import (
    Address,
    ClientSide,
    EndpointFacts,
    Link,
    Namespaces,
    PairFacts,
    Route,
)
from netbench.spec import Node, Protocol, Role
from netbench.system.interrupts import Pool

_S = TypeVar("_S")
_T = TypeVar("_T")
_KNOWN: Final[Mapping[Role, tuple[Role, ...]]] = {
    Role.CLIENT: (Role.HOST, Role.CLIENT_HOST),
    Role.SERVER: (Role.HOST,),
    Role.MACHINE: (),
    Role.HOST: (Role.CLIENT, Role.SERVER, Role.LAN, Role.SANDBOX),
    Role.LAN: (Role.CLIENT, Role.SERVER, Role.HOST),
    Role.SANDBOX: (Role.CLIENT, Role.SERVER, Role.HOST),
    Role.CLIENT_HOST: (Role.CLIENT, Role.CLIENT_SANDBOX),
    Role.CLIENT_SANDBOX: (Role.CLIENT, Role.CLIENT_HOST),
}
"""Whose namespace ids are recorded of each: by such an id a link names its far end or parent.
Only those of the same machine have one."""
SANDBOXES: Final = (Role.SANDBOX, Role.CLIENT_SANDBOX)


@dataclass(frozen=True, slots=True)
class NetnsFacts:
    """What a network namespace holds; offloads of its links are not read yet."""

    links: tuple[Link, ...]  # by index
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    congestion: str | None
    nsids: Mapping[Where, int]  # ids by which it knows other namespaces, those that it has one for


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A link after a change, by rtnetlink(7), also one that is undone before the next reading."""

    role: Role  # of its namespace
    index: int
    gone: bool = False  # or no port of its master any more
    up: bool = True
    carrier: bool = True
    mtu: int | None = None  # bytes; None if the event does not say
    master: str | None = None
    qdisc: str = ""  # in words what became of one, if the event is of that; then of nothing else

    def differs(self, link: Link) -> str | None:
        """Return in words how it was not as a reading has it, or None."""
        if self.qdisc:
            return self.qdisc
        if self.gone:
            return f"it left {self.master}" if self.master else "it was gone"
        now: dict[str, object] = {
            "up": self.up,
            "carrier": None if link.carrier is None else self.carrier,
            "master": self.master,
            "mtu": link.mtu if self.mtu is None else self.mtu,
        }
        words = [f"{name} {value}" for name, value in now.items() if value != getattr(link, name)]
        return ", ".join(words) or None


@dataclass(frozen=True, slots=True)
class Heard:
    """The events, and in words what listened to them, or why nothing did."""

    events: tuple[LinkEvent, ...]
    by: str


StopListening = Callable[[], Heard]  # is called once; raises `EngineLost`


_Subject = tuple[Node, Role, Where]
_Netns = tuple[Node, int | None]  # a network namespace by its inode


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read of all pairs; network namespaces by machine and inode."""

    spaces: Mapping[_Subject, Namespaces | FactError]
    netns: Mapping[_Netns, NetnsFacts | FactError]
    offloads: Mapping[tuple[_Netns, str], tuple[str, ...] | FactError | None]


def _key(subject: NamespaceSet) -> _Subject:
    return subject.node, subject.role, subject.where


class Reader(ABC):
    """Reads pairs, each network namespace once: others may make links between two readings."""

    name: ClassVar[Literal["netlink", "engine"]]
    notes: ClassVar[tuple[str, ...]] = ()  # what it can never read, in words
    workers: ClassVar[int] = 1  # readings at a time

    @abstractmethod
    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return the facts of now; raises `FactError`, also if the namespaces are others."""

    @abstractmethod
    def listen(self, pair: Pair, seen: PairFacts) -> StopListening:
        """Begin to listen to what happens to a pair's links between two readings."""

    @abstractmethod
    def namespaces(self, subject: NamespaceSet) -> Namespaces:
        """Return the inodes of a subject's namespaces; errors as `netns`."""

    @abstractmethod
    def netns(self, subject: NamespaceSet, others: Sequence[Where]) -> NetnsFacts:
        """Return what its network namespace holds, with the ids of `others`; raises `FactError`."""

    @abstractmethod
    def offloads(self, subject: NamespaceSet, name: str) -> tuple[str, ...] | None:
        """Return the offloads of a link that are on, None if they cannot be read."""

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return the facts of each pair; an error where something that a proof needs is unread."""
        subjects = {_key(one): one for pair in pairs for one in pair.subjects}

        def namespaces(subject: NamespaceSet) -> Namespaces:
            return replace(self.namespaces(subject), **dict(subject.stands_in))

        def netns(subject: NamespaceSet) -> NetnsFacts:
            known = _KNOWN[subject.role]
            others = [
                one.where
                for one in subjects.values()
                if one.role in known and one.node is subject.node
            ]
            return self.netns(subject, others)

        with Pool(max_workers=self.workers) as pool:
            found = pool.map(_tried(namespaces), subjects.values())
            spaces = dict(zip(subjects, found, strict=True))
            # Of those who share a network namespace the last one is asked, the host above all.
            asked = {
                (key[0], space.net): subjects[key]
                for key, space in spaces.items()
                if isinstance(space, Namespaces)
            }
            read = dict(zip(asked, pool.map(_tried(netns), asked.values()), strict=True))
            wanted = [(space, name) for space in read for name in _offload_names(space, read)]
            features = pool.map(_tried(lambda key: self.offloads(asked[key[0]], key[1])), wanted)
            seen = _Seen(spaces, read, dict(zip(wanted, features, strict=True)))
        return [_tried(partial(self._pair, seen=seen))(pair) for pair in pairs]

    def with_counted(self, pair: Pair, facts: PairFacts) -> PairFacts:
        """Return facts with what ESP and firewall rules have counted by now, where that is asked.

        Raises `FactError` where it cannot be read: then nothing shows that they were passed.
        """
        ipam = pair.ipam
        if ipam and ipam.rules and ipam.bridge and pair.host.rules:
            counted = pair.host.rules(ipam.bridge)
            facts = replace(facts, host=replace(facts.host, rules=counted))
        return self._with_esp(pair, facts)

    def _with_esp(self, pair: Pair, facts: PairFacts) -> PairFacts:
        """Return facts with what ESP has carried by now, where the network is encrypted."""
        side = facts.client_side
        if pair.far is None or side is None or pair.ipam is None or not pair.ipam.encrypted:
            return facts
        hosts = [(pair.host, facts.host), (pair.far.host, side.host)]
        here, there = (
            replace(end, esp=subject.esp() if subject.esp else None) for subject, end in hosts
        )
        return replace(facts, host=here, client_side=replace(side, host=there))

    def _pair(self, pair: Pair, seen: _Seen) -> PairFacts:
        """Return one pair's share; raises what stands in the way of it."""
        ends: dict[Role, EndpointFacts] = {}
        notes = list(self.notes)
        for subject in pair.subjects:
            try:
                ends[subject.role] = _end(pair, subject, seen)
            except FactError as exc:
                if subject.role not in SANDBOXES:
                    raise
                notes.append(f"the overlay's sandbox is not read: {exc}")
        facts = PairFacts(
            client=ends[Role.CLIENT],
            server=ends[Role.SERVER],
            host=ends[Role.HOST],
            target=pair.target,
            ipam=pair.ipam,
            reader=self.name,
            notes=tuple(notes),
            lan=ends.get(Role.LAN),
            sandbox=ends.get(Role.SANDBOX),
            uplink=pair.uplink,
            client_side=_client_side(pair.far, ends) if pair.far else None,
            machine=ends.get(Role.MACHINE),
            entry=pair.entry,
        )
        return self.with_counted(pair, facts)


def _client_side(far: FarClient, ends: Mapping[Role, EndpointFacts]) -> ClientSide:
    sandbox = ends.get(Role.CLIENT_SANDBOX)
    return ClientSide(ends[Role.CLIENT_HOST], sandbox, far.uplink, far.ipam)


def _tried(work: Callable[[_S], _T]) -> Callable[[_S], _T | FactError]:
    """Return `work` with its failure as a value: one pair's must not be every pair's."""

    def attempt(subject: _S) -> _T | FactError:
        try:
            return work(subject)
        except FactError as exc:
            return exc

    return attempt


def _end(pair: Pair, subject: NamespaceSet, seen: _Seen) -> EndpointFacts:
    """Return the facts of one end of a pair."""
    space = seen.spaces[_key(subject)]
    if isinstance(space, FactError):
        raise space
    netns = subject.node, space.net
    found = seen.netns[netns]
    if isinstance(found, FactError):
        raise found

    def with_features(link: Link) -> Link:
        on = seen.offloads.get((netns, link.name))
        return replace(link, offloads=None if isinstance(on, FactError) else on)

    known = [
        one
        for one in pair.subjects
        if one.role in _KNOWN[subject.role] and one.node is subject.node
    ]
    return EndpointFacts(
        role=subject.role,
        pid=subject.pid,
        namespaces=space,
        links=tuple(map(with_features, found.links)),
        addresses=found.addresses,
        routes=found.routes,
        nsids=tuple((o.role.value, found.nsids[o.where]) for o in known if o.where in found.nsids),
        congestion_control=found.congestion,
        node=subject.node,
    )


def _offload_names(space: _Netns, read: Mapping[_Netns, NetnsFacts | FactError]) -> tuple[str, ...]:
    """Return names of an endpoint's own links, and of far ends and parents of links elsewhere."""
    found = read[space]
    others = [
        one
        for key, one in read.items()
        if key[0] is space[0] and key != space and isinstance(one, NetnsFacts)
    ]
    far = [link for one in others for link in one.links if link.peer_nsid is not None]
    peers = {(link.peer, link.index) for link in far if link.peer is not None}
    parents = {link.parent for link in far if link.parent is not None}
    links = () if isinstance(found, FactError) else found.links
    return tuple(
        link.name
        for link in links
        if link.name in ENDPOINT_LINKS or (link.index, link.peer) in peers or link.index in parents
    )


def ports_in_use(
    subject: NamespaceSet, state: str | None, protocol: Protocol = "tcp"
) -> frozenset[int]:
    """Return local ports of a namespace, of one state or of any; IPv4 and IPv6 sockets."""
    texts = subject.net_files(protocol, f"{protocol}6").values()
    return frozenset[int]().union(*(tcp_ports(text, state) for text in texts))

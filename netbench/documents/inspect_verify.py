"""The documents of `inspect` and `verify`: what endpoints, links and networks are."""

from dataclasses import asdict
from typing import Literal, Self

from msgspec import Struct

from netbench.drivers.base import other_end
from netbench.drivers.links import parent_of
from netbench.engines.base import Endpoint
from netbench.record import NAMESPACE_KINDS, PAIRED, EndpointFacts, Ipam, Link, PairFacts
from netbench.record.observed import Sharing
from netbench.spec import Family, NetworkSpec, Protocol
from netbench.verify.clients import Whose
from netbench.verify.matrix import Measured, Promised


class NamespaceCell(Struct, frozen=True):
    """One namespace of an endpoint."""

    inode: int | None
    shared: Sharing | None
    """Who else is in it; null where an inode that decides it could not be read."""


class PeerRow(Struct, frozen=True):
    """The other end of a veth."""

    namespace: str | None
    index: int
    name: str


class LinkRow(Struct, frozen=True):
    """One link of an endpoint."""

    name: str
    index: int
    kind: str | None
    mode: str | None
    parent: int | None
    """Index of the lower link, in the namespace that holds it."""
    parent_name: str | None
    peer: PeerRow | None
    master: str | None
    mtu: int
    mac: str

    @classmethod
    def of(cls, link: Link, end: EndpointFacts, facts: PairFacts) -> "LinkRow":
        """Return a link of one end of a pair, with its other end where that is seen."""
        place, peer = _far_end(link, end, facts)
        parent = parent_of(end, facts) if link.name == "eth0" else None
        return cls(
            name=link.name,
            index=link.index,
            kind=link.kind,
            mode=link.mode,
            parent=link.parent,
            parent_name=parent.name if parent else None,
            peer=PeerRow(place, peer.index, peer.name) if peer else None,
            master=peer.master if peer else link.master,
            mtu=link.mtu,
            mac=link.mac,
        )


class VethRow(Struct, frozen=True):
    """A line of the veth map."""

    link: str
    index: int
    namespace: str | None
    peer: str
    peer_index: int
    bridge: str | None


class EndpointDocument(Struct, frozen=True):
    """One endpoint."""

    role: str
    pid: int | None
    sandbox_key: str | None
    """The file that names its network namespace."""
    namespaces: dict[str, NamespaceCell]
    """All eight, by kind."""
    links: list[LinkRow]
    veth: list[VethRow]
    addresses: list[str]
    routes: list[str]

    @classmethod
    def of(
        cls,
        end: EndpointFacts,
        other: EndpointFacts,
        facts: PairFacts,
        endpoint: Endpoint,
        **more: str,
    ) -> Self:
        """Return one end of a pair: its namespaces and whose they are, its links and their ends."""
        links = [LinkRow.of(link, end, facts) for link in end.links]
        spaces, host, pair = end.namespaces, facts.host.namespaces, other.namespaces
        return cls(
            role=end.role.value,
            pid=end.pid,
            sandbox_key=endpoint.sandbox_key,
            namespaces={
                kind: NamespaceCell(spaces.inode(kind), spaces.shared(kind, host, pair))
                for kind in NAMESPACE_KINDS
            },
            links=links,
            veth=[
                VethRow(x.name, x.index, x.peer.namespace, x.peer.name, x.peer.index, x.master)
                for x in links
                if x.peer
            ],
            addresses=[f"{a.address}/{a.prefix} dev {a.link}" for a in end.addresses],
            routes=[
                f"{r.destination}{f' via {r.gateway}' if r.gateway else ''} dev {r.link}"
                for r in end.routes
            ],
            **more,
        )

    @classmethod
    def of_pair(
        cls, facts: PairFacts, client: Endpoint, server: Endpoint, **more: str
    ) -> list[Self]:
        """Return both ends of a pair."""
        return [
            cls.of(facts.client, facts.server, facts, client, **more),
            cls.of(facts.server, facts.client, facts, server, **more),
        ]


def _far_end(link: Link, end: EndpointFacts, facts: PairFacts) -> tuple[str | None, Link | None]:
    """Return where a veth or netkit ends, and the link there; None if it is not seen."""
    if link.kind in PAIRED and link.peer_nsid is not None:
        for place in (facts.host, facts.sandbox, facts.lan):
            found = other_end(end, place, link) if place else None
            if place and found:
                return place.role.value, found
    return None, None


class HopRow(Struct, frozen=True):
    """One link of a path."""

    namespace: str
    link: str
    kind: str | None
    mtu: int


class NetworkRow(Struct, frozen=True, rename={"network": "name"}):
    """A network with its address management."""

    network: str
    driver: str
    kind: str
    mode: str | None
    subnet: str | None
    gateway: str | None
    subnet6: str | None
    gateway6: str | None
    parent: str | None
    bridge: str | None
    vxlan: int | None
    encrypted: bool
    rules: str | None
    """Firewall rules that its host was asked to have; null for those of the engine's own."""

    @classmethod
    def of(cls, driver: str, spec: NetworkSpec | None, ipam: Ipam) -> "NetworkRow":
        """Return a network; without a `spec` the engine's default one."""
        kind, mode = (spec.driver, spec.mode) if spec else ("bridge", None)
        seen = {name: value for name, value in asdict(ipam).items() if name != "nodes"}
        return cls(driver=driver, kind=kind, mode=mode, **seen)


class PathMtuRow(Struct, frozen=True):
    """What one path carries, by datagrams that may not be fragmented."""

    path: str
    link_mtu: int
    """Bytes, of the client's own link."""
    path_mtu: int | None
    """Bytes of the largest packet that arrived; null if none did, or it was not measured."""
    evidence: str


class PromiseRow(Struct, frozen=True):
    """One promise, held or broken."""

    promise: str
    held: bool
    evidence: str


class InspectDocument(Struct, frozen=True):
    """What `inspect --json` prints."""

    schema: Literal[1]
    engine: str
    driver: str | None
    """null where a container was looked at."""
    container: str | None
    reader: Literal["netlink", "engine"]
    endpoints: list[EndpointDocument]
    path: list[HopRow]
    """From container to container."""
    paths: dict[str, list[HopRow]]
    networks: list[NetworkRow]
    promises: list[PromiseRow]
    notes: list[str]
    path_mtus: list[PathMtuRow]
    """Empty where a container was looked at: nothing is sent from it."""
    warnings: list[str]
    """An MTU that is larger than that of what lies below it."""


class DriverPromiseRow(PromiseRow, frozen=True):
    """One promise of one driver."""

    driver: str


class DriverPathMtuRow(PathMtuRow, frozen=True):
    """What one path of one driver carries."""

    driver: str


class DriverEndpointDocument(EndpointDocument, frozen=True):
    """One endpoint of one driver's pair."""

    driver: str


class ReachRow(Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """One connect: promised and measured."""

    driver: str
    source: str
    target: str
    protocol: Protocol
    family: Family
    promised: Promised
    measured: Measured
    evidence: str
    client: str | None
    """The client's address as the server saw it; null where no answer came."""
    client_is: Whose | None
    """Whose address that is: the client's own, one of the host's, or another."""


class SkippedRow(Struct, frozen=True):
    """A driver that was not looked at."""

    driver: str
    reason: str
    impossible: bool
    """Whether it is not possible here; else it failed."""


class ProblemRow(Struct, frozen=True):
    """What went wrong with one driver."""

    driver: str
    problem: str


class VerifyDocument(Struct, frozen=True):
    """What `verify --json` prints."""

    schema: Literal[1]
    engine: str
    engine_version: str | None
    promises: list[DriverPromiseRow]
    rows: list[ReachRow]
    networks: list[NetworkRow]
    endpoints: list[DriverEndpointDocument]
    skipped: list[SkippedRow]
    problems: list[ProblemRow]
    mismatches: int
    exit: int
    path_mtus: list[DriverPathMtuRow]
    warnings: list[str]
    """MTUs that are larger than that of what lies below them."""

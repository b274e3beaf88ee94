"""The documents of `inspect` and `verify`: what endpoints, links and networks are."""

from typing import Literal

from typing_extensions import TypedDict

from netbench.spec import Family

Shared = Literal["own", "host", "pair"]


class NamespaceCell(TypedDict):
    """One namespace of an endpoint."""

    inode: int | None
    shared: Shared | None
    """Who else is in it; null where an inode that decides it could not be read."""


class PeerRow(TypedDict):
    """The other end of a veth."""

    namespace: str | None
    index: int
    name: str


class LinkRow(TypedDict):
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


class VethRow(TypedDict):
    """A line of the veth map."""

    link: str
    index: int
    namespace: str | None
    peer: str
    peer_index: int
    bridge: str | None


class EndpointDocument(TypedDict):
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


class HopRow(TypedDict):
    """One link of a path."""

    namespace: str
    link: str
    kind: str | None
    mtu: int


class NetworkRow(TypedDict):
    """A network with its address management."""

    name: str
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


class PromiseRow(TypedDict):
    """One promise, held or broken."""

    promise: str
    held: bool
    evidence: str


class InspectDocument(TypedDict):
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


class DriverPromiseRow(PromiseRow):
    """One promise of one driver."""

    driver: str


class DriverEndpointDocument(EndpointDocument):
    """One endpoint of one driver's pair."""

    driver: str


ReachRow = TypedDict(
    "ReachRow",
    {
        "driver": str,
        "from": str,
        "to": str,
        "protocol": Literal["tcp", "udp"],
        "family": Family,
        "promised": Literal["reach", "no-reach", "unspecified"],
        "measured": Literal["reach", "no-reach", "skip"],
        "evidence": str,
    },
)
"""One connect: promised and measured."""


class SkippedRow(TypedDict):
    """A driver that was not looked at."""

    driver: str
    reason: str
    impossible: bool
    """Whether it is not possible here; else it failed."""


class ProblemRow(TypedDict):
    """What went wrong with one driver."""

    driver: str
    problem: str


class VerifyDocument(TypedDict):
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

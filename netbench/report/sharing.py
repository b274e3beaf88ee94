"""Whose namespaces an endpoint runs in: its own, the host's, or its pair's."""

from dataclasses import dataclass
from typing import Final

from netbench.analysis.digest_model import DriverView
from netbench.record import NAMESPACE_KINDS, EndpointFacts, Namespaces
from netbench.record.observed import Sharing
from netbench.report.labels import joined
from netbench.spec import Role

MEANINGS: Final[dict[str, str]] = {
    "cgroup": "the view of the cgroup tree; the limits come from the cgroups themselves",
    "ipc": "System V IPC objects and POSIX message queues",
    "mnt": "the mounts, and with them the file tree",
    "net": "interfaces, addresses, routes, ports, firewall and connection tracking",
    "pid": "process numbers",
    "user": "user and group numbers, and whom capabilities reach",
    "uts": "host name and NIS domain name",
    "time": "offsets of the monotonic and boot-time clocks; the wall clock is shared by all",
}
WORDS: Final[dict[Sharing | None, str]] = {
    "own": "own",
    "host": "shared with host",
    "pair": "shared with pair",
    None: "unreadable",
}


@dataclass(frozen=True, slots=True)
class NamespaceUse:
    """One kind of namespace of one endpoint."""

    inode: int | None
    sharing: Sharing | None
    """None where an inode that decides it could not be read."""


@dataclass(frozen=True, slots=True)
class NamespaceRow:
    """One kind of namespace at both ends, and the host's."""

    kind: str
    client: NamespaceUse
    server: NamespaceUse
    host: int | None


def by_role(endpoints: tuple[EndpointFacts, ...]) -> dict[Role, EndpointFacts]:
    """Return the endpoints by role."""
    return {end.role: end for end in endpoints}


def sharing(kind: str, role: Role, endpoints: tuple[EndpointFacts, ...]) -> NamespaceUse:
    """Return one namespace of the endpoint `role` and who else is in it."""
    ends = by_role(endpoints)
    other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
    mine, peer, host = (
        ends[r].namespaces if r in ends else Namespaces() for r in (role, other, Role.HOST)
    )
    return NamespaceUse(mine.inode(kind), mine.shared(kind, host, peer))


def namespace_rows(endpoints: tuple[EndpointFacts, ...]) -> tuple[NamespaceRow, ...]:
    """Return the eight kinds; empty where no endpoint was read."""
    host = by_role(endpoints).get(Role.HOST)
    if not endpoints:
        return ()
    return tuple(
        NamespaceRow(
            kind=kind,
            client=sharing(kind, Role.CLIENT, endpoints),
            server=sharing(kind, Role.SERVER, endpoints),
            host=host.namespaces.inode(kind) if host else None,
        )
        for kind in NAMESPACE_KINDS
    )


def network_isolation(view: DriverView | None) -> str:
    """Return in a few words whose network namespaces a driver's ends are in, as seen."""
    endpoints = view.example.endpoints if view and view.example else ()
    found = {sharing("net", role, endpoints).sharing for role in (Role.CLIENT, Role.SERVER)}
    if found == {"own"}:
        return "own network namespace"
    if found == {"host"}:
        return "host's network namespace"
    if found == {"pair"}:
        return "one network namespace for the pair"
    return "network namespace not read"


NOTHING: Final = "nothing gets across"
LEVELS: Final = (
    NOTHING,
    "own network namespace",
    "one network namespace for the pair",
    "host's network namespace",
    "network namespace not read",
)
"""What separates a driver's ends, the most first."""


def level(view: DriverView | None, path: str) -> str:
    """Return which of `LEVELS` a driver has on one path."""
    closed = view is not None and any(
        way.path == path and way.closed is not None for way in view.ways
    )
    return NOTHING if closed else network_isolation(view)


def namespaces(view: DriverView | None) -> str:
    """Return which namespaces the server's end has of its own, and which it shares."""
    endpoints = view.example.endpoints if view and view.example else ()
    rows = namespace_rows(endpoints)
    if not rows:
        return "not read"
    own = [row.kind for row in rows if row.server.sharing == "own"]
    shared = [row.kind for row in rows if row.server.sharing in {"host", "pair"}]
    return f"{len(own)} of {len(rows)}: {joined(own) or 'none'}; shared: {joined(shared) or 'none'}"

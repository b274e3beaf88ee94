"""Whose namespaces an endpoint runs in: its own, the host's, or its pair's."""

from dataclasses import dataclass
from typing import Final

from netbench.analysis.digest_model import Digest, DriverView
from netbench.record import NAMESPACE_KINDS, EndpointFacts, Namespaces, RunInfo
from netbench.record.observed import Sharing
from netbench.report.labels import capital, joined
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
    sharing: Sharing | None  # None if an inode that decides it could not be read


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
    return tuple(
        NamespaceRow(
            kind=kind,
            client=sharing(kind, Role.CLIENT, endpoints),
            server=sharing(kind, Role.SERVER, endpoints),
            host=host.namespaces.inode(kind) if host else None,
        )
        for kind in (NAMESPACE_KINDS if endpoints else ())
    )


@dataclass(frozen=True, slots=True)
class NamespaceTable:
    """The namespaces of every driver whose endpoints were read, kind by kind."""

    drivers: tuple[str, ...]
    summary: str  # what is alike for all drivers, in one sentence
    rows: dict[str, tuple[NamespaceRow, ...]]  # of each kind, in the order of the drivers

    def kinds(self, *, vary: bool) -> list[str]:
        """Return the kinds that vary among the drivers, or those that do not."""
        return [kind for kind, rows in self.rows.items() if (len(_words(rows)) > 1) is vary]


def namespaces(info: RunInfo, digest: Digest) -> NamespaceTable:
    """Return the table of a run."""
    found = {
        driver: namespace_rows(view.example.endpoints)
        for driver in info.plan.drivers
        if (view := digest.view(driver)) and view.example and view.example.endpoints
    }
    rows = {kinds[0].kind: kinds for kinds in zip(*found.values(), strict=True)}
    return NamespaceTable(tuple(found), _summary(rows), rows)


def _words(rows: tuple[NamespaceRow, ...]) -> list[tuple[str, str]]:
    """Return what is said of one kind at client and server, each distinct word once."""
    words = ((WORDS[row.client.sharing], WORDS[row.server.sharing]) for row in rows)
    return list(dict.fromkeys(words))


def _summary(rows: dict[str, tuple[NamespaceRow, ...]]) -> str:
    alike: dict[str, list[str]] = {}
    for kind, own in rows.items():
        (client, server), *others = _words(own)
        if not others:
            said = client if client == server else f"{client} at the client, {server} at the server"
            alike.setdefault(said, []).append(kind)
    if not alike:
        return "No kind of namespace is the same for all drivers." if rows else "None was read."
    parts = [f"{joined(kinds)} {said}" for said, kinds in alike.items()]
    rest = [kind for kind, own in rows.items() if len(_words(own)) > 1]
    differ = f"; what differs is {joined(rest)}" if rest else ""
    return capital(f"the same for all drivers: {'; '.join(parts)}{differ}.")


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

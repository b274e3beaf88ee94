"""Whose namespaces an endpoint runs in: its own, the host's, or its pair's."""

from dataclasses import dataclass
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.digest_model import Digest, DriverView
from netbench.documents.inspect_verify import NamespaceCell
from netbench.record import NAMESPACE_KINDS, EndpointFacts, Namespaces, RunInfo
from netbench.record.observed import Sharing
from netbench.report.labels import capital, joined
from netbench.spec import Role

WORDS: Final[dict[Sharing | None, str]] = {
    "own": "own",
    "host": "shared with host",
    "pair": "shared with pair",
    None: "unreadable",
}
_ISOLATION: Final[dict[Sharing | None, str]] = {
    "own": "own network namespace",
    "host": "host's network namespace",
    "pair": "one network namespace for the pair",
}


@dataclass(frozen=True, slots=True)
class NamespaceRow:
    """One kind of namespace at both ends, and the host's."""

    kind: str
    client: NamespaceCell
    server: NamespaceCell
    host: int | None


def by_role(endpoints: tuple[EndpointFacts, ...]) -> dict[Role, EndpointFacts]:
    """Return the endpoints by role."""
    return {end.role: end for end in endpoints}


def sharing(kind: str, role: Role, endpoints: tuple[EndpointFacts, ...]) -> NamespaceCell:
    """Return one namespace of the endpoint `role` and who else is in it."""
    ends = by_role(endpoints)
    other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
    nodes = {r: end.node for r, end in ends.items()}

    def of(wanted: Role) -> Namespaces:
        """Return those of a place on the same machine: another's numbers mean nothing here."""
        here = nodes.get(wanted) is nodes.get(role)
        return ends[wanted].namespaces if here and wanted in ends else Namespaces()

    mine, peer, host = of(role), of(other), of(Role.HOST)
    if host == Namespaces():
        host = of(Role.CLIENT_HOST)
    if other in nodes and nodes[other] is not nodes.get(role):
        peer = host  # on another machine nothing is the pair's
    return NamespaceCell(mine.inode(kind), mine.shared(kind, host, peer))


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
    words = ((WORDS[row.client.shared], WORDS[row.server.shared]) for row in rows)
    return list(dict.fromkeys(words))


def _summary(rows: dict[str, tuple[NamespaceRow, ...]]) -> str:
    words = {kind: _words(own) for kind, own in rows.items()}
    alike = grouped((said[0], kind) for kind, said in words.items() if len(said) == 1)
    if not alike:
        return "No kind of namespace is the same for all drivers." if rows else "None was read."
    parts = [
        f"{joined(kinds)} {own if own == other else f'{own} at the client, {other} at the server'}"
        for (own, other), kinds in alike.items()
    ]
    rest = [kind for kind, said in words.items() if len(said) > 1]
    differ = f"; what differs is {joined(rest)}" if rest else ""
    return capital(f"the same for all drivers: {'; '.join(parts)}{differ}.")


def network_isolation(view: DriverView | None) -> str:
    """Return in a few words whose network namespaces a driver's ends are in, as seen."""
    endpoints = view.example.endpoints if view and view.example else ()
    found = {sharing("net", role, endpoints).shared for role in (Role.CLIENT, Role.SERVER)}
    return _ISOLATION.get(found.pop() if len(found) == 1 else None, "network namespace not read")

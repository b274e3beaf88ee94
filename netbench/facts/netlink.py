"""The reader in process: netlink in the namespace itself, for whoever may enter it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pyroute2.netlink.exceptions import NetlinkError

from netbench.errors import FactError
from netbench.facts.base import NamespaceSet, Pair, with_offloads
from netbench.facts.rtnl import read_netns, read_offloads
from netbench.record import NAMESPACE_KINDS, EndpointFacts, Namespaces, PairFacts
from netbench.spec import Role
from netbench.system.setns import in_netns

_KNOWN: Final[Mapping[Role, tuple[Role, ...]]] = {
    Role.CLIENT: (Role.HOST,),
    Role.SERVER: (Role.HOST,),
    Role.HOST: (Role.CLIENT, Role.SERVER, Role.LAN, Role.SANDBOX),
    Role.LAN: (Role.CLIENT, Role.SERVER, Role.HOST),
    Role.SANDBOX: (Role.CLIENT, Role.SERVER, Role.HOST),
}
"""Whose namespace ids are told of each.

A veth's or a child's other end names its namespace by such an id: every endpoint's may lie in the
host's, and an overlay's in the sandbox or on the LAN.
"""


class NetlinkReader:
    """Reads links, addresses and routes by netlink, namespaces by their inodes in /proc."""

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return everything of each pair."""
        return [self._tried(pair) for pair in pairs]

    def _tried(self, pair: Pair) -> PairFacts | FactError:
        try:
            return self._read(pair)
        except FactError as exc:
            return exc

    def _read(self, pair: Pair) -> PairFacts:
        ends: dict[Role, EndpointFacts] = {}
        notes = []
        for subject in pair.subjects:
            try:
                ends[subject.role] = _read_end(pair, subject, tuple(ends.values()))
            except FactError as exc:
                if subject.role is not Role.SANDBOX:
                    raise
                notes.append(f"the overlay's sandbox is not read: {exc}")
        ends = {role: _with_offloads(pair, end, ends) for role, end in ends.items()}
        return PairFacts(
            client=ends[Role.CLIENT],
            server=ends[Role.SERVER],
            host=ends[Role.HOST],
            target=pair.target,
            ipam=pair.ipam,
            reader="netlink",
            notes=tuple(notes),
            lan=ends.get(Role.LAN),
            sandbox=ends.get(Role.SANDBOX),
            uplink=pair.uplink,
        )

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return everything once more: it costs a few milliseconds."""
        now = self._read(pair)
        for old in seen.ends:
            new = now.end(old.role)
            if new is None:
                raise FactError(f"the {old.role} is gone: {'; '.join(now.notes)}")
            if old.namespaces.net != new.namespaces.net:
                raise FactError(
                    f"the {new.role} moved from net:[{old.namespaces.net}] to "
                    f"net:[{new.namespaces.net}]"
                )
        return now


def _read_end(pair: Pair, subject: NamespaceSet, seen: tuple[EndpointFacts, ...]) -> EndpointFacts:
    """Return the facts of one set of namespaces, its links without their offloads.

    A network namespace that several share is read once: between two readings of one, others may
    make links in it.

    Args:
        pair: of whose namespaces the ids are wanted.
        subject: whose facts they are.
        seen: what has been read of the pair.

    Raises:
        FactError: it is gone, may not be entered, or the kernel refuses to tell.
    """
    spaces = replace(read_namespaces(subject), **dict(subject.stands_in))
    for end in seen:
        if spaces.net is not None and spaces.net == end.namespaces.net:
            return replace(end, role=subject.role, pid=subject.pid, namespaces=spaces)
    others = tuple((one.role.value, _where(one)) for one in pair.subjects if one is not subject)
    try:
        found = in_netns(_where(subject), lambda: read_netns(others))
    except (NetlinkError, OSError) as exc:
        raise FactError(f"netlink in the {subject.role}: {exc}") from exc
    return EndpointFacts(
        role=subject.role,
        pid=subject.pid,
        namespaces=spaces,
        links=found.links,
        addresses=found.addresses,
        routes=found.routes,
        nsids=found.nsids,
        congestion_control=found.congestion,
    )


def read_namespaces(subject: NamespaceSet) -> Namespaces:
    """Return the inodes of a subject's namespaces, None for those we may not see."""

    def inode(kind: str) -> int | None:
        path = f"/proc/{subject.pid}/ns/{kind}"
        try:
            return Path(subject.netns or path if kind == "net" else path).stat().st_ino
        except OSError:
            return None

    return Namespaces(**{kind: inode(kind) for kind in NAMESPACE_KINDS})


def _where(subject: NamespaceSet) -> int | str:
    return subject.netns or subject.pid


def _with_offloads(
    pair: Pair, end: EndpointFacts, ends: dict[Role, EndpointFacts]
) -> EndpointFacts:
    """Return one end's facts with the offloads, and the namespace ids, that matter."""
    net = end.namespaces.net
    others = [x for other in ends.values() if other.namespaces.net != net for x in other.links]
    names = with_offloads(end.links, others)
    (subject,) = (one for one in pair.subjects if one.role is end.role)
    found = in_netns(_where(subject), lambda: read_offloads(names))
    links = tuple(replace(link, offloads=found.get(link.name)) for link in end.links)
    nsids = tuple(one for one in end.nsids if one[0] in _KNOWN[end.role])
    return replace(end, links=links, nsids=nsids)

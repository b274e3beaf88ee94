"""What both readers share: whom they read, and what they return."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from netbench.errors import FactError
from netbench.facts.procfs import tcp_ports
from netbench.facts.registry import ENDPOINT_LINKS
from netbench.record import Ipam, Link, PairFacts
from netbench.spec import Protocol as Transport
from netbench.spec import Role
from netbench.system.files import NOWHERE, Files


@dataclass(frozen=True, slots=True)
class NamespaceSet:
    """A set of namespaces to read."""

    role: Role
    pid: int
    """A process in them, as `files` number it."""
    stands_in: tuple[tuple[str, int | None], ...]
    """Kinds of namespace whose inode is this, not the process's own; None for unknown."""
    run: Callable[[tuple[str, ...]], str]
    """Run a read-only command inside and return its output; raises `FactError`, `EngineLost`."""
    netns: str | None = None
    """Path of the network namespace, where it is not the one of `pid`; only netlink reads it."""
    files: Files = NOWHERE
    """Of the machine that `pid` runs on."""
    here: bool = False
    """Whether that is a process of our own /proc, whose namespaces we may perhaps enter."""

    @property
    def seen(self) -> bool:
        """Whether `pid` itself is to be seen in `files`."""
        return bool(self.files.read(f"/proc/{self.pid}/stat"))

    def near(self, name: str) -> str:
        """Return the path in `files` of a file of /proc/net in this network namespace."""
        return f"/proc/{self.pid}/net/{name}"

    def net_files(self, *names: str, taken: Files | None = None) -> dict[str, str]:
        """Return the texts of files of /proc/net in this network namespace, by name.

        What is not there is left out, as `tcp6` where IPv6 is off.

        Args:
            names: of the files.
            taken: files that have been read by now, these among them.

        Raises:
            FactError: none of them is readable, from inside either.
        """
        there = (taken or self.files).read(*map(self.near, names))
        seen = {name: there[self.near(name)] for name in names if self.near(name) in there}
        if seen:
            return {name: content.decode(errors="replace") for name, content in seen.items()}
        found, problems = {}, []
        for name in names:
            try:
                found[name] = self.run(("cat", f"/proc/net/{name}"))
            except FactError as exc:
                problems.append(exc)
        if not found:
            raise problems[0]
        return found


@dataclass(frozen=True, slots=True)
class Pair:
    """A live pair and the engine's host, for a reader."""

    client: NamespaceSet
    server: NamespaceSet
    host: NamespaceSet
    target: str | None
    """Address by which the pair's client reaches the server."""
    ipam: Ipam | None
    lan: NamespaceSet | None = None
    """The client on the emulated LAN, where the pair has to do with it."""
    sandbox: NamespaceSet | None = None
    """The overlay network's own namespace, where it may be entered."""
    uplink: str | None = None
    """Name of the host's link to the emulated LAN."""

    @property
    def subjects(self) -> tuple[NamespaceSet, ...]:
        """Everybody that is to be read, in the order of `Role`."""
        everybody = (self.client, self.server, self.host, self.lan, self.sandbox)
        return tuple(subject for subject in everybody if subject is not None)


class Reader(Protocol):
    """Reads the facts of a pair."""

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return everything of each pair; an error where something that a proof needs is unread.

        Links of the host are all listed; offloads are read for those that matter to a pair.
        """
        ...

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return the facts as they are now, reading no more than may have changed.

        Raises:
            FactError: something is unreadable, or the namespaces are not those seen before.
        """
        ...


def ports_in_use(
    subject: NamespaceSet, state: str | None, protocol: Transport = "tcp"
) -> frozenset[int]:
    """Return local ports of a namespace, of one state or of any; IPv4 and IPv6 sockets."""
    texts = subject.net_files(protocol, f"{protocol}6").values()
    return frozenset[int]().union(*(tcp_ports(text, state) for text in texts))


def with_offloads(links: Iterable[Link], others: Iterable[Link]) -> tuple[str, ...]:
    """Return names of the links whose offloads matter to a pair.

    Args:
        links: of one network namespace.
        others: of the others that were read, whose own far ends and parents lie there.
    """
    elsewhere = [link for link in others if link.peer_nsid is not None]
    peers = {(link.peer, link.index) for link in elsewhere if link.peer is not None}
    parents = {link.parent for link in elsewhere if link.parent is not None}
    return tuple(
        link.name
        for link in links
        if link.name in ENDPOINT_LINKS or (link.index, link.peer) in peers or link.index in parents
    )

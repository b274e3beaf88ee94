"""A live pair for a reader: every set of namespaces that is to be read of it, and how."""

from collections.abc import Callable
from dataclasses import dataclass

from netbench.errors import FactError
from netbench.record import Ipam, LinkCounters, RuleCounters
from netbench.spec import Node, Role
from netbench.system.files import NOWHERE, Files

Where = int | str  # a process in a network namespace, or a file that names the namespace


def _nothing_follows(argv: tuple[str, ...]) -> Callable[[], str]:
    raise FactError(f"`{' '.join(argv)}` cannot be started there")


@dataclass(frozen=True, slots=True)
class NamespaceSet:
    """A set of namespaces to read."""

    role: Role
    pid: int  # a process in them, as `files` number it
    stands_in: tuple[tuple[str, int | None], ...]  # inodes that are not the process's own
    run: Callable[[tuple[str, ...]], str]  # runs a read-only command; raises FactError, EngineLost
    netns: str | None = None  # path of the network namespace, if not `pid`'s; only netlink reads it
    files: Files = NOWHERE  # of the machine that `pid` runs on
    here: bool = False  # whether that is in our own /proc, so that its namespaces may be entered
    follow: Callable[[tuple[str, ...]], Callable[[], str]] = _nothing_follows
    """Start a read-only command; what it returns ends it for its output. Errors as `run`."""
    node: Node = Node.FIRST  # the machine that it is on: numbers are of that one alone
    esp: Callable[[], LinkCounters] | None = None
    """Of a host: read what ESP has carried there. Errors as `run`."""
    rules: Callable[[str], RuleCounters] | None = None
    """Of a host: read its firewall rules, and what those of a bridge counted. Errors as `run`."""

    @property
    def where(self) -> Where:
        """What names the network namespace."""
        return self.netns or self.pid

    @property
    def seen(self) -> bool:
        """Whether `pid` itself is to be seen in `files`."""
        return bool(self.files.read(f"/proc/{self.pid}/stat"))

    def near(self, name: str) -> str:
        """Return the path in `files` of a file of /proc/net in this network namespace."""
        return f"/proc/{self.pid}/net/{name}"

    def net_files(self, *names: str, taken: Files | None = None) -> dict[str, str]:
        """Return texts of /proc/net by name, without absent ones; `taken` have been read before.

        Raises `FactError` if none of them is readable, from inside either.
        """
        there = (taken or self.files).read(*map(self.near, names))
        found = {
            n: there[self.near(n)].decode(errors="replace") for n in names if self.near(n) in there
        }
        problems = []
        for name in () if found else names:
            try:
                found[name] = self.run(("cat", f"/proc/net/{name}"))
            except FactError as exc:
                problems.append(exc)
        if not found:
            raise problems[0]
        return found


@dataclass(frozen=True, slots=True)
class FarClient:
    """What is around a client that is on another machine than the server, for a reader."""

    host: NamespaceSet
    sandbox: NamespaceSet | None
    uplink: str | None
    ipam: Ipam | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A live pair and the engine's host, for a reader."""

    client: NamespaceSet
    server: NamespaceSet
    host: NamespaceSet
    target: str | None  # address by which the pair's client reaches the server
    ipam: Ipam | None
    lan: NamespaceSet | None = None  # the client on the emulated LAN, where the pair uses it
    sandbox: NamespaceSet | None = None  # the overlay network's own, where it may be entered
    uplink: str | None = None  # name of the host's link to the emulated LAN, or other machine
    far: FarClient | None = None
    machine: NamespaceSet | None = None  # the one that netbench runs in, where the pair uses it
    entry: str | None = None  # as `PairFacts.entry`

    @property
    def subjects(self) -> tuple[NamespaceSet, ...]:
        """Everything that is to be read, in the order of `Role`."""
        near = (self.client, self.server, self.machine, self.host, self.lan, self.sandbox)
        every = (*near, *((self.far.host, self.far.sandbox) if self.far else ()))
        return tuple(subject for subject in every if subject is not None)

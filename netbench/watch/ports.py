"""Watches how a published port is served while a session or trial runs over it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from netbench.errors import FactError
from netbench.facts.cpu_time import TICK
from netbench.facts.pair import NamespaceSet
from netbench.facts.procfs import Connection, SocketAddress, cpu_ticks, tcp_connections
from netbench.record import Absent, FactValue
from netbench.spec import Protocol
from netbench.system.files import Files, processes
from netbench.system.setns import in_netns
from netbench.watch.port_verdict import (
    FEW,
    WORKED,
    PortReading,
    Tracked,
    judge,
    look_up,
    parse_conntrack,
)

_T = TypeVar("_T")
_WITHIN: Final = 1.0  # seconds a connection may take to show at the server
_AGAIN: Final = 0.02  # seconds between two looks for it
_COUNT: Final = "/proc/sys/net/netfilter/nf_conntrack_count"
_TABLE: Final = "/proc/net/nf_conntrack"
_MANY: Final = 50_000  # tracked connections that are read as text at most, some 10 MB
_PROXY: Final = "docker-proxy"
_FACTS: Final = ("trial.published_via", "trial.published_evidence", "trial.proxy_cpu")
_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 -- what a proxy may listen on


@dataclass(frozen=True, slots=True)
class Proxy:
    """A process that serves one published port of an engine's host."""

    pid: int
    to: str  # address that it leads to
    ticks: int  # CPU time it had used when it was found, in clock ticks
    files: Files  # in which it is seen

    def used(self) -> float | None:
        """Return the CPU time, in seconds, it has used since; None if it is gone."""
        now = cpu_ticks(self.pid, self.files)
        return None if now is None else (now - self.ticks) * TICK


@dataclass
class PublishedWatch(ABC):
    """Watches one published port over one session or trial."""

    protocol: ClassVar[Protocol]

    host: NamespaceSet  # the engine's host
    server: NamespaceSet  # the endpoint that the port leads to
    target: SocketAddress  # of the host, that the client connects to
    port: int  # that the server listens on
    fixed: tuple[int, ...] = ()  # of the same server, with the same number outside
    outside: bool = False
    """Whether the client is outside of the host: a port driver connects to an address of its own
    choice there, at the same number."""
    proxies: tuple[Proxy, ...] = ()

    def start(self) -> None:
        """Note where the proxies' CPU time stands before the trial."""
        self.proxies = tuple(self._found())

    @abstractmethod
    def look(self) -> None:
        """Look at the traffic while it flows; cheap."""

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the facts of `_FACTS`."""
        proxy = self._proxy_cpu()
        via, evidence = self._judged(proxy)
        return tuple(zip(_FACTS, (via, evidence, proxy), strict=True))

    @property
    def carriers(self) -> tuple[int, ...]:
        """Process numbers of the proxies that may carry the traffic."""
        return tuple(proxy.pid for proxy in self._serving())

    @abstractmethod
    def _judged(self, proxy: float | Absent) -> tuple[FactValue, str]:
        """Return which way the port was served and the evidence, by the proxy's CPU time too."""

    def _serving(self) -> Sequence[Proxy]:
        return self.proxies

    def _proxy_cpu(self) -> float | Absent:
        if not self.host.seen:
            return Absent("the processes of the engine's host are not to be seen")
        serving = self._serving()
        if not serving:
            return Absent("no proxy process serves the port")
        used = [seconds for proxy in serving if (seconds := proxy.used()) is not None]
        if len(used) < len(serving):
            return Absent("the proxy process ended during the trial")
        return sum(used)

    def _found(self) -> Iterator[Proxy]:
        """Yield the proxies of the port; one of another engine's, as far as that shows, is none."""
        files = self.host.files
        pairs = {(self.target.port, self.port), *((port, port) for port in self.fixed)}
        served = {(str(outside), str(inside)) for outside, inside in pairs}
        lines = {pid: f"/proc/{pid}/cmdline" for pid in processes(files, _PROXY)}
        there = files.read(*lines.values())
        for pid, path in lines.items():
            # One that has ended since has no command.
            argv = there.get(path, b"").decode(errors="replace").split("\0")
            said = dict(zip(argv[1::2], argv[2::2], strict=False))
            if (
                said.get("-proto") == self.protocol
                and (said.get("-host-port"), said.get("-container-port")) in served
                and (self.outside or said.get("-host-ip") in (self.target.address, *_ANYWHERE))
                and may_be_in(pid, self.host)
            ):
                ticks = cpu_ticks(pid, files)
                if ticks is not None:
                    yield Proxy(pid, said.get("-container-ip", ""), ticks, files)


class DatagramWatch(PublishedWatch):
    """Watches a published UDP port by the CPU time of its proxy: datagrams leave no other trace."""

    protocol: ClassVar[Protocol] = "udp"

    def look(self) -> None:
        """Look at nothing: a datagram leaves nothing to be seen."""

    def _judged(self, proxy: float | Absent) -> tuple[FactValue, str]:
        via: FactValue
        if isinstance(proxy, Absent):
            unseen = self.proxies or self.outside or not self.host.seen
            via = proxy if unseen else "nat"
            evidence = proxy.reason
        else:
            via = "proxy" if proxy >= WORKED else "nat"
            evidence = f"the proxy process used {proxy:.2f} s of CPU time"
        return via, f"{evidence}; datagrams leave no other trace"


@dataclass
class PortWatch(PublishedWatch):
    """Watches a published TCP port by its connections, by conntrack, and by its proxy."""

    protocol: ClassVar[Protocol] = "tcp"

    def __post_init__(self) -> None:
        """Nothing is seen yet."""
        self._reading = PortReading(self.target)

    def look(self) -> None:
        """Look at the connection as soon as the server has it; cheap."""
        reading, deadline = self._reading, time.monotonic() + _WITHIN
        while True:
            reading.at_server = _tried(lambda: self._connections(self.server, self.port))
            if reading.at_server or time.monotonic() > deadline:
                break
            time.sleep(_AGAIN)
        reading.at_host = _tried(self._ending_at_host)
        if self.outside and reading.at_host and not isinstance(reading.at_host, str):
            reading.target = reading.at_host[0].local
        if self.host.here:
            seen = self._seen()
            reading.tracked = _tried(lambda: in_netns(self.host.where, lambda: look_up(seen)))

    def _judged(self, proxy: float | Absent) -> tuple[FactValue, str]:
        reading = self._reading
        if isinstance(reading.tracked, str):
            reading.tracked = _tried(self._table)
        reading.tracked = _of(reading.tracked, reading.target, self._seen())
        reading.proxy = proxy.reason if isinstance(proxy, Absent) else proxy
        return judge(reading)

    def _serving(self) -> Sequence[Proxy]:
        leads = {one.local.address for one in self._seen()}
        return [proxy for proxy in self.proxies if not leads or proxy.to in leads]

    def _seen(self) -> tuple[Connection, ...]:
        """Return the first connections of both sides, to be found in conntrack."""
        sides = (self._reading.at_server, self._reading.at_host)
        return tuple(one for side in sides if not isinstance(side, str) for one in side[:FEW])

    def _ending_at_host(self) -> tuple[Connection, ...]:
        all_of_them = self._connections(self.host, self.target.port)
        return tuple(one for one in all_of_them if self.outside or one.local == self.target)

    def _connections(self, subject: NamespaceSet, port: int) -> tuple[Connection, ...]:
        """Return established connections of a local port; each file costs the kernel some 3 ms."""
        names = ("tcp6", "tcp") if ":" in self.target.address else ("tcp", "tcp6")
        problems = []
        for name in names:
            try:
                texts = subject.net_files(name)
            except FactError as exc:
                problems.append(exc)  # there is no tcp6 where IPv6 is off
                continue
            found = tcp_connections(texts[name], port)
            if found:
                return found
        if problems[1:]:
            raise problems[0]
        return ()

    def _table(self) -> tuple[Tracked, ...]:
        """Read all of conntrack as text, where no single entry can be asked for."""
        count = self.host.run(("cat", _COUNT)).strip()
        if not count.isdecimal() or int(count) > _MANY:
            raise FactError(f"{count} connections are too many to be read")
        return parse_conntrack(self.host.run(("cat", _TABLE)))


PortFacts = tuple[tuple[str, FactValue], ...]


def together(ports: Sequence[PortFacts]) -> PortFacts:
    """Return one set of facts for the ports of one session's clients: each has to agree."""
    if len(ports) <= 1:
        return tuple(fact for facts in ports for fact in facts)
    via, evidence, cpu = ([dict(facts)[name] for facts in ports] for name in _FACTS)
    ways = list(dict.fromkeys(one.reason if isinstance(one, Absent) else str(one) for one in via))
    used = [one for one in cpu if isinstance(one, float)]
    counted = len(ports) - 1
    return (
        (_FACTS[0], via[0] if len(ways) == 1 else Absent(f"clients differ: {'; '.join(ways)}")),
        (_FACTS[1], f"{evidence[0]}; and so for {counted} more" if len(ways) == 1 else str(ways)),
        (_FACTS[2], sum(used) if used else cpu[0]),
    )


def may_be_in(pid: int, host: NamespaceSet) -> bool:
    """Tell whether a process is in a network namespace, as far as we may see that."""
    if not host.here:
        return True
    try:
        return Path(f"/proc/{pid}/ns/net").samefile(f"/proc/{host.pid}/ns/net")
    except OSError:
        return True


def _tried(read: Callable[[], _T]) -> _T | str:
    """Return what was read, or why it was not."""
    try:
        return read()
    except FactError as exc:
        return str(exc)


def _of(
    tracked: tuple[Tracked, ...] | str, target: SocketAddress, seen: Sequence[Connection]
) -> tuple[Tracked, ...] | str:
    """Return those entries that are of the connections that were seen."""
    if isinstance(tracked, str):
        return tracked
    theirs = {(one.local, one.remote) for one in seen}
    return tuple(
        one for one in tracked if one.target == target and (one.answers, one.answered) in theirs
    )

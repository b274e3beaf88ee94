"""Watches how a published port is served while a trial runs over it."""

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final, TypeVar

from netbench.errors import FactError
from netbench.facts.base import NamespaceSet
from netbench.facts.conntrack import Tracked, look_up, parse_conntrack
from netbench.facts.procfs import Connection, SocketAddress, tcp_connections
from netbench.record import Absent, FactValue
from netbench.system.setns import in_netns
from netbench.watch.port_verdict import FEW, PortReading, judge
from netbench.watch.proxies import Proxy, find_proxies

_T = TypeVar("_T")
_WITHIN = 1.0
"""Seconds a connection may take to show at the server."""
_AGAIN = 0.02
"""Seconds between two looks for it."""
_COUNT: Final = "/proc/sys/net/netfilter/nf_conntrack_count"
_TABLE: Final = "/proc/net/nf_conntrack"
_MANY: Final = 50_000
"""Tracked connections that are read as text at most, some 10 MB."""


class PortWatch:
    """Watches one published port over one trial."""

    def __init__(
        self,
        host: NamespaceSet,
        server: NamespaceSet,
        *,
        address: str,
        host_port: int,
        port: int,
    ) -> None:
        """Take whom to watch; nothing is read yet.

        Args:
            host: the engine's host.
            server: the endpoint that the port leads to.
            address: of the host, that the client connects to.
            host_port: that the client connects to.
            port: that the server listens on.
        """
        self._host = host
        self._server = server
        self._target = SocketAddress(str(ip_address(address)), host_port)
        self._port = port
        self._proxies: tuple[Proxy, ...] = ()
        self._at_server: tuple[Connection, ...] | str = "nobody looked"
        self._at_host: tuple[Connection, ...] | str = "nobody looked"
        self._tracked: tuple[Tracked, ...] | str = "nobody looked"

    def start(self) -> None:
        """Note where counters stand before the trial."""
        self._proxies = find_proxies(self._target, self._port, self._host)

    def look(self) -> None:
        """Look at the connection while it is open; cheap.

        Returns at once where the server has it already, else as soon as it has.
        """
        deadline = time.monotonic() + _WITHIN
        while True:
            self._at_server = _tried(lambda: self._connections(self._server, self._port))
            if self._at_server or time.monotonic() > deadline:
                break
            time.sleep(_AGAIN)
        self._at_host = _tried(self._ending_at_host)
        if self._host.here:
            seen = self._seen()
            where = self._host.netns or self._host.pid
            self._tracked = _tried(lambda: in_netns(where, lambda: look_up(seen)))

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the facts `trial.published_via`, `trial.published_evidence`, `trial.proxy_cpu`."""
        if isinstance(self._tracked, str):
            self._tracked = _tried(self._table)
        proxy = self._proxy_cpu()
        via, evidence = judge(
            PortReading(
                target=self._target,
                at_server=self._at_server,
                at_host=self._at_host,
                tracked=_of(self._tracked, self._target, self._seen()),
                proxy=proxy.reason if isinstance(proxy, Absent) else proxy,
            )
        )
        return (
            ("trial.published_via", via),
            ("trial.published_evidence", evidence),
            ("trial.proxy_cpu", proxy),
        )

    def _seen(self) -> tuple[Connection, ...]:
        """Return the first connections of both sides, to be found in conntrack."""
        sides = (self._at_server, self._at_host)
        return tuple(one for side in sides if not isinstance(side, str) for one in side[:FEW])

    def _ending_at_host(self) -> tuple[Connection, ...]:
        all_of_them = self._connections(self._host, self._target.port)
        return tuple(one for one in all_of_them if one.local == self._target)

    def _connections(self, subject: NamespaceSet, port: int) -> tuple[Connection, ...]:
        """Return the established connections of a local port.

        Reading either file costs the kernel some 3 ms, a walk over all sockets that there are.
        """
        names = ("tcp6", "tcp") if ":" in self._target.address else ("tcp", "tcp6")
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
        count = self._host.run(("cat", _COUNT)).strip()
        if not count.isdecimal() or int(count) > _MANY:
            raise FactError(f"{count} connections are too many to be read")
        return parse_conntrack(self._host.run(("cat", _TABLE)))

    def _proxy_cpu(self) -> float | Absent:
        if not self._host.seen:
            return Absent("the processes of the engine's host are not to be seen")
        leads = {one.local.address for one in self._seen()}
        serving = [proxy for proxy in self._proxies if not leads or proxy.to in leads]
        if not serving:
            return Absent("no proxy process serves the port")
        used = [seconds for proxy in serving if (seconds := proxy.used()) is not None]
        if len(used) < len(serving):
            return Absent("the proxy process ended during the trial")
        return sum(used)


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
    ours = {(one.local, one.remote) for one in seen}
    return tuple(
        one for one in tracked if one.target == target and (one.answers, one.answered) in ours
    )

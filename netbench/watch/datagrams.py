"""Watches how a published port is served while only datagrams pass through it.

They leave no connection to be looked at. What shows is the CPU time of the proxy process: it grows
where the proxy carries them, and stands still where the host's kernel translates addresses instead.
"""

from ipaddress import ip_address

from netbench.facts.base import NamespaceSet
from netbench.facts.cpu_time import TICK
from netbench.facts.procfs import SocketAddress
from netbench.record import Absent, FactValue
from netbench.watch.proxies import Proxy, find_proxies

_UNSEEN = Absent("the processes of the engine's host are not to be seen")
_ENDED = Absent("the proxy process ended during the trial")
_WORKED = 5 * TICK
"""Seconds of CPU time that a proxy uses only where a trial's datagrams go through it."""


class DatagramWatch:
    """Watches one published UDP port over one trial; has the interface of `PublishedWitness`."""

    def __init__(self, host: NamespaceSet, *, address: str, host_port: int, port: int) -> None:
        """Take whom to watch, in the words of `PublishedWitness`; nothing is read yet."""
        self._host = host
        self._target = SocketAddress(str(ip_address(address)), host_port)
        self._port = port
        self._proxies: tuple[Proxy, ...] = ()

    def start(self) -> None:
        """Note where the proxies' CPU time stands before the trial."""
        self._proxies = find_proxies(self._target, self._port, self._host, "udp")

    def look(self) -> None:
        """Look at nothing: a datagram leaves nothing to be seen."""

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the facts `trial.published_via`, `trial.published_evidence`, `trial.proxy_cpu`."""
        cpu = self._used()
        if isinstance(cpu, Absent):
            via: FactValue = cpu if self._proxies or not self._host.seen else "nat"
            evidence = cpu.reason
        else:
            via = "proxy" if cpu >= _WORKED else "nat"
            evidence = f"the proxy process used {cpu:.2f} s of CPU time"
        return (
            ("trial.published_via", via),
            ("trial.published_evidence", f"{evidence}; datagrams leave no other trace"),
            ("trial.proxy_cpu", cpu),
        )

    def _used(self) -> float | Absent:
        if not self._host.seen:
            return _UNSEEN
        if not self._proxies:
            return Absent("no proxy process serves the port")
        used = [seconds for proxy in self._proxies if (seconds := proxy.used()) is not None]
        return sum(used) if len(used) == len(self._proxies) else _ENDED

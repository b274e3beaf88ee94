"""Published ports of the world's host: numbered, and served by DNAT or by docker-proxy."""

import subprocess
import threading
from collections.abc import Callable

from netbench.engines.base import Lan, Published
from netbench.engines.netns import proxy
from netbench.engines.netns.allocator import Addresses, NumberPool, SubnetPair
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.kinds import Publication
from netbench.engines.netns.rules import Forward
from netbench.errors import Unsupported
from netbench.spec import HOST_PORTS


class Publisher:
    """Publishes ports of endpoints at the host's addresses on the LAN."""

    def __init__(self, lan: Callable[[], Lan], firewall: Firewall, start: proxy.Start) -> None:
        """Take what it works with.

        Args:
            lan: returns the LAN.
            firewall: of the world.
            start: starts a program in the world's network namespace.
        """
        self.numbers = NumberPool(HOST_PORTS, "ports of the host's")
        self._lan = lan
        self._firewall = firewall
        self._start = start
        self._lock = threading.Lock()
        self._numbered: dict[str, list[int]] = {}
        self._proxies: dict[str, list[subprocess.Popen[str]]] = {}

    def publish(
        self, name: str, to: Addresses, within: SubnetPair, publication: Publication
    ) -> tuple[Published, ...]:
        """Publish an endpoint's ports until `withdraw`, over TCP and UDP.

        Args:
            name: of the endpoint.
            to: its addresses.
            within: the subnets of its network.
            publication: what is wanted.

        Raises:
            EngineError: something refused; `Unsupported` where the means are missing.
        """
        if not publication.ports:
            return ()
        lan = self._lan()
        host = Addresses(lan.host, lan.host6)
        given = [self.numbers.take() for _ in publication.ports]
        with self._lock:
            self._numbered[name] = given
        forwards = tuple(
            Forward(host, number, to, port.number, within)
            for number, port in zip(given, publication.ports, strict=True)
        )
        try:
            self._serve(name, forwards, by_proxy=publication.served == "proxy")
        except BaseException:
            self.withdraw(name)
            raise
        return tuple(
            Published(port, number) for number, port in zip(given, publication.ports, strict=True)
        )

    def _serve(self, name: str, forwards: tuple[Forward, ...], *, by_proxy: bool) -> None:
        lacking = proxy.unavailable() if by_proxy else self._firewall.unavailable()
        if lacking:
            raise Unsupported(lacking)
        if by_proxy:
            started = proxy.start_proxies(forwards, self._start)
            with self._lock:
                self._proxies[name] = started
        else:
            self._firewall.publish(name, forwards)

    def withdraw(self, name: str) -> None:
        """Undo `publish`; nothing where it is undone already."""
        with self._lock:
            numbers = self._numbered.pop(name, [])
            started = self._proxies.pop(name, [])
        proxy.end_proxies(started)
        self._firewall.withdraw(name)
        for number in numbers:
            self.numbers.give_back(number)

    def close(self) -> None:
        """End every proxy."""
        with self._lock:
            left = [process for group in self._proxies.values() for process in group]
            self._proxies.clear()
        proxy.end_proxies(left)

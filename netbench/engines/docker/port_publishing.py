"""Ports published at the host's addresses on the emulated LAN, and nowhere else."""

import threading
from dataclasses import replace
from typing import Final

from netbench.engines.base import Network, Published
from netbench.engines.docker.endpoints import EndpointContainer, Maker, Order, Sharing
from netbench.engines.docker.lan import EmulatedLan
from netbench.errors import EngineError, Unsupported
from netbench.spec import PUBLISHED_PORTS, Port

_TRIES: Final = 10  # others may publish on the same engine meanwhile
_ANY: Final = Port(PUBLISHED_PORTS[0])
_NO_ADDRESS: Final = "cannot assign requested address"
_ELSEWHERE: Final = (
    "the engine publishes ports at the machine's addresses, not at those of its own host, whose "
    "network is a namespace of its own (rootless): the emulated LAN does not reach them"
)


class PortPublishing:
    """Makes containers with published ports; safe to use from several threads."""

    def __init__(self, maker: Maker, lan: EmulatedLan, *, rootful: bool) -> None:
        """Nothing is tried yet, nor has to be for an engine with the rights of root."""
        self._maker = maker
        self._lan = lan
        self._lock = threading.RLock()
        """Held while ports are published: several at once would take each other's numbers."""
        self._tried = rootful  # its host is where its daemon binds ports
        self._refusal: str | None = None

    def unavailable(self) -> str | None:
        """Return why no port is published on the emulated LAN, found by trying; None if one is."""
        with self._lock:
            if not self._tried:
                order, host = self._maker.order("publish", Sharing("bridge")), self._lan.get().host
                try:
                    made, _ = self._published(order, (_ANY,), (host,))
                    self._maker.remove(made.id)
                except EngineError as error:
                    elsewhere = _NO_ADDRESS in error.message
                    self._refusal = _ELSEWHERE if elsewhere else error.message
                self._tried = True
            return self._refusal

    def create(
        self, order: Order, ports: tuple[Port, ...], network: Network | None
    ) -> tuple[EndpointContainer, tuple[Published, ...]]:
        """Create a container whose ports are published, each at one number on every address."""
        if not ports:
            return self._maker.create(order), ()
        lan = self._lan.get()
        has_ipv6 = network is not None and network.ipam is not None and network.ipam.subnet6
        addresses = (lan.host, lan.host6) if has_ipv6 and lan.host6 else (lan.host,)
        with self._lock:
            return self._published(order, ports, addresses)

    def _published(
        self, order: Order, ports: tuple[Port, ...], addresses: tuple[str, ...]
    ) -> tuple[EndpointContainer, tuple[Published, ...]]:
        """Create the container; the engine chooses the numbers, one for all protocols of a port.

        Engines count for each protocol, and some for each address of the host, on its own: if the
        numbers differ, the container is made again with ones that come after all of them.
        """
        first: int | None = None
        for _ in range(_TRIES):
            try:
                made = self._maker.create(replace(order, publish=_wanted(ports, addresses, first)))
            except EngineError as error:
                if first is None or "already" not in error.message:
                    raise
                first += len(ports)
                continue
            try:
                published = _same_numbers(made, ports, addresses)
            except BaseException:
                self._maker.remove(made.id)
                raise
            if len(published) == len(ports):
                return made, published
            first = 1 + max(number for places in made.bindings.values() for _, number in places)
            self._maker.remove(made.id)
        raise EngineError(
            f"no {len(ports)} ports in a row are free on all of {', '.join(addresses)}",
            hint="see what listens on the engine's host: ss -tulpn",
        )


def _names(port: Port) -> tuple[str, ...]:
    return tuple(f"{port.number}/{protocol}" for protocol in port.protocols)


def _wanted(
    ports: tuple[Port, ...], addresses: tuple[str, ...], first: int | None
) -> dict[str, tuple[tuple[str, int | None], ...]]:
    return {
        name: tuple((address, None if first is None else first + i) for address in addresses)
        for i, port in enumerate(ports)
        for name in _names(port)
    }


def _same_numbers(
    made: EndpointContainer, ports: tuple[Port, ...], addresses: tuple[str, ...]
) -> tuple[Published, ...]:
    """Return the ports that have the same number on every address and for every protocol."""
    found = []
    for port in ports:
        places = [dict(made.bindings.get(name, ())) for name in _names(port)]
        missing = [one for one in addresses if not all(one in numbers for numbers in places)]
        if missing:
            where = " and ".join(missing)
            raise Unsupported(f"the engine publishes no port of this network at {where}")
        numbers = {number for one in places for number in one.values()}
        if len(numbers) == 1:
            found.append(Published(port, numbers.pop()))
    return tuple(found)

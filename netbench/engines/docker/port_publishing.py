"""Ports published at the host's addresses on the emulated LAN, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from netbench.engines.base import Published
from netbench.engines.docker.endpoints import EndpointContainer, Order
from netbench.errors import EngineError, Unsupported
from netbench.spec import PUBLISHED_PORTS, Port

_TRIES: Final = 10
"""Others may publish on the same engine meanwhile."""
_ANY: Final = Port(PUBLISHED_PORTS[0])
_NO_ADDRESS: Final = "cannot assign requested address"
_ELSEWHERE: Final = (
    "the engine publishes ports at the machine's addresses, not at those of its own host, whose "
    "network is a namespace of its own (rootless): the emulated LAN does not reach them"
)


def create_published(
    order: Order,
    ports: tuple[Port, ...],
    addresses: tuple[str, ...],
    create: Callable[[Order], EndpointContainer],
    remove: Callable[[str], None],
) -> tuple[EndpointContainer, tuple[Published, ...]]:
    """Create a container whose ports are published, each at one number on every address.

    The number is one for all protocols of a port too. The engine chooses it. Engines count for
    each protocol, and some for each address of the host, on its own: where the numbers differ,
    the container is made again with ones that come after all of them.

    Raises:
        EngineError: the engine refused; `Unsupported` where it publishes nothing for the network.
    """
    first: int | None = None
    for _ in range(_TRIES):
        try:
            made = create(replace(order, publish=_wanted(ports, addresses, first)))
        except EngineError as error:
            if first is None or "already" not in error.message:
                raise
            first += len(ports)
            continue
        try:
            published = _published(made, ports, addresses)
        except BaseException:
            remove(made.id)
            raise
        if len(published) == len(ports):
            return made, published
        first = 1 + max(number for places in made.bindings.values() for _, number in places)
        remove(made.id)
    raise EngineError(
        f"no {len(ports)} ports in a row are free on all of {', '.join(addresses)}",
        hint="see what listens on the engine's host: ss -tulpn",
    )


def why_not(
    order: Order,
    address: str,
    create: Callable[[Order], EndpointContainer],
    remove: Callable[[str], None],
) -> str | None:
    """Return why the engine publishes no port at an address of its host; None where it does.

    Found by trying, with a container that is gone again afterwards.
    """
    try:
        made, _ = create_published(order, (_ANY,), (address,), create, remove)
    except EngineError as error:
        return _ELSEWHERE if _NO_ADDRESS in error.message else error.message
    remove(made.id)
    return None


def _wanted(
    ports: tuple[Port, ...], addresses: tuple[str, ...], first: int | None
) -> dict[str, tuple[tuple[str, int | None], ...]]:
    return {
        name: tuple((address, None if first is None else first + i) for address in addresses)
        for i, port in enumerate(ports)
        for name in _names(port)
    }


def _names(port: Port) -> tuple[str, ...]:
    """Return a port as the engine writes it, once for each protocol."""
    return tuple(f"{port.number}/{protocol}" for protocol in port.protocols)


def _published(
    made: EndpointContainer, ports: tuple[Port, ...], addresses: tuple[str, ...]
) -> tuple[Published, ...]:
    """Return the ports that have the same number on every address and for every protocol."""
    found = []
    for port in ports:
        numbers: set[int] = set()
        for name in _names(port):
            places = dict(made.bindings.get(name, ()))
            missing = [address for address in addresses if address not in places]
            if missing:
                raise Unsupported(
                    f"the engine publishes no port of this network at {' and '.join(missing)}"
                )
            numbers.update(places.values())
        if len(numbers) == 1:
            found.append(Published(port, numbers.pop()))
    return tuple(found)

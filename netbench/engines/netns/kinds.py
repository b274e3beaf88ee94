"""What every kind of network of the netns engine offers; one implementation a file.

A kind is made with the `World` (world.py) that all kinds of one engine share: its process id, the
numbering of addresses, the emulated LAN, published ports.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from netbench.engines.base import Network, Published
from netbench.record import Ipam
from netbench.spec import NetworkSpec, Port, Role


@dataclass(frozen=True, slots=True)
class Publication:
    """Ports of an endpoint's own to publish at the host's addresses on the LAN."""

    ports: tuple[Port, ...] = ()
    served: Literal["proxy", "nat"] | None = None
    """How they must be served; None leaves it to the kind."""


@dataclass(frozen=True, slots=True)
class Attached:
    """What an endpoint got from its network."""

    address: str | None
    address6: str | None
    ipam: Ipam | None
    published: tuple[Published, ...] = ()


class Kind(Protocol):
    """A kind of network. Its methods may be called from several threads at once."""

    def unsupported(self, spec: NetworkSpec) -> str | None:
        """Return why a network cannot be made here, None where it can; found by trying."""
        ...

    def publishes(self, spec: NetworkSpec) -> bool:
        """Tell whether ports can be published from such a network by the world's own means.

        Those need nftables, or docker-proxy; a kind that publishes by other means says no.
        """
        ...

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network.

        Raises:
            EngineError: the kernel refused, nothing half-made is left; `Unsupported` where it
                lacks the means.
        """
        ...

    def attach(
        self, network: Network, holder: int, name: str, role: Role, publish: Publication
    ) -> Attached:
        """Give an endpoint `eth0` in the network.

        Args:
            network: one that `create` returned.
            holder: process whose network namespace is the endpoint's; its `lo` is up.
            name: of the endpoint, unique in the run.
            role: of the endpoint in its pair.
            publish: the ports that lead to it.

        Raises:
            EngineError: as `create`.
        """
        ...

    def detach(self, name: str) -> None:
        """Undo `attach`, before the endpoint's holder ends; nothing where it is undone already."""
        ...

    def remove(self, network: Network) -> float | None:
        """Undo `create`; nothing where it is undone already. Returns as `Engine.remove_network`."""
        ...

    def close(self) -> None:
        """Let go of what outlives the world's processes (files), at the end of the engine."""
        ...

"""Overlay networks of two engines: whether they carry from node to node, and what keeps them."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from netbench.engines.base import Endpoint, Network
from netbench.engines.docker import DockerEngine
from netbench.engines.local_process import attempts
from netbench.errors import EngineError
from netbench.spec import Node, Role

_QUICK: Final = 20.0  # seconds that one try may take
_CARRIES: Final = 30.0  # seconds until an overlay knows an endpoint on the other node
_POLL: Final = 0.2
_DISCARD: Final = 9  # a port that nothing listens at: whoever is reached says so
_REACHED: Final = "connection refused"


class OverlaySpan:
    """Knows the server of each overlay network, and waits until its client reaches it."""

    def __init__(
        self,
        engines: Mapping[Node, DockerEngine],
        addresses: Callable[[], Mapping[Node, str]],
    ) -> None:
        """Take both engines, and what tells their machines' addresses."""
        self._engines = engines
        self._addresses = addresses
        self._servers: dict[str, Endpoint] = {}  # by the network that they are in

    def forget(self, network: Network) -> None:
        """Forget a network that goes."""
        self._servers.pop(network.id, None)

    def met(self, made: Endpoint, network: Network) -> Endpoint:
        """Wait until a network carries, once its client is there too; say between which nodes.

        EngineError, with the client removed, where it does not.
        """
        if made.role is Role.SERVER:
            self._servers[network.id] = made
            return made
        server = self._servers.get(network.id)
        if server is None or server.address is None or made.ipam is None:
            return made
        engine = self._engines[made.node]
        with ExitStack() as undo:
            undo.callback(engine.remove_endpoint, made)
            self._reach(made, server.address, network)
            nodes = engine.peers_of(network.id)
            undo.pop_all()
        return replace(made, ipam=replace(made.ipam, nodes=tuple(sorted(nodes))))

    def _reach(self, client: Endpoint, address: str, network: Network) -> None:
        engine, target = self._engines[client.node], f"TCP4:{address}:{_DISCARD},connect-timeout=1"
        for _ in attempts(_CARRIES, _POLL):
            done = engine.run(client, ("socat", "-u", "/dev/null", target), timeout=_QUICK)
            if done.exit_code == 0 or _REACHED in done.stderr.lower():
                return
        raise EngineError(self._silent(network))

    def _silent(self, network: Network) -> str:
        """Say what keeps an overlay from carrying, as far as both nodes tell."""
        ways = self._addresses()
        hears = [
            node
            for node, engine in self._engines.items()
            if {*ways.values()} <= engine.peers_of(network.id)
        ]
        between = f"between {ways[Node.FIRST]} and {ways[Node.PEER]}"
        if len(hears) < len(Node):
            deaf = " and ".join(f"{node} node" for node in Node if node not in hears)
            return (
                f"the overlay carried nothing within {_CARRIES:.0f} s: the {deaf} does not hear "
                f"of the other's endpoints: gossip is cut, open 7946/tcp and 7946/udp {between}"
            )
        encrypted = network.ipam is not None and network.ipam.encrypted
        closed = "ESP (IP protocol 50), which both kernels must have, too" if encrypted else ""
        opened = f"4789/udp{f', or {closed}' if closed else ''}"
        return (
            f"the overlay carried nothing within {_CARRIES:.0f} s, though both nodes know each "
            f"other's endpoints: its frames are lost, open {opened} {between}"
        )

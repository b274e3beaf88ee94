"""Which kind of network a specification asks for."""

import threading
from collections.abc import Callable
from typing import Final

from netbench.engines.base import Network
from netbench.engines.netns.bridge import BridgeKind
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.kinds import Attached, Kind, Publication
from netbench.engines.netns.macvlan_ipvlan import IPVLAN, MACVLAN, ChildKind
from netbench.engines.netns.overlay import OverlayKind
from netbench.errors import EngineError, Unsupported
from netbench.spec import NetworkSpec, Role


def _cni(world: World, bridges: BridgeKind) -> Kind:
    from netbench.engines.netns.cni import CniKind  # noqa: PLC0415 -- few runs need it

    del bridges
    return CniKind(world)


_KINDS: Final[dict[str, Callable[[World, BridgeKind], Kind]]] = {
    "bridge": lambda _, bridges: bridges,
    "macvlan": lambda world, _: ChildKind(world, MACVLAN),
    "ipvlan": lambda world, _: ChildKind(world, IPVLAN),
    "overlay": OverlayKind,
    "cni": _cni,
}


class NetworkKinds:
    """The kinds of one world, each made when it is first asked for."""

    def __init__(self, world: World) -> None:
        """Make the default bridge."""
        self.bridges = BridgeKind(world)
        self._world = world
        self._lock = threading.Lock()
        self._made: dict[str, Kind] = {}
        self._networks: dict[str, Kind] = {self.bridges.default.id: self.bridges}
        self._attached: dict[str, Kind] = {}

    def unsupported(self, spec: NetworkSpec) -> str | None:
        """Return why a network cannot be made here, None where it can."""
        if spec.driver not in _KINDS:
            return f"plugin:{spec.driver} needs a Docker Engine: the netns engine has no plug-ins"
        if spec.options:
            named = ", ".join(f"{key}={value}" for key, value in spec.options)
            return f"the netns engine knows no options of an engine's own ({named})"
        return self._kind(spec.driver).unsupported(spec)

    def publishes(self, spec: NetworkSpec) -> bool:
        """Tell whether ports are published from such a network by the world's own means."""
        return self._kind(spec.driver).publishes(spec)

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network.

        Raises:
            EngineError: the kernel refused; `Unsupported` where it lacks the means.
        """
        lacking = self.unsupported(spec)
        if lacking:
            raise Unsupported(lacking)
        kind = self._kind(spec.driver)
        network = kind.create(name, spec)
        with self._lock:
            self._networks[network.id] = kind
        return network

    def attach(
        self, network: Network, holder: int, name: str, role: Role, publish: Publication
    ) -> Attached:
        """Give an endpoint its link in a network; errors as `create`."""
        kind = self._networks.get(network.id)
        if kind is None:
            raise EngineError(f"the network {network.id} is gone")
        got = kind.attach(network, holder, name, role, publish)
        with self._lock:
            self._attached[name] = kind
        return got

    def detach(self, name: str) -> None:
        """Undo `attach`, before the endpoint's holder ends."""
        with self._lock:
            kind = self._attached.pop(name, None)
        if kind:
            kind.detach(name)

    def remove(self, network: Network) -> float | None:
        """Undo `create`; returns as `Engine.remove_network`."""
        with self._lock:
            kind = self._networks.pop(network.id, None)
        return kind.remove(network) if kind else None

    def _kind(self, driver: str) -> Kind:
        with self._lock:
            if driver not in self._made:
                self._made[driver] = _KINDS[driver](self._world, self.bridges)
            return self._made[driver]

    def close(self) -> None:
        """Let go of what outlives the world's processes."""
        with self._lock:
            made = list(self._made.values())
            self._made.clear()
        for kind in made:
            kind.close()

"""What is made for a block is removed by several threads at once."""

import threading
import time
from dataclasses import dataclass, field

from support.fakes import FakeEngine

from netbench.engines.base import Endpoint, Network
from netbench.spec import Attach, NetworkSpec, Recipe, Role
from netbench.topology.pairs import Creations

COUNT = 4  # as many as are removed at a time
RECIPE = Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=NetworkSpec("bridge"))


@dataclass(frozen=True, slots=True, eq=False)
class Slow(Endpoint):
    """An endpoint whose comparison lets other threads go on, as any may."""

    __hash__ = Endpoint.__hash__

    def __eq__(self, other: object) -> bool:
        time.sleep(0.002)
        return self is other


@dataclass
class AtOnce(FakeEngine):
    """An engine that has removed all of its endpoints at the same moment."""

    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(COUNT))

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        del spec
        return Network(name, None)

    def create_endpoint(self, name: str, role: Role, attach: Attach, **_: object) -> Endpoint:
        del attach
        return Slow(name, name, role, 1, None, None)

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        del endpoint
        self.together.wait(timeout=20)

    def remove_network(self, network: Network) -> float | None:
        del network
        self.together.wait(timeout=20)
        return None


def test_everything_is_removed_once_whatever_is_removed_beside_it() -> None:
    made = Creations(AtOnce())
    for number in range(COUNT):
        network = made.network(f"network-{number}", NetworkSpec("bridge"))
        made.endpoint(f"endpoint-{number}", Role.CLIENT, RECIPE, network)

    made.remove_all()

    assert made.left == []

"""What a trial of the engine makes: always removed, each thing timed by itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Engine, Network
from netbench.errors import ENGINE_FAILURES, EngineError, Unsupported
from netbench.record import Failure, Skip
from netbench.runner.setup import TrialFailed
from netbench.spec import Arm, Attach, Role
from netbench.system.interrupts import deferred_signals
from netbench.topology import stems


class ControlPlaneTrial:
    """What one trial makes, as a context: leaving it removes whatever is still there."""

    def __init__(self, engine: Engine, driver: Driver, arm: Arm, number: int) -> None:
        """Make nothing yet; names begin with the number of the record."""
        self._engine = engine
        self._endpoints: list[Endpoint] = []
        self._stem = stems(f"cp{number}", (arm,))[arm]
        self.driver = driver
        self.arm = arm
        self.network: Network | None = None
        self.left: list[str] = []
        """What could not be removed, in words."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything, whatever happened."""
        with deferred_signals():
            for endpoint in tuple(reversed(self._endpoints)):
                with self._noting(endpoint.name):
                    self.remove(endpoint)
            with self._noting(self._stem):
                self.remove_network()

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        try:
            yield
        except ENGINE_FAILURES as exc:
            self.left.append(f"{name}: {exc}")

    def make_network(self) -> float | None:
        """Make the driver's network, where it has one; return the seconds, as `Network.took`."""
        spec = self.driver.recipe.network
        if spec is None:
            return None
        with deferred_signals(), _making():
            self.network = self._engine.create_network(self._stem, spec)
        return self.network.took

    def make(self, name: str, role: Role, peer: Endpoint | None) -> Endpoint:
        """Make an endpoint as the driver's recipe says."""
        recipe = self.driver.recipe
        attach = recipe.client if role is Role.CLIENT else recipe.server
        with deferred_signals(), _making():
            made = self._engine.create_endpoint(
                f"{self._stem}-{name}",
                role,
                attach,
                network=self.network if attach is Attach.NETWORK else None,
                peer=peer if attach is Attach.PEER else None,
                cpus=(),
            )
            self._endpoints.append(made)
        return made

    def remove(self, endpoint: Endpoint) -> float:
        """Remove an endpoint; return the seconds."""
        with deferred_signals():
            started = time.monotonic()
            self._engine.remove_endpoint(endpoint)
            self._endpoints.remove(endpoint)
            return time.monotonic() - started

    def remove_network(self) -> float | None:
        """Remove the network, where there is one; return the seconds, as `Network.took`."""
        if self.network is None:
            return None
        with deferred_signals():
            took = self._engine.remove_network(self.network)
            self.network = None
        return took


@contextmanager
def _making() -> Iterator[None]:
    """Turn an engine's refusal into the outcome of the trial."""
    try:
        yield
    except Unsupported as exc:
        raise TrialFailed(Skip(str(exc))) from exc
    except EngineError as exc:
        raise TrialFailed(Failure("create", str(exc), "")) from exc

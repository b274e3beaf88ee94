"""`--keep`: what stays up after a run, how the user gets into it, and what removes it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from netbench.engines.base import Endpoint, Engine
from netbench.topology.pairs import LiveBlock, LivePair


@dataclass(slots=True)
class Kept:
    """What is left up when a run ends."""

    wanted: bool = False
    context: str | None = None  # that the user named the engine by
    block: LiveBlock | None = None
    """The block whose pairs stay up; None if there is none, although it was wanted."""

    def told(self, engine: Engine, run: str) -> Iterator[str]:
        """Yield lines that name every endpoint which stays up, with the command that enters it."""
        yield "netbench: --keep: the pairs of the last block stay up; to enter them:"
        for name, endpoint in self._endpoints(engine):
            yield f"  {name}: {shlex.join(engine.way_in(endpoint))}"
        clean = ("netbench", "clean", *(("--context", self.context) if self.context else ()))
        yield f"  to remove all of them (run {run}): {shlex.join(clean)}"

    def _endpoints(self, engine: Engine) -> Iterator[tuple[str, Endpoint]]:
        """Yield every endpoint once, with what it is in words."""
        pairs = self.block.pairs.values() if self.block else ()
        up = [pair for pair in pairs if isinstance(pair, LivePair)]
        for pair in sorted(up, key=lambda one: (one.arm.driver, one.arm.replica)):
            arm = f"{pair.arm.driver}{' (A/A)' if pair.arm.replica else ''}"
            yield f"{arm}, client", pair.client
            yield f"{arm}, server", pair.server
        outside = {pair.lan.client.id: pair.lan.client for pair in up if pair.lan}
        for client in outside.values():
            yield "client on the emulated LAN", client
        yield "host of the engine", engine.host()

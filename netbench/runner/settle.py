"""Settle: the tools of a trial brought to the point from which it can be measured."""

import itertools
import time
from collections.abc import Callable, Iterator

from netbench.engines.base import Engine, Process
from netbench.errors import EngineError, EngineLost
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import ESTABLISHED, LISTEN
from netbench.plan import Plan, Step
from netbench.record import Completed, Failure
from netbench.runner.prepared import Prepared
from netbench.spec import Role
from netbench.topology import LivePair

_LISTEN_WITHIN = 5.0
"""Seconds a server may take to listen."""
_LIMIT = 1800.0
"""Seconds after which a tool ends even if nobody waits for it any more."""
_WARM_UP = 0.1
"""Seconds from a held client's connection to its stop: its few warm-up messages are through."""
_MARGIN = 0.1
"""Seconds beyond a held client's own pause before it is released."""
_PORTS = range(21001, 31000)
"""Below the usual ephemeral range, 32768 and up."""
EVIDENCE = 600
"""Characters of raw output kept in a record; the whole lies in `raw/`."""


class TrialFailed(Exception):
    """A trial cannot go on; carries the outcome."""

    def __init__(self, failure: Failure) -> None:
        """Take the outcome."""
        super().__init__(failure.reason)
        self.failure = failure


class Settler:
    """Starts tools on live pairs of one engine."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        """Take what settling needs."""
        self._engine = engine
        self._plan = plan
        self._ports: Iterator[int] = itertools.cycle(_PORTS)

    def prepare(self, live: LivePair, step: Step) -> Prepared:
        """Start the server, see it listen, and bring a holdable client into its pause.

        Raises:
            TrialFailed: the server does not come up.
            EngineLost: the engine does not answer.
        """
        probe = self._plan.probes[step.cell.probe]
        cpus = self._plan.cpus[step.cell.placement]
        address, port = live.target or "", self._free_port(live)
        argv = probe.server_argv(address, port)
        server = self._start(live, Role.SERVER, argv, cpus.server)
        prepared = Prepared(live, step, probe, cpus, port, server)
        try:
            self._see_it_listen(prepared)
            if probe.holdable:
                self._hold(prepared, address)
        except BaseException:
            prepared.end()
            raise
        return prepared

    def _see_it_listen(self, prepared: Prepared) -> None:
        live, server, port = prepared.live, prepared.server, prepared.port
        if not self._until(server, lambda: self._has(live, port, LISTEN)):
            server.signal("KILL")
            evidence = said(prepared.wait(server, 1.0))
            reason = f"no server listens on port {port} within {_LISTEN_WITHIN:.0f} s"
            raise TrialFailed(Failure("server", reason, evidence))

    def _hold(self, prepared: Prepared, address: str) -> None:
        probe, live = prepared.probe, prepared.live
        argv = probe.client_argv(address, prepared.port, self._plan.cc)
        client = self._start(live, Role.CLIENT, argv, prepared.cpus.client)
        prepared.client = client
        connected = self._until(client, lambda: self._has(live, prepared.port, ESTABLISHED))
        prepared.released_after = time.monotonic() + probe.holdable + _MARGIN
        if connected:
            time.sleep(_WARM_UP)
            client.signal("STOP")

    def release(self, prepared: Prepared) -> Process:
        """Let the client go: continue a held one when its pause is over, else start it."""
        if prepared.client is None:
            argv = prepared.probe.client_argv(
                prepared.live.target or "", prepared.port, self._plan.cc
            )
            prepared.client = self._start(prepared.live, Role.CLIENT, argv, prepared.cpus.client)
        else:
            time.sleep(max(0.0, prepared.released_after - time.monotonic()))
            prepared.client.signal("CONT")
        return prepared.client

    def _start(self, live: LivePair, role: Role, argv: tuple[str, ...], cpu: int | None) -> Process:
        endpoint = live.client if role is Role.CLIENT else live.server
        try:
            return self._engine.start(endpoint, argv, cpu=cpu, limit=_LIMIT)
        except EngineLost:
            raise
        except EngineError as exc:
            failure = (
                Failure("client", str(exc), " ".join(argv))
                if role is Role.CLIENT
                else Failure("server", str(exc), " ".join(argv))
            )
            raise TrialFailed(failure) from exc

    def _free_port(self, live: LivePair) -> int:
        used = ports_in_use(live.pair.server, None, local=self._engine.local)
        return next(port for port in self._ports if port not in used)

    def _has(self, live: LivePair, port: int, state: str) -> bool:
        return port in ports_in_use(live.pair.server, state, local=self._engine.local)

    @staticmethod
    def _until(process: Process, seen: Callable[[], bool]) -> bool:
        """Wait until something is seen; False once the process ended or time is up."""
        deadline = time.monotonic() + _LISTEN_WITHIN
        while time.monotonic() < deadline:
            if seen():
                return True
            if not process.alive():
                return False
            time.sleep(0.005)
        return False


def said(done: Completed) -> str:
    """Return the start of what a tool printed, for evidence."""
    text = "\n".join(part.strip() for part in (done.stderr, done.stdout) if part.strip())
    ended = "ended by our deadline" if done.timed_out else f"exit code {done.exit_code}"
    return f"{done.argv[0] if done.argv else '?'}: {ended}; {text[:EVIDENCE]}"

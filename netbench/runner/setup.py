"""The tools of a session or a trial, brought to the point from which it can be measured."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from netbench.engines.base import Endpoint, Engine, Process, Published
from netbench.errors import EngineError
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import BOUND, ESTABLISHED, LISTEN
from netbench.plan import Plan, Step
from netbench.probes import Probe, Sliced, ToolProbe
from netbench.record import Completed, Failure, Skip
from netbench.runner.machine import Clock
from netbench.runner.prepared import Prepared
from netbench.spec import TOOL_PORTS, Protocol, Role
from netbench.topology import Call, LivePair

_LISTEN_WITHIN = 15.0
"""Seconds a server may take to listen; on a busy machine a look alone can take some."""
_LIMIT = 6 * 3600.0
"""Seconds after which a tool ends even if nobody waits for it any more; no block takes so long."""
_WARM_UP = 0.1
"""Seconds from a client's connection to its first hold: few warm-up messages are through, or a
stream has found its window."""
_WARM_UP_UNSEEN = 0.6
"""The same from its start, where no connection shows."""
_MARGIN = 0.1
"""Seconds beyond a held client's own pause before it is let go on."""
_SECOND_PORT: Final = (
    "{tool} needs a second port of the server's, at the number that the server tells its client; "
    "a published port has another number outside"
)
EVIDENCE = 600
"""Characters of raw output kept in a record; the whole lies in `raw/`."""


class TrialFailed(Exception):
    """A trial cannot go on; carries the outcome."""

    def __init__(self, outcome: Failure | Skip) -> None:
        """Take the outcome."""
        super().__init__(outcome.reason)
        self.outcome = outcome


class TrialSetup:
    """Starts tools on live pairs of one engine."""

    def __init__(self, engine: Engine, plan: Plan, clock: Clock | None = None) -> None:
        """Take what is needed for that."""
        self._clock = clock or Clock()
        self._engine = engine
        self._plan = plan
        # Two runs at once in one host's namespace would else always want the same ports.
        first = secrets.randbelow(len(TOOL_PORTS))
        self._ports: Iterator[int] = itertools.cycle((*TOOL_PORTS[first:], *TOOL_PORTS[:first]))
        self._around: dict[str, Iterator[Published]] = {}
        """Published ports by server, in turn: many a server is started before the last ends."""
        self._lock = threading.Lock()

    def prepare(self, live: LivePair, step: Step, probe: ToolProbe) -> Prepared:
        """Start the server and see it listen.

        Raises:
            TrialFailed: the server does not come up.
            EngineLost: the engine does not answer.
        """
        cpus = self._plan.cpus[step.cell.placement]
        call = live.call(step.cell.path)
        if probe.second_port and call.published is not None:
            raise TrialFailed(Skip(_SECOND_PORT.format(tool=probe.tool)))
        port, outside = self._free_port(live, call, probe.protocols)
        argv = probe.server_argv(call.bind, port)
        server = self._start(live.server, Role.SERVER, argv, cpus.server)
        prepared = Prepared(live, step, probe, cpus, call, port, outside, server)
        try:
            self._see_it_listen(prepared)
        except BaseException:
            prepared.end()
            raise
        return prepared

    def prepare_session(
        self, live: LivePair, step: Step, probe: Sliced, seconds: float
    ) -> Prepared:
        """Start server and client, and those of the load beside it, and hold the clients.

        Args:
            live: the pair.
            step: of the plan.
            probe: of the session.
            seconds: that the session takes at most, from the client's first work.

        Raises:
            TrialFailed: the tools do not come up.
            EngineLost: the engine does not answer.
        """
        prepared = self.prepare(live, step, probe)
        try:
            if probe.load is not None:
                prepared.load = self.prepare_session(live, step, probe.load, seconds)
            self._start_held(prepared, probe, seconds)
        except BaseException:
            prepared.end()
            raise
        return prepared

    def _see_it_listen(self, prepared: Prepared) -> None:
        live, server, port = prepared.live, prepared.server, prepared.port
        protocol = prepared.probe.protocols[0]
        state = LISTEN if protocol == "tcp" else BOUND
        if not self._until(server, lambda: self._has(live, port, state, protocol)):
            server.signal("KILL")
            done = prepared.wait(server, 1.0)
            cannot = prepared.probe.cannot(done)
            if cannot:
                raise TrialFailed(Skip(cannot, said(done)))
            reason = f"no server listens on port {port} within {_LISTEN_WITHIN:.0f} s"
            raise TrialFailed(Failure("server", reason, said(done)))

    def _start_held(self, prepared: Prepared, probe: Sliced, seconds: float) -> None:
        """Start a session's client and hold it once its connection is there."""
        live = prepared.live
        # What pauses before it works counts its time from the end of its pause; all others from
        # their start, and how long they wait until it is their turn is not known.
        bound = seconds if probe.pause else _LIMIT
        argv = probe.session_argv(
            prepared.call.target, prepared.outside, self._control(prepared), bound
        )
        prepared.client = client = self._start_client(prepared, argv)
        if probe.counted == "connections":
            # It leaves thousands of closed ones, among which a look takes long on a busy machine,
            # and meanwhile it makes more. Held before its first one, it makes that when woken.
            patience = _WARM_UP
        elif probe.protocols[0] == "tcp":
            self._until(client, lambda: self._has(live, prepared.port, ESTABLISHED))
            patience = _WARM_UP
        else:
            # Nothing shows that a datagram came through. A client that is held too early only
            # pauses after it is let go on: that takes time, and changes no number.
            patience = _WARM_UP_UNSEEN
        prepared.ready = self._clock.now() + (probe.pause + _MARGIN if probe.pause else 0.0)
        self._clock.sleep(patience)
        client.signal("STOP")

    def start(self, prepared: Prepared, probe: Probe) -> Process:
        """Start the client of a trial."""
        argv = probe.client_argv(prepared.call.target, prepared.outside, self._control(prepared))
        prepared.client = self._start_client(prepared, argv)
        return prepared.client

    def _control(self, prepared: Prepared) -> str | None:
        return prepared.live.driver.recipe.congestion_control or self._plan.cc

    def _start_client(self, prepared: Prepared, argv: tuple[str, ...]) -> Process:
        return self._start(prepared.call.client, Role.CLIENT, argv, prepared.cpus.client)

    def _start(
        self, endpoint: Endpoint, role: Role, argv: tuple[str, ...], cpu: int | None
    ) -> Process:
        try:
            return self._engine.start(endpoint, argv, cpu=cpu, limit=_LIMIT)
        except EngineError as exc:
            failure = (
                Failure("client", str(exc), " ".join(argv))
                if role is Role.CLIENT
                else Failure("server", str(exc), " ".join(argv))
            )
            raise TrialFailed(failure) from exc

    def _free_port(
        self, live: LivePair, call: Call, protocols: tuple[Protocol, ...]
    ) -> tuple[int, int]:
        """Return the server's port and the one that the client connects to, free for all of them.

        Raises:
            EngineError: there is none.
        """
        used = self._in_use(live, protocols, None)
        if call.published is None:
            port = next(port for port in self._ports if port not in used)
            return port, port
        busy = self._in_use(live, protocols, LISTEN)
        with self._lock:
            around = self._around.setdefault(live.server.id, itertools.cycle(call.published))
            turn = [next(around) for _ in call.published]
            turn = [one for one in turn if {*protocols} <= {*one.port.protocols}]
            # A port that only waits out TCP's TIME-WAIT can be listened on again, if need be.
            free = [one for one in turn if one.port.number not in used]
            free += [one for one in turn if one.port.number not in busy]
            if not free:
                of = f"{len(turn)} published {' and '.join(protocols)} ports"
                raise EngineError(f"none of the server's {of} is free")
            while next(around) != free[0]:
                pass
        return free[0].port.number, free[0].host_port

    @staticmethod
    def _in_use(
        live: LivePair, protocols: tuple[Protocol, ...], tcp_state: str | None
    ) -> frozenset[int]:
        """Return the server's ports that TCP sockets of one state, or of any, or UDP's hold."""
        server = live.pair.server
        return frozenset[int]().union(
            *(
                ports_in_use(server, tcp_state if name == "tcp" else None, name)
                for name in protocols
            )
        )

    @staticmethod
    def _has(live: LivePair, port: int, state: str, protocol: Protocol = "tcp") -> bool:
        return port in ports_in_use(live.pair.server, state, protocol)

    @staticmethod
    def _until(process: Process, seen: Callable[[], bool]) -> bool:
        """Wait until something is seen; False once the process ended or time is up."""
        began = looked = time.monotonic()
        while looked < began + _LISTEN_WITHIN:
            if seen():
                return True
            if not process.alive():
                return False
            # Where a look takes long, as on another machine, many are in the tools' own way.
            time.sleep(max(0.005, 2 * (time.monotonic() - looked)))
            looked = time.monotonic()
        return False


def said(done: Completed) -> str:
    """Return the start of what a tool printed, for evidence."""
    text = "\n".join(part.strip() for part in (done.stderr, done.stdout) if part.strip())
    ended = "ended by our deadline" if done.timed_out else f"exit code {done.exit_code}"
    return f"{done.argv[0] if done.argv else '?'}: {ended}; {text[:EVIDENCE]}"

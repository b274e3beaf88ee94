"""Starts the tools of a session or a trial, to the point from which they can be measured."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from netbench.engines.base import Endpoint, Engine, Process, Published
from netbench.errors import EngineError
from netbench.facts.base import ports_in_use
from netbench.facts.pair import NamespaceSet
from netbench.facts.procfs import BOUND, ESTABLISHED, LISTEN
from netbench.plan import Plan, Step
from netbench.probes import Sliced, ToolProbe
from netbench.record import Failure
from netbench.runner.machine import Clock
from netbench.runner.prepared import Prepared, PreparedSession, TrialFailed, said, see_it_can
from netbench.spec import TOOL_PORTS, Protocol
from netbench.system.interrupts import Pool
from netbench.topology.pairs import LivePair
from netbench.topology.paths import Call

_LISTEN_WITHIN: Final = 15.0  # seconds a server may take; on a busy machine a look alone takes some
_LIMIT: Final = 6 * 3600.0  # seconds after which a tool ends by itself; no block takes so long
_WARM_UP: Final = 0.1  # seconds from connecting to the first hold: a stream has found its window
_WARM_UP_UNSEEN: Final = 0.6  # the same from its start, where no connection shows
_MARGIN: Final = 0.1  # seconds beyond a held client's own pause before it is let go on
_AROUND: Final = 0.03  # seconds that a slice takes beside its own length, for forecasts
_EACH: Final = 0.01  # seconds more for each further client: it is held and let go on in turn
_WOKEN: Final = 0.1  # seconds that each further client is woken for before the first round
_AT_ONCE: Final = 6  # further clients that are started at a time
_ROOM: Final = 1.5, 3.0
"""Factor and seconds by which a session may outlast its forecast."""
_TRIES: Final = 3  # times that a client is started which is not held before it begins
_BUSY: Final = 10.0  # seconds more where there are several clients: a busy machine wakes them late
_Prepared = TypeVar("_Prepared", bound=Prepared)


def _ports_in_turn() -> Iterator[int]:
    """Return the tools' ports in turn: two runs in one host's namespace begin elsewhere."""
    first = secrets.randbelow(len(TOOL_PORTS))
    return itertools.cycle((*TOOL_PORTS[first:], *TOOL_PORTS[:first]))


@dataclass
class TrialSetup:
    """Starts tools on live pairs of one engine."""

    engine: Engine
    plan: Plan
    clock: Clock
    _ports: Iterator[int] = field(default_factory=_ports_in_turn)
    _around: dict[str, Iterator[Published]] = field(default_factory=dict)
    """Published ports by server, in turn: many a server is started before the last ends."""
    _seconds: dict[str, Iterator[int]] = field(default_factory=dict)
    """Ports of the same number outside, by server, those that are not taken."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))
    """Of all sessions' further clients: each must be held before its own pause is over."""

    def prepare(
        self, live: LivePair, step: Step, probe: ToolProbe, kind: type[_Prepared]
    ) -> _Prepared:
        """Start a server and see it listen; raises `TrialFailed` if it does not, `EngineLost`."""
        cpus = self.plan.cpus[step.cell.placement]
        call = live.call(step.cell.path)
        second = self._second_port(live, call) if probe.second_port else None
        port, outside = self._free_port(live, call, probe.protocols)
        argv = probe.server_argv(call.bind, port)
        server = self._start("server", call.server, argv, cpus.server)
        control = live.driver.recipe.congestion_control or self.plan.cc
        goal = call.target, outside, control
        prepared = kind(live, step, probe, cpus, call, port, goal, server, second)
        try:
            self._see_it_listen(prepared)
        except BaseException:
            prepared.end()
            raise
        return prepared

    def prepare_session(self, live: LivePair, step: Step, arms: int) -> PreparedSession:
        """Start a session's tools and its load's for rounds of `arms`; errors as `prepare`."""
        probe = self.plan.probes[step.cell.probe]
        if not isinstance(probe, Sliced):
            raise TrialFailed(Failure("client", f"{probe.name} has no sessions", ""))
        factor, more = _ROOM
        further = probe.clients - 1
        one = probe.rounds * (probe.slice + _AROUND + _EACH * further) + 0.2 + _WOKEN * further
        seconds = factor * (arms * one + 2 * probe.lead) + more + (_BUSY if further else 0.0)
        return self._held(live, step, probe, seconds)

    def start(self, prepared: Prepared, argv: tuple[str, ...]) -> Process:
        """Start a client; errors as `prepare`."""
        client = self._start("client", prepared.call.client, argv, prepared.cpus.client)
        prepared.client = client
        return client

    def _held(self, live: LivePair, step: Step, probe: Sliced, seconds: float) -> PreparedSession:
        """Return a session that takes so many seconds at most, from the client's first work."""
        prepared = self._alone(live, step, probe, seconds)
        try:
            if probe.clients > 1:
                self._start_others(prepared, seconds)
        except BaseException:
            prepared.end()
            raise
        return prepared

    def _alone(
        self, live: LivePair, step: Step, probe: Sliced, seconds: float, tries: int = _TRIES
    ) -> PreparedSession:
        """Return a session of one client, and of its load, held before it works."""
        prepared = self.prepare(live, step, probe, PreparedSession)
        try:
            if probe.load is not None:
                prepared.load = self._held(live, step, probe.load, seconds)
            in_time = self._start_held(prepared, seconds)
        except BaseException:
            prepared.end()
            raise
        if in_time or tries <= 1:
            return prepared
        prepared.end()  # on a busy machine it has begun, and its time would be over too early
        return self._alone(live, step, probe, seconds, tries - 1)

    def _start_others(self, first: PreparedSession, seconds: float) -> None:
        """Start the further clients of a session and their servers; raises what one of them does.

        Whichever were started before are ended with the first.
        """
        live, step, probe = first.live, first.step, first.probe

        def start(_: int) -> None:
            with self._turns:
                first.others.append(self._alone(live, step, probe, seconds))

        with Pool(max_workers=_AT_ONCE) as pool:
            list(pool.map(start, range(probe.clients - 1)))
        first.ready = max(one.ready for one in first.own)

    def _see_it_listen(self, prepared: Prepared) -> None:
        server, port, protocol = prepared.server, prepared.port, prepared.probe.protocols[0]
        state = LISTEN if protocol == "tcp" else BOUND
        if not seen_while_alive(server, lambda: _has(prepared, state, protocol)):
            server.signal("KILL")
            done = prepared.wait(server, 1.0)
            see_it_can(prepared.probe, done)
            reason = f"no server listens on port {port} within {_LISTEN_WITHIN:.0f} s"
            raise TrialFailed(Failure("server", reason, said(done)))

    def _start_held(self, prepared: PreparedSession, seconds: float) -> bool:
        """Start a session's client and hold it once its connection is there; tell if in time."""
        probe = prepared.probe
        # What pauses before it works counts its time from the end of its pause; all others from
        # their start, and how long they wait until it is their turn is not known.
        bound = seconds if probe.pause else _LIMIT
        argv = probe.session_argv(*prepared.goal, bound)
        if prepared.second is not None:
            argv = probe.through(argv, prepared.second)
        client, began = self.start(prepared, argv), self.clock.now()
        latency = client.latency  # which also finds out how it is signalled
        if probe.counted == "connections":
            # It leaves thousands of closed ones, among which a look takes long on a busy machine,
            # and meanwhile it makes more. Held before its first one, it makes that when woken.
            patience = _WARM_UP
        elif probe.protocols[0] == "tcp":
            seen_while_alive(client, lambda: _has(prepared, ESTABLISHED, "tcp"))
            # Held amid its first messages, it would pause only after it was let go on.
            patience = _WARM_UP
        else:
            # Nothing shows that a datagram came through. A client that is held too early only
            # pauses after it is let go on: that takes time, and changes no number.
            patience = _WARM_UP_UNSEEN
        prepared.ready = self.clock.now() + (probe.pause + _MARGIN if probe.pause else 0.0)
        self.clock.sleep(patience)
        client.signal("STOP")
        return not probe.pause or self.clock.now() + latency < began + probe.pause

    def _start(
        self,
        stage: Literal["client", "server"],
        endpoint: Endpoint,
        argv: tuple[str, ...],
        cpu: int | None,
    ) -> Process:
        try:
            return self.engine.start(endpoint, argv, cpu=cpu, limit=_LIMIT)
        except EngineError as exc:
            raise TrialFailed(Failure(stage, str(exc), " ".join(argv))) from exc

    def _second_port(self, live: LivePair, call: Call) -> int | None:
        """Return a second port for a server, once; None if any does. `EngineError` if none is left.

        After many connections one waits out TCP's TIME-WAIT, so each serves one server of a block.
        """
        if call.published is None:
            return None
        fixed = (one.port.number for one in call.published if one.port.fixed)
        with self._lock:
            number = next(self._seconds.setdefault(live.server.id, fixed), None)
        if number is None:
            raise EngineError("none of the server's ports with the same number outside is left")
        return number

    def _free_port(
        self, live: LivePair, call: Call, protocols: tuple[Protocol, ...]
    ) -> tuple[int, int]:
        """Return the port of the server and that of its client; `EngineError` if none is free."""
        where = live.space_of(call.server)
        used = _in_use(where, protocols, None)
        if call.published is None:
            port = next(port for port in self._ports if port not in used)
            return port, port
        busy = _in_use(where, protocols, LISTEN)
        usual = [one for one in call.published if not one.port.fixed]
        with self._lock:
            around = self._around.setdefault(live.server.id, itertools.cycle(usual))
            turn = [next(around) for _ in usual]
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


def _in_use(
    server: NamespaceSet, protocols: tuple[Protocol, ...], tcp_state: str | None
) -> frozenset[int]:
    """Return the server's ports that TCP sockets of one state, or of any, or UDP's hold."""
    return frozenset[int]().union(
        *(ports_in_use(server, tcp_state if name == "tcp" else None, name) for name in protocols)
    )


def _has(prepared: Prepared, state: str, protocol: Protocol) -> bool:
    return prepared.port in ports_in_use(prepared.listens, state, protocol)


def seen_while_alive(process: Process, seen: Callable[[], bool]) -> bool:
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

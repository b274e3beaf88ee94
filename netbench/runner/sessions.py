"""The rounds of one probe: every arm's session gets one slice in each, in random order (METHOD §1).

All clients but one are held. What must be read of a session is read while it is held too, so that
nothing disturbs a slice but the two readings of a counter at its edges.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from netbench.errors import EngineError, FactError
from netbench.plan import Plan, Step
from netbench.probes import Sliced
from netbench.record import Absent, Failure, PairFacts, Record, SentinelReading, SentinelWindow
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import Prepared
from netbench.runner.recording import Recorder, Where
from netbench.runner.session import LiveSession
from netbench.runner.setup import TrialFailed, TrialSetup
from netbench.sentinel.measure import Method, Sentinel, method_for
from netbench.spec import Arm
from netbench.topology import LivePair
from netbench.watch.link_bytes import Bytes, LinkBytes

_WAKE: Final = 0.03
"""Seconds that each client works before the first round."""
_LATE: Final = 1.0
"""Seconds beyond its own pause for which a client is waited for that does not work yet: it may have
been held before its pause began, where nothing shows that it is ready."""
_AROUND: Final = 0.03
"""Seconds that a slice takes beside its own length, for forecasts."""
_ROOM: Final = 1.5, 3.0
"""Factor and seconds by which a session may outlast its forecast."""


class SessionRunner:
    """Runs the rounds of sessions on live pairs of one engine."""

    def __init__(
        self,
        plan: Plan,
        setup: TrialSetup,
        recorder: Recorder,
        meter: MachineMeter,
        sentinel: Sentinel,
    ) -> None:
        """Take what every session needs."""
        self._plan = plan
        self._setup = setup
        self._recorder = recorder
        self._meter = meter
        self._clock = meter.clock
        self._sentinel = sentinel

    def prepare(self, live: LivePair, step: Step, arms: int) -> Prepared:
        """Return a session whose client is held; errors as `TrialSetup.prepare_session`.

        Args:
            live: the pair.
            step: of the plan.
            arms: how many take part in its rounds.
        """
        probe = self._plan.probes[step.cell.probe]
        if not isinstance(probe, Sliced):
            raise TrialFailed(Failure("client", f"{probe.name} has no sessions", ""))
        factor, more = _ROOM
        seconds = arms * (probe.rounds * (probe.slice + _AROUND) + 0.2) + 2 * probe.lead
        return self._setup.prepare_session(live, step, probe, factor * seconds + more)

    def carry_out(
        self,
        sessions: Sequence[tuple[Where, Prepared]],
        rounds: Sequence[Sequence[Arm]],
        following: Sequence[Prepared] = (),
    ) -> list[Record]:
        """Run the rounds and return a record of each session, whatever comes of it.

        Args:
            sessions: whose clients are held.
            rounds: the arms of each, in their order.
            following: sessions of the next probe. Those whose pause is over are woken once the
                rounds are over, so that what their tools leave out at first passes meanwhile.

        Raises:
            EngineLost: the engine does not answer.
        """
        began = self._clock.now()
        running = [self._running(where, prepared) for where, prepared in sessions]
        try:
            self._open(running)
            by_arm = {one.where.step.arm: one for one in running}
            for number, order in enumerate(rounds, start=1):
                self._round(number, order, by_arm)
            self.wake([one for one in following if one.ready <= self._clock.now()])
            after = self._close(running)
            for one in running:
                one.finish(after.get(one.where.number))
        finally:
            for one in running:
                one.release()
        share = (self._clock.now() - began) / max(1, len(running))
        return [one.record(share) for one in running]

    def _running(self, where: Where, prepared: Prepared) -> LiveSession:
        probe = prepared.probe
        if not isinstance(probe, Sliced):
            raise TypeError(f"{probe.name} is no probe of sessions")
        return LiveSession(where, prepared, probe, self._recorder, self._meter)

    def wake(self, sessions: Sequence[Prepared]) -> None:
        """Let every client work for a moment, once its own pause is over: its time begins then."""
        waiting = [one for one in sessions if one.woken is None]
        self._clock.until(max((one.ready for one in waiting), default=0.0))
        for one in waiting:
            with suppress(EngineError):  # its first slice meets the reason again
                if isinstance(one.probe, Sliced) and one.probe.lead:
                    self._see_it_work(one)
                else:
                    self._let_work(one)

    def _let_work(self, one: Prepared) -> None:
        one.woken = self._clock.now()
        one.let_go()
        self._clock.until(one.woken + _WAKE)
        one.hold()

    def _see_it_work(self, one: Prepared) -> None:
        """Let a client work until its messages flow: on a busy machine it may be late.

        A few that it sends before its pause are not meant: they have passed in the first half of
        the moment for which it is let go on.
        """
        hops = one.live.driver.hops(one.step.cell.path, one.live.facts)
        links = LinkBytes.of(one.live.pair, [(h.role, h.link.name) for h in hops])
        pause = one.probe.pause if isinstance(one.probe, Sliced) else 0.0
        patience = self._clock.now() + pause + _LATE
        flowing = False
        while not flowing and self._clock.now() < patience:
            one.woken = self._clock.now()
            one.let_go()
            self._clock.until(one.woken + _WAKE / 2)
            halfway = _bytes_of(links)
            self._clock.until(one.woken + _WAKE)
            flowing = halfway is None or _bytes_of(links) != halfway
            one.hold()

    def _open(self, running: Sequence[LiveSession]) -> None:
        """Wake every client, and read all that a proof needs while they are held again."""
        self.wake([one.prepared for one in running])
        for one in running:
            with one.failing():
                one.look()
        window = self._reading(running)
        for one in running:
            one.seen.window = SentinelWindow(window[0], window[1], None, window[2])
        ready = ((one.prepared.woken or 0.0) + one.probe.lead for one in running)
        self._clock.until(max(ready, default=0.0))

    def _round(self, number: int, order: Sequence[Arm], by_arm: Mapping[Arm, LiveSession]) -> None:
        """Give every session that goes on its slice."""
        present = [by_arm[arm] for arm in order if arm in by_arm]
        for place, one in enumerate(present, start=1):
            if one.goes_on:
                with one.failing():
                    one.slice(number, place)

    def _close(self, running: Sequence[LiveSession]) -> dict[int, PairFacts]:
        """Read once more what proofs need, then end every client."""
        held = self._clock.now()
        method, reading, note = self._reading(running)
        after: dict[int, PairFacts] = {}
        for one in running:
            seen = one.seen
            notes = "; ".join(dict.fromkeys(filter(None, (seen.window.note, note))))
            seen.window = SentinelWindow(method, seen.window.before, reading, notes)
            with one.failing():
                after[one.where.number] = self._recorder.again(one.prepared, seen)
        if lead := max((one.probe.lead for one in running), default=0.0):
            # The log leaves out what lies just before the last message: let one pass after that.
            self._clock.until(held + lead / 5)
            for one in running:
                with one.failing():
                    one.prepared.let_go()
            self._clock.until(self._clock.now() + _WAKE)
        for one in running:
            with one.failing():
                one.end_clients()
        return after

    def _reading(
        self, running: Sequence[LiveSession]
    ) -> tuple[Method, SentinelReading | None, str]:
        """Return one reading of the sentinel on the sessions' CPUs."""
        if not running:
            return "none", None, ""
        first = running[0]
        cpus = first.prepared.cpus
        found = self._sentinel.read(cpus.client, cpus.server)
        method = method_for(first.where.step.cell.placement)
        if isinstance(found, Absent):
            return method, None, found.reason
        return method, found, ""


def _bytes_of(links: LinkBytes) -> Bytes | None:
    """Return where counters stand; None where they cannot be read."""
    try:
        return links.read()
    except FactError:
        return None

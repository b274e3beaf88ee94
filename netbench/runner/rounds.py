"""The rounds of one probe: every arm's session gets one slice in each, in random order (METHOD §1).

All clients but one are held. What must be read of a session is read while it is held too, so that
nothing disturbs a slice but the two readings of a counter at its edges.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from netbench.errors import EngineError, FactError
from netbench.record import Record, SentinelWindow
from netbench.runner.machine import Clock
from netbench.runner.prepared import PreparedSession
from netbench.runner.recording import Recorder, Recording
from netbench.runner.session import LiveSession
from netbench.spec import Arm
from netbench.watch import Bytes, LinkBytes

_WAKE: Final = 0.03  # seconds that each client works before the first round
_LATE: Final = 1.0  # seconds beyond its pause in which a client must begin to work


@dataclass(frozen=True, slots=True)
class SessionRunner:
    """Runs the rounds of sessions on live pairs of one engine."""

    recorder: Recorder

    @property
    def _clock(self) -> Clock:
        return self.recorder.meter.clock

    def carry_out(
        self,
        sessions: Sequence[tuple[Recording, PreparedSession]],
        rounds: Sequence[Sequence[Arm]],
        following: Sequence[PreparedSession] = (),
    ) -> list[Record]:
        """Run the rounds and return a record of each session; raises `EngineLost`.

        Sessions `following`, of the next probe, are woken after the rounds once their pause is
        over, so that what their tools leave out at first passes meanwhile.
        """
        began = self._clock.now()
        running = [LiveSession(prepared, recording) for recording, prepared in sessions]
        by_arm = {one.prepared.step.arm: one for one in running}
        try:
            self._open(running)
            for number, order in enumerate(rounds, start=1):
                self._round(number, order, by_arm)
            self._wake([one for one in following if one.ready <= self._clock.now()])
            self._close(running)
            for one in running:
                one.finish()
        finally:
            for one in running:
                one.release()
        share = (self._clock.now() - began) / max(1, len(running))
        return [one.record(share) for one in running]

    def _open(self, running: Sequence[LiveSession]) -> None:
        """Wake every client, and read all that a proof needs while they are held again."""
        self._wake([one.prepared for one in running])
        _each(running, LiveSession.look)
        self._read_sentinel(running, None)
        ready = ((one.prepared.woken or 0.0) + one.prepared.probe.lead for one in running)
        self._clock.until(max(ready, default=0.0))

    def _round(self, number: int, order: Sequence[Arm], by_arm: Mapping[Arm, LiveSession]) -> None:
        """Give every session that goes on its slice."""
        present = [by_arm[arm] for arm in order if arm in by_arm]
        for place, one in enumerate(present, start=1):
            if one.goes_on:
                with one.failing():
                    one.slice(number, place)

    def _close(self, running: Sequence[LiveSession]) -> None:
        """Read once more what proofs need, then end every client."""
        held = self._clock.now()
        self._read_sentinel(running, running[0].recording.window if running else None)
        _each(running, LiveSession.look_again)
        if lead := max((one.prepared.probe.lead for one in running), default=0.0):
            # The log leaves out what lies just before the last message: let one pass after that.
            self._clock.until(held + lead / 5)
            _each(running, lambda one: one.prepared.let_go())
            self._clock.until(self._clock.now() + _WAKE)
        _each(running, LiveSession.end_clients)

    def _read_sentinel(self, running: Sequence[LiveSession], before: SentinelWindow | None) -> None:
        """Note the state of the machine, on the sessions' CPUs, at one edge of the rounds."""
        if running:
            first = running[0].prepared
            window = self.recorder.window(first.step.cell.placement, first.cpus, before)
            for one in running:
                one.recording.window = window

    def _wake(self, sessions: Sequence[PreparedSession]) -> None:
        """Let every client work for a moment, once its own pause is over: its time begins then."""
        waiting = [one for one in sessions if one.woken is None]
        self._clock.until(max((one.ready for one in waiting), default=0.0))
        for one in waiting:
            with suppress(EngineError):  # its first slice meets the reason again
                if one.probe.lead:
                    self._see_it_work(one)
                else:
                    self._let_work(one)

    def _let_work(self, one: PreparedSession) -> None:
        one.woken = self._clock.now()
        one.let_go()
        self._clock.until(one.woken + _WAKE)
        one.hold()

    def _see_it_work(self, one: PreparedSession) -> None:
        """Let each client work until messages flow beyond its warm-up: a busy machine may be late.

        One after the other, so that what flows is its own.
        """
        hops = one.live.driver.hops(one.step.cell.path, one.live.facts)
        links = LinkBytes(one.live.pair, [(hop.role, hop.link.name) for hop in hops])
        late = list(one.alone)
        patience = self._clock.now() + one.probe.pause + _LATE
        while late and (one.woken is None or self._clock.now() < patience):
            late = [client for client in late if not self._works(one, client, links)]

    def _works(self, one: PreparedSession, client: PreparedSession, links: LinkBytes) -> bool:
        """Let a client of a session work for a moment; tell whether messages were seen to flow."""
        one.woken = self._clock.now()
        client.let_go()
        self._clock.until(one.woken + _WAKE / 2)
        halfway = _bytes_of(links)
        self._clock.until(one.woken + _WAKE)
        flowing = halfway is None or _bytes_of(links) != halfway
        client.hold()
        return flowing


def _each(running: Sequence[LiveSession], work: Callable[[LiveSession], object]) -> None:
    """Do something with every session; one that fails keeps its reason."""
    for one in running:
        with one.failing():
            work(one)


def _bytes_of(links: LinkBytes) -> Bytes | None:
    """Return where counters stand; None if they cannot be read."""
    try:
        return links.read()
    except FactError:
        return None

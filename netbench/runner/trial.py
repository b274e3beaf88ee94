"""One trial: a probe that is paced by a clock, run whole, and the proof of its path (METHOD §1)."""

from dataclasses import dataclass
from typing import Final

from netbench.errors import EngineError, FactError
from netbench.probes import AnyProbe, Probe, UdpSearch
from netbench.record import Completed, Failure, Outcome, Record, Sample, SentinelWindow
from netbench.runner.machine import Facts
from netbench.runner.prepared import Prepared, TrialFailed, reading, said, see_it_can
from netbench.runner.recording import Recording, congestion, failure_of, priced
from netbench.runner.setup import TrialSetup
from netbench.spec import Role
from netbench.topology.pairs import LivePair

_LOOK: Final = 0.15  # seconds into a run, or half of a shorter one, after which it is looked at


def run_trial(
    recording: Recording, setup: TrialSetup, live: LivePair, window: SentinelWindow
) -> Record:
    """Run a trial and return its record; `window` is the sentinel's. Raises `EngineLost`."""
    probe = setup.plan.probes[recording.step.cell.probe]
    outcome: Outcome
    try:
        first = _first(probe)
        prepared = setup.prepare(live, recording.step, first, Prepared)
        try:
            recording.begin(window)
            outcome = _Trial(probe, first, prepared, setup, recording).run()
        finally:
            prepared.end()
            recording.end_listening()
    except (TrialFailed, EngineError, FactError) as exc:
        outcome = failure_of(exc)
    return recording.record(outcome)


def _first(probe: AnyProbe) -> Probe:
    """Return what runs first; raises `TrialFailed` if it has no tool to run."""
    first = probe.following(()) if isinstance(probe, UdpSearch) else probe
    if not isinstance(first, Probe):
        raise TrialFailed(Failure("client", "the probe has no tool to run", ""))
    return first


@dataclass(frozen=True, slots=True)
class _Trial:
    """One trial whose server listens."""

    probe: AnyProbe
    first: Probe
    prepared: Prepared
    setup: TrialSetup
    recording: Recording

    def run(self) -> Outcome:
        """Return the numbers, where the path is proved; raises what stops it."""
        recording, prepared = self.recording, self.prepared
        before = recording.read(prepared)
        recording.watch(prepared)
        try:
            sample = self._numbers()
        finally:
            recording.facts = (*recording.facts, *recording.watched())
        after = recording.read(prepared)
        recording.facts = (*recording.facts, *congestion(after))
        return recording.proved(prepared, sample, before, after)

    def _numbers(self) -> Sample:
        """Return the numbers of one run, or of as many as a search takes."""
        if not isinstance(self.probe, UdpSearch):
            return self._once(self.prepared, self.first, looking=True)
        following: Probe | None = self.first
        samples: list[Sample] = []
        try:
            with reading():
                while following is not None:
                    part = self.prepared.sharing(following)
                    # The way of one run is that of all: looks would outlast the short ones.
                    samples.append(self._once(part, following, looking=not samples))
                    following = self.probe.following(samples)
                return self.probe.conclude(samples)
        finally:
            self.recording.note(Role.SERVER, self.prepared.end_server())

    def _once(self, prepared: Prepared, probe: Probe, *, looking: bool) -> Sample:
        """Run the tools once, note what they left, return their numbers."""
        clock, recording = self.recording.recorder.meter.clock, self.recording
        try:
            client = self.setup.start(prepared, probe.client_argv(*prepared.goal))
            began = clock.now()
            clock.until(began + min(_LOOK, probe.expected / 2))
            for watch in recording.watches if looking else ():
                watch.look()
            recording.look(prepared.cpus)
            recording.pins = prepared.pins()
            facts = self._steady(prepared, probe, began) if client.alive() else ()
            done = prepared.wait(client, probe.deadline)
            served = None if prepared.shares else prepared.end_server()
        finally:
            prepared.end()
        recording.measuring += done.seconds
        recording.facts = facts or recording.facts
        recording.note(Role.CLIENT, done)
        if served is not None:
            recording.note(Role.SERVER, served)
        return _sample(probe, done, served, facts)

    def _steady(self, prepared: Prepared, probe: Probe, began: float) -> Facts:
        """Read the machine at both ends of the window in which the load is steady."""
        meter = self.recording.recorder.meter
        first, last = (began + seconds for seconds in probe.steady)
        if last <= meter.clock.now():
            return ()
        meter.clock.until(first)
        window = meter.windows(prepared.ends)
        window.open()
        meter.clock.until(last)
        window.close()
        return window.end(prepared.cpus)


def _sample(probe: Probe, done: Completed, served: Completed | None, facts: Facts) -> Sample:
    """Return the numbers of one run and their costs; raises `TrialFailed` if it gave none."""
    if done.timed_out:
        reason = f"{probe.tool} did not end within {probe.deadline:.0f} s"
        raise TrialFailed(Failure("client", reason, said(done)))
    see_it_can(probe, done)
    with reading(done, *([served] if served is not None else [])):
        sample = probe.parse(done, served if probe.server_ends else None)
    return priced(sample, facts, probe.metrics)

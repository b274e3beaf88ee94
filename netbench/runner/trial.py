"""One trial: a probe that is paced by a clock, run whole, and the proof of its path (METHOD §1)."""

from netbench.errors import EngineError, FactError, ProbeError
from netbench.plan import Plan, Step
from netbench.probes import Probe, UdpSearch
from netbench.record import Failure, Outcome, Record, Sample, SentinelWindow
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import Prepared
from netbench.runner.recording import (
    Recorder,
    Seen,
    Watch,
    Where,
    congestion,
    failure_of,
    port_watch_of,
    record_of,
    watch_of,
)
from netbench.runner.setup import TrialFailed, TrialSetup
from netbench.runner.tools_run import run_tools
from netbench.spec import Role
from netbench.topology import LivePair


class TrialRunner:
    """Runs trials on live pairs of one engine."""

    def __init__(
        self, plan: Plan, setup: TrialSetup, recorder: Recorder, meter: MachineMeter
    ) -> None:
        """Take what every trial needs."""
        self._plan = plan
        self._setup = setup
        self._recorder = recorder
        self._meter = meter

    def prepare(self, live: LivePair, step: Step) -> Prepared:
        """Return a trial that can be carried out; errors as `TrialSetup.prepare`."""
        probe = self._plan.probes[step.cell.probe]
        return self._setup.prepare(live, step, _first(probe))

    def carry_out(self, where: Where, prepared: Prepared, window: SentinelWindow) -> Record:
        """Run a prepared trial and return its record, whatever comes of it.

        `window` is the sentinel's, of all trials of the probe.

        Raises:
            EngineLost: the engine does not answer.
        """
        seen = Seen(window=window)
        outcome: Outcome
        try:
            outcome = self._run(where.number, prepared, seen)
        except (TrialFailed, EngineError, FactError) as exc:
            outcome = failure_of(exc)
        finally:
            prepared.end()
        return record_of(where, outcome, seen)

    def _run(self, number: int, prepared: Prepared, seen: Seen) -> Outcome:
        before = self._recorder.again(prepared, seen)
        port_watch, connection_watch = port_watch_of(prepared), watch_of(prepared)
        if port_watch is not None:
            port_watch.start()
        try:
            sample = self._numbers(number, prepared, seen, port_watch)
        finally:
            seen.facts = (*seen.facts, *(connection_watch.stop() if connection_watch else ()))
        after = self._recorder.again(prepared, seen)
        seen.facts = (
            *seen.facts,
            ("trial.frequency", seen.frequency),
            *congestion(after),
            *(port_watch.stop() if port_watch else ()),
        )
        return self._recorder.proved(prepared, sample, (before, after), seen)

    def _numbers(
        self, number: int, prepared: Prepared, seen: Seen, port_watch: Watch | None
    ) -> Sample:
        """Return the numbers of one run, or of as many as a search takes."""
        probe = self._plan.probes[prepared.step.cell.probe]
        if not isinstance(probe, UdpSearch):
            return self._leg(number, prepared, _first(probe), seen, port_watch)
        following: Probe | None = _first(probe)
        samples: list[Sample] = []
        try:
            while following is not None:
                leg = prepared.sharing(following)
                # The way of one run is that of all: a look at each would outlast the short ones.
                looking = None if samples else port_watch
                samples.append(self._leg(number, leg, following, seen, looking))
                following = probe.following(samples)
            return probe.conclude(samples)
        except ProbeError as exc:
            raise TrialFailed(Failure("output", str(exc), "")) from exc
        finally:
            self._recorder.note(number, seen, Role.SERVER, prepared.end_server())

    def _leg(
        self, number: int, prepared: Prepared, probe: Probe, seen: Seen, port_watch: Watch | None
    ) -> Sample:
        """Run the tools once, note what they left, return their numbers."""

        def look() -> None:
            if port_watch is not None:
                port_watch.look()
            seen.frequency = self._recorder.frequency(prepared.cpus)

        try:
            leg = run_tools(self._setup, self._meter, prepared, probe, look)
        finally:
            prepared.end()
        seen.measuring += leg.client.seconds
        seen.pins, seen.facts = leg.pins, leg.facts or seen.facts
        self._recorder.note(number, seen, Role.CLIENT, leg.client)
        if leg.server is not None:
            self._recorder.note(number, seen, Role.SERVER, leg.server)
        return leg.sample()


def _first(probe: object) -> Probe:
    """Return what a trial runs first.

    Raises:
        TrialFailed: it has no tool to run.
    """
    first = probe.following(()) if isinstance(probe, UdpSearch) else probe
    if not isinstance(first, Probe):
        raise TrialFailed(Failure("client", "the probe has no tool to run", ""))
    return first

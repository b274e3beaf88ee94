"""Trials of a container's own resolver: names looked up in the client's endpoint.

No path is proved: who answers is the engine, which on networks of the user's own it does inside
the container's namespace, or a name server beyond every driver.
"""

from typing import Final

from netbench.errors import EngineError, FactError
from netbench.probes import NameLookup
from netbench.record import Outcome, Record, Skip
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import TrialFailed, reading, see_it_can
from netbench.runner.recording import ENGINES, Recording, failure_of
from netbench.spec import Attach, Family, Role
from netbench.topology.pairs import LivePair

_BEYOND: Final = 10.0  # seconds beyond its use after which the tool ends even if not waited for
_NO_NAMES: Final = Skip(
    "the netns engine gives its endpoints neither names nor a resolver",
    "its namespaces share /etc/resolv.conf with the machine",
)


def run_lookups(recording: Recording, live: LivePair, probe: NameLookup) -> Record:
    """Run a trial and return its record, whatever comes of it; raises `EngineLost`."""
    engine = recording.recorder.engine
    if engine.name == "netns":
        return recording.record(_NO_NAMES, 0.0)
    recording.begin(ENGINES)
    window = MachineMeter(engine).windows()
    window.open()
    outcome: Outcome
    try:
        outcome = _looked_up(recording, live, probe)
    except (TrialFailed, EngineError, FactError) as exc:
        outcome = failure_of(exc)
    window.close()
    recording.facts = window.end()
    return recording.record(outcome)


def _looked_up(recording: Recording, live: LivePair, probe: NameLookup) -> Outcome:
    """Return the numbers; raises what stops it."""
    recipe, server = live.driver.recipe, live.server
    named = recipe.client is Attach.NETWORK and probe.nameable(server.name)
    peer = server.name if named else None
    address = server.address6 if recipe.family is Family.V6 else server.address
    argv = probe.argv(peer, recipe.family)
    limit = probe.deadline + _BEYOND
    tool = recording.recorder.engine.start(live.client, argv, cpu=None, limit=limit)
    done = probe.hidden(tool.wait(probe.deadline))
    recording.measuring += done.seconds
    recording.note(Role.CLIENT, done)
    see_it_can(probe, done)
    with reading(done):
        return probe.conclude(done, peer, address)

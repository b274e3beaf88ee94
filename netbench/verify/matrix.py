"""The reach matrix of one live pair: every connect made, what was promised beside what is so."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

from netbench.drivers import Driver, Place
from netbench.engines.base import Endpoint, Engine
from netbench.spec import Family
from netbench.verify.connects import Answer, Attempt, Protocol, answers, script
from netbench.verify.places import SOURCES, TARGETS, Scene

Promised = Literal["reach", "no-reach", "unspecified"]
Measured = Literal["reach", "no-reach", "skip"]

_PATIENCE: Final = 1
"""Seconds to wait for an answer: between namespaces of one machine it takes microseconds."""
_MORE: Final = 3
"""Seconds to wait for one that is promised and did not come: the machine may be busy."""
_USUAL: Final = 1.0
"""Seconds beyond their patience that all scripts take together where the machine is at leisure."""
_OVERHEAD: Final = 10.0
"""Seconds that a script may take beyond its patience."""


@dataclass(frozen=True, slots=True)
class Row:
    """One connect of the matrix."""

    source: Place
    target: Place
    protocol: Protocol
    family: Family
    promised: Promised
    measured: Measured
    evidence: str

    @property
    def mismatch(self) -> bool:
        """Tell whether what was measured is not what was promised."""
        return "skip" != self.measured != self.promised != "unspecified"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A connect to make, or the reason why there is none."""

    source: Place
    target: Place
    protocol: Protocol
    family: Family
    promised: Promised
    goal: Attempt | str


def measure(engine: Engine, scene: Scene, note: str) -> tuple[Row, ...]:
    """Return every row of the matrix; the echo servers listen by now.

    A promised answer that does not come is waited for once more, and longer: only then does the
    row say that there is none. So is every other one, where the machine was busy meanwhile.

    Args:
        engine: runs the connects.
        scene: everybody who takes part.
        note: what there is to say of the LAN's way to containers behind the host.

    Raises:
        EngineError: a script could not be run at all.
    """
    wanted = _everything(scene)
    asked = [one for one in wanted if isinstance(one.goal, Attempt)]
    began = time.monotonic()
    found = _ask(engine, scene, asked, _PATIENCE)
    busy = time.monotonic() - began > _PATIENCE + _USUAL
    silent = [one for one in asked if found[one].silent]
    unsure = [one for one in silent if busy or one.promised == "reach"]
    found |= _ask(engine, scene, unsure, _MORE)
    return tuple(_row(one, found.get(one), _beyond(scene, one, note)) for one in wanted)


def promised(driver: Driver, source: Place, target: Place, family: Family) -> Promised:
    """Return what a driver promises of one place and another."""
    word = driver.reach.get(family, {}).get((source, target))
    return "unspecified" if word is None else "reach" if word else "no-reach"


def _everything(scene: Scene) -> list[_Wanted]:
    driver = scene.live.driver
    return [
        _Wanted(source, target, protocol, family, promised(driver, source, target, family), goal)
        for source in SOURCES
        for target in TARGETS
        for (protocol, family), goal in (scene.goals(source, target) or {}).items()
    ]


def _ask(
    engine: Engine, scene: Scene, wanted: Sequence[_Wanted], patience: int
) -> dict[_Wanted, Answer]:
    """Make connects, those of one place by one script, all places at a time."""
    batches = {
        source: [one for one in wanted if one.source is source]
        for source in dict.fromkeys(one.source for one in wanted)
    }

    def ask(source: Place) -> Mapping[_Wanted, Answer]:
        endpoint = scene.endpoint(source)
        batch = batches[source]
        return _answers(engine, endpoint, batch, patience) if endpoint else {}

    with ThreadPoolExecutor(max_workers=len(SOURCES)) as pool:
        return {one: answer for part in pool.map(ask, batches) for one, answer in part.items()}


def _answers(
    engine: Engine, endpoint: Endpoint, batch: Sequence[_Wanted], patience: int
) -> Mapping[_Wanted, Answer]:
    attempts = [one.goal for one in batch if isinstance(one.goal, Attempt)]
    argv = ("sh", "-c", script(attempts, patience))
    done = engine.run(endpoint, argv, timeout=2 * patience + _OVERHEAD)
    return dict(zip(batch, answers(done.stdout, attempts, patience), strict=True))


def _beyond(scene: Scene, one: _Wanted, note: str) -> str:
    """Return what decides about a connect from the LAN to a container behind a bridge."""
    network = scene.live.driver.recipe.network
    bridged = network is None or network.driver == "bridge"
    inside = (Place.PAIR, Place.OTHER)
    behind = one.source is Place.LAN and one.target in inside and not scene.in_host(one.target)
    return note if behind and bridged else ""


def _row(one: _Wanted, answer: Answer | None, beyond: str) -> Row:
    measured: Measured
    if isinstance(one.goal, str):
        measured, evidence = "skip", one.goal
    elif answer is None or answer.reached is None:
        measured = "skip"
        evidence = f"{one.goal}: {answer.said if answer else 'nobody is there to connect'}"
    else:
        measured = "reach" if answer.reached else "no-reach"
        notes = [f" ({note})" for note in (one.goal.note, beyond) if note]
        evidence = f"{one.goal}: {answer.said}{''.join(notes)}"
    return Row(one.source, one.target, one.protocol, one.family, one.promised, measured, evidence)

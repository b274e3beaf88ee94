"""The reach matrix of one live pair: every connect made, what was promised beside what is so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from netbench.drivers import ReachPlace
from netbench.engines.base import Engine
from netbench.spec import Family, Protocol
from netbench.system.interrupts import Pool
from netbench.verify.places import (
    SOURCES,
    TARGETS,
    ConnectAttempt,
    ConnectResult,
    ReachScene,
    answers,
    script,
    took,
)

Promised = Literal["reach", "no-reach", "unspecified"]
Measured = Literal["reach", "no-reach", "skip"]

_PATIENCE: Final = (1, 2, 8)
"""Seconds to wait for an answer, at the first try and at those after it. Between namespaces of one
machine it takes microseconds, but a busy or an emulated machine has to start the tools first."""
_USUAL: Final = 0.7
"""Seconds beyond its patience that a script takes where the machine is at leisure."""
_LONGEST: Final = 60.0  # seconds that a script may take


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell of the matrix."""

    source: ReachPlace
    target: ReachPlace
    protocol: Protocol
    family: Family
    promised: Promised


@dataclass(frozen=True, slots=True)
class ReachResult(_Cell):
    """One connect of the matrix."""

    measured: Measured
    evidence: str

    @property
    def mismatch(self) -> bool:
        """Tell whether what was measured is not what was promised."""
        return "skip" != self.measured != self.promised != "unspecified"


@dataclass(frozen=True, slots=True)
class _Wanted(_Cell):
    """A connect to make, or the reason why there is none."""

    goal: ConnectAttempt | str


def measure(engine: Engine, places: ReachScene, note: str) -> tuple[ReachResult, ...]:
    """Return every row of the matrix; the echo servers listen by now.

    Silence shows nothing on a machine that is busy. What is silent is tried again, with more
    patience, where an answer is promised, and wherever the scripts took longer than they should.

    `note` says what decides whether the LAN gets to containers behind the host.

    Raises:
        EngineError: a script could not be run at all.
    """
    wanted = _everything(places)
    unsure = [one for one in wanted if isinstance(one.goal, ConnectAttempt)]
    found: dict[_Wanted, ConnectResult] = {}
    for number, patience in enumerate(_PATIENCE):
        answered, busy = _ask(engine, places, unsure, patience)
        found |= answered
        silent = [one for one in unsure if found[one].silent or found[one].reached is None]
        # At leisure, one more try is enough for what is promised.
        unsure = [one for one in silent if busy or (number == 0 and one.promised == "reach")]
        if not unsure:
            break
    return tuple(_row(one, found.get(one), _beyond(places, one, note)) for one in wanted)


def _everything(places: ReachScene) -> list[_Wanted]:
    words: Mapping[bool | None, Promised] = {None: "unspecified", True: "reach", False: "no-reach"}
    reach = places.live.driver.reach
    return [
        _Wanted(
            source,
            target,
            protocol,
            family,
            words[reach.get(family, {}).get((source, target))],
            goal,
        )
        for source, target in product(SOURCES, TARGETS)
        for (protocol, family), goal in (places.goals(source, target) or {}).items()
    ]


def _ask(
    engine: Engine, places: ReachScene, wanted: Sequence[_Wanted], patience: int
) -> tuple[Mapping[_Wanted, ConnectResult], bool]:
    """Make connects, those of one place by one script, all places at a time.

    Tell also whether the machine was too busy for silence to show anything.
    """
    sources = dict.fromkeys(one.source for one in wanted)
    batches = {source: [one for one in wanted if one.source is source] for source in sources}

    def run(source: ReachPlace) -> str:
        endpoint = places.endpoint(source)
        argv = ("sh", "-c", script(_attempts(batches[source]), patience))
        return engine.run(endpoint, argv, timeout=_LONGEST).stdout if endpoint else ""

    with Pool(max_workers=len(SOURCES)) as pool:
        printed = list(pool.map(run, batches))
    found: dict[_Wanted, ConnectResult] = {}
    busy = False
    for batch, text in zip(batches.values(), printed, strict=True):
        found |= zip(batch, answers(text, _attempts(batch), patience), strict=True)
        seconds = took(text)
        busy = busy or seconds is None or seconds > patience + _USUAL
    return found, busy


def _attempts(batch: Sequence[_Wanted]) -> list[ConnectAttempt]:
    return [one.goal for one in batch if isinstance(one.goal, ConnectAttempt)]


def _beyond(places: ReachScene, one: _Wanted, note: str) -> str:
    """Return what decides about a connect from the LAN to a container behind a bridge."""
    network = places.live.driver.recipe.network
    bridged = network is None or network.driver == "bridge"
    inside = one.target in {ReachPlace.PAIR, ReachPlace.OTHER} and not places.in_host(one.target)
    return note if one.source is ReachPlace.LAN and inside and bridged else ""


def _row(one: _Wanted, answer: ConnectResult | None, beyond: str) -> ReachResult:
    measured: Measured
    if isinstance(one.goal, str):
        measured, evidence = "skip", one.goal
    elif answer is None or answer.reached is None:
        measured = "skip"
        evidence = (
            f"{one.goal}: {answer.said if answer else 'there is no endpoint to connect from'}"
        )
    else:
        measured = "reach" if answer.reached else "no-reach"
        notes = [f" ({note})" for note in (one.goal.note, beyond) if note]
        evidence = f"{one.goal}: {answer.said}{''.join(notes)}"
    cell = one.source, one.target, one.protocol, one.family, one.promised
    return ReachResult(*cell, measured, evidence)

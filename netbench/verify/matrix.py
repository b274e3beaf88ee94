"""The reach matrix: every connect of it made, and shown beside what the driver promises."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal

from netbench.drivers import ReachPlace
from netbench.engines.base import Engine
from netbench.spec import Family, Protocol
from netbench.system.interrupts import Pool
from netbench.verify.clients import Whose, whose
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

_PATIENCE: Final = (1, 2, 8, 30)
"""Seconds to wait for an answer, at the first try and at those after it. Between namespaces of one
machine it takes microseconds, but a busy or an emulated machine has to start the tools first."""
_USUAL: Final = 0.7  # seconds beyond its patience that a script takes
_LONGEST: Final = 60.0  # seconds that a script may take


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell of the reach matrix."""

    source: ReachPlace
    target: ReachPlace
    protocol: Protocol
    family: Family
    promised: Promised


@dataclass(frozen=True, slots=True)
class ReachResult(_Cell):
    """One connect of the matrix, with what was promised."""

    measured: Measured
    evidence: str
    client: str | None = None  # the client's address as the server saw it; None if it was not seen
    client_is: Whose | None = None  # whose address that is

    @property
    def mismatch(self) -> bool:
        """Tell whether what was measured is not what was promised."""
        return "skip" != self.measured != self.promised != "unspecified"


def measure(engine: Engine, places: ReachScene, note: str) -> tuple[ReachResult, ...]:
    """Return every row of the matrix, while the echo servers listen; EngineError if no script runs.

    Silence shows nothing on a machine that is busy. What is silent is tried again, with more
    patience, unless silence is promised, and wherever the scripts took longer than they should.
    A promise is not called broken before the last try on a machine that was busy once, and errors
    are asked again as well: a neighbour that is not resolved in time is "no route to host".

    `note` says what decides whether the LAN gets to containers behind the host.
    """
    goals = dict(_cells(places))
    unsure = {cell: goal for cell, goal in goals.items() if isinstance(goal, ConnectAttempt)}
    found: dict[_Cell, ConnectResult] = {}
    was_busy = False
    for number, patience in enumerate(_PATIENCE):
        answered, busy = _ask(engine, places, unsure, patience)
        found |= answered
        was_busy = was_busy or busy
        unsure = {
            cell: goal
            for cell, goal in unsure.items()
            if _again(cell, found[cell], first=number == 0, busy=busy, was_busy=was_busy)
        }
        if not unsure:
            break
    rows = (
        _row(cell, goal, found.get(cell), _beyond(places, cell, note))
        for cell, goal in goals.items()
    )
    return tuple(
        replace(row, client_is=whose(places, row.source, row.client)) if row.client else row
        for row in rows
    )


def _again(cell: _Cell, result: ConnectResult, *, first: bool, busy: bool, was_busy: bool) -> bool:
    """Tell whether a connect is to be tried again."""
    if cell.promised == "reach" and not result.reached:
        return first or was_busy
    # At leisure, one more try is enough, and none where silence is what is promised.
    unclear = result.silent or result.reached is None
    return unclear and (busy or (first and cell.promised != "no-reach"))


def _cells(places: ReachScene) -> Iterator[tuple[_Cell, ConnectAttempt | str]]:
    """Yield every cell with the connect to make, or the reason why there is none."""
    words: Mapping[bool | None, Promised] = {None: "unspecified", True: "reach", False: "no-reach"}
    reach = places.live.driver.reach
    for source, target in product(SOURCES, TARGETS):
        for (protocol, family), goal in (places.goals(source, target) or {}).items():
            promised = words[reach.get(family, {}).get((source, target))]
            yield _Cell(source, target, protocol, family, promised), goal


def _ask(
    engine: Engine, places: ReachScene, wanted: Mapping[_Cell, ConnectAttempt], patience: int
) -> tuple[Mapping[_Cell, ConnectResult], bool]:
    """Make connects, by one script a place; tell also whether the machine was too busy."""
    batches: dict[ReachPlace, dict[_Cell, ConnectAttempt]] = {cell.source: {} for cell in wanted}
    for cell, attempt in wanted.items():
        batches[cell.source][cell] = attempt

    def run(source: ReachPlace) -> str:
        endpoint = places.endpoint(source)
        argv = ("sh", "-c", script([*batches[source].values()], patience))
        return engine.run(endpoint, argv, timeout=_LONGEST).stdout if endpoint else ""

    with Pool(max_workers=len(SOURCES)) as pool:
        printed = list(pool.map(run, batches))
    found: dict[_Cell, ConnectResult] = {}
    busy = False
    for batch, text in zip(batches.values(), printed, strict=True):
        found |= zip(batch, answers(text, [*batch.values()], patience), strict=True)
        seconds = took(text)
        busy = busy or seconds is None or seconds > patience + _USUAL
    return found, busy


def _beyond(places: ReachScene, cell: _Cell, note: str) -> str:
    """Return what decides about a connect from the LAN to a container behind a bridge."""
    network = places.live.driver.recipe.network
    bridged = network is None or network.driver == "bridge"
    inside = cell.target in {ReachPlace.PAIR, ReachPlace.OTHER} and not places.in_host(cell.target)
    return note if cell.source is ReachPlace.LAN and inside and bridged else ""


def _row(
    cell: _Cell, goal: ConnectAttempt | str, answer: ConnectResult | None, beyond: str
) -> ReachResult:
    measured: Measured = "skip"
    if isinstance(goal, str):
        evidence = goal
    elif answer is None or answer.reached is None:
        evidence = f"{goal}: {answer.said if answer else 'there is no endpoint to connect from'}"
    else:
        measured = "reach" if answer.reached else "no-reach"
        notes = [f" ({note})" for note in (goal.note, beyond) if note]
        evidence = f"{goal}: {answer.said}{''.join(notes)}"
    where = cell.source, cell.target, cell.protocol, cell.family, cell.promised
    return ReachResult(*where, measured, evidence, answer.client if answer else None)

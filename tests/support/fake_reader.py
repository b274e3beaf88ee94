"""A reader and a sentinel of paper, which see what the engine of paper has carried."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from support.facts import moved
from support.fakes import FakeEngine, pair_of
from support.pairs import (
    PAIRS,
    with_ipv6,
    with_lan,
)
from support.plans import driver_of

from netbench.errors import FactError
from netbench.facts.base import StopListening
from netbench.facts.inside import monitor
from netbench.facts.pair import Pair
from netbench.record import Absent, PairFacts, SentinelReading
from netbench.sentinel import Sentinel


@dataclass
class FakeReader:
    """Reads what the engine has carried; `bend` and `bend_later` change a driver's facts."""

    engine: FakeEngine
    bend: Mapping[str, Callable[[PairFacts], PairFacts]] = field(default_factory=dict)
    bend_later: Mapping[str, Callable[[PairFacts], PairFacts]] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    """Drivers whose pair cannot be read a second time."""

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        return [self._read(pair) for pair in pairs]

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        del seen
        name = self._name(pair)
        driver = driver_of(name)
        if driver in self.gone:
            raise FactError("the client (process 1000) is gone")
        facts = moved(self._facts(pair), self.engine.counted(pair_of(name)))
        return self.bend_later.get(driver, _same)(facts)

    def listen(self, pair: Pair, seen: PairFacts) -> StopListening:
        """Hear nothing: nobody follows a command where nothing runs."""
        del pair, seen
        return monitor(lambda _: str)

    def _read(self, pair: Pair) -> PairFacts | FactError:
        driver = driver_of(self._name(pair))
        if driver in self.unreadable:
            return FactError("unreadable output of ip")
        return self._facts(pair)

    def _facts(self, pair: Pair) -> PairFacts:
        driver = driver_of(self._name(pair))
        facts = PAIRS[driver.partition("@")[0]]()
        if pair.ipam and pair.ipam.subnet6:
            facts = with_ipv6(facts)
        return self.bend.get(driver, _same)(with_lan(facts) if pair.lan else facts)

    def _name(self, pair: Pair) -> str:
        return next(e.name for e in self.engine.endpoints.values() if e.pid == pair.client.pid)


def _same(facts: PairFacts) -> PairFacts:
    return facts


class ScriptedSentinel(Sentinel):
    """A sentinel that says these values one after another, and one state for ever after."""

    def __init__(self, values: Iterable[float | None] = ()) -> None:
        self._values = itertools.chain(values, itertools.repeat(50e9))
        self.reads = 0

    def read(self, client_cpu: int | None, server_cpu: int | None) -> SentinelReading | Absent:
        del client_cpu, server_cpu
        self.reads += 1
        value = next(self._values)
        return Absent("no sentinel here") if value is None else SentinelReading(value, 0.0)

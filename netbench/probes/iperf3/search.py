"""The rates that UDP bears without loss, with 0.1 % and with 0.5 % of it: MLRsearch by iperf3.

draft-ietf-bmwg-mlrsearch. A *goal* is a loss ratio that trials may have, together with the share
of them that may have more, the *exceed ratio*. A load that so many short trials keep is a *lower
bound* of the goal, one that they miss an *upper bound*; until that is certain it is neither. The
*relevant upper bound* is the smallest upper bound, the *relevant lower bound* the largest lower
bound beneath it: the result of the goal. Every goal learns from every trial. A trial whose sender
did not reach the load has missed every goal: what the path would have lost is unknown.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.base import AnyProbe, Span, is_rate
from netbench.probes.iperf3.udp import LENGTHS, UdpRate
from netbench.record import FactValue, Measurement, Sample
from netbench.spec import Protocol
from netbench.units import BITS_PER_SECOND, bit_rate

GOALS: Final = {"ndr": 0.0, "pdr01": 0.001, "pdr05": 0.005}  # loss ratios, the strictest first
_MOST: Final = 30  # trials in all
_USUAL: Final = 12  # trials that a search takes, for forecasts
_SETTLING: Final = 0.2  # seconds that each takes beside its own
_EXPLORED: Final = 2**26  # bytes of the first trial at most, whose length the sender decides
_EXCEED: Final = 0.5  # share of a load's trials that may miss a goal: the majority decides
_REACHED: Final = 0.98  # share of a load that a sender must have sent


@dataclass(frozen=True, slots=True)
class LoadTrial:
    """One short trial at a load; rates in bit/s of payload."""

    load: int  # asked for
    sent: float
    received: float
    loss: float  # datagrams lost over datagrams counted, 0 to 1

    def __str__(self) -> str:
        """Return load, sent, received and loss: reports read that text again."""
        return f"{self.load} {self.sent:.0f} {self.received:.0f} {self.loss:.6f}"

    @property
    def unsent(self) -> bool:
        """Tell whether the sender fell short of the load."""
        return self.sent < _REACHED * self.load

    def exceeds(self, goal: float) -> bool:
        """Tell whether it misses a goal."""
        return self.unsent or self.loss > goal


@dataclass(frozen=True, slots=True)
class Limits:
    """What a search may try."""

    lowest: int  # bit/s
    cap: int  # bit/s; the first trial is here, and only shows where to look
    width: float  # relative width of the bounds at which a goal is reached
    trials: int  # of one load, where the first of them disagree; `most` in all
    most: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Relevant bounds of one goal, bit/s; None if there is none."""

    lower: int | None
    upper: int | None

    def narrow(self, limits: Limits) -> bool:
        """Tell whether nothing is left to be learnt."""
        if self.lower is None:
            return self.upper is not None and self.upper <= limits.lowest
        if self.upper is None:
            return self.lower >= limits.cap
        return self.upper <= self.lower * (1 + limits.width)


def _classes(trials: Sequence[LoadTrial], goal: float, most: int) -> dict[int, str]:
    """Return what each load after the first is: `lower`, `upper`, or `open`, ascending."""
    found = {}
    for load in sorted({trial.load for trial in trials[1:]}):
        missed = [trial.exceeds(goal) for trial in trials[1:] if trial.load == load]
        due = max(0, most - len(missed))
        kept = "lower" if sum(missed) + due <= _EXCEED * most else "open"
        found[load] = "upper" if sum(missed) > _EXCEED * most else kept
    return found


def bounds(trials: Sequence[LoadTrial], goal: float, limits: Limits) -> Bounds:
    """Return the relevant bounds of a goal."""
    classes = _classes(trials, goal, limits.trials)
    upper = next((load for load, found in classes.items() if found == "upper"), None)
    beneath = math.inf if upper is None else upper
    lowers = (load for load, found in classes.items() if found == "lower" and load < beneath)
    return Bounds(max(lowers, default=None), upper)


def next_load(trials: Sequence[LoadTrial], goals: Sequence[float], limits: Limits) -> int | None:
    """Return the load to try next, None if every goal is reached or the trials are used up."""
    if not trials:
        return limits.cap
    if len(trials) >= limits.most:
        return None
    loads = (_towards(trials, goal, limits) for goal in goals)
    return next((load for load in loads if load is not None), None)


def _towards(trials: Sequence[LoadTrial], goal: float, limits: Limits) -> int | None:
    """Return the load that says most about one goal, None if it is reached."""
    classes, found = _classes(trials, goal, limits.trials), bounds(trials, goal, limits)
    first, lower, upper = trials[0], found.lower, found.upper
    if upper is None and first.exceeds(goal):
        upper = limits.cap  # one trial there is enough to look below
    if Bounds(lower, upper).narrow(limits):
        return None
    low, high = lower or 0, limits.cap + 1 if upper is None else upper
    for load, kind in classes.items():
        if kind == "open" and low < load < high:
            return load
    if upper is None:
        return limits.cap  # nothing was lost there
    if lower is not None:
        return round(math.sqrt(lower * upper))
    if upper == limits.cap:
        return _within(min(first.sent, first.received), limits)
    # The further down, the more loads have missed the goal.
    missed = list(classes.values()).count("upper")
    return _within(upper / (1 + limits.width) ** (2**missed), limits)


def _within(load: float, limits: Limits) -> int:
    """Return a load that is no lower than the lowest and clearly below the cap."""
    return max(limits.lowest, round(min(load, limits.cap / (1 + limits.width))))


@dataclass(frozen=True, slots=True)
class UdpBurst(UdpRate):
    """A short trial of a search, whose trials have one server: UDP leaves nothing behind in it."""

    server_ends: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class UdpSearch(AnyProbe):
    """A search by short runs on one server, each chosen by the results of those before it."""

    name: ClassVar[str] = "udp-search"
    summary: ClassVar[str] = "UDP rates at which 0, 0.1 % and 0.5 % are lost (iperf3, MLRsearch)"
    tool: ClassVar[str] = "iperf3"
    protocols: ClassVar[tuple[Protocol, ...]] = UdpRate.protocols
    metrics: ClassVar[tuple[str, ...]] = tuple(GOALS)

    lowest: str = "10M"
    """Bit/s of payload beneath which nothing is tried."""
    cap: str = "10G"
    """Bit/s of payload above which nothing is tried."""
    width: Annotated[float, Span(0.01, 1)] = 0.1
    """Relative distance of the bounds at which a goal is reached."""
    seconds: Annotated[float, Span(0.1, 60)] = 0.2
    """Length of one trial; iperf3 ends it at a whole tenth of a second."""
    trials: Annotated[int, Span(1, 9)] = 3
    """Trials of one load at most; the majority of them decides."""
    length: Annotated[int, LENGTHS] = 1400
    """Payload bytes of a datagram."""

    def conflicts(self) -> Iterable[str]:
        """Yield that nothing lies between the rates."""
        rates = is_rate(self.lowest) and is_rate(self.cap)
        if rates and bit_rate(self.lowest) >= bit_rate(self.cap):
            yield f"`lowest` {self.lowest} must be below `cap` {self.cap}"

    @property
    def expected(self) -> float:
        """Seconds; how many trials it takes is for the path to say."""
        return _USUAL * (self.seconds + _SETTLING)

    @property
    def _limits(self) -> Limits:
        low, high = round(bit_rate(self.lowest)), round(bit_rate(self.cap))
        return Limits(low, high, self.width, self.trials, _MOST)

    def following(self, samples: Sequence[Sample]) -> UdpBurst | None:
        """Return the next run: at the cap, where the receiver kept up, then by bisection."""
        load = next_load(list(map(_trial, samples)), tuple(GOALS.values()), self._limits)
        if load is None:
            return None
        volume = round(load * self.seconds / 8)
        volume = volume if samples else min(volume, _EXPLORED)
        return UdpBurst(rate=str(load), length=self.length, volume=max(volume, self.length))

    def conclude(self, samples: Sequence[Sample]) -> Sample:
        """Return the relevant lower bound of every goal that has one; ProbeError if none has."""
        trials = list(map(_trial, samples))
        found = {name: bounds(trials, goal, self._limits) for name, goal in GOALS.items()}
        measurements = tuple(
            Measurement(name, float(one.lower), BITS_PER_SECOND)
            for name, one in found.items()
            if one.lower is not None
        )
        if not measurements:
            lowest = min(trials, key=lambda trial: trial.load)
            raise ProbeError(
                f"no loss goal is kept: at {lowest.load} bit/s {lowest.loss:.2%} were lost, "
                f"after {len(trials)} trials from {self.cap} down to {self.lowest}"
            )
        return Sample(
            measurements=measurements,
            received=sum(sample.received for sample in samples),
            details=(
                ("search.trials", len(trials)),
                ("search.tried", tuple(map(str, trials))),
                ("search.sender_limited", trials[0].unsent),
                *self._details(found),
            ),
        )

    def _details(self, found: dict[str, Bounds]) -> Iterator[tuple[str, FactValue]]:
        """Yield the upper bound of every goal, and how far its search came."""
        for name, one in found.items():
            yield f"search.{name}_end", self._end(one)
            if one.upper is not None:
                yield f"search.{name}_upper", float(one.upper)

    def _end(self, one: Bounds) -> str:
        limits = self._limits
        if one.lower is None:
            return "missed at the lowest load" if one.narrow(limits) else "no lower bound found"
        if one.lower >= limits.cap:
            return "kept at the cap"
        upper = limits.cap if one.upper is None else one.upper
        width = upper / one.lower - 1
        return "found" if width <= limits.width * 1.001 else f"stopped at a width of {width:.0%}"


def _trial(sample: Sample) -> LoadTrial:
    """Return what the search learns from one run, or raise ProbeError where a number is missing."""
    said = dict(sample.details)
    load, sent = said.get("iperf3.rate"), said.get("iperf3.sent_rate")
    received, loss = sample.value("throughput"), sample.value("loss")
    if not isinstance(load, float) or not isinstance(sent, float):
        raise ProbeError("a trial of the search does not tell its load")
    if received is None or loss is None:
        raise ProbeError("a trial of the search does not tell its loss")
    return LoadTrial(round(load), sent, received, loss)

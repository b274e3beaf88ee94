"""The rate that UDP bears without loss, with 0.1 % and with 0.5 % of it: a search by iperf3."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.bounds import hold, no_rate, outside
from netbench.probes.iperf3.document import server_argv
from netbench.probes.iperf3.udp import UdpRate
from netbench.probes.loss_ratio import Bounds, Limits, LoadTrial, bounds, next_load
from netbench.record import FactValue, Measurement, Sample
from netbench.spec import Protocol
from netbench.units import BITS_PER_SECOND, bit_rate

GOALS: Final = {"ndr": 0.0, "pdr01": 0.001, "pdr05": 0.005}
"""Loss ratio of each metric's goal, the strictest first."""
_MOST: Final = 30
"""Trials in all."""
_USUAL: Final = 12
"""Trials that a search takes, and seconds each beside its own: for forecasts."""
_SETTLING: Final = 0.2
_EXPLORED: Final = 2**26
"""Bytes of the first trial at most: how long it lasts is the sender's to say."""


@dataclass(frozen=True, slots=True)
class UdpBurst(UdpRate):
    """A short trial of a search, whose trials have one server: UDP leaves nothing behind in it."""

    server_ends: ClassVar[bool] = False

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return a server for all trials of a search."""
        return server_argv(address, port, once=False)


@dataclass(frozen=True, slots=True)
class UdpSearch:
    """The highest rates of UDP at which so much is lost and no more."""

    name: ClassVar[str] = "udp-search"
    summary: ClassVar[str] = "UDP rates at which 0, 0.1 % and 0.5 % are lost (iperf3, MLRsearch)"
    tool: ClassVar[str] = "iperf3"
    protocols: ClassVar[tuple[Protocol, ...]] = UdpRate.protocols

    lowest: str = "10M"
    """Bit/s of payload beneath which nothing is tried."""
    cap: str = "10G"
    """Bit/s of payload above which nothing is tried."""
    width: float = 0.1
    """Relative distance of the bounds at which a goal is reached."""
    seconds: float = 0.2
    """Length of one trial; iperf3 ends it at a whole tenth of a second."""
    trials: int = 3
    """Trials of one load at most; the majority of them decides."""
    length: int = 1400
    """Payload bytes of a datagram."""

    def __post_init__(self) -> None:
        """Refuse what no search can be made of."""
        rates = [no_rate("lowest", self.lowest), no_rate("cap", self.cap)]
        hold(
            self.name,
            *rates,
            None if any(rates) else self._crossed(),
            outside("width", self.width, 0.01, 1, whole=False),
            outside("seconds", self.seconds, 0.1, 60, whole=False),
            outside("trials", self.trials, 1, 9, whole=True),
            outside("length", self.length, 16, 65507, whole=True),
        )

    def _crossed(self) -> str | None:
        if bit_rate(self.lowest) < bit_rate(self.cap):
            return None
        return f"`lowest` {self.lowest} must be below `cap` {self.cap}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """One rate for each goal."""
        return tuple(GOALS)

    @property
    def expected(self) -> float:
        """Seconds; how many trials it takes is for the path to say."""
        return _USUAL * (self.seconds + _SETTLING)

    @property
    def _limits(self) -> Limits:
        low, high = round(bit_rate(self.lowest)), round(bit_rate(self.cap))
        return Limits(low, high, self.width, self.trials, _MOST)

    def following(self, legs: Sequence[Sample]) -> UdpBurst | None:
        """Return the next trial: at the cap, where the receiver kept up, then by bisection."""
        load = next_load([_trial(leg) for leg in legs], tuple(GOALS.values()), self._limits)
        if load is None:
            return None
        volume = round(load * self.seconds / 8)
        volume = volume if legs else min(volume, _EXPLORED)
        return UdpBurst(rate=str(load), length=self.length, volume=max(volume, self.length))

    def conclude(self, legs: Sequence[Sample]) -> Sample:
        """Return the relevant lower bound of every goal that has one.

        Raises:
            ProbeError: none has.
        """
        trials = [_trial(leg) for leg in legs]
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
            received=sum(leg.received for leg in legs),
            details=(
                ("search.trials", len(trials)),
                ("search.tried", tuple(_told(trial) for trial in trials)),
                ("search.sender_limited", trials[0].unsent),
                *self._told(found),
            ),
        )

    def _told(self, found: dict[str, Bounds]) -> Iterator[tuple[str, FactValue]]:
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


def _trial(leg: Sample) -> LoadTrial:
    """Return what the search learns from one leg.

    Raises:
        ProbeError: it lacks a number.
    """
    said = dict(leg.details)
    load, sent = said.get("iperf3.rate"), said.get("iperf3.sent_rate")
    received, loss = leg.value("throughput"), leg.value("loss")
    if not isinstance(load, float) or not isinstance(sent, float):
        raise ProbeError("a trial of the search does not tell its load")
    if received is None or loss is None:
        raise ProbeError("a trial of the search does not tell its loss")
    return LoadTrial(round(load), sent, received, loss)


def _told(trial: LoadTrial) -> str:
    """Return a trial in words that are read again by machines: load, sent, received, loss."""
    return f"{trial.load} {trial.sent:.0f} {trial.received:.0f} {trial.loss:.6f}"

"""The protocols of probes: one tool with one configuration. Argv in, text in, numbers out.

Every probe is a frozen dataclass of parameters, and pure, so that golden files test it whole.
"""

from collections.abc import Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from netbench.errors import ProbeError
from netbench.record import Completed, Sample, Slice
from netbench.spec import Role


class Described(Protocol):
    """What every kind of probe tells of itself."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    """Key in `PROBES`, `tcp-throughput`: its kind."""
    summary: ClassVar[str]
    """One line for people."""
    tool: ClassVar[str]
    """The binary it needs in every endpoint; empty where it needs none."""
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]]
    """What a published port must carry for it, that of readiness first."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names from `METRICS` it may give, the leading one first."""
        ...

    @property
    def expected(self) -> float:
        """Seconds that one trial takes by itself, settling aside; for forecasts."""
        ...


class ToolProbe(Described, Protocol):
    """A client that measures against a server of its own."""

    server_ends: ClassVar[bool]
    """Whether the server ends by itself after one client."""

    second_port: ClassVar[bool]
    """Whether the client also connects to a port that the server chooses and tells it of.

    Through a published port it cannot: the number is another one outside.
    """

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command; it is ready once it listens on `port`."""
        ...

    def cannot(self, done: Completed) -> str | None:
        """Return what a tool that ended at once says it cannot do, None where it is a failure."""
        ...


@runtime_checkable
class Probe(ToolProbe, Protocol):
    """A probe that is paced by a clock: one run of one tool, a trial, never held.

    Raises from `parse` are `ProbeError`, never anything else, whatever the text.
    """

    def client_argv(
        self, address: str, port: int, congestion_control: str | None
    ) -> tuple[str, ...]:
        """Return the client's command; `congestion_control` None leaves the system's own."""
        ...

    @property
    def deadline(self) -> float:
        """Seconds after which a client that has not ended is killed, from its start."""
        ...

    @property
    def steady(self) -> tuple[float, float]:
        """Seconds after the client's start between which its load is steady.

        In that window the machine's CPU time is read, to be divided by the rates of the trial.
        """
        ...

    def parse(self, client: Completed, server: Completed | None) -> Sample:
        """Return the trial's numbers.

        `server` is None where it never ended by itself.

        Raises:
            ProbeError: the output is not that of a successful trial; the message says what is
                wrong in the tool's own words where it has some.
        """
        ...


Counted = Literal["bytes", "connections", "nothing"]
"""What the kernel counts for a session: bytes that each tool reads, connections that the server's
namespace accepts; nothing where the tool's own log has a time for everything."""


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted by some moment."""

    at: float
    """Seconds; only differences mean something."""
    server: int
    """Bytes that the server has read, or connections that its namespace has accepted."""
    client: int = 0
    """Bytes that the client has read."""


@dataclass(frozen=True, slots=True)
class Window:
    """One slice as it was timed."""

    round: int
    """From 1."""
    order: int
    """Place of the session within the round, from 1."""
    released: float
    """CLOCK_MONOTONIC seconds at which the client was let go on."""
    start: float
    """The same, of the moment from which the slice counts."""
    end: float
    """The same, of the moment just before the client was held."""
    counts: tuple[Count, Count] | None = None
    """Between which the slice counts; None where nothing is counted, or it could not be read."""


@runtime_checkable
class Sliced(ToolProbe, Protocol):
    """A closed loop: it pauses when its client is held, so it is measured in slices (METHOD §1)."""

    counted: ClassVar[Counted]
    pause: ClassVar[float]
    """Seconds the client idles between connecting and measuring, by its own design; 0 for none."""
    lead: ClassVar[float]
    """Seconds from its first work to the first moment that its log tells of, and as many from the
    last one to its end."""
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]]
    """The signal that ends the client, so that it prints what it has."""

    @property
    def receivers(self) -> tuple[Role, ...]:
        """Whose reading is counted, where bytes are: the server's, the client's, or both's."""
        ...

    @property
    def rounds(self) -> int:
        """Slices of one session."""
        ...

    @property
    def slice(self) -> float:
        """Seconds of one slice, the first 20 ms that do not count among them."""
        ...

    @property
    def load(self) -> "Sliced | None":
        """What runs beside it, let go on and held with it; None for nothing."""
        ...

    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> tuple[str, ...]:
        """Return the client's command for a session that takes at most so long, pauses included."""
        ...

    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> "Session":
        """Return the session's numbers, from what its tools printed and what was counted.

        Raises:
            ProbeError: the output is not that of a session, or fewer than half of its slices are
                whole.
        """
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """What a session gave: its numbers, and those of each slice."""

    sample: Sample
    slices: tuple[Slice, ...]


def whole_enough(name: str, slices: Sequence[Slice], rounds: int) -> tuple[float, ...]:
    """Return the values of the slices that have one.

    Raises:
        ProbeError: fewer than half of the rounds have one.
    """
    values = tuple(one.value for one in slices if one.value is not None)
    if 2 * len(values) < rounds or not values:
        reasons = "; ".join(dict.fromkeys(one.reason for one in slices if one.reason))
        told = f": {reasons}" if reasons else ""
        raise ProbeError(f"{name}: {len(values)} of {rounds} slices gave a number{told}")
    return values


@runtime_checkable
class SearchProbe(Described, Protocol):
    """A trial of many short runs, each chosen by what the ones before it gave.

    All of them have the first one's server, which therefore does not end by itself.
    """

    def following(self, legs: Sequence[Sample]) -> Probe | None:
        """Return the next run, None where nothing is left to be learnt."""
        ...

    def conclude(self, legs: Sequence[Sample]) -> Sample:
        """Return the trial's numbers.

        Raises:
            ProbeError: the runs do not bear a result.
        """
        ...


@dataclass(frozen=True, slots=True)
class Birth:
    """One endpoint's beginning, in seconds since the trial's first one was asked for."""

    asked: float
    made: float
    """When the engine said that it runs."""
    answered: float
    """When its first byte came back to it."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What the clock said of one trial of a `Lifecycle`; seconds."""

    created: float | None
    """The network's making by the engine; None where the driver has none that is made."""
    births: tuple[Birth, ...]
    removals: tuple[float, ...]
    """Of each endpoint."""
    removed: float | None
    """The network's removal; None as for `created`."""


@runtime_checkable
class Lifecycle(Described, Protocol):
    """A trial of the engine itself: networks and endpoints made and removed against the clock."""

    @property
    def endpoints(self) -> int:
        """How many are made one after another, beside the one that answers them."""
        ...

    @property
    def deadline(self) -> float:
        """Seconds after which no further endpoint is made."""
        ...

    @property
    def patience(self) -> float:
        """Seconds after which a call that has not ended is killed."""
        ...

    def answerer_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the command of the endpoint that is there first: it sends bytes back."""
        ...

    def caller_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the command that tells when a first byte has come back, tried until it does."""
        ...

    def cannot(self, done: Completed) -> str | None:
        """Return what endpoints lack for a call, None where it is a failure."""
        ...

    def answered(self, done: Completed) -> float:
        """Return when a call's byte came back, seconds since 1970 by the clock of its machine.

        Raises:
            ProbeError: it did not.
        """
        ...

    def conclude(self, lived: Lived) -> Sample:
        """Return the trial's numbers."""
        ...


def chooses(probe: Probe | Sliced) -> bool:
    """Tell whether a probe runs by the congestion control that it is asked for; UDP needs none."""
    if isinstance(probe, Sliced):
        commands = {probe.session_argv("127.0.0.1", 1, name, 1.0) for name in (None, "reno")}
    else:
        commands = {probe.client_argv("127.0.0.1", 1, name) for name in (None, "reno")}
    return len(commands) > 1 or "udp" in probe.protocols


AnyProbe = Sliced | Probe | SearchProbe | Lifecycle

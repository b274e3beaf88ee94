"""The protocols of probes: one tool with one configuration. Argv in, text in, numbers out.

Every probe is a frozen dataclass of parameters, and pure, so that golden files test it whole.
"""

from collections.abc import Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from netbench.record import Completed, Sample


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


@runtime_checkable
class Probe(Described, Protocol):
    """One run of one tool against its own server.

    Raises from `parse` are `ProbeError`, never anything else, whatever the text.
    """

    holdable: ClassVar[float]
    """Seconds the client idles between connecting and measuring, by its own design; 0 for none.

    A client with such a pause can be started early and stopped in it, so that a whole group of
    trials shares one pause instead of each waiting it out.
    """

    server_ends: ClassVar[bool]
    """Whether the server ends by itself after one client."""

    second_port: ClassVar[bool]
    """Whether the client also connects to a port that the server chooses and tells it of.

    Through a published port it cannot: the number is another one outside.
    """

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command; it is ready once it listens on `port`."""
        ...

    def client_argv(
        self, address: str, port: int, congestion_control: str | None
    ) -> tuple[str, ...]:
        """Return the client's command; `congestion_control` None leaves the system's own."""
        ...

    @property
    def deadline(self) -> float:
        """Seconds after which a client that has not ended is killed, from start or release."""
        ...

    @property
    def steady(self) -> tuple[float, float]:
        """Seconds after the client's release between which its load is steady.

        In that window the machine's CPU time is read, to be divided by the rates of the trial.
        """
        ...

    @property
    def load(self) -> "Probe | None":
        """What runs beside it from before its release until after its end, None for nothing."""
        ...

    def cannot(self, done: Completed) -> str | None:
        """Return what a tool that ended at once says it cannot do, None where it is a failure."""
        ...

    def parse(self, client: Completed, server: Completed | None) -> Sample:
        """Return the trial's numbers.

        `server` is None where it never ended by itself.

        Raises:
            ProbeError: the output is not that of a successful trial; the message says what is
                wrong in the tool's own words where it has some.
        """
        ...


@runtime_checkable
class Search(Described, Protocol):
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


def chooses(probe: Probe) -> bool:
    """Tell whether a probe runs by the congestion control that it is asked for; UDP needs none."""
    commands = {probe.client_argv("127.0.0.1", 1, name) for name in (None, "reno")}
    return len(commands) > 1 or "udp" in probe.protocols


AnyProbe = Probe | Search | Lifecycle

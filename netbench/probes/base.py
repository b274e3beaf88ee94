"""The protocol of a probe: one tool with one configuration. Argv in, text in, numbers out."""

from typing import ClassVar, Protocol

from netbench.record import Completed, Sample


class Probe(Protocol):
    """A frozen dataclass of parameters; pure, so that golden files test it whole.

    Raises from `parse` are `ProbeError`, never anything else, whatever the text.
    """

    name: ClassVar[str]
    """Key in `PROBES`, `tcp-throughput`."""
    summary: ClassVar[str]
    """One line for people."""
    tool: ClassVar[str]
    """The binary it needs in every endpoint."""
    metrics: ClassVar[tuple[str, ...]]
    """Names from `METRICS` it may give, the primary one first."""
    holdable: ClassVar[float]
    """Seconds the client idles between connecting and measuring, by its own design; 0 for none.

    A client with such a pause can be started early and stopped in it, so that a whole group of
    trials shares one pause instead of each waiting it out.
    """

    server_ends: ClassVar[bool]
    """Whether the server ends by itself after one client."""

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command; it must be ready once it listens on TCP `port`."""
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

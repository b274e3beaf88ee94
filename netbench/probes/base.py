"""What probes have in common: their kinds, and the errno that a tool means by its words.

Every probe is a frozen dataclass of parameters that derives from one of the kinds. None touches
the system, so golden files test each of them whole.
"""

import errno
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from netbench.errors import ConfigurationError, ProbeError
from netbench.record import Completed, Sample, Slice
from netbench.spec import Protocol, Role
from netbench.units import bit_rate

Argv = tuple[str, ...]
_LOWEST: Final = 1e3
_HIGHEST: Final = 1e12  # bit/s; without a rate a sender floods its own path
NOT_FOUND: Final = (126, 127)  # exit codes by which a shell or an engine could not run a tool
_MUSL: Final = {  # musl's wording where it differs: tools in images that are not glibc's
    "Network unreachable": "ENETUNREACH",
    "Host is unreachable": "EHOSTUNREACH",
    "Operation timed out": "ETIMEDOUT",
    "Connection reset by network": "ENETRESET",
    "Address not available": "EADDRNOTAVAIL",
    "Address in use": "EADDRINUSE",
}
_WORDS: Final = {os.strerror(code): name for code, name in errno.errorcode.items()} | _MUSL
_LONGEST_NAME: Final = 253  # characters of a name, RFC 1035 §2.3.4
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
_NUMBER: Final = re.compile(r"errno=(\d{1,4})\b")


@dataclass(frozen=True, slots=True)
class Span:
    """The values of a number, as in `Annotated[int, Span(1, 9)]`; both bounds are allowed."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DomainName:
    """A name that DNS can be asked for, as in `Annotated[str, DomainName()]`; RFC 1035 §2.3."""

    def problem(self, value: object) -> str | None:
        """Return what a value should be; None if it is one."""
        if isinstance(value, str) and len(value) <= _LONGEST_NAME and _DOMAIN.fullmatch(value):
            return None
        return 'a domain name, written as "example.com"'


def is_rate(value: object) -> bool:
    """Tell whether a text is a rate in bit/s that a sender may keep to."""
    try:
        return isinstance(value, str) and _LOWEST <= bit_rate(value) <= _HIGHEST
    except ValueError:
        return False


def _problem(name: str, value: object, kind: Any) -> str | None:
    if kind is bool:
        return None if isinstance(value, bool) else f"`{name}` is true or false, not {value!r}"
    if kind is str:
        limits = f"from {_LOWEST / 1e3:g}K to {_HIGHEST / 1e12:g}T"
        what = f'a rate in bit/s {limits}, written as "250M" or "1G"'
        return None if is_rate(value) else f"`{name}` is {what}, not {value!r}"
    number, span = get_args(kind)
    if isinstance(span, DomainName):
        wanted = span.problem(value)
        return f"`{name}` is {wanted}, not {value!r}" if wanted else None
    right = isinstance(value, (int | float) if number is float else number)
    if right and not isinstance(value, bool) and (value is None or span.low <= value <= span.high):
        return None
    what = "a number" if number is float else "a whole number"
    return f"`{name}` is {what} from {span.low:g} to {span.high:g}, not {value!r}"


@dataclass(frozen=True, slots=True)
class AnyProbe(ABC):
    """A tool's settings.

    Each is a `bool`, a `str` for a rate in bit/s, or with its `DomainName` or its `Span`.
    """

    name: ClassVar[str]  # its kind, `tcp-throughput`: the key in `PROBES`
    summary: ClassVar[str]
    tool: ClassVar[str]  # the program that every endpoint needs
    protocols: ClassVar[tuple[Protocol, ...]] = ("tcp",)  # of a published port, readiness first
    of_engine: ClassVar[bool] = False  # whether the engine's work is timed, which has no CPU to pin
    metrics: ClassVar[tuple[str, ...]]  # names from `METRICS` it may give, the leading one first

    def __post_init__(self) -> None:
        """Refuse, with every problem, what the tool would refuse, silently change or not finish."""
        found = [_problem(f.name, getattr(self, f.name), f.type) for f in fields(self)]
        problems = [f"{self.name}: {each}" for each in (*found, *self.conflicts()) if each]
        if problems:
            raise ConfigurationError(*problems)

    def conflicts(self) -> Iterable[str]:
        """Return what is wrong with values together, be they right or not one by one."""
        return ()

    @property
    @abstractmethod
    def expected(self) -> float:
        """Seconds that one session or trial takes by itself, without settling; for forecasts."""


class ToolProbe(AnyProbe):
    """A client that measures against a server of its own."""

    __slots__ = ()
    server_ends: ClassVar[bool] = False  # whether the server ends by itself after one client
    second_port: ClassVar[bool] = False
    """Whether each server also needs a port whose number it tells its client: where ports are
    published, one that has the same number outside."""

    @abstractmethod
    def server_argv(self, address: str, port: int) -> Argv:
        """Return the server's command; it is ready once it listens on `port`."""

    @abstractmethod
    def cannot(self, done: Completed) -> str | None:
        """Return what a tool that ended at once says it cannot do, None if it is a failure."""


class Probe(ToolProbe):
    """A probe that is paced by a clock: one run of one tool, a trial, never held."""

    __slots__ = ()

    @abstractmethod
    def client_argv(self, address: str, port: int, congestion_control: str | None) -> Argv:
        """Return the client's command; `congestion_control` None leaves the system's own."""

    @property
    @abstractmethod
    def deadline(self) -> float:
        """Seconds from its start after which a client that has not ended is killed."""

    @property
    @abstractmethod
    def steady(self) -> tuple[float, float]:
        """Seconds after the client's start between which its load is steady: CPU time is read."""

    @abstractmethod
    def parse(self, client: Completed, server: Completed | None) -> Sample:
        """Return the trial's numbers; `server` is None if it was killed. Raises ProbeError."""


Counted = Literal["bytes", "connections", "nothing"]  # what the kernel counts for a session


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted by some moment."""

    at: float  # seconds; only differences mean something
    server: int  # bytes that the server has read, or connections that its namespace has accepted
    client: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """One slice as it was timed."""

    round: int  # from 1
    order: int  # place of the session within the round, from 1
    released: float  # CLOCK_MONOTONIC seconds at which the client was let go on
    start: float  # the same, of the moment from which the slice counts
    end: float  # the same, of the moment just before the client was held
    counts: tuple[Count, Count] | None = None  # at its edges; None if nothing is counted

    def slice(
        self, value: float | None, received: int = 0, returned: int = 0, *, reason: str = ""
    ) -> Slice:
        """Return what the session did in it."""
        edges = (self.round, self.order, self.start, self.end)
        return Slice(*edges, value, received, returned, reason=reason)


@dataclass(frozen=True, slots=True)
class Session:
    """What a session gave: its numbers, and those of each slice."""

    sample: Sample
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Sliced(ToolProbe):
    """A closed loop: it pauses when its client is held, so it is measured in slices (METHOD §1)."""

    counted: ClassVar[Counted] = "nothing"
    pause: ClassVar[float] = 0.0  # seconds the client idles after connecting, by design
    lead: ClassVar[float] = 0.0  # seconds at the start, and at the end, that its log leaves out
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]]  # the signal upon which it prints

    rounds: Annotated[int, Span(2, 1000)] = 8
    """Slices of a session."""
    slice: Annotated[float, Span(0.05, 10)] = 0.2
    """Seconds of each."""

    @property
    def expected(self) -> float:
        """Seconds of measuring."""
        return self.rounds * self.slice

    @property
    def receivers(self) -> tuple[Role, ...]:
        """Whose reading is counted, where bytes are: the server's, the client's, or both's."""
        return ()

    @property
    def clients(self) -> int:
        """How many clients it has at once, each with a connection and a server of its own."""
        return 1

    @property
    def load(self) -> "Sliced | None":
        """What runs beside it, let go on and held with it; None for nothing."""
        return None

    @abstractmethod
    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> Argv:
        """Return the client's command for a session that takes at most so long, pauses included."""

    def through(self, argv: Argv, second: int) -> Argv:
        """Return a client's command with the number of its server's second port fixed."""
        del second
        return argv

    @abstractmethod
    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> Session:
        """Return the session's numbers; raises ProbeError, also if half of the slices give none."""

    def read_clients(
        self, ends: Sequence[tuple[Completed, Completed | None]], windows: Sequence[Window]
    ) -> Session:
        """Return the numbers of all `clients` together, each with its server, as `read_session`."""
        ((client, server),) = ends
        return self.read_session(client, server, windows)

    def values_of(self, slices: Sequence[Slice]) -> tuple[float, ...]:
        """Return the values of the slices, or raise ProbeError if half of the rounds have none."""
        values = tuple(one.value for one in slices if one.value is not None)
        if 2 * len(values) < self.rounds or not values:
            reasons = "; ".join(dict.fromkeys(one.reason for one in slices if one.reason))
            detail = f": {reasons}" if reasons else ""
            gave = f"{len(values)} of {self.rounds} slices gave a number"
            raise ProbeError(f"{self.tool}: {gave}{detail}")
        return values


def chooses(probe: Probe | Sliced) -> bool:
    """Tell whether a probe runs by the congestion control that it is asked for; UDP needs none."""
    if isinstance(probe, Sliced):
        commands = {probe.session_argv("127.0.0.1", 1, name, 1.0) for name in (None, "reno")}
    else:
        commands = {probe.client_argv("127.0.0.1", 1, name) for name in (None, "reno")}
    return len(commands) > 1 or "udp" in probe.protocols


def strerror_name(text: str) -> str | None:
    """Return the errno that a tool names, by number or else by its last words; None for none."""
    number = _NUMBER.search(text)
    if number:
        return errno.errorcode.get(int(number.group(1)))
    found = [(text.rfind(words), len(words), name) for words, name in _WORDS.items()]
    position, _, name = max(found)
    return name if position >= 0 else None


def complaint(tool: str, done: Completed, said: str) -> str:
    """Return `netperf (exit code 1): WORDS [ECONNREFUSED]` for what a tool said."""
    code = "unseen" if done.exit_code is None else str(done.exit_code)
    name = strerror_name(said)
    return f"{tool} (exit code {code}): {said[:300]}" + (f" [{name}]" if name else "")

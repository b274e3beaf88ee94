"""The control plane: seconds to make a network and endpoints on it, and to remove both.

What is timed is the engine. socat only shows when a new endpoint's network works: it sends a byte
to an endpoint that is already there, and its own log says, in microseconds, when the answer came.
The new endpoint calls, because ARP repeats a request to a neighbour that is not there yet once a
second only (RFC 1122 2.3.2.1).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Annotated, ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.base import NOT_FOUND, AnyProbe, Argv, Span
from netbench.record import Completed, FactValue, Measurement, Sample, SeriesPoint
from netbench.units import SECONDS

_MOST: Final = 200  # endpoints; a /24 holds 254, and pairs may be on the same network
_TOGETHER: Final = 240  # endpoints and neighbours
_PATIENCE: Final = 10  # seconds in which a new endpoint must be answered
_SETTING_UP: Final = 30.0  # seconds allowed before the first endpoint and after the last
_EACH: Final = 3.0  # seconds allowed for each endpoint, made and removed
_PORT: Final = 0.3  # seconds allowed beyond that for each port that it publishes
_USUAL: Final = 0.5  # seconds that an endpoint usually takes, made and removed
_AGAIN: Final = 0.01  # seconds between two tries to connect
_TRY: Final = 0.1  # seconds for one of them: the kernel repeats a request after 1 s
_CALL: Final = 'echo | TZ=UTC0 "$0" "$@"'  # script that hands a byte to the command behind it
_TIMED: Final = re.compile(
    r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}) \S+ I transferred (\d{1,9}) bytes from \d+ to 1$",
    re.MULTILINE,
)
_ERROR: Final = re.compile(r"^\S+ \S+ \S+ E (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Birth:
    """One endpoint's beginning, in seconds since the trial's first one was asked for."""

    asked: float
    made: float  # when the engine said that it runs
    answered: float  # when its first byte came back to it


@dataclass(frozen=True, slots=True)
class Lived:
    """What the clock said of one trial; seconds."""

    created: float | None  # the network's making; None if none is made
    births: tuple[Birth, ...]
    removals: tuple[float, ...]
    removed: float | None  # the network's removal; None as for `created`


@dataclass(frozen=True, slots=True)
class ControlPlane(AnyProbe):
    """Endpoints made one after another on a network of the trial's own, then removed."""

    name: ClassVar[str] = "control-plane"
    summary: ClassVar[str] = "time to create a network, start endpoints and remove both (socat)"
    tool: ClassVar[str] = "socat"
    of_engine: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("start_time", "create_time", "remove_time")

    endpoints: Annotated[int, Span(1, _MOST)] = 1
    """Made one after another, beside the one that answers them."""
    ports: Annotated[int, Span(0, 100)] = 0
    """Ports that each of them publishes."""
    neighbours: Annotated[int, Span(0, _MOST)] = 0
    """Endpoints that are on the network before them; making and removing these is not timed."""

    def conflicts(self) -> Iterator[str]:
        """Yield what one network does not hold."""
        given: tuple[object, ...] = (self.endpoints, self.neighbours)
        numbers = [number for number in given if isinstance(number, int)]
        if sum(numbers) > _TOGETHER and max(numbers) <= _MOST:
            together = f"{self.endpoints} and {self.neighbours}"
            yield f"`endpoints` and `neighbours` are at most {_TOGETHER} together, not {together}"

    @property
    def expected(self) -> float:
        """Seconds."""
        return 1 + _USUAL * (self.endpoints + self.neighbours)

    @property
    def deadline(self) -> float:
        """Seconds after which no further endpoint is made."""
        return _SETTING_UP + (_EACH + _PORT * self.ports) * self.endpoints

    @property
    def patience(self) -> float:
        """Seconds after which a call that has not ended is killed."""
        return _PATIENCE + 5.0

    def answerer_argv(self, address: str, port: int) -> Argv:
        """Return the command that sends every byte back; it runs until it is ended."""
        family, host = _socat(address)
        return ("socat", f"TCP{family}-LISTEN:{port},fork,reuseaddr,bind={host}", "PIPE")

    def caller_argv(self, address: str, port: int) -> Argv:
        """Return the command that tries to send a byte until it is answered, and logs in UTC."""
        family, host = _socat(address)
        target = f"TCP{family}:{host}:{port},connect-timeout={_TRY}"
        again = f"retry={round(_PATIENCE / _AGAIN)},interval={_AGAIN}"
        socat = ("socat", "-d", "-d", "-d", "-lu", f"-t{_PATIENCE}", f"-T{_PATIENCE}", "-")
        return ("sh", "-c", _CALL, *socat, f"{target},{again}")

    def cannot(self, done: Completed) -> str | None:
        """Return what endpoints lack for it, None if that is not why a call failed."""
        lacks = "socat does not run in the endpoints; install socat, or name an image that has it"
        return lacks if done.exit_code in NOT_FOUND else None

    def answered(self, done: Completed) -> float:
        """Return when a byte came back, Unix seconds; raises ProbeError in socat's words."""
        found = _TIMED.search(done.stderr)
        if done.timed_out or done.exit_code != 0 or found is None:
            said = _ERROR.findall(done.stderr)
            detail = said[-1] if said else "its log tells of no byte that came back"
            code = "unseen" if done.exit_code is None else str(done.exit_code)
            raise ProbeError(f"socat (exit code {code}): {detail[:300]}")
        moment = datetime.strptime(found[1], "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC)
        return moment.timestamp()

    def conclude(self, lived: Lived) -> Sample:
        """Return medians over the endpoints and the series; removal includes the network's."""
        starts = [birth.answered - birth.asked for birth in lived.births]
        removal = median(lived.removals)
        found = (median(starts), lived.created, removal + (lived.removed or 0.0))
        details: dict[str, FactValue] = {
            "lifecycle.endpoints": len(starts),
            "lifecycle.first_start": starts[0],
            "lifecycle.last_start": starts[-1],
            "lifecycle.engine_start": median(birth.made - birth.asked for birth in lived.births),
            "lifecycle.endpoint_removal": removal,
        }
        if lived.removed is not None:
            details["lifecycle.network_removal"] = lived.removed
        if lived.created is None:
            reason = "the driver has no network that is made for the endpoints"
            details["lifecycle.no_create_time"] = reason
        return Sample(
            measurements=tuple(
                Measurement(metric, value, SECONDS)
                for metric, value in zip(self.metrics, found, strict=True)
                if value is not None
            ),
            received=len(starts),
            series=tuple(
                SeriesPoint(birth.asked, birth.answered, start)
                for birth, start in zip(lived.births, starts, strict=True)
            ),
            details=tuple(details.items()),
        )


def _socat(address: str) -> tuple[int, str]:
    return (6, f"[{address}]") if ":" in address else (4, address)

"""A service whose container is replaced while a client goes on from the same port, over UDP.

Connection tracking remembers where a flow's datagrams went. What it remembers of a container that
is gone, or of datagrams that came while there was none, must not swallow those for the new one.
Each datagram is sent by a socat of its own from the same source port, so all are one flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.base import NOT_FOUND, AnyProbe, Argv, Span
from netbench.record import Completed, Measurement, Sample
from netbench.spec import Protocol
from netbench.units import RATIO, SECONDS

_WAIT: Final = 0.1  # seconds that an answer may take
_EACH: Final = 0.25  # seconds for one datagram, its tools started
_MAKING: Final = 4.0  # seconds that three endpoints usually take, made and removed


@dataclass(frozen=True, slots=True)
class Attempt:
    """One datagram to the new container."""

    sent: float  # seconds since the old one's removal was asked for
    answered: bool


@dataclass(frozen=True, slots=True)
class Replacement(AnyProbe):
    """One flow of datagrams to a container that is removed and made anew at the same address."""

    name: ClassVar[str] = "udp-replaced"
    summary: ClassVar[str] = (
        "time without an answer, and datagrams lost, when a container is replaced (socat)"
    )
    tool: ClassVar[str] = "socat"
    of_engine: ClassVar[bool] = True
    protocols: ClassVar[tuple[Protocol, ...]] = ("udp",)
    metrics: ClassVar[tuple[str, ...]] = ("outage_time", "loss")

    datagrams: Annotated[int, Span(5, 1000)] = 10
    """Sent to the new container, a tenth of a second apart or more."""

    @property
    def expected(self) -> float:
        """Seconds."""
        return _MAKING + _EACH * (self.datagrams + 2)

    def server_argv(self, address: str, port: int, *, alone: bool) -> Argv:
        """Return the command that sends every datagram back; `alone` binds it to the address."""
        family, host = _socat(address)
        bind = f",bind={host}" if alone else ""
        return ("socat", "-T1", f"UDP{family}-RECVFROM:{port},fork{bind}", "PIPE")

    def client_argv(self, address: str, port: int, source: int) -> Argv:
        """Return the command that sends one datagram from a port, and prints the answer."""
        family, host = _socat(address)
        own = "[::]" if ":" in address else ""
        target = f"UDP{family}-DATAGRAM:{host}:{port},bind={own}:{source}"
        return ("sh", "-c", 'echo x | "$0" "$@"', "socat", f"-t{_WAIT}", f"-T{_WAIT}", "-", target)

    def cannot(self, done: Completed) -> str | None:
        """Return what endpoints lack for it, None if that is not why a call failed."""
        lacks = "socat does not run in the endpoints; install socat, or name an image that has it"
        return lacks if done.exit_code in NOT_FOUND else None

    def conclude(self, attempts: Sequence[Attempt]) -> Sample:
        """Return the outage and the share lost; raises ProbeError if none was answered."""
        first = next((n for n, one in enumerate(attempts) if one.answered), None)
        if first is None:
            raise ProbeError(
                f"socat: none of {len(attempts)} datagrams of the flow was answered by the new "
                f"container within {attempts[-1].sent if attempts else 0:.1f} s of the old one's "
                "removal: connection tracking may still lead them elsewhere"
            )
        lost = sum(not one.answered for one in attempts)
        return Sample(
            measurements=(
                Measurement("outage_time", attempts[first].sent, SECONDS),
                Measurement("loss", lost / len(attempts), RATIO),
            ),
            received=len(attempts) - lost,
            details=(
                ("replaced.datagrams", len(attempts)),
                ("replaced.first_answered", first + 1),
            ),
        )


def _socat(address: str) -> tuple[int, str]:
    return (6, f"[{address}]") if ":" in address else (4, address)

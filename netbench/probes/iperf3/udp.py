"""UDP at a rate by iperf3, as the receiver saw it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.base import Argv, Probe, Span
from netbench.probes.iperf3 import document as iperf3
from netbench.probes.iperf3.document import Table
from netbench.record import Completed, FactValue, Measurement, Sample
from netbench.spec import Family, Protocol
from netbench.units import BITS_PER_SECOND, RATIO, SECONDS, bit_rate

_PATIENCE: Final = 60.0  # times as long as at its rate that a burst may take
_EXCESS: Final = 0.01  # share that the receiver may count beyond the sender, whose last leave late
LENGTHS: Final = Span(16, 65_507)  # bytes of a datagram; the most in IPv4, RFC 768 and 791
_RECEIVER_SINCE: Final = (3, 11)  # older versions print the sender's bytes alone
_HEADERS: Final[dict[Family, int]] = {Family.V4: 28, Family.V6: 48}  # bytes of IP and UDP


@dataclass(frozen=True, slots=True)
class UdpRate(iperf3.Iperf3, Probe):
    """Datagrams sent at a rate: how much arrives, how much is lost, how evenly it comes."""

    name: ClassVar[str] = "udp-rate"
    summary: ClassVar[str] = "UDP at a given rate: throughput, loss and jitter (iperf3)"
    protocols: ClassVar[tuple[Protocol, ...]] = ("tcp", "udp")
    metrics: ClassVar[tuple[str, ...]] = ("throughput", "loss", "jitter", "cpu_per_byte")

    seconds: Annotated[int, Span(1, 86_400)] = 1
    """Length of the test. Nothing of it is omitted: UDP does not start slowly, and only so do both
    ends count the same datagrams."""
    rate: str = "1G"
    """Bit/s of payload that the client sends."""
    length: Annotated[int, LENGTHS] = 1400
    """Payload bytes of a datagram; the default fits an overlay's MTU of 1450 too."""
    dont_fragment: bool = False
    """Forbid fragments (IPv4)."""
    volume: Annotated[int | None, Span(1, 2**50)] = None
    """Bytes to send in place of `seconds`: for trials shorter than a second."""

    def client_argv(self, address: str, port: int, congestion_control: str | None) -> Argv:
        """Return the client's command."""
        del congestion_control  # UDP has none
        argv = (*iperf3.client_argv(address, port), "-u", "-b", str(round(bit_rate(self.rate))))
        argv += ("-l", str(self.length))
        argv += ("--dont-fragment",) if self.dont_fragment else ()
        if self.volume is not None:
            # iperf3 looks whether the bytes have gone only when an interval ends.
            return (*argv, "-n", str(self.volume), "-i", "0.1")
        return (*argv, "-t", str(self.seconds))

    @property
    def expected(self) -> float:
        """Seconds."""
        if self.volume is not None:
            return self.volume * 8 / bit_rate(self.rate)
        return self.seconds

    @property
    def steady(self) -> tuple[float, float]:
        """The test without its edges; empty where its end is not known beforehand."""
        return (iperf3.EDGE, self.seconds - iperf3.EDGE / 2) if self.volume is None else (0.0, 0.0)

    @property
    def deadline(self) -> float:
        """Seconds; iperf3 has no deadline of its own."""
        return iperf3.GRACE + self.expected * (1 if self.volume is None else _PATIENCE)

    def unfit(self, mtu: int, family: Family) -> str | None:
        """Return why none passes this MTU whole, None if one does: iperf3 ends with 0 and zeros."""
        largest = mtu - _HEADERS[family]
        if not self.dont_fragment or self.length <= largest:
            return None
        return (
            f"`length` {self.length} with `dont_fragment` passes no link of MTU {mtu} over "
            f"IPv{family}: {largest} bytes at most"
        )

    def cannot(self, done: Completed) -> str | None:
        """Forbidding fragments came with iperf3 3.10, the receiver's own bytes with 3.11."""
        version = iperf3.version_of(done)
        if version is not None and version < _RECEIVER_SINCE:
            number = ".".join(map(str, version))
            return f"iperf3 {number} does not report what a UDP receiver got; 3.11 and later do"
        return iperf3.Iperf3.cannot(self, done)

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the client's JSON holds both ends' figures
        """Return the receiver's throughput, loss and jitter (RFC 1889 §6.3.1).

        `end.sum` is left alone: its bytes are the sender's whatever was lost. The receiver sees a
        loss when a later datagram comes. What was sent last and never came is lost as well, but
        for as much as its socket may have held when the test ended.
        """
        document = iperf3.read(client, "UDP")
        sent, got = (document.table("end", side) for side in ("sum_sent", "sum_received"))
        wanted, sent_rate, throughput = bit_rate(self.rate), _rate(sent), _rate(got)
        reported, jitter = got.number("bits_per_second"), got.number("jitter_ms")
        if (
            reported is None
            or jitter is None
            or not math.isclose(reported, throughput, rel_tol=0.01)
        ):
            raise ProbeError(f"iperf3: {reported} bit/s with a jitter of {jitter} ms cannot be")
        if self.volume is None:
            words = "{asked} were to be sent, and the sender sent {came}"
            iperf3.check_window(document, self.seconds)
            iperf3.check_rate(wanted, sent_rate, words)
        packets, lost, unseen = self._datagrams(sent, got)
        held = int((document.table("start").number("rcvbuf_actual") or 0.0) / self.length)
        loss = (lost + max(0, unseen - held)) / packets
        return Sample(
            measurements=(
                Measurement("throughput", throughput, BITS_PER_SECOND),
                Measurement("loss", loss, RATIO),
                Measurement("jitter", jitter / 1e3, SECONDS),
            ),
            received=int(got.number("bytes") or 0.0),
            details=(
                *iperf3.details(document),
                ("iperf3.rate", wanted),
                ("iperf3.sent_rate", sent_rate),
                ("iperf3.packets", packets),
                ("iperf3.lost_packets", lost),
                ("iperf3.unseen_packets", unseen),
                *_disorder(document),
            ),
        )

    def _datagrams(self, sent: Table, got: Table) -> tuple[int, int, int]:
        """Return how many were sent, missed before later ones, and not seen after the last."""
        packets, arrived = (int((end.number("bytes") or 0.0) / self.length) for end in (sent, got))
        lost = got.number("lost_packets")
        if lost is None or arrived + int(lost) > (1 + _EXCESS) * packets:
            raise ProbeError(
                f"iperf3: {arrived} datagrams got and {lost} lost of {packets} cannot be"
            )
        seen = arrived + int(lost)
        return max(packets, seen), int(lost), max(0, packets - seen)


def _rate(end: Table) -> float:
    count, seconds = end.number("bytes"), end.number("seconds")
    if not count:
        raise ProbeError("iperf3: the receiver counted no datagram")
    if not seconds:
        raise ProbeError("iperf3: a count of datagrams lacks its window")
    return count * 8 / seconds


def _disorder(document: Table) -> Iterator[tuple[str, FactValue]]:
    for stream in document.table("end").rows("streams")[:1]:
        if (disorder := stream.table("udp").number("out_of_order")) is not None:
            yield "iperf3.out_of_order", int(disorder)

"""iperf3's commands, and its JSON (versions 3.7 to 3.22).

The exit code proves nothing: some releases end with 0 after a failure, and 3.9 leaves the reason
out of the JSON. A trial counts only if the process ended well, the JSON is whole and names no
error, and the receiver counted bytes over about the time that was asked for.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.base import Argv
from netbench.record import Completed, FactValue, Measurement
from netbench.spec import Role
from netbench.units import BITS_PER_SECOND, COUNT, quantity

STREAMS: Final = 128  # what iperf3 takes at most
ONE_WAY: Final = "`reverse` and `bidirectional` exclude each other: keep one"
GRACE: Final = 5.0  # seconds to connect and exchange results: a dead path leaves both waiting
EDGE: Final = 0.2  # seconds left out of CPU time: while the client connects, and half at the end
_STRAY: Final = 0.5  # relative stray of the window: 2.7 s were seen for 2 s
_KEPT: Final = 0.05  # relative stray of a stream from the rate that it was to keep
_LARGEST: Final = 2**63  # larger counts are a wrapped -1 and mean unknown
_UNKNOWN_OPTION: Final = re.compile(r"unrecognized option '(--[a-z-]+)'")
_SINCE: Final = {"--bidir": "3.7", "--dont-fragment": "3.10"}  # first version, by release notes
_VERSION: Final = re.compile(r"iperf (\d{1,4})\.(\d{1,4})")
_STOPPED: Final = {  # what each end says, as an error, where the client took SIGTERM
    Role.CLIENT: "interrupt - the client has terminated",
    Role.SERVER: "the client has terminated",
}
_START: Final = {Role.CLIENT: "connecting_to", Role.SERVER: "accepted_connection"}
"""Key that each end's output has."""


class Table(dict[str, Any]):
    """A JSON object of the tool, of which anything may be missing or of another type."""

    def table(self, *keys: str) -> "Table":
        """Return the object at a path of keys, or raise ProbeError where there is none."""
        found: object = self
        for key in keys:
            found = found.get(key) if isinstance(found, Table) else None
        if not isinstance(found, Table):
            raise ProbeError(f"iperf3: no `{'.'.join(keys)}` in its result")
        return found

    def part(self, key: str) -> "Table":
        """Return the object of a key, an empty one where there is none."""
        inner = self.get(key)
        return inner if isinstance(inner, Table) else Table()

    def rows(self, key: str) -> "list[Table]":
        """Return the objects in a list, none where there is no list."""
        inner = self.get(key)
        return [row for row in inner if isinstance(row, Table)] if isinstance(inner, list) else []

    def number(self, key: str) -> float | None:
        """Return a key's count or quantity as `number` does."""
        return number(self.get(key))


def number(value: object) -> float | None:
    """Return a count or quantity, None if it is none that could be meant."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LARGEST else None


class Iperf3:
    """What every probe of iperf3 has in common."""

    __slots__ = ()
    tool: ClassVar[str] = "iperf3"
    server_ends: ClassVar[bool] = True

    def server_argv(self, address: str, port: int) -> Argv:
        """Return a server, for one test if it can: later ones inherit its congestion control."""
        once = ("-1",) if self.server_ends else ()
        return ("iperf3", "-s", *once, "-J", "-B", address, "-p", str(port))

    def cannot(self, done: Completed) -> str | None:
        """Return which option this iperf3 does not know, and which version does."""
        found = _UNKNOWN_OPTION.search(done.stderr)
        if found is None or found[1] not in _SINCE:
            return None
        return f"this iperf3 has no {found[1]}; {_SINCE[found[1]]} and later do"


def client_argv(address: str, port: int) -> Argv:
    """Return the start of a client's command."""
    return ("iperf3", "-J", "-c", address, "-p", str(port))


def version_of(done: Completed) -> tuple[int, int] | None:
    """Return the version that a client's JSON names, None if it names none."""
    try:
        found = _VERSION.search(str(_document(done).table("start").get("version")))
    except ProbeError:
        return None
    return (int(found[1]), int(found[2])) if found else None


def read(
    done: Completed, protocol: str, role: Role = Role.CLIENT, *, stopped: bool = False
) -> Table:
    """Return the JSON of one end of a test that succeeded, by its exit code and its own word.

    Where the client was `stopped` by SIGTERM, both ends report that as an error, in the same words
    in every version. Raises ProbeError for any other, or where the output is not such an end's.
    """
    document = _document(done)
    error = _words(str(document.get("error", "")))
    expected = stopped and error.startswith(_STOPPED[role])
    if "error" in document and not expected:
        raise ProbeError(f"iperf3: {error}")
    if done.exit_code != 0 and not (expected and done.exit_code and done.exit_code > 0):
        raise ProbeError(f"iperf3 {_ending(done)}: {_words(done.stderr) or 'no reason given'}")
    start = document.table("start")
    if _START[role] not in start:
        raise ProbeError(f"iperf3's output is not a {role}'s")
    if start.table("test_start").get("protocol") != protocol:
        raise ProbeError(f"iperf3's output is not that of a {protocol} test")
    return document


def _document(done: Completed) -> Table:
    if done.timed_out:
        raise ProbeError(f"iperf3 had not ended after {done.seconds:.1f} s and was killed")
    try:
        document = json.loads(done.stdout, object_pairs_hook=_table)
    except (ValueError, RecursionError) as exc:
        raise ProbeError(_unreadable(done)) from exc
    if not isinstance(document, Table):
        raise ProbeError("iperf3 printed JSON that is no result")
    return document


def _table(pairs: list[tuple[str, object]]) -> Table:
    """Return an object with the first of its errors, the cause of those that follow."""
    found = Table(pairs)
    found.update(next(([pair] for pair in pairs if pair[0] == "error"), ()))
    return found


def _unreadable(client: Completed) -> str:
    said = _words(client.stderr)
    what = "no output" if not client.stdout.strip() else "output that is not whole JSON"
    return f"iperf3 {_ending(client)} and {what}" + (f": {said}" if said else "")


def _ending(client: Completed) -> str:
    if client.exit_code is None:
        return "ended unseen"
    if client.exit_code < 0:
        return f"was killed by signal {-client.exit_code}"
    return f"ended with exit code {client.exit_code}"


def _words(text: str) -> str:
    """Return the first line of what iperf3 says, without its own prefixes."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line.removeprefix("iperf3: ").removeprefix("error - ")[:300]


def check_window(document: Table, seconds: float) -> None:
    """Raise where sender or receiver did not count over about the time that was asked for."""
    for side in ("sum_sent", "sum_received"):
        window = document.table("end", side).number("seconds")
        if window is None or abs(window - seconds) > _STRAY * seconds:
            raise ProbeError(f"iperf3: `{side}` covers {window} s where {seconds} s were asked for")


def check_rate(wanted: float, found: float, words: str) -> None:
    """Raise where a rate was not kept, in bit/s: the trial is not one at that rate."""
    if abs(found / wanted - 1) > _KEPT:
        asked, came = (quantity(rate, BITS_PER_SECOND) for rate in (wanted, found))
        raise ProbeError(f"iperf3: {words.format(asked=asked, came=came)}")


def measurements(throughput: float, retransmits: float | None) -> tuple[Measurement, ...]:
    """Return a TCP test's numbers."""
    found = Measurement("throughput", throughput, BITS_PER_SECOND)
    counted = () if retransmits is None else (Measurement("retransmits", retransmits, COUNT),)
    return (found, *counted)


def total(counts: Iterable[float | None]) -> float | None:
    """Return the sum of some counts, None if one is unknown."""
    known = list(counts)
    return None if None in known else math.fsum(count for count in known if count is not None)


def details(document: Table) -> Iterator[tuple[str, FactValue]]:
    """Yield what stands beside the numbers; what iperf3 prints as 0 for unknown is left out."""
    start, end = document.table("start"), document.table("end")
    test, cpu = start.table("test_start"), end.part("cpu_utilization_percent")
    for name, place, key in (
        ("congestion_control", end, "sender_tcp_congestion"),
        ("iperf3.receiver_congestion_control", end, "receiver_tcp_congestion"),
        ("iperf3.version", start, "version"),
    ):
        if isinstance(text := place.get(key), str) and text:
            yield name, text
    for name, place, key in (
        ("streams", test, "num_streams"),
        ("block_size", test, "blksize"),
        ("mss", start, "tcp_mss" if start.get("tcp_mss") else "tcp_mss_default"),
        ("sndbuf", start, "sndbuf_actual"),
        ("rcvbuf", start, "rcvbuf_actual"),
        ("sent_bytes", end.table("sum_sent"), "bytes"),
    ):
        if value := place.number(key):
            yield f"iperf3.{name}", int(value)
    if window := end.table("sum_received").number("seconds"):
        yield "iperf3.seconds", window
    for side in ("host", "remote"):
        for part in ("total", "user", "system"):
            if (value := cpu.number(f"{side}_{part}")) is not None:
                yield f"iperf3.cpu_{side}_{part}", value / 100


def connection(document: Table) -> Iterator[tuple[str, FactValue]]:
    """Yield what TCP knows of the connection; only one stream has one such answer."""
    streams = document.table("end").rows("streams")
    if len(streams) != 1:
        return
    sender = streams[0].part("sender")
    for name in ("min_rtt", "mean_rtt", "max_rtt"):
        if value := sender.number(name):
            yield f"iperf3.{name}", value / 1e6
    if value := sender.number("max_snd_cwnd"):
        yield "iperf3.max_snd_cwnd", int(value)
    for last in document.rows("intervals")[-1:]:
        for one in last.rows("streams")[:1]:
            if value := one.number("pmtu"):
                yield "iperf3.pmtu", int(value)

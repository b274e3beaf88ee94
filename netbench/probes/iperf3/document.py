"""iperf3's JSON, as a client printed it (versions 3.7 to 3.22).

The exit code proves nothing: some releases end with 0 after a failure, and 3.9 leaves the reason
out of the JSON. A trial counts only if the process ended well, the JSON is whole and names no
error, and the receiver counted bytes over about the time that was asked for.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from netbench.errors import ProbeError
from netbench.record import Completed, FactValue

STRAY: Final = 0.5
"""Relative stray of the measured window from the time asked for; rates use the window itself.

A receiver drains what is still queued: on a loaded machine 2.7 s were seen for 2 s asked for."""
KEPT: Final = 0.05
"""Relative stray of a stream from the rate that it was to keep."""
_LARGEST: Final = 2**63
"""Larger counts are a wrapped -1: `retransmits` of 1.8446744073709552e19 means unknown."""
_UNKNOWN_OPTION: Final = re.compile(r"unrecognized option '(--[a-z-]+)'")
_SINCE: Final = {"--bidir": "3.7", "--dont-fragment": "3.10"}
"""The first version that knows an option, by iperf3's release notes."""
_VERSION: Final = re.compile(r"iperf (\d{1,4})\.(\d{1,4})")

_CLIENT_ENDED: Final = "the client has terminated"
"""What both ends say where the client took SIGTERM."""

Table = Mapping[str, Any]
"""A JSON object of the tool, before it is read."""


def server_argv(address: str, port: int, *, once: bool = True) -> tuple[str, ...]:
    """Return a server for one test: a persistent one leaks congestion control between tests."""
    only = ("-1",) if once else ()
    return ("iperf3", "-s", *only, "-J", "-B", address, "-p", str(port))


def client_argv(address: str, port: int) -> tuple[str, ...]:
    """Return the start of a client's command."""
    return ("iperf3", "-J", "-c", address, "-p", str(port))


def lacks_option(done: Completed) -> str | None:
    """Return which option an iperf3 does not know, and which version does; None where none."""
    found = _UNKNOWN_OPTION.search(done.stderr)
    if found is None or found[1] not in _SINCE:
        return None
    return f"this iperf3 has no {found[1]}; {_SINCE[found[1]]} and later do"


def version_of(done: Completed) -> tuple[int, int] | None:
    """Return the version that a client's JSON names, None where it names none."""
    try:
        start = json.loads(done.stdout)["start"]
        found = _VERSION.search(start["version"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return (int(found[1]), int(found[2])) if found else None


def read(client: Completed, protocol: str) -> Table:
    """Return the JSON of a client that succeeded, by its exit code and its own word.

    Raises:
        ProbeError: it did not, or it is no client's of this protocol, `TCP` or `UDP`.
    """
    document = _document(client)
    if "error" in document:
        raise ProbeError(f"iperf3: {_words(str(document['error']))}")
    if client.exit_code != 0:
        raise ProbeError(f"iperf3 {_ending(client)}: {_words(client.stderr) or 'no reason given'}")
    start = table(document, "start")
    if "connecting_to" not in start:
        raise ProbeError("iperf3's output is not a client's")
    if table(start, "test_start").get("protocol") != protocol:
        raise ProbeError(f"iperf3's output is not that of a {protocol} test")
    return document


def _document(done: Completed) -> Table:
    if done.timed_out:
        raise ProbeError(f"iperf3 had not ended after {done.seconds:.1f} s and was killed")
    try:
        document = json.loads(done.stdout, object_pairs_hook=_first_error)
    except (ValueError, RecursionError) as exc:
        raise ProbeError(_unreadable(done)) from exc
    if not isinstance(document, dict):
        raise ProbeError("iperf3 printed JSON that is no result")
    return document


def _first_error(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object with the first of its errors, which is the cause of what comes after it.

    A server whose client ended may go on to tell that it cannot read a socket that it has closed.
    """
    found = dict(pairs)
    errors = [value for key, value in pairs if key == "error"]
    return {**found, "error": errors[0]} if len(errors) > 1 else found


def read_ended(done: Completed, protocol: str, *, of_server: bool = False) -> Table:
    """Return the JSON of one end of a session that we ended by SIGTERM to its client.

    Its end is told as an error, by every version in the same words; any other error is one.

    Raises:
        ProbeError: the session failed, or the output is not that of such an end.
    """
    document = _document(done)
    error = _words(str(document.get("error", "")))
    expected = _CLIENT_ENDED if of_server else f"interrupt - {_CLIENT_ENDED}"
    if error and not error.startswith(expected):
        raise ProbeError(f"iperf3: {error}")
    if done.exit_code is None or done.exit_code < 0 or (done.exit_code and not error):
        raise ProbeError(f"iperf3 {_ending(done)}: {_words(done.stderr) or 'no reason given'}")
    start = table(document, "start")
    if ("accepted_connection" if of_server else "connecting_to") not in start:
        raise ProbeError(f"iperf3's output is not a {'server' if of_server else 'client'}'s")
    if table(start, "test_start").get("protocol") != protocol:
        raise ProbeError(f"iperf3's output is not that of a {protocol} test")
    return document


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


def hold_window(document: Table, seconds: float) -> None:
    """Raise where sender or receiver did not count over about the time that was asked for."""
    for side in ("sum_sent", "sum_received"):
        window = number(table(document, "end", side).get("seconds"))
        if window is None or abs(window - seconds) > STRAY * seconds:
            raise ProbeError(f"iperf3: `{side}` covers {window} s where {seconds} s were asked for")


def details(document: Table) -> Iterator[tuple[str, FactValue]]:
    """Yield what stands beside the numbers; what iperf3 prints as 0 for unknown is left out."""
    start, end = table(document, "start"), table(document, "end")
    test, cpu = table(start, "test_start"), optional(end, "cpu_utilization_percent")
    for name, text in (
        ("congestion_control", end.get("sender_tcp_congestion")),
        ("iperf3.receiver_congestion_control", end.get("receiver_tcp_congestion")),
        ("iperf3.version", start.get("version")),
    ):
        if isinstance(text, str) and text:
            yield name, text
    for name, count in (
        ("streams", test.get("num_streams")),
        ("block_size", test.get("blksize")),
        ("mss", start.get("tcp_mss") or start.get("tcp_mss_default")),
        ("sndbuf", start.get("sndbuf_actual")),
        ("rcvbuf", start.get("rcvbuf_actual")),
        ("sent_bytes", table(end, "sum_sent").get("bytes")),
    ):
        if value := number(count):
            yield f"iperf3.{name}", int(value)
    if window := number(table(end, "sum_received").get("seconds")):
        yield "iperf3.seconds", window
    for side in ("host", "remote"):
        for part in ("total", "user", "system"):
            if (value := number(cpu.get(f"{side}_{part}"))) is not None:
                yield f"iperf3.cpu_{side}_{part}", value / 100


def table(document: Table, *keys: str) -> Table:
    """Return the object at a path of keys.

    Raises:
        ProbeError: there is none.
    """
    for key in keys:
        document = document.get(key, ())
        if not isinstance(document, dict):
            raise ProbeError(f"iperf3: no `{'.'.join(keys)}` in its result")
    return document


def optional(document: Table, key: str) -> Table:
    """Return the object of a key, an empty one where there is none."""
    inner = document.get(key)
    return inner if isinstance(inner, dict) else {}


def rows(document: Table, key: str) -> list[Table]:
    """Return the objects in a list, none where there is no list."""
    inner = document.get(key)
    return [row for row in inner if isinstance(row, dict)] if isinstance(inner, list) else []


def number(value: object) -> float | None:
    """Return a count or quantity, None where it is none that could be meant."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LARGEST else None

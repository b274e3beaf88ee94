"""Sessions of real tools that are held and let go on again and again, on any engine.

A server and a client in the same network namespace, whose `lo` they use; nothing else runs there.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import pytest

from netbench.engines.base import Endpoint, Engine, Process
from netbench.spec import Attach, Role

TIMES: Final = 20
"""How often a client is held."""
_PORT: Final = "21001"
_LISTENS: Final = ":5209 "
_SLICE: Final = 0.3
_REST: Final = 0.35
"""Seconds that hold two whole intervals of iperf3's: one alone can be empty within a slice too."""
_LIMIT: Final = 120.0
_Pair = tuple[Endpoint, Endpoint]
_LEAST: Final = 10**6
"""Bytes that a slice of a stream has at least, however busy the machine is."""
_BEYOND_WARM_UP: Final = 10**5
"""Bytes that sockperf's few warm-up messages never are; it pauses for two seconds after them."""
ROUND_TRIPS: Final = {"exit": 0, "timed_out": False, "statistics": True}
ENDS: Final = {"short": 0, "alive": False, "read": None, "TERM": True, "KILL": True}


def stream(engine: Engine) -> dict[str, Any]:
    """Hold an iperf3 client, end it while it is held; return both ends' counts of each slice."""
    with _pair(engine) as (place, other):
        where = ("-J", "-p", _PORT)
        server = _serve(engine, place, "iperf3", *where, "-s", "-1", "-B", "127.0.0.1", "-i", "0.1")
        argv = ("iperf3", *where, "-c", "127.0.0.1", "-t", "100", "-i", "0.1")
        client = engine.start(other, argv, cpu=None, limit=_LIMIT)
        _until(lambda: _total(server) > 10**7)
        client.signal("STOP")
        totals = [_at_rest(server), *(_after_slice(client, server) for _ in range(TIMES))]
        latency = client.latency
        client.signal("TERM")
        ended, served = client.wait(20), server.wait(20)
        left = server.bytes_read()
    # What it says first is why it ended: its timer may look at a socket that is closed by then.
    document = json.loads(served.stdout, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    received = [one["sum"]["bytes"] for one in document["intervals"]]
    return {
        "latency": latency,
        "said": json.loads(ended.stdout)["error"],
        "server_said": document["error"],
        "counted": [after - before for before, after in pairwise(totals)],
        "received": _bursts(received)[1 : TIMES + 1],
        "read": totals[-1],
        "total": document["end"]["sum_received"]["bytes"],
        "left": left,
        "timed_out": ended.timed_out or served.timed_out,
    }


def check_stream(told: dict[str, Any], *, by_kill: bool) -> None:
    """The kernel's count of the slices is that of iperf3's own intervals, and of its total.

    iperf3 loses what arrives while it closes an interval: it reads the interval's count first, and
    sets it to zero later. On a busy machine a slice can miss 8 % by that; the total does not.
    """
    counted, received = told["counted"], told["received"]
    assert len(counted) == len(received) == TIMES
    assert min(counted) > _LEAST
    close = [
        abs(ours - theirs) < 0.05 * ours for ours, theirs in zip(counted, received, strict=True)
    ]
    assert sum(close) >= 0.8 * TIMES, told
    assert told["read"] == pytest.approx(told["total"], rel=0.05)
    assert told["said"] == "interrupt - the client has terminated"
    assert told["server_said"] == "the client has terminated"
    assert (told["timed_out"], told["left"]) == (False, None)
    assert (told["latency"] == 0) == by_kill
    assert told["latency"] < 1


def _after_slice(client: Process, server: Process) -> int:
    """Let a held client go on for a slice; return what its server has read by then."""
    client.signal("CONT")
    time.sleep(_SLICE)
    client.signal("STOP")
    return _at_rest(server)


def _at_rest(server: Process) -> int:
    """Return what a server has read once nothing more comes."""
    total, before = _total(server), -1
    while total != before:
        time.sleep(_REST)
        total, before = _total(server), total
    return total


def _bursts(received: list[int]) -> list[int]:
    """Return the bytes between pauses of two intervals or more."""
    bursts, empty = [], 2
    for count in received:
        if count and empty > 1:
            bursts.append(0)
        if count:
            bursts[-1] += count
        empty = 0 if count else empty + 1
    return bursts


def round_trips(engine: Engine) -> dict[str, Any]:
    """Hold a sockperf client, end it while it is held; return how it ended."""
    with _pair(engine) as (place, other):
        server = _serve(engine, place, "sockperf", "sr", "-i", "127.0.0.1", "-p", _PORT, "--tcp")
        what = ("--tcp", "--full-rtt", "-t", "100", "-m", "14")
        argv = ("sockperf", "pp", "-i", "127.0.0.1", "-p", _PORT, *what)
        client = engine.start(other, argv, cpu=None, limit=_LIMIT)
        _until(lambda: _crossed_lo(engine, place) > _BEYOND_WARM_UP)
        for _ in range(TIMES):
            client.signal("STOP")
            time.sleep(0.05)
            client.signal("CONT")
            time.sleep(0.1)
        client.signal("STOP")
        client.signal("ALRM")
        done = client.wait(20)
        server.signal("TERM")
        served = server.wait(20)
    return {
        "exit": done.exit_code,
        "timed_out": done.timed_out or served.timed_out,
        "statistics": "percentile 50.000" in done.stdout or done.stdout,
    }


def ends(engine: Engine) -> dict[str, Any]:
    """Signal tools that have ended, or are held; return how they ended."""
    with _pair(engine) as (place, _):
        short = engine.start(place, ("sleep", "0.3"), cpu=None, limit=_LIMIT)
        for _ in range(40):
            for name in ("STOP", "CONT"):
                short.signal(name)
            time.sleep(0.01)
        found = {"short": short.wait(20).exit_code, "alive": short.alive()}
        for name in ("STOP", "CONT", "TERM", "ALRM", "KILL"):
            short.signal(name)
        found["read"] = short.bytes_read()
        for name, number in (("TERM", -15), ("KILL", -9)):
            held = engine.start(place, ("sleep", "1234"), cpu=None, limit=_LIMIT)
            held.signal("STOP")
            held.signal(name)
            done = held.wait(20)
            found[name] = (done.exit_code, done.timed_out) == (number, False)
        return found


def after_a_hold(engine: Engine) -> dict[str, Any]:
    """Hold a tool and let it go on to its end, for which nobody waits; return what is seen."""
    with _pair(engine) as (place, _):
        tool = engine.start(place, ("sleep", "0.5"), cpu=None, limit=_LIMIT)
        tool.signal("STOP")
        time.sleep(0.1)
        tool.signal("CONT")
        time.sleep(1.5)
        found = {"alive": tool.alive(), "read": tool.bytes_read()}
        return {**found, "exit": tool.wait(20).exit_code}


def left_held(engine: Engine, times: int = TIMES) -> dict[str, Any]:
    """Wait for a tool that is held for good."""
    with _pair(engine) as (place, _):
        tool = engine.start(place, ("sleep", "0.7"), cpu=None, limit=_LIMIT)
        for _ in range(times):
            tool.signal("CONT")
            tool.signal("STOP")
        done = tool.wait(2)
        return {"exit": done.exit_code, "timed_out": done.timed_out}


@contextmanager
def _pair(engine: Engine) -> Iterator[_Pair]:
    given: dict[str, Any] = {"network": None, "cpus": ()}
    place = engine.create_endpoint("held-s", Role.SERVER, Attach.NONE, peer=None, **given)
    try:
        other = engine.create_endpoint("held-c", Role.CLIENT, Attach.PEER, peer=place, **given)
        try:
            yield place, other
        finally:
            engine.remove_endpoint(other)
    finally:
        engine.remove_endpoint(place)


def _serve(engine: Engine, place: Endpoint, *argv: str) -> Process:
    server = engine.start(place, argv, cpu=None, limit=_LIMIT)

    def listens() -> bool:
        rows = engine.run(place, ("cat", "/proc/net/tcp"), timeout=10).stdout.splitlines()
        return any(_LISTENS in row and " 0A " in row for row in rows)

    _until(listens)
    return server


def _crossed_lo(engine: Engine, place: Endpoint) -> int:
    rows = engine.run(place, ("cat", "/proc/net/dev"), timeout=10).stdout.splitlines()
    return next(int(row.split()[1]) for row in rows if row.strip().startswith("lo:"))


def _total(process: Process) -> int:
    read = process.bytes_read()
    assert read is not None
    return read.total


def _until(true: Any) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)

"""What lies between two machines, read once a run: their clocks, kernels, and the path MTU."""

import re
import time
from collections.abc import Mapping
from typing import Final

from netbench.engines.base import Engine
from netbench.errors import EngineError, FactError
from netbench.record import Absent, FactValue
from netbench.spec import Node
from netbench.topology.paths import Call, kernels
from netbench.verify.path_mtu import answering, largest, passes

_TIMES: Final = 5  # how often clocks are compared
_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_MOST: Final = 9216  # bytes of the largest frames that networks carry


def between(engine: Engine) -> Mapping[str, FactValue]:
    """Return the facts `clock.*` and `nodes.*` of two machines."""
    mtu, _ = wire_mtu(engine)
    return {**clocks(engine), "nodes.kernels": kernels(engine), "nodes.path_mtu": mtu}


def wire_mtu(engine: Engine) -> tuple[int | Absent, str]:
    """Return the largest packet that gets from the first machine to the peer, and how that shows.

    It is found by datagrams that no one may fragment, at a free port of the peer's host.
    """
    from netbench.engines.docker.nodes import TwoNodes  # noqa: PLC0415 -- the SDK is slow to import

    assert isinstance(engine, TwoNodes)  # noqa: S101 -- no other engine has two machines
    there, here = engine.host_of(Node.PEER), engine.host_of(Node.FIRST)
    address = engine.addresses()[Node.PEER]
    call = Call(here, there, address, address, None)
    try:
        with answering(engine, there, call) as port:
            size, said = largest(_MOST, lambda size: passes(engine, call, port, size))
            said = f"{said} (UDP port {port})"
    except (EngineError, FactError) as exc:
        size, said = None, str(exc)
    return (Absent(said) if size is None else size), said


def clocks(engine: Engine) -> Mapping[str, FactValue]:
    """Return how far the peer's clock is ahead of the first machine's, and how sure that is.

    Both are asked in turn, several times; of the quickest answers the middle counts, as in NTP
    (RFC 5905 section 8). Nothing else in a run takes times of two clocks together.
    """
    found = []
    for _ in range(_TIMES):
        moments = []
        for node in (Node.FIRST, Node.PEER):
            part, began = engine.nodes[node], time.monotonic()
            said = part.run(part.host(), ("date", "+%s.%N"), timeout=20).stdout.strip()
            if not _SECONDS.fullmatch(said):
                unread = Absent(f"date says {said[:80]!r}")
                return {"clock.offset": unread, "clock.uncertainty": unread}
            took = time.monotonic() - began
            moments.append((float(said) - began - took / 2, took))
        (here, one), (there, two) = moments
        found.append(((one + two) / 2, there - here))
    uncertainty, offset = min(found)
    return {"clock.offset": offset, "clock.uncertainty": uncertainty}

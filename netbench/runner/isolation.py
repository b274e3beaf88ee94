"""The proof that a pair is isolated: connections that must fail, tried with the tool itself."""

import time

from netbench.engines.base import Engine, Process
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import LISTEN
from netbench.probes import strerror_name
from netbench.probes.iperf3 import TcpThroughput
from netbench.record import Failure, Skip
from netbench.topology import LivePair

_PORT = 21000
_ELSEWHERE = "198.18.0.1"
"""An address of RFC 2544's block: any that is not loopback does."""
_TRY = 5.0
"""Seconds a connection may be tried."""


def _listens(engine: Engine, live: LivePair, server: Process) -> bool:
    deadline = time.monotonic() + _TRY
    while time.monotonic() < deadline and server.alive():
        if _PORT in ports_in_use(live.pair.server, LISTEN, local=engine.local):
            return True
        time.sleep(0.005)
    return False


def prove_isolation(engine: Engine, live: LivePair) -> Skip | Failure:
    """Try to connect to the pair's listening server, and to anywhere; both must fail.

    Returns:
        A `Skip` by design with the errors seen as evidence, or a `Failure` where a connection
        succeeded or no error could be read.
    """
    probe = TcpThroughput(seconds=1, omit=0)
    server = engine.start(live.server, probe.server_argv("127.0.0.1", _PORT), cpu=None, limit=30)
    seen = []
    try:
        if not _listens(engine, live, server):
            return Failure("isolation", "the pair's own server does not listen", "")
        for address, meaning in (
            ("127.0.0.1", "its pair's listening server by loopback"),
            (_ELSEWHERE, "any other address"),
        ):
            argv = probe.client_argv(address, _PORT, None)
            done = engine.run(live.client, argv, timeout=_TRY)
            errno = strerror_name(done.stdout)
            if errno is None:
                said = done.stdout[:300] or done.stderr[:300]
                reason = f"a connection to {meaning} ({address}) did not fail as it must"
                return Failure("isolation", reason, said)
            seen.append(f"connect to {address} ({meaning}): {errno}")
    finally:
        server.signal("KILL")
        server.wait(1.0)
    return Skip("isolated by design", "; ".join(seen), by_design=True)

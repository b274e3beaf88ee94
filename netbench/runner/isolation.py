"""The proof that a path is closed: what must fail is tried, with the tool itself."""

import time
from typing import Final

from netbench.drivers import Closed, Proof
from netbench.engines.base import Endpoint, Engine, Process
from netbench.errors import EngineError
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import LISTEN
from netbench.probes import strerror_name
from netbench.probes.iperf3 import TcpThroughput
from netbench.record import Failure, Skip
from netbench.runner.setup import said
from netbench.spec import Attach, Role
from netbench.topology import LivePair, own_address

_PORT = 21000
_ELSEWHERE = "198.18.0.1"
"""An address of RFC 2544's block: any that is not loopback does."""
_TRY = 8.0
"""Seconds a connection may be tried."""
_PATIENCE = ("--connect-timeout", "4000")
"""Milliseconds after which iperf3 gives a silent address up: more than the three tries of a second
after which a neighbour that does not answer is `EHOSTUNREACH`, which says more than `ETIMEDOUT`."""
_NOT_CONNECTED: Final = "unable to connect to server"
"""What every iperf3 says where the connection itself failed, before the system's words for why."""


def prove_closed(engine: Engine, live: LivePair, way: Closed) -> Skip | Failure:
    """Return the outcome of a cell whose path the driver rules out.

    Returns:
        A `Skip` by design with what was seen as evidence, or a `Failure` where what must fail
        did not.
    """
    match way.proof:
        case Proof.CONNECT:
            return _connections_fail(engine, live, way)
        case Proof.SECOND:
            return _second_is_refused(engine, live, way)
        case Proof.PROMISES:
            seen = "; ".join(f"{check.promise}: {check.evidence}" for check in live.promises)
            return Skip(way.reason, seen, by_design=True)


def _connections_fail(engine: Engine, live: LivePair, way: Closed) -> Skip | Failure:
    """Connect to the pair's listening server, and, from nothing but `lo`, to anywhere."""
    probe = TcpThroughput()
    address = own_address(live.server, live.driver.recipe.family)
    targets = (
        ((address, "its pair's listening server"),)
        if address
        else (
            ("127.0.0.1", "its pair's listening server by loopback"),
            (_ELSEWHERE, "any other address"),
        )
    )
    argv = probe.server_argv(targets[0][0], _PORT)
    server = engine.start(live.server, argv, cpu=None, limit=60)
    try:
        if not _listens(live, server):
            return Failure("isolation", "the pair's own server does not listen", "")
        seen = []
        for target, meaning in targets:
            found = _connect(
                engine, live.client, (*probe.session_argv(target, _PORT, None, 1.0), *_PATIENCE)
            )
            if isinstance(found, Failure):
                return found
            seen.append(f"connect to {target} ({meaning}): {found}")
    finally:
        server.signal("KILL")
        server.wait(1.0)
    return Skip(way.reason, "; ".join(seen), by_design=True)


def _connect(engine: Engine, client: Endpoint, argv: tuple[str, ...]) -> str | Failure:
    """Return the errno of a connection that failed, a `Failure` where it did not.

    A client that ends with any other error, or hangs, had connected first.
    """
    done = engine.run(client, argv, timeout=_TRY)
    _, failed, why = done.stdout.partition(_NOT_CONNECTED)
    errno = strerror_name(why) if failed else None
    if errno is not None:
        return errno
    target = argv[argv.index("-c") + 1]
    return Failure("isolation", f"a connection to {target} did not fail as it must", said(done))


def _listens(live: LivePair, server: Process) -> bool:
    deadline = time.monotonic() + _TRY
    while time.monotonic() < deadline and server.alive():
        if _PORT in ports_in_use(live.pair.server, LISTEN):
            return True
        time.sleep(0.005)
    return False


def _second_is_refused(engine: Engine, live: LivePair, way: Closed) -> Skip | Failure:
    """Ask for one more endpoint on the network."""
    name = f"{live.server.name}-second"
    try:
        second = engine.create_endpoint(
            name, Role.CLIENT, Attach.NETWORK, network=live.network, peer=None, cpus=()
        )
    except EngineError as exc:
        return Skip(way.reason, f"a second endpoint was refused: {exc}", by_design=True)
    engine.remove_endpoint(second)
    return Failure("isolation", "a second endpoint started, where one takes the whole parent", "")

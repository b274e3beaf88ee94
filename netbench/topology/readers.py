"""Which reader and which sentinel serve an engine, and endpoints as readers want them."""

from netbench.engines.base import Endpoint, Engine
from netbench.errors import EngineError, FactError
from netbench.facts.base import NamespaceSet, Reader
from netbench.facts.inside import InsideReader
from netbench.sentinel.inside import InsideSentinel
from netbench.sentinel.measure import Sentinel
from netbench.system.setns import may_enter

_TIMEOUT = 10.0
"""Seconds for one read-only command in an endpoint."""


def choose_reader(engine: Engine) -> Reader:
    """Return the reader in process where we may enter the engine's namespaces, else from inside."""
    if engine.local and may_enter(engine.host().pid):
        from netbench.facts.netlink import NetlinkReader  # noqa: PLC0415 -- pyroute2 is heavy

        return NetlinkReader()
    return InsideReader()


def choose_sentinel(engine: Engine) -> Sentinel:
    """Return the sentinel of this machine, or that of the engine's own where it is another."""
    ask = engine.ask
    return Sentinel() if ask is None else InsideSentinel(ask)


def namespaces_of(engine: Engine, endpoint: Endpoint) -> NamespaceSet:
    """Return an endpoint for a reader."""

    def run(argv: tuple[str, ...]) -> str:
        try:
            done = engine.run(endpoint, argv, timeout=_TIMEOUT)
        except EngineError as exc:
            raise FactError(f"`{' '.join(argv)}` in the {endpoint.role}: {exc}") from exc
        if done.exit_code != 0:
            said = done.stderr.strip() or done.stdout.strip()[:200]
            raise FactError(f"`{' '.join(argv)}` in the {endpoint.role}: {said or done.exit_code}")
        return done.stdout

    return NamespaceSet(
        role=endpoint.role,
        pid=endpoint.pid,
        stands_in=endpoint.stands_in,
        run=run,
        netns=endpoint.netns,
        files=engine.files,
        here=engine.local,
    )

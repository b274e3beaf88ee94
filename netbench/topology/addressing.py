"""Who connects to which address on one path of a live pair. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netbench.drivers import Driver, PathClaim
from netbench.engines.base import Endpoint, Lan, Published
from netbench.errors import EngineError
from netbench.spec import PUBLISHED_PORTS, Family, Path, Port, Protocol, Via

LOOPBACK: Final[dict[Family, str]] = {Family.V4: "127.0.0.1", Family.V6: "::1"}
ANY: Final[dict[Family, str]] = {Family.V4: "0.0.0.0", Family.V6: "::"}  # noqa: S104 -- in an endpoint's namespace


@dataclass(frozen=True, slots=True)
class Call:
    """A path as the two tools see it."""

    client: Endpoint
    bind: str
    """Address the server listens on."""
    target: str
    """Address the client connects to."""
    published: tuple[Published, ...] | None
    """Ports that lead to the server, None where any port does."""


def ports_for(
    driver: Driver,
    paths: Sequence[Path],
    count: int,
    protocols: tuple[Protocol, ...] = ("tcp",),
) -> tuple[Port, ...]:
    """Return the ports to publish for these paths: `count`, or none where none is published."""
    ways = [driver.ways[path] for path in paths]
    if not any(isinstance(way, PathClaim) and way.via is Via.PUBLISHED for way in ways):
        return ()
    return tuple(Port(PUBLISHED_PORTS[number], protocols) for number in range(count))


def own_address(endpoint: Endpoint, family: Family) -> str | None:
    """Return an endpoint's own address of one family; None where it has none."""
    return endpoint.address if family == Family.V4 else endpoint.address6


def call_of(
    driver: Driver, path: Path, client: Endpoint, server: Endpoint, lan: Lan | None
) -> Call:
    """Return who connects to what.

    Raises:
        EngineError: the path is closed, or an address that it needs is not there.
    """
    way, family = driver.ways[path], driver.recipe.family
    if not isinstance(way, PathClaim):
        raise EngineError(f"{driver.name} has no path {path}: {way.reason}")
    caller = client
    outer = None
    if lan is not None:
        caller = lan.client if path is Path.NORTH_SOUTH else client
        outer = lan.host if family == Family.V4 else lan.host6
    elif path is Path.NORTH_SOUTH or way.via in {Via.HOST, Via.PUBLISHED}:
        raise EngineError(f"{driver.name}: there is no emulated LAN for the path {path}")
    own = own_address(server, family)
    bind, target = {
        Via.LOOPBACK: (LOOPBACK[family], LOOPBACK[family]),
        Via.ADDRESS: (own, own),
        Via.HOST: (outer, outer),
        Via.PUBLISHED: (ANY[family], outer),
    }[way.via]
    if bind is None or target is None:
        raise EngineError(f"{driver.name}: there is no IPv{family} address to connect to")
    published = server.published if way.via is Via.PUBLISHED else None
    return Call(caller, bind, target, published)

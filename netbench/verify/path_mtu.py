"""The largest packet that a path carries, by datagrams of growing size that no one may fragment.

What an MTU promises and what arrives can differ: a link below has a smaller one, and the message
that says so (ICMP "fragmentation needed", RFC 1191) is dropped somewhere. Small packets then pass
and large ones vanish: a connection opens, and hangs with the first full segment.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal

from netbench.drivers import Driver, PathClaim
from netbench.drivers.links import parent_of
from netbench.engines.base import Endpoint, Engine
from netbench.engines.local_process import attempts
from netbench.errors import ENGINE_FAILURES, EngineError, FactError
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import BOUND
from netbench.record import EndpointFacts, Link, PairFacts
from netbench.spec import REACH_PORTS, VXLAN_HEADERS, Family, Path
from netbench.topology.pairs import LivePair
from netbench.topology.paths import Call, namespaces_of

SMALLEST: Final = 576  # bytes that every host must take, RFC 1122 §3.3.2
LARGEST: Final = 65_535  # bytes of an IPv4 packet, RFC 791
_HEADERS: Final = 28  # bytes of IPv4 and UDP
_PATIENCE: Final = (0.2, 1.0)  # seconds to wait for an answer, at the first try and at the second
_LIMIT: Final = 120.0  # seconds after which the server ends by itself
_WITHIN: Final = 10.0  # seconds until it listens
_SEND: Final = 'dd if=/dev/zero bs="$0" count=1 2>/dev/null | socat -b"$1" -t"$2" -T"$2" - "$3"'
_REFUSED: Final = "Message too long"  # EMSGSIZE: the sender's kernel knows a smaller MTU
Passed = Literal["yes", "refused", "lost"]


@dataclass(frozen=True, slots=True)
class PathMtu:
    """What was found of one path."""

    path: Path
    link: int  # bytes, the MTU of the client's own link
    found: int | None  # bytes, the largest packet that arrived and was answered; None for none
    evidence: str

    @property
    def short(self) -> bool:
        """Whether the path carries less than its first link says."""
        return self.found is None or self.found < min(self.link, LARGEST)


def largest(link: int, passes: Callable[[int], Passed]) -> tuple[int | None, str]:
    """Return the largest packet in bytes that passes, at most `link`, and what became of others."""
    high = min(link, LARGEST)
    if passes(high) == "yes":
        return high, f"{high} bytes arrived whole"
    if high <= SMALLEST or passes(SMALLEST) != "yes":
        return None, f"not even {min(high, SMALLEST)} bytes arrived"
    low = SMALLEST
    while high - low > 1:
        middle = (low + high) // 2
        answer = passes(middle)
        low, high = (middle, high) if answer == "yes" else (low, middle)
    how = passes(high)
    words = {
        "refused": f"the kernel refused {high} ({_REFUSED}): a sender learns of it",
        "lost": f"{high} vanished without a word: a connection hangs with its first full segment",
        "yes": f"{high} arrived at the second try",
    }
    return low, f"{low} bytes arrived whole, {words[how]}"


def path_mtus(engine: Engine, live: LivePair) -> tuple[PathMtu, ...]:
    """Return what each path of a live pair carries, of those that are open over IPv4 here."""
    found = []
    for path in (Path.EAST_WEST, Path.NORTH_SOUTH):
        way = live.driver.ways[path]
        outside = path is Path.NORTH_SOUTH
        if not isinstance(way, PathClaim) or live.driver.recipe.family != Family.V4:
            continue
        if outside and live.lan is None:
            continue
        hops = live.driver.hops(path, live.facts)
        if hops:
            found.append(_measured(engine, live, path, hops[0].link.mtu))
    return tuple(found)


def _measured(engine: Engine, live: LivePair, path: Path, link: int) -> PathMtu:
    try:
        call = live.call(path)
        with answering(engine, live.server, call) as port:
            size, evidence = largest(link, lambda size: passes(engine, call, port, size))
    except (EngineError, FactError) as exc:
        return PathMtu(path, link, None, f"not measured: {exc}")
    return PathMtu(path, link, size, evidence)


@contextmanager
def answering(engine: Engine, endpoint: Endpoint, call: Call) -> Iterator[int]:
    """Have an endpoint answer datagrams; yield the port that the client sends to."""
    server = namespaces_of(engine, endpoint)
    used = ports_in_use(server, None, "udp")
    if call.published is None:
        own = outside = next(port for port in REACH_PORTS if port not in used)
    else:
        both = [
            one
            for one in call.published
            if "udp" in one.port.protocols and one.port.number not in used
        ]
        if not both:
            raise EngineError("no UDP port of the server is published and free")
        own, outside = both[0].port.number, both[0].host_port
    argv = ("socat", "-T5", f"UDP4-RECVFROM:{own},fork", "PIPE")
    process = engine.start(endpoint, argv, cpu=None, limit=_LIMIT)
    try:
        for _ in attempts(_WITHIN, 0.02):
            if own in ports_in_use(server, BOUND, "udp") or not process.alive():
                break
        if not process.alive():
            raise EngineError(f"socat does not serve: {process.wait(1.0).stderr.strip()[:200]}")
        yield outside
    finally:
        with suppress(*ENGINE_FAILURES):
            process.signal("KILL")
            process.wait(2.0)


def passes(engine: Engine, call: Call, port: int, size: int) -> Passed:
    """Send one packet of `size` bytes with DF set (`ip-mtu-discover=2`), and wait for an answer."""
    answer: Passed = "lost"
    for seconds in _PATIENCE:
        target = f"UDP4:{call.target}:{port},ip-mtu-discover=2"
        words = (str(size - _HEADERS), str(LARGEST), str(seconds), target)
        done = engine.run(call.client, ("sh", "-c", _SEND, *words), timeout=_WITHIN)
        if done.stdout:
            return "yes"
        answer = "refused" if _REFUSED in done.stderr else "lost"
    return answer


def mtu_excess(driver: Driver, facts: PairFacts) -> str | None:
    """Return that a network's MTU is larger than that of what lies below it; None if it is not."""
    client = facts.client
    own = next((link for link in client.links if link.name == "eth0"), None)
    if own is None or client.namespaces.net == facts.host.namespaces.net:
        return None
    below = _below(driver, facts)
    if below is None:
        return None
    words, mtu = below
    if own.mtu <= mtu:
        return None
    return (
        f"{driver.name}: the container's {own.name} has an MTU of {own.mtu}, and {words} carries "
        f"{mtu}: larger packets are dropped or cut there; give the network mtu={mtu}"
    )


def _below(driver: Driver, facts: PairFacts) -> tuple[str, int] | None:
    """Return what carries a network's packets on, in words, with the MTU left for them."""
    parent = parent_of(facts.client, facts)
    if parent is not None:
        return f"its parent {parent.name}", parent.mtu
    uplink = _uplink(facts.host, facts.uplink)
    if uplink is None:
        return None
    network = driver.recipe.network
    if network is not None and network.driver == "overlay":
        return f"VXLAN over {uplink.name} of the host", uplink.mtu - VXLAN_HEADERS
    return f"{uplink.name} of the host, by which packets leave it,", uplink.mtu


def _uplink(host: EndpointFacts, lan: str | None) -> Link | None:
    """Return the host's link with its default route, else that to the emulated LAN."""
    default = next((route.link for route in host.routes if route.destination == "default"), lan)
    return None if default is None else host.link(default)

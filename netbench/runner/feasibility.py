"""Which steps can run, by engine and pairs; of a closed path the proof, with the tool itself."""

from dataclasses import dataclass, field
from typing import Final

from netbench.drivers import Closed, Proof
from netbench.engines.base import Endpoint, Engine
from netbench.errors import EngineError
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import LISTEN
from netbench.plan import Plan, Step
from netbench.probes import Probe, Sliced, UdpSearch, chooses, strerror_name
from netbench.probes.iperf3 import TcpThroughput
from netbench.record import Failure, Skip
from netbench.runner.prepared import said
from netbench.runner.recording import broken
from netbench.runner.setup import seen_while_alive
from netbench.spec import Arm, Attach, Path, Role
from netbench.topology.pairs import LiveBlock, LivePair, NotUp
from netbench.topology.paths import own_address

_PORT = 21000
_ELSEWHERE = "198.18.0.1"  # an address of RFC 2544's block: any that is not loopback does
_TRY = 8.0  # seconds a connection may be tried
_PATIENCE = ("--connect-timeout", "4000")  # ms: after the third ARP request: EHOSTUNREACH
_NOT_CONNECTED: Final = "unable to connect to server"  # before the system's words for why


@dataclass
class Feasibility:
    """What of one plan can be had from one engine."""

    plan: Plan
    engine: Engine
    _lacking: dict[tuple[str, Path], str] = field(default_factory=dict)  # reasons by driver
    _proofs: dict[tuple[Arm, Path], Skip | Failure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Ask the engine; nothing is made for the run yet."""
        for driver in self.plan.drivers:
            for path in self.plan.paths:
                # What a driver rules out by design takes no more than the pair itself.
                shut = isinstance(driver.ways[path], Closed)
                reason = self.engine.unsupported(driver.recipe, Path.EAST_WEST if shut else path)
                if reason is not None:
                    self._lacking[driver.name, path] = reason

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths that at least one driver has here."""
        return tuple(
            path
            for path in self.plan.paths
            if any((driver.name, path) not in self._lacking for driver in self.plan.drivers)
        )

    def has(self, arm: Arm) -> bool:
        """Tell whether an arm has a path here at all."""
        return any((arm.driver, path) not in self._lacking for path in self.plan.paths)

    def learn(self, block: LiveBlock) -> None:
        """Take a block's pairs: a driver is not tried again that is impossible with every pair."""
        self._proofs.clear()
        up = {arm.driver for arm, pair in block.pairs.items() if isinstance(pair, LivePair)}
        for arm, pair in block.pairs.items():
            if isinstance(pair, NotUp) and pair.impossible and arm.driver not in up:
                for path in self.plan.paths:
                    self._lacking.setdefault((arm.driver, path), pair.reason)

    def ruled_out(self, step: Step, pair: LivePair | NotUp | None) -> Skip | Failure | None:
        """Return the outcome of a step that cannot run, None if it can; raises `EngineLost`."""
        path = step.cell.path
        lacking = self._lacking.get((step.arm.driver, path))
        lacking = lacking or self.plan.impossible.get(step.cell.placement)
        lacking = lacking or self._without_choice(step)
        if lacking is not None:
            return Skip(lacking)
        if isinstance(pair, NotUp):
            return Failure("create", pair.reason, "")
        if pair is None:
            return None
        if pair.broken:
            return broken(pair.broken)
        way = pair.driver.ways[path]
        return self._closed(pair, path, way) if isinstance(way, Closed) else None

    def _without_choice(self, step: Step) -> str | None:
        """Return why a probe cannot run under a variant's congestion control."""
        wanted = self.plan.driver(step.arm.driver).recipe.congestion_control
        probe = self.plan.probes[step.cell.probe]
        first = probe.following(()) if isinstance(probe, UdpSearch) else probe
        if wanted is None or not isinstance(first, Probe | Sliced) or chooses(first):
            return None
        return f"{first.tool} cannot choose a congestion control, and {wanted} is asked for"

    def _closed(self, pair: LivePair, path: Path, way: Closed) -> Skip | Failure:
        """Return the proof that a path is closed, made once for a pair."""
        key = (pair.arm, path)
        if key not in self._proofs:
            try:
                self._proofs[key] = prove_closed(self.engine, pair, way)
            except EngineError as exc:
                self._proofs[key] = Failure("isolation", str(exc), "")
        return self._proofs[key]


def prove_closed(engine: Engine, live: LivePair, way: Closed) -> Skip | Failure:
    """Return a `Skip` by design with its evidence, a `Failure` where what must fail did not."""
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
    whose = "its pair's listening server"
    targets = [("127.0.0.1", f"{whose} by loopback"), (_ELSEWHERE, "any other address")]
    if address:
        targets = [(address, whose)]
    argv = probe.server_argv(targets[0][0], _PORT)
    server = engine.start(live.server, argv, cpu=None, limit=60)
    try:
        if not seen_while_alive(server, lambda: _PORT in ports_in_use(live.pair.server, LISTEN)):
            return Failure("isolation", "the pair's own server does not listen", "")
        seen = []
        for target, meaning in targets:
            calling = (*probe.session_argv(target, _PORT, None, 1.0), *_PATIENCE)
            found = _connect(engine, live.client, calling)
            if isinstance(found, Failure):
                return found
            seen.append(f"connect to {target} ({meaning}): {found}")
    finally:
        server.signal("KILL")
        server.wait(1.0)
    return Skip(way.reason, "; ".join(seen), by_design=True)


def _connect(engine: Engine, client: Endpoint, argv: tuple[str, ...]) -> str | Failure:
    """Return the errno of a failed connection; a `Failure` for any other end: it had connected."""
    done = engine.run(client, argv, timeout=_TRY)
    _, failed, why = done.stdout.partition(_NOT_CONNECTED)
    errno = strerror_name(why) if failed else None
    if errno is not None:
        return errno
    target = argv[argv.index("-c") + 1]
    return Failure("isolation", f"a connection to {target} did not fail as it must", said(done))


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

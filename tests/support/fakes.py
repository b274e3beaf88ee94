"""An engine, a reader and a sentinel of paper: our own protocols without a kernel behind them.

Nothing goes wrong unless a test says so. Tools print what real ones printed (tests/golden).
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from support.facts import bridge_pair, container_pair, host_pair, moved, none_pair
from support.golden import case

from netbench.drivers import DRIVERS
from netbench.engines.base import Endpoint, Network, Owned, Signal
from netbench.errors import EngineError, EngineLost, FactError
from netbench.facts.base import Pair
from netbench.plan import Plan
from netbench.probes import TcpRoundTrip, TcpThroughput
from netbench.record import Absent, Completed, FactValue, Ipam, PairFacts, SentinelReading
from netbench.sentinel.measure import Sentinel
from netbench.spec import Attach, Cpus, CpuTopology, NetworkSpec, Path, Placement, Recipe, Role

PAIRS: Mapping[str, Callable[[], PairFacts]] = {
    "none": none_pair,
    "host": host_pair,
    "bridge": bridge_pair,
    "bridge:user": bridge_pair,
    "container": container_pair,
}
CARRIED = 10**12
"""Bytes that a trial adds on every link: more than any captured tool received."""
NO_PROCESS = 2**22 + 1
"""Above PID_MAX_LIMIT: what is local to this engine is on paper too."""
THROUGHPUT, ROUND_TRIP = TcpThroughput(seconds=1, omit=1), TcpRoundTrip()
"""The probes as the captured tools were called."""

_PRINTED = {
    ("iperf3", Role.CLIENT): case("iperf3", "3.18", "ok"),
    ("iperf3", Role.SERVER): case("iperf3", "3.18", "server-side"),
    ("sockperf", Role.CLIENT): case("sockperf", "3.7", "ok"),
    ("sockperf", Role.SERVER): Completed((), -9, "", "", timed_out=False, seconds=1.0),
}
_REFUSED = case("iperf3", "3.18", "refused")
_UNREACHABLE = case("iperf3", "3.18", "network-unreachable")


def driver_of(name: str) -> str:
    """Return the driver from an endpoint's name."""
    stem = re.sub(r"^b\d+-|-[sc]$", "", name).removesuffix("-aa")
    return next(driver for driver in DRIVERS if driver.replace(":", "-") == stem)


def pair_of(name: str) -> str:
    """Return what the two endpoints of a pair have in common in their names."""
    return name[:-2]


class FakeProcess:
    """A tool that has printed everything before anybody waits for it."""

    def __init__(self, engine: "FakeEngine", endpoint: Endpoint, argv: tuple[str, ...]) -> None:
        self.engine = engine
        self.endpoint = endpoint
        self._argv = argv
        self.signals: list[Signal] = []
        self.ended = False

    @property
    def argv(self) -> tuple[str, ...]:
        return self._argv

    @property
    def port(self) -> int:
        return int(self._argv[self._argv.index("-p") + 1])

    def alive(self) -> bool:
        return not (self.ended or self.engine.mute(self))

    def signal(self, name: Signal) -> None:
        if self.ended:
            return
        self.signals.append(name)
        self.engine.log.append(
            (name, self.endpoint.role, self._argv[0], pair_of(self.endpoint.name))
        )
        if name == "KILL":
            self.ended = True

    def cpus(self) -> str | None:
        return "0"

    def wait(self, timeout: float) -> Completed:
        self.engine.answer()
        killed, self.ended = self.ended, True
        if self.endpoint.role is Role.CLIENT and self.engine.hangs(self):
            return Completed(self._argv, -9, "", "", timed_out=True, seconds=timeout)
        done = self.engine.prints(self)
        if self.endpoint.role is Role.CLIENT and not self.engine.idle(self):
            self.engine.carried[pair_of(self.endpoint.name)] += CARRIED
        return replace(done, argv=self._argv, exit_code=-9 if killed else done.exit_code)


@dataclass
class FakeEngine:
    """What a test may set to make something go wrong: names are drivers' names."""

    refuses: Mapping[str, str] = field(default_factory=dict)
    """Endpoints that cannot be made, with the reason."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Drivers that cannot be had here, with the reason."""
    dead_servers: frozenset[str] = frozenset()
    hanging: frozenset[str] = frozenset()
    """Clients that never end by themselves."""
    unmoved: frozenset[str] = frozenset()
    """Pairs whose counters stand still, whatever their tools say."""
    output: Mapping[str, Completed] = field(default_factory=dict)
    """What clients print instead."""
    leaks: Completed | None = None
    """What the client of an isolated pair prints instead of being refused."""
    unstartable: frozenset[str] = frozenset()
    lost_at: int | None = None
    """Number of the tool during which the engine goes away, from 1."""

    def __post_init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.networks: dict[str, Network] = {}
        self.processes: list[FakeProcess] = []
        self.carried: Counter[str] = Counter()
        self.log: list[tuple[Signal | str, Role, str, str]] = []
        self._pids = itertools.count(NO_PROCESS)
        self.name, self.why, self.local = "netns", "asked for", True

    def answer(self) -> None:
        """Raise once the engine is gone."""
        if self.lost_at is not None and len(self.processes) >= self.lost_at:
            raise EngineLost("the engine stopped answering")

    def mute(self, process: FakeProcess) -> bool:
        own = driver_of(process.endpoint.name) in self.dead_servers
        return own and process.endpoint.role is Role.SERVER

    def hangs(self, process: FakeProcess) -> bool:
        return driver_of(process.endpoint.name) in self.hanging

    def idle(self, process: FakeProcess) -> bool:
        return driver_of(process.endpoint.name) in self.unmoved

    def prints(self, process: FakeProcess) -> Completed:
        role = process.endpoint.role
        said = self.output.get(driver_of(process.endpoint.name)) if role is Role.CLIENT else None
        return said or _PRINTED[process.argv[0], role]

    @property
    def running(self) -> list[FakeProcess]:
        return [process for process in self.processes if not process.ended]

    def prepare(self) -> tuple[str, ...]:
        return ()

    def facts(self) -> Mapping[str, FactValue]:
        return {}

    def tools(self) -> Mapping[str, str]:
        return {}

    def cpu_topology(self) -> CpuTopology:
        return CpuTopology((0, 1), ((0,), (1,)))

    def unsupported(self, recipe: Recipe) -> str | None:
        return next((self.lacks[d] for d in self.lacks if DRIVERS[d].recipe == recipe), None)

    def host(self) -> Endpoint:
        return Endpoint("host", "host", Role.HOST, NO_PROCESS - 1, None, None)

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        self.answer()
        assert spec.driver == "bridge"
        self.networks[name] = Network(name, Ipam(name, "198.18.0.0/24", "198.18.0.1", "docker0"))
        return self.networks[name]

    def create_endpoint(
        self,
        name: str,
        role: Role,
        attach: Attach,
        *,
        network: Network | None,
        peer: Endpoint | None,
        cpus: tuple[int, ...],
    ) -> Endpoint:
        del cpus
        self.answer()
        assert (network is not None) == (attach is Attach.NETWORK)
        assert peer is not None or attach is not Attach.PEER
        if role is Role.CLIENT and driver_of(name) in self.refuses:
            raise EngineError(self.refuses[driver_of(name)])
        address = "198.18.0.2" if attach in (Attach.DEFAULT, Attach.NETWORK) else None
        self.endpoints[name] = Endpoint(name, name, role, next(self._pids), address, None)
        return self.endpoints[name]

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        self.answer()
        del self.endpoints[endpoint.id]
        for process in self.processes:
            process.ended = process.ended or process.endpoint is endpoint

    def remove_network(self, network: Network) -> None:
        self.answer()
        del self.networks[network.id]

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> FakeProcess:
        del cpu
        assert limit > 0
        self.answer()
        if driver_of(endpoint.name) in self.unstartable:
            raise EngineError("exec failed: no such file")
        self.processes.append(FakeProcess(self, endpoint, argv))
        self.log.append(("start", endpoint.role, argv[0], pair_of(endpoint.name)))
        return self.processes[-1]

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        del timeout
        self.answer()
        if argv[0] == "cat":
            text = self._sockets(endpoint) if argv[1] == "/proc/net/tcp" else "sl\n"
            return Completed(argv, 0, text, "", timed_out=False, seconds=0.0)
        assert argv[0] == "iperf3"
        if "127.0.0.1" in argv:
            return replace(self.leaks or _REFUSED, argv=argv)
        return replace(_UNREACHABLE, argv=argv)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        del run
        return ()

    def remove_owned(self, thing: Owned) -> None:
        raise AssertionError(f"nothing is owned, {thing} neither")

    def close(self) -> None:
        pass

    def _sockets(self, endpoint: Endpoint) -> str:
        """Return /proc/net/tcp: servers listen at once, clients are connected at once."""
        own = [p for p in self.running if p.endpoint is endpoint and not self.mute(p)]
        rows = [f"0: 00000000:{p.port:04X} 00000000:0000 0A" for p in own]
        clients = [
            p
            for p in self.running
            if p.endpoint.role is Role.CLIENT and pair_of(p.endpoint.name) == pair_of(endpoint.name)
        ]
        rows += [f"1: 00000000:{p.port:04X} 00000000:9000 01" for p in clients]
        return "\n".join(["sl", *rows])


@dataclass
class FakeReader:
    """Reads what the engine has carried; `bend` and `bend_later` change a driver's facts."""

    engine: FakeEngine
    bend: Mapping[str, Callable[[PairFacts], PairFacts]] = field(default_factory=dict)
    bend_later: Mapping[str, Callable[[PairFacts], PairFacts]] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    """Drivers whose pair cannot be read a second time."""

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        return [self._read(pair) for pair in pairs]

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        del seen
        name = self._name(pair)
        driver = driver_of(name)
        if driver in self.gone:
            raise FactError("the client (process 1000) is gone")
        facts = moved(self._facts(driver), self.engine.carried[pair_of(name)])
        return self.bend_later.get(driver, _same)(facts)

    def _read(self, pair: Pair) -> PairFacts | FactError:
        driver = driver_of(self._name(pair))
        if driver in self.unreadable:
            return FactError("unreadable output of ip")
        return self._facts(driver)

    def _facts(self, driver: str) -> PairFacts:
        return self.bend.get(driver, _same)(PAIRS[driver]())

    def _name(self, pair: Pair) -> str:
        return next(e.name for e in self.engine.endpoints.values() if e.pid == pair.client.pid)


def _same(facts: PairFacts) -> PairFacts:
    return facts


class ScriptedSentinel(Sentinel):
    """A sentinel that says these values one after another, and one state for ever after."""

    def __init__(self, values: Iterable[float | None] = ()) -> None:
        super().__init__()
        self._values = itertools.chain(values, itertools.repeat(50e9))

    def read(self, client_cpu: int | None, server_cpu: int | None) -> SentinelReading | Absent:
        del client_cpu, server_cpu
        value = next(self._values)
        return Absent("no sentinel here") if value is None else SentinelReading(value, 0.0)


def plan_of(
    *drivers: str,
    kinds: tuple[tuple[str, Placement], ...] = (("tcp-throughput", Placement.CROSS),),
    blocks: int = 1,
    max_time: float | None = None,
    impossible: Mapping[Placement, str] | None = None,
) -> Plan:
    """Return a plan for the captured tools on two CPUs."""
    lost = dict(impossible or {})
    cpus = {
        Placement.CROSS: Cpus(0, 1),
        Placement.SAME: Cpus(1, 1),
        Placement.NONE: Cpus(None, None),
    }
    return Plan(
        suite="test",
        drivers=tuple(DRIVERS[driver] for driver in drivers),
        baseline=drivers[0],
        kinds=tuple((probe, Path.EAST_WEST, placement) for probe, placement in kinds),
        probes={THROUGHPUT.name: THROUGHPUT, ROUND_TRIP.name: ROUND_TRIP},
        blocks=blocks,
        max_time=max_time,
        seed=1,
        margin=0.05,
        cpus={placement: pair for placement, pair in cpus.items() if placement not in lost},
        impossible=lost,
        cc=None,
    )

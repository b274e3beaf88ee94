"""An engine of paper: our own protocol without a kernel behind it, and without waiting.

Nothing goes wrong unless a test says so. Tools print what real ones printed (tests/golden), and
work on a clock that moves only when somebody waits for it.
"""

import itertools
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import IPv4Address
from typing import TypeVar

from support.clock import FakeClock
from support.facts import CLIENT, SERVER
from support.fake_tools import CARRIED, NO_PROCESS, RATE, RTT, FakeProcess, call_now
from support.golden import case
from support.pairs import (
    CLIENT6,
    HOST_ON_LAN,
    HOST_ON_LAN6,
    OUTSIDE,
    OUTSIDE6,
    PAIRS,
    SERVER6,
    with_lan,
)
from support.plans import STEMS, driver_of, plan_of

from netbench.engines.base import Endpoint, Lan, Network, Owned, Published, Signal
from netbench.errors import EngineError, EngineLost, Unsupported
from netbench.facts.procfs import ESTABLISHED, LISTEN
from netbench.plan.drivers import driver_named
from netbench.record import Completed, EndpointFacts, FactValue, Ipam
from netbench.spec import (
    Attach,
    CpuTopology,
    NetworkSpec,
    Node,
    Path,
    Port,
    Recipe,
    Role,
)
from netbench.system.files import LOCAL

__all__ = ["FakeEngine", "FakeProcess", "pair_of", "plan_of"]

T = TypeVar("T")
MAKING, REMOVING = 0.25, 0.125
"""Seconds that every network takes."""
_REFUSED = case("iperf3", "3.18", "refused")
_UNREACHABLE = case("iperf3", "3.18", "network-unreachable")
_SILENT = case("iperf3", "3.18", "no-route-to-host")


def pair_of(name: str) -> str:
    """Return what the endpoints of a pair, or of one trial, have in common in their names."""
    return re.sub(r"-[sc]\d*$", "", name)


@dataclass
class FakeEngine:
    """What a test may set to make something go wrong: names are drivers' names.

    Where it says "pairs", either a driver's name or the start of a pair's endpoints' names.
    """

    refuses: Mapping[str, str] = field(default_factory=dict)
    """Endpoints that cannot be made, with the reason."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Drivers that cannot be had here, with the reason."""
    pathless: Mapping[tuple[str, Path], str] = field(default_factory=dict)
    """Paths that a driver does not have here, with the reason."""
    impossible: Mapping[str, str] = field(default_factory=dict)
    """Drivers of which only the making shows that they cannot be had here, with the reason."""
    crowded: frozenset[str] = frozenset()
    """Drivers of which the engine starts any number of endpoints, whatever they promise."""
    served: str = "nat"
    """How published ports are served: `nat` or `proxy`."""
    dead_servers: frozenset[str] = frozenset()
    hanging: frozenset[str] = frozenset()
    """Clients that never end by themselves."""
    unmoved: frozenset[str] = frozenset()
    """Pairs whose counters stand still, whatever their tools say."""
    standing: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Pairs whose counters stand still in some rounds."""
    dies: Mapping[str, int] = field(default_factory=dict)
    """Pairs whose session's client ends by itself after so many slices."""
    deaf: frozenset[str] = frozenset()
    """Pairs whose tools can be neither held nor let go on."""
    late: Mapping[str, float] = field(default_factory=dict)
    """Pairs whose session's client works only so many seconds after it was woken."""
    latency: float = 0.0
    """Seconds within which a signal reaches a tool."""
    output: Mapping[str, Completed] = field(default_factory=dict)
    """What clients print instead."""
    server_output: Mapping[str, Completed] = field(default_factory=dict)
    """What servers print instead."""
    leaks: Completed | None = None
    """What the client of a closed path prints instead of failing to connect."""
    unstartable: frozenset[str] = frozenset()
    lost_at: int | None = None
    """Number of the tool during which the engine goes away, from 1."""
    lost_after: int | None = None
    """How often a client is let go on before the engine goes away."""

    def __post_init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.networks: dict[str, Network] = {}
        self.processes: list[FakeProcess] = []
        self.clock = FakeClock()
        self.released = 0
        """How often a client was let go on."""
        self.log: list[tuple[Signal | str, Role, str, str]] = []
        self.tried: Counter[str] = Counter()
        """Networks and endpoints asked for, by driver."""
        self.connects: list[tuple[str, ...]] = []
        """Commands of connections that must fail."""
        self.blocks: list[int] = []
        """Blocks that were begun, by their numbers."""
        self.lans = 0
        """How often the emulated LAN was asked for."""
        self._whole: Counter[str] = Counter()
        """Bytes that trials have carried, by pair."""
        self._lock = threading.Lock()
        self._pids = itertools.count(NO_PROCESS)
        self._host_ports = itertools.count(30001)
        self.name, self.why, self.local = "netns", "asked for", True
        self.files, self.ask = LOCAL, None

    def answer(self) -> None:
        """Raise once the engine is gone."""
        tools, goings = len(self.processes), self.released
        if self.lost_at is not None and tools >= self.lost_at:
            raise EngineLost("the engine stopped answering")
        if self.lost_after is not None and goings >= self.lost_after:
            raise EngineLost("the engine stopped answering")

    def led_to(self, endpoint: Endpoint, port: int) -> tuple[str, int]:
        """Return the pair that a tool serves or calls, and the server's own port."""
        if endpoint.role is Role.SERVER:
            return pair_of(endpoint.name), port
        for server in self.endpoints.values():
            for one in server.published:
                if one.host_port == port:
                    return pair_of(server.name), one.port.number
        if endpoint.role is Role.CLIENT:
            return pair_of(endpoint.name), port
        (called,) = {p.pair for p in self.running if p.role is Role.SERVER and p.port == port}
        return called, port

    def mute(self, process: FakeProcess) -> bool:
        return process.driver in self.dead_servers and process.role is Role.SERVER

    def hangs(self, process: FakeProcess) -> bool:
        return process.driver in self.hanging

    def note(self, process: FakeProcess, name: Signal) -> None:
        """Take down a signal."""
        self.log.append((name, process.role, process.tool, process.pair))
        self.released += name == "CONT"

    def dies_after(self, process: FakeProcess) -> int | None:
        return _of(self.dies, process)

    def late_by(self, process: FakeProcess) -> float:
        return _of(self.late, process) or 0.0

    def standing_of(self, process: FakeProcess) -> frozenset[int]:
        """Return the rounds in which a client's links stand still."""
        return _of(self.standing, process) or frozenset()

    def prints(self, process: FakeProcess) -> Completed:
        said = self.output if process.role is Role.CLIENT else self.server_output
        if process.tool == "sh":
            return said.get(process.driver) or call_now()
        return said.get(process.driver) or process.said(next(iter(self._clients(process)), None))

    def _clients(self, server: FakeProcess) -> list[FakeProcess]:
        """Return the clients of a server, the last one first."""
        return [
            one
            for one in reversed(self.processes)
            if one.role is Role.CLIENT and (one.pair, one.inner) == (server.pair, server.inner)
        ]

    def read_by(self, process: FakeProcess) -> int:
        """Return the bytes that an end of a stream has read."""
        if process.role is Role.CLIENT:
            return int(RATE * process.worked()) if process.directions()[1] else 0
        sending = [one for one in self._clients(process) if one.directions()[0]]
        return int(RATE * sum(one.worked() for one in sending))

    def carried_whole(self, process: FakeProcess) -> None:
        """Take down that a tool that was never held has carried what it says."""
        if not process.of(self.unmoved):
            with self._lock:
                self._whole[process.pair] += CARRIED

    def counted(self, pair: str) -> int:
        """Return what the links of a pair count by now.

        Those of the host's namespace count for every pair that uses it.
        """
        shared = driver_of(pair).partition("@")[0] == "host"
        pairs = self._pairs() if shared else {pair}
        return sum(self._carried(one) for one in pairs if not shared or _is_hosts(one))

    def _pairs(self) -> set[str]:
        return {one.pair for one in self.processes} | {pair_of(name) for name in self.endpoints}

    def _carried(self, pair: str) -> int:
        own = [one for one in self.processes if one.pair == pair and one.role is Role.CLIENT]
        held = [one for one in own if one.held_once and not one.of(self.unmoved)]
        return self._whole[pair] + sum(one.on_links() for one in held)

    @property
    def running(self) -> list[FakeProcess]:
        return [process for process in self.processes if not process.ended]

    @property
    def nodes(self) -> Mapping[Node, "FakeEngine"]:
        return {Node.FIRST: self}

    def turn(self, block: int) -> None:
        self.blocks.append(block)

    def prepare(self) -> tuple[str, ...]:
        return ()

    def facts(self) -> Mapping[str, FactValue]:
        return {}

    def tools(self) -> Mapping[str, str]:
        return {}

    def cpu_topology(self) -> CpuTopology:
        return CpuTopology((0, 1), ((0,), (1,)))

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        here = {name for name in STEMS.values() if driver_named(name).recipe == recipe}
        lacking = [self.lacks[name] for name in here if name in self.lacks]
        pathless = [self.pathless[name, path] for name in here if (name, path) in self.pathless]
        return next(iter([*lacking, *pathless]), None)

    def lan(self) -> Lan:
        self.answer()
        self.lans += 1
        return _wire(0)

    def host(self) -> Endpoint:
        return Endpoint("host", "host", Role.HOST, NO_PROCESS - 1, None, None)

    def host_for(self, attach: Attach) -> Endpoint:
        del attach
        return self.host()

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        self.answer()
        driver = driver_of(name)
        self.tried[driver] += 1
        if driver in self.impossible:
            raise Unsupported(self.impossible[driver])
        subnet6, gateway6 = ("2001:2::/64", "2001:2::1") if spec.ipv6 else (None, None)
        ipam = Ipam(name, "198.18.0.0/24", "198.18.0.1", "docker0", subnet6, gateway6)
        lan = _wire(1) if spec.on_lan else None
        self.networks[name] = Network(name, ipam, lan, took=MAKING)
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
        publish: tuple[Port, ...] = (),
        published: str | None = None,
        runtime: str | None = None,
    ) -> Endpoint:
        del cpus, runtime
        assert publish or published is None
        self.answer()
        assert (network is not None) == (attach is Attach.NETWORK)
        assert peer is not None or attach is not Attach.PEER
        driver = driver_of(name)
        if role is Role.CLIENT and driver in self.refuses:
            raise EngineError(self.refuses[driver])
        if name.endswith("-second") and driver not in self.crowded:
            raise EngineError("failed to create the macvlan port: invalid argument")
        address = address6 = None
        if attach in {Attach.DEFAULT, Attach.NETWORK}:
            address = SERVER if role is Role.SERVER else CLIENT
            address6 = SERVER6 if role is Role.SERVER else CLIENT6
        self.endpoints[name] = Endpoint(
            name,
            name,
            role,
            next(self._pids),
            address,
            network.ipam if network else None,
            address6=address6 if network and network.ipam and network.ipam.subnet6 else None,
            published=tuple(
                Published(port, port.number if port.fixed else next(self._host_ports))
                for port in publish
            ),
        )
        return self.endpoints[name]

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        self.answer()
        del self.endpoints[endpoint.id]
        for process in self.processes:
            process.ended = process.ended or process.endpoint is endpoint

    def remove_network(self, network: Network) -> float | None:
        self.answer()
        del self.networks[network.id]
        return REMOVING

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> FakeProcess:
        del cpu
        assert limit > 0
        self.answer()
        with self._lock:
            process = FakeProcess(self, endpoint, argv)
        if process.driver in self.unstartable:
            raise EngineError("exec failed: no such file")
        self.processes.append(process)
        self.log.append(("start", process.role, argv[0], process.pair))
        return process

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        del timeout
        self.answer()
        if argv[0] in {"cat", "head"}:
            return Completed(
                argv, 0, self._file(endpoint, argv[-1]), "", timed_out=False, seconds=0
            )
        if argv[0] == "sh":
            return replace(
                self.server_output.get(driver_of(endpoint.name)) or call_now(), argv=argv
            )
        assert argv[0] == "iperf3"
        self.connects.append(argv)
        target = argv[argv.index("-c") + 1]
        fails = {"127.0.0.1": _REFUSED, SERVER: _SILENT, SERVER6: _SILENT}
        if target in fails:
            return replace(self.leaks or fails[target], argv=argv)
        return replace(_UNREACHABLE, argv=argv)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        del run
        return ()

    def remove_owned(self, thing: Owned) -> None:
        raise AssertionError(f"nothing is owned, {thing} neither")

    def way_in(self, endpoint: Endpoint) -> tuple[str, ...]:
        return ("enter", endpoint.name)

    def close(self, *, keep: bool = False) -> None:
        self.kept = keep

    def visit(self, name: str) -> Endpoint:
        raise EngineError(f"nobody is called {name} here")

    def _file(self, endpoint: Endpoint, path: str) -> str:
        """Return what is read in an endpoint: sockets are IPv4's, and little else is there."""
        match path:
            case "/proc/net/dev":
                return self._links(endpoint)
            case "/proc/net/snmp":
                return f"Tcp: PassiveOpens AttemptFails\nTcp: {self._accepted(endpoint)} 0\n"
        rows = self._sockets(endpoint) if path == "/proc/net/tcp" else []
        return "\n".join(["sl", *(f"{n}: {row}" for n, row in enumerate(rows))])

    def _accepted(self, endpoint: Endpoint) -> int:
        own = [
            p for p in self.processes if p.tool == "netperf" and p.pair == pair_of(endpoint.name)
        ]
        return int(sum(process.worked() for process in own) / RTT)

    def _links(self, endpoint: Endpoint) -> str:
        """Return /proc/net/dev: links of the host's namespace count for every pair on them."""
        counts: Counter[str] = Counter()
        role = endpoint.role
        if role in {Role.CLIENT, Role.SERVER} and not _is_hosts(pair_of(endpoint.name)):
            pair = pair_of(endpoint.name)
            carried = self._carried(pair)
            counts.update(dict.fromkeys(_links_of(driver_of(pair), role), carried))
        else:
            there = Role.LAN if role is Role.LAN else Role.HOST
            for pair in self._pairs():
                carried, on_lo = self._carried(pair), _is_hosts(pair)
                names = _links_of(driver_of(pair), there)
                counts.update({n: carried for n in names if n != "lo" or on_lo})
        rows = [f"{name}: {n} 0 0 0 0 0 0 0 {n} 0 0 0 0 0 0 0" for name, n in counts.items()]
        return "\n".join(["Inter-", " face", *rows])

    def _sockets(self, endpoint: Endpoint) -> list[str]:
        """Servers listen at once, clients are connected at once."""
        clients = [p for p in self.running if p.role is Role.CLIENT]
        if endpoint.role is Role.HOST:
            proxied = clients if self.served == "proxy" else []
            return [_row(HOST_ON_LAN, p.port, ESTABLISHED, OUTSIDE) for p in proxied]
        listening = [p for p in self.running if p.endpoint is endpoint and not self.mute(p)]
        rows = [_row("0.0.0.0", p.port, LISTEN) for p in listening if p.role is Role.SERVER]  # noqa: S104
        source = "198.18.0.1" if self.served == "proxy" else OUTSIDE
        own = [p for p in clients if p.pair == pair_of(endpoint.name)]
        return [*rows, *(_row(SERVER, p.inner, ESTABLISHED, source) for p in own)]


def _of(table: Mapping[str, T], process: FakeProcess) -> T | None:
    """Return what a table says of a process's pair, or else of its driver."""
    found = table.get(process.pair)
    return table.get(process.driver) if found is None else found


def _is_hosts(pair: str) -> bool:
    """Tell whether both ends are in the host's own network namespace."""
    return driver_of(pair).partition("@")[0] == "host"


@cache
def _links_of(driver: str, role: Role) -> frozenset[str]:
    facts = with_lan(PAIRS[driver.partition("@")[0]]())
    return frozenset(link.name for link in _end(facts.ends, role).links)


def _end(ends: Iterable[EndpointFacts], role: Role) -> EndpointFacts:
    return next(end for end in ends if end.role is role)


def _row(local: str, port: int, state: str, remote: str = "0.0.0.0") -> str:  # noqa: S104
    """Return a row of /proc/net/tcp without its number."""

    def written(address: str) -> str:
        return IPv4Address(address).packed[::-1].hex().upper()

    return f"{written(local)}:{port:04X} {written(remote)}:9000 {state}"


def _wire(number: int) -> Lan:
    outside = Endpoint("lan", "lan", Role.LAN, NO_PROCESS - 2, OUTSIDE, None, address6=OUTSIDE6)
    return Lan(outside, f"nblan{number}", HOST_ON_LAN, HOST_ON_LAN6)

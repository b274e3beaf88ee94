"""Runs as they come out of a two-core virtual machine, made from a seed; for tests only.

Every closed-loop probe is measured in sessions: in each block, each round gives every arm one slice
in random order. The second core is a far one for some blocks, which halves the throughput of every
arm alike; bridge has 0.78 of host's throughput and 1.24 times its round trip on one core.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from statistics import geometric_mean, median
from typing import Final, Literal

from netbench.analysis import Analysis, BlockDelta, Contrast, Verdict, analyse
from netbench.drivers import DRIVERS, Driver, Hop
from netbench.record import (
    SCHEMA,
    Absent,
    Address,
    EndpointFacts,
    Failure,
    HopProof,
    Ipam,
    Link,
    LinkCounters,
    Measurement,
    Namespaces,
    Outcome,
    PairFacts,
    PathProof,
    Pins,
    PlacementCpus,
    PlanSummary,
    Record,
    Route,
    RunInfo,
    Sample,
    SentinelReading,
    SentinelWindow,
    SeriesPoint,
    Skip,
    Slice,
    ToolRun,
    TrialTimes,
)
from netbench.report import Digest, digest
from netbench.spec import Cell, Path, Placement, Role

ALL: Final = ("none", "host", "bridge", "bridge:user", "container")
CELLS: Final = (
    ("tcp-throughput", Placement.CROSS),
    ("tcp-rr", Placement.SAME),
    ("tcp-rr", Placement.CROSS),
)
MANY_CELLS: Final = (
    *CELLS,
    ("tcp-throughput", Placement.SAME),
    ("udp-rr", Placement.SAME),
)
"""Twenty-two metrics, those of one cell beside those of another."""
THROUGHPUT: Final = {"host": 22.4e9, "container": 22.3e9, "bridge": 17.5e9, "bridge:user": 17.3e9}
RTT_SAME: Final = {"host": 13.7e-6, "container": 13.7e-6, "bridge": 17e-6, "bridge:user": 17.2e-6}
RTT_CROSS: Final = {"host": 55e-6, "container": 55.2e-6, "bridge": 60.8e-6, "bridge:user": 61e-6}
BRIDGES: Final = {"bridge": ("docker0", 3), "bridge:user": ("br-5f2c9d11a0be", 7)}
ROUNDS: Final = 5
SLICE: Final = {"tcp-throughput": 0.3}
"""Seconds of a stream's slice; of round trips it is `SHORT`."""
SHORT: Final = 0.1
TAILS: Final = (
    (0.0, 0.86),
    (0.25, 0.97),
    (0.5, 1.0),
    (0.75, 1.04),
    (0.9, 1.1),
    (0.99, 1.32),
    (0.999, 1.9),
    (0.9999, 4.1),
    (0.99999, 7.7),
    (1.0, 11.0),
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run's information and its records."""

    info: RunInfo
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """A run with what reports are made from."""

    info: RunInfo
    records: tuple[Record, ...]
    analysis: Analysis
    digest: Digest


@cache
def reported(
    seed: int = 1, blocks: int = 8, drivers: tuple[str, ...] = ALL, baseline: str = "host"
) -> Reported:
    """Return a run, judged and digested; made once for all tests."""
    run = run_of(seed, blocks, drivers, baseline)
    analysis = analyse(run.info, run.records)
    return Reported(run.info, run.records, analysis, digest(analysis, run.records))


@cache
def run_of(
    seed: int = 1, blocks: int = 8, drivers: tuple[str, ...] = ALL, baseline: str = "host"
) -> Run:
    """Return a complete run with one failed trial in block 3."""
    info = info_of(seed, blocks, drivers, baseline)
    return Run(info, tuple(records_of(info, seed)))


def info_of(
    seed: int,
    blocks: int,
    drivers: tuple[str, ...],
    baseline: str,
    cells: tuple[tuple[str, Placement], ...] = CELLS,
) -> RunInfo:
    every = tuple(
        Cell(driver, Path.EAST_WEST, probe, placement)
        for driver in drivers
        for probe, placement in cells
    )
    plan = PlanSummary(
        suite="quick",
        drivers=drivers,
        baseline=baseline,
        cells=every,
        blocks=blocks,
        cap=blocks,
        max_time=None,
        seed=seed,
        margin=0.05,
        placements=(PlacementCpus("cross", 0, 1), PlacementCpus("same", 1, 1)),
        congestion_control=None,
    )
    return RunInfo(
        schema=SCHEMA,
        id="20260114T101500Z-7c1e",
        version="0.1.0",
        created="2026-01-14T10:15:00Z",
        command=("netbench", "run", "--drivers", ",".join(drivers)),
        engine="docker",
        engine_why="its socket unix:///var/run/docker.sock answered",
        plan=plan,
        tools=(("iperf3", "iperf 3.18 (cJSON 1.7.15)"), ("sockperf", "sockperf, version 3.7")),
        facts=(
            ("host.cpu_model", "AMD EPYC 7B13"),
            ("host.cpus", 2),
            ("host.hypervisor", True),
            ("host.memory", 8_345_083_904),
            ("host.governor", Absent("no cpufreq on this machine")),
            ("kernel.release", "6.12.41+deb13-amd64"),
            ("net.tcp_congestion_control", "cubic"),
            ("engine.version", "26.1.5"),
            ("engine.rootless", False),
        ),
        helpers=("a reader on the host's network, all capabilities dropped",),
        status="complete",
        finished="2026-01-14T10:22:11Z",
        wall=blocks * len(cells) * (len(drivers) + 1) * ROUNDS * 0.2 + 12,
        notes=("names and addresses that identify a site are left out",),
    )


def records_of(info: RunInfo, seed: int) -> Iterator[Record]:
    """Yield the records in order; a generator, so that large runs need no memory."""
    random = Random(seed)  # noqa: S311 - no secret, a figure
    drivers, baseline = info.plan.drivers, info.plan.baseline
    arms = [(driver, 0) for driver in drivers] + [(baseline, 1)]
    kinds = dict.fromkeys((cell.probe, cell.placement) for cell in info.plan.cells)
    number = 0
    now = 1000.0
    for block in range(1, info.plan.blocks + 1):
        for probe, placement in kinds:
            random.shuffle(arms)
            group = _group(random, probe, placement, now, len(arms))
            for position, (driver, replica) in enumerate(arms, 1):
                number += 1
                cell = Cell(driver, Path.EAST_WEST, probe, placement)
                place = _Place(number, block, position, replica)
                yield _record(random, cell, group, place)
            now += group.seconds + 1


@dataclass(frozen=True, slots=True)
class _Group:
    """What the sessions of one probe in one block share."""

    started: float
    """CLOCK_MONOTONIC seconds."""
    seconds: float
    far: bool
    slice: float
    """Seconds of a slice."""
    orders: tuple[tuple[int, ...], ...]
    """Of each round the places of the sessions, by their positions."""
    sentinel: SentinelWindow


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record stands in its run."""

    number: int
    block: int
    position: int
    replica: int


def _group(random: Random, probe: str, placement: Placement, now: float, arms: int) -> _Group:
    length = SLICE.get(probe, SHORT)
    seconds = ROUNDS * arms * length
    far = placement is Placement.CROSS and _far(now)
    orders = tuple(tuple(random.sample(range(1, arms + 1), arms)) for _ in range(ROUNDS))
    window = _sentinel(random, placement, (now - 0.1, now + seconds + 0.1), far=far)
    return _Group(now, seconds, far, length, orders, window)


def _record(random: Random, cell: Cell, group: _Group, place: _Place) -> Record:
    recipe = DRIVERS.get(cell.driver, DRIVERS["bridge"])
    isolated = recipe.isolated
    facts = _facts(recipe.name, place.number)
    promises = tuple(promise.judge(facts) for promise in recipe.promises)
    outcome, slices = (_isolation(), ()) if isolated else _outcome(random, cell, group, place)
    measuring = 0.0 if isolated else ROUNDS * group.slice
    minute = 15 + int(group.started - 1000) // 60 % 45
    return Record(
        number=place.number,
        block=place.block,
        position=place.position,
        attempt=1,
        cell=cell,
        replica=place.replica,
        outcome=outcome,
        clock=TrialTimes(
            f"2026-01-14T10:{minute:02d}:00Z", group.started, group.seconds, measuring
        ),
        pins=_pins(cell.placement, isolated=isolated),
        sentinel=_UNREAD if isolated else group.sentinel,
        tools=() if isolated else _tools(cell, place.number),
        endpoints=(facts.client, facts.server, facts.host),
        promises=promises,
        path=_path(recipe, facts, outcome) if isinstance(outcome, Sample) else None,
        facts=(("trial.steal", 0.001), ("trial.busy", 0.97)),
        slices=slices,
    )


def _far(now: float) -> bool:
    """Tell whether the second core is a far one just now: for a fifth of the time."""
    return 46 < (now - 1000) % 100 < 66


def _pins(placement: Placement, *, isolated: bool) -> Pins:
    client, server = (0, 1) if placement is Placement.CROSS else (1, 1)
    if isolated:
        return Pins(client, server, None, None)
    return Pins(client, server, str(client), str(server))


_UNREAD: Final = SentinelWindow("none", None, None, "nothing was measured")


def _sentinel(
    random: Random, placement: Placement, times: tuple[float, float], *, far: bool
) -> SentinelWindow:
    def reading(at: float) -> SentinelReading:
        if placement is Placement.SAME:
            return SentinelReading(148e3 * math.exp(random.gauss(0, 0.01)), at)
        return SentinelReading((15.5e9 if far else 49e9) * math.exp(random.gauss(0, 0.03)), at)

    before, after = map(reading, times)
    method: Literal["stream", "pingpong"] = "pingpong" if placement is Placement.SAME else "stream"
    return SentinelWindow(method, before, after)


def _outcome(
    random: Random, cell: Cell, group: _Group, place: _Place
) -> tuple[Outcome, tuple[Slice, ...]]:
    stream = cell.probe == "tcp-throughput"
    if stream and cell.driver == "bridge:user" and place.block == 3:
        reason = "iperf3: unable to connect to server: Connection refused"
        evidence = '{"error": "unable to connect to server: Connection refused"}'
        return Failure("client", reason, evidence), ()
    session = math.exp(random.gauss(0, 0.012))
    if stream:
        level = THROUGHPUT.get(cell.driver, 20e9) * session / (1 + group.far)
    else:
        base = RTT_SAME if cell.placement is Placement.SAME else RTT_CROSS
        level = base.get(cell.driver, 20e-6) * session * (1.24 if group.far else 1)
    values = [level * math.exp(random.gauss(0, 0.01)) for _ in range(ROUNDS)]
    slices = tuple(
        _slice(group, number, order[place.position - 1], value, stream=stream)
        for number, (order, value) in enumerate(zip(group.orders, values, strict=True), 1)
    )
    if stream:
        return _throughput(random, slices), slices
    return _round_trips(random, slices), slices


def _slice(group: _Group, number: int, order: int, value: float, *, stream: bool) -> Slice:
    """Return one slice; its first 20 ms do not count."""
    arms = len(group.orders[0])
    begin = group.started + ((number - 1) * arms + order - 1) * group.slice
    bytes_ = value / 8 * group.slice if stream else 64 * group.slice / value
    return Slice(
        round=number,
        order=order,
        start=begin + 0.02,
        end=begin + group.slice,
        value=value,
        received=int(bytes_),
        returned=0 if stream else int(bytes_),
    )


def _isolation() -> Skip:
    shown = (
        "connect to 127.0.0.1 (its pair's listening server by loopback): ECONNREFUSED",
        "connect to 198.18.0.1 (any other address): ENETUNREACH",
    )
    return Skip("isolated by design", "; ".join(shown), by_design=True)


def _throughput(random: Random, slices: tuple[Slice, ...]) -> Sample:
    values = [one.value for one in slices if one.value is not None]
    series = tuple(
        SeriesPoint(one.start - slices[0].start, one.end - slices[0].start, one.value)
        for one in slices
        if one.value is not None
    )
    return Sample(
        measurements=(
            Measurement("throughput", geometric_mean(values), "bit/s"),
            Measurement("retransmits", float(random.randrange(0, 40)), "count"),
        ),
        received=sum(one.received for one in slices),
        series=series,
        details=(("congestion_control", "cubic"), ("cpu_client", 0.88)),
    )


def _round_trips(random: Random, slices: tuple[Slice, ...]) -> Sample:
    p50 = median(one.value for one in slices if one.value is not None)
    quantiles = tuple(
        (q, p50 * (factor if q <= 0.5 else factor * math.exp(abs(random.gauss(0, 0.05)))))
        for q, factor in TAILS
    )
    rising = tuple(
        (q, max(value for _, value in quantiles[: i + 1])) for i, (q, _) in enumerate(quantiles)
    )
    at = dict(rising)
    named = (
        ("rtt_p50", 0.5),
        ("rtt_p90", 0.9),
        ("rtt_p99", 0.99),
        ("rtt_p999", 0.999),
        ("rtt_max", 1.0),
    )
    return Sample(
        measurements=(
            *(Measurement(name, at[q], "s") for name, q in named),
            Measurement("transactions", 0.97 / p50, "1/s"),
        ),
        received=sum(one.received + one.returned for one in slices),
        quantiles=rising,
        returned=sum(one.returned for one in slices),
    )


def _tools(cell: Cell, number: int) -> tuple[ToolRun, ...]:
    address = "127.0.0.1" if cell.driver in {"host", "container"} else "198.18.0.3"
    stem = f"raw/{number:06d}"
    client: tuple[str, ...]
    server: tuple[str, ...]
    if cell.probe == "tcp-throughput":
        client = ("iperf3", "-J", "-c", address, "-p", "5201", "-t", "2", "-O", "1", "-i", "0.2")
        server = ("iperf3", "-J", "-s", "-1", "-p", "5201")
    else:
        client = ("sockperf", "pp", "-i", address, "-p", "5201", "--tcp", "-t", "2", "--full-rtt")
        server = ("sockperf", "sr", "-i", address, "-p", "5201", "--tcp")
    return (
        ToolRun(Role.SERVER, server, None, False, 2.4, f"{stem}-server.txt", ""),
        ToolRun(Role.CLIENT, client, 0, False, 2.1, f"{stem}-client.txt", ""),
    )


def _namespaces(driver: str, role: Role, number: int) -> Namespaces:
    host = Namespaces(
        4026531835,
        4026531839,
        4026531841,
        4026531840,
        4026531836,
        4026531837,
        4026531838,
        4026531834,
    )
    if role is Role.HOST:
        return host
    first = 4026540000 + number * 40 + (0 if role is Role.CLIENT else 10)
    net = {"host": host.net, "container": 4026540000 + number * 40 + 5}.get(driver, first + 4)
    return replace(host, ipc=first, mnt=first + 1, pid=first + 2, uts=first + 3, net=net)


def contrast_of(**changes: object) -> Contrast:
    """Return a decided contrast, with the fields that matter overridden."""
    contrast = Contrast(
        driver="bridge",
        baseline="host",
        path="east-west",
        probe="tcp-throughput",
        placement=Placement.CROSS,
        metric="throughput",
        unit="bit/s",
        primary=True,
        blocks=8,
        ratio=0.78,
        low=0.75,
        high=0.81,
        difference=-4.9e9,
        driver_median=17.5e9,
        baseline_median=22.4e9,
        verdict=Verdict.SLOWER,
        noise_floor=0.02,
        warnings=(),
        deltas=tuple(BlockDelta(block, math.log(0.78)) for block in range(1, 9)),
        median_ratio=0.78,
        unshared=(0.76, 0.80),
    )
    return replace(contrast, **changes)  # type: ignore[arg-type] # field values by name, for tests


def link_of(name: str, index: int, kind: str | None, **changes: object) -> Link:
    """Return a link that is up, with the fields that matter overridden."""
    link = Link(
        name=name,
        index=index,
        kind=kind,
        mode=None,
        parent=None,
        peer=None,
        peer_nsid=None,
        master=None,
        mtu=65536 if name == "lo" else 1500,
        mac="00:00:00:00:00:00" if name == "lo" else f"02:42:c6:12:00:{index % 256:02x}",
        up=True,
        qdisc="noqueue",
        txqlen=1000,
        gso_max_size=65536,
        gro_max_size=65536,
        tso_max_size=524280,
        offloads=("tx-checksum-ip-generic", "tx-tcp-segmentation", "rx-gro"),
        counters=LinkCounters(8_400_000_000, 8_400_000_000, 160_000, 160_000, 0, 0),
    )
    return replace(link, **changes)  # type: ignore[arg-type] # field values by name, for tests


def _facts(driver: str, number: int) -> PairFacts:
    roles = (Role.CLIENT, Role.SERVER, Role.HOST)
    client, server, host = (_endpoint(driver, role, number) for role in roles)
    bridge, _ = BRIDGES.get(driver, (None, 0))
    return PairFacts(
        client=client,
        server=server,
        host=host,
        target="198.18.0.3",
        ipam=Ipam("bench", "198.18.0.0/24", "198.18.0.1", bridge) if bridge else None,
        reader="netlink",
    )


def _endpoint(driver: str, role: Role, number: int) -> EndpointFacts:
    lo = link_of("lo", 1, None)
    bridge, bridge_index = BRIDGES.get(driver, BRIDGES["bridge"])
    ports = tuple(
        link_of(f"veth{number:05x}{end}", index, "veth", peer=2, peer_nsid=nsid, master=bridge)
        for end, index, nsid in (("c", 40, 0), ("s", 42, 1))
    )
    host_links = (
        lo,
        link_of("eth0", 2, None, qdisc="fq_codel"),
        link_of(bridge, bridge_index, "bridge"),
        *(ports if driver in BRIDGES else ()),
    )
    octet = 2 if role is Role.CLIENT or driver == "container" else 3
    addresses: tuple[Address, ...] = (Address("lo", "127.0.0.1", 8),)
    routes: tuple[Route, ...] = ()
    if role is Role.HOST or driver == "host":
        links: tuple[Link, ...] = host_links
        addresses += (Address(bridge, "198.18.0.1", 24),)
        routes = (Route("198.18.0.0/24", None, bridge),)
    elif driver == "none":
        links = (lo,)
    else:
        peer = 40 if role is Role.CLIENT or driver == "container" else 42
        links = (lo, link_of("eth0", 2, "veth", peer=peer, peer_nsid=0))
        addresses += (Address("eth0", f"198.18.0.{octet}", 24),)
        routes = (Route("default", "198.18.0.1", "eth0"), Route("198.18.0.0/24", None, "eth0"))
    return EndpointFacts(
        role=role,
        pid=2000 + number,
        namespaces=_namespaces(driver, role, number),
        links=links,
        addresses=addresses,
        routes=routes,
        congestion_control="cubic",
    )


def _path(recipe: Driver, facts: PairFacts, sample: Sample) -> PathProof:
    there, back = sample.received - sample.returned, sample.returned
    return PathProof(
        held=True,
        required=there,
        returned=back,
        hops=tuple(
            _proof(hop, *((there * 26 // 25, back * 26 // 25) if hop.counted != "none" else (0, 0)))
            for hop in recipe.hops(Path.EAST_WEST, facts)
        ),
        route="198.18.0.3 dev eth0 src 198.18.0.2",
        reader="netlink",
    )


def _proof(hop: Hop, moved: int, back: int) -> HopProof:
    link = hop.link
    after = link.counters.rx_bytes
    return HopProof(
        namespace=hop.role.value,
        link=link.name,
        index=link.index,
        kind=link.kind,
        mode=link.mode,
        mtu=link.mtu,
        mac=link.mac,
        peer=link.peer,
        master=link.master,
        qdisc=link.qdisc,
        offloads=link.offloads,
        rx_before=after - moved,
        rx_after=after,
        tx_before=after - moved,
        tx_after=after,
        counted=hop.counted,
        moved=moved,
        back=back,
    )

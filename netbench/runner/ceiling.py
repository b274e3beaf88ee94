"""What no driver should beat: memory copies and the loopback stream on the trials' own CPUs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from netbench.drivers import DRIVERS
from netbench.engines.base import Engine
from netbench.errors import EngineError, FactError
from netbench.facts.base import Reader
from netbench.facts.procfs import read_local
from netbench.plan import Plan, Step
from netbench.probes import TcpThroughput
from netbench.record import Absent, FactValue, Sample
from netbench.runner.node_meter import meter_of
from netbench.runner.prepared import TrialFailed
from netbench.runner.recording import Recorder, Recording, failure_of
from netbench.runner.rounds import SessionRunner
from netbench.runner.setup import TrialSetup
from netbench.sentinel import Sentinel
from netbench.spec import Arm, Cell, Cpus, Path, Placement
from netbench.topology.pairs import LiveBlock, LivePair

HOST: Final = "host"  # the driver whose traffic within the machine is the loopback stream
STREAM: Final = TcpThroughput.name  # the kind of probe that is a stream
CACHED: Final = 128 * 1024  # bytes of the copy within the caches: what tools write at a time
_SECONDS: Final = 0.02  # length of one copying
_TIMES: Final = 3  # copyings of which the fastest counts, as on an idle machine
_BEYOND: Final = (32 * 1024**2, 128 * 1024**2)  # least and most bytes of the copy beyond caches
_ROUNDS: Final = 5  # slices of the loopback stream
_NAMES: Final = {Path.EAST_WEST: "loopback", Path.ACROSS: "wire"}
"""What the host's own stream shows on paths on which it is a ceiling."""
_CACHES: Final = "/sys/devices/system/cpu/cpu{}/cache/index3/size"


def ceiling(engine: Engine, reader: Reader, plan: Plan, sentinel: Sentinel) -> dict[str, FactValue]:
    """Return the run's `ceiling.*` facts for every placement of the plan; raises `EngineLost`.

    Copies take a quarter of a second for each CPU. The loopback stream is the host arm's where the
    plan has one; else it is measured here once, by one session.
    """
    copies = dict(_copies(plan, sentinel))
    return copies | {
        f"ceiling.{placement}.{_NAMES[path]}": _stream(
            engine, reader, plan, sentinel, Cell(HOST, path, STREAM, placement)
        )
        for path, placement in _wanting(plan)
    }


def _copies(plan: Plan, sentinel: Sentinel) -> Iterator[tuple[str, FactValue]]:
    cpus = {cpu for pair in plan.cpus.values() for cpu in _pinned(pair)}
    big = {cpu: beyond_caches(cpu) for cpu in cpus}
    small = {cpu: _fastest(sentinel, cpu, CACHED) for cpu in cpus}
    large = {cpu: _fastest(sentinel, cpu, big[cpu]) for cpu in cpus}
    if any(not isinstance(rate, Absent) for rate in large.values()):
        yield "ceiling.copy_block", max(big.values())
    for placement, pair in plan.cpus.items():
        for name, found in (("copy", small), ("copy_memory", large)):
            yield f"ceiling.{placement}.{name}", _slowest([found[cpu] for cpu in _pinned(pair)])


def _fastest(sentinel: Sentinel, cpu: int, block: int) -> float | Absent:
    found = [sentinel.copy(cpu, block, _SECONDS) for _ in range(_TIMES)]
    known = [rate for rate in found if not isinstance(rate, Absent)]
    return max(known) if known else found[0]


def _pinned(pair: Cpus) -> tuple[int, ...]:
    return tuple(cpu for cpu in (pair.client, pair.server) if cpu is not None)


def _slowest(rates: list[float | Absent]) -> float | Absent:
    """Return the lower figure of the placement's CPUs: every byte passes both."""
    absent = [rate for rate in rates if isinstance(rate, Absent)]
    known = [rate for rate in rates if not isinstance(rate, Absent)]
    return absent[0] if absent else min(known, default=Absent("unpinned"))


def beyond_caches(cpu: int) -> int:
    """Return a block beyond a CPU's caches, bytes, within bounds: a guest may misreport them."""
    found = re.fullmatch(r"(\d+)([KM])", (read_local(_CACHES.format(cpu)) or "").strip())
    least, most = _BEYOND
    size = int(found[1]) * {"K": 1024, "M": 1024**2}[found[2]] if found else most
    return min(max(size, least), most)


def _wanting(plan: Plan) -> tuple[tuple[Path, Placement], ...]:
    """Return the cells with streams between containers, where no host arm shows the ceiling."""
    if any(driver.name == HOST for driver in plan.drivers):
        return ()
    streams = (
        (path, placement)
        for name, path, placement in plan.kinds
        if path in _NAMES and plan.probes[name].name == STREAM
    )
    return tuple(one for one in dict.fromkeys(streams) if one[1] not in plan.impossible)


def _stream(
    engine: Engine, reader: Reader, plan: Plan, sentinel: Sentinel, cell: Cell
) -> FactValue:
    """Run one session on the engine's host, or from host to host, and return its rate."""
    driver, arm = DRIVERS[HOST], Arm(HOST)
    lacking = engine.unsupported(driver.recipe, cell.path)
    if lacking is not None:
        return Absent(lacking)
    probe = TcpThroughput(rounds=_ROUNDS)
    step = Step(1, arm, cell)
    alone = replace(plan, probes={**plan.probes, STREAM: probe})
    meter = meter_of(engine)
    # Raw output is kept nowhere: the figure is the run's, not a trial's.
    recorder = Recorder(engine, reader, lambda *_: "", meter, sentinel)
    setup = TrialSetup(engine, alone, meter.clock)
    try:
        block = LiveBlock(
            engine,
            reader,
            [(arm, driver)],
            prefix="ceiling",
            cpus=plan.run_cpus,
            paths=(cell.path,),
        )
        with block as live:
            pair = live.pairs[arm]
            if not isinstance(pair, LivePair):
                return Absent(pair.reason)
            prepared = setup.prepare_session(pair, step, 1)
            session = Recording(recorder, 0, 0, 1, step), prepared
            (record,) = SessionRunner(recorder).carry_out([session], [[arm]] * _ROUNDS)
    except (TrialFailed, EngineError, FactError) as exc:
        return Absent(failure_of(exc).reason)
    if not isinstance(record.outcome, Sample):
        return Absent(record.outcome.reason)
    value = record.outcome.value(probe.metrics[0])
    return Absent("the tool gave no rate") if value is None else value

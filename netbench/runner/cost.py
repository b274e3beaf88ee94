"""What a trial cost in CPU time, from two readings while its load was steady. Pure.

Costs are ratios of rates over nearly the same window, CPU seconds per second over bytes per second,
so that neither what the engine does to start a tool nor a tool's own warm-up is in them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace as changed

from netbench.facts.cpu_time import TICK, Machine
from netbench.record import Absent, FactValue, Measurement, Sample
from netbench.spec import Cpus
from netbench.system.cgroups import CpuUsage
from netbench.units import SECONDS

Facts = tuple[tuple[str, FactValue], ...]

SHORTEST: Final = 20 * TICK
"""Seconds: a shorter window has too few ticks for a cost."""
_KINDS: Final = ("user", "nice", "system", "irq", "softirq")
_BITS: Final = 8
_NO_TICK: Final = Absent("no tick of /proc/stat passed")
_UNPINNED: Final = Absent("client and server were not pinned")


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one moment."""

    at: float
    """CLOCK_MONOTONIC seconds."""
    machine: Machine
    client: CpuUsage | Absent
    """CPU time of the client's end."""
    server: CpuUsage | Absent
    source: Literal["cgroup", "processes"] | Absent
    """What the ends' CPU time was read from."""
    cycles: int | Absent


def joined(windows: Sequence[tuple[Reading, Reading]]) -> tuple[Reading, Reading]:
    """Return two readings between which as much has passed as in all of these windows together."""
    first, last = windows[0]
    for before, after in windows[1:]:
        last = Reading(
            at=last.at + (after.at - before.at),
            machine=last.machine.plus(after.machine.since(before.machine)),
            client=_plus(last.client, before.client, after.client),
            server=_plus(last.server, before.server, after.server),
            source=after.source,
            cycles=_counted(last.cycles, before.cycles, after.cycles),
        )
    return first, last


def _plus(
    total: CpuUsage | Absent, before: CpuUsage | Absent, after: CpuUsage | Absent
) -> CpuUsage | Absent:
    match total, before, after:
        case CpuUsage(), CpuUsage(), CpuUsage():
            parts = (total.system, before.system, after.system)
            known = [part for part in parts if part is not None]
            system = known[0] + known[2] - known[1] if len(known) == len(parts) else None
            return CpuUsage(total.total + after.total - before.total, system)
        case _:
            return next(one for one in (total, before, after) if isinstance(one, Absent))


def _counted(total: int | Absent, before: int | Absent, after: int | Absent) -> int | Absent:
    match total, before, after:
        case int(), int(), int():
            return total + after - before
        case _:
            return next(one for one in (total, before, after) if isinstance(one, Absent))


def idle_rate(before: Reading, after: Reading) -> float | Absent:
    """Return CPU seconds per second of a window in which nothing ran."""
    seconds = after.at - before.at
    if seconds < SHORTEST:
        return Absent(f"the idle window of {seconds:.2f} s is too short for ticks of {TICK:g} s")
    return after.machine.all.since(before.machine.all).busy * TICK / seconds


def cost_facts(before: Reading, after: Reading, idle: float | Absent, cpus: Cpus) -> Facts:
    """Return the trial facts of a window: rates in CPU seconds per second, thus in CPUs.

    `trial.unattributed` is `trial.busy_above_idle` less both ends, and may be negative: ticks
    undercount, and softirq time may be charged to whom it interrupts.
    """
    seconds = after.at - before.at
    passed = after.machine.since(before.machine)
    if passed.all.total <= 0 or seconds <= 0:
        return (("trial.busy", _NO_TICK), ("trial.steal", _NO_TICK))
    share = 1 - (passed.all.idle + passed.all.iowait) / passed.all.total
    busy = passed.all.busy * TICK / seconds
    above = idle if isinstance(idle, Absent) else busy - idle
    ends = {
        "client": _rates(before.client, after.client, seconds),
        "server": _rates(before.server, after.server, seconds),
    }
    return (
        ("trial.busy", share),
        ("trial.steal", passed.all.steal / passed.all.total),
        ("trial.cost_window", seconds),
        ("trial.cost_resolution", TICK / seconds),
        *((f"trial.busy_{kind}", getattr(passed.all, kind) * TICK / seconds) for kind in _KINDS),
        *_by_pin(passed, seconds, cpus),
        ("trial.idle_busy", idle),
        ("trial.busy_above_idle", above),
        ("trial.softirq_share", passed.all.softirq / passed.all.busy if busy else _NO_TICK),
        ("trial.cgroup_source", after.source),
        *((f"trial.cgroup_{end}", total) for end, (total, _) in ends.items()),
        *((f"trial.cgroup_{end}_system", system) for end, (_, system) in ends.items()),
        ("trial.unattributed", _rest(above, ends["client"][0], ends["server"][0])),
        ("trial.cycles", _cycles(before.cycles, after.cycles, seconds)),
    )


def _by_pin(passed: Machine, seconds: float, cpus: Cpus) -> Iterator[tuple[str, FactValue]]:
    """Yield the busy rate of the client's CPU, of the server's, and of all others together."""
    rates = {cpu: times.busy * TICK / seconds for cpu, times in passed.each.items()}
    for end, cpu in (("client", cpus.client), ("server", cpus.server)):
        unseen = Absent(f"/proc/stat has no CPU {cpu}")
        yield f"trial.busy_{end}_cpu", _UNPINNED if cpu is None else rates.get(cpu, unseen)
    pins = {cpus.client, cpus.server}
    others = math.fsum(rate for cpu, rate in rates.items() if cpu not in pins)
    yield "trial.busy_other_cpus", _UNPINNED if pins == {None} else others


def _rates(
    before: CpuUsage | Absent, after: CpuUsage | Absent, seconds: float
) -> tuple[float | Absent, float | Absent]:
    """Return CPU seconds per second of one end: all of it, and that in the kernel."""
    if isinstance(before, Absent):
        return before, before
    if isinstance(after, Absent):
        return after, after
    total = (after.total - before.total) / seconds
    if after.system is None or before.system is None:
        return total, Absent("its share in the kernel is not told")
    return total, (after.system - before.system) / seconds


def _rest(above: float | Absent, client: float | Absent, server: float | Absent) -> float | Absent:
    match above, client, server:
        case float(), float(), float():
            return above - client - server
        case _:
            return next(part for part in (above, client, server) if isinstance(part, Absent))


def _cycles(before: int | Absent, after: int | Absent, seconds: float) -> float | Absent:
    if isinstance(before, Absent):
        return before
    return after if isinstance(after, Absent) else (after - before) / seconds


def priced(sample: Sample, facts: Facts, declared: tuple[str, ...]) -> Sample:
    """Return a sample with its costs, as far as its window and its probe give any.

    `cpu_per_byte` is the busy rate above idle over received bytes per second,
    `cpu_per_transaction` the same over transactions or connections per second. A rate that is
    not a tick above that of the idle window gives no cost.

    Args:
        sample: what the probe read.
        facts: of the window, as `cost_facts`.
        declared: metrics that the probe may give.
    """
    known = dict(facts)
    busy, window = known.get("trial.busy_above_idle"), known.get("trial.cost_window")
    if not isinstance(busy, float) or not isinstance(window, float) or window < SHORTEST:
        return sample
    bits = sample.value("throughput")
    per_byte = {"cpu_per_byte": bits / _BITS if bits else None}
    per_time = {"cpu_per_transaction": sample.value("transactions") or sample.value("connections")}
    costs = tuple(
        Measurement(metric, busy / rate, SECONDS)
        for metric, rate in (per_byte | per_time).items()
        if metric in declared and rate and busy > TICK / window
    )
    cycles = known.get("trial.cycles")
    details = (
        (("cycles_per_byte", cycles / (bits / _BITS)),)
        if isinstance(cycles, float) and bits and "cpu_per_byte" in declared
        else ()
    )
    return changed(
        sample,
        measurements=(*sample.measurements, *costs),
        details=(*sample.details, *details),
    )

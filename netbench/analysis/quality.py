"""Warnings about a run as a whole, the machine aside, and about blocks without a value."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from netbench.analysis.ceiling import beyond
from netbench.analysis.columns import Wholes, groups
from netbench.analysis.contrasts import CellComparison, ContrastTarget
from netbench.analysis.frame import Frames, Trials
from netbench.analysis.machine import of_machine
from netbench.analysis.model import Ceiling, QualityWarning
from netbench.record import RunInfo
from netbench.spec import options_of

CONNTRACK_FULL: Final = 0.9
"""Share of the most connections a host tracks above which it may refuse new ones."""
LITTLE: Final = 0.05
"""Deviation from one request under way above which a closed loop is warned of (METHOD §3)."""
STATUS: Final = {
    "running": "the run has no end: it was killed, or still goes on",
    "out-of-time": "the run reached --max-time before its last block",
    "interrupted": "the run was interrupted",
    "engine-lost": "the engine stopped answering",
}


def of_run(
    info: RunInfo,
    frames: Frames,
    moved: Iterable[QualityWarning],
    ceilings: tuple[Ceiling, ...],
) -> tuple[QualityWarning, ...]:
    """Return every warning about the run as a whole; `moved` are those about its baseline."""
    trials, samples = frames.trials, frames.trials.samples
    return (
        *_unfinished(info, trials),
        *_resumed(info),
        *_failures(trials),
        *_congestion_control(info, samples),
        *of_machine(info, trials, samples),
        *_little(samples),
        *_conntrack(info, trials),
        *beyond(ceilings),
        *_retransmits(info, frames),
        *moved,
    )


class Trouble(NamedTuple):
    """One record without a number."""

    record: int
    driver: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What ran in one cell."""

    every: Wholes
    """Blocks, each once."""
    blocks: dict[str, Wholes]
    """The same, by driver."""
    lost: Trials
    """Those without a number."""

    def troubles(self, drivers: Collection[str], blocks: Wholes) -> dict[int, list[Trouble]]:
        """Return what went wrong with these drivers in each of these blocks."""
        rows = np.isin(self.lost.block, blocks) & self.lost.driver.among(drivers)
        own = self.lost.at(rows)
        columns = (own.block, own.record, own.driver, own.outcome, own.reason)
        found: defaultdict[int, list[Trouble]] = defaultdict(list)
        for block, *trouble in zip(*(column.tolist() for column in columns), strict=True):
            found[block].append(Trouble(*trouble))
        return found


def ran(trials: Trials) -> dict[tuple[str, ...], Ran]:
    """Return what ran, by path, probe and placement."""
    found: dict[tuple[str, ...], Ran] = {}
    for name, rows in groups(trials.path, trials.probe, trials.placement):
        drivers, blocks = trials.driver[rows], trials.block[rows]
        found[name] = Ran(
            np.unique(blocks),
            {driver: np.unique(blocks[own]) for (driver,), own in groups(drivers)},
            trials.at(rows[~trials.outcome[rows].equal("sample")]),
        )
    return found


def incomplete(
    cell: Ran, target: ContrastTarget, comparison: CellComparison, baseline: str, until: int
) -> tuple[QualityWarning, ...]:
    """Return a warning with the reasons where blocks gave this contrast no value.

    Only those count that it ran in: up to block `until`.
    """
    blocks = cell.every[cell.every <= until]
    lost = blocks[~np.isin(blocks, comparison.blocks(target.driver))]
    if not len(lost):
        return ()
    both = (target.driver, baseline)
    theirs = [cell.blocks[driver] for driver in both if driver in cell.blocks]
    began = lost[np.isin(lost, np.concatenate(theirs))] if theirs else lost[:0]
    troubles = cell.troubles(both, began)
    reasons = Counter(_why(troubles.get(block, ())) for block in began.tolist())
    reasons["not run"] += len(lost) - reasons.total()
    return (
        QualityWarning(
            "incomplete-blocks",
            f"{len(lost)} of {len(blocks)} blocks have no value of both: {_counted(+reasons)}",
            "look at the evidence of the failed records; run more blocks with --blocks",
        ),
    )


def _why(troubles: Iterable[Trouble]) -> str:
    """Return why a block has no value of both a driver and its baseline."""
    ordered = sorted(troubles, key=lambda trouble: trouble.record)
    for outcome, word in (("failure", "failed"), ("skip", "skipped")):
        first = next((trouble for trouble in ordered if trouble.outcome == outcome), None)
        if first is not None:
            return f"{first.driver} {word}: {first.reason}"
    return "no value of this metric"


def _counted(reasons: Counter[str]) -> str:
    """Return reasons with their counts, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{reason} ({count})" for reason, count in ordered)


def _unfinished(info: RunInfo, trials: Trials) -> Iterator[QualityWarning]:
    budgeted = info.plan.adaptive and info.status == "out-of-time"
    if info.status in STATUS and not budgeted:
        blocks = int(np.max(trials.block, initial=0))
        yield QualityWarning(
            info.status,
            f"{STATUS[info.status]}; {blocks} of {info.plan.blocks} blocks were begun",
            "`netbench run --resume DIR --max-time +S` measures more blocks"
            if info.status == "out-of-time"
            else "`netbench run --resume DIR` continues with the next block, or the one cut off",
        )


def _resumed(info: RunInfo) -> Iterator[QualityWarning]:
    """Yield that a run was resumed by force on a machine that had changed."""
    for resumed in info.resumed:
        if resumed.differences:
            yield QualityWarning(
                "resumed-changed",
                f"from block {resumed.block} on the run was resumed with --force although this had "
                f"changed: {'; '.join(map(str, resumed.differences))}",
                "its ratios mix both conditions: measure again where that matters",
            )


def _failures(trials: Trials) -> Iterator[QualityWarning]:
    failed = trials.at(trials.outcome.equal("failure"))
    if len(failed):
        reasons = Counter(
            {
                f"{driver}, {probe}: {reason}": len(rows)
                for (driver, probe, reason), rows in groups(
                    failed.driver, failed.probe, failed.reason
                )
            }
        )
        yield QualityWarning(
            "failed-trials",
            f"{len(failed)} of {len(trials)} records failed: {_counted(reasons)}",
            "look at their evidence in the table of records",
        )


def _congestion_control(info: RunInfo, samples: Trials) -> Iterator[QualityWarning]:
    used: defaultdict[str, list[str]] = defaultdict(list)
    for (driver, name), _ in groups(samples.driver, samples.congestion_control):
        used[driver].append(name)
    own = {driver: options_of(driver).get("cc") for driver in used}
    told = "; ".join(f"{driver}: {', '.join(names)}" for driver, names in used.items())
    if len({name for driver, names in used.items() if own[driver] is None for name in names}) > 1:
        yield QualityWarning(
            "congestion-control",
            f"the drivers did not use the same congestion control: {told}",
            "choose one that every container may use, with --cc",
        )
    asked = {driver: own[driver] or info.plan.congestion_control for driver in used}
    strayed = {asked[d] for d, names in used.items() if asked[d] and names != [asked[d]]}
    for name in sorted(name for name in strayed if name is not None):
        yield QualityWarning(
            "congestion-control-not-as-asked",
            f"{name} was asked for; used were {told}",
            "choose one that `tcp_allowed_congestion_control` lists",
        )


def _conntrack(info: RunInfo, trials: Trials) -> Iterator[QualityWarning]:
    """Yield that the host's connection tracking table was nearly full."""
    most = dict(info.facts).get("net.conntrack_max")
    if not isinstance(most, int):
        return
    full = trials.conntrack[trials.conntrack > CONNTRACK_FULL * most]
    if len(full):
        yield QualityWarning(
            "conntrack",
            f"the host tracked up to {np.max(full):.0f} of at most {most} connections after "
            f"{len(full)} records",
            "a full table drops connections: raise net.netfilter.nf_conntrack_max, or make fewer "
            "(`connections`)",
        )


def _little(samples: Trials) -> Iterator[QualityWarning]:
    """Yield closed loops that break Little's law: rate x mean time = requests under way, one."""
    loops = samples.at(~np.isnan(samples.concurrency))
    stray = np.abs(loops.concurrency - 1)
    strays = loops.at(stray > LITTLE)
    if len(strays):
        (worst,) = zip(
            *(
                column[np.argsort(stray[stray > LITTLE], kind="stable")[-1:]].tolist()
                for column in (strays.concurrency, strays.driver, strays.probe, strays.record)
            ),
            strict=True,
        )
        yield QualityWarning(
            "little",
            f"rate times mean time is not the one request under way in {len(strays)} of "
            f"{len(loops)} request-response records: {worst[0]:.3f} at worst "
            f"({worst[1]}, {worst[2]}, record {worst[3]})",
            "the tool's rate and times do not cover the same interval: look at its raw output and "
            "use neither figure of these records",
        )


def _retransmits(info: RunInfo, frames: Frames) -> Iterator[QualityWarning]:
    others = [probe.name for probe in info.plan.probes if "retransmits" not in probe.metrics]
    numbers = frames.numbers
    own = ~frames.trials.probe[numbers.row].among(others)
    rates, counts = (
        numbers.row[own & numbers.metric.equal(metric)] for metric in ("throughput", "retransmits")
    )
    unknown = len(np.setdiff1d(rates, counts))
    if unknown:
        yield QualityWarning(
            "retransmits-unknown",
            f"the tool gave no retransmit count in {unknown} of {len(np.unique(rates))} "
            "throughput records",
            "use a kernel and an iperf3 that report TCP_INFO",
        )


def measuring_share(info: RunInfo, trials: Trials) -> float | None:
    """Return seconds of measuring over wall seconds of the run, None where the run has no end."""
    if info.wall is None or info.wall <= 0:
        return None
    return math.fsum(trials.measuring.tolist()) / info.wall

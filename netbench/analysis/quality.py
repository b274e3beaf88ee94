"""Warnings about a run as a whole, the machine aside, and about blocks without a value."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from statistics import median
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.ceiling import beyond
from netbench.analysis.cell_key import CellKey
from netbench.analysis.frame import Frames, Trial
from netbench.analysis.machine import drifts, of_machine
from netbench.analysis.missing import MissingRecords
from netbench.analysis.model import Ceiling, QualityWarning
from netbench.errors import cut
from netbench.record import RunInfo
from netbench.record.checks import Damage
from netbench.spec import options_of

CONNTRACK_FULL: Final = 0.9  # share of the most connections that is nearly all
LITTLE: Final = 0.05  # deviation from one request under way that is too large (METHOD §3)
STATUS: Final = {
    "running": "the run has no end: it was killed, or still goes on",
    "out-of-time": "the run reached --max-time before its last block",
    "interrupted": "the run was interrupted",
    "engine-lost": "the engine stopped answering",
}
MANY_RETRANSMITS: Final = 1000  # segments sent again in a session, median, that are many

_COUNTED: Final = 20  # distinct reasons that a warning counts one by one
_REASONS: Final = 3  # damaged lines of which the reason is told


def of_folder(missing: MissingRecords, damage: Damage | None) -> Iterator[QualityWarning]:
    """Yield what a run folder lacks: records that were planned, and lines that are no record."""
    if missing:
        yield QualityWarning(
            "missing-records",
            missing.words,
            "`netbench run --resume DIR` measures them; figures are made of the records that are "
            "there",
        )
    if damage is not None and damage.lines:
        is_are = "line is" if len(damage.lines) == 1 else "lines are"
        yield QualityWarning(
            "damaged-records",
            f"{len(damage.lines):,} {is_are} no record of this run, and left out: {damage.named} "
            f"of records.jsonl ({'; '.join(map(cut, damage.reasons[:_REASONS]))})",
            "take records.jsonl from a copy of the folder, if there is one",
        )


def of_run(
    info: RunInfo, frames: Frames, ceilings: tuple[Ceiling, ...]
) -> tuple[QualityWarning, ...]:
    """Return every warning about the run as a whole, what its folder lacks aside."""
    samples = frames.samples
    return (
        *_unfinished(info, frames.blocks),
        *_resumed(info),
        *_failures(frames.trials),
        *_congestion_control(info, samples),
        *of_machine(info, frames),
        *_little(samples),
        *_conntrack(info, frames.trials),
        *beyond(ceilings),
        *_retransmits(info, frames),
        *_many_retransmits(frames),
        *drifts(frames, info.plan),
    )


def incomplete(
    trials: Sequence[Trial], compared: Collection[int], drivers: tuple[str, str], until: int
) -> tuple[QualityWarning, ...]:
    """Return a warning with the reasons if blocks up to `until` gave a contrast no value.

    `trials` are those of its cell, `compared` the blocks with a value of both `drivers`.
    """
    blocks = {trial.block for trial in trials if trial.block <= until}
    lost = blocks.difference(compared)
    if not lost:
        return ()
    began: defaultdict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.block in lost and trial.cell.driver in drivers:
            began[trial.block].append(trial)
    reasons = Counter(_why(began[block]) if block in began else "not run" for block in lost)
    return (
        QualityWarning(
            "incomplete-blocks",
            f"{len(blocks) - len(lost)} of {len(blocks)} blocks usable: {_counted(reasons)}",
            "look at the evidence of the failed records; run more blocks with --blocks",
        ),
    )


def _why(lost: Iterable[Trial]) -> str:
    ordered = sorted(lost, key=lambda trial: trial.record)
    for outcome, word in (("failure", "failed"), ("skip", "skipped")):
        for trial in ordered:
            if trial.outcome == outcome:
                return f"{trial.cell.driver} {word}: {trial.reason}"
    return "no value of this metric"


def _counted(reasons: Counter[str]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    more = sum(count for _, count in ordered[_COUNTED:])
    said = "; ".join(f"{reason} ({count})" for reason, count in ordered[:_COUNTED])
    return f"{said}; other reasons ({more})" if more else said


def _unfinished(info: RunInfo, blocks: int) -> Iterator[QualityWarning]:
    budgeted = info.plan.adaptive and info.status == "out-of-time"
    if info.status in STATUS and not budgeted:
        yield QualityWarning(
            info.status,
            f"{STATUS[info.status]}; {blocks} of {info.plan.blocks} blocks were begun",
            "`netbench run --resume DIR --max-time +S` measures more blocks"
            if info.status == "out-of-time"
            else "`netbench run --resume DIR` continues with the next block, or the one cut off",
        )


def _resumed(info: RunInfo) -> Iterator[QualityWarning]:
    for resumed in info.resumed:
        if resumed.differences:
            yield QualityWarning(
                "resumed-changed",
                f"from block {resumed.block} on the run was resumed with --force although this had "
                f"changed: {'; '.join(map(str, resumed.differences))}",
                "its ratios mix both conditions: measure again where that matters",
            )


def _failures(trials: Sequence[Trial]) -> Iterator[QualityWarning]:
    failed = Counter(
        f"{trial.cell.driver}, {trial.cell.probe}: {trial.reason}"
        for trial in trials
        if trial.outcome == "failure"
    )
    if failed:
        yield QualityWarning(
            "failed-trials",
            f"{failed.total()} of {len(trials)} records failed: {_counted(failed)}",
            "look at their evidence in the table of records",
        )


def _congestion_control(info: RunInfo, samples: Iterable[Trial]) -> Iterator[QualityWarning]:
    used: defaultdict[str, list[str]] = defaultdict(list)
    seen = {(trial.cell.driver, trial.congestion_control) for trial in samples}
    for driver, name in sorted((driver, name) for driver, name in seen if name is not None):
        used[driver].append(name)
    own = {driver: options_of(driver).get("cc") for driver in used}
    used_text = "; ".join(f"{driver}: {', '.join(names)}" for driver, names in used.items())
    if len({name for driver, names in used.items() if own[driver] is None for name in names}) > 1:
        yield QualityWarning(
            "congestion-control",
            f"the drivers did not use the same congestion control: {used_text}",
            "choose one that every container may use, with --cc",
        )
    asked = {driver: own[driver] or info.plan.congestion_control for driver in used}
    strayed = {asked[d] for d, names in used.items() if asked[d] and names != [asked[d]]}
    for name in sorted(name for name in strayed if name is not None):
        yield QualityWarning(
            "congestion-control-not-as-asked",
            f"{name} was asked for; used were {used_text}",
            "choose one that `tcp_allowed_congestion_control` lists",
        )


def _conntrack(info: RunInfo, trials: Iterable[Trial]) -> Iterator[QualityWarning]:
    most = dict(info.facts).get("net.conntrack_max")
    if not isinstance(most, int):
        return
    tracked = (trial.conntrack for trial in trials if trial.conntrack is not None)
    full = [count for count in tracked if count > CONNTRACK_FULL * most]
    if full:
        yield QualityWarning(
            "conntrack",
            f"the host tracked up to {max(full):.0f} of at most {most} connections after "
            f"{len(full)} records",
            "a full table drops connections: raise net.netfilter.nf_conntrack_max, or make fewer "
            "(`connections`)",
        )


def _little(samples: Iterable[Trial]) -> Iterator[QualityWarning]:
    """Yield closed loops that break Little's law: rate x mean time = one request a client."""
    loops = [(t.concurrency, t) for t in samples if t.concurrency is not None]
    strays = [(abs(found - 1), found, trial) for found, trial in loops if abs(found - 1) > LITTLE]
    if strays:
        _, found, worst = max(strays, key=lambda stray: stray[0])
        yield QualityWarning(
            "little",
            f"rate times mean time is not one request under way a client in {len(strays)} of "
            f"{len(loops)} request-response records: {found:.3f} at worst "
            f"({worst.cell.driver}, {worst.cell.probe}, record {worst.record})",
            "the tool's rate and times do not cover the same interval: look at its raw output and "
            "use neither figure of these records",
        )


def _retransmits(info: RunInfo, frames: Frames) -> Iterator[QualityWarning]:
    others = {probe.name for probe in info.plan.probes if "retransmits" not in probe.metrics}
    rates, counts = (
        {p.record for p in frames.points if p.metric == metric and p.probe not in others}
        for metric in ("throughput", "retransmits")
    )
    if rates - counts:
        yield QualityWarning(
            "retransmits-unknown",
            f"the tool gave no retransmit count in {len(rates - counts)} of {len(rates)} "
            "throughput records",
            "use a kernel and an iperf3 that report TCP_INFO",
        )


def _many_retransmits(frames: Frames) -> Iterator[QualityWarning]:
    """Yield the drivers whose TCP sent many segments again: losses, not the CPU, set the rate."""
    counted: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for point in frames.points:
        if point.metric == "retransmits" and not point.replica:
            where = f"{point.probe} {CellKey(point.path, point.probe, point.placement).place}"
            counted[where, point.driver].append(point.value)
    medians = {owner: median(values) for owner, values in counted.items()}
    many = {owner: found for owner, found in medians.items() if found >= MANY_RETRANSMITS}
    places = grouped((where, f"{driver} {many[where, driver]:,.0f}") for where, driver in many)
    if places:
        named = "; ".join(f"{', '.join(found)} in {where}" for where, found in places.items())
        yield QualityWarning(
            "retransmits",
            f"TCP sent thousands of segments again in a session (median): {named}",
            "a queue on the path overflows, or a CPU is late to empty it: the throughput is what "
            "congestion control makes of those losses; a paced rate (tcp-paced) shows it without",
        )


def measuring_share(info: RunInfo, trials: Iterable[Trial]) -> float | None:
    """Return seconds of measuring over wall seconds of the run, None if the run has no end."""
    if info.wall is None or info.wall <= 0:
        return None
    return math.fsum(trial.measuring for trial in trials) / info.wall

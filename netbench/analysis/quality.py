"""Doubts about a run as a whole, and about blocks that gave a contrast no pair."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pandas as pd

from netbench.analysis.contrasts import Comparison, Target
from netbench.analysis.frame import CELL
from netbench.analysis.model import QualityWarning, State
from netbench.analysis.states import PREFERENCE
from netbench.record import RunInfo
from netbench.spec import Path, Placement
from netbench.units import BITS_PER_SECOND, PER_SECOND, percent, quantity

STEAL_LIMIT: Final = 0.01
"""Share of CPU time taken by the hypervisor above which a trial is doubted (METHOD §5)."""
MIXED_LIMIT: Final = 0.2
"""Share of trials in which the state changed above which the run is doubted."""
CEILING: Final = 1.05
"""Nothing should carry more than this times the loopback stream (METHOD §3)."""
CEILING_DRIVER: Final = "host"
"""Its same-host traffic is the loopback stream."""
STATUS: Final = {
    "running": "the run has no end: it was killed, or still goes on",
    "out-of-time": "the run reached --max-time before its last block",
    "interrupted": "the run was interrupted",
    "engine-lost": "the engine stopped answering",
}


def of_run(
    info: RunInfo, trials: pd.DataFrame, values: pd.DataFrame, states: tuple[State, ...]
) -> tuple[QualityWarning, ...]:
    """Return every doubt about the run as a whole."""
    samples = trials[trials["outcome"] == "sample"]
    return (
        *_unfinished(info, trials),
        *_failures(trials),
        *_congestion_control(info, samples),
        *_pins(samples),
        *_steal(samples),
        *_sentinel(samples),
        *_mixed(samples),
        *_states(states),
        *_ceiling(values),
        *_retransmits(values),
    )


def incomplete(
    trials: pd.DataFrame, target: Target, comparison: Comparison, baseline: str
) -> tuple[QualityWarning, ...]:
    """Return a warning with the reasons where blocks gave this contrast no pair in any state."""
    key = target.key
    in_cell = (trials["path"] == key.path) & (trials["probe"] == key.probe)
    cell = trials[in_cell & (trials["placement"] == key.placement)]
    blocks = set(cell["block"])
    lost = blocks - comparison.paired_blocks(target.driver)
    if not lost:
        return ()
    rows = cell[cell["block"].isin(lost) & cell["driver"].isin({target.driver, baseline})]
    reasons = Counter(_why(group) for _, group in rows.groupby("block"))
    reasons["not run"] += len(lost) - reasons.total()
    return (
        QualityWarning(
            "incomplete-blocks",
            f"{len(lost)} of {len(blocks)} blocks give no pair: {_counted(+reasons)}",
            "look at the failed trials' evidence; run more blocks with --blocks",
        ),
    )


def _why(rows: pd.DataFrame) -> str:
    """Return why one block's trials of a driver and its baseline give no pair."""
    failed = rows.loc[rows["outcome"] == "failure"]
    if not failed.empty:
        first = failed.iloc[0]
        return f"{first['driver']} failed: {first['reason']}"
    skipped = rows.loc[rows["outcome"] == "skip"]
    if not skipped.empty:
        return f"{skipped.iloc[0]['driver']} skipped: {skipped.iloc[0]['reason']}"
    return "the machine's state changed between or within the trials"


def _counted(reasons: Counter[str]) -> str:
    """Return reasons with their counts, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{reason} ({count})" for reason, count in ordered)


def _unfinished(info: RunInfo, trials: pd.DataFrame) -> Iterator[QualityWarning]:
    if info.status in STATUS:
        blocks = int(trials["block"].max()) if len(trials) else 0
        yield QualityWarning(
            info.status,
            f"{STATUS[info.status]}; {blocks} of {info.plan.blocks} blocks were begun",
            "judge by these blocks what they can bear; a new run starts from the first block",
        )


def _failures(trials: pd.DataFrame) -> Iterator[QualityWarning]:
    failed = trials[trials["outcome"] == "failure"]
    if len(failed):
        reasons = Counter(f"{t.driver}, {t.probe}: {t.reason}" for t in failed.itertuples())
        yield QualityWarning(
            "failed-trials",
            f"{len(failed)} of {len(trials)} trials failed: {_counted(reasons)}",
            "look at the failed trials' evidence in the table of records",
        )


def _congestion_control(info: RunInfo, samples: pd.DataFrame) -> Iterator[QualityWarning]:
    known = samples.dropna(subset=["congestion_control"])
    seen = known.groupby("driver")["congestion_control"].unique()
    by_driver = {str(driver): ", ".join(sorted(names)) for driver, names in seen.items()}
    told = "; ".join(f"{driver}: {names}" for driver, names in sorted(by_driver.items()))
    used = set(known["congestion_control"])
    asked = info.plan.congestion_control
    if len(used) > 1:
        yield QualityWarning(
            "congestion-control",
            f"the drivers did not use the same congestion control: {told}",
            "name one that every container may use with --cc",
        )
    if asked is not None and used - {asked}:
        yield QualityWarning(
            "congestion-control-not-as-asked",
            f"{asked} was asked for; used were {told}",
            "choose one that `tcp_allowed_congestion_control` lists",
        )


def _pins(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    counts = samples["pins"].value_counts()
    if broken := int(counts.get("broken", 0)):
        yield QualityWarning(
            "placement",
            f"{broken} of {len(samples)} trials ran on other CPUs than their placement's",
            "check cpusets and the engine's CPU limits; these trials are of another placement",
        )
    if unread := int(counts.get("unread", 0)):
        yield QualityWarning(
            "placement-unseen",
            f"the CPUs of {unread} of {len(samples)} trials could not be read",
            "run where the tools' /proc/<pid>/status is visible",
        )


def _steal(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    high = samples.loc[samples["steal"] > STEAL_LIMIT, "steal"]
    if len(high):
        yield QualityWarning(
            "steal",
            f"the hypervisor took more than {STEAL_LIMIT:.0%} of CPU time in {len(high)} of "
            f"{len(samples)} trials, at most {high.max():.1%}",
            "run on a quieter or a dedicated machine",
        )


def _sentinel(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    for placement, rows in samples.groupby("placement"):
        lost = rows[rows["state"] == "unknown"]
        if len(lost):
            notes = sorted({note for note in lost["note"] if note})
            yield QualityWarning(
                "no-sentinel",
                f"{len(lost)} of {len(rows)} trials of placement {placement} have no state of the "
                f"machine{': ' if notes else ''}{'; '.join(notes)}",
                "only split values can show machine states there: look at the trials by time",
            )


def _mixed(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    mixed = int((samples["state"] == "mixed").sum())
    if len(samples) and mixed > MIXED_LIMIT * len(samples):
        yield QualityWarning(
            "mixed-trials",
            f"the machine changed its state within {mixed} of {len(samples)} trials; "
            "no contrast uses those",
            "run more blocks, or on a machine whose CPUs are not moved about",
        )


def _states(states: tuple[State, ...]) -> Iterator[QualityWarning]:
    for placement in dict.fromkeys(state.placement for state in states):
        found = [state for state in states if state.placement is placement]
        if len(found) > 1:
            told = ", ".join(
                f"{s.name} ({s.trials} trials, sentinel {_reading(s, s.low)} to "
                f"{_reading(s, s.high)})"
                for s in found
            )
            yield QualityWarning(
                "machine-states",
                f"the machine had {len(found)} states on placement {placement}: {told}",
                "each contrast is made within one state and names it; never compare across them",
            )


def _reading(state: State, value: float) -> str:
    """Return a sentinel's figure with its unit, which is that of the placement's method."""
    unit = PER_SECOND if state.placement is Placement.SAME else BITS_PER_SECOND
    return quantity(value, unit)


def _ceiling(values: pd.DataFrame) -> Iterator[QualityWarning]:
    """Yield drivers that beat loopback, which the baseline's traffic takes east-west only."""
    rows = values[(values["metric"] == "throughput") & values["state"].isin(PREFERENCE)]
    rows = rows[rows["path"] == Path.EAST_WEST.value]
    medians = rows.pivot_table(
        index=[*CELL, "state"], columns="driver", values="value", aggfunc="median"
    )
    if CEILING_DRIVER not in medians:
        return
    for place, row in medians.iterrows():
        limit = row[CEILING_DRIVER]
        for driver, median in row.drop(CEILING_DRIVER).items():
            if median > CEILING * limit:
                yield QualityWarning(
                    "ceiling",
                    f"driver {driver} carries {quantity(median, 'bit/s')}, "
                    f"{percent(median / limit)} against {CEILING_DRIVER} ({_place(place)})",
                    "explain it before use: segment sizes, queueing or placement of work, not a "
                    "faster path, usually beat loopback",
                )


def _place(place: object) -> str:
    return ", ".join(map(str, place)) if isinstance(place, tuple) else str(place)


def _retransmits(values: pd.DataFrame) -> Iterator[QualityWarning]:
    having = {
        metric: set(values.loc[values["metric"] == metric, "row"])
        for metric in ("throughput", "retransmits")
    }
    unknown = len(having["throughput"] - having["retransmits"])
    if unknown:
        yield QualityWarning(
            "retransmits-unknown",
            f"the tool gave no retransmit count in {unknown} of {len(having['throughput'])} "
            "throughput trials",
            "use a kernel and an iperf3 that report TCP_INFO",
        )


def measuring_share(info: RunInfo, trials: pd.DataFrame) -> float | None:
    """Return seconds of measuring over wall seconds of the run, None where the run has no end."""
    if info.wall is None or info.wall <= 0:
        return None
    return math.fsum(_seconds(trials)) / info.wall


def _seconds(trials: pd.DataFrame) -> Iterable[float]:
    return (float(seconds) for seconds in trials["measuring"])

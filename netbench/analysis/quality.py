"""Doubts about a run as a whole, the machine aside, and about blocks without a pair."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pandas as pd

from netbench.analysis.ceiling import beyond
from netbench.analysis.contrasts import Comparison, Target, by_key
from netbench.analysis.drift import drifts
from netbench.analysis.machine import of_machine
from netbench.analysis.model import Ceiling, QualityWarning, State
from netbench.record import RunInfo
from netbench.spec import options_of

CONNTRACK_FULL: Final = 0.9
"""Share of the most connections a host tracks above which it may refuse new ones."""
LITTLE: Final = 0.05
"""Stray from one request under way above which a closed loop is doubted (METHOD §3)."""
STATUS: Final = {
    "running": "the run has no end: it was killed, or still goes on",
    "out-of-time": "the run reached --max-time before its last block",
    "interrupted": "the run was interrupted",
    "engine-lost": "the engine stopped answering",
}


def of_run(
    info: RunInfo,
    trials: pd.DataFrame,
    values: pd.DataFrame,
    states: tuple[State, ...],
    ceilings: tuple[Ceiling, ...],
) -> tuple[QualityWarning, ...]:
    """Return every doubt about the run as a whole."""
    samples = trials[trials["outcome"] == "sample"]
    return (
        *_unfinished(info, trials),
        *_failures(trials),
        *_congestion_control(info, samples),
        *of_machine(trials, states, info.plan.baseline),
        *_little(samples),
        *_conntrack(info, trials),
        *beyond(ceilings),
        *_retransmits(info, values),
        *drifts(by_key(values), info.plan.baseline, info.plan.margin),
    )


def incomplete(
    trials: pd.DataFrame, target: Target, comparison: Comparison, baseline: str, until: int
) -> tuple[QualityWarning, ...]:
    """Return a warning with the reasons where blocks gave this contrast no pair in any state.

    Only those count that it ran in: up to block `until`.
    """
    key = target.key
    in_cell = (trials["path"] == key.path) & (trials["probe"] == key.probe)
    cell = trials[in_cell & (trials["placement"] == key.placement)]
    blocks = set(cell.loc[cell["block"] <= until, "block"])
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
    budgeted = info.plan.adaptive and info.status == "out-of-time"
    if info.status in STATUS and not budgeted:
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
    used = {str(driver): sorted(names) for driver, names in sorted(seen.items())}
    own = {driver: options_of(driver).get("cc") for driver in used}
    told = "; ".join(f"{driver}: {', '.join(names)}" for driver, names in used.items())
    if len({name for driver, names in used.items() if own[driver] is None for name in names}) > 1:
        yield QualityWarning(
            "congestion-control",
            f"the drivers did not use the same congestion control: {told}",
            "name one that every container may use with --cc",
        )
    asked = {driver: own[driver] or info.plan.congestion_control for driver in used}
    strayed = {asked[d] for d, names in used.items() if asked[d] and names != [asked[d]]}
    for name in sorted(name for name in strayed if name is not None):
        yield QualityWarning(
            "congestion-control-not-as-asked",
            f"{name} was asked for; used were {told}",
            "choose one that `tcp_allowed_congestion_control` lists",
        )


def _conntrack(info: RunInfo, trials: pd.DataFrame) -> Iterator[QualityWarning]:
    """Yield that the host's table of connections was nearly full: its limit, not a driver's."""
    most = dict(info.facts).get("net.conntrack_max")
    if not isinstance(most, int):
        return
    full = trials.loc[trials["conntrack"] > CONNTRACK_FULL * most, "conntrack"]
    if len(full):
        yield QualityWarning(
            "conntrack",
            f"the host tracked up to {full.max():.0f} of at most {most} connections after "
            f"{len(full)} trials",
            "a full table drops connections: raise net.netfilter.nf_conntrack_max, or make fewer "
            "(`connections`)",
        )


def _little(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    """Yield closed loops that break Little's law: rate x mean time = requests under way, one."""
    loops = samples.dropna(subset=["concurrency"])
    loops = loops.assign(stray=(loops["concurrency"] - 1).abs())
    strays = loops[loops["stray"] > LITTLE].sort_values("stray", kind="stable")
    if len(strays):
        worst = strays.iloc[-1]
        yield QualityWarning(
            "little",
            f"rate times mean time is not the one request under way in {len(strays)} of "
            f"{len(loops)} request-response trials: {worst['concurrency']:.3f} at worst "
            f"({worst['driver']}, {worst['probe']}, record {worst['record']})",
            "the tool's rate and times do not cover the same run: look at its raw output, and "
            "compare these trials by neither; a longer run (`seconds`) makes the edges count less",
        )


def _retransmits(info: RunInfo, values: pd.DataFrame) -> Iterator[QualityWarning]:
    others = [probe.name for probe in info.plan.probes if "retransmits" not in probe.metrics]
    values = values[~values["probe"].isin(others)]
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

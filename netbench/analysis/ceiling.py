"""What bounds a figure beside its driver: loopback, memory copies, and the tools (METHOD §3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Key, Observed
from netbench.analysis.frame import Frames, Trial
from netbench.analysis.model import Ceiling, Efficiency, Loopback, QualityWarning
from netbench.record import Absent, PlanSummary, RunInfo
from netbench.spec import Path, Placement
from netbench.units import percent, quantity

SATURATING: Final = "throughput"  # the metric that tools can bound
FULL: Final = 0.98  # share of a CPU's time, or of the rate asked for, that counts as used up
BEYOND: Final = 1.05  # nothing should carry more than this times the loopback stream
HOST: Final = "host"  # its traffic within the machine is the loopback stream
_FILLED: Final = 0.9  # share of the most that some driver carries that counts as a full wire
_WORDS: Final = {
    "wire": "the wire between the machines",
    "client": "the client's CPU",
    "server": "the server's CPU",
    "both": "the CPUs of client and server",
    "rate": "the rate that the probe asks for",
}
_FIGURES: Final = ("copy", "copy_memory", "loopback", "wire")


def ceilings(info: RunInfo, frames: Frames) -> tuple[Ceiling, ...]:
    """Return each placement's ceiling: its memory copies, and loopback for each probe of streams.

    Loopback is the median of the driver `host`, where the run has it; else it is the one
    measurement before the first block. A probe that asks for a rate has none.
    """
    return tuple(
        _ceiling(placement, info, frames)
        for placement in dict.fromkeys(cell.placement for cell in info.plan.cells)
    )


def _ceiling(placement: Placement, info: RunInfo, frames: Frames) -> Ceiling:
    facts = dict(info.facts)
    found = [facts.get(f"ceiling.{placement}.{name}") for name in _FIGURES]
    copy, copy_memory, loopback, wire = (
        float(value) if isinstance(value, int | float) else None for value in found
    )
    absent = [value.reason for value in found if isinstance(value, Absent)]
    bounded = {probe.name for probe in info.plan.probes if "rate" in dict(probe.parameters)}
    loopbacks = (
        _loopback(
            key.probe,
            observed,
            wire if key.path == Path.ACROSS else loopback,
            wire=key.path == Path.ACROSS,
        )
        for key, observed in frames.values.items()
        if key.path in (Path.EAST_WEST, Path.ACROSS)
        and (key.placement, key.metric) == (placement, SATURATING)
        and key.probe not in bounded
    )
    return Ceiling(
        placement=placement,
        copy=copy,
        copy_memory=copy_memory,
        why="; ".join(dict.fromkeys(absent)),
        loopbacks=tuple(one for one in loopbacks if one is not None),
    )


def _loopback(
    probe: str, observed: Observed, measured: float | None, *, wire: bool
) -> Loopback | None:
    values: dict[str, list[float]] = {}
    for (driver, _), points in sorted(observed.items()):
        values.setdefault(driver, []).extend(point.value for point in points)
    host = values.pop(HOST, None)
    limit = measured if host is None else float(np.median(host))
    if limit is None:
        return None
    return Loopback(
        probe=probe,
        value=limit,
        source="measured once before the first block, for a second"
        if host is None
        else f"the host driver's, median of {len(host)} values",
        efficiencies=tuple(
            Efficiency(driver, float(np.median(own)) / limit) for driver, own in values.items()
        ),
        wire=wire,
    )


def beyond(found: tuple[Ceiling, ...]) -> Iterator[QualityWarning]:
    """Yield drivers that beat loopback."""
    every = (
        (ceiling, loopback)
        for ceiling in found
        for loopback in ceiling.loopbacks
        if not loopback.wire
    )
    for ceiling, loopback in every:
        for one in loopback.efficiencies:
            if one.efficiency > BEYOND:
                yield QualityWarning(
                    "ceiling",
                    f"driver {one.driver} carries "
                    f"{quantity(one.efficiency * loopback.value, 'bit/s')}, "
                    f"{percent(one.efficiency)} against loopback ({loopback.probe}, "
                    f"{ceiling.placement}; {loopback.source})",
                    "explain it before use: segment sizes, queueing or placement of work, not "
                    "a faster path, usually beat loopback",
                )


def saturations(frames: Frames, plan: PlanSummary) -> dict[tuple[str, int, Key], str]:
    """Return what was used up in each arm's median trial, by driver, replica and throughput's key.

    `rate` where the median rate is at least 98 % of what the probe asks for, else whose CPU was
    busy for at least 98 % of the time while the load was steady; `both` on one shared CPU too.
    `wire` between machines where no CPU was, and the arm carries about what the best does;
    `nothing` where CPUs were read and neither was, `unknown` where one was not read.
    """
    rates = {probe.name: dict(probe.parameters).get("rate") for probe in plan.probes}
    trials = {trial.record: trial for trial in frames.trials}
    found: dict[tuple[str, int, Key], str] = {}
    for key, observed in frames.values.items():
        rate = rates.get(key.probe)
        for (driver, replica), points in observed.items() if key.metric == SATURATING else ():
            values = [point.value for point in points]
            found[driver, replica, key] = (
                "rate"
                if isinstance(rate, int | float) and 0 < FULL * rate <= np.median(values)
                else _used_up([trials[point.record] for point in points])
            )
        if key.path == Path.ACROSS and key.metric == SATURATING:
            found |= _filling(key, observed, found)
    return found


def _filling(
    key: Key, observed: Observed, found: Mapping[tuple[str, int, Key], str]
) -> dict[tuple[str, int, Key], str]:
    """Return the arms between machines that used up no CPU, and carry about what the best does."""
    medians = {arm: float(np.median([p.value for p in own])) for arm, own in observed.items()}
    most = max(medians.values(), default=0.0)
    return {
        (driver, replica, key): "wire"
        for (driver, replica), value in medians.items()
        if found[driver, replica, key] == "nothing" and value >= _FILLED * most
    }


def _used_up(trials: Sequence[Trial]) -> str:
    busy = {"client": [t.client_busy for t in trials], "server": [t.server_busy for t in trials]}
    known = {end: [share for share in found if share is not None] for end, found in busy.items()}
    full = [end for end, shares in known.items() if shares and np.median(shares) >= FULL]
    if full:
        return full[0] if len(full) == 1 else "both"
    return "nothing" if all(known.values()) else "unknown"


def saturated(driver: str, baseline: str) -> tuple[QualityWarning, ...]:
    """Return the doubt about a contrast in which both arms used something up."""
    if driver == baseline == "wire":
        message = f"both arms fill {_WORDS['wire']}, which hides what they cost"
        return (QualityWarning("saturated", message, "judge by round trips and cost per byte"),)
    if driver == baseline == "rate":
        message = f"both arms reach {_WORDS['rate']}: more is not asked for"
        return (QualityWarning("saturated", message, "judge by the cost per byte"),)
    if not {driver, baseline} <= {"client", "server", "both"}:
        return ()
    who = (
        f"both arms use up {_WORDS[driver]}"
        if driver == baseline
        else f"it uses up {_WORDS[driver]}, the baseline {_WORDS[baseline]}"
    )
    return (
        QualityWarning(
            "saturated",
            f"{who}: the tools saturate, not the driver",
            "judge by the cost per byte and the round trips, or by throughput at a fixed rate",
        ),
    )

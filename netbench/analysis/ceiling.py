"""What no driver should beat: loopback and memory copies on the same CPUs (METHOD §3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from netbench.analysis.columns import Floats, Index, Words, groups
from netbench.analysis.frame import Frames
from netbench.analysis.model import Ceiling, Efficiency, Loopback, QualityWarning
from netbench.record import Absent, FactValue, RunInfo
from netbench.spec import Path, Placement
from netbench.units import percent, quantity

BEYOND: Final = 1.05
"""Nothing should carry more than this times the loopback stream."""
HOST: Final = "host"
"""Its traffic within the machine is the loopback stream."""
_FIGURES: Final = ("copy", "copy_memory")


@dataclass(frozen=True, slots=True)
class _Streams:
    """Rates of streams."""

    probe: Words
    driver: Words
    value: Floats

    def at(self, rows: Index) -> "_Streams":
        """Return some of them."""
        return _Streams(self.probe[rows], self.driver[rows], self.value[rows])


def ceilings(info: RunInfo, frames: Frames) -> tuple[Ceiling, ...]:
    """Return each placement's ceiling: its memory copies, and loopback for each probe of streams.

    Loopback is the median of the driver `host`, where the run has it; else it is the one
    measurement before the first block. A probe that asks for a rate has none.
    """
    facts = dict(info.facts)
    return tuple(
        _ceiling(placement, facts, _streams(info, frames, placement))
        for placement in dict.fromkeys(cell.placement for cell in info.plan.cells)
    )


def _ceiling(placement: Placement, facts: dict[str, FactValue], rows: _Streams) -> Ceiling:
    found = {name: facts.get(f"ceiling.{placement}.{name}") for name in (*_FIGURES, "loopback")}
    copies = {name: _figure(found[name]) for name in _FIGURES}
    absent = [value.reason for value in found.values() if isinstance(value, Absent)]
    return Ceiling(
        placement=placement,
        why="; ".join(dict.fromkeys(absent)),
        loopbacks=tuple(_loopbacks(rows, _figure(found["loopback"]))),
        **copies,
    )


def _figure(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _streams(info: RunInfo, frames: Frames, placement: Placement) -> _Streams:
    """Return the rates of one placement between containers that no probe bounds."""
    bounded = {probe.name for probe in info.plan.probes if "rate" in dict(probe.parameters)}
    numbers = frames.numbers.at(frames.numbers.metric.equal("throughput"))
    path, probe, at = frames.cells(numbers)
    wanted = path.equal(Path.EAST_WEST.value) & at.equal(placement.value) & ~probe.among(bounded)
    return _Streams(probe, frames.trials.driver[numbers.row], numbers.value).at(wanted)


def _loopbacks(rows: _Streams, measured: float | None) -> Iterator[Loopback]:
    for (probe,), every in sorted(groups(rows.probe), key=lambda group: group[1][0]):
        own = rows.at(every)
        host = own.at(own.driver.equal(HOST))
        if len(host.value):
            limit = float(np.median(host.value))
            source = f"the host driver's, median of {len(host.value)} values"
        elif measured is not None:
            limit, source = measured, "measured once before the first block, for a second"
        else:
            continue
        yield Loopback(
            probe=str(probe),
            value=limit,
            source=source,
            efficiencies=tuple(
                Efficiency(str(driver), float(np.median(own.value[reached])) / limit)
                for (driver,), reached in groups(own.driver)
                if driver != HOST
            ),
        )


def beyond(found: tuple[Ceiling, ...]) -> Iterator[QualityWarning]:
    """Yield drivers that beat loopback."""
    for ceiling in found:
        for loopback in ceiling.loopbacks:
            for one in loopback.efficiencies:
                share = one.efficiency
                if share > BEYOND:
                    yield QualityWarning(
                        "ceiling",
                        f"driver {one.driver} carries {quantity(share * loopback.value, 'bit/s')}, "
                        f"{percent(share)} against loopback ({loopback.probe}, "
                        f"{ceiling.placement}; {loopback.source})",
                        "explain it before use: segment sizes, queueing or placement of work, not "
                        "a faster path, usually beat loopback",
                    )

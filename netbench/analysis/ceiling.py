"""What no driver should beat: loopback and memory copies on the same CPUs (METHOD §3)."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from netbench.analysis.model import Ceiling, Loopback, QualityWarning
from netbench.analysis.states import PREFERENCE
from netbench.record import Absent, FactValue, RunInfo
from netbench.spec import Path, Placement
from netbench.units import percent, quantity

BEYOND: Final = 1.05
"""Nothing should carry more than this times the loopback stream."""
HOST: Final = "host"
"""Its traffic within the machine is the loopback stream."""
_FIGURES: Final = ("copy", "copy_memory")


def ceilings(info: RunInfo, values: pd.DataFrame) -> tuple[Ceiling, ...]:
    """Return each placement's ceiling: its memory copies, and loopback for each probe of streams.

    Loopback is the host arm's median, where there is a host arm, in the closest state it has (over
    all its trials where every one is mixed); drivers are held to it in that state. Else it is the
    one measurement before the first block. A probe that asks for a rate has none.
    """
    facts = dict(info.facts)
    return tuple(
        _ceiling(placement, facts, _streams(info, values, placement))
        for placement in dict.fromkeys(cell.placement for cell in info.plan.cells)
    )


def _ceiling(placement: Placement, facts: dict[str, FactValue], rows: pd.DataFrame) -> Ceiling:
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


def _streams(info: RunInfo, values: pd.DataFrame, placement: Placement) -> pd.DataFrame:
    """Return the rates of one placement between containers, first arms, that no probe bounds."""
    bounded = {probe.name for probe in info.plan.probes if "rate" in dict(probe.parameters)}
    return values[
        (values["metric"] == "throughput")
        & (values["path"] == Path.EAST_WEST.value)
        & (values["placement"] == placement.value)
        & ~values["probe"].isin(bounded)
    ]


def _loopbacks(rows: pd.DataFrame, measured: float | None) -> Iterator[Loopback]:
    for probe, every in rows.groupby("probe", sort=False):
        own = every
        host = own[own["driver"] == HOST]
        if not host.empty:
            state = next((s for s in PREFERENCE if s in set(host["state"])), None)
            if state is not None:
                own, host = (found[found["state"] == state] for found in (own, host))
            limit = float(host["value"].median())
            source = f"the host arm's, median of {len(host)} trials"
        elif measured is not None:
            limit, source = measured, "measured once before the first block, for a second"
        else:
            continue
        reached = own.groupby("driver")["value"].median()
        yield Loopback(
            probe=str(probe),
            value=limit,
            source=source,
            efficiencies=tuple(
                (str(driver), float(value) / limit)
                for driver, value in reached.items()
                if driver != HOST
            ),
        )


def beyond(found: tuple[Ceiling, ...]) -> Iterator[QualityWarning]:
    """Yield drivers that beat loopback."""
    for ceiling in found:
        for loopback in ceiling.loopbacks:
            for driver, share in loopback.efficiencies:
                if share > BEYOND:
                    yield QualityWarning(
                        "ceiling",
                        f"driver {driver} carries {quantity(share * loopback.value, 'bit/s')}, "
                        f"{percent(share)} against loopback ({loopback.probe}, "
                        f"{ceiling.placement}; {loopback.source})",
                        "explain it before use: segment sizes, queueing or placement of work, not "
                        "a faster path, usually beat loopback",
                    )

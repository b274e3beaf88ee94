"""What the machine can do at most, and what was used up, in words (METHOD §3)."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS, plain
from netbench.analysis.model import Analysis, Ceiling, Loopback
from netbench.record import RunInfo
from netbench.report.labels import capital, joined

USED_UP: Final = {
    "client": "client's CPU full",
    "server": "server's CPU full",
    "both": "tools' CPUs full",
    "rate": "rate asked for reached",
    "nothing": "not saturated",
    "unknown": "saturation unknown",
}
"""Short words for a row, by `CellSummary.saturated`."""


def ceiling_sentences(analysis: Analysis) -> tuple[str, ...]:
    """Return one sentence for each placement: copies, loopback, and what drivers reach of it."""
    found = (
        (PLACEMENTS[ceiling.placement], [_copies(ceiling), *map(_loopback, ceiling.loopbacks)])
        for ceiling in analysis.ceilings
    )
    return tuple(
        f"Ceiling {place}: {'; '.join(filter(None, parts))}."
        for place, parts in found
        if any(parts)
    )


def copies(analysis: Analysis) -> tuple[str, ...]:
    """Return one sentence for each placement: what its CPUs copy at most."""
    found = ((PLACEMENTS[ceiling.placement], _copies(ceiling)) for ceiling in analysis.ceilings)
    return tuple(f"{capital(place)}, {told}." for place, told in found if told)


@dataclass(frozen=True, slots=True)
class Reached:
    """One probe's stream over loopback, and what each driver reaches of it."""

    probe: str
    placement: str
    rate: str
    source: str
    shares: tuple[str, ...]
    """`51 %`, in the order of the drivers."""


def loopbacks(info: RunInfo, analysis: Analysis) -> tuple[tuple[str, ...], tuple[Reached, ...]]:
    """Return the drivers that have a share of any loopback, and every probe's shares."""
    found = [(ceiling, each) for ceiling in analysis.ceilings for each in ceiling.loopbacks]
    seen = {one.driver for _, each in found for one in each.efficiencies}
    drivers = tuple(driver for driver in info.plan.drivers if driver in seen)
    return drivers, tuple(_reached(ceiling, each, drivers) for ceiling, each in found)


def _reached(ceiling: Ceiling, loopback: Loopback, drivers: tuple[str, ...]) -> Reached:
    shares = {one.driver: one.efficiency for one in loopback.efficiencies}
    return Reached(
        probe=plain(loopback.probe),
        placement=PLACEMENTS[ceiling.placement],
        rate=units.quantity(loopback.value, units.BITS_PER_SECOND),
        source=loopback.source,
        shares=tuple(units.share(shares[d], 0) if d in shares else units.MISSING for d in drivers),
    )


def _copies(ceiling: Ceiling) -> str:
    """Return what memory copies reach, or why that is not known; empty where nothing is."""
    figures = [
        f"{units.quantity(value, units.BITS_PER_SECOND)} {where}"
        for value, where in (
            (ceiling.copy, "within its caches"),
            (ceiling.copy_memory, "beyond its caches"),
        )
        if value is not None
    ]
    if figures:
        return f"a CPU copies memory at {joined(figures)}"
    return f"memory copies not measured: {plain(ceiling.why)}" if ceiling.why else ""


def _loopback(loopback: Loopback) -> str:
    rate = units.quantity(loopback.value, units.BITS_PER_SECOND)
    told = f"loopback carries {rate} in {plain(loopback.probe)} ({loopback.source})"
    reached = [
        f"{plain(one.driver)} reaches {units.share(one.efficiency, 0)} of it"
        for one in loopback.efficiencies
    ]
    return "; ".join((told, joined(reached))) if reached else told

"""What the machine can do at most, and what was used up, in words (METHOD §3)."""

from typing import Final

from netbench import units
from netbench.analysis.model import Analysis, Ceiling, Loopback
from netbench.report.words import PLACEMENTS, joined, plain

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
    return tuple(_sentence(ceiling) for ceiling in analysis.ceilings)


def _sentence(ceiling: Ceiling) -> str:
    figures = [
        f"{units.quantity(value, units.BITS_PER_SECOND)} {where}"
        for value, where in (
            (ceiling.copy, "within its caches"),
            (ceiling.copy_memory, "beyond its caches"),
        )
        if value is not None
    ]
    parts = [f"a CPU copies memory at {joined(figures)}"] if figures else []
    parts += [_loopback(loopback) for loopback in ceiling.loopbacks]
    if ceiling.why and not figures:
        parts.append(f"memory copies not measured: {plain(ceiling.why)}")
    if not parts:
        parts.append("not measured")
    return f"Ceiling {PLACEMENTS[ceiling.placement]}: {'; '.join(parts)}."


def _loopback(loopback: Loopback) -> str:
    rate = units.quantity(loopback.value, units.BITS_PER_SECOND)
    told = f"loopback carries {rate} in {plain(loopback.probe)} ({loopback.source})"
    reached = [
        f"{plain(driver)} reaches {share * 100:.0f} % of it"
        for driver, share in loopback.efficiencies
    ]
    return "; ".join((told, joined(reached))) if reached else told

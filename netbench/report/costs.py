"""What each driver costs in CPU time, and what the machine can do at most (METHOD §3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis import model
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS, CellKey, plain
from netbench.analysis.cpu_sums import PER
from netbench.analysis.digest_model import CpuMeans, Digest
from netbench.analysis.machine import STEAL_LIMIT
from netbench.record import Absent, RunInfo
from netbench.report import labels
from netbench.report.sentences import fact

USED_UP: Final = {
    "client": "client's CPU full",
    "server": "server's CPU full",
    "both": "tools' CPUs full",
    "rate": "rate asked for reached",
    "wire": "wire between the machines full",
    "nothing": "not saturated",
    "unknown": "saturation unknown",
}
"""Short words for a row, by `CellSummary.saturated`."""
_FORMATS: Final = ("{:.3f}", "{:.3f}", "{:.3f}", "{:+.3f}", "{:.0%}")


@dataclass(frozen=True, slots=True)
class CostRow:
    """One driver in one cell; CPUs are CPU seconds per second."""

    driver: str
    key: CellKey
    per: str  # `byte` or `transaction`
    cost: str  # CPU time for one of them, median over the trials
    ratio: str  # to the baseline with its interval, where there is one
    means: tuple[str, ...]
    """CPUs busy above the idle window, those of client, server and neither, and softirq's share."""


def cost_rows(analysis: model.Analysis, digest: Digest) -> tuple[CostRow, ...]:
    """Return every cell that has a cost, drivers of one cell together, the baseline first."""
    found = [
        cell for cell in analysis.cells if cell.metric in PER and cell.trials and not cell.replica
    ]
    order = list(dict.fromkeys(map(labels.key_of, found)))
    found.sort(
        key=lambda cell: (order.index(labels.key_of(cell)), cell.driver != analysis.baseline)
    )
    return tuple(_row(analysis, digest, cell) for cell in found)


def _row(analysis: model.Analysis, digest: Digest, cell: model.CellSummary) -> CostRow:
    key = labels.key_of(cell)
    own = [c for c in analysis.contrasts if c.driver == cell.driver and c.ratio is not None]
    contrast = next((c for c in own if labels.concerns(c, key, cell.metric)), None)
    means = next((m for m in digest.cpu if (m.driver, m.cell) == (cell.driver, key)), None)
    ratio = labels.ratio_text(contrast) if contrast else units.MISSING
    found = (
        (means.busy, means.client, means.server, means.rest, means.softirq_share)
        if means
        else (None,) * len(_FORMATS)
    )
    return CostRow(
        driver=cell.driver,
        key=key,
        per=PER[cell.metric],
        cost=units.quantity(cell.median, cell.unit),
        ratio="baseline" if cell.driver == analysis.baseline else ratio,
        means=tuple(
            units.MISSING if mean is None else how.format(mean).replace("%", " %")
            for mean, how in zip(found, _FORMATS, strict=True)
        ),
    )


def cost_sentences(analysis: model.Analysis) -> tuple[str, ...]:
    """Return `CPU time per byte, ...: host 0.438 ns; 54 to 57 % more with ...` for each cost."""
    cells = grouped(
        ((c.metric, labels.key_of(c)), c) for c in analysis.contrasts if c.metric in PER
    )
    first = {metric: own for (metric, _), own in reversed(cells.items())}
    found = [(PER[metric], first[metric]) for metric in PER if metric in first]
    short = [f"per {per}" for per, own in found if not any(map(labels.bounded, own))]
    few = [f"CPU time {labels.joined(short)}: too few blocks for an interval."] if short else []
    return (*(_compared(analysis, own) for _, own in found if any(map(labels.bounded, own))), *few)


def _compared(analysis: model.Analysis, contrasts: Sequence[model.Contrast]) -> str:
    """Return the baseline's cost, and how the drivers of each verdict fare."""
    key, metric = labels.key_of(contrasts[0]), contrasts[0].metric
    own = labels.cell_of(analysis, analysis.baseline, key, metric)
    parts = [f"{analysis.baseline} {units.quantity(own.median, own.unit)}"] if own else []
    ranked = sorted(contrasts, key=lambda c: abs((c.ratio or 1) - 1))
    for verdict, alike in labels.by_verdict(ranked):
        decided = verdict in labels.DECIDED
        said = f"{_extent(alike)} {more_cost(alike[0])}".strip() if decided else verdict
        parts.append(f"{said} with {labels.joined([contrast.driver for contrast in alike])}")
    where = f"{key.probe} {PLACEMENTS[key.placement]}"
    return f"CPU time per {PER[metric]}, {where}: {'; '.join(parts)}."


def _extent(contrasts: Sequence[model.Contrast]) -> str:
    """Return how far contrasts are from the baseline: `54 to 57 %`; empty if one has no size."""
    sizes = sorted(abs(c.ratio - 1) * 100 for c in contrasts if c.ratio and not c.by_sign)
    if len(sizes) < len(contrasts):
        return ""
    least, most = labels.rounded((sizes[0], sizes[-1]))
    return f"{least} %" if least == most else f"{least} to {most} %"


def more_cost(contrast: model.Contrast) -> str:
    """Return `more` or `less` for what a decided contrast says of a cost."""
    return "more" if contrast.verdict is model.Verdict.SLOWER else "less"


def cost_notes(info: RunInfo, digest: Digest) -> tuple[str, ...]:
    """Return what a reader must know of these figures: resolution, accounting, what is not seen."""
    found = [_resolution(digest.cpu), _accounting(info)]
    sources = {mean.source for mean in digest.cpu}
    if "processes" in sources:
        found.append(
            "Client and server are the tools' own processes here, not cgroups: what else runs in "
            "an endpoint is in the rest."
        )
    reasons = dict.fromkeys(mean.reason for mean in digest.cpu if mean.reason)
    found += [f"Not read: {reason}." for reason in reasons]
    if fact(info, "host.hypervisor") is True:
        found.append("In a virtual machine the host's share of the work is invisible.")
    stolen = max((mean.steal for mean in digest.cpu if mean.steal is not None), default=0.0)
    if stolen:
        negligible = " (negligible)" if stolen <= STEAL_LIMIT else ""
        found.append(f"CPU steal at most {units.share(stolen)} of a cell's time{negligible}.")
    return tuple(plain(note) for note in found if note)


def _resolution(means: tuple[CpuMeans, ...]) -> str:
    known = [mean for mean in means if mean.resolution is not None and mean.window is not None]
    if not known:
        return ""
    worst = max(known, key=lambda mean: mean.resolution or 0.0)
    return (
        "Busy CPUs are those of the whole machine while the load was steady, less those of the "
        "block's idle window. They are counted in ticks: one is "
        f"{worst.resolution:.3f} CPUs in the shortest window here, {worst.window:.2f} s."
    )


def _accounting(info: RunInfo) -> str:
    mode, irq = fact(info, "kernel.cpu_accounting"), fact(info, "kernel.irq_time_accounting")
    if irq is True:
        return (
            "This kernel accounts interrupts by themselves (IRQ_TIME_ACCOUNTING): softirq lies "
            "outside the cgroups, in the rest."
        )
    if mode == "tick":
        return (
            "This kernel samples CPU time at its ticks and charges softirq to whatever it "
            "interrupts, mostly inside the cgroups; ticks undercount, so the rest can be negative "
            "and is shown as it is."
        )
    if isinstance(mode, str):
        return f"This kernel accounts CPU time in mode {mode}, softirq with what it interrupts."
    reason = f": {mode.reason}" if isinstance(mode, Absent) else ""
    return f"How this kernel accounts CPU time is not known{reason}."


def ceiling_sentences(analysis: model.Analysis) -> tuple[str, ...]:
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


def copies(analysis: model.Analysis) -> tuple[str, ...]:
    """Return one sentence for each placement: what its CPUs copy at most."""
    found = ((PLACEMENTS[ceiling.placement], _copies(ceiling)) for ceiling in analysis.ceilings)
    return tuple(f"{labels.capital(place)}, {text}." for place, text in found if text)


@dataclass(frozen=True, slots=True)
class Reached:
    """One probe's stream over loopback, and what each driver reaches of it."""

    probe: str
    placement: str
    rate: str
    source: str
    shares: tuple[str, ...]  # `51 %`, in the order of the drivers
    wire: bool  # whether it is between two machines


def loopbacks(info: RunInfo, analysis: model.Analysis) -> tuple[tuple[str, ...], list[Reached]]:
    """Return the drivers that have a share of any loopback, and every probe's shares."""
    found = [(ceiling, each) for ceiling in analysis.ceilings for each in ceiling.loopbacks]
    seen = {one.driver for _, each in found for one in each.efficiencies}
    drivers = tuple(driver for driver in info.plan.drivers if driver in seen)
    rows = []
    for ceiling, each in found:
        shares = {one.driver: units.share(one.efficiency, 0) for one in each.efficiencies}
        own = tuple(shares.get(driver, units.MISSING) for driver in drivers)
        rate = units.quantity(each.value, units.BITS_PER_SECOND)
        place = PLACEMENTS[ceiling.placement]
        row = Reached(plain(each.probe), place, rate, each.source, own, each.wire)
        rows.append(row)
    return drivers, rows


def _copies(ceiling: model.Ceiling) -> str:
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
        return f"a CPU copies memory at {labels.joined(figures)}"
    return f"memory copies not measured: {plain(ceiling.why)}" if ceiling.why else ""


def _loopback(loopback: model.Loopback) -> str:
    rate = units.quantity(loopback.value, units.BITS_PER_SECOND)
    what = "the wire between the machines" if loopback.wire else "loopback"
    text = f"{what} carries {rate} in {plain(loopback.probe)} ({loopback.source})"
    reached = [
        f"{plain(one.driver)} reaches {units.share(one.efficiency, 0)} of it"
        for one in loopback.efficiencies
    ]
    return "; ".join((text, labels.joined(reached))) if reached else text

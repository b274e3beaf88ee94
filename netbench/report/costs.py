"""What each driver costs in CPU time, and where that time went. Pure."""

from dataclasses import dataclass

from netbench import units
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.cpu_sums import PER
from netbench.analysis.digest_model import CpuMeans, Digest
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.record import Absent, RunInfo
from netbench.report.labels import concerns, interval
from netbench.report.sentences import fact


@dataclass(frozen=True, slots=True)
class CostRow:
    """One driver in one cell; CPUs are CPU seconds per second."""

    driver: str
    key: CellKey
    per: str
    """`byte` or `transaction`."""
    cost: str
    """CPU time for one of them, median over the trials."""
    ratio: str
    """To the baseline with its interval, where there is one."""
    busy: str
    """CPUs busy above the idle window."""
    client: str
    server: str
    rest: str
    """What neither end's cgroup accounts for, with its sign."""
    softirq: str


def cost_rows(analysis: Analysis, digest: Digest) -> tuple[CostRow, ...]:
    """Return every cell that has a cost, drivers of one cell together, the baseline first."""
    found = [
        cell for cell in analysis.cells if cell.metric in PER and cell.trials and not cell.replica
    ]
    order = {key: number for number, key in enumerate(dict.fromkeys(map(_key, found)))}
    found.sort(key=lambda cell: (order[_key(cell)], cell.driver != analysis.baseline))
    return tuple(_row(analysis, digest, cell) for cell in found)


def _key(cell: CellSummary) -> CellKey:
    return CellKey(cell.path, cell.probe, cell.placement)


def _row(analysis: Analysis, digest: Digest, cell: CellSummary) -> CostRow:
    key = _key(cell)
    means = next((m for m in digest.cpu if (m.driver, m.cell) == (cell.driver, key)), None)
    contrast = next(
        (
            c
            for c in analysis.contrasts
            if c.driver == cell.driver and concerns(c, key, cell.metric)
        ),
        None,
    )
    return CostRow(
        driver=cell.driver,
        key=key,
        per=PER[cell.metric],
        cost=units.quantity(cell.median, cell.unit),
        ratio="baseline" if cell.driver == analysis.baseline else _ratio(contrast),
        busy=_cpus(means.busy if means else None),
        client=_cpus(means.client if means else None),
        server=_cpus(means.server if means else None),
        rest=_cpus(means.rest if means else None, sign="+"),
        softirq=_share(means.softirq_share if means else None),
    )


def _ratio(contrast: Contrast | None) -> str:
    if contrast is None or contrast.ratio is None:
        return units.MISSING
    return f"{units.ratio(contrast.ratio)} {interval(contrast.low, contrast.high)}"


def _cpus(value: float | None, sign: str = "") -> str:
    return units.MISSING if value is None else f"{value:{sign}.3f}"


def _share(value: float | None) -> str:
    return units.MISSING if value is None else f"{value * 100:.0f} %"


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
        found.append(f"Up to {stolen * 100:.1f} % of a cell's CPU time was stolen by the host.")
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
    """Return how the kernel charges softirq, and what that does to the rest."""
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

"""The contrasts that share a run's error rate: fixed by its plan, never by results (METHOD §2)."""

from collections.abc import Container

from netbench.analysis.boundary import Looks
from netbench.analysis.stats import MIN_BLOCKS
from netbench.plan.budget_scope import declared
from netbench.record import METRICS, PlanSummary
from netbench.spec import Cell


def leading(plan: PlanSummary) -> dict[str, str | None]:
    """Return each probe's leading metric: the first with a ratio, None if none has one."""
    return {
        probe: next((m for m in metrics if m in METRICS and METRICS[m].compared), None)
        for probe, metrics in declared(plan).items()
    }


def is_primary(plan: PlanSummary, probe: str, placement: str, metric: str) -> bool:
    """Tell whether the run is judged by this metric in this cell."""
    return METRICS[metric].primary and (probe, placement) not in plan.secondary


def size(plan: PlanSummary, skipped: Container[Cell]) -> int:
    """Return m, the number of primary contrasts that the plan owes.

    Every driver beside the baseline, times the primary metrics of the cells that neither it nor
    the baseline skips every time. Failures and cells not reached count, and contrasts that are
    settled and leave: m follows from the plan alone.
    """
    metrics = declared(plan)
    return sum(
        is_primary(plan, cell.probe, cell.placement.value, metric)
        for cell in plan.cells
        if cell.driver != plan.baseline
        and cell not in skipped
        and Cell(plan.baseline, cell.path, cell.probe, cell.placement) not in skipped
        for metric in metrics.get(cell.probe, ())
        if metric in METRICS
    )


def looks(plan: PlanSummary, blocks: int) -> Looks:
    """Return when a contrast is judged that has this many blocks with a value.

    In an adaptive plan after every block from its least number to its cap; one that its time ended
    before that is judged as if it had been looked at from `MIN_BLOCKS` on. With a fixed number of
    blocks once, after all of them. More blocks than the cap are those of an extended run.
    """
    if plan.adaptive:
        first = plan.least if blocks >= plan.least else min(plan.least, MIN_BLOCKS)
        return Looks(first, max(plan.cap, plan.least))
    only = max(MIN_BLOCKS, min(blocks, plan.cap))
    return Looks(only, only)

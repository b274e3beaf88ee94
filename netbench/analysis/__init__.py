"""Records to contrasts, verdicts and warnings: all that can be said of a run. No I/O."""

from collections.abc import Iterable

from netbench.analysis.frame import Collector
from netbench.analysis.model import (
    Analysis,
    BudgetResult,
    CellSummary,
    Contrast,
    NullContrast,
    OutcomeCounts,
    QualityWarning,
    Standing,
    Stopped,
    Verdict,
)
from netbench.analysis.series import BlockDelta, SentinelPoint, TrialPoint
from netbench.record import Record, RunInfo

__all__ = [
    "Analysis",
    "BlockDelta",
    "BudgetResult",
    "CellSummary",
    "Collector",
    "Contrast",
    "NullContrast",
    "OutcomeCounts",
    "QualityWarning",
    "SentinelPoint",
    "Standing",
    "Stopped",
    "TrialPoint",
    "Verdict",
    "analyse",
]


def analyse(info: RunInfo, records: Iterable[Record] | Collector) -> Analysis:
    """Judge a run by METHOD's rules.

    `records` is read once, in any order, and only its numbers are kept; or a collector has them.
    Contrasts compare a driver with both baseline arms block by block; each of the m primary
    contrasts gets 0.05 / m of the error rate.
    """
    # pandas and scipy take a second to import; whoever only needs the types does not wait
    from netbench.analysis.pipeline import analyse as whole  # noqa: PLC0415 -- see above

    return whole(info, records)

"""Records to contrasts, verdicts and warnings: all that can be said of a run. No I/O."""

from netbench.analysis.frame import Collector
from netbench.analysis.model import (
    Analysis,
    BlockDelta,
    BudgetResult,
    Contrast,
    QualityWarning,
    Standing,
    Stopped,
    Verdict,
)
from netbench.analysis.pipeline import analyse

__all__ = [
    "Analysis",
    "BlockDelta",
    "BudgetResult",
    "Collector",
    "Contrast",
    "QualityWarning",
    "Standing",
    "Stopped",
    "Verdict",
    "analyse",
]

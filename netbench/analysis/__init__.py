"""Records to contrasts, verdicts and warnings: all that can be said of a run. No I/O."""

from netbench.analysis.frame import Collector as Collector
from netbench.analysis.model import Analysis as Analysis
from netbench.analysis.model import BlockDelta as BlockDelta
from netbench.analysis.model import BudgetResult as BudgetResult
from netbench.analysis.model import Confirmation as Confirmation
from netbench.analysis.model import Contrast as Contrast
from netbench.analysis.model import QualityWarning as QualityWarning
from netbench.analysis.model import Standing as Standing
from netbench.analysis.model import Stopped as Stopped
from netbench.analysis.model import Verdict as Verdict
from netbench.analysis.pipeline import analyse as analyse
from netbench.analysis.pipeline import judged as judged

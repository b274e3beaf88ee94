"""Fold a plan over an engine and yield what happens. No printing, no files."""

from netbench.runner.ceiling import ceiling
from netbench.runner.run_state import RunState
from netbench.runner.events import (
    BlockFinished,
    BlockStarted,
    Ended,
    Event,
    BlockJudged,
    TrialFinished,
    TrialStarted,
)
from netbench.runner.judge import Judge
from netbench.runner.run import Runner

__all__ = [
    "BlockFinished",
    "BlockStarted",
    "RunState",
    "Ended",
    "Event",
    "Judge",
    "BlockJudged",
    "Runner",
    "TrialFinished",
    "TrialStarted",
    "ceiling",
]

"""Fold a plan over an engine and yield what happens. No printing, no files."""

from netbench.runner.ceiling import ceiling
from netbench.runner.events import (
    BlockFinished,
    BlockJudged,
    BlockStarted,
    Ended,
    Event,
    TrialFinished,
    TrialStarted,
)
from netbench.runner.run import Runner
from netbench.runner.run_state import Judge, RunState

__all__ = [
    "BlockFinished",
    "BlockJudged",
    "BlockStarted",
    "Ended",
    "Event",
    "Judge",
    "RunState",
    "Runner",
    "TrialFinished",
    "TrialStarted",
    "ceiling",
]

"""Fold a plan over an engine and yield what happens. No printing, no files."""

from netbench.runner.ceiling import ceiling
from netbench.runner.events import (
    BlockFinished,
    BlockStarted,
    Ended,
    Event,
    TrialFinished,
    TrialStarted,
)
from netbench.runner.run import Runner

__all__ = [
    "BlockFinished",
    "BlockStarted",
    "Ended",
    "Event",
    "Runner",
    "TrialFinished",
    "TrialStarted",
    "ceiling",
]

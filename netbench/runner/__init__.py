"""Fold a plan over an engine and yield what happens. No printing, no files."""

from netbench.runner.ceiling import ceiling
from netbench.runner.course import Course
from netbench.runner.events import (
    BlockFinished,
    BlockStarted,
    Ended,
    Event,
    Judged,
    TrialFinished,
    TrialStarted,
)
from netbench.runner.judge import Judge
from netbench.runner.run import Runner

__all__ = [
    "BlockFinished",
    "BlockStarted",
    "Course",
    "Ended",
    "Event",
    "Judge",
    "Judged",
    "Runner",
    "TrialFinished",
    "TrialStarted",
    "ceiling",
]

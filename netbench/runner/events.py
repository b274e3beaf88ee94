"""What a run tells while it runs."""

from dataclasses import dataclass
from typing import Literal

from netbench.plan import Step
from netbench.record import Record, Ruling


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """Its pairs are about to be made."""

    number: int
    total: int
    """Blocks of the run, at most."""
    trials: int


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial is about to run."""

    step: Step
    attempt: int


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """A trial's record, complete."""

    record: Record


@dataclass(frozen=True, slots=True)
class BlockFinished:
    """Its pairs are gone."""

    number: int
    seconds: float
    left: tuple[str, ...]
    """What could not be removed, in words."""
    others: tuple[str, ...] = ()
    """Ids of other runs that were at work on this engine or machine while its trials ran."""


@dataclass(frozen=True, slots=True)
class BlockJudged:
    """A block has been judged: cells that are settled are run no more."""

    block: int
    ruling: Ruling
    trials: int
    """First attempts that are still to come, by the forecast."""
    seconds: float
    """That they take at the pace so far, within the limit."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over."""

    status: Literal["complete", "out-of-time"]


Event = BlockStarted | TrialStarted | TrialFinished | BlockFinished | BlockJudged | Ended

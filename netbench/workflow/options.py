"""How a run is measured beside its plan, and who follows it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from netbench.engines.base import EngineOptions
from netbench.plan import Plan
from netbench.record import FactValue
from netbench.runner.run_state import Event


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run that are no part of its plan."""

    output: Path = Path("reports")
    """Folder in which the run folder is made."""
    engine: EngineOptions = field(default_factory=EngineOptions)
    parent_in_use: bool = False
    """Whether `--parent` may be a link that the machine needs."""
    keep: bool = False
    """Whether the last block's pairs stay up."""
    identify: bool = False
    """Whether names and addresses of the site are recorded as they are."""
    asked: tuple[tuple[str, FactValue], ...] = ()
    """Everything that was asked for, by the option's name: what a resumed run must find again."""
    command: tuple[str, ...] = ("netbench",)
    """The command line, as the run records it."""


class Progress(Protocol):
    """Shows the events of a run."""

    def show(self, event: Event) -> None:
        """Take one event."""
        ...


class Observer(Protocol):
    """Follows a run while it is measured."""

    def say(self, line: str) -> None:
        """Take a message that the user must see."""
        ...

    def inform(self, line: str) -> None:
        """Take a line of progress."""
        ...

    def progress(self, plan: Plan, done: int) -> AbstractContextManager[Progress]:
        """Return what shows the run's events; `done` records of the plan exist already."""
        ...


class SilentObserver:
    """Shows nothing."""

    def say(self, line: str) -> None:
        """Ignore a message."""

    def inform(self, line: str) -> None:
        """Ignore a line of progress."""

    def show(self, event: Event) -> None:
        """Ignore an event."""

    @contextmanager
    def progress(self, plan: Plan, done: int) -> Iterator[Progress]:
        """Yield itself."""
        del plan, done
        yield self

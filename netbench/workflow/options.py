"""How a run is measured beside its plan, and what follows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from netbench.engines.base import EngineOptions
from netbench.plan import Plan
from netbench.record import FactValue, LinkedRun
from netbench.runner.run_state import Event


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run that are no part of its plan."""

    output: Path = Path("reports")  # folder in which the run folder is made
    engine: EngineOptions = field(default_factory=EngineOptions)
    parent_in_use: bool = False  # whether `--parent` may be a link that the machine needs
    keep: bool = False  # whether the last block's pairs stay up
    identify: bool = False  # whether names and addresses of the site are recorded as they are
    asked: tuple[tuple[str, FactValue], ...] = ()  # by option; a resumed run must find it again
    command: tuple[str, ...] = ("netbench",)  # the command line, as the run records it
    notes: tuple[str, ...] = ()  # what a reader must know about the run as a whole
    confirms: LinkedRun | None = None  # the run whose missed budgets are measured again


class Observer:
    """Follows a run while it is measured; this one shows nothing."""

    def say(self, line: str) -> None:
        """Take a message that the user must see."""

    def inform(self, line: str) -> None:
        """Take a line of progress."""

    @contextmanager
    def progress(self, plan: Plan, done: int) -> Iterator[Callable[[Event], None]]:
        """Yield what takes each event of the run; `done` records of the plan exist already."""
        del plan, done
        yield lambda _: None


SILENT: Final = Observer()

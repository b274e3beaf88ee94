"""Progress on stderr: one live line on a terminal, a plain line a block elsewhere, or nothing."""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.cli.output import one_line, say
from netbench.plan import Plan
from netbench.record import METRICS, Failure, Left, Record, Ruling, Sample
from netbench.runner.run_state import (
    BlockFinished,
    BlockJudged,
    BlockStarted,
    Event,
    TrialFinished,
    TrialStarted,
)
from netbench.spec import Arm, Cell, Path
from netbench.workflow.options import Observer

if TYPE_CHECKING:
    from rich.text import Text

_DUMB = ("", "dumb", "unknown")  # kinds of terminals that cannot draw a line anew
_FAR = 1000  # blocks from which on a forecast says no number
_NAMED = 4  # cells that are named one by one where several are left


class ProgressCounts:
    """What progress is computed from: records so far, time left, medians so far."""

    def __init__(self, plan: Plan, done: int = 0) -> None:
        """Start the clock; `done` records of the plan were there before."""
        self._block = ""
        self.most = "at most " if plan.adaptive else ""
        blocks = plan.least if plan.adaptive else plan.blocks
        self._total = max(0, blocks * len(plan.arms) * len(plan.kinds) - done)
        self._seen: set[tuple[int, int]] = set()
        """Blocks and positions with a record; another attempt adds none."""
        self._began = self._last = time.monotonic()
        self.end: float | None = None  # when the run ends by the last forecast, on the same clock
        self._values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        """By measure and driver."""

    def add(self, record: Record) -> None:
        """Count one record."""
        self._seen.add((record.block, record.position))
        self._last = time.monotonic()
        if not isinstance(record.outcome, Sample) or record.replica:
            return
        for measurement in record.outcome.measurements:
            if METRICS[measurement.metric].primary:
                measure = f"{_place(record.cell)} {measurement.metric}"
                self._values[measure, record.cell.driver].append(measurement.value)

    @property
    def left(self) -> str:
        """Time left, by the forecast where there is one, else by the pace; empty at first."""
        end, done = self.end, len(self._seen)
        if end is None and not done:
            return ""
        if end is None:
            pace = (self._last - self._began) / done
            end = self._last + pace * max(0, self._total - done)
        return units.duration(max(0.0, end - time.monotonic()))

    def medians(self) -> str:
        """Return running medians by cell, metric and driver, on one line."""
        shown = []
        for (measure, driver), values in sorted(self._values.items()):
            unit = METRICS[measure.rpartition(" ")[2]].unit
            shown.append((measure, f"{driver} {units.quantity(median(values), unit)}"))
        return "; ".join(f"{name}: {', '.join(own)}" for name, own in grouped(shown).items())


def standing(ruling: Ruling, seconds: float) -> list[str]:
    """Return what a block has settled and what is left of the run, in lines."""
    found = grouped(((one.why, _place(one.cell)), one.cell.driver) for one in ruling.settled)
    places = grouped(((why, ", ".join(names)), place) for (why, place), names in found.items())
    lines = [f"settled: {who} in {', '.join(at)} ({why})" for (why, who), at in places.items()]
    left = f"left: {_left(ruling.left)}; {units.duration(seconds)} at most"
    return [*lines, left if ruling.left else "nothing is left to settle"]


def _left(cells: Sequence[Left]) -> str:
    """Return what is left to settle: `bridge in tcp-rr@same (by block 12) and 3 more`."""
    said = []
    for left in cells[:_NAMED]:
        far = left.blocks is not None and left.blocks > _FAR
        when = "far from settled" if far else f"by block {left.blocks}"
        forecast = "" if left.blocks is None else f" ({when})"
        said.append(f"{left.cell.driver} in {_place(left.cell)}{forecast}")
    more = f" and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return f"{', '.join(said)}{more}"


def _place(cell: Cell) -> str:
    """Return `tcp-rr@same`, and the path where it is not the usual one."""
    path = "" if cell.path is Path.EAST_WEST else f" {cell.path}"
    return f"{cell.probe}@{cell.placement}{path}"


class PlainProgress(ProgressCounts):
    """A line when the first block begins, one for each that ends, and one for each failure."""

    _last_block = False

    def show(self, event: Event) -> None:
        """Print what a log should keep."""
        match event:
            case BlockStarted(number, total, trials):
                first, self._last_block = not self._block, number == total
                self._block = f"block {number} of {self.most}{total}"
                if first:
                    say(f"{self._block}: {trials} record{'' if trials == 1 else 's'}")
            case TrialFinished(record):
                self.add(record)
                if isinstance(record.outcome, Failure):
                    failed = f"failed ({record.outcome.stage}): {record.outcome.reason}"
                    say(f"  {_cell(record)}: {failed}")
            case BlockFinished(_, seconds, _):
                self._block += f": {seconds:.1f} s"
                if not self.most:
                    self._end_block([] if self._last_block else [f"left {self.left}"])
            case BlockJudged(_, ruling, _, seconds):
                self.end = time.monotonic() + seconds
                self._end_block(standing(ruling, seconds))
            case _:
                pass

    def _end_block(self, said: list[str]) -> None:
        medians = self.medians()
        say("; ".join([self._block, *said, *([f"medians: {medians}"] if medians else [])]))


class LiveProgress(ProgressCounts):
    """One live line: the block, what is running, what is left to decide, and the time that takes.

    Where it is too wide it says less, in a fixed order: first the cells that are left are counted
    instead of named, then what is running goes, then what is left, at last the time.
    """

    def __init__(self, plan: Plan, done: int = 0) -> None:
        """Start the clock as its base does; `live` opens the line."""
        from rich.console import Console  # noqa: PLC0415 -- rich is slow to import
        from rich.live import Live  # noqa: PLC0415 -- same

        super().__init__(plan, done)
        self._running = ""
        self._ruling: Ruling | None = None
        console = Console(stderr=True)
        self.live = Live(
            console=console,
            refresh_per_second=4,
            transient=True,
            get_renderable=lambda: self._text(console.width),
        )

    def show(self, event: Event) -> None:
        """Take an event; the line is drawn anew by the clock."""
        match event:
            case BlockStarted(number, total, _):
                self._block = f"block {number} of {self.most}{total}"
                self._running = "bringing pairs up"
            case TrialStarted(step, attempt):
                again = f", attempt {attempt}" if attempt > 1 else ""
                self._running = f"{_place(step.cell)}{again}"
            case TrialFinished(record):
                self.add(record)
                if isinstance(record.outcome, Failure):
                    line = one_line(f"{_cell(record)}: failed: {record.outcome.reason}")
                    self.live.console.print(line, markup=False, emoji=False, highlight=False)
            case BlockJudged(_, ruling, _, seconds):
                self.end = time.monotonic() + seconds
                self._ruling = ruling
            case _:
                pass

    def line(self, width: int) -> str:
        """Return the longest form of the line that is not wider than `width`."""
        left = self._ruling.left if self._ruling is not None else ()
        named = f"to decide: {_left(left)}" if left else ""
        counted = f"{len(left)} cell{'' if len(left) == 1 else 's'} to decide" if left else ""
        time = f"{self.most}{self.left} left" if self.left else ""
        forms = (
            (self._block, self._running, named, time),
            (self._block, self._running, counted, time),
            (self._block, counted, time),
            (self._block, time),
        )
        said = (" · ".join(filter(None, form)) for form in forms)
        return next((line for line in said if len(line) <= width), self._block)

    def _text(self, width: int) -> "Text":
        from rich.text import Text as RichText  # noqa: PLC0415 -- rich is slow to import

        return RichText(one_line(self.line(width)), no_wrap=True, overflow="ignore")


class TerminalObserver(Observer):
    """Prints to stderr what a run does."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Show no progress where `quiet`; messages are shown all the same."""
        self._quiet = quiet
        self.informed = False  # whether a line of progress, such as the engine's, was printed

    def say(self, line: str) -> None:
        """Print a message."""
        say(line)

    def inform(self, line: str) -> None:
        """Print a line of progress."""
        if not self._quiet:
            say(line)
            self.informed = True

    @contextmanager
    def progress(self, plan: Plan, done: int) -> Iterator[Callable[[Event], None]]:
        """Yield the progress that fits stderr."""
        if self._quiet:
            with super().progress(plan, done) as show:
                yield show
        elif _is_live():
            progress = LiveProgress(plan, done)
            with progress.live:
                yield progress.show
        else:
            yield PlainProgress(plan, done).show


def _is_live() -> bool:
    """Return whether a line on stderr can be drawn anew, and may."""
    dumb = os.environ.get("TERM", "").lower() in _DUMB
    return sys.stderr.isatty() and not dumb and not os.environ.get("NO_COLOR")


def _cell(record: Record) -> str:
    return f"{Arm(record.cell.driver, record.replica)} {record.cell.probe}@{record.cell.placement}"

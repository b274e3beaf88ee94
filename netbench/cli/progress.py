"""Progress on stderr: a live line on a terminal, plain lines elsewhere, nothing if quiet."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from netbench import units
from netbench.cli.output import printable, say
from netbench.plan import Plan
from netbench.record import METRICS, Failure, Left, Record, Ruling, Sample, Settled
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

_FAR = 1000  # blocks from which on a forecast says no number
_NAMED = 4  # cells that are named one by one where several are left


class ProgressCounts:
    """What progress is computed from: records so far, time left, medians so far."""

    def __init__(self, plan: Plan, done: int = 0) -> None:
        """Start the clock; `done` records of the plan were there before."""
        self.most = "at most " if plan.adaptive else ""
        blocks = plan.least if plan.adaptive else plan.blocks
        self._total = max(0, blocks * len(plan.arms) * len(plan.kinds) - done)
        self._seen: set[tuple[int, int]] = set()
        """Blocks and positions with a record; another attempt adds none."""
        self._began = time.monotonic()
        self._end: float | None = None
        """When the run ends by the last forecast, on the same clock."""
        self._values: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, record: Record) -> None:
        """Count one record."""
        self._seen.add((record.block, record.position))
        if not isinstance(record.outcome, Sample) or record.replica:
            return
        for measurement in record.outcome.measurements:
            if METRICS[measurement.metric].primary:
                key = (measurement.metric, record.cell.placement.value, record.cell.driver)
                self._values[key].append(measurement.value)

    def judged(self, event: BlockJudged) -> None:
        """Take the forecast, which tells more than the plan."""
        self._total = len(self._seen) + event.trials
        self._end = time.monotonic() + event.seconds

    @property
    def left(self) -> str:
        """Time left, by the forecast where there is one, else by the pace so far."""
        now, done = time.monotonic(), len(self._seen)
        if self._end is not None:
            return units.duration(max(0.0, self._end - now))
        if not done:
            return "…"
        return units.duration((now - self._began) / done * max(0, self._total - done))

    @property
    def share(self) -> float:
        """Share of the planned records that are done."""
        return min(1.0, len(self._seen) / self._total) if self._total else 1.0

    def medians(self) -> str:
        """Return running medians by metric, placement and driver, on one line."""
        parts: defaultdict[str, list[str]] = defaultdict(list)
        for (metric, placement, driver), values in sorted(self._values.items()):
            shown = units.quantity(median(values), METRICS[metric].unit)
            parts[f"{metric}@{placement}"].append(f"{driver} {shown}")
        return "; ".join(f"{name}: {', '.join(values)}" for name, values in parts.items())


def standing(ruling: Ruling, seconds: float) -> list[str]:
    """Return what a block has settled and what is left of the run, in lines."""
    lines = _leaving(ruling.settled)
    if not ruling.left:
        return [*lines, "nothing is left to settle"]
    named = [_forecast(left) for left in ruling.left[:_NAMED]]
    more = len(ruling.left) - len(named)
    rest = f" and {more} more" if more else ""
    return [*lines, f"left: {', '.join(named)}{rest}; {units.duration(seconds)} at most"]


def _leaving(settled: Iterable[Settled]) -> list[str]:
    """Return a line for all that leave in the same cells for the same reason."""
    drivers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in settled:
        drivers[one.why, _place(one.cell)].append(one.cell.driver)
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (why, place), names in drivers.items():
        places[why, ", ".join(names)].append(place)
    return [
        f"settled: {names} in {', '.join(where)} ({why})" for (why, names), where in places.items()
    ]


def _forecast(left: Left) -> str:
    what = f"{left.cell.driver} in {_place(left.cell)}"
    if left.blocks is None:
        return what
    when = f"by block {left.blocks}" if left.blocks <= _FAR else "far from settled"
    return f"{what} ({when})"


def _place(cell: Cell) -> str:
    """Return `tcp-rr@same`, and the path where it is not the usual one."""
    path = "" if cell.path is Path.EAST_WEST else f" {cell.path}"
    return f"{cell.probe}@{cell.placement}{path}"


class PlainProgress(ProgressCounts):
    """A line when a block begins and ends, and one for each failure."""

    def show(self, event: Event) -> None:
        """Print what a log should keep."""
        match event:
            case BlockStarted(number, total, trials):
                records = f"{trials} record{'' if trials == 1 else 's'}"
                say(f"block {number} of {self.most}{total}: {records}; left {self.left}")
            case TrialFinished(record):
                self.add(record)
                if isinstance(record.outcome, Failure):
                    failed = f"failed ({record.outcome.stage}): {record.outcome.reason}"
                    say(f"  {_cell(record)}: {failed}")
            case BlockFinished(number, seconds, _):
                say(f"  {seconds:.1f} s; medians: {self.medians()}")
            case BlockJudged(_, ruling, _, seconds):
                self.judged(event)
                for line in standing(ruling, seconds):
                    say(f"  {line}")
            case _:
                pass


class LiveProgress(ProgressCounts):
    """One live region: the bar, what is running, time left, running medians."""

    def __init__(self, plan: Plan, done: int = 0) -> None:
        """Take the plan, `done` records of which were there before; `live` opens the region."""
        from rich.console import Console  # noqa: PLC0415 -- rich is slow to import
        from rich.live import Live  # noqa: PLC0415 -- same

        super().__init__(plan, done)
        self._block = self._running = self._standing = ""
        self.live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)

    def show(self, event: Event) -> None:
        """Redraw."""
        match event:
            case BlockStarted(number, total, _):
                self._block = f"block {number} of {self.most}{total}"
                self._running = "bringing pairs up"
            case TrialStarted(step, attempt):
                again = f", attempt {attempt}" if attempt > 1 else ""
                self._running = f"{_place(step.cell)}, all arms{again}"
            case TrialFinished(record):
                self.add(record)
                if isinstance(record.outcome, Failure):
                    self._print(f"{_cell(record)}: failed: {record.outcome.reason}")
            case BlockJudged(_, ruling, _, seconds):
                self.judged(event)
                *settled, self._standing = standing(ruling, seconds)
                for line in settled:
                    self._print(line)
            case _:
                pass
        self.live.update(self._text())

    def _print(self, line: str) -> None:
        self.live.console.print(printable(line), markup=False, emoji=False, highlight=False)

    def _text(self) -> "Text":
        from rich.text import Text as RichText  # noqa: PLC0415 -- rich is slow to import

        width = 28
        done = round(self.share * width)
        head = f"{'━' * done}{'─' * (width - done)} {self._block} · {self._running}"
        lines = [f"{head} · left {self.left}", *self.medians().split("; ")]
        lines += [self._standing] if self._standing else []
        return RichText(printable("\n".join(lines)), overflow="ellipsis")


class TerminalObserver(Observer):
    """Prints to stderr what a run does."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Show no progress where `quiet`; messages are shown all the same."""
        self._quiet = quiet

    def say(self, line: str) -> None:
        """Print a message."""
        say(line)

    def inform(self, line: str) -> None:
        """Print a line of progress."""
        if not self._quiet:
            say(line)

    @contextmanager
    def progress(self, plan: Plan, done: int) -> Iterator[Callable[[Event], None]]:
        """Yield the progress that fits stderr."""
        if self._quiet:
            with super().progress(plan, done) as show:
                yield show
        elif sys.stderr.isatty():
            progress = LiveProgress(plan, done)
            with progress.live:
                yield progress.show
        else:
            yield PlainProgress(plan, done).show


def _cell(record: Record) -> str:
    return f"{Arm(record.cell.driver, record.replica)} {record.cell.probe}@{record.cell.placement}"

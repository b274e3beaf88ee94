"""Progress on stderr: a live line on a terminal, plain lines elsewhere, nothing if quiet."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Protocol

from netbench import units
from netbench.cli.output import say
from netbench.plan import Plan
from netbench.record import METRICS, Failure, Record, Sample
from netbench.runner import BlockFinished, BlockStarted, Event, TrialFinished, TrialStarted

if TYPE_CHECKING:
    from rich.text import Text


class Progress(Protocol):
    """Shows what a run tells."""

    def show(self, event: Event) -> None:
        """Take one event."""
        ...


class Tally:
    """What progress is computed from: trials done, time left, medians so far."""

    def __init__(self, plan: Plan) -> None:
        """Start the clock."""
        self._total = plan.blocks * len(plan.arms) * len(plan.kinds)
        self._done = 0
        self._began = time.monotonic()
        self._values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, record: Record) -> None:
        """Take one record; reruns are not part of the plan's total."""
        self._done += record.attempt == 1
        if not isinstance(record.outcome, Sample) or record.replica:
            return
        for measurement in record.outcome.measurements:
            if METRICS[measurement.metric].primary:
                key = (measurement.metric, record.cell.placement.value, record.cell.driver)
                self._values.setdefault(key, []).append(measurement.value)

    @property
    def left(self) -> str:
        """Time left, by the pace so far."""
        if not self._done:
            return "…"
        pace = (time.monotonic() - self._began) / self._done
        return units.duration(pace * max(0, self._total - self._done))

    @property
    def share(self) -> float:
        """Share of the planned trials that are done."""
        return min(1.0, self._done / self._total) if self._total else 1.0

    def medians(self) -> str:
        """Return running medians by metric, placement and driver, on one line."""
        parts: dict[str, list[str]] = {}
        for (metric, placement, driver), values in sorted(self._values.items()):
            shown = units.quantity(median(values), METRICS[metric].unit)
            parts.setdefault(f"{metric}@{placement}", []).append(f"{driver} {shown}")
        return "; ".join(f"{name}: {', '.join(values)}" for name, values in parts.items())


class PlainProgress:
    """A line when a block begins and ends, and one for each failure."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan."""
        self._tally = Tally(plan)

    def show(self, event: Event) -> None:
        """Print what a log should keep."""
        match event:
            case BlockStarted(number, total, trials):
                say(f"block {number} of {total}: {trials} trials; left {self._tally.left}")
            case TrialFinished(record):
                self._tally.add(record)
                if isinstance(record.outcome, Failure):
                    say(
                        f"  {_cell(record)}: failed ({record.outcome.stage}): "
                        f"{record.outcome.reason}"
                    )
            case BlockFinished(number, seconds, _):
                say(f"  {seconds:.1f} s; medians: {self._tally.medians()}")
            case _:
                pass


class LiveProgress:
    """One live region: the bar, what is running, time left, running medians."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan; the region opens with `live`."""
        from rich.console import Console  # noqa: PLC0415 -- rich is slow to import
        from rich.live import Live  # noqa: PLC0415 -- same

        self._tally = Tally(plan)
        self._block = self._running = ""
        self.live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)

    def show(self, event: Event) -> None:
        """Redraw."""
        match event:
            case BlockStarted(number, total, _):
                self._block = f"block {number} of {total}"
                self._running = "bringing pairs up"
            case TrialStarted(step, attempt):
                again = f", attempt {attempt}" if attempt > 1 else ""
                where = f"{step.cell.probe}@{step.cell.placement}"
                self._running = f"{step.arm} {where}{again}"
            case TrialFinished(record):
                self._tally.add(record)
                if isinstance(record.outcome, Failure):
                    self.live.console.print(
                        f"{_cell(record)}: failed: {record.outcome.reason}", markup=False
                    )
            case _:
                pass
        self.live.update(self._text())

    def _text(self) -> "Text":
        from rich.text import Text as RichText  # noqa: PLC0415 -- rich is slow to import

        width = 28
        done = round(self._tally.share * width)
        head = f"{'━' * done}{'─' * (width - done)} {self._block} · {self._running}"
        lines = [f"{head} · left {self._tally.left}", *self._tally.medians().split("; ")]
        return RichText("\n".join(lines), overflow="ellipsis")


class Silence:
    """Shows nothing."""

    def show(self, event: Event) -> None:
        """Let it pass."""


@contextmanager
def open_progress(plan: Plan, *, quiet: bool) -> Iterator[Progress]:
    """Return the progress that fits stderr."""
    if quiet:
        yield Silence()
    elif sys.stderr.isatty():
        progress = LiveProgress(plan)
        with progress.live:
            yield progress
    else:
        yield PlainProgress(plan)


def _cell(record: Record) -> str:
    arm = f"{record.cell.driver}{' (A/A)' if record.replica else ''}"
    return f"{arm} {record.cell.probe}@{record.cell.placement}"

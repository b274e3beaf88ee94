"""The run folder, kept up to date with every event of a run."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from netbench.record import OtherRun, RunInfo
from netbench.runner.run_state import BlockFinished, BlockJudged, Ended, Event, TrialFinished
from netbench.store import RunFolder
from netbench.system.interrupts import deferred_signals
from netbench.workflow.options import Observer

Status = Literal["complete", "out-of-time", "interrupted", "engine-lost"]


@dataclass(slots=True)
class Journal:
    """Writes every event of a run to its folder."""

    folder: RunFolder
    info: RunInfo
    observer: Observer
    status: Status = "interrupted"

    def take(self, event: Event) -> None:
        """Store what an event brings."""
        match event:
            case TrialFinished(record):
                with deferred_signals():
                    self.folder.append(record)
            case BlockFinished(number, _, left, others):
                if left:
                    self.note(f"block {number}: not removed at once: {'; '.join(left)}")
                for run in others:
                    self._beside(run, number)
            case BlockJudged(_, ruling) if ruling.settled:
                self.info = replace(self.info, settled=(*self.info.settled, *ruling.settled))
                with deferred_signals():
                    self.folder.finish(self.info)
            case Ended(status):
                self.status = status
            case _:
                pass

    def note(self, text: str) -> None:
        """Add what a reader must know."""
        self.info = replace(self.info, notes=(*self.info.notes, text))

    def _beside(self, run: str, block: int) -> None:
        """Note that another netbench was at work."""
        seen = {other.id: other.blocks for other in self.info.others}
        if run not in seen:
            self.observer.say(
                f"netbench: another netbench (run {run}) is at work here: each disturbs the other"
            )
        seen[run] = (*seen.get(run, ()), block)
        others = tuple(OtherRun(run, blocks) for run, blocks in seen.items())
        self.info = replace(self.info, others=others)

    def close(self, wall: float) -> None:
        """Write how it ended."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        self.folder.finish(replace(self.info, status=self.status, finished=finished, wall=wall))

"""How long blocks take, by those that ran."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from netbench.plan import Step
from netbench.record import Record
from netbench.spec import Cell, Path, Placement

_Place = tuple[Path, str, Placement]


def _place(cell: Cell) -> _Place:
    return cell.path, cell.probe, cell.placement


class Pace:
    """Mean seconds of each kind of trial, and of what lies around the trials of a block."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self._times: defaultdict[_Place, list[float]] = defaultdict(list)
        self._here = 0.0
        self._around: list[float] = []
        self._blocks: list[tuple[float, Sequence[Step]]] = []

    def take(self, record: Record) -> None:
        """Take one trial of the block that runs; reruns count towards their kind."""
        self._times[_place(record.cell)].append(record.clock.seconds)
        self._here += record.clock.seconds

    def close(self, steps: Sequence[Step], seconds: float) -> None:
        """Take a whole block, bringing up and down included."""
        self._around.append(seconds - self._here)
        self._blocks.append((seconds, steps))
        self._here = 0.0

    def trials(self, steps: Iterable[Step]) -> float:
        """Return the seconds that these trials should take; 0 for kinds not seen yet."""
        counts = Counter(step.place for step in steps)
        return sum(n * _mean(self._times.get(place, [])) for place, n in counts.items())

    def block(self, steps: Iterable[Step]) -> float:
        """Return the seconds that a block of these steps should take."""
        return _mean(self._around) + self.trials(steps)

    def longest(self, steps: Sequence[Step]) -> float:
        """Return the seconds that it may take, by the slowest block so far; 0 before the first."""
        expected = self.block(steps)
        return max(
            (seconds * expected / self.block(past) for seconds, past in self._blocks), default=0.0
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

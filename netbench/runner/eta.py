"""How long blocks take, by those that ran."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from netbench.plan import Place, Step
from netbench.record import Record
from netbench.spec import Cell


def _place(cell: Cell) -> Place:
    return cell.path, cell.probe, cell.placement


def span(records: Iterable[Record]) -> float:
    """Return the seconds that records in a row took, from the first one's start; 0 without any.

    The sessions of one place run side by side: each record has its share of the seconds, so that
    the last place ends so many seconds after its first record's start as its shares add up to.
    """
    began: float | None = None
    place, since, seconds = None, 0.0, 0.0
    for record in records:
        here = (record.block, _place(record.cell))
        if here != place:
            place, since, seconds = here, record.clock.started_monotonic, 0.0
        began = since if began is None else began
        seconds += record.clock.seconds
    return 0.0 if began is None else max(0.0, since + seconds - began)


class BlockEta:
    """Mean seconds of a record of each place, and of what lies around the records of a block."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self._times: defaultdict[Place, list[float]] = defaultdict(list)
        self._here = 0.0
        self._around: list[float] = []
        self._blocks: list[tuple[float, Sequence[Step]]] = []

    def take(self, record: Record) -> None:
        """Take one record of the block that runs; of a session it has its share of the seconds."""
        self._times[_place(record.cell)].append(record.clock.seconds)
        self._here += record.clock.seconds

    def close(self, steps: Sequence[Step], seconds: float) -> None:
        """Take a whole block, bringing up and down included."""
        self._around.append(seconds - self._here)
        self._blocks.append((seconds, steps))
        self._here = 0.0

    def trials(self, steps: Iterable[Step]) -> float:
        """Return the seconds that these steps should take; 0 for places not seen yet."""
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

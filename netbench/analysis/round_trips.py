"""Round-trip times of many records, counted together as they pass."""

from collections import Counter
from dataclasses import dataclass, field

from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import MergedTimes
from netbench.record import Record, Sample


@dataclass(slots=True)
class _Times:
    """What is counted of one driver in one cell."""

    records: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    largest: float = 0.0


class RoundTrips:
    """The merged histograms of every driver in every cell that has them.

    The baseline's second arm is left out.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.times: dict[tuple[str, CellKey], _Times] = {}

    def add(self, record: Record, sample: Sample) -> None:
        """Count one record, unless its tool did not tell every time."""
        if not sample.histogram or record.replica:
            return
        cell = record.cell
        key = CellKey(cell.path, cell.probe, cell.placement)
        times = self.times.setdefault((cell.driver, key), _Times())
        times.records += 1
        counts = times.counts
        for bucket, count in sample.histogram:
            counts[bucket] += count
        times.largest = max(times.largest, sample.value("rtt_max") or 0.0)

    def merged(self) -> tuple[MergedTimes, ...]:
        """Return the histograms, in the order of the records."""
        return tuple(
            MergedTimes(
                driver=driver,
                cell=key,
                records=times.records,
                times=tuple(sorted(times.counts.items())),
                largest=times.largest or None,
            )
            for (driver, key), times in self.times.items()
        )

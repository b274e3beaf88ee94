"""The machine of two runs, by the sentinel's readings of both. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netbench.analysis.gates import MachineChange
from netbench.analysis.stats import RunScatter
from netbench.spec import Placement

SPLIT_RATIO: Final = 1.5  # ratio of median sentinel readings that shows another condition


@dataclass(frozen=True, slots=True)
class MachineState:
    """The sentinel's median readings in two runs, on one placement's CPUs."""

    placement: Placement
    left: float
    right: float
    unit: str

    @property
    def ratio(self) -> float:
        """Right over left."""
        return self.right / self.left


def machine_change(
    readings: tuple[float | None, float | None],
    labels: tuple[str, str],
    scatter: RunScatter | None,
    *,
    absolute: bool,
    margin: float,
) -> MachineChange:
    """Return by how much the machine differs; a ratio changes with another condition alone.

    Where a history met the machine in both conditions, its scatter holds what they do to a ratio.
    """
    left, right = readings
    ratio = None if left is None or right is None else right / left
    size = abs(math.log(ratio or 1.0))
    allowed = 1 + margin if absolute else SPLIT_RATIO
    known = not absolute and _met(scatter, margin, readings)
    return MachineChange(
        ratio=ratio,
        size=size if size > math.log(allowed) and not known else 0.0,
        absolute=absolute,
        labels=labels,
    )


def _met(scatter: RunScatter | None, margin: float, readings: Iterable[float | None]) -> bool:
    """Tell whether the runs of a history met the machine as both of these runs did."""
    if scatter is None or scatter.readings is None:
        return False
    low, high = scatter.readings
    return all(
        one is not None and low / (1 + margin) <= one <= high * (1 + margin) for one in readings
    )

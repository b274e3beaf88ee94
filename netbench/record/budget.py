"""Budgets: what a driver may cost, as a plain value that a run records and is judged by."""

from dataclasses import dataclass
from typing import Literal

from netbench.record.metrics import METRICS
from netbench.spec import Cell
from netbench.units import digits, spelled


@dataclass(frozen=True, slots=True)
class Budget:
    """One bound on one metric of a driver: `bridge.rtt_p99@same <= host + 20us`.

    It stands for each cell of the driver that it covers, and all of them must keep it.
    """

    driver: str
    """Whose metric is bounded, with mode and variant."""
    metric: str
    """A key of `METRICS`."""
    words: tuple[str, ...]
    """Placements, paths and probes of the suite that narrow the cells down; none for all."""
    relation: Literal["<=", ">="]
    reference: str | None
    """The driver that the bound is taken from; None for an absolute bound."""
    factor: float
    """Of the reference's value; 1 where there is no reference."""
    offset: float
    """Added to that, in the metric's unit; the bound itself where there is no reference."""

    def covers(self, cell: Cell) -> bool:
        """Tell whether this is a cell of the driver that the words leave in."""
        facets = (cell.placement.value, cell.path.value, cell.probe)
        return cell.driver == self.driver and all(word in facets for word in self.words)

    @property
    def proportional(self) -> bool:
        """Whether the bound is a factor of the reference's value, and nothing else."""
        return self.reference is not None and self.offset == 0

    def __str__(self) -> str:
        """Return the expression, in the grammar that `--require` takes."""
        left = "@".join((f"{self.driver}.{self.metric}", *self.words))
        return f"{left} {self.relation} {self.bound}"

    @property
    def bound(self) -> str:
        """The right side: `20us`, `0.9 host`, `host + 20us`."""
        unit = METRICS[self.metric].unit
        if self.reference is None:
            return spelled(self.offset, unit)
        factor = "" if self.factor == 1 else f"{digits(self.factor)} "
        sign = "+" if self.offset > 0 else "-"
        offset = f" {sign} {spelled(abs(self.offset), unit)}" if self.offset else ""
        return f"{factor}{self.reference}{offset}"

"""What a run decides about its own contrasts while it goes on, block after block."""

from dataclasses import dataclass
from typing import Literal

from netbench.spec import Cell

Why = Literal["precise", "decided", "no-contrast"]


@dataclass(frozen=True, slots=True)
class Settled:
    """A cell that has left the run: its leading metric's contrast needs no more blocks."""

    cell: Cell
    block: int
    """The last block it ran in."""
    why: Why
    """`precise`: the interval is as narrow as was asked for. `decided`: a verdict stands.
    `no-contrast`: there is nothing to compare, or one side never gave a number."""


@dataclass(frozen=True, slots=True)
class Left:
    """A cell that goes on."""

    cell: Cell
    blocks: int | None
    """Blocks of the run after which its contrast would be precise, by the spread so far; None
    where nothing can be said yet. A verdict may settle it sooner."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is settled after a block, and what is left."""

    settled: tuple[Settled, ...]
    """By this block; earlier ones are not told again."""
    left: tuple[Left, ...]

"""What a run decides about its own contrasts while it goes on, block after block."""

from dataclasses import dataclass
from typing import Literal

from netbench.spec import Cell

Why = Literal["precise", "decided", "described", "no-contrast"]


@dataclass(frozen=True, slots=True)
class Settled:
    """A cell whose leading metric's contrast needs no more blocks: it has left the run."""

    cell: Cell
    block: int
    """The last block it ran in; a run that was extended may have measured it again since."""
    why: Why
    """`precise`: the interval is as narrow as was asked for. `decided`: a verdict stands.
    `described`: it only describes, and has run in as many blocks as its suite says.
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

"""The interface of what decides, after each block, which cells need no more of them."""

from typing import Protocol

from netbench.record import Record, Ruling


class Judge(Protocol):
    """Sees every record once and rules after every block.

    What it has called settled it does not name again: those cells are not run again, unless all
    were settled and the run was extended. The baseline's own cells stay as long as another driver's
    are there to be compared with them.
    """

    def take(self, record: Record) -> None:
        """Take one record of the block that runs; only its numbers need be kept."""
        ...

    def rule(self, block: int) -> Ruling:
        """Return what this block, the last that ran, has settled, and what is left."""
        ...

"""How a run was resumed or extended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResumeDifference:
    """What is not as it was when the run began."""

    what: str
    """A fact's name, or that of a tool or an option."""
    before: str
    now: str

    def __str__(self) -> str:
        """Return `kernel.release: 6.1.0 when the run began, 6.12.1 now`."""
        return f"{self.what}: {self.before} when the run began, {self.now} now"


@dataclass(frozen=True, slots=True)
class Resumed:
    """One `--resume`."""

    at: str
    """UTC, ISO 8601."""
    command: tuple[str, ...]
    version: str
    """netbench's version."""
    block: int
    """The first block that was measured from then on."""
    number: int
    """The number of its first record. Earlier records of that block are set aside: it was cut off,
    and what belongs to one block is measured within minutes, over pairs brought up together."""
    set_aside: int
    """How many those are."""
    spent: float
    """Seconds that the run had taken by then, pauses left out."""
    differences: tuple[ResumeDifference, ...] = ()
    """What had changed since the run began, where `--force` went on all the same."""
    extended_blocks: int = 0
    """Blocks that `--blocks +N` added; 0 where it was not given."""
    extended_time: float = 0.0
    """Seconds that `--max-time +S` added; 0 where it was not given."""
    reopened: bool = False
    """Whether cells that had settled were measured again, because nothing else was left."""

    @property
    def extends(self) -> bool:
        """Whether the run was extended, and not only resumed."""
        return bool(self.extended_blocks or self.extended_time)

    def sets_aside(self, block: int, number: int) -> bool:
        """Tell whether a record counts no more, because its block was measured anew."""
        return block == self.block and number < self.number

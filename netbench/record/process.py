"""What is left of a process that has ended: the common currency of engines and probes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Completed:
    """One process, run to its end or ended by us."""

    argv: tuple[str, ...]
    exit_code: int | None
    """Negative for the signal that killed it, as in `subprocess`; None where nobody saw."""
    stdout: str
    stderr: str
    timed_out: bool
    """True where our deadline ended it."""
    seconds: float
    """Wall time from start (or release from hold) to end."""

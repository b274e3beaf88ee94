"""What could not be read of a run's records."""

from dataclasses import dataclass, field
from typing import Final

from netbench.units import numbered

_KEPT: Final = 10  # lines whose reason is kept; of the others the number is
_SPANS: Final = 12  # spans of line numbers that are named


@dataclass(slots=True)
class Damage:
    """Lines of `records.jsonl` that are no record of the run; it grows while the file is read."""

    lines: list[int] = field(default_factory=list)  # their numbers, from 1, ascending
    reasons: list[str] = field(default_factory=list)  # why, of the first ten; each names its line

    def note(self, line: int, reason: str) -> None:
        """Add a line."""
        self.lines.append(line)
        if len(self.reasons) < _KEPT:
            self.reasons.append(reason)

    def clear(self) -> None:
        """Forget everything: the file is read anew."""
        self.lines.clear()
        self.reasons.clear()

    @property
    def named(self) -> str:
        """The numbers: `line 3`, `lines 3, 5 to 8 and 4 more`."""
        return numbered("line", self.lines, _SPANS)

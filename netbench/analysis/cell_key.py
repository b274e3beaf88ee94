"""A cell without its driver: what figures and tables are grouped by."""

from dataclasses import dataclass
from typing import Final, Self

from netbench.spec import Cell, Path, Placement

PLACEMENTS: Final[dict[Placement, str]] = {
    Placement.CROSS: "on two cores",
    Placement.SAME: "on one core",
    Placement.NONE: "unpinned",
}
PATHS: Final[dict[str, str]] = {
    Path.EAST_WEST: "",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
    Path.ACROSS: "across machines",
    Path.OUTSIDE: "from the machine",
    Path.TO_OUTSIDE: "to the machine",
}
"""Added to a measure's name."""
TRIED: Final = ("connect to", "a second endpoint")  # how evidence of tried paths begins


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """What figures and tables are grouped by: everything of a cell but its driver."""

    path: str
    probe: str
    placement: Placement

    @classmethod
    def of(cls, cell: Cell) -> Self:
        """Return the key of a cell."""
        return cls(cell.path, cell.probe, cell.placement)

    @property
    def place(self) -> str:
        """`on one core`, `on two cores from the LAN`."""
        return f"{PLACEMENTS[self.placement]} {PATHS.get(self.path, self.path)}".strip()

    @property
    def words(self) -> str:
        """`tcp-rr on one core, east-west`."""
        return f"{self.probe} {PLACEMENTS[self.placement]}, {self.path}"

    @property
    def slug(self) -> str:
        """A name for HTML ids: letters, digits and hyphens only."""
        raw = f"{self.path}-{self.probe}-{self.placement}"
        return "".join(c if c.isascii() and c.isalnum() else "-" for c in raw)


Owner = tuple[str, CellKey]  # a driver in a cell


def plain(text: str) -> str:
    """Return `text` on one line without control characters: tool output is not trusted."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.strip()

"""Tables that may be long: their first rows stand in the page, all of them in its packed data."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import CommandLine, Digest, RecordRow
from netbench.analysis.model import Analysis, Contrast
from netbench.documents.inspect_verify import NamespaceCell
from netbench.report.costs import USED_UP
from netbench.report.document import Json
from netbench.report.labels import contrast_id, interval, judgement
from netbench.report.sharing import WORDS, NamespaceTable
from netbench.report.stopping import stop_words

FIRST: Final = 15  # rows that stand in the page itself, for readers without scripts
_SECOND: Final = len("2026-01-14T10:15:00")
_PROOFS: Final = {True: "✓ held", False: "✗ not held", None: units.MISSING}
_PORT: Final = re.compile(r"(?<=\s-p\s)\d+\b|(?<=[\w\]]:)\d+(?=,)")
"""A port as iperf3, sockperf and netperf take it, or as socat does."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column."""

    title: str
    kind: str = ""  # style class: `num` for figures, `mono` for text of tools, `wrap` for long text


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table as the page shows it."""

    id: str
    caption: str  # what it holds, for readers who do not see it
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]  # all that the page carries
    driver: int | None = None  # column of the driver's name, by which the page filters
    metric: int | None = None  # column of the metric's name, by which the page filters
    keys: tuple[str, ...] = ()
    """An id for each row, where rows can be linked to; empty for a row that cannot."""
    first: int = FIRST
    left: int = 0  # rows that only records.jsonl has

    @property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """The rows that stand in the page itself."""
        return self.rows[: self.first]


def columns(
    things: Sequence[T], *each: tuple[str, str, Callable[[T], str]]
) -> tuple[tuple[TableColumn, ...], tuple[tuple[str, ...], ...]]:
    """Return columns and rows of a table, from (title, style class, value of a thing)."""
    titles = tuple(TableColumn(title, kind) for title, kind, _ in each)
    return titles, tuple(tuple(value(thing) for *_, value in each) for thing in things)


def packed_rows(tables: Iterable[DataTable]) -> dict[str, Json]:
    """Return the tables column by column, in which what is alike packs to less."""
    return {
        table.id: {
            "columns": [[row[i] for row in table.rows] for i in range(len(table.columns))],
            "keys": list(table.keys),
        }
        for table in tables
    }


def contrasts(analysis: Analysis) -> DataTable:
    """Return every contrast; links to primary ones lead to the chart of the measures."""
    titles, rows = columns(
        analysis.contrasts,
        ("Driver", "", lambda c: plain(c.driver)),
        ("Path", "", lambda c: c.path),
        ("Probe", "", lambda c: plain(c.probe)),
        ("Placement", "", lambda c: c.placement),
        ("Metric", "", lambda c: plain(c.metric)),
        ("Blocks", "num", lambda c: str(c.blocks)),
        ("Ratio", "num", lambda c: units.ratio(c.ratio)),
        ("Interval", "", lambda c: interval(c.low, c.high)),
        ("95 %, unshared", "", lambda c: interval(*(c.unshared or (None, None)))),
        ("Median ratio", "num", lambda c: units.ratio(c.median_ratio)),
        ("Median", "num", lambda c: units.quantity(c.driver_median, c.unit)),
        (
            f"Of {plain(analysis.baseline)}",
            "num",
            lambda c: units.quantity(c.baseline_median, c.unit),
        ),
        ("Noise floor", "num", _floor),
        ("Verdict", "", lambda c: judgement(c, analysis.margin)),
        ("Judged", "", lambda c: "yes" if c.primary else "no"),
        ("Used up", "", lambda c: USED_UP.get(c.saturated, units.MISSING)),
        ("Stopped", "", stop_words),
    )
    keys = tuple("" if c.primary else contrast_id(c) for c in analysis.contrasts)
    return DataTable("contrasts", "Every metric", titles, rows, driver=0, metric=4, keys=keys)


def _floor(contrast: Contrast) -> str:
    floor = contrast.noise_floor
    return "unbounded" if floor is None else units.share(floor)


def commands(digest: Digest) -> DataTable:
    """Return every command line but for its port, the most used of each probe and role first."""
    found = grouped(((c.probe, c.role.value, _portless(c)), c) for c in digest.commands)
    times = {one: sum(command.times for command in alike) for one, alike in found.items()}
    drivers = {one: {d for c in alike for d in c.drivers} for one, alike in found.items()}
    most = grouped((one[:2], number) for one, number in times.items())
    titles, rows = columns(
        sorted(times, key=lambda one: times[one] < max(most[one[:2]])),
        ("Probe", "", lambda one: plain(one[0])),
        ("Role", "", lambda one: one[1]),
        ("Command", "mono wrap", lambda one: one[2]),
        ("Drivers", "", lambda one: plain(", ".join(sorted(drivers[one])))),
        ("Times", "num", lambda one: str(times[one])),
    )
    return DataTable("command-lines", "Every distinct command line", titles, rows)


def _portless(command: CommandLine) -> str:
    return _PORT.sub("PORT", plain(" ".join(command.argv)))


def records(digest: Digest) -> DataTable:
    """Return every record that the page carries."""
    titles, rows = columns(
        digest.rows,
        ("No.", "num", lambda row: str(row.number)),
        ("Block", "num", lambda row: str(row.block)),
        ("Order", "num", _order),
        ("Driver", "", lambda row: plain(row.arm)),
        ("Path", "", lambda row: row.cell.path),
        ("Probe", "", lambda row: plain(row.cell.probe)),
        ("Placement", "", lambda row: row.cell.placement),
        ("Slices", "num", _slices),
        ("Result", "note", _result),
        ("Proof", "", lambda row: _PROOFS[row.path_held]),
        ("CPUs seen", "", lambda row: plain(row.pins) or units.MISSING),
        ("Started (UTC)", "", lambda row: plain(row.started[:_SECOND].replace("T", " "))),
        ("Seconds", "num", lambda row: f"{row.seconds:.2f}"),
        ("Other figures", "", lambda row: ", ".join(_values(row)[1:]) or units.MISSING),
        ("Raw output", "mono", lambda row: plain(row.raw) or units.MISSING),
    )
    left = digest.total - len(rows)
    return DataTable("record-table", "Every record", titles, rows, driver=3, left=left)


def _order(row: RecordRow) -> str:
    return f"{row.position}, try {row.attempt}" if row.attempt > 1 else str(row.position)


def _slices(row: RecordRow) -> str:
    """Return `8`, or `8, 1 failed`; nothing of a trial that ran whole."""
    if not row.slices:
        return units.MISSING
    return f"{row.slices}, {row.failed_slices} failed" if row.failed_slices else f"{row.slices}"


def _values(row: RecordRow) -> list[str]:
    return [f"{plain(name)} {units.quantity(value, unit)}" for name, value, unit in row.values]


def _result(row: RecordRow) -> str:
    if row.outcome != "sample":
        return f"{row.outcome}: {row.note}"
    return next(iter(_values(row)), "")


def inodes(table: NamespaceTable) -> DataTable:
    """Return the inode of every namespace of every driver's ends."""
    return DataTable(
        id="inodes",
        caption="Inodes of client, server and host",
        columns=tuple(map(TableColumn, ("Driver", "Kind", "Client", "Server", "Host"))),
        rows=tuple(
            (plain(driver), kind, _end(row.client), _end(row.server), _number(row.host))
            for number, driver in enumerate(table.drivers)
            for kind, rows in table.rows.items()
            for row in rows[number : number + 1]
        ),
        driver=0,
        first=16,
    )


def _end(one: NamespaceCell) -> str:
    return f"{_number(one.inode)} {WORDS[one.shared]}"


def _number(inode: int | None) -> str:
    return units.MISSING if inode is None else str(inode)

"""The page's long tables: contrasts, namespaces, command lines, and every record."""

from typing import Final

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest, RecordRow
from netbench.analysis.model import Analysis, Contrast
from netbench.report.ceiling import USED_UP
from netbench.report.data_table import DataTable, TableColumn
from netbench.report.labels import contrast_id, interval
from netbench.report.sections import NamespaceView
from netbench.report.sharing import WORDS, NamespaceUse
from netbench.report.stopping import stop_words
from netbench.report.verdict_text import signed

_SECOND: Final = len("2026-01-14T10:15:00")
_PROOFS: Final = {True: "✓ held", False: "✗ not held", None: units.MISSING}


def contrasts(analysis: Analysis) -> DataTable:
    """Return every contrast of every metric.

    Primary ones have their place in the chart of the measures, where links to them lead.
    """
    return DataTable(
        id="contrasts",
        caption="Every metric",
        columns=(
            TableColumn("Driver"),
            TableColumn("Path"),
            TableColumn("Probe"),
            TableColumn("Placement"),
            TableColumn("Metric"),
            TableColumn("Blocks", "num"),
            TableColumn("Ratio", "num"),
            TableColumn("Interval"),
            TableColumn("95 %, unshared"),
            TableColumn("Median ratio", "num"),
            TableColumn("Median", "num"),
            TableColumn(f"Of {plain(analysis.baseline)}", "num"),
            TableColumn("Noise floor", "num"),
            TableColumn("Verdict"),
            TableColumn("Judged"),
            TableColumn("Used up"),
            TableColumn("Stopped"),
        ),
        rows=tuple(_contrast(contrast, analysis.margin) for contrast in analysis.contrasts),
        driver=0,
        metric=4,
        keys=tuple("" if c.primary else contrast_id(c) for c in analysis.contrasts),
    )


def _contrast(contrast: Contrast, margin: float) -> tuple[str, ...]:
    floor = contrast.noise_floor
    return (
        plain(contrast.driver),
        contrast.path,
        plain(contrast.probe),
        contrast.placement,
        plain(contrast.metric),
        str(contrast.blocks),
        units.ratio(contrast.ratio),
        interval(contrast.low, contrast.high),
        interval(*(contrast.unshared or (None, None))),
        units.ratio(contrast.median_ratio),
        units.quantity(contrast.driver_median, contrast.unit),
        units.quantity(contrast.baseline_median, contrast.unit),
        "unbounded" if floor is None else f"{floor * 100:.1f} %",
        signed(contrast, margin),
        "yes" if contrast.primary else "no",
        USED_UP[contrast.saturated] if contrast.saturated else units.MISSING,
        stop_words(contrast),
    )


def commands(digest: Digest) -> DataTable:
    """Return every distinct command line, the most used one of each probe and role first."""
    most: dict[tuple[str, str], int] = {}
    for command in digest.commands:
        where = (command.probe, command.role)
        most[where] = max(command.times, most.get(where, 0))
    ordered = sorted(digest.commands, key=lambda c: c.times < most[c.probe, c.role])
    return DataTable(
        id="command-lines",
        caption="Every distinct command line",
        columns=(
            TableColumn("Probe"),
            TableColumn("Role"),
            TableColumn("Command", "mono wrap"),
            TableColumn("Drivers"),
            TableColumn("Times", "num"),
        ),
        rows=tuple(
            (
                plain(command.probe),
                command.role,
                plain(" ".join(command.argv)),
                plain(", ".join(command.drivers)),
                str(command.times),
            )
            for command in ordered
        ),
    )


def inodes(namespaces: tuple[NamespaceView, ...]) -> DataTable:
    """Return the inode of every namespace of every driver's ends."""

    def end(one: NamespaceUse) -> str:
        number = units.MISSING if one.inode is None else str(one.inode)
        return f"{number} {WORDS[one.sharing]}"

    return DataTable(
        id="inodes",
        caption="Inodes of client, server and host",
        columns=tuple(map(TableColumn, ("Driver", "Kind", "Client", "Server", "Host"))),
        rows=tuple(
            (
                plain(own.driver),
                row.kind,
                end(row.client),
                end(row.server),
                units.MISSING if row.host is None else str(row.host),
            )
            for own in namespaces
            for row in own.rows
        ),
        driver=0,
        first=16,
    )


def records(digest: Digest) -> DataTable:
    """Return every record that the page carries."""
    return DataTable(
        id="record-table",
        caption="Every record",
        columns=(
            TableColumn("No.", "num"),
            TableColumn("Block", "num"),
            TableColumn("Order", "num"),
            TableColumn("Driver"),
            TableColumn("Path"),
            TableColumn("Probe"),
            TableColumn("Placement"),
            TableColumn("Slices", "num"),
            TableColumn("Result", "note"),
            TableColumn("Proof"),
            TableColumn("CPUs seen"),
            TableColumn("Started (UTC)"),
            TableColumn("Seconds", "num"),
            TableColumn("Other figures"),
            TableColumn("Raw output", "mono"),
        ),
        rows=tuple(_record(row) for row in digest.rows),
        driver=3,
        left=digest.total - len(digest.rows),
    )


def _slices(row: RecordRow) -> str:
    """Return `8`, or `8, 1 failed`; nothing of a trial that ran whole."""
    if not row.slices:
        return units.MISSING
    return f"{row.slices}, {row.failed_slices} failed" if row.failed_slices else f"{row.slices}"


def _record(row: RecordRow) -> tuple[str, ...]:
    values = [f"{plain(name)} {units.quantity(value, unit)}" for name, value, unit in row.values]
    note = values[0] if values else ""
    return (
        str(row.number),
        str(row.block),
        f"{row.position}, try {row.attempt}" if row.attempt > 1 else str(row.position),
        plain(row.arm),
        row.cell.path,
        plain(row.cell.probe),
        row.cell.placement,
        _slices(row),
        note if row.outcome == "sample" else f"{row.outcome}: {row.note}",
        _PROOFS[row.path_held],
        plain(row.pins) or units.MISSING,
        plain(row.started[:_SECOND].replace("T", " ")),
        f"{row.seconds:.2f}",
        ", ".join(values[1:]) or units.MISSING,
        plain(row.raw) or units.MISSING,
    )

"""What a terminal shows of a run only when asked for everything."""

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report.console_text import (
    GLUE,
    STYLES,
    Cells,
    FittingTable,
    Paragraph,
    paragraphs,
    styled,
)
from netbench.report.costs import ceiling_sentences, cost_notes, cost_rows
from netbench.report.labels import counted, judgement, key_of, metric_title, ratio_text
from netbench.report.matrix import MeasureEntry, measures, others
from netbench.report.sentences import (
    closed_sentences,
    isolated_drivers,
    isolation_sentence,
    measure,
    primaries,
    published_in_short,
    published_sentences,
    uncompared,
    unmeasured,
)
from netbench.report.stopping import ending, stop_words

_SHORT: Final = {"byte": "B", "transaction": "t"}
"""What CPU time is divided by, as a table writes it."""


def everything(info: RunInfo, analysis: Analysis, digest: Digest) -> Iterator[RenderableType]:
    """Yield every comparison with its size and its end, other measures, costs, paths, ceilings."""
    yield from _comparisons(info, analysis)
    yield from _beside(info, analysis)
    yield from _uncompared(analysis)
    yield from _costs(analysis, digest)
    yield from paragraphs(cost_notes(info, digest) if digest.cpu else (), "dim")
    isolated = [isolation_sentence(view) for view in isolated_drivers(digest)]
    lines = [*isolated, *closed_sentences(digest), *published_sentences(digest)]
    yield from styled([""] if lines else [])
    yield from paragraphs(lines)
    yield from paragraphs(unmeasured(digest), "red")
    yield from paragraphs(filter(None, [published_in_short(info, analysis)]))
    yield from paragraphs(ceiling_sentences(analysis), "dim")
    yield from paragraphs([plain(ending(info, analysis))], "dim")


def _comparisons(info: RunInfo, analysis: Analysis) -> Iterator[RenderableType]:
    """Yield what each comparison says, by how many blocks, and when it stopped."""
    found, aim = primaries(analysis), info.plan.precision
    yield from styled(["\nEvery comparison"] if found else [], "bold")
    for one in found:
        said = f"{measure(key_of(one), one.metric)} {judgement(one, analysis.margin)}"
        ratio = ratio_text(one).replace(" ", GLUE)
        how = f"{ratio}, {counted(one.blocks, 'block')}, {stop_words(one, aim)}"
        yield Paragraph(f"{plain(one.driver)}: {said} ({how})", STYLES[one.verdict])


def _beside(info: RunInfo, analysis: Analysis) -> Iterator[FittingTable]:
    """Yield the measures that the run is not judged by, a row each."""
    rows = measures(info, analysis)
    drivers = (analysis.baseline, *others(info, analysis))
    if rows:
        yield FittingTable(
            "Other measures, with the ratio to the baseline",
            ("measure", "probe", *map(plain, drivers)),
            [
                (
                    f"{row.title} {row.key.place}",
                    plain(row.key.probe),
                    row.baseline,
                    *map(_entry, row.entries),
                )
                for row in rows
            ],
            keys=2,
        )


def _entry(entry: MeasureEntry | None) -> str | Text:
    if entry is None:
        return units.MISSING
    if entry.contrast is None:
        return entry.value
    verdict = entry.contrast.verdict
    mark = f"{units.ratio(entry.contrast.ratio)} {verdict}"
    return Text(f"{entry.value} ").append(mark, style=STYLES[verdict])


def _uncompared(analysis: Analysis) -> Iterator[FittingTable]:
    """Yield the cells that were measured where the baseline has no such path."""
    found = uncompared(analysis)
    if found:
        yield FittingTable(
            f"Without a counterpart: {plain(analysis.baseline)} has no such path",
            ("driver", "measure", "median", "quartiles", "values"),
            [
                (
                    plain(cell.driver),
                    f"{metric_title(cell.metric)} {key_of(cell).place}",
                    units.quantity(cell.median, cell.unit),
                    " to ".join(units.quantity(end, cell.unit) for end in (cell.p25, cell.p75)),
                    str(cell.trials),
                )
                for cell in found
            ],
            keys=2,
        )


def _costs(analysis: Analysis, digest: Digest) -> Iterator[FittingTable]:
    """Yield the CPU time of every driver in every cell."""
    rows: list[Cells] = [
        (
            plain(f"{row.key.probe} {row.key.place}"),
            plain(row.driver),
            f"{row.cost}/{_SHORT.get(row.per, row.per)}",
            row.ratio,
            *(row.busy, row.client, row.server, row.rest, row.softirq),
        )
        for row in cost_rows(analysis, digest)
    ]
    figures = ("CPU time", "ratio", "busy", "client", "server", "rest", "softirq")
    if rows:
        title = "CPU time (busy, client, server and the rest in CPUs)"
        yield FittingTable(title, ("probe", "driver", *figures), rows, keys=2)

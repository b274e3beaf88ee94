"""The answer as one SVG that stands alone, in light colours; lengths are pixels of 1200."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Verdict
from netbench.errors import ConfigurationError
from netbench.record import RunInfo
from netbench.report import palette
from netbench.report.answer import headline, title, way_title, what
from netbench.report.conditions import Badges, where
from netbench.report.driver_costs import NO_PATH, DriverCost, driver_costs
from netbench.report.html_env import environment
from netbench.report.intervals import Bar, MeasureColumn, charts
from netbench.report.labels import capital, joined, shared_by, shortened
from netbench.report.sentences import baseline_check, primaries

PICTURE: Final = "answer.svg"
PNG: Final = "answer.png"
WIDTH: Final = 1200
EDGE: Final = 24
NAME: Final = 190  # the column of names
WORDS: Final = 190  # what is said beside a bar
CHART: Final = 420  # the widest that bars are drawn
COLUMNS: Final = 3  # side by side; more of them stand below
MARK: Final = 40  # the least distance of two marks
LINE_HEIGHT: Final = 15
NAME_LETTERS: Final = 24
FONTS: Final = (
    "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, "
    "'DejaVu Sans', sans-serif"
)
_LEAD, _NOTE, _BADGE, _CELL = 112, 190, 31, 34
"""Letters on a line of the sentence, of notes, beneath a name, and of a cell."""
_MEASURE_ENDS: Final = re.compile(r"; (?![^(]*\))")  # not within brackets
_LINES: Final = 2  # lines of the reason why a cell has no figure


@dataclass(frozen=True, slots=True)
class PictureCell:
    """One driver in one measure."""

    strong: str
    verdict: Verdict | None
    bar: Bar | None
    beside: str  # an interval that stands in the line of the strong words
    small: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One driver on one path."""

    driver: str
    name: str
    small: tuple[str, ...]
    cells: tuple[PictureCell, ...]

    @property
    def height(self) -> int:
        """Its height, pixels."""
        lines = max(len(self.small), *(len(cell.small) for cell in self.cells))
        return LINE_HEIGHT * (1 + lines) + 10


@dataclass(frozen=True, slots=True)
class PicturePanel:
    """Measures of one path side by side, and the drivers that have it."""

    title: str
    columns: tuple[MeasureColumn, ...]
    heads: tuple[str, ...]
    rows: tuple[PictureRow, ...]
    closed: tuple[str, ...]  # lines that name the drivers without this path

    @property
    def pitch(self) -> float:
        """The distance of its columns, pixels."""
        return (WIDTH - 2 * EDGE - NAME) / len(self.columns)

    @property
    def chart(self) -> float:
        """The width of its bars, pixels."""
        return min(self.pitch - WORDS - 20, CHART)

    def marks(self, column: MeasureColumn) -> tuple[tuple[float, str], ...]:
        """Return where a column has marks, in percent of its bars' width, and their labels."""
        return replace(column.axis, gap=min(column.axis.gap, MARK / self.chart)).marks


def answer_picture(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the picture as SVG."""
    colours = palette.driver_colours(info.plan.drivers, analysis.baseline)
    template = environment().get_template("answer.svg.j2")
    drawn = template.render(
        title=f"netbench: {title(info, analysis)}",
        date=info.created.partition("T")[0],
        headline=headline(info, analysis, digest),
        lead=_sentence(headline(info, analysis, digest)),
        badges=_lines([f"Caveats: {'; '.join(Badges(info, analysis, digest).lines())}"]),
        panels=tuple(_panels(info, analysis, digest)),
        notes=_lines([_key(analysis), where(info, digest)]),
        colours={driver: colour.light for driver, colour in colours.items()},
        analysis=analysis,
        fonts=FONTS,
        width=WIDTH,
        edge=EDGE,
        name_width=NAME,
        line_height=LINE_HEIGHT,
        palette=palette,
    )
    return f"{drawn.strip()}\n"


def png(svg: str) -> bytes:
    """Return a picture as PNG, twice as large: sharp on any screen.

    Raises:
        ConfigurationError: resvg is not installed, or finds none of the fonts.
    """
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 - optional
    except ImportError as exc:
        raise ConfigurationError(
            f"{PNG} needs resvg, which is not installed", hint="pip install 'netbench[picture]'"
        ) from exc
    blank = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" font-family="{FONTS}">'
    if svg_to_bytes(f"{blank}</svg>") == svg_to_bytes(f'{blank}<text y="9">A</text></svg>'):
        raise ConfigurationError(
            f"{PNG} needs a font, and none of {FONTS} is installed",
            hint="apt install fonts-dejavu-core",
        )
    return bytes(svg_to_bytes(svg, zoom=2))


def _sentence(text: str) -> tuple[str, ...]:
    """Return the answer in lines, each measure on one of its own."""
    parts = _MEASURE_ENDS.split(text)
    ended = [*(f"{part};" for part in parts[:-1]), parts[-1]]
    return tuple(line for part in ended for line in textwrap.wrap(part, _LEAD))


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for text in texts for line in textwrap.wrap(plain(text), _NOTE))


def _key(analysis: Analysis) -> str:
    check = f"{capital(baseline_check(analysis))}."
    if not primaries(analysis):
        return check
    return (
        f"Points are ratios to {analysis.baseline} with intervals ({shared_by(analysis)}), block "
        "by block; right is worse. Grey band: noise floor. Dotted lines: margin of "
        f"{analysis.margin * 100:g} %. Below a verdict: the median over all sessions. {check}"
    )


def _panels(info: RunInfo, analysis: Analysis, digest: Digest) -> Iterator[PicturePanel]:
    drivers = driver_costs(info, analysis, digest)
    columns = [column for chart in charts(info, analysis) for column in chart.columns]
    for path, own in grouped((column.key.path, column) for column in columns).items():
        for start in range(0, len(own), COLUMNS):
            yield _panel(analysis, drivers, path, own[start : start + COLUMNS])


def _panel(
    analysis: Analysis, drivers: Sequence[DriverCost], path: str, columns: list[MeasureColumn]
) -> PicturePanel:
    rows = [_row(analysis, own, path, columns) for own in drivers]
    open_ = [row for row in rows if any(cell.strong != NO_PATH for cell in row.cells)]
    closed = [plain(row.driver) for row in rows if row not in open_]
    return PicturePanel(
        title=way_title(path),
        columns=tuple(columns),
        heads=tuple(capital(what(column.key, column.metric)) for column in columns),
        rows=tuple(open_),
        closed=_lines([f"{capital(NO_PATH)}: {joined(closed)}"] if closed else []),
    )


def _row(
    analysis: Analysis, own: DriverCost, path: str, columns: Sequence[MeasureColumn]
) -> PictureRow:
    baseline = " (baseline)" if own.driver == analysis.baseline else ""
    limits = [*own.badges[path], *own.served(path)]
    return PictureRow(
        driver=own.driver,
        name=f"{shortened(plain(own.driver), NAME_LETTERS - len(baseline))}{baseline}",
        small=tuple(line for limit in limits for line in textwrap.wrap(plain(limit), _BADGE)),
        cells=tuple(_cell(own, column) for column in columns),
    )


def _cell(own: DriverCost, column: MeasureColumn) -> PictureCell:
    words = own.costs[column.key, column.metric].in_table
    strong, figure = words.strong, words.median
    if not strong:  # the baseline, whose median is what one reads at a glance
        strong, figure = figure, ""
    beside = words.rest if words.rest.startswith("[") else ""
    parts = ("" if beside else words.rest, "; ".join(filter(None, (figure, *words.badges))))
    return PictureCell(
        plain(strong), words.verdict, column.bar(own.driver), beside, _beneath([*map(plain, parts)])
    )


def _beneath(parts: Sequence[str]) -> tuple[str, ...]:
    text = "; ".join(filter(None, parts))
    if len(text) <= _CELL:
        return (text,) if text else ()
    return tuple(line for part in parts for line in textwrap.wrap(part, _CELL)[:_LINES])

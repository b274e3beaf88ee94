"""What every figure is made of: a picture, its words, and its data as a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar

import numpy as np

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import PlanSummary
from netbench.report.figures.picture import Axis, Picture, Spec, Trace, Value, plotly
from netbench.report.labels import key_of
from netbench.report.long_tables import DataTable, TableColumn
from netbench.report.palette import QUIET, Colour
from netbench.report.sentences import primaries
from netbench.spec import Placement

POINTS: Final = 1_500
"""Points that one figure draws; beyond it every k-th is shown, and the caption says so."""
TABLE: Final = 300  # rows of a figure's table
DRIVERS: Final = 12  # drivers that one figure of lines draws
NAMED: Final = 4  # drivers that one title names one by one
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_THOUSAND: Final = 1e3
_RATES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_CORES: Final = {
    Placement.CROSS: "pinned to two cores",
    Placement.SAME: "pinned to one core",
    Placement.NONE: "unpinned",
}

T = TypeVar("T")
Points = Iterable[tuple[float, float]]  # (x, y)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the page shows it."""

    id: str
    title: str  # states the finding, where one can be computed
    caption: str  # says how to read it, and what is left out
    picture: Picture | None  # None if a drawing would mislead: then the table stands alone
    table: DataTable

    @property
    def spec(self) -> Spec:
        """Return what Plotly draws; empty where nothing is drawn."""
        return plotly(self.picture) if self.picture else {}


@dataclass(frozen=True, slots=True)
class FigureData:
    """What figures are drawn from."""

    analysis: Analysis
    digest: Digest
    colours: dict[str, Colour]
    plan: PlanSummary

    def colour(self, driver: str) -> str:
        """Return a driver's colour on a light page."""
        return self.colours[driver].light

    def by_driver(self, things: Mapping[str, T]) -> dict[str, T]:
        """Return what belongs to drivers in their order, the baseline first."""
        return {driver: things[driver] for driver in self.colours if driver in things}

    def in_order(self, keys: Iterable[CellKey]) -> list[CellKey]:
        """Return cells in the order of the verdict's table, others behind it."""
        first = [key_of(c) for c in primaries(self.analysis)]
        return sorted(keys, key=lambda key: (first.index(key) if key in first else len(first), key))

    def medians(self, key: CellKey, metric: str) -> dict[str, float]:
        """Return the median of each driver that was measured in a cell, the baseline first."""
        own = (
            cell
            for cell in self.analysis.cells
            if key_of(cell) == key and cell.metric == metric and not cell.replica
        )
        return self.by_driver({cell.driver: cell.median for cell in own if cell.median is not None})

    def lines(self, driver: str, lines: Iterable[Points], scale: float) -> Trace:
        """Return single records of a driver as one faint trace with gaps, its y over `scale`."""
        parts = [list(line) for line in lines]
        return Trace(
            name=driver,
            mode="lines",
            colour=self.colour(driver),
            x=gaps([x for x, _ in part] for part in parts),
            y=gaps([y / scale for _, y in part] for part in parts),
            opacity=0.3,
            width=1,
        )


class RowMark(NamedTuple):
    """One of several marks within a driver's row."""

    words: str
    symbol: str
    lift: float  # how far above the middle of the row it stands


def figure(
    name: str,
    *columns: tuple[str, Callable[[T], str]],
    title: str,
    caption: str,
    picture: Picture | None,
    things: Sequence[T],
) -> Figure:
    """Return a figure; its table has a row for each of the first `TABLE` things."""
    headers = [title for title, _ in columns]
    table = DataTable(
        id=f"data-{name}",
        caption=f"Data of: {title}",
        columns=tuple(map(TableColumn, headers)),
        rows=tuple(tuple(value(thing) for _, value in columns) for thing in things[:TABLE]),
        driver=headers.index("driver") if "driver" in headers else None,
        first=6,
        left=max(len(things) - TABLE, 0),
    )
    return Figure(name, title, caption, picture, table)


def scaled(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Return the divisor and the name of the unit that suits an axis with these values."""
    middle = float(np.median(np.abs(np.array(list(values), np.float64))))
    if unit == units.SECONDS:
        return next(((s, name) for s, name in _TIMES if middle >= s), _TIMES[-1])
    if unit == units.PER_SECOND:
        return (_THOUSAND, "thousand per second") if middle >= _THOUSAND else (1.0, "per second")
    return next(((s, f"{p}{unit}") for s, p in _RATES if middle >= s), (1.0, unit))


def chosen(values: Mapping[str, float], baseline: str) -> tuple[list[str], str]:
    """Return the drivers that a figure draws, evenly chosen of too many, and words on that."""
    if len(values) <= DRIVERS:
        return list(values), ""
    ranked = sorted((driver for driver in values if driver != baseline), key=values.__getitem__)
    most = DRIVERS - (baseline in values)
    picked = {ranked[round(i * (len(ranked) - 1) / (most - 1))] for i in range(most)} | {baseline}
    drawn = [driver for driver in values if driver in picked]
    note = (
        f" Of {len(values)} drivers {len(drawn)} are drawn, evenly from the lowest to the highest; "
        "the table has all."
    )
    return drawn, note


def spans(values: Mapping[str, float], unit: str) -> str:
    """Return `host 54.2 µs, bridge 61 µs`; of many drivers the lowest and the highest."""
    shown = {driver: units.quantity(value, unit) for driver, value in values.items()}
    if len(shown) <= NAMED:
        return ", ".join(f"{driver} {value}" for driver, value in shown.items())
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return f"from {shown[low]} ({low}) to {shown[high]} ({high}), {len(values)} drivers"


def thinned(things: Sequence[T], most: int = POINTS) -> tuple[list[T], str]:
    """Return at most `most` of the things, evenly taken, and words for the caption."""
    step = max(1, -(-len(things) // most))
    note = f" Of {len(things):,} points every {step}th is drawn." if step > 1 else ""
    return list(things[::step]), note


def rows_axis(names: Sequence[str]) -> Axis:
    """Return the axis of a figure with one row for each name, the first on top."""
    ticks = tuple((len(names) - 1.0 - number, name) for number, name in enumerate(names))
    return Axis("", limits=(-0.6, len(names) - 0.4), ticks=ticks, grid=False)


def row_of(names: Sequence[str], name: str) -> float:
    """Return where a name's row lies on `rows_axis`."""
    return len(names) - 1.0 - names.index(name)


def gaps(parts: Iterable[Sequence[T]]) -> list[T | None]:
    """Return several lines as one, with a gap behind each."""
    return [value for part in parts for value in (*part, None)]


def marked(mark: RowMark, values: Sequence[Value], row: float, colour: str) -> Trace:
    """Return values at a mark's place in a row."""
    rows = [row + mark.lift for _ in values]
    return Trace(name=mark.words, symbol=mark.symbol, colour=colour, x=values, y=rows)


def in_legend(name: str, like: Trace) -> Trace:
    """Return an entry of the legend that stands for all drivers."""
    empty = replace(like, x=(None,), y=(None,), texts=(), reach=None, hover="", colours=())
    return replace(empty, name=name, colour=QUIET.light, legend=True)


def placed(key: CellKey) -> str:
    """Return the words that name cell and placement under every figure."""
    return f"{key.probe}, {key.path}, client and server {_CORES[key.placement]}."

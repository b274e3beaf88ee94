"""Tables of a TOML file: keys are taken one by one, and every problem is noted with its line.

Here too the `[[driver]]` and `[[published]]` tables of a suite. A driver's table has its variant's
options as keys; a published comparison is what others measured, to stand beside the suite's own.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path as File
from typing import Any, Final, get_args

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.drivers import driver_named, driver_with, split_name
from netbench.probes import AnyProbe
from netbench.record import METRICS, Direction, PublishedComparison
from netbench.spec import Path, Placement

_OPTIONS: Final = "options"  # key of the options of the engine's own, `-o` on its command line
_TEXTS: Final = ("source", "url", "conditions")
_CELL: Final = ("path", "probe", "placement")
_KEYS: Final = {
    *(*_TEXTS, *_CELL, "driver", "baseline", "metric", "ratio", "direction", "comparable", "why")
}
_DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
_HEADER: Final = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")


class TomlFile:
    """Gathers every problem of one file."""

    def __init__(self, path: File, text: str) -> None:
        """Take the file and what it holds."""
        self._path = path
        self._lines = text.splitlines()
        found = ((at, _HEADER.match(line)) for at, line in enumerate(self._lines))
        self._headers = [(at, header[1]) for at, header in found if header]
        self.problems: list[str] = []

    def note(self, table: str, key: str, problem: str, occurrence: int = 1) -> None:
        """Note a problem of a key, or of a table; `occurrence` is which of several of that name."""
        self.problems.append(f"{self._path}:{self._line(table, key, occurrence)}: {problem}")

    def _line(self, table: str, key: str, occurrence: int) -> int:
        own = [at for at, name in self._headers if name == table]
        start = own[min(occurrence, len(own)) - 1] if own else 0
        end = next((at for at in own if at > start), len(self._lines))
        nested = f"{table}.{key}" if table else key
        below = [at for at, name in self._headers if name == nested and start <= at < end]
        if below:
            return below[0 if table else min(occurrence, len(below)) - 1] + 1
        stop = next((at for at, _ in self._headers if at > start), len(self._lines))
        pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
        hits = (at for at in range(start, stop) if pattern.match(self._lines[at]))
        return next(hits, start) + 1


class TomlTable:
    """One table of a file, or the file itself."""

    def __init__(
        self, file: TomlFile, values: Mapping[str, Any], name: str = "", number: int = 0
    ) -> None:
        """Take a table; `number` is its place in an array of tables, from 1."""
        self._file = file
        self.values = values
        self.name, self.number = name, number
        self.right = True  # whether nothing was found wrong with it

    def note(self, key: str, *problems: str) -> None:
        """Note problems of a key, or of the whole table where there is no such key."""
        self.right = False
        place = (self.name, key) if key in self.values else ("", self.name or key)
        number = f" {self.number}" if self.number else ""
        prefix = f"{self.name}{number}: " if self.name else ""
        for problem in problems:
            self._file.note(*place, f"{prefix}{problem}", max(1, self.number))

    def note_repeated(self, what: str) -> None:
        """Note that an array holds something twice."""
        problem = f"{self.name} {self.number} stands twice: {what}"
        self._file.note("", self.name, problem, self.number)

    def check_keys(self, known: Iterable[str]) -> None:
        """Note every key that is not known."""
        offered = sorted(known)
        for key in self.values:
            if key not in offered:
                self.note(key, f"unknown key {key!r}; known: {', '.join(offered)}")

    def take(self, key: str, usual: Any, fits: type | Callable[[Any], bool], wanted: str) -> Any:
        """Return a key's value, the usual one where it is missing or, which is noted, not fitting.

        `fits` is a type or tells it of a value; `wanted` completes the sentence after the key.
        """
        value = self.values.get(key, usual)
        if isinstance(value, fits) if isinstance(fits, type) else fits(value):
            return value
        self.note(key, f"{key} {wanted}, not {value!r}")
        return usual

    def one_of(self, key: str, usual: Any, known: Sequence[str], more: str = "") -> Any:
        """Return a key's value, as `take`, that is one of the known ones."""
        return self.take(key, usual, known.__contains__, f"must be one of {', '.join(known)}{more}")

    def tables(self, key: str) -> "Iterator[TomlTable]":
        """Yield the tables of an array, `[[cell]]`."""
        found = self.take(key, [], list, f"stands in tables of its own: [[{key}]]")
        for number, values in enumerate(found, start=1):
            if isinstance(values, dict):
                yield TomlTable(self._file, values, key, number)
            else:
                self._file.note("", key, f"{key} {number} must be a table", number)

    def inner(self, key: str) -> "TomlTable":
        """Return the table of a key, an empty one where it is something else."""
        name = f"{self.name}.{key}" if self.name else key
        return TomlTable(self._file, self.take(key, {}, dict, "must be a table"), name)


def is_positive(value: object) -> bool:
    """Tell whether a value is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= sys.float_info.max


def whole(low: int, high: int) -> Callable[[object], bool]:
    """Return what tells whether a value is a whole number between two bounds, those included."""
    return lambda value: type(value) is int and low <= value <= high


def read_drivers(top: TomlTable) -> tuple[Driver, ...]:
    """Return the drivers of a suite, noting every problem where it stands."""
    found: dict[str, Driver] = {}
    for table in top.tables("driver"):
        driver = _driver(table)
        if driver and driver.name in found:
            table.note_repeated(driver.name)
        if driver:
            found[driver.name] = driver
    return tuple(found.values())


def _driver(table: TomlTable) -> Driver | None:
    text = table.take("name", None, str, "must be that of a driver")
    if text is None:
        return None
    try:
        name, given = split_name(text)
        plain = driver_with(name, {})
        driver_with(name, given)
    except ConfigurationError as exc:
        table.note("name", *exc.problems)
        return None
    for key, option, value in _options(table, plain):
        if option in given:
            table.note(key, f"option {option!r} stands twice")
        elif _made(table, key, name, {option: value}):
            given[option] = value
    # What is right option by option may be wrong together.
    return _made(table, "", name, given) if table.right else None


def _options(table: TomlTable, driver: Driver) -> Iterator[tuple[str, str, str]]:
    """Yield each option with the key that it stands in and its value as text."""
    own = table.take(_OPTIONS, {}, dict, "must be a table of options of the engine's own")
    beside = {key: value for key, value in table.values.items() if key not in ("name", _OPTIONS)}
    for place, options in ((None, beside), (_OPTIONS, own)):
        for option, value in options.items():
            key = place or option
            if place and option in driver.options:
                table.note(key, f"{option} is no option of the engine's: it stands beside `name`")
            elif isinstance(value, str | int):
                yield key, option, str(value).lower() if isinstance(value, bool) else str(value)
            else:
                quotes = "; a key with dots needs quotes" if isinstance(value, dict) else ""
                wanted = f"must be text, a whole number or true/false, not {value!r}{quotes}"
                table.note(key, f"{option} {wanted}")


def _made(table: TomlTable, key: str, name: str, options: Mapping[str, str]) -> Driver | None:
    try:
        return driver_with(name, options)
    except ConfigurationError as exc:
        table.note(key, *exc.problems)
        return None


def read_published(
    top: TomlTable, probes: Mapping[str, AnyProbe], cells: Collection[tuple[str, Placement]]
) -> tuple[PublishedComparison, ...]:
    """Return the published comparisons of a suite, noting every problem where it stands."""
    found = [_published(table, probes, cells) for table in top.tables("published")]
    return tuple(one for one in found if one)


def _published(
    table: TomlTable, probes: Mapping[str, AnyProbe], cells: Collection[tuple[str, Placement]]
) -> PublishedComparison | None:
    """Return the comparison of a table, None if something is wrong with it."""
    table.check_keys(_KEYS)
    texts = {
        key: table.take(key, None, lambda v: isinstance(v, str) and v.strip() != "", "must be text")
        for key in _TEXTS
    }
    driver, baseline = _driver_of(table, "driver", None), _driver_of(table, "baseline", "host")
    if driver == baseline:
        table.note("driver", f"driver and baseline are both {driver}")
    wanted = "is driver / baseline, above 0"
    ratio = table.take("ratio", None, lambda v: v is None or is_positive(v), wanted)
    direction = _direction(table, ratio)
    table.take("comparable", True, bool, "is true or false")
    why: str = table.take("why", "", str, "is text")
    if bool(why) is table.values.get("comparable", True):
        table.note("why", "why says in words why it cannot be compared: with comparable = false")
    compared = [name for name, metric in METRICS.items() if metric.compared]
    metric = table.one_of("metric", None, compared)
    cell = dict.fromkeys(_CELL, "") if why else _cell(table, probes, cells, metric)
    if not table.right:
        return None
    return PublishedComparison(
        **texts,
        **cell,
        driver=driver,
        baseline=baseline,
        metric=metric,
        direction=direction,
        ratio=None if ratio is None else float(ratio),
        incomparable=why,
    )


def _driver_of(table: TomlTable, key: str, usual: str | None) -> str:
    text = table.take(key, usual, str, "must be that of a driver")
    try:
        return driver_named(text).name if text is not None else ""
    except ConfigurationError as exc:
        table.note(key, *exc.problems)
        return ""


def _direction(table: TomlTable, ratio: float | None) -> Direction:
    by_ratio: Direction | None = None
    if ratio is not None:
        by_ratio = "same" if ratio == 1 else "more" if ratio > 1 else "less"
    found: Direction = table.one_of("direction", by_ratio, _DIRECTIONS, ", or left to `ratio`")
    if ratio is not None and found != "same" and (ratio > 1) != (found == "more"):
        table.note("direction", f"direction {found} contradicts the ratio {ratio:g}")
    return found


def _cell(
    table: TomlTable,
    probes: Mapping[str, AnyProbe],
    cells: Collection[tuple[str, Placement]],
    metric: str | None,
) -> dict[str, Any]:
    path, probe, placement = (table.values.get(key) for key in _CELL)
    table.one_of("path", None, list(Path))
    if (probe, placement) not in cells:
        known = ", ".join(f"{name} {at}" for name, at in cells) or "none"
        table.note(
            "probe",
            f"the suite has no cell of probe {probe!r} and placement {placement!r}; it has: "
            f"{known} (or say comparable = false, and why)",
        )
    elif metric and metric not in probes[str(probe)].metrics:
        offered = ", ".join(probes[str(probe)].metrics)
        table.note("metric", f"{probe} gives {offered}; not {metric}")
    return {"path": path, "probe": probe, "placement": placement}

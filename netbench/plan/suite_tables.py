"""The `[[driver]]` and `[[published]]` tables of a suite.

A driver's table has its variant's options as keys. A published comparison is what others measured,
to stand beside the suite's own figures.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, get_args

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.drivers import driver_named, driver_with, split_name
from netbench.plan.toml_tables import TomlTable, is_positive
from netbench.probes import AnyProbe
from netbench.record import METRICS, Direction, PublishedComparison
from netbench.spec import Path, Placement

_OPTIONS: Final = "options"  # key of the options of the engine's own, `-o` on its command line
_TEXTS: Final = ("source", "url", "conditions")
_CELL: Final = ("path", "probe", "placement")
_KEYS: Final = {
    *(*_TEXTS, *_CELL, "driver", "baseline", "metric", "ratio", "direction", "comparable", "why"),
}
_DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)


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
    found = (_Published(table).read(probes, cells) for table in top.tables("published"))
    return tuple(one for one in found if one)


class _Published:
    def __init__(self, table: TomlTable) -> None:
        self._table = table
        self._note = table.note
        self._take = table.take

    def read(
        self, probes: Mapping[str, AnyProbe], cells: Collection[tuple[str, Placement]]
    ) -> PublishedComparison | None:
        """Return the comparison, None if something is wrong with it."""
        self._table.check_keys(_KEYS)
        texts = {key: self._take(key, None, _is_said, "must be text") for key in _TEXTS}
        driver, baseline = self._driver("driver", None), self._driver("baseline", "host")
        if driver == baseline:
            self._note("driver", f"driver and baseline are both {driver}")
        ratio = self._take("ratio", None, _is_ratio, "is driver / baseline, above 0")
        direction = self._direction(ratio)
        why = self._why()
        compared = [name for name, metric in METRICS.items() if metric.compared]
        wanted = f"must be one of {', '.join(compared)}"
        metric = self._take("metric", None, compared.__contains__, wanted)
        cell = dict.fromkeys(_CELL, "") if why else self._cell(probes, cells, metric)
        if not self._table.right:
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

    def _driver(self, key: str, usual: str | None) -> str:
        text = self._take(key, usual, str, "must be that of a driver")
        try:
            return driver_named(text).name if text is not None else ""
        except ConfigurationError as exc:
            self._note(key, *exc.problems)
            return ""

    def _direction(self, ratio: float | None) -> Direction:
        """Return which way it points: as the table says, else as its ratio does."""
        by_ratio: Direction | None = None
        if ratio is not None:
            by_ratio = "same" if ratio == 1 else "more" if ratio > 1 else "less"
        offered = ", ".join(_DIRECTIONS)
        wanted = f"must be one of {offered}, or left to `ratio`"
        found: Direction = self._take("direction", by_ratio, _DIRECTIONS.__contains__, wanted)
        if ratio is not None and found != "same" and (ratio > 1) != (found == "more"):
            self._note("direction", f"direction {found} contradicts the ratio {ratio:g}")
        return found

    def _why(self) -> str:
        self._take("comparable", True, bool, "is true or false")
        why: str = self._take("why", "", str, "is text")
        if bool(why) is self._table.values.get("comparable", True):
            problem = "why says in words why it cannot be compared: with comparable = false"
            self._note("why", problem)
        return why

    def _cell(
        self,
        probes: Mapping[str, AnyProbe],
        cells: Collection[tuple[str, Placement]],
        metric: str | None,
    ) -> dict[str, Any]:
        path, probe, placement = (self._table.values.get(key) for key in _CELL)
        self._take("path", None, list(Path).__contains__, f"must be one of {', '.join(Path)}")
        if (probe, placement) not in cells:
            known = ", ".join(f"{name} {at}" for name, at in cells) or "none"
            self._note(
                "probe",
                f"the suite has no cell of probe {probe!r} and placement {placement!r}; it has: "
                f"{known} (or say comparable = false, and why)",
            )
        elif metric and metric not in probes[str(probe)].metrics:
            offered = ", ".join(probes[str(probe)].metrics)
            self._note("metric", f"{probe} gives {offered}; not {metric}")
        return {"path": path, "probe": probe, "placement": placement}


def _is_said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_ratio(value: object) -> bool:
    return value is None or is_positive(value)

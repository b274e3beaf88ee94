"""The `[[driver]]` tables of a suite: drivers with their variants' options as keys."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.drivers import driver_with, split_name
from netbench.plan.toml_problems import Located

_NAME: Final = "name"
_OPTIONS: Final = "options"
"""Key of the options of the engine's own, `-o` on its command line."""


def read_drivers(raw: Any, file: Located) -> tuple[Driver, ...]:
    """Return the drivers of a suite, noting every problem where it stands."""
    if not isinstance(raw, list):
        file.note("", "driver", "drivers stand in tables of their own: [[driver]] with a name")
        return ()
    found: list[Driver] = []
    for number, table in enumerate(raw, start=1):
        if not isinstance(table, dict):
            file.note("", "driver", f"driver {number} must be a table", number)
            continue
        driver = _Table(file, number).driver(table)
        if driver is None:
            continue
        if driver.name in [known.name for known in found]:
            file.note("", "driver", f"driver {number} stands twice: {driver.name}", number)
        found.append(driver)
    return tuple(found)


class _Table:
    """Reads one table."""

    def __init__(self, file: Located, number: int) -> None:
        self._file = file
        self._number = number
        self._right = True

    def driver(self, table: Mapping[str, Any]) -> Driver | None:
        """Return the driver, None where something is wrong with it."""
        text = table.get(_NAME)
        if not isinstance(text, str):
            self._note(_NAME, f"name must be that of a driver, not {text!r}")
            return None
        try:
            name, given = split_name(text)
            plain = driver_with(name, {})
            driver_with(name, given)
        except ConfigurationError as exc:
            self._note(_NAME, *exc.problems)
            return None
        for place, key, value in self._options(table, plain):
            if key in given:
                self._note(place, f"option {key!r} stands twice")
            elif self._made(place, name, {key: value}):
                given[key] = value
        # What is right option by option may be wrong together.
        return self._made("", name, given) if self._right else None

    def _options(self, table: Mapping[str, Any], driver: Driver) -> Iterator[tuple[str, str, str]]:
        """Yield where each option stands, its name, and its value as text."""
        own = table.get(_OPTIONS, {})
        if not isinstance(own, dict):
            self._note(_OPTIONS, f"{_OPTIONS} must be a table of options of the engine's own")
            own = {}
        for key, value in table.items():
            if key not in (_NAME, _OPTIONS):
                yield from self._option(key, key, value)
        for key, value in own.items():
            if key in driver.options:
                self._note(_OPTIONS, f"{key} is no option of the engine's: it stands beside `name`")
            else:
                yield from self._option(_OPTIONS, key, value)

    def _option(self, place: str, key: str, value: Any) -> Iterator[tuple[str, str, str]]:
        if isinstance(value, bool):
            yield place, key, str(value).lower()
        elif isinstance(value, str | int):
            yield place, key, str(value)
        else:
            quotes = "; a key with dots needs quotes" if isinstance(value, dict) else ""
            problem = f"{key} must be text, a whole number or true/false, not {value!r}{quotes}"
            self._note(place, problem)

    def _made(self, place: str, name: str, options: Mapping[str, str]) -> Driver | None:
        try:
            return driver_with(name, options)
        except ConfigurationError as exc:
            self._note(place, *exc.problems)
            return None

    def _note(self, place: str, *problems: str) -> None:
        self._right = False
        key = ("driver", place) if place else ("", "driver")
        for problem in problems:
            self._file.note(*key, f"driver {self._number}: {problem}", self._number)

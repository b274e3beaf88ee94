"""Tables of a TOML file: keys are taken one by one, and every problem is noted with its line."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_HEADER: Final = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")


class TomlFile:
    """Gathers every problem of one file."""

    def __init__(self, path: Path, text: str) -> None:
        """Take the file and what it holds."""
        self._path = path
        self._lines = text.splitlines()
        found = ((at, _HEADER.match(line)) for at, line in enumerate(self._lines))
        self._headers = [(at, header[1]) for at, header in found if header]
        self.problems: list[str] = []

    def note(self, table: str, key: str, problem: str, occurrence: int = 1) -> None:
        """Note a problem of a key, or of a table named by it, in a table such as `probes.tcp-rr`.

        `occurrence` is which table of that name: `[[cell]]` may stand several times.
        """
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

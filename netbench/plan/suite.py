"""Suites: which probes, with which parameters, in which placements. TOML files."""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from netbench.errors import ConfigurationError
from netbench.probes import PROBES
from netbench.probes.base import Probe
from netbench.spec import Placement

_TOP = {"name", "title", "probes", "cell"}
_CELL = {"probe", "placement"}


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as read."""

    name: str
    title: str
    probes: dict[str, Probe]
    """By probe name, with the suite's parameters."""
    cells: tuple[tuple[str, Placement], ...]
    """Probe and placement, in the file's order."""


def suite_path(name: str) -> Path | None:
    """Return the file of a suite given by name or path, None where there is none."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        return path if path.is_file() else None
    package = Path(__file__).parent.parent
    shipped = (package / "suites", package.parent / "benchmarks")
    return next((f / f"{name}.toml" for f in shipped if (f / f"{name}.toml").is_file()), None)


def load_suite(name: str) -> tuple[Suite | None, list[str]]:
    """Return a suite and every problem of its file, with file, line and key."""
    path = suite_path(name)
    if path is None:
        return None, [f"suite {name!r}: no such suite or file; `quick` is shipped"]
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        return None, [f"{path}: {exc}"]
    reader = _Reader(path, text)
    suite = reader.suite(raw)
    return (None, reader.problems) if reader.problems else (suite, [])


class _Reader:
    """Checks a parsed file, noting every problem where it stands."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()
        self.problems: list[str] = []

    def suite(self, raw: dict[str, Any]) -> Suite:
        self._unknown(raw, _TOP, "", "")
        probes = self._probes(raw.get("probes", {}))
        cells = self._cells(raw.get("cell", []), probes)
        name, title = raw.get("name", self._path.stem), raw.get("title", "")
        for key, value in (("name", name), ("title", title)):
            if not isinstance(value, str):
                self._note(key, f"{key} must be text")
        return Suite(str(name), str(title), probes, cells)

    def _probes(self, raw: Any) -> dict[str, Probe]:
        probes: dict[str, Probe] = {}
        if not isinstance(raw, dict):
            self._note("probes", "probes must be a table")
            raw = {}
        for name, parameters in raw.items():
            probe_class = PROBES.get(name)
            if probe_class is None:
                self._note(f"probes.{name}", f"unknown probe {name!r}; known: {', '.join(PROBES)}")
                continue
            self._probe(name, probe_class, parameters, probes)
        for name, probe_class in PROBES.items():
            probes.setdefault(name, probe_class())
        return probes

    def _probe(
        self, name: str, probe_class: Any, parameters: Any, probes: dict[str, Probe]
    ) -> None:
        known = {field.name for field in fields(probe_class)}
        table = f"probes.{name}"
        if not isinstance(parameters, dict):
            self._note(table, f"{table} must be a table")
            return
        self._unknown(parameters, known, table, f"{table}: ")
        good = {key: value for key, value in parameters.items() if key in known}
        try:
            probes[name] = probe_class(**good)
        except ConfigurationError as exc:
            for problem in exc.problems:
                key = next((k for k in good if f"`{k}`" in problem), "")
                self._note(f"{table}.{key}" if key else table, f"probes.{problem}")

    def _cells(self, raw: Any, probes: dict[str, Probe]) -> tuple[tuple[str, Placement], ...]:
        if not isinstance(raw, list) or not raw:
            self._note("cell", "a suite needs at least one [[cell]] with probe and placement")
            return ()
        cells: list[tuple[str, Placement]] = []
        for number, cell in enumerate(raw, start=1):
            where = f"cell {number}"
            if not isinstance(cell, dict):
                self._note("cell", f"{where} must be a table")
                continue
            self._unknown(cell, _CELL, "cell", f"{where}: ", number)
            found = (self._cell_probe(cell, number, probes), self._cell_placement(cell, number))
            if found[0] is None or found[1] is None:
                continue
            if found in cells:
                self._note("cell", f"{where} stands twice: {found[0]} {found[1]}", number)
            cells.append((found[0], found[1]))
        return tuple(cells)

    def _cell_probe(
        self, cell: dict[str, Any], number: int, probes: dict[str, Probe]
    ) -> str | None:
        name = cell.get("probe")
        if isinstance(name, str) and name in probes:
            return name
        problem = f"cell {number}: probe must be one of {', '.join(PROBES)}, not {name!r}"
        self._note("cell.probe", problem, number)
        return None

    def _cell_placement(self, cell: dict[str, Any], number: int) -> Placement | None:
        value = cell.get("placement", "cross")
        try:
            return Placement(value)
        except ValueError:
            offered = ", ".join(Placement)
            problem = f"cell {number}: placement must be one of {offered}, not {value!r}"
            self._note("cell.placement", problem, number)
            return None

    def _unknown(
        self, found: dict[str, Any], known: set[str], table: str, prefix: str, occurrence: int = 1
    ) -> None:
        for key in found:
            if key not in known:
                offered = ", ".join(sorted(known))
                problem = f"{prefix}unknown key {key!r}; known: {offered}"
                self._note(f"{table}.{key}", problem, occurrence)

    def _note(self, key: str, problem: str, occurrence: int = 1) -> None:
        self.problems.append(f"{self._path}:{self._line(key, occurrence)}: {problem}")

    def _line(self, dotted: str, occurrence: int) -> int:
        """Return the line of a key in its table, of the table's header where it is not there.

        `occurrence` tells which table of that name: `[[cell]]` may stand several times.
        """
        table, _, key = dotted.rpartition(".")
        headers = self._headers(dotted) or (self._headers(table) if table else [])
        start = headers[min(occurrence, len(headers)) - 1] if headers else 0
        end = next((i for i in self._headers() if i > start), len(self._lines))
        pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
        hits = (i for i in range(start, end) if pattern.match(self._lines[i]))
        return next(hits, start) + 1

    def _headers(self, table: str | None = None) -> list[int]:
        """Return the positions of a table's headers, of all tables' where none is named."""
        name = r"[^\]]+" if table is None else re.escape(table)
        pattern = re.compile(rf"\s*\[+\s*{name}\s*\]+")
        return [i for i, line in enumerate(self._lines) if pattern.match(line)]

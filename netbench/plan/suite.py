"""Suites: which probes, with which parameters, in which placements, on which drivers. TOML."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.driver_tables import read_drivers
from netbench.plan.literature import read_published
from netbench.plan.toml_problems import Located
from netbench.probes import PROBES
from netbench.probes.base import AnyProbe, Lifecycle
from netbench.record import PublishedComparison
from netbench.spec import Path as TrafficPath
from netbench.spec import Placement

LEAST_BLOCKS: Final = 6
"""No contrast is settled by fewer (METHOD §2)."""
MOST_BLOCKS: Final = 1000
DEFAULT_MOST: Final = 40
_BESIDE: Final = (TrafficPath.EAST_WEST,)
"""The path of trials of the engine: to an endpoint on the same network, whatever is asked for."""

_TOP = {"name", "title", "blocks", "max_time", "probes", "cell", "driver", "published"}
_CELL = {"probe", "placement", "primary", "blocks"}
_KIND = "kind"
"""Key of a probe's table that names what it is a configuration of, where its own name does not."""
_PROBE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
"""What a configuration of a probe may be called: it stands in file names and on command lines."""


_Cell = tuple[str, Placement]
_Cells = tuple[tuple[_Cell, ...], frozenset[_Cell], dict[_Cell, int]]


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as read."""

    name: str
    title: str
    probes: dict[str, AnyProbe]
    """By name, with the suite's parameters."""
    cells: tuple[tuple[str, Placement], ...]
    """Probe and placement, in the file's order."""
    secondary: frozenset[tuple[str, Placement]] = frozenset()
    """Those of the cells that the run is not judged by."""
    limits: Mapping[tuple[str, Placement], int] = field(default_factory=dict)
    """In how many blocks, the first ones, those of the cells run that do not run in all."""
    drivers: tuple[Driver, ...] = ()
    """What to compare where the user names no drivers; empty where the suite names none either."""
    published: tuple[PublishedComparison, ...] = ()
    least: int = LEAST_BLOCKS
    """Pairs that a contrast has at least before it may be settled."""
    most: int = DEFAULT_MOST
    """Blocks after which the run ends, whatever is left."""
    max_time: float | None = None
    """Seconds after which no further block starts, once there were `least`; None for no limit."""

    def kinds(
        self, paths: tuple[TrafficPath, ...], pin: str
    ) -> tuple[tuple[str, TrafficPath, Placement], ...]:
        """Return probe, path and placement of every cell of a driver."""
        found = (
            (name, path, self.placed(pin, name, placement))
            for name, placement in self.cells
            for path in (_BESIDE if self.is_engines(name) else paths)
        )
        return tuple(dict.fromkeys(found))

    def is_engines(self, probe: str) -> bool:
        """Tell whether a probe's trials are of the engine itself, with no tool to pin."""
        return isinstance(self.probes[probe], Lifecycle)

    def placed(self, pin: str, probe: str, placement: Placement) -> Placement:
        """Return a cell's placement: that of `--pin` where it names one, and tools are pinned."""
        forced = pin in list(Placement) and not self.is_engines(probe)
        return Placement(pin) if forced else placement


def suite_path(name: str) -> Path | None:
    """Return the file of a suite given by name or path, None where there is none."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        return path if path.is_file() else None
    files = (folder / f"{name}.toml" for folder in _shipped())
    return next((file for file in files if file.is_file()), None)


def shipped() -> list[str]:
    """Return the names of the suites that come with netbench."""
    return sorted({file.stem for folder in _shipped() for file in folder.glob("*.toml")})


def _shipped() -> tuple[Path, ...]:
    """Return where shipped suites lie: in the wheel, or in the project's own folder."""
    package = Path(__file__).parent.parent
    return package / "suites", package.parent / "benchmarks"


def load_suite(name: str) -> tuple[Suite | None, list[str]]:
    """Return a suite and every problem of its file, with file, line and key."""
    path = suite_path(name)
    if path is None:
        known = ", ".join(shipped())
        return None, [f"suite {name!r}: no such suite or file; shipped are {known}"]
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as exc:
        return None, [f"{path}: {exc}"]
    file = Located(path, text)
    suite = _Reader(file).suite(raw, path.stem)
    return (None, file.problems) if file.problems else (suite, [])


class _Reader:
    """Checks a parsed file, noting every problem where it stands."""

    def __init__(self, file: Located) -> None:
        self._file = file

    def suite(self, raw: dict[str, Any], stem: str) -> Suite:
        self._file.unknown(raw, _TOP, "", "")
        probes = self._probes(raw.get("probes", {}))
        cells, secondary, limits = self._cells(raw.get("cell", []), probes)
        drivers = read_drivers(raw.get("driver", []), self._file)
        published = read_published(raw.get("published", []), self._file, probes, cells)
        name, title = raw.get("name", stem), raw.get("title", "")
        for key, value in (("name", name), ("title", title)):
            if not isinstance(value, str):
                self._file.note("", key, f"{key} must be text")
        least, most = self._blocks(raw.get("blocks", {}))
        max_time = self._max_time(raw.get("max_time"))
        return Suite(
            name=str(name),
            title=str(title),
            probes=probes,
            cells=cells,
            secondary=secondary,
            limits=limits,
            drivers=drivers,
            published=published,
            least=least,
            most=most,
            max_time=max_time,
        )

    def _blocks(self, raw: Any) -> tuple[int, int]:
        """Return the bounds of an adaptive run."""
        bounds = {"least": LEAST_BLOCKS, "most": DEFAULT_MOST}
        if not isinstance(raw, dict):
            self._file.note("", "blocks", "blocks must be a table such as {least = 6, most = 40}")
            return LEAST_BLOCKS, DEFAULT_MOST
        for key in sorted(raw.keys() - bounds.keys()):
            self._file.note("", "blocks", f"blocks: unknown key {key!r}; known: least, most")
        bounds |= {key: raw[key] for key in bounds if key in raw}
        least, most = bounds["least"], bounds["most"]
        if not (type(most) is int and LEAST_BLOCKS <= most <= MOST_BLOCKS):
            span = f"from {LEAST_BLOCKS} to {MOST_BLOCKS}"
            self._file.note("", "blocks", f"blocks: most is a whole number {span}, not {most!r}")
        elif not (type(least) is int and LEAST_BLOCKS <= least <= most):
            span = f"from {LEAST_BLOCKS} to most, {most}"
            self._file.note("", "blocks", f"blocks: least is a whole number {span}, not {least!r}")
        return least, most

    def _max_time(self, raw: Any) -> float | None:
        if raw is None:
            return None
        if type(raw) not in (int, float) or not (math.isfinite(raw) and raw > 0):
            self._file.note("", "max_time", f"max_time is a number of seconds above 0, not {raw!r}")
            return None
        return float(raw)

    def _probes(self, raw: Any) -> dict[str, AnyProbe]:
        probes: dict[str, AnyProbe] = {}
        if not isinstance(raw, dict):
            self._file.note("", "probes", "probes must be a table")
            raw = {}
        for name, table in raw.items():
            parameters = dict(table) if isinstance(table, dict) else table
            kind = parameters.pop(_KIND, name) if isinstance(parameters, dict) else name
            probe_class = PROBES.get(kind) if isinstance(kind, str) else None
            if probe_class is None:
                what = f"unknown probe {kind!r}"
                known = f"known: {', '.join(PROBES)}"
                self._file.note("probes", name, f"{what}; {known} (or give its {_KIND!r})")
            elif not _PROBE_NAME.fullmatch(name) or (name in PROBES and kind != name):
                problem = f"{name!r} cannot be the name of a {kind} probe of the suite's own"
                self._file.note("probes", name, problem)
            else:
                self._probe(name, probe_class, parameters, probes)
        for name, probe_class in PROBES.items():
            probes.setdefault(name, probe_class())
        return probes

    def _probe(
        self, name: str, probe_class: Any, parameters: Any, probes: dict[str, AnyProbe]
    ) -> None:
        known = {field.name for field in fields(probe_class)}
        table = f"probes.{name}"
        if not isinstance(parameters, dict):
            self._file.note("probes", name, f"{table} must be a table")
            return
        self._file.unknown(parameters, known, table, f"{table}: ")
        good = {key: value for key, value in parameters.items() if key in known}
        try:
            probes[name] = probe_class(**good)
        except ConfigurationError as exc:
            for problem in exc.problems:
                key = next((k for k in good if f"`{k}`" in problem), "")
                self._file.note(*((table, key) if key else ("probes", name)), f"probes.{problem}")

    def _cells(self, raw: Any, probes: dict[str, AnyProbe]) -> "_Cells":
        """Return the cells, those among them that are secondary, and the limits of blocks."""
        cells: list[_Cell] = []
        secondary: set[_Cell] = set()
        limits: dict[_Cell, int] = {}
        if not isinstance(raw, list) or not raw:
            self._file.note(
                "", "cell", "a suite needs at least one [[cell]] with probe and placement"
            )
            raw = []
        for number, cell in enumerate(raw, start=1):
            where = f"cell {number}"
            if not isinstance(cell, dict):
                self._file.note("", "cell", f"{where} must be a table")
                continue
            self._file.unknown(cell, _CELL, "cell", f"{where}: ", number)
            name = self._cell_probe(cell, number, probes)
            engines = name is not None and isinstance(probes[name], Lifecycle)
            placement = self._cell_placement(cell, number, engines=engines)
            if name is None or placement is None:
                continue
            found = name, placement
            if found in cells:
                self._file.note("", "cell", f"{where} stands twice: {name} {placement}", number)
            cells.append(found)
            primary, limit = self._cell_weight(cell, number)
            if not primary:
                secondary.add(found)
            if limit is not None:
                limits[found] = limit
        return tuple(cells), frozenset(secondary), limits

    def _cell_weight(self, cell: dict[str, Any], number: int) -> tuple[bool, int | None]:
        """Return whether the run is judged by a cell, and in how many blocks it runs at most."""
        where, primary, limit = f"cell {number}", cell.get("primary", True), cell.get("blocks")
        if not isinstance(primary, bool):
            self._file.note("cell", "primary", f"{where}: primary is true or false", number)
            primary = True
        if limit is None:
            return primary, None
        if type(limit) is not int or not 1 <= limit <= MOST_BLOCKS:
            span = f"from 1 to {MOST_BLOCKS}"
            problem = f"{where}: blocks is a whole number {span}, not {limit!r}"
            self._file.note("cell", "blocks", problem, number)
        elif primary:
            problem = f"{where}: blocks limits cells with primary = false; a verdict needs them all"
            self._file.note("cell", "blocks", problem, number)
        else:
            return primary, limit
        return primary, None

    def _cell_probe(
        self, cell: dict[str, Any], number: int, probes: dict[str, AnyProbe]
    ) -> str | None:
        name = cell.get("probe")
        if isinstance(name, str) and name in probes:
            return name
        problem = f"cell {number}: probe must be one of {', '.join(probes)}, not {name!r}"
        self._file.note("cell", "probe", problem, number)
        return None

    def _cell_placement(
        self, cell: dict[str, Any], number: int, *, engines: bool
    ) -> Placement | None:
        """Return a cell's placement; `engines` where its trials are of the engine itself."""
        value = cell.get("placement", Placement.NONE if engines else "cross")
        if engines and value != Placement.NONE:
            problem = f"cell {number}: placement is none: the engine's own work cannot be pinned"
            self._file.note("cell", "placement", problem, number)
            return None
        try:
            return Placement(value)
        except ValueError:
            offered = ", ".join(Placement)
            problem = f"cell {number}: placement must be one of {offered}, not {value!r}"
            self._file.note("cell", "placement", problem, number)
            return None
